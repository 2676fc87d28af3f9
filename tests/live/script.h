/*
 * Random scripts of what clients say: made from a seed, message by message,
 * so that the same seed says the same again.
 *
 * Statements by name and unnamed are prepared, used, described, closed and
 * deallocated, in and out of transactions; portals with row limits, cursors,
 * savepoints, COPY in and out in either protocol, function calls, several
 * statements in one string, settings; with errors anywhere.
 *
 * What is said never depends on what is answered, and every answer that is
 * to be the same in two places is.
 */
#ifndef LIVE_SCRIPT_H
#define LIVE_SCRIPT_H

#include "base/base.h"
#include "base/buffer.h"

#define SCRIPT_NAMES 8

/* What a client has prepared, as far as its script knows. */
struct script {
	uint32_t	state;		/* of its numbers of chance */
	unsigned	parameters[SCRIPT_NAMES];
};

struct script script_begin(uint32_t seed);

/* A number of chance below `count`. */
unsigned script_choose(struct script *script, unsigned count);

/*
 * Appends some messages.  They end with a query whose answer has a
 * NoticeResponse that says script_end(), whatever state its transaction is
 * in, and then one ReadyForQuery.  In most cases a ROLLBACK goes before it.
 */
void script_put_batch(struct script *script, struct buffer *out,
    const char *end);

/* Does this text of a NoticeResponse say so? */
bool script_is_end(const char *notice, const char *end);

/* What the tables are that it asks; for the superuser, once. */
extern const char script_tables[];

/* The messages, for people. */
void script_describe(const struct buffer *bytes, char *out, size_t size);

#endif
