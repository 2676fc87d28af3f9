/*
 * Replication connections: a client that streams the write-ahead log or a
 * logical slot has a server connection of its own, from its login to its end.
 *
 *   AUTH -> WELCOME ------ its server has logged in -----> LINKED -> closed
 *            |  ^
 *            |  +-- no room yet: an idle one is evicted, tried again by the
 *            |      clock until client_login_timeout
 *            +-- its server refused it: it hears what the server said
 *
 * The server is opened with what the client has asked for (`replication`,
 * `options`, tracked parameters), counts in its pool like any other, and is
 * never anybody else's.  No time limit for queries or transactions holds.
 *
 * PostgreSQL manual, "Streaming Replication Protocol".
 */
#ifndef SESSION_REPLICATION_H
#define SESSION_REPLICATION_H

#include "session/client.h"
#include "shm/replication_kind.h"
#include "wire/messages.h"

/* What the value of the startup parameter asks for; nonsense: nothing. */
enum replication_kind replication_kind_of(const char *value);

/* The client's startup packet asks for it. False: no memory. */
bool replication_request(struct client *client, const char *value)
    MUST_CHECK;

/* The options of its startup packet, for its server. False: no memory. */
bool replication_keep_options(struct client *client, const char *options)
    MUST_CHECK;

/* It is let in, in phase AUTH, and has entered its pool. */
void replication_begin(struct client *client);

/* This one is being opened for it. */
void replication_own(struct client *client, struct server *server);

/* In phase WELCOME, by the clock. */
void replication_tick(struct client *client);

/* What its server's startup packet says on top of user and database. */
void replication_write_startup(const struct client *client,
    struct writer *writer);

/*
 * Its server has logged in and said this: the two belong together, and the
 * client is let in.
 */
void replication_ready(struct server *server, const uint8_t *welcome,
    uint32_t length);

/* The server is closed, for whatever reason: it is nobody's now. */
void replication_lose_server(struct server *server);

/* It goes, in whatever phase; NULL members are allowed. */
void replication_end(struct client *client);

#endif
