/*
 * What lasts too long, and what happens when PostgreSQL fails: to whom, in
 * which words, and how it goes on.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/fake_server.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/world.h"

/* Server connections of the pooler, as PostgreSQL has them. */
static const char in_postgres[] = "select count(*) from pg_stat_activity "
    "where usename = 'app'";

/* A new client gets in and gets an answer. */
static bool
serves(struct pooler *pooler)
{
	PGconn *client = PQconnectdb(login_string(pooler,
	    "user=app dbname=shop"));
	PGresult *result = PQexec(client, "select 1");
	bool yes = PQresultStatus(result) == PGRES_TUPLES_OK;

	PQclear(result);
	PQfinish(client);
	return yes;
}

/* ---- time-outs ---- */

START_TEST(waiting_for_a_server_has_an_end)
{
	struct pooler *pooler = pooler_start(.settings =
	    "default_pool_size = 1\nquery_wait_timeout = 0.4\n");
	PGconn *holder = connect_client(pooler);
	PGconn *waiter = connect_client(pooler);
	long long start;

	ck_query_ok(holder, "begin");
	start = now_ms();
	ck_query_fails(waiter, "select 1", "08P01", "query_wait_timeout");
	ck_assert_int_ge(now_ms() - start, 390);
	ck_query_ok(holder, "commit");
}
END_TEST

/* What comes before the end may take some time on a busy machine. */
static const struct {
	const char	*setting, *before, *query, *words;
} limits[] = {
	{ "query_timeout = 2", "select 1", "select pg_sleep(60)",
	    "query timeout" },
	{ "idle_transaction_timeout = 0.4", "begin", NULL,
	    "idle transaction timeout" },
	{ "client_idle_timeout = 2", "select 1", NULL,
	    "client_idle_timeout" },
	{ "transaction_timeout = 2", "begin", "select pg_sleep(60)",
	    "transaction timeout" },
};

START_TEST(what_lasts_too_long_is_ended)
{
	struct pooler *pooler = pooler_start(.settings = text("%s\n",
	    limits[_i].setting));
	int client = fake_client_login(pooler->port, "app", "shop");
	struct message message;

	fake_client_query(client, limits[_i].before);
	fake_client_expect(client, 'Z', &message);
	if (limits[_i].query != NULL)
		fake_client_query(client, limits[_i].query);
	fake_client_expect_error(client, "FATAL", "08P01", limits[_i].words);
	fake_client_expect_close(client);
	pooler_await_log(pooler, text("closing because: %s",
	    limits[_i].words));
	close(client);
}
END_TEST

START_TEST(idle_and_old_servers_are_closed)
{
	static const char *const settings[] = { "server_idle_timeout = 0.4\n",
	    "server_lifetime = 0.4\n" };
	static const char *const words[] = { "server idle timeout",
	    "server lifetime over" };
	struct pooler *pooler = pooler_start(.settings = settings[_i]);
	PGconn *client = connect_client(pooler);
	PGconn *direct = world_direct();

	ck_query_ok(client, "select 1");
	wait_until(query_number(direct, in_postgres) == 0);
	pooler_await_log(pooler, text("closing because: %s", words[_i]));
	ck_query_ok(client, "select 1");
}
END_TEST

START_TEST(a_login_has_an_end)
{
	struct pooler *pooler = pooler_start(
	    .settings = "client_login_timeout = 0.4\n");
	int client = fake_client_connect(pooler->port);

	fake_client_expect_error(client, "FATAL", "08P01",
	    "client_login_timeout");
	fake_client_expect_close(client);
	close(client);
}
END_TEST

/* ---- PostgreSQL fails ---- */

/*
 * It is seen that PostgreSQL has closed them. A client that asks at the very
 * moment may get a server that is just dying, and is told so.
 */
static void
await_no_servers(struct pooler *pooler)
{
	PGconn *console = connect_console(pooler);

	wait_until(show_count(console, "SERVERS", "type", "S") == 0);
	disconnect(console);
}

START_TEST(a_server_killed_while_idle_is_noticed_by_nobody)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 5\n");
	PGconn *direct = world_direct(), *clients[5];

	for (unsigned i = 0; i < 5; i++) {
		clients[i] = connect_client(pooler);
		ck_query_ok(clients[i], "begin");
	}
	for (unsigned i = 0; i < 5; i++)
		ck_query_ok(clients[i], "commit");
	ck_query_ok(direct, "select pg_terminate_backend(pid, 5000) from "
	    "pg_stat_activity where usename = 'app'");
	await_no_servers(pooler);
	for (unsigned i = 0; i < 5; i++)
		ck_query_value(clients[i], "select 7", "7");
}
END_TEST

START_TEST(a_server_killed_in_a_transaction_costs_one_client)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "default_pool_size = 2\n");
	PGconn *direct = world_direct(), *other = connect_client(pooler);
	int victim = fake_client_login(pooler->port, "app", "shop");
	struct message message;

	fake_client_query(victim, "begin");
	fake_client_expect(victim, 'Z', &message);
	ck_query_ok(direct, "select pg_terminate_backend(pid, 5000) from "
	    "pg_stat_activity where state = 'idle in transaction'");
	/* First PostgreSQL's own words, then ours. */
	ck_assert(fake_client_read(victim, &message));
	ck_assert_int_eq(message.type, 'E');
	ck_assert_str_eq(error_field(&message, 'C'), "57P01");
	fake_client_expect_error(victim, "FATAL", "08P01",
	    "server conn crashed?");
	fake_client_expect_close(victim);
	ck_query_value(other, "select 7", "7");
	close(victim);
}
END_TEST

START_TEST(after_a_restart_of_postgres_work_goes_on)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = "server_login_retry = 0.4\ndefault_pool_size = 3\n");
	PGconn *clients[3];

	for (unsigned i = 0; i < 3; i++) {
		clients[i] = connect_client(pooler);
		ck_query_ok(clients[i], "begin");
	}
	for (unsigned i = 0; i < 3; i++)
		ck_query_ok(clients[i], "commit");
	ck_assert(cluster_stop(&world.cluster));
	await_no_servers(pooler);
	ck_assert(cluster_start(&world.cluster));
	for (unsigned i = 0; i < 3; i++)
		ck_query_value(clients[i], "select 7", "7");
}
END_TEST

START_TEST(while_postgres_is_down_the_reason_is_told)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = "server_login_retry = 2\n");
	PGconn *first = connect_client(pooler);
	PGconn *second = connect_client(pooler), *third;

	ck_query_ok(first, "select 1");
	ck_assert(cluster_stop(&world.cluster));
	await_no_servers(pooler);
	/* By any worker, whoever made the attempt. */
	ck_query_fails(first, "select 1", "08P01", "server login has been "
	    "failing, cached error: connect failed (server_login_retry)");
	ck_query_fails(second, "select 1", "08P01", "server login has been "
	    "failing, cached error: connect failed (server_login_retry)");
	/* A pool that has been known lets in, and refuses then. */
	third = PQconnectdb(login_string(pooler, "user=app dbname=shop"));
	PQfinish(third);
	ck_assert(cluster_start(&world.cluster));
	wait_until(serves(pooler));
}
END_TEST

START_TEST(a_pool_without_any_server_makes_logins_wait)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "server_login_retry = 0.4\n"
	    "client_login_timeout = 600\n");
	PGconn *early;
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;

	ck_assert(cluster_stop(&world.cluster));
	early = PQconnectStart(login_string(pooler, "user=app dbname=shop"));
	wait_until((next = PQconnectPoll(early)) == PGRES_POLLING_READING);
	pooler_await_log(pooler, "closing because: connect failed");
	next = PQconnectPoll(early);
	ck_assert_int_eq(next, PGRES_POLLING_READING);
	ck_assert(cluster_start(&world.cluster));
	wait_until((next = PQconnectPoll(early)) != PGRES_POLLING_READING);
	ck_assert_msg(next == PGRES_POLLING_OK, "%s", PQerrorMessage(early));
	ck_query_value(early, "select 1", "1");
	PQfinish(early);
}
END_TEST

START_TEST(a_login_to_a_dead_server_has_an_end)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct buffer nothing = { 0 };
	struct pooler *pooler = pooler_start(.databases = text(
	    "shop = host=127.0.0.1 port=%d", port),
	    .settings = "client_login_timeout = 2\n");

	fake_server_greet(server, &nothing, THEN_STALL);
	ck_login_fails(pooler, "user=app dbname=shop", "08P01",
	    "client_login_timeout (server down)");
	fake_server_stop(server);
}
END_TEST

START_TEST(a_server_that_is_starting_up_is_asked_again)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct buffer bytes = { 0 };
	struct pooler *pooler = pooler_start(.databases = text(
	    "shop = host=127.0.0.1 port=%d", port),
	    .settings = "server_login_retry = 0.4\n");
	int client;

	put_error(&bytes, "FATAL", "57P03", "the database system is starting "
	    "up");
	fake_server_greet(server, &bytes, THEN_HANG_UP);
	client = fake_client_begin(pooler->port, "app", "shop");
	await_connections(server, 1);
	fake_server_greet_well(server);
	fake_client_expect(client, 'Z', NULL);
	fake_client_query(client, "select 1");
	fake_client_expect(client, 'Z', NULL);
	close(client);
	fake_server_stop(server);
}
END_TEST

START_TEST(a_server_that_takes_too_long_to_connect_is_given_up)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct buffer nothing = { 0 };
	struct pooler *pooler = pooler_start(.databases = text(
	    "shop = host=127.0.0.1 port=%d", port),
	    .settings = "server_connect_timeout = 1\n"
	    "server_login_retry = 0.4\n");
	int client;

	fake_server_greet(server, &nothing, THEN_STALL);
	client = fake_client_begin(pooler->port, "app", "shop");
	await_connections(server, 1);
	fake_server_greet_well(server);
	pooler_await_log(pooler, "closing because: connect timeout");
	fake_client_expect(client, 'Z', NULL);
	close(client);
	fake_server_stop(server);
}
END_TEST

START_TEST(a_server_lost_in_mid_transaction_costs_one_client_one_error)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct buffer bytes = { 0 };
	struct pooler *pooler = pooler_start(.databases = text(
	    "shop = host=127.0.0.1 port=%d pool_size=1", port));
	PGconn *first = connect_client(pooler);
	PGconn *second = connect_client(pooler);

	put_complete(&bytes, "BEGIN");
	put_ready(&bytes, 'T');
	fake_server_answer(server, "begin", &bytes, THEN_GO_ON);
	ck_query_ok(first, "begin");
	ck_assert(PQsendQuery(second, "select 2"));
	fake_server_hang_up(server, 0);
	ck_query_fails(first, "select 1", "08P01", "server conn crashed?");
	ck_finish_ok(second);		/* from a new server, no error */
	ck_assert_uint_eq(fake_server_connections(server), 2);
	fake_server_stop(server);
}
END_TEST

START_TEST(a_server_that_hangs_up_in_an_answer_is_said_to_have_crashed)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct buffer bytes = { 0 };
	struct pooler *pooler = pooler_start(.databases = text(
	    "shop = host=127.0.0.1 port=%d", port));
	PGconn *client = connect_client(pooler);

	put_one_value(&bytes, "half");
	fake_server_answer(server, "select 1", &bytes, THEN_HANG_UP);
	ck_query_fails(client, "select 1", "08P01", "server conn crashed?");
	fake_server_stop(server);
}
END_TEST

START_TEST(a_server_may_speak_byte_by_byte)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = pooler_start(.databases = text(
	    "shop = host=127.0.0.1 port=%d", port));
	PGconn *client;

	fake_server_dribble(server, true);
	client = connect_client(pooler);
	for (unsigned i = 0; i < 5; i++) {
		ck_query_value(client, "select 1", "fake");
		ck_extended_value(client, "select 1", "");
	}
	fake_server_stop(server);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("failures");
	bool ours = pooler_is_pgusher();
	TCase *tests = world_case(suite, "time", 20);

	tcase_add_test(tests, waiting_for_a_server_has_an_end);
	/* transaction_timeout came with 1.25. */
	tcase_add_loop_test(tests, what_lasts_too_long_is_ended, 0,
	    (int)ARRAY_LENGTH(limits) - (ours ? 0 : 1));
	tcase_add_loop_test(tests, idle_and_old_servers_are_closed, 0, 2);
	tcase_add_test(tests, a_login_has_an_end);

	tests = world_case(suite, "failures", 20);
	tcase_add_test(tests, a_server_killed_while_idle_is_noticed_by_nobody);
	tcase_add_test(tests,
	    a_server_killed_in_a_transaction_costs_one_client);
	tcase_add_test(tests, after_a_restart_of_postgres_work_goes_on);
	/* Not so in PgBouncer 1.18. */
	if (ours) {
		tcase_add_test(tests,
		    while_postgres_is_down_the_reason_is_told);
		tcase_add_test(tests,
		    a_server_that_is_starting_up_is_asked_again);
		tcase_add_test(tests, a_server_may_speak_byte_by_byte);
	}
	tcase_add_test(tests, a_pool_without_any_server_makes_logins_wait);
	tcase_add_test(tests, a_login_to_a_dead_server_has_an_end);
	tcase_add_test(tests,
	    a_server_that_takes_too_long_to_connect_is_given_up);
	tcase_add_test(tests,
	    a_server_lost_in_mid_transaction_costs_one_client_one_error);
	tcase_add_test(tests,
	    a_server_that_hangs_up_in_an_answer_is_said_to_have_crashed);

	return world_run(suite);
}
