#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/stats_line.h"

static struct stats_totals before, after;
static char line[512];

static void
grow(enum stat_counter stat, uint64_t from, uint64_t by)
{
	before.counters[stat] = from;
	after.counters[stat] = from + by;
}

START_TEST(rates_are_per_second_and_times_per_event)
{
	grow(STAT_xact_count, 1000, 61);
	grow(STAT_query_count, 5, 200);
	grow(STAT_client_parse_count, 0, 20);
	grow(STAT_server_parse_count, 0, 40);
	grow(STAT_bind_count, 0, 60);
	grow(STAT_received, 1u << 30, 2000);
	grow(STAT_sent, 0, 10000000000);
	grow(STAT_xact_time, 7, 61 * 300);
	grow(STAT_query_time, 7, 200 * 50);
	grow(STAT_wait_time, 7, 90);
	grow(STAT_server_assignment_count, 100, 10);
	stats_line_format(&before, &after, 2 * USEC_PER_SEC, line,
	    sizeof(line));
	ck_assert_str_eq(line, "stats: 30 xacts/s, 100 queries/s, 10 client "
	    "parses/s, 20 server parses/s, 30 binds/s, in 1000 B/s, out "
	    "5000000000 B/s, xact 300 us, query 50 us, wait 9 us");
}
END_TEST

START_TEST(nothing_happened_in_no_time)
{
	stats_line_format(&before, &before, 0, line, sizeof(line));
	ck_assert_str_eq(line, "stats: 0 xacts/s, 0 queries/s, 0 client "
	    "parses/s, 0 server parses/s, 0 binds/s, in 0 B/s, out 0 B/s, "
	    "xact 0 us, query 0 us, wait 0 us");
}
END_TEST

START_TEST(all_pools_and_workers_count)
{
	struct segment_size size = segment_size_for(2, 10);
	struct error error;
	struct segment *segment = segment_create(&size, &error);
	struct stats_totals sum;
	uint32_t pools[2];

	ck_assert_ptr_nonnull(segment);
	pools[0] = pools_make(segment, "a", "u", false);
	pools[1] = pools_make(segment, "b", "u", false);
	stats_add(stats_of(segment, 0, pools[0]), STAT_xact_count, 1);
	stats_add(stats_of(segment, 1, pools[0]), STAT_xact_count, 10);
	stats_add(stats_of(segment, 1, pools[1]), STAT_xact_count, 100);
	stats_line_sum(segment, &sum);
	ck_assert_uint_eq(sum.counters[STAT_xact_count], 111);
	segment_destroy(segment);
}
END_TEST

START_TEST(the_status_has_its_own_unit)
{
	char status[600];

	stats_line_for_status("stats: 1 users/s, xact 2 us, wait 3 us",
	    status, sizeof(status));
	ck_assert_str_eq(status, "stats: 1 users/s, xact 2 μs, wait 3 μs");
	stats_line_for_status("wait 3 us", status, 9);
	ck_assert_uint_lt(strlen(status), 9);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stats_line");
	TCase *tests = tcase_create("stats_line");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, rates_are_per_second_and_times_per_event);
	tcase_add_test(tests, nothing_happened_in_no_time);
	tcase_add_test(tests, all_pools_and_workers_count);
	tcase_add_test(tests, the_status_has_its_own_unit);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
