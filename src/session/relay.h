/*
 * Bytes between a linked client and its server.
 *
 * Headers are read, bodies are passed on unseen.  What was read goes to the
 * other side in one send, straight from the worker's read buffer; only what
 * the other side does not take is copied.
 */
#ifndef SESSION_RELAY_H
#define SESSION_RELAY_H

#include "session/client.h"
#include "session/server.h"

/*
 * Bytes of a linked client, from the start of a message or behind what was
 * passed on before.  May close the client or the server.
 */
void relay_from_client(struct client *client, const uint8_t *bytes,
    size_t length);

/* Bytes of a linked server in step RELAYING, likewise. */
void relay_from_server(struct server *server, const uint8_t *bytes,
    size_t length);

/*
 * Bytes of a server whose client is gone (CLEARING): what they say is noted
 * as ever, but nobody gets them.  False: the server was closed.
 */
bool relay_hear(struct server *server, const uint8_t *bytes, size_t length)
    MUST_CHECK;

/*
 * Parts the two if the transaction is over and nothing is under way.  To be
 * called whenever that may have become true.
 */
void relay_settle(struct server *server);

/*
 * Parts them: the transaction is over and nothing is under way.  A server
 * that is unfit is closed, for this reason.
 */
void relay_part(struct server *server, const char *reason);

/*
 * The transaction is over, nothing is under way in either direction, and the
 * client has not begun to say more.
 */
bool relay_is_at_rest(const struct server *server);

#endif
