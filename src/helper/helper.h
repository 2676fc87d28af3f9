/*
 * The helper: a process for what blocks, so that workers never do: names of
 * hosts and of Unix users, PAM, LDAP.
 *
 * Each question is answered by a child process of its own (errand.h), for a
 * bounded time, so that one that hangs delays no other.  A bounded number of
 * them are out at a time for each of those who are asked (names, a PAM
 * service, a directory): who hangs delays nobody else's questions.  What is
 * beyond that waits here (line.h); when no more can wait, it has failed.
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
