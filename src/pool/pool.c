#include "pool/pool.h"

#include <stdio.h>
#include <string.h>

#include "base/invariant.h"
#include "pool/limits.h"
#include "pool/lists.h"
#include "pool/repair.h"

/* How far take looks for a server that this worker used last. */
#define LOOK_AHEAD 32

struct pool_row *
pool_lock(const struct pool_caller *caller, uint32_t pool_index)
{
	struct pool_row *pool = segment_pool(caller->segment, pool_index);

	/* It may be given back: then there is nothing in it. */
	INVARIANT(pool != NULL && pool->has_lock);
	if (UNLIKELY(!lock_take(&pool->lock)))
		repair_pool_locked(caller->segment, pool_index);
	return pool;
}

void
pool_unlock(struct pool_row *pool)
{
	lock_release(&pool->lock);
}

void
pool_post(const struct pool_caller *caller, const struct pool_mail *mail)
{
	if (mailbox_post(caller->segment, mail->worker, &mail->mail))
		segment_wake(caller->segment, mail->worker);
}

bool
pool_paused(struct segment *segment, uint32_t pool)
{
	const struct pool_row *row = segment_pool(segment, pool);

	return atomic_load_explicit(&segment->state->paused,
	    memory_order_acquire) != 0 || atomic_load_explicit(
	    &segment->databases[row->database].paused,
	    memory_order_acquire) != 0;
}

static void
set_server_phase(struct server_row *server, enum server_phase phase)
{
	atomic_store_explicit(&server->phase, phase, memory_order_release);
}

static void
set_client_phase(struct client_row *client, enum client_phase phase)
{
	atomic_store_explicit(&client->phase, phase, memory_order_release);
}

static bool
has_descriptor(const struct server_row *server, uint32_t worker)
{
	return atomic_load_explicit(&server->has_fd, memory_order_acquire) >>
	    worker & 1;
}

static bool
is_mine(const struct pool_caller *caller, const struct server_row *server)
{
	return atomic_load_explicit(&server->worker, memory_order_relaxed) ==
	    caller->worker;
}

/* Marked ones are about to be closed by who watches them. */
static bool
may_be_taken(const struct pool_caller *caller, const struct server_row *server)
{
	return has_descriptor(server, caller->worker) && !server->close_needed;
}

static bool
has_its_tls(const struct pool_caller *caller, const struct server_row *server)
{
	return server->tls_owner == caller->worker + 1;
}

/*
 * The most recently used of those whose TLS is in this worker, if there is
 * TLS; else of those that this worker used last (it watches them already);
 * failing that, the most recently used.
 */
static uint32_t
choose_recent(const struct pool_caller *caller, const struct pool_row *pool)
{
	struct segment *segment = caller->segment;
	uint32_t row = pool->idle_head, chosen = NO_ROW;
	bool chose_mine = false;

	for (int i = 0; row != NO_ROW && i < LOOK_AHEAD; i++) {
		const struct server_row *server = segment_server(segment, row);

		if (!server->close_needed && (server->tls_owner == 0 ?
		    is_mine(caller, server) : has_its_tls(caller, server)))
			return row;
		if (!chose_mine && may_be_taken(caller, server) &&
		    (chosen == NO_ROW || is_mine(caller, server))) {
			chosen = row;
			chose_mine = is_mine(caller, server);
		}
		row = server->next;
	}
	return chosen;
}

static uint32_t
choose_oldest(const struct pool_caller *caller, const struct pool_row *pool)
{
	uint32_t row = pool->idle_tail;

	while (row != NO_ROW && !may_be_taken(caller, segment_server(
	    caller->segment, row)))
		row = caller->segment->servers[row].prev;
	return row;
}

/* Both rows say so: the server's is the one that decides (repair.c). */
static void
link_rows(struct segment *segment, uint32_t server_row, uint32_t client_row,
    enum server_phase server_phase, enum client_phase client_phase)
{
	struct server_row *server = &segment->servers[server_row];
	struct client_row *client = &segment->clients[client_row];

	server->client = client_row;
	server->client_generation = client->generation;
	atomic_store(&server->worker, atomic_load(&client->worker));
	set_server_phase(server, server_phase);
	client->server = server_row;
	set_client_phase(client, client_phase);
}

/* The same for all workers: see POOL_RETRY_MOST. */
static usec_t
retry_after(const struct pool_row *pool, const struct pool_policy *policy)
{
	uint64_t mixed = ((uint64_t)pool->failed_at ^
	    (uint64_t)pool->user << 32 ^ pool->database) *
	    UINT64_C(0x9e3779b97f4a7c15);

	return policy->login_retry + (usec_t)(mixed >> 32) %
	    (POOL_RETRY_MOST(policy->login_retry) - policy->login_retry + 1);
}

/* Nothing that could serve is there, and the last attempt failed. */
static bool
is_failing(const struct pool_caller *caller, const struct pool_row *pool,
    const struct pool_policy *policy)
{
	return pool->failed_at != 0 && pool->failure[0] != '\0' &&
	    pool->server_count == pool->opening_count + pool->closing_count &&
	    caller->now - pool->failed_at < retry_after(pool, policy);
}

enum pool_answer
pool_take(const struct pool_caller *caller, uint32_t pool_index,
    uint32_t client_row, const struct pool_policy *policy,
    uint32_t *server_out)
{
	struct segment *segment = caller->segment;
	struct client_row *client = segment_client(segment, client_row);
	struct pool_row *pool = pool_lock(caller, pool_index);
	enum pool_answer answer = POOL_QUEUED;
	uint32_t server = NO_ROW;
	bool paused = pool_paused(segment, pool_index);

	INVARIANT(client->phase == CLIENT_IDLE);
	if (!paused)
		server = policy->round_robin ? choose_oldest(caller, pool) :
		    choose_recent(caller, pool);
	if (server != NO_ROW) {
		lists_remove_idle(segment, pool, server);
		link_rows(segment, server, client_row, SERVER_ACTIVE,
		    CLIENT_LINKED);
		answer = POOL_TAKEN;
	} else if (!paused && is_failing(caller, pool, policy)) {
		answer = POOL_FAILING;
	} else {
		client->wait_since = caller->now;
		atomic_store(&client->cancel_wanted, 0);
		set_client_phase(client, CLIENT_WAITING);
		lists_push_waiting(segment, pool, client_row);
	}
	pool_unlock(pool);
	*server_out = server;
	return answer;
}

bool
pool_accept(const struct pool_caller *caller, uint32_t client_row,
    uint32_t *server_out)
{
	struct client_row *client = segment_client(caller->segment, client_row);
	struct server_row *server;

	if (atomic_load_explicit(&client->phase, memory_order_acquire) !=
	    CLIENT_GIVEN || atomic_load(&client->worker) != caller->worker)
		return false;
	/* What is GIVEN to a client of mine only I may touch: no lock. */
	server = segment_server(caller->segment, client->server);
	INVARIANT(server != NULL && server->phase == SERVER_GIVEN &&
	    is_mine(caller, server) && server->client == client_row);
	set_server_phase(server, SERVER_ACTIVE);
	set_client_phase(client, CLIENT_LINKED);
	*server_out = client->server;
	return true;
}

void
pool_leave(const struct pool_caller *caller, uint32_t client_row,
    uint32_t *server_out)
{
	struct segment *segment = caller->segment;
	struct client_row *client = segment_client(segment, client_row);
	struct pool_row *pool = pool_lock(caller, client->pool);

	*server_out = NO_ROW;
	if (client->phase == CLIENT_WAITING) {
		lists_remove_waiting(segment, pool, client_row);
	} else {
		struct server_row *server = segment_server(segment,
		    client->server);

		INVARIANT(client->phase == CLIENT_GIVEN && server != NULL &&
		    server->phase == SERVER_GIVEN && is_mine(caller, server));
		*server_out = client->server;
		server->client = NO_ROW;
		set_server_phase(server, SERVER_ACTIVE);
		client->server = NO_ROW;
	}
	set_client_phase(client, CLIENT_IDLE);
	pool_unlock(pool);
}

/* The head of the queue, or a client of mine hardly later. */
static uint32_t
choose_waiter(const struct pool_caller *caller, const struct pool_row *pool,
    const struct server_row *server)
{
	struct segment *segment = caller->segment;
	uint32_t row = pool->wait_head, first = NO_ROW;
	usec_t latest = 0;

	while (row != NO_ROW) {
		const struct client_row *client = segment_client(segment, row);
		uint32_t worker = atomic_load_explicit(&client->worker,
		    memory_order_relaxed);

		if (first != NO_ROW && client->wait_since > latest)
			break;
		if (has_descriptor(server, worker)) {
			if (worker == caller->worker)
				return row;
			if (first == NO_ROW) {
				first = row;
				latest = client->wait_since + POOL_LOCALITY;
			}
		}
		row = client->next;
	}
	return first;
}

static void
hand_to_other(struct segment *segment, uint32_t server, uint32_t client,
    struct pool_mail *mail_out)
{
	link_rows(segment, server, client, SERVER_GIVEN, CLIENT_GIVEN);
	mail_out->worker = atomic_load(&segment->clients[client].worker);
	mail_out->mail = (struct mail){ MAIL_GIVEN, client,
	    segment->clients[client].generation };
}

/*
 * Old connections of one pool go one by one, lifetime / pool_size apart, lest
 * those that were opened together are all opened anew together.
 */
static bool
is_worn_out(const struct pool_caller *caller, struct pool_row *pool,
    const struct server_row *server, const struct pool_policy *policy)
{
	uint32_t size = policy->size > 0 ? policy->size : pool->server_count;

	if (caller->now - server->connected_at < policy->lifetime ||
	    caller->now - pool->worn_out_at < policy->lifetime / size)
		return false;
	pool->worn_out_at = caller->now;
	return true;
}

/* Why a server is not to be used again; NULL: it is. */
static const char *
why_close(const struct pool_caller *caller, struct pool_row *pool,
    uint32_t pool_index, const struct server_row *server,
    const struct pool_policy *policy)
{
	if (server->close_needed == CLOSE_AT_ONCE)
		return "database removed";
	if (pool_paused(caller->segment, pool_index))
		return "pause mode";
	if (policy->removed)
		return "database removed";
	if (server->close_needed)
		return server->close_needed == CLOSE_OBSOLETE ?
		    "obsolete connection" : "close_needed";
	if (policy->size > 0 &&
	    pool->server_count - pool->closing_count >
	    policy->size + policy->reserve)
		return "too many servers in the pool";
	if (atomic_load(&server->phase) != SERVER_OPENING &&
	    is_worn_out(caller, pool, server, policy))
		return "server lifetime over";
	return NULL;
}

static void
begin_closing(const struct pool_caller *caller, struct pool_row *pool,
    struct server_row *server)
{
	server->client = NO_ROW;
	set_server_phase(server, SERVER_CLOSING);
	pool->closing_count++;
	limits_note_counts(caller->segment, server->pool);
}

static void
make_idle(const struct pool_caller *caller, struct pool_row *pool,
    uint32_t server_row)
{
	struct server_row *server = &caller->segment->servers[server_row];

	server->client = NO_ROW;
	server->idle_since = caller->now;
	atomic_store(&server->worker, caller->worker);
	set_server_phase(server, SERVER_IDLE);
	lists_push_idle(caller->segment, pool, server_row);
}

enum pool_release
pool_give_back(const struct pool_caller *caller, uint32_t server_row,
    const struct pool_policy *policy, uint32_t *client_out,
    const char **reason_out)
{
	struct segment *segment = caller->segment;
	struct server_row *server = segment_server(segment, server_row);
	uint32_t pool_index = server->pool, client;
	struct pool_row *pool = pool_lock(caller, pool_index);
	enum pool_release outcome = POOL_RELEASED;
	struct pool_mail mail = { .worker = NO_ROW };

	INVARIANT(is_mine(caller, server));
	INVARIANT(server->phase == SERVER_ACTIVE ||
	    server->phase == SERVER_TESTING ||
	    server->phase == SERVER_OPENING ||
	    server->phase == SERVER_CANCELING);
	*reason_out = why_close(caller, pool, pool_index, server, policy);
	if (*reason_out == NULL && server->phase != SERVER_OPENING &&
	    UNLIKELY(limits_must_yield(caller, pool_index, policy)))
		*reason_out = "evicted";
	if (server->phase == SERVER_OPENING) {
		pool->opening_count--;
		pool->failed_at = 0;
	}
	if (*reason_out != NULL) {
		begin_closing(caller, pool, server);
		outcome = POOL_CLOSE;
	} else if (server->cancels > 0) {
		server->client = NO_ROW;
		set_server_phase(server, SERVER_CANCELING);
		outcome = POOL_HELD;
	} else if ((client = choose_waiter(caller, pool, server)) == NO_ROW) {
		make_idle(caller, pool, server_row);
	} else {
		lists_remove_waiting(segment, pool, client);
		if (segment->clients[client].worker == caller->worker) {
			link_rows(segment, server_row, client, SERVER_ACTIVE,
			    CLIENT_LINKED);
			*client_out = client;
			outcome = POOL_OURS;
		} else {
			hand_to_other(segment, server_row, client, &mail);
			outcome = POOL_GIVEN;
		}
	}
	pool_unlock(pool);
	if (mail.worker != NO_ROW)
		pool_post(caller, &mail);
	return outcome;
}

bool
pool_claim_idle(const struct pool_caller *caller, uint32_t server_row)
{
	struct server_row *server = segment_server(caller->segment, server_row);
	uint32_t pool_index = atomic_load(&server->pool);
	struct pool_row *pool;
	bool ours;

	if (pool_index == NO_ROW)
		return false;
	pool = pool_lock(caller, pool_index);
	ours = (server->phase == SERVER_IDLE ||
	    server->phase == SERVER_CANCELING) && is_mine(caller, server) &&
	    server->pool == pool_index;
	if (ours && server->phase == SERVER_IDLE)
		lists_remove_idle(caller->segment, pool, server_row);
	if (ours)
		set_server_phase(server, SERVER_TESTING);
	pool_unlock(pool);
	return ours;
}

void
pool_begin_test(const struct pool_caller *caller, uint32_t server_row)
{
	struct server_row *server = segment_server(caller->segment, server_row);
	struct pool_row *pool = pool_lock(caller, server->pool);

	INVARIANT(is_mine(caller, server) && server->phase == SERVER_ACTIVE);
	server->client = NO_ROW;
	set_server_phase(server, SERVER_TESTING);
	pool_unlock(pool);
}

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

/* What holds whatever it is opened for. */
static bool
has_room(const struct pool_caller *caller, const struct pool_row *pool,
    const struct pool_policy *policy)
{
	/* The policy of another pool would open a connection for that one. */
	if (!atomic_load(&pool->used) ||
	    atomic_load(&pool->generation) != policy->generation)
		return false;
	if (policy->size > 0 &&
	    pool->server_count >= size_now(caller, pool, policy))
		return false;
	if (pool->opening_count >= policy->opening_most)
		return false;
	return pool->failed_at == 0 || (pool->opening_count == 0 &&
	    caller->now - pool->failed_at >= retry_after(pool, policy));
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
    const struct pool_policy *policy)
{
	struct pool_row *pool = pool_lock(caller, pool_index);
	uint32_t row = NO_ROW;

	if (!pool_paused(caller->segment, pool_index) &&
	    has_room(caller, pool, policy))
		row = claim_opening(caller, pool_index, policy, true);
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

	INVARIANT(is_mine(caller, server) &&
	    server->phase == SERVER_OPENING &&
	    segment_client(segment, client_row)->phase == CLIENT_WELCOME);
	pool->opening_count--;
	pool->failed_at = 0;
	link_rows(segment, server_row, client_row, SERVER_ACTIVE,
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

	INVARIANT(server->phase == SERVER_OPENING && is_mine(caller, server));
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
	    server->phase != SERVER_CLOSING && is_mine(caller, server) &&
	    server->phase != SERVER_GIVEN && server->pool == pool_index;
	if (ours) {
		if (server->phase == SERVER_IDLE)
			lists_remove_idle(segment, pool, server_row);
		if (server->phase == SERVER_OPENING)
			pool->opening_count--;
		begin_closing(caller, pool, server);
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

	INVARIANT(server->phase == SERVER_CLOSING && is_mine(caller, server));
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
	const char *reason = why_close(caller, pool, pool_index, server,
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
		if (!is_mine(caller, server))
			continue;
		*reason_out = why_stale(caller, pool, pool_index, server,
		    policy);
		if (*reason_out == NULL)
			continue;
		lists_remove_idle(segment, pool, row);
		begin_closing(caller, pool, server);
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

	if (row != NO_ROW && !has_descriptor(&segment->servers[row],
	    caller->worker))
		row = NO_ROW;
	if (row != NO_ROW) {
		struct server_row *server = &segment->servers[row];

		lists_remove_idle(segment, pool, row);
		atomic_store(&server->worker, caller->worker);
		begin_closing(caller, pool, server);
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
	    has_its_tls(caller, server);
	if (ours) {
		lists_remove_idle(caller->segment, pool, server_row);
		atomic_store(&server->worker, caller->worker);
		begin_closing(caller, pool, server);
	}
	pool_unlock(pool);
	return ours;
}

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

	INVARIANT(is_mine(caller, server) && server->phase == SERVER_TESTING);
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
claim_canceled(const struct pool_caller *caller, struct server_row *server)
{
	if (server->phase != SERVER_CANCELING || server->cancels > 0 ||
	    !has_descriptor(server, caller->worker))
		return false;
	atomic_store(&server->worker, caller->worker);
	set_server_phase(server, SERVER_TESTING);
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

	INVARIANT(link->phase == SERVER_CANCEL_LINK && is_mine(caller, link));
	*target_out = link->target;
	/* It may have been closed meanwhile, and its row be another one's. */
	if (server->generation == link->target_generation) {
		INVARIANT(server->cancels > 0);
		server->cancels--;
		released = claim_canceled(caller, server);
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
	} else if (claim_canceled(caller, server)) {
		legacy = POOL_LEGACY_GIVE_BACK;
	} else if (is_mine(caller, server)) {
		if (server->phase == SERVER_CLOSING)
			legacy = POOL_LEGACY_CLOSE;
		else if (server->phase == SERVER_IDLE)
			legacy = POOL_LEGACY_WATCH;
	}
	pool_unlock(pool);
	return legacy;
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

/* Idle servers to those who wait. The caller posts the letters. */
static unsigned
match_locked(const struct pool_caller *caller, uint32_t pool_index,
    struct pool_mail *mails, unsigned most)
{
	struct segment *segment = caller->segment;
	struct pool_row *pool = segment_pool(segment, pool_index);
	unsigned count = 0;

	if (pool_paused(segment, pool_index))
		return 0;
	while (count < most && pool->idle_head != NO_ROW &&
	    pool->wait_head != NO_ROW) {
		uint32_t server = pool->idle_head, client = pool->wait_head;

		if (segment->servers[server].close_needed ||
		    !has_descriptor(&segment->servers[server],
		    segment->clients[client].worker))
			break;
		lists_remove_idle(segment, pool, server);
		lists_remove_waiting(segment, pool, client);
		hand_to_other(segment, server, client, &mails[count++]);
	}
	return count;
}

#define MAILS_AT_ONCE 64

void
pool_match(const struct pool_caller *caller, uint32_t pool_index)
{
	struct pool_mail mails[MAILS_AT_ONCE];
	struct pool_row *pool;
	unsigned count;

	do {
		pool = pool_lock(caller, pool_index);
		count = match_locked(caller, pool_index, mails,
		    MAILS_AT_ONCE);
		pool_unlock(pool);
		for (unsigned i = 0; i < count; i++)
			pool_post(caller, &mails[i]);
	} while (count == MAILS_AT_ONCE);
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
