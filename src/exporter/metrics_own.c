/*
 * What only pgusher has: how long things take, why connections close, who
 * does the work.
 */
#include "build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/census.h"
#include "admin/settings.h"
#include "admin/table.h"
#include "exporter/metrics_parts.h"
#include "exporter/processes.h"

/* --- how long things take ------------------------------------------------ */

static const struct {
	const char		*name, *help;
	enum stat_counter	 sum;
} timings[TIMINGS] = {
#define TIMING(name, counter, help) \
	{ "pgusher_" #name "_seconds", help, STAT_##counter },
#include "shm/timings.def"
#undef TIMING
};

static void
label_pool(struct prometheus *out, const struct census_pool *pool)
{
	prometheus_label(out, "database", pool->database);
	prometheus_label(out, "user", pool->user);
}

static void
add_bound(struct prometheus *out, unsigned class)
{
	struct text bound = { .failed = false };

	text_add_seconds(&bound, UINT64_C(1) << (class +
	    STATS_SHORTEST_SHIFT));
	text_add_bytes(&bound, "", 1);
	prometheus_label(out, "le", bound.failed ? "" :
	    (const char *)buffer_front(&bound.buffer));
	text_clear(&bound);
}

/*
 * The count is the sum of the classes and not a counter of its own, so that
 * it is that of the last bucket at every instant.
 */
static void
write_histogram(const struct console_env *env, struct prometheus *out,
    const struct census_pool *pool, enum stat_timing timing)
{
	uint64_t counts[STATS_CLASSES], total = 0;
	struct stats_totals totals;

	stats_classes(env->segment, pool->row, timing, counts);
	stats_total(env->segment, pool->row, &totals);
	for (unsigned class = 0; class < STATS_CLASSES; class++) {
		total += counts[class];
		prometheus_begin(out, "_bucket");
		label_pool(out, pool);
		if (class == STATS_CLASSES - 1)
			prometheus_label(out, "le", "+Inf");
		else
			add_bound(out, class);
		prometheus_uint(out, total);
	}
	prometheus_begin(out, "_sum");
	label_pool(out, pool);
	prometheus_seconds(out, totals.counters[timings[timing].sum]);
	prometheus_begin(out, "_count");
	label_pool(out, pool);
	prometheus_uint(out, total);
}

static void
write_histograms(const struct console_env *env, struct prometheus *out,
    const struct census *census)
{
	for (unsigned timing = 0; timing < TIMINGS; timing++) {
		prometheus_family(out, timings[timing].name,
		    PROMETHEUS_HISTOGRAM, timings[timing].help);
		for (uint32_t i = 0; i < census->count; i++)
			if (census->pools[i].row != NO_ROW)
				write_histogram(env, out, &census->pools[i],
				    (enum stat_timing)timing);
	}
}

/* --- pools --------------------------------------------------------------- */

static int
size_of(const struct console_env *env, const struct census_pool *pool)
{
	const struct config_database *database = settings_of_database(
	    env->config, pool->database);

	return database == NULL ? 0 : config_pool_size(env->config, database,
	    config_find_user(env->config, pool->user));
}

static uint64_t
counter_of(const struct console_env *env, const struct census_pool *pool,
    enum stat_counter counter)
{
	struct stats_totals totals;

	stats_total(env->segment, pool->row, &totals);
	return totals.counters[counter];
}

static void
write_pools(const struct console_env *env, struct prometheus *out,
    const struct census *census)
{
	prometheus_family(out, "pgusher_pool_size", PROMETHEUS_GAUGE,
	    "Server connections of this pool; 0: no limit");
	for (uint32_t i = 0; i < census->count; i++) {
		if (census->pools[i].row == NO_ROW)
			continue;
		prometheus_begin(out, "");
		label_pool(out, &census->pools[i]);
		prometheus_uint(out, (uint64_t)size_of(env,
		    &census->pools[i]));
	}
	prometheus_family(out, "pgusher_logins_total", PROMETHEUS_COUNTER,
	    "Clients that have logged in");
	for (uint32_t i = 0; i < census->count; i++) {
		if (census->pools[i].row == NO_ROW)
			continue;
		prometheus_begin(out, "");
		label_pool(out, &census->pools[i]);
		prometheus_uint(out, counter_of(env, &census->pools[i],
		    STAT_client_login_count));
	}
	prometheus_family(out, "pgusher_longest_wait_seconds",
	    PROMETHEUS_GAUGE, "Age of the oldest client that waits");
	for (uint32_t i = 0; i < census->count; i++) {
		prometheus_begin(out, "");
		label_pool(out, &census->pools[i]);
		prometheus_seconds(out,
		    (uint64_t)census->pools[i].longest_wait);
	}
}

/* --- events -------------------------------------------------------------- */

static void
write_events(const struct console_env *env, struct prometheus *out)
{
	enum event_family open = EVENT_FAMILIES;
	char name[128];

	for (unsigned i = 0; i < EVENTS; i++) {
		enum event event = (enum event)i;
		enum event_family family = event_family_of(event);

		if (family != open) {
			snprintf(name, sizeof(name), "pgusher_%s_total",
			    event_family_name(family));
			prometheus_family(out, name, PROMETHEUS_COUNTER,
			    event_family_help(family));
			open = family;
		}
		prometheus_begin(out, "");
		if (event_family_label(family) != NULL)
			prometheus_label(out, event_family_label(family),
			    event_member_name(event));
		prometheus_uint(out, events_total(env->segment, event));
	}
}

/* --- workers ------------------------------------------------------------- */

struct worker_metric {
	const char		*column, *name;
	enum prometheus_type	 type;
	uint64_t		 usec;	/* 0: a number, no time */
	const char		*help;
};

static const struct worker_metric worker_metrics[] = {
	{ "clients", "clients", PROMETHEUS_GAUGE, 0,
	    "Clients that this worker serves" },
	{ "servers", "servers", PROMETHEUS_GAUGE, 0,
	    "Servers in the hands of its clients" },
	{ "xacts", "transactions_total", PROMETHEUS_COUNTER, 0,
	    "Transactions that it has served" },
	{ "queries", "queries_total", PROMETHEUS_COUNTER, 0,
	    "Queries that it has served" },
	{ "cpu_ms", "cpu_seconds_total", PROMETHEUS_COUNTER, USEC_PER_MSEC,
	    "Processor time of all lives of this slot" },
	{ "restarts", "restarts_total", PROMETHEUS_COUNTER, 0,
	    "Times that it was replaced" },
	{ "uptime", "uptime_seconds", PROMETHEUS_GAUGE, USEC_PER_SEC,
	    "Age of the present worker" },
};

static void
write_worker(struct prometheus *out, const struct table *table, unsigned row,
    const struct worker_metric *metric)
{
	const char *value = table_cell(table, row, metric->column);

	prometheus_begin(out, "");
	prometheus_label(out, "slot", table_cell(table, row, "slot"));
	if (metric->usec > 0 && value != NULL)
		prometheus_seconds(out, strtoull(value, NULL, 10) *
		    metric->usec);
	else
		prometheus_text(out, value);
}

static void
write_worker_memory(struct prometheus *out, const struct table *table)
{
	prometheus_family(out, "pgusher_worker_memory_bytes",
	    PROMETHEUS_GAUGE, "Memory of this worker alone");
	for (unsigned row = 0; row < table->rows; row++) {
		const char *pid = table_cell(table, row, "pid");
		struct process_figures figures = process_look(
		    pid == NULL ? 0 : (pid_t)atoi(pid));

		if (!figures.is_there)
			continue;
		prometheus_begin(out, "");
		prometheus_label(out, "slot", table_cell(table, row, "slot"));
		prometheus_uint(out, figures.private_bytes);
	}
}

static bool
write_workers(const struct console_env *env, struct prometheus *out)
{
	struct table table;
	char name[128];

	if (!table_make(env, "WORKERS", &table))
		return false;
	prometheus_family(out, "pgusher_worker_serving", PROMETHEUS_GAUGE,
	    "1: it serves");
	for (unsigned row = 0; row < table.rows; row++) {
		const char *state = table_cell(&table, row, "state");

		prometheus_begin(out, "");
		prometheus_label(out, "slot", table_cell(&table, row,
		    "slot"));
		prometheus_uint(out, state != NULL &&
		    strcmp(state, "serving") == 0);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(worker_metrics); i++) {
		const struct worker_metric *metric = &worker_metrics[i];

		snprintf(name, sizeof(name), "pgusher_worker_%s",
		    metric->name);
		prometheus_family(out, name, metric->type, metric->help);
		for (unsigned row = 0; row < table.rows; row++)
			write_worker(out, &table, row, metric);
	}
	write_worker_memory(out, &table);
	table_free(&table);
	return true;
}

/* --- the whole ----------------------------------------------------------- */

static bool
write_memory(const struct console_env *env, struct prometheus *out)
{
	struct table table;

	if (!table_make(env, "MEM", &table))
		return false;
	prometheus_family(out, "pgusher_table_memory_bytes", PROMETHEUS_GAUGE,
	    "Shared memory of the rows ever in use");
	for (unsigned row = 0; row < table.rows; row++) {
		prometheus_begin(out, "");
		prometheus_label(out, "table", table_cell(&table, row,
		    "name"));
		prometheus_text(out, table_cell(&table, row, "memtotal"));
	}
	table_free(&table);
	return true;
}

static void
write_gauge(struct prometheus *out, const char *name, const char *help,
    uint64_t value)
{
	prometheus_family(out, name, PROMETHEUS_GAUGE, help);
	prometheus_begin(out, "");
	prometheus_uint(out, value);
}

static void
write_state(const struct console_env *env, struct prometheus *out)
{
	const struct state *state = env->segment->state;

	write_gauge(out, "pgusher_paused", "1: PAUSE is in force",
	    atomic_load(&state->paused) != 0);
	write_gauge(out, "pgusher_suspended", "1: SUSPEND is in force",
	    atomic_load(&state->suspended) != 0);
	write_gauge(out, "pgusher_shutting_down", "1: it is shutting down",
	    atomic_load(&state->shutdown) != SHUTDOWN_NONE);
	write_gauge(out, "pgusher_config_generation",
	    "Moves with each change of the configuration",
	    atomic_load(&state->config_generation));
	prometheus_family(out, "pgusher_uptime_seconds", PROMETHEUS_GAUGE,
	    "Age of the pooler");
	prometheus_begin(out, "");
	prometheus_seconds(out, (uint64_t)(env->now - state->started_at));
}

static void
write_build(struct prometheus *out)
{
	static const char *const names[] = { "pgusher_build_info",
	    "pgbouncer_exporter_build_info" };

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		prometheus_family(out, names[i], PROMETHEUS_GAUGE,
		    "Always 1; the labels say which build this is");
		prometheus_begin(out, "");
		prometheus_label(out, "version", PACKAGE_VERSION);
		prometheus_label(out, "pgbouncer", PGBOUNCER_VERSION);
		prometheus_uint(out, 1);
	}
}

bool
metrics_write_own(const struct console_env *env, struct prometheus *out)
{
	struct census census;
	bool whole;

	write_build(out);
	write_state(env, out);
	write_events(env, out);
	whole = write_workers(env, out) && write_memory(env, out);
	if (!whole || !census_take(env, &census))
		return false;
	write_pools(env, out, &census);
	write_histograms(env, out, &census);
	census_free(&census);
	return true;
}
