/*
 * What is typed on the console, taken apart: the grammar of PgBouncer.
 *
 *	COMMAND [ARGUMENT] [;]
 *	SET key = value [;]
 *	SET key TO value [;]
 *	SET key = DEFAULT [;]
 *
 * Command, argument and key are words of letters, digits and underscores, or
 * stand in double quotes; a value may also stand in single quotes.  A quote
 * inside quotes is written twice.  Case does not matter to commands; names in
 * arguments are kept as they are.  There are no comments.
 *
 * Pure functions of bytes: nothing here knows what a command means.
 */
#ifndef ADMIN_STATEMENT_H
#define ADMIN_STATEMENT_H

#include "base/base.h"

#define STATEMENT_COMMAND_BYTES 16	/* all with the final NUL */
#define STATEMENT_ARGUMENT_BYTES 64
#define STATEMENT_VALUE_BYTES 256

struct statement {
	char	command[STATEMENT_COMMAND_BYTES];
	char	argument[STATEMENT_ARGUMENT_BYTES]; /* or key; "": none */
	char	value[STATEMENT_VALUE_BYTES];
	bool	assigns;		/* SET key = value */
	bool	to_default;		/* the bare word DEFAULT */
};

enum statement_verdict {
	STATEMENT_GOOD = 0,
	STATEMENT_INVALID,	/* not of this grammar */
	STATEMENT_TOO_LONG	/* a word does not fit, or a key is empty */
};

/* What is left of a query text; statements are taken from its front. */
struct statements {
	const char	*at, *end;
};

/*
 * The text need not end in a NUL; if there is one, the text ends there, as it
 * does in a Query message.
 */
struct statements statements_of(const char *text, size_t length);

/* True: nothing but blanks is left. */
bool statements_done(const struct statements *statements);

void statements_skip_blanks(struct statements *statements);

/* Behind the first statement: what says nothing, blanks and `;`, goes. */
void statements_skip_empty(struct statements *statements);

/*
 * Takes the next statement with its `;`.  Unless STATEMENT_GOOD, what is left
 * and what is in statement_out mean nothing.
 */
enum statement_verdict statements_take(struct statements *statements,
    struct statement *statement_out) MUST_CHECK;

#endif
