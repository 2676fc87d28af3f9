#include "pool/repair.h"

#include "base/invariant.h"
#include "pool/limits.h"
#include "pool/lists.h"
#include "pool/pool.h"

static uint32_t
servers_used(struct segment *segment)
{
	return atomic_load(&segment->state->servers_used);
}

static uint32_t
clients_used(struct segment *segment)
{
	return atomic_load(&segment->state->clients_used);
}

/* A server's row says that it has a client: does that client still exist? */
static struct client_row *
client_of(struct segment *segment, const struct server_row *server)
{
	struct client_row *client;

	if (server->client == NO_ROW)
		return NULL;
	client = segment_client(segment, server->client);
	if (client->generation != server->client_generation ||
	    client->phase == CLIENT_FREE)
		return NULL;
	return client;
}

/*
 * The server's row is written first, its client before its phase: a client
 * that still waits although a server says it is its own has been given it,
 * whatever the server was before.  The dead sends no mail, so the client's
 * worker has to look.
 */
static void
finish_hand_over(struct segment *segment, uint32_t row)
{
	struct server_row *server = &segment->servers[row];
	struct client_row *client = client_of(segment, server);

	if (server->phase == SERVER_CLOSING || client == NULL ||
	    client->phase != CLIENT_WAITING)
		return;
	client->server = row;
	atomic_store(&server->worker, atomic_load(&client->worker));
	atomic_store(&server->phase, SERVER_GIVEN);
	atomic_store(&client->phase, CLIENT_GIVEN);
	atomic_store(&segment->roster[client->worker].recheck, 1);
}

static uint32_t
count_cancels(struct segment *segment, uint32_t target)
{
	uint32_t count = 0;

	for (uint32_t row = 0; row < servers_used(segment); row++)
		if (segment->servers[row].phase == SERVER_CANCEL_LINK &&
		    segment->servers[row].target == target &&
		    segment->servers[row].target_generation ==
		    segment->servers[target].generation)
			count++;
	return count;
}

void
repair_pool_locked(struct segment *segment, uint32_t pool_index)
{
	struct pool_row *pool = segment_pool(segment, pool_index);

	pool->idle_head = pool->idle_tail = NO_ROW;
	pool->wait_head = pool->wait_tail = NO_ROW;
	pool->idle_count = pool->wait_count = 0;
	pool->server_count = pool->opening_count = pool->closing_count = 0;
	for (uint32_t row = 0; row < servers_used(segment); row++) {
		struct server_row *server = &segment->servers[row];

		if (server->phase == SERVER_FREE ||
		    server->phase == SERVER_CANCEL_LINK ||
		    server->pool != pool_index)
			continue;
		finish_hand_over(segment, row);
		server->cancels = count_cancels(segment, row);
		pool->server_count++;
		if (server->phase == SERVER_OPENING)
			pool->opening_count++;
		if (server->phase == SERVER_CLOSING)
			pool->closing_count++;
		if (server->phase == SERVER_IDLE)
			lists_insert_idle(segment, pool, row);
	}
	for (uint32_t row = 0; row < clients_used(segment); row++) {
		struct client_row *client = &segment->clients[row];

		if (client->pool == pool_index &&
		    client->phase == CLIENT_WAITING)
			lists_insert_waiting(segment, pool, row);
	}
	limits_note_counts(segment, pool_index);
}

/* Somebody who is alive, to see to what the dead one leaves. */
static uint32_t
choose_heir(struct segment *segment, uint32_t slot)
{
	for (uint32_t i = 1; i < segment_slots(segment); i++) {
		uint32_t other = (slot + i) % segment_slots(segment);

		if (atomic_load(&segment->roster[other].phase) ==
		    ROSTER_SERVING)
			return other;
	}
	return slot;
}

/* While a client may be in a queue, its row belongs to the pool's lock. */
static void
bury_client(const struct pool_caller *dead, uint32_t row)
{
	struct client_row *client = &dead->segment->clients[row];
	uint32_t pool_index = atomic_load(&client->pool);
	struct pool_row *pool;

	if (pool_index == NO_ROW) {
		clients_free(dead->segment, row);
		return;
	}
	pool = pool_lock(dead, pool_index);
	if (client->phase == CLIENT_WAITING)
		lists_remove_waiting(dead->segment, pool, row);
	clients_free(dead->segment, row);
	pool_unlock(pool);
}

static bool
bury_server_locked(const struct pool_caller *dead, struct pool_row *pool,
    uint32_t row, uint32_t heir)
{
	struct segment *segment = dead->segment;
	struct server_row *server = &segment->servers[row];

	bool lost = server->tls_owner == dead->worker + 1;

	if (atomic_load(&server->worker) != dead->worker)
		return false;
	server->orphaned |= lost;
	switch ((enum server_phase)server->phase) {
	case SERVER_FREE:
		return false;
	case SERVER_IDLE:	/* the heir watches it from now on */
		if (lost) {
			lists_remove_idle(segment, pool, row);
			break;
		}
		atomic_store(&server->worker, heir);
		return true;
	case SERVER_GIVEN:	/* nothing was sent on it yet */
		if (lost)
			break;
		server->client = NO_ROW;
		server->idle_since = dead->now;
		atomic_store(&server->phase, SERVER_IDLE);
		lists_push_idle(segment, pool, row);
		atomic_store(&server->worker, heir);
		return true;
	case SERVER_CANCELING:
		if (lost)
			break;
		atomic_store(&server->worker, heir);
		return true;
	case SERVER_OPENING:
		pool->opening_count--;
		break;
	default:
		break;
	}
	server->client = NO_ROW;
	atomic_store(&server->worker, heir);
	if (server->phase != SERVER_CLOSING)
		pool->closing_count++;
	atomic_store(&server->phase, SERVER_CLOSING);
	limits_note_counts(segment, server->pool);
	return true;
}

/*
 * Its TLS died with the dead: who has it sees that it is at its end, and an
 * idle one goes at once.  True: its worker, who lives, has to look.
 */
static bool
orphan_locked(const struct pool_caller *dead, struct pool_row *pool,
    uint32_t row)
{
	struct segment *segment = dead->segment;
	struct server_row *server = &segment->servers[row];

	if (server->tls_owner != dead->worker + 1 ||
	    server->phase == SERVER_FREE)
		return false;
	server->orphaned = 1;
	if (server->close_needed < CLOSE_NEEDED)
		server->close_needed = CLOSE_NEEDED;
	if (server->phase != SERVER_IDLE)
		return false;
	lists_remove_idle(segment, pool, row);
	server->client = NO_ROW;
	pool->closing_count++;
	atomic_store(&server->phase, SERVER_CLOSING);
	limits_note_counts(segment, server->pool);
	return true;
}

static void
orphan_server(const struct pool_caller *dead, uint32_t row)
{
	struct server_row *server = &dead->segment->servers[row];
	uint32_t pool_index = atomic_load(&server->pool);
	struct pool_mail mail = { .worker = NO_ROW };
	struct pool_row *pool;

	if (pool_index == NO_ROW)
		return;
	pool = pool_lock(dead, pool_index);
	if (server->pool == pool_index && orphan_locked(dead, pool, row))
		mail = (struct pool_mail){ atomic_load(&server->worker),
		    { MAIL_ADOPT, row, server->generation } };
	pool_unlock(pool);
	if (mail.worker != NO_ROW)
		pool_post(dead, &mail);
}

static void
bury_server(const struct pool_caller *dead, uint32_t row, uint32_t heir)
{
	struct segment *segment = dead->segment;
	struct server_row *server = &segment->servers[row];
	uint32_t pool_index = atomic_load(&server->pool);
	struct pool_row *pool;
	bool left;

	if (pool_index == NO_ROW)
		return;
	pool = pool_lock(dead, pool_index);
	if (server->phase == SERVER_CANCEL_LINK) {
		uint32_t target = server->target;
		uint32_t generation = server->target_generation;

		servers_free(segment, row);
		/* It may be free to go now; another one has another lock. */
		left = target != NO_ROW &&
		    segment->servers[target].generation == generation;
		if (left)
			segment->servers[target].cancels =
			    count_cancels(segment, target);
		/* What the dead has sent may still hit its next query. */
		if (left && segment->servers[target].close_needed <
		    CLOSE_NEEDED)
			segment->servers[target].close_needed = CLOSE_NEEDED;
		row = target;
	} else {
		left = bury_server_locked(dead, pool, row, heir);
	}
	pool_unlock(pool);
	if (left) {
		struct pool_mail mail = { heir, { MAIL_ADOPT, row,
		    segment->servers[row].generation } };

		pool_post(dead, &mail);
	}
}

/* The dead may have held any lock and have been about to write any letter. */
static void
repair_all_pools(const struct pool_caller *dead)
{
	struct segment *segment = dead->segment;

	for (uint32_t i = 0; i < segment->state->pools_used; i++) {
		struct pool_row *pool;

		if (!atomic_load(&segment->pools[i].used))
			continue;
		pool = pool_lock(dead, i);
		repair_pool_locked(segment, i);
		pool_unlock(pool);
		pool_match(dead, i);
	}
	for (uint32_t i = 0; i < segment_slots(segment); i++) {
		atomic_store(&segment->roster[i].recheck, 1);
		segment_wake(segment, i);
	}
}

void
repair_after_death(struct segment *segment, uint32_t slot, usec_t now)
{
	struct pool_caller dead = { segment, slot, now };
	uint32_t heir = choose_heir(segment, slot);

	/* Before their rows: who sees them gone may take their places. */
	pools_forget_clients(segment, slot);
	peers_forget(segment, slot);
	clients_free_half_done(segment, slot);
	servers_free_half_done(segment, slot);
	for (uint32_t row = 0; row < clients_used(segment); row++)
		if (segment->clients[row].worker == slot &&
		    segment->clients[row].phase != CLIENT_FREE)
			bury_client(&dead, row);
	for (uint32_t row = 0; row < servers_used(segment); row++)
		if (segment->servers[row].worker == slot &&
		    segment->servers[row].phase != SERVER_FREE)
			bury_server(&dead, row, heir);
	for (uint32_t row = 0; row < servers_used(segment); row++)
		if (segment->servers[row].tls_owner == slot + 1)
			orphan_server(&dead, row);
	atomic_store(&segment->roster[slot].clients, 0);
	atomic_store(&segment->roster[slot].counted, 0);
	atomic_store(&segment->roster[slot].sleeping, 0);
	atomic_fetch_and(&segment->state->watchers, ~(UINT64_C(1) << slot));
	repair_all_pools(&dead);
}

static bool
says(const char **what_out, const char *what)
{
	*what_out = what;
	return false;
}

static bool
check_lists(struct segment *segment, const struct pool_row *pool,
    uint32_t pool_index, const char **what_out)
{
	uint32_t idle = 0, waiting = 0;

	for (uint32_t row = pool->idle_head; row != NO_ROW;
	    row = segment->servers[row].next, idle++)
		if (segment->servers[row].phase != SERVER_IDLE ||
		    segment->servers[row].pool != pool_index)
			return says(what_out, "a server in the idle list is "
			    "not idle");
	for (uint32_t row = pool->wait_head; row != NO_ROW;
	    row = segment->clients[row].next, waiting++)
		if (segment->clients[row].phase != CLIENT_WAITING ||
		    segment->clients[row].pool != pool_index)
			return says(what_out, "a client in the waiting list "
			    "does not wait");
	if (idle != pool->idle_count || waiting != pool->wait_count)
		return says(what_out, "a list is not as long as its count");
	return true;
}

static bool
check_counts(struct segment *segment, const struct pool_row *pool,
    uint32_t pool_index, const char **what_out)
{
	uint32_t servers = 0, opening = 0, idle = 0;

	for (uint32_t row = 0; row < servers_used(segment); row++) {
		const struct server_row *server = &segment->servers[row];

		if (server->pool != pool_index ||
		    server->phase == SERVER_FREE ||
		    server->phase == SERVER_CANCEL_LINK)
			continue;
		servers++;
		opening += server->phase == SERVER_OPENING;
		idle += server->phase == SERVER_IDLE;
		if (server->phase == SERVER_ACTIVE &&
		    server->client != NO_ROW &&
		    segment->clients[server->client].server != row)
			return says(what_out, "a server's client does not "
			    "know of it");
	}
	if (servers != pool->server_count || opening != pool->opening_count ||
	    idle != pool->idle_count)
		return says(what_out, "a count differs from the rows");
	return true;
}

bool
repair_check_pool(struct segment *segment, uint32_t pool_index,
    const char **what_out)
{
	struct pool_row *pool = segment_pool(segment, pool_index);

	if (!check_lists(segment, pool, pool_index, what_out) ||
	    !check_counts(segment, pool, pool_index, what_out))
		return false;
	if (pool->idle_count > 0 && pool->wait_count > 0 &&
	    !pool_paused(segment, pool_index))
		return says(what_out, "a client waits while a server is idle");
	return true;
}
