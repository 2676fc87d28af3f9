/*
 * A client from login to its end; what it leaves behind at each step.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session_world.h"

static struct session_world world;
static int client, server;

static void
begin(void)
{
	session_start(&world, "default_pool_size = 1");
	client = session_login_first(&world, 0, &server);
}

static void
end(void)
{
	session_stop(&world);
}

/* Begins a transaction. */
static void
begin_work(int fd)
{
	send_talk(fd, "Q(begin)");
	expect_talk(server, "Q(begin)");
	send_talk(server, "CZ(T)");
	expect_talk(fd, "CZ(T)");
}

static void
commit(int fd)
{
	send_talk(fd, "Q(commit)");
	expect_talk(server, "Q(commit)");
	send_talk(server, "CZ");
	expect_talk(fd, "CZ");
}

/* --- phases -------------------------------------------------------------- */

START_TEST(a_client_is_idle_linked_and_idle_again)
{
	const struct client_row *row = &world.segment->clients[0];

	ck_assert_uint_eq(row->phase, CLIENT_IDLE);
	ck_assert_uint_eq(row->server, NO_ROW);
	ck_assert_uint_ne(world.segment->cancel_keys[0], 0);
	begin_work(client);
	ck_assert_uint_eq(row->phase, CLIENT_LINKED);
	ck_assert_uint_eq(row->server, 0);
	ck_assert_uint_eq(world.segment->servers[0].client, 0);
	commit(client);
	session_settle(&world);
	ck_assert_uint_eq(row->phase, CLIENT_IDLE);
	ck_assert_uint_eq(row->server, NO_ROW);
	ck_assert_int_eq(row->query_at, 0);
}
END_TEST

START_TEST(who_finds_no_server_waits_and_is_served_in_order)
{
	int second = session_login(&world, 0), third = session_login(&world,
	    0);

	begin_work(client);
	send_talk(second, "Q(second)");
	session_settle(&world);
	send_talk(third, "Q(third)");
	session_settle(&world);
	ck_assert_uint_eq(session_clients(&world, CLIENT_WAITING), 2);
	expect_silence(server);
	commit(client);
	expect_talk(server, "Q(second)");
	send_talk(server, "CZ");
	expect_talk(second, "CZ");
	expect_talk(server, "Q(third)");
	send_talk(server, "CZ");
	expect_talk(third, "CZ");
	ck_assert_uint_gt(session_count(&world, STAT_wait_time), 0);
}
END_TEST

START_TEST(the_first_client_waits_for_the_first_server)
{
	struct session_world other;
	int fd;

	session_start(&other, "");
	fd = session_connect(&other, 0);
	send_startup(fd, "u", "db");
	await_clients(&other, CLIENT_WELCOME, 1);
	ck_assert_uint_eq(session_servers(&other, SERVER_OPENING), 1);
	expect_silence(fd);
	session_stop(&other);
}
END_TEST

START_TEST(queries_behind_the_login_are_not_lost)
{
	int second = session_connect(&world, 0);
	const char *parameters[] = { "user", "u", "database", "db", NULL };
	uint8_t both[512];
	struct talk query = talk_of("Q(early)");
	int pair[2];
	ssize_t length;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	send_startup_with(pair[0], parameters);
	length = recv(pair[1], both, sizeof(both), 0);
	memcpy(both + length, query.bytes, query.length);
	send_bytes(second, both, (size_t)length + query.length);
	expect_welcome(second);
	expect_talk(server, "Q(early)");
	send_talk(server, "CZ");
	expect_talk(second, "CZ");
}
END_TEST

START_TEST(data_of_a_copy_that_is_over_asks_for_no_server)
{
	send_talk(client, "ddcHf");
	session_settle(&world);
	expect_silence(server);
	ck_assert_uint_eq(session_clients(&world, CLIENT_IDLE), 1);
	session_query(client, server);
}
END_TEST

START_TEST(what_waits_is_sent_in_one_piece_when_it_is_served)
{
	int second = session_login(&world, 0);

	begin_work(client);
	send_talk(second, "PB");
	session_settle(&world);
	send_talk(second, "DE");
	session_settle(&world);
	send_talk(second, "S");
	session_settle(&world);
	expect_silence(server);
	commit(client);
	expect_talk(server, "PBDES");
	send_talk(server, "12nCZ");
	expect_talk(second, "12nCZ");
}
END_TEST

/* --- refused ------------------------------------------------------------- */

static const struct {
	const char	*story;
	const char	*bytes;
	size_t		 length;
	const char	*text;		/* NULL: closed without a word */
} wrongs[] = {
	{ "an unknown message", "y\0\0\0\4", 5, "unknown pkt" },
	{ "a server's message", "Z\0\0\0\5I", 6, "unknown pkt" },
	{ "a password", "p\0\0\0\5x", 6, "unknown pkt" },
	{ "a length below 4", "Q\0\0\0\3", 5,
	    "bad packet header: '5100000003'" },
	{ "a length of nothing", "Q\0\0\0\0", 5,
	    "bad packet header: '5100000000'" },
	{ "a negative length", "Q\377\377\377\377xyz", 8,
	    "bad packet header: '51ffffffff78797a'" },
	{ "Terminate", "X\0\0\0\4", 5, NULL },
};

START_TEST(what_an_idle_client_may_not_send)
{
	send_bytes(client, wrongs[_i].bytes, wrongs[_i].length);
	if (wrongs[_i].text != NULL)
		expect_fatal(client, wrongs[_i].text);
	else
		expect_end(client);
	await_clients(&world, CLIENT_FREE, world.segment->size.clients);
	expect_silence(server);
}
END_TEST

START_TEST(a_message_larger_than_allowed_is_refused)
{
	struct session_world other;
	int fd, its_server;

	session_start(&other, "max_packet_size = 2000");
	fd = session_login_first(&other, 0, &its_server);
	send_bytes(fd, "Q\0\0\7\321", 5);
	expect_fatal(fd, "bad packet header: '51000007d1'");
	session_stop(&other);
}
END_TEST

/* --- it goes ------------------------------------------------------------- */

static void
say_nothing(int fd)
{
}

static void
say_half_a_header(int fd)
{
	send_bytes(fd, "Q\0\0", 3);
}

static void
say_half_a_query(int fd)
{
	send_bytes(fd, "Q\0\0\0\100select", 11);
}

static void
say_half_of_copy_data(int fd)
{
	send_talk(fd, "Q");
	expect_talk(server, "Q");
	send_talk(server, "G");
	expect_talk(fd, "G");
	send_bytes(fd, "d\0\0\1\0half", 9);
}

static void
say_half_of_copy_data_that_failed(int fd)
{
	say_half_of_copy_data(fd);
	session_settle(&world);
	send_talk(server, "E(22P02=bad)Z");
	expect_talk(fd, "E(22P02=bad)Z");
}

static void
be_done(int fd)
{
	session_query(fd, server);
}

static const struct {
	const char	*story;
	void		(*say)(int fd);
	bool		 server_stays;
} ends[] = {
	{ "idle", say_nothing, true },
	{ "half a header", say_half_a_header, true },
	{ "behind a query", be_done, true },
	{ "half a query", say_half_a_query, false },
	{ "in the middle of CopyData", say_half_of_copy_data, false },
	{ "in the middle of CopyData of a COPY that failed",
	    say_half_of_copy_data_that_failed, false },
};

/* More of what it may be at has test_clearing.c. */
START_TEST(a_client_that_goes_leaves_a_clean_server_or_none)
{
	int second = session_login(&world, 0), fresh;

	ends[_i].say(client);
	session_settle(&world);
	close(client);
	await_clients(&world, CLIENT_IDLE, 1);
	session_settle(&world);
	if (ends[_i].server_stays) {
		ck_assert_msg(session_servers(&world, SERVER_IDLE) == 1,
		    "%s: the server is gone", ends[_i].story);
		session_query(second, server);
		return;
	}
	ck_assert_msg(session_servers(&world, SERVER_IDLE) == 0,
	    "%s: the server stays", ends[_i].story);
	/* As long as PostgreSQL has it open, it counts. */
	send_talk(second, "Q(next)");
	session_accepts_nothing(&world);
	ck_assert_uint_eq(session_pool(&world)->server_count, 1);
	close(server);
	fresh = session_accept(&world);
	expect_startup(fresh);
	let_in(fresh);
	expect_talk(fresh, "Q(next)");
	send_talk(fresh, "CZ");
	expect_talk(second, "CZ");
	ck_assert_uint_eq(session_pool(&world)->server_count, 1);
}
END_TEST

START_TEST(a_client_that_goes_while_it_waits_leaves_the_queue)
{
	int second = session_login(&world, 0), third = session_login(&world,
	    0);

	begin_work(client);
	send_talk(second, "Q(second)");
	session_settle(&world);
	send_talk(third, "Q(third)");
	session_settle(&world);
	close(second);
	await_clients(&world, CLIENT_WAITING, 1);
	commit(client);
	expect_talk(server, "Q(third)");
	send_talk(server, "CZ");
	expect_talk(third, "CZ");
}
END_TEST

START_TEST(a_client_that_goes_while_it_waits_for_its_welcome_is_forgotten)
{
	struct session_world other;
	int fds[3], its_server;

	session_start(&other, "");
	for (int i = 0; i < 3; i++) {
		fds[i] = session_connect(&other, 0);
		send_startup(fds[i], "u", "db");
		session_settle(&other);
	}
	close(fds[1]);
	await_clients(&other, CLIENT_WELCOME, 2);
	its_server = session_accept(&other);
	expect_startup(its_server);
	let_in(its_server);
	expect_welcome(fds[0]);
	expect_welcome(fds[2]);
	session_stop(&other);
}
END_TEST

/* --- by the clock -------------------------------------------------------- */

static struct session_world timed;

static void
start_timed(const char *settings)
{
	session_start(&timed, settings);
	client = session_login_first(&timed, 0, &server);
}

START_TEST(an_idle_client_is_closed_in_time)
{
	start_timed("client_idle_timeout = 5");
	session_pass(&timed, 4 * USEC_PER_SEC);
	expect_silence(client);
	session_pass(&timed, 2 * USEC_PER_SEC);
	expect_fatal(client, "client_idle_timeout");
	session_stop(&timed);
}
END_TEST

START_TEST(a_query_that_takes_too_long_ends_client_and_server)
{
	start_timed("query_timeout = 5");
	send_talk(client, "Q");
	expect_talk(server, "Q");
	session_pass(&timed, 4 * USEC_PER_SEC);
	expect_silence(client);
	session_pass(&timed, 2 * USEC_PER_SEC);
	expect_fatal(client, "query timeout");
	expect_goodbye(server);
	session_stop(&timed);
}
END_TEST

START_TEST(an_idle_transaction_is_ended)
{
	start_timed("idle_transaction_timeout = 5");
	begin_work(client);
	session_pass(&timed, 4 * USEC_PER_SEC);
	expect_silence(client);
	session_pass(&timed, 2 * USEC_PER_SEC);
	expect_fatal(client, "idle transaction timeout");
	expect_goodbye(server);
	session_stop(&timed);
}
END_TEST

START_TEST(a_long_wait_is_ended)
{
	int second;

	start_timed("query_wait_timeout = 5\ndefault_pool_size = 1");
	begin_work(client);
	second = session_login(&timed, 0);
	send_talk(second, "Q");
	await_clients(&timed, CLIENT_WAITING, 1);
	session_pass(&timed, 4 * USEC_PER_SEC);
	expect_silence(second);
	session_pass(&timed, 2 * USEC_PER_SEC);
	expect_fatal(second, "query_wait_timeout");
	commit(client);
	session_stop(&timed);
}
END_TEST

START_TEST(a_login_that_takes_too_long_is_ended)
{
	int slow;

	start_timed("client_login_timeout = 5");
	slow = session_connect(&timed, 0);
	send_bytes(slow, "\0\0", 2);
	session_pass(&timed, 4 * USEC_PER_SEC);
	expect_silence(slow);
	session_pass(&timed, 2 * USEC_PER_SEC);
	expect_fatal(slow, "client_login_timeout");
	session_stop(&timed);
}
END_TEST

/* --- the console --------------------------------------------------------- */

START_TEST(the_console_gets_whole_messages)
{
	struct talk talk = talk_of("Q(show pools)Q(show stats)");
	int console = session_connect(&world, 0);
	uint8_t body[64];
	size_t length;

	send_startup(console, "admin", "pgbouncer");
	expect_bytes(console, "R\0\0\0\10\0\0\0\0", 9, "ok");
	ck_assert_int_eq(receive_message(console, body, sizeof(body),
	    &length), 'K');
	expect_talk(console, "Z");
	ck_assert_uint_eq(session_clients(&world, CLIENT_CONSOLE), 1);
	for (size_t i = 0; i < talk.length; i++) {
		send_bytes(console, talk.bytes + i, 1);
		session_settle(&world);
	}
	expect_bytes(console, talk.bytes, talk.length, "both");
	send_bytes(console, "Q\0\0\0\1", 5);
	expect_fatal(console, "bad packet header: '5100000001'");
}
END_TEST

START_TEST(not_everybody_may_enter_the_console)
{
	int console = session_connect(&world, 0);

	send_startup(console, "u", "pgbouncer");
	expect_fatal(console, "not allowed");
}
END_TEST

/* --- memory -------------------------------------------------------------- */

START_TEST(a_client_that_waits_is_read_only_so_far)
{
	static uint8_t much[4 * 1024 * 1024];
	int second = session_login(&world, 0);
	size_t sent = 0;

	begin_work(client);
	memcpy(much, "Q\0\77\377\377", 5);
	for (int tries = 0; sent < sizeof(much) && tries < 10; tries++) {
		ssize_t done = send(second, much + sent, sizeof(much) - sent,
		    MSG_DONTWAIT);

		sent += done > 0 ? (size_t)done : 0;
		session_settle(&world);
	}
	ck_assert_uint_lt(sent, sizeof(much) / 2);
	close(second);
	commit(client);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("client");
	TCase *tests = tcase_create("client");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_client_is_idle_linked_and_idle_again);
	tcase_add_test(tests, who_finds_no_server_waits_and_is_served_in_order);
	tcase_add_test(tests, the_first_client_waits_for_the_first_server);
	tcase_add_test(tests, queries_behind_the_login_are_not_lost);
	tcase_add_test(tests, data_of_a_copy_that_is_over_asks_for_no_server);
	tcase_add_test(tests,
	    what_waits_is_sent_in_one_piece_when_it_is_served);
	tcase_add_loop_test(tests, what_an_idle_client_may_not_send, 0,
	    ARRAY_LENGTH(wrongs));
	tcase_add_test(tests, a_message_larger_than_allowed_is_refused);
	tcase_add_loop_test(tests,
	    a_client_that_goes_leaves_a_clean_server_or_none, 0,
	    ARRAY_LENGTH(ends));
	tcase_add_test(tests,
	    a_client_that_goes_while_it_waits_leaves_the_queue);
	tcase_add_test(tests,
	    a_client_that_goes_while_it_waits_for_its_welcome_is_forgotten);
	tcase_add_test(tests, an_idle_client_is_closed_in_time);
	tcase_add_test(tests,
	    a_query_that_takes_too_long_ends_client_and_server);
	tcase_add_test(tests, an_idle_transaction_is_ended);
	tcase_add_test(tests, a_long_wait_is_ended);
	tcase_add_test(tests, a_login_that_takes_too_long_is_ended);
	tcase_add_test(tests, the_console_gets_whole_messages);
	tcase_add_test(tests, not_everybody_may_enter_the_console);
	tcase_add_test(tests, a_client_that_waits_is_read_only_so_far);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
