/*
 * One row for each pool, (database, user), and for each database and user
 * that has been asked for.  Rows of pools and databases that nobody needs any
 * more are given back (pool/retire.h); a user's row is for ever.
 *
 * A pool's lists and counts are kept under its lock and can be rebuilt from
 * the rows of clients and servers at any time (pool/repair.h).
 */
#ifndef SHM_POOLS_H
#define SHM_POOLS_H

#include <stdatomic.h>

#include "base/base.h"
#include "shm/clients.h"
#include "shm/lock.h"

#define DATABASE_NAME_BYTES 64
#define USER_NAME_BYTES 128
/* Pages that nothing is written to cost nothing. */
#define WELCOME_BYTES (32 * 1024)
#define FAILURE_BYTES 128

struct database_row {
	_Atomic uint32_t used;
	char		 name[DATABASE_NAME_BYTES];
	_Atomic uint32_t paused, disabled;
	_Atomic usec_t	 empty_since;	/* no client, no server; 0: has some */
};

/* What is learnt about a user, by whichever worker, and serves all. */
struct user_row {
	_Atomic uint32_t used;
	char		 name[USER_NAME_BYTES];
	struct lock	 lock;		/* guards what follows */
	_Atomic uint32_t has_derived;	/* a SCRAM secret, made from … */
	uint8_t		 derived_from[32];	/* … a plain one (SHA-256) */
	uint8_t		 derived[256];
	uint32_t	 has_keys;	/* what opens PostgreSQL, learnt … */
	uint8_t		 keys_from[32];	/* … at a login with this secret */
	uint8_t		 keys[64];
};

struct pool_row {
	_Atomic uint32_t used;
	_Atomic uint32_t generation;	/* moves when the row is given back */
	uint32_t	 database, user; /* rows */
	uint32_t	 forced_user;
	uint32_t	 has_lock;	/* made once, for all generations */
	_Atomic usec_t	 empty_since;	/* no client, no server; 0: has some */
	_Atomic uint32_t speaks_3_2;	/* its servers do: PostgreSQL 18 on */
	_Atomic uint32_t statements_epoch;	/* moves when what was prepared
						   on its servers is stale */
	_Alignas(CACHE_LINE)
	struct lock	 lock;		/* guards all that follows */
	uint32_t	 idle_head, idle_tail;	/* head: used most recently */
	uint32_t	 idle_count;
	uint32_t	 wait_head, wait_tail;	/* head: waits longest */
	uint32_t	 wait_count;
	uint32_t	 server_count;	/* rows of this pool that occupy it */
	uint32_t	 opening_count;	/* of those: being opened */
	uint32_t	 closing_count;	/* of those: saying goodbye */
	usec_t		 worn_out_at;	/* one was closed for its age */
	_Atomic uint32_t host_turn;	/* which of several hosts is next */
	usec_t		 failed_at;	/* last failed attempt; 0: none since */
	char		 failure[FAILURE_BYTES];  /* the text for clients */
	char		 failure_state[6];	/* its SQLSTATE */
	_Atomic uint32_t welcome_known;	/* what follows will not change */
	uint32_t	 welcome_length;
	uint8_t		 welcome[WELCOME_BYTES]; /* ParameterStatus messages */
};

/*
 * What limits over several pools look at, without a pool's lock; close
 * together, so that a look at all pools is quick.  Written under the lock of
 * the pool that it is about, and only when a connection is opened or closed.
 */
struct pool_tally {
	_Atomic uint32_t database, user; /* rows, while the pool is used */
	_Atomic uint32_t servers;	/* its server_count */
	_Atomic uint32_t closing;	/* its closing_count */
	/*
	 * It would open a server, and only what other pools have keeps it
	 * from it: since when its client waits, and when that was found last.
	 */
	_Atomic usec_t	 starving_since; /* 0: it does not */
	_Atomic usec_t	 starving_at;
	_Atomic uint32_t for_login;	/* the one that waits is in no queue:
					   the first login of the pool */
};

/*
 * The secret of a pool's user, if it was found by auth_query: what opens new
 * server connections, and saves the next login the question while it is
 * fresh.  Guarded by the pool's lock; `known` is written last, and first when
 * it changes, so that half a secret is never read.
 */
#define FOUND_SECRET_BYTES 1024		/* with the final NUL */
#define FOUND_KEYS_BYTES 64

struct found_secret {
	_Atomic uint32_t known;
	uint32_t	 has_keys;	/* learnt at a login with this secret */
	usec_t		 found_at;
	char		 secret[FOUND_SECRET_BYTES];
	uint8_t		 keys[FOUND_KEYS_BYTES];
};

enum database_stop {
	DATABASE_PAUSED,	/* PAUSE, KILL */
	DATABASE_DISABLED	/* DISABLE */
};

struct segment;

/* Find or make a row; NO_ROW: not there / no room left. */
uint32_t databases_find(struct segment *segment, const char *name);
uint32_t databases_make(struct segment *segment, const char *name);
uint32_t users_find(struct segment *segment, const char *name);
uint32_t users_make(struct segment *segment, const char *name);
uint32_t pools_find(struct segment *segment, const char *database,
    const char *user);
uint32_t pools_make(struct segment *segment, const char *database,
    const char *user, bool forced_user);

/*
 * The lock of names: rows of databases, users and pools are made under it,
 * and clients counted in.  It may be held when a pool's lock is taken, never
 * the other way round.
 */
void naming_take(struct segment *segment);
void naming_release(struct segment *segment);

/*
 * Stops a database, which is made if need be, and lets it go on.  A row that
 * is stopped is not given back.  Takes the lock of names.
 *
 * databases_stop() returns the row, NO_ROW: no room left.
 * databases_release() is false if it was not stopped, or is not there.
 */
uint32_t databases_stop(struct segment *segment, const char *name,
    enum database_stop stop) MUST_CHECK;
bool databases_release(struct segment *segment, const char *name,
    enum database_stop stop);
/* All that are there. */
void databases_stop_all(struct segment *segment, enum database_stop stop);

/* A client that has proved who it is and wants into a pool. */
struct pools_entry {
	const char	*database, *user;	/* of the pool */
	bool		 forced_user;
	const char	*login;			/* its own name */
	uint32_t	 database_limit, user_limit; /* clients; 0: none */
};

enum pools_verdict {
	POOLS_ENTERED,		/* counted; pools_leave() is owed */
	POOLS_NO_ROOM,		/* for one more name */
	POOLS_DATABASE_FULL,
	POOLS_USER_FULL
};

struct pools_place {
	uint32_t	pool, user;
	bool		new_database;	/* nobody had asked for it before */
};

/*
 * Finds or makes the pool and the user's row and counts the client of this
 * worker in, if the limits allow; exact over all workers.  Only the worker
 * itself calls these two for its own slot.
 */
enum pools_verdict pools_enter(struct segment *segment, uint32_t worker,
    const struct pools_entry *entry, struct pools_place *place_out)
    MUST_CHECK;
void pools_leave(struct segment *segment, uint32_t worker, uint32_t pool,
    uint32_t user);

/* The worker is dead: none of its clients is in any more. */
void pools_forget_clients(struct segment *segment, uint32_t worker);

/* Clients that are in, over all workers. */
uint32_t pools_clients(struct segment *segment, uint32_t pool);
uint32_t databases_clients(struct segment *segment, uint32_t database);
uint32_t users_clients(struct segment *segment, uint32_t user);

/*
 * Gives a row back; its name can be made anew.  The caller holds the lock of
 * names, for a pool that of the pool as well, and nobody is in it.
 */
void pools_free(struct segment *segment, uint32_t pool);
void databases_free(struct segment *segment, uint32_t database);

#endif
