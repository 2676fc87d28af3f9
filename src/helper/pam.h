/*
 * Asking PAM about a user's password, in a child process of its own, where a
 * module may block, leak or crash.
 */
#ifndef HELPER_PAM_H
#define HELPER_PAM_H

#include "helper/errand.h"

/* QUESTION_PAM. Without PAM in this build nobody can tell. */
extern const struct errand_kind pam_kind;

#endif
