#include "admin/sql_parts.h"

#include <stdlib.h>

#include "base/clock.h"
#include "build.h"

#define OPCODES_PER_LOOK 1000

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
		const struct sql_rows *rows = &sql->reports[i];

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
		sql->stop = side == CONSOLE_PARENT ? SQL_STOP_PARENT :
		    SQL_STOP_TURN;
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
	if (sql->is_child && (clock_processor() >= SQL_MOST ||
	    elapsed >= SQL_LONGEST))
		sql->stop = SQL_STOP_MOST;
	else if (!sql->is_child && elapsed >= SQL_TURN)
		return split(sql);
	return sql->stop != SQL_STOP_NONE;
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
	{ SQLITE_LIMIT_COLUMN, SQL_COLUMNS_MOST },
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
	if (!sql_create_tables(sql) || !create_functions(sql))
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
	sql_list_reports(sql);
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
	sql_forget_rows(sql);
	free(sql->reports);
	free(sql);
}
