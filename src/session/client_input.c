#include "session/client_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "session/encryption.h"
#include "session/login.h"
#include "session/relay.h"
#include "session/server.h"
#include "wire/framing.h"
#include "wire/messages.h"

/* A statement to the console; PgBouncer takes less. */
#define CONSOLE_MESSAGE_MOST (64 * 1024)

static void
keep_input(struct client *client, const uint8_t *bytes, size_t length)
{
	if (!buffer_append(&client->input, bytes, length))
		client_close(client, "out of memory");
	else if (buffer_length(&client->input) > CLIENT_INPUT_MOST)
		client_pause_reading(client);
}

bool
client_may_send(struct client *client, uint8_t type)
{
	if (LIKELY(type != MESSAGE_QUERY ||
	    !client->sessions->config->disable_pqexec))
		return true;
	client_fail(client, SQLSTATE_OF_POOLER, "PQexec disallowed");
	return false;
}

/* The end of a COPY that failed already, or a Flush of nothing. */
static bool
means_nothing_here(uint8_t type)
{
	return type == MESSAGE_COPY_DATA || type == MESSAGE_COPY_DONE ||
	    type == MESSAGE_COPY_FAIL || type == MESSAGE_FLUSH;
}

void
client_fail_bad_header(struct client *client, const uint8_t *bytes,
    size_t length)
{
	char text[64];
	size_t at = (size_t)snprintf(text, sizeof(text),
	    "bad packet header: '");

	for (size_t i = 0; i < length && i < 8; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%02x",
		    bytes[i]);
	snprintf(text + at, sizeof(text) - at, "'");
	client_fail(client, SQLSTATE_OF_POOLER, text);
}

/* True: this message is skipped; *alive says whether the client still is. */
static bool
skips(struct client *client, const struct frame *frame, bool *alive)
{
	uint8_t memory[16];
	struct writer writer = writer_of(memory, sizeof(memory));

	*alive = true;
	if (LIKELY(!client->skipping) || frame->type == MESSAGE_TERMINATE)
		return false;
	client->remaining = frame->total;
	if (frame->type != MESSAGE_SYNC)
		return true;
	client->skipping = false;
	write_ready_for_query(&writer, TRANSACTION_NONE);
	*alive = client_send(client, writer.bytes, writer.used);
	return true;
}

/* Bytes of a client without a server, at a message's start. */
static void
take_idle(struct client *client, const uint8_t *bytes, size_t length)
{
	size_t at = 0, part;

	while (at < length) {
		struct frame frame;
		bool alive;

		if (client->remaining > 0) {
			part = length - at < client->remaining ? length - at :
			    client->remaining;
			client->remaining -= (uint32_t)part;
			at += part;
			continue;
		}
		switch (frame_read(bytes + at, length - at, (uint32_t)
		    client->sessions->config->max_packet_size, &frame)) {
		case FRAME_MORE:
			client->header_length = (uint8_t)(length - at);
			memcpy(client->header, bytes + at, length - at);
			return;
		case FRAME_BAD:
			client_fail_bad_header(client, bytes + at,
			    length - at);
			return;
		case FRAME_FOUND:
			break;
		}
		if (skips(client, &frame, &alive)) {
			if (!alive)
				return;
			continue;
		}
		if (means_nothing_here(frame.type)) {
			client->remaining = frame.total;
			continue;
		}
		if (frame.type == MESSAGE_TERMINATE) {
			client_close(client, "client close request");
			return;
		}
		if (!message_asks(frame.type)) {
			client_fail(client, SQLSTATE_OF_POOLER, "unknown pkt");
			return;
		}
		if (!client_may_send(client, frame.type))
			return;
		break;
	}
	if (at == length)
		return;
	client_note_request(client);
	client_ask_for_server(client);
	if (client_phase(client) == CLIENT_CLOSED)
		return;
	if (client->server != NULL && client->server->step == SERVER_RELAYING)
		relay_from_client(client, bytes + at, length - at);
	else
		keep_input(client, bytes + at, length - at);
}

/*
 * What it waited with is answered as PostgreSQL answers a cancelled query;
 * what it has sent behind that goes on (manual, "Extended Query": up to Sync
 * it is skipped).  Sync alone has nothing to cancel.
 */
void
client_answer_cancelled(struct client *client)
{
	struct buffer waiting = client->input;
	uint8_t memory[256];
	struct writer writer = writer_of(memory, sizeof(memory));
	struct frame frame;

	memset(&client->input, 0, sizeof(client->input));
	if (frame_read(buffer_front(&waiting), buffer_length(&waiting),
	    INT32_MAX, &frame) != FRAME_FOUND) {
		buffer_clear(&waiting);
		client_close(client, "bad packet");
		return;
	}
	client_note_ready(client, TRANSACTION_NONE, true);
	if (frame.type != MESSAGE_SYNC)
		write_error_response(&writer, &(struct notice){ "ERROR",
		    SQLSTATE_QUERY_CANCELED,
		    "canceling statement due to user request", NULL, NULL });
	if (frame.type == MESSAGE_QUERY || frame.type == MESSAGE_SYNC ||
	    frame.type == MESSAGE_FUNCTION_CALL) {
		write_ready_for_query(&writer, TRANSACTION_NONE);
		client->remaining = frame.total;
	} else {
		client->skipping = true;
	}
	if (client_send(client, writer.bytes, writer.used)) {
		client_resume_reading(client);
		take_idle(client, buffer_front(&waiting),
		    buffer_length(&waiting));
	}
	buffer_clear(&waiting);
}

void
client_stop_waiting(struct client *client)
{
	enum client_phase phase = client_phase(client);

	if ((phase != CLIENT_WAITING && phase != CLIENT_GIVEN) ||
	    atomic_load(&client_row(client)->cancel_wanted) == 0)
		return;
	client_leave_queue(client);
	client_note_end_of_wait(client);
	client_answer_cancelled(client);
}

/* The rest of a message that must be here as a whole, perhaps. */
static void
take_more(struct client *client, const uint8_t *bytes, size_t length)
{
	if (!buffer_append(&client->input, bytes, length))
		client_fail(client, SQLSTATE_OF_POOLER, "out of memory");
	else if (buffer_length(&client->input) >= client->wanted)
		client_begin_relay(client);
}

static void
take_linked(struct client *client, const uint8_t *bytes, size_t length)
{
	client_row(client)->request_at = loop_now(client->sessions->loop);
	if (client->server->step != SERVER_RELAYING || client->held)
		keep_input(client, bytes, length);
	else if (UNLIKELY(buffer_length(&client->input) > 0))
		take_more(client, bytes, length);
	else
		relay_from_client(client, bytes, length);
}

/*
 * The console takes whole messages, one after the other.  While a command
 * waits (PAUSE), or an answer to be taken, what follows waits, too.
 */
static void
take_commands(struct client *client)
{
	const struct sessions_owner *owner = client->sessions->owner;
	struct frame frame;

	while (client_phase(client) == CLIENT_CONSOLE &&
	    !client->console_waits && !client_is_behind(client)) {
		enum frame_verdict verdict = frame_read(
		    buffer_front(&client->input),
		    buffer_length(&client->input), CONSOLE_MESSAGE_MOST,
		    &frame);

		if (verdict == FRAME_BAD) {
			client_fail_bad_header(client,
			    buffer_front(&client->input),
			    buffer_length(&client->input));
			return;
		}
		if (verdict == FRAME_MORE || !frame_whole(&frame,
		    buffer_length(&client->input)))
			return;
		owner->on_console(owner->context, client, frame.type,
		    buffer_front(&client->input) + FRAME_HEADER,
		    frame.total - FRAME_HEADER);
		if (client_phase(client) == CLIENT_CONSOLE)
			buffer_consume(&client->input, frame.total);
	}
}

/* What was paused for having said too much at once is read on. */
static void
resume_commands(struct client *client)
{
	if (client_phase(client) == CLIENT_CONSOLE &&
	    !client->console_waits &&
	    buffer_length(&client->input) <= CLIENT_INPUT_MOST)
		client_resume_reading(client);
}

void
client_take_commands(struct client *client)
{
	take_commands(client);
	resume_commands(client);
}

static void
take_console(struct client *client, const uint8_t *bytes, size_t length)
{
	client_row(client)->request_at = loop_now(client->sessions->loop);
	keep_input(client, bytes, length);
	client_take_commands(client);
}

void
client_console_continue(struct client *client)
{
	client->console_waits = false;
	client_take_commands(client);
}

static void
take_bytes(struct client *client, const uint8_t *bytes, size_t length)
{
	switch (client_phase(client)) {
	case CLIENT_STARTUP:
	case CLIENT_AUTH:
		login_take(client, bytes, length);
		return;
	case CLIENT_IDLE:
		take_idle(client, bytes, length);
		return;
	case CLIENT_LINKED:
		take_linked(client, bytes, length);
		return;
	case CLIENT_WELCOME:
	case CLIENT_WAITING:
	case CLIENT_GIVEN:
		keep_input(client, bytes, length);
		return;
	case CLIENT_CONSOLE:
		take_console(client, bytes, length);
		return;
	default:
		return;			/* CANCEL: has said all it may say */
	}
}

void
client_take_early(struct client *client, const uint8_t *bytes, size_t length)
{
	take_bytes(client, bytes, length);
}

/*
 * Reading makes TLS speak as well.  False: the client is closed, or only its
 * handshake went on.
 */
static bool
go_on(struct client *client, ssize_t got)
{
	bool has_come = got != -1 || errno != EAGAIN;

	if (!encryption_note_read(client, got))
		return false;
	if (stream_has_unsent(&client->stream))
		client_watch_for(client, client->watch.events | EPOLLOUT);
	return has_come;
}

void
client_read(struct client *client)
{
	struct sessions *sessions = client->sessions;
	size_t before = client->header_length;
	bool logs_in = client->login != NULL;
	ssize_t got;

	got = stream_receive(&client->stream, sessions->input,
	    SESSIONS_READ_BYTES);
	if (UNLIKELY(client->stream.tls != NULL) && !go_on(client, got))
		return;
	if (got == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (got <= 0) {
		client_close(client, "client unexpected eof");
		return;
	}
	if (client->view != NULL)
		stats_add(client->view->stats, STAT_received, (uint64_t)got);
	memcpy(sessions->input - before, client->header, before);
	client->header_length = 0;
	take_bytes(client, sessions->input - before, before + (size_t)got);
	/* A password may be among it. */
	if (UNLIKELY(logs_in))
		memory_wipe(sessions->input, (size_t)got);
}
