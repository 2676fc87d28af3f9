/*
 * A server connection as this worker holds it.
 *
 * The row in the segment says whose it is; this struct holds the descriptor
 * and, while this worker uses it, where the exchange stands.  A server is
 * released only between messages with nothing outstanding, so nothing of
 * this has to move when another worker takes it over.
 *
 *   LOGIN -> AT_REST <-> CHECKING -> SETTING -> RELAYING -> AT_REST
 *               |                       |          |
 *               |                       +-> ASKING -> AT_REST (auth_query)
 *               +-> RESETTING -> AT_REST  <--------+ (session mode)
 *                       ^                          |
 *                       +---- ROLLING_BACK <- CLEARING -> AT_REST
 *   every step -> LEAVING
 *
 * RELAYING <-> LOOKING, and from there to AT_REST and RESETTING as well: what
 * its client has left in its session (session_state.h).
 *
 * CLEARING, ROLLING_BACK: its client has left it in the middle of something
 * (clearing.h).
 *
 * LEAVING: said goodbye and waits for PostgreSQL to hang up, so that a limit
 * that PostgreSQL has is never exceeded either.
 */
#ifndef SESSION_SERVER_H
#define SESSION_SERVER_H

#include "base/log.h"
#include "net/stream.h"
#include "session/client.h"
#include "session/outstanding.h"
#include "session/pool_view.h"

enum server_step {
	SERVER_AT_REST = 0,
	SERVER_LOGIN,		/* connecting, logging in, connect_query */
	SERVER_CHECKING,	/* server_check_query before use */
	SERVER_SETTING,		/* tracked parameters */
	SERVER_ASKING,		/* auth_query, for a client that logs in */
	SERVER_RELAYING,
	SERVER_LOOKING,		/* for what its client leaves behind */
	SERVER_CLEARING,
	SERVER_ROLLING_BACK,
	SERVER_RESETTING,
	SERVER_LEAVING,
	SERVER_STEPS
};

struct bridge;
struct login_at_server;

struct server {
	uint32_t		 tag;
	uint32_t		 row;
	uint32_t		 generation;
	struct stream		 stream;
	struct bridge		*bridge;	/* its TLS is in this worker:
						   the way for others */
	uint32_t		 seen_lent;	/* row's, taken back since */
	struct sessions		*sessions;
	struct watch		 watch;
	enum server_step	 step;
	struct client		*client;	/* linked here */
	struct login_at_server	*login;		/* LOGIN only */
	struct client		*replicates;	/* for whom alone it is; NULL:
						   for anybody */
	struct outstanding	 outstanding;
	uint64_t		 gone_at;	/* number of the last request that
						   took all statements away */
	struct buffer		 partial;	/* a message not whole yet */
	struct buffer		 backlog;	/* what it did not take yet */
	uint32_t		 remaining;	/* of the message being read */
	uint8_t			 status;	/* of its last ReadyForQuery; 0:
						   something was asked since */
	bool			 in_session;	/* linked in session mode */
	uint8_t			 last_status;	/* of its last ReadyForQuery */
	bool			 rewrites;	/* RELAYING: prepared.h applies */
	bool			 watches_tags;	/* RELAYING: it has statements */
	bool			 knows_unnamed;	/* its unnamed statement is its
						   client's */
	bool			 has_parsed;	/* of ours, since it was ready */
	bool			 asks;		/* noted as asked, not sent yet */
	enum session_state	 state_mode;	/* RELAYING, as it was linked */
	uint8_t			 state_hints;	/* session_state_kind: to ask for */
	uint8_t			 state_found;	/* LOOKING: they are there */
	uint8_t			 state_kept;	/* why it is pinned */
	bool			 state_looked;	/* there was an answer */
	bool			 pinned;	/* its client keeps it */
	bool			 unfit;		/* to be closed when released */
	uint32_t		 told_values;	/* changed, and the row's
					   digest is old: a bit each */
	bool			 failed_setup;	/* error outside of a relay, … */
	bool			 was_cancelled;	/* … a cancel request's */
	bool			 step_done;	/* its ReadyForQuery was read */
	usec_t			 deadline;	/* LEAVING, CLEARING */
	usec_t			 cancelled_at;	/* CLEARING: the end of our
						   last cancel; 0: none yet */
	usec_t			 answered_at;	/* last bytes from it */
	struct server		*next;		/* closed in this turn */
};

/* Our handle of a row's connection; NULL: this worker has none (yet). */
struct server *server_get(struct sessions *sessions, uint32_t row);

/* Takes a descriptor over, of the row's present generation. */
struct server *server_hold(struct sessions *sessions, uint32_t row,
    uint32_t generation, int fd);

/* Opens one for this pool if it may have one more; see pool_open. */
void server_open_if_needed(struct sessions *sessions, struct pool_view *view,
    bool wanted);

/* Opens one if this pool is to have more although nobody waits. */
void server_open_minimum(struct sessions *sessions, struct pool_view *view);

/*
 * The client and this server belong together now, both rows say so.  False:
 * the server turned out to be dead and is being closed; take another one.
 */
bool server_link(struct server *server, struct client *client) MUST_CHECK;

/* Its client keeps it when a transaction is over, as things are now. */
static inline bool
server_stays_linked(const struct server *server)
{
	return server->client->view->mode == POOL_MODE_SESSION ||
	    server->replicates != NULL || server->pinned;
}

/* Nothing is under way on it: to the next client, or to rest. */
void server_release(struct server *server);

/* The same by its row, which is ours: one without a descriptor is closed. */
void server_release_row(struct sessions *sessions, uint32_t row);

/* The client of this server is gone; clears, resets or closes it. */
void server_client_left(struct server *server, const char *reason);

/*
 * server_fast_close: one that is marked for closing is closed between two
 * transactions of a session, and its client with it.
 */
void server_close_if_outdated(struct server *server);

/*
 * Says goodbye and sees to it that it is closed.  A linked client gets the
 * reason as its error.
 */
void server_close(struct server *server, const char *reason);

/* The row is CLOSING and ours: says goodbye, waits for the other end. */
void server_leave(struct sessions *sessions, uint32_t row,
    const char *reason);

/* A dead worker left this row to us. */
void server_adopt(struct sessions *sessions, uint32_t row);

/* Watches it while it is idle. */
void server_watch(struct server *server);

/* The descriptor goes; the row is somebody else's business. */
void server_forget(struct server *server);

/*
 * Bytes for the server.  False: the connection is broken and being closed.
 * What it does not take is kept, and its client is not read meanwhile.
 */
bool server_send(struct server *server, const uint8_t *bytes, size_t length)
    MUST_CHECK;

/* A query of our own; its answer is swallowed by the step. */
bool server_send_query(struct server *server, const char *text) MUST_CHECK;

/* Reads on after its client had stopped it. */
void server_resume_reading(struct server *server);
void server_pause_reading(struct server *server);

/* Its session was reset: what it does not report is not known any more. */
void server_note_reset(struct server *server);

/* Some of its settings are known only because it was told to set them. */
bool server_has_assumed_values(const struct server *server);

/* A ParameterStatus while it relays: its client wants that from now on. */
void server_note_parameter(struct server *server, const uint8_t *body,
    size_t length);

/* It has logged in and is this client's, as the rows say, to its end. */
void server_keep_for_session(struct server *server, struct client *client);

/* It has logged in and is free for the first time. For login_at_server. */
void server_login_done(struct server *server);

/* Its TLS goes with this worker, which is about to end: so does it. */
void server_retire(struct server *server);

/* Time-outs of this server. */
void server_tick(struct server *server);

void server_log(enum log_level level, const struct server *server,
    const char *format, ...) PRINTF_LIKE(3, 4);

struct pool_view *server_view(const struct server *server);
struct server_row *server_row(const struct server *server);

#endif
