/*
 * Cancel requests for clients of other poolers ([peers]): the key says whose
 * client it is, and the request goes there.
 *
 * A key is 8 bytes, as PgBouncer's peers have it:
 *
 *     byte   0      1   2          3 ... 6   7
 *            0rrr   peer id, low   random    rrrr rrTT
 *            rrrr   byte first
 *
 * TT is how often the request may be passed on; keys are given out with 3.
 * What follows the 8 bytes of a long key (session/cancel_key.h) goes along.
 */
#ifndef SESSION_FORWARD_H
#define SESSION_FORWARD_H

#include "session/client.h"
#include "wire/messages.h"

/* A random key that says that its client is this peer's (0: nobody's). */
uint64_t forward_mark_key(uint64_t random, int peer_id);

/* The same key as it was given out, whatever its TT is now. */
uint64_t forward_key_given(uint64_t key);

/* Whose client's key it is, if it is one of a pooler that has peers. */
int forward_key_peer(uint64_t key);

/*
 * The client brings a request for another peer's client.  It is passed on, or
 * dropped if nobody knows that peer, and the client is closed when it has
 * arrived.
 */
void forward_begin(struct client *client, const struct backend_key *key);

/* The client that brought one is closed; the request goes on. */
void forward_abandon(struct sessions *sessions, const struct client *client);

/* Those that wait for their turn or for a name; and the time limit. */
void forward_tick(struct sessions *sessions);

/* Peers that the configuration does not have any more. */
void forward_configure(struct sessions *sessions);

/* At the end of a turn: frees what was finished in it. */
void forward_free_closed(struct sessions *sessions);

#endif
