#include "admin/sql_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/reply.h"
#include "base/clock.h"
#include "wire/messages.h"

/* --- failures ------------------------------------------------------------ */

enum sql_verdict
sql_fail(struct sql_failure *failure, const char *sqlstate, const char *text)
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
		const struct sql_rows *rows = &sql->reports[i];

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

enum sql_verdict
sql_fail_by_sqlite(struct sql *sql, struct sql_failure *failure)
{
	switch (sql->stop) {
	case SQL_STOP_PARENT:
		return SQL_CHILD;
	case SQL_STOP_TURN:
		return sql_fail(failure, SQLSTATE_QUERY_CANCELED,
		    "query takes too long for this worker");
	case SQL_STOP_MOST:
		return sql_fail(failure, SQLSTATE_QUERY_CANCELED,
		    "canceling statement: it took more than 5 s of "
		    "processor time, or 30 s");
	default:
		break;
	}
	if (sql->refused)
		return sql_fail(failure, SQLSTATE_INSUFFICIENT_PRIVILEGE,
		    "admin access needed");
	switch (sqlite3_errcode(sql->db) & 0xff) {
	case SQLITE_NOMEM:
		return sql_fail(failure, SQLSTATE_OUT_OF_MEMORY,
		    "query needs too much memory");
	case SQLITE_TOOBIG:
		return sql_fail(failure, "54000", "text or value is too long");
	default:
		sql_fail(failure, SQLSTATE_SYNTAX_ERROR,
		    sqlite3_errmsg(sql->db));
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
	{ "date", 1082 }, { "timestamp", 1114 }, { "timestamptz", 1184 },
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

/* --- queries ------------------------------------------------------------- */

static bool
names_a_catalog(struct sql_span statement)
{
	static const char catalog[] = "pg_catalog.";

	return memmem(statement.at, (size_t)(statement.end -
	    statement.at), catalog, strlen(catalog)) != NULL;
}

/*
 * psql's \d and its kin ask PostgreSQL's catalogs in PostgreSQL's language:
 * which of its words SQLite stumbles over helps nobody.
 */
static enum sql_verdict
refuse_statement(struct sql *sql, struct sql_span statement,
    struct sql_failure *failure)
{
	enum sql_verdict verdict = sql_fail_by_sqlite(sql, failure);

	if (verdict == SQL_FAILED && names_a_catalog(statement))
		snprintf(failure->detail, sizeof(failure->detail),
		    "PostgreSQL's catalogs are not here, nor what asks them, "
		    "as \\d of psql; SELECT * FROM reports lists all reports "
		    "and their columns, SHOW HELP the commands.");
	return verdict;
}

static enum sql_verdict
prepare(struct sql *sql, const struct sql_query *query,
    sqlite3_stmt **statement_out, struct sql_failure *failure)
{
	struct buffer text = { 0 };
	int result;

	*statement_out = NULL;
	if (!sql_text_translate(query->statement, &text)) {
		buffer_clear(&text);
		return sql_fail(failure, SQLSTATE_OUT_OF_MEMORY, "no mem");
	}
	result = sqlite3_prepare_v2(sql->db, (const char *)buffer_front(&text),
	    (int)buffer_length(&text), statement_out, NULL);
	buffer_clear(&text);
	if (result != SQLITE_OK)
		return refuse_statement(sql, query->statement, failure);
	if (*statement_out == NULL || !sqlite3_stmt_readonly(*statement_out))
		return sql_fail(failure, SQLSTATE_SYNTAX_ERROR, "not a query");
	if (!bind_all(*statement_out, query))
		return sql_fail(failure, "42P02", "there is no parameter of "
		    "this number");
	return SQL_DONE;
}

static void
begin(struct sql *sql, const struct console_env *env, bool may_split)
{
	sql->env = env;
	sql->begun = clock_now();
	sql->stop = SQL_STOP_NONE;
	sql->may_split = may_split;
	sql->refused = false;
}

static void
end(struct sql_result *result)
{
	struct sql *sql = result->sql;

	sqlite3_finalize(result->statement);
	buffer_clear(&result->rows);
	free(result);
	sql_forget_rows(sql);
	sql->env = NULL;
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
	struct sql_result *result = calloc(1, sizeof(*result));
	size_t start = buffer_length(reply);
	enum sql_verdict verdict;

	if (result == NULL)
		return sql_fail(failure_out, SQLSTATE_OUT_OF_MEMORY, "no mem");
	begin(sql, env, true);
	result->sql = sql;
	verdict = prepare(sql, query, &result->statement, failure_out);
	if (verdict == SQL_DONE) {
		sql_result_take_columns(result);
		verdict = sql_result_answer(result, query, reply, failure_out);
	}
	end(result);
	if (sql->is_child)
		leave(env, verdict, failure_out, reply, start);
	return verdict;
}

static enum sql_verdict
look(struct sql_result *result, const struct sql_query *query,
    struct sql_failure *failure)
{
	enum sql_verdict verdict = prepare(result->sql, query,
	    &result->statement, failure);

	if (verdict != SQL_DONE)
		return verdict;
	sql_result_take_columns(result);
	return sql_result_look_for_types(result, failure);
}

/*
 * `WHERE database = $1` finds no row before $1 is known, but the types of
 * what it would find do not hang on it.  Where this fails they are texts.
 */
static void
look_wider(struct sql_result *result, const struct sql_query *query)
{
	struct sql_result *wide = calloc(1, sizeof(*wide));
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
			sql_result_adopt_types(result, wide);
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
	struct sql_result *result = calloc(1, sizeof(*result));
	enum sql_verdict verdict;

	if (result == NULL)
		return sql_fail(failure_out, SQLSTATE_OUT_OF_MEMORY, "no mem");
	begin(sql, env, false);
	result->sql = sql;
	verdict = look(result, query, failure_out);
	if (verdict == SQL_DONE && query->values == NULL &&
	    sql_result_has_unknown(result) &&
	    sql_text_parameters(query->statement) > 0)
		look_wider(result, query);
	if (verdict == SQL_DONE && !sql_result_add_description(result, reply))
		verdict = sql_fail(failure_out, SQLSTATE_OUT_OF_MEMORY,
		    "no mem");
	end(result);
	return verdict;
}
