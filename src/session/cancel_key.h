/*
 * Keys by which clients ask for their queries to be cancelled.
 *
 * A key is 8 random bytes (session/forward.h says what peers want of them).
 * From protocol 3.2 on a client gets 28 more, which nobody can guess and
 * nobody has to remember: a message authentication code of the 8, made with
 * a secret of this pooler's life.
 *
 *	pid, 4 bytes | secret, 4 bytes | HMAC-SHA-256 of both, 28 bytes
 *	             |  what protocol 3.2 calls the key: 32 bytes  |
 *
 * PostgreSQL manual, "Canceling Requests in Progress", "BackendKeyData".
 */
#ifndef SESSION_CANCEL_KEY_H
#define SESSION_CANCEL_KEY_H

#include "shm/segment.h"
#include "wire/messages.h"

/* What a client of this protocol version is told. */
struct backend_key cancel_key_give(const struct segment *segment,
    uint64_t key, uint32_t protocol);

/*
 * A request with this key may cancel what the client in this row does, whose
 * 8 bytes it has: it has brought all of what the client was told.
 */
bool cancel_key_fits(const struct segment *segment, uint32_t row,
    const struct backend_key *brought) MUST_CHECK;

#endif
