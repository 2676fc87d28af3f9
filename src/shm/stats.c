#include "shm/stats.h"

#include <string.h>

#include "base/invariant.h"
#include "shm/segment.h"

struct stats_row *
stats_of(struct segment *segment, uint32_t worker, uint32_t pool)
{
	INVARIANT(worker < ROSTER_SLOTS && pool < segment->size.pools);
	return &segment->stats[(size_t)worker * segment->size.pools + pool];
}

static void
add_row(struct stats_totals *totals, struct stats_row *row)
{
	for (unsigned i = 0; i < STATS; i++)
		totals->counters[i] += atomic_load_explicit(&row->counters[i],
		    memory_order_relaxed);
}

void
stats_total(struct segment *segment, uint32_t pool,
    struct stats_totals *totals_out)
{
	memset(totals_out, 0, sizeof(*totals_out));
	for (unsigned i = 0; i < segment_slots(segment); i++)
		add_row(totals_out, stats_of(segment, i, pool));
}

void
stats_of_worker(struct segment *segment, uint32_t worker,
    struct stats_totals *totals_out)
{
	uint32_t used = atomic_load(&segment->state->pools_used);

	memset(totals_out, 0, sizeof(*totals_out));
	for (uint32_t pool = 0; pool < used; pool++)
		add_row(totals_out, stats_of(segment, worker, pool));
	add_row(totals_out, &segment->retired_stats[worker]);
}

void
stats_of_retired(struct segment *segment, struct stats_totals *totals_out)
{
	memset(totals_out, 0, sizeof(*totals_out));
	for (unsigned i = 0; i < ROSTER_SLOTS; i++)
		add_row(totals_out, &segment->retired_stats[i]);
}

static void
forget_classes(struct stats_row *row)
{
	for (unsigned timing = 0; timing < TIMINGS; timing++)
		for (unsigned i = 0; i < STATS_CLASSES; i++)
			atomic_store(&row->classes[timing][i], 0);
}

void
stats_classes(struct segment *segment, uint32_t pool,
    enum stat_timing timing, uint64_t counts_out[STATS_CLASSES])
{
	memset(counts_out, 0, STATS_CLASSES * sizeof(*counts_out));
	for (unsigned worker = 0; worker < segment_slots(segment); worker++) {
		struct stats_row *row = stats_of(segment, worker, pool);

		for (unsigned i = 0; i < STATS_CLASSES; i++)
			counts_out[i] += atomic_load_explicit(
			    &row->classes[timing][i], memory_order_relaxed);
	}
}

void
stats_retire(struct segment *segment, uint32_t pool)
{
	for (unsigned worker = 0; worker < ROSTER_SLOTS; worker++) {
		struct stats_row *row = stats_of(segment, worker, pool);
		struct stats_row *retired = &segment->retired_stats[worker];

		for (unsigned i = 0; i < STATS; i++)
			stats_add(retired, (enum stat_counter)i,
			    atomic_exchange(&row->counters[i], 0));
		/* Nobody asks how long what is no more has taken. */
		if (worker < segment_slots(segment))
			forget_classes(row);
	}
}

static struct stats_totals *
snapshot(struct segment *segment, uint32_t which, uint32_t pool)
{
	return &segment->snapshots[(size_t)which * segment->size.pools + pool];
}

/*
 * Averages go back to the older of the two snapshots: one to two periods.
 * The supervisor may have died while writing: then a reader gives up after
 * some tries and takes what there is, numbers of one moment or the other.
 */
usec_t
stats_before(struct segment *segment, uint32_t pool,
    struct stats_totals *totals_out)
{
	struct stats_history *history = segment->history;
	usec_t taken_at = 0;

	for (int i = 0; i < 1000; i++) {
		uint32_t before = atomic_load_explicit(&history->sequence,
		    memory_order_acquire);
		uint32_t older = 1 - history->newest % 2;

		taken_at = history->taken_at[older];
		*totals_out = *snapshot(segment, older, pool);
		atomic_thread_fence(memory_order_acquire);
		if (before % 2 == 0 && before == atomic_load(
		    &history->sequence))
			break;
	}
	return taken_at;
}

void
stats_take_snapshot(struct segment *segment, usec_t now)
{
	struct stats_history *history = segment->history;
	uint32_t used = atomic_load(&segment->state->pools_used);
	uint32_t which = 1 - history->newest % 2;

	atomic_fetch_add(&history->sequence, 1);
	for (uint32_t pool = 0; pool < used; pool++)
		stats_total(segment, pool, snapshot(segment, which, pool));
	history->taken_at[which] = now;
	history->newest = which;
	atomic_fetch_add(&history->sequence, 1);
}
