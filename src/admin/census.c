#include "admin/census.h"

#include <stdlib.h>
#include <string.h>

static int
compare_pools(const void *left, const void *right)
{
	const struct census_pool *a = left, *b = right;
	int order = strcmp(a->database, b->database);

	return order != 0 ? order : strcmp(a->user, b->user);
}

static bool
list_pool(struct segment *segment, uint32_t row, struct census_pool *pool_out)
{
	struct pool_row *pool = &segment->pools[row];

	if (!atomic_load(&pool->used))
		return false;
	pool_out->row = row;
	pool_out->database_row = pool->database;
	pool_out->user_row = pool->user;
	pool_out->database = row_database_name(segment, pool->database);
	pool_out->user = row_user_name(segment, pool->user);
	return pool_out->database != NULL && pool_out->user != NULL;
}

static void
find_places(struct census *census)
{
	for (uint32_t i = 0; i < census->place_count; i++)
		census->places[i] = CENSUS_NOWHERE;
	for (uint32_t i = 0; i < census->count; i++) {
		if (census->pools[i].row == NO_ROW)
			census->console_place = i;
		else
			census->places[census->pools[i].row] = i;
	}
}

static void
list_pools(struct segment *segment, struct census *census)
{
	for (uint32_t row = 0; row < census->place_count; row++)
		if (list_pool(segment, row, &census->pools[census->count]))
			census->count++;
	census->pools[census->count++] = (struct census_pool){
	    .database = CONSOLE_DATABASE, .user = CONSOLE_USER,
	    .row = NO_ROW, .database_row = NO_ROW, .user_row = NO_ROW };
	qsort(census->pools, census->count, sizeof(*census->pools),
	    compare_pools);
	find_places(census);
}

bool
census_list(const struct console_env *env, struct census *census_out)
{
	uint32_t used = atomic_load(&env->segment->state->pools_used);

	memset(census_out, 0, sizeof(*census_out));
	census_out->place_count = used;
	census_out->pools = calloc((size_t)used + 1,
	    sizeof(*census_out->pools));
	census_out->places = calloc((size_t)used + 1,
	    sizeof(*census_out->places));
	if (census_out->pools == NULL || census_out->places == NULL) {
		census_free(census_out);
		return false;
	}
	list_pools(env->segment, census_out);
	return true;
}

static void
count_client(struct census *census, const struct client_row *client,
    usec_t now)
{
	enum client_state state = client_state_of(client);
	uint32_t place = census_place_of_client(census, client);
	struct census_pool *pool;

	census->all_clients++;
	if (state == CLIENT_STATE_NONE)
		return;
	census->clients[state]++;
	if (place == CENSUS_NOWHERE)
		return;
	pool = &census->pools[place];
	pool->clients[state]++;
	if (state == CLIENT_STATE_WAITING && client->wait_since != 0 &&
	    now - client->wait_since > pool->longest_wait)
		pool->longest_wait = now - client->wait_since;
}

static void
count_server(struct census *census, const struct server_row *server,
    enum server_state state)
{
	uint32_t place = census_place_of_server(census, server);

	census->all_servers++;
	if (state != SERVER_STATE_NONE && place != CENSUS_NOWHERE)
		census->pools[place].servers[state]++;
}

bool
census_take(const struct console_env *env, struct census *census_out)
{
	struct segment *segment = env->segment;
	uint32_t clients = atomic_load(&segment->state->clients_used);
	uint32_t servers = atomic_load(&segment->state->servers_used);
	struct client_row client;
	struct server_row server;

	if (!census_list(env, census_out))
		return false;
	for (uint32_t row = 0; row < clients; row++)
		if (client_copy(segment, row, &client))
			count_client(census_out, &client, env->now);
	for (uint32_t row = 0; row < servers; row++)
		if (server_copy(segment, row, &server))
			count_server(census_out, &server, server_state_of(
			    &server, env->config, env->now));
	return true;
}

void
census_free(struct census *census)
{
	free(census->pools);
	free(census->places);
	memset(census, 0, sizeof(*census));
}

static uint32_t
place_of_row(const struct census *census, uint32_t row)
{
	return row < census->place_count ? census->places[row] :
	    CENSUS_NOWHERE;
}

uint32_t
census_place_of_client(const struct census *census,
    const struct client_row *client)
{
	if (client_is_console(client))
		return census->console_place;
	/* Before its login is over a row may hold anything. */
	if (client_state_of(client) == CLIENT_STATE_LOGIN)
		return CENSUS_NOWHERE;
	return place_of_row(census, client->pool);
}

uint32_t
census_place_of_server(const struct census *census,
    const struct server_row *server)
{
	return place_of_row(census, server->pool);
}

/* The first place whose database is not before this one. */
static uint32_t
lower_bound(const struct census *census, const char *database)
{
	uint32_t from = 0, to = census->count;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (strcmp(census->pools[middle].database, database) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

uint32_t
census_pools_of(const struct census *census, const char *database,
    uint32_t *first_out)
{
	uint32_t place = *first_out = lower_bound(census, database);

	while (place < census->count &&
	    strcmp(census->pools[place].database, database) == 0)
		place++;
	return place - *first_out;
}

uint32_t
census_sum(const uint32_t *states, unsigned from, unsigned to)
{
	uint32_t sum = 0;

	for (unsigned i = from; i <= to; i++)
		sum += states[i];
	return sum;
}
