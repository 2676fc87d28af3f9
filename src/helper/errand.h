/*
 * An errand: a child process that finds the answer to one question, however
 * it may block, crash or leak in doing so.
 *
 *   VACANT -> OUT -> ENDING -> VACANT
 *
 * OUT: not back yet.  ENDING: its answer is taken or given up, it was killed,
 * and the kernel has not yet let go of it; nobody waits for that.
 */
#ifndef HELPER_ERRAND_H
#define HELPER_ERRAND_H

#include <sys/types.h>

#include "base/base.h"
#include "base/error.h"
#include "contract/questions.h"

/* Runs in the child; fills in verdict, result and what belongs to a kind. */
typedef void errand_function(const struct question *question,
    struct answer *answer);

struct errand_kind {
	errand_function	*run;
	int32_t		 failed;	/* result if nobody comes back */
	usec_t		 patience;	/* 0: the helper's */
};

enum errand_phase {
	ERRAND_VACANT = 0,
	ERRAND_OUT,
	ERRAND_ENDING
};

struct errand {			/* zeroed: vacant */
	enum errand_phase	 phase;
	pid_t			 pid;
	int			 fd;		/* OUT: readable: it is back */
	usec_t			 deadline;	/* OUT */
	struct question		 question;	/* OUT; wiped then */
};

/* Sends a child out; the errand must be vacant. */
bool errand_begin(struct errand *errand, const struct question *question,
    const struct errand_kind *kind, usec_t deadline, struct error *error)
    MUST_CHECK;

/*
 * The child is back, or its time is up: the errand is ending.  The answer is
 * the child's, or says that there is none.
 */
void errand_end(struct errand *errand, const struct errand_kind *kind,
    struct answer *answer_out);

/* ENDING: looks whether the child is gone, and never waits for it. */
void errand_reap(struct errand *errand);

/* The answer that nobody found. */
void errand_fail(const struct question *question,
    const struct errand_kind *kind, struct answer *answer_out);

#endif
