/*
 * Who is at work: one row for each worker slot.
 *
 * The worker of the slot writes its own row; the supervisor writes pid,
 * phase, generation and restarts around fork and death.
 */
#ifndef SHM_ROSTER_H
#define SHM_ROSTER_H

#include <stdatomic.h>

#include "base/base.h"

#define ROSTER_SLOTS 64		/* workers at most */

enum roster_phase {
	ROSTER_VACANT = 0,	/* not configured */
	ROSTER_STARTING,
	ROSTER_SERVING,
	ROSTER_DEAD,		/* waits to be replaced */
	ROSTER_RETIRING		/* takes no more clients; ends without any */
};

struct roster_row {
	_Alignas(CACHE_LINE)
	_Atomic int32_t	 pid;
	_Atomic uint32_t phase;		/* enum roster_phase */
	_Atomic uint32_t restarts;	/* deaths so far */
	_Atomic int64_t	 started_at;	/* monotonic */
	_Atomic int64_t	 retired_at;	/* when it began to retire; 0: not */
	_Atomic uint64_t cpu_before;	/* microseconds of the dead before it */
	_Alignas(CACHE_LINE)
	_Atomic uint32_t sleeping;	/* in epoll_wait: wake it by eventfd */
	_Atomic uint32_t recheck;	/* mail was lost: look at all rows */
	_Alignas(CACHE_LINE)
	_Atomic uint32_t clients;	/* sockets of clients it serves */
	_Atomic uint32_t coming;	/* passed on to it, not read yet */
	_Atomic uint32_t counted;	/* of those, in max_client_conn */
	_Atomic uint32_t flushed;	/* the last SUSPEND it has done */
	_Atomic int64_t	 heartbeat;	/* monotonic */
	_Atomic uint64_t cpu;		/* microseconds, user and system */
};

const char *roster_phase_name(uint32_t phase);

#endif
