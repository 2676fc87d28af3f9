/*
 * Clients that leave in the middle of something: their server is cancelled,
 * rolled back and used again, and the next client sees nothing of it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/fake_server.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/crowd.h"
#include "live/world.h"

#define BACKEND "select pg_backend_pid()"
/* Longer than this the pooler does not wait for a server to be clear. */
#define CLEARING_MS 2000
/* Rows without end, of which none is made before it is sent. */
#define MUCH "generate_series(1, 1000) a, generate_series(1, 100000) b"

static unsigned
running(PGconn *direct, const char *what)
{
	return (unsigned)query_number(direct, text("select count(*) from "
	    "pg_stat_activity where state = 'active' and query like '%s%%' "
	    "and pid <> pg_backend_pid()", what));
}

static void
make_marks(void)
{
	PGconn *direct = world_direct();

	ck_query_ok(direct, "drop table if exists marks");
	ck_query_ok(direct, "create table marks (n int)");
	ck_query_ok(direct, "grant all on marks to public");
}

static void
say_and_wait(int client, const char *sql, const char *what)
{
	PGconn *direct = world_direct();

	fake_client_query(client, sql);
	wait_until(running(direct, what) == 1);
}

/* ---- what it is at ---- */

static void
be_in_a_transaction(int client)
{
	fake_client_query(client, "begin; insert into marks values (1)");
	fake_client_expect(client, 'Z', NULL);
}

static void
be_in_a_failed_transaction(int client)
{
	be_in_a_transaction(client);
	fake_client_query(client, "select 1/0");
	fake_client_expect(client, 'E', NULL);
	fake_client_expect(client, 'Z', NULL);
}

static void
sleep_long(int client)
{
	say_and_wait(client, "select pg_sleep(60)", "select pg_sleep");
}

static void
sleep_in_a_transaction(int client)
{
	be_in_a_transaction(client);
	sleep_long(client);
}

static void
ask_for_much(int client)
{
	say_and_wait(client, "select repeat('x', 1000) from " MUCH, "select repeat");
	fake_client_expect(client, 'D', NULL);
}

static void
copy_out(int client)
{
	say_and_wait(client, "copy (select repeat('y', 1000) from " MUCH
	    ") to stdout", "copy");
	fake_client_expect(client, 'd', NULL);
}

static void
put_statement(struct buffer *out, const char *sql)
{
	put_message(out, 'P', "ssh", "", sql, 0);
	put_message(out, 'B', "sshhh", "", "", 0, 0, 0);
	put_message(out, 'E', "si", "", 0);
}

static void
ask_without_sync(int client)
{
	struct buffer bytes = { 0 };

	put_statement(&bytes, "insert into marks values (2)");
	put_message(&bytes, 'H', "");
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect(client, 'C', NULL);
}

static void
sleep_without_sync(int client)
{
	struct buffer bytes = { 0 };
	PGconn *direct = world_direct();

	put_statement(&bytes, "insert into marks values (3)");
	put_statement(&bytes, "select pg_sleep(60)");
	put_message(&bytes, 'H', "");
	ck_assert(fake_client_send(client, &bytes));
	/* It is its query when parsed; a cancel would come too early then. */
	wait_until(running(direct, "select pg_sleep") == 1 &&
	    query_number(direct, "select count(*) from pg_stat_activity "
	    "where wait_event = 'PgSleep' and usename = 'app'") == 1);
}

static void
fail_without_sync(int client)
{
	struct buffer bytes = { 0 };

	put_statement(&bytes, "insert into marks values (4)");
	put_statement(&bytes, "select 1/0");
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect(client, 'E', NULL);
}

static const struct {
	const char	*story;
	void		(*be_at)(int client);
} middles[] = {
	{ "in a transaction", be_in_a_transaction },
	{ "in a failed transaction", be_in_a_failed_transaction },
	{ "in a query", sleep_long },
	{ "in a query in a transaction", sleep_in_a_transaction },
	{ "a big result under way", ask_for_much },
	{ "copy out", copy_out },
	{ "a batch without Sync", ask_without_sync },
	{ "a query of a batch without Sync", sleep_without_sync },
	{ "an error in a batch without Sync", fail_without_sync },
};

static const char *const modes[] = { "transaction", "session" };

/* False: the machine took so long that it may be another one. */
static bool
its_server_is_used_again(struct pooler *pooler, PGconn *direct, int middle)
{
	PGconn *other = connect_client(pooler);
	long long left_at;
	int client;
	char pid[32];
	bool is_same;

	snprintf(pid, sizeof(pid), "%s", query_value(other, BACKEND));
	disconnect(other);
	client = fake_client_login(pooler->port, "app", "shop");
	middles[middle].be_at(client);
	left_at = now_ms();
	close(client);
	other = connect_client(pooler);
	is_same = strcmp(query_value(other, BACKEND), pid) == 0;
	ck_assert_msg(is_same || now_ms() - left_at >= CLEARING_MS,
	    "%s: another server", middles[middle].story);
	if (is_same)
		ck_query_ok(other, "insert into marks values (0)");
	else
		ck_query_ok(direct, text("select pg_terminate_backend(%s, "
		    "5000)", pid));
	disconnect(other);
	return is_same;
}

START_TEST(its_server_is_used_again_and_nothing_is_left)
{
	struct pooler *pooler = pooler_start(.workers = 3, .settings = text(
	    "default_pool_size = 1\npool_mode = %s\n",
	    modes[(unsigned)_i % 2]));
	PGconn *direct = world_direct();

	make_marks();
	wait_until(its_server_is_used_again(pooler, direct, _i / 2));
	ck_query_value(direct, "select sum(n) from marks", "0");
	ck_query_value(direct, "select count(*) from marks", "1");
}
END_TEST

static bool
is_pending(pid_t pid, int signal_number)
{
	char *status = file_read(text("/proc/%d/status", (int)pid));
	const char *at = strstr(status, "ShdPnd:");
	bool yes = at != NULL && strtoull(at + strlen("ShdPnd:"), NULL, 16) >>
	    (signal_number - 1) & 1;

	free(status);
	return yes;
}

/* False: on a slow machine its server was given up before the second. */
static bool
is_cancelled_at_the_second_time(struct pooler *pooler, PGconn *direct)
{
	PGconn *other = connect_client(pooler);
	PGconn *console = connect_console(pooler);
	pid_t backend = (pid_t)query_number(other, BACKEND);
	int client = fake_client_login(pooler->port, "app", "shop");
	bool is_same;

	/* Who leaves the queue for a server would have nothing cancelled. */
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "sv_idle") == 1);
	/* Whoever wakes up to a signal and a query looks at the signal first. */
	process_stop(backend);
	fake_client_query(client, "select pg_sleep(60)");
	close(client);
	wait_until(is_pending(backend, SIGINT));
	kill(backend, SIGCONT);
	is_same = query_number(other, BACKEND) == backend;
	disconnect(other);
	disconnect(console);
	if (!is_same)
		ck_query_ok(direct, text("select pg_terminate_backend(%d)",
		    (int)backend));
	return is_same;
}

/* PostgreSQL forgets a cancel that comes before it has read the query. */
START_TEST(a_cancel_that_comes_too_early_is_sent_again)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "default_pool_size = 1\n");
	PGconn *direct = world_direct();

	wait_until(is_cancelled_at_the_second_time(pooler, direct));
}
END_TEST

/* As PostgreSQL does it: a goodbye is read when what came before is done. */
START_TEST(who_says_goodbye_has_its_last_query_run)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "default_pool_size = 1\n");
	PGconn *direct = world_direct(), *other;
	struct buffer bytes = { 0 };
	int client;

	make_marks();
	client = fake_client_login(pooler->port, "app", "shop");
	put_message(&bytes, 'Q', "s", "select pg_sleep(0.2); "
	    "insert into marks values (5)");
	put_message(&bytes, 'X', "");
	ck_assert(fake_client_send(client, &bytes));
	close(client);
	/* Not by the pooler: who leaves the queue for a server is not run. */
	wait_until(query_number(direct, "select sum(n) from marks") == 5);
	other = connect_client(pooler);
	ck_query_value(other, "select sum(n) from marks", "5");
}
END_TEST

START_TEST(a_copy_in_is_not_saved)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "default_pool_size = 1\n");
	PGconn *other = connect_client(pooler);
	char pid[32];
	int client;

	make_marks();
	snprintf(pid, sizeof(pid), "%s", query_value(other, BACKEND));
	client = fake_client_login(pooler->port, "app", "shop");
	fake_client_query(client, "copy marks from stdin");
	fake_client_expect(client, 'G', NULL);
	close(client);
	ck_assert_str_ne(query_value(other, BACKEND), pid);
	ck_query_value(other, "select count(*) from marks", "0");
	pooler_await_log(pooler, "client disconnect while server was "
	    "not ready");
}
END_TEST

/* What a transaction set is set back, and its client's statements stay. */
START_TEST(what_was_prepared_and_set_is_as_the_tables_say)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "default_pool_size = 1\n");
	PGconn *first = connect_client(pooler);
	PGconn *other = connect_client(pooler);
	PGresult *result;
	char zone[64];

	snprintf(zone, sizeof(zone), "%s", query_value(other,
	    "show timezone"));
	ck_query_ok(first, "begin");
	ck_query_ok(first, "set timezone to 'Asia/Tokyo'");
	PQclear(PQprepare(first, "a", "select 1", 0, NULL));
	disconnect(first);
	for (unsigned i = 0; i < 2; i++) {
		result = PQprepare(other, text("b%u", i), "select 1", 0,
		    NULL);
		ck_assert_int_eq(PQresultStatus(result), PGRES_COMMAND_OK);
		PQclear(result);
	}
	result = PQexecPrepared(other, "b1", 0, NULL, NULL, NULL, 0);
	ck_assert_str_eq(PQgetvalue(result, 0, 0), "1");
	PQclear(result);
	ck_query_value(other, "show timezone", zone);
}
END_TEST

/* ---- before its server was ready for it ---- */

#define CHECK "check me"
#define SET "SET TimeZone='Asia/Tokyo';"

static int
log_in_from_tokyo(struct pooler *pooler)
{
	static const char *const pairs[] = { "user", "app", "database",
	    "shop", "timezone", "Asia/Tokyo", NULL };
	struct buffer bytes = { 0 };
	int client = fake_client_connect(pooler->port);

	put_startup(&bytes, PROTOCOL_3_0, pairs);
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect(client, 'Z', NULL);
	return client;
}

static const struct {
	const char	*story, *query, *settings;
} before_use[] = {
	{ "it is checked", CHECK,
	    "server_check_delay = 0\nserver_check_query = " CHECK "\n" },
	{ "it is set up", SET, "" },
};

/* Nothing of the client is on it, but nobody knows how it is set, either. */
START_TEST(who_leaves_before_use_costs_that_server_and_no_more)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = pooler_start(.workers = 2, .databases = text(
	    "shop = host=127.0.0.1 port=%d pool_size=1\n", port),
	    .settings = before_use[_i].settings);
	const char *query = before_use[_i].query;
	PGconn *other = connect_client(pooler);
	PGconn *console = connect_console(pooler);
	unsigned asked;
	int client;

	ck_query_value(other, "select 1", "fake");
	client = log_in_from_tokyo(pooler);
	asked = fake_server_queries(server, query);
	fake_server_hold(server, query);
	fake_client_query(client, "never asked");
	await_query(server, query, asked + 1);
	close(client);
	/* The other one and the console. */
	wait_until(show_number(console, "LISTS", "list", "used_clients",
	    "items") == 2);
	fake_server_release(server);
	ck_query_value(other, "select 2", "fake");
	ck_assert_msg(fake_server_queries(server, "never asked") == 0, "%s",
	    before_use[_i].story);
	ck_assert_msg(fake_server_connections(server) == 2, "%s: %u servers",
	    before_use[_i].story, fake_server_connections(server));
	wait_until(show_number(console, "LISTS", "list", "used_servers",
	    "items") == 1 && fake_server_open(server) == 1);
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "sv_tested") == 0);
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_active") == 1);
}
END_TEST

/* ---- under load ---- */

static const char *const scripts[] = {
	"begin", "select pg_sleep(60)", "begin; select pg_sleep(60)",
	"select repeat('x', 1000) from " MUCH,
	"copy (select repeat('y', 1000) from " MUCH ") to stdout",
	"copy marks from stdin", "begin; lock marks", "select 1/0",
	"begin; select 1/0", "select 1", "begin; select 1; commit",
};

/* Says one of these, or the beginning of it, and goes. */
static void
come_and_go(struct pooler *pooler, unsigned *seed)
{
	int client = fake_client_login(pooler->port, "app", "shop");
	const char *sql = scripts[(unsigned)rand_r(seed) %
	    ARRAY_LENGTH(scripts)];
	struct buffer bytes = { 0 };
	size_t length;

	if (rand_r(seed) % 2 == 0)
		put_message(&bytes, 'Q', "s", sql);
	else
		put_statement(&bytes, sql);
	length = buffer_length(&bytes);
	if (rand_r(seed) % 4 == 0)
		length = (size_t)rand_r(seed) % length;
	ck_assert_int_ge(write(client, buffer_front(&bytes), length), 0);
	buffer_clear(&bytes);
	if (rand_r(seed) % 2 == 0)
		usleep((useconds_t)(rand_r(seed) % 3000));
	close(client);
}

START_TEST(under_load_nobody_gets_another_ones_answer)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = "default_pool_size = 4\n");
	PGconn *direct = world_direct(), *console;
	unsigned seed = 20261124 + (unsigned)_i;
	struct crowd_plan plan = { .clients = 12, .extended = _i % 2 };
	struct crowd_result result;
	struct crowd *crowd;

	make_marks();
	console = connect_console(pooler);
	crowd = crowd_start(pooler, &plan);
	for (unsigned i = 0; i < 40; i++) {
		come_and_go(pooler, &seed);
		/* Those in CLOSING have PostgreSQL's end open as well. */
		ck_assert_int_le(query_number(direct, "select count(*) from "
		    "pg_stat_activity where usename = 'app'"), 4);
	}
	crowd_await_progress(crowd, 20);
	result = crowd_stop(crowd);
	ck_crowd_well(&result);
	wait_until(show_number(console, "pools", "database", "shop",
	    "sv_tested") == 0);
	wait_until(query_number(direct, "select count(*) from "
	    "pg_stat_activity where usename = 'app' and state <> 'idle'") ==
	    0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("clearing");
	TCase *tests = world_case(suite, "leaving", 120);

	if (pooler_is_pgusher()) {
		tcase_add_loop_test(tests,
		    its_server_is_used_again_and_nothing_is_left, 0,
		    2 * ARRAY_LENGTH(middles));
		tcase_add_test(tests,
		    a_cancel_that_comes_too_early_is_sent_again);
		tcase_add_test(tests, who_says_goodbye_has_its_last_query_run);
		tcase_add_test(tests,
		    what_was_prepared_and_set_is_as_the_tables_say);
	}
	if (pooler_is_pgusher())
		tcase_add_loop_test(tests,
		    who_leaves_before_use_costs_that_server_and_no_more, 0,
		    (int)ARRAY_LENGTH(before_use));
	tcase_add_test(tests, a_copy_in_is_not_saved);
	tests = world_case(suite, "load", 300);
	if (pooler_is_pgusher())
		tcase_add_loop_test(tests,
		    under_load_nobody_gets_another_ones_answer, 0, 2);
	return world_run(suite);
}
