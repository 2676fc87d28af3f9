/*
 * Which server does a client get, and which client gets a server.
 *
 * Every call takes the pool's lock for a few dozen instructions and leaves
 * rows, lists and counts in agreement.  Rows are written before lists, so
 * that whoever finds the lock's owner dead can rebuild the lists
 * (pool/repair.h).
 *
 * What always holds under the lock:
 *   - a server is in the idle list if and only if its phase is IDLE;
 *   - a client is in the waiting list if and only if its phase is WAITING;
 *   - server_count is the number of this pool's rows that are neither FREE
 *     nor CANCEL_LINK, and never exceeds pool_size (and the reserve) when one
 *     is added, nor do the sums of limits.h;
 *   - unless the pool is paused, nobody waits while a server is idle.
 *
 * Waiting is first come, first served over all workers, with one tolerance:
 * a released server goes to a client of the releasing worker that began to
 * wait at most POOL_LOCALITY after the head of the queue, because moving a
 * server to another worker costs system calls and a wake-up.
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include "base/base.h"
#include "shm/segment.h"

#define POOL_LOCALITY (1 * USEC_PER_MSEC)

/*
 * After a failure nobody tries again for login_retry, and for a bit longer
 * in some pools than in others, or all of them would try at once.
 */
#define POOL_RETRY_MOST(login_retry) ((login_retry) + (login_retry) / 8)

/* What the configuration says about a pool, as of now. */
struct pool_policy {
	uint32_t	generation;	/* of the pool's row, when this was
					   made: for that pool only */
	uint32_t	size;		/* servers at most; 0: no limit */
	uint32_t	reserve;	/* on top of that, … */
	usec_t		reserve_after;	/* … for who waits so long; 0: never */
	uint32_t	min_size;	/* kept open */
	uint32_t	database_limit;	/* over its pools; 0: none */
	uint32_t	user_limit;	/* over its pools; 0: none */
	uint32_t	opening_most;	/* being opened at one time */
	bool		round_robin;	/* take the one idle longest */
	usec_t		login_retry;	/* no attempt so long after a failure */
	usec_t		lifetime;	/* close if older; 0: after each use */
	usec_t		idle_timeout;	/* close when idle longer; 0: never */
	bool		removed;	/* its database is gone: close all */
};

/* Who asks: every call needs these. */
struct pool_caller {
	struct segment	*segment;
	uint32_t	 worker;
	usec_t		 now;
};

enum pool_answer {
	POOL_TAKEN,	/* *server_out is the client's: ACTIVE, LINKED */
	POOL_QUEUED,	/* the client is WAITING; mail will come */
	POOL_FAILING	/* no server lives and the last login failed */
};

/* A server for this client of mine, which is IDLE, or a place in the queue. */
enum pool_answer pool_take(const struct pool_caller *caller, uint32_t pool,
    uint32_t client, const struct pool_policy *policy, uint32_t *server_out)
    MUST_CHECK;

/*
 * Mail said that a server was given to this client of mine. True: so it is,
 * and the client is LINKED now. False: stale mail.
 */
bool pool_accept(const struct pool_caller *caller, uint32_t client,
    uint32_t *server_out) MUST_CHECK;

/*
 * This client of mine no longer waits; it is IDLE afterwards.  If a server
 * had been given to it meanwhile, that is *server_out, ACTIVE without a
 * client, and must be released; else NO_ROW.
 */
void pool_leave(const struct pool_caller *caller, uint32_t client,
    uint32_t *server_out);

enum pool_release {
	POOL_RELEASED,	/* idle */
	POOL_GIVEN,	/* given to a client of another worker */
	POOL_OURS,	/* now belongs to *client_out, which is mine: LINKED */
	POOL_HELD,	/* a cancel is under way; it will be released by that */
	POOL_CLOSE	/* CLOSING: the caller closes it, *reason_out */
};

/*
 * A server of mine (ACTIVE, TESTING, OPENING, CANCELING) has nothing under
 * way and is free to go to the next.
 */
enum pool_release pool_give_back(const struct pool_caller *caller,
    uint32_t server, const struct pool_policy *policy, uint32_t *client_out,
    const char **reason_out) MUST_CHECK;

/*
 * An idle server of mine has something to say: TESTING now, and nobody else
 * can take it while it is read.  False: it has moved on, do not read it.
 */
bool pool_claim_idle(const struct pool_caller *caller, uint32_t server)
    MUST_CHECK;

/* A server of mine has lost its client and runs a reset query. */
void pool_begin_test(const struct pool_caller *caller, uint32_t server);

/*
 * May a connection be opened for this pool? A row in phase OPENING, or
 * NO_ROW.  `wanted` asks for one although nobody waits in the queue (the
 * first login of a pool).
 */
uint32_t pool_open(const struct pool_caller *caller, uint32_t pool,
    const struct pool_policy *policy, bool wanted) MUST_CHECK;

/*
 * The same for a client of mine that wants a connection of its own, whoever
 * waits.  `full_out`: there is none because all places are taken, and none
 * will be free by itself.
 */
uint32_t pool_open_own(const struct pool_caller *caller, uint32_t pool,
    const struct pool_policy *policy, bool *full_out) MUST_CHECK;

/*
 * One of mine in phase OPENING has logged in, for this client of mine in
 * phase WELCOME and for nobody else: ACTIVE, LINKED.
 */
void pool_keep_opened(const struct pool_caller *caller, uint32_t server,
    uint32_t client);

/*
 * The same for a pool that is to have min_size connections although nobody
 * waits: one at a time.
 */
uint32_t pool_open_minimum(const struct pool_caller *caller, uint32_t pool,
    const struct pool_policy *policy) MUST_CHECK;

/* An attempt failed: remembered for server_login_retry. Then close it. */
void pool_open_failed(const struct pool_caller *caller, uint32_t server,
    const char *text, const char *sqlstate);

/*
 * A server, in whatever phase, is going to be closed by this worker.  False:
 * it is not this worker's any more, or already FREE or CLOSING.
 */
bool pool_begin_close(const struct pool_caller *caller, uint32_t server)
    MUST_CHECK;

/* It is gone, PostgreSQL's end too: the row is free. */
void pool_end_close(const struct pool_caller *caller, uint32_t server);

/*
 * The next idle server that this worker watches and that is to be closed
 * (paused, marked, too old, idle for too long, too many); CLOSING already.
 * NO_ROW: none.
 */
uint32_t pool_pick_stale(const struct pool_caller *caller, uint32_t pool,
    const struct pool_policy *policy, const char **reason_out) MUST_CHECK;

/*
 * The server that has been idle longest, whoever watched it; CLOSING now and
 * this worker's.  NO_ROW: none, or this worker has no descriptor of it.
 */
uint32_t pool_close_longest_idle(const struct pool_caller *caller,
    uint32_t pool) MUST_CHECK;

/*
 * This one, whose TLS is in this worker, if it is idle, whoever watches it;
 * CLOSING now and this worker's.
 */
bool pool_close_idle(const struct pool_caller *caller, uint32_t server)
    MUST_CHECK;

/*
 * A cancel request for this client: a row in phase CANCEL_LINK about the
 * server it holds, which will not be given to anybody until pool_end_cancel.
 * NO_ROW: it holds none.
 */
uint32_t pool_begin_cancel(const struct pool_caller *caller, uint32_t client,
    uint64_t key, uint32_t *target_out) MUST_CHECK;

/*
 * The same about a server of mine that has lost its client and is TESTING:
 * what runs on it is wanted by nobody.  NO_ROW: there is no row for it.
 */
uint32_t pool_begin_own_cancel(const struct pool_caller *caller,
    uint32_t target) MUST_CHECK;

/*
 * A cancel request for this client, which waits for a server: noted in its
 * row, and its worker hears of it.  False: it does not wait.
 */
bool pool_cancel_waiting(const struct pool_caller *caller, uint32_t client,
    uint64_t key) MUST_CHECK;

/*
 * The cancel request was delivered or given up; frees the link.  True: the
 * server waited for this, is this worker's now, and must be given back.
 */
bool pool_end_cancel(const struct pool_caller *caller, uint32_t link,
    uint32_t *target_out) MUST_CHECK;

/*
 * Mail said, or a look at all rows showed, that a dead worker left this
 * server to me: what is to be done about it?
 */
enum pool_legacy {
	POOL_LEGACY_NONE,	/* nothing (any more) */
	POOL_LEGACY_WATCH,	/* it is idle: watch it */
	POOL_LEGACY_CLOSE,	/* it is CLOSING: close it */
	POOL_LEGACY_GIVE_BACK	/* a cancel was waited for: give it back */
};
enum pool_legacy pool_adopt(const struct pool_caller *caller,
    uint32_t server) MUST_CHECK;

/* PAUSE, of all or of this pool's database. */
bool pool_paused(struct segment *segment, uint32_t pool);

/*
 * The text and SQLSTATE of the last failed attempt, if none has succeeded
 * since. `text` has FAILURE_BYTES, `sqlstate` 6.  `*age_out` is how long ago
 * that was.
 */
bool pool_failure(const struct pool_caller *caller, uint32_t pool,
    char *text, char *sqlstate, usec_t *age_out);

/*
 * What clients are told at login: ParameterStatus messages of this server of
 * mine.  The first one wins, unless it is to be closed already.
 */
void pool_set_welcome(const struct pool_caller *caller, uint32_t server,
    const uint8_t *messages, uint32_t length);

/*
 * Server connections of a database (NO_ROW: of all) that are not closed yet,
 * on PostgreSQL's side either.  Counted under the pools' locks: once it is 0
 * after a PAUSE, it stays 0.
 */
uint32_t pool_count_open(const struct pool_caller *caller,
    uint32_t database);

/*
 * Brings idle servers and waiting clients together where that was not
 * possible when the server was released: a pause was lifted, a worker died,
 * a descriptor came late.
 */
void pool_match(const struct pool_caller *caller, uint32_t pool);

/*
 * The configuration names another place for this database: every server
 * connection is to be closed when next released, and the next one says anew
 * what clients are told at login.
 */
void pool_mark_all(const struct pool_caller *caller, uint32_t pool);

/* This connection is closed when next released; another generation: not. */
void pool_mark(const struct pool_caller *caller, uint32_t server,
    uint32_t generation);

/*
 * KILL: as above, and whoever has one closes it now, with no regard to what
 * is under way.  The caller proclaims.
 */
void pool_doom_all(const struct pool_caller *caller, uint32_t pool);

/*
 * Server connections of a database (NO_ROW: of all) that are marked at least
 * like this and not gone yet.  Takes no lock: what was marked before the call
 * is counted until its row is free.
 */
uint32_t pool_count_marked(struct segment *segment, uint32_t database,
    enum close_need least);

/*
 * What clients are told at login; `messages` has WELCOME_BYTES. False: no
 * server has logged in yet.
 */
bool pool_copy_welcome(const struct pool_caller *caller, uint32_t pool,
    uint8_t *messages, uint32_t *length_out) MUST_CHECK;

/* A letter for a worker. */
struct pool_mail {
	uint32_t	worker;
	struct mail	mail;
};

/* Takes the lock, with a repair if its owner died. */
struct pool_row *pool_lock(const struct pool_caller *caller, uint32_t pool);
void pool_unlock(struct pool_row *pool);

/* Posts and wakes; without a lock. */
void pool_post(const struct pool_caller *caller, const struct pool_mail *mail);

#endif
