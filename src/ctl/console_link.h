/*
 * How pgusherctl finds the pooler: by the conventions of psql, but to the
 * database pgbouncer and to port 6432 if nobody says otherwise.
 *
 * Later ones win: our defaults; PGHOST, PGPORT, PGUSER, PGSERVICE and the
 * like, but not PGDATABASE, which names an application's database; the
 * connection string or URI of -d; -h, -p, -U.
 *
 * A password that is asked for and not known so far is asked for on the
 * terminal, once, if there is one.
 */
#ifndef CTL_CONSOLE_LINK_H
#define CTL_CONSOLE_LINK_H

#include <libpq-fe.h>

#include "base/error.h"

/* What the command line says; NULL: nothing. */
struct console_place {
	const char	*conninfo;	/* or URI, or the name of a database */
	const char	*host, *port, *user;
	bool		 no_password;	/* never ask for one */
	double		 deadline;	/* console_now(); 0: no hurry */
};

/* Seconds, monotonic. */
double console_now(void);
bool console_is_late(const struct console_place *place);

/* A connection to the console, the caller's to finish. NULL: not there. */
PGconn *console_connect(const struct console_place *place,
    struct error *error);

/* The same pooler, but another database of it, as an application would. */
PGconn *console_connect_database(const struct console_place *place,
    const char *database, struct error *error);

/*
 * To PostgreSQL itself, by a connection string or URI, with the same question
 * for a password.  Never NULL but without memory; see PQstatus().
 */
PGconn *console_connect_postgres(const char *conninfo, bool no_password);

/* One statement that answers with rows. NULL: it failed. */
PGresult *console_rows(PGconn *conn, const char *statement,
    struct error *error);
/* The same, but what has not come by place->deadline has failed. */
PGresult *console_rows_in_time(const struct console_place *place,
    PGconn *conn, const char *statement, struct error *error);

/* A value by its column's name, "" if there is none; NULL is "". */
const char *row_text(const PGresult *rows, int row, const char *column);
double row_number(const PGresult *rows, int row, const char *column);

#endif
