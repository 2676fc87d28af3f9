#include "pool/pool_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/invariant.h"
#include "pool/limits.h"
#include "pool/lists.h"

/* How many the pool may have now. */
static uint32_t
size_now(const struct pool_caller *caller, const struct pool_row *pool,
    const struct pool_policy *policy)
{
	const struct client_row *head = segment_client(caller->segment,
	    pool->wait_head);

	if (policy->reserve == 0 || policy->reserve_after == 0 ||
	    head == NULL ||
	    caller->now - head->wait_since < policy->reserve_after)
		return policy->size;
	return policy->size + policy->reserve;
}

/* As far as all that goes that is no matter of places. */
static bool
may_try(const struct pool_caller *caller, const struct pool_row *pool,
    const struct pool_policy *policy)
{
	/* The policy of another pool would open a connection for that one. */
	if (!atomic_load(&pool->used) ||
	    atomic_load(&pool->generation) != policy->generation)
		return false;
	if (pool->opening_count >= policy->opening_most)
		return false;
	return pool->failed_at == 0 || (pool->opening_count == 0 &&
	    caller->now - pool->failed_at >= pool_retry_after(pool, policy));
}

static bool
is_full(const struct pool_caller *caller, const struct pool_row *pool,
    const struct pool_policy *policy)
{
	return policy->size > 0 &&
	    pool->server_count >= size_now(caller, pool, policy);
}

/* What holds whatever it is opened for. */
static bool
has_room(const struct pool_caller *caller, const struct pool_row *pool,
    const struct pool_policy *policy)
{
	return may_try(caller, pool, policy) &&
	    !is_full(caller, pool, policy);
}

/* Counts first, then looks whether the sums allow it: see limits.h. */
static uint32_t
claim_opening(const struct pool_caller *caller, uint32_t pool_index,
    const struct pool_policy *policy, bool waits)
{
	struct segment *segment = caller->segment;
	struct pool_row *pool = segment_pool(segment, pool_index);
	uint32_t row = NO_ROW;

	pool->server_count++;
	pool->opening_count++;
	limits_note_counts(segment, pool_index);
	if (limits_allow(caller, pool_index, policy, waits))
		row = servers_claim(segment, caller->worker, pool_index,
		    SERVER_OPENING);
	if (row == NO_ROW) {
		pool->server_count--;
		pool->opening_count--;
		limits_note_counts(segment, pool_index);
		return NO_ROW;
	}
	segment->servers[row].connected_at =
	    segment->servers[row].request_at = caller->now;
	segment->servers[row].id =
	    atomic_fetch_add(&segment->state->next_id, 1) + 1;
	segment->servers[row].from_reserve = policy->size > 0 &&
	    pool->server_count > policy->size;
	return row;
}

uint32_t
pool_open(const struct pool_caller *caller, uint32_t pool_index,
    const struct pool_policy *policy, bool wanted)
{
	struct pool_row *pool = pool_lock(caller, pool_index);
	uint32_t row = NO_ROW;

	if (!pool_paused(caller->segment, pool_index) &&
	    has_room(caller, pool, policy) &&
	    (pool->wait_count > pool->opening_count ||
	    (wanted && pool->opening_count == 0)))
		row = claim_opening(caller, pool_index, policy, true);
	pool_unlock(pool);
	return row;
}

uint32_t
pool_open_own(const struct pool_caller *caller, uint32_t pool_index,
    const struct pool_policy *policy, bool *full_out)
{
	struct pool_row *pool = pool_lock(caller, pool_index);
	bool may = !pool_paused(caller->segment, pool_index) &&
	    may_try(caller, pool, policy);
	uint32_t row = NO_ROW;

	if (may && !is_full(caller, pool, policy))
		row = claim_opening(caller, pool_index, policy, true);
	*full_out = may && row == NO_ROW && pool->closing_count == 0;
	pool_unlock(pool);
	return row;
}

void
pool_keep_opened(const struct pool_caller *caller, uint32_t server_row,
    uint32_t client_row)
{
	struct segment *segment = caller->segment;
	struct server_row *server = segment_server(segment, server_row);
	struct pool_row *pool = pool_lock(caller, server->pool);

	INVARIANT(pool_is_mine(caller, server) &&
	    server->phase == SERVER_OPENING &&
	    segment_client(segment, client_row)->phase == CLIENT_WELCOME);
	pool->opening_count--;
	pool->failed_at = 0;
	pool_link_rows(segment, server_row, client_row, SERVER_ACTIVE,
	    CLIENT_LINKED);
	limits_note_counts(segment, server->pool);
	pool_unlock(pool);
}

uint32_t
pool_open_minimum(const struct pool_caller *caller, uint32_t pool_index,
    const struct pool_policy *policy)
{
	struct pool_row *pool;
	uint32_t row = NO_ROW;

	if (policy->min_size == 0)
		return NO_ROW;
	pool = pool_lock(caller, pool_index);
	if (!pool_paused(caller->segment, pool_index) &&
	    pool->server_count - pool->closing_count < policy->min_size &&
	    pool->opening_count == 0 && has_room(caller, pool, policy))
		row = claim_opening(caller, pool_index, policy, false);
	pool_unlock(pool);
	return row;
}

void
pool_open_failed(const struct pool_caller *caller, uint32_t server_row,
    const char *text, const char *sqlstate)
{
	struct server_row *server = segment_server(caller->segment, server_row);
	struct pool_row *pool = pool_lock(caller, server->pool);

	INVARIANT(server->phase == SERVER_OPENING &&
	    pool_is_mine(caller, server));
	pool->failed_at = caller->now;
	snprintf(pool->failure, sizeof(pool->failure), "%s", text);
	snprintf(pool->failure_state, sizeof(pool->failure_state), "%s",
	    sqlstate);
	pool_unlock(pool);
}

bool
pool_begin_close(const struct pool_caller *caller, uint32_t server_row)
{
	struct segment *segment = caller->segment;
	struct server_row *server = segment_server(segment, server_row);
	uint32_t pool_index = atomic_load(&server->pool);
	struct pool_row *pool;
	bool ours;

	if (pool_index == NO_ROW)
		return false;
	pool = pool_lock(caller, pool_index);
	ours = server->phase != SERVER_FREE &&
	    server->phase != SERVER_CLOSING && pool_is_mine(caller, server) &&
	    server->phase != SERVER_GIVEN && server->pool == pool_index;
	if (ours) {
		if (server->phase == SERVER_IDLE)
			lists_remove_idle(segment, pool, server_row);
		if (server->phase == SERVER_OPENING)
			pool->opening_count--;
		pool_begin_closing(caller, pool, server);
	}
	pool_unlock(pool);
	return ours;
}

void
pool_end_close(const struct pool_caller *caller, uint32_t server_row)
{
	struct segment *segment = caller->segment;
	struct server_row *server = segment_server(segment, server_row);
	uint32_t pool_index = server->pool;
	struct pool_row *pool = pool_lock(caller, pool_index);

	INVARIANT(server->phase == SERVER_CLOSING &&
	    pool_is_mine(caller, server));
	INVARIANT(pool->server_count > 0 && pool->closing_count > 0);
	servers_free(segment, server_row);
	pool->server_count--;
	pool->closing_count--;
	limits_note_counts(segment, pool_index);
	pool_unlock(pool);
	segment_tell_watchers(segment);
}

static const char *
why_stale(const struct pool_caller *caller, struct pool_row *pool,
    uint32_t pool_index, const struct server_row *server,
    const struct pool_policy *policy)
{
	const char *reason = pool_why_close(caller, pool, pool_index, server,
	    policy);

	if (reason == NULL && policy->idle_timeout > 0 &&
	    pool->server_count - pool->closing_count > policy->min_size &&
	    caller->now - server->idle_since > policy->idle_timeout)
		reason = "server idle timeout";
	return reason;
}

uint32_t
pool_pick_stale(const struct pool_caller *caller, uint32_t pool_index,
    const struct pool_policy *policy, const char **reason_out)
{
	struct segment *segment = caller->segment;
	struct pool_row *pool = segment_pool(segment, pool_index);
	uint32_t row, prev;

	if (pool->idle_count == 0)	/* a glance; a later tick looks again */
		return NO_ROW;
	pool = pool_lock(caller, pool_index);
	for (row = pool->idle_tail; row != NO_ROW; row = prev) {
		struct server_row *server = segment_server(segment, row);

		prev = server->prev;
		if (!pool_is_mine(caller, server))
			continue;
		*reason_out = why_stale(caller, pool, pool_index, server,
		    policy);
		if (*reason_out == NULL)
			continue;
		lists_remove_idle(segment, pool, row);
		pool_begin_closing(caller, pool, server);
		break;
	}
	pool_unlock(pool);
	return row;
}

uint32_t
pool_close_longest_idle(const struct pool_caller *caller, uint32_t pool_index)
{
	struct segment *segment = caller->segment;
	struct pool_row *pool = pool_lock(caller, pool_index);
	uint32_t row = pool->idle_tail;

	if (row != NO_ROW && !pool_has_descriptor(&segment->servers[row],
	    caller->worker))
		row = NO_ROW;
	if (row != NO_ROW) {
		struct server_row *server = &segment->servers[row];

		lists_remove_idle(segment, pool, row);
		atomic_store(&server->worker, caller->worker);
		pool_begin_closing(caller, pool, server);
	}
	pool_unlock(pool);
	return row;
}

bool
pool_close_idle(const struct pool_caller *caller, uint32_t server_row)
{
	struct server_row *server = segment_server(caller->segment, server_row);
	uint32_t pool_index = atomic_load(&server->pool);
	struct pool_row *pool;
	bool ours;

	if (pool_index == NO_ROW)
		return false;
	pool = pool_lock(caller, pool_index);
	ours = server->phase == SERVER_IDLE && server->pool == pool_index &&
	    pool_has_its_tls(caller, server);
	if (ours) {
		lists_remove_idle(caller->segment, pool, server_row);
		atomic_store(&server->worker, caller->worker);
		pool_begin_closing(caller, pool, server);
	}
	pool_unlock(pool);
	return ours;
}

bool
pool_failure(const struct pool_caller *caller, uint32_t pool_index, char *text,
    char *sqlstate, usec_t *age_out)
{
	struct pool_row *pool = pool_lock(caller, pool_index);
	bool failed = pool->failed_at != 0;

	*age_out = caller->now - pool->failed_at;
	memcpy(text, pool->failure, FAILURE_BYTES);
	memcpy(sqlstate, pool->failure_state, sizeof(pool->failure_state));
	pool_unlock(pool);
	return failed;
}

void
pool_set_welcome(const struct pool_caller *caller, uint32_t server_row,
    const uint8_t *messages, uint32_t length)
{
	struct server_row *server = segment_server(caller->segment, server_row);
	struct pool_row *pool = pool_lock(caller, server->pool);

	if (!atomic_load(&pool->welcome_known) && length <= WELCOME_BYTES &&
	    !server->close_needed) {
		if (length > 0)
			memcpy(pool->welcome, messages, length);
		pool->welcome_length = length;
		atomic_store_explicit(&pool->welcome_known, 1,
		    memory_order_release);
	}
	pool_unlock(pool);
}

uint32_t
pool_count_open(const struct pool_caller *caller, uint32_t database)
{
	uint32_t used = atomic_load(&caller->segment->state->pools_used);
	uint32_t open = 0;

	for (uint32_t row = 0; row < used; row++) {
		struct pool_row *pool = &caller->segment->pools[row];

		if (!atomic_load(&pool->used) || (database != NO_ROW &&
		    pool->database != database))
			continue;
		pool = pool_lock(caller, row);
		open += pool->server_count;
		pool_unlock(pool);
	}
	return open;
}

static void
mark_all(const struct pool_caller *caller, uint32_t pool_index,
    enum close_need mark)
{
	struct segment *segment = caller->segment;
	uint32_t used = atomic_load(&segment->state->servers_used);
	struct pool_row *pool = pool_lock(caller, pool_index);

	for (uint32_t row = 0; row < used; row++) {
		struct server_row *server = &segment->servers[row];

		if (server->pool == pool_index && server->close_needed < mark)
			server->close_needed = mark;
	}
	atomic_store(&pool->welcome_known, 0);
	pool_unlock(pool);
}

void
pool_mark_all(const struct pool_caller *caller, uint32_t pool_index)
{
	mark_all(caller, pool_index, CLOSE_NEEDED);
}

void
pool_doom_all(const struct pool_caller *caller, uint32_t pool_index)
{
	mark_all(caller, pool_index, CLOSE_AT_ONCE);
}

static bool
is_of_database(struct segment *segment, uint32_t pool, uint32_t database)
{
	return pool < segment->size.pools && (database == NO_ROW ||
	    segment->pools[pool].database == database);
}

uint32_t
pool_count_marked(struct segment *segment, uint32_t database,
    enum close_need least)
{
	uint32_t used = atomic_load(&segment->state->servers_used);
	uint32_t count = 0;

	for (uint32_t row = 0; row < used; row++) {
		struct server_row *server = &segment->servers[row];
		uint32_t phase = atomic_load(&server->phase);

		if (phase != SERVER_FREE && phase != SERVER_CANCEL_LINK &&
		    __atomic_load_n(&server->close_needed, __ATOMIC_ACQUIRE) >=
		    least && is_of_database(segment,
		    atomic_load(&server->pool), database))
			count++;
	}
	return count;
}

void
pool_mark(const struct pool_caller *caller, uint32_t server_row,
    uint32_t generation)
{
	struct server_row *server = segment_server(caller->segment, server_row);
	uint32_t pool_index = atomic_load(&server->pool);
	struct pool_row *pool;

	if (pool_index == NO_ROW)
		return;
	pool = pool_lock(caller, pool_index);
	if (atomic_load(&server->generation) == generation &&
	    server->close_needed < CLOSE_NEEDED)
		server->close_needed = CLOSE_NEEDED;
	pool_unlock(pool);
}

bool
pool_copy_welcome(const struct pool_caller *caller, uint32_t pool_index,
    uint8_t *messages, uint32_t *length_out)
{
	struct pool_row *pool = segment_pool(caller->segment, pool_index);
	bool known;

	if (!atomic_load(&pool->welcome_known))
		return false;
	pool = pool_lock(caller, pool_index);
	known = atomic_load(&pool->welcome_known) != 0;
	if (known) {
		memcpy(messages, pool->welcome, pool->welcome_length);
		*length_out = pool->welcome_length;
	}
	pool_unlock(pool);
	return known;
}
