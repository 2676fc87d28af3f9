/*
 * SQL over the reports of SHOW: SQLite, in memory, which can do nothing but
 * read.  Nothing but the files of this module knows SQLite.
 *
 * Each report is a virtual table `pgbouncer.NAME`.  The first look at one in
 * a query takes its rows as SHOW would give them; the rest of the query sees
 * the same ones.
 *
 * A worker's loop runs it, so time is short: what takes longer than
 * SQL_TURN goes on in a child of the worker (struct sql_child), or is ended.
 * What may be large in SQLite (texts, trees of expressions, joins) has
 * limits under which no single step of it takes longer.
 */
#ifndef ADMIN_SQL_H
#define ADMIN_SQL_H

#include "admin/console.h"
#include "admin/sql_text.h"

#define SQL_TURN (2 * USEC_PER_MSEC)	/* in the worker */
#define SQL_MOST (5 * USEC_PER_SEC)	/* of a processor, in the child */
#define SQL_LONGEST (30 * USEC_PER_SEC)	/* by the clock */
#define SQL_RESULT_BYTES (16u << 20)
#define SQL_MEMORY_BYTES (64u << 20)
#define SQL_PARAMETERS 64

/* NULL: no memory. */
struct sql *sql_create(void) MUST_CHECK;
void sql_destroy(struct sql *sql);

/* A parameter in text format; `type` is its oid, 0 if nobody said. */
struct sql_value {
	const char	*text;		/* NULL: a NULL value */
	size_t		 length;
	uint32_t	 type;
};

struct sql_query {
	struct sql_span		 statement;
	const struct sql_value	*values;	/* of $1, $2 … */
	unsigned		 value_count;
	/* Oids of the columns as they were announced; NULL: not yet. */
	const uint32_t		*announced;
	unsigned		 announced_count;
};

#define SQL_TEXT_BYTES 512

struct sql_failure {
	char	sqlstate[6];
	char	text[SQL_TEXT_BYTES];
	char	detail[SQL_TEXT_BYTES];	/* "": none */
};

enum sql_verdict {
	SQL_DONE = 0,
	SQL_FAILED,	/* nothing was appended */
	SQL_CHILD	/* nothing was appended; the child will tell */
};

/* Appends RowDescription, DataRows in text format and CommandComplete. */
enum sql_verdict sql_run(struct sql *sql, const struct console_env *env,
    const struct sql_query *query, struct buffer *reply,
    struct sql_failure *failure_out) MUST_CHECK;

/*
 * Appends the RowDescription alone.  Types that the tables do not tell are
 * looked for in the rows, for SQL_TURN at most; no row, no value: text.
 */
enum sql_verdict sql_describe(struct sql *sql, const struct console_env *env,
    const struct sql_query *query, struct buffer *reply,
    struct sql_failure *failure_out) MUST_CHECK;

/*
 * The types of $1 to $n as casts in the text (`$1::int`) say, else 0.  False:
 * there are more than SQL_PARAMETERS.
 */
bool sql_parameter_types(struct sql_span statement,
    uint32_t types_out[SQL_PARAMETERS], unsigned *count_out) MUST_CHECK;

#endif
