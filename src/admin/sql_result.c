#include "admin/sql_parts.h"

#include <stdio.h>
#include <string.h>

#include "admin/reply.h"
#include "base/invariant.h"
#include "wire/messages.h"

/* As PostgreSQL names what has no name: `sum`, not `sum(cl_waiting)`. */
static void
name_column(struct sql_result *result, unsigned i)
{
	const char *name = sqlite3_column_name(result->statement, (int)i);
	char *copy = result->names[i];
	size_t length;

	snprintf(copy, SQL_NAME_BYTES, "%s", name == NULL ? "?column?" : name);
	length = strspn(copy, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
	if (length > 0 && copy[length] == '(') {
		copy[length] = '\0';
		for (char *at = copy; *at != '\0'; at++)
			if (*at >= 'A' && *at <= 'Z')
				*at = (char)(*at - 'A' + 'a');
	}
	result->columns[i].name = copy;
}

static char
type_by_declaration(const char *declared)
{
	static const struct {
		const char	*name;
		char		 type;
	} types[] = {
		{ "INT4", REPORT_INT }, { "INT8", REPORT_INT64 },
		{ "NUMERIC", REPORT_NUMERIC }, { "TEXT", REPORT_TEXT },
		{ "BYTEA TEXT", REPORT_BYTES },
	};

	for (size_t i = 0; declared != NULL && i < ARRAY_LENGTH(types); i++)
		if (strcmp(types[i].name, declared) == 0)
			return types[i].type;
	return 0;
}

void
sql_result_take_columns(struct sql_result *result)
{
	result->width = (unsigned)sqlite3_column_count(result->statement);
	INVARIANT(result->width <= SQL_COLUMNS_MOST);
	for (unsigned i = 0; i < result->width; i++) {
		name_column(result, i);
		result->columns[i].type = type_by_declaration(
		    sqlite3_column_decltype(result->statement, (int)i));
		result->declared[i] = result->columns[i].type != 0;
	}
}

static char
type_of_value(int sqlite_type)
{
	switch (sqlite_type) {
	case SQLITE_INTEGER:
		return REPORT_INT64;
	case SQLITE_FLOAT:
		return REPORT_FLOAT;
	case SQLITE_BLOB:
		return REPORT_BYTES;
	default:
		return REPORT_TEXT;
	}
}

/* What holds both. */
static char
common_type(char one, char other)
{
	if (one == 0 || one == other)
		return other;
	if ((one == REPORT_FLOAT && other == REPORT_INT64) ||
	    (one == REPORT_INT64 && other == REPORT_FLOAT))
		return REPORT_FLOAT;
	return REPORT_TEXT;
}

static void
note_type(struct sql_result *result, unsigned i)
{
	int type = sqlite3_column_type(result->statement, (int)i);

	if (type != SQLITE_NULL && !result->declared[i])
		result->columns[i].type = common_type(result->columns[i].type,
		    type_of_value(type));
}

static void
take_cell(struct sql_result *result, unsigned i)
{
	sqlite3_stmt *statement = result->statement;

	note_type(result, i);
	switch (sqlite3_column_type(statement, (int)i)) {
	case SQLITE_NULL:
		report_null(&result->report);
		return;
	case SQLITE_INTEGER:
		report_int64(&result->report, sqlite3_column_int64(statement,
		    (int)i));
		return;
	case SQLITE_FLOAT:
		report_float(&result->report, sqlite3_column_double(statement,
		    (int)i));
		return;
	case SQLITE_BLOB:
		report_bytes(&result->report, sqlite3_column_blob(statement,
		    (int)i), (size_t)sqlite3_column_bytes(statement, (int)i));
		return;
	default:
		report_raw(&result->report,
		    (const char *)sqlite3_column_text(statement, (int)i),
		    (size_t)sqlite3_column_bytes(statement, (int)i));
	}
}

static enum sql_verdict
collect(struct sql_result *result, struct sql_failure *failure)
{
	static const struct report_column any = { "", REPORT_TEXT };
	struct report_column columns[SQL_COLUMNS_MOST];
	int step;

	for (unsigned i = 0; i < result->width; i++)
		columns[i] = any;
	report_begin(&result->report, &result->rows, columns, result->width);
	while ((step = sqlite3_step(result->statement)) == SQLITE_ROW) {
		for (unsigned i = 0; i < result->width; i++)
			take_cell(result, i);
		report_end_row(&result->report);
		result->count++;
		if (result->report.failed)
			return sql_fail(failure, SQLSTATE_OUT_OF_MEMORY,
			    "no mem");
		if (buffer_length(&result->rows) > SQL_RESULT_BYTES)
			return sql_fail(failure, "54000",
			    "result is larger than 16 MiB");
	}
	return step == SQLITE_DONE ? SQL_DONE :
	    sql_fail_by_sqlite(result->sql, failure);
}

bool
sql_result_has_unknown(const struct sql_result *result)
{
	for (unsigned i = 0; i < result->width; i++)
		if (result->columns[i].type == 0)
			return true;
	return false;
}

void
sql_result_adopt_types(struct sql_result *result,
    const struct sql_result *other)
{
	for (unsigned i = 0; i < result->width && i < other->width; i++)
		if (result->columns[i].type == 0)
			result->columns[i].type = other->columns[i].type;
}

enum sql_verdict
sql_result_look_for_types(struct sql_result *result,
    struct sql_failure *failure)
{
	int step = SQLITE_ROW;

	while (sql_result_has_unknown(result) && step == SQLITE_ROW) {
		step = sqlite3_step(result->statement);
		for (unsigned i = 0; step == SQLITE_ROW && i < result->width;
		    i++)
			note_type(result, i);
	}
	if (step == SQLITE_ROW || step == SQLITE_DONE ||
	    result->sql->stop == SQL_STOP_TURN)
		return SQL_DONE;
	return sql_fail_by_sqlite(result->sql, failure);
}

static bool
is_whole_number(uint32_t oid)
{
	return oid == 20 || oid == 23 || oid == 1700;
}

/* Values of this type can be given as those of the other. */
static bool
fits(char type, uint32_t announced)
{
	uint32_t oid = type == 0 ? announced :
	    report_oid((enum report_type)type);

	return oid == announced || announced == 25 ||
	    (announced == 701 && oid == 20) ||
	    (is_whole_number(announced) && is_whole_number(oid));
}

static enum sql_verdict
check_announced(const struct sql_result *result, const struct sql_query *query,
    struct sql_failure *failure)
{
	if (query->announced == NULL)
		return SQL_DONE;
	for (unsigned i = 0; i < result->width; i++)
		if (i >= query->announced_count || !fits(
		    result->columns[i].type, query->announced[i])) {
			sql_fail(failure, "42804", "result has another type "
			    "than the one that was announced");
			snprintf(failure->detail, sizeof(failure->detail),
			    "It is column %u; give it a type with CAST.",
			    i + 1);
			return SQL_FAILED;
		}
	return SQL_DONE;
}

bool
sql_result_add_description(struct sql_result *result, struct buffer *reply)
{
	struct report head;

	for (unsigned i = 0; i < result->width; i++)
		if (result->columns[i].type == 0)
			result->columns[i].type = REPORT_TEXT;
	report_begin(&head, reply, result->columns, result->width);
	return !head.failed;
}

/* The rows have a RowDescription of their own, which is left out. */
static enum sql_verdict
hand_over(struct sql_result *result, struct buffer *reply,
    struct sql_failure *failure)
{
	size_t start = buffer_length(reply);
	struct reader rows = reader_of(buffer_front(&result->rows),
	    buffer_length(&result->rows));
	char tag[32];

	snprintf(tag, sizeof(tag), "SELECT %u", result->count);
	reader_u8(&rows);
	reader_take(&rows, reader_u32(&rows) - 4);
	if (sql_result_add_description(result, reply) &&
	    (reader_left(&rows) == 0 || buffer_append(reply, rows.at,
	    reader_left(&rows))) && reply_complete(reply, tag))
		return SQL_DONE;
	if (start == 0)
		buffer_clear(reply);
	else
		reply->to = reply->from + (uint32_t)start;
	return sql_fail(failure, SQLSTATE_OUT_OF_MEMORY, "no mem");
}

enum sql_verdict
sql_result_answer(struct sql_result *result, const struct sql_query *query,
    struct buffer *reply, struct sql_failure *failure)
{
	enum sql_verdict verdict = collect(result, failure);

	if (verdict == SQL_DONE)
		verdict = check_announced(result, query, failure);
	return verdict == SQL_DONE ? hand_over(result, reply, failure) :
	    verdict;
}
