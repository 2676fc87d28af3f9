#include "ctl/orders.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#define TURN_MSEC 1000

/* Noted by the handler, looked at between two waits. */
static volatile sig_atomic_t interrupted;

static void
on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

bool
orders_statement(const char *command, const char *database, char *out,
    size_t size)
{
	size_t used = strlen(command);

	if (used + 4 > size)
		return false;
	memcpy(out, command, used + 1);
	if (database == NULL)
		return true;
	out[used++] = ' ';
	out[used++] = '"';
	for (; *database != '\0'; database++) {
		if (used + 4 > size)
			return false;
		if (*database == '"')
			out[used++] = '"';
		out[used++] = *database;
	}
	out[used++] = '"';
	out[used] = '\0';
	return true;
}

static void
catch_interrupts(void)
{
	struct sigaction action = { .sa_handler = on_interrupt };

	interrupted = 0;
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);	/* without SA_RESTART */
}

/* What is in use right now. False: it does not answer. */
static bool
tell_use(PGconn *conn, const char *statement, FILE *progress)
{
	struct error error;
	PGresult *pools = console_rows(conn, "SHOW POOLS", &error);
	double clients = 0, waiting = 0, servers = 0;
	bool good = pools != NULL;

	for (int row = 0; row < PQntuples(pools); row++) {
		if (strcmp(row_text(pools, row, "database"), "pgbouncer") == 0)
			continue;
		clients += row_number(pools, row, "cl_active");
		waiting += row_number(pools, row, "cl_waiting");
		servers += row_number(pools, row, "sv_active") +
		    row_number(pools, row, "sv_tested") +
		    row_number(pools, row, "sv_being_canceled");
	}
	if (good)
		fprintf(progress, "%s waits: %.0f server connections in use, "
		    "%.0f clients, %.0f of them waiting\n", statement, servers,
		    clients + waiting, waiting);
	PQclear(pools);
	return good;
}

/* The order's own connection is busy with it. */
static void
tell_progress(const struct console_place *place, const char *statement,
    FILE *progress)
{
	struct error error;
	PGconn *conn = console_connect(place, &error);

	if (conn != NULL)
		(void)tell_use(conn, statement, progress);
	PQfinish(conn);
}

static void
cancel(PGconn *conn)
{
	PGcancel *request = PQgetCancel(conn);
	char why[256];

	(void)!PQcancel(request, why, sizeof(why));
	PQfreeCancel(request);
}

/* Waits for the answer; asks to be let off when it is interrupted. */
static void
await_answer(PGconn *conn, const struct console_place *place,
    const char *statement, FILE *progress)
{
	struct pollfd socket = { PQsocket(conn), POLLIN, 0 };
	bool asked = false;

	while (PQconsumeInput(conn) == 1 && PQisBusy(conn)) {
		int ready = poll(&socket, 1, TURN_MSEC);

		if (interrupted && !asked) {
			asked = true;
			cancel(conn);
		} else if (ready == 0) {
			tell_progress(place, statement, progress);
		} else if (ready == -1 && errno != EINTR) {
			return;
		}
	}
}

/* A SHUTDOWN that was answered with the end of the pooler went well. */
static bool
ended_as_ordered(const PGconn *conn, const char *statement)
{
	return strncmp(statement, "SHUTDOWN", 8) == 0 &&
	    PQstatus(conn) == CONNECTION_BAD;
}

static int
take_answers(PGconn *conn, const char *statement, FILE *progress)
{
	PGresult *result;
	int status = 0;

	while ((result = PQgetResult(conn)) != NULL) {
		ExecStatusType kind = PQresultStatus(result);

		if (kind == PGRES_COMMAND_OK) {
			fprintf(progress, "%s\n", PQcmdStatus(result));
		} else if (kind != PGRES_TUPLES_OK &&
		    !ended_as_ordered(conn, statement)) {
			fputs(PQresultErrorMessage(result), progress);
			status = 1;
		}
		PQclear(result);
	}
	return status;
}

static bool
is_suspended(PGconn *conn)
{
	struct error error;
	PGresult *state = console_rows(conn, "SHOW STATE", &error);
	bool suspended = false;

	for (int row = 0; row < PQntuples(state); row++)
		suspended |= strcmp(row_text(state, row, "key"),
		    "suspended") == 0 && strcmp(row_text(state, row,
		    "value"), "yes") == 0;
	PQclear(state);
	return suspended;
}

/*
 * The end of the session that gave a SUSPEND ends it: stays until it is
 * interrupted, or somebody else has said RESUME.
 */
static int
hold(PGconn *conn, FILE *progress)
{
	fputs("held until Ctrl-C, or RESUME\n", progress);
	fflush(progress);
	while (!interrupted && is_suspended(conn))
		(void)poll(NULL, 0, TURN_MSEC);
	return PQstatus(conn) == CONNECTION_OK ? 0 : 1;
}

/*
 * The end of the pooler ends the connection.  Nobody may log in any more over
 * TCP, so this one asks.
 */
static int
await_end(PGconn *conn, const char *statement, FILE *progress)
{
	while (!interrupted && tell_use(conn, statement, progress)) {
		fflush(progress);
		(void)poll(NULL, 0, TURN_MSEC);
	}
	if (PQstatus(conn) == CONNECTION_OK)
		return 1;
	fputs("ended\n", progress);
	return 0;
}

int
orders_run(const struct console_place *place, const char *statement,
    bool to_the_end, FILE *progress)
{
	struct error error;
	PGconn *conn = console_connect(place, &error);
	int status = 1;

	if (conn == NULL) {
		fprintf(progress, "pgusherctl: %s\n", error.text);
		return 1;
	}
	catch_interrupts();
	if (PQsendQuery(conn, statement) == 1) {
		await_answer(conn, place, statement, progress);
		status = take_answers(conn, statement, progress);
		if (status == 0 && !interrupted &&
		    strcmp(statement, "SUSPEND") == 0) {
			status = hold(conn, progress);
			interrupted = 0;
		}
		if (status == 0 && to_the_end)
			status = await_end(conn, statement, progress);
	} else {
		fputs(PQerrorMessage(conn), progress);
	}
	PQfinish(conn);
	return interrupted ? ORDERS_INTERRUPTED : status;
}
