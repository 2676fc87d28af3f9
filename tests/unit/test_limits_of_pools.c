/*
 * Limits over several pools: sums, who starves, whose connection goes.
 */
#include <check.h>
#include <stdlib.h>

#include "pool/limits.h"
#include "pool/repair.h"
#include "pool_world.h"

static struct pool_world world;
static uint32_t sibling;	/* same database, another user */
static uint32_t stranger;	/* neither */

static void
begin(void)
{
	pool_world_start(&world);
	world.policy.size = 10;
	world.policy.database_limit = 2;
	sibling = pools_make(world.segment, "db", "user2", false);
	stranger = pools_make(world.segment, "db2", "user2", false);
}

static void
end(void)
{
	pool_world_stop(&world);
}

static struct pool_caller
at(uint32_t slot, usec_t after)
{
	return pool_world_caller(&world, slot, WORLD_NOW + after);
}

/* Opens for this pool and lets it rest; NO_ROW: it may not. */
static uint32_t
open_for(uint32_t pool, usec_t after)
{
	struct pool_caller caller = at(0, after);
	uint32_t row = pool_open(&caller, pool, &world.policy, true), client;
	const char *reason;

	if (row == NO_ROW)
		return NO_ROW;
	atomic_store(&world.segment->servers[row].has_fd, 15);
	ck_assert_int_eq(pool_give_back(&caller, row, &world.policy, &client,
	    &reason), POOL_RELEASED);
	return row;
}

static uint32_t
client_of(uint32_t pool, uint32_t slot)
{
	uint32_t client = pool_world_add_client(&world, slot);

	atomic_store(&world.segment->clients[client].pool, pool);
	return client;
}

/* A client of this pool begins to wait, and a server is asked for. */
static uint32_t
wait_in(uint32_t pool, usec_t after)
{
	struct pool_caller caller = at(1, after);
	uint32_t client = client_of(pool, 1), server;

	ck_assert_int_eq(pool_take(&caller, pool, client, &world.policy,
	    &server), POOL_QUEUED);
	ck_assert_uint_eq(pool_open(&caller, pool, &world.policy, false),
	    NO_ROW);
	return client;
}

static void
take_all_of(uint32_t pool)
{
	struct pool_caller caller = at(0, 0);
	uint32_t server;

	while (segment_pool(world.segment, pool)->idle_count > 0)
		ck_assert_int_eq(pool_take(&caller, pool, client_of(pool, 0),
		    &world.policy, &server), POOL_TAKEN);
}

START_TEST(the_sum_of_all_pools_of_a_database_counts)
{
	ck_assert_uint_ne(open_for(world.pool, 0), NO_ROW);
	ck_assert_uint_ne(open_for(sibling, 0), NO_ROW);
	ck_assert_uint_eq(open_for(world.pool, 0), NO_ROW);
	ck_assert_uint_eq(open_for(sibling, 0), NO_ROW);
	ck_assert_uint_ne(open_for(stranger, 0), NO_ROW);
	pool_world_check(&world, "refused");
	ck_assert_uint_eq(segment_pool(world.segment,
	    world.pool)->opening_count, 0);
}
END_TEST

START_TEST(the_sum_of_all_pools_of_a_user_counts)
{
	world.policy.database_limit = 0;
	world.policy.user_limit = 2;
	ck_assert_uint_ne(open_for(sibling, 0), NO_ROW);
	ck_assert_uint_ne(open_for(stranger, 0), NO_ROW);
	ck_assert_uint_eq(open_for(sibling, 0), NO_ROW);
	ck_assert_uint_ne(open_for(world.pool, 0), NO_ROW);
}
END_TEST

START_TEST(what_is_being_closed_still_counts)
{
	uint32_t row = open_for(world.pool, 0);
	struct pool_caller caller = at(0, 0);

	ck_assert_uint_ne(open_for(world.pool, 0), NO_ROW);
	ck_assert(pool_begin_close(&caller, row));
	ck_assert_uint_eq(open_for(sibling, 0), NO_ROW);
	pool_end_close(&caller, row);
	ck_assert_uint_ne(open_for(sibling, 0), NO_ROW);
}
END_TEST

START_TEST(the_connection_idle_longest_makes_room)
{
	struct pool_caller caller = at(1, 10);
	uint32_t old = open_for(sibling, 0), young = open_for(sibling, 5);

	ck_assert_uint_ne(young, NO_ROW);
	/* Nobody starves: nothing is evicted. */
	ck_assert_uint_eq(limits_evict(&caller, world.pool, &world.policy),
	    NO_ROW);
	wait_in(world.pool, 10);
	ck_assert_uint_eq(limits_evict(&caller, world.pool, &world.policy),
	    old);
	ck_assert_uint_eq(world.segment->servers[old].phase, SERVER_CLOSING);
	ck_assert_uint_eq(world.segment->servers[old].worker, 1);
	/* One is on its way out, and one is needed. */
	ck_assert_uint_eq(limits_evict(&caller, world.pool, &world.policy),
	    NO_ROW);
	pool_end_close(&caller, old);
	ck_assert_uint_eq(limits_next(&caller, sibling), world.pool);
	ck_assert_uint_ne(pool_open(&caller, world.pool, &world.policy,
	    false), NO_ROW);
	ck_assert_uint_eq(limits_next(&caller, sibling), NO_ROW);
}
END_TEST

START_TEST(what_this_worker_has_no_descriptor_of_is_not_evicted)
{
	struct pool_caller caller = at(1, 10);

	for (int i = 0; i < 2; i++)
		atomic_store(&world.segment->servers[open_for(sibling,
		    0)].has_fd, 1);
	wait_in(world.pool, 10);
	ck_assert_uint_eq(limits_evict(&caller, world.pool, &world.policy),
	    NO_ROW);
}
END_TEST

START_TEST(a_place_goes_to_who_has_starved_longest)
{
	struct pool_caller caller = at(0, 30);
	uint32_t held = open_for(world.pool, 0);

	ck_assert_uint_ne(open_for(world.pool, 0), NO_ROW);
	take_all_of(world.pool);
	wait_in(sibling, 10);
	wait_in(world.pool, 20);
	ck_assert_uint_eq(limits_next(&caller, world.pool), sibling);
	ck_assert(pool_begin_close(&caller, held));
	pool_end_close(&caller, held);
	/* There is a place, but not for this one. */
	ck_assert_uint_eq(pool_open(&caller, world.pool, &world.policy,
	    false), NO_ROW);
	ck_assert_uint_ne(pool_open(&caller, sibling, &world.policy, false),
	    NO_ROW);
}
END_TEST

START_TEST(who_does_not_wait_any_more_does_not_starve)
{
	struct pool_caller caller = at(0, 30);
	uint32_t waits, given;

	open_for(world.pool, 0);
	open_for(world.pool, 0);
	take_all_of(world.pool);
	waits = wait_in(sibling, 10);
	ck_assert_uint_eq(limits_next(&caller, world.pool), sibling);
	pool_leave(&(struct pool_caller){ world.segment, 1, WORLD_NOW },
	    waits, &given);
	ck_assert_uint_eq(limits_next(&caller, world.pool), NO_ROW);
}
END_TEST

START_TEST(old_news_of_hunger_are_none)
{
	struct pool_caller later = at(0, 3 * USEC_PER_SEC);

	open_for(world.pool, 0);
	open_for(world.pool, 0);
	take_all_of(world.pool);
	wait_in(sibling, 10);
	ck_assert_uint_eq(limits_next(&later, world.pool), NO_ROW);
}
END_TEST

static const struct {
	const char	*story;
	usec_t		 starves_from, waits_from, released_at;
	bool		 yields;
} yields[] = {
	{ "nobody of its own waits, and long enough", 0, 0, 200000, true },
	{ "nobody of its own waits, but not long enough", 0, 0, 50000,
	    false },
	{ "its own wait less", 0, 150000, 200000, true },
	{ "its own have waited longer", 150000, 10, 400000, false },
};

START_TEST(who_starves_longer_than_others_wait_gets_a_place)
{
	struct pool_caller caller = at(0, yields[_i].released_at);
	struct pool_caller sooner = at(1, yields[_i].released_at - 1);
	uint32_t row = open_for(world.pool, 0);
	struct client_row *client;
	const char *reason = "";
	uint32_t next;

	ck_assert_uint_ne(open_for(world.pool, 0), NO_ROW);
	take_all_of(world.pool);
	if (yields[_i].waits_from != 0)
		wait_in(world.pool, yields[_i].waits_from);
	wait_in(sibling, yields[_i].starves_from);
	ck_assert_uint_eq(pool_open(&sooner, sibling, &world.policy, false),
	    NO_ROW);
	client = &world.segment->clients[world.segment->servers[row].client];
	client->server = NO_ROW;
	atomic_store(&client->phase, CLIENT_IDLE);
	ck_assert_msg((pool_give_back(&caller, row, &world.policy, &next,
	    &reason) == POOL_CLOSE) == yields[_i].yields, "%s",
	    yields[_i].story);
	if (yields[_i].yields)
		ck_assert_str_eq(reason, "evicted");
}
END_TEST

START_TEST(a_minimum_is_opened_one_by_one_and_starves_nobody)
{
	struct pool_caller caller = at(0, 0);
	const char *reason;
	uint32_t row, client;

	world.policy.min_size = 2;
	row = pool_open_minimum(&caller, world.pool, &world.policy);
	ck_assert_uint_ne(row, NO_ROW);
	ck_assert_uint_eq(pool_open_minimum(&caller, world.pool,
	    &world.policy), NO_ROW);
	ck_assert_int_eq(pool_give_back(&caller, row, &world.policy, &client,
	    &reason), POOL_RELEASED);
	ck_assert_uint_ne(open_for(sibling, 0), NO_ROW);
	/* The limit holds, and nobody is told that this pool starves. */
	ck_assert_uint_eq(pool_open_minimum(&caller, world.pool,
	    &world.policy), NO_ROW);
	ck_assert_uint_eq(limits_next(&caller, sibling), NO_ROW);
	world.policy.database_limit = 0;
	ck_assert_uint_ne(pool_open_minimum(&caller, world.pool,
	    &world.policy), NO_ROW);
	ck_assert_uint_eq(pool_open_minimum(&caller, world.pool,
	    &world.policy), NO_ROW);
}
END_TEST

START_TEST(the_reserve_opens_for_who_has_waited)
{
	struct pool_caller caller = at(1, 0);
	uint32_t row;

	world.policy.database_limit = 0;
	world.policy.size = 1;
	world.policy.reserve = 1;
	world.policy.reserve_after = 1000;
	open_for(world.pool, 0);
	take_all_of(world.pool);
	wait_in(world.pool, 0);
	caller.now += 999;
	ck_assert_uint_eq(pool_open(&caller, world.pool, &world.policy,
	    false), NO_ROW);
	caller.now += 1;
	row = pool_open(&caller, world.pool, &world.policy, false);
	ck_assert_uint_ne(row, NO_ROW);
	ck_assert_uint_eq(world.segment->servers[row].from_reserve, 1);
	wait_in(world.pool, 0);
	ck_assert_uint_eq(pool_open(&caller, world.pool, &world.policy,
	    false), NO_ROW);
}
END_TEST

START_TEST(a_repair_puts_the_sums_right)
{
	struct pool_tally *tally = &world.segment->tallies[world.pool];

	open_for(world.pool, 0);
	atomic_store(&tally->servers, 7);
	atomic_store(&tally->closing, 7);
	repair_pool_locked(world.segment, world.pool);
	ck_assert_uint_eq(tally->servers, 1);
	ck_assert_uint_eq(tally->closing, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("limits of pools");
	TCase *tests = tcase_create("limits of pools");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, the_sum_of_all_pools_of_a_database_counts);
	tcase_add_test(tests, the_sum_of_all_pools_of_a_user_counts);
	tcase_add_test(tests, what_is_being_closed_still_counts);
	tcase_add_test(tests, the_connection_idle_longest_makes_room);
	tcase_add_test(tests,
	    what_this_worker_has_no_descriptor_of_is_not_evicted);
	tcase_add_test(tests, a_place_goes_to_who_has_starved_longest);
	tcase_add_test(tests, who_does_not_wait_any_more_does_not_starve);
	tcase_add_test(tests, old_news_of_hunger_are_none);
	tcase_add_loop_test(tests,
	    who_starves_longer_than_others_wait_gets_a_place, 0,
	    ARRAY_LENGTH(yields));
	tcase_add_test(tests,
	    a_minimum_is_opened_one_by_one_and_starves_nobody);
	tcase_add_test(tests, the_reserve_opens_for_who_has_waited);
	tcase_add_test(tests, a_repair_puts_the_sums_right);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
