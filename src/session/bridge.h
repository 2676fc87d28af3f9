/*
 * A server connection with TLS, for the workers that do not own it.
 *
 *                       owner                         any other worker
 *   PostgreSQL <=TLS=> stream <-> pump <-> near <--socket pair--> far
 *
 * The state of TLS lives in one process.  The far end is handed out like the
 * descriptor of a server in the clear, and who has one uses it like that.
 * The pump knows no protocol.  It keeps at most what one call has read, for
 * each direction, and reads no more from one side until the other has taken
 * that.
 *
 * The owner uses the stream itself, not the pair.  Before it does so after
 * others have, it takes the connection back: what the last user has sent
 * without waiting for an answer (a Flush, what follows a failed COPY) may
 * still be on its way, and has to go first.
 *
 * An end on one side is passed on once all before it is; if the owner dies,
 * the far end is at its end, and `hung_up` says that PostgreSQL is not.
 */
#ifndef SESSION_BRIDGE_H
#define SESSION_BRIDGE_H

#include <stdatomic.h>

#include "base/buffer.h"
#include "net/loop.h"
#include "net/stream.h"

struct bridge;

/* What it joins; all of it outlives the bridge. */
struct bridge_place {
	struct loop		*loop;
	struct stream		*stream;
	/* STREAM_RECEIVE_LEAST bytes that nobody needs between events. */
	uint8_t			*memory;
	/* Set when PostgreSQL's end is reached and all before it is passed. */
	_Atomic uint32_t	*hung_up;
	void			*context;
	/*
	 * Which events of the stream's descriptor are wanted from now on,
	 * for bridge_on_stream(); 0: none at all, not even EPOLLHUP.
	 */
	void			(*listen)(void *context, uint32_t events);
	/*
	 * The user has something to say: may it?  False: the owner uses the
	 * connection itself, or gives it up.
	 */
	bool			(*is_lent)(void *context);
};

/* NULL: the error says why. */
struct bridge *bridge_create(const struct bridge_place *place,
    struct error *error) MUST_CHECK;

/* The end that is handed out; still the bridge's. */
int bridge_far_end(const struct bridge *bridge);

/* Events of the stream's descriptor, while others use it. */
void bridge_on_stream(struct bridge *bridge, uint32_t events);

/* Something was passed on since it was last taken back. */
bool bridge_was_used(const struct bridge *bridge);

enum bridge_news {
	BRIDGE_QUIET = 0,
	BRIDGE_BYTES,		/* the last user has not read everything */
	BRIDGE_GONE		/* one of the ends is */
};

/*
 * The owner uses it itself from now on; nobody else does.  What still has to
 * go to the server is added to `rest` if it does not take it now.  Unless it
 * is QUIET, the connection must be closed.
 */
enum bridge_news bridge_take_back(struct bridge *bridge, struct buffer *rest)
    MUST_CHECK;

/* Closes both ends; the memory stays until the turn is over. */
void bridge_stop(struct bridge *bridge);

/* NULL is allowed. It was stopped. */
void bridge_free(struct bridge *bridge);

#endif
