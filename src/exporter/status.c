#include "exporter/status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/census.h"
#include "admin/settings.h"
#include "admin/table.h"
#include "base/version.h"
#include "exporter/processes.h"

static void
add_number(struct text *out, const char *name, uint64_t value)
{
	text_format(out, ",\"%s\":%" PRIu64, name, value);
}

static void
add_truth(struct text *out, const char *name, bool value)
{
	text_format(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void
add_string(struct text *out, const char *name, const char *value)
{
	text_format(out, ",\"%s\":", name);
	text_add_json(out, value == NULL ? "" : value);
}

static void
add_head(const struct console_env *env, struct text *out)
{
	const struct state *state = env->segment->state;

	text_add(out, "{\"version\":");
	text_add_json(out, version_text());
	add_number(out, "uptime", (uint64_t)((env->now - state->started_at) /
	    USEC_PER_SEC));
	add_number(out, "now_us", (uint64_t)env->now);
	add_truth(out, "paused", atomic_load(&state->paused) != 0);
	add_truth(out, "suspended", atomic_load(&state->suspended) != 0);
	add_truth(out, "stopping", atomic_load(&state->shutdown) !=
	    SHUTDOWN_NONE);
	add_number(out, "max_client_conn",
	    (uint64_t)env->config->max_client_conn);
}

/* --- pools --------------------------------------------------------------- */

static void
add_classes(const struct console_env *env, struct text *out, uint32_t pool,
    enum stat_timing timing, const char *name)
{
	uint64_t counts[STATS_CLASSES];

	stats_classes(env->segment, pool, timing, counts);
	text_format(out, ",\"%s\":[", name);
	for (unsigned i = 0; i < STATS_CLASSES; i++)
		text_format(out, "%s%" PRIu64, i == 0 ? "" : ",", counts[i]);
	text_add(out, "]");
}

static void
add_counts(const struct console_env *env, struct text *out, uint32_t pool)
{
	static const struct {
		const char		*name;
		enum stat_counter	 counter;
	} shown[] = {
		{ "xacts", STAT_xact_count }, { "queries", STAT_query_count },
		{ "received", STAT_received }, { "sent", STAT_sent },
		{ "xact_us", STAT_xact_time }, { "query_us", STAT_query_time },
		{ "wait_us", STAT_wait_time },
		{ "logins", STAT_client_login_count },
	};
	struct stats_totals totals;

	stats_total(env->segment, pool, &totals);
	for (size_t i = 0; i < ARRAY_LENGTH(shown); i++)
		add_number(out, shown[i].name,
		    totals.counters[shown[i].counter]);
	add_classes(env, out, pool, TIMING_wait, "waits");
	add_classes(env, out, pool, TIMING_query, "query_times");
	add_classes(env, out, pool, TIMING_transaction, "xact_times");
}

static bool
is_state_of(const struct console_env *env, const char *database, bool paused)
{
	uint32_t row = databases_find(env->segment, database);

	if (row == NO_ROW)
		return false;
	return atomic_load(paused ? &env->segment->databases[row].paused :
	    &env->segment->databases[row].disabled) != 0;
}

static void
add_pool(const struct console_env *env, struct text *out,
    const struct census_pool *pool)
{
	const struct config_database *database = settings_of_database(
	    env->config, pool->database);
	const uint32_t *clients = pool->clients, *servers = pool->servers;

	text_add(out, "{\"database\":");
	text_add_json(out, pool->database);
	add_string(out, "user", pool->user);
	add_string(out, "mode", settings_pool_mode(env->config,
	    pool->database, pool->user));
	add_number(out, "size", database == NULL ? 0 : (uint64_t)
	    config_pool_size(env->config, database, config_find_user(
	    env->config, pool->user)));
	add_truth(out, "paused", is_state_of(env, pool->database, true));
	add_truth(out, "disabled", is_state_of(env, pool->database, false));
	add_number(out, "cl_active", clients[CLIENT_STATE_ACTIVE] +
	    clients[CLIENT_STATE_IDLE]);
	add_number(out, "cl_linked", clients[CLIENT_STATE_ACTIVE]);
	add_number(out, "cl_waiting", clients[CLIENT_STATE_WAITING]);
	add_number(out, "sv_active", servers[SERVER_STATE_ACTIVE]);
	add_number(out, "sv_idle", servers[SERVER_STATE_IDLE]);
	add_number(out, "sv_used", servers[SERVER_STATE_USED] +
	    servers[SERVER_STATE_TESTED]);
	add_number(out, "sv_login", servers[SERVER_STATE_NEW]);
	add_number(out, "maxwait_us", (uint64_t)pool->longest_wait);
	add_counts(env, out, pool->row);
	text_add(out, "}");
}

static bool
add_pools(const struct console_env *env, struct text *out)
{
	struct census census;
	const char *comma = "";

	if (!census_take(env, &census))
		return false;
	add_number(out, "clients", census_sum(census.clients, 0,
	    CLIENT_STATES - 1));
	add_number(out, "login_clients", census.clients[CLIENT_STATE_LOGIN]);
	text_add(out, ",\"pools\":[");
	for (uint32_t i = 0; i < census.count; i++) {
		if (census.pools[i].row == NO_ROW)
			continue;	/* the console's */
		text_add(out, comma);
		add_pool(env, out, &census.pools[i]);
		comma = ",";
	}
	text_add(out, "]");
	census_free(&census);
	return true;
}

/* --- workers, events ----------------------------------------------------- */

static bool
add_workers(const struct console_env *env, struct text *out)
{
	static const char *const numbers[] = { "pid", "clients", "servers",
	    "xacts", "queries", "cpu_ms", "restarts", "uptime" };
	struct table table;

	if (!table_make(env, "WORKERS", &table))
		return false;
	text_add(out, ",\"workers\":[");
	for (unsigned row = 0; row < table.rows; row++) {
		struct process_figures figures = process_look((pid_t)atoi(
		    table_cell(&table, row, "pid")));

		text_format(out, "%s{\"slot\":%s", row == 0 ? "" : ",",
		    table_cell(&table, row, "slot"));
		add_string(out, "state", table_cell(&table, row, "state"));
		for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
			text_format(out, ",\"%s\":%s", numbers[i],
			    table_cell(&table, row, numbers[i]));
		add_number(out, "memory", figures.private_bytes);
		text_add(out, "}");
	}
	text_add(out, "]");
	table_free(&table);
	return true;
}

static void
add_events(const struct console_env *env, struct text *out)
{
	enum event_family open = EVENT_FAMILIES;

	text_add(out, ",\"events\":{");
	for (unsigned i = 0; i < EVENTS; i++) {
		enum event event = (enum event)i;
		enum event_family family = event_family_of(event);

		if (family != open)
			text_format(out, "%s\"%s\":{", i == 0 ? "" : "},",
			    event_family_name(family));
		text_format(out, "%s\"%s\":%" PRIu64, family == open ? "," :
		    "", event_member_name(event), events_total(env->segment,
		    event));
		open = family;
	}
	text_add(out, "}}");
}

bool
status_write(const struct console_env *env, struct text *out)
{
	add_head(env, out);
	if (!add_pools(env, out) || !add_workers(env, out))
		return false;
	add_events(env, out);
	text_add(out, "}\n");
	return !out->failed;
}
