/*
 * SHOW WORKERS: who does the work, and how much of it.
 */
#include "admin/rows.h"
#include "admin/show.h"

static const struct report_column columns[] = {
	{ "slot", REPORT_INT },
	{ "pid", REPORT_INT },
	{ "state", REPORT_TEXT },
	{ "clients", REPORT_INT },
	{ "servers", REPORT_INT },	/* in the hands of its clients now */
	{ "xacts", REPORT_INT64 },
	{ "queries", REPORT_INT64 },
	{ "cpu_ms", REPORT_INT64 },	/* of all lives of the slot */
	{ "restarts", REPORT_INT },
	{ "uptime", REPORT_INT },	/* seconds */
};

static void
count_held(struct segment *segment, uint32_t held[ROSTER_SLOTS])
{
	uint32_t used = atomic_load(&segment->state->servers_used);
	struct server_row server;

	for (uint32_t row = 0; row < used; row++) {
		if (!server_copy(segment, row, &server))
			continue;
		if ((server.phase == SERVER_ACTIVE ||
		    server.phase == SERVER_GIVEN) &&
		    server.worker < ROSTER_SLOTS)
			held[server.worker]++;
	}
}

static int32_t
uptime(const struct roster_row *row, usec_t now)
{
	usec_t started = atomic_load(&row->started_at);
	uint32_t phase = atomic_load(&row->phase);

	if ((phase != ROSTER_STARTING && phase != ROSTER_SERVING) ||
	    now < started)
		return 0;
	return (int32_t)((now - started) / USEC_PER_SEC);
}

static void
show_worker(const struct console_env *env, struct report *report,
    uint32_t slot, uint32_t held)
{
	const struct roster_row *row = &env->segment->roster[slot];
	struct stats_totals stats;

	stats_of_worker(env->segment, slot, &stats);
	report_int(report, (int32_t)slot);
	report_int(report, atomic_load(&row->pid));
	report_text(report, roster_phase_name(atomic_load(&row->phase)));
	report_int(report, (int32_t)atomic_load(&row->clients));
	report_int(report, (int32_t)held);
	report_int64(report, (int64_t)stats.counters[STAT_xact_count]);
	report_int64(report, (int64_t)stats.counters[STAT_query_count]);
	report_int64(report, (int64_t)(atomic_load(&row->cpu_before) +
	    atomic_load(&row->cpu)) / USEC_PER_MSEC);
	report_int(report, (int32_t)atomic_load(&row->restarts));
	report_int(report, uptime(row, env->now));
	report_end_row(report);
}

static bool
fill_workers(const struct console_env *env, struct report *report)
{
	uint32_t held[ROSTER_SLOTS] = { 0 };

	count_held(env->segment, held);
	for (uint32_t i = 0; i < segment_slots(env->segment); i++)
		if (atomic_load(&env->segment->roster[i].phase) !=
		    ROSTER_VACANT)
			show_worker(env, report, i, held[i]);
	return true;
}

const struct show show_WORKERS = {
	columns, ARRAY_LENGTH(columns), fill_workers, NULL
};
