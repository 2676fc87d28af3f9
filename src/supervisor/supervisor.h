/*
 * The supervisor: starts the workers, keeps them alive, tells them what
 * changes, and goes last.
 *
 * It parses no byte from a client and takes no lock that a worker can hold
 * for long.  What a worker does it knows only as a function, given by main().
 */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include "base/base.h"
#include "contract/inheritance.h"

/* What the command line says. */
struct supervisor_options {
	const char	*config_path;
	const char	*user;		/* NULL: as configured */
	int		 verbose;	/* on top of the configured one */
	bool		 quiet;
	bool		 daemon;
};

/* The kinds of process that main() joins. */
struct supervisor_lives {
	worker_run_function *worker_run;
	worker_run_function *helper_run;	/* NULL: there is none */
	worker_run_function *exporter_run;	/* NULL: there is none */
	/*
	 * After a worker was reaped, before it is replaced: undoes in the
	 * segment what it held.
	 */
	void (*repair_after_death)(struct segment *segment, uint32_t slot,
	    usec_t now);
};

/*
 * One life of the daemon, from the configuration to the last worker's end.
 * Returns the exit status; what went wrong is in the log.
 */
int supervisor_run(const struct supervisor_options *options,
    const struct supervisor_lives *lives);

#endif
