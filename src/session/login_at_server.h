/*
 * From connect() until a server connection can serve: PostgreSQL's start-up
 * and authentication, then connect_query.
 */
#ifndef SESSION_LOGIN_AT_SERVER_H
#define SESSION_LOGIN_AT_SERVER_H

#include "session/server.h"

/*
 * For a row in phase OPENING that this worker has just been granted: finds
 * out where its server is, waiting for a look-up if need be, and connects.
 * False: it failed at once, and the row is free again.
 */
bool login_at_server_begin(struct sessions *sessions, struct pool_view *view,
    uint32_t row, struct client *replicates) MUST_CHECK;

/*
 * The socket has an event. True: it is connected, with TLS if that is wanted,
 * and the event is one of the protocol; false: not yet, or it failed.
 */
bool login_at_server_connected(struct server *server) MUST_CHECK;

/* A whole message of a server that logs in. */
void login_at_server_take(struct server *server, uint8_t type,
    const uint8_t *body, size_t length);

/* It has hung up. */
void login_at_server_hung_up(struct server *server);

/* All that it said up to a ReadyForQuery is taken. */
void login_at_server_ready(struct server *server);

/* Gives up; the text is remembered for clients, the reason goes to the log. */
void login_at_server_failed(struct server *server, const char *text,
    const char *reason);

/* Does it wait until it is known where this host name leads? */
bool login_at_server_awaits(const struct server *server, uint32_t host)
    MUST_CHECK;

/* What it waits for has come, or may have. */
void login_at_server_go_on(struct server *server);

/* By the clock: what it waits for may have come, or it tries again. */
void login_at_server_tick(struct server *server);

/* server_connect_timeout is over. */
void login_at_server_timed_out(struct server *server);

/* NULL is allowed. */
void login_at_server_free(struct login_at_server *login);

#endif
