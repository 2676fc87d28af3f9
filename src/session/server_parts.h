/*
 * What the files of a server session share among themselves: server.c (the
 * connection), server_link.c (between two clients), server_input.c (what it
 * says).  Nobody else includes this.
 */
#ifndef SESSION_SERVER_PARTS_H
#define SESSION_SERVER_PARTS_H

#include "session/server.h"

/* The only place where a server's step changes. */
void server_enter(struct server *server, enum server_step next);

struct server *server_from(void *context);

/* An event of its descriptor. */
void server_on_event(void *context, uint32_t events);

/* Writes what it did not take before; then its client may go on. */
void server_flush_backlog(struct server *server);

/* PostgreSQL's end is gone, too, or had its time: the row is free. */
void server_end_close(struct server *server);

/*
 * Its client has not sent anything on it yet: it may have another one if
 * this one dies, and whoever linked them sees to that.
 */
bool server_is_before_use(const struct server *server);

/* Closes it; its client gets another one, unless it is what kills them. */
void server_try_another(struct server *server, const char *reason);

/* Relaying, between two messages, nothing asked and no transaction open. */
bool server_is_clean(const struct server *server);

/* A whole message while we ourselves talk to the server. */
void server_take_setup_message(struct server *server, uint8_t type,
    const uint8_t *body, size_t length);

/* All that was said up to ReadyForQuery is taken: the step is over. */
void server_end_setup(struct server *server);

#endif
