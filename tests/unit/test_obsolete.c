#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "pool/obsolete.h"
#include "pool_world.h"

#define WORKER 1

static struct pool_world world;
static struct pool_caller caller;

static void
begin(void)
{
	pool_world_start(&world);
	caller = pool_world_caller(&world, WORKER, WORLD_NOW);
}

static void
end(void)
{
	pool_world_stop(&world);
}

static struct address
numbered(unsigned number)
{
	return (struct address){ .family = ADDRESS_IPV4,
	    .bytes = { 10, 0, 0, (uint8_t)number }, .port = 5432 };
}

static uint32_t
add_server(uint32_t host, unsigned number)
{
	uint32_t row = pool_world_add_server(&world, WORKER);
	struct server_row *server = pool_world_server(&world, row);

	server->remote = numbered(number);
	atomic_store(&server->host, host);
	return row;
}

static const struct {
	const char	*story;
	uint32_t	 host;
	unsigned	 number;
	bool		 marked;
} cases[] = {
	{ "an address that the name still has", 2, 1, false },
	{ "the other one", 2, 2, false },
	{ "one that it has no more", 2, 3, true },
	{ "another name", 3, 3, false },
	{ "not opened by a name", NO_ROW, 3, false },
};

START_TEST(what_leads_elsewhere_is_marked)
{
	struct address_list list = { .count = 2,
	    .address = { numbered(1), numbered(2) } };
	uint32_t row = add_server(cases[_i].host, cases[_i].number);
	struct server_row *server = pool_world_server(&world, row);

	atomic_store(&pool_world_row(&world)->welcome_known, 1);
	pool_mark_obsolete(&caller, 2, &list);
	ck_assert_msg(server->close_needed == (cases[_i].marked ?
	    CLOSE_OBSOLETE : CLOSE_NOT_NEEDED), "%s", cases[_i].story);
	/* The next one says anew what clients are told. */
	ck_assert_msg(pool_world_row(&world)->welcome_known ==
	    !cases[_i].marked, "%s", cases[_i].story);
	pool_world_check(&world, cases[_i].story);
}
END_TEST

START_TEST(a_marked_server_goes_when_it_is_released)
{
	struct address_list list = { .count = 1,
	    .address = { numbered(1) } };
	uint32_t client = pool_world_add_client(&world, WORKER), waiter;
	uint32_t row = add_server(2, 9);
	const char *reason = "";

	ck_assert_uint_eq(pool_world_take(&world, client, WORLD_NOW), row);
	pool_mark_obsolete(&caller, 2, &list);
	pool_world_client(&world, client)->server = NO_ROW;
	atomic_store(&pool_world_client(&world, client)->phase, CLIENT_IDLE);
	ck_assert_int_eq(pool_give_back(&caller, row, &world.policy, &waiter,
	    &reason), POOL_CLOSE);
	ck_assert_str_eq(reason, "obsolete connection");
}
END_TEST

START_TEST(a_marked_server_goes_when_it_is_idle)
{
	struct address_list list = { .count = 1,
	    .address = { numbered(1) } };
	uint32_t row = add_server(2, 9);
	const char *reason = "";

	pool_mark_obsolete(&caller, 2, &list);
	ck_assert_uint_eq(pool_pick_stale(&caller, world.pool,
	    &world.policy, &reason), row);
	ck_assert_str_eq(reason, "obsolete connection");
}
END_TEST

/* The name had changed before the row said where it is connected to. */
START_TEST(who_has_just_logged_in_looks_for_itself)
{
	struct address_list list = { .count = 1,
	    .address = { numbered(1) } };
	const struct host_answer answer = { "db", 0, false, &list };
	const struct host_ttls ttls = { USEC_PER_SEC, USEC_PER_SEC };
	uint32_t host = hosts_find(world.segment, "db", WORLD_NOW);
	uint32_t good = add_server(host, 1), bad = add_server(host, 2);
	uint64_t waiting;

	ck_assert(hosts_store(world.segment, host, &answer, &ttls, WORLD_NOW,
	    &waiting));
	pool_check_obsolete(&caller, good);
	pool_check_obsolete(&caller, bad);
	ck_assert_uint_eq(pool_world_server(&world, good)->close_needed,
	    CLOSE_NOT_NEEDED);
	ck_assert_uint_eq(pool_world_server(&world, bad)->close_needed,
	    CLOSE_OBSOLETE);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("obsolete");
	TCase *tests = tcase_create("obsolete");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, what_leads_elsewhere_is_marked, 0,
	    ARRAY_LENGTH(cases));
	tcase_add_test(tests, a_marked_server_goes_when_it_is_released);
	tcase_add_test(tests, a_marked_server_goes_when_it_is_idle);
	tcase_add_test(tests, who_has_just_logged_in_looks_for_itself);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
