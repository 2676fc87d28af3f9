/*
 * Sending clients home when a shutdown, or the retirement of this worker, has
 * lasted for drain_timeout.
 *
 * Nobody is cut off in the middle: who is between two transactions goes at
 * once, everybody else at the moment his transaction is over and he has taken
 * all of its answer.  Console sessions stay.
 */
#ifndef SESSION_DRAIN_H
#define SESSION_DRAIN_H

#include "session/client.h"

/* By the clock: finds out whether it is time, and looks at all clients. */
void drain_tick(struct sessions *sessions);

/* It is time, and this client may have become idle: then it goes. */
void drain_look_at(struct client *client);

#endif
