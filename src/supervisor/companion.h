/*
 * The lives of those who are no workers, as the supervisor sees them: started
 * with the workers, replaced when they die, slower when they fail early, gone
 * with the last.
 *
 *   helper     always
 *   exporter   while metrics_listen is set
 */
#ifndef SUPERVISOR_COMPANION_H
#define SUPERVISOR_COMPANION_H

#include <sys/types.h>

#include "base/base.h"
#include "supervisor/respawn.h"

struct death;
struct supervisor;

enum companion_kind {
	COMPANION_HELPER = 0,
	COMPANION_EXPORTER,
	COMPANIONS
};

struct companion {		/* zeroed: to be started */
	pid_t		pid;	/* 0: there is none */
	usec_t		born_at;
	bool		renewed;	/* it was told to go */
	struct respawn	respawn;
};

/* Starts those that are wanted and whose time has come. */
void companion_fill(struct supervisor *supervisor, usec_t now);

/* When to start the next one; INT64_MAX: all that are wanted live. */
usec_t companion_due(const struct supervisor *supervisor);

/* Somebody who is no worker has died; perhaps it was one of them. */
void companion_bury(struct supervisor *supervisor, const struct death *death,
    usec_t now);

/*
 * Another log or configuration: another one takes its place, unless it is
 * not wanted any more.
 */
void companion_renew(struct supervisor *supervisor, enum companion_kind kind);

/* Ends them and waits for that; they have nothing to finish. */
void companion_end(struct supervisor *supervisor);

#endif
