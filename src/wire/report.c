#include "wire/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "wire/messages.h"

#define MOST_COLUMNS 1600	/* PostgreSQL's own limit */

static const struct {
	char		type;
	uint32_t	oid;	/* of pg_type */
	int16_t		size;
} types[] = {
	{ REPORT_TEXT,		25, -1 },
	{ REPORT_INT,		23, 4 },
	{ REPORT_INT64,		20, 8 },
	{ REPORT_NUMERIC,	1700, -1 },
	{ REPORT_TIME,		25, -1 },
	{ REPORT_BYTES,		17, -1 },
	{ REPORT_FLOAT,		701, 8 },
};

static void
add(struct report *report, const void *bytes, size_t length)
{
	if (!report->failed && !buffer_append(report->out, bytes, length))
		report->failed = true;
}

static void
add_u8(struct report *report, uint8_t value)
{
	add(report, &value, 1);
}

static void
put_u32(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 24);
	at[1] = (uint8_t)(value >> 16);
	at[2] = (uint8_t)(value >> 8);
	at[3] = (uint8_t)value;
}

static void
add_u16(struct report *report, unsigned value)
{
	add_u8(report, (uint8_t)(value >> 8));
	add_u8(report, (uint8_t)value);
}

static void
add_u32(struct report *report, uint32_t value)
{
	uint8_t bytes[4];

	put_u32(bytes, value);
	add(report, bytes, sizeof(bytes));
}

static void
open_message(struct report *report, uint8_t type)
{
	report->row = buffer_length(report->out);
	add_u8(report, type);
	add_u32(report, 0);
}

static void
close_message(struct report *report)
{
	size_t length;

	if (report->failed)
		return;
	length = buffer_length(report->out) - report->row - 1;
	if (length > INT32_MAX) {
		report->failed = true;
		return;
	}
	put_u32(report->out->bytes + report->out->from + report->row + 1,
	    (uint32_t)length);
}

static size_t
find_type(char type)
{
	size_t i = 0;

	while (i < ARRAY_LENGTH(types) && types[i].type != type)
		i++;
	INVARIANT(i < ARRAY_LENGTH(types));
	return i;
}

uint32_t
report_oid(enum report_type type)
{
	return types[find_type((char)type)].oid;
}

static void
describe(struct report *report, const struct report_column *column)
{
	size_t i = find_type(column->type);

	add(report, column->name, strlen(column->name) + 1);
	add_u32(report, 0);			/* of no table */
	add_u16(report, 0);			/* and no column of it */
	add_u32(report, types[i].oid);
	add_u16(report, (uint16_t)types[i].size);
	add_u32(report, UINT32_MAX);		/* type modifier: -1, none */
	add_u16(report, 0);			/* text format */
}

void
report_begin(struct report *report, struct buffer *out,
    const struct report_column *columns, unsigned count)
{
	INVARIANT(count <= MOST_COLUMNS);
	*report = (struct report){ .out = out, .columns = columns,
	    .width = count, .start = buffer_length(out) };
	open_message(report, MESSAGE_ROW_DESCRIPTION);
	add_u16(report, count);
	for (unsigned i = 0; i < count; i++)
		describe(report, &columns[i]);
	close_message(report);
}

/* The first cell opens its row. */
static void
next_cell(struct report *report)
{
	INVARIANT(report->cell < report->width);
	if (report->cell++ == 0) {
		open_message(report, MESSAGE_DATA_ROW);
		add_u16(report, report->width);
	}
}

void
report_raw(struct report *report, const char *text, size_t length)
{
	next_cell(report);
	if (length > INT32_MAX)
		report->failed = true;
	add_u32(report, (uint32_t)length);
	add(report, text, length);
}

void
report_null(struct report *report)
{
	next_cell(report);
	add_u32(report, UINT32_MAX);		/* a length of -1 */
}

void
report_text(struct report *report, const char *text)
{
	if (text == NULL)
		report_null(report);
	else
		report_raw(report, text, strlen(text));
}

void
report_int(struct report *report, int32_t value)
{
	report_int64(report, value);
}

void
report_int64(struct report *report, int64_t value)
{
	char text[24];

	report_raw(report, text,
	    (size_t)snprintf(text, sizeof(text), "%" PRId64, value));
}

void
report_numeric(struct report *report, uint64_t value)
{
	char text[24];

	report_raw(report, text,
	    (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
}

/* The shortest text that reads as the same number, as PostgreSQL's. */
void
report_float(struct report *report, double value)
{
	char text[32] = "NaN";

	if (isinf(value))
		strcpy(text, value > 0 ? "Infinity" : "-Infinity");
	for (int digits = 15; isfinite(value) && digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	report_raw(report, text, strlen(text));
}

/* bytea's hex form: \x and two digits a byte. */
void
report_bytes(struct report *report, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	char digits[3];

	next_cell(report);
	if (length > (INT32_MAX - 2) / 2) {
		report->failed = true;
		return;
	}
	add_u32(report, (uint32_t)(2 + 2 * length));
	add(report, "\\x", 2);
	for (size_t i = 0; i < length; i++) {
		snprintf(digits, sizeof(digits), "%02x", at[i]);
		add(report, digits, 2);
	}
}

void
report_end_row(struct report *report)
{
	INVARIANT(report->cell == report->width);
	if (report->width == 0) {
		open_message(report, MESSAGE_DATA_ROW);
		add_u16(report, 0);
	}
	close_message(report);
	report->cell = 0;
}

static void
take_back(struct report *report)
{
	struct buffer *out = report->out;

	if (report->start == 0)
		buffer_clear(out);
	else
		out->to = out->from + (uint32_t)report->start;
}

bool
report_complete(struct report *report, const char *tag)
{
	INVARIANT(report->cell == 0);
	open_message(report, MESSAGE_COMMAND_COMPLETE);
	add(report, tag, strlen(tag) + 1);
	close_message(report);
	if (report->failed)
		take_back(report);
	return !report->failed;
}
