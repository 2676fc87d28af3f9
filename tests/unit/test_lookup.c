/*
 * Host names from the first client to the last connection; the test is the
 * helper that looks them up.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session_world.h"

#define DATABASES "[databases]\n" \
	"named = host=name port=PORT\n"
#define LISTED "[databases]\n" \
	"named = host=127.0.0.9,name port=PORT\n"

static struct session_world world;

static void
begin(void)
{
	memset(&world, 0, sizeof(world));
}

static void
end(void)
{
	session_stop(&world);
}

/* A client of this worker that wants the named database. */
static int
come(unsigned worker)
{
	int client = session_connect(&world, worker);

	send_startup(client, "u", "named");
	return client;
}

static int
serve(int client)
{
	int server = session_accept(&world);

	expect_startup(server);
	let_in(server);
	expect_welcome(client);
	session_settle(&world);
	return server;
}

static const char *
failure(void)
{
	return session_pool(&world)->failure;
}

static void
await_failure(const char *text)
{
	for (int i = 0; strcmp(failure(), text) != 0; i++) {
		ck_assert_msg(i < 20000, "%s", failure());
		usleep(1000);
	}
}

START_TEST(a_connection_waits_for_its_name)
{
	uint32_t host;
	int client;

	session_start(&world, DATABASES);
	client = come(0);
	host = session_question(&world, "name");
	session_accepts_nothing(&world);
	ck_assert_uint_eq(session_servers(&world, SERVER_OPENING), 1);
	session_answer(&world, 0, host, "name", "127.0.0.1");
	serve(client);
	session_asks_nothing(&world);
	ck_assert_uint_eq(world.segment->servers[0].host, host);
}
END_TEST

/* One question for all workers, and the answer serves all. */
START_TEST(a_name_is_asked_for_once)
{
	int clients[2], servers[2];
	uint32_t host;

	session_start_workers(&world, 2, DATABASES);
	clients[0] = come(0);
	host = session_question(&world, "name");
	clients[1] = come(1);
	session_asks_nothing(&world);
	session_answer(&world, 1, host, "name", "127.0.0.1");
	for (int i = 0; i < 2 && session_pool(&world)->opening_count > 0;
	    i++) {
		servers[i] = session_accept(&world);
		expect_startup(servers[i]);
		let_in(servers[i]);
		session_settle(&world);
	}
	expect_welcome(clients[0]);
	expect_welcome(clients[1]);
	session_asks_nothing(&world);
}
END_TEST

START_TEST(a_name_that_is_not_there_fails_the_attempt)
{
	uint32_t host;

	session_start(&world, DATABASES);
	come(0);
	host = session_question(&world, "name");
	session_answer(&world, 0, host, "name", NULL);
	await_failure("server DNS lookup failed");
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
	ck_assert_uint_eq(session_pool(&world)->server_count, 0);
	ck_assert_uint_eq(session_pool(&world)->opening_count, 0);
}
END_TEST

START_TEST(a_look_up_that_hangs_ends_with_the_attempt)
{
	session_start(&world, "server_connect_timeout = 1\n" DATABASES);
	come(0);
	session_question(&world, "name");
	session_pass(&world, 2 * USEC_PER_SEC);
	await_failure("server DNS lookup failed");
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
}
END_TEST

START_TEST(an_answer_that_comes_late_serves_the_next_attempt)
{
	uint32_t host;
	int client;

	session_start(&world, "server_connect_timeout = 1\n"
	    "server_login_retry = 1\n" DATABASES);
	client = come(0);
	host = session_question(&world, "name");
	session_pass(&world, 2 * USEC_PER_SEC);
	await_failure("server DNS lookup failed");
	session_answer(&world, 0, host, "name", "127.0.0.1");
	session_accepts_nothing(&world);
	session_pass(&world, 2 * USEC_PER_SEC);
	serve(client);
}
END_TEST

/* 127.0.0.9 takes nothing, the next of the list is asked for by name. */
START_TEST(a_host_that_refuses_is_followed_by_the_next)
{
	uint32_t host;
	int client;

	session_start(&world, LISTED);
	client = come(0);
	host = session_question(&world, "name");
	session_answer(&world, 0, host, "name", "127.0.0.1");
	serve(client);
	ck_assert_int_eq(session_pool(&world)->failed_at, 0);
}
END_TEST

START_TEST(what_leads_elsewhere_now_is_closed_when_released)
{
	uint32_t host;
	int client, server;

	session_start(&world, "dns_max_ttl = 10\n" DATABASES);
	client = come(0);
	host = session_question(&world, "name");
	session_answer(&world, 0, host, "name", "127.0.0.1");
	server = serve(client);
	/* The same answer changes nothing. */
	session_pass(&world, 11 * USEC_PER_SEC);
	ck_assert_uint_eq(session_question(&world, "name"), host);
	session_answer(&world, 0, host, "name", "127.0.0.1");
	session_settle(&world);
	ck_assert_uint_eq(world.segment->servers[0].close_needed, 0);
	send_talk(client, "Q");
	expect_talk(server, "Q");
	session_pass(&world, 11 * USEC_PER_SEC);
	ck_assert_uint_eq(session_question(&world, "name"), host);
	session_answer(&world, 0, host, "name", "127.0.0.2");
	session_settle(&world);
	ck_assert_uint_eq(world.segment->servers[0].close_needed,
	    CLOSE_OBSOLETE);
	send_talk(server, "Z");
	expect_talk(client, "Z");
	expect_goodbye(server);
}
END_TEST

START_TEST(an_idle_one_that_leads_elsewhere_is_closed)
{
	uint32_t host;
	int client, server;

	session_start(&world, "dns_max_ttl = 10\n" DATABASES);
	client = come(0);
	host = session_question(&world, "name");
	session_answer(&world, 0, host, "name", "127.0.0.1");
	server = serve(client);
	session_pass(&world, 11 * USEC_PER_SEC);
	session_question(&world, "name");
	session_answer(&world, 0, host, "name", "127.0.0.2");
	expect_goodbye(server);
}
END_TEST

/* No longer there: what lives goes on. */
START_TEST(a_name_that_vanishes_closes_nothing)
{
	uint32_t host;
	int client, server;

	session_start(&world, "dns_max_ttl = 10\n" DATABASES);
	client = come(0);
	host = session_question(&world, "name");
	session_answer(&world, 0, host, "name", "127.0.0.1");
	server = serve(client);
	session_pass(&world, 11 * USEC_PER_SEC);
	session_question(&world, "name");
	session_answer(&world, 0, host, "name", NULL);
	session_settle(&world);
	session_query(client, server);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lookup");
	TCase *tests = tcase_create("lookup");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_connection_waits_for_its_name);
	tcase_add_test(tests, a_name_is_asked_for_once);
	tcase_add_test(tests, a_name_that_is_not_there_fails_the_attempt);
	tcase_add_test(tests, a_look_up_that_hangs_ends_with_the_attempt);
	tcase_add_test(tests,
	    an_answer_that_comes_late_serves_the_next_attempt);
	tcase_add_test(tests, a_host_that_refuses_is_followed_by_the_next);
	tcase_add_test(tests,
	    what_leads_elsewhere_now_is_closed_when_released);
	tcase_add_test(tests, an_idle_one_that_leads_elsewhere_is_closed);
	tcase_add_test(tests, a_name_that_vanishes_closes_nothing);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
