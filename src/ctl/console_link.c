#include "ctl/console_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYWORDS_MOST 64

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

static PGconn *
connect_to(const struct console_place *place, const char *database,
    struct error *error)
{
	struct keywords keywords = { .count = 0 };
	PQconninfoOption *parts;
	PGconn *conn;

	error->text[0] = '\0';
	parts = parse(place, error);
	if (parts == NULL && error->text[0] != '\0')
		return NULL;
	if (getenv("PGPORT") == NULL && getenv("PGSERVICE") == NULL)
		add(&keywords, "port", "6432");
	add(&keywords, "dbname", database != NULL ? database : "pgbouncer");
	for (const PQconninfoOption *part = parts; part != NULL &&
	    part->keyword != NULL; part++)
		if (database == NULL || strcmp(part->keyword, "dbname") != 0)
			add(&keywords, part->keyword, part->val);
	if (parts == NULL && database == NULL)
		add(&keywords, "dbname", place->conninfo);
	add(&keywords, "host", place->host);
	add(&keywords, "port", place->port);
	add(&keywords, "user", place->user);
	add(&keywords, "fallback_application_name", "pgusherctl");
	conn = PQconnectdbParams(keywords.names, keywords.values, 0);
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

PGresult *
console_rows(PGconn *conn, const char *statement, struct error *error)
{
	PGresult *rows = PQexec(conn, statement);

	if (PQresultStatus(rows) == PGRES_TUPLES_OK)
		return rows;
	set_from_libpq(error, rows == NULL ? PQerrorMessage(conn) :
	    PQresultErrorMessage(rows));
	if (error->text[0] == '\0')
		error_set(error, "%s does not answer with rows", statement);
	PQclear(rows);
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
