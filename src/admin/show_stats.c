/*
 * SHOW STATS, STATS_TOTALS, STATS_AVERAGES, TOTALS.
 *
 * Counters are summed over workers and over the pools of a database.  An
 * average is what came since a snapshot one to two stats_periods old, per
 * second or per piece, cut to an integer.
 */
#include <string.h>

#include "admin/census.h"
#include "admin/show.h"

/* Logins are counted, but 1.25.2 has no column of them. */
#define SHOWN (STAT_bind_count + 1)

static const struct report_column stats_columns[] = {
	{ "database", REPORT_TEXT },
	{ "total_server_assignment_count", REPORT_NUMERIC },
	{ "total_xact_count", REPORT_NUMERIC },
	{ "total_query_count", REPORT_NUMERIC },
	{ "total_received", REPORT_NUMERIC },
	{ "total_sent", REPORT_NUMERIC },
	{ "total_xact_time", REPORT_NUMERIC },
	{ "total_query_time", REPORT_NUMERIC },
	{ "total_wait_time", REPORT_NUMERIC },
	{ "total_client_parse_count", REPORT_NUMERIC },
	{ "total_server_parse_count", REPORT_NUMERIC },
	{ "total_bind_count", REPORT_NUMERIC },
	{ "avg_server_assignment_count", REPORT_NUMERIC },
	{ "avg_xact_count", REPORT_NUMERIC },
	{ "avg_query_count", REPORT_NUMERIC },
	{ "avg_recv", REPORT_NUMERIC },
	{ "avg_sent", REPORT_NUMERIC },
	{ "avg_xact_time", REPORT_NUMERIC },
	{ "avg_query_time", REPORT_NUMERIC },
	{ "avg_wait_time", REPORT_NUMERIC },
	{ "avg_client_parse_count", REPORT_NUMERIC },
	{ "avg_server_parse_count", REPORT_NUMERIC },
	{ "avg_bind_count", REPORT_NUMERIC },
};

static const struct report_column totals_columns[] = {
	{ "database", REPORT_TEXT },
	{ "server_assignment_count", REPORT_NUMERIC },
	{ "xact_count", REPORT_NUMERIC },
	{ "query_count", REPORT_NUMERIC },
	{ "bytes_received", REPORT_NUMERIC },
	{ "bytes_sent", REPORT_NUMERIC },
	{ "xact_time", REPORT_NUMERIC },
	{ "query_time", REPORT_NUMERIC },
	{ "wait_time", REPORT_NUMERIC },
	{ "client_parse_count", REPORT_NUMERIC },
	{ "server_parse_count", REPORT_NUMERIC },
	{ "bind_count", REPORT_NUMERIC },
};

/* Three of these begin with avg_ and the others do not; so it has to be. */
static const struct report_column averages_columns[] = {
	{ "database", REPORT_TEXT },
	{ "server_assignment_count", REPORT_NUMERIC },
	{ "xact_count", REPORT_NUMERIC },
	{ "query_count", REPORT_NUMERIC },
	{ "bytes_received", REPORT_NUMERIC },
	{ "bytes_sent", REPORT_NUMERIC },
	{ "xact_time", REPORT_NUMERIC },
	{ "query_time", REPORT_NUMERIC },
	{ "wait_time", REPORT_NUMERIC },
	{ "avg_client_parse_count", REPORT_NUMERIC },
	{ "avg_server_parse_count", REPORT_NUMERIC },
	{ "avg_bind_count", REPORT_NUMERIC },
};

static const struct report_column sums_columns[] = {
	{ "name", REPORT_TEXT },
	{ "value", REPORT_NUMERIC },
};

/* SHOW TOTALS has rows in the place of columns, with names of their own. */
static const struct {
	const char *total, *average;
} sums_names[SHOWN] = {
	{ "total_server_assignment_count", "avg_server_assignment_count" },
	{ "total_xact_count", "avg_xact_count" },
	{ "total_query_count", "avg_query_count" },
	{ "total_client_bytes", "avg_client_bytes" },
	{ "total_server_bytes", "avg_server_bytes" },
	{ "total_xact_time", "avg_xact_time" },
	{ "total_query_time", "avg_query_time" },
	{ "total_wait_time", "avg_wait_time" },
	{ "total_ps_client_parse_count", "avg_ps_client_parse_count" },
	{ "total_ps_server_parse_count", "avg_ps_server_parse_count" },
	{ "total_ps_bind_count", "avg_ps_bind_count" },
};

/* --- sums ---------------------------------------------------------------- */

struct sums {
	struct stats_totals	now, before;
	usec_t			before_at;
};

static void
add_totals(struct stats_totals *sum, const struct stats_totals *more)
{
	for (unsigned i = 0; i < STATS; i++)
		sum->counters[i] += more->counters[i];
}

/* The console's pool has no row: its counts are zeros. */
static void
add_pool(struct sums *sums, struct segment *segment, uint32_t pool)
{
	struct stats_totals totals;

	if (pool == NO_ROW)
		return;
	sums->before_at = stats_before(segment, pool, &totals);
	add_totals(&sums->before, &totals);
	/* After the snapshot, so that nothing has shrunk since. */
	stats_total(segment, pool, &totals);
	add_totals(&sums->now, &totals);
}

static uint64_t
growth(const struct sums *sums, enum stat_counter stat)
{
	uint64_t now = sums->now.counters[stat];
	uint64_t before = sums->before.counters[stat];

	return now > before ? now - before : 0;
}

/* a * b / c without overflow where a / c * b has none. */
static uint64_t
scale(uint64_t a, uint64_t b, uint64_t c)
{
	return c == 0 ? 0 : a / c * b + a % c * b / c;
}

/* Times are per piece: transaction, query, assignment. */
static uint64_t
average(const struct sums *sums, enum stat_counter stat, usec_t now)
{
	usec_t elapsed = now - sums->before_at;
	uint64_t grown = growth(sums, stat);

	switch (stat) {
	case STAT_xact_time:
		return scale(grown, 1, growth(sums, STAT_xact_count));
	case STAT_query_time:
		return scale(grown, 1, growth(sums, STAT_query_count));
	case STAT_wait_time:
		return scale(grown, 1,
		    growth(sums, STAT_server_assignment_count));
	default:
		return elapsed <= 0 ? 0 : scale(grown,
		    (uint64_t)USEC_PER_SEC, (uint64_t)elapsed);
	}
}

/* --- rows ---------------------------------------------------------------- */

static void
show_totals(struct report *report, const struct sums *sums)
{
	for (unsigned i = 0; i < SHOWN; i++)
		report_numeric(report, sums->now.counters[i]);
}

static void
show_averages(struct report *report, const struct sums *sums, usec_t now)
{
	for (unsigned i = 0; i < SHOWN; i++)
		report_numeric(report, average(sums, (enum stat_counter)i,
		    now));
}

struct wanted {
	bool	totals, averages;
};

/* One row for each database that has a pool. */
static bool
fill_by_database(const struct console_env *env, struct report *report,
    const struct wanted *wanted)
{
	struct census census;

	if (!census_list(env, &census))
		return false;
	for (uint32_t i = 0; i < census.count;) {
		const char *database = census.pools[i].database;
		struct sums sums = { .before_at = 0 };

		for (; i < census.count && strcmp(database,
		    census.pools[i].database) == 0; i++)
			add_pool(&sums, env->segment, census.pools[i].row);
		report_text(report, database);
		if (wanted->totals)
			show_totals(report, &sums);
		if (wanted->averages)
			show_averages(report, &sums, env->now);
		report_end_row(report);
	}
	census_free(&census);
	return true;
}

static bool
fill_stats(const struct console_env *env, struct report *report)
{
	return fill_by_database(env, report, &(struct wanted){ true, true });
}

static bool
fill_stats_totals(const struct console_env *env, struct report *report)
{
	return fill_by_database(env, report, &(struct wanted){ true, false });
}

static bool
fill_stats_averages(const struct console_env *env, struct report *report)
{
	return fill_by_database(env, report, &(struct wanted){ false, true });
}

static bool
fill_sums(const struct console_env *env, struct report *report)
{
	uint32_t used = atomic_load(&env->segment->state->pools_used);
	struct sums sums = { .before_at = 0 };

	for (uint32_t pool = 0; pool < used; pool++)
		add_pool(&sums, env->segment, pool);
	for (unsigned i = 0; i < SHOWN; i++) {
		report_text(report, sums_names[i].total);
		report_numeric(report, sums.now.counters[i]);
		report_end_row(report);
	}
	for (unsigned i = 0; i < SHOWN; i++) {
		report_text(report, sums_names[i].average);
		report_numeric(report, average(&sums, (enum stat_counter)i,
		    env->now));
		report_end_row(report);
	}
	return true;
}

const struct show show_STATS = {
	stats_columns, ARRAY_LENGTH(stats_columns), fill_stats, NULL
};
const struct show show_STATS_TOTALS = {
	totals_columns, ARRAY_LENGTH(totals_columns), fill_stats_totals, NULL
};
const struct show show_STATS_AVERAGES = {
	averages_columns, ARRAY_LENGTH(averages_columns),
	fill_stats_averages, NULL
};
const struct show show_TOTALS = {
	sums_columns, ARRAY_LENGTH(sums_columns), fill_sums, NULL
};
