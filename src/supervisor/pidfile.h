/*
 * One supervisor for one pidfile.
 *
 * The file holds our process id in decimal.  It is also locked as long as we
 * live, so that a recycled process id or two starts at one moment cannot lead
 * to two supervisors; the kernel forgets the lock when we die in any way.
 */
#ifndef SUPERVISOR_PIDFILE_H
#define SUPERVISOR_PIDFILE_H

#include "base/base.h"
#include "base/error.h"

struct pidfile {
	char	path[4096];	/* "": there is none */
	int	fd;		/* holds the lock; -1: not written */
};

/*
 * Whether a supervisor may start: removes a stale file.  False:
 * `pidfile '<f>' exists, another instance running?`.
 */
bool pidfile_check(const char *path, struct error *error) MUST_CHECK;

/* Creates it; NULL or "" creates none. */
bool pidfile_write(struct pidfile *pidfile, const char *path,
    struct error *error) MUST_CHECK;

/* In a child: not its lock. */
void pidfile_leave(struct pidfile *pidfile);

/* Removes the file, if it is still ours. */
void pidfile_remove(struct pidfile *pidfile);

#endif
