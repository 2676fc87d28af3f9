/*
 * Rows as libpq gives them, made by a test.
 */
#ifndef MADE_ROWS_H
#define MADE_ROWS_H

#include <check.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define TEXT_TYPE 25
#define INT4_TYPE 23

/*
 * "name type, ..." where a type is t or i; then rows of values, "-" is NULL:
 * made_rows("name:t n:i", "one 1", "two -", NULL).
 */
UNUSED static PGresult *
made_rows(const char *columns, ...)
{
	PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc attributes[32];
	char names[1024], *rest = names, *word;
	va_list arguments;
	const char *line;
	int count = 0;

	memset(attributes, 0, sizeof(attributes));
	snprintf(names, sizeof(names), "%s", columns);
	while ((word = strtok_r(rest, " ", &rest)) != NULL) {
		char *colon = strchr(word, ':');

		*colon = '\0';
		attributes[count].name = word;
		attributes[count].typid = colon[1] == 'i' ? INT4_TYPE :
		    TEXT_TYPE;
		attributes[count++].typlen = -1;
	}
	ck_assert_int_eq(PQsetResultAttrs(rows, count, attributes), 1);
	va_start(arguments, columns);
	for (int row = 0; (line = va_arg(arguments, const char *)) != NULL;
	    row++) {
		char values[1024];

		snprintf(values, sizeof(values), "%s", line);
		rest = values;
		for (int i = 0; (word = strtok_r(rest, " ", &rest)) != NULL;
		    i++)
			ck_assert_int_eq(PQsetvalue(rows, row, i,
			    strcmp(word, "-") == 0 ? NULL : word,
			    strcmp(word, "-") == 0 ? -1 :
			    (int)strlen(word)), 1);
	}
	va_end(arguments);
	return rows;
}

#endif
