#include "pool/pool_parts.h"

#include <string.h>

#include "base/invariant.h"
#include "pool/lists.h"

/* A row that carries a cancel to this server. NO_ROW: none is free. */
static uint32_t
claim_link(const struct pool_caller *caller, uint32_t pool_index,
    uint32_t target)
{
	struct segment *segment = caller->segment;
	struct server_row *server = segment_server(segment, target), *link;
	uint32_t row = servers_claim(segment, caller->worker, pool_index,
	    SERVER_CANCEL_LINK);

	if (row == NO_ROW)
		return NO_ROW;
	link = &segment->servers[row];
	link->target = target;
	link->target_generation = atomic_load(&server->generation);
	link->connected_at = link->request_at = caller->now;
	link->remote = server->remote;
	atomic_store(&link->host, atomic_load(&server->host));
	memcpy(link->tls, server->tls, sizeof(link->tls));
	link->backend_pid = server->backend_pid;
	link->backend_secret = server->backend_secret;
	link->backend_rest_length = server->backend_rest_length;
	memcpy(link->backend_rest, server->backend_rest,
	    sizeof(link->backend_rest));
	server->cancels++;
	return row;
}

uint32_t
pool_begin_own_cancel(const struct pool_caller *caller, uint32_t target)
{
	struct server_row *server = segment_server(caller->segment, target);
	uint32_t pool_index = atomic_load(&server->pool), row;
	struct pool_row *pool = pool_lock(caller, pool_index);

	INVARIANT(pool_is_mine(caller, server) &&
	    server->phase == SERVER_TESTING);
	row = claim_link(caller, pool_index, target);
	pool_unlock(pool);
	return row;
}

uint32_t
pool_begin_cancel(const struct pool_caller *caller, uint32_t client_row,
    uint64_t key, uint32_t *target_out)
{
	struct segment *segment = caller->segment;
	struct client_row *client = segment_client(segment, client_row);
	uint32_t pool_index = atomic_load(&client->pool), row = NO_ROW;
	struct server_row *server;
	struct pool_row *pool;
	uint32_t target;

	if (pool_index == NO_ROW)
		return NO_ROW;
	pool = pool_lock(caller, pool_index);
	/* Read once: its own worker may let go of it at any time. */
	target = atomic_load(&client->server);
	server = segment_server(segment, target);
	/*
	 * The client may have gone meanwhile and its row be another's: the
	 * key decides; that it is linked, the server's row decides.
	 */
	if (atomic_load(&segment->cancel_keys[client_row]) == key &&
	    server != NULL && server->phase == SERVER_ACTIVE &&
	    server->pool == pool_index && server->client == client_row &&
	    server->client_generation == client->generation)
		row = claim_link(caller, pool_index, target);
	if (row != NO_ROW)
		*target_out = target;
	pool_unlock(pool);
	return row;
}

bool
pool_cancel_waiting(const struct pool_caller *caller, uint32_t client_row,
    uint64_t key)
{
	struct segment *segment = caller->segment;
	struct client_row *client = segment_client(segment, client_row);
	uint32_t pool_index = atomic_load(&client->pool);
	struct pool_mail mail = { .worker = NO_ROW };
	struct pool_row *pool;

	if (pool_index == NO_ROW)
		return false;
	pool = pool_lock(caller, pool_index);
	if (atomic_load(&segment->cancel_keys[client_row]) == key &&
	    atomic_load(&client->pool) == pool_index &&
	    (client->phase == CLIENT_WAITING ||
	    client->phase == CLIENT_GIVEN)) {
		atomic_store(&client->cancel_wanted, 1);
		mail = (struct pool_mail){ atomic_load(&client->worker),
		    { MAIL_CANCEL, client_row, client->generation } };
	}
	pool_unlock(pool);
	if (mail.worker == NO_ROW)
		return false;
	pool_post(caller, &mail);
	return true;
}

/* No cancel is under way to it any more: the one who finds that takes it. */
static bool
pool_claim_canceled(const struct pool_caller *caller, struct server_row *server)
{
	if (server->phase != SERVER_CANCELING || server->cancels > 0 ||
	    !pool_has_descriptor(server, caller->worker))
		return false;
	atomic_store(&server->worker, caller->worker);
	pool_set_server_phase(server, SERVER_TESTING);
	return true;
}

bool
pool_end_cancel(const struct pool_caller *caller, uint32_t link_row,
    uint32_t *target_out)
{
	struct segment *segment = caller->segment;
	struct server_row *link = segment_server(segment, link_row);
	struct pool_row *pool = pool_lock(caller, link->pool);
	struct server_row *server = segment_server(segment, link->target);
	struct pool_mail mail = { .worker = NO_ROW };
	bool released = false;

	INVARIANT(link->phase == SERVER_CANCEL_LINK &&
	    pool_is_mine(caller, link));
	*target_out = link->target;
	/* It may have been closed meanwhile, and its row be another one's. */
	if (server->generation == link->target_generation) {
		INVARIANT(server->cancels > 0);
		server->cancels--;
		released = pool_claim_canceled(caller, server);
		if (!released && server->phase == SERVER_CANCELING)
			mail = (struct pool_mail){ server->worker,
			    { MAIL_ADOPT, link->target, server->generation } };
	}
	servers_free(segment, link_row);
	pool_unlock(pool);
	if (mail.worker != NO_ROW)
		pool_post(caller, &mail);	/* without a descriptor here */
	return released;
}

enum pool_legacy
pool_adopt(const struct pool_caller *caller, uint32_t server_row)
{
	struct server_row *server = segment_server(caller->segment, server_row);
	uint32_t pool_index = atomic_load(&server->pool);
	enum pool_legacy legacy = POOL_LEGACY_NONE;
	struct pool_row *pool;

	if (pool_index == NO_ROW)
		return POOL_LEGACY_NONE;
	pool = pool_lock(caller, pool_index);
	if (server->pool != pool_index) {
		legacy = POOL_LEGACY_NONE;
	} else if (pool_claim_canceled(caller, server)) {
		legacy = POOL_LEGACY_GIVE_BACK;
	} else if (pool_is_mine(caller, server)) {
		if (server->phase == SERVER_CLOSING)
			legacy = POOL_LEGACY_CLOSE;
		else if (server->phase == SERVER_IDLE)
			legacy = POOL_LEGACY_WATCH;
	}
	pool_unlock(pool);
	return legacy;
}
