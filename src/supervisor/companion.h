/*
 * The helper's life as the supervisor sees it: started with the workers,
 * replaced when it dies, slower when it fails early, gone with the last.
 */
#ifndef SUPERVISOR_COMPANION_H
#define SUPERVISOR_COMPANION_H

#include <sys/types.h>

#include "base/base.h"
#include "supervisor/respawn.h"

struct death;
struct supervisor;

struct companion {		/* zeroed: to be started */
	pid_t		pid;	/* 0: there is none */
	usec_t		born_at;
	bool		renewed;	/* it was told to go */
	struct respawn	respawn;
};

/* Starts it if there is none and the time has come. */
void companion_fill(struct supervisor *supervisor, usec_t now);

/* When to start it; INT64_MAX: it lives. */
usec_t companion_due(const struct supervisor *supervisor);

/* Somebody who is no worker has died; perhaps it was the helper. */
void companion_bury(struct supervisor *supervisor, const struct death *death,
    usec_t now);

/* Another log or configuration: another one takes its place. */
void companion_renew(struct supervisor *supervisor);

/* Ends it and waits for that; it has nothing to finish. */
void companion_end(struct supervisor *supervisor);

#endif
