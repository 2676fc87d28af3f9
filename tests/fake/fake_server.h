/*
 * A PostgreSQL server that does what it is told, also what a real one never
 * would.
 *
 * It listens on a port of its own and serves every connection in a thread.
 * Without orders it lets everybody in, answers every simple query with one
 * value ("fake") and every extended one likewise.  Orders change the answer to
 * the startup packet, to single queries, and what the server does behind it.
 * Calls that start with await_ are the barriers: they return when the thing
 * has happened, and fail the test when it does not.
 */
#ifndef FAKE_FAKE_SERVER_H
#define FAKE_FAKE_SERVER_H

#include "base/base.h"
#include "base/buffer.h"

struct fake_server;

/* What the server does when it has sent an answer. */
enum fake_then {
	THEN_GO_ON = 0,
	THEN_HANG_UP,
	THEN_STALL,		/* reads and answers nothing any more */
};

struct fake_server *fake_server_start(int port);
/* At another address than 127.0.0.1. */
struct fake_server *fake_server_start_at(const char *host, int port);

/*
 * A listening socket on a port of 127.0.0.1, for a test that plays the server
 * itself. Close it.
 */
int fake_server_listen(int port);

/* Closes all connections and the port. */
void fake_server_stop(struct fake_server *server);

/* Nobody listens on the port / somebody does again. */
void fake_server_close_port(struct fake_server *server);
void fake_server_open_port(struct fake_server *server);

/*
 * What it says to each startup packet from now on, in place of the friendly
 * default. The bytes are copied; the buffer is cleared.
 */
void fake_server_greet(struct fake_server *server, struct buffer *bytes,
    enum fake_then then);
/* The default again. */
void fake_server_greet_well(struct fake_server *server);

/* The default greeting, to be added to: key 1000 + number of connection. */
void put_greeting(struct buffer *out, uint32_t pid, uint32_t key);

/* What it says to a simple query with this text. Copies; clears. */
void fake_server_answer(struct fake_server *server, const char *query,
    struct buffer *bytes, enum fake_then then);

/* In pieces of one byte, each its own packet. */
void fake_server_dribble(struct fake_server *server, bool dribbles);

/* Sends to connection `number` (0 is the first ever made) unasked. */
void fake_server_send(struct fake_server *server, unsigned number,
    struct buffer *bytes);
void fake_server_hang_up(struct fake_server *server, unsigned number);

/* Queries with this text get no answer until they are let go. */
void fake_server_hold(struct fake_server *server, const char *query);
void fake_server_release(struct fake_server *server);

/* Cancel requests are read, but their connection stays open until let go. */
void fake_server_hold_cancels(struct fake_server *server);
void fake_server_release_cancels(struct fake_server *server);

/* Connections with a startup packet so far; those still open. */
unsigned fake_server_connections(struct fake_server *server);
unsigned fake_server_open(struct fake_server *server);
void await_connections(struct fake_server *server, unsigned count);
/* Exactly that many are open. */
void await_open(struct fake_server *server, unsigned count);

/* How many simple queries with this text have come so far. */
unsigned fake_server_queries(struct fake_server *server, const char *query);
void await_query(struct fake_server *server, const char *query,
    unsigned count);

/* Connection by which the query with this text came last, or -1. */
int fake_server_where(struct fake_server *server, const char *query);

/* Cancel requests so far, and the key of the last one. */
unsigned fake_server_cancels(struct fake_server *server);
void await_cancels(struct fake_server *server, unsigned count);
uint32_t fake_server_cancelled_pid(struct fake_server *server);
uint32_t fake_server_cancelled_key(struct fake_server *server);

/* A value in the startup packet of a connection, NULL if it is not there. */
const char *fake_server_startup(struct fake_server *server, unsigned number,
    const char *name);

#endif
