/*
 * Replication connections through the pooler: with PostgreSQL's own programs,
 * a subscription, and one client at a time.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live/ask.h"
#include "live/world.h"

/* `replication` is the database of physical replication, for libpq. */
static struct pooler *
start(const char *settings)
{
	return pooler_start(.workers = 2, .settings = settings,
	    .databases = text("shop = host=127.0.0.1 port=%d dbname=postgres\n"
	    "replication = host=127.0.0.1 port=%d dbname=postgres\n",
	    world.cluster.port, world.cluster.port),
	    .userlist = "\"app\" \"\"\n\"postgres\" \"\"\n\"admin\" \"\"\n");
}

static const char *
program(const char *name)
{
	return text("%s/%s", cluster_programs(), name);
}

static const char *
output(void)
{
	/* Each test is a process of its own. */
	return text("%s/output-%d-%u", world.directory, (int)getpid(),
	    ++world.logs);
}

static void
run_to_its_end(const char *const *argv)
{
	const char *path = output();
	pid_t pid = process_start(&(struct spawn){ .argv = argv,
	    .output = path, .death_signal = SIGKILL });
	int status;

	ck_assert(process_wait(pid, &status));
	ck_assert_msg(status == 0, "%s: %x: %s", argv[0], (unsigned)status,
	    file_read(path));
}

static bool
file_says(const char *path, const char *words)
{
	char *content = file_read(path);
	bool says = strstr(content, words) != NULL;

	free(content);
	return says;
}

START_TEST(a_base_backup_is_taken_and_verified)
{
	struct pooler *pooler = start("default_pool_size = 4\n");
	const char *port = text("%d", pooler->port);
	const char *directory = text("%s/backup", world.directory);
	const char *backup[] = { program("pg_basebackup"), "-h", "127.0.0.1",
	    "-p", port, "-U", "postgres", "-D", directory, "-X", "stream",
	    "-c", "fast", "--no-sync", NULL };
	const char *verify[] = { program("pg_verifybackup"), directory,
	    NULL };

	run_to_its_end(backup);
	run_to_its_end(verify);
	pooler_await_log(pooler, "replication=yes");
}
END_TEST

START_TEST(the_log_is_received)
{
	struct pooler *pooler = start("");
	PGconn *direct = world_direct();
	const char *directory = world_make_directory("wal");
	const char *path = output();
	const char *argv[] = { program("pg_receivewal"), "-h", "127.0.0.1",
	    "-p", text("%d", pooler->port), "-U", "postgres", "-D", directory,
	    "--no-loop", "--synchronous", NULL };
	PGconn *console = connect_console(pooler);
	const char *segment;
	int status;
	pid_t pid;

	pid = process_start(&(struct spawn){ .argv = argv, .output = path,
	    .death_signal = SIGKILL });
	wait_until(show_count(console, "SERVERS", "replication",
	    "physical") == 1);
	ck_assert_uint_eq(show_count(console, "CLIENTS", "replication",
	    "physical"), 1);
	/* Where it begins to read is settled only then. */
	wait_until(query_number(direct, "select count(*) from "
	    "pg_stat_replication where state = 'streaming'") == 1);
	/* At the very end of a segment its name would be that of the last. */
	ck_query_ok(direct, "create table streamed (n int)");
	segment = query_value(direct,
	    "select pg_walfile_name(pg_current_wal_insert_lsn())");
	ck_query_ok(direct, "select pg_switch_wal()");
	wait_until(access(text("%s/%s", directory, segment), F_OK) == 0);
	kill(pid, SIGINT);
	ck_assert(process_wait(pid, &status));
	ck_assert_msg(status == 0, "%s", file_read(path));
	wait_until(show_count(console, "SERVERS", "replication",
	    "physical") == 0);
	ck_query_ok(direct, "drop table streamed");
}
END_TEST

START_TEST(changes_are_decoded)
{
	struct pooler *pooler = start("");
	PGconn *direct = world_direct();
	const char *path = output(), *changes = output();
	const char *port = text("%d", pooler->port);
	const char *create[] = { program("pg_recvlogical"), "-h",
	    "127.0.0.1", "-p", port, "-U", "postgres", "-d", "shop",
	    "--slot=decoded", "--create-slot", "-P", "test_decoding", NULL };
	const char *follow[] = { program("pg_recvlogical"), "-h",
	    "127.0.0.1", "-p", port, "-U", "postgres", "-d", "shop",
	    "--slot=decoded", "--start", "-f", changes, "--no-loop", "-s",
	    "1", NULL };
	pid_t pid;
	int status;

	run_to_its_end(create);
	pid = process_start(&(struct spawn){ .argv = follow, .output = path,
	    .death_signal = SIGKILL });
	ck_query_ok(direct, "create table decoded (n int, t text);"
	    "insert into decoded values (1, 'one')");
	wait_until(file_says(changes, "table public.decoded: INSERT: "
	    "n[integer]:1 t[text]:'one'"));
	/* More than fits into buffers, in both directions. */
	ck_query_ok(direct, "insert into decoded select i, repeat('x', 1000) "
	    "from generate_series(2, 5000) i");
	wait_until(file_says(changes, "n[integer]:5000 "));
	kill(pid, SIGINT);
	ck_assert(process_wait(pid, &status));
	ck_assert_msg(status == 0, "%s", file_read(path));
	wait_until(query_number(direct, "select count(*) from "
	    "pg_replication_slots where active") == 0);
	ck_query_ok(direct, "select pg_drop_replication_slot('decoded');"
	    "drop table decoded");
}
END_TEST

START_TEST(a_subscription_follows)
{
	struct pooler *pooler = start("default_pool_size = 6\n");
	PGconn *direct = world_direct(), *other;

	ck_query_ok(direct, "create table followed (n int primary key)");
	ck_query_ok(direct, "insert into followed "
	    "select generate_series(1, 100)");
	ck_query_ok(direct, "create publication p for table followed");
	ck_query_ok(direct, "select pg_create_logical_replication_slot('s', "
	    "'pgoutput')");
	ck_query_ok(direct, "create database follower");
	other = connect_to(text("host=127.0.0.1 port=%d user=postgres "
	    "dbname=follower", world.cluster.port));
	ck_query_ok(other, "create table followed (n int primary key)");
	ck_query_ok(other, text("create subscription sub connection "
	    "'host=127.0.0.1 port=%d user=postgres dbname=shop' "
	    "publication p with (create_slot = false, slot_name = 's')",
	    pooler->port));
	wait_until(query_number(other, "select count(*) from followed") ==
	    100);
	ck_query_ok(direct, "insert into followed "
	    "select generate_series(101, 2000)");
	wait_until(query_number(other, "select count(*) from followed") ==
	    2000);
	ck_query_ok(other, "alter subscription sub disable");
	ck_query_ok(other, "alter subscription sub set (slot_name = none)");
	ck_query_ok(other, "drop subscription sub");
	disconnect(other);
	wait_until(query_number(direct, "select count(*) from "
	    "pg_replication_slots where active") == 0);
	ck_query_ok(direct, "select pg_drop_replication_slot('s')");
	ck_query_ok(direct, "drop publication p");
	ck_query_ok(direct, "drop table followed");
	ck_query_ok(direct, "drop database follower with (force)");
}
END_TEST

static PGconn *
connect_replication(struct pooler *pooler, const char *options)
{
	return connect_as(pooler, text("user=postgres dbname=shop "
	    "replication=database options='%s'", options));
}

START_TEST(it_has_a_server_of_its_own_which_nobody_gets)
{
	struct pooler *pooler = start("default_pool_size = 3\n");
	PGconn *console = connect_console(pooler);
	PGconn *client = connect_replication(pooler, "-c geqo=off");
	PGconn *plain = connect_as(pooler, "user=postgres dbname=shop");
	const char *pid = query_value(client, "select pg_backend_pid()");

	ck_assert_str_eq(query_value(client, "show geqo"), "off");
	ck_assert_str_ne(query_value(client, "IDENTIFY_SYSTEM"), "");
	ck_assert_str_eq(show_value(console, "SERVERS", "replication",
	    "logical", "state"), "active");
	ck_assert_str_eq(show_value(console, "CLIENTS", "replication",
	    "logical", "state"), "active");
	/* Between transactions, too. */
	for (int i = 0; i < 5; i++) {
		ck_assert_str_eq(query_value(client,
		    "select pg_backend_pid()"), pid);
		ck_assert_str_ne(query_value(plain,
		    "select pg_backend_pid()"), pid);
		ck_assert_str_eq(query_value(plain, "show geqo"), "on");
	}
	pooler_await_log(pooler, "replication=database");
	disconnect(client);
	wait_until(query_number(plain, text("select count(*) from "
	    "pg_stat_activity where pid = %s", pid)) == 0);
	pooler_await_log(pooler, "replication client disconnected");
}
END_TEST

START_TEST(an_idle_server_makes_room_for_it)
{
	struct pooler *pooler = start("default_pool_size = 1\n"
	    "query_wait_timeout = 600\n");
	PGconn *plain = connect_as(pooler, "user=postgres dbname=shop");
	PGconn *client;

	ck_query_value(plain, "select 1", "1");
	client = connect_replication(pooler, "");
	pooler_await_log(pooler, "evicted");
	/* It counts: the other one has to wait until it is gone. */
	ck_assert_int_eq(PQsendQuery(plain, "select 2"), 1);
	ck_query_value(client, "select 3", "3");
	ck_assert(still_waits(plain));
	disconnect(client);
	ck_finish_ok(plain);
}
END_TEST

START_TEST(a_refusal_is_its_own_affair)
{
	struct pooler *pooler = start("server_login_retry = 60\n");

	ck_login_fails(pooler, "user=app dbname=shop replication=database",
	    "42501", "must be superuser or replication role to start "
	    "walsender");
	ck_login_fails(pooler, "user=postgres dbname=shop "
	    "replication=database options='-c no_such=1'", "42704",
	    "unrecognized configuration parameter \"no_such\"");
	ck_login_ok(pooler, "user=app dbname=shop");
	ck_query_value(connect_as(pooler, "user=app dbname=shop"), "select 1",
	    "1");
}
END_TEST

START_TEST(values_that_mean_no_are_no)
{
	static const char *const values[] = { "false", "off", "no", "0",
	    "nonsense" };
	struct pooler *pooler = start("");
	PGconn *console = connect_console(pooler);

	for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
		PGconn *client = connect_as(pooler, text("user=app "
		    "dbname=shop replication=%s", values[i]));

		ck_query_value(client, "select 1", "1");
	}
	ck_assert_uint_eq(show_count(console, "CLIENTS", "replication",
	    "none"), ARRAY_LENGTH(values) + 1);
}
END_TEST

/* They come when both are at it: what takes long before does not count. */
START_TEST(no_time_limit_of_queries_ends_it)
{
	struct pooler *pooler = start("");
	PGconn *console = connect_console(pooler), *direct = world_direct();
	PGconn *client = connect_replication(pooler, "");
	PGconn *plain = connect_as(pooler, "user=postgres dbname=shop");
	PGresult *result;

	ck_assert_int_eq(PQsendQuery(plain, "select pg_sleep(600)"), 1);
	await_sleepers(direct, 1);
	ck_assert_int_eq(PQsendQuery(client, "select pg_sleep(3)"), 1);
	ck_query_ok(console, "SET client_idle_timeout = 2");
	ck_query_ok(console, "SET idle_transaction_timeout = 1");
	ck_query_ok(console, "SET transaction_timeout = 2");
	ck_query_ok(console, "SET query_timeout = 1");
	result = PQgetResult(plain);
	ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE),
	    "57014");
	ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
	    "query timeout");
	PQclear(result);
	ck_finish_ok(client);
	ck_query_value(client, "select 1", "1");
}
END_TEST

START_TEST(a_reload_that_moves_the_database_ends_it)
{
	struct pooler *pooler = start("");
	PGconn *client = connect_replication(pooler, "");
	PGconn *console = connect_console(pooler);

	ck_query_value(client, "select 1", "1");
	pooler_rewrite(pooler, &(struct recipe){ .workers = 2,
	    .userlist = "\"app\" \"\"\n\"postgres\" \"\"\n\"admin\" \"\"\n",
	    .databases = text("shop = host=localhost port=%d "
	    "dbname=postgres\n", world.cluster.port) });
	ck_query_ok(console, "RELOAD");
	pooler_await_log(pooler, "database configuration changed");
	ck_connection_lost(client);
}
END_TEST

START_TEST(what_its_worker_held_is_closed_when_that_dies)
{
	struct pooler *pooler = start("");
	PGconn *direct = world_direct();
	pid_t workers[8];
	unsigned count;

	for (int i = 0; i < 4; i++)
		ck_query_value(connect_replication(pooler, ""), "select 1",
		    "1");
	count = pooler_children(pooler, workers, 8);
	for (unsigned i = 0; i < count; i++)
		kill(workers[i], SIGKILL);
	wait_until(query_number(direct, "select count(*) from "
	    "pg_stat_activity where backend_type = 'walsender'") == 0);
	wait_until(pooler_children(pooler, workers, 8) == count);
	ck_query_value(connect_replication(pooler, ""), "select 1", "1");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("replication");
	TCase *tests = world_case(suite, "replication", 120);

	tcase_add_test(tests, a_base_backup_is_taken_and_verified);
	tcase_add_test(tests, the_log_is_received);
	tcase_add_test(tests, changes_are_decoded);
	tcase_add_test(tests, a_subscription_follows);
	tcase_add_test(tests, it_has_a_server_of_its_own_which_nobody_gets);
	tcase_add_test(tests, an_idle_server_makes_room_for_it);
	tcase_add_test(tests, a_refusal_is_its_own_affair);
	tcase_add_test(tests, values_that_mean_no_are_no);
	tcase_add_test(tests, no_time_limit_of_queries_ends_it);
	tcase_add_test(tests, a_reload_that_moves_the_database_ends_it);
	if (pooler_is_pgusher())
		tcase_add_test(tests,
		    what_its_worker_held_is_closed_when_that_dies);
	return world_run(suite);
}
