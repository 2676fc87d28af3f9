#include "admin/visit.h"

#include <stdlib.h>
#include <string.h>

#include "admin/binary.h"
#include "admin/reply.h"
#include "admin/run.h"
#include "admin/sql.h"
#include "wire/messages.h"
#include "wire/report.h"

#define OID_TEXT BINARY_TEXT
/* Of all portals; what is behind it does not begin. */
#define KEPT_MOST (16u << 20)

struct statement_of_visit {
	struct statement_of_visit *next;
	char		*name, *text;
	uint32_t	 types[SQL_PARAMETERS];
	unsigned	 type_count;
	bool		 described;	/* the client knows the columns */
	struct buffer	 description;	/* RowDescription; empty: no rows */
};

struct portal {
	struct portal	*next;
	char		*name;
	struct statement_of_visit *statement;	/* NULL: closed meanwhile */
	char		*values_text;		/* all of them */
	struct sql_value *values;
	unsigned	 value_count;
	uint16_t	*formats;		/* of results */
	unsigned	 format_count;
	struct buffer	 description;		/* as Describe told it */
	struct buffer	 result;		/* what is still to give */
	uint32_t	*oids;			/* of its columns */
	unsigned	 width;
	int32_t		 wanted;		/* rows by this Execute, 0: all */
	bool		 begun;
};

struct visit {
	bool		 in_transaction;
	bool		 skips;			/* until Sync */
	struct portal	*executing;		/* its answer is under way */
	struct statement_of_visit *statements;
	struct portal	*portals;
	unsigned	 statement_count, portal_count;
};

struct visit *
visit_create(void)
{
	return calloc(1, sizeof(struct visit));
}

/* --- what is kept -------------------------------------------------------- */

static void
free_portal(struct portal *portal)
{
	free(portal->name);
	free(portal->values_text);
	free(portal->values);
	free(portal->formats);
	free(portal->oids);
	buffer_clear(&portal->description);
	buffer_clear(&portal->result);
	free(portal);
}

/* NULL: all of them. */
static void
drop_portals(struct visit *visit, const char *name)
{
	struct portal **at = &visit->portals;

	while (*at != NULL) {
		struct portal *portal = *at;

		if (name != NULL && strcmp(portal->name, name) != 0) {
			at = &portal->next;
			continue;
		}
		*at = portal->next;
		if (visit->executing == portal)
			visit->executing = NULL;
		visit->portal_count--;
		free_portal(portal);
	}
}

/* Portals of it that run go on; those that have not begun cannot. */
static void
free_statement(struct visit *visit, struct statement_of_visit *statement)
{
	for (struct portal *portal = visit->portals; portal != NULL;
	    portal = portal->next)
		if (portal->statement == statement)
			portal->statement = NULL;
	free(statement->name);
	free(statement->text);
	buffer_clear(&statement->description);
	free(statement);
}

static void
drop_statements(struct visit *visit, const char *name)
{
	struct statement_of_visit **at = &visit->statements;

	while (*at != NULL) {
		struct statement_of_visit *statement = *at;

		if (name != NULL && strcmp(statement->name, name) != 0) {
			at = &statement->next;
			continue;
		}
		*at = statement->next;
		visit->statement_count--;
		free_statement(visit, statement);
	}
}

void
visit_destroy(struct visit *visit)
{
	if (visit == NULL)
		return;
	drop_portals(visit, NULL);
	drop_statements(visit, NULL);
	free(visit);
}

void
visit_set_transaction(struct visit *visit, bool open)
{
	if (visit != NULL)
		visit->in_transaction = open;
}

bool
visit_in_transaction(const struct visit *visit)
{
	return visit != NULL && visit->in_transaction;
}

void
visit_forget_statement(struct visit *visit, struct sql_span name)
{
	char *copy = visit == NULL ? NULL :
	    strndup(name.at, (size_t)(name.end - name.at));

	if (copy != NULL && *copy != '\0')
		drop_statements(visit, copy);
	free(copy);
}

/* DEALLOCATE may be a prepared statement itself, which stays till then. */
void
visit_forget_statements(struct visit *visit)
{
	if (visit != NULL)
		drop_statements(visit, NULL);
}

void
visit_simple_query(struct visit *visit)
{
	if (visit == NULL)
		return;
	drop_portals(visit, "");
	drop_statements(visit, "");
}

bool
visit_skips(const struct visit *visit, uint8_t type)
{
	return visit != NULL && visit->skips && type != MESSAGE_SYNC &&
	    type != MESSAGE_TERMINATE;
}

bool
visit_wants_result(const struct visit *visit)
{
	return visit != NULL && visit->executing != NULL;
}

bool
visit_end_execute(struct visit *visit, bool refused)
{
	if (!visit_wants_result(visit))
		return false;
	visit->executing = NULL;
	visit->skips = refused;
	return true;
}

static struct statement_of_visit *
find_statement(struct visit *visit, const char *name)
{
	struct statement_of_visit *statement = visit->statements;

	while (statement != NULL && strcmp(statement->name, name) != 0)
		statement = statement->next;
	return statement;
}

static struct portal *
find_portal(struct visit *visit, const char *name)
{
	struct portal *portal = visit->portals;

	while (portal != NULL && strcmp(portal->name, name) != 0)
		portal = portal->next;
	return portal;
}

/* --- answers ------------------------------------------------------------- */

static enum console_outcome
refuse(const struct console_env *env, const char *sqlstate, const char *text,
    const char *detail, struct buffer *reply)
{
	env->visit->skips = true;
	console_log_refusal(env, text, detail);
	return reply_error(reply, sqlstate, text, detail) ? CONSOLE_DONE :
	    CONSOLE_CLOSE;
}

static enum console_outcome
refuse_memory(const struct console_env *env, struct buffer *reply)
{
	return refuse(env, SQLSTATE_OUT_OF_MEMORY, "no mem", NULL, reply);
}

static enum console_outcome
refuse_message(const struct console_env *env, struct buffer *reply)
{
	return refuse(env, SQLSTATE_PROTOCOL_VIOLATION,
	    "message is not what the protocol says", NULL, reply);
}

/* A message without a body. */
static enum console_outcome
say(uint8_t type, struct buffer *reply)
{
	uint8_t message[5] = { type, 0, 0, 0, 4 };

	return buffer_append(reply, message, sizeof(message)) ?
	    CONSOLE_DONE : CONSOLE_CLOSE;
}

/* --- Parse --------------------------------------------------------------- */

static struct sql_span
span_of(const char *text)
{
	struct sql_span span = { text, text + strlen(text) };

	span.at = sql_text_skip(span.at, span.end);
	span.end = sql_text_end(span.at, span.end);
	return span;
}

static bool
has_more(struct sql_span span)
{
	const char *at = span.end, *end = at + strlen(at);

	while (at < end && *at == ';')
		at = sql_text_skip(at + 1, end);
	return at < end;
}

/* What SHOW or SELECT gives; nothing is run that changes anything. */
static bool
describe(const struct console_env *env, const char *text,
    const struct sql_value *values, unsigned count, struct buffer *out,
    struct sql_failure *failure)
{
	struct sql_span span = span_of(text);
	const char *at = span.at;
	struct sql_query query = { .statement = span, .values = values,
	    .value_count = count };

	failure->text[0] = '\0';
	if (console_is_sql(env, span))
		return sql_describe(env->sql, env, &query, out, failure) ==
		    SQL_DONE;
	if (sql_text_matches(sql_text_token(&at, span.end), "SHOW") ||
	    sql_text_is_query(span.at, span.end))
		return console_describe(env, span, out);
	return true;
}

static bool
take_types(struct statement_of_visit *statement, struct reader *body)
{
	unsigned given = reader_u16(body), count;
	uint32_t casts[SQL_PARAMETERS];

	if (!sql_parameter_types(span_of(statement->text), casts, &count) ||
	    given > SQL_PARAMETERS)
		return false;
	statement->type_count = given > count ? given : count;
	for (unsigned i = 0; i < given; i++)
		statement->types[i] = reader_u32(body);
	for (unsigned i = 0; i < statement->type_count; i++)
		if (statement->types[i] == 0)
			statement->types[i] = casts[i] == 0 ? OID_TEXT :
			    casts[i];
	return reader_done(body);
}

static struct statement_of_visit *
new_statement(const char *name, const char *text)
{
	struct statement_of_visit *statement = calloc(1, sizeof(*statement));

	if (statement == NULL)
		return NULL;
	statement->name = strdup(name);
	statement->text = strdup(text);
	return statement;
}

static enum console_outcome
keep_statement(const struct console_env *env,
    struct statement_of_visit *statement, struct reader *body,
    struct buffer *reply)
{
	struct visit *visit = env->visit;
	struct sql_failure failure;

	if (statement->name == NULL || statement->text == NULL)
		return refuse_memory(env, reply);
	if (!take_types(statement, body))
		return refuse(env, "54000", "too many parameters", NULL,
		    reply);
	if (has_more(span_of(statement->text)))
		return refuse(env, SQLSTATE_SYNTAX_ERROR, "cannot insert "
		    "multiple commands into a prepared statement", NULL,
		    reply);
	if (!describe(env, statement->text, NULL, 0, &statement->description,
	    &failure))
		return refuse(env, failure.text[0] == '\0' ?
		    SQLSTATE_OUT_OF_MEMORY : failure.sqlstate,
		    failure.text[0] == '\0' ? "no mem" : failure.text,
		    failure.detail[0] == '\0' ? NULL : failure.detail, reply);
	if (statement->name[0] == '\0')
		drop_statements(visit, "");
	statement->next = visit->statements;
	visit->statements = statement;
	visit->statement_count++;
	return say(MESSAGE_PARSE_COMPLETE, reply);
}

static enum console_outcome
take_parse(const struct console_env *env, struct reader body,
    struct buffer *reply)
{
	const char *name = reader_string(&body), *text = reader_string(&body);
	struct statement_of_visit *statement;
	enum console_outcome outcome;

	if (body.failed)
		return refuse_message(env, reply);
	if (name[0] != '\0' && find_statement(env->visit, name) != NULL)
		return refuse(env, SQLSTATE_DUPLICATE_PREPARED_STATEMENT,
		    "prepared statement already exists", name, reply);
	if (env->visit->statement_count >= VISIT_THINGS)
		return refuse(env, "54000", "too many prepared statements",
		    NULL, reply);
	statement = new_statement(name, text);
	if (statement == NULL)
		return refuse_memory(env, reply);
	outcome = keep_statement(env, statement, &body, reply);
	if (env->visit->statements != statement)
		free_statement(env->visit, statement);
	return outcome;
}

/* --- Bind ---------------------------------------------------------------- */

static bool
read_formats(struct reader *body, uint16_t **formats_out, unsigned *count_out)
{
	unsigned count = reader_u16(body);

	if (body->failed || reader_left(body) / 2 < count)
		return false;
	*formats_out = calloc(count + 1, sizeof(**formats_out));
	*count_out = count;
	if (*formats_out == NULL)
		return false;
	for (unsigned i = 0; i < count; i++) {
		(*formats_out)[i] = reader_u16(body);
		if ((*formats_out)[i] > 1)
			return false;
	}
	return true;
}

/* The manual, "Bind": none is text, one is for all. */
static uint16_t
format_of(const uint16_t *formats, unsigned count, unsigned i)
{
	if (count == 0)
		return 0;
	return count == 1 ? formats[0] : i < count ? formats[i] : 0;
}

static bool
is_text_type(uint32_t type)
{
	return type == OID_TEXT || type == BINARY_VARCHAR || type == 705 ||
	    type == 1042 || type == 19 || type == 18;
}

/* Texts end in a NUL, all in one piece of memory. */
static bool
keep_value(struct portal *portal, size_t *used, unsigned i, uint16_t format,
    const uint8_t *bytes, size_t length)
{
	struct sql_value *value = &portal->values[i];
	char *copy = portal->values_text + *used;

	value->type = portal->statement->types[i];
	value->text = copy;
	if (format == 0 || is_text_type(value->type)) {
		memcpy(copy, bytes, length);
		copy[length] = '\0';
		value->length = length;
	} else {
		if (!binary_decode(value->type, bytes, length, copy))
			return false;
		value->length = strlen(copy);
	}
	*used += value->length + 1;
	return true;
}

static bool
read_values(struct portal *portal, struct reader *body,
    const uint16_t *formats, unsigned format_count)
{
	unsigned count = reader_u16(body);
	size_t used = 0;

	if (body->failed || count != portal->statement->type_count)
		return false;
	portal->values = calloc(count + 1, sizeof(*portal->values));
	portal->values_text = malloc(reader_left(body) +
	    count * BINARY_TEXT_BYTES + 1);
	portal->value_count = count;
	if (portal->values == NULL || portal->values_text == NULL)
		return false;
	for (unsigned i = 0; i < count; i++) {
		int32_t length = reader_i32(body);
		const uint8_t *bytes;

		if (length == -1) {
			portal->values[i].type = portal->statement->types[i];
			continue;
		}
		bytes = length < 0 ? NULL : reader_take(body, (size_t)length);
		if (bytes == NULL || !keep_value(portal, &used, i,
		    format_of(formats, format_count, i), bytes,
		    (size_t)length))
			return false;
	}
	return true;
}

static bool
read_bind(struct portal *portal, struct reader *body)
{
	uint16_t *formats = NULL;
	unsigned count = 0;
	bool good = read_formats(body, &formats, &count) &&
	    read_values(portal, body, formats, count) &&
	    read_formats(body, &portal->formats, &portal->format_count) &&
	    reader_done(body);

	free(formats);
	return good;
}

static enum console_outcome
take_bind(const struct console_env *env, struct reader body,
    struct buffer *reply)
{
	struct visit *visit = env->visit;
	const char *name = reader_string(&body);
	const char *statement_name = reader_string(&body);
	struct statement_of_visit *statement = find_statement(visit,
	    statement_name);
	struct portal *portal;

	if (body.failed)
		return refuse_message(env, reply);
	if (statement == NULL)
		return refuse(env, SQLSTATE_UNDEFINED_PREPARED_STATEMENT,
		    "prepared statement does not exist", statement_name,
		    reply);
	if (name[0] == '\0')
		drop_portals(visit, "");
	else if (find_portal(visit, name) != NULL)
		return refuse(env, "42P03", "portal already exists", name,
		    reply);
	if (visit->portal_count >= VISIT_THINGS)
		return refuse(env, "54000", "too many portals", NULL, reply);
	portal = calloc(1, sizeof(*portal));
	if (portal == NULL)
		return refuse_memory(env, reply);
	portal->name = strdup(name);
	portal->statement = statement;
	if (portal->name == NULL || !read_bind(portal, &body)) {
		free_portal(portal);
		return refuse(env, SQLSTATE_PROTOCOL_VIOLATION, "bind message "
		    "does not fit the prepared statement", NULL, reply);
	}
	portal->next = visit->portals;
	visit->portals = portal;
	visit->portal_count++;
	return say(MESSAGE_BIND_COMPLETE, reply);
}

/* --- Describe ------------------------------------------------------------ */

static void
put_u16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* RowDescription: name, table, column, oid, size, modifier, format. */
static bool
copy_description(const struct buffer *description, const uint16_t *formats,
    unsigned format_count, struct buffer *reply)
{
	size_t start = buffer_length(reply);
	struct reader body = reader_of(buffer_front(description),
	    buffer_length(description));
	unsigned width;

	if (!buffer_append(reply, buffer_front(description),
	    buffer_length(description)))
		return false;
	reader_take(&body, 5);
	width = reader_u16(&body);
	for (unsigned i = 0; i < width && !body.failed; i++) {
		reader_string(&body);
		reader_take(&body, 18);
		put_u16(reply->bytes + reply->from + start +
		    (body.at - buffer_front(description)) - 2,
		    format_of(formats, format_count, i));
	}
	return true;
}

static enum console_outcome
add_description(const struct console_env *env,
    const struct buffer *description, const struct portal *portal,
    struct buffer *reply)
{
	if (buffer_length(description) == 0)
		return say(MESSAGE_NO_DATA, reply);
	if (copy_description(description, portal == NULL ? NULL :
	    portal->formats, portal == NULL ? 0 : portal->format_count,
	    reply))
		return CONSOLE_DONE;
	return refuse_memory(env, reply);
}

static enum console_outcome
describe_statement(const struct console_env *env, const char *name,
    struct buffer *reply)
{
	struct statement_of_visit *statement = find_statement(env->visit,
	    name);
	uint8_t memory[16 + 4 * SQL_PARAMETERS];
	struct writer writer = writer_of(memory, sizeof(memory));

	if (statement == NULL)
		return refuse(env, SQLSTATE_UNDEFINED_PREPARED_STATEMENT,
		    "prepared statement does not exist", name, reply);
	statement->described = true;
	writer_begin(&writer, MESSAGE_PARAMETER_DESCRIPTION);
	writer_u16(&writer, (uint16_t)statement->type_count);
	for (unsigned i = 0; i < statement->type_count; i++)
		writer_u32(&writer, statement->types[i]);
	writer_end(&writer);
	if (!buffer_append(reply, writer.bytes, writer.used))
		return CONSOLE_CLOSE;
	return add_description(env, &statement->description, NULL, reply);
}

static enum console_outcome
refuse_portal(const struct console_env *env, const char *name,
    struct buffer *reply)
{
	return refuse(env, "34000", "portal does not exist", name, reply);
}

/* With values types may be known better than Parse could know them. */
static enum console_outcome
describe_portal(const struct console_env *env, const char *name,
    struct buffer *reply)
{
	struct portal *portal = find_portal(env->visit, name);
	struct sql_failure failure;

	if (portal == NULL || portal->statement == NULL)
		return refuse_portal(env, name, reply);
	if (buffer_length(&portal->description) == 0) {
		const struct statement_of_visit *statement =
		    portal->statement;

		if (!describe(env, statement->text, portal->values,
		    portal->value_count, &portal->description, &failure))
			return refuse(env, failure.text[0] == '\0' ?
			    SQLSTATE_OUT_OF_MEMORY : failure.sqlstate,
			    failure.text[0] == '\0' ? "no mem" :
			    failure.text, NULL, reply);
	}
	return add_description(env, &portal->description, portal, reply);
}

static enum console_outcome
take_describe(const struct console_env *env, struct reader body,
    struct buffer *reply)
{
	uint8_t what = reader_u8(&body);
	const char *name = reader_string(&body);

	if (!reader_done(&body) || (what != 'S' && what != 'P'))
		return refuse_message(env, reply);
	return what == 'S' ? describe_statement(env, name, reply) :
	    describe_portal(env, name, reply);
}

/* --- Execute ------------------------------------------------------------- */

/* Types of the columns as a RowDescription has them. */
static bool
read_oids(const uint8_t *bytes, size_t length, uint32_t **oids_out,
    unsigned *width_out)
{
	struct reader body = reader_of(bytes, length);
	unsigned width;

	reader_take(&body, 5);
	width = reader_u16(&body);
	free(*oids_out);
	*oids_out = calloc(width + 1, sizeof(**oids_out));
	*width_out = width;
	if (*oids_out == NULL)
		return false;
	for (unsigned i = 0; i < width; i++) {
		reader_string(&body);
		reader_take(&body, 6);
		(*oids_out)[i] = reader_u32(&body);
		reader_take(&body, 8);
	}
	return !body.failed;
}

static bool
add_u32(struct buffer *out, uint32_t value)
{
	uint8_t bytes[4] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16),
	    (uint8_t)(value >> 8), (uint8_t)value };

	return buffer_append(out, bytes, sizeof(bytes));
}

static void
set_u32(struct buffer *out, size_t at, size_t value)
{
	uint8_t *bytes = out->bytes + out->from + at;

	put_u16(bytes, (unsigned)(value >> 16));
	put_u16(bytes + 2, (unsigned)value & 0xffff);
}

static bool
add_cell(const struct portal *portal, unsigned i, struct reader *row,
    struct buffer *reply)
{
	int32_t length = reader_i32(row);
	const uint8_t *text;
	size_t at = buffer_length(reply);

	if (!add_u32(reply, (uint32_t)length))
		return false;
	if (length < 0)
		return true;
	text = reader_take(row, (size_t)length);
	if (format_of(portal->formats, portal->format_count, i) == 0)
		return length == 0 || buffer_append(reply, text,
		    (size_t)length);
	if (!binary_encode(i < portal->width ? portal->oids[i] : OID_TEXT,
	    (const char *)text, (size_t)length, reply))
		return false;
	set_u32(reply, at, buffer_length(reply) - at - 4);
	return true;
}

/* Text format becomes what the portal was bound for. */
static bool
add_row(const struct portal *portal, const uint8_t *message, size_t length,
    struct buffer *reply)
{
	struct reader row = reader_of(message, length);
	size_t at = buffer_length(reply);
	unsigned width;

	if (portal->format_count == 0)
		return buffer_append(reply, message, length);
	reader_take(&row, 5);
	width = reader_u16(&row);
	if (!buffer_append(reply, message, 7))
		return false;
	for (unsigned i = 0; i < width; i++)
		if (!add_cell(portal, i, &row, reply))
			return false;
	set_u32(reply, at + 1, buffer_length(reply) - at - 1);
	return !row.failed;
}

/* Up to what was wanted; what is left is for the next Execute. */
static bool
give_out(struct portal *portal, struct buffer *reply)
{
	int32_t rows = 0;

	while (buffer_length(&portal->result) >= 5) {
		const uint8_t *message = buffer_front(&portal->result);
		struct reader head = reader_of(message + 1, 4);
		size_t length = (size_t)reader_u32(&head) + 1;
		bool good = true;

		if (message[0] == MESSAGE_DATA_ROW) {
			if (portal->wanted > 0 && rows == portal->wanted)
				return say(MESSAGE_PORTAL_SUSPENDED,
				    reply) == CONSOLE_DONE;
			rows++;
			good = add_row(portal, message, length, reply);
		} else if (message[0] != MESSAGE_ROW_DESCRIPTION)
			good = buffer_append(reply, message, length);
		else if (portal->oids == NULL)
			good = read_oids(message, length, &portal->oids,
			    &portal->width);
		if (!good)
			return false;
		buffer_consume(&portal->result, length);
	}
	return true;
}

bool
visit_take_result(struct visit *visit, const void *bytes, size_t length,
    struct buffer *reply)
{
	struct portal *portal = visit->executing;

	return buffer_append(&portal->result, bytes, length) &&
	    give_out(portal, reply);
}

/* What Describe has told, of the portal or else of the statement. */
static bool
take_announced(struct portal *portal)
{
	const struct buffer *told = &portal->description;

	if (buffer_length(told) == 0 && portal->statement->described)
		told = &portal->statement->description;
	return buffer_length(told) == 0 || read_oids(buffer_front(told),
	    buffer_length(told), &portal->oids, &portal->width);
}

static size_t
kept_by_portals(const struct visit *visit)
{
	size_t kept = 0;

	for (const struct portal *portal = visit->portals; portal != NULL;
	    portal = portal->next)
		kept += buffer_length(&portal->result);
	return kept;
}

/*
 * The text is copied: DISCARD ALL as a prepared statement takes it away.
 */
static enum console_outcome
begin_portal(const struct console_env *env, struct portal *portal,
    struct buffer *reply, struct console_order *order)
{
	struct visit *visit = env->visit;
	struct console_single single = { .values = portal->values,
	    .value_count = portal->value_count };
	char *text = strdup(portal->statement->text);
	struct buffer result = { 0 };
	enum console_outcome outcome;
	bool good = true;

	if (text == NULL || !take_announced(portal)) {
		free(text);
		return refuse_memory(env, reply);
	}
	single.announced = portal->oids;
	single.announced_count = portal->width;
	single.statement = span_of(text);
	portal->begun = true;
	visit->executing = portal;
	outcome = console_run_single(env, &single, &result, order);
	if (buffer_length(&result) > 0)
		good = visit_take_result(visit, buffer_front(&result),
		    buffer_length(&result), reply);
	buffer_clear(&result);
	free(text);
	order->rest = NULL;
	order->rest_length = 0;
	if (outcome == CONSOLE_DONE || outcome == CONSOLE_CLOSE)
		visit_end_execute(visit, single.refused);
	return good ? outcome : CONSOLE_CLOSE;
}

static enum console_outcome
take_execute(const struct console_env *env, struct reader body,
    struct buffer *reply, struct console_order *order)
{
	const char *name = reader_string(&body);
	int32_t wanted = reader_i32(&body);
	struct portal *portal = find_portal(env->visit, name);

	if (!reader_done(&body))
		return refuse_message(env, reply);
	if (portal == NULL || (!portal->begun && portal->statement == NULL))
		return refuse_portal(env, name, reply);
	portal->wanted = wanted < 0 ? 0 : wanted;
	if (!portal->begun && kept_by_portals(env->visit) > KEPT_MOST)
		return refuse(env, "54000", "more than 16 MiB are left of "
		    "other portals", NULL, reply);
	if (!portal->begun)
		return begin_portal(env, portal, reply, order);
	if (buffer_length(&portal->result) == 0)
		return reply_complete(reply, "SELECT 0") ? CONSOLE_DONE :
		    CONSOLE_CLOSE;
	return give_out(portal, reply) ? CONSOLE_DONE : CONSOLE_CLOSE;
}

/* --- Close, Sync --------------------------------------------------------- */

static enum console_outcome
take_close(const struct console_env *env, struct reader body,
    struct buffer *reply)
{
	uint8_t what = reader_u8(&body);
	const char *name = reader_string(&body);

	if (!reader_done(&body) || (what != 'S' && what != 'P'))
		return refuse_message(env, reply);
	if (what == 'S')
		drop_statements(env->visit, name);
	else
		drop_portals(env->visit, name);
	return say(MESSAGE_CLOSE_COMPLETE, reply);
}

/* Portals live as long as their transaction. */
static enum console_outcome
take_sync(const struct console_env *env, struct buffer *reply)
{
	env->visit->skips = false;
	if (!env->visit->in_transaction)
		drop_portals(env->visit, NULL);
	return console_ready(env, reply) ? CONSOLE_DONE : CONSOLE_CLOSE;
}

bool
visit_knows(uint8_t type)
{
	return type == MESSAGE_PARSE || type == MESSAGE_BIND ||
	    type == MESSAGE_DESCRIBE || type == MESSAGE_EXECUTE ||
	    type == MESSAGE_CLOSE || type == MESSAGE_FLUSH ||
	    type == MESSAGE_SYNC;
}

enum console_outcome
visit_take(const struct console_env *env,
    const struct console_message *message, struct buffer *reply,
    struct console_order *order_out)
{
	struct reader body = reader_of(message->body, message->length);

	switch (message->type) {
	case MESSAGE_PARSE:
		return take_parse(env, body, reply);
	case MESSAGE_BIND:
		return take_bind(env, body, reply);
	case MESSAGE_DESCRIBE:
		return take_describe(env, body, reply);
	case MESSAGE_EXECUTE:
		return take_execute(env, body, reply, order_out);
	case MESSAGE_CLOSE:
		return take_close(env, body, reply);
	case MESSAGE_SYNC:
		return take_sync(env, reply);
	default:
		return CONSOLE_DONE;	/* Flush: nothing is kept back */
	}
}
