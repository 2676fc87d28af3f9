/*
 * What PostgreSQL answers to auth_query: a pure parser of its messages.
 *
 * The answer is one row of two columns, the name that the user shall have
 * and the secret, or no row at all.  Everything else is a fault of the query
 * or of who answers; nobody is let in by it.
 *
 *	ParseComplete BindComplete RowDescription DataRow CommandComplete
 *	CloseComplete ReadyForQuery, or an ErrorResponse in between
 */
#ifndef AUTH_QUERY_ANSWER_H
#define AUTH_QUERY_ANSWER_H

#include "base/base.h"

/* With the final NUL.  PostgreSQL's own secrets have at most some 200. */
#define QUERY_ANSWER_NAME_BYTES 128
#define QUERY_ANSWER_SECRET_BYTES 1024

struct query_answer {
	unsigned	rows;
	bool		described;	/* RowDescription, NoData came */
	bool		nobody;		/* an error that says: no such name */
	char		problem[160];	/* "" while it is fine */
	char		name[QUERY_ANSWER_NAME_BYTES];
	/* A NULL is "": the user is there, but no password will do. */
	char		secret[QUERY_ANSWER_SECRET_BYTES];
};

enum query_outcome {
	QUERY_FOUND = 0,	/* name and secret */
	QUERY_NOBODY,		/* there is no such user */
	QUERY_BROKEN		/* problem says why, for the log alone */
};

/* For a new answer. */
void query_answer_begin(struct query_answer *answer);

/*
 * Takes a message before ReadyForQuery.  False: with such a message the
 * connection cannot be used any more (COPY, or it is none that may come);
 * the answer is broken.
 */
bool query_answer_take(struct query_answer *answer, uint8_t type,
    const uint8_t *body, size_t length) MUST_CHECK;

/* At ReadyForQuery. */
enum query_outcome query_answer_end(struct query_answer *answer) MUST_CHECK;

void query_answer_wipe(struct query_answer *answer);

#endif
