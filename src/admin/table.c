#include "admin/table.h"

#include <string.h>

#include "admin/show.h"
#include "base/invariant.h"
#include "wire/messages.h"
#include "wire/reader.h"

/* What a report is made of is our own: it is whole and well formed. */
struct message {
	uint8_t		type;
	struct reader	body;
};

static bool
next_message(struct reader *reader, struct message *message_out)
{
	uint32_t length;

	if (reader->at == reader->end)
		return false;
	message_out->type = reader_u8(reader);
	length = reader_u32(reader);
	message_out->body.at = reader_take(reader, length - 4);
	INVARIANT(!reader->failed);
	message_out->body.end = reader->at;
	message_out->body.failed = false;
	return true;
}

static void
count(struct reader reader, struct table *table)
{
	struct message message;

	while (next_message(&reader, &message)) {
		if (message.type == MESSAGE_ROW_DESCRIPTION)
			table->width = reader_u16(&message.body);
		else if (message.type == MESSAGE_DATA_ROW)
			table->rows++;
	}
}

static void
take_names(struct reader *body, struct table *table)
{
	unsigned width = reader_u16(body);

	for (unsigned i = 0; i < width; i++) {
		table->names[i] = arena_copy_string(table->arena,
		    reader_string(body));
		(void)reader_take(body, 18);	/* what it is of, its type */
	}
	INVARIANT(!body->failed);
}

static void
take_cells(struct reader *body, struct table *table, const char **cells)
{
	unsigned width = reader_u16(body);

	for (unsigned i = 0; i < width; i++) {
		uint32_t length = reader_u32(body);
		const uint8_t *bytes;

		if (length == UINT32_MAX)	/* NULL */
			continue;
		bytes = reader_take(body, length);
		INVARIANT(bytes != NULL);
		cells[i] = arena_copy(table->arena, (const char *)bytes,
		    length);
	}
}

static void
take(struct reader reader, struct table *table)
{
	struct message message;
	const char **cells;

	count(reader, table);
	table->names = arena_get(table->arena,
	    table->width * sizeof(*table->names));
	table->cells = cells = arena_get(table->arena,
	    (size_t)table->rows * table->width * sizeof(*table->cells));
	while (next_message(&reader, &message)) {
		if (message.type == MESSAGE_ROW_DESCRIPTION)
			take_names(&message.body, table);
		if (message.type != MESSAGE_DATA_ROW)
			continue;
		take_cells(&message.body, table, cells);
		cells += table->width;
	}
}

bool
table_make(const struct console_env *env, const char *report,
    struct table *table_out)
{
	struct buffer reply = { 0 };
	struct reader reader;

	*table_out = (struct table){ .width = 0 };
	if (show_run(env, report, &reply) != SHOW_DONE) {
		buffer_clear(&reply);
		return false;
	}
	table_out->arena = arena_create();
	reader = (struct reader){ buffer_front(&reply),
	    buffer_front(&reply) + buffer_length(&reply), false };
	take(reader, table_out);
	buffer_clear(&reply);
	return true;
}

void
table_free(struct table *table)
{
	arena_destroy(table->arena);
	*table = (struct table){ .width = 0 };
}

const char *
table_cell(const struct table *table, unsigned row, const char *column)
{
	INVARIANT(row < table->rows);
	for (unsigned i = 0; i < table->width; i++)
		if (strcmp(table->names[i], column) == 0)
			return table->cells[(size_t)row * table->width + i];
	return NULL;
}
