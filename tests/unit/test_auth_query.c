/*
 * Logins of users whom only PostgreSQL knows, with a PostgreSQL that is
 * played here: what it is asked, on which connection, and what becomes of
 * all that may happen meanwhile.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session_world.h"
#include "wire/messages.h"

#define QUERY "select name, secret from users where name = $1"
#define ASKS "auth_type = plain\nauth_user = asker\nauth_query = " QUERY "\n"
#define CONFIG_ERROR "bouncer config error"
#define WRONG "password authentication failed"

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

static int
connect_as(unsigned worker, const char *user)
{
	int client = session_connect(&world, worker);

	send_startup(client, user, "db");
	return client;
}

/* The pool's next server connection, logged in. */
static int
next_server(void)
{
	int server = session_accept(&world);

	expect_startup(server);
	let_in(server);
	return server;
}

static void
expect_question(int server, const char *name)
{
	uint8_t memory[1024];
	struct writer writer = writer_of(memory, sizeof(memory));

	write_parse(&writer, QUERY);
	write_bind(&writer, &name, 1);
	write_describe_portal(&writer);
	write_execute(&writer);
	write_close_statement(&writer);
	write_sync(&writer);
	ck_assert(!writer.failed);
	expect_bytes(server, writer.bytes, writer.used, "the question");
}

/* One with a '=', which a talk would take for two strings. */
static void
expect_query(int server, const char *text)
{
	uint8_t memory[256];
	struct writer writer = writer_of(memory, sizeof(memory));

	write_query(&writer, text);
	expect_bytes(server, writer.bytes, writer.used, text);
}

static void
put_description(struct writer *writer, uint16_t columns)
{
	writer_begin(writer, MESSAGE_ROW_DESCRIPTION);
	writer_u16(writer, columns);
	writer_end(writer);
}

static void
put_row(struct writer *writer, const char *name, const char *secret)
{
	writer_begin(writer, MESSAGE_DATA_ROW);
	writer_u16(writer, 2);
	writer_u32(writer, (uint32_t)strlen(name));
	writer_text(writer, name);
	writer_u32(writer, secret != NULL ? (uint32_t)strlen(secret) :
	    UINT32_MAX);
	writer_text(writer, secret != NULL ? secret : "");
	writer_end(writer);
}

/* NULL for the name: no row. */
static void
answer(int server, const char *name, const char *secret)
{
	uint8_t memory[2048];
	struct writer writer = writer_of(memory, sizeof(memory));

	send_talk(server, "12");
	put_description(&writer, 2);
	if (name != NULL)
		put_row(&writer, name, secret);
	ck_assert(!writer.failed);
	send_bytes(server, writer.bytes, writer.used);
	send_talk(server, "C(SELECT 1)3Z");
}

static void
expect_asked_for_password(int client)
{
	expect_bytes(client, "R\0\0\0\10\0\0\0\3", 9, "asked");
}

static void
send_password(int client, const char *password)
{
	uint8_t memory[256];
	struct writer writer = writer_of(memory, sizeof(memory));

	write_password(&writer, password);
	send_bytes(client, writer.bytes, writer.used);
}

static void
expect_refusal(int client, const char *text)
{
	expect_fatal(client, text);
	await_clients(&world, CLIENT_FREE, world.segment->size.clients);
}

static uint32_t
pool_of(const char *user)
{
	uint32_t pool = pools_find(world.segment, "db", user);

	ck_assert_uint_ne(pool, NO_ROW);
	return pool;
}

/* --- the question -------------------------------------------------------- */

START_TEST(who_is_not_in_the_auth_file_is_asked_for)
{
	int client, asked, server;

	session_start(&world, ASKS);
	client = connect_as(0, "guest");
	asked = next_server();
	expect_question(asked, "guest");
	expect_silence(client);
	answer(asked, "guest", "opens");
	expect_asked_for_password(client);
	send_password(client, "opens");
	server = next_server();
	expect_welcome(client);
	session_query(client, server);
	expect_silence(asked);
}
END_TEST

START_TEST(who_is_in_the_auth_file_is_not)
{
	int client;

	session_start(&world, ASKS);
	client = connect_as(0, "u");
	expect_asked_for_password(client);
	session_accepts_nothing(&world);
}
END_TEST

START_TEST(a_wrong_password_is_refused)
{
	int client, asked;

	session_start(&world, ASKS);
	client = connect_as(0, "guest");
	asked = next_server();
	expect_question(asked, "guest");
	answer(asked, "guest", "opens");
	expect_asked_for_password(client);
	send_password(client, "does not");
	expect_refusal(client, WRONG);
	ck_assert_uint_eq(pools_find(world.segment, "db", "guest"), NO_ROW);
}
END_TEST

/* Nobody can tell him from one with a wrong password. */
START_TEST(who_does_not_exist_fails_like_a_wrong_password)
{
	int client, asked;

	session_start(&world, ASKS);
	client = connect_as(0, "guest");
	asked = next_server();
	expect_question(asked, "guest");
	answer(asked, NULL, NULL);
	expect_asked_for_password(client);
	send_password(client, "opens");
	expect_refusal(client, WRONG);
}
END_TEST

START_TEST(a_null_secret_lets_nobody_in)
{
	int client, asked;

	session_start(&world, ASKS);
	client = connect_as(0, "guest");
	asked = next_server();
	expect_question(asked, "guest");
	answer(asked, "guest", NULL);
	expect_asked_for_password(client);
	send_password(client, "opens");
	expect_refusal(client, WRONG);
}
END_TEST

/* CVE-2015-6817: not as auth_user, but as whom PostgreSQL names. */
START_TEST(the_pool_is_that_of_the_name_that_came_back)
{
	int client, asked;

	session_start(&world, ASKS);
	client = connect_as(0, "GUEST");
	asked = next_server();
	expect_question(asked, "GUEST");
	answer(asked, "guest", "opens");
	expect_asked_for_password(client);
	send_password(client, "opens");
	next_server();
	expect_welcome(client);
	ck_assert_uint_eq(pools_find(world.segment, "db", "GUEST"), NO_ROW);
	ck_assert_uint_eq(pools_clients(world.segment, pool_of("guest")), 1);
	ck_assert_uint_eq(pools_clients(world.segment, pool_of("asker")), 0);
}
END_TEST

/* PostgreSQL would cut it, and answer for another one. */
START_TEST(a_name_that_postgresql_would_cut_is_not_asked_for)
{
	char name[65];
	int client;

	memset(name, 'n', 64);
	name[64] = '\0';
	session_start(&world, ASKS);
	client = connect_as(0, name);
	expect_asked_for_password(client);
	send_password(client, "opens");
	expect_fatal(client, WRONG);
	session_accepts_nothing(&world);
	name[63] = '\0';
	client = connect_as(0, name);
	expect_question(next_server(), name);
}
END_TEST

/* CVE-2025-12819. */
START_TEST(nothing_of_the_client_is_set_on_the_connection)
{
	static const char *const startup[] = { "user", "guest", "database",
	    "db", "search_path", "evil", "client_encoding", "SJIS",
	    "application_name", "x'; drop table users; --", NULL };
	int client, asked;

	session_start(&world, ASKS "track_extra_parameters = search_path\n");
	client = session_connect(&world, 0);
	send_startup_with(client, startup);
	asked = next_server();
	expect_question(asked, "guest");
	answer(asked, "guest", "opens");
	expect_asked_for_password(client);
	expect_silence(asked);
}
END_TEST

/* A bound parameter, whatever it is. */
START_TEST(a_name_is_never_part_of_the_query)
{
	static const char name[] = "x' or ''='$1\\\"; --";
	int asked;

	session_start(&world, ASKS);
	connect_as(0, name);
	asked = next_server();
	expect_question(asked, name);
	expect_silence(asked);
}
END_TEST

/*
 * A client of the same pool may have set something: it is as it was before
 * the question is asked.
 */
START_TEST(what_a_client_of_that_pool_had_set_is_taken_back)
{
	static const char *const startup[] = { "user", "asker", "database",
	    "db", "client_encoding", "SJIS", NULL };
	int client, asked;

	session_start(&world, "auth_type = trust\nauth_user = asker\n"
	    "auth_query = " QUERY "\n[users]\nasker =\n");
	client = connect_as(0, "guest");
	asked = next_server();
	expect_question(asked, "guest");
	answer(asked, NULL, NULL);
	expect_refusal(client, "\"trust\" authentication failed");
	client = session_connect(&world, 0);
	send_startup_with(client, startup);
	expect_question(asked, "asker");
	answer(asked, "asker", NULL);
	session_settle(&world);
	send_talk(client, "Q(select 1)");
	expect_query(asked, "SET client_encoding='SJIS';");
	send_talk(asked, "S(client_encoding=SJIS)CZ");
	expect_talk(asked, "Q(select 1)");
	send_talk(asked, "TDCZ");
	session_settle(&world);
	connect_as(0, "guest");
	expect_query(asked, "SET client_encoding='UTF8';");
	send_talk(asked, "S(client_encoding=UTF8)CZ");
	expect_question(asked, "guest");
}
END_TEST

/* --- answers that are none ----------------------------------------------- */

static const struct {
	const char	*story, *talk;
	bool		 closes;
} faults[] = {
	{ "an error", "1E(42P01=no such table)Z", false },
	{ "an error without a transaction's end", "1E(42P01=no)Z(E)", true },
	{ "a transaction is left open", "12n" "C(BEGIN)3Z(T)", true },
	{ "no columns", "12nC(SET)3Z", false },
	{ "nothing at all", "Z", false },
	{ "a COPY", "12G", true },
	{ "a message that there is not", "12x", true },
};

START_TEST(an_answer_that_is_none_lets_nobody_in)
{
	int client, asked;

	session_start(&world, ASKS);
	client = connect_as(0, "guest");
	asked = next_server();
	expect_question(asked, "guest");
	send_talk(asked, faults[_i].talk);
	expect_refusal(client, CONFIG_ERROR);
	if (faults[_i].closes) {
		expect_goodbye(asked);
		return;
	}
	/* It serves the next one. */
	client = connect_as(0, "guest");
	expect_question(asked, "guest");
	answer(asked, "guest", "opens");
	expect_asked_for_password(client);
}
END_TEST

START_TEST(an_answer_in_single_bytes_is_one)
{
	uint8_t memory[256];
	struct writer writer = writer_of(memory, sizeof(memory));
	struct talk before = talk_of("S(TimeZone=UTC)N12"), after =
	    talk_of("CA3Z");
	int client, asked;

	session_start(&world, ASKS);
	client = connect_as(0, "guest");
	asked = next_server();
	expect_question(asked, "guest");
	put_description(&writer, 2);
	put_row(&writer, "guest", "opens");
	send_bytes(asked, before.bytes, before.length);
	for (size_t i = 0; i < writer.used; i++) {
		send_bytes(asked, writer.bytes + i, 1);
		session_settle(&world);
	}
	send_bytes(asked, after.bytes, after.length);
	expect_asked_for_password(client);
}
END_TEST

START_TEST(what_postgresql_refuses_is_not_told_to_strangers)
{
	int client, asked;

	session_start(&world, ASKS);
	client = connect_as(0, "guest");
	asked = session_accept(&world);
	expect_startup(asked);
	send_talk(asked, "F(28P01=password authentication failed for user "
	    "\"asker\")");
	expect_refusal(client, CONFIG_ERROR);
	/* And again, from memory. */
	client = connect_as(0, "guest");
	expect_refusal(client, CONFIG_ERROR);
	session_accepts_nothing(&world);
}
END_TEST

/* --- what happens meanwhile ---------------------------------------------- */

START_TEST(who_leaves_leaves_the_server_in_order)
{
	int client, asked;

	session_start(&world, ASKS);
	client = connect_as(0, "guest");
	asked = next_server();
	expect_question(asked, "guest");
	close(client);
	await_clients(&world, CLIENT_FREE, world.segment->size.clients);
	ck_assert_uint_eq(session_servers(&world, SERVER_TESTING), 1);
	client = connect_as(0, "other");
	session_settle(&world);
	ck_assert_uint_eq(session_clients(&world, CLIENT_WAITING), 1);
	answer(asked, "guest", "opens");
	expect_question(asked, "other");
	answer(asked, "other", "opens, too");
	expect_asked_for_password(client);
	await_servers(&world, SERVER_IDLE, 1);
}
END_TEST

START_TEST(who_leaves_the_queue_is_not_asked_for)
{
	int first, second, third, asked;

	session_start(&world, ASKS "default_pool_size = 1\n");
	first = connect_as(0, "one");
	asked = next_server();
	expect_question(asked, "one");
	second = connect_as(0, "two");
	session_settle(&world);
	third = connect_as(0, "three");
	session_settle(&world);
	close(second);
	session_settle(&world);
	answer(asked, "one", "1");
	expect_asked_for_password(first);
	expect_question(asked, "three");
	answer(asked, "three", "3");
	expect_asked_for_password(third);
	session_accepts_nothing(&world);
}
END_TEST

/* The pool's limit holds, and who came first is asked for first. */
START_TEST(clients_of_two_workers_wait_in_one_queue)
{
	int first, second, asked;

	session_start_workers(&world, 2, ASKS "default_pool_size = 1\n");
	first = connect_as(0, "one");
	asked = next_server();
	expect_question(asked, "one");
	second = connect_as(1, "two");
	session_settle(&world);
	ck_assert_uint_eq(session_clients(&world, CLIENT_WAITING), 1);
	answer(asked, "one", "1");
	expect_asked_for_password(first);
	expect_question(asked, "two");
	answer(asked, "two", "2");
	expect_asked_for_password(second);
	session_accepts_nothing(&world);
}
END_TEST

START_TEST(a_server_that_dies_in_the_middle_is_replaced)
{
	int client, asked;

	session_start(&world, ASKS);
	client = connect_as(0, "guest");
	asked = next_server();
	expect_question(asked, "guest");
	if (_i == 1)
		send_talk(asked, "12");
	close(asked);
	asked = next_server();
	expect_question(asked, "guest");
	answer(asked, "guest", "opens");
	expect_asked_for_password(client);
}
END_TEST

START_TEST(servers_that_die_of_it_are_not_tried_for_ever)
{
	int client;

	session_start(&world, ASKS);
	client = connect_as(0, "guest");
	for (int i = 0; i < 4; i++) {
		int asked = next_server();

		expect_question(asked, "guest");
		close(asked);
	}
	expect_refusal(client, CONFIG_ERROR);
}
END_TEST

START_TEST(a_pause_holds_the_question_back)
{
	int client, asked;

	session_start(&world, ASKS);
	atomic_store(&world.segment->state->paused, 1);
	session_order(&world);
	client = connect_as(0, "guest");
	session_accepts_nothing(&world);
	ck_assert_uint_eq(session_clients(&world, CLIENT_WAITING), 1);
	atomic_store(&world.segment->state->paused, 0);
	session_order(&world);
	asked = next_server();
	expect_question(asked, "guest");
	atomic_store(&world.segment->state->paused, 1);
	session_order(&world);
	/* What is under way is finished; then the connection is closed. */
	answer(asked, "guest", "opens");
	expect_asked_for_password(client);
	expect_goodbye(asked);
}
END_TEST

START_TEST(the_login_timeout_counts_while_postgresql_thinks)
{
	int client, asked;

	session_start(&world, ASKS "client_login_timeout = 5\n"
	    "server_connect_timeout = 10\n");
	client = connect_as(0, "guest");
	asked = next_server();
	expect_question(asked, "guest");
	session_pass(&world, 4 * USEC_PER_SEC);
	expect_silence(client);
	session_pass(&world, 2 * USEC_PER_SEC);
	expect_refusal(client, "client_login_timeout");
	/* Nor does the server think for ever. */
	expect_silence(asked);
	session_pass(&world, 5 * USEC_PER_SEC);
	expect_goodbye(asked);
	close(asked);
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
}
END_TEST

START_TEST(who_waits_too_long_in_the_queue_is_told_so)
{
	int first, second, asked;

	session_start(&world, ASKS "default_pool_size = 1\n"
	    "query_wait_timeout = 5\n");
	first = connect_as(0, "one");
	asked = next_server();
	expect_question(asked, "one");
	second = connect_as(0, "two");
	await_clients(&world, CLIENT_WAITING, 1);
	session_pass(&world, 4 * USEC_PER_SEC);
	expect_silence(second);
	session_pass(&world, 2 * USEC_PER_SEC);
	expect_fatal(second, "query_wait_timeout");
	answer(asked, "one", "1");
	expect_asked_for_password(first);
}
END_TEST

START_TEST(what_comes_early_is_kept)
{
	uint8_t memory[256];
	struct writer writer = writer_of(memory, sizeof(memory));
	int client, asked, server;

	session_start(&world, ASKS);
	client = connect_as(0, "guest");
	asked = next_server();
	expect_question(asked, "guest");
	write_password(&writer, "opens");
	write_query(&writer, "early");
	send_bytes(client, writer.bytes, writer.used);
	session_settle(&world);
	answer(asked, "guest", "opens");
	expect_asked_for_password(client);
	server = next_server();
	expect_welcome(client);
	expect_talk(server, "Q(early)");
}
END_TEST

/* --- a short memory ------------------------------------------------------ */

static void
log_in_first(int *client_out, int *asked_out)
{
	*client_out = connect_as(0, "guest");
	*asked_out = next_server();
	expect_question(*asked_out, "guest");
	answer(*asked_out, "guest", "opens");
	expect_asked_for_password(*client_out);
	send_password(*client_out, "opens");
	next_server();
	expect_welcome(*client_out);
}

START_TEST(each_login_asks_anew)
{
	int client, asked;

	session_start(&world, ASKS);
	log_in_first(&client, &asked);
	client = connect_as(0, "guest");
	expect_question(asked, "guest");
	answer(asked, "guest", "changed");
	expect_asked_for_password(client);
	send_password(client, "opens");
	expect_fatal(client, WRONG);
}
END_TEST

START_TEST(an_answer_serves_all_workers_for_a_while_if_asked_for)
{
	int client, asked;

	session_start_workers(&world, 2, ASKS
	    "auth_query_cache_time = 100\n");
	log_in_first(&client, &asked);
	client = connect_as(1, "guest");
	expect_asked_for_password(client);
	send_password(client, "opens");
	expect_welcome(client);
	client = connect_as(1, "guest");
	expect_asked_for_password(client);
	send_password(client, "wrong");
	expect_fatal(client, WRONG);
	expect_silence(asked);
	/* Of another one nothing is known. */
	connect_as(1, "other");
	expect_question(asked, "other");
}
END_TEST

/* The clock of this test: that of the row. */
START_TEST(the_memory_fades)
{
	struct found_secret *found;
	int client, asked;

	session_start(&world, ASKS "auth_query_cache_time = 100\n");
	log_in_first(&client, &asked);
	found = &world.segment->found[pool_of("guest")];
	ck_assert_str_eq(found->secret, "opens");
	found->found_at -= 101 * USEC_PER_SEC;
	connect_as(0, "guest");
	expect_question(asked, "guest");
	/* While a client is in, its server connections need it. */
	session_settle(&world);
	ck_assert_str_eq(found->secret, "opens");
	close(client);
	while (atomic_load(&found->known))
		session_settle(&world);
	for (size_t i = 0; i < sizeof(*found); i++)
		ck_assert_uint_eq(((uint8_t *)found)[i], 0);
}
END_TEST

/* --- where it is asked --------------------------------------------------- */

START_TEST(another_database_may_be_asked)
{
	int client, asked;

	session_start(&world, ASKS "auth_dbname = users\n[databases]\n"
	    "users = host=127.0.0.1 port=PORT auth_dbname=never\n");
	client = connect_as(0, "guest");
	asked = next_server();
	ck_assert_uint_ne(pools_find(world.segment, "users", "asker"),
	    NO_ROW);
	expect_question(asked, "guest");
	answer(asked, "guest", "opens");
	expect_asked_for_password(client);
}
END_TEST

START_TEST(a_database_has_its_own_ways)
{
	int client, asked;

	session_start(&world, "auth_type = plain\nauth_user = nobody\n"
	    "[databases]\nown = host=127.0.0.1 port=PORT auth_user=asker "
	    "auth_query='" QUERY "'\n");
	client = session_connect(&world, 0);
	send_startup(client, "guest", "own");
	asked = next_server();
	ck_assert_uint_ne(pools_find(world.segment, "own", "asker"), NO_ROW);
	expect_question(asked, "guest");
	answer(asked, "guest", "opens");
	expect_asked_for_password(client);
}
END_TEST

static const struct {
	const char	*story, *settings, *database, *text;
} refusals[] = {
	{ "no such database to ask", "auth_dbname = none\n", "db",
	    CONFIG_ERROR },
	{ "the console, and nowhere to ask", "", "pgbouncer", CONFIG_ERROR },
	{ "nothing to ask", "auth_query =\n", "db", CONFIG_ERROR },
};

START_TEST(what_cannot_be_asked_is_an_error_of_the_configuration)
{
	char settings[256];
	int client;

	snprintf(settings, sizeof(settings), "%s%s", ASKS,
	    refusals[_i].settings);
	session_start(&world, settings);
	client = session_connect(&world, 0);
	send_startup(client, "guest", refusals[_i].database);
	expect_refusal(client, refusals[_i].text);
	session_accepts_nothing(&world);
}
END_TEST

/* Or it could be told which databases there are. */
START_TEST(in_a_database_that_is_not_there_nobody_is)
{
	int client;

	session_start(&world, ASKS);
	client = session_connect(&world, 0);
	send_startup(client, "guest", "none");
	expect_asked_for_password(client);
	send_password(client, "opens");
	expect_refusal(client, WRONG);
	session_accepts_nothing(&world);
}
END_TEST

START_TEST(a_disabled_database_is_not_asked)
{
	int client;

	session_start(&world, ASKS);
	ck_assert_uint_ne(databases_stop(world.segment, "db",
	    DATABASE_DISABLED), NO_ROW);
	client = connect_as(0, "guest");
	expect_refusal(client,
	    "authentication database \"db\" is disabled");
	session_accepts_nothing(&world);
}
END_TEST

static void
add_answers(TCase *tests)
{
	tcase_add_test(tests, who_is_not_in_the_auth_file_is_asked_for);
	tcase_add_test(tests, who_is_in_the_auth_file_is_not);
	tcase_add_test(tests, a_wrong_password_is_refused);
	tcase_add_test(tests, who_does_not_exist_fails_like_a_wrong_password);
	tcase_add_test(tests, a_null_secret_lets_nobody_in);
	tcase_add_test(tests, the_pool_is_that_of_the_name_that_came_back);
	tcase_add_test(tests,
	    a_name_that_postgresql_would_cut_is_not_asked_for);
	tcase_add_test(tests, nothing_of_the_client_is_set_on_the_connection);
	tcase_add_test(tests, a_name_is_never_part_of_the_query);
	tcase_add_test(tests,
	    what_a_client_of_that_pool_had_set_is_taken_back);
	tcase_add_loop_test(tests, an_answer_that_is_none_lets_nobody_in, 0,
	    ARRAY_LENGTH(faults));
	tcase_add_test(tests, an_answer_in_single_bytes_is_one);
	tcase_add_test(tests,
	    what_postgresql_refuses_is_not_told_to_strangers);
}

static void
add_events(TCase *tests)
{
	tcase_add_test(tests, who_leaves_leaves_the_server_in_order);
	tcase_add_test(tests, who_leaves_the_queue_is_not_asked_for);
	tcase_add_test(tests, clients_of_two_workers_wait_in_one_queue);
	tcase_add_loop_test(tests,
	    a_server_that_dies_in_the_middle_is_replaced, 0, 2);
	tcase_add_test(tests, servers_that_die_of_it_are_not_tried_for_ever);
	tcase_add_test(tests, a_pause_holds_the_question_back);
	tcase_add_test(tests, the_login_timeout_counts_while_postgresql_thinks);
	tcase_add_test(tests, who_waits_too_long_in_the_queue_is_told_so);
	tcase_add_test(tests, what_comes_early_is_kept);
	tcase_add_test(tests, each_login_asks_anew);
	tcase_add_test(tests,
	    an_answer_serves_all_workers_for_a_while_if_asked_for);
	tcase_add_test(tests, the_memory_fades);
	tcase_add_test(tests, another_database_may_be_asked);
	tcase_add_test(tests, a_database_has_its_own_ways);
	tcase_add_loop_test(tests,
	    what_cannot_be_asked_is_an_error_of_the_configuration, 0,
	    ARRAY_LENGTH(refusals));
	tcase_add_test(tests, in_a_database_that_is_not_there_nobody_is);
	tcase_add_test(tests, a_disabled_database_is_not_asked);
}

int
main(void)
{
	Suite *suite = suite_create("auth_query");
	TCase *tests = tcase_create("logins");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_set_timeout(tests, 30);
	add_answers(tests);
	add_events(tests);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
