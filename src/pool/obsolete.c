#include "pool/obsolete.h"

#include "base/invariant.h"

static bool
is_elsewhere(const struct server_row *server, uint32_t host,
    const struct address_list *addresses)
{
	return atomic_load(&server->phase) != SERVER_FREE &&
	    atomic_load_explicit(&server->host, memory_order_acquire) ==
	    host && !address_list_has(addresses, &server->remote);
}

/*
 * What clients are told at login comes from the next server: that is another
 * one, perhaps of another release.
 */
static void
mark(struct pool_row *pool, struct server_row *server)
{
	if (server->close_needed == CLOSE_NOT_NEEDED)
		server->close_needed = CLOSE_OBSOLETE;
	atomic_store(&pool->welcome_known, 0);
}

void
pool_mark_obsolete(const struct pool_caller *caller, uint32_t host,
    const struct address_list *addresses)
{
	struct segment *segment = caller->segment;
	uint32_t used = atomic_load(&segment->state->servers_used);

	for (uint32_t row = 0; row < used; row++) {
		struct server_row *server = segment_server(segment, row);
		uint32_t pool_index = atomic_load(&server->pool);
		struct pool_row *pool;

		if (pool_index == NO_ROW || server->close_needed ||
		    !is_elsewhere(server, host, addresses))
			continue;
		pool = pool_lock(caller, pool_index);
		/* It may have been freed meanwhile, and be another pool's. */
		if (server->pool == pool_index &&
		    is_elsewhere(server, host, addresses))
			mark(pool, server);
		pool_unlock(pool);
	}
}

void
pool_check_obsolete(const struct pool_caller *caller, uint32_t row)
{
	struct server_row *server = segment_server(caller->segment, row);
	struct pool_row *pool;

	if (hosts_has(caller->segment, atomic_load(&server->host),
	    &server->remote))
		return;
	pool = pool_lock(caller, server->pool);
	mark(pool, server);
	pool_unlock(pool);
}
