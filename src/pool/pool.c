#include "pool/pool_parts.h"

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

/* Marked ones are about to be closed by who watches them. */
static bool
may_be_taken(const struct pool_caller *caller, const struct server_row *server)
{
	return pool_has_descriptor(server, caller->worker) &&
	    !server->close_needed;
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

		if (may_be_taken(caller, server) && (server->tls_owner == 0 ?
		    pool_is_mine(caller, server) :
		    pool_has_its_tls(caller, server)))
			return row;
		if (!chose_mine && may_be_taken(caller, server) &&
		    (chosen == NO_ROW || pool_is_mine(caller, server))) {
			chosen = row;
			chose_mine = pool_is_mine(caller, server);
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
void
pool_link_rows(struct segment *segment, uint32_t server_row,
    uint32_t client_row, enum server_phase server_phase,
    enum client_phase client_phase)
{
	struct server_row *server = &segment->servers[server_row];
	struct client_row *client = &segment->clients[client_row];

	server->client = client_row;
	server->client_generation = client->generation;
	atomic_store(&server->worker, atomic_load(&client->worker));
	pool_set_server_phase(server, server_phase);
	client->server = server_row;
	pool_set_client_phase(client, client_phase);
}

/* The same for all workers: see POOL_RETRY_MOST. */
usec_t
pool_retry_after(const struct pool_row *pool, const struct pool_policy *policy)
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
	    caller->now - pool->failed_at < pool_retry_after(pool, policy);
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
		pool_link_rows(segment, server, client_row, SERVER_ACTIVE,
		    CLIENT_LINKED);
		answer = POOL_TAKEN;
	} else if (!paused && is_failing(caller, pool, policy)) {
		answer = POOL_FAILING;
	} else {
		client->wait_since = caller->now;
		atomic_store(&client->cancel_wanted, 0);
		pool_set_client_phase(client, CLIENT_WAITING);
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
	    pool_is_mine(caller, server) && server->client == client_row);
	pool_set_server_phase(server, SERVER_ACTIVE);
	pool_set_client_phase(client, CLIENT_LINKED);
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
		    server->phase == SERVER_GIVEN &&
		    pool_is_mine(caller, server));
		*server_out = client->server;
		server->client = NO_ROW;
		pool_set_server_phase(server, SERVER_ACTIVE);
		client->server = NO_ROW;
	}
	pool_set_client_phase(client, CLIENT_IDLE);
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
		if (pool_has_descriptor(server, worker)) {
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
	pool_link_rows(segment, server, client, SERVER_GIVEN, CLIENT_GIVEN);
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
const char *
pool_why_close(const struct pool_caller *caller, struct pool_row *pool,
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

void
pool_begin_closing(const struct pool_caller *caller, struct pool_row *pool,
    struct server_row *server)
{
	server->client = NO_ROW;
	pool_set_server_phase(server, SERVER_CLOSING);
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
	pool_set_server_phase(server, SERVER_IDLE);
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

	INVARIANT(pool_is_mine(caller, server));
	INVARIANT(server->phase == SERVER_ACTIVE ||
	    server->phase == SERVER_TESTING ||
	    server->phase == SERVER_OPENING ||
	    server->phase == SERVER_CANCELING);
	*reason_out = pool_why_close(caller, pool, pool_index, server, policy);
	if (*reason_out == NULL && server->phase != SERVER_OPENING &&
	    UNLIKELY(limits_must_yield(caller, pool_index, policy)))
		*reason_out = "evicted";
	if (server->phase == SERVER_OPENING) {
		pool->opening_count--;
		pool->failed_at = 0;
	}
	if (*reason_out != NULL) {
		pool_begin_closing(caller, pool, server);
		outcome = POOL_CLOSE;
	} else if (server->cancels > 0) {
		server->client = NO_ROW;
		pool_set_server_phase(server, SERVER_CANCELING);
		outcome = POOL_HELD;
	} else if ((client = choose_waiter(caller, pool, server)) == NO_ROW) {
		make_idle(caller, pool, server_row);
	} else {
		lists_remove_waiting(segment, pool, client);
		if (segment->clients[client].worker == caller->worker) {
			pool_link_rows(segment, server_row, client,
			    SERVER_ACTIVE, CLIENT_LINKED);
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
	    server->phase == SERVER_CANCELING) &&
	    pool_is_mine(caller, server) && server->pool == pool_index;
	if (ours && server->phase == SERVER_IDLE)
		lists_remove_idle(caller->segment, pool, server_row);
	if (ours)
		pool_set_server_phase(server, SERVER_TESTING);
	pool_unlock(pool);
	return ours;
}

void
pool_begin_test(const struct pool_caller *caller, uint32_t server_row)
{
	struct server_row *server = segment_server(caller->segment, server_row);
	struct pool_row *pool = pool_lock(caller, server->pool);

	INVARIANT(pool_is_mine(caller, server) &&
	    server->phase == SERVER_ACTIVE);
	server->client = NO_ROW;
	pool_set_server_phase(server, SERVER_TESTING);
	pool_unlock(pool);
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
		    !pool_has_descriptor(&segment->servers[server],
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
