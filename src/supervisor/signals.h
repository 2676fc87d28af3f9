/*
 * Signals as something to read: no handler runs, the loop takes what came.
 *
 * The signals that the supervisor acts on are blocked and come through a
 * descriptor, so that nothing happens between two lines of code.  A child
 * begins with dispositions of its own.
 */
#ifndef SUPERVISOR_SIGNALS_H
#define SUPERVISOR_SIGNALS_H

#include "base/base.h"
#include "base/error.h"

struct signals {
	int		fd;	/* readable: some signal is there */
	uint64_t	noted;	/* a bit for each */
};

bool signals_open(struct signals *signals, struct error *error) MUST_CHECK;
void signals_close(struct signals *signals);

/* Notes all that have come. */
void signals_read(struct signals *signals);

/* True, once, if this one was noted. */
bool signals_take(struct signals *signals, int signal) MUST_CHECK;

/*
 * In a new child.  A terminal sends INT and HUP to the whole group, and
 * operators signal the supervisor, not its children: these do not reach it.
 * TERM ends it; a worker asks first who says so.
 */
void signals_leave(struct signals *signals);

#endif
