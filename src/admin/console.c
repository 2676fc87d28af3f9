#include "admin/console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "build.h"

#include "admin/commands.h"
#include "admin/reply.h"
#include "admin/run.h"
#include "admin/show.h"
#include "base/log.h"
#include "wire/messages.h"

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

static void
log_refusal(const struct console_env *env, const char *text,
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
console_fail(const struct console_env *env, const char *sqlstate,
    const char *text, const char *detail, struct buffer *reply)
{
	log_refusal(env, text, detail);
	return reply_error(reply, sqlstate, text, detail) &&
	    reply_ready(reply);
}

enum console_outcome
run_refuse(struct run *run, const char *format, ...)
{
	char text[REPLY_TEXT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_refusal(run->env, text, NULL);
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

static enum console_outcome
take_statement(struct run *run, struct statements *left)
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

/* What comes later, when the waiting is over, or never. */
static bool
is_open(enum console_outcome outcome)
{
	return outcome != CONSOLE_DONE && outcome != CONSOLE_CLOSE;
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
		statements_skip_empty(&left);
		run->order->rest = left.at;
		run->order->rest_length = (size_t)(left.end - left.at);
		if (is_open(outcome))
			return outcome;
	} while (left.at < left.end);
	return reply_ready(run->reply) ? CONSOLE_DONE : CONSOLE_CLOSE;
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
console_continue(const struct console_env *env,
    const struct console_done *done, struct buffer *reply,
    struct console_order *order_out)
{
	bool has_notice = done->notice != NULL && done->notice[0] != '\0';

	clear_order(order_out);
	if ((has_notice && !reply_notice(reply, done->notice, NULL)) ||
	    (done->tag != NULL && !reply_complete(reply, done->tag)))
		return CONSOLE_CLOSE;
	if (done->rest_length > 0)
		return console_query(env, done->rest, done->rest_length,
		    reply, order_out);
	return reply_ready(reply) ? CONSOLE_DONE : CONSOLE_CLOSE;
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
	if (message->type != MESSAGE_QUERY)
		return refuse_message(env, message->type, reply);
	if (read_single_string(reader_of(message->body, message->length),
	    &text))
		return console_query(env, text, strlen(text), reply,
		    order_out);
	reply_fatal(reply, "bad packet");
	return CONSOLE_CLOSE;
}
