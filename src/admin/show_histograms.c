/*
 * SHOW HISTOGRAMS: how long things took, which an average hides.
 */
#include "admin/census.h"
#include "admin/show.h"

static const struct report_column columns[] = {
	{ "database", REPORT_TEXT },
	{ "user", REPORT_TEXT },
	{ "timing", REPORT_TEXT },
	{ "at_most_us", REPORT_INT64 },	/* NULL: longer than all others */
	{ "count", REPORT_INT64 },
};

static const char *const names[TIMINGS] = {
#define TIMING(name, counter, help) #name,
#include "shm/timings.def"
#undef TIMING
};

static void
show_class(struct report *report, const struct census_pool *pool,
    unsigned timing, unsigned class, uint64_t count)
{
	report_text(report, pool->database);
	report_text(report, pool->user);
	report_text(report, names[timing]);
	if (class == STATS_CLASSES - 1)
		report_null(report);
	else
		report_int64(report, INT64_C(1) << (class +
		    STATS_SHORTEST_SHIFT));
	report_int64(report, (int64_t)count);
	report_end_row(report);
}

/* Classes with nothing in them have no row: most are empty. */
static void
show_pool(const struct console_env *env, struct report *report,
    const struct census_pool *pool)
{
	uint64_t counts[STATS_CLASSES];

	for (unsigned timing = 0; timing < TIMINGS; timing++) {
		stats_classes(env->segment, pool->row,
		    (enum stat_timing)timing, counts);
		for (unsigned i = 0; i < STATS_CLASSES; i++)
			if (counts[i] != 0)
				show_class(report, pool, timing, i,
				    counts[i]);
	}
}

static bool
fill_histograms(const struct console_env *env, struct report *report)
{
	struct census census;

	if (!census_list(env, &census))
		return false;
	for (uint32_t i = 0; i < census.count; i++)
		if (census.pools[i].row != NO_ROW)
			show_pool(env, report, &census.pools[i]);
	census_free(&census);
	return true;
}

const struct show show_HISTOGRAMS = {
	columns, ARRAY_LENGTH(columns), fill_histograms, NULL
};
