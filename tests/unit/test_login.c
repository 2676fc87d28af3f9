/*
 * From a client's first byte until it may send queries.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/md5.h"
#include "auth/scram.h"
#include "session_world.h"
#include "wire/messages.h"

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

/* A startup packet as bytes. */
static size_t
startup_bytes(const char *const *parameters, uint8_t *bytes, size_t size)
{
	int pair[2];
	ssize_t length;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	send_startup_with(pair[0], parameters);
	length = recv(pair[1], bytes, size, 0);
	ck_assert_int_gt(length, 0);
	close(pair[0]);
	close(pair[1]);
	return (size_t)length;
}

static const char *const plain_startup[] = { "user", "u", "database", "db",
    NULL };

/* --- the first packet ---------------------------------------------------- */

static const struct {
	const char	*story;
	const char	*bytes;
	size_t		 length;
	const char	*text;
} packets[] = {
	{ "nonsense", "GET / HTTP/1.1\r\n", 16,
	    "bad packet header: '474554202f204854'" },
	{ "protocol 2", "\0\0\0\10\0\2\0\0", 8,
	    "old V2 protocol not supported" },
	{ "a length that is too short", "\0\0\0\4\0\3\0\0", 8,
	    "bad packet header: '0000000400030000'" },
	{ "no end of the parameters", "\0\0\0\15\0\3\0\0user\0", 13,
	    "invalid startup packet layout: expected terminator as last "
	    "byte" },
	{ "no user", "\0\0\0\22\0\3\0\0database\0", 18,
	    "invalid startup packet layout: expected terminator as last "
	    "byte" },
};

START_TEST(a_first_packet_that_is_none_is_refused)
{
	int client;

	session_start(&world, "");
	client = session_connect(&world, 0);
	send_bytes(client, packets[_i].bytes, packets[_i].length);
	expect_fatal(client, packets[_i].text);
	await_clients(&world, CLIENT_FREE, world.segment->size.clients);
}
END_TEST

static const struct {
	const char	*story;
	const char	*parameters[12];
	const char	*settings;
	const char	*text;
} refusals[] = {
	{ "no user", { "database", "db" }, "", "no username supplied" },
	{ "an unknown database", { "user", "u", "database", "nowhere" }, "",
	    "no such database: nowhere" },
	{ "without a database it is the user's", { "user", "u" }, "",
	    "no such database: u" },
	{ "an unknown user", { "user", "nobody", "database", "db" },
	    "auth_type = plain", NULL },
	{ "an unknown parameter", { "user", "u", "database", "db",
	    "work_mem", "1GB" }, "",
	    "unsupported startup parameter: work_mem" },
	{ "an unknown parameter in options", { "user", "u", "database", "db",
	    "options", "-c work_mem=1GB" }, "",
	    "unsupported startup parameter in options: work_mem" },
	{ "a user name that is too long", { "user",
	    "uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"
	    "uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu",
	    "database", "db" }, "", "username too long" },
};

START_TEST(who_asks_for_what_is_not_there_is_refused)
{
	int client;

	session_start(&world, refusals[_i].settings);
	client = session_connect(&world, 0);
	send_startup_with(client, refusals[_i].parameters);
	if (refusals[_i].text != NULL) {
		expect_fatal(client, refusals[_i].text);
		session_accepts_nothing(&world);
		return;
	}
	/* Unknown users are asked for a password like others. */
	expect_bytes(client, "R\0\0\0\10\0\0\0\3", 9, refusals[_i].story);
}
END_TEST

static const struct {
	const char	*story;
	const char	*parameters[12];
	const char	*settings;
} welcomes[] = {
	{ "ignored by configuration", { "user", "u", "database", "db",
	    "extra_float_digits", "2" },
	    "ignore_startup_parameters = extra_float_digits" },
	{ "options ignored", { "user", "u", "database", "db", "options",
	    "-c geqo=off" }, "ignore_startup_parameters = options" },
	{ "ignored in options", { "user", "u", "database", "db", "options",
	    "-c geqo=off" }, "ignore_startup_parameters = geqo" },
	{ "no replication", { "user", "u", "database", "db", "replication",
	    "false" }, "" },
	{ "auth_type any with a forced user",
	    { "user", "whoever", "database", "forced" },
	    "auth_type = any\n[databases]\n"
	    "forced = host=127.0.0.1 port=1 user=u" },
};

START_TEST(what_may_be_asked_for_is_let_pass)
{
	int client;

	session_start(&world, welcomes[_i].settings);
	client = session_connect(&world, 0);
	send_startup_with(client, welcomes[_i].parameters);
	session_settle(&world);
	ck_assert_msg(world.segment->state->pools_used == 1, "%s",
	    welcomes[_i].story);
}
END_TEST

START_TEST(the_first_packet_may_come_byte_by_byte)
{
	uint8_t bytes[256];
	size_t length = startup_bytes(plain_startup, bytes, sizeof(bytes));
	int client, server;

	session_start(&world, "");
	client = session_connect(&world, 0);
	for (size_t i = 0; i < length; i++) {
		send_bytes(client, bytes + i, 1);
		session_settle(&world);
	}
	server = session_accept(&world);
	expect_startup(server);
	let_in(server);
	expect_welcome(client);
}
END_TEST

START_TEST(encryption_is_refused_politely)
{
	int client, server;

	session_start(&world, "");
	client = session_connect(&world, 0);
	send_bytes(client, "\0\0\0\10\4\322\26\57", 8);
	expect_bytes(client, "N", 1, "SSLRequest");
	send_bytes(client, "\0\0\0\10\4\322\26\60", 8);
	expect_bytes(client, "N", 1, "GSSENCRequest");
	send_startup(client, "u", "db");
	server = session_accept(&world);
	expect_startup(server);
	let_in(server);
	expect_welcome(client);
}
END_TEST

/* Somebody in between may have put them there (CVE-2021-23222). */
START_TEST(bytes_behind_a_request_for_encryption_are_refused)
{
	int client;

	session_start(&world, "");
	client = session_connect(&world, 0);
	send_bytes(client, "\0\0\0\10\4\322\26\57\0\0", 10);
	expect_fatal(client, "received unencrypted data after SSL request");
}
END_TEST

START_TEST(a_newer_protocol_is_negotiated)
{
	uint8_t bytes[256], body[256];
	size_t length = startup_bytes(plain_startup, bytes, sizeof(bytes));
	int client;

	session_start(&world, "");
	client = session_connect(&world, 0);
	bytes[7] = 3;			/* 3.3 */
	send_bytes(client, bytes, length);
	ck_assert_int_eq(receive_message(client, body, sizeof(body),
	    &length), 'v');
}
END_TEST

START_TEST(a_second_startup_packet_is_refused)
{
	uint8_t bytes[256];
	size_t length = startup_bytes(plain_startup, bytes, sizeof(bytes));
	int client;

	session_start(&world, "auth_type = plain");
	client = session_connect(&world, 0);
	send_bytes(client, bytes, length);
	expect_bytes(client, "R\0\0\0\10\0\0\0\3", 9, "asked");
	send_bytes(client, bytes, length);
	expect_fatal(client, "client re-sent startup pkt");
}
END_TEST

/* --- who it is ----------------------------------------------------------- */

/* The pool's first server comes, and the client is let in. */
static void
expect_login(int client)
{
	int server = session_accept(&world);

	expect_startup(server);
	let_in(server);
	expect_welcome(client);
}

static void
send_password(int client, const char *password)
{
	uint8_t memory[256];
	struct writer writer = writer_of(memory, sizeof(memory));

	write_password(&writer, password);
	send_bytes(client, writer.bytes, writer.used);
}

START_TEST(a_plain_password_opens)
{
	int client;

	session_start(&world, "auth_type = plain");
	client = session_connect(&world, 0);
	send_startup(client, "u", "db");
	expect_bytes(client, "R\0\0\0\10\0\0\0\3", 9, "asked");
	ck_assert_uint_eq(session_clients(&world, CLIENT_AUTH), 1);
	session_accepts_nothing(&world);
	send_password(client, "secret");
	expect_login(client);
}
END_TEST

START_TEST(a_wrong_password_does_not)
{
	uint8_t body[256];
	size_t length;
	int client;

	session_start(&world, "auth_type = plain");
	client = session_connect(&world, 0);
	send_startup(client, "u", "db");
	expect_bytes(client, "R\0\0\0\10\0\0\0\3", 9, "asked");
	send_password(client, "Secret");
	ck_assert_int_eq(receive_message(client, body, sizeof(body),
	    &length), 'E');
	ck_assert_mem_eq(body, "SFATAL\0V", 8);
	expect_end(client);
	session_accepts_nothing(&world);
}
END_TEST

START_TEST(an_md5_answer_opens)
{
	uint8_t body[16];
	char secret[MD5_SECRET_SIZE], answer[MD5_SECRET_SIZE];
	size_t length;
	int client;

	session_start(&world, "auth_type = md5");
	client = session_connect(&world, 0);
	send_startup(client, "u", "db");
	ck_assert_int_eq(receive_message(client, body, sizeof(body),
	    &length), 'R');
	ck_assert_uint_eq(length, 8);
	ck_assert_uint_eq(body[3], 5);
	ck_assert(md5_secret("secret", "u", secret));
	ck_assert(md5_answer(secret, body + 4, answer));
	send_password(client, answer);
	expect_login(client);
}
END_TEST

/* Queries may be sent behind the password, without waiting. */
START_TEST(queries_behind_the_password_are_not_lost)
{
	struct talk query = talk_of("Q(early)");
	uint8_t memory[256];
	struct writer writer = writer_of(memory, sizeof(memory));
	int client, server;

	session_start(&world, "auth_type = plain");
	client = session_connect(&world, 0);
	send_startup(client, "u", "db");
	expect_bytes(client, "R\0\0\0\10\0\0\0\3", 9, "asked");
	write_password(&writer, "secret");
	writer_bytes(&writer, query.bytes, query.length);
	send_bytes(client, writer.bytes, writer.used);
	server = session_accept(&world);
	expect_startup(server);
	let_in(server);
	expect_welcome(client);
	expect_talk(server, "Q(early)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

static const struct {
	const char	*story;
	const char	*bytes;
	size_t		 length;
	const char	*text;		/* NULL: closed without a word */
} answers[] = {
	{ "a query", "Q\0\0\0\5\0", 6, "unknown pkt" },
	{ "Terminate", "X\0\0\0\4", 5, NULL },
	{ "a length that cannot be", "p\0\0\0\1", 5,
	    "bad packet header: '7000000001'" },
	{ "a password without end", "p\177\377\377\377secret", 11,
	    "bad packet header: '707fffffff'" },
};

START_TEST(only_a_password_answers_the_question)
{
	int client;

	session_start(&world, "auth_type = plain");
	client = session_connect(&world, 0);
	send_startup(client, "u", "db");
	expect_bytes(client, "R\0\0\0\10\0\0\0\3", 9, "asked");
	send_bytes(client, answers[_i].bytes, answers[_i].length);
	if (answers[_i].text != NULL)
		expect_fatal(client, answers[_i].text);
	else
		expect_end(client);
}
END_TEST

/* Costs milliseconds, so it is kept, whether the password was right or not. */
START_TEST(secrets_are_derived_once_for_all_workers)
{
	uint8_t body[512], memory[512];
	struct writer writer = writer_of(memory, sizeof(memory));
	char final[256];
	size_t length;
	int client;

	session_start(&world, "auth_type = scram-sha-256");
	client = session_connect(&world, 0);
	send_startup(client, "u", "db");
	ck_assert_int_eq(receive_message(client, body, sizeof(body),
	    &length), 'R');
	send_bytes(client, "p\0\0\0\66SCRAM-SHA-256\0\0\0\0\40n,,n=,r="
	    "abcdefghijklmnopqrstuvwx", 55);
	ck_assert_int_eq(receive_message(client, body, sizeof(body) - 1,
	    &length), 'R');
	body[length] = '\0';
	snprintf(final, sizeof(final), "c=biws,%.*s,p="
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	    (int)strcspn((char *)body + 4, ","), (char *)body + 4);
	write_sasl_response(&writer, final, strlen(final));
	send_bytes(client, writer.bytes, writer.used);
	ck_assert_int_eq(receive_message(client, body, sizeof(body),
	    &length), 'E');
	expect_end(client);
	ck_assert_uint_eq(world.segment->users[users_find(world.segment,
	    "u")].has_derived, 1);
}
END_TEST

/* --- welcome ------------------------------------------------------------- */

START_TEST(a_client_hears_its_own_settings)
{
	const char *parameters[] = { "user", "u", "database", "db",
	    "TimeZone", "Asia/Tokyo", "application_name", "mine", NULL };
	int client, server;

	session_start(&world, "");
	client = session_connect(&world, 0);
	send_startup_with(client, parameters);
	server = session_accept(&world);
	expect_startup(server);
	let_in(server);
	expect_bytes(client, "R\0\0\0\10\0\0\0\0", 9, "ok");
	expect_talk(client, "S(server_version=16.4)S(client_encoding=UTF8)"
	    "S(DateStyle=ISO, MDY)S(TimeZone=Asia/Tokyo)"
	    "S(standard_conforming_strings=on)S(application_name=mine)");
	session_settle(&world);
	ck_assert_str_eq(world.segment->clients[0].application_name, "mine");
}
END_TEST

START_TEST(later_clients_need_no_server)
{
	int server, second;

	session_start(&world, "default_pool_size = 1");
	session_login_first(&world, 0, &server);
	second = session_login(&world, 0);
	session_accepts_nothing(&world);
	ck_assert_uint_eq(session_count(&world, STAT_client_login_count), 2);
	close(second);
}
END_TEST

START_TEST(a_server_that_reports_nothing_lets_in_as_well)
{
	static const uint8_t ok[] = { 'R', 0, 0, 0, 8, 0, 0, 0, 0 };
	uint8_t body[16];
	size_t length;
	int client, server;

	session_start(&world, "");
	client = session_connect(&world, 0);
	send_startup(client, "u", "db");
	server = session_accept(&world);
	expect_startup(server);
	send_bytes(server, ok, sizeof(ok));
	send_talk(server, "Z");
	expect_bytes(client, ok, sizeof(ok), "ok");
	ck_assert_int_eq(receive_message(client, body, sizeof(body),
	    &length), 'K');
	expect_talk(client, "Z");
}
END_TEST

/* In its own words, to all who wait. */
START_TEST(what_postgresql_refuses_the_clients_hear)
{
	int clients[2], server;

	session_start(&world, "");
	for (int i = 0; i < 2; i++) {
		clients[i] = session_connect(&world, 0);
		send_startup(clients[i], "u", "db");
	}
	await_clients(&world, CLIENT_WELCOME, 2);
	server = session_accept(&world);
	expect_startup(server);
	send_talk(server, "F(3D000=database \"realdb\" does not exist)");
	close(server);
	for (int i = 0; i < 2; i++) {
		expect_talk(clients[i],
		    "F(3D000=database \"realdb\" does not exist)");
		expect_end(clients[i]);
	}
}
END_TEST

START_TEST(while_postgresql_is_down_clients_wait_for_it)
{
	int client;

	session_start(&world, "server_login_retry = 1\n"
	    "client_login_timeout = 10");
	shutdown(world.listen_fd, SHUT_RDWR);
	client = session_connect(&world, 0);
	send_startup(client, "u", "db");
	for (int i = 0; i < 4; i++) {
		session_pass(&world, 2 * USEC_PER_SEC);
		await_clients(&world, CLIENT_WELCOME, 1);
	}
	session_pass(&world, 3 * USEC_PER_SEC);
	expect_fatal(client, "client_login_timeout (server down)");
}
END_TEST

START_TEST(a_disabled_database_is_refused)
{
	int client, server;
	uint32_t row;

	session_start(&world, "");
	session_login_first(&world, 0, &server);
	row = databases_find(world.segment, "db");
	atomic_store(&world.segment->databases[row].disabled, 1);
	client = session_connect(&world, 0);
	send_startup(client, "u", "db");
	expect_fatal(client, "database \"db\" is disabled");
}
END_TEST

START_TEST(nobody_new_comes_in_during_a_shutdown)
{
	int client;

	session_start(&world, "");
	atomic_store(&world.segment->state->shutdown,
	    SHUTDOWN_WAIT_FOR_CLIENTS);
	client = session_connect(&world, 0);
	send_startup(client, "u", "db");
	expect_fatal(client, "pooler is shutting down");
}
END_TEST

START_TEST(the_limit_of_clients_counts_those_that_are_there)
{
	int first, second, server;

	session_start(&world, "max_client_conn = 1");
	first = session_login_first(&world, 0, &server);
	second = session_connect(&world, 0);
	send_startup(second, "u", "db");
	expect_fatal(second, "no more connections allowed "
	    "(max_client_conn)");
	/* The console is not counted. */
	second = session_connect(&world, 0);
	send_startup(second, "admin", "pgbouncer");
	await_clients(&world, CLIENT_CONSOLE, 1);
	close(first);
	await_clients(&world, CLIENT_IDLE, 0);
	second = session_login(&world, 0);
	close(second);
}
END_TEST

/* The worker may have so few descriptors; this process as many as before. */
static void
start_with_few_descriptors(rlim_t few)
{
	struct rlimit files, much;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &much), 0);
	files = much;
	files.rlim_cur = few;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	session_start(&world, "");
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &much), 0);
}

enum { FEW = 80 };

START_TEST(the_last_descriptors_are_for_the_console)
{
	int clients[FEW], console, count = 0;
	uint8_t byte;

	start_with_few_descriptors(FEW);
	/* They are let in and wait for a server. */
	do {
		ck_assert_int_lt(count, FEW);
		clients[count] = session_connect(&world, 0);
		send_startup(clients[count], "u", "db");
		session_settle(&world);
	} while (recv(clients[count++], &byte, 1, MSG_PEEK | MSG_DONTWAIT) ==
	    -1);
	expect_fatal(clients[count - 1],
	    "no more connections allowed (max_client_conn)");
	console = session_connect(&world, 0);
	send_startup(console, "admin", "pgbouncer");
	await_clients(&world, CLIENT_CONSOLE, 1);
	for (int i = 0; i < count - 1; i++)
		close(clients[i]);
	close(console);
}
END_TEST

START_TEST(who_says_nothing_gives_way_to_the_console)
{
	int strangers[FEW], console;

	start_with_few_descriptors(FEW);
	for (int i = 0; i < FEW; i++)
		strangers[i] = session_connect(&world, 0);
	session_settle(&world);
	/* Who was there first has been silent for longest. */
	expect_end(strangers[0]);
	expect_silence(strangers[FEW - 1]);
	console = session_connect(&world, 0);
	send_startup(console, "admin", "pgbouncer");
	await_clients(&world, CLIENT_CONSOLE, 1);
	for (int i = 0; i < FEW; i++)
		close(strangers[i]);
	close(console);
}
END_TEST

START_TEST(who_goes_during_a_login_leaves_nothing)
{
	int client;

	session_start(&world, "auth_type = plain");
	for (int i = 0; i < 3; i++) {
		client = session_connect(&world, 0);
		if (i > 0)
			send_bytes(client, "\0\0\0\50\0\3", 6);
		session_settle(&world);
		close(client);
	}
	client = session_connect(&world, 0);
	send_startup(client, "u", "db");
	await_clients(&world, CLIENT_AUTH, 1);
	close(client);
	await_clients(&world, CLIENT_FREE, world.segment->size.clients);
	ck_assert_uint_eq(segment_clients_counted(world.segment), 0);
	ck_assert_uint_eq(world.segment->roster[0].clients, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("login");
	TCase *tests = tcase_create("login");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, a_first_packet_that_is_none_is_refused, 0,
	    ARRAY_LENGTH(packets));
	tcase_add_loop_test(tests, who_asks_for_what_is_not_there_is_refused, 0,
	    ARRAY_LENGTH(refusals));
	tcase_add_loop_test(tests, what_may_be_asked_for_is_let_pass, 0,
	    ARRAY_LENGTH(welcomes));
	tcase_add_test(tests, the_first_packet_may_come_byte_by_byte);
	tcase_add_test(tests, encryption_is_refused_politely);
	tcase_add_test(tests,
	    bytes_behind_a_request_for_encryption_are_refused);
	tcase_add_test(tests, a_newer_protocol_is_negotiated);
	tcase_add_test(tests, a_second_startup_packet_is_refused);
	tcase_add_test(tests, a_plain_password_opens);
	tcase_add_test(tests, a_wrong_password_does_not);
	tcase_add_test(tests, an_md5_answer_opens);
	tcase_add_test(tests, queries_behind_the_password_are_not_lost);
	tcase_add_loop_test(tests, only_a_password_answers_the_question, 0,
	    ARRAY_LENGTH(answers));
	tcase_add_test(tests, secrets_are_derived_once_for_all_workers);
	tcase_add_test(tests, a_client_hears_its_own_settings);
	tcase_add_test(tests, later_clients_need_no_server);
	tcase_add_test(tests, a_server_that_reports_nothing_lets_in_as_well);
	tcase_add_test(tests, what_postgresql_refuses_the_clients_hear);
	tcase_add_test(tests, while_postgresql_is_down_clients_wait_for_it);
	tcase_add_test(tests, a_disabled_database_is_refused);
	tcase_add_test(tests, nobody_new_comes_in_during_a_shutdown);
	tcase_add_test(tests, the_limit_of_clients_counts_those_that_are_there);
	tcase_add_test(tests, the_last_descriptors_are_for_the_console);
	tcase_add_test(tests, who_says_nothing_gives_way_to_the_console);
	tcase_add_test(tests, who_goes_during_a_login_leaves_nothing);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
