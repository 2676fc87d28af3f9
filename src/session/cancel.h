/*
 * A cancel request: comes as a connection of its own, to any worker, and
 * goes to PostgreSQL as one.
 *
 * From the moment the request's target is known until PostgreSQL has closed
 * the connection that carried it, the server is not given to anybody else:
 * a cancel never reaches the query of the next client.
 */
#ifndef SESSION_CANCEL_H
#define SESSION_CANCEL_H

#include "session/client.h"
#include "wire/messages.h"

void cancel_begin(struct client *client, const struct backend_key *key);

/*
 * What this server of ours runs is wanted by nobody any more: it is CLEARING,
 * and clearing_cancelled() is told of the end, perhaps before this returns.
 * False: there is no room for it.
 */
bool cancel_begin_own(struct server *server) MUST_CHECK;

/* The client that carried it is closed. */
void cancel_abandon(struct cancel *cancel);

/* Time-outs of all connections that carry one to PostgreSQL. */
void cancel_tick(struct sessions *sessions);

/* At the end of a turn: frees what was finished in it. */
void cancel_free_closed(struct sessions *sessions);

#endif
