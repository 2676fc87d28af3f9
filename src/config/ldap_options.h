/*
 * What auth_ldap_options and the LDAP rules of an HBA file say: which
 * directory, and how a name becomes an entry in it.
 *
 *     ldapserver=ldap.firm ldapprefix="uid=" ldapsuffix=",dc=firm"
 *     ldapurl="ldaps://ldap.firm/dc=firm?uid?sub" ldapbinddn=... ...
 *
 * Options and words are those of PostgreSQL's pg_hba.conf.
 */
#ifndef CONFIG_LDAP_OPTIONS_H
#define CONFIG_LDAP_OPTIONS_H

#include "base/base.h"
#include "base/error.h"
#include "base/memory.h"

/* The text of them all; PgBouncer's limit. */
#define LDAP_OPTIONS_MOST 1023

enum ldap_scope {
	LDAP_SCOPE_OF_BASE = 0,	/* the entry itself */
	LDAP_SCOPE_OF_ONE,	/* what is right below it */
	LDAP_SCOPE_OF_SUB	/* it and all below */
};

/* Texts are NULL where not given, but for those with a default. */
struct ldap_options {
	const char	*server;	/* several, with blanks between */
	int		 port;
	bool		 is_ldaps;	/* TLS from the first byte, or … */
	bool		 start_tls;	/* … after StartTLS */
	const char	*prefix, *suffix;	/* simple bind; "" */
	const char	*base_dn;	/* NULL: simple bind; else search */
	const char	*bind_dn, *bind_password;	/* "": anonymous */
	const char	*search_attribute;	/* NULL: there is a filter */
	const char	*search_filter;		/* with $username; or NULL */
	enum ldap_scope	 scope;
};

/*
 * All texts go to the arena.  False: the error says what is wrong; it never
 * shows a value.
 */
bool ldap_options_read(const char *text, struct arena *arena,
    struct ldap_options *options_out, struct error *error) MUST_CHECK;

#endif
