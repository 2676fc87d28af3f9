/*
 * How pgusherctl finds the pooler: by the conventions of psql, but to the
 * database pgbouncer and to port 6432 if nobody says otherwise.
 *
 * Later ones win: our defaults; PGHOST, PGPORT, PGUSER, PGSERVICE and the
 * like, but not PGDATABASE, which names an application's database; the
 * connection string or URI of -d; -h, -p, -U.
 */
#ifndef CTL_CONSOLE_LINK_H
#define CTL_CONSOLE_LINK_H

#include <libpq-fe.h>

#include "base/error.h"

/* What the command line says; NULL: nothing. */
struct console_place {
	const char	*conninfo;	/* or URI, or the name of a database */
	const char	*host, *port, *user;
};

/* A connection to the console, the caller's to finish. NULL: not there. */
PGconn *console_connect(const struct console_place *place,
    struct error *error);

/* The same pooler, but another database of it, as an application would. */
PGconn *console_connect_database(const struct console_place *place,
    const char *database, struct error *error);

/* One statement that answers with rows. NULL: it failed. */
PGresult *console_rows(PGconn *conn, const char *statement,
    struct error *error);

/* A value by its column's name, "" if there is none; NULL is "". */
const char *row_text(const PGresult *rows, int row, const char *column);
double row_number(const PGresult *rows, int row, const char *column);

#endif
