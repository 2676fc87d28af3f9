/*
 * SELECT over reports: rows and types, what is refused and how, what takes
 * too long.
 */
#include <check.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/sql.h"
#include "base/log.h"
#include "console_world.h"

#define INI \
	"[databases]\n" \
	"app = host=127.0.0.1 pool_size=7\n" \
	"shop = host=127.0.0.1\n" \
	"[pgbouncer]\n" \
	"listen_addr = 127.0.0.1\n" \
	"auth_type = trust\n"

static struct world world;

static void
start(void)
{
	log_configure(&(struct log_settings){ .file_fd = -1 });
	world_start(&world, INI, "");
	world_add_client(&world, "app", "joe", CLIENT_WAITING);
	world_add_client(&world, "app", "joe", CLIENT_WAITING);
	world_add_client(&world, "shop", "ann", CLIENT_IDLE);
	world_add_server(&world, "shop", "ann", SERVER_IDLE);
}

static void
stop(void)
{
	world_stop(&world);
}

/* Without a child to go on in, a query ends after its share of time. */
static bool
was_too_slow(void)
{
	return world.message != NULL && strcmp(world.message,
	    "query takes too long for this worker") == 0;
}

static void
ck_result(const char *text)
{
	do
		world_query(&world, text);
	while (was_too_slow());
	ck_assert_msg(world.message == NULL, "%s: %s", text, world.message);
	ck_assert_int_eq(world.outcome, CONSOLE_DONE);
	ck_assert_str_eq(world.kinds, world.rows > 0 ? "TDCZ" : "TCZ");
}

/* One row of one column. */
static void
ck_value(const char *text, uint32_t oid, const char *value)
{
	ck_result(text);
	ck_assert_uint_eq(world.rows, 1);
	ck_assert_uint_eq(world.width, 1);
	ck_assert_msg(world.oids[0] == oid, "%s: %u", text, world.oids[0]);
	if (value == NULL)
		ck_assert_ptr_null(world.cells[0]);
	else
		ck_assert_str_eq(world.cells[0], value);
}

static void
ck_refused(const char *text, const char *sqlstate)
{
	world_query(&world, text);
	ck_assert_str_eq(world.kinds, "EZ");
	ck_assert_msg(strcmp(world.sqlstate, sqlstate) == 0, "%s: %s %s",
	    text, world.sqlstate, world.message);
}

START_TEST(reports_are_tables_with_and_without_their_schema)
{
	ck_value("SELECT SUM(cl_waiting) FROM pools;", 20, "2");
	ck_assert_str_eq(world.names[0], "sum");
	ck_value("SELECT count(*) FROM pgbouncer.POOLS", 20, "3");
	ck_assert_str_eq(world.tag, "SELECT 1");
	ck_refused("SELECT * FROM other.pools", "42P01");
}
END_TEST

START_TEST(the_guides_queries_run)
{
	ck_result("-- Pool health check\n"
	    "SELECT\n    database,\n    cl_active,\n    cl_waiting,\n"
	    "    sv_active,\n    sv_idle,\n    CASE\n"
	    "        WHEN cl_waiting > 0 THEN 'WARNING: Clients waiting'\n"
	    "        WHEN sv_active >= sv_idle * 2 THEN 'WARNING: Pool "
	    "saturation'\n        ELSE 'OK'\n    END AS status\n"
	    "FROM pgbouncer.pools;");
	ck_assert_str_eq(world_cell(&world, world_row(&world, "database",
	    "app"), "status"), "WARNING: Clients waiting");
	ck_assert_str_eq(world_cell(&world, world_row(&world, "database",
	    "shop"), "status"), "OK");
	ck_assert_uint_eq(world.oids[1], 23);
	ck_assert_uint_eq(world.oids[5], 25);
	ck_result("SELECT database, user, COUNT(*) AS connection_count\n"
	    "FROM pgbouncer.clients\nGROUP BY database, user;");
	ck_assert_str_eq(world_cell(&world, world_row(&world, "user", "joe"),
	    "connection_count"), "2");
	ck_result("SELECT database, total_xact_count, avg_xact_time / 1000 "
	    "AS ms FROM pgbouncer.stats;");
	ck_assert_uint_eq(world.oids[1], 1700);
	ck_assert_uint_eq(world.oids[2], 20);
}
END_TEST

START_TEST(numbers_are_compared_as_numbers)
{
	ck_value("SELECT count(*) FROM databases WHERE pool_size > 10", 20,
	    "1");
	ck_value("SELECT count(*) FROM databases WHERE pool_size = '7'", 20,
	    "1");
	ck_value("SELECT 1.5", 701, "1.5");
	ck_value("SELECT 1 / 2", 20, "0");
	ck_value("SELECT 0.1 + 0.2", 701, "0.30000000000000004");
	ck_value("SELECT max(x) FROM (SELECT 1 AS x UNION ALL SELECT 2.5)",
	    701, "2.5");
	ck_value("SELECT NULL", 25, NULL);
	ck_value("SELECT host FROM databases WHERE name = 'pgbouncer'", 25,
	    NULL);
	ck_value("SELECT x'00ff'", 17, "\\x00ff");
}
END_TEST

START_TEST(joins_see_the_same_rows)
{
	ck_value("SELECT count(*) FROM clients a JOIN clients b ON a.ptr = "
	    "b.ptr", 20, "3");
	ck_value("SELECT d.pool_size FROM pools p JOIN databases d ON "
	    "d.name = p.database WHERE p.cl_waiting > 0", 23, "7");
}
END_TEST

START_TEST(reports_tells_what_there_is)
{
	ck_value("SELECT count(DISTINCT report) > 20 FROM reports", 20, "1");
	ck_result("SELECT * FROM reports WHERE report = 'state'");
	ck_assert_uint_eq(world.rows, 2);
	ck_assert_str_eq(world_cell(&world, 0, "name"), "key");
	ck_assert_str_eq(world_cell(&world, 0, "type"), "text");
	ck_value("SELECT data_type FROM information_schema.columns WHERE "
	    "table_name = 'pools' AND column_name = 'maxwait'", 25,
	    "integer");
	ck_value("SELECT typname FROM pg_catalog.pg_type WHERE oid = 20", 25,
	    "int8");
}
END_TEST

START_TEST(every_report_may_be_selected)
{
	char names[64][64], text[256];
	unsigned count;

	ck_result("SELECT DISTINCT report FROM reports");
	count = world.rows;
	for (unsigned i = 0; i < count; i++)
		snprintf(names[i], sizeof(names[i]), "%s", world.cells[i]);
	for (unsigned i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "SELECT * FROM \"%.63s\"",
		    names[i]);
		ck_result(text);
		ck_assert_uint_gt(world.width, 1 - (strcmp(names[i],
		    "version") == 0));
	}
}
END_TEST

START_TEST(drivers_may_ask_who_and_what_they_talk_to)
{
	ck_value("SELECT current_user", 25, "joe");
	ck_value("SELECT pg_catalog.current_database()", 25, "pgbouncer");
	ck_value("SELECT pg_is_in_recovery()", 20, "0");
	ck_value("SELECT current_setting('timezone')", 25, "GMT");
	ck_result("SELECT version()");
	ck_assert_ptr_nonnull(strstr(world.cells[0], "PgBouncer 1."));
}
END_TEST

static const struct {
	const char	*text, *sqlstate, *contains;
} refusals[] = {
	{ "SELECT * FROM nope", "42P01", "nope" },
	{ "SELECT nope FROM pools", "42703", "nope" },
	{ "SELECT \"OK\" FROM pools", "42703", "OK" },
	{ "SELECT 1 +", "42601", "incomplete" },
	{ "SELECT 1 2", "42601", "syntax" },
	{ "SELECT 'a", "42601", "unrecognized" },
	{ "SELECT 1::int", "42601", ":" },
	{ "SELECT nope()", "42883", "nope" },
	{ "SELECT load_extension('x')", "42883", "load_extension" },
	{ "SELECT randomblob(1000000)", "42883", "randomblob" },
	{ "SELECT * FROM sqlite_master", "42501", "prohibited" },
	{ "SELECT * FROM pragma_table_info('pools')", "42501", "" },
	{ "WITH a AS (SELECT 1) DELETE FROM pools", "42501", "" },
	{ "WITH a AS (SELECT 1) INSERT INTO state VALUES (1, 2)", "42501",
	    "" },
	{ "SELECT name FROM pools, databases, users WHERE name = 1", "42702",
	    "name" },
	{ "SELECT sum(count(*)) FROM pools", "42803", "count" },
	{ "SELECT ?", "42P02", "parameter" },
};

START_TEST(what_cannot_be_is_refused_with_a_sqlstate)
{
	world_query(&world, refusals[_i].text);
	ck_assert_str_eq(world.kinds, "EZ");
	ck_assert_msg(strcmp(world.sqlstate, refusals[_i].sqlstate) == 0,
	    "%s: %s %s", refusals[_i].text, world.sqlstate, world.message);
	ck_assert_msg(strstr(world.message, refusals[_i].contains) != NULL,
	    "%s: %s", refusals[_i].text, world.message);
}
END_TEST

/* What psql says for \d and \l, cut short. */
START_TEST(who_looks_for_catalogs_is_told_where_to_look)
{
	static const char *const statements[] = {
		"SELECT n.nspname FROM pg_catalog.pg_class c WHERE "
		    "c.relname !~ '^pg_toast'",
		"SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relname "
		    "OPERATOR(pg_catalog.~) '^(pools)$' COLLATE "
		    "pg_catalog.default",
		"SELECT * FROM pg_catalog.pg_database",
	};

	for (size_t i = 0; i < ARRAY_LENGTH(statements); i++) {
		ck_refused(statements[i], i == 2 ? "42P01" : "42601");
		ck_assert_ptr_nonnull(strstr(world.detail,
		    "SELECT * FROM reports"));
	}
}
END_TEST

START_TEST(an_unknown_report_is_answered_with_those_there_are)
{
	ck_refused("SELECT * FROM nope", "42P01");
	ck_assert_ptr_nonnull(strstr(world.detail, " pools "));
	ck_assert_ptr_nonnull(strstr(world.detail, " reports"));
}
END_TEST

START_TEST(only_admins_see_what_show_would_not_show)
{
	ck_result("SELECT * FROM fds");
	world.env.is_admin = false;
	ck_refused("SELECT * FROM fds", "42501");
	ck_assert_str_eq(world.message, "admin access needed");
	ck_refused("SELECT count(*) FROM pools JOIN pgbouncer.fds", "42501");
	ck_refused("SELECT count(*) FROM fds", "42501");
	ck_result("SELECT * FROM pools");
}
END_TEST

START_TEST(select_of_a_report_still_is_show)
{
	world_query(&world, "SELECT state;");
	ck_assert_str_eq(world.tag, "SHOW");
	world_query(&world, "SELECT client_encoding");
	ck_assert_str_eq(world.tag, "SHOW");
	ck_value("SELECT 1", 20, "1");
}
END_TEST

START_TEST(statements_of_both_kinds_follow_each_other)
{
	world_query(&world, "SELECT 1; SHOW STATE; -- and\n VALUES (2); ;");
	ck_assert_str_eq(world.kinds, "TDCTDCTDCZ");
	world_query(&world, "SELECT 1; SELECT nope; SELECT 2");
	ck_assert_str_eq(world.kinds, "TDCEZ");
	world_query(&world, "-- ping");
	ck_assert_str_eq(world.kinds, "IZ");
	world_query(&world, ";");
	ck_assert_str_eq(world.kinds, "IZ");
}
END_TEST

START_TEST(what_drivers_say_by_themselves_is_answered)
{
	static const struct {
		const char	*text, *kinds, *tag;
		char		 status;
	} said[] = {
		{ "BEGIN", "CZ", "BEGIN", 'T' },
		{ "COMMIT", "CZ", "COMMIT", 'I' },
		{ "BEGIN READ ONLY; SELECT 1; ROLLBACK", "CTDCCZ",
		    "ROLLBACK", 'I' },
		{ "START TRANSACTION", "CZ", "START TRANSACTION", 'T' },
		{ "END", "CZ", "COMMIT", 'I' },
		{ "SET extra_float_digits = -1", "NCZ", "SET", 'I' },
		{ "SET SESSION application_name TO 'x y'", "NCZ", "SET",
		    'I' },
		{ "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION "
		    "LEVEL SERIALIZABLE", "NCZ", "SET", 'I' },
		{ "SHOW TRANSACTION ISOLATION LEVEL", "TDCZ", "SHOW", 'I' },
		{ "DISCARD ALL", "CZ", "DISCARD ALL", 'I' },
		{ "DEALLOCATE ALL", "CZ", "DEALLOCATE ALL", 'I' },
		{ "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;"
		    "\nRESET ALL;", "TDCCCNCZ", "RESET", 'I' },
	};

	world.env.is_admin = false;
	for (size_t i = 0; i < ARRAY_LENGTH(said); i++) {
		world_query(&world, said[i].text);
		ck_assert_msg(strcmp(world.kinds, said[i].kinds) == 0,
		    "%s: %s", said[i].text, world.kinds);
		ck_assert_str_eq(world.tag, said[i].tag);
		ck_assert_int_eq(world.status, said[i].status);
	}
	world.env.is_admin = true;
	world_query(&world, "RESET ALL");
	ck_assert_int_eq(world.outcome, CONSOLE_ASK_SET);
}
END_TEST

/* --- what takes long ----------------------------------------------------- */

#define LONG_QUERY "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 " \
	"FROM n WHERE i < 100000) SELECT count(*) FROM n"
#define ENDLESS_QUERY "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT " \
	"i + 1 FROM n) SELECT count(*) FROM n"

static enum console_side side;
static unsigned splits;
static char delivered[4096];
static size_t delivered_length;
static jmp_buf left;

static enum console_side
split(void *context)
{
	splits++;
	return side;
}

/* The child would end here. */
static void
deliver(void *context, const void *bytes, size_t length)
{
	ck_assert_uint_le(length, sizeof(delivered));
	if (length > 0)
		memcpy(delivered, bytes, length);
	delivered_length = length;
	longjmp(left, 1);
}

static const struct console_detach detach = { split, deliver, NULL };

START_TEST(without_a_child_a_long_query_is_ended)
{
	ck_refused(ENDLESS_QUERY, SQLSTATE_CANCELED);
	world.env.detach = &detach;
	side = CONSOLE_SPLIT_FAILED;
	ck_refused(ENDLESS_QUERY, SQLSTATE_CANCELED);
	ck_assert_uint_eq(splits, 1);
	ck_value("SELECT 1", 20, "1");
}
END_TEST

START_TEST(the_parent_goes_on_without_an_answer)
{
	world.env.detach = &detach;
	side = CONSOLE_PARENT;
	world_query(&world, "SELECT 1;" ENDLESS_QUERY "; SELECT 2");
	ck_assert_int_eq(world.outcome, CONSOLE_RUNS);
	ck_assert_str_eq(world.kinds, "TDC");
	ck_assert_uint_eq(world.order.rest_length, strlen("SELECT 2"));
	ck_value("SELECT 1", 20, "1");
}
END_TEST

START_TEST(the_child_tells_the_same_answer)
{
	struct console_done done = { .has_result = true };

	world.env.detach = &detach;
	side = CONSOLE_CHILD;
	if (setjmp(left) == 0) {
		world_query(&world, "SHOW STATE; " LONG_QUERY);
		ck_abort();
	}
	ck_assert_int_eq(delivered[0], 'T');
	/* The parent has SHOW STATE's answer itself, and no child's state. */
	stop();
	start();
	done.result = delivered;
	done.result_length = delivered_length;
	done.rest = "SELECT 5";
	done.rest_length = strlen(done.rest);
	ck_assert_int_eq(console_continue(&world.env, &done, &world.reply,
	    &world.order), CONSOLE_DONE);
	world_read(&world);
	ck_assert_str_eq(world.kinds, "TDCTDCZ");
	ck_assert_str_eq(world.cells[0], "100000");
}
END_TEST

START_TEST(a_child_that_died_is_an_error_and_ends_the_text)
{
	struct console_done done = { .has_result = true, .rest = "SELECT 5",
	    .rest_length = 8 };

	ck_assert_int_eq(console_continue(&world.env, &done, &world.reply,
	    &world.order), CONSOLE_DONE);
	world_read(&world);
	ck_assert_str_eq(world.kinds, "EZ");
	ck_assert_str_eq(world.sqlstate, "XX000");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sql");
	TCase *tests = tcase_create("sql");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, start, stop);
	tcase_add_test(tests,
	    reports_are_tables_with_and_without_their_schema);
	tcase_add_test(tests, the_guides_queries_run);
	tcase_add_test(tests, numbers_are_compared_as_numbers);
	tcase_add_test(tests, joins_see_the_same_rows);
	tcase_add_test(tests, reports_tells_what_there_is);
	tcase_add_test(tests, every_report_may_be_selected);
	tcase_add_test(tests, drivers_may_ask_who_and_what_they_talk_to);
	tcase_add_loop_test(tests, what_cannot_be_is_refused_with_a_sqlstate,
	    0, ARRAY_LENGTH(refusals));
	tcase_add_test(tests, who_looks_for_catalogs_is_told_where_to_look);
	tcase_add_test(tests,
	    an_unknown_report_is_answered_with_those_there_are);
	tcase_add_test(tests, only_admins_see_what_show_would_not_show);
	tcase_add_test(tests, select_of_a_report_still_is_show);
	tcase_add_test(tests, statements_of_both_kinds_follow_each_other);
	tcase_add_test(tests, what_drivers_say_by_themselves_is_answered);
	tcase_add_test(tests, without_a_child_a_long_query_is_ended);
	tcase_add_test(tests, the_parent_goes_on_without_an_answer);
	tcase_add_test(tests, the_child_tells_the_same_answer);
	tcase_add_test(tests,
	    a_child_that_died_is_an_error_and_ends_the_text);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
