/*
 * TLS towards clients: who may have it, how it begins, what is noted of it.
 *
 *   SSLRequest -> 'S' -> handshake --+
 *                                    +-> startup packet and all the rest
 *   0x16, direct ------> handshake --+
 *
 * A client in its handshake is in phase STARTUP and under its time-out.  The
 * bytes themselves are net/stream.h's business.
 */
#ifndef SESSION_ENCRYPTION_H
#define SESSION_ENCRYPTION_H

#include "session/client.h"

/*
 * New connections use what the configuration says now; those that are there
 * keep what they have.
 */
void encryption_configure(struct sessions *sessions);

/* Without it this client may not log in. */
bool encryption_is_missing(const struct client *client);

/*
 * Answers an SSLRequest, behind which nothing was sent: with 'S' the
 * handshake is next, with 'N' a startup packet.  False: it is closed.
 */
bool encryption_answer(struct client *client) MUST_CHECK;

/*
 * True: what the client has sent first is the beginning of a handshake, and
 * was taken as that.  It may be closed.
 */
bool encryption_begins(struct client *client) MUST_CHECK;

/*
 * To be called with what stream_receive() returned, errno untouched, for each
 * client with TLS.  False: it is closed.
 */
bool encryption_note_read(struct client *client, ssize_t got) MUST_CHECK;

#endif
