/*
 * A session at the console that speaks the extended protocol: prepared
 * statements and portals (PostgreSQL manual, "Extended Query").
 *
 * Any statement of the console may be prepared.  What it answers is made as
 * for a simple query, in text format; a portal keeps that and gives it out in
 * the formats and portions that were asked for.
 *
 * Types of a query's columns are told before it runs (Describe), so they are
 * found out by a look at its rows; see sql_describe().
 */
#ifndef ADMIN_VISIT_H
#define ADMIN_VISIT_H

#include "admin/console.h"
#include "admin/sql_text.h"

#define VISIT_THINGS 256	/* statements, and portals */

/* NULL: no memory. */
struct visit *visit_create(void) MUST_CHECK;
void visit_destroy(struct visit *visit);

/* All of these take NULL for a session without any of it. */
void visit_set_transaction(struct visit *visit, bool open);
bool visit_in_transaction(const struct visit *visit);
/* The name as it is written: without quotes it has no capitals. */
void visit_forget_statement(struct visit *visit, struct sql_span name);
void visit_forget_statements(struct visit *visit);

/* A Query message: ends what has no name. */
void visit_simple_query(struct visit *visit);

/* After an error everything up to Sync is passed over. */
bool visit_skips(const struct visit *visit, uint8_t type);

/*
 * True: what is under way came by Execute, so no ReadyForQuery ends it; with
 * an error, all up to Sync is skipped.  It is over then.
 */
bool visit_end_execute(struct visit *visit, bool refused);

/* True: this is one of the messages of the extended protocol. */
bool visit_knows(uint8_t type);

/* Takes one of them. */
enum console_outcome visit_take(const struct console_env *env,
    const struct console_message *message, struct buffer *reply,
    struct console_order *order_out) MUST_CHECK;

/*
 * The result of what Execute began has come: messages, given out as the
 * portal wants it.  False: no memory.
 */
bool visit_take_result(struct visit *visit, const void *bytes, size_t length,
    struct buffer *reply) MUST_CHECK;
/* True: Execute waits for a result. */
bool visit_wants_result(const struct visit *visit);

#endif
