#include "shm/clients.h"

#include <string.h>

#include "base/invariant.h"
#include "shm/segment.h"

/*
 * The roster says which row is being claimed, so that a claimer which dies
 * before it has put its name into the row loses no row (pool/repair.c).
 */
static uint32_t
claim_between(struct segment *segment, uint32_t worker, uint32_t from,
    uint32_t to)
{
	for (uint32_t row = from; row < to; row++) {
		uint32_t free = CLIENT_FREE;

		if (atomic_load_explicit(&segment->clients[row].phase,
		    memory_order_relaxed) != CLIENT_FREE)
			continue;
		atomic_store(&segment->roster[worker].claims_client, row + 1);
		if (atomic_compare_exchange_strong(&segment->clients[row].phase,
		    &free, CLIENT_CLAIMED))
			return row;
	}
	return NO_ROW;
}

static void
raise_to(_Atomic uint32_t *mark, uint32_t least)
{
	uint32_t now = atomic_load(mark);

	while (now < least && !atomic_compare_exchange_weak(mark, &now, least))
		continue;
}

uint32_t
clients_claim(struct segment *segment, uint32_t worker)
{
	uint32_t used = atomic_load(&segment->state->clients_used);
	struct client_row *client;
	uint32_t row;

	row = claim_between(segment, worker, 0, used);
	if (row == NO_ROW)
		row = claim_between(segment, worker, used,
		    segment->size.clients);
	if (row == NO_ROW) {
		atomic_store(&segment->roster[worker].claims_client, 0);
		return NO_ROW;
	}
	client = &segment->clients[row];
	atomic_store(&client->pool, NO_ROW);
	atomic_store(&client->user, NO_ROW);
	client->server = NO_ROW;
	atomic_store(&client->worker, worker);
	atomic_store(&client->phase, CLIENT_STARTUP);
	atomic_store(&segment->roster[worker].claims_client, 0);
	raise_to(&segment->state->clients_used, row + 1);
	return row;
}

void
clients_free(struct segment *segment, uint32_t row)
{
	struct client_row *client = segment_client(segment, row);

	INVARIANT(client->phase != CLIENT_FREE);
	atomic_store(&segment->cancel_keys[row], 0);
	client->generation++;
	atomic_store(&client->worker, NO_ROW);
	atomic_store(&client->pool, NO_ROW);
	atomic_store(&client->user, NO_ROW);
	client->server = NO_ROW;
	client->wait_since = client->query_at = 0;
	client->close_needed = client->remote_pid = 0;
	memset(client->application_name, 0, sizeof(client->application_name));
	atomic_store_explicit(&client->phase, CLIENT_FREE,
	    memory_order_release);
}

uint64_t
clients_handle(struct segment *segment, uint32_t row)
{
	return UINT64_C(0xc) << 44 | (uint64_t)(segment_client(segment,
	    row)->generation & 0xfffff) << 24 | row;
}
