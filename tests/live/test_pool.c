/*
 * One set of server connections for all workers: exact limits, first come
 * first served, exact numbers.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/fake_server.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/crowd.h"
#include "live/sampler.h"
#include "live/world.h"

#define BACKEND "select pg_backend_pid()"

/* Server connections of these users, as PostgreSQL has them. */
#define OURS "usename in ('app', 'other')"
static const char in_postgres[] = "select count(*) from pg_stat_activity "
    "where " OURS;

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

/* ---- limits ---- */

static const struct {
	const char	*story;
	unsigned	 workers, pool, clients, statements;
	bool		 extended;
	const char	*more;
	unsigned	 progress;	/* transactions of each client */
	bool		 is_too_brief;	/* to be sure to see the limit used */
} loads[] = {
	{ "one worker", 1, 20, 64, 1, false, "", 30, false },
	{ "two workers", 2, 20, 64, 1, true, "", 30, false },
	{ "four workers, blocks", 4, 20, 64, 3, false, "", 30, false },
	{ "more workers than servers", 8, 3, 32, 1, false, "", 30, false },
	{ "one server for all", 4, 1, 16, 2, true, "", 30, false },
	{ "each server used once", 4, 3, 12, 1, false,
	    "server_lifetime = 0\n", 10, true },
};

START_TEST(a_pool_never_exceeds_its_size)
{
	struct pooler *pooler = pooler_start(.workers = loads[_i].workers,
	    .settings = text("default_pool_size = %u\n%s", loads[_i].pool,
	    loads[_i].more));
	struct sampler sampler;
	struct crowd_result result;
	struct crowd *crowd;

	sampler_start(&sampler, OURS);
	crowd = crowd_start(pooler, &(struct crowd_plan){
	    .clients = loads[_i].clients, .statements = loads[_i].statements,
	    .extended = loads[_i].extended });
	crowd_await_progress(crowd, loads[_i].progress);
	/* And the limit is used. */
	if (!loads[_i].is_too_brief)
		wait_until(sampler.most >= loads[_i].pool);
	result = crowd_stop(crowd);
	sampler_stop(&sampler);
	ck_crowd_well(&result);
	ck_assert_msg(sampler.most == loads[_i].pool ||
	    (loads[_i].is_too_brief && sampler.most < loads[_i].pool),
	    "%s: %lld connections", loads[_i].story, sampler.most);
}
END_TEST

START_TEST(all_workers_serve)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 20\n");
	PGconn *console = connect_console(pooler);
	struct crowd *crowd;
	struct crowd_result result;
	PGresult *workers;

	/* One that is not there yet is passed nobody. */
	wait_until(show_count(console, "WORKERS", "state", "serving") == 4);
	crowd = crowd_start(pooler, &(struct crowd_plan){ .clients = 64 });
	crowd_await_progress(crowd, 50);
	workers = show(console, "WORKERS");
	ck_assert_int_eq(PQntuples(workers), 4);
	for (int row = 0; row < 4; row++) {
		int clients = PQfnumber(workers, "clients");

		ck_assert_int_ge(clients, 0);
		ck_assert_msg(atoi(PQgetvalue(workers, row, clients)) >= 8,
		    "worker %d has %s of 64 clients", row,
		    PQgetvalue(workers, row, clients));
	}
	PQclear(workers);
	result = crowd_stop(crowd);
	ck_crowd_well(&result);
}
END_TEST

/* ---- first come, first served ---- */

static const struct {
	unsigned workers, pool, clients;
} queues[] = {
	{ 1, 1, 32 },
	{ 4, 1, 32 },
	{ 16, 3, 64 },
};

static bool
is_fair(const struct crowd_result *result, unsigned clients)
{
	return result->longest_turns < 8 * clients &&
	    result->most <= result->least * 2;
}

START_TEST(nobody_starves)
{
	unsigned clients = queues[_i].clients;
	struct pooler *pooler = pooler_start(.workers = queues[_i].workers,
	    .settings = text("default_pool_size = %u\n", queues[_i].pool));
	struct crowd *crowd = crowd_start(pooler, &(struct crowd_plan){
	    .clients = clients, .hold_ms = 1 });
	long long end = now_ms() + patience_ms();
	struct crowd_result result;

	/*
	 * Not how they came in, but how they are served.  Not by the clock:
	 * on a busy machine time stands still for some, but turns do not pass.
	 * A client has one for each of the others', and somebody may be late
	 * to hear of its own.  A thread of ours that stands still itself has
	 * less: who starves does so in the next round as well.
	 */
	crowd_await_progress(crowd, 2);
	do {
		crowd_mark(crowd);
		crowd_await_progress(crowd, 20);
		result = crowd_compare(crowd);
	} while (now_ms() < end && !is_fair(&result, clients));
	ck_assert_msg(is_fair(&result, clients), "one of %u waited for %llu "
	    "others; one did %llu, another %llu", clients,
	    result.longest_turns, result.least, result.most);
	result = crowd_stop(crowd);
	ck_crowd_well(&result);
}
END_TEST

START_TEST(servers_are_given_in_the_order_of_the_questions)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 1\n");
	PGconn *holder = connect_client(pooler), *waiting[12];
	PGconn *console = connect_console(pooler);
	const char *last = "";

	ck_query_ok(holder, "create table turns (turn serial, who int)");
	ck_query_ok(holder, "begin");
	for (unsigned i = 0; i < 12; i++) {
		waiting[i] = connect_client(pooler);
		ck_assert(PQsendQuery(waiting[i], text(
		    "insert into turns (who) values (%u)", i)));
		wait_until(show_number(console, "POOLS", "database", "shop",
		    "cl_waiting") == i + 1);
		/* The one tolerance of the order is 1 ms. */
		nap();
	}
	ck_query_ok(holder, "commit");
	for (unsigned i = 0; i < 12; i++)
		ck_finish_ok(waiting[i]);
	last = query_value(holder, "select string_agg(who::text, ',' "
	    "order by turn) from turns");
	ck_assert_str_eq(last, "0,1,2,3,4,5,6,7,8,9,10,11");
	ck_query_ok(holder, "drop table turns");
}
END_TEST

START_TEST(the_server_used_last_is_used_next)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "default_pool_size = 3\n");
	PGconn *console = connect_console(pooler), *clients[3];
	const char *last;

	for (unsigned i = 0; i < 3; i++) {
		clients[i] = connect_client(pooler);
		ck_query_ok(clients[i], "begin");
	}
	for (unsigned i = 0; i < 3; i++)
		ck_query_ok(clients[i], "commit");
	/* Its answer is on the way a moment before a server is free. */
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "sv_idle") == 3);
	last = query_value(clients[0], BACKEND);
	for (unsigned i = 0; i < 6; i++)
		ck_query_value(clients[0], BACKEND, last);
}
END_TEST

START_TEST(servers_take_turns_if_asked)
{
	struct pooler *pooler = pooler_start(.workers = 1,
	    .settings = "default_pool_size = 3\nserver_round_robin = 1\n");
	PGconn *clients[3];
	const char *pids[3];

	for (unsigned i = 0; i < 3; i++) {
		clients[i] = connect_client(pooler);
		ck_query_ok(clients[i], "begin");
	}
	for (unsigned i = 0; i < 3; i++)
		ck_query_ok(clients[i], "commit");
	for (unsigned i = 0; i < 3; i++) {
		pids[i] = query_value(clients[0], BACKEND);
		for (unsigned k = 0; k < i; k++)
			ck_assert_str_ne(pids[i], pids[k]);
	}
	for (unsigned i = 0; i < 3; i++)
		ck_query_value(clients[0], BACKEND, pids[i]);
}
END_TEST

/* ---- limits over several pools ---- */

START_TEST(a_database_limit_holds_over_its_pools)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "max_db_connections = 2\ndefault_pool_size = 5\n");
	PGconn *app = connect_client(pooler), *second = connect_client(pooler);
	PGconn *other = connect_as(pooler, "user=other dbname=shop");
	PGconn *direct = world_direct();

	if (pooler_lacks(pooler, "max_db_connections"))
		return;
	ck_query_ok(app, "begin");
	ck_query_ok(second, "begin");
	ck_assert(PQsendQuery(other, "select 1"));
	ck_query_value(direct, in_postgres, "2");
	ck_assert(still_waits(other));
	/* An idle server of the other pool makes room. */
	ck_query_ok(app, "commit");
	ck_finish_ok(other);
	ck_query_value(direct, in_postgres, "2");
	pooler_await_log(pooler, "closing because: evicted");
	ck_query_ok(second, "commit");
}
END_TEST

START_TEST(a_user_limit_holds_over_databases)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .databases = text("a = %s\nb = %s", world_place(),
	    world_place()), .settings = "max_user_connections = 1\n");
	PGconn *a = connect_as(pooler, "user=app dbname=a"), *b;
	PGconn *direct = world_direct();

	if (pooler_lacks(pooler, "max_user_connections"))
		return;
	ck_query_ok(a, "begin");
	/* The first login of a pool waits for its first server. */
	b = PQconnectStart(login_string(pooler, "user=app dbname=b"));
	while (PQconnectPoll(b) == PGRES_POLLING_WRITING)
		nap();
	ck_query_value(direct, in_postgres, "1");
	ck_query_ok(a, "commit");
	wait_until(PQconnectPoll(b) == PGRES_POLLING_OK);
	ck_query_value(b, "select 1", "1");
	ck_query_value(a, "select 1", "1");
	ck_query_value(direct, in_postgres, "1");
	PQfinish(b);
}
END_TEST

START_TEST(the_reserve_helps_after_a_while)
{
	struct pooler *pooler = pooler_start(.settings =
	    "default_pool_size = 1\nreserve_pool_size = 1\n"
	    "reserve_pool_timeout = 1\n");
	PGconn *first = connect_client(pooler);
	PGconn *second = connect_client(pooler);
	PGconn *third = connect_client(pooler);
	long long start;

	if (pooler_lacks(pooler, "reserve_pool_size"))
		return;
	ck_query_ok(first, "begin");
	start = now_ms();
	ck_query_ok(second, "begin");
	ck_assert_int_ge(now_ms() - start, 900);
	pooler_await_log(pooler, "taking connection from reserve_pool");
	ck_assert(PQsendQuery(third, "select 1"));
	nap();
	ck_assert(still_waits(third));
	ck_query_ok(first, "commit");
	ck_finish_ok(third);
}
END_TEST

START_TEST(a_least_number_is_kept)
{
	struct pooler *pooler = pooler_start(.settings =
	    "default_pool_size = 6\nmin_pool_size = 4\n");
	PGconn *client = connect_client(pooler);
	PGconn *direct = world_direct();
	const char *before;

	if (pooler_lacks(pooler, "min_pool_size"))
		return;
	ck_query_ok(client, "select 1");
	wait_until(query_number(direct, in_postgres) == 4);
	before = query_value(direct, "select coalesce(max(backend_start), "
	    "now()) from pg_stat_activity where usename = 'app'");
	ck_query_ok(direct, "select pg_terminate_backend(pid) from "
	    "pg_stat_activity where usename = 'app'");
	/* Four others, and none of the old ones. */
	wait_until(query_number(direct, text("%s and backend_start > '%s'",
	    in_postgres, before)) == 4 &&
	    query_number(direct, in_postgres) == 4);
	ck_query_ok(client, "select 1");
}
END_TEST

START_TEST(one_client_too_many_is_told_so)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "max_client_conn = 8\n");
	PGconn *clients[8], *console;

	for (unsigned i = 0; i < 8; i++)
		clients[i] = connect_client(pooler);
	ck_login_fails(pooler, "user=app dbname=shop", "08P01",
	    "no more connections allowed (max_client_conn)");
	/* The console is always open. */
	console = connect_console(pooler);
	wait_until(show_count(console, "CLIENTS", "database", "shop") == 8);
	disconnect(console);
	disconnect(clients[0]);
	wait_until(serves(pooler));
}
END_TEST

/* ---- numbers ---- */

static long long
total(PGconn *console, const char *column)
{
	return show_number(console, "STATS", "database", "shop", column);
}

START_TEST(every_transaction_and_query_is_counted_once)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 5\n");
	struct crowd_result result;
	PGconn *consoles[8];

	ck_login_ok(pooler, "user=app dbname=shop");	/* counts one */
	result = crowd_join(crowd_start(pooler, &(struct crowd_plan){
	    .clients = 20, .transactions = 30 }));
	ck_crowd_well(&result);
	result = crowd_join(crowd_start(pooler, &(struct crowd_plan){
	    .clients = 20, .transactions = 20, .statements = 3 }));
	ck_crowd_well(&result);
	result = crowd_join(crowd_start(pooler, &(struct crowd_plan){
	    .clients = 20, .transactions = 10, .extended = true }));
	ck_crowd_well(&result);
	/* Whichever worker answers. */
	for (unsigned i = 0; i < 8; i++) {
		consoles[i] = connect_console(pooler);
		ck_assert_int_eq(total(consoles[i], "total_xact_count"),
		    1 + 600 + 400 + 200);
		ck_assert_int_eq(total(consoles[i], "total_query_count"),
		    1 + 600 + 400 * 5 + 200);
	}
}
END_TEST

/* What people will run. */
static void
pgbench(struct pooler *pooler, const char *options, const char *wanted)
{
	const char *output = text("%s/pgbench.out", pooler->directory);
	const char *command = text("PGHOST=127.0.0.1 PGPORT=%d PGUSER=app "
	    "PGSSLMODE=disable %s/pgbench -n %s shop > %s 2>&1",
	    pooler->port, cluster_programs(), options, output);
	int status = system(command);
	char *said = file_read(output);

	ck_assert_msg(status == 0 && strstr(said, wanted) != NULL,
	    "%s\n%s", command, said);
	free(said);
}

static long long
xacts_of(struct pooler *pooler, PGconn *console, const char *options)
{
	long long before = total(console, "total_xact_count");

	pgbench(pooler, options, "failed transactions: 0 (");
	return total(console, "total_xact_count") - before;
}

START_TEST(pgbench_and_the_pooler_count_the_same)
{
	static const char *const modes[] = { "-S", "-S -M extended", "",
	    "-M extended" };
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 10\n");
	PGconn *console = connect_console(pooler);
	long long extra;

	if (access(text("%s/pgbench", cluster_programs()), X_OK) != 0)
		return;
	ck_login_ok(pooler, "user=app dbname=shop");
	pgbench(pooler, "-i -q", "done in");
	/* What it asks before it begins. */
	extra = xacts_of(pooler, console, "-S -c 1 -t 1") - 1;
	for (unsigned i = 0; i < ARRAY_LENGTH(modes); i++)
		ck_assert_int_eq(xacts_of(pooler, console, text(
		    "%s -c 32 -j 2 -t 20", modes[i])), 640 + extra);
	ck_query_ok(connect_client(pooler), "drop table pgbench_accounts, "
	    "pgbench_branches, pgbench_history, pgbench_tellers");
}
END_TEST

START_TEST(every_byte_is_counted_once)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = pooler_start(.databases = text(
	    "shop = host=127.0.0.1 port=%d", port));
	PGconn *console = connect_console(pooler);
	int client = fake_client_login(pooler->port, "app", "shop");
	struct buffer question = { 0 }, answer = { 0 };
	long long received, sent;
	size_t asked, answered;

	put_message(&question, 'Q', "s", "select 1");
	asked = buffer_length(&question);
	put_answer(&answer, "fake");
	answered = buffer_length(&answer);
	buffer_clear(&answer);
	ck_assert(fake_client_send(client, &question));
	fake_client_expect(client, 'Z', NULL);
	received = total(console, "total_received");
	sent = total(console, "total_sent");
	ck_assert_int_eq(received, (long long)asked);
	ck_assert_int_eq(sent, (long long)answered);
	for (unsigned i = 0; i < 10; i++) {
		fake_client_query(client, "select 1");
		fake_client_expect(client, 'Z', NULL);
	}
	ck_assert_int_eq(total(console, "total_received"),
	    11 * (long long)asked);
	ck_assert_int_eq(total(console, "total_sent"),
	    11 * (long long)answered);
	close(client);
	fake_server_stop(server);
}
END_TEST

START_TEST(waiting_is_measured)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "default_pool_size = 1\n");
	PGconn *holder = connect_client(pooler);
	PGconn *waiter = connect_client(pooler);
	PGconn *console = connect_console(pooler);
	long long before;

	ck_query_ok(holder, "begin");
	before = total(console, "total_wait_time");
	ck_assert(PQsendQuery(waiter, "select pg_sleep(0.2)"));
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "maxwait_us") >= 300000);
	ck_query_ok(holder, "commit");
	ck_finish_ok(waiter);
	ck_assert_int_ge(total(console, "total_wait_time") - before, 300000);
	/* Counted when it has been sent, so perhaps after it was read. */
	wait_until(total(console, "total_query_time") >= 500000);
	wait_until(total(console, "total_xact_time") >= 500000);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pool");
	TCase *tests = world_case(suite, "limits", 20);

	tcase_add_loop_test(tests, a_pool_never_exceeds_its_size, 0,
	    (int)ARRAY_LENGTH(loads));
	if (pooler_is_pgusher())
		tcase_add_test(tests, all_workers_serve);
	tcase_add_test(tests, a_database_limit_holds_over_its_pools);
	tcase_add_test(tests, a_user_limit_holds_over_databases);
	tcase_add_test(tests, the_reserve_helps_after_a_while);
	tcase_add_test(tests, a_least_number_is_kept);
	tcase_add_test(tests, one_client_too_many_is_told_so);

	tests = world_case(suite, "order", 20);
	tcase_add_loop_test(tests, nobody_starves, 0,
	    (int)ARRAY_LENGTH(queues));
	tcase_add_test(tests, servers_are_given_in_the_order_of_the_questions);
	tcase_add_test(tests, the_server_used_last_is_used_next);
	tcase_add_test(tests, servers_take_turns_if_asked);

	tests = world_case(suite, "numbers", 20);
	tcase_add_test(tests, every_transaction_and_query_is_counted_once);
	tcase_add_test(tests, pgbench_and_the_pooler_count_the_same);
	tcase_add_test(tests, every_byte_is_counted_once);
	tcase_add_test(tests, waiting_is_measured);
	return world_run(suite);
}
