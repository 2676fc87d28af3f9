/*
 * All that crosses fork(): what a worker finds when its life begins.
 *
 * The supervisor fills this in right before it forks; the child owns its
 * copy.  Descriptors are inherited by number.
 *
 *                      inbox of slot i: many write, slot i reads
 *   worker 0..N-1  ---------------------------------------------> worker i
 *   worker 0..N-1  ---- inbox of the supervisor ----------------> supervisor
 *   worker 0..N-1  ---- questions (questions.h) ----------------> helper
 *   helper         ---- answers, by the inbox of slot i ---------> worker i
 *   worker i      <===== orders: one pair for each life =========> supervisor
 */
#ifndef CONTRACT_INHERITANCE_H
#define CONTRACT_INHERITANCE_H

#include "base/base.h"
#include "config/config.h"
#include "config/places.h"
#include "shm/segment.h"

#define LISTENERS_MOST 64
#define HTTP_SOCKETS_MOST PLACES_MOST

/* One listening socket: this slot's own (SO_REUSEPORT) unless all share it. */
struct inherited_listener {
	int	fd;
	bool	is_unix;
	bool	is_shared;
};

struct inheritance {
	struct segment	*segment;
	struct config	*config;	/* the child's copy, by fork */
	unsigned	 slot;
	int		 orders_fd;	/* to and from the supervisor */
	int		 inbox_fd;	/* what this slot reads */
	int		 outbox_fds[ROSTER_SLOTS + 1]; /* write ends by slot;
					   the last is the supervisor's */
	int		 helper_fd;	/* questions: workers write, it reads */
	int		 http_fds[HTTP_SOCKETS_MOST]; /* the exporter's */
	unsigned	 http_count;
	int		 lifeline_fd;	/* EOF: the supervisor is gone */
	struct inherited_listener listeners[LISTENERS_MOST];
	unsigned	 listener_count;
	/* Server connections by row: -1 or a descriptor of a generation. */
	int		*server_fds;
	uint32_t	*server_generations;
};

/* A kind of process: returns the exit status. Privileges are dropped. */
typedef int worker_run_function(const struct inheritance *inheritance);

#endif
