#include "admin/visit_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/run.h"
#include "wire/messages.h"
#include "wire/writer.h"

/* --- Parse --------------------------------------------------------------- */

struct sql_span
visit_span_of(const char *text)
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
	struct sql_span span = visit_span_of(text);
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
take_types(struct visit_statement *statement, struct reader *body)
{
	unsigned given = reader_u16(body), count;
	uint32_t casts[SQL_PARAMETERS];

	if (!sql_parameter_types(visit_span_of(statement->text), casts,
	    &count) || given > SQL_PARAMETERS)
		return false;
	statement->type_count = given > count ? given : count;
	for (unsigned i = 0; i < given; i++)
		statement->types[i] = reader_u32(body);
	for (unsigned i = 0; i < statement->type_count; i++)
		if (statement->types[i] == 0)
			statement->types[i] = casts[i] == 0 ? BINARY_TEXT :
			    casts[i];
	return reader_done(body);
}

static struct visit_statement *
new_statement(const char *name, const char *text)
{
	struct visit_statement *statement = calloc(1, sizeof(*statement));

	if (statement == NULL)
		return NULL;
	statement->name = strdup(name);
	statement->text = strdup(text);
	return statement;
}

static enum console_outcome
keep_statement(const struct console_env *env,
    struct visit_statement *statement, struct reader *body,
    struct buffer *reply)
{
	struct visit *visit = env->visit;
	struct sql_failure failure;

	if (statement->name == NULL || statement->text == NULL)
		return visit_refuse_memory(env, reply);
	if (!take_types(statement, body))
		return visit_refuse(env, "54000", "too many parameters", NULL,
		    reply);
	if (has_more(visit_span_of(statement->text)))
		return visit_refuse(env, SQLSTATE_SYNTAX_ERROR, "cannot insert "
		    "multiple commands into a prepared statement", NULL,
		    reply);
	if (!describe(env, statement->text, NULL, 0, &statement->description,
	    &failure))
		return visit_refuse(env, failure.text[0] == '\0' ?
		    SQLSTATE_OUT_OF_MEMORY : failure.sqlstate,
		    failure.text[0] == '\0' ? "no mem" : failure.text,
		    failure.detail[0] == '\0' ? NULL : failure.detail, reply);
	if (statement->name[0] == '\0')
		visit_drop_statements(visit, "");
	statement->next = visit->statements;
	visit->statements = statement;
	visit->statement_count++;
	return visit_say(MESSAGE_PARSE_COMPLETE, reply);
}

enum console_outcome
visit_take_parse(const struct console_env *env, struct reader body,
    struct buffer *reply)
{
	const char *name = reader_string(&body), *text = reader_string(&body);
	struct visit_statement *statement;
	enum console_outcome outcome;

	if (body.failed)
		return visit_refuse_message(env, reply);
	if (name[0] != '\0' && visit_find_statement(env->visit, name) != NULL)
		return visit_refuse(env, SQLSTATE_DUPLICATE_PREPARED_STATEMENT,
		    "prepared statement already exists", name, reply);
	if (env->visit->statement_count >= VISIT_THINGS)
		return visit_refuse(env, "54000", "too many prepared "
		    "statements", NULL, reply);
	statement = new_statement(name, text);
	if (statement == NULL)
		return visit_refuse_memory(env, reply);
	outcome = keep_statement(env, statement, &body, reply);
	if (env->visit->statements != statement)
		visit_free_statement(env->visit, statement);
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

uint16_t
visit_format_of(const uint16_t *formats, unsigned count, unsigned i)
{
	if (count == 0)
		return 0;
	return count == 1 ? formats[0] : i < count ? formats[i] : 0;
}

static bool
is_text_type(uint32_t type)
{
	return type == BINARY_TEXT || type == BINARY_VARCHAR || type == 705 ||
	    type == 1042 || type == 19 || type == 18;
}

/* Texts end in a NUL, all in one piece of memory. */
static bool
keep_value(struct visit_portal *portal, size_t *used, unsigned i,
    uint16_t format, const uint8_t *bytes, size_t length)
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
		if (!binary_decode(value->type, bytes, length, copy)) {
			portal->unreadable = i + 1;
			return false;
		}
		value->length = strlen(copy);
	}
	*used += value->length + 1;
	return true;
}

static bool
read_values(struct visit_portal *portal, struct reader *body,
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
		    visit_format_of(formats, format_count, i), bytes,
		    (size_t)length))
			return false;
	}
	return true;
}

static bool
read_bind(struct visit_portal *portal, struct reader *body)
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

/* Whose fault it is: most likely its type is one that reports have not. */
static enum console_outcome
refuse_bind(const struct console_env *env, unsigned unreadable,
    struct buffer *reply)
{
	char text[96];

	if (unreadable == 0)
		return visit_refuse(env, SQLSTATE_PROTOCOL_VIOLATION, "bind "
		    "message does not fit the prepared statement", NULL, reply);
	snprintf(text, sizeof(text), "binary value of parameter $%u is not "
	    "understood, give it as a text", unreadable);
	return visit_refuse(env, SQLSTATE_FEATURE_NOT_SUPPORTED, text, NULL,
	    reply);
}

enum console_outcome
visit_take_bind(const struct console_env *env, struct reader body,
    struct buffer *reply)
{
	struct visit *visit = env->visit;
	const char *name = reader_string(&body);
	const char *statement_name = reader_string(&body);
	struct visit_statement *statement = visit_find_statement(visit,
	    statement_name);
	struct visit_portal *portal;

	if (body.failed)
		return visit_refuse_message(env, reply);
	if (statement == NULL)
		return visit_refuse(env, SQLSTATE_UNDEFINED_PREPARED_STATEMENT,
		    "prepared statement does not exist", statement_name,
		    reply);
	if (name[0] == '\0')
		visit_drop_portals(visit, "");
	else if (visit_find_portal(visit, name) != NULL)
		return visit_refuse(env, "42P03", "portal already exists", name,
		    reply);
	if (visit->portal_count >= VISIT_THINGS)
		return visit_refuse(env, "54000", "too many portals", NULL,
		    reply);
	portal = calloc(1, sizeof(*portal));
	if (portal == NULL)
		return visit_refuse_memory(env, reply);
	portal->name = strdup(name);
	portal->statement = statement;
	if (portal->name == NULL || !read_bind(portal, &body)) {
		unsigned unreadable = portal->unreadable;

		visit_free_portal(portal);
		return refuse_bind(env, unreadable, reply);
	}
	portal->next = visit->portals;
	visit->portals = portal;
	visit->portal_count++;
	return visit_say(MESSAGE_BIND_COMPLETE, reply);
}

/* --- Describe ------------------------------------------------------------ */

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
		visit_put_u16(reply->bytes + reply->from + start +
		    (body.at - buffer_front(description)) - 2,
		    visit_format_of(formats, format_count, i));
	}
	return true;
}

static enum console_outcome
add_description(const struct console_env *env,
    const struct buffer *description, const struct visit_portal *portal,
    struct buffer *reply)
{
	if (buffer_length(description) == 0)
		return visit_say(MESSAGE_NO_DATA, reply);
	if (copy_description(description, portal == NULL ? NULL :
	    portal->formats, portal == NULL ? 0 : portal->format_count,
	    reply))
		return CONSOLE_DONE;
	return visit_refuse_memory(env, reply);
}

static enum console_outcome
describe_statement(const struct console_env *env, const char *name,
    struct buffer *reply)
{
	struct visit_statement *statement = visit_find_statement(env->visit,
	    name);
	uint8_t memory[16 + 4 * SQL_PARAMETERS];
	struct writer writer = writer_of(memory, sizeof(memory));

	if (statement == NULL)
		return visit_refuse(env, SQLSTATE_UNDEFINED_PREPARED_STATEMENT,
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

/* With values types may be known better than Parse could know them. */
static enum console_outcome
describe_portal(const struct console_env *env, const char *name,
    struct buffer *reply)
{
	struct visit_portal *portal = visit_find_portal(env->visit, name);
	struct sql_failure failure;

	if (portal == NULL || portal->statement == NULL)
		return visit_refuse_portal(env, name, reply);
	if (buffer_length(&portal->description) == 0) {
		const struct visit_statement *statement =
		    portal->statement;

		if (!describe(env, statement->text, portal->values,
		    portal->value_count, &portal->description, &failure))
			return visit_refuse(env, failure.text[0] == '\0' ?
			    SQLSTATE_OUT_OF_MEMORY : failure.sqlstate,
			    failure.text[0] == '\0' ? "no mem" :
			    failure.text, NULL, reply);
	}
	return add_description(env, &portal->description, portal, reply);
}

enum console_outcome
visit_take_describe(const struct console_env *env, struct reader body,
    struct buffer *reply)
{
	uint8_t what = reader_u8(&body);
	const char *name = reader_string(&body);

	if (!reader_done(&body) || (what != 'S' && what != 'P'))
		return visit_refuse_message(env, reply);
	return what == 'S' ? describe_statement(env, name, reply) :
	    describe_portal(env, name, reply);
}
