/*
 * What the files of a server session share among themselves: server.c (the
 * connection), server_link.c (between two clients), server_input.c (what it
 * says), and those that take it through steps of their own: login_at_server,
 * auth_query, clearing, session_state.  Nobody else includes this.
 */
#ifndef SESSION_SERVER_PARTS_H
#define SESSION_SERVER_PARTS_H

#include "session/server.h"

/* The only place where a server's step changes. */
void server_enter(struct server *server, enum server_step next);

struct server *server_from(void *context);

/* An event of its descriptor. */
void server_on_event(void *context, uint32_t events);

/* Which events of its descriptor are wanted. */
void server_watch_for(struct server *server, uint32_t events);

/* Bytes for it wait, here or in its TLS. */
static inline bool
server_has_backlog(const struct server *server)
{
	return buffer_length(&server->backlog) > 0 ||
	    stream_has_unsent(&server->stream);
}

/* Writes what it did not take before; then its client may go on. */
void server_flush_backlog(struct server *server);

/* PostgreSQL's end is gone, too, or had its time: the row is free. */
void server_end_close(struct server *server);
/* PostgreSQL's end may not be gone yet; by the clock. */
void server_end_orphan(struct server *server);

/* --- server_bridge.c: TLS that is in one worker --------------------------- */

/* It has logged in with TLS, and is to be everybody's. */
bool server_build_bridge(struct server *server, struct error *error)
    MUST_CHECK;

/* Its descriptor for other processes. */
int server_shared_fd(const struct server *server);

/*
 * This worker begins to use a connection with TLS, whose ever that is. False:
 * it must be closed, and its client get another one.
 */
bool server_begin_use(struct server *server) MUST_CHECK;

/*
 * This worker reads or writes its TLS itself from now on; nothing to do where
 * there is none or nobody else has used it.  False: it must be closed.
 */
bool server_take_in(struct server *server) MUST_CHECK;

/*
 * An event of one at rest whose TLS is in this worker.  True: that was
 * somebody else's.
 */
bool server_pump(struct server *server, uint32_t events) MUST_CHECK;

/* Its TLS was another worker's who died: PostgreSQL may not know that yet. */
bool server_is_cut_off(const struct server *server);

/*
 * Its client has not sent anything on it yet: it may have another one if
 * this one dies, and whoever linked them sees to that.
 */
bool server_is_before_use(const struct server *server);

/* Closes it; its client gets another one, unless it is what kills them. */
void server_try_another(struct server *server, const char *reason);

/* Between two messages, and nothing is asked that is not answered. */
bool server_has_answered(const struct server *server);

/* Relaying, that, and no transaction is open. */
bool server_is_clean(const struct server *server);

/* Nobody's and clean: reset, if its last client's session demands it. */
void server_reset_or_release(struct server *server);

/* A whole message while we ourselves talk to the server. */
void server_take_setup_message(struct server *server, uint8_t type,
    const uint8_t *body, size_t length);

/* All that was said up to ReadyForQuery is taken: the step is over. */
void server_end_setup(struct server *server);

#endif
