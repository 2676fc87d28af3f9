/*
 * Questions to PostgreSQL, the pooler and its console, in one line each.
 *
 * Whatever does not come out as asked fails the test and says what came.
 */
#ifndef LIVE_ASK_H
#define LIVE_ASK_H

#include <libpq-fe.h>

#include "base/base.h"
#include "live/pooler.h"

/* A connection by a libpq string; the test fails if there is none. */
PGconn *connect_to(const char *conninfo);

/* User `app`, database `shop`. */
PGconn *connect_client(struct pooler *pooler);

/* Any user and database; may have "password=...", "options=...". */
PGconn *connect_as(struct pooler *pooler, const char *conninfo);

/* User `admin`, database `pgbouncer`; or `watcher` who may only look. */
PGconn *connect_console(struct pooler *pooler);
PGconn *connect_watcher(struct pooler *pooler);

/* A login that must be refused with exactly this SQLSTATE and text. */
void ck_login_fails(struct pooler *pooler, const char *conninfo,
    const char *sqlstate, const char *message);
void ck_login_ok(struct pooler *pooler, const char *conninfo);

/* The connection string of a login, for libpq's asynchronous calls. */
const char *login_string(struct pooler *pooler, const char *conninfo);

/* NULL is allowed. */
void disconnect(PGconn *conn);
/* All that are left; for the fixture. */
void disconnect_all(void);

/* The query works, whatever it answers. */
void ck_query_ok(PGconn *conn, const char *sql);

/* The first value of its answer, "" when it has none. */
const char *query_value(PGconn *conn, const char *sql);
long long query_number(PGconn *conn, const char *sql);

/* The query works and its first value is this. */
void ck_query_value(PGconn *conn, const char *sql, const char *expected);

/* The same through the extended protocol. */
void ck_extended_value(PGconn *conn, const char *sql, const char *expected);

/* It fails with this SQLSTATE and exactly this text (NULL: any). */
void ck_query_fails(PGconn *conn, const char *sql, const char *sqlstate,
    const char *message);

/* It works with exactly this command tag. */
void ck_query_tag(PGconn *conn, const char *sql, const char *tag);

/* The answer to a command that was sent with PQsendQuery and worked. */
void ck_finish_ok(PGconn *conn);

/* Nothing has been answered yet. */
bool still_waits(PGconn *conn);

/* Returns when PostgreSQL runs so many queries "select pg_sleep...". */
void await_sleepers(PGconn *direct, unsigned count);

/* The connection is gone: no query works on it any more. */
void ck_connection_lost(PGconn *conn);

/* SHOW <report> as it is. Clear it with PQclear(). */
PGresult *show(PGconn *console, const char *report);

/*
 * One value of SHOW <report>: `column` of the row whose `key` column is
 * `value`; the test fails when there is no such row or column.
 */
const char *show_value(PGconn *console, const char *report, const char *key,
    const char *value, const char *column);
long long show_number(PGconn *console, const char *report, const char *key,
    const char *value, const char *column);

/* How many rows of the report have this value in this column. */
unsigned show_count(PGconn *console, const char *report, const char *key,
    const char *value);

#endif
