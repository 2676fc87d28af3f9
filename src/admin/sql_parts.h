/*
 * What the files of SQL share among themselves: sql.c (a query from its text
 * to its end, and why one fails), sql_database.c (the database, what may be
 * done in it and for how long), sql_tables.c (reports as its tables),
 * sql_result.c (what a query gives, as messages).  Nobody else includes this.
 *
 * One database in memory for each worker, with a virtual table for each
 * report.  Rows of a report are kept as the messages that SHOW would send,
 * for the time of one query:
 *
 *	xFilter -- first time -- show->fill() --> messages, and where each
 *	                                          row of them begins
 *	xColumn -- the cell's text, as an integer if the column is one
 *
 * The result is collected as messages, too, before its RowDescription is
 * made: SQLite's values have types, its columns need not have one, so the
 * type of an expression is what its values turn out to be.
 */
#ifndef ADMIN_SQL_PARTS_H
#define ADMIN_SQL_PARTS_H

#include <sqlite3.h>

#include "admin/show.h"
#include "admin/sql.h"

#define SQL_COLUMNS_MOST 200
#define SQL_NAME_BYTES 256

struct sql_rows {
	const struct show	*show;
	const char		*schema, *name;
	bool			 admins_only;
	bool			 filled;
	struct buffer		 messages;
	uint32_t		*starts;	/* of cells; [count] */
	uint32_t		 count;
};

enum sql_stop {
	SQL_STOP_NONE = 0,
	SQL_STOP_TURN,	/* longer than a turn may take, and no child */
	SQL_STOP_MOST,	/* longer than a child may take */
	SQL_STOP_PARENT	/* the child goes on */
};

struct sql {
	sqlite3			*db;
	struct sql_rows		*reports;
	size_t			 report_count;
	/* Of the query that runs: */
	const struct console_env *env;
	usec_t			 begun;
	enum sql_stop		 stop;
	bool			 may_split;
	bool			 is_child;
	bool			 refused;	/* not for this user */
};

/* Of a query, as far as it has come. */
struct sql_result {
	struct sql		*sql;
	sqlite3_stmt		*statement;
	unsigned		 width;
	/* Type 0: unknown. */
	struct report_column	 columns[SQL_COLUMNS_MOST];
	bool			 declared[SQL_COLUMNS_MOST];
	char			 names[SQL_COLUMNS_MOST][SQL_NAME_BYTES];
	struct buffer		 rows;
	struct report		 report;
	unsigned		 count;
};

/* --- sql.c ---------------------------------------------------------------- */

/* Where the query goes on in a child there is no failure, but SQL_CHILD. */
enum sql_verdict sql_fail(struct sql_failure *failure, const char *sqlstate,
    const char *text);
enum sql_verdict sql_fail_by_sqlite(struct sql *sql,
    struct sql_failure *failure);

/* --- sql_tables.c --------------------------------------------------------- */

/* Which there are; no memory: `reports` stays NULL. */
void sql_list_reports(struct sql *sql);
bool sql_create_tables(struct sql *sql) MUST_CHECK;

/* The query is over: the next one sees what is then. */
void sql_forget_rows(struct sql *sql);

/* --- sql_result.c --------------------------------------------------------- */

/* How many, their names, and types where they are declared. */
void sql_result_take_columns(struct sql_result *result);

/* The query runs; what it gives is appended, if nothing is wrong with it. */
enum sql_verdict sql_result_answer(struct sql_result *result,
    const struct sql_query *query, struct buffer *reply,
    struct sql_failure *failure);

bool sql_result_has_unknown(const struct sql_result *result);
/* Those that are unknown so far, found in a query of the same columns. */
void sql_result_adopt_types(struct sql_result *result,
    const struct sql_result *other);

/* A look at the rows, as far as time allows and types are unknown. */
enum sql_verdict sql_result_look_for_types(struct sql_result *result,
    struct sql_failure *failure);

/* RowDescription; types that are still unknown are texts.  False: no memory. */
bool sql_result_add_description(struct sql_result *result,
    struct buffer *reply) MUST_CHECK;

#endif
