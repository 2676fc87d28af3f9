#include "ctl/console_link.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>

#define KEYWORDS_MOST 64
/* A secret of an auth file is no longer than that. */
#define PASSWORD_BYTES 2048

/* What was typed, for this connection and those to come. */
static char typed[PASSWORD_BYTES];

/* What goes to PQconnectdbParams: later ones win. */
struct keywords {
	const char	*names[KEYWORDS_MOST + 1];
	const char	*values[KEYWORDS_MOST + 1];
	int		 count;
};

static void
add(struct keywords *keywords, const char *name, const char *value)
{
	if (value == NULL || keywords->count == KEYWORDS_MOST)
		return;
	keywords->names[keywords->count] = name;
	keywords->values[keywords->count++] = value;
}

/* libpq's own message ends its lines; ours do not. */
static void
set_from_libpq(struct error *error, const char *message)
{
	size_t length = strlen(message);

	while (length > 0 && message[length - 1] == '\n')
		length--;
	error_set(error, "%.*s", (int)length, message);
}

static bool
is_conninfo(const char *text)
{
	return strchr(text, '=') != NULL ||
	    strncmp(text, "postgresql://", 13) == 0 ||
	    strncmp(text, "postgres://", 11) == 0;
}

/* The parts of a connection string. NULL: it is none, or there is none. */
static PQconninfoOption *
parse(const struct console_place *place, struct error *error)
{
	PQconninfoOption *parts;
	char *message = NULL;

	if (place->conninfo == NULL || !is_conninfo(place->conninfo))
		return NULL;
	parts = PQconninfoParse(place->conninfo, &message);
	if (parts == NULL) {
		set_from_libpq(error, message == NULL ? "out of memory" :
		    message);
		PQfreemem(message);
	}
	return parts;
}

double
console_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool
console_is_late(const struct console_place *place)
{
	return place->deadline != 0 && console_now() >= place->deadline;
}

/* libpq counts whole seconds and takes none for no limit. */
static void
add_time_limit(struct keywords *keywords, const struct console_place *place,
    char text[16])
{
	double left = place->deadline - console_now();

	if (place->deadline == 0)
		return;
	snprintf(text, 16, "%.0f", left < 1 ? 1 : left > 1e6 ? 1e6 : left);
	add(keywords, "connect_timeout", text);
}

/* False: there is no terminal, or nothing was typed. */
static bool
ask_for_password(const char *user)
{
	FILE *terminal = fopen("/dev/tty", "r+");
	struct termios usual, silent;
	bool good;

	if (terminal == NULL || tcgetattr(fileno(terminal), &usual) == -1) {
		if (terminal != NULL)
			fclose(terminal);
		return false;
	}
	silent = usual;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	/* First: what is typed before is shown, and thrown away. */
	tcsetattr(fileno(terminal), TCSAFLUSH, &silent);
	fprintf(terminal, "Password for user %s: ", user);
	fflush(terminal);
	good = fgets(typed, sizeof(typed), terminal) != NULL;
	tcsetattr(fileno(terminal), TCSAFLUSH, &usual);
	fputc('\n', terminal);
	fclose(terminal);
	typed[strcspn(typed, "\n")] = '\0';
	return good && typed[0] != '\0';
}

static PGconn *
connect_once(const struct console_place *place, const char *database,
    const PQconninfoOption *parts)
{
	struct keywords keywords = { .count = 0 };
	char seconds[16];

	if (getenv("PGPORT") == NULL && getenv("PGSERVICE") == NULL)
		add(&keywords, "port", "6432");
	add(&keywords, "dbname", database != NULL ? database : "pgbouncer");
	add_time_limit(&keywords, place, seconds);
	for (const PQconninfoOption *part = parts; part != NULL &&
	    part->keyword != NULL; part++)
		if (database == NULL || strcmp(part->keyword, "dbname") != 0)
			add(&keywords, part->keyword, part->val);
	if (parts == NULL && database == NULL)
		add(&keywords, "dbname", place->conninfo);
	add(&keywords, "host", place->host);
	add(&keywords, "port", place->port);
	add(&keywords, "user", place->user);
	add(&keywords, "password", typed[0] == '\0' ? NULL : typed);
	add(&keywords, "fallback_application_name", "pgusherctl");
	return PQconnectdbParams(keywords.names, keywords.values, 0);
}

static PGconn *
connect_to(const struct console_place *place, const char *database,
    struct error *error)
{
	PQconninfoOption *parts;
	PGconn *conn;

	error->text[0] = '\0';
	parts = parse(place, error);
	if (parts == NULL && error->text[0] != '\0')
		return NULL;
	conn = connect_once(place, database, parts);
	if (PQstatus(conn) != CONNECTION_OK && !place->no_password &&
	    PQconnectionNeedsPassword(conn) && ask_for_password(
	    PQuser(conn))) {
		PQfinish(conn);
		conn = connect_once(place, database, parts);
	}
	PQconninfoFree(parts);
	if (PQstatus(conn) == CONNECTION_OK)
		return conn;
	set_from_libpq(error, conn == NULL ? "out of memory" :
	    PQerrorMessage(conn));
	PQfinish(conn);
	return NULL;
}

PGconn *
console_connect(const struct console_place *place, struct error *error)
{
	return connect_to(place, NULL, error);
}

PGconn *
console_connect_database(const struct console_place *place,
    const char *database, struct error *error)
{
	return connect_to(place, database, error);
}

PGconn *
console_connect_postgres(const char *conninfo, bool no_password)
{
	const char *names[] = { "dbname", "password",
	    "fallback_application_name", NULL };
	const char *values[] = { conninfo, NULL, "pgusherctl", NULL };
	PGconn *conn = PQconnectdbParams(names, values, 1);

	if (PQstatus(conn) == CONNECTION_OK || no_password ||
	    !PQconnectionNeedsPassword(conn) ||
	    !ask_for_password(PQuser(conn)))
		return conn;
	PQfinish(conn);
	values[1] = typed;
	return PQconnectdbParams(names, values, 1);
}

/* The rows, or NULL and why there are none. */
static PGresult *
rows_of(PGconn *conn, PGresult *rows, const char *statement,
    struct error *error)
{
	if (PQresultStatus(rows) == PGRES_TUPLES_OK)
		return rows;
	set_from_libpq(error, rows == NULL ? PQerrorMessage(conn) :
	    PQresultErrorMessage(rows));
	if (error->text[0] == '\0')
		error_set(error, "%s does not answer with rows", statement);
	PQclear(rows);
	return NULL;
}

PGresult *
console_rows(PGconn *conn, const char *statement, struct error *error)
{
	return rows_of(conn, PQexec(conn, statement), statement, error);
}

/* True: there is an answer, or the connection is lost. */
static bool
await_answer(const struct console_place *place, PGconn *conn)
{
	struct pollfd socket = { PQsocket(conn), POLLIN, 0 };

	while (PQconsumeInput(conn) == 1 && PQisBusy(conn)) {
		double left = place->deadline - console_now();

		if (console_is_late(place))
			return false;
		(void)poll(&socket, 1, place->deadline == 0 || left > 1e6 ?
		    -1 : (int)(left * 1e3) + 1);
	}
	return true;
}

PGresult *
console_rows_in_time(const struct console_place *place, PGconn *conn,
    const char *statement, struct error *error)
{
	PGresult *rows = NULL, *next;

	if (PQsendQuery(conn, statement) != 1)
		return rows_of(conn, NULL, statement, error);
	while (await_answer(place, conn)) {
		next = PQgetResult(conn);
		if (next == NULL)
			return rows_of(conn, rows, statement, error);
		PQclear(rows);
		rows = next;
	}
	PQclear(rows);
	error_set(error, "no answer to %s in time", statement);
	return NULL;
}

const char *
row_text(const PGresult *rows, int row, const char *column)
{
	int number = PQfnumber(rows, column);

	return number == -1 ? "" : PQgetvalue(rows, row, number);
}

double
row_number(const PGresult *rows, int row, const char *column)
{
	return strtod(row_text(rows, row, column), NULL);
}
