#include "shm/clients.h"

#include <string.h>

#include "base/invariant.h"
#include "shm/claim.h"
#include "shm/segment.h"

static uint32_t
claim_between(struct segment *segment, uint32_t worker, uint32_t from,
    uint32_t to)
{
	for (uint32_t row = from; row < to; row++)
		if (claim_row(&segment->clients[row].claimed_by, worker, row,
		    &segment->state->clients_used))
			return row;
	return NO_ROW;
}

/* Low rows are used again first, so that others need not look at many. */
static void
lower_hint(struct segment *segment, uint32_t row)
{
	uint32_t hint = atomic_load(&segment->state->clients_hint);

	while (row < hint && !atomic_compare_exchange_weak(
	    &segment->state->clients_hint, &hint, row))
		continue;
}

uint32_t
clients_claim(struct segment *segment, uint32_t worker)
{
	struct client_row *client;
	uint32_t hint = atomic_load(&segment->state->clients_hint);
	uint32_t row = claim_between(segment, worker, hint,
	    segment->size.clients);

	if (row == NO_ROW)
		row = claim_between(segment, worker, 0, hint);
	if (row == NO_ROW)
		return NO_ROW;
	/* Somebody may have freed a lower one meanwhile: then that is it. */
	atomic_compare_exchange_strong(&segment->state->clients_hint, &hint,
	    row + 1);
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
	client->close_needed = client->remote_pid = client->prepared = 0;
	client->protocol = client->replicated = 0;
	atomic_store(&client->order, 0);
	memset(client->application_name, 0, sizeof(client->application_name));
	memset(client->tls, 0, sizeof(client->tls));
	atomic_store(&client->claimed_by, 0);
	lower_hint(segment, row);
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

/* The generation is part of it, so that an order that comes late is void. */
static uint64_t
order_word(uint32_t generation, enum client_order order)
{
	return (uint64_t)generation << 8 | order;
}

static uint32_t
generation_of(const struct client_row *client)
{
	return __atomic_load_n(&client->generation, __ATOMIC_ACQUIRE);
}

void
clients_order(struct segment *segment, uint32_t row, uint32_t generation,
    enum client_order order)
{
	struct client_row *client = segment_client(segment, row);
	uint64_t wanted = order_word(generation, order);
	uint64_t old = atomic_load(&client->order);

	while (old >> 8 != generation || (old & 0xff) < order)
		if (atomic_compare_exchange_weak(&client->order, &old, wanted))
			return;
}

enum client_order
clients_ordered(struct segment *segment, uint32_t row)
{
	const struct client_row *client = segment_client(segment, row);
	uint64_t word = atomic_load(&client->order);

	if (LIKELY(word == 0) || word >> 8 != generation_of(client))
		return CLIENT_ORDER_NONE;
	return (enum client_order)(word & 0xff);
}

void
clients_order_done(struct segment *segment, uint32_t row,
    enum client_order order)
{
	struct client_row *client = segment_client(segment, row);
	uint64_t done = order_word(generation_of(client), order);

	atomic_compare_exchange_strong(&client->order, &done, 0);
}

uint64_t
clients_handle(struct segment *segment, uint32_t row)
{
	return UINT64_C(0xc) << 44 | (uint64_t)(segment_client(segment,
	    row)->generation & 0xfffff) << 24 | row;
}
