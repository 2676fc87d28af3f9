/*
 * Rows of a result, built by the console: RowDescription, DataRow,
 * CommandComplete, in text format.
 *
 *	static const struct report_column columns[] = {
 *		{ "key", REPORT_TEXT }, { "value", REPORT_INT } };
 *
 *	report_begin(&report, &buffer, columns, 2);
 *	report_text(&report, "workers");
 *	report_int(&report, 4);
 *	report_end_row(&report);
 *	if (!report_complete(&report, "SHOW"))
 *		... no memory ...
 *
 * Having no memory sticks and is told once, by report_complete.  Cells that
 * do not fit the columns are a broken invariant.  ReadyForQuery is the
 * caller's.
 */
#ifndef WIRE_REPORT_H
#define WIRE_REPORT_H

#include "base/buffer.h"

enum report_type {
	REPORT_TEXT = 's',	/* text */
	REPORT_INT = 'i',	/* int4 */
	REPORT_INT64 = 'q',	/* int8 */
	REPORT_NUMERIC = 'N',	/* numeric */
	REPORT_TIME = 'T',	/* text: a moment, formatted by the caller */
	REPORT_BYTES = 'b',	/* bytea */
	REPORT_FLOAT = 'f'	/* float8 */
};

struct report_column {
	const char	*name;
	char		 type;	/* enum report_type */
};

struct report {
	struct buffer			*out;
	const struct report_column	*columns;
	unsigned			 width;	/* how many columns */
	unsigned			 cell;	/* filled in this row */
	size_t				 start;	/* of the report in `out` */
	size_t				 row;	/* of the open row in `out` */
	bool				 failed;
};

/* The oid in pg_type of a type. */
uint32_t report_oid(enum report_type type);

/* The columns have to live as long as the report. At most 1,600. */
void report_begin(struct report *report, struct buffer *out,
    const struct report_column *columns, unsigned count);

/* One cell each, from left to right.  A NULL text is a NULL cell. */
void report_text(struct report *report, const char *text);
void report_int(struct report *report, int32_t value);
void report_int64(struct report *report, int64_t value);
void report_numeric(struct report *report, uint64_t value);
void report_float(struct report *report, double value);
void report_bytes(struct report *report, const void *bytes, size_t length);
void report_null(struct report *report);
/* Already rendered; may be longer than a string and needs no NUL. */
void report_raw(struct report *report, const char *text, size_t length);

void report_end_row(struct report *report);

/*
 * CommandComplete.  False: no memory; then all of this report is taken out
 * of the buffer again, so that an error can be sent instead.
 */
bool report_complete(struct report *report, const char *tag) MUST_CHECK;

#endif
