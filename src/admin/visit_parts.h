/*
 * What the files of a visit share among themselves: visit.c (what is kept,
 * what ends it, answers), visit_prepare.c (Parse, Bind, Describe),
 * visit_execute.c (Execute, and how its result is given out).  Nobody else
 * includes this.
 */
#ifndef ADMIN_VISIT_PARTS_H
#define ADMIN_VISIT_PARTS_H

#include "admin/binary.h"
#include "admin/sql.h"
#include "admin/visit.h"
#include "wire/reader.h"

struct visit_statement {
	struct visit_statement *next;
	char		*name, *text;
	uint32_t	 types[SQL_PARAMETERS];
	unsigned	 type_count;
	bool		 described;	/* the client knows the columns */
	struct buffer	 description;	/* RowDescription; empty: no rows */
};

struct visit_portal {
	struct visit_portal *next;
	char		*name;
	struct visit_statement *statement;	/* NULL: closed meanwhile */
	char		*values_text;		/* all of them */
	struct sql_value *values;
	unsigned	 value_count;
	unsigned	 unreadable;		/* $n; 0: none of them */
	uint16_t	*formats;		/* of results */
	unsigned	 format_count;
	struct buffer	 description;		/* as Describe told it */
	struct buffer	 result;		/* what is still to give */
	uint32_t	*oids;			/* of its columns */
	unsigned	 width;
	int32_t		 wanted;		/* by this Execute; 0: all */
	bool		 begun;
};

struct visit {
	bool		 in_transaction;
	bool		 skips;			/* until Sync */
	struct visit_portal *executing;		/* its answer is under way */
	struct visit_statement *statements;
	struct visit_portal *portals;
	unsigned	 statement_count, portal_count;
};

/* At a place in a message. */
static inline void
visit_put_u16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* --- visit.c -------------------------------------------------------------- */

/* NULL: there is none of this name. */
struct visit_statement *visit_find_statement(struct visit *visit,
    const char *name);
struct visit_portal *visit_find_portal(struct visit *visit, const char *name);

void visit_free_portal(struct visit_portal *portal);
/* Portals of it that run go on; those that have not begun cannot. */
void visit_free_statement(struct visit *visit,
    struct visit_statement *statement);

/* What has this name; NULL: all of them. */
void visit_drop_portals(struct visit *visit, const char *name);
void visit_drop_statements(struct visit *visit, const char *name);

/* An error is said and logged; what follows it up to Sync is skipped. */
enum console_outcome visit_refuse(const struct console_env *env,
    const char *sqlstate, const char *text, const char *detail,
    struct buffer *reply);
enum console_outcome visit_refuse_memory(const struct console_env *env,
    struct buffer *reply);
enum console_outcome visit_refuse_message(const struct console_env *env,
    struct buffer *reply);
enum console_outcome visit_refuse_portal(const struct console_env *env,
    const char *name, struct buffer *reply);

/* A message without a body. */
enum console_outcome visit_say(uint8_t type, struct buffer *reply);

/* --- visit_prepare.c ------------------------------------------------------ */

enum console_outcome visit_take_parse(const struct console_env *env,
    struct reader body, struct buffer *reply);
enum console_outcome visit_take_bind(const struct console_env *env,
    struct reader body, struct buffer *reply);
enum console_outcome visit_take_describe(const struct console_env *env,
    struct reader body, struct buffer *reply);

/* The first statement of a text. */
struct sql_span visit_span_of(const char *text);

/* The manual, "Bind": none is text, one is for all. */
uint16_t visit_format_of(const uint16_t *formats, unsigned count, unsigned i);

/* --- visit_execute.c ------------------------------------------------------ */

enum console_outcome visit_take_execute(const struct console_env *env,
    struct reader body, struct buffer *reply, struct console_order *order);

#endif
