#include "shm/clients.h"

#include <string.h>

#include "base/invariant.h"
#include "shm/claim.h"
#include "shm/segment.h"

uint32_t
clients_claim(struct segment *segment, uint32_t worker)
{
	struct client_row *client;
	uint32_t row;

	for (row = 0; row < segment->size.clients; row++)
		if (claim_row(&segment->clients[row].claimed_by, worker, row,
		    &segment->state->clients_used))
			break;
	if (row == segment->size.clients)
		return NO_ROW;
	client = &segment->clients[row];
	atomic_store(&client->pool, NO_ROW);
	atomic_store(&client->user, NO_ROW);
	client->server = NO_ROW;
	atomic_store(&client->worker, worker);
	atomic_store(&client->phase, CLIENT_STARTUP);
	return row;
}

/* It is FREE already, and only who frees it touches it. */
static void
wipe(struct segment *segment, uint32_t row)
{
	struct client_row *client = &segment->clients[row];

	atomic_store(&segment->cancel_keys[row], 0);
	client->generation++;
	atomic_store(&client->worker, NO_ROW);
	atomic_store(&client->pool, NO_ROW);
	atomic_store(&client->user, NO_ROW);
	client->server = NO_ROW;
	client->wait_since = client->query_at = 0;
	client->close_needed = client->remote_pid = 0;
	memset(client->application_name, 0, sizeof(client->application_name));
	atomic_store(&client->claimed_by, 0);
}

void
clients_free(struct segment *segment, uint32_t row)
{
	struct client_row *client = segment_client(segment, row);

	INVARIANT(client->phase != CLIENT_FREE);
	atomic_store(&client->claimed_by, atomic_load(&client->worker) + 1);
	atomic_store(&client->phase, CLIENT_FREE);
	wipe(segment, row);
}

void
clients_free_half_done(struct segment *segment, uint32_t worker)
{
	uint32_t used = atomic_load(&segment->state->clients_used);

	for (uint32_t row = 0; row < used; row++)
		if (segment->clients[row].phase == CLIENT_FREE &&
		    segment->clients[row].claimed_by == worker + 1)
			wipe(segment, row);
}

uint64_t
clients_handle(struct segment *segment, uint32_t row)
{
	return UINT64_C(0xc) << 44 | (uint64_t)(segment_client(segment,
	    row)->generation & 0xfffff) << 24 | row;
}
