/*
 * Rows of pools and databases that are given back, and what must keep them.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/retire.h"
#include "pool_world.h"

#define LONG (10 * USEC_PER_SEC)

static struct pool_world world;

static void
begin(void)
{
	pool_world_start(&world);
}

static void
end(void)
{
	pool_world_stop(&world);
}

static struct pool_caller
at(usec_t after)
{
	return pool_world_caller(&world, 0, WORLD_NOW + after);
}

static bool
retires(usec_t when)
{
	struct pool_caller caller = at(when);
	usec_t age;

	return retire_pool(&caller, world.pool, LONG, &age);
}

static uint32_t
enter(const char *database, const char *user)
{
	struct pools_entry entry = { database, user, false, user, 0, 0 };
	struct pools_place place;

	ck_assert_int_eq(pools_enter(world.segment, 1, &entry, &place),
	    POOLS_ENTERED);
	return place.pool;
}

static void
leave(uint32_t pool)
{
	pools_leave(world.segment, 1, pool,
	    world.segment->pools[pool].user);
}

START_TEST(a_pool_goes_when_it_was_empty_for_long_enough)
{
	struct pool_caller caller = at(LONG + 7);
	usec_t age = 0;

	ck_assert(!retires(0));
	ck_assert(!retires(LONG - 1));
	ck_assert(retire_pool(&caller, world.pool, LONG, &age));
	ck_assert_int_eq(age, LONG + 7);
	ck_assert_uint_eq(pools_find(world.segment, "db", "user"), NO_ROW);
	/* It goes once. */
	ck_assert(!retires(3 * LONG));
}
END_TEST

START_TEST(a_client_keeps_its_pool)
{
	uint32_t pool = enter("db", "user");

	ck_assert_uint_eq(pool, world.pool);
	ck_assert(!retires(0));
	ck_assert(!retires(2 * LONG));
	leave(pool);
	/* The time begins when it is seen to be empty. */
	ck_assert(!retires(2 * LONG));
	ck_assert(retires(3 * LONG));
}
END_TEST

START_TEST(a_client_that_came_and_went_begins_the_time_anew)
{
	ck_assert(!retires(0));
	leave(enter("db", "user"));
	ck_assert(!retires(LONG));
	ck_assert(!retires(2 * LONG - 1));
	ck_assert(retires(2 * LONG));
}
END_TEST

START_TEST(a_server_keeps_its_pool_even_while_it_closes)
{
	uint32_t server = pool_world_add_server(&world, 0);
	struct pool_caller caller = at(0);

	ck_assert(!retires(0));
	ck_assert(!retires(2 * LONG));
	ck_assert(pool_begin_close(&caller, server));
	ck_assert(!retires(4 * LONG));
	pool_end_close(&caller, server);
	ck_assert(!retires(5 * LONG));
	ck_assert(retires(6 * LONG));
}
END_TEST

START_TEST(the_row_serves_another_pool_then)
{
	uint32_t generation = world.segment->pools[world.pool].generation;
	struct pool_caller caller = at(2 * LONG);
	struct stats_totals totals;
	uint32_t other;

	stats_add(stats_of(world.segment, 1, world.pool), STAT_xact_count,
	    5);
	world.segment->pools[world.pool].failed_at = 1;
	ck_assert(!retires(0));
	ck_assert(retires(LONG));
	other = pools_make(world.segment, "another", "one", true);
	ck_assert_uint_eq(other, world.pool);
	ck_assert_uint_ne(world.segment->pools[other].generation, generation);
	ck_assert_int_eq(world.segment->pools[other].failed_at, 0);
	stats_total(world.segment, other, &totals);
	ck_assert_uint_eq(totals.counters[STAT_xact_count], 0);
	stats_of_retired(world.segment, &totals);
	ck_assert_uint_eq(totals.counters[STAT_xact_count], 5);
	stats_of_worker(world.segment, 1, &totals);
	ck_assert_uint_eq(totals.counters[STAT_xact_count], 5);
	/* What was known of the former pool opens nothing for this one. */
	ck_assert_uint_eq(pool_open(&caller, other, &world.policy, true),
	    NO_ROW);
	world.policy.generation = world.segment->pools[other].generation;
	ck_assert_uint_ne(pool_open(&caller, other, &world.policy, true),
	    NO_ROW);
}
END_TEST

START_TEST(nothing_is_opened_for_a_pool_that_is_gone)
{
	struct pool_caller caller = at(2 * LONG);

	ck_assert(!retires(0));
	ck_assert(retires(LONG));
	ck_assert_uint_eq(pool_open(&caller, world.pool, &world.policy, true),
	    NO_ROW);
	world.policy.min_size = 1;
	ck_assert_uint_eq(pool_open_minimum(&caller, world.pool,
	    &world.policy), NO_ROW);
}
END_TEST

static bool
database_goes(usec_t when)
{
	struct pool_caller caller = at(when);

	return retire_database(&caller, databases_find(world.segment, "db"),
	    LONG);
}

START_TEST(a_database_goes_with_its_pools)
{
	pools_make(world.segment, "db", "nobody", false);
	ck_assert(!database_goes(0));
	ck_assert(!database_goes(LONG - 1));
	ck_assert(database_goes(LONG));
	ck_assert_uint_eq(databases_find(world.segment, "db"), NO_ROW);
	ck_assert_uint_eq(pools_find(world.segment, "db", "user"), NO_ROW);
	ck_assert_uint_ne(pools_find(world.segment, "nobody", "nobody"),
	    NO_ROW);
}
END_TEST

static const struct {
	const char	*story;
	size_t		 flag;
} keepers[] = {
	{ "paused", offsetof(struct database_row, paused) },
	{ "disabled", offsetof(struct database_row, disabled) },
};

START_TEST(a_database_with_a_state_stays)
{
	uint32_t row = databases_find(world.segment, "db");
	_Atomic uint32_t *flag = (void *)((char *)
	    &world.segment->databases[row] + keepers[_i].flag);

	atomic_store(flag, 1);
	ck_assert(!database_goes(0));
	ck_assert_msg(!database_goes(LONG), "%s", keepers[_i].story);
	atomic_store(flag, 0);
	ck_assert(database_goes(2 * LONG));
}
END_TEST

START_TEST(a_database_with_one_client_stays_whole)
{
	uint32_t pool = enter("db", "user");

	ck_assert(!database_goes(0));
	ck_assert(!database_goes(LONG));
	leave(pool);
	ck_assert(!database_goes(2 * LONG));
	ck_assert(database_goes(3 * LONG));
}
END_TEST

/* Far more names than there are rows, in an index that is full of holes. */
START_TEST(rows_and_index_never_run_out)
{
	struct pool_caller caller = at(0);
	char name[16];
	uint32_t row;

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		row = enter(name, "user");
		ck_assert_uint_eq(pools_find(world.segment, name, "user"),
		    row);
		/* What stays is found past what has gone. */
		ck_assert_uint_eq(pools_find(world.segment, "db", "user"),
		    world.pool);
		leave(row);
		ck_assert(retire_database(&caller, databases_find(
		    world.segment, name), 0));
		ck_assert_uint_eq(pools_find(world.segment, name, "user"),
		    NO_ROW);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("retire");
	TCase *tests = tcase_create("retire");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_pool_goes_when_it_was_empty_for_long_enough);
	tcase_add_test(tests, a_client_keeps_its_pool);
	tcase_add_test(tests,
	    a_client_that_came_and_went_begins_the_time_anew);
	tcase_add_test(tests, a_server_keeps_its_pool_even_while_it_closes);
	tcase_add_test(tests, the_row_serves_another_pool_then);
	tcase_add_test(tests, nothing_is_opened_for_a_pool_that_is_gone);
	tcase_add_test(tests, a_database_goes_with_its_pools);
	tcase_add_loop_test(tests, a_database_with_a_state_stays, 0,
	    ARRAY_LENGTH(keepers));
	tcase_add_test(tests, a_database_with_one_client_stays_whole);
	tcase_add_test(tests, rows_and_index_never_run_out);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
