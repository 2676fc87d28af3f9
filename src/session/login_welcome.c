#include "session/login_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/invariant.h"
#include "base/random.h"
#include "session/cancel_key.h"
#include "session/forward.h"
#include "session/server.h"
#include "wire/framing.h"
#include "wire/messages.h"

/* An older failure is no news: who waits now came after it. */
#define NEWS (1 * USEC_PER_SEC)

static uint64_t
make_cancel_key(const struct config *config)
{
	uint64_t key;

	do {
		random_fill(&key, sizeof(key));
		key &= UINT64_C(0x7fffffffffffffff);
		key = forward_mark_key(key, config->peer_id);
	} while (key == 0);
	return key;
}

static bool
send_or_close(struct client *client, struct buffer *reply)
{
	bool sent = client_send(client, buffer_front(reply),
	    buffer_length(reply));

	buffer_clear(reply);
	return sent;
}

static bool
append(struct buffer *reply, const struct writer *writer)
{
	return !writer->failed && buffer_append(reply, writer->bytes,
	    writer->used);
}

/* What the method said last and AuthenticationOk, as PostgreSQL: in one go. */
static bool
append_granted(const struct login *login, struct buffer *reply)
{
	static const uint8_t ok[] = { 'R', 0, 0, 0, 8, 0, 0, 0, 0 };

	return buffer_append(reply, login->last, login->last_length) &&
	    buffer_append(reply, ok, sizeof(ok));
}

/* login_notify_message, as far as it fits, cut between two characters. */
static bool
append_notice(const struct client *client, struct buffer *reply)
{
	const char *message = client->sessions->config->login_notify_message;
	size_t length = strlen(message);
	char text[1024];
	uint8_t memory[sizeof(text) + 64];
	struct writer writer = writer_of(memory, sizeof(memory));

	if (message[0] == '\0')
		return true;
	if (length >= sizeof(text))
		length = sizeof(text) - 1;
	while (length > 0 && (message[length] & 0xc0) == 0x80)
		length--;
	snprintf(text, sizeof(text), "%.*s", (int)length, message);
	write_notice_response(&writer, &(struct notice){ "NOTICE",
	    SQLSTATE_SUCCESSFUL_COMPLETION, text, NULL, NULL });
	return append(reply, &writer);
}

/* BackendKeyData and ReadyForQuery; the console greets by itself. */
static bool
append_end(struct client *client, struct buffer *reply)
{
	uint64_t key = make_cancel_key(client->sessions->config);
	struct backend_key pair = cancel_key_give(client->sessions->segment,
	    key, client_row(client)->protocol);
	uint8_t memory[BACKEND_KEY_MESSAGE_MOST];
	struct writer writer = writer_of(memory, sizeof(memory));

	atomic_store(&client->sessions->segment->cancel_keys[client->row],
	    key);
	write_backend_key_data(&writer, &pair);
	if (!append(reply, &writer) || (client->view != NULL &&
	    !append_notice(client, reply)))
		return false;
	writer = writer_of(memory, sizeof(memory));
	write_ready_for_query(&writer, TRANSACTION_NONE);
	return append(reply, &writer);
}

/* In the place of what the pool's server said of it. */
static bool
append_given(const struct client *client, int index, const char *name,
    struct buffer *reply)
{
	const char *value = parameters_text(client->sessions->parameters,
	    &client->login->given, index);
	uint8_t header[FRAME_HEADER];

	if (value == NULL)
		return false;
	frame_write_header(header, MESSAGE_PARAMETER_STATUS,
	    strlen(name) + 1 + strlen(value) + 1);
	return buffer_append(reply, header, sizeof(header)) &&
	    buffer_append(reply, name, strlen(name) + 1) &&
	    buffer_append(reply, value, strlen(value) + 1);
}

/*
 * The pool's first server's ParameterStatus messages, with what the client
 * asked for in their place; what it did not ask for it wants as they are.
 */
static bool
append_welcome(struct client *client, const uint8_t *welcome, uint32_t length,
    struct buffer *reply)
{
	struct parameters *parameters = client->sessions->parameters;
	struct parameter_values *given = &client->login->given;
	struct reader messages = reader_of(welcome, length);
	const uint8_t *message = messages.at;
	const char *name, *value;

	for (; read_next_parameter_status(&messages, &name, &value);
	    message = messages.at) {
		int index = parameters_index(parameters, name);

		if (index != -1 && given->values[index][0] != '\0') {
			if (!append_given(client, index, name, reply))
				return false;
			continue;
		}
		if (index != -1)
			parameters_put(parameters, given, index, value);
		if (!buffer_append(reply, message,
		    (size_t)(messages.at - message)))
			return false;
	}
	return reader_done(&messages);
}

/* From here on it may send queries; some may be here already. */
static void
let_in_with(struct client *client, const uint8_t *welcome, uint32_t length)
{
	struct parameters *parameters = client->sessions->parameters;
	struct buffer reply = { 0 };
	struct buffer early;

	if (!append_granted(client->login, &reply) ||
	    !append_welcome(client, welcome, length, &reply) ||
	    !append_end(client, &reply)) {
		buffer_clear(&reply);
		login_fail(client, "out of memory");
		return;
	}
	parameters_seal(&client->login->given);
	client->wants = parameters_share(parameters, &client->login->given);
	if (client->wants == NULL) {
		buffer_clear(&reply);
		login_fail(client, "out of memory");
		return;
	}
	login_free(client->login);
	client->login = NULL;
	client_note_welcome(client);
	stats_add(client->view->stats, STAT_client_login_count, 1);
	if (client->replication == NULL)
		client_enter(client, CLIENT_IDLE);
	if (!send_or_close(client, &reply))
		return;
	early = client->input;
	memset(&client->input, 0, sizeof(client->input));
	client_resume_reading(client);
	if (buffer_length(&early) > 0)
		client_take_early(client, buffer_front(&early),
		    buffer_length(&early));
	buffer_clear(&early);
}

void
login_let_in(struct client *client, const uint8_t *welcome, uint32_t length)
{
	let_in_with(client, welcome, length);
}

void
login_write_given(const struct client *client, struct writer *writer)
{
	const struct parameters *parameters = client->sessions->parameters;
	const struct parameter_values *given = &client->login->given;

	for (int i = 0; i < PARAMETERS_MOST; i++)
		if (given->values[i][0] != '\0')
			write_startup_parameter(writer,
			    parameters_name(parameters, i),
			    parameters_text(parameters, given, i));
}

/* False: its pool has had no server yet. */
static bool
let_in(struct client *client)
{
	struct pool_caller caller = sessions_caller(client->sessions);
	uint8_t welcome[WELCOME_BYTES];
	uint32_t length;

	if (!pool_copy_welcome(&caller, client->view->pool, welcome, &length))
		return false;
	let_in_with(client, welcome, length);
	return true;
}

/* The first login of a pool waits for its first server. */
void
login_ask_for_welcome(struct client *client)
{
	struct pool_view *view = client->view;

	if (let_in(client))
		return;
	client_enter(client, CLIENT_WELCOME);
	client_row(client)->wait_since = loop_now(client->sessions->loop);
	client->next = view->to_welcome;
	view->to_welcome = client;
	server_open_if_needed(client->sessions, view, true);
}

/* Is there a server, busy or not, that could serve those who wait? */
static bool
lives(const struct sessions *sessions, const struct pool_view *view)
{
	const struct pool_row *pool = segment_pool(sessions->segment,
	    view->pool);

	return pool->server_count > pool->opening_count + pool->closing_count;
}

/*
 * The server's own refusal goes to everybody who waits for this pool, but
 * who waits for a query can also be served by one that lives.
 */
static void
refuse_all(struct sessions *sessions, struct pool_view *view,
    const char *state, const char *text)
{
	uint32_t used = atomic_load(&sessions->segment->state->clients_used);
	bool alive = lives(sessions, view);

	for (uint32_t row = 0; row < used; row++) {
		struct client *client = sessions->clients[row];
		enum client_phase phase;

		if (client == NULL || client->view != view)
			continue;
		phase = client_phase(client);
		if (phase == CLIENT_WELCOME ||
		    (phase == CLIENT_WAITING && !alive))
			client_fail_by_server(client, state, text);
	}
}

/* Nothing lives there: who waits is told so at once. */
static void
refuse_if_none_lives(struct sessions *sessions, struct pool_view *view,
    const char *failure)
{
	uint32_t used = atomic_load(&sessions->segment->state->clients_used);
	char text[256];

	if (failure[0] == '\0' || lives(sessions, view) ||
	    pool_paused(sessions->segment, view->pool))
		return;
	snprintf(text, sizeof(text), "server login has been failing, cached "
	    "error: %s (server_login_retry)", failure);
	for (uint32_t row = 0; row < used; row++) {
		struct client *client = sessions->clients[row];

		if (client != NULL && client->view == view &&
		    client_phase(client) == CLIENT_WAITING)
			client_fail_by_server(client, SQLSTATE_OF_POOLER,
			    text);
	}
}

void
login_on_pool_news(struct sessions *sessions, struct pool_view *view)
{
	struct pool_caller caller = sessions_caller(sessions);
	char failure[FAILURE_BYTES], state[6];
	usec_t age;

	if (pool_failure(&caller, view->pool, failure, state, &age) &&
	    age < NEWS) {
		if (state[0] != '\0')
			refuse_all(sessions, view, state, failure);
		else
			refuse_if_none_lives(sessions, view, failure);
	}
	while (view->to_welcome != NULL) {
		struct client *client = view->to_welcome;

		view->to_welcome = client->next;
		client->next = NULL;
		if (let_in(client))
			continue;
		client->next = view->to_welcome;
		view->to_welcome = client;
		return;
	}
}

void
login_enter_console(struct client *client)
{
	const struct sessions_owner *owner = client->sessions->owner;
	struct segment *segment = client->sessions->segment;
	struct login *login = client->login;
	struct buffer reply = { 0 };

	if (!client->own_uid_console &&
	    !owner->may_enter_console(owner->context, login->user)) {
		login_fail(client, "not allowed");
		return;
	}
	atomic_store(&client_row(client)->user,
	    users_make(segment, login->user));
	client_note_application_name(client, &login->given);
	if (!append_granted(login, &reply)) {
		login_fail(client, "out of memory");
		return;
	}
	owner->greet_console(owner->context, &reply);
	if (!append_end(client, &reply)) {
		buffer_clear(&reply);
		login_fail(client, "out of memory");
		return;
	}
	client_enter(client, CLIENT_CONSOLE);
	login_free(client->login);
	client->login = NULL;
	if (send_or_close(client, &reply) && buffer_length(&client->input) > 0)
		client_console_continue(client);
}
