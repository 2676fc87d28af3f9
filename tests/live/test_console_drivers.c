/*
 * SQL on the running console: real drivers read it as they read PostgreSQL,
 * and a query that takes long leaves its worker alone.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live/ask.h"
#include "live/world.h"

static struct pooler *pooler;
static PGconn *console;

static void
start(unsigned workers)
{
	pooler = pooler_start(.workers = workers,
	    .settings = "auth_type = trust\npool_mode = transaction\n"
	    "ignore_startup_parameters = extra_float_digits\n");
	console = connect_console(pooler);
}

/* --- drivers ------------------------------------------------------------- */

#define URI "postgresql://admin@127.0.0.1:%d/pgbouncer"
#define GO "GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS= " \
	"GOCACHE=\"$work/cache\" "

/*
 * `has` succeeds where the driver is installed.  In the commands $drivers is
 * where the scripts are, $uri is the console, $work may be written to.
 */
static const struct {
	const char	*name, *has, *run;
} drivers[] = {
	{ "psycopg 3", "/usr/bin/python3 -c 'import psycopg'",
	    "/usr/bin/python3 \"$drivers/console_psycopg3.py\" \"$uri\"" },
	{ "psycopg 2", "/usr/bin/python3 -c 'import psycopg2'",
	    "/usr/bin/python3 \"$drivers/console_psycopg2.py\" \"$uri\"" },
	{ "asyncpg", "/usr/bin/python3 -c 'import asyncpg'",
	    "/usr/bin/python3 \"$drivers/console_asyncpg.py\" \"$uri\"" },
	{ "JDBC", "java -version && test -e /usr/share/java/postgresql.jar",
	    "java -XX:TieredStopAtLevel=1 -cp /usr/share/java/postgresql.jar"
	    " \"$drivers/Console.java\" \"jdbc:$jdbc?user=admin\"" },
	{ "Go: lib/pq and pgx", "go version && "
	    "test -d /usr/share/gocode/src/github.com/jackc/pgx && "
	    "test -d /usr/share/gocode/src/github.com/lib/pq",
	    GO "go run \"$drivers/console.go\" \"$uri?sslmode=disable\"" },
	{ "ruby-pg", "ruby -e \"require 'pg'\"",
	    "ruby \"$drivers/console.rb\" \"$uri\"" },
	{ "node-postgres", "node -e \"require('pg')\"",
	    "node \"$drivers/console_pg.js\" \"$uri\"" },
	{ "postgres.js", "node --input-type=module -e \"import 'postgres'\"",
	    "node \"$drivers/console_postgres.mjs\" \"$uri\"" },
};

static int
run(const char *command, const char *output)
{
	const char *srcdir = getenv("srcdir");
	const char *script = text("drivers='%s/tests/drivers'; uri='" URI "';"
	    " jdbc='postgresql://127.0.0.1:%d/pgbouncer'; work='%s'; "
	    "export HOME=\"$work\"; %s", srcdir == NULL ? "." : srcdir,
	    pooler->port, pooler->port, pooler->directory, command);
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	int status = -1;
	pid_t pid = process_start(&(struct spawn){ .argv = argv,
	    .output = output, .death_signal = SIGKILL });

	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

START_TEST(a_driver_reads_the_console)	/* for each of drivers */
{
	const char *output;

	start(2);
	output = text("%s/driver.out", pooler->directory);
	if (run(drivers[_i].has, "/dev/null") != 0)
		return;			/* not installed */
	ck_assert_msg(run(drivers[_i].run, output) == 0, "%s: %s",
	    drivers[_i].name, file_read(output));
}
END_TEST

/* --- the guide's own ----------------------------------------------------- */

START_TEST(reports_are_read_by_sql_through_libpq)
{
	PGconn *client;

	start(3);
	client = connect_client(pooler);
	ck_query_ok(client, "begin");
	ck_query_value(console, "SELECT SUM(sv_active) FROM pools;", "1");
	ck_extended_value(console, "SELECT count(*) FROM pgbouncer.servers "
	    "WHERE state = 'active'", "1");
	ck_query_value(console, "SELECT c.state FROM clients c JOIN servers s "
	    "ON c.link = s.ptr", "active");
	ck_query_fails(console, "SELECT * FROM nowhere", "42P01",
	    "no such table: nowhere");
	ck_query_fails(connect_watcher(pooler), "SELECT * FROM fds", "42501",
	    "admin access needed");
}
END_TEST

/* --- exporters ----------------------------------------------------------- */

/*
 * What exporters send, as they spell it, and what of the answer they need:
 * each name has the letter of its kind in front, `s` for a label and `n` for
 * a number, which is never NULL.  Who scans by position wants exactly so
 * many columns in this order; 0: they are looked up by name.
 */
static const struct {
	const char	*statement, *needed;
	int		 columns;
} scraped[] = {
	{ "SHOW STATS", "sdatabase ntotal_xact_count ntotal_query_count "
	    "ntotal_received ntotal_sent ntotal_xact_time ntotal_query_time "
	    "ntotal_wait_time navg_xact_count navg_query_count navg_recv "
	    "navg_sent navg_xact_time navg_query_time navg_wait_time", 0 },
	{ "SHOW VERSION;", "sversion", 1 },
	{ "SHOW LISTS;", "slist nitems", 2 },
	{ "SHOW CONFIG;", "skey", 4 },
	{ "SHOW CLIENTS;", "sdatabase suser sstate sapplication_name", 0 },
	{ "SHOW databases;", "sname nport sdatabase npool_size "
	    "nreserve_pool_size nmax_connections ncurrent_connections "
	    "npaused ndisabled", 0 },
	{ "SHOW stats_totals;", "sdatabase nquery_count nquery_time "
	    "nbytes_received nbytes_sent nwait_time nxact_count nxact_time "
	    "nclient_parse_count nserver_parse_count nbind_count "
	    "nserver_assignment_count", 0 },
	{ "SHOW pools;", "sdatabase suser ncl_active ncl_waiting "
	    "ncl_active_cancel_req ncl_waiting_cancel_req nsv_active "
	    "nsv_active_cancel nsv_being_canceled nsv_idle nsv_used "
	    "nsv_tested nsv_login nmaxwait", 17 },
};

/* For each of them a way to ask. */
static PGresult *
ask_simply(PGconn *conn, const char *statement)
{
	return PQexec(conn, statement);
}

static PGresult *
ask_unnamed(PGconn *conn, const char *statement)
{
	return PQexecParams(conn, statement, 0, NULL, NULL, NULL, NULL, 0);
}

static PGresult *
ask_prepared(PGconn *conn, const char *statement)
{
	PQclear(PQprepare(conn, statement, statement, 0, NULL));
	PQclear(PQdescribePrepared(conn, statement));
	return PQexecPrepared(conn, statement, 0, NULL, NULL, NULL, 0);
}

static PGresult *(*const ways_to_ask[])(PGconn *, const char *) = {
	ask_simply, ask_unnamed, ask_prepared,
};

static bool
is_number_type(Oid type)
{
	return type == 23 || type == 20 || type == 1700; /* int4 int8 numeric */
}

static void
ck_needed_column(const PGresult *result, const char *statement,
    const char *name, bool is_number)
{
	int column = PQfnumber(result, name);

	ck_assert_msg(column != -1, "%s has no column %s", statement, name);
	ck_assert_msg(is_number ? is_number_type(PQftype(result, column)) :
	    PQftype(result, column) == 25, "%s of %s has type %u", name,
	    statement, PQftype(result, column));
	for (int row = 0; is_number && row < PQntuples(result); row++) {
		const char *value = PQgetvalue(result, row, column);
		char *end;

		/* SHOW DATABASES: the console has no port. */
		if (strcmp(name, "port") == 0 &&
		    PQgetisnull(result, row, column))
			continue;
		strtod(value, &end);
		ck_assert_msg(end != value && *end == '\0',
		    "%s of %s is '%s'", name, statement, value);
	}
}

static void
ck_scrape(PGconn *conn, unsigned which, unsigned way)
{
	const char *statement = scraped[which].statement;
	PGresult *result = ways_to_ask[way](conn, statement);
	const char *at = scraped[which].needed;

	ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s: %s",
	    statement, PQerrorMessage(conn));
	ck_assert_int_gt(PQntuples(result), 0);
	if (scraped[which].columns != 0)
		ck_assert_int_eq(PQnfields(result), scraped[which].columns);
	while (*at != '\0') {
		int length = (int)strcspn(at, " ");
		const char *name = text("%.*s", length - 1, at + 1);

		ck_needed_column(result, statement, name, *at == 'n');
		at += length + (at[length] == ' ');
	}
	PQclear(result);
}

/* SHOW CONFIG is scanned into three texts; two of the rows are numbers. */
static void
ck_configuration(PGconn *conn)
{
	static const char *const names[] = { "max_client_conn",
	    "max_user_connections" };
	PGresult *config = PQexec(conn, "SHOW CONFIG;");

	for (int row = 0; row < PQntuples(config); row++)
		ck_assert(!PQgetisnull(config, row, 0) &&
		    !PQgetisnull(config, row, 3));
	PQclear(config);
	for (unsigned i = 0; i < ARRAY_LENGTH(names); i++)
		ck_assert_int_ge(show_number(conn, "CONFIG", "key", names[i],
		    "value"), 0);
}

START_TEST(an_exporter_gets_what_it_needs)	/* for disable_pqexec */
{
	PGconn *exporter, *client;

	pooler = pooler_start(.workers = 2, .settings = text(
	    "auth_type = trust\npool_mode = transaction\n"
	    "ignore_startup_parameters = extra_float_digits\n"
	    "disable_pqexec = %d\n", _i));
	client = connect_client(pooler);
	ck_extended_value(client, "select 1", "1");
	/* As lib/pq logs in; who may only look is enough. */
	exporter = connect_as(pooler, "user=watcher dbname=pgbouncer "
	    "options='-c extra_float_digits=2'");
	for (unsigned way = 0; way < ARRAY_LENGTH(ways_to_ask); way++)
		for (unsigned i = 0; i < ARRAY_LENGTH(scraped); i++)
			ck_scrape(exporter, i, way);
	ck_configuration(exporter);
	ck_query_value(exporter, "SELECT count(*) FROM pools", "2");
	/* For others the parameter holds. */
	if (_i == 1)
		ck_query_fails(client, "select 1", "0A000",
		    "PQexec disallowed");
	else
		ck_query_value(client, "select 1", "1");
}
END_TEST

/* Those who ask for the binary form get each type's own. */
START_TEST(numbers_are_the_same_in_binary)
{
	PGresult *words, *bytes;
	int columns;

	start(1);
	ck_query_ok(connect_client(pooler), "select 1");
	words = PQexec(console, "SHOW DATABASES");
	bytes = PQexecParams(console, "SHOW DATABASES", 0, NULL, NULL, NULL,
	    NULL, 1);
	ck_assert_int_eq(PQresultStatus(bytes), PGRES_TUPLES_OK);
	columns = PQnfields(words);
	ck_assert_int_eq(PQnfields(bytes), columns);
	for (int at = 0; at < PQntuples(words) * columns; at++) {
		int row = at / columns, column = at % columns;
		uint32_t number;

		ck_assert_int_eq(PQgetisnull(words, row, column),
		    PQgetisnull(bytes, row, column));
		if (PQftype(bytes, column) != 23 ||
		    PQgetisnull(words, row, column))
			continue;
		ck_assert_int_eq(PQgetlength(bytes, row, column), 4);
		memcpy(&number, PQgetvalue(bytes, row, column), 4);
		ck_assert_str_eq(text("%d", (int)ntohl(number)),
		    PQgetvalue(words, row, column));
	}
	PQclear(words);
	PQclear(bytes);
}
END_TEST

/* --- what takes long ----------------------------------------------------- */

#define ENDLESS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 " \
	"FROM n) SELECT count(*) FROM n"

START_TEST(an_endless_query_leaves_its_worker_alone_and_is_ended)
{
	PGconn *client;

	start(1);
	client = connect_client(pooler);
	ck_query_ok(client, "select 1");
	ck_assert_int_eq(PQsendQuery(console, ENDLESS "; SELECT 1"), 1);
	/* Few enough for a slow machine: it has 5 s of a processor. */
	for (int i = 0; i < 10; i++)
		ck_query_value(client, "select 2", "2");
	ck_assert(still_waits(console));
	{
		PGresult *result = PQgetResult(console);

		ck_assert_str_eq(PQresultErrorField(result,
		    PG_DIAG_SQLSTATE), "57014");
		PQclear(result);
		ck_assert_ptr_null(PQgetResult(console));
	}
	ck_query_value(console, "SELECT 1", "1");
}
END_TEST

START_TEST(a_long_query_gives_the_same_answer_and_what_follows_runs)
{
	PGresult *result;

	start(1);
	ck_assert_int_eq(PQsendQuery(console, "SHOW STATE; WITH RECURSIVE "
	    "n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
	    "100000) SELECT count(*) FROM n; SELECT 5; SHOW STATE"), 1);
	PQclear(PQgetResult(console));
	result = PQgetResult(console);
	ck_assert_str_eq(PQgetvalue(result, 0, 0), "100000");
	PQclear(result);
	result = PQgetResult(console);
	ck_assert_str_eq(PQgetvalue(result, 0, 0), "5");
	PQclear(result);
	PQclear(PQgetResult(console));
	ck_assert_ptr_null(PQgetResult(console));
	ck_extended_value(console, "WITH RECURSIVE n(i) AS (SELECT 1 UNION "
	    "ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT count(*) "
	    "FROM n", "100000");
}
END_TEST

static unsigned
find_grandchildren(pid_t children[8])
{
	pid_t workers[8];
	unsigned count = pooler_children(pooler, workers, 8), sum = 0;

	for (unsigned i = 0; i < count; i++)
		sum += process_children(workers[i], children + sum, 8 - sum);
	return sum;
}

static unsigned
grandchildren(void)
{
	pid_t children[8];

	return find_grandchildren(children);
}

/* False: it was done before anybody could stop it. */
static bool
is_answered_after_a_stop(void)
{
	PGresult *result;
	pid_t child[8];
	bool stopped;

	ck_assert_int_eq(PQsendQuery(console, "WITH RECURSIVE n(i) AS (SELECT "
	    "1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000) SELECT "
	    "count(*) FROM n"), 1);
	wait_until(find_grandchildren(child) == 1 || !still_waits(console));
	if (still_waits(console)) {
		process_stop(child[0]);
		sleep(6);	/* longer than SQL_MOST */
	}
	stopped = still_waits(console);
	if (stopped)
		ck_assert_int_eq(kill(child[0], SIGCONT), 0);
	result = PQgetResult(console);
	ck_assert_str_eq(PQgetvalue(result, 0, 0), "500000");
	PQclear(result);
	ck_assert_ptr_null(PQgetResult(console));
	return stopped;
}

/* What counts is what it took, not how long the machine let it wait. */
START_TEST(a_query_that_does_not_get_the_processor_is_not_ended)
{
	start(1);
	wait_until(is_answered_after_a_stop());
}
END_TEST

START_TEST(a_cancel_or_a_farewell_ends_the_process_of_a_query)
{
	PGcancel *cancel;
	pid_t child[8];
	char error[256];

	start(1);
	ck_assert_int_eq(PQsendQuery(console, ENDLESS), 1);
	wait_until(grandchildren() == 1);
	cancel = PQgetCancel(console);
	ck_assert(PQcancel(cancel, error, sizeof(error)));
	PQfreeCancel(cancel);
	{
		PGresult *result = PQgetResult(console);

		ck_assert_str_eq(PQresultErrorField(result,
		    PG_DIAG_MESSAGE_PRIMARY), "canceling statement due to "
		    "user request");
		PQclear(result);
		ck_assert_ptr_null(PQgetResult(console));
	}
	wait_until(grandchildren() == 0);
	ck_assert_int_eq(PQsendQuery(console, ENDLESS), 1);
	wait_until(find_grandchildren(child) == 1);
	/* It comes to no limit of its own. */
	process_stop(child[0]);
	disconnect(console);
	wait_until(grandchildren() == 0);
}
END_TEST

START_TEST(few_queries_run_long_at_a_time)
{
	PGconn *others[3];
	pid_t children[8];

	start(1);
	for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
		others[i] = connect_console(pooler);
	ck_assert_int_eq(PQsendQuery(others[0], ENDLESS), 1);
	ck_assert_int_eq(PQsendQuery(others[1], ENDLESS), 1);
	wait_until(find_grandchildren(children) == 2);
	/* They come to no limit of their own. */
	process_stop(children[0]);
	process_stop(children[1]);
	ck_query_fails(others[2], ENDLESS, "57014",
	    "query takes too long for this worker");
	ck_query_value(others[2], "SELECT 1", "1");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("console_drivers");
	TCase *sql = world_case(suite, "sql", 60);
	TCase *each = world_case(suite, "drivers", 240);

	if (!pooler_is_pgusher())
		return 77;
	tcase_add_test(sql, reports_are_read_by_sql_through_libpq);
	tcase_add_loop_test(sql, an_exporter_gets_what_it_needs, 0, 2);
	tcase_add_test(sql, numbers_are_the_same_in_binary);
	tcase_add_test(sql,
	    an_endless_query_leaves_its_worker_alone_and_is_ended);
	tcase_add_test(sql,
	    a_long_query_gives_the_same_answer_and_what_follows_runs);
	tcase_add_test(sql,
	    a_cancel_or_a_farewell_ends_the_process_of_a_query);
	tcase_add_test(sql, few_queries_run_long_at_a_time);
	tcase_add_test(sql,
	    a_query_that_does_not_get_the_processor_is_not_ended);
	tcase_add_loop_test(each, a_driver_reads_the_console, 0,
	    ARRAY_LENGTH(drivers));
	return world_run(suite);
}
