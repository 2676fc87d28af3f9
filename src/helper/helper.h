/*
 * The helper: a process for what blocks, so that workers never do.  Today it
 * looks up host names; PAM and LDAP are further kinds of questions.
 *
 * Each question is answered by a child process of its own (errand.h), a
 * bounded number of them at a time and each for a bounded time, so that one
 * that hangs delays no other.  Questions beyond that wait in the socket.
 */
#ifndef HELPER_HELPER_H
#define HELPER_HELPER_H

#include "contract/inheritance.h"
#include "helper/errand.h"

/* Everything helper_serve() needs; descriptors are not blocking. */
struct helper {
	int			 questions_fd;	/* questions come here */
	int			 lifeline_fd;	/* its end is the helper's */
	const int		*outbox_fds;	/* [ROSTER_SLOTS]; -1: none */
	const struct errand_kind *kinds;	/* [QUESTION_KINDS] */
	usec_t			 patience;	/* with each question */
};

/* Answers until the lifeline ends; returns the exit status. */
int helper_serve(const struct helper *helper);

/* A life of the helper, for the supervisor: see contract/inheritance.h. */
int helper_run(const struct inheritance *inheritance);

#endif
