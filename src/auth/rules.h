/*
 * Which rule of the HBA file is for a client, and which names of the system
 * may be which user.
 */
#ifndef AUTH_RULES_H
#define AUTH_RULES_H

#include "config/hba.h"

/* What is known of a client when the rules are asked. */
struct rules_guest {
	const char		*database, *user;
	const struct address	*address;	/* not over a Unix socket */
	bool			 is_unix;
	bool			 has_tls;
	bool			 is_replication;	/* physical */
};

/*
 * The first rule that fits, NULL: none does.  An IPv4 address that comes as
 * an IPv6 one (::ffff:10.0.0.1) is taken for what it is.
 */
const struct hba_rule *rules_find(const struct hba *hba,
    const struct rules_guest *guest);

/*
 * May this name, of a certificate or a Unix user, be this user?  Without a
 * map (NULL) if it is the same.
 */
bool rules_may_be(const struct ident *ident, const char *map,
    const char *system_name, const char *user) MUST_CHECK;

#endif
