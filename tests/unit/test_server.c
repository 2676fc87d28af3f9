/*
 * A server connection: what it is told and asked before and after a client
 * uses it, and its end at each step (server.c, server_link.c, server_input.c).
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session_world.h"

static struct session_world world;
static int client, server;

static void
start(const char *settings)
{
	session_start(&world, settings);
	client = session_login_first(&world, 0, &server);
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

/* Logs in with one more parameter. */
static int
login_with(const char *name, const char *value)
{
	const char *parameters[] = { "user", "u", "database", "db", name,
	    value, NULL };
	int fd = session_connect(&world, 0);
	uint8_t body[256];
	size_t length;

	send_startup_with(fd, parameters);
	while (receive_message(fd, body, sizeof(body), &length) != 'Z')
		continue;
	return fd;
}

static int
next_server(void)
{
	int fd = session_accept(&world);

	expect_startup(fd);
	let_in(fd);
	return fd;
}

/* --- SETs ---------------------------------------------------------------- */

/* "=" in a talk separates strings, so SETs are written out. */
static void
expect_query(int fd, const char *text)
{
	uint8_t body[512];
	size_t length;

	ck_assert_int_eq(receive_message(fd, body, sizeof(body), &length),
	    'Q');
	ck_assert_uint_eq(length, strlen(text) + 1);
	ck_assert_str_eq((char *)body, text);
}

START_TEST(clients_with_other_settings_share_a_server)
{
	int other;

	start("default_pool_size = 1");
	other = login_with("TimeZone", "Asia/Tokyo");
	send_talk(other, "Q(select 1)");
	expect_query(server, "SET TimeZone='Asia/Tokyo';");
	session_settle(&world);
	expect_silence(other);
	send_talk(server, "S(TimeZone=Asia/Tokyo)C(SET)Z");
	expect_talk(server, "Q(select 1)");
	send_talk(server, "TDCZ");
	/* It hears nothing of the SET. */
	expect_talk(other, "TDCZ");
	session_query(other, server);
	send_talk(client, "Q(select 2)");
	expect_query(server, "SET TimeZone='UTC';");
	send_talk(server, "S(TimeZone=UTC)C(SET)Z");
	expect_talk(server, "Q(select 2)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

START_TEST(what_a_client_sets_follows_it)
{
	int other;

	start("default_pool_size = 1");
	other = session_login(&world, 0);
	send_talk(client, "Q(set)");
	expect_talk(server, "Q(set)");
	send_talk(server, "S(application_name=mine)C(SET)Z");
	expect_talk(client, "S(application_name=mine)C(SET)Z");
	session_settle(&world);
	ck_assert_str_eq(world.segment->servers[0].application_name, "mine");
	send_talk(other, "Q(select 1)");
	/* It said nothing of its name, so that it keeps the server's. */
	expect_talk(server, "Q(select 1)");
	send_talk(server, "CZ");
	expect_talk(other, "CZ");
	session_query(client, server);
}
END_TEST

START_TEST(settings_that_are_not_tracked_pass_through)
{
	start("default_pool_size = 1");
	send_talk(client, "Q");
	expect_talk(server, "Q");
	send_talk(server, "S(is_superuser=on)CZ");
	expect_talk(client, "S(is_superuser=on)CZ");
	session_query(client, server);
}
END_TEST

START_TEST(a_set_that_fails_ends_the_client_and_the_server)
{
	int other;

	start("default_pool_size = 1");
	other = login_with("TimeZone", "Nowhere");
	send_talk(other, "Q(select 1)");
	expect_query(server, "SET TimeZone='Nowhere';");
	send_talk(server, "E(22023=invalid value)Z");
	expect_fatal(other, "invalid server parameter");
	expect_goodbye(server);
	close(server);
	send_talk(client, "Q(select 1)");
	server = next_server();
	expect_talk(server, "Q(select 1)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

static void
expect_cancelled(int fd)
{
	uint8_t body[256];
	size_t length;

	ck_assert_int_eq(receive_message(fd, body, sizeof(body), &length),
	    'E');
	ck_assert_ptr_nonnull(memmem(body, length, "C57014", 7));
	expect_talk(fd, "Z");
}

/* What the client wants cancelled has not been sent yet. */
START_TEST(a_cancel_that_hits_what_comes_first_cancels_the_query)
{
	int other;

	start(_i == 0 ? "default_pool_size = 1" :
	    "default_pool_size = 1\nserver_check_delay = 0");
	other = _i == 0 ? login_with("TimeZone", "Asia/Tokyo") : client;
	session_pass(&world, 2 * USEC_PER_MSEC);
	send_talk(other, "Q(select 1)");
	expect_query(server, _i == 0 ? "SET TimeZone='Asia/Tokyo';" : "");
	send_talk(server, "E(57014=canceling statement)Z");
	expect_cancelled(other);
	expect_goodbye(server);
	close(server);
	session_accepts_nothing(&world);
	send_talk(client, "Q(select 2)");
	server = next_server();
	expect_talk(server, "Q(select 2)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

START_TEST(a_long_value_follows_its_client)
{
	char text[300] = "S(search_path=";
	char sets[300] = "Q(SET search_path=";
	int other;

	start("default_pool_size = 1\n"
	    "track_extra_parameters = search_path");
	other = login_with("search_path", "public");
	send_talk(other, "Q(select 1)");
	expect_query(server, "SET search_path=public;");
	send_talk(server, "S(search_path=public)CZ");
	expect_talk(server, "Q(select 1)");
	send_talk(server, "CZ");
	expect_talk(other, "CZ");
	memset(text + strlen(text), 'x', 200);
	strcat(text, ")CZ");
	send_talk(client, "Q(set)");
	expect_talk(server, "Q(set)");
	send_talk(server, text);
	expect_talk(client, text);
	session_settle(&world);
	send_talk(other, "Q(select 2)");
	expect_query(server, "SET search_path=public;");
	send_talk(server, "S(search_path=public)CZ");
	expect_talk(server, "Q(select 2)");
	send_talk(server, "CZ");
	expect_talk(other, "CZ");
	send_talk(client, "Q(select 3)");
	memset(sets + strlen(sets), 'x', 200);
	strcat(sets, ";");
	expect_query(server, sets + 2);
	text[strlen(text) - 2] = '\0';
	send_talk(server, text);
	send_talk(server, "CZ");
	expect_talk(server, "Q(select 3)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

/* PostgreSQL before 18 does not report search_path. */
START_TEST(what_is_not_reported_is_set_for_each_client)
{
	int one, other;

	start("default_pool_size = 1\n"
	    "track_extra_parameters = search_path");
	one = login_with("search_path", "a");
	other = login_with("search_path", "b");
	for (int i = 0; i < 2; i++) {
		send_talk(one, "Q(select 1)");
		expect_query(server, "SET search_path=a;");
		send_talk(server, "CZ");
		expect_talk(server, "Q(select 1)");
		send_talk(server, "CZ");
		expect_talk(one, "CZ");
		session_query(one, server);
		send_talk(other, "Q(select 2)");
		expect_query(server, "SET search_path=b;");
		send_talk(server, "CZ");
		expect_talk(server, "Q(select 2)");
		send_talk(server, "CZ");
		expect_talk(other, "CZ");
	}
}
END_TEST

/* Nobody after the first is told to set what the server has already. */
START_TEST(a_spelling_is_learned_from_the_server)
{
	int one, other;

	start("default_pool_size = 1");
	one = login_with("client_encoding", "utf-8");
	send_talk(one, "Q(select 1)");
	expect_query(server, "SET client_encoding='utf-8';");
	send_talk(server, "CZ");
	expect_talk(server, "Q(select 1)");
	send_talk(server, "CZ");
	expect_talk(one, "CZ");
	session_query(one, server);
	other = login_with("client_encoding", "utf-8");
	session_query(other, server);
}
END_TEST

/* --- checks -------------------------------------------------------------- */

START_TEST(an_idle_server_is_asked_before_its_use)
{
	start("default_pool_size = 1\nserver_check_delay = 0\n"
	    "server_check_query = select 7");
	session_pass(&world, 2 * USEC_PER_MSEC);
	send_talk(client, "Q(mine)");
	expect_query(server, "select 7");
	session_settle(&world);
	expect_silence(server);
	send_talk(server, "TDCZ");
	expect_talk(server, "Q(mine)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

START_TEST(the_default_check_is_an_empty_query)
{
	start("default_pool_size = 1\nserver_check_delay = 0");
	session_pass(&world, 2 * USEC_PER_MSEC);
	send_talk(client, "Q(mine)");
	expect_query(server, "");
	send_talk(server, "IZ");
	expect_talk(server, "Q(mine)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

/* Its configuration was reloaded: that is not what the client was told. */
START_TEST(what_a_check_brings_to_light_is_set_right)
{
	start("default_pool_size = 1\nserver_check_delay = 0");
	session_pass(&world, 2 * USEC_PER_MSEC);
	send_talk(client, "Q(mine)");
	expect_query(server, "");
	send_talk(server, "IS(TimeZone=Asia/Tokyo)Z");
	expect_query(server, "SET TimeZone='UTC';");
	send_talk(server, "S(TimeZone=UTC)C(SET)Z");
	expect_talk(server, "Q(mine)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

static const struct {
	const char	*story;
	const char	*answer;	/* NULL: hangs up */
} failures[] = {
	{ "an error", "E(XX000=broken)Z" },
	{ "a transaction is open", "CZ(T)" },
	{ "hangs up", NULL },
};

/* Nothing of it was sent yet, so it costs the client nothing. */
START_TEST(a_client_whose_server_fails_the_check_gets_another_one)
{
	start("default_pool_size = 1\nserver_check_delay = 0");
	session_pass(&world, 2 * USEC_PER_MSEC);
	send_talk(client, "Q(mine)");
	expect_query(server, "");
	if (failures[_i].answer != NULL) {
		send_talk(server, failures[_i].answer);
		expect_goodbye(server);
	}
	close(server);
	server = next_server();
	expect_talk(server, "Q(mine)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

/* --- what a transaction leaves ------------------------------------------- */

static void
expect_question(int fd)
{
	uint8_t body[8192];
	size_t length;

	ck_assert_int_eq(receive_message(fd, body, sizeof(body), &length),
	    'Q');
	ck_assert_int_eq(memcmp(body, "SELECT 0 ", 9), 0);
}

/* It is as if PostgreSQL had said so a moment before. */
START_TEST(a_setting_that_is_reported_meanwhile_reaches_the_client)
{
	static const uint8_t no[] = { 'D', 0, 0, 0, 11, 0, 1, 0, 0, 0, 1,
	    '0' };
	int other;

	start("default_pool_size = 1\nsession_state = pin");
	other = session_login(&world, 0);
	send_talk(client, "Q(set a)");
	expect_talk(server, "Q(set a)");
	send_talk(server, "C(SET)Z");
	expect_talk(client, "C(SET)Z");
	expect_question(server);
	send_talk(server, "T");
	send_bytes(server, no, sizeof(no));
	send_talk(server, "S(TimeZone=Asia/Tokyo)C(SELECT 1)Z");
	expect_talk(client, "S(TimeZone=Asia/Tokyo)");
	session_settle(&world);
	send_talk(other, "Q(select 1)");
	expect_query(server, "SET TimeZone='UTC';");
	send_talk(server, "S(TimeZone=UTC)C(SET)Z");
	expect_talk(server, "Q(select 1)");
	send_talk(server, "CZ");
	expect_talk(other, "CZ");
}
END_TEST

/* PostgreSQL has answered; it is the client who takes its time. */
START_TEST(a_look_waits_for_a_client_that_does_not_read)
{
	static const uint8_t no[] = { 'D', 0, 0, 0, 11, 0, 1, 0, 0, 0, 1,
	    '0' };
	static uint8_t row[60001 + 64] = { 'D', 0, 0, 60000 >> 8,
	    60000 & 0xff };
	struct talk end = talk_of("C(SET)Z");
	size_t length = 60001 + end.length;
	int narrow;

	start("default_pool_size = 1\nsession_state = pin\n"
	    "server_connect_timeout = 1");
	narrow = session_connect_narrow(&world, 0);
	send_startup(narrow, "u", "db");
	expect_welcome(narrow);
	send_talk(narrow, "Q(set a)");
	expect_talk(server, "Q(set a)");
	/* All at once: then it is read at once, and not taken. */
	memcpy(row + 60001, end.bytes, end.length);
	send_bytes(server, row, length);
	expect_question(server);
	send_talk(server, "T");
	send_bytes(server, no, sizeof(no));
	send_talk(server, "C(SELECT 1)Z");
	session_pass(&world, 3 * USEC_PER_SEC);
	expect_bytes(narrow, row, length, "the row");
	session_query(narrow, server);
	session_query(client, server);
	close(narrow);
}
END_TEST

/* --- resets -------------------------------------------------------------- */

START_TEST(in_session_mode_a_server_is_reset_for_the_next_client)
{
	int other;

	start("default_pool_size = 1\npool_mode = session");
	session_query(client, server);
	session_settle(&world);
	ck_assert_uint_eq(session_clients(&world, CLIENT_LINKED), 1);
	other = session_login(&world, 0);
	send_talk(other, "Q(next)");
	session_settle(&world);
	ck_assert_uint_eq(session_clients(&world, CLIENT_WAITING), 1);
	close(client);
	expect_query(server, "DISCARD ALL");
	session_settle(&world);
	ck_assert_uint_eq(session_servers(&world, SERVER_TESTING), 1);
	expect_silence(server);
	send_talk(server, "S(TimeZone=UTC)CZ");
	expect_talk(server, "Q(next)");
	send_talk(server, "CZ");
	expect_talk(other, "CZ");
}
END_TEST

/* A server that had to be told this, and does not report it, answers. */
static void
query_in_schema(int fd)
{
	send_talk(fd, "Q(select 1)");
	expect_query(server, "SET search_path=a;");
	send_talk(server, "CZ");
	expect_talk(server, "Q(select 1)");
	send_talk(server, "CZ");
	expect_talk(fd, "CZ");
}

/* What PostgreSQL does not report is gone as well. */
START_TEST(a_reset_takes_along_what_is_not_reported)
{
	int other;

	start("default_pool_size = 1\npool_mode = session\n"
	    "track_extra_parameters = search_path");
	for (int i = 0; i < 3; i++) {
		other = login_with("search_path", "a");
		query_in_schema(other);
		session_query(other, server);
		close(other);
		expect_query(server, "DISCARD ALL");
		send_talk(server, "C(DISCARD ALL)Z");
	}
}
END_TEST

START_TEST(a_client_that_discards_all_keeps_what_it_came_with)
{
	char settings[200];
	int other;

	snprintf(settings, sizeof(settings), "default_pool_size = 1\n"
	    "track_extra_parameters = search_path\n"
	    "max_prepared_statements = %d", _i);
	start(settings);
	other = login_with("search_path", "a");
	for (int i = 0; i < 3; i++) {
		query_in_schema(other);
		send_talk(other, "Q(DISCARD ALL)");
		expect_query(server, "DISCARD ALL");
		send_talk(server, "S(TimeZone=UTC)C(DISCARD ALL)Z");
		expect_talk(other, "S(TimeZone=UTC)C(DISCARD ALL)Z");
	}
}
END_TEST

/*
 * A server that answers what it has not read: at one of these lengths all of
 * the queries was sent and not all of the reset query.
 */
START_TEST(a_reset_that_is_answered_before_it_was_sent_closes_the_server)
{
	char settings[2400], query[1000] = "Q(";
	int small = 2048;

	memset(query + 2, 'q', sizeof(query) - 4);
	query[sizeof(query) - 2] = ')';
	snprintf(settings, sizeof(settings), "default_pool_size = 1\n"
	    "pool_mode = session\ntcp_socket_buffer = 4096\n"
	    "server_reset_query = %02000d", 0);
	start(settings);
	close(server);
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
	ck_assert_int_eq(setsockopt(world.listen_fd, SOL_SOCKET, SO_RCVBUF,
	    &small, sizeof(small)), 0);
	for (int queries = 1; queries < 24; queries++) {
		client = session_login(&world, 0);
		for (int i = 0; i < queries; i++)
			send_talk(client, query);
		server = next_server();
		session_settle(&world);
		for (int i = 0; i < queries; i++)
			send_talk(server, "CZ");
		session_settle(&world);
		close(client);
		session_settle(&world);
		send_talk(server, "CZ");
		session_settle(&world);
		close(server);
		await_servers(&world, SERVER_FREE,
		    world.segment->size.servers);
	}
}
END_TEST

START_TEST(a_reset_that_fails_closes_the_server)
{
	start("default_pool_size = 1\npool_mode = session");
	session_query(client, server);
	close(client);
	expect_query(server, "DISCARD ALL");
	send_talk(server, "E(25001=cannot)Z");
	expect_goodbye(server);
	close(server);
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
}
END_TEST

START_TEST(a_reset_may_be_wanted_always)
{
	start("default_pool_size = 1\nserver_reset_query_always = 1\n"
	    "server_reset_query = RESET ALL");
	session_query(client, server);
	expect_query(server, "RESET ALL");
	send_talk(server, "CZ");
	await_servers(&world, SERVER_IDLE, 1);
	send_talk(client, "Q(select 1)");
	expect_talk(server, "Q(select 1)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	expect_query(server, "RESET ALL");
	send_talk(server, "CZ");
}
END_TEST

START_TEST(no_reset_query_is_no_reset)
{
	start("default_pool_size = 1\npool_mode = session\n"
	    "server_reset_query =");
	session_query(client, server);
	close(client);
	await_servers(&world, SERVER_IDLE, 1);
	expect_silence(server);
}
END_TEST

START_TEST(in_statement_mode_there_are_no_transactions)
{
	start("default_pool_size = 1\npool_mode = statement");
	session_query(client, server);
	send_talk(client, "Q(begin)");
	expect_talk(server, "Q(begin)");
	send_talk(server, "CZ(T)");
	expect_fatal(client, "transaction blocks not allowed in statement "
	    "pooling mode");
	expect_goodbye(server);
}
END_TEST

/* --- at rest ------------------------------------------------------------- */

START_TEST(an_idle_server_may_say_harmless_things)
{
	start("default_pool_size = 1");
	send_talk(server, "AS(TimeZone=Asia/Tokyo)");
	session_settle(&world);
	ck_assert_uint_eq(session_servers(&world, SERVER_IDLE), 1);
	send_talk(client, "Q(select 1)");
	expect_query(server, "SET TimeZone='UTC';");
	send_talk(server, "S(TimeZone=UTC)CZ");
	expect_talk(server, "Q(select 1)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

static const struct {
	const char	*story;
	const char	*bytes;
	size_t		 length;
} dirt[] = {
	{ "rows that nobody asked for", "D\0\0\0\6\0\0", 7 },
	{ "ready once more", "Z\0\0\0\5I", 6 },
	{ "half a message", "D\0", 2 },
	{ "half a notification", "A\0\0\0\40xx", 7 },
	{ "a notice", "N\0\0\0\13SLOG\0\0", 12 },
	{ "nonsense", "\377\377\377\377\377", 5 },
	{ "nothing: it hangs up", "", 0 },
};

START_TEST(an_idle_server_that_is_dirty_is_replaced)
{
	start("default_pool_size = 1");
	send_bytes(server, dirt[_i].bytes, dirt[_i].length);
	if (dirt[_i].length > 0)
		expect_goodbye(server);
	close(server);
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
	send_talk(client, "Q(select 1)");
	server = next_server();
	expect_talk(server, "Q(select 1)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

START_TEST(an_error_at_rest_is_the_servers_last_word)
{
	start("default_pool_size = 1");
	send_talk(server, "F(57P01=terminating connection)");
	expect_goodbye(server);
	close(server);
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
	session_settle(&world);
	expect_silence(client);
}
END_TEST

/* --- hangs up ------------------------------------------------------------ */

START_TEST(a_server_lost_in_a_query_ends_its_client_only)
{
	int other;

	start("default_pool_size = 1");
	other = session_login(&world, 0);
	send_talk(client, "Q(begin)");
	expect_talk(server, "Q(begin)");
	session_settle(&world);
	send_talk(other, "Q(next)");
	session_settle(&world);
	close(server);
	expect_fatal(client, "server conn crashed?");
	server = next_server();
	expect_talk(server, "Q(next)");
	send_talk(server, "CZ");
	expect_talk(other, "CZ");
}
END_TEST

/* As many as there are rows for. */
#define SERVERS 16

START_TEST(the_last_row_is_used_again_at_once)
{
	int clients[SERVERS], servers[SERVERS], last;

	start("default_pool_size = 20");
	clients[0] = client;
	servers[0] = server;
	for (int i = 0; i < SERVERS; i++) {
		if (i > 0)
			clients[i] = session_login(&world, 0);
		send_talk(clients[i], "Q(mine)");
		if (i > 0)
			servers[i] = next_server();
		expect_talk(servers[i], "Q(mine)");
	}
	last = session_login(&world, 0);
	send_talk(last, "Q(last)");
	session_settle(&world);
	session_accepts_nothing(&world);
	close(servers[3]);
	expect_fatal(clients[3], "server conn crashed?");
	server = next_server();
	expect_talk(server, "Q(last)");
	send_talk(server, "CZ");
	expect_talk(last, "CZ");
}
END_TEST

START_TEST(its_last_words_reach_the_client)
{
	start("default_pool_size = 1");
	send_talk(client, "Q(begin)");
	expect_talk(server, "Q(begin)");
	send_talk(server, "F(57P01=terminating connection)");
	close(server);
	expect_talk(client, "F(57P01=terminating connection)");
	expect_fatal(client, "server conn crashed?");
}
END_TEST

/* An error behind half of a row would be taken for its other half. */
START_TEST(a_server_lost_in_half_a_row_says_nothing_more)
{
	start("default_pool_size = 1");
	send_talk(client, "Q");
	expect_talk(server, "Q");
	send_bytes(server, "D\0\0\1\0half", 9);
	expect_bytes(client, "D\0\0\1\0half", 9, "half");
	close(server);
	expect_end(client);
}
END_TEST

START_TEST(a_server_lost_in_a_set_costs_nothing)
{
	int other;

	start("default_pool_size = 1");
	other = login_with("TimeZone", "Asia/Tokyo");
	send_talk(other, "Q(mine)");
	expect_query(server, "SET TimeZone='Asia/Tokyo';");
	close(server);
	server = next_server();
	expect_query(server, "SET TimeZone='Asia/Tokyo';");
	send_talk(server, "S(TimeZone=Asia/Tokyo)CZ");
	expect_talk(server, "Q(mine)");
	send_talk(server, "CZ");
	expect_talk(other, "CZ");
}
END_TEST

START_TEST(a_server_lost_in_its_reset_is_gone)
{
	start("default_pool_size = 1\npool_mode = session");
	session_query(client, server);
	close(client);
	expect_query(server, "DISCARD ALL");
	close(server);
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
}
END_TEST

/* --- by the clock -------------------------------------------------------- */

START_TEST(an_idle_server_is_closed_in_time)
{
	start("server_idle_timeout = 5");
	session_pass(&world, 4 * USEC_PER_SEC);
	expect_silence(server);
	session_pass(&world, 2 * USEC_PER_SEC);
	expect_talk(server, "X");
	expect_end(server);
	close(server);
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
	session_settle(&world);
	expect_silence(client);
}
END_TEST

START_TEST(an_old_server_is_closed_when_it_comes_back)
{
	start("server_lifetime = 2");
	send_talk(client, "Q(begin)");
	expect_talk(server, "Q(begin)");
	send_talk(server, "CZ(T)");
	expect_talk(client, "CZ(T)");
	session_pass(&world, 3 * USEC_PER_SEC);
	expect_silence(server);
	send_talk(client, "Q(commit)");
	expect_talk(server, "Q(commit)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	expect_talk(server, "X");
	expect_end(server);
}
END_TEST

/* PostgreSQL has it until it hangs up: until then no other is opened. */
START_TEST(a_goodbye_takes_a_place_until_postgresql_has_hung_up)
{
	start("server_idle_timeout = 5\ndefault_pool_size = 1");
	session_pass(&world, 6 * USEC_PER_SEC);
	expect_talk(server, "X");
	send_talk(client, "Q(mine)");
	session_accepts_nothing(&world);
	ck_assert_uint_eq(session_servers(&world, SERVER_CLOSING), 1);
	close(server);
	server = next_server();
	expect_talk(server, "Q(mine)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

START_TEST(a_reset_that_is_never_answered_is_given_up)
{
	start("server_connect_timeout = 1\npool_mode = session");
	session_query(client, server);
	close(client);
	expect_query(server, "DISCARD ALL");
	session_pass(&world, 2 * USEC_PER_SEC);
	expect_goodbye(server);
}
END_TEST

START_TEST(a_check_that_is_never_answered_costs_the_client_nothing)
{
	start("server_connect_timeout = 1\nserver_check_delay = 0\n"
	    "default_pool_size = 1");
	session_pass(&world, 2 * USEC_PER_MSEC);
	send_talk(client, "Q(mine)");
	expect_query(server, "");
	session_pass(&world, 2 * USEC_PER_SEC);
	expect_goodbye(server);
	close(server);
	server = next_server();
	expect_talk(server, "Q(mine)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("server");
	TCase *tests = tcase_create("server");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, clients_with_other_settings_share_a_server);
	tcase_add_test(tests, what_a_client_sets_follows_it);
	tcase_add_test(tests, settings_that_are_not_tracked_pass_through);
	tcase_add_test(tests, a_set_that_fails_ends_the_client_and_the_server);
	tcase_add_loop_test(tests,
	    a_cancel_that_hits_what_comes_first_cancels_the_query, 0, 2);
	tcase_add_test(tests,
	    a_long_value_follows_its_client);
	tcase_add_test(tests, what_is_not_reported_is_set_for_each_client);
	tcase_add_test(tests, a_spelling_is_learned_from_the_server);
	tcase_add_test(tests, an_idle_server_is_asked_before_its_use);
	tcase_add_test(tests, the_default_check_is_an_empty_query);
	tcase_add_test(tests, what_a_check_brings_to_light_is_set_right);
	tcase_add_loop_test(tests,
	    a_client_whose_server_fails_the_check_gets_another_one, 0,
	    ARRAY_LENGTH(failures));
	tcase_add_test(tests,
	    in_session_mode_a_server_is_reset_for_the_next_client);
	tcase_add_test(tests, a_reset_takes_along_what_is_not_reported);
	tcase_add_loop_test(tests,
	    a_client_that_discards_all_keeps_what_it_came_with, 0, 2);
	tcase_add_test(tests,
	    a_reset_that_is_answered_before_it_was_sent_closes_the_server);
	tcase_add_test(tests, a_reset_that_fails_closes_the_server);
	tcase_add_test(tests, a_reset_may_be_wanted_always);
	tcase_add_test(tests,
	    a_setting_that_is_reported_meanwhile_reaches_the_client);
	tcase_add_test(tests, a_look_waits_for_a_client_that_does_not_read);
	tcase_add_test(tests, no_reset_query_is_no_reset);
	tcase_add_test(tests, in_statement_mode_there_are_no_transactions);
	tcase_add_test(tests, an_idle_server_may_say_harmless_things);
	tcase_add_loop_test(tests, an_idle_server_that_is_dirty_is_replaced, 0,
	    ARRAY_LENGTH(dirt));
	tcase_add_test(tests, an_error_at_rest_is_the_servers_last_word);
	tcase_add_test(tests, a_server_lost_in_a_query_ends_its_client_only);
	tcase_add_test(tests, the_last_row_is_used_again_at_once);
	tcase_add_test(tests, its_last_words_reach_the_client);
	tcase_add_test(tests, a_server_lost_in_half_a_row_says_nothing_more);
	tcase_add_test(tests, a_server_lost_in_a_set_costs_nothing);
	tcase_add_test(tests, a_server_lost_in_its_reset_is_gone);
	tcase_add_test(tests, an_idle_server_is_closed_in_time);
	tcase_add_test(tests, an_old_server_is_closed_when_it_comes_back);
	tcase_add_test(tests,
	    a_goodbye_takes_a_place_until_postgresql_has_hung_up);
	tcase_add_test(tests, a_reset_that_is_never_answered_is_given_up);
	tcase_add_test(tests,
	    a_check_that_is_never_answered_costs_the_client_nothing);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
