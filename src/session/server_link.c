/*
 * A server between two clients: who gets it next, and what is asked of it
 * before and after (check query, settings, reset query).
 */
#include "session/server.h"

#include <stdio.h>
#include <string.h>

#include "base/invariant.h"
#include "session/client.h"
#include "session/server_parts.h"
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
	    buffer_length(&server->backlog) == 0 &&
	    outstanding_none(&server->outstanding));
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

static void
begin_relay(struct server *server)
{
	server_enter(server, SERVER_RELAYING);
	server->client->retries = 0;
	client_begin_relay(server->client);
}

static struct parameter_values *
values_of(const struct server *server)
{
	return &server->sessions->segment->values[server->row];
}

/* One batch of SETs, only if something differs. False: it is broken. */
static bool
set_parameters(struct server *server)
{
	const uint8_t *have = server_row(server)->digest;
	struct client *client = server->client;
	char text[PARAMETERS_SETS_BYTES];

	text[0] = '\0';	/* and no more: this runs once per transaction */
	if (UNLIKELY(memcmp(client->wants->values.digest, have,
	    sizeof(client->wants->values.digest)) != 0))
		parameters_write_sets(server->sessions->parameters,
		    &client->wants->values, values_of(server), text,
		    sizeof(text));
	if (LIKELY(text[0] == '\0')) {
		begin_relay(server);
		return true;
	}
	server_enter(server, SERVER_SETTING);
	return server_send_query(server, text);
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
		client_fail(client, SQLSTATE_OF_POOLER,
		    "invalid server parameter");
	else if (client->retries++ >= RETRIES_MOST)
		client_fail(client, SQLSTATE_OF_POOLER, reason);
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
	if (was_out_of_sight(server) &&
	    socket_peek(server->fd) != SOCKET_QUIET) {
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
	if (LIKELY(wants_check(server) ? check(server) :
	    set_parameters(server)))
		return true;
	(void)unlink_before_use(server, "server conn crashed?");
	return false;
}

/* Session mode, or always: the next client finds a fresh session. */
static void
reset(struct server *server)
{
	struct pool_caller caller = sessions_caller(server->sessions);
	const char *query = server->sessions->config->server_reset_query;

	if (query[0] == '\0') {
		server_release(server);
		return;
	}
	pool_begin_test(&caller, server->row);
	server_enter(server, SERVER_RESETTING);
	(void)!server_send_query(server, query);
}

void
server_client_left(struct server *server, const char *reason)
{
	const struct config *config = server->sessions->config;

	server->client = NULL;
	server_resume_reading(server);	/* its client may have stopped it */
	if (!server_is_clean(server))
		server_close(server, reason);
	else if (server->in_session ||	/* even if the mode is another now */
	    server_view(server)->mode == POOL_MODE_SESSION ||
	    config->server_reset_query_always)
		reset(server);
	else
		server_release(server);
}

void
server_close_if_outdated(struct server *server)
{
	if (!server->in_session || !server_row(server)->close_needed ||
	    !server->sessions->config->server_fast_close ||
	    !server_is_clean(server) || server->client->remaining > 0)
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
	server->dirty_values = true;
}

/* What the server says now is what its client wants from now on. */
static void
adopt_values(struct server *server)
{
	struct parameters *parameters = server->sessions->parameters;
	struct parameter_values *values = values_of(server);
	struct server_row *row = server_row(server);
	struct parameter_set *set;

	server->dirty_values = false;
	parameters_seal(values);
	memcpy(row->digest, values->digest, sizeof(row->digest));
	snprintf(row->application_name, sizeof(row->application_name),
	    "%.63s", values->values[PARAMETER_APPLICATION_NAME]);
	if (server->client == NULL)
		return;
	set = parameters_share(parameters, values);
	if (set == NULL)
		return;
	parameters_release(parameters, server->client->wants);
	server->client->wants = set;
}

void
server_note_parameter(struct server *server, const uint8_t *body,
    size_t length)
{
	learn_parameter(server, body, length);
	if (server->dirty_values)
		adopt_values(server);
}

static void
end_check(struct server *server)
{
	if (server->failed_setup || server->status != TRANSACTION_NONE)
		server_try_another(server, "test query failed");
	else if (!set_parameters(server))
		server_try_another(server, "server conn crashed?");
}

static void
end_setting(struct server *server)
{
	struct client *client = server->client;

	if (server->failed_setup || server->status != TRANSACTION_NONE) {
		client_fail(unlink_before_use(server, "var change failed"),
		    SQLSTATE_OF_POOLER, "invalid server parameter");
		return;
	}
	parameters_assume(server->sessions->parameters, &client->wants->values,
	    values_of(server));
	adopt_values(server);
	begin_relay(server);
}

static void
end_reset(struct server *server)
{
	if (server->dirty_values)
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
		[SERVER_RESETTING] = "server_reset_query failed",
	};
	struct notice notice;

	server->failed_setup = true;
	(void)!read_error_response(reader_of(body, length), &notice);
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
		learn_parameter(server, body, length);
		return;
	case MESSAGE_ERROR_RESPONSE:
		log_setup_error(server, body, length);
		return;
	case MESSAGE_READY_FOR_QUERY:
		if (!read_ready_for_query(reader_of(body, length), &status)) {
			server_close(server, "bad pkt header");
			return;
		}
		server->status = (uint8_t)status;
		server->step_done = true;
		return;
	default:
		return;			/* rows and tags of our own query */
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
	default:
		end_reset(server);
		return;
	}
}

void
server_login_done(struct server *server)
{
	server_enter(server, SERVER_AT_REST);
	server_release(server);
}
