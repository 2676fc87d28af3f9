/*
 * SHOW USERS: everybody who is known, their limits and what they use.
 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/census.h"
#include "admin/names.h"
#include "admin/show.h"

static const struct report_column columns[] = {
	{ "name", REPORT_TEXT },
	{ "pool_size", REPORT_TEXT },
	{ "reserve_pool_size", REPORT_TEXT },
	{ "pool_mode", REPORT_TEXT },
	{ "max_user_connections", REPORT_INT },
	{ "current_connections", REPORT_INT },
	{ "max_user_client_connections", REPORT_INT },
	{ "current_client_connections", REPORT_INT },
};

struct use {
	int32_t	servers, clients;
};

struct uses {
	struct use	*list;		/* by row of the user */
	uint32_t	 count;
	struct use	 nobody;	/* for who has no row */
};

static struct use *
use_of(struct uses *uses, uint32_t user)
{
	return user < uses->count ? &uses->list[user] : &uses->nobody;
}

/* A client counts for its login name, a server for that of its pool. */
static void
count_clients(const struct console_env *env, struct uses *uses)
{
	uint32_t used = atomic_load(&env->segment->state->clients_used);
	struct client_row client;

	for (uint32_t row = 0; row < used; row++) {
		if (!client_copy(env->segment, row, &client))
			continue;
		if (client_state_of(&client) > CLIENT_STATE_WAITING)
			continue;
		use_of(uses, client.user)->clients++;
	}
}

static void
count_servers(const struct console_env *env, struct uses *uses)
{
	struct segment *segment = env->segment;
	uint32_t used = atomic_load(&segment->state->servers_used);
	uint32_t pools = atomic_load(&segment->state->pools_used);
	struct server_row server;

	for (uint32_t row = 0; row < used; row++) {
		if (!server_copy(segment, row, &server) ||
		    server.phase == SERVER_CANCEL_LINK ||
		    server.pool >= pools)
			continue;
		use_of(uses, segment->pools[server.pool].user)->servers++;
	}
}

static bool
count_uses(const struct console_env *env, struct uses *uses)
{
	*uses = (struct uses){ .count =
	    atomic_load(&env->segment->state->users_used) };
	uses->list = calloc((size_t)uses->count + 1, sizeof(*uses->list));
	if (uses->list == NULL)
		return false;
	count_clients(env, uses);
	count_servers(env, uses);
	return true;
}

/* Right-aligned, and empty where nothing is set: it is a text column. */
static void
show_size(struct report *report, int size)
{
	char text[16] = "";

	if (size >= 0)
		snprintf(text, sizeof(text), "%9d", size);
	report_text(report, text);
}

static void
show_user(const struct console_env *env, struct report *report,
    struct uses *uses, const char *name)
{
	const struct config_user *user = config_find_user(env->config, name);
	uint32_t row = users_find(env->segment, name);
	struct use none = { 0, 0 };
	const struct use *use = row == NO_ROW ? &none : use_of(uses, row);

	report_text(report, name);
	show_size(report, user == NULL ? -1 : user->pool_size);
	show_size(report, user == NULL ? -1 : user->reserve_pool_size);
	report_text(report, user == NULL || user->pool_mode < 0 ? NULL :
	    pool_mode_word((enum pool_mode)user->pool_mode));
	report_int(report, config_max_user_connections(env->config, user));
	report_int(report, use->servers);
	report_int(report, config_max_user_client_connections(env->config,
	    user));
	report_int(report, use->clients);
	report_end_row(report);
}

static bool
fill_users(const struct console_env *env, struct report *report)
{
	struct names names;
	struct uses uses;

	if (!names_of_users(env, &names))
		return false;
	if (!count_uses(env, &uses)) {
		names_free(&names);
		return false;
	}
	for (size_t i = 0; i < names.count; i++)
		show_user(env, report, &uses, names.list[i]);
	free(uses.list);
	names_free(&names);
	return true;
}

const struct show show_USERS = {
	columns, ARRAY_LENGTH(columns), fill_users, NULL
};
