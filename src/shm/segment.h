/*
 * The shared segment: one anonymous mapping, made before the first fork.
 *
 * Nothing of it is in the file system and nobody else can open it.  It is
 * laid out once, generously: address space is free and pages are touched
 * only when used, so that RELOAD may raise limits within it.  Everything in
 * it is indexes and fixed-width words; indexes are checked before use.
 *
 *   state | roster | clients | cancel keys | servers | their values | pools |
 *   their tallies | found secrets | databases | users | indexes of names |
 *   clients that are in | stats [worker][pool] | retired stats |
 *   events [worker] | snapshots [2][pool] | peers | mailboxes | host names |
 *   keys of tickets
 */
#ifndef SHM_SEGMENT_H
#define SHM_SEGMENT_H

#include "base/base.h"
#include "base/error.h"
#include "shm/clients.h"
#include "shm/events.h"
#include "shm/hosts.h"
#include "shm/mailbox.h"
#include "shm/peers.h"
#include "shm/pools.h"
#include "shm/roster.h"
#include "shm/servers.h"
#include "shm/state.h"
#include "shm/statements.h"
#include "shm/stats.h"
#include "shm/tickets.h"

struct segment_size {
	uint32_t workers;	/* slots in use at first; see segment_slots */
	uint32_t clients, servers, pools, databases, users, hosts;
};

struct segment {		/* private to each process, inherited by fork */
	struct segment_size	 size;
	void			*memory;
	size_t			 bytes;
	struct state		*state;
	struct roster_row	*roster;	/* [ROSTER_SLOTS] */
	struct client_row	*clients;
	_Atomic uint64_t	*cancel_keys;	/* [clients]; 0: none */
	struct server_row	*servers;
	struct parameter_values	*values;	/* [servers] */
	struct server_statements	*statements;	/* [servers] */
	struct pool_row		*pools;
	struct pool_tally	*tallies;	/* [pools] */
	struct found_secret	*found;		/* [pools] */
	struct database_row	*databases;
	struct user_row		*users;
	_Atomic uint32_t	*database_index, *user_index, *pool_index;
	/* Clients that are in: [row][ROSTER_SLOTS], one writer each. */
	_Atomic uint32_t	*pool_clients, *database_clients;
	_Atomic uint32_t	*user_clients;
	struct stats_row	*stats;		/* [ROSTER_SLOTS][pools] */
	struct stats_row	*retired_stats;	/* [ROSTER_SLOTS] */
	struct event_row	*events;	/* [ROSTER_SLOTS] */
	struct stats_history	*history;
	struct stats_totals	*snapshots;	/* [2][pools] */
	struct peer_row		*peers;		/* [PEERS_MOST] */
	struct mailbox		*mailboxes;	/* [ROSTER_SLOTS] */
	struct hosts_head	*hosts_head;
	struct host_row		*hosts;
	struct tickets		*tickets;
	int			 wake_fds[ROSTER_SLOTS + 1]; /* eventfds; the
					   last is the supervisor's */
};

#define SEGMENT_SUPERVISOR ROSTER_SLOTS	/* its place in wake_fds */

/* What a configuration with these limits needs, generously. */
struct segment_size segment_size_for(uint32_t workers, uint32_t clients);

/* Maps, lays out and fills in what is not zero; also opens the eventfds. */
struct segment *segment_create(const struct segment_size *size,
    struct error *error) MUST_CHECK;
void segment_destroy(struct segment *segment);

/* Slots of workers to look at: none beyond has ever been in use. */
static inline uint32_t
segment_slots(const struct segment *segment)
{
	uint32_t slots = atomic_load_explicit(&segment->state->slots,
	    memory_order_acquire);

	return slots <= ROSTER_SLOTS ? slots : ROSTER_SLOTS;
}

/* Checked access: an index that another process wrote. NULL for NO_ROW. */
struct client_row *segment_client(struct segment *segment, uint32_t row);
struct server_row *segment_server(struct segment *segment, uint32_t row);
struct pool_row *segment_pool(struct segment *segment, uint32_t row);

/* Makes a sleeping worker look; one system call. */
void segment_wake(struct segment *segment, uint32_t worker);

/* An order for everybody: moves the epoch and wakes all, supervisor too. */
void segment_proclaim(struct segment *segment);

/* A server row was freed: wakes who waits for that (PAUSE, SHUTDOWN). */
void segment_tell_watchers(struct segment *segment);

/* The client row with this cancel key, or NO_ROW. `key` is not 0. */
uint32_t segment_find_cancel_key(struct segment *segment, uint64_t key);

/*
 * Server connections of this database that occupy its pools; NO_ROW counts
 * all. Zero means that nothing is open, not even half closed.
 */
uint32_t segment_servers_open(struct segment *segment, uint32_t database);

/* Clients logged in or logging in over all workers, without the console. */
uint32_t segment_clients_counted(struct segment *segment);

/*
 * Counts one more client unless there are `limit`; exact over all workers.
 * Only the worker itself calls it for its own slot; giving back is a
 * decrement of its own cell.
 */
bool segment_count_client(struct segment *segment, uint32_t worker,
    uint32_t limit) MUST_CHECK;
void segment_uncount_client(struct segment *segment, uint32_t worker);

#endif
