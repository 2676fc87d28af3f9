/*
 * A server between two clients: who gets it next, and what is asked of it
 * before and after (check query, settings, reset query).
 */
#include "session/server.h"

#include <string.h>

#include "base/invariant.h"
#include "session/auth_query.h"
#include "session/clearing.h"
#include "session/client.h"
#include "session/prepared.h"
#include "session/server_parts.h"
#include "session/session_state.h"
#include "wire/messages.h"

/* A server that rested longer is looked at before another worker uses it. */
#define OUT_OF_SIGHT (1 * USEC_PER_MSEC)

/* A client that saw so many servers die before it used them is told. */
#define RETRIES_MOST 3

void
server_release(struct server *server)
{
	struct sessions *sessions = server->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	struct pool_view *view = server_view(server);
	const char *reason;
	uint32_t client;

	INVARIANT(server->client == NULL && server->remaining == 0 &&
	    buffer_length(&server->partial) == 0 &&
	    outstanding_none(&server->outstanding));
	if (UNLIKELY(buffer_length(&server->backlog) > 0)) {
		server_close(server, "answer to what was not sent yet");
		return;
	}
	if (server->step != SERVER_AT_REST)
		server_enter(server, SERVER_AT_REST);
	server_row(server)->request_at = caller.now;
	switch (pool_give_back(&caller, server->row, &view->policy, &client,
	    &reason)) {
	case POOL_RELEASED:
		server_watch(server);
		return;
	case POOL_GIVEN:
		/* Or its next answer would wake this worker for nothing. */
		if (LIKELY(server->bridge == NULL))
			loop_remove(sessions->loop, &server->watch);
		return;
	case POOL_HELD:
		return;
	case POOL_CLOSE:
		server_leave(sessions, server->row, reason);
		return;
	case POOL_OURS:
		INVARIANT(sessions->clients[client] != NULL);
		client_take_server(sessions->clients[client], server->row);
		return;
	}
}

void
server_release_row(struct sessions *sessions, uint32_t row)
{
	struct server *server = server_get(sessions, row);
	struct pool_caller caller = sessions_caller(sessions);

	if (server != NULL)
		server_release(server);
	else if (pool_begin_close(&caller, row))
		server_leave(sessions, row, "no descriptor");
}

static void
begin_use(struct server *server)
{
	if (UNLIKELY(server->client->asking != NULL)) {
		auth_query_send(server);
		return;
	}
	server_enter(server, SERVER_RELAYING);
	server->client->retries = 0;
	session_state_begin(server);
	prepared_begin(server);
	client_begin_relay(server->client);
}

static struct parameter_values *
values_of(const struct server *server)
{
	return &server->sessions->segment->values[server->row];
}

/* One batch of SETs, if something differs. False: it is broken. */
static bool
set_differing(struct server *server)
{
	struct client *client = server->client;
	struct buffer text = { 0 };
	bool alive = true;

	if (!parameters_write_sets(server->sessions->parameters,
	    &client->wants->values, values_of(server), &text) ||
	    !buffer_append(&text, "", 1)) {
		buffer_clear(&text);
		return false;
	}
	if (buffer_length(&text) > 1) {
		server_enter(server, SERVER_SETTING);
		alive = server_send_query(server,
		    (const char *)buffer_front(&text));
	} else {
		begin_use(server);
	}
	buffer_clear(&text);
	return alive;
}

static bool
set_parameters(struct server *server)
{
	struct client *client = server->client;

	/* This runs once for each transaction. */
	if (UNLIKELY(memcmp(client->wants->values.digest,
	    server_row(server)->digest,
	    sizeof(client->wants->values.digest)) != 0))
		return set_differing(server);
	begin_use(server);
	return true;
}

static bool
wants_check(const struct server *server)
{
	const struct sessions *sessions = server->sessions;
	usec_t idle = loop_now(sessions->loop) -
	    server_row(server)->request_at;

	return idle > sessions->config->server_check_delay &&
	    sessions->config->server_check_query[0] != '\0';
}

static bool
check(struct server *server)
{
	const char *query = server->sessions->config->server_check_query;

	server_enter(server, SERVER_CHECKING);
	if (strcmp(query, "<empty>") == 0)
		query = "";
	return server_send_query(server, query);
}

/* Closes it without a word to its client, of which nothing was sent yet. */
static struct client *
unlink_before_use(struct server *server, const char *reason)
{
	struct client *client = server->client;

	server->client = NULL;
	client->server = NULL;
	server_close(server, reason);
	return client;
}

void
server_try_another(struct server *server, const char *reason)
{
	bool its_fault = server->step == SERVER_SETTING &&
	    server->failed_setup;
	struct client *client = unlink_before_use(server, reason);

	if (its_fault)
		client_fail_by_server(client, SQLSTATE_OF_POOLER,
		    "invalid server parameter");
	else if (client->retries++ >= RETRIES_MOST)
		client_fail_by_server(client, SQLSTATE_OF_POOLER, reason);
	else
		client_retry(client);
}

/*
 * Nobody of us watched it, and it was at rest for long enough to have died:
 * one that was handed on at once has just been read.
 */
static bool
was_out_of_sight(const struct server *server)
{
	return server->watch.callback == NULL && loop_now(
	    server->sessions->loop) - server_row(server)->request_at >
	    OUT_OF_SIGHT;
}

bool
server_link(struct server *server, struct client *client)
{
	INVARIANT(server->step == SERVER_AT_REST && server->client == NULL);
	INVARIANT(outstanding_none(&server->outstanding));
	if (UNLIKELY(server_row(server)->tls_owner != 0) &&
	    !server_begin_use(server)) {
		server_close(server, "server connection closed");
		return false;
	}
	if (was_out_of_sight(server) &&
	    socket_peek(server->stream.fd) != SOCKET_QUIET) {
		server_close(server, "server connection closed");
		return false;
	}
	server_watch(server);
	server->client = client;
	client->server = server;
	server->in_session = client->view->mode == POOL_MODE_SESSION;
	outstanding_reset(&server->outstanding);
	server->status = TRANSACTION_NONE;
	server->answered_at = loop_now(server->sessions->loop);
	if (LIKELY(client->asking == NULL || auth_query_prepare(server)) &&
	    LIKELY(wants_check(server) ? check(server) :
	    set_parameters(server)))
		return true;
	(void)unlink_before_use(server, "server conn crashed?");
	return false;
}

void
server_keep_for_session(struct server *server, struct client *client)
{
	INVARIANT(server->step == SERVER_LOGIN && server->client == NULL);
	server->client = client;
	client->server = server;
	server->in_session = true;
	server->status = TRANSACTION_NONE;
	server->answered_at = loop_now(server->sessions->loop);
	server_enter(server, SERVER_RELAYING);
	session_state_begin(server);
	prepared_begin(server);
}

/* Session mode, or always: the next client finds a fresh session. */
static void
reset(struct server *server)
{
	struct pool_caller caller = sessions_caller(server->sessions);
	const char *query = server->sessions->config->server_reset_query;

	if (query[0] == '\0' && session_state_is_left(server))
		query = "DISCARD ALL";
	server->pinned = false;
	server->state_hints = 0;
	if (query[0] == '\0') {
		server_release(server);
		return;
	}
	if (server_row(server)->phase == SERVER_ACTIVE)
		pool_begin_test(&caller, server->row);
	server_enter(server, SERVER_RESETTING);
	(void)!server_send_query(server, query);
}

void
server_reset_or_release(struct server *server)
{
	if (session_state_is_left(server) ||
	    server->in_session ||	/* even if the mode is another now */
	    server_view(server)->mode == POOL_MODE_SESSION ||
	    server->sessions->config->server_reset_query_always)
		reset(server);
	else
		server_release(server);
}

void
server_client_left(struct server *server, const char *reason)
{
	bool said_goodbye = server->client != NULL &&
	    server->client->said_goodbye;

	server->client = NULL;
	server_resume_reading(server);	/* its client may have stopped it */
	if (server->replicates != NULL)
		server_close(server, "replication client disconnected");
	else if (server->unfit)
		server_close(server, reason);
	else if (server->step == SERVER_LOOKING)
		session_state_abandon(server);
	else if (server_is_clean(server))
		server_reset_or_release(server);
	else
		clearing_begin(server, said_goodbye, reason);
}

void
server_close_if_outdated(struct server *server)
{
	if (!(server->in_session || server->pinned) ||
	    !server_row(server)->close_needed)
		return;
	/* It is never released, so nothing but this would end it. */
	if (server->replicates == NULL &&
	    (!server->sessions->config->server_fast_close ||
	    !server_is_clean(server) || server->client->remaining > 0))
		return;
	server_close(server, "database configuration changed");
}

static void
learn_parameter(struct server *server, const uint8_t *body, size_t length)
{
	struct parameters *parameters = server->sessions->parameters;
	const char *name, *value;
	int index;

	if (!read_parameter_status(reader_of(body, length), &name, &value))
		return;
	index = parameters_index(parameters, name);
	if (index == -1)
		return;
	parameters_put(parameters, values_of(server), index, value);
	values_of(server)->reported |= UINT32_C(1) << index;
	server->told_values |= UINT32_C(1) << index;
}

static void
note_application_name(struct server *server)
{
	parameters_copy_name(server->sessions->parameters, values_of(server),
	    server_row(server)->application_name);
}

/*
 * What the server says now is what its client wants from now on.  What it
 * does not say now, and the client never asked for, somebody else has set.
 */
static void
tell_client(struct server *server, uint32_t told)
{
	struct parameters *parameters = server->sessions->parameters;
	struct client *client = server->client;
	struct parameter_values wanted = client->wants->values;
	struct parameter_set *set;

	parameters_adopt(parameters, &wanted, values_of(server), told);
	parameters_seal(&wanted);
	set = parameters_share(parameters, &wanted);
	if (set == NULL)
		return;
	parameters_release(parameters, client->wants);
	client->wants = set;
	/* Who asks for a secret has other wants meanwhile. */
	if (client->asking == NULL)
		client_note_application_name(client, &set->values);
}

/* The row says what the server has. */
static void
note_values(struct server *server)
{
	struct parameter_values *values = values_of(server);

	server->told_values = 0;
	parameters_seal(values);
	memcpy(server_row(server)->digest, values->digest,
	    sizeof(values->digest));
	note_application_name(server);
}

static void
adopt_values(struct server *server)
{
	struct parameter_values *values = values_of(server);
	uint32_t told = server->told_values;
	uint8_t meaning[sizeof(values->meaning)];

	memcpy(meaning, values->meaning, sizeof(meaning));
	note_values(server);
	if ((server->step == SERVER_RELAYING ||
	    server->step == SERVER_CLEARING) && memcmp(meaning,
	    values->meaning, sizeof(meaning)) != 0)
		prepared_note_meaning(server);
	if (server->client != NULL && server->client->wants != NULL)
		tell_client(server, told);
}

void
server_note_parameter(struct server *server, const uint8_t *body,
    size_t length)
{
	learn_parameter(server, body, length);
	if (server->told_values)
		adopt_values(server);
}

bool
server_has_assumed_values(const struct server *server)
{
	return parameters_has_assumed(server->sessions->parameters,
	    values_of(server));
}

void
server_note_reset(struct server *server)
{
	if (!server_has_assumed_values(server))
		return;
	parameters_forget_assumed(server->sessions->parameters,
	    values_of(server));
	adopt_values(server);
}

/*
 * Its client has had its query cancelled before that was sent.  Who asks for
 * a secret cannot, and asks another one.
 */
static bool
is_cancelled_before_use(const struct server *server)
{
	return server->failed_setup && server->was_cancelled &&
	    server->client->asking == NULL;
}

static void
cancel_before_use(struct server *server, const char *reason)
{
	client_cancelled_before_use(unlink_before_use(server, reason));
}

/* What it has to say is not what its client wants. */
static void
end_check(struct server *server)
{
	if (server->told_values)
		note_values(server);
	if (is_cancelled_before_use(server))
		cancel_before_use(server, "test query failed");
	else if (server->failed_setup || server->status != TRANSACTION_NONE)
		server_try_another(server, "test query failed");
	else if (!set_parameters(server))
		server_try_another(server, "server conn crashed?");
}

static void
end_setting(struct server *server)
{
	struct parameters *parameters = server->sessions->parameters;
	struct client *client = server->client;

	if (is_cancelled_before_use(server)) {
		cancel_before_use(server, "var change failed");
		return;
	}
	if (server->failed_setup || server->status != TRANSACTION_NONE) {
		client_fail_by_server(unlink_before_use(server,
		    "var change failed"), SQLSTATE_OF_POOLER,
		    "invalid server parameter");
		return;
	}
	parameters_assume(parameters, &client->wants->values,
	    values_of(server));
	parameters_learn(parameters, &client->wants->values,
	    values_of(server));
	adopt_values(server);
	begin_use(server);
}

static void
end_rollback(struct server *server)
{
	if (server->told_values)
		adopt_values(server);
	if (server->failed_setup || server->status != TRANSACTION_NONE)
		server_close(server, CLEARING_FAILED);
	else
		server_reset_or_release(server);
}

static void
end_reset(struct server *server)
{
	server_note_reset(server);
	if (server->told_values)
		adopt_values(server);
	if (server->failed_setup || server->status != TRANSACTION_NONE)
		server_close(server, "reset query failed");
	else
		server_release(server);
}

static void
log_setup_error(struct server *server, const uint8_t *body, size_t length)
{
	static const char *const what[SERVER_STEPS] = {
		[SERVER_CHECKING] = "server_check_query failed",
		[SERVER_SETTING] = "varcache_apply failed",
		[SERVER_LOOKING] = "looking for session state failed",
		[SERVER_ROLLING_BACK] = "ROLLBACK failed",
		[SERVER_RESETTING] = "server_reset_query failed",
	};
	struct notice notice;

	server->failed_setup = true;
	(void)!read_error_response(reader_of(body, length), &notice);
	server->was_cancelled = strcmp(notice.sqlstate,
	    SQLSTATE_QUERY_CANCELED) == 0;
	server_log(LOG_LEVEL_ERROR, server, "%s: %s: %s", what[server->step],
	    notice.severity, notice.text);
}

void
server_take_setup_message(struct server *server, uint8_t type,
    const uint8_t *body, size_t length)
{
	enum transaction_status status;

	switch (type) {
	case MESSAGE_PARAMETER_STATUS:
		if (server->step == SERVER_LOOKING)
			session_state_take(server, type, body, length);
		else
			learn_parameter(server, body, length);
		return;
	case MESSAGE_ERROR_RESPONSE:
		log_setup_error(server, body, length);
		return;
	case MESSAGE_COMMAND_COMPLETE:
		prepared_note_own_tag(server, body, length);
		return;
	case MESSAGE_READY_FOR_QUERY:
		if (!read_ready_for_query(reader_of(body, length), &status)) {
			server_close(server, "bad pkt header");
			return;
		}
		server->status = (uint8_t)status;
		server->step_done = true;
		return;
	default:			/* rows and tags of our own query */
		if (server->step == SERVER_LOOKING)
			session_state_take(server, type, body, length);
		return;
	}
}

void
server_end_setup(struct server *server)
{
	switch (server->step) {
	case SERVER_CHECKING:
		end_check(server);
		return;
	case SERVER_SETTING:
		end_setting(server);
		return;
	case SERVER_LOOKING:
		session_state_looked(server);
		return;
	case SERVER_ROLLING_BACK:
		end_rollback(server);
		return;
	default:
		end_reset(server);
		return;
	}
}

void
server_login_done(struct server *server)
{
	server_enter(server, SERVER_AT_REST);
	events_count(server->sessions->segment, server->sessions->worker,
	    EVENT_server_connects_all);
	server_release(server);
}
