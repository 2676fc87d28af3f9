/*
 * A client connection, served by this worker from accept to close.
 *
 * Its phase is the one in its row (shm/clients.h has the diagram), so that
 * reports and pools see the same; client_enter() alone changes it, but for
 * the steps in and out of a pool's queue, which are the pool's.
 */
#ifndef SESSION_CLIENT_H
#define SESSION_CLIENT_H

#include "base/buffer.h"
#include "base/log.h"
#include "net/stream.h"
#include "session/pool_view.h"

struct auth_query;
struct login;
struct replication;
struct cancel;

#define CLIENT_NO_ROOM "no more connections allowed (max_client_conn)"

struct client {
	uint32_t		 tag;
	uint32_t		 row;
	struct sessions		*sessions;
	struct stream		 stream;
	uint32_t		 remaining;	/* of the passing message */
	struct watch		 watch;
	struct pool_view	*view;		/* NULL before login */
	struct server		*server;	/* LINKED */
	struct login		*login;		/* before IDLE */
	struct auth_query	*asking;	/* NULL: it does not: the
						   login's */
	struct replication	*replication;	/* NULL: an ordinary client */
	struct cancel		*cancel;	/* CANCEL */
	struct parameter_set	*wants;		/* tracked parameters */
	struct prepared		*prepared;	/* NULL: nothing so far */
	struct buffer		 input;		/* not passed on yet */
	struct buffer		 backlog;	/* what it did not take yet */
	usec_t			 xact_at;	/* transaction began; 0: none */
	usec_t			 ready_at;	/* its last one was over */
	struct client		*next;		/* to_welcome or closed list */
	uint8_t			 header[4];	/* cut off by the last read */
	uint8_t			 header_length;
	bool			 held;		/* until more is answered */
	uint32_t		 wanted;	/* bytes of input to go on with */
	uint8_t			 retries;	/* servers that died on it */
	uint8_t			 state_of_names; /* session_state_kind: what
						   its statements may leave */
	uint8_t			 state_of_unnamed; /* … and the one without a
						   name */
	uint8_t			 state_told;	/* … and it was warned of */
	bool			 is_unix;
	bool			 said_something; /* before its startup */
	bool			 awaits_header;	/* its PROXY header (proxied.h) */
	bool			 is_direct_tls;	/* without an SSLRequest */
	uint32_t		 uid;		/* Unix: the user's number; */
	bool			 own_uid;	/* it is ours … */
	bool			 own_uid_console; /* … on the console */
	bool			 only_console;	/* or there is no room for it */
	bool			 console_waits;	/* for the end of a command */
	bool			 skipping;	/* all up to Sync, as
						   PostgreSQL after an error */
	bool			 said_goodbye;	/* Terminate came */
	bool			 notified;	/* that it waits, in this wait */
	bool			 counted;	/* in max_client_conn, … */
	bool			 entered;	/* … and in its pool */
};

struct client *client_accept(struct sessions *sessions, int fd, bool is_unix,
    const struct sockaddr_storage *peer);

/* It has not taken all that it was sent. */
static inline bool
client_is_behind(const struct client *client)
{
	return buffer_length(&client->backlog) > 0 ||
	    stream_has_unsent(&client->stream);
}

struct client_row *client_row(const struct client *client);
enum client_phase client_phase(const struct client *client);

/* The only place where a client's phase changes (but for the queue). */
void client_enter(struct client *client, enum client_phase next);

/* Bytes behind its login, or any that were kept: as if read just now. */
void client_take_early(struct client *client, const uint8_t *bytes,
    size_t length);

/* The command that this console session waited for is answered: go on. */
void client_console_continue(struct client *client);

/* It is IDLE and wants a server of its pool: takes one, or waits. */
void client_ask_for_server(struct client *client);

/* A server is its own: what waits goes to it. */
void client_begin_relay(struct client *client);

/*
 * A server is given to it by its pool: rows are linked already.  Goes on to
 * the next server if this one is dead.
 */
void client_take_server(struct client *client, uint32_t server_row);


/* If it waits for a server and a cancel request has come: it is told so. */
void client_stop_waiting(struct client *client);

/* disable_pqexec: false, and it is closed, if it may not send this. */
bool client_may_send(struct client *client, uint8_t type) MUST_CHECK;

/* Its server failed a check before anything was sent: takes another one. */
void client_retry(struct client *client);

/* A cancel request has hit what its server was asked before its query. */
void client_cancelled_before_use(struct client *client);

/*
 * Bytes for the client.  What it does not take is kept, and its server is
 * not read meanwhile.  False: the connection is broken, it is closed.
 */
bool client_send(struct client *client, const uint8_t *bytes, size_t length)
    MUST_CHECK;

/* Reads what has come, once. */
void client_read(struct client *client);

void client_pause_reading(struct client *client);
void client_resume_reading(struct client *client);

/*
 * While it is not read: closes it when it says that it has said all, as
 * PostgreSQL does by client_connection_check_interval.
 */
void client_watch_for_end(struct client *client);

/*
 * Closes; the reason goes to the log.  client_fail also tells the client:
 * FATAL, this SQLSTATE and this text; SQLSTATE_OF_POOLER: the text's own.
 */
void client_close(struct client *client, const char *reason);
void client_fail(struct client *client, const char *sqlstate,
    const char *text);

/*
 * The same for what a server or its login has to say.  Who only asks for a
 * secret is not told.
 */
void client_fail_by_server(struct client *client, const char *sqlstate,
    const char *text);

/* The same for a message that begins with these bytes and cannot be one. */
void client_fail_bad_header(struct client *client, const uint8_t *bytes,
    size_t length);

/* A request arrived: a query begins if none is being timed. */
void client_note_request(struct client *client);

/* Its transaction or query is over: statistics. */
void client_note_ready(struct client *client, uint8_t status, bool all_done);

/* What it calls itself, for reports. */
void client_note_application_name(struct client *client,
    const struct parameter_values *values);

/* Its login is over; what it waited for its pool's first server counts. */
void client_note_welcome(struct client *client);

/* Time-outs of this client. */
void client_tick(struct client *client);

/* After login: the database's and the user's pool. */
void client_log(enum log_level level, const struct client *client,
    const char *format, ...) PRINTF_LIKE(3, 4);

#endif
