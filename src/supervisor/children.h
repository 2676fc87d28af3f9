/*
 * The table of living workers, one row for each slot; nothing else.
 */
#ifndef SUPERVISOR_CHILDREN_H
#define SUPERVISOR_CHILDREN_H

#include <limits.h>
#include <sys/types.h>

#include "base/base.h"
#include "base/error.h"
#include "contract/orders.h"
#include "shm/roster.h"

struct child {
	pid_t	pid;		/* 0: the slot is vacant */
	int	orders_fd;	/* our end; -1: closed by the other side */
	usec_t	born_at;
	usec_t	aborted_at;	/* it hung and was told to end; 0: no */
};

struct children {
	unsigned	slots;
	struct child	row[ROSTER_SLOTS];
};

#define CHILDREN_STRANGER UINT_MAX	/* the slot of who is no worker */

struct death {
	unsigned	slot;
	pid_t		pid;
	int		status;		/* as wait() gives it */
	usec_t		lived;
	uint64_t	cpu;		/* microseconds, user and system */
};

void children_create(struct children *children, unsigned slots);

/*
 * Forks into a vacant slot.  Returns the process id; in the child 0, with its
 * end of the orders, and all that is the supervisor's alone closed; -1 with
 * an error.
 */
pid_t children_fork(struct children *children, unsigned slot, usec_t now,
    int *orders_fd_out, struct error *error) MUST_CHECK;

/* In another child than a worker: closes what is the supervisor's alone. */
void children_leave(struct children *children);

/*
 * Takes one dead child off the table, if there is one. Never blocks.  One
 * that is not in the table has the slot CHILDREN_STRANGER.
 */
bool children_reap(struct children *children, usec_t now,
    struct death *death_out) MUST_CHECK;

/* False: the slot is vacant or does not read; nothing was sent. */
bool children_order(struct children *children, unsigned slot,
    const struct order *order, int fd) MUST_CHECK;

/*
 * The next order that the worker of this slot has sent, which may be dead
 * and reaped by now.  False: none.  A worker that has hung up is not listened
 * to any more.
 */
bool children_hear(struct children *children, unsigned slot,
    struct order *order_out) MUST_CHECK;

void children_signal(const struct children *children, int signal);
unsigned children_alive(const struct children *children);

/* "exited with status 1", "was killed by signal 9 (Killed)". */
void children_describe(int status, char *text, size_t size);

#endif
