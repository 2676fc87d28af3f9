#include "shm/servers.h"

#include <string.h>

#include "base/invariant.h"
#include "shm/segment.h"

/* As in clients.c: the roster tells what is being claimed. */
static bool
claim(struct segment *segment, uint32_t worker, uint32_t row)
{
	struct server_row *server = &segment->servers[row];
	uint32_t free = SERVER_FREE;

	if (atomic_load_explicit(&server->phase, memory_order_relaxed) !=
	    SERVER_FREE)
		return false;
	atomic_store(&segment->roster[worker].claims_server, row + 1);
	return atomic_compare_exchange_strong(&server->phase, &free,
	    SERVER_CLAIMED);
}

uint32_t
servers_claim(struct segment *segment, uint32_t worker, uint32_t pool,
    enum server_phase phase)
{
	struct server_row *server;
	uint32_t row, used;

	for (row = 0; row < segment->size.servers; row++)
		if (claim(segment, worker, row))
			break;
	if (row == segment->size.servers) {
		atomic_store(&segment->roster[worker].claims_server, 0);
		return NO_ROW;
	}
	server = &segment->servers[row];
	server->client = server->target = NO_ROW;
	atomic_store(&server->worker, worker);
	atomic_store(&server->pool, pool);
	atomic_store(&server->phase, phase);
	atomic_store(&segment->roster[worker].claims_server, 0);
	used = atomic_load(&segment->state->servers_used);
	while (used < row + 1 && !atomic_compare_exchange_weak(
	    &segment->state->servers_used, &used, row + 1))
		continue;
	return row;
}

void
servers_free(struct segment *segment, uint32_t row)
{
	struct server_row *server = segment_server(segment, row);

	INVARIANT(server->phase != SERVER_FREE);
	atomic_fetch_add(&server->generation, 1);
	atomic_store(&server->has_fd, 0);
	atomic_store(&server->worker, NO_ROW);
	atomic_store(&server->pool, NO_ROW);
	server->client = NO_ROW;
	server->close_needed = server->cancels = 0;
	server->target = NO_ROW;
	server->backend_pid = server->backend_secret = 0;
	memset(server->digest, 0, sizeof(server->digest));
	memset(server->application_name, 0, sizeof(server->application_name));
	memset(&segment->values[row], 0, sizeof(segment->values[row]));
	atomic_store_explicit(&server->phase, SERVER_FREE,
	    memory_order_release);
	atomic_fetch_add(&segment->state->servers_epoch, 1);
}

uint64_t
servers_handle(struct segment *segment, uint32_t row)
{
	return UINT64_C(0x5) << 44 | (uint64_t)(atomic_load(&segment_server(
	    segment, row)->generation) & 0xfffff) << 24 | row;
}
