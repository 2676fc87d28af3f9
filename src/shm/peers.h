/*
 * Cancel requests that are on their way to other poolers: how many there are
 * for each peer, over all workers.
 *
 * A row belongs to a peer's number for ever.  A cell has one writer, the
 * worker of its slot; those of a dead worker are cleared.
 */
#ifndef SHM_PEERS_H
#define SHM_PEERS_H

#include <stdatomic.h>

#include "base/base.h"
#include "shm/roster.h"

#define PEERS_MOST 256

struct peer_row {
	_Atomic uint32_t id;			/* 0: not in use */
	_Atomic uint32_t active[ROSTER_SLOTS];	/* being forwarded */
	_Atomic uint32_t waiting[ROSTER_SLOTS];	/* for their turn */
};

struct segment;

/* The row of a peer's number, made when it is first asked for; NO_ROW. */
uint32_t peers_make(struct segment *segment, uint32_t id);

/*
 * One more is forwarded, unless there are `limit` (0: no limit); exact over
 * all workers.  peers_leave() is owed.
 */
bool peers_enter(struct segment *segment, uint32_t peer, uint32_t worker,
    uint32_t limit) MUST_CHECK;
void peers_leave(struct segment *segment, uint32_t peer, uint32_t worker);

/* One waits for its turn, or does not any more. */
void peers_wait(struct segment *segment, uint32_t peer, uint32_t worker);
void peers_wait_no_more(struct segment *segment, uint32_t peer,
    uint32_t worker);

/* The worker is dead. */
void peers_forget(struct segment *segment, uint32_t worker);

struct peer_counts {
	uint32_t	active, waiting;
};

/* Of a peer's number; zeros if nothing was ever forwarded to it. */
struct peer_counts peers_count(struct segment *segment, uint32_t id);

#endif
