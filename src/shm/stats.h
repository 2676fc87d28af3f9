/*
 * Counters: one row for each worker and pool, written by that worker alone,
 * summed when somebody asks.  A dead worker's row stays and counts on.
 *
 * What takes time is also counted by how long it took, in classes that
 * double: a time-out shows in the last ones, which an average hides.
 *
 * Averages are differences to a snapshot taken one to two periods ago, by
 * the supervisor, so that every worker gives the same answer.
 */
#ifndef SHM_STATS_H
#define SHM_STATS_H

#include <stdatomic.h>

#include "base/base.h"

enum stat_counter {
#define STAT(name, help) STAT_##name,
#include "shm/stats.def"
#undef STAT
	STATS
};

enum stat_timing {
#define TIMING(name, counter, help) TIMING_##name,
#include "shm/timings.def"
#undef TIMING
	TIMINGS
};

/*
 * Class i holds what took at most 64 << i microseconds and more than the one
 * before it; the last one holds all above 67 seconds.
 */
#define STATS_SHORTEST_SHIFT 6
#define STATS_CLASSES 22

struct stats_row {
	_Alignas(CACHE_LINE)
	_Atomic uint64_t counters[STATS];
	_Alignas(CACHE_LINE)
	_Atomic uint64_t classes[TIMINGS][STATS_CLASSES];
};

struct stats_totals {
	uint64_t counters[STATS];
};

/* Two snapshots of each pool; guarded by a sequence that is odd in between. */
struct stats_history {
	_Atomic uint32_t sequence;
	uint32_t	 newest;	/* 0 or 1 */
	usec_t		 taken_at[2];
};

struct segment;

/* The calling worker's own row. */
struct stats_row *stats_of(struct segment *segment, uint32_t worker,
    uint32_t pool);

/* Only the one writer of a row may call this. */
static inline void
stats_add(struct stats_row *row, enum stat_counter counter, uint64_t amount)
{
	uint64_t old = atomic_load_explicit(&row->counters[counter],
	    memory_order_relaxed);

	atomic_store_explicit(&row->counters[counter], old + amount,
	    memory_order_relaxed);
}

/* The class of a span of time. */
static inline unsigned
stats_class(uint64_t usec)
{
	unsigned bits;

	if (usec <= UINT64_C(1) << STATS_SHORTEST_SHIFT)
		return 0;
	bits = 64 - (unsigned)__builtin_clzll(usec - 1);
	return bits - STATS_SHORTEST_SHIFT < STATS_CLASSES ?
	    bits - STATS_SHORTEST_SHIFT : STATS_CLASSES - 1;
}

/* As stats_add: something took so long. */
static inline void
stats_time(struct stats_row *row, enum stat_timing timing,
    enum stat_counter sum, usec_t usec)
{
	uint64_t span = usec > 0 ? (uint64_t)usec : 0;
	_Atomic uint64_t *count = &row->classes[timing][stats_class(span)];

	stats_add(row, sum, span);
	atomic_store_explicit(count, atomic_load_explicit(count,
	    memory_order_relaxed) + 1, memory_order_relaxed);
}

/* Over all workers: how many there are in each class. */
void stats_classes(struct segment *segment, uint32_t pool,
    enum stat_timing timing, uint64_t counts_out[STATS_CLASSES]);

/* Over all workers, since the pool was made. */
void stats_total(struct segment *segment, uint32_t pool,
    struct stats_totals *totals_out);

/* One worker over all pools, those included that are no more. */
void stats_of_worker(struct segment *segment, uint32_t worker,
    struct stats_totals *totals_out);

/*
 * A pool's row is given back: its numbers go to those of the pools that are
 * no more, and begin at 0.  The caller holds the lock of names, and nobody is
 * in the pool.
 */
void stats_retire(struct segment *segment, uint32_t pool);

/* Of all pools that are no more, over all workers. */
void stats_of_retired(struct segment *segment,
    struct stats_totals *totals_out);

/*
 * What a pool's totals were one to two periods ago, and when that was
 * (monotonic).  Before the first snapshot: zeros at the start.
 */
usec_t stats_before(struct segment *segment, uint32_t pool,
    struct stats_totals *totals_out);

/* The supervisor, once each stats_period. */
void stats_take_snapshot(struct segment *segment, usec_t now);

#endif
