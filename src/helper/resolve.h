/*
 * Looking up a host name with the system's resolver: /etc/hosts, DNS, what
 * nsswitch.conf says.  It blocks for as long as the resolver does.
 */
#ifndef HELPER_RESOLVE_H
#define HELPER_RESOLVE_H

#include "helper/errand.h"

/* QUESTION_HOST. */
extern const struct errand_kind resolve_kind;

#endif
