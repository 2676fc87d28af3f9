#include "admin/visit_parts.h"

#include <stdlib.h>
#include <string.h>

#include "admin/reply.h"
#include "admin/run.h"
#include "wire/messages.h"

/* Of all portals; what is behind it does not begin. */
#define KEPT_MOST (16u << 20)

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

	visit_put_u16(bytes, (unsigned)(value >> 16));
	visit_put_u16(bytes + 2, (unsigned)value & 0xffff);
}

static bool
add_cell(const struct visit_portal *portal, unsigned i, struct reader *row,
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
	if (visit_format_of(portal->formats, portal->format_count, i) == 0)
		return length == 0 || buffer_append(reply, text,
		    (size_t)length);
	if (!binary_encode(i < portal->width ? portal->oids[i] : BINARY_TEXT,
	    (const char *)text, (size_t)length, reply))
		return false;
	set_u32(reply, at, buffer_length(reply) - at - 4);
	return true;
}

/* Text format becomes what the portal was bound for. */
static bool
add_row(const struct visit_portal *portal, const uint8_t *message,
    size_t length, struct buffer *reply)
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
give_out(struct visit_portal *portal, struct buffer *reply)
{
	int32_t rows = 0;

	while (buffer_length(&portal->result) >= 5) {
		const uint8_t *message = buffer_front(&portal->result);
		struct reader head = reader_of(message + 1, 4);
		size_t length = (size_t)reader_u32(&head) + 1;
		bool good = true;

		if (message[0] == MESSAGE_DATA_ROW) {
			if (portal->wanted > 0 && rows == portal->wanted)
				return visit_say(MESSAGE_PORTAL_SUSPENDED,
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
	struct visit_portal *portal = visit->executing;

	return buffer_append(&portal->result, bytes, length) &&
	    give_out(portal, reply);
}

/* What Describe has told, of the portal or else of the statement. */
static bool
take_announced(struct visit_portal *portal)
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

	for (const struct visit_portal *portal = visit->portals; portal != NULL;
	    portal = portal->next)
		kept += buffer_length(&portal->result);
	return kept;
}

/*
 * The text is copied: DISCARD ALL as a prepared statement takes it away.
 */
static enum console_outcome
begin_portal(const struct console_env *env, struct visit_portal *portal,
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
		return visit_refuse_memory(env, reply);
	}
	single.announced = portal->oids;
	single.announced_count = portal->width;
	single.statement = visit_span_of(text);
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

enum console_outcome
visit_take_execute(const struct console_env *env, struct reader body,
    struct buffer *reply, struct console_order *order)
{
	const char *name = reader_string(&body);
	int32_t wanted = reader_i32(&body);
	struct visit_portal *portal = visit_find_portal(env->visit, name);

	if (!reader_done(&body))
		return visit_refuse_message(env, reply);
	if (portal == NULL || (!portal->begun && portal->statement == NULL))
		return visit_refuse_portal(env, name, reply);
	portal->wanted = wanted < 0 ? 0 : wanted;
	if (!portal->begun && kept_by_portals(env->visit) > KEPT_MOST)
		return visit_refuse(env, "54000", "more than 16 MiB are left "
		    "of other portals", NULL, reply);
	if (!portal->begun)
		return begin_portal(env, portal, reply, order);
	if (buffer_length(&portal->result) == 0)
		return reply_complete(reply, "SELECT 0") ? CONSOLE_DONE :
		    CONSOLE_CLOSE;
	return give_out(portal, reply) ? CONSOLE_DONE : CONSOLE_CLOSE;
}
