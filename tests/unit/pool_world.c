#include "pool_world.h"

#include <check.h>
#include <string.h>

#include "pool/repair.h"

void
pool_world_start(struct pool_world *world)
{
	static const struct segment_size size = { .workers = WORLD_WORKERS,
	    .clients = WORLD_CLIENTS, .servers = WORLD_SERVERS, .pools = 6,
	    .databases = 6, .users = 6, .hosts = 4 };
	struct error error = { .text = "" };

	memset(world, 0, sizeof(*world));
	world->segment = segment_create(&size, &error);
	ck_assert_msg(world->segment != NULL, "%s", error.text);
	for (uint32_t i = 0; i < WORLD_WORKERS; i++)
		atomic_store(&world->segment->roster[i].phase,
		    ROSTER_SERVING);
	/* Row 0 is another one: what was forgotten to be set is zero. */
	(void)pools_make(world->segment, "nobody", "nobody", false);
	world->pool = pools_make(world->segment, "db", "user", false);
	world->policy = (struct pool_policy){ .size = 3, .opening_most = 4,
	    .login_retry = 15 * USEC_PER_SEC, .lifetime = INT64_MAX };
}

void
pool_world_stop(struct pool_world *world)
{
	segment_destroy(world->segment);
}

struct pool_caller
pool_world_caller(const struct pool_world *world, uint32_t worker, usec_t now)
{
	return (struct pool_caller){ world->segment, worker, now };
}

struct pool_row *
pool_world_row(const struct pool_world *world)
{
	return &world->segment->pools[world->pool];
}

struct client_row *
pool_world_client(const struct pool_world *world, uint32_t row)
{
	ck_assert_uint_lt(row, WORLD_CLIENTS);
	return &world->segment->clients[row];
}

struct server_row *
pool_world_server(const struct pool_world *world, uint32_t row)
{
	ck_assert_uint_lt(row, WORLD_SERVERS);
	return &world->segment->servers[row];
}

uint32_t
pool_world_add_client(struct pool_world *world, uint32_t worker)
{
	uint32_t row = clients_claim(world->segment, worker);
	struct client_row *client = pool_world_client(world, row);

	atomic_store(&client->pool, world->pool);
	atomic_store(&client->phase, CLIENT_IDLE);
	atomic_store(&world->segment->cancel_keys[row], 1000 + row);
	return row;
}

uint32_t
pool_world_add_server_at(struct pool_world *world, uint32_t worker,
    usec_t now)
{
	struct pool_caller caller = pool_world_caller(world, worker, now);
	uint32_t row = pool_open(&caller, world->pool, &world->policy, true);
	uint32_t client;

	ck_assert_uint_ne(row, NO_ROW);
	atomic_store(&pool_world_server(world, row)->has_fd,
	    (UINT64_C(1) << WORLD_WORKERS) - 1);
	ck_assert_int_eq(pool_world_give_back(world, row, now, &client),
	    POOL_RELEASED);
	return row;
}

uint32_t
pool_world_add_server(struct pool_world *world, uint32_t worker)
{
	return pool_world_add_server_at(world, worker, WORLD_NOW);
}

uint32_t
pool_world_take(struct pool_world *world, uint32_t client, usec_t now)
{
	struct pool_caller caller = pool_world_caller(world,
	    pool_world_client(world, client)->worker, now);
	enum pool_answer answer;
	uint32_t server;

	answer = pool_take(&caller, world->pool, client, &world->policy,
	    &server);
	ck_assert_int_ne(answer, POOL_FAILING);
	ck_assert_int_eq(answer == POOL_QUEUED, server == NO_ROW);
	return server;
}

/* A client that loses its server goes IDLE first, as session/relay.c does. */
static void
part(struct pool_world *world, struct server_row *server)
{
	struct client_row *client;

	if (server->phase != SERVER_ACTIVE || server->client == NO_ROW)
		return;
	client = pool_world_client(world, server->client);
	client->server = NO_ROW;
	atomic_store(&client->phase, CLIENT_IDLE);
}

enum pool_release
pool_world_give_back(struct pool_world *world, uint32_t row, usec_t now,
    uint32_t *client_out)
{
	struct server_row *server = pool_world_server(world, row);
	struct pool_caller caller = pool_world_caller(world, server->worker,
	    now);
	const char *reason;

	part(world, server);
	*client_out = NO_ROW;
	return pool_give_back(&caller, row, &world->policy, client_out,
	    &reason);
}

void
pool_world_check(struct pool_world *world, const char *story)
{
	const char *what = "";

	ck_assert_msg(repair_check_pool(world->segment, world->pool, &what),
	    "%s: %s", story, what);
	ck_assert_msg(lock_is_free(&pool_world_row(world)->lock),
	    "%s: the pool's lock is held", story);
}
