#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/lists.h"
#include "pool_world.h"

static struct pool_world world;
static struct pool_row *pool;

static void
begin(void)
{
	pool_world_start(&world);
	pool = pool_world_row(&world);
}

static void
end(void)
{
	pool_world_stop(&world);
}

/* "3 1 2": both directions, heads, tails and counts agree. */
static const char *
idle_list(void)
{
	static char text[256];
	uint32_t prev = NO_ROW, count = 0;

	text[0] = '\0';
	for (uint32_t row = pool->idle_head; row != NO_ROW;
	    row = world.segment->servers[row].next, count++) {
		ck_assert_uint_eq(world.segment->servers[row].prev, prev);
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "%s%u", count == 0 ? "" : " ", row);
		prev = row;
	}
	ck_assert_uint_eq(pool->idle_tail, prev);
	ck_assert_uint_eq(pool->idle_count, count);
	return text;
}

static const char *
waiting_list(void)
{
	static char text[256];
	uint32_t prev = NO_ROW, count = 0;

	text[0] = '\0';
	for (uint32_t row = pool->wait_head; row != NO_ROW;
	    row = world.segment->clients[row].next, count++) {
		ck_assert_uint_eq(world.segment->clients[row].prev, prev);
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "%s%u", count == 0 ? "" : " ", row);
		prev = row;
	}
	ck_assert_uint_eq(pool->wait_tail, prev);
	ck_assert_uint_eq(pool->wait_count, count);
	return text;
}

START_TEST(a_new_pool_has_empty_lists)
{
	ck_assert_str_eq(idle_list(), "");
	ck_assert_str_eq(waiting_list(), "");
}
END_TEST

START_TEST(the_server_used_last_is_the_head)
{
	for (uint32_t row = 1; row <= 3; row++)
		lists_push_idle(world.segment, pool, row);
	ck_assert_str_eq(idle_list(), "3 2 1");
}
END_TEST

START_TEST(the_client_that_waits_longest_is_the_head)
{
	for (uint32_t row = 1; row <= 3; row++)
		lists_push_waiting(world.segment, pool, row);
	ck_assert_str_eq(waiting_list(), "1 2 3");
}
END_TEST

static const struct {
	const char	*story;
	uint32_t	 removed[5];
	const char	*idle, *waiting;
} removals[] = {
	{ "the head", { 4 }, "3 2 1", "1 2 3" },
	{ "the tail", { 1 }, "4 3 2", "2 3 4" },
	{ "one in the middle", { 2 }, "4 3 1", "1 3 4" },
	{ "both ends", { 1, 4 }, "3 2", "2 3" },
	{ "all but one", { 2, 4, 3 }, "1", "1" },
	{ "all", { 3, 1, 4, 2 }, "", "" },
};

START_TEST(removing_leaves_the_others_in_order)
{
	for (uint32_t row = 1; row <= 4; row++) {
		lists_push_idle(world.segment, pool, row);
		lists_push_waiting(world.segment, pool, row);
	}
	for (int i = 0; removals[_i].removed[i] != 0; i++) {
		lists_remove_idle(world.segment, pool,
		    removals[_i].removed[i]);
		lists_remove_waiting(world.segment, pool,
		    removals[_i].removed[i]);
	}
	ck_assert_msg(strcmp(idle_list(), removals[_i].idle) == 0,
	    "%s: %s", removals[_i].story, idle_list());
	ck_assert_msg(strcmp(waiting_list(), removals[_i].waiting) == 0,
	    "%s: %s", removals[_i].story, waiting_list());
	lists_push_idle(world.segment, pool, 9);
	lists_push_waiting(world.segment, pool, 9);
	ck_assert_uint_eq(pool->idle_head, 9);
	ck_assert_uint_eq(pool->wait_tail, 9);
	idle_list();
	waiting_list();
}
END_TEST

START_TEST(a_rebuild_puts_servers_in_the_order_of_their_times)
{
	static const usec_t since[] = { 5, 9, 1, 7, 7, 3 };

	for (uint32_t row = 0; row < ARRAY_LENGTH(since); row++) {
		world.segment->servers[row].idle_since = since[row];
		lists_insert_idle(world.segment, pool, row);
	}
	ck_assert_uint_eq(pool->idle_head, 1);
	ck_assert_uint_eq(pool->idle_tail, 2);
	idle_list();
	for (uint32_t row = pool->idle_head, next; row != NO_ROW; row = next) {
		next = world.segment->servers[row].next;
		ck_assert(next == NO_ROW || since[row] >= since[next]);
	}
}
END_TEST

START_TEST(a_rebuild_puts_clients_in_the_order_of_their_times)
{
	static const usec_t since[] = { 5, 9, 1, 7, 7, 3 };

	for (uint32_t row = 0; row < ARRAY_LENGTH(since); row++) {
		world.segment->clients[row].wait_since = since[row];
		lists_insert_waiting(world.segment, pool, row);
	}
	ck_assert_str_eq(waiting_list(), "2 5 0 3 4 1");
}
END_TEST

START_TEST(removing_from_an_empty_list_aborts)
{
	lists_remove_idle(world.segment, pool, 1);
}
END_TEST

START_TEST(removing_from_an_empty_queue_aborts)
{
	lists_remove_waiting(world.segment, pool, 1);
}
END_TEST

START_TEST(a_list_that_leads_out_of_the_table_aborts)
{
	lists_push_idle(world.segment, pool, 1);
	lists_push_idle(world.segment, pool, 2);
	world.segment->servers[2].next = 12345;
	lists_remove_idle(world.segment, pool, 2);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lists");
	TCase *tests = tcase_create("lists");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_new_pool_has_empty_lists);
	tcase_add_test(tests, the_server_used_last_is_the_head);
	tcase_add_test(tests, the_client_that_waits_longest_is_the_head);
	tcase_add_loop_test(tests, removing_leaves_the_others_in_order, 0,
	    ARRAY_LENGTH(removals));
	tcase_add_test(tests,
	    a_rebuild_puts_servers_in_the_order_of_their_times);
	tcase_add_test(tests,
	    a_rebuild_puts_clients_in_the_order_of_their_times);
	tcase_add_test_raise_signal(tests,
	    removing_from_an_empty_list_aborts, SIGABRT);
	tcase_add_test_raise_signal(tests,
	    removing_from_an_empty_queue_aborts, SIGABRT);
	tcase_add_test_raise_signal(tests,
	    a_list_that_leads_out_of_the_table_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
