/*
 * Requests on their way to each peer, counted over all workers.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "shm/segment.h"

static const struct segment_size size = { .workers = 2, .clients = 8,
    .servers = 8, .pools = 4, .databases = 4, .users = 4, .hosts = 4 };

static struct segment *segment;

static void
begin(void)
{
	struct error error;

	segment = segment_create(&size, &error);
	ck_assert_msg(segment != NULL, "%s", error.text);
}

static void
end(void)
{
	segment_destroy(segment);
}

START_TEST(a_number_has_one_row)
{
	uint32_t first = peers_make(segment, 7);

	ck_assert_uint_ne(first, NO_ROW);
	ck_assert_uint_ne(peers_make(segment, 8), first);
	ck_assert_uint_eq(peers_make(segment, 7), first);
	ck_assert_uint_eq(peers_count(segment, 9).active, 0);
}
END_TEST

START_TEST(rows_run_out_and_nothing_else_does)
{
	for (uint32_t id = 1; id <= PEERS_MOST; id++)
		ck_assert_uint_ne(peers_make(segment, id), NO_ROW);
	ck_assert_uint_eq(peers_make(segment, PEERS_MOST + 1), NO_ROW);
	ck_assert_uint_ne(peers_make(segment, PEERS_MOST), NO_ROW);
}
END_TEST

START_TEST(the_limit_counts_over_all_workers)
{
	uint32_t peer = peers_make(segment, 7);

	ck_assert(peers_enter(segment, peer, 0, 2));
	ck_assert(peers_enter(segment, peer, 1, 2));
	ck_assert(!peers_enter(segment, peer, 1, 2));
	ck_assert_uint_eq(peers_count(segment, 7).active, 2);
	peers_leave(segment, peer, 0);
	ck_assert(peers_enter(segment, peer, 1, 2));
	/* 0 is no limit. */
	ck_assert(peers_enter(segment, peer, 1, 0));
}
END_TEST

START_TEST(who_waits_is_counted_apart)
{
	uint32_t peer = peers_make(segment, 7);

	peers_wait(segment, peer, 0);
	peers_wait(segment, peer, 1);
	peers_wait_no_more(segment, peer, 0);
	ck_assert_uint_eq(peers_count(segment, 7).waiting, 1);
	ck_assert_uint_eq(peers_count(segment, 7).active, 0);
}
END_TEST

START_TEST(the_dead_forward_nothing)
{
	uint32_t peer = peers_make(segment, 7);

	ck_assert(peers_enter(segment, peer, 0, 0));
	ck_assert(peers_enter(segment, peer, 1, 0));
	peers_wait(segment, peer, 1);
	peers_forget(segment, 1);
	ck_assert_uint_eq(peers_count(segment, 7).active, 1);
	ck_assert_uint_eq(peers_count(segment, 7).waiting, 0);
}
END_TEST

START_TEST(who_has_not_entered_cannot_leave)
{
	peers_leave(segment, peers_make(segment, 7), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("peers table");
	TCase *tests = tcase_create("peers table");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_number_has_one_row);
	tcase_add_test(tests, rows_run_out_and_nothing_else_does);
	tcase_add_test(tests, the_limit_counts_over_all_workers);
	tcase_add_test(tests, who_waits_is_counted_apart);
	tcase_add_test(tests, the_dead_forward_nothing);
	tcase_add_test_raise_signal(tests, who_has_not_entered_cannot_leave,
	    SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
