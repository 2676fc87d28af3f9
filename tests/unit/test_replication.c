/*
 * Replication connections: a client and a server of its own, whose part the
 * test plays.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/replication.h"
#include "session_world.h"
#include "wire/startup.h"

static struct session_world world;

static const struct {
	const char		*value;
	enum replication_kind	 kind;
} kinds[] = {
	{ "database", REPLICATION_LOGICAL },
	{ "Database", REPLICATION_LOGICAL },
	{ "true", REPLICATION_PHYSICAL }, { "on", REPLICATION_PHYSICAL },
	{ "YES", REPLICATION_PHYSICAL }, { "1", REPLICATION_PHYSICAL },
	{ "false", REPLICATION_NONE }, { "off", REPLICATION_NONE },
	{ "no", REPLICATION_NONE }, { "0", REPLICATION_NONE },
	{ "", REPLICATION_NONE }, { "databases", REPLICATION_NONE },
	{ "2", REPLICATION_NONE },
};

START_TEST(what_a_value_asks_for)
{
	ck_assert_int_eq(replication_kind_of(kinds[_i].value),
	    kinds[_i].kind);
}
END_TEST

static void
begin(void)
{
	session_start(&world, "default_pool_size = 1\n"
	    "client_login_timeout = 1");
}

static void
end(void)
{
	session_stop(&world);
}

static int
come(void)
{
	static const char *const parameters[] = { "user", "u", "database",
	    "db", "options", "-c geqo=off -c work_mem=1MB",
	    "application_name", "walreceiver", "replication", "database",
	    NULL };
	int client = session_connect(&world, 0);

	send_startup_with(client, parameters);
	return client;
}

START_TEST(its_server_is_asked_for_what_the_client_asks_for)
{
	static const char *const wanted[][2] = { { "user", "u" },
	    { "database", "realdb" }, { "replication", "database" },
	    { "options", "-c geqo=off -c work_mem=1MB" },
	    { "application_name", "walreceiver" } };
	int client = come(), server = session_accept(&world);
	struct startup_parameter given;
	struct startup startup;
	uint8_t bytes[1024];
	ssize_t length = recv(server, bytes, sizeof(bytes), 0);

	ck_assert_int_eq(startup_read(bytes, (size_t)length, 10000,
	    &startup), STARTUP_V3);
	for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
		ck_assert(startup_next(&startup.parameters, &given));
		ck_assert_str_eq(given.name, wanted[i][0]);
		ck_assert_str_eq(given.value, wanted[i][1]);
	}
	ck_assert(!startup_next(&startup.parameters, &given));
	let_in(server);
	await_clients(&world, CLIENT_LINKED, 1);
	ck_assert_uint_eq(session_servers(&world, SERVER_ACTIVE), 1);
	close(client);
	expect_goodbye(server);
}
END_TEST

static int
come_in(int *server_out)
{
	int client = come();
	uint8_t body[512];
	size_t length;

	*server_out = session_accept(&world);
	expect_startup(*server_out);
	let_in(*server_out);
	while (receive_message(client, body, sizeof(body), &length) != 'Z')
		;
	return client;
}

START_TEST(both_talk_at_once_for_as_long_as_they_like)
{
	int server, client = come_in(&server);

	send_talk(client, "Q(START_REPLICATION)");
	expect_talk(server, "Q(START_REPLICATION)");
	send_talk(server, "W");
	expect_talk(client, "W");
	for (int i = 0; i < 10; i++) {
		send_talk(server, "d(log)d(log)");
		send_talk(client, "d(status)");
		expect_talk(client, "d(log)d(log)");
		expect_talk(server, "d(status)");
	}
	send_talk(client, "c");
	expect_talk(server, "c");
	send_talk(server, "cCZ");
	expect_talk(client, "cCZ");
	session_settle(&world);
	/* It is nobody else's now either. */
	ck_assert_uint_eq(session_servers(&world, SERVER_ACTIVE), 1);
	ck_assert_uint_eq(session_clients(&world, CLIENT_LINKED), 1);
}
END_TEST

START_TEST(who_goes_early_takes_the_attempt_along)
{
	int client = come(), server = session_accept(&world);

	expect_startup(server);
	close(client);
	expect_goodbye(server);
	close(server);
	await_servers(&world, SERVER_CLOSING, 0);
	session_accepts_nothing(&world);
}
END_TEST

START_TEST(a_refusal_reaches_who_asked)
{
	int client = come(), server = session_accept(&world);
	struct notice notice;
	uint8_t body[512];
	size_t length;

	expect_startup(server);
	send_talk(server, "F(53300=too many walsenders)");
	ck_assert_int_eq(receive_message(client, body, sizeof(body),
	    &length), 'E');
	ck_assert(read_error_response(reader_of(body, length), &notice));
	ck_assert_str_eq(notice.sqlstate, "53300");
	ck_assert_str_eq(notice.text, "too many walsenders");
	expect_end(client);
}
END_TEST

START_TEST(a_crash_reaches_its_client)
{
	int server, client = come_in(&server);

	send_talk(client, "Q(START_REPLICATION)");
	expect_talk(server, "Q(START_REPLICATION)");
	close(server);
	expect_fatal(client, "server conn crashed?");
}
END_TEST

START_TEST(the_place_of_an_idle_server_is_taken)
{
	int idle, first = session_login_first(&world, 0, &idle);
	int client = come(), server;

	expect_goodbye(idle);
	close(idle);
	server = session_accept(&world);
	expect_startup(server);
	let_in(server);
	await_clients(&world, CLIENT_LINKED, 1);
	/* And now there is none for the other. */
	send_talk(first, "Q");
	await_clients(&world, CLIENT_WAITING, 1);
	close(client);
	expect_goodbye(server);
	close(server);
	server = session_accept(&world);
	expect_startup(server);
	let_in(server);
	expect_talk(server, "Q");
	send_talk(server, "CZ");
	expect_talk(first, "CZ");
}
END_TEST

/* PostgreSQL takes its time to hang up; one place is all that is wanted. */
START_TEST(no_more_than_one_idle_server_makes_room)
{
	int servers[2], clients[2], client;

	session_stop(&world);
	session_start(&world, "default_pool_size = 2\n"
	    "client_login_timeout = 1");
	clients[0] = session_login_first(&world, 0, &servers[0]);
	clients[1] = session_login(&world, 0);
	send_talk(clients[0], "Q");
	expect_talk(servers[0], "Q");
	send_talk(clients[1], "Q");
	servers[1] = session_accept(&world);
	expect_startup(servers[1]);
	let_in(servers[1]);
	expect_talk(servers[1], "Q");
	for (int i = 0; i < 2; i++) {
		send_talk(servers[i], "CZ");
		expect_talk(clients[i], "CZ");
	}
	await_servers(&world, SERVER_IDLE, 2);
	client = come();
	await_servers(&world, SERVER_CLOSING, 1);
	for (int i = 0; i < 5; i++)
		session_pass(&world, 100 * USEC_PER_MSEC);
	ck_assert_uint_eq(session_clients(&world, CLIENT_WELCOME), 1);
	session_pass(&world, 1 * USEC_PER_SEC);
	await_clients(&world, CLIENT_WELCOME, 0);
	ck_assert_uint_eq(session_servers(&world, SERVER_IDLE), 1);
	close(client);
}
END_TEST

/* What keeps it waiting is that PostgreSQL refused somebody. */
START_TEST(a_failed_login_is_no_reason_to_close_an_idle_server)
{
	int server, refused, client, clients[2];

	session_stop(&world);
	session_start(&world, "default_pool_size = 2\n"
	    "client_login_timeout = 1");
	clients[0] = session_login_first(&world, 0, &server);
	clients[1] = session_login(&world, 0);
	send_talk(clients[0], "Q");
	expect_talk(server, "Q");
	send_talk(clients[1], "Q(other)");
	refused = session_accept(&world);
	expect_startup(refused);
	send_talk(refused, "F(53300=too many)");
	close(refused);
	send_talk(server, "CZ");
	expect_talk(clients[0], "CZ");
	expect_talk(server, "Q(other)");
	send_talk(server, "CZ");
	expect_talk(clients[1], "CZ");
	await_servers(&world, SERVER_IDLE, 1);
	client = come();
	await_clients(&world, CLIENT_WELCOME, 1);
	session_pass(&world, 2 * USEC_PER_SEC);
	await_clients(&world, CLIENT_WELCOME, 0);
	session_query(clients[0], server);
	close(client);
}
END_TEST

START_TEST(where_no_place_is_free_it_waits_no_longer_than_a_login)
{
	int busy, first = session_login_first(&world, 0, &busy);
	int client;

	send_talk(first, "Q");
	expect_talk(busy, "Q");
	client = come();
	await_clients(&world, CLIENT_WELCOME, 1);
	session_pass(&world, 2 * USEC_PER_SEC);
	await_clients(&world, CLIENT_WELCOME, 0);
	send_talk(busy, "CZ");
	expect_talk(first, "CZ");
	close(client);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("replication");
	TCase *values = tcase_create("values"), *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(values, what_a_value_asks_for, 0,
	    (int)ARRAY_LENGTH(kinds));
	suite_add_tcase(suite, values);
	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, its_server_is_asked_for_what_the_client_asks_for);
	tcase_add_test(tests, both_talk_at_once_for_as_long_as_they_like);
	tcase_add_test(tests, who_goes_early_takes_the_attempt_along);
	tcase_add_test(tests, a_refusal_reaches_who_asked);
	tcase_add_test(tests, a_crash_reaches_its_client);
	tcase_add_test(tests, the_place_of_an_idle_server_is_taken);
	tcase_add_test(tests, no_more_than_one_idle_server_makes_room);
	tcase_add_test(tests,
	    a_failed_login_is_no_reason_to_close_an_idle_server);
	tcase_add_test(tests,
	    where_no_place_is_free_it_waits_no_longer_than_a_login);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
