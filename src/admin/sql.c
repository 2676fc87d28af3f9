/*
 * One database in memory for each worker, with a virtual table for each
 * report.  Rows of a report are kept as the messages that SHOW would send,
 * for the time of one query:
 *
 *	xFilter -- first time -- show->fill() --> messages, and where each
 *	                                          row of them begins
 *	xColumn -- the cell's text, as an integer if the column is one
 *
 * The result is collected as messages, too, before its RowDescription is
 * made: SQLite's values have types, its columns need not have one, so the
 * type of an expression is what its values turn out to be.
 */
#include "admin/sql.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/catalog.h"
#include "admin/reply.h"
#include "base/clock.h"
#include "base/invariant.h"
#include "build.h"
#include "wire/messages.h"

#define MOST_COLUMNS 200
#define OPCODES_PER_LOOK 1000
#define NAME_BYTES 256

struct rows {
	const struct show	*show;
	const char		*schema, *name;
	bool			 admins_only;
	bool			 filled;
	struct buffer		 messages;
	uint32_t		*starts;	/* of cells; [count] */
	uint32_t		 count;
};

enum stop {
	STOP_NONE = 0,
	STOP_TURN,	/* longer than a turn may take, and no child */
	STOP_MOST,	/* longer than a child may take */
	STOP_PARENT	/* the child goes on */
};

struct sql {
	sqlite3			*db;
	struct rows		*reports;
	size_t			 report_count;
	/* Of the query that runs: */
	const struct console_env *env;
	usec_t			 begun;
	enum stop		 stop;
	bool			 may_split;
	bool			 is_child;
	bool			 refused;	/* not for this user */
};

/* --- rows of a report ---------------------------------------------------- */

/* Notes where the cells of each DataRow begin, behind their number. */
static bool
find_rows(struct rows *rows)
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
fill(struct rows *rows, const struct console_env *env)
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
forget(struct rows *rows)
{
	buffer_clear(&rows->messages);
	free(rows->starts);
	rows->starts = NULL;
	rows->count = 0;
	rows->filled = false;
}

static void
forget_all(struct sql *sql)
{
	for (size_t i = 0; i < sql->report_count; i++)
		forget(&sql->reports[i]);
}

/* --- virtual tables ------------------------------------------------------ */

struct table {
	sqlite3_vtab	 base;
	struct sql	*sql;
	struct rows	*rows;
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
	const struct rows *rows = table_of(cursor)->rows;
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

/* --- who may do what ----------------------------------------------------- */

/* What may run: no step of these is long where texts are short. */
static const char *const functions[] = {
	"abs", "avg", "coalesce", "count", "group_concat", "iif", "ifnull",
	"length", "lower", "max", "min", "nullif", "round", "substr",
	"substring", "sum", "total", "typeof", "upper", "like", "glob",
	"instr", "replace", "row_number", "rank",
	"dense_rank", "lag", "lead", "first_value", "last_value", "ntile",
	"date", "time", "datetime", "julianday", "strftime", "unixepoch",
	"current_timestamp", "current_date", "current_time", "sign",
	"version", "current_user", "session_user", "current_role",
	"current_catalog", "current_schema", "current_database", "now",
	"pg_backend_pid", "pg_advisory_unlock_all", "pg_is_in_recovery",
	"current_setting", "set_config",
};

static bool
may_call(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(functions); i++)
		if (sqlite3_stricmp(functions[i], name) == 0)
			return true;
	return false;
}

/*
 * Where nothing but rows is asked for (count(*)) the schema is the one that is
 * written there, perhaps none; it may be the name of a part of the query, too.
 */
static bool
may_read(struct sql *sql, const char *schema, const char *name)
{
	for (size_t i = 0; i < sql->report_count; i++) {
		const struct rows *rows = &sql->reports[i];

		if (sqlite3_stricmp(rows->name, name) != 0 ||
		    (schema != NULL &&
		    sqlite3_stricmp(rows->schema, schema) != 0))
			continue;
		sql->refused = rows->admins_only && !sql->env->is_admin;
		return !sql->refused;
	}
	return schema == NULL;
}

static int
authorize(void *context, int action, const char *first, const char *second,
    const char *schema, const char *origin)
{
	struct sql *sql = context;

	if (sql->env == NULL)
		return SQLITE_OK;		/* sql_create() at work */
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_READ:
		return may_read(sql, schema, first) ? SQLITE_OK :
		    SQLITE_DENY;
	case SQLITE_FUNCTION:
		return may_call(second) ? SQLITE_OK : SQLITE_DENY;
	default:
		return SQLITE_DENY;
	}
}

/* True: stop here. */
static bool
split(struct sql *sql)
{
	const struct console_detach *detach = sql->env->detach;
	enum console_side side = !sql->may_split || detach == NULL ?
	    CONSOLE_SPLIT_FAILED : detach->split(detach->context);

	sql->is_child = side == CONSOLE_CHILD;
	if (!sql->is_child)
		sql->stop = side == CONSOLE_PARENT ? STOP_PARENT : STOP_TURN;
	return !sql->is_child;
}

static int
on_progress(void *context)
{
	struct sql *sql = context;
	usec_t elapsed;

	if (sql->env == NULL)
		return 0;
	elapsed = clock_now() - sql->begun;
	if (sql->is_child && elapsed >= SQL_MOST)
		sql->stop = STOP_MOST;
	else if (!sql->is_child && elapsed >= SQL_TURN)
		return split(sql);
	return sql->stop != STOP_NONE;
}

/* --- functions that PostgreSQL has --------------------------------------- */

static struct sql *
sql_of(sqlite3_context *result)
{
	return sqlite3_user_data(result);
}

static void
give(sqlite3_context *result, const char *text)
{
	sqlite3_result_text(result, text, -1, SQLITE_TRANSIENT);
}

static void
give_version(sqlite3_context *result, int count, sqlite3_value **values)
{
	give(result, "PgBouncer " PGBOUNCER_VERSION " (" PACKAGE_STRING ")");
}

static void
give_user(sqlite3_context *result, int count, sqlite3_value **values)
{
	const char *user = sql_of(result)->env->user;

	give(result, user == NULL ? CONSOLE_USER : user);
}

static void
give_database(sqlite3_context *result, int count, sqlite3_value **values)
{
	give(result, CONSOLE_DATABASE);
}

static void
give_now(sqlite3_context *result, int count, sqlite3_value **values)
{
	char text[64];

	clock_format(clock_now(), text, sizeof(text));
	give(result, text);
}

static void
give_worker(sqlite3_context *result, int count, sqlite3_value **values)
{
	const struct sql *sql = sql_of(result);

	sqlite3_result_int64(result, atomic_load(
	    &sql->env->segment->roster[sql->env->worker].pid));
}

static void
give_nothing(sqlite3_context *result, int count, sqlite3_value **values)
{
}

static void
give_false(sqlite3_context *result, int count, sqlite3_value **values)
{
	sqlite3_result_int(result, 0);
}

static void
give_setting(sqlite3_context *result, int count, sqlite3_value **values)
{
	const char *name = (const char *)sqlite3_value_text(values[0]);
	const char *value = name == NULL ? NULL : show_faked_parameter(name);

	if (value != NULL)
		give(result, value);
}

/* Nothing is set; who sets something is told what it would be. */
static void
set_setting(sqlite3_context *result, int count, sqlite3_value **values)
{
	sqlite3_result_value(result, values[1]);
}

static const struct {
	const char	*name;
	int		 arguments;
	void		(*call)(sqlite3_context *, int, sqlite3_value **);
} own_functions[] = {
	{ "version", 0, give_version },
	{ "current_user", 0, give_user },
	{ "session_user", 0, give_user },
	{ "current_role", 0, give_user },
	{ "current_catalog", 0, give_database },
	{ "current_database", 0, give_database },
	{ "current_schema", 0, give_database },
	{ "now", 0, give_now },
	{ "pg_backend_pid", 0, give_worker },
	{ "pg_advisory_unlock_all", 0, give_nothing },
	{ "pg_is_in_recovery", 0, give_false },
	{ "current_setting", 1, give_setting },
	{ "current_setting", 2, give_setting },
	{ "set_config", 3, set_setting },
};

/* --- making the database ------------------------------------------------- */

/*
 * With texts of at most 16 KiB the dearest single step, a LIKE with many `%`
 * or a replace(), takes a millisecond or a few.  trim() of a set of
 * characters would take much more, so it is not among the functions.
 */
static const struct {
	int	what, value;
} limits[] = {
	{ SQLITE_LIMIT_LENGTH, 1 << 14 },
	{ SQLITE_LIMIT_SQL_LENGTH, 1 << 14 },
	{ SQLITE_LIMIT_COLUMN, MOST_COLUMNS },
	{ SQLITE_LIMIT_EXPR_DEPTH, 60 },
	{ SQLITE_LIMIT_COMPOUND_SELECT, 20 },
	{ SQLITE_LIMIT_VDBE_OP, 25000 },
	{ SQLITE_LIMIT_FUNCTION_ARG, 32 },
	{ SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 64 },
	{ SQLITE_LIMIT_VARIABLE_NUMBER, SQL_PARAMETERS },
	{ SQLITE_LIMIT_TRIGGER_DEPTH, 1 },
	{ SQLITE_LIMIT_WORKER_THREADS, 0 },
	{ SQLITE_LIMIT_ATTACHED, 3 },
};

static void
list_reports(struct sql *sql)
{
	size_t shows, others;
	const struct show_entry *entries = show_entries(&shows);
	const struct catalog_table *tables = catalog_tables(&others);

	sql->reports = calloc(shows + others, sizeof(*sql->reports));
	if (sql->reports == NULL)
		return;
	for (size_t i = 0; i < shows; i++)
		if (entries[i].show->fill != NULL)
			sql->reports[sql->report_count++] = (struct rows){
			    .show = entries[i].show, .name = entries[i].name,
			    .schema = CONSOLE_DATABASE,
			    .admins_only = entries[i].admins_only };
	for (size_t i = 0; i < others; i++)
		sql->reports[sql->report_count++] = (struct rows){
		    .show = &tables[i].show, .name = tables[i].name,
		    .schema = tables[i].schema };
}

static bool
execute(struct sql *sql, const char *text)
{
	return sqlite3_exec(sql->db, text, NULL, NULL, NULL) == SQLITE_OK;
}

static bool
create_tables(struct sql *sql)
{
	char text[256];

	if (!execute(sql, "PRAGMA temp_store = memory;"
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

static bool
create_functions(struct sql *sql)
{
	for (size_t i = 0; i < ARRAY_LENGTH(own_functions); i++)
		if (sqlite3_create_function(sql->db, own_functions[i].name,
		    own_functions[i].arguments, SQLITE_UTF8, sql,
		    own_functions[i].call, NULL, NULL) != SQLITE_OK)
			return false;
	return true;
}

static bool
set_up(struct sql *sql)
{
	if (sqlite3_open_v2(":memory:", &sql->db, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX,
	    NULL) != SQLITE_OK)
		return false;
	sqlite3_hard_heap_limit64(SQL_MEMORY_BYTES);
	/* "x" is a name, never a text, or a typing error would be one. */
	sqlite3_db_config(sql->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(sql->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_db_config(sql->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0,
	    NULL);
	if (sqlite3_create_module(sql->db, "report", &module, sql) !=
	    SQLITE_OK || !create_tables(sql) || !create_functions(sql))
		return false;
	for (size_t i = 0; i < ARRAY_LENGTH(limits); i++)
		sqlite3_limit(sql->db, limits[i].what, limits[i].value);
	sqlite3_set_authorizer(sql->db, authorize, sql);
	sqlite3_progress_handler(sql->db, OPCODES_PER_LOOK, on_progress, sql);
	return true;
}

struct sql *
sql_create(void)
{
	struct sql *sql = calloc(1, sizeof(*sql));

	if (sql == NULL)
		return NULL;
	list_reports(sql);
	if (sql->reports == NULL || !set_up(sql)) {
		sql_destroy(sql);
		return NULL;
	}
	return sql;
}

void
sql_destroy(struct sql *sql)
{
	if (sql == NULL)
		return;
	sqlite3_close_v2(sql->db);
	forget_all(sql);
	free(sql->reports);
	free(sql);
}

/* --- failures ------------------------------------------------------------ */

static enum sql_verdict
fail(struct sql_failure *failure, const char *sqlstate, const char *text)
{
	*failure = (struct sql_failure){ .text = "" };
	snprintf(failure->sqlstate, sizeof(failure->sqlstate), "%s", sqlstate);
	snprintf(failure->text, sizeof(failure->text), "%s", text);
	return SQL_FAILED;
}

/* "pools, clients, …" for who asked for what there is not. */
static void
name_reports(struct sql *sql, struct sql_failure *failure)
{
	size_t used = (size_t)snprintf(failure->detail,
	    sizeof(failure->detail), "There are:");

	for (size_t i = 0; i < sql->report_count; i++) {
		const struct rows *rows = &sql->reports[i];

		if (strcmp(rows->schema, CONSOLE_DATABASE) == 0 &&
		    used < sizeof(failure->detail))
			used += (size_t)snprintf(failure->detail + used,
			    sizeof(failure->detail) - used, " %s", rows->name);
	}
	for (char *at = failure->detail + strlen("There are:"); *at != '\0';
	    at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
}

/* SQLite tells them apart by their texts alone. */
static const struct {
	const char	*begins, *contains, *sqlstate, *detail;
} errors[] = {
	{ "no such table: ", "", "42P01", "" },
	{ "no such column: ", "", "42703",
	    "SELECT * FROM reports lists the columns of all reports; texts "
	    "stand in single quotes." },
	{ "no such function: ", "", "42883", "" },
	{ "wrong number of arguments", "", "42883", "" },
	{ "not authorized to use function", "", "42883", "" },
	{ "ambiguous column name", "", "42702", "" },
	{ "misuse of aggregate", "", "42803", "" },
	{ "unrecognized token: \":\"", "", "42601",
	    "A type is given as CAST(expression AS type), or as $1::type." },
	{ "", "syntax error", "42601", "" },
	{ "incomplete input", "", "42601", "" },
	{ "unrecognized token", "", "42601", "" },
	{ "table ", "may not be modified", "42501",
	    "The console reads reports and does nothing else in SQL." },
	{ "not authorized", "", "42501",
	    "The console reads reports and does nothing else in SQL." },
	{ "access to ", "prohibited", "42501",
	    "The console reads reports and does nothing else in SQL." },
};

static void
explain(struct sql *sql, struct sql_failure *failure)
{
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		if (strncmp(failure->text, errors[i].begins,
		    strlen(errors[i].begins)) != 0 ||
		    strstr(failure->text, errors[i].contains) == NULL)
			continue;
		strcpy(failure->sqlstate, errors[i].sqlstate);
		snprintf(failure->detail, sizeof(failure->detail), "%s",
		    errors[i].detail);
		if (i == 0)
			name_reports(sql, failure);
		return;
	}
}

static enum sql_verdict
fail_by_sqlite(struct sql *sql, struct sql_failure *failure)
{
	switch (sql->stop) {
	case STOP_PARENT:
		return SQL_CHILD;
	case STOP_TURN:
		return fail(failure, SQLSTATE_QUERY_CANCELED,
		    "query takes too long for this worker");
	case STOP_MOST:
		return fail(failure, SQLSTATE_QUERY_CANCELED,
		    "canceling statement: it took more than 5 s");
	default:
		break;
	}
	if (sql->refused)
		return fail(failure, SQLSTATE_INSUFFICIENT_PRIVILEGE,
		    "admin access needed");
	switch (sqlite3_errcode(sql->db) & 0xff) {
	case SQLITE_NOMEM:
		return fail(failure, SQLSTATE_OUT_OF_MEMORY,
		    "query needs too much memory");
	case SQLITE_TOOBIG:
		return fail(failure, "54000", "text or value is too long");
	default:
		fail(failure, SQLSTATE_SYNTAX_ERROR, sqlite3_errmsg(sql->db));
		explain(sql, failure);
		return SQL_FAILED;
	}
}

/* --- parameters ---------------------------------------------------------- */

static const struct {
	const char	*name;
	uint32_t	 oid;
} cast_types[] = {
	{ "int", 23 }, { "int4", 23 }, { "integer", 23 }, { "int2", 21 },
	{ "smallint", 21 }, { "int8", 20 }, { "bigint", 20 }, { "text", 25 },
	{ "varchar", 1043 }, { "float8", 701 }, { "float", 701 },
	{ "numeric", 1700 }, { "bool", 16 }, { "boolean", 16 },
};

static uint32_t
type_of_cast(struct sql_span word)
{
	for (size_t i = 0; i < ARRAY_LENGTH(cast_types); i++)
		if (sql_text_matches(word, cast_types[i].name))
			return cast_types[i].oid;
	return 0;
}

/* A `$`, digits, and perhaps `::` and a word. */
static void
note_cast(const char *at, const char *end, uint32_t types[SQL_PARAMETERS])
{
	unsigned long number = strtoul(at, NULL, 10);

	while (at < end && *at >= '0' && *at <= '9')
		at++;
	if (number == 0 || number > SQL_PARAMETERS || end - at < 3 ||
	    at[0] != ':' || at[1] != ':')
		return;
	at += 2;
	types[number - 1] = type_of_cast(sql_text_token(&at, end));
}

bool
sql_parameter_types(struct sql_span statement,
    uint32_t types_out[SQL_PARAMETERS], unsigned *count_out)
{
	const char *at = statement.at;
	unsigned count = sql_text_parameters(statement);

	memset(types_out, 0, SQL_PARAMETERS * sizeof(*types_out));
	*count_out = count;
	if (count > SQL_PARAMETERS)
		return false;
	for (;;) {
		struct sql_span token = sql_text_token(&at, statement.end);

		if (token.at == statement.end)
			return true;
		if (*token.at == '$')
			note_cast(at, statement.end, types_out);
	}
}

static int
bind_one(sqlite3_stmt *statement, int place, const struct sql_value *value)
{
	char digits[64];

	if (value->text == NULL)
		return sqlite3_bind_null(statement, place);
	snprintf(digits, sizeof(digits), "%.*s", value->length > 60 ? 60 :
	    (int)value->length, value->text);
	switch (value->type) {
	case 16:
		return sqlite3_bind_int(statement, place, digits[0] == 't' ||
		    digits[0] == '1');
	case 20:
	case 21:
	case 23:
		return sqlite3_bind_int64(statement, place,
		    strtoll(digits, NULL, 10));
	case 700:
	case 701:
	case 1700:
		return sqlite3_bind_double(statement, place,
		    strtod(digits, NULL));
	default:
		return sqlite3_bind_text(statement, place, value->text,
		    (int)value->length, SQLITE_TRANSIENT);
	}
}

/* False: there is one without a value, or SQLite refuses. */
static bool
bind_all(sqlite3_stmt *statement, const struct sql_query *query)
{
	static const struct sql_value none = { NULL, 0, 0 };
	int count = sqlite3_bind_parameter_count(statement);

	for (int i = 1; i <= count; i++) {
		const char *name = sqlite3_bind_parameter_name(statement, i);
		unsigned long number = name == NULL || name[0] != '$' ? 0 :
		    strtoul(name + 1, NULL, 10);

		if (number == 0 || (query->values != NULL &&
		    number > query->value_count))
			return false;
		if (bind_one(statement, i, query->values == NULL ? &none :
		    &query->values[number - 1]) != SQLITE_OK)
			return false;
	}
	return true;
}

/* --- results ------------------------------------------------------------- */

struct result {
	struct sql		*sql;
	sqlite3_stmt		*statement;
	unsigned		 width;
	struct report_column	 columns[MOST_COLUMNS];	/* type 0: unknown */
	bool			 declared[MOST_COLUMNS];
	char			 names[MOST_COLUMNS][NAME_BYTES];
	struct buffer		 rows;
	struct report		 report;
	unsigned		 count;
};

/* As PostgreSQL names what has no name: `sum`, not `sum(cl_waiting)`. */
static void
name_column(struct result *result, unsigned i)
{
	const char *name = sqlite3_column_name(result->statement, (int)i);
	char *copy = result->names[i];
	size_t length;

	snprintf(copy, NAME_BYTES, "%s", name == NULL ? "?column?" : name);
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

static void
take_columns(struct result *result)
{
	result->width = (unsigned)sqlite3_column_count(result->statement);
	INVARIANT(result->width <= MOST_COLUMNS);
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
note_type(struct result *result, unsigned i)
{
	int type = sqlite3_column_type(result->statement, (int)i);

	if (type != SQLITE_NULL && !result->declared[i])
		result->columns[i].type = common_type(result->columns[i].type,
		    type_of_value(type));
}

static void
take_cell(struct result *result, unsigned i)
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
collect(struct result *result, struct sql_failure *failure)
{
	static const struct report_column any = { "", REPORT_TEXT };
	struct report_column columns[MOST_COLUMNS];
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
			return fail(failure, SQLSTATE_OUT_OF_MEMORY,
			    "no mem");
		if (buffer_length(&result->rows) > SQL_RESULT_BYTES)
			return fail(failure, "54000",
			    "result is larger than 16 MiB");
	}
	return step == SQLITE_DONE ? SQL_DONE :
	    fail_by_sqlite(result->sql, failure);
}

static bool
has_unknown(const struct result *result)
{
	for (unsigned i = 0; i < result->width; i++)
		if (result->columns[i].type == 0)
			return true;
	return false;
}

/* Those that are unknown so far, found in a query of the same columns. */
static void
adopt_types(struct result *result, const struct result *other)
{
	for (unsigned i = 0; i < result->width && i < other->width; i++)
		if (result->columns[i].type == 0)
			result->columns[i].type = other->columns[i].type;
}

/* A look at the rows, as far as time allows and types are unknown. */
static enum sql_verdict
look_for_types(struct result *result, struct sql_failure *failure)
{
	int step = SQLITE_ROW;

	while (has_unknown(result) && step == SQLITE_ROW) {
		step = sqlite3_step(result->statement);
		for (unsigned i = 0; step == SQLITE_ROW && i < result->width;
		    i++)
			note_type(result, i);
	}
	if (step == SQLITE_ROW || step == SQLITE_DONE ||
	    result->sql->stop == STOP_TURN)
		return SQL_DONE;
	return fail_by_sqlite(result->sql, failure);
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
check_announced(const struct result *result, const struct sql_query *query,
    struct sql_failure *failure)
{
	if (query->announced == NULL)
		return SQL_DONE;
	for (unsigned i = 0; i < result->width; i++)
		if (i >= query->announced_count || !fits(
		    result->columns[i].type, query->announced[i])) {
			fail(failure, "42804", "result has another type than "
			    "the one that was announced");
			snprintf(failure->detail, sizeof(failure->detail),
			    "It is column %u; give it a type with CAST.",
			    i + 1);
			return SQL_FAILED;
		}
	return SQL_DONE;
}

static bool
add_description(struct result *result, struct buffer *reply)
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
hand_over(struct result *result, struct buffer *reply,
    struct sql_failure *failure)
{
	size_t start = buffer_length(reply);
	struct reader rows = reader_of(buffer_front(&result->rows),
	    buffer_length(&result->rows));
	char tag[32];

	snprintf(tag, sizeof(tag), "SELECT %u", result->count);
	reader_u8(&rows);
	reader_take(&rows, reader_u32(&rows) - 4);
	if (add_description(result, reply) &&
	    (reader_left(&rows) == 0 || buffer_append(reply, rows.at,
	    reader_left(&rows))) && reply_complete(reply, tag))
		return SQL_DONE;
	if (start == 0)
		buffer_clear(reply);
	else
		reply->to = reply->from + (uint32_t)start;
	return fail(failure, SQLSTATE_OUT_OF_MEMORY, "no mem");
}

/* --- queries ------------------------------------------------------------- */

static enum sql_verdict
prepare(struct sql *sql, const struct sql_query *query,
    sqlite3_stmt **statement_out, struct sql_failure *failure)
{
	struct buffer text = { 0 };
	int result;

	*statement_out = NULL;
	if (!sql_text_translate(query->statement, &text)) {
		buffer_clear(&text);
		return fail(failure, SQLSTATE_OUT_OF_MEMORY, "no mem");
	}
	result = sqlite3_prepare_v2(sql->db, (const char *)buffer_front(&text),
	    (int)buffer_length(&text), statement_out, NULL);
	buffer_clear(&text);
	if (result != SQLITE_OK)
		return fail_by_sqlite(sql, failure);
	if (*statement_out == NULL || !sqlite3_stmt_readonly(*statement_out))
		return fail(failure, SQLSTATE_SYNTAX_ERROR, "not a query");
	if (!bind_all(*statement_out, query))
		return fail(failure, "42P02", "there is no parameter of this "
		    "number");
	return SQL_DONE;
}

static void
begin(struct sql *sql, const struct console_env *env, bool may_split)
{
	sql->env = env;
	sql->begun = clock_now();
	sql->stop = STOP_NONE;
	sql->may_split = may_split;
	sql->refused = false;
}

static void
end(struct result *result)
{
	struct sql *sql = result->sql;

	sqlite3_finalize(result->statement);
	buffer_clear(&result->rows);
	free(result);
	forget_all(sql);
	sql->env = NULL;
}

static enum sql_verdict
answer(struct result *result, const struct sql_query *query,
    struct buffer *reply, struct sql_failure *failure)
{
	enum sql_verdict verdict = collect(result, failure);

	if (verdict == SQL_DONE)
		verdict = check_announced(result, query, failure);
	return verdict == SQL_DONE ? hand_over(result, reply, failure) :
	    verdict;
}

/*
 * The child has come here as the worker would have, and leaves: nothing else
 * of what it has inherited is its business.
 */
static void
leave(const struct console_env *env, enum sql_verdict verdict,
    const struct sql_failure *failure, const struct buffer *reply,
    size_t start)
{
	struct buffer error = { 0 };

	if (verdict == SQL_DONE)
		env->detach->deliver(env->detach->context,
		    buffer_front(reply) + start,
		    buffer_length(reply) - start);
	if (reply_error(&error, failure->sqlstate, failure->text,
	    failure->detail[0] == '\0' ? NULL : failure->detail))
		env->detach->deliver(env->detach->context,
		    buffer_front(&error), buffer_length(&error));
	env->detach->deliver(env->detach->context, NULL, 0);
}

enum sql_verdict
sql_run(struct sql *sql, const struct console_env *env,
    const struct sql_query *query, struct buffer *reply,
    struct sql_failure *failure_out)
{
	struct result *result = calloc(1, sizeof(*result));
	size_t start = buffer_length(reply);
	enum sql_verdict verdict;

	if (result == NULL)
		return fail(failure_out, SQLSTATE_OUT_OF_MEMORY, "no mem");
	begin(sql, env, true);
	result->sql = sql;
	verdict = prepare(sql, query, &result->statement, failure_out);
	if (verdict == SQL_DONE) {
		take_columns(result);
		verdict = answer(result, query, reply, failure_out);
	}
	end(result);
	if (sql->is_child)
		leave(env, verdict, failure_out, reply, start);
	return verdict;
}

static enum sql_verdict
look(struct result *result, const struct sql_query *query,
    struct sql_failure *failure)
{
	enum sql_verdict verdict = prepare(result->sql, query,
	    &result->statement, failure);

	if (verdict != SQL_DONE)
		return verdict;
	take_columns(result);
	return look_for_types(result, failure);
}

/*
 * `WHERE database = $1` finds no row before $1 is known, but the types of
 * what it would find do not hang on it.  Where this fails they are texts.
 */
static void
look_wider(struct result *result, const struct sql_query *query)
{
	struct result *wide = calloc(1, sizeof(*wide));
	struct sql_query wide_query = { .value_count = 0 };
	struct sql_failure ignored;
	struct buffer text = { 0 };

	if (wide != NULL && sql_text_widen(query->statement, &text) &&
	    buffer_length(&text) > 0) {
		wide->sql = result->sql;
		wide_query.statement.at = (const char *)buffer_front(&text);
		wide_query.statement.end = wide_query.statement.at +
		    buffer_length(&text);
		if (look(wide, &wide_query, &ignored) == SQL_DONE)
			adopt_types(result, wide);
		sqlite3_finalize(wide->statement);
	}
	buffer_clear(&text);
	free(wide);
}

enum sql_verdict
sql_describe(struct sql *sql, const struct console_env *env,
    const struct sql_query *query, struct buffer *reply,
    struct sql_failure *failure_out)
{
	struct result *result = calloc(1, sizeof(*result));
	enum sql_verdict verdict;

	if (result == NULL)
		return fail(failure_out, SQLSTATE_OUT_OF_MEMORY, "no mem");
	begin(sql, env, false);
	result->sql = sql;
	verdict = look(result, query, failure_out);
	if (verdict == SQL_DONE && query->values == NULL &&
	    has_unknown(result) && sql_text_parameters(query->statement) > 0)
		look_wider(result, query);
	if (verdict == SQL_DONE && !add_description(result, reply))
		verdict = fail(failure_out, SQLSTATE_OUT_OF_MEMORY, "no mem");
	end(result);
	return verdict;
}
