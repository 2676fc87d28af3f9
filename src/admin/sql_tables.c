#include "admin/sql_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/catalog.h"
#include "base/invariant.h"
#include "wire/messages.h"

/* --- rows of a report ---------------------------------------------------- */

/* Notes where the cells of each DataRow begin, behind their number. */
static bool
find_rows(struct sql_rows *rows)
{
	struct reader left = reader_of(buffer_front(&rows->messages),
	    buffer_length(&rows->messages));
	uint32_t room = 0;

	while (reader_left(&left) > 0) {
		uint8_t type = reader_u8(&left);
		uint32_t length = reader_u32(&left);
		uint32_t *more;

		INVARIANT(length >= 4 && length - 4 <= reader_left(&left));
		if (type == MESSAGE_DATA_ROW) {
			if (rows->count == room) {
				room = room == 0 ? 64 : 2 * room;
				more = realloc(rows->starts,
				    room * sizeof(*more));
				if (more == NULL)
					return false;
				rows->starts = more;
			}
			rows->starts[rows->count++] = (uint32_t)(left.at -
			    buffer_front(&rows->messages)) + 2;
		}
		reader_take(&left, length - 4);
	}
	return true;
}

static bool
fill(struct sql_rows *rows, const struct console_env *env)
{
	struct report report;

	if (rows->filled)
		return true;
	report_begin(&report, &rows->messages, rows->show->columns,
	    rows->show->width);
	if (!rows->show->fill(env, &report))
		report.failed = true;
	if (!report_complete(&report, "SHOW"))
		return false;
	rows->filled = true;
	return find_rows(rows);
}

static void
forget(struct sql_rows *rows)
{
	buffer_clear(&rows->messages);
	free(rows->starts);
	rows->starts = NULL;
	rows->count = 0;
	rows->filled = false;
}

void
sql_forget_rows(struct sql *sql)
{
	for (size_t i = 0; i < sql->report_count; i++)
		forget(&sql->reports[i]);
}

/* --- virtual tables ------------------------------------------------------ */

struct table {
	sqlite3_vtab	 base;
	struct sql	*sql;
	struct sql_rows	*rows;
};

struct cursor {
	sqlite3_vtab_cursor	 base;
	uint32_t		 row;
};

static const char *
declared_type(char type)
{
	switch (type) {
	case REPORT_INT:
		return "INT4";
	case REPORT_INT64:
		return "INT8";
	case REPORT_NUMERIC:
		return "NUMERIC";
	case REPORT_BYTES:
		return "BYTEA TEXT";	/* TEXT: or it would be a number */
	default:
		return "TEXT";
	}
}

static int
declare(sqlite3 *db, const struct show *show)
{
	char text[4096];
	size_t used = (size_t)snprintf(text, sizeof(text), "CREATE TABLE x");

	for (unsigned i = 0; i < show->width; i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    "%s\"%s\" %s", i == 0 ? "(" : ", ", show->columns[i].name,
		    declared_type(show->columns[i].type));
		INVARIANT(used + 2 < sizeof(text));
	}
	strcpy(text + used, ")");
	return sqlite3_declare_vtab(db, text);
}

static int
on_connect(sqlite3 *db, void *context, int count, const char *const *words,
    sqlite3_vtab **table_out, char **error_out)
{
	struct sql *sql = context;
	struct table *table;
	size_t i = count < 4 ? sql->report_count :
	    (size_t)strtoul(words[3], NULL, 10);
	int result;

	if (i >= sql->report_count)
		return SQLITE_ERROR;
	result = declare(db, sql->reports[i].show);
	if (result != SQLITE_OK)
		return result;
	table = sqlite3_malloc(sizeof(*table));
	if (table == NULL)
		return SQLITE_NOMEM;
	*table = (struct table){ .sql = sql, .rows = &sql->reports[i] };
	*table_out = &table->base;
	return SQLITE_OK;
}

static int
on_disconnect(sqlite3_vtab *table)
{
	sqlite3_free(table);
	return SQLITE_OK;
}

/* There are no indexes: always the whole report. */
static int
on_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
	info->estimatedCost = 1000;
	info->estimatedRows = 1000;
	return SQLITE_OK;
}

static int
on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **cursor_out)
{
	struct cursor *cursor = sqlite3_malloc(sizeof(*cursor));

	if (cursor == NULL)
		return SQLITE_NOMEM;
	*cursor = (struct cursor){ .row = 0 };
	*cursor_out = &cursor->base;
	return SQLITE_OK;
}

static int
on_close(sqlite3_vtab_cursor *cursor)
{
	sqlite3_free(cursor);
	return SQLITE_OK;
}

static struct table *
table_of(sqlite3_vtab_cursor *cursor)
{
	return (struct table *)cursor->pVtab;
}

static struct cursor *
cursor_of(sqlite3_vtab_cursor *cursor)
{
	return (struct cursor *)cursor;
}

static int
on_filter(sqlite3_vtab_cursor *cursor, int number, const char *name,
    int count, sqlite3_value **values)
{
	struct table *table = table_of(cursor);

	cursor_of(cursor)->row = 0;
	return fill(table->rows, table->sql->env) ? SQLITE_OK : SQLITE_NOMEM;
}

static int
on_next(sqlite3_vtab_cursor *cursor)
{
	cursor_of(cursor)->row++;
	return SQLITE_OK;
}

static int
on_eof(sqlite3_vtab_cursor *cursor)
{
	return cursor_of(cursor)->row >= table_of(cursor)->rows->count;
}

static int
on_column(sqlite3_vtab_cursor *cursor, sqlite3_context *result, int column)
{
	const struct sql_rows *rows = table_of(cursor)->rows;
	uint32_t start = rows->starts[cursor_of(cursor)->row];
	struct reader cells = reader_of(buffer_front(&rows->messages) + start,
	    buffer_length(&rows->messages) - start);
	int32_t length = reader_i32(&cells);
	const uint8_t *text;
	char type = rows->show->columns[column].type;

	for (int i = 0; i < column; i++) {
		reader_take(&cells, length < 0 ? 0 : (size_t)length);
		length = reader_i32(&cells);
	}
	if (length < 0)
		return SQLITE_OK;		/* NULL by itself */
	text = reader_take(&cells, (size_t)length);
	if (type == REPORT_INT || type == REPORT_INT64 ||
	    type == REPORT_NUMERIC) {
		char digits[24];

		snprintf(digits, sizeof(digits), "%.*s", (int)length,
		    (const char *)text);
		sqlite3_result_int64(result, strtoll(digits, NULL, 10));
	} else
		sqlite3_result_text(result, (const char *)text, length,
		    SQLITE_TRANSIENT);
	return SQLITE_OK;
}

static int
on_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *row_out)
{
	*row_out = cursor_of(cursor)->row;
	return SQLITE_OK;
}

static const sqlite3_module module = {
	.xCreate = on_connect, .xConnect = on_connect,
	.xBestIndex = on_best_index, .xDisconnect = on_disconnect,
	.xDestroy = on_disconnect, .xOpen = on_open, .xClose = on_close,
	.xFilter = on_filter, .xNext = on_next, .xEof = on_eof,
	.xColumn = on_column, .xRowid = on_rowid,
};

/* --- which there are ----------------------------------------------------- */

void
sql_list_reports(struct sql *sql)
{
	size_t shows, others;
	const struct show_entry *entries = show_entries(&shows);
	const struct catalog_table *tables = catalog_tables(&others);

	sql->reports = calloc(shows + others, sizeof(*sql->reports));
	if (sql->reports == NULL)
		return;
	for (size_t i = 0; i < shows; i++)
		if (entries[i].show->fill != NULL)
			sql->reports[sql->report_count++] = (struct sql_rows){
			    .show = entries[i].show, .name = entries[i].name,
			    .schema = CONSOLE_DATABASE,
			    .admins_only = entries[i].admins_only };
	for (size_t i = 0; i < others; i++)
		sql->reports[sql->report_count++] = (struct sql_rows){
		    .show = &tables[i].show, .name = tables[i].name,
		    .schema = tables[i].schema };
}

static bool
execute(struct sql *sql, const char *text)
{
	return sqlite3_exec(sql->db, text, NULL, NULL, NULL) == SQLITE_OK;
}

bool
sql_create_tables(struct sql *sql)
{
	char text[256];

	if (sqlite3_create_module(sql->db, "report", &module, sql) !=
	    SQLITE_OK || !execute(sql, "PRAGMA temp_store = memory;"
	    "ATTACH ':memory:' AS pgbouncer;"
	    "ATTACH ':memory:' AS information_schema;"
	    "ATTACH ':memory:' AS pg_catalog"))
		return false;
	for (size_t i = 0; i < sql->report_count; i++) {
		snprintf(text, sizeof(text), "CREATE VIRTUAL TABLE %s.\"%s\" "
		    "USING report(%zu)", sql->reports[i].schema,
		    sql->reports[i].name, i);
		if (!execute(sql, text))
			return false;
	}
	return true;
}
