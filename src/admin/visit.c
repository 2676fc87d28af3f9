#include "admin/visit_parts.h"

#include <stdlib.h>
#include <string.h>

#include "admin/reply.h"
#include "admin/run.h"
#include "wire/messages.h"

struct visit *
visit_create(void)
{
	return calloc(1, sizeof(struct visit));
}

/* --- what is kept -------------------------------------------------------- */

void
visit_free_portal(struct visit_portal *portal)
{
	free(portal->name);
	free(portal->values_text);
	free(portal->values);
	free(portal->formats);
	free(portal->oids);
	buffer_clear(&portal->description);
	buffer_clear(&portal->result);
	free(portal);
}

void
visit_drop_portals(struct visit *visit, const char *name)
{
	struct visit_portal **at = &visit->portals;

	while (*at != NULL) {
		struct visit_portal *portal = *at;

		if (name != NULL && strcmp(portal->name, name) != 0) {
			at = &portal->next;
			continue;
		}
		*at = portal->next;
		if (visit->executing == portal)
			visit->executing = NULL;
		visit->portal_count--;
		visit_free_portal(portal);
	}
}

void
visit_free_statement(struct visit *visit, struct visit_statement *statement)
{
	for (struct visit_portal *portal = visit->portals; portal != NULL;
	    portal = portal->next)
		if (portal->statement == statement)
			portal->statement = NULL;
	free(statement->name);
	free(statement->text);
	buffer_clear(&statement->description);
	free(statement);
}

void
visit_drop_statements(struct visit *visit, const char *name)
{
	struct visit_statement **at = &visit->statements;

	while (*at != NULL) {
		struct visit_statement *statement = *at;

		if (name != NULL && strcmp(statement->name, name) != 0) {
			at = &statement->next;
			continue;
		}
		*at = statement->next;
		visit->statement_count--;
		visit_free_statement(visit, statement);
	}
}

void
visit_destroy(struct visit *visit)
{
	if (visit == NULL)
		return;
	visit_drop_portals(visit, NULL);
	visit_drop_statements(visit, NULL);
	free(visit);
}

void
visit_set_transaction(struct visit *visit, bool open)
{
	if (visit != NULL)
		visit->in_transaction = open;
}

bool
visit_in_transaction(const struct visit *visit)
{
	return visit != NULL && visit->in_transaction;
}

/* What is between the quotes, one written twice is one; "": not closed. */
static void
read_quoted(char *name)
{
	char *to = name;
	const char *at = name + 1;

	for (; *at != '\0' && (*at != '"' || at[1] == '"'); at++) {
		at += *at == '"';
		*to++ = *at;
	}
	if (*at == '\0')
		to = name;
	*to = '\0';
}

/* PostgreSQL folds the letters that every encoding has. NULL: no memory. */
static char *
read_name(struct sql_span name)
{
	char *copy = strndup(name.at, (size_t)(name.end - name.at));

	if (copy != NULL && *copy == '"') {
		read_quoted(copy);
		return copy;
	}
	for (char *at = copy; at != NULL && *at != '\0'; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	return copy;
}

void
visit_forget_statement(struct visit *visit, struct sql_span name)
{
	char *copy = visit == NULL ? NULL : read_name(name);

	if (copy != NULL && *copy != '\0')
		visit_drop_statements(visit, copy);
	free(copy);
}

/* DEALLOCATE may be a prepared statement itself, which stays till then. */
void
visit_forget_statements(struct visit *visit)
{
	if (visit != NULL)
		visit_drop_statements(visit, NULL);
}

void
visit_simple_query(struct visit *visit)
{
	if (visit == NULL)
		return;
	visit_drop_portals(visit, "");
	visit_drop_statements(visit, "");
}

bool
visit_skips(const struct visit *visit, uint8_t type)
{
	return visit != NULL && visit->skips && type != MESSAGE_SYNC &&
	    type != MESSAGE_TERMINATE;
}

bool
visit_wants_result(const struct visit *visit)
{
	return visit != NULL && visit->executing != NULL;
}

bool
visit_end_execute(struct visit *visit, bool refused)
{
	if (!visit_wants_result(visit))
		return false;
	visit->executing = NULL;
	visit->skips = refused;
	return true;
}

struct visit_statement *
visit_find_statement(struct visit *visit, const char *name)
{
	struct visit_statement *statement = visit->statements;

	while (statement != NULL && strcmp(statement->name, name) != 0)
		statement = statement->next;
	return statement;
}

struct visit_portal *
visit_find_portal(struct visit *visit, const char *name)
{
	struct visit_portal *portal = visit->portals;

	while (portal != NULL && strcmp(portal->name, name) != 0)
		portal = portal->next;
	return portal;
}

/* --- answers ------------------------------------------------------------- */

enum console_outcome
visit_refuse(const struct console_env *env, const char *sqlstate,
    const char *text, const char *detail, struct buffer *reply)
{
	env->visit->skips = true;
	console_log_refusal(env, text, detail);
	return reply_error(reply, sqlstate, text, detail) ? CONSOLE_DONE :
	    CONSOLE_CLOSE;
}

enum console_outcome
visit_refuse_memory(const struct console_env *env, struct buffer *reply)
{
	return visit_refuse(env, SQLSTATE_OUT_OF_MEMORY, "no mem", NULL, reply);
}

enum console_outcome
visit_refuse_message(const struct console_env *env, struct buffer *reply)
{
	return visit_refuse(env, SQLSTATE_PROTOCOL_VIOLATION,
	    "message is not what the protocol says", NULL, reply);
}

enum console_outcome
visit_refuse_portal(const struct console_env *env, const char *name,
    struct buffer *reply)
{
	return visit_refuse(env, "34000", "portal does not exist", name, reply);
}

enum console_outcome
visit_say(uint8_t type, struct buffer *reply)
{
	uint8_t message[5] = { type, 0, 0, 0, 4 };

	return buffer_append(reply, message, sizeof(message)) ?
	    CONSOLE_DONE : CONSOLE_CLOSE;
}

/* --- Close, Sync --------------------------------------------------------- */

static enum console_outcome
take_close(const struct console_env *env, struct reader body,
    struct buffer *reply)
{
	uint8_t what = reader_u8(&body);
	const char *name = reader_string(&body);

	if (!reader_done(&body) || (what != 'S' && what != 'P'))
		return visit_refuse_message(env, reply);
	if (what == 'S')
		visit_drop_statements(env->visit, name);
	else
		visit_drop_portals(env->visit, name);
	return visit_say(MESSAGE_CLOSE_COMPLETE, reply);
}

/* Portals live as long as their transaction. */
static enum console_outcome
take_sync(const struct console_env *env, struct buffer *reply)
{
	env->visit->skips = false;
	if (!env->visit->in_transaction)
		visit_drop_portals(env->visit, NULL);
	return console_ready(env, reply) ? CONSOLE_DONE : CONSOLE_CLOSE;
}

bool
visit_knows(uint8_t type)
{
	return type == MESSAGE_PARSE || type == MESSAGE_BIND ||
	    type == MESSAGE_DESCRIBE || type == MESSAGE_EXECUTE ||
	    type == MESSAGE_CLOSE || type == MESSAGE_FLUSH ||
	    type == MESSAGE_SYNC;
}

enum console_outcome
visit_take(const struct console_env *env,
    const struct console_message *message, struct buffer *reply,
    struct console_order *order_out)
{
	struct reader body = reader_of(message->body, message->length);

	switch (message->type) {
	case MESSAGE_PARSE:
		return visit_take_parse(env, body, reply);
	case MESSAGE_BIND:
		return visit_take_bind(env, body, reply);
	case MESSAGE_DESCRIBE:
		return visit_take_describe(env, body, reply);
	case MESSAGE_EXECUTE:
		return visit_take_execute(env, body, reply, order_out);
	case MESSAGE_CLOSE:
		return take_close(env, body, reply);
	case MESSAGE_SYNC:
		return take_sync(env, reply);
	default:
		return CONSOLE_DONE;	/* Flush: nothing is kept back */
	}
}
