#include "ctl/output.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* Types whose text is a JSON number (pg_type.dat); NaN is none. */
enum {
	TYPE_BOOL = 16,
	TYPE_INT8 = 20,
	TYPE_INT2 = 21,
	TYPE_INT4 = 23,
	TYPE_OID = 26,
	TYPE_FLOAT4 = 700,
	TYPE_FLOAT8 = 701,
	TYPE_NUMERIC = 1700
};

static bool
is_number_type(Oid type)
{
	switch (type) {
	case TYPE_INT8:
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_OID:
	case TYPE_FLOAT4:
	case TYPE_FLOAT8:
	case TYPE_NUMERIC:
		return true;
	default:
		return false;
	}
}

/* Bytes of what shows as one character; what is none shows as '?'. */
static unsigned
step(const char *text)
{
	unsigned length = utf8_length(text);

	return length > 0 ? length : 1;
}

int
output_width(const char *text)
{
	int width = 0;

	for (; *text != '\0'; text += step(text))
		width++;
	return width;
}

size_t
output_cut(const char *text, int characters)
{
	size_t length = 0;

	for (; text[length] != '\0' && characters > 0; characters--)
		length += step(text + length);
	return length;
}

/* C0, DEL, and C1 (U+0080 to U+009F), which some terminals obey as well. */
static bool
is_order(const char *text)
{
	unsigned char byte = (unsigned char)text[0];

	return byte < ' ' || byte == 0x7f || (byte == 0xc2 &&
	    (unsigned char)text[1] < 0xa0);
}

void
output_plain(FILE *file, const char *text)
{
	for (; *text != '\0'; text += step(text))
		if (utf8_length(text) == 0 || is_order(text))
			fputc('?', file);
		else
			fwrite(text, 1, step(text), file);
}

/* --- for people ---------------------------------------------------------- */

static void
put_cell(FILE *file, const char *text, int width, bool right, bool last)
{
	int blanks = width - output_width(text);

	fputc(' ', file);
	if (right)
		fprintf(file, "%*s", blanks, "");
	output_plain(file, text);
	if (!right && !last)
		fprintf(file, "%*s", blanks, "");
	if (!last)
		fputs(" |", file);
}

static int *
widths_of(const PGresult *rows)
{
	int columns = PQnfields(rows);
	int *widths = calloc((size_t)columns + 1, sizeof(*widths));

	for (int i = 0; widths != NULL && i < columns; i++) {
		widths[i] = output_width(PQfname(rows, i));
		for (int row = 0; row < PQntuples(rows); row++) {
			int width = output_width(PQgetvalue(rows, row, i));

			if (width > widths[i])
				widths[i] = width;
		}
	}
	return widths;
}

static void
put_rule(FILE *file, const int *widths, int columns)
{
	for (int i = 0; i < columns; i++) {
		for (int j = 0; j < widths[i] + 2; j++)
			fputc('-', file);
		if (i + 1 < columns)
			fputc('+', file);
	}
	fputc('\n', file);
}

static void
put_aligned(FILE *file, const PGresult *rows)
{
	int columns = PQnfields(rows), count = PQntuples(rows);
	int *widths = widths_of(rows);

	if (widths == NULL)
		return;
	for (int i = 0; i < columns; i++)
		put_cell(file, PQfname(rows, i), widths[i], false,
		    i + 1 == columns);
	fputc('\n', file);
	put_rule(file, widths, columns);
	for (int row = 0; row < count; row++) {
		for (int i = 0; i < columns; i++)
			put_cell(file, PQgetvalue(rows, row, i), widths[i],
			    is_number_type(PQftype(rows, i)),
			    i + 1 == columns);
		fputc('\n', file);
	}
	fprintf(file, "(%d row%s)\n", count, count == 1 ? "" : "s");
	free(widths);
}

/* --- for programs -------------------------------------------------------- */

static void
put_csv_field(FILE *file, const char *text)
{
	if (strpbrk(text, ",\"\r\n") == NULL) {
		fputs(text, file);
		return;
	}
	fputc('"', file);
	for (; *text != '\0'; text++) {
		if (*text == '"')
			fputc('"', file);
		fputc(*text, file);
	}
	fputc('"', file);
}

static void
put_csv(FILE *file, const PGresult *rows)
{
	int columns = PQnfields(rows);

	for (int row = -1; row < PQntuples(rows); row++)
		for (int i = 0; i < columns; i++) {
			put_csv_field(file, row == -1 ? PQfname(rows, i) :
			    PQgetvalue(rows, row, i));
			fputc(i + 1 < columns ? ',' : '\n', file);
		}
}

void
output_json_string(FILE *file, const char *text)
{
	fputc('"', file);
	for (; *text != '\0'; text += step(text)) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			fprintf(file, "\\%c", byte);
		else if (byte < ' ' || byte == 0x7f)
			fprintf(file, "\\u%04x", byte);
		else if (utf8_length(text) == 0)
			/* A client may call itself anything. */
			fputs("\\ufffd", file);
		else
			fwrite(text, 1, step(text), file);
	}
	fputc('"', file);
}

/* RFC 8259, section 6: what a number may look like, roughly. */
static bool
is_json_number(const char *text)
{
	char *end;

	if (*text == '-')
		text++;
	if (*text < '0' || *text > '9' || (text[0] == '0' && text[1] != '\0'
	    && text[1] != '.'))
		return false;
	(void)strtod(text, &end);
	return *end == '\0' && strspn(text, "0123456789.eE+-") ==
	    strlen(text);
}

static void
put_json_value(FILE *file, const PGresult *rows, int row, int column)
{
	const char *value = PQgetvalue(rows, row, column);

	if (PQgetisnull(rows, row, column))
		fputs("null", file);
	else if (PQftype(rows, column) == TYPE_BOOL)
		fputs(*value == 't' ? "true" : "false", file);
	else if (is_number_type(PQftype(rows, column)) &&
	    is_json_number(value))
		fputs(value, file);
	else
		output_json_string(file, value);
}

static void
put_json(FILE *file, const PGresult *rows)
{
	int columns = PQnfields(rows), count = PQntuples(rows);

	fputs(count == 0 ? "[" : "[\n", file);
	for (int row = 0; row < count; row++) {
		fputs("  {", file);
		for (int i = 0; i < columns; i++) {
			fputs(i == 0 ? "" : ", ", file);
			output_json_string(file, PQfname(rows, i));
			fputs(": ", file);
			put_json_value(file, rows, row, i);
		}
		fputs(row + 1 < count ? "},\n" : "}\n", file);
	}
	fputs("]\n", file);
}

void
output_rows(FILE *file, const PGresult *rows, enum output_format format)
{
	switch (format) {
	case OUTPUT_ALIGNED:
		put_aligned(file, rows);
		return;
	case OUTPUT_CSV:
		put_csv(file, rows);
		return;
	case OUTPUT_JSON:
		put_json(file, rows);
		return;
	}
}
