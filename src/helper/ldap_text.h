/*
 * What is sent to a directory, put together from options and the name that a
 * client gave.  The name is anybody's: it is escaped.
 *
 * All: false if it does not fit, or cannot be said.
 */
#ifndef HELPER_LDAP_TEXT_H
#define HELPER_LDAP_TEXT_H

#include "base/base.h"
#include "config/ldap_options.h"

/* "ldap://a:389 ldap://b:390" */
bool ldap_text_uris(const struct ldap_options *options, char *text_out,
    size_t size) MUST_CHECK;

/*
 * Prefix, name, suffix.  Where the prefix makes it a distinguished name
 * ("uid="), the name is escaped as one value of it (RFC 4514, 2.4); what is
 * none ("FIRM\", "@firm") takes it as it is, without control characters.
 */
bool ldap_text_bind_name(const struct ldap_options *options, const char *user,
    char *text_out, size_t size) MUST_CHECK;

/* The filter of the search, the name escaped as a value (RFC 4515, 3). */
bool ldap_text_filter(const struct ldap_options *options, const char *user,
    char *text_out, size_t size) MUST_CHECK;

#endif
