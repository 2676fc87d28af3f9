/*
 * When a dead worker is replaced.  Policy only: no process, no clock.
 *
 *   it lived long                       at once
 *   it failed early, for the first time at once
 *   it failed early again and again     0.1 s, doubled up to 30 s
 *   somebody outside killed it          at once, but not twice in 0.1 s
 *
 * A death is its own failure if it exited or died of what it did itself; a
 * SIGKILL or SIGTERM comes from outside (an operator, a test, the kernel that
 * is out of memory) and says nothing about the next life.
 */
#ifndef SUPERVISOR_RESPAWN_H
#define SUPERVISOR_RESPAWN_H

#include "base/base.h"

#define RESPAWN_LONG_LIFE (10 * USEC_PER_SEC)
#define RESPAWN_FIRST_DELAY (USEC_PER_SEC / 10)
#define RESPAWN_LONGEST_DELAY (30 * USEC_PER_SEC)

struct respawn {		/* of one slot; zeroed: due at once */
	unsigned	failures;	/* early ones in a row */
	usec_t		due_at;
};

/* A life ended: its wait status, and how long it was. */
void respawn_note(struct respawn *respawn, int status, usec_t lived,
    usec_t now);

/* When to replace it; a moment that is past means now. */
usec_t respawn_due(const struct respawn *respawn);

/* fork() itself failed: try again a little later. */
void respawn_put_off(struct respawn *respawn, usec_t now);

#endif
