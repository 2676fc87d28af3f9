/*
 * The pooler's login at PostgreSQL, whose part the test plays.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "auth/md5.h"
#include "session_world.h"
#include "wire/messages.h"
#include "wire/startup.h"
#include "wire/writer.h"

static struct session_world world;
static int client, server;

static const uint8_t ok[] = { 'R', 0, 0, 0, 8, 0, 0, 0, 0 };

/* A client waits for the pool's first server, which is connected. */
static void
start(const char *settings)
{
	session_start(&world, settings);
	client = session_connect(&world, 0);
	send_startup(client, "u", "db");
	server = session_accept(&world);
}

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

/* The next attempt, when so much time has gone by since the last one. */
static int
accept_after(usec_t span)
{
	session_pass(&world, span);
	return session_accept(&world);
}

START_TEST(the_startup_packet_says_who_and_where)
{
	static const char *const wanted[][2] = { { "user", "u" },
	    { "database", "realdb" } };
	struct startup_parameter given;
	struct startup startup;
	uint8_t bytes[1024];
	ssize_t length;

	start("");
	length = recv(server, bytes, sizeof(bytes), 0);
	ck_assert_int_eq(startup_read(bytes, (size_t)length, 10000,
	    &startup), STARTUP_V3);
	ck_assert_uint_eq(startup.version, 0x30000);
	for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
		ck_assert(startup_next(&startup.parameters, &given));
		ck_assert_str_eq(given.name, wanted[i][0]);
		ck_assert_str_eq(given.value, wanted[i][1]);
	}
	ck_assert(!startup_next(&startup.parameters, &given));
	ck_assert_uint_eq(session_servers(&world, SERVER_OPENING), 1);
}
END_TEST

START_TEST(a_login_with_trust)
{
	start("");
	expect_startup(server);
	let_in(server);
	expect_welcome(client);
	session_settle(&world);
	ck_assert_uint_eq(session_servers(&world, SERVER_IDLE), 1);
	ck_assert_uint_eq(world.segment->servers[0].backend_pid,
	    SESSION_BACKEND_PID);
	ck_assert_uint_eq(world.segment->servers[0].backend_secret,
	    SESSION_BACKEND_SECRET);
	ck_assert_uint_eq(world.segment->servers[0].has_fd, 1);
	ck_assert_uint_eq(world.segment->servers[0].remote.port, world.port);
	ck_assert_str_eq(world.segment->values[0].values[2], "UTC");
}
END_TEST

START_TEST(a_password_in_clear_text)
{
	uint8_t memory[64];
	struct writer writer = writer_of(memory, sizeof(memory));

	start("");
	expect_startup(server);
	send_bytes(server, "R\0\0\0\10\0\0\0\3", 9);
	write_password(&writer, "secret");
	expect_bytes(server, writer.bytes, writer.used, "password");
	let_in(server);
	expect_welcome(client);
}
END_TEST

START_TEST(an_md5_answer)
{
	uint8_t memory[64];
	struct writer writer = writer_of(memory, sizeof(memory));
	char secret[MD5_SECRET_SIZE], answer[MD5_SECRET_SIZE];

	start("");
	expect_startup(server);
	send_bytes(server, "R\0\0\0\14\0\0\0\5salt", 13);
	ck_assert(md5_secret("secret", "u", secret));
	ck_assert(md5_answer(secret, (const uint8_t *)"salt", answer));
	write_password(&writer, answer);
	expect_bytes(server, writer.bytes, writer.used, "md5");
	let_in(server);
	expect_welcome(client);
}
END_TEST

START_TEST(the_login_may_come_byte_by_byte)
{
	struct talk talk = talk_of("S(TimeZone=UTC)Z");

	start("");
	expect_startup(server);
	for (size_t i = 0; i < sizeof(ok); i++) {
		send_bytes(server, ok + i, 1);
		session_settle(&world);
	}
	for (size_t i = 0; i < talk.length; i++) {
		send_bytes(server, talk.bytes + i, 1);
		session_settle(&world);
	}
	await_servers(&world, SERVER_IDLE, 1);
	await_clients(&world, CLIENT_IDLE, 1);
}
END_TEST

START_TEST(notices_during_a_login_are_nothing)
{
	start("");
	expect_startup(server);
	send_talk(server, "N");
	let_in(server);
	expect_welcome(client);
}
END_TEST

START_TEST(a_notice_behind_the_login_does_not_hurt)
{
	start("");
	expect_startup(server);
	send_bytes(server, ok, sizeof(ok));
	send_talk(server, "ZNS(TimeZone=UTC)");
	await_servers(&world, SERVER_IDLE, 1);
}
END_TEST

/* --- connect_query ------------------------------------------------------- */

START_TEST(a_query_of_the_configuration_is_run_first)
{
	session_start(&world, "[databases]\nwith_query = "
	    "host=127.0.0.1 port=PORT connect_query='select 7'");
	client = session_connect(&world, 0);
	send_startup(client, "u", "with_query");
	server = session_accept(&world);
	expect_startup(server);
	let_in(server);
	expect_talk(server, "Q(select 7)");
	session_settle(&world);
	expect_silence(client);
	ck_assert_uint_eq(session_servers(&world, SERVER_OPENING), 1);
	send_talk(server, "TDCZ");
	expect_welcome(client);
}
END_TEST

/* --- it fails ------------------------------------------------------------ */

static const struct {
	const char	*story;
	const char	*bytes;
	size_t		 length;
} wrongs[] = {
	{ "it hangs up", "", 0 },
	{ "nonsense", "HTTP/1.1 400 Bad Request", 24 },
	{ "an unknown way to authenticate", "R\0\0\0\10\0\0\0\143", 9 },
	{ "a message cut off", "R\0\0\0\6\0\0", 7 },
	{ "ready before it let us in", "Z\0\0\0\5I", 6 },
	{ "a key that is none", "R\0\0\0\10\0\0\0\0K\0\0\0\6\0\0", 16 },
	{ "a message of another kind", "D\0\0\0\6\0\0", 7 },
	{ "let in twice", "R\0\0\0\10\0\0\0\0R\0\0\0\10\0\0\0\0", 18 },
	{ "a message longer than any", "S\177\377\377\377", 5 },
};

/* It is tried again when server_login_retry is over; the client waits. */
START_TEST(a_server_that_logs_in_wrongly_is_given_up)
{
	start("server_login_retry = 1");
	expect_startup(server);
	send_bytes(server, wrongs[_i].bytes, wrongs[_i].length);
	shutdown(server, SHUT_WR);
	session_settle(&world);
	ck_assert_int_ne(session_pool(&world)->failed_at, 0);
	close(server);
	session_accepts_nothing(&world);
	server = accept_after(2 * USEC_PER_SEC);
	expect_startup(server);
	let_in(server);
	expect_welcome(client);
	ck_assert_int_eq(session_pool(&world)->failed_at, 0);
}
END_TEST

START_TEST(while_postgresql_starts_up_clients_wait)
{
	start("server_login_retry = 1");
	expect_startup(server);
	send_talk(server, "F(57P03=the database system is starting up)");
	close(server);
	session_accepts_nothing(&world);
	server = accept_after(2 * USEC_PER_SEC);
	expect_startup(server);
	let_in(server);
	expect_welcome(client);
}
END_TEST

START_TEST(a_login_that_is_never_answered_is_given_up)
{
	start("server_connect_timeout = 5\nserver_login_retry = 1");
	expect_startup(server);
	session_pass(&world, 4 * USEC_PER_SEC);
	expect_silence(server);
	session_pass(&world, 2 * USEC_PER_SEC);
	expect_goodbye(server);
	close(server);
	server = accept_after(2 * USEC_PER_SEC);
	expect_startup(server);
	let_in(server);
	expect_welcome(client);
}
END_TEST

START_TEST(who_waits_for_a_query_hears_of_a_refusal)
{
	int second;

	start("default_pool_size = 1");
	expect_startup(server);
	let_in(server);
	expect_welcome(client);
	close(server);
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
	send_talk(client, "Q");
	second = session_accept(&world);
	expect_startup(second);
	send_talk(second, "F(28P01=password authentication failed)");
	expect_talk(client, "F(28P01=password authentication failed)");
	expect_end(client);
}
END_TEST

START_TEST(while_it_fails_who_asks_is_told_so_at_once)
{
	int second;

	start("default_pool_size = 1");
	expect_startup(server);
	let_in(server);
	expect_welcome(client);
	second = session_login(&world, 0);
	close(server);
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
	send_talk(client, "Q");
	server = session_accept(&world);
	expect_startup(server);
	close(server);
	expect_fatal(client, "server login has been failing, cached error: "
	    "server closed the connection during login "
	    "(server_login_retry)");
	send_talk(second, "Q");
	expect_fatal(second, "server login has been failing, cached error: "
	    "server closed the connection during login "
	    "(server_login_retry)");
	session_accepts_nothing(&world);
}
END_TEST

/* --- long settings ------------------------------------------------------- */

#define LONG 20000

/* A ParameterStatus, the value being so many times the letter. */
static size_t
put_status(uint8_t *bytes, size_t size, const char *name, char letter,
    size_t count)
{
	struct writer writer = writer_of(bytes, size);
	char *value = malloc(count + 1);

	ck_assert_ptr_nonnull(value);
	memset(value, letter, count);
	value[count] = '\0';
	writer_begin(&writer, MESSAGE_PARAMETER_STATUS);
	writer_string(&writer, name);
	writer_string(&writer, value);
	writer_end(&writer);
	ck_assert(!writer.failed);
	free(value);
	return writer.used;
}

static void
send_status(int fd, const char *name, char letter, size_t count)
{
	static uint8_t bytes[64 * 1024];

	send_bytes(fd, bytes, put_status(bytes, sizeof(bytes), name, letter,
	    count));
}

static void
expect_status(int fd, const char *name, char letter, size_t count)
{
	static uint8_t wanted[64 * 1024], body[64 * 1024];
	size_t length, total = put_status(wanted, sizeof(wanted), name,
	    letter, count);

	ck_assert_int_eq(receive_message(fd, body, sizeof(body), &length),
	    MESSAGE_PARAMETER_STATUS);
	ck_assert_uint_eq(length, total - 5);
	ck_assert_mem_eq(body, wanted + 5, length);
}

/* The end of a welcome. */
static void
expect_in(int fd)
{
	uint8_t body[64];
	size_t length;

	ck_assert_int_eq(receive_message(fd, body, sizeof(body), &length),
	    MESSAGE_BACKEND_KEY_DATA);
	expect_talk(fd, "Z");
}

static void
start_tracked(unsigned workers)
{
	session_start_workers(&world, workers, "default_pool_size = 1\n"
	    "track_extra_parameters = search_path, role");
	client = session_connect(&world, 0);
	send_startup(client, "u", "db");
	server = session_accept(&world);
	expect_startup(server);
	send_bytes(server, ok, sizeof(ok));
}

START_TEST(a_long_setting_is_told_to_all_and_kept_for_each)
{
	static uint8_t query[64 * 1024];
	char start[] = "SET search_path=";
	size_t length;
	int other;

	start_tracked(2);
	send_status(server, "search_path", 'a', LONG);
	send_talk(server, "Z");
	expect_bytes(client, ok, sizeof(ok), "ok");
	expect_status(client, "search_path", 'a', LONG);
	expect_in(client);
	other = session_connect(&world, 1);
	send_startup(other, "u", "db");
	expect_bytes(other, ok, sizeof(ok), "ok");
	expect_status(other, "search_path", 'a', LONG);
	expect_in(other);

	session_settle(&world);
	send_talk(client, "Q(set)");
	expect_talk(server, "Q(set)");
	send_status(server, "search_path", 'b', LONG);
	send_talk(server, "CZ");
	expect_status(client, "search_path", 'b', LONG);
	expect_talk(client, "CZ");
	session_settle(&world);
	send_talk(other, "Q(select 1)");
	ck_assert_int_eq(receive_message(server, query, sizeof(query),
	    &length), 'Q');
	ck_assert_mem_eq(query, start, strlen(start));
	ck_assert_uint_eq(strspn((char *)query + strlen(start), "a"), LONG);
	send_status(server, "search_path", 'a', LONG);
	send_talk(server, "CZ");
	expect_talk(server, "Q(select 1)");
	send_talk(server, "TDCZ");
	expect_talk(other, "TDCZ");
	close(other);
}
END_TEST

/* Not told, and not kept apart: see BUGS of the manual. */
START_TEST(more_than_a_pool_keeps_is_left_out)
{
	start_tracked(1);
	send_status(server, "search_path", 'a', LONG);
	send_status(server, "role", 'r', LONG);
	send_status(server, "TimeZone", 'U', 3);
	send_talk(server, "Z");
	expect_bytes(client, ok, sizeof(ok), "ok");
	expect_status(client, "search_path", 'a', LONG);
	expect_status(client, "TimeZone", 'U', 3);
	expect_in(client);
	session_settle(&world);
	session_query(client, server);
}
END_TEST

START_TEST(a_setting_beyond_all_measure_is_no_login)
{
	start_tracked(1);
	send_status(server, "search_path", 'a', 40000);
	session_settle(&world);
	ck_assert_int_ne(session_pool(&world)->failed_at, 0);
	ck_assert_str_eq(session_pool(&world)->failure, "bad pkt header");
}
END_TEST

/* Where nobody accepts and the queue is full. */
static int
fill_up(const char *directory, struct sockaddr_un *address, int *fillers,
    unsigned most)
{
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof(address->sun_path),
	    "%s/.s.PGSQL.4711", directory);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)address,
	    sizeof(*address)), 0);
	ck_assert_int_eq(listen(listener, 0), 0);
	for (unsigned i = 0; i < most; i++) {
		fillers[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(fillers[i], (struct sockaddr *)address,
		    sizeof(*address)) == -1)
			return listener;
	}
	ck_abort_msg("the queue has no end");
}

START_TEST(a_full_queue_of_a_socket_is_no_failure)
{
	char directory[] = "/tmp/pgusher-test-XXXXXX", settings[256];
	struct sockaddr_un address = { 0 };
	int fillers[8], listener;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	memset(fillers, 0xff, sizeof(fillers));
	listener = fill_up(directory, &address, fillers,
	    ARRAY_LENGTH(fillers));
	snprintf(settings, sizeof(settings), "[databases]\n"
	    "full = host=%s port=4711\n", directory);
	session_start(&world, settings);
	client = session_connect(&world, 0);
	send_startup(client, "u", "full");
	await_servers(&world, SERVER_OPENING, 1);
	session_settle(&world);
	ck_assert_int_eq(session_pool(&world)->failed_at, 0);
	ck_assert_uint_eq(session_servers(&world, SERVER_OPENING), 1);
	/* The worker's process has inherited them. */
	for (unsigned i = 0; i < ARRAY_LENGTH(fillers); i++)
		if (fillers[i] != -1)
			shutdown(fillers[i], SHUT_RDWR);
	do {			/* the fillers hang up, it does not */
		char byte;

		server = accept(listener, NULL, NULL);
		ck_assert_int_ne(server, -1);
		if (recv(server, &byte, 1, MSG_PEEK) > 0)
			break;
		close(server);
	} while (true);
	expect_startup(server);
	let_in(server);
	expect_welcome(client);
	ck_assert_int_eq(session_pool(&world)->failed_at, 0);
	for (unsigned i = 0; i < ARRAY_LENGTH(fillers); i++)
		if (fillers[i] != -1)
			close(fillers[i]);
	close(listener);
	unlink(address.sun_path);
	rmdir(directory);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("login_at_server");
	TCase *tests = tcase_create("login_at_server");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, the_startup_packet_says_who_and_where);
	tcase_add_test(tests, a_login_with_trust);
	tcase_add_test(tests, a_password_in_clear_text);
	tcase_add_test(tests, an_md5_answer);
	tcase_add_test(tests, the_login_may_come_byte_by_byte);
	tcase_add_test(tests, notices_during_a_login_are_nothing);
	tcase_add_test(tests, a_notice_behind_the_login_does_not_hurt);
	tcase_add_test(tests, a_query_of_the_configuration_is_run_first);
	tcase_add_loop_test(tests, a_server_that_logs_in_wrongly_is_given_up, 0,
	    ARRAY_LENGTH(wrongs));
	tcase_add_test(tests, while_postgresql_starts_up_clients_wait);
	tcase_add_test(tests, a_login_that_is_never_answered_is_given_up);
	tcase_add_test(tests, a_full_queue_of_a_socket_is_no_failure);
	tcase_add_test(tests, who_waits_for_a_query_hears_of_a_refusal);
	tcase_add_test(tests, while_it_fails_who_asks_is_told_so_at_once);
	tcase_add_test(tests, a_long_setting_is_told_to_all_and_kept_for_each);
	tcase_add_test(tests, more_than_a_pool_keeps_is_left_out);
	tcase_add_test(tests, a_setting_beyond_all_measure_is_no_login);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
