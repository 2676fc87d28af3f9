/*
 * Where a query ends, and what of it SQLite spells in another way.
 *
 * Pure functions of bytes.  Strings, quoted names and comments are known;
 * nothing else of SQL is.
 */
#ifndef ADMIN_SQL_TEXT_H
#define ADMIN_SQL_TEXT_H

#include "base/base.h"
#include "base/buffer.h"

/* A piece of a text; it may be empty and has no NUL. */
struct sql_span {
	const char	*at, *end;
};

/* Behind blanks and comments; a comment may lack its end. */
const char *sql_text_skip(const char *at, const char *end);

/* The `;` that ends the statement, or the end. */
const char *sql_text_end(const char *at, const char *end);

/* The statement begins as a query does: SELECT, WITH, VALUES. */
bool sql_text_is_query(const char *at, const char *end);

/* The next word, number or sign, without case if `word` is in capitals. */
struct sql_span sql_text_token(const char **at, const char *end);
bool sql_text_matches(struct sql_span token, const char *word);

/*
 * Appends the statement with a NUL: `current_user` and its like become
 * calls, and a function loses the `pg_catalog.` before it.  False: no memory.
 */
bool sql_text_translate(struct sql_span statement, struct buffer *out)
    MUST_CHECK;

/*
 * Appends the statement without WHERE, HAVING and LIMIT: it gives rows of the
 * same types, and gives some where there are any.  False: no memory.
 */
bool sql_text_widen(struct sql_span statement, struct buffer *out)
    MUST_CHECK;

/* The highest n of the parameters `$n`; 0: there are none. */
unsigned sql_text_parameters(struct sql_span statement);

#endif
