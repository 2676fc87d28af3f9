#include "admin/console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "build.h"

#include "admin/commands.h"
#include "admin/courtesy.h"
#include "admin/reply.h"
#include "admin/run.h"
#include "admin/show.h"
#include "admin/sql.h"
#include "admin/visit.h"
#include "base/log.h"
#include "wire/messages.h"

/* So much is answered to one text, or a little more; then it ends. */
#define REPLY_MOST (16u << 20)

enum console_access
console_access(const struct config *config, const char *user)
{
	if (config_is_admin(config, user))
		return CONSOLE_ADMIN;
	if (config_is_stats(config, user) ||
	    config->auth_type == AUTH_TYPE_ANY)
		return CONSOLE_STATS;
	return CONSOLE_NONE;
}

bool
console_login_messages(struct buffer *reply)
{
	static const struct {
		const char *name, *value;
	} parameters[] = {
		{ "server_version", PGBOUNCER_VERSION "/bouncer" },
		{ "client_encoding", "UTF8" },
		{ "server_encoding", "UTF8" },
		{ "DateStyle", "ISO" },
		{ "TimeZone", "GMT" },
		{ "standard_conforming_strings", "on" },
		{ "is_superuser", "on" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(parameters); i++)
		if (!reply_parameter(reply, parameters[i].name,
		    parameters[i].value))
			return false;
	return true;
}

/* --- replies ------------------------------------------------------------- */

void
console_log_refusal(const struct console_env *env, const char *text,
    const char *detail)
{
	if (detail == NULL)
		log_error("%s", text);
	else
		log_error("%s: %s", text, detail);
	if (env->config->log_pooler_errors)
		log_warning("pooler error: %s", text);
}

bool
console_ready(const struct console_env *env, struct buffer *reply)
{
	return reply_ready(reply, visit_in_transaction(env->visit) ?
	    TRANSACTION_OPEN : TRANSACTION_NONE);
}

bool
console_fail(const struct console_env *env, const char *sqlstate,
    const char *text, const char *detail, struct buffer *reply)
{
	console_log_refusal(env, text, detail);
	return reply_error(reply, sqlstate, text, detail) &&
	    (visit_end_execute(env->visit, true) ||
	    console_ready(env, reply));
}

enum console_outcome
run_refuse(struct run *run, const char *format, ...)
{
	char text[REPLY_TEXT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	console_log_refusal(run->env, text, NULL);
	run->refused = true;
	if (!reply_error(run->reply, SQLSTATE_PROTOCOL_VIOLATION, text, NULL))
		run->no_memory = true;
	return CONSOLE_DONE;
}

enum console_outcome
run_refuse_invalid(struct run *run)
{
	int shown = run->length < REPLY_TEXT_BYTES ? (int)run->length :
	    REPLY_TEXT_BYTES;

	return run_refuse(run, "invalid command '%.*s', use SHOW HELP;",
	    shown, run->length == 0 ? "" : run->text);
}

enum console_outcome
run_done(struct run *run, const char *tag)
{
	if (!reply_complete(run->reply, tag))
		run->no_memory = true;
	return CONSOLE_DONE;
}

/* --- statements ---------------------------------------------------------- */

static enum console_outcome
run_show(struct run *run)
{
	switch (show_run(run->env, run->statement.argument, run->reply)) {
	case SHOW_DONE:
		return CONSOLE_DONE;
	case SHOW_NO_MEMORY:
		return run_refuse(run, "no mem");
	case SHOW_REFUSED:
		return run_refuse(run, "admin access needed");
	default:
		return run_refuse_invalid(run);
	}
}

/* A SET that drivers send by themselves; everybody may. */
static bool
is_faked_set(const struct statement *statement)
{
	return statement->assigns &&
	    show_faked_parameter(statement->argument) != NULL;
}

static enum console_outcome
ignore_set(struct run *run)
{
	if (!reply_notice(run->reply, "SET ignored", NULL))
		run->no_memory = true;
	return run_done(run, "SET");
}

static enum console_outcome
run_statement(struct run *run)
{
	const struct statement *statement = &run->statement;

	if (strcasecmp(statement->command, "SHOW") == 0 ||
	    strcasecmp(statement->command, "SELECT") == 0)
		return run_show(run);
	if (is_faked_set(statement))
		return ignore_set(run);
	return commands_run(run);
}

/* --- SQL ----------------------------------------------------------------- */

/* SELECT name is SHOW name, as PgBouncer has it, if there is such a report. */
static bool
is_select_for_show(struct sql_span statement)
{
	struct statements left = { statement.at, statement.end };
	struct statement taken;
	const char *at = statement.at;

	return sql_text_matches(sql_text_token(&at, statement.end),
	    "SELECT") && statements_take(&left, &taken) == STATEMENT_GOOD &&
	    show_knows(taken.argument);
}

bool
console_is_sql(const struct console_env *env, struct sql_span statement)
{
	return env->sql != NULL &&
	    sql_text_is_query(statement.at, statement.end) &&
	    !is_select_for_show(statement);
}

static enum console_outcome
fail_sql(struct run *run, const struct sql_failure *failure)
{
	const char *detail = failure->detail[0] == '\0' ? NULL :
	    failure->detail;

	console_log_refusal(run->env, failure->text, detail);
	run->refused = true;
	if (!reply_error(run->reply, failure->sqlstate, failure->text,
	    detail))
		run->no_memory = true;
	return CONSOLE_DONE;
}

static enum console_outcome
run_sql(struct run *run, struct sql_span statement)
{
	const struct console_single *single = run->single;
	struct sql_query query = { .statement = statement };
	struct sql_failure failure;

	if (single != NULL)
		query = (struct sql_query){ statement, single->values,
		    single->value_count, single->announced,
		    single->announced_count };
	switch (sql_run(run->env->sql, run->env, &query, run->reply,
	    &failure)) {
	case SQL_DONE:
		return CONSOLE_DONE;
	case SQL_CHILD:
		return CONSOLE_RUNS;
	default:
		return fail_sql(run, &failure);
	}
}

bool
console_describe(const struct console_env *env, struct sql_span statement,
    struct buffer *out)
{
	struct statements left = { statement.at, statement.end };
	struct statement taken;

	if (statements_take(&left, &taken) != STATEMENT_GOOD)
		return courtesy_describe(statement, out);
	return show_describe(env, taken.argument, out);
}

/* --- one after the other ------------------------------------------------- */

static enum console_outcome
take_command(struct run *run, struct statements *left)
{
	run->text = left->at;
	run->length = (size_t)(left->end - left->at);
	switch (statements_take(left, &run->statement)) {
	case STATEMENT_INVALID:
		return run_refuse_invalid(run);
	case STATEMENT_TOO_LONG:
		return run_refuse(run, "bad arguments");
	default:
		return run_statement(run);
	}
}

/* Of comments and `;` alone: drivers ask so whether we live. */
static bool
says_nothing(const struct statements *left)
{
	const char *at = sql_text_skip(left->at, left->end);

	if (at < left->end)
		return *at == ';';
	return !statements_done(left);
}

static enum console_outcome
say_nothing(struct run *run)
{
	if (!reply_empty(run->reply))
		run->no_memory = true;
	return CONSOLE_DONE;
}

/* What a comment is in front of; blanks alone belong to the text. */
static void
skip_comments(struct statements *left)
{
	struct statements blanks = *left;
	const char *at = sql_text_skip(left->at, left->end);

	statements_skip_blanks(&blanks);
	if (at != blanks.at)
		left->at = at;
}

static enum console_outcome
take_statement(struct run *run, struct statements *left)
{
	struct sql_span statement;

	if (left->at != NULL && says_nothing(left)) {
		left->at = sql_text_skip(left->at, left->end);
		left->at += left->at < left->end;
		return say_nothing(run);
	}
	if (left->at == NULL)
		return take_command(run, left);
	skip_comments(left);
	statement.at = sql_text_skip(left->at, left->end);
	statement.end = sql_text_end(left->at, left->end);
	if (console_is_sql(run->env, statement)) {
		left->at = statement.end + (statement.end < left->end);
		return run_sql(run, statement);
	}
	if (courtesy_run(run, statement)) {
		left->at = statement.end + (statement.end < left->end);
		return CONSOLE_DONE;
	}
	return take_command(run, left);
}

/* What comes later, when the waiting is over, or never. */
static bool
is_open(enum console_outcome outcome)
{
	return outcome != CONSOLE_DONE && outcome != CONSOLE_CLOSE;
}

/* Behind a statement: `;`, blanks and comments. */
static void
skip_nothing(struct statements *left)
{
	statements_skip_empty(left);
	while (left->at < left->end && says_nothing(left)) {
		left->at = sql_text_skip(left->at, left->end);
		statements_skip_empty(left);
	}
}

/* A short text can ask for much, over and over. */
static void
refuse_more(struct run *run)
{
	const struct sql_failure failure = { .sqlstate = "54000",
	    .text = "answers are larger than 16 MiB" };

	(void)fail_sql(run, &failure);
}

/* One after the other; what is open or refused is the last for now. */
static enum console_outcome
run_statements(struct run *run, struct statements left)
{
	enum console_outcome outcome;

	do {
		outcome = take_statement(run, &left);
		if (run->no_memory)
			return CONSOLE_CLOSE;
		if (run->refused)
			break;
		skip_nothing(&left);
		if (left.at < left.end &&
		    buffer_length(run->reply) > REPLY_MOST) {
			refuse_more(run);
			break;
		}
		run->order->rest = left.at;
		run->order->rest_length = (size_t)(left.end - left.at);
		if (is_open(outcome))
			return outcome;
	} while (left.at < left.end);
	return console_ready(run->env, run->reply) ? CONSOLE_DONE :
	    CONSOLE_CLOSE;
}

static void
clear_order(struct console_order *order)
{
	memset(order, 0, sizeof(*order));
	order->wait.database = order->wait.client = NO_ROW;
}

enum console_outcome
console_query(const struct console_env *env, const char *text, size_t length,
    struct buffer *reply, struct console_order *order_out)
{
	struct run run = { .env = env, .reply = reply, .order = order_out };

	clear_order(order_out);
	return run_statements(&run, statements_of(text, length));
}

enum console_outcome
console_run_single(const struct console_env *env,
    struct console_single *single, struct buffer *reply,
    struct console_order *order)
{
	struct run run = { .env = env, .reply = reply, .order = order,
	    .single = single };
	struct statements left = { single->statement.at,
	    single->statement.end };
	enum console_outcome outcome;

	clear_order(order);
	outcome = left.at == left.end ? say_nothing(&run) :
	    take_statement(&run, &left);
	single->refused = run.refused;
	return run.no_memory ? CONSOLE_CLOSE : outcome;
}

/* True: the result is an error. */
static bool
is_refusal(const struct console_done *done)
{
	return done->has_result && (done->result_length == 0 ||
	    *(const uint8_t *)done->result == MESSAGE_ERROR_RESPONSE);
}

static bool
add_result(const struct console_env *env, const struct console_done *done,
    struct buffer *reply)
{
	if (!done->has_result)
		return true;
	if (done->result_length == 0)
		return reply_error(reply, SQLSTATE_INTERNAL_ERROR,
		    "the process that ran the query has died", NULL);
	if (visit_wants_result(env->visit))
		return visit_take_result(env->visit, done->result,
		    done->result_length, reply);
	return buffer_append(reply, done->result, done->result_length);
}

enum console_outcome
console_continue(const struct console_env *env,
    const struct console_done *done, struct buffer *reply,
    struct console_order *order_out)
{
	bool has_notice = done->notice != NULL && done->notice[0] != '\0';

	clear_order(order_out);
	if ((has_notice && !reply_notice(reply, done->notice, NULL)) ||
	    (done->tag != NULL && !reply_complete(reply, done->tag)) ||
	    !add_result(env, done, reply))
		return CONSOLE_CLOSE;
	if (visit_end_execute(env->visit, is_refusal(done)))
		return CONSOLE_DONE;
	if (done->rest_length > 0 && !is_refusal(done))
		return console_query(env, done->rest, done->rest_length,
		    reply, order_out);
	return console_ready(env, reply) ? CONSOLE_DONE : CONSOLE_CLOSE;
}

/* --- messages ------------------------------------------------------------ */

static enum console_outcome
refuse_message(const struct console_env *env, uint8_t type,
    struct buffer *reply)
{
	char text[REPLY_TEXT_BYTES];

	if (type == MESSAGE_PARSE || type == MESSAGE_BIND ||
	    type == MESSAGE_EXECUTE)
		snprintf(text, sizeof(text), "extended query protocol not "
		    "supported by admin console");
	else
		snprintf(text, sizeof(text), "unsupported packet type for "
		    "admin console: %u", type);
	if (console_fail(env, SQLSTATE_PROTOCOL_VIOLATION, text, NULL, reply))
		reply_fatal(reply, "bad packet");
	return CONSOLE_CLOSE;
}

enum console_outcome
console_message(const struct console_env *env,
    const struct console_message *message, struct buffer *reply,
    struct console_order *order_out)
{
	const char *text;

	clear_order(order_out);
	if (message->type == MESSAGE_TERMINATE)
		return CONSOLE_CLOSE;
	if (visit_skips(env->visit, message->type))
		return CONSOLE_DONE;
	if (env->visit != NULL && visit_knows(message->type))
		return visit_take(env, message, reply, order_out);
	visit_simple_query(env->visit);
	if (message->type != MESSAGE_QUERY)
		return refuse_message(env, message->type, reply);
	if (read_single_string(reader_of(message->body, message->length),
	    &text))
		return console_query(env, text, strlen(text), reply,
		    order_out);
	reply_fatal(reply, "bad packet");
	return CONSOLE_CLOSE;
}
