/*
 * What one client leaves behind never reaches the next one, and no server
 * gets stuck on its way from hand to hand.
 */
#include "build.h"

#include <sys/socket.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/fake_server.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/world.h"

#ifdef WITH_SANITIZERS		/* they keep what was given back */
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* One server for all, so whatever is wrong with it shows. */
#define pooler_of_one(settings_) pooler_start(.workers = 2, \
	.settings = text("default_pool_size = 1\n%s", (settings_)))

#define fake_pooler(port_, settings_) pooler_start(.workers = 2, \
	.databases = text("shop = host=127.0.0.1 port=%d pool_size=1", \
	(port_)), .settings = (settings_))

/* A CopyData that is announced with a megabyte, and a bit of it. */
static void
put_half_a_message(struct buffer *out)
{
	put_header(out, 'd', 1000000);
	put_bytes(out, "half", 4);
}

START_TEST(half_a_message_ends_with_its_session)
{
	struct pooler *pooler = pooler_of_one("pool_mode = session\n");
	struct buffer bytes = { 0 };
	int client = fake_client_login(pooler->port, "app", "shop");

	fake_client_query(client, "select 1");
	fake_client_expect(client, 'Z', NULL);
	put_half_a_message(&bytes);
	ck_assert(fake_client_send(client, &bytes));
	close(client);
	ck_login_ok(pooler, "user=app dbname=shop");
}
END_TEST

START_TEST(half_a_message_behind_a_failed_copy_reaches_nobody)
{
	struct pooler *pooler = pooler_of_one("");
	struct buffer bytes = { 0 };
	int client = fake_client_login(pooler->port, "app", "shop");

	put_message(&bytes, 'Q', "s", "copy no_such from stdin");
	put_half_a_message(&bytes);
	ck_assert(fake_client_send(client, &bytes));
	/* Its error; the message is still incomplete. */
	ck_assert_int_eq(recv(client, &(char){ 0 }, 1, MSG_PEEK), 1);
	close(client);
	for (unsigned i = 0; i < 3; i++)
		ck_login_ok(pooler, "user=app dbname=shop");
}
END_TEST

START_TEST(a_copy_cut_in_two_lets_its_server_go_in_the_end)
{
	struct pooler *pooler = pooler_of_one("");
	PGconn *other = connect_client(pooler);
	struct buffer bytes = { 0 };
	struct message message;
	int client = fake_client_login(pooler->port, "app", "shop");

	put_message(&bytes, 'Q', "s", "copy no_such from stdin");
	put_header(&bytes, 'd', 4 + 1000);
	put_bytes(&bytes, "first half", 10);
	ck_assert(fake_client_send(client, &bytes));
	do
		ck_assert(fake_client_read(client, &message));
	while (message.type != 'Z');
	for (unsigned i = 0; i < 99; i++)
		put_bytes(&bytes, "0123456789", 10);
	ck_assert(fake_client_send(client, &bytes));
	ck_query_value(other, "select 1", "1");
	fake_client_query(client, "select 2");
	fake_client_expect(client, 'Z', &message);
	close(client);
}
END_TEST

START_TEST(a_slow_reader_gives_its_server_back_whole)
{
	struct pooler *pooler = pooler_of_one("");
	PGconn *other = connect_client(pooler);
	int client = fake_client_login(pooler->port, "app", "shop");
	struct message message;

	for (unsigned round = 0; round < 20; round++) {
		unsigned rows = 500 + round * 350;

		fake_client_query(client, text("select repeat('x', 1000) "
		    "from generate_series(1, %u)", rows));
		ck_assert(PQsendQuery(other, "select 7"));
		usleep(5000);	/* lets the answer pile up */
		do {
			ck_assert(fake_client_read(client, &message));
			rows -= message.type == 'D';
		} while (message.type != 'Z');
		ck_assert_uint_eq(rows, 0);
		ck_finish_ok(other);
	}
	close(client);
}
END_TEST

START_TEST(who_leaves_an_answer_unread_costs_nobody_the_server)
{
	static const char *const modes[] = { "session", "transaction" };
	struct pooler *pooler = pooler_of_one(text("pool_mode = %s\n",
	    modes[_i]));

	for (unsigned i = 0; i < 10; i++) {
		int client = fake_client_login(pooler->port, "app", "shop");

		fake_client_query(client, text("select repeat('x', 1000) "
		    "from generate_series(1, %u)", 500 + i * 1000));
		fake_client_expect(client, 'D', NULL);
		usleep(5000);
		close(client);
		ck_login_ok(pooler, "user=app dbname=shop");
	}
}
END_TEST

static long
memory_of(struct pooler *pooler)
{
	pid_t pids[65];
	unsigned count = pooler_children(pooler, pids, 64);
	long sum = 0;

	for (unsigned i = 0; i < count; i++) {
		char *status = file_read(text("/proc/%d/status",
		    (int)pids[i]));
		char *at = strstr(status, "RssAnon:");

		sum += at != NULL ? atol(at + 8) : 0;
		free(status);
	}
	return sum;
}

/* The kernel's buffers fill, then ours may not. */
START_TEST(a_client_that_asks_and_never_reads_is_made_to_wait)
{
	struct pooler *pooler = pooler_of_one("");
	PGconn *other = connect_client(pooler);
	struct buffer bytes = { 0 };
	int client = fake_client_login(pooler->port, "app", "shop");
	long before = memory_of(pooler), grown;
	size_t length;
	long long end = now_ms() + 2000;

	put_message(&bytes, 'Q', "s", "select repeat('x', 5000)");
	length = buffer_length(&bytes);
	ck_assert_int_ne(fcntl(client, F_SETFL, O_NONBLOCK), -1);
	/* One question after the other, each by itself. */
	while (now_ms() < end)
		if (send(client, buffer_front(&bytes), length,
		    MSG_NOSIGNAL) != (ssize_t)length)
			usleep(1000);
	buffer_clear(&bytes);
	grown = memory_of(pooler) - before;
	ck_assert_msg(SANITIZED || grown < 8192, "memory grew by %ld kB",
	    grown);
	close(client);
	ck_query_value(other, "select 1", "1");
}
END_TEST

/* ---- servers that do not answer ---- */

START_TEST(a_reset_that_is_never_answered_has_an_end)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = fake_pooler(port, "pool_mode = session\n");
	PGconn *client = connect_client(pooler);
	PGconn *console = connect_console(pooler);

	fake_server_hold(server, "DISCARD ALL");
	ck_query_value(client, "select 1", "fake");
	disconnect(client);
	await_query(server, "DISCARD ALL", 1);
	ck_query_ok(console, "SET server_connect_timeout = 1");
	pooler_await_log(pooler, "closing because: reset query failed");
	/* The next one may take its time to come. */
	ck_query_ok(console, "SET server_connect_timeout = DEFAULT");
	client = connect_client(pooler);
	ck_query_value(client, "select 1", "fake");
	fake_server_stop(server);
}
END_TEST

START_TEST(a_check_that_is_never_answered_brings_a_new_server)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = pooler_start(.workers = 2, .databases = text(
	    "shop = host=127.0.0.1 port=%d pool_size=2", port),
	    .settings = "server_check_delay = 0\nserver_login_retry = 0.3\n"
	    "server_check_query = are you there\n");
	PGconn *other = connect_client(pooler);
	PGconn *client = connect_client(pooler);

	/* While its server lives nobody is told that a new one fails. */
	fake_server_hold(server, "select 1");
	ck_assert(PQsendQuery(other, "select 1"));
	await_query(server, "select 1", 1);
	ck_query_value(client, "select 2", "fake");
	fake_server_hold(server, "are you there");
	ck_query_ok(connect_console(pooler), "SET server_connect_timeout = 1");
	ck_query_value(client, "select 3", "fake");
	ck_assert(pooler_logged(pooler, "closing because: test query failed"));
	ck_assert_uint_ge(fake_server_connections(server), 3);
	fake_server_stop(server);
}
END_TEST

START_TEST(a_server_that_hangs_up_at_its_check_costs_no_client)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = fake_pooler(port, "server_check_delay = 0\n"
	    "server_check_query = are you there\n"
	    "server_login_retry = 0.3\n");
	PGconn *client = connect_client(pooler);
	struct buffer nothing = { 0 };

	ck_query_value(client, "select 1", "fake");
	fake_server_answer(server, "are you there", &nothing, THEN_HANG_UP);
	for (unsigned i = 0; i < 3; i++)
		ck_query_value(client, "select 2", "fake");
	fake_server_stop(server);
}
END_TEST

START_TEST(a_connect_that_fails_at_once_stops_nobody_else)
{
	struct pooler *pooler = pooler_start(.workers = 1, .databases = text(
	    "shop = %s\nnowhere = host=/nowhere/at/all", world_place()),
	    .settings = "server_login_retry = 0\n");
	PGconn *client = connect_client(pooler);
	int waiting = fake_client_begin(pooler->port, "app", "nowhere");

	for (unsigned i = 0; i < 50; i++)
		ck_query_value(client, "select 1", "1");
	close(waiting);
	ck_login_ok(pooler, "user=app dbname=shop");
}
END_TEST

/* ---- RELOAD, PAUSE ---- */

START_TEST(a_reload_with_another_place_moves_all_clients)
{
	int ports[] = { world_port(), world_port() };
	struct fake_server *servers[2];
	struct buffer bytes = { 0 };
	struct pooler *pooler;
	PGconn *clients[4], *console;

	for (unsigned i = 0; i < 2; i++) {
		servers[i] = fake_server_start(ports[i]);
		put_answer(&bytes, i == 0 ? "old" : "new");
		fake_server_answer(servers[i], "where", &bytes, THEN_GO_ON);
	}
	pooler = pooler_start(.workers = 3, .databases = text(
	    "shop = host=127.0.0.1 port=%d", ports[0]));
	console = connect_console(pooler);
	for (unsigned i = 0; i < 4; i++) {
		clients[i] = connect_client(pooler);
		ck_query_value(clients[i], "where", "old");
	}
	pooler_rewrite(pooler, &(struct recipe){ .workers = 3,
	    .databases = text("shop = host=127.0.0.1 port=%d", ports[1]) });
	ck_query_tag(console, "RELOAD", "RELOAD");
	await_open(servers[0], 0);
	for (unsigned i = 0; i < 4; i++)
		ck_query_value(clients[i], "where", "new");
	for (unsigned i = 0; i < 2; i++)
		fake_server_stop(servers[i]);
}
END_TEST

START_TEST(a_reload_waits_for_transactions_to_end)
{
	int ports[] = { world_port(), world_port() };
	struct fake_server *servers[2];
	struct buffer bytes = { 0 };
	struct pooler *pooler;
	PGconn *client;

	for (unsigned i = 0; i < 2; i++) {
		servers[i] = fake_server_start(ports[i]);
		put_answer(&bytes, i == 0 ? "old" : "new");
		fake_server_answer(servers[i], "where", &bytes, THEN_GO_ON);
		put_one_value(&bytes, i == 0 ? "old" : "new");
		put_complete(&bytes, "SELECT 1");
		put_ready(&bytes, 'T');
		fake_server_answer(servers[i], "inside", &bytes, THEN_GO_ON);
	}
	pooler = pooler_start(.workers = 2, .databases = text(
	    "shop = host=127.0.0.1 port=%d", ports[0]));
	client = connect_client(pooler);
	ck_query_value(client, "inside", "old");
	pooler_rewrite(pooler, &(struct recipe){ .workers = 2,
	    .databases = text("shop = host=127.0.0.1 port=%d", ports[1]) });
	ck_query_tag(connect_console(pooler), "RELOAD", "RELOAD");
	ck_query_value(client, "inside", "old");
	ck_query_value(client, "where", "old");	/* ends it */
	ck_query_value(client, "where", "new");
	for (unsigned i = 0; i < 2; i++)
		fake_server_stop(servers[i]);
}
END_TEST

START_TEST(a_pause_that_ends_at_once_leaves_nobody_waiting)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = "default_pool_size = 1\n");
	PGconn *clients[6];

	for (unsigned i = 0; i < 6; i++)
		clients[i] = connect_client(pooler);
	for (unsigned round = 0; round < 40; round++) {
		kill(pooler->pid, SIGUSR1);
		for (unsigned i = 0; i < 6; i++)
			ck_assert(PQsendQuery(clients[i], "select 1"));
		kill(pooler->pid, SIGUSR2);
		for (unsigned i = 0; i < 6; i++)
			ck_finish_ok(clients[i]);
	}
}
END_TEST

START_TEST(reports_show_no_leftover_bytes)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	PGconn *named = connect_as(pooler,
	    "user=app dbname=shop application_name=named");
	PGconn *nameless = connect_as(pooler, "user=other dbname=shop");
	PGconn *console = connect_console(pooler);

	ck_query_ok(named, "select 1");
	ck_query_ok(nameless, "select 1");
	ck_assert_str_eq(show_value(console, "SERVERS", "user", "app",
	    "application_name"), "named");
	ck_assert_str_eq(show_value(console, "SERVERS", "user", "other",
	    "application_name"), "");
}
END_TEST

/* A worker dies while queries are cancelled: no other one does. */
START_TEST(kills_in_a_storm_of_cancels_leave_the_others_whole)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 3\nlog_connections = 0\n"
	    "log_disconnections = 0\n");
	long long end = now_ms() + 3000;
	unsigned seed = 1;

	for (unsigned turn = 0; now_ms() < end; turn++) {
		PGconn *clients[6];
		pid_t workers[8];
		char words[256];
		unsigned count;

		for (unsigned i = 0; i < 6; i++) {
			clients[i] = PQconnectdb(login_string(pooler,
			    "user=app dbname=shop"));
			PQsendQuery(clients[i], "select pg_sleep(0.01)");
		}
		for (unsigned i = 0; i < 6; i++) {
			PGcancel *key = PQgetCancel(clients[i]);

			if (key != NULL)
				PQcancel(key, words, sizeof(words));
			PQfreeCancel(key);
		}
		count = pooler_children(pooler, workers, 8);
		if (turn % 3 == 0 && count > 0)
			kill(workers[(unsigned)rand_r(&seed) % count],
			    SIGKILL);
		for (unsigned i = 0; i < 6; i++)
			PQfinish(clients[i]);
	}
	wait_until(PQping(login_string(pooler, "user=app dbname=shop")) ==
	    PQPING_OK);
	for (unsigned i = 0; i < 10; i++)
		ck_login_ok(pooler, "user=app dbname=shop");
	ck_assert(!pooler_logged(pooler, "was killed by signal 6"));
	ck_assert(!pooler_logged(pooler, "was killed by signal 11"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hand_over");
	TCase *tests;
	bool ours = pooler_is_pgusher();

	tests = world_case(suite, "clients", 15);
	tcase_add_test(tests, half_a_message_ends_with_its_session);
	if (ours) {
		tcase_add_test(tests,
		    half_a_message_behind_a_failed_copy_reaches_nobody);
		tcase_add_test(tests,
		    a_copy_cut_in_two_lets_its_server_go_in_the_end);
	}
	tcase_add_test(tests, a_slow_reader_gives_its_server_back_whole);
	tcase_add_loop_test(tests,
	    who_leaves_an_answer_unread_costs_nobody_the_server, 0, 2);
	tcase_add_test(tests,
	    a_client_that_asks_and_never_reads_is_made_to_wait);

	tests = world_case(suite, "servers", 15);
	if (ours) {
		tcase_add_test(tests,
		    a_reset_that_is_never_answered_has_an_end);
		tcase_add_test(tests,
		    a_check_that_is_never_answered_brings_a_new_server);
		tcase_add_test(tests,
		    a_server_that_hangs_up_at_its_check_costs_no_client);
		tcase_add_test(tests,
		    kills_in_a_storm_of_cancels_leave_the_others_whole);
	}
	tcase_add_test(tests, a_connect_that_fails_at_once_stops_nobody_else);

	tests = world_case(suite, "orders", 15);
	tcase_add_test(tests, a_reload_with_another_place_moves_all_clients);
	tcase_add_test(tests, a_reload_waits_for_transactions_to_end);
	tcase_add_test(tests,
	    a_pause_that_ends_at_once_leaves_nobody_waiting);
	tcase_add_test(tests, reports_show_no_leftover_bytes);
	return world_run(suite);
}
