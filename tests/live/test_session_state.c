/*
 * What transactions leave in a session that clients share: session_state as
 * ignore, warn and pin.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/crowd.h"
#include "live/world.h"

#define BACKEND "select pg_backend_pid()"
#define LOCKS "select count(*) from pg_locks where locktype = 'advisory' " \
    "and pid = pg_backend_pid()"

static const struct {
	const char	*name;		/* as a warning says it */
	const char	*leave, *remove;
	const char	*look, *is_there, *is_gone;
} kinds[] = {
	{ "SET", "set work_mem = '7MB'", "reset work_mem",
	    "show work_mem", "7MB", "4MB" },
	{ "SET of a custom setting", "select set_config('a.b', 'x', false)", "discard all",
	    "select coalesce(current_setting('a.b', true), '')", "x", "" },
	{ "SET of a custom setting", "set a.b = 'x'", "discard all",
	    "select coalesce(current_setting('a.b', true), '')", "x", "" },
	{ "LISTEN", "listen news", "unlisten *",
	    "select count(*) from pg_listening_channels()", "1", "0" },
	{ "a temporary table", "create temp table own (a int)",
	    "drop table own", "select count(*) from pg_class where relname = "
	    "'own' and pg_table_is_visible(oid)", "1", "0" },
	{ "an advisory lock", "select pg_advisory_lock(5)",
	    "select pg_advisory_unlock(5)", LOCKS, "1", "0" },
	{ "PREPARE", "prepare p as select 1", "deallocate p",
	    "select count(*) from pg_prepared_statements where from_sql",
	    "1", "0" },
	{ "a cursor WITH HOLD", "declare c cursor with hold for select 1",
	    "close c", "select count(*) from pg_cursors where is_holdable",
	    "1", "0" },
};

/* Of all these nothing is left when their transaction is over. */
static const char *const harmless[] = {
	"begin; set local work_mem = '9MB'; commit",
	"begin; set work_mem = '9MB'; rollback",
	"select set_config('a.b', 'x', true)",
	"begin; create temp table t (a int) on commit drop; commit",
	"select pg_advisory_xact_lock(1)",
	"set application_name = 'follows its client'",
	"prepare q as select 1; deallocate q",
};

static struct pooler *
start(const char *mode, unsigned size)
{
	return pooler_start(.workers = 2, .settings = text(
	    "session_state = %s\ndefault_pool_size = %u\n", mode, size));
}

static long long
active_servers(PGconn *console)
{
	return show_number(console, "POOLS", "database", "shop", "sv_active");
}

static char notices[2048];

static void
on_notice(void *context, const PGresult *result)
{
	size_t used = strlen(notices);

	snprintf(notices + used, sizeof(notices) - used, "%s %s: %s\n",
	    PQresultErrorField(result, PG_DIAG_SEVERITY),
	    PQresultErrorField(result, PG_DIAG_SQLSTATE),
	    PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
}

/* --- pin ----------------------------------------------------------------- */

START_TEST(a_client_keeps_its_server_as_long_as_it_has_something_there)
{
	struct pooler *pooler = start("pin", 2);
	PGconn *client = connect_client(pooler), *console;
	PGconn *other = connect_client(pooler);
	const char *server;

	console = connect_console(pooler);
	ck_query_ok(client, kinds[_i].leave);
	server = text("%s", query_value(client, BACKEND));
	for (int i = 0; i < 20; i++) {
		ck_query_value(client, BACKEND, server);
		ck_query_value(client, kinds[_i].look, kinds[_i].is_there);
		ck_assert_str_ne(query_value(other, BACKEND), server);
		ck_query_value(other, kinds[_i].look, kinds[_i].is_gone);
	}
	wait_until(active_servers(console) == 1);
	ck_query_ok(client, kinds[_i].remove);
	wait_until(active_servers(console) == 0);
	ck_query_value(client, kinds[_i].look, kinds[_i].is_gone);
}
END_TEST

START_TEST(who_leaves_something_and_goes_leaves_nothing)
{
	struct pooler *pooler = start("pin\nserver_reset_query =", 1);
	PGconn *client = connect_client(pooler), *other;
	const char *server;

	ck_query_ok(client, kinds[_i].leave);
	server = text("%s", query_value(client, BACKEND));
	disconnect(client);
	other = connect_client(pooler);
	ck_query_value(other, BACKEND, server);
	ck_query_value(other, kinds[_i].look, kinds[_i].is_gone);
}
END_TEST

/* Through the extended protocol, and by a name long after its Parse. */
START_TEST(a_prepared_statement_leaves_as_much)
{
	struct pooler *pooler = start("pin", 1);
	PGconn *client = connect_client(pooler), *console;
	PGresult *result;

	console = connect_console(pooler);
	PQclear(PQprepare(client, "lock", "select pg_advisory_lock(5)", 0,
	    NULL));
	PQclear(PQprepare(client, "unlock", "select pg_advisory_unlock(5)", 0,
	    NULL));
	for (int i = 0; i < 3; i++) {
		wait_until(active_servers(console) == 0);
		result = PQexecPrepared(client, "lock", 0, NULL, NULL, NULL,
		    0);
		ck_assert_int_eq(PQresultStatus(result), PGRES_TUPLES_OK);
		PQclear(result);
		ck_query_value(client, LOCKS, "1");
		ck_assert_int_eq(active_servers(console), 1);
		result = PQexecPrepared(client, "unlock", 0, NULL, NULL, NULL,
		    0);
		ck_assert_int_eq(PQresultStatus(result), PGRES_TUPLES_OK);
		PQclear(result);
	}
	wait_until(active_servers(console) == 0);
}
END_TEST

static PGresult *
run_unnamed(PGconn *client, const char *sql)
{
	PGresult *result = PQprepare(client, "", sql, 0, NULL);

	ck_assert_int_eq(PQresultStatus(result), PGRES_COMMAND_OK);
	PQclear(result);
	return PQexecPrepared(client, "", 0, NULL, NULL, NULL, 0);
}

/* What has no name may also be parsed in one batch and run in another. */
START_TEST(a_statement_without_a_name_leaves_as_much)
{
	struct pooler *pooler = start("pin", 1);
	PGconn *client = connect_client(pooler), *console;

	console = connect_console(pooler);
	PQclear(run_unnamed(client, "select pg_advisory_lock(5)"));
	ck_query_value(client, LOCKS, "1");
	ck_assert_int_eq(active_servers(console), 1);
	PQclear(run_unnamed(client, "select pg_advisory_unlock(5)"));
	wait_until(active_servers(console) == 0);
	/* The next one without a name is another one. */
	for (int i = 0; i < 3; i++) {
		PQclear(run_unnamed(client, "select 1"));
		wait_until(active_servers(console) == 0);
	}
}
END_TEST

START_TEST(what_leaves_nothing_keeps_nothing)
{
	struct pooler *pooler = start("pin", 1);
	PGconn *client = connect_client(pooler);
	PGconn *other = connect_client(pooler);

	for (int i = 0; i < 5; i++) {
		ck_query_ok(client, harmless[_i]);
		ck_query_ok(other, "select 1");
	}
}
END_TEST

START_TEST(who_listens_hears)
{
	struct pooler *pooler = start("pin", 2);
	PGconn *client = connect_client(pooler), *other;
	PGnotify *news = NULL;

	other = connect_client(pooler);
	ck_query_ok(client, "listen news");
	for (int i = 0; i < 10; i++) {
		ck_query_ok(other, text("notify news, '%d'", i));
		wait_until(PQconsumeInput(client) == 1 &&
		    (news = PQnotifies(client)) != NULL);
		ck_assert_str_eq(news->extra, text("%d", i));
		PQfreemem(news);
	}
}
END_TEST

/* What it sends while PostgreSQL is asked is answered in its turn. */
START_TEST(who_does_not_wait_is_answered_in_order)
{
	struct pooler *pooler = start(_i == 0 ? "pin" : "warn", 1);
	int client = fake_client_login(pooler->port, "app", "shop");
	struct buffer bytes = { 0 };

	for (int i = 0; i < 50; i++) {
		put_message(&bytes, 'Q', "s", "set work_mem = '7MB'");
		ck_assert(fake_client_send(client, &bytes));
		fake_client_expect(client, 'C', NULL);
		put_message(&bytes, 'Q', "s", "select 1");
		put_message(&bytes, 'Q', "s", "discard all");
		put_message(&bytes, 'Q', "s", "begin; set local a.b = '2'; "
		    "commit");
		ck_assert(fake_client_send(client, &bytes));
		fake_client_expect(client, 'Z', NULL);
		fake_client_expect(client, 'D', NULL);
		fake_client_expect(client, 'Z', NULL);
		for (int j = 0; j < 1 + 3; j++)
			fake_client_expect(client, 'C', NULL);
		fake_client_expect(client, 'Z', NULL);
	}
	close(client);
}
END_TEST

/* It goes as soon as it has its answer, or before. */
START_TEST(who_goes_at_once_leaves_nothing)
{
	struct pooler *pooler = start("pin", 1);
	struct buffer bytes = { 0 };
	PGconn *other;

	for (int i = 0; i < 30; i++) {
		int client = fake_client_login(pooler->port, "app", "shop");

		put_message(&bytes, 'Q', "s", "set work_mem = '7MB'");
		ck_assert(fake_client_send(client, &bytes));
		if (i % 3 > 0)
			fake_client_expect(client, 'C', NULL);
		if (i % 3 > 1)
			fake_client_expect(client, 'Z', NULL);
		close(client);
		other = connect_client(pooler);
		ck_query_value(other, "show work_mem", "4MB");
		disconnect(other);
	}
}
END_TEST

START_TEST(a_crowd_that_leaves_things_gets_right_answers)
{
	struct pooler *pooler = start("pin", 4);
	struct crowd *crowd = crowd_start(pooler, &(struct crowd_plan){
	    .clients = 16 });
	struct crowd_result result;

	for (int i = 0; i < 20; i++) {
		PGconn *client = connect_client(pooler);

		ck_query_ok(client, kinds[i % 8].leave);
		ck_query_value(client, kinds[i % 8].look,
		    kinds[i % 8].is_there);
		if (i % 3 == 0)
			ck_query_ok(client, kinds[i % 8].remove);
		disconnect(client);
	}
	crowd_await_progress(crowd, 20);
	result = crowd_stop(crowd);
	ck_crowd_well(&result);
}
END_TEST

/* --- warn, ignore -------------------------------------------------------- */

START_TEST(a_client_is_warned_once_for_each_kind)
{
	struct pooler *pooler = start("warn", 1);
	PGconn *client = connect_client(pooler);
	PGconn *other = connect_client(pooler);

	PQsetNoticeReceiver(client, on_notice, NULL);
	ck_query_ok(client, harmless[0]);
	ck_query_ok(client, "select 1");
	ck_assert_str_eq(notices, "");
	for (int i = 0; i < 3; i++) {
		ck_query_ok(client, kinds[_i].leave);
		ck_query_ok(client, "select 1");
		ck_query_ok(other, "discard all");
	}
	ck_assert_str_eq(notices, text("WARNING 01000: the transaction has "
	    "left %s in the session\n", kinds[_i].name));
}
END_TEST

START_TEST(by_default_nothing_is_said_or_kept)
{
	struct pooler *pooler = start("ignore", 1);
	PGconn *client = connect_client(pooler);
	PGconn *other = connect_client(pooler);

	PQsetNoticeReceiver(client, on_notice, NULL);
	ck_query_ok(client, kinds[_i].leave);
	ck_query_value(other, kinds[_i].look, kinds[_i].is_there);
	ck_query_ok(client, "select 1");
	ck_assert_str_eq(notices, "");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("session_state");
	TCase *tests = world_case(suite, "session_state", 120);
	int count = (int)ARRAY_LENGTH(kinds);

	tcase_add_loop_test(tests,
	    a_client_keeps_its_server_as_long_as_it_has_something_there, 0,
	    count);
	tcase_add_loop_test(tests,
	    who_leaves_something_and_goes_leaves_nothing, 0, count);
	tcase_add_test(tests, a_prepared_statement_leaves_as_much);
	tcase_add_test(tests, a_statement_without_a_name_leaves_as_much);
	tcase_add_loop_test(tests, what_leaves_nothing_keeps_nothing, 0,
	    (int)ARRAY_LENGTH(harmless));
	tcase_add_test(tests, who_listens_hears);
	tcase_add_loop_test(tests, who_does_not_wait_is_answered_in_order, 0,
	    2);
	tcase_add_test(tests, who_goes_at_once_leaves_nothing);
	tcase_add_test(tests, a_crowd_that_leaves_things_gets_right_answers);
	tcase_add_loop_test(tests, a_client_is_warned_once_for_each_kind, 0,
	    count);
	tcase_add_loop_test(tests, by_default_nothing_is_said_or_kept, 0,
	    count);
	return world_run(suite);
}
