/*
 * SHOW POOLS and SHOW DATABASES: who uses what, and how much there may be.
 */
#include <string.h>

#include "admin/census.h"
#include "admin/names.h"
#include "admin/settings.h"
#include "admin/show.h"

static const struct report_column pools_columns[] = {
	{ "database", REPORT_TEXT },
	{ "user", REPORT_TEXT },
	{ "cl_active", REPORT_INT },
	{ "cl_waiting", REPORT_INT },
	{ "cl_active_cancel_req", REPORT_INT },
	{ "cl_waiting_cancel_req", REPORT_INT },
	{ "sv_active", REPORT_INT },
	{ "sv_active_cancel", REPORT_INT },
	{ "sv_being_canceled", REPORT_INT },
	{ "sv_idle", REPORT_INT },
	{ "sv_used", REPORT_INT },
	{ "sv_tested", REPORT_INT },
	{ "sv_login", REPORT_INT },
	{ "maxwait", REPORT_INT },
	{ "maxwait_us", REPORT_INT },
	{ "pool_mode", REPORT_TEXT },
	{ "load_balance_hosts", REPORT_TEXT },
};

/* cl_active is who is let in and does not wait, linked or not. */
static void
show_clients_of(struct report *report, const struct census_pool *pool)
{
	const uint32_t *clients = pool->clients;

	report_int(report, (int32_t)(clients[CLIENT_STATE_ACTIVE] +
	    clients[CLIENT_STATE_IDLE]));
	report_int(report, (int32_t)clients[CLIENT_STATE_WAITING]);
	report_int(report, (int32_t)clients[CLIENT_STATE_ACTIVE_CANCEL]);
	report_int(report, (int32_t)clients[CLIENT_STATE_WAITING_CANCEL]);
}

static void
show_servers_of(struct report *report, const struct census_pool *pool)
{
	static const enum server_state order[] = {
		SERVER_STATE_ACTIVE, SERVER_STATE_ACTIVE_CANCEL,
		SERVER_STATE_BEING_CANCELED, SERVER_STATE_IDLE,
		SERVER_STATE_USED, SERVER_STATE_TESTED, SERVER_STATE_NEW,
	};

	for (size_t i = 0; i < ARRAY_LENGTH(order); i++)
		report_int(report, (int32_t)pool->servers[order[i]]);
}

static void
show_pool(const struct console_env *env, struct report *report,
    const struct census_pool *pool)
{
	report_text(report, pool->database);
	report_text(report, pool->user);
	show_clients_of(report, pool);
	show_servers_of(report, pool);
	report_int(report, (int32_t)(pool->longest_wait / USEC_PER_SEC));
	report_int(report, (int32_t)(pool->longest_wait % USEC_PER_SEC));
	report_text(report, settings_pool_mode(env->config, pool->database,
	    pool->user));
	report_text(report, settings_load_balance_hosts(
	    settings_of_database(env->config, pool->database)));
	report_end_row(report);
}

static bool
fill_pools(const struct console_env *env, struct report *report)
{
	struct census census;

	if (!census_take(env, &census))
		return false;
	for (uint32_t i = 0; i < census.count; i++)
		show_pool(env, report, &census.pools[i]);
	census_free(&census);
	return true;
}

const struct show show_POOLS = {
	pools_columns, ARRAY_LENGTH(pools_columns), fill_pools, NULL
};

/* --- SHOW DATABASES ------------------------------------------------------ */

static const struct report_column databases_columns[] = {
	{ "name", REPORT_TEXT },
	{ "host", REPORT_TEXT },
	{ "port", REPORT_INT },
	{ "database", REPORT_TEXT },
	{ "force_user", REPORT_TEXT },
	{ "pool_size", REPORT_INT },
	{ "min_pool_size", REPORT_INT },
	{ "reserve_pool_size", REPORT_INT },
	{ "server_lifetime", REPORT_INT },
	{ "pool_mode", REPORT_TEXT },
	{ "load_balance_hosts", REPORT_TEXT },
	{ "max_connections", REPORT_INT },
	{ "current_connections", REPORT_INT },
	{ "max_client_connections", REPORT_INT },
	{ "current_client_connections", REPORT_INT },
	{ "paused", REPORT_INT },
	{ "disabled", REPORT_INT },
};

struct usage {
	uint32_t	clients, servers;
};

/* A server that is being closed still is a connection of PostgreSQL. */
static struct usage
usage_of(const struct census *census, const char *database)
{
	struct usage usage = { 0, 0 };
	uint32_t first, count;

	count = census_pools_of(census, database, &first);
	for (uint32_t i = first; i < first + count; i++) {
		const struct census_pool *pool = &census->pools[i];

		usage.clients += census_sum(pool->clients,
		    CLIENT_STATE_ACTIVE, CLIENT_STATE_WAITING);
		usage.servers += census_sum(pool->servers, 0,
		    SERVER_STATES - 1) -
		    pool->servers[SERVER_STATE_ACTIVE_CANCEL];
	}
	return usage;
}

/* The console is a database of its own making: the file has no entry. */
static const struct config_database *
console_database(const struct console_env *env,
    struct config_database *database)
{
	*database = (struct config_database){ .name = CONSOLE_DATABASE,
	    .dbname = CONSOLE_DATABASE, .user = CONSOLE_USER,
	    .port = env->listen_port, .pool_size = 2, .min_pool_size = -1,
	    .reserve_pool_size = -1, .pool_mode = POOL_MODE_STATEMENT };
	return database;
}

static void
show_limits(const struct config *config, struct report *report,
    const struct config_database *database)
{
	report_int(report, config_pool_size(config, database, NULL));
	report_int(report, config_min_pool_size(config, database));
	report_int(report, config_reserve_pool_size(config, database, NULL));
	report_int(report, (int32_t)(config_server_lifetime(config,
	    database) / USEC_PER_SEC));
	report_text(report, database->pool_mode < 0 ? NULL :
	    pool_mode_word((enum pool_mode)database->pool_mode));
	report_text(report, settings_load_balance_hosts(database));
}

static void
show_state_of(const struct console_env *env, struct report *report,
    const char *name)
{
	struct segment *segment = env->segment;
	uint32_t row = databases_find(segment, name);

	report_int(report, row != NO_ROW &&
	    atomic_load(&segment->databases[row].paused) != 0);
	report_int(report, row != NO_ROW &&
	    atomic_load(&segment->databases[row].disabled) != 0);
}

static void
show_database(const struct console_env *env, struct report *report,
    const struct census *census, const char *name)
{
	struct config_database console;
	const struct config_database *database =
	    strcmp(name, CONSOLE_DATABASE) == 0 ?
	    console_database(env, &console) :
	    settings_of_database(env->config, name);
	struct usage usage = usage_of(census, name);

	if (database == NULL)
		return;
	report_text(report, name);
	report_text(report, database->host);
	report_int(report, database->port);
	report_text(report, database->dbname == NULL ? name :
	    database->dbname);
	report_text(report, database->user);
	show_limits(env->config, report, database);
	report_int(report, config_max_db_connections(env->config, database));
	report_int(report, (int32_t)usage.servers);
	report_int(report, config_max_db_client_connections(env->config,
	    database));
	report_int(report, (int32_t)usage.clients);
	show_state_of(env, report, name);
	report_end_row(report);
}

static bool
fill_databases(const struct console_env *env, struct report *report)
{
	struct census census;
	struct names names;

	if (!census_take(env, &census))
		return false;
	if (!names_of_databases(env, &names)) {
		census_free(&census);
		return false;
	}
	for (size_t i = 0; i < names.count; i++)
		show_database(env, report, &census, names.list[i]);
	names_free(&names);
	census_free(&census);
	return true;
}

const struct show show_DATABASES = {
	databases_columns, ARRAY_LENGTH(databases_columns), fill_databases,
	NULL
};
