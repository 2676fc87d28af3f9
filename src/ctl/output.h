/*
 * An answer's rows, for people and for programs.
 */
#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include <libpq-fe.h>
#include <stdio.h>

#include "base/base.h"

enum output_format {
	OUTPUT_ALIGNED = 0,	/* as psql shows it */
	OUTPUT_CSV,		/* RFC 4180, with a line of names */
	OUTPUT_JSON		/* an array of objects */
};

/* All rows; numbers and booleans are such in JSON, NULL is null there. */
void output_rows(FILE *file, const PGresult *rows,
    enum output_format format);

/*
 * A string of JSON (RFC 8259, section 7), with its quotation marks; what is
 * not UTF-8 is U+FFFD.
 */
void output_json_string(FILE *file, const char *text);

/* How wide it shows: characters of UTF-8, not bytes. */
int output_width(const char *text);

/* Bytes of its first characters, so many at most. */
size_t output_cut(const char *text, int characters);

/*
 * Bytes that a terminal would take for an order, or that are not UTF-8, are
 * shown as '?'.
 */
void output_plain(FILE *file, const char *text);

#endif
