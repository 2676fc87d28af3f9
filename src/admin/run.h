/*
 * One query text at work: what it is, who gave it, what has become of it.
 */
#ifndef ADMIN_RUN_H
#define ADMIN_RUN_H

#include "admin/console.h"
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
};

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
