/*
 * What a transaction may leave behind in a server's session (the parameter
 * session_state).
 *
 * A client that shares servers shares what it leaves there: a SET, LISTEN, a
 * temporary table, an advisory lock, PREPARE, a cursor WITH HOLD.  `ignore`
 * is PgBouncer's way and costs nothing.  Otherwise the words of what a client
 * asks are a hint, nothing more; when a transaction with a hint is over,
 * PostgreSQL is asked what there is in its session, and that decides:
 *
 *	warn	its client gets a NOTICE, once for each kind
 *	pin	its client keeps the server until there is nothing left, or
 *		until it leaves; then the server is reset
 *
 * What no word tells (a function that does it) is not seen.
 */
#ifndef SESSION_SESSION_STATE_H
#define SESSION_SESSION_STATE_H

#include "base/base.h"
#include "wire/framing.h"

struct server;

enum session_state_kind {
	STATE_SETTING = 1,
	STATE_LISTEN = 2,
	STATE_TEMPORARY = 4,
	STATE_LOCK = 8,
	STATE_PREPARED = 16,
	STATE_CURSOR = 32,
	STATE_ASKABLE = 63,
	STATE_CUSTOM = 64	/* a setting with a dot in its name: there is
				   no list of those, so it is as said */
};

/* Of which kinds these statements may leave or remove something. */
unsigned session_state_words(const char *text, size_t length);

/*
 * `DISCARD ALL` was done: what it left before is gone, the rest will be asked
 * for.
 */
void session_state_discarded(struct server *server);

/* A server is its client's now. */
void session_state_begin(struct server *server);

/*
 * A message of its client that begins here, as far as it has come; not where
 * server->state_mode is SESSION_STATE_IGNORE.
 */
void session_state_note(struct server *server, const struct frame *frame,
    const uint8_t *bytes, size_t length);

/*
 * Its transaction is over and has left something, perhaps: asks PostgreSQL
 * (step LOOKING), or does at once what follows where there is nothing to ask.
 * False: it is to be closed anyway, and nothing was done.
 */
bool session_state_look(struct server *server);

/* The server says so while it is asked. */
void session_state_take(struct server *server, uint8_t type,
    const uint8_t *body, size_t length);

/* All is said. */
void session_state_looked(struct server *server);

/* Its client left meanwhile: it will be reset. */
void session_state_abandon(struct server *server);

/* It must not come to the next client as it is now. */
bool session_state_is_left(const struct server *server);

/* It hung up meanwhile, or says nothing: closes it. */
void session_state_lost(struct server *server, const char *reason);

#endif
