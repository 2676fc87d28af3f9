/*
 * Asking a directory about a user's password: a bind with it, as an entry
 * whose name is made of the user's or is searched for.  In a child process of
 * its own, for a directory may hang.
 */
#ifndef HELPER_LDAP_H
#define HELPER_LDAP_H

#include "helper/errand.h"

/* QUESTION_LDAP. Without LDAP in this build nobody can tell. */
extern const struct errand_kind ldap_kind;

#endif
