#include "session/client_parts.h"

#include <stdio.h>
#include <string.h>

#include "session/auth_query.h"
#include "session/relay.h"
#include "session/server.h"

static void
fail_as_cached(struct client *client)
{
	struct pool_caller caller = sessions_caller(client->sessions);
	char failure[FAILURE_BYTES], state[6], text[256];
	usec_t age;

	if (!pool_failure(&caller, client->view->pool, failure, state, &age))
		snprintf(failure, sizeof(failure), "connect failed");
	snprintf(text, sizeof(text), "server login has been failing, cached "
	    "error: %s (server_login_retry)", failure);
	client_fail_by_server(client, SQLSTATE_OF_POOLER, text);
}

/* False: this server is no good, and the client is IDLE again. */
static bool
try_server(struct client *client, uint32_t server_row)
{
	struct server *server = server_get(client->sessions, server_row);
	struct pool_caller caller = sessions_caller(client->sessions);

	if (server != NULL && server_link(server, client))
		return true;
	if (server == NULL && pool_begin_close(&caller, server_row))
		server_leave(client->sessions, server_row, "no descriptor");
	client_row(client)->server = NO_ROW;
	client_enter(client, CLIENT_IDLE);
	return false;
}

static enum pool_answer
take(struct client *client, uint32_t *server_out)
{
	struct pool_caller caller = sessions_caller(client->sessions);

	if (UNLIKELY(client->asking != NULL))
		return auth_query_take(client, server_out);
	return pool_take(&caller, client->view->pool, client->row,
	    &client->view->policy, server_out);
}

void
client_ask_for_server(struct client *client)
{
	struct sessions *sessions = client->sessions;
	uint32_t server;

	for (;;) {
		switch (take(client, &server)) {
		case POOL_TAKEN:
			client_note_assignment(client);
			if (try_server(client, server))
				return;
			break;
		case POOL_QUEUED:
			if (atomic_load(&sessions->segment->state->shutdown) ==
			    SHUTDOWN_WAIT_FOR_SERVERS)
				client_fail(client, SQLSTATE_OF_POOLER,
				    "server shutting down");
			else
				server_open_if_needed(sessions, client->view,
				    false);
			return;
		case POOL_FAILING:
			fail_as_cached(client);
			return;
		}
	}
}

/*
 * What it was given is not wanted any more: to the next one, who may have
 * been cancelled as well; at most so many at one time.
 */
#define DECLINING_MOST 16

static void
decline(struct client *client, uint32_t server_row)
{
	struct sessions *sessions = client->sessions;

	client_row(client)->server = NO_ROW;
	client_enter(client, CLIENT_IDLE);
	sessions->declining++;
	server_release_row(sessions, server_row);
	sessions->declining--;
	client_answer_cancelled(client);
}

void
client_take_server(struct client *client, uint32_t server_row)
{
	client_note_assignment(client);
	if (UNLIKELY(atomic_load(&client_row(client)->cancel_wanted) != 0) &&
	    client->sessions->declining < DECLINING_MOST) {
		decline(client, server_row);
		return;
	}
	if (!try_server(client, server_row))
		client_ask_for_server(client);
}

void
client_retry(struct client *client)
{
	client_row(client)->server = NO_ROW;
	client_enter(client, CLIENT_IDLE);
	client_resume_reading(client);
	client_ask_for_server(client);
}

void
client_cancelled_before_use(struct client *client)
{
	client_row(client)->server = NO_ROW;
	client_enter(client, CLIENT_IDLE);
	client_answer_cancelled(client);
}

void
client_begin_relay(struct client *client)
{
	struct buffer waiting = client->input;

	if (buffer_length(&waiting) == 0)
		return;
	memset(&client->input, 0, sizeof(client->input));
	client->held = false;
	client_resume_reading(client);
	relay_from_client(client, buffer_front(&waiting),
	    buffer_length(&waiting));
	buffer_clear(&waiting);
}
