#include "live/ask.h"

#include <sys/select.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live/world.h"

#define MOST_CONNECTIONS 4096

/* Kept so that a test need not close what it opens. */
static PGconn *open_connections[MOST_CONNECTIONS];
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

static PGconn *
remember(PGconn *conn)
{
	pthread_mutex_lock(&open_lock);
	for (unsigned i = 0; i < MOST_CONNECTIONS; i++)
		if (open_connections[i] == NULL) {
			open_connections[i] = conn;
			break;
		}
	pthread_mutex_unlock(&open_lock);
	return conn;
}

void
disconnect(PGconn *conn)
{
	pthread_mutex_lock(&open_lock);
	for (unsigned i = 0; i < MOST_CONNECTIONS; i++)
		if (open_connections[i] == conn)
			open_connections[i] = NULL;
	pthread_mutex_unlock(&open_lock);
	PQfinish(conn);
}

void
disconnect_all(void)
{
	for (unsigned i = 0; i < MOST_CONNECTIONS; i++) {
		PQfinish(open_connections[i]);
		open_connections[i] = NULL;
	}
}

static void
drop_notice(void *context, const char *message)
{
}

PGconn *
connect_to(const char *conninfo)
{
	PGconn *conn = PQconnectdb(conninfo);

	ck_assert_msg(PQstatus(conn) == CONNECTION_OK, "%s: %s", conninfo,
	    PQerrorMessage(conn));
	PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
	PQsetNoticeProcessor(conn, drop_notice, NULL);
	return remember(conn);
}

const char *
login_string(struct pooler *pooler, const char *conninfo)
{
	return text("host=127.0.0.1 port=%d sslmode=disable "
	    "gssencmode=disable %s", pooler->port, conninfo);
}

PGconn *
connect_as(struct pooler *pooler, const char *conninfo)
{
	return connect_to(login_string(pooler, conninfo));
}

PGconn *
connect_client(struct pooler *pooler)
{
	return connect_as(pooler, "user=app dbname=shop");
}

PGconn *
connect_console(struct pooler *pooler)
{
	return connect_as(pooler,
	    "user=admin dbname=pgbouncer password=admin_secret");
}

PGconn *
connect_watcher(struct pooler *pooler)
{
	return connect_as(pooler,
	    "user=watcher dbname=pgbouncer password=watcher_secret");
}

/* Verbosity has to be set before the end, so that SQLSTATE is in the text. */
static PGconn *
try_login(struct pooler *pooler, const char *conninfo)
{
	PGconn *conn = PQconnectStart(login_string(pooler, conninfo));
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;
	long long end = now_ms() + patience_ms();

	PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
	while (next == PGRES_POLLING_READING ||
	    next == PGRES_POLLING_WRITING) {
		struct pollfd poller = { .fd = PQsocket(conn),
		    .events = next == PGRES_POLLING_READING ? POLLIN :
		    POLLOUT };

		ck_assert_msg(poll(&poller, 1, ms_until(end)) == 1,
		    "the login \"%s\" gets no answer", conninfo);
		next = PQconnectPoll(conn);
	}
	return conn;
}

void
ck_login_ok(struct pooler *pooler, const char *conninfo)
{
	PGconn *conn = try_login(pooler, conninfo);

	ck_assert_msg(PQstatus(conn) == CONNECTION_OK, "login %s: %s",
	    conninfo, PQerrorMessage(conn));
	remember(conn);
	ck_query_value(conn, "select 1", "1");
	disconnect(conn);
}

void
ck_login_fails(struct pooler *pooler, const char *conninfo,
    const char *sqlstate, const char *message)
{
	PGconn *conn = try_login(pooler, conninfo);
	/* PgBouncer before 1.25 did not pass on a server's SQLSTATE. */
	const char *wanted = text("FATAL:  %s: %s\n", pooler_is_pgusher() ?
	    pooler_sqlstate(sqlstate, message) : "08P01", message);
	const char *got = PQerrorMessage(conn);
	const char *fatal = strstr(got, "FATAL:");

	ck_assert_msg(PQstatus(conn) == CONNECTION_BAD,
	    "login %s worked, wanted: %s", conninfo, wanted);
	/* What PostgreSQL itself sends has a LOCATION line behind. */
	ck_assert_msg(fatal != NULL && strncmp(fatal, wanted,
	    strlen(wanted)) == 0, "login %s\nwanted %sgot    %s", conninfo,
	    wanted, got);
	PQfinish(conn);
}

/* Waits with patience, so that a hanging pooler fails one test only. */
static PGresult *
await_result(PGconn *conn, const char *sql)
{
	long long end = now_ms() + 2 * patience_ms();

	while (PQisBusy(conn)) {
		struct pollfd poller = { .fd = PQsocket(conn),
		    .events = POLLIN };

		ck_assert_msg(poll(&poller, 1, ms_until(end)) == 1,
		    "no answer to: %s", sql);
		if (!PQconsumeInput(conn))
			break;
	}
	return PQgetResult(conn);
}

/* The last result, or the first bad one. */
static PGresult *
run(PGconn *conn, const char *sql, bool extended)
{
	PGresult *result, *last = NULL;
	int sent = extended ? PQsendQueryParams(conn, sql, 0, NULL, NULL,
	    NULL, NULL, 0) : PQsendQuery(conn, sql);

	ck_assert_msg(sent == 1, "%s: %s", sql, PQerrorMessage(conn));
	while ((result = await_result(conn, sql)) != NULL) {
		if (last != NULL &&
		    PQresultStatus(last) == PGRES_FATAL_ERROR) {
			PQclear(result);
			continue;
		}
		PQclear(last);
		last = result;
	}
	return last;
}

static bool
worked(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
	    status == PGRES_EMPTY_QUERY;
}

static PGresult *
run_well(PGconn *conn, const char *sql, bool extended)
{
	PGresult *result = run(conn, sql, extended);

	ck_assert_msg(worked(result), "%s: %s", sql, PQerrorMessage(conn));
	return result;
}

void
ck_query_ok(PGconn *conn, const char *sql)
{
	PQclear(run_well(conn, sql, false));
}

static const char *
first_value(PGresult *result)
{
	const char *value = "";

	if (PQntuples(result) > 0 && PQnfields(result) > 0)
		value = text("%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	return value;
}

const char *
query_value(PGconn *conn, const char *sql)
{
	return first_value(run_well(conn, sql, false));
}

long long
query_number(PGconn *conn, const char *sql)
{
	return atoll(query_value(conn, sql));
}

void
ck_query_value(PGconn *conn, const char *sql, const char *expected)
{
	const char *got = query_value(conn, sql);

	ck_assert_msg(strcmp(got, expected) == 0,
	    "%s\nwanted %s\ngot    %s", sql, expected, got);
}

void
ck_extended_value(PGconn *conn, const char *sql, const char *expected)
{
	const char *got = first_value(run_well(conn, sql, true));

	ck_assert_msg(strcmp(got, expected) == 0,
	    "%s\nwanted %s\ngot    %s", sql, expected, got);
}

void
ck_query_fails(PGconn *conn, const char *sql, const char *sqlstate,
    const char *message)
{
	PGresult *result = run(conn, sql, false);
	const char *got_state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *got = PQresultErrorField(result,
	    PG_DIAG_MESSAGE_PRIMARY);
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY);

	/* The console's errors are PgBouncer's. */
	if (severity != NULL && strcmp(severity, "FATAL") == 0)
		sqlstate = pooler_sqlstate(sqlstate, message);
	ck_assert_msg(!worked(result), "%s\nworked, wanted %s", sql,
	    sqlstate);
	ck_assert_msg(got_state != NULL && strcmp(got_state, sqlstate) == 0,
	    "%s\nwanted %s\ngot    %s: %s", sql, sqlstate,
	    got_state != NULL ? got_state : "no SQLSTATE",
	    got != NULL ? got : PQerrorMessage(conn));
	ck_assert_msg(message == NULL || (got != NULL &&
	    strcmp(got, message) == 0), "%s\nwanted %s\ngot    %s", sql,
	    message, got != NULL ? got : "nothing");
	PQclear(result);
}

void
ck_query_tag(PGconn *conn, const char *sql, const char *tag)
{
	PGresult *result = run_well(conn, sql, false);

	ck_assert_msg(strcmp(PQcmdStatus(result), tag) == 0,
	    "%s\nwanted %s\ngot    %s", sql, tag, PQcmdStatus(result));
	PQclear(result);
}

void
ck_finish_ok(PGconn *conn)
{
	PGresult *result;

	while ((result = await_result(conn, "what was sent")) != NULL) {
		ck_assert_msg(worked(result), "%s", PQerrorMessage(conn));
		PQclear(result);
	}
}

bool
still_waits(PGconn *conn)
{
	ck_assert_int_eq(PQconsumeInput(conn), 1);
	return PQisBusy(conn);
}

void
await_sleepers(PGconn *direct, unsigned count)
{
	wait_until(query_number(direct, "select count(*) from "
	    "pg_stat_activity where state = 'active' and query like "
	    "'select pg_sleep%'") == count);
}

void
ck_connection_lost(PGconn *conn)
{
	long long end = now_ms() + patience_ms();

	while (PQstatus(conn) == CONNECTION_OK) {
		struct pollfd poller = { .fd = PQsocket(conn),
		    .events = POLLIN };
		PGresult *result;

		ck_assert_msg(poll(&poller, 1, ms_until(end)) == 1,
		    "the connection was not closed");
		if (!PQconsumeInput(conn))
			break;
		if (PQisBusy(conn))
			continue;
		result = PQgetResult(conn);
		PQclear(result);
	}
}

PGresult *
show(PGconn *console, const char *report)
{
	return run_well(console, text("SHOW %s", report), false);
}

static int
column_of(const PGresult *result, const char *report, const char *column)
{
	int number = PQfnumber(result, text("\"%s\"", column));

	ck_assert_msg(number >= 0, "SHOW %s has no column %s", report,
	    column);
	return number;
}

const char *
show_value(PGconn *console, const char *report, const char *key,
    const char *value, const char *column)
{
	PGresult *result = show(console, report);
	int key_column = column_of(result, report, key);
	int value_column = column_of(result, report, column);

	for (int row = 0; row < PQntuples(result); row++)
		if (strcmp(PQgetvalue(result, row, key_column), value) == 0) {
			const char *found = text("%s", PQgetvalue(result, row,
			    value_column));

			PQclear(result);
			return found;
		}
	ck_abort_msg("SHOW %s has no row with %s = %s", report, key, value);
}

long long
show_number(PGconn *console, const char *report, const char *key,
    const char *value, const char *column)
{
	return atoll(show_value(console, report, key, value, column));
}

unsigned
show_count(PGconn *console, const char *report, const char *key,
    const char *value)
{
	PGresult *result = show(console, report);
	int column = column_of(result, report, key);
	unsigned count = 0;

	for (int row = 0; row < PQntuples(result); row++)
		if (strcmp(PQgetvalue(result, row, column), value) == 0)
			count++;
	PQclear(result);
	return count;
}
