/*
 * One query text at work: what it is, who gave it, what has become of it.
 */
#ifndef ADMIN_RUN_H
#define ADMIN_RUN_H

#include "admin/console.h"
#include "admin/sql.h"
#include "admin/statement.h"

struct run {
	const struct console_env	*env;
	struct buffer			*reply;
	struct console_order		*order;
	const char			*text;	/* as typed, for messages */
	size_t				 length;
	struct statement		 statement;
	bool				 refused;   /* an error was told */
	bool				 no_memory; /* not even for that */
	bool				 cleans; /* a driver tidies up */
	const struct console_single	*single; /* by Execute; or NULL */
};

/* A statement that Execute runs, and the values bound for it. */
struct console_single {
	struct sql_span		 statement;
	const struct sql_value	*values;
	unsigned		 value_count;
	const uint32_t		*announced;	/* types of columns; or NULL */
	unsigned		 announced_count;
	bool			 refused;	/* afterwards */
};

/* Runs it; no ReadyForQuery. */
enum console_outcome console_run_single(const struct console_env *env,
    struct console_single *single, struct buffer *reply,
    struct console_order *order) MUST_CHECK;

/* The statement is SQL's, not SELECT for SHOW. */
bool console_is_sql(const struct console_env *env,
    struct sql_span statement);

/* RowDescription of a SHOW, or nothing.  False: no memory. */
bool console_describe(const struct console_env *env,
    struct sql_span statement, struct buffer *out) MUST_CHECK;

void console_log_refusal(const struct console_env *env, const char *text,
    const char *detail);

/* ReadyForQuery, as the transaction stands. */
bool console_ready(const struct console_env *env, struct buffer *reply)
    MUST_CHECK;

/*
 * Tells the client an error, and the log.  Always CONSOLE_DONE, so that
 * `return run_refuse(...)` reads well; what is left of the text is not run.
 */
enum console_outcome run_refuse(struct run *run, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* "invalid command '…', use SHOW HELP;" */
enum console_outcome run_refuse_invalid(struct run *run);

/* The command is done. */
enum console_outcome run_done(struct run *run, const char *tag);

#endif
