/*
 * The event loop: epoll, one clock read per turn, work before and after.
 *
 *   turn:  before_sleep -> epoll_wait -> read the clock -> after_wake ->
 *          callbacks -> end_of_turn
 *
 * A callback may remove any watch, its own too: events of removed watches
 * that the kernel has already reported in this turn are skipped, so the
 * memory of a watch must stay until end_of_turn.
 *
 * Closing a descriptor does not take it out of an epoll set while another
 * process holds the same open file: always loop_remove first.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <sys/epoll.h>

#include "base/base.h"
#include "base/error.h"

struct loop;

typedef void on_event(void *context, uint32_t events);

/* Embedded in what it watches; zeroed means not watching. */
struct watch {
	on_event	*callback;	/* NULL: not watching */
	void		*context;
	int		 fd;
	uint32_t	 events;
	bool		 is_traffic;	/* not read while the loop holds */
};

struct loop_hooks {
	void	 *context;
	/* How long to sleep at most, in milliseconds; 0 polls, -1: for ever. */
	int	(*before_sleep)(void *context);
	void	(*after_wake)(void *context);
	void	(*end_of_turn)(void *context);
};

struct loop *loop_create(const struct loop_hooks *hooks, struct error *error);
void loop_destroy(struct loop *loop);

/* EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLEXCLUSIVE …; level-triggered. */
bool loop_add(struct loop *loop, struct watch *watch, int fd, uint32_t events,
    on_event *callback, void *context) MUST_CHECK;
/* No system call if nothing changes. */
void loop_change(struct loop *loop, struct watch *watch, uint32_t events);
/* Also when it is not watching. */
void loop_remove(struct loop *loop, struct watch *watch);

/*
 * While it holds, EPOLLIN of watches that are traffic is not asked for,
 * whatever their events say.  What watches already when that changes, or
 * changes what it is, is to be refreshed.
 */
void loop_hold(struct loop *loop, bool holds);
void loop_refresh(struct loop *loop, struct watch *watch);

/* Runs until loop_stop. */
void loop_run(struct loop *loop);
/* A single turn, for who has other things to do between two. */
void loop_turn(struct loop *loop);
void loop_stop(struct loop *loop);

/* The clock at the start of this turn; which turn it is, from 1. */
usec_t loop_now(const struct loop *loop);
uint64_t loop_turns(const struct loop *loop);

#endif
