#include "shm/servers.h"

#include <string.h>

#include "base/invariant.h"
#include "shm/claim.h"
#include "shm/segment.h"

uint32_t
servers_claim(struct segment *segment, uint32_t worker, uint32_t pool,
    enum server_phase phase)
{
	struct server_row *server;
	uint32_t row;

	for (row = 0; row < segment->size.servers; row++)
		if (claim_row(&segment->servers[row].claimed_by, worker, row,
		    &segment->state->servers_used))
			break;
	if (row == segment->size.servers)
		return NO_ROW;
	server = &segment->servers[row];
	server->client = server->target = NO_ROW;
	atomic_store(&server->host, NO_ROW);
	atomic_store(&server->worker, worker);
	atomic_store(&server->pool, pool);
	atomic_store(&server->phase, phase);
	return row;
}

/* It is FREE already, and only who frees it touches it. */
static void
wipe(struct segment *segment, uint32_t row)
{
	struct server_row *server = &segment->servers[row];

	atomic_fetch_add(&server->generation, 1);
	atomic_store(&server->has_fd, 0);
	atomic_store(&server->worker, NO_ROW);
	atomic_store(&server->pool, NO_ROW);
	server->client = NO_ROW;
	server->close_needed = server->cancels = 0;
	server->target = NO_ROW;
	server->tls_owner = server->orphaned = 0;
	atomic_store(&server->lent, 0);
	atomic_store(&server->hung_up, 0);
	memset(server->tls, 0, sizeof(server->tls));
	server->backend_pid = server->backend_secret = 0;
	server->backend_rest_length = server->replicated = 0;
	memset(server->digest, 0, sizeof(server->digest));
	memset(server->application_name, 0, sizeof(server->application_name));
	memset(&segment->values[row], 0, sizeof(segment->values[row]));
	statements_clear(&segment->statements[row]);
	atomic_store(&server->claimed_by, 0);
	atomic_fetch_add(&segment->state->servers_epoch, 1);
}

void
servers_free(struct segment *segment, uint32_t row)
{
	struct server_row *server = segment_server(segment, row);

	INVARIANT(server->phase != SERVER_FREE);
	atomic_store(&server->claimed_by, atomic_load(&server->worker) + 1);
	atomic_store(&server->phase, SERVER_FREE);
	wipe(segment, row);
}

void
servers_free_half_done(struct segment *segment, uint32_t worker)
{
	uint32_t used = atomic_load(&segment->state->servers_used);

	for (uint32_t row = 0; row < used; row++)
		if (segment->servers[row].phase == SERVER_FREE &&
		    segment->servers[row].claimed_by == worker + 1)
			wipe(segment, row);
}

uint64_t
servers_handle(struct segment *segment, uint32_t row)
{
	return UINT64_C(0x5) << 44 | (uint64_t)(atomic_load(&segment_server(
	    segment, row)->generation) & 0xfffff) << 24 | row;
}
