#include "shm/peers.h"

#include "base/invariant.h"
#include "shm/segment.h"

static struct peer_row *
row_of(struct segment *segment, uint32_t peer)
{
	INVARIANT(peer < PEERS_MOST);
	return &segment->peers[peer];
}

static uint32_t
find(struct segment *segment, uint32_t id)
{
	for (uint32_t row = 0; row < PEERS_MOST; row++) {
		uint32_t found = atomic_load(&segment->peers[row].id);

		if (found == id)
			return row;
		if (found == 0)
			return NO_ROW;
	}
	return NO_ROW;
}

uint32_t
peers_make(struct segment *segment, uint32_t id)
{
	uint32_t row = find(segment, id);

	INVARIANT(id != 0);
	if (row != NO_ROW)
		return row;
	naming_take(segment);
	row = find(segment, id);
	for (uint32_t i = 0; row == NO_ROW && i < PEERS_MOST; i++)
		if (atomic_load(&segment->peers[i].id) == 0) {
			atomic_store(&segment->peers[i].id, id);
			row = i;
		}
	naming_release(segment);
	return row;
}

static uint32_t
sum(const _Atomic uint32_t cells[ROSTER_SLOTS])
{
	uint32_t count = 0;

	for (unsigned i = 0; i < ROSTER_SLOTS; i++)
		count += atomic_load(&cells[i]);
	return count;
}

bool
peers_enter(struct segment *segment, uint32_t peer, uint32_t worker,
    uint32_t limit)
{
	struct peer_row *row = row_of(segment, peer);
	bool granted;

	INVARIANT(worker < ROSTER_SLOTS);
	naming_take(segment);
	granted = limit == 0 || sum(row->active) < limit;
	if (granted)
		atomic_fetch_add(&row->active[worker], 1);
	naming_release(segment);
	return granted;
}

static void
uncount(_Atomic uint32_t *cell)
{
	INVARIANT(atomic_fetch_sub(cell, 1) > 0);
}

void
peers_leave(struct segment *segment, uint32_t peer, uint32_t worker)
{
	uncount(&row_of(segment, peer)->active[worker]);
}

void
peers_wait(struct segment *segment, uint32_t peer, uint32_t worker)
{
	atomic_fetch_add(&row_of(segment, peer)->waiting[worker], 1);
}

void
peers_wait_no_more(struct segment *segment, uint32_t peer, uint32_t worker)
{
	uncount(&row_of(segment, peer)->waiting[worker]);
}

void
peers_forget(struct segment *segment, uint32_t worker)
{
	for (uint32_t row = 0; row < PEERS_MOST; row++) {
		struct peer_row *peer = &segment->peers[row];

		if (atomic_load(&peer->id) == 0)
			return;
		atomic_store(&peer->active[worker], 0);
		atomic_store(&peer->waiting[worker], 0);
	}
}

struct peer_counts
peers_count(struct segment *segment, uint32_t id)
{
	struct peer_counts counts = { 0, 0 };
	uint32_t row = find(segment, id);

	if (row == NO_ROW)
		return counts;
	counts.active = sum(segment->peers[row].active);
	counts.waiting = sum(segment->peers[row].waiting);
	return counts;
}
