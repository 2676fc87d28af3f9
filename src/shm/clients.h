/*
 * One row for each client, written by the worker that serves it.
 *
 * While the client is in a pool's waiting list, its phase, server and list
 * links belong to the pool's lock instead.
 *
 *   FREE -> STARTUP -> AUTH -> WELCOME -> IDLE -> WAITING
 *              |                         ^   \      |    \
 *              +-> CANCEL                |    \     |    GIVEN
 *                                        |     v    v     /
 *                                        +---- LINKED <--+
 *
 * GIVEN: another worker has put a server into its hands; its own worker has
 * mail about it and has not picked it up yet.
 */
#ifndef SHM_CLIENTS_H
#define SHM_CLIENTS_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/address.h"
#include "shm/replication_kind.h"

#define NO_ROW UINT32_MAX

enum client_phase {
	CLIENT_FREE = 0,
	CLIENT_STARTUP,		/* nothing known yet */
	CLIENT_AUTH,		/* name known, not let in yet */
	CLIENT_WELCOME,		/* let in; waits for its pool's first server */
	CLIENT_IDLE,
	CLIENT_WAITING,		/* in its pool's queue */
	CLIENT_GIVEN,
	CLIENT_LINKED,
	CLIENT_CONSOLE,
	CLIENT_CANCEL,		/* carries a cancel request */
	CLIENT_CLOSED,		/* going away in this turn */
	CLIENT_PHASES
};

/*
 * What another process wants of a client's worker.  The higher one counts;
 * it is written into the row, and the epoch of the segment says that there
 * is something to read.
 */
enum client_order {
	CLIENT_ORDER_NONE = 0,
	CLIENT_ORDER_CANCEL,	/* a cancel request for a console session */
	CLIENT_ORDER_REMOVE,	/* "database removed" */
	CLIENT_ORDER_DISCONNECT	/* "admin forced disconnect" */
};

struct client_row {
	_Alignas(CACHE_LINE)
	_Atomic uint32_t phase;		/* enum client_phase */
	uint32_t	 generation;	/* moves when the row is freed */
	_Atomic uint32_t claimed_by;	/* slot + 1 of who claimed it;
					   0: it may be claimed */
	_Atomic uint32_t worker;	/* void while it is FREE */
	_Atomic uint32_t pool;		/* NO_ROW: before login, console */
	_Atomic uint32_t user;		/* row of its login name, or NO_ROW */
	_Atomic uint32_t server;	/* GIVEN, LINKED: row; or NO_ROW */
	uint32_t	 next, prev;	/* the pool's waiting list */
	uint32_t	 id;
	usec_t		 wait_since;	/* began to wait; 0: does not */
	usec_t		 request_at;	/* last packet */
	usec_t		 query_at;	/* its query began; 0: none */
	usec_t		 connect_at;
	struct address	 remote, local;
	uint32_t	 remote_pid;	/* Unix socket: the peer's */
	uint32_t	 close_needed;
	_Atomic uint32_t cancel_wanted;	/* of what it waits for; set under its
					   pool's lock, void while LINKED */
	uint32_t	 replicated;	/* enum replication_kind */
	uint32_t	 protocol;	/* its version; 0: not known yet */
	uint32_t	 prepared;	/* named statements it has */
	char		 application_name[64];
	char		 tls[96];	/* how it is encrypted; "": not */
	_Atomic uint64_t order;		/* generation and enum client_order;
					   of an older generation: void */
};

struct segment;

/* Claims a free row for this worker; NO_ROW: all are in use. */
uint32_t clients_claim(struct segment *segment, uint32_t worker);
void clients_free(struct segment *segment, uint32_t row);
/* This worker is dead: what it was claiming or freeing is free. */
void clients_free_half_done(struct segment *segment, uint32_t worker);

/*
 * Orders something of the client that has this row in this generation; who
 * has it later is not meant.  Whoever orders proclaims (segment_proclaim).
 */
void clients_order(struct segment *segment, uint32_t row,
    uint32_t generation, enum client_order order);
/* What is ordered of the client that has the row now. */
enum client_order clients_ordered(struct segment *segment, uint32_t row);
/* This order is carried out; a higher one that came meanwhile stays. */
void clients_order_done(struct segment *segment, uint32_t row,
    enum client_order order);

/* What reports show as `ptr`: unique among live clients and servers. */
uint64_t clients_handle(struct segment *segment, uint32_t row);

#endif
