#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/segment.h"

static const struct segment_size size = { .workers = 4, .clients = 4,
    .servers = 4, .pools = 4, .databases = 4, .users = 4 };
static struct segment *segment;
static uint32_t pool, other;
static struct stats_totals totals;

static void
begin(void)
{
	struct error error;

	segment = segment_create(&size, &error);
	ck_assert_ptr_nonnull(segment);
	pool = pools_make(segment, "db", "user", false);
	other = pools_make(segment, "other", "user", false);
}

static void
end(void)
{
	segment_destroy(segment);
}

static void
add(uint32_t worker, uint32_t to, uint64_t amount)
{
	stats_add(stats_of(segment, worker, to), STAT_xact_count, amount);
}

START_TEST(each_worker_and_pool_has_a_row_of_its_own)
{
	ck_assert_ptr_ne(stats_of(segment, 0, pool), stats_of(segment, 1,
	    pool));
	ck_assert_ptr_ne(stats_of(segment, 0, pool), stats_of(segment, 0,
	    other));
	ck_assert_ptr_eq(stats_of(segment, 3, pool), stats_of(segment, 3,
	    pool));
}
END_TEST

START_TEST(a_total_is_the_sum_over_all_workers)
{
	add(0, pool, 1);
	add(1, pool, 10);
	add(3, pool, 100);
	add(3, other, 1000);
	stats_add(stats_of(segment, 3, pool), STAT_wait_time, 7);
	stats_total(segment, pool, &totals);
	ck_assert_uint_eq(totals.counters[STAT_xact_count], 111);
	ck_assert_uint_eq(totals.counters[STAT_wait_time], 7);
	ck_assert_uint_eq(totals.counters[STAT_query_count], 0);
	stats_of_worker(segment, 3, &totals);
	ck_assert_uint_eq(totals.counters[STAT_xact_count], 1100);
}
END_TEST

START_TEST(a_dead_workers_counts_stay)
{
	if (fork() == 0) {
		add(2, pool, 42);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_ne(wait(NULL), -1);
	add(2, pool, 1);
	stats_total(segment, pool, &totals);
	ck_assert_uint_eq(totals.counters[STAT_xact_count], 43);
}
END_TEST

START_TEST(before_the_first_snapshot_all_was_zero_at_the_start)
{
	add(0, pool, 5);
	ck_assert_int_eq(stats_before(segment, pool, &totals),
	    segment->state->started_at);
	ck_assert_uint_eq(totals.counters[STAT_xact_count], 0);
}
END_TEST

/* The older of two snapshots: one to two periods ago. */
START_TEST(averages_go_back_to_the_snapshot_before_the_last)
{
	add(0, pool, 5);
	stats_take_snapshot(segment, 100);
	add(0, pool, 5);
	ck_assert_int_eq(stats_before(segment, pool, &totals),
	    segment->state->started_at);
	stats_take_snapshot(segment, 200);
	add(0, pool, 5);
	ck_assert_int_eq(stats_before(segment, pool, &totals), 100);
	ck_assert_uint_eq(totals.counters[STAT_xact_count], 5);
	stats_take_snapshot(segment, 300);
	ck_assert_int_eq(stats_before(segment, pool, &totals), 200);
	ck_assert_uint_eq(totals.counters[STAT_xact_count], 10);
}
END_TEST

START_TEST(a_writer_that_died_half_way_stops_no_reader)
{
	stats_take_snapshot(segment, 100);
	stats_take_snapshot(segment, 200);
	atomic_fetch_add(&segment->history->sequence, 1);
	ck_assert_int_eq(stats_before(segment, pool, &totals), 100);
}
END_TEST

/*
 * Snapshot n holds n.  A reader may give up while a writer is at it; when
 * nobody wrote, the time and the counts belong together.
 */
START_TEST(readers_see_one_snapshot_or_the_other)
{
	struct stats_history *history = segment->history;
	pid_t writer = fork();

	if (writer == 0) {
		for (usec_t now = 1; now < 100000; now++) {
			add(0, pool, 1);
			stats_take_snapshot(segment, now);
		}
		_exit(0);
	}
	while (waitpid(writer, NULL, WNOHANG) == 0) {
		uint32_t sequence = atomic_load(&history->sequence);
		usec_t taken_at = stats_before(segment, pool, &totals);

		if (sequence % 2 != 0 ||
		    sequence != atomic_load(&history->sequence))
			continue;
		if (taken_at == segment->state->started_at)
			taken_at = 0;
		ck_assert_int_eq((usec_t)totals.counters[STAT_xact_count],
		    taken_at);
	}
}
END_TEST

START_TEST(a_row_beyond_the_table_aborts)
{
	stats_of(segment, 0, size.pools);
}
END_TEST

static const struct {
	const char	*story;
	uint64_t	 usec;
	unsigned	 class;
} spans[] = {
	{ "nothing", 0, 0 },
	{ "the bound itself belongs to its class", 64, 0 },
	{ "one more does not", 65, 1 },
	{ "the next bound", 128, 1 },
	{ "a millisecond", 1000, 4 },
	{ "a second", 1000000, 14 },
	{ "the last bound", UINT64_C(64) << 20, 20 },
	{ "what is above it", (UINT64_C(64) << 20) + 1, 21 },
	{ "for ever", UINT64_MAX, 21 },
};

START_TEST(what_takes_time_belongs_to_a_class)
{
	ck_assert_msg(stats_class(spans[_i].usec) == spans[_i].class,
	    "%s: %u", spans[_i].story, stats_class(spans[_i].usec));
}
END_TEST

START_TEST(classes_are_summed_over_workers_and_forgotten_with_the_pool)
{
	uint64_t counts[STATS_CLASSES];

	stats_time(stats_of(segment, 0, pool), TIMING_query, STAT_query_time,
	    1000);
	stats_time(stats_of(segment, 2, pool), TIMING_query, STAT_query_time,
	    1024);
	stats_time(stats_of(segment, 2, pool), TIMING_wait, STAT_wait_time,
	    -5);
	stats_classes(segment, pool, TIMING_query, counts);
	ck_assert_uint_eq(counts[4], 2);
	stats_classes(segment, pool, TIMING_wait, counts);
	ck_assert_uint_eq(counts[0], 1);
	stats_classes(segment, pool, TIMING_transaction, counts);
	ck_assert_uint_eq(counts[0], 0);
	stats_total(segment, pool, &totals);
	ck_assert_uint_eq(totals.counters[STAT_query_time], 2024);
	ck_assert_uint_eq(totals.counters[STAT_wait_time], 0);
	stats_retire(segment, pool);
	stats_classes(segment, pool, TIMING_query, counts);
	ck_assert_uint_eq(counts[4], 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stats");
	TCase *tests = tcase_create("stats");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, each_worker_and_pool_has_a_row_of_its_own);
	tcase_add_test(tests, a_total_is_the_sum_over_all_workers);
	tcase_add_test(tests, a_dead_workers_counts_stay);
	tcase_add_test(tests,
	    before_the_first_snapshot_all_was_zero_at_the_start);
	tcase_add_test(tests, averages_go_back_to_the_snapshot_before_the_last);
	tcase_add_test(tests, a_writer_that_died_half_way_stops_no_reader);
	tcase_add_test(tests, readers_see_one_snapshot_or_the_other);
	tcase_add_loop_test(tests, what_takes_time_belongs_to_a_class, 0,
	    (int)ARRAY_LENGTH(spans));
	tcase_add_test(tests,
	    classes_are_summed_over_workers_and_forgotten_with_the_pool);
	tcase_add_test_raise_signal(tests,
	    a_row_beyond_the_table_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
