#include "session/relay.h"

#include <string.h>

#include "base/invariant.h"
#include "session/drain.h"
#include "wire/framing.h"
#include "wire/messages.h"

/* --- parting ------------------------------------------------------------- */

/* The transaction is over and nothing is under way in either direction. */
static bool
may_part(const struct server *server)
{
	return server->status == TRANSACTION_NONE &&
	    outstanding_none(&server->outstanding) &&
	    !server->outstanding.doubtful &&
	    server->remaining == 0 && buffer_length(&server->partial) == 0 &&
	    buffer_length(&server->backlog) == 0 &&
	    server->client->remaining == 0;
}

static void
part(struct server *server)
{
	struct client *client = server->client;

	client->server = NULL;
	client_row(client)->server = NO_ROW;
	client_enter(client, CLIENT_IDLE);
	/* Who does not read its answers is not read either. */
	if (buffer_length(&client->backlog) > 0)
		client_pause_reading(client);
	server_client_left(server, "unknown pkt from server");
}

void
relay_settle(struct server *server)
{
	if (server->client == NULL || server->step != SERVER_RELAYING)
		return;
	if (server->client->view->mode == POOL_MODE_SESSION)
		server_close_if_outdated(server);
	else if (may_part(server))
		part(server);
}

bool
relay_is_at_rest(const struct server *server)
{
	return server->client != NULL && server->step == SERVER_RELAYING &&
	    may_part(server);
}

/* --- client to server ---------------------------------------------------- */

/* A whole header is there. False: this is the end of the client. */
static bool
ask(struct client *client, struct server *server, uint8_t type)
{
	if (!client_may_send(client, type))
		return false;
	switch (type) {
	case MESSAGE_QUERY:
	case MESSAGE_PARSE:
	case MESSAGE_BIND:
	case MESSAGE_DESCRIBE:
	case MESSAGE_EXECUTE:
	case MESSAGE_CLOSE:
	case MESSAGE_SYNC:
	case MESSAGE_FUNCTION_CALL:
		server->status = 0;	/* until it is ready again */
		client_note_request(client);
		break;
	case MESSAGE_FLUSH:
	case MESSAGE_COPY_DATA:
	case MESSAGE_COPY_DONE:
	case MESSAGE_COPY_FAIL:
		break;
	default:
		client_fail(client, SQLSTATE_OF_POOLER, "unknown pkt");
		return false;
	}
	if (type == MESSAGE_PARSE)
		stats_add(client->view->stats, STAT_server_parse_count, 1);
	if (outstanding_ask(&server->outstanding, type))
		return true;
	client_fail(client, SQLSTATE_OF_POOLER, "out of memory");
	return false;
}

void
relay_from_client(struct client *client, const uint8_t *bytes, size_t length)
{
	struct server *server = client->server;
	uint32_t most = (uint32_t)client->sessions->config->max_packet_size;
	size_t at = 0;

	INVARIANT(server != NULL && server->step == SERVER_RELAYING &&
	    server->client == client);
	while (at < length) {
		struct frame frame;
		size_t part;

		if (client->remaining > 0) {
			part = length - at < client->remaining ? length - at :
			    client->remaining;
			client->remaining -= (uint32_t)part;
			at += part;
			continue;
		}
		switch (frame_read(bytes + at, length - at, most, &frame)) {
		case FRAME_MORE:
			client->header_length = (uint8_t)(length - at);
			memcpy(client->header, bytes + at, length - at);
			length = at;
			continue;
		case FRAME_BAD:
			client_fail_bad_header(client, bytes + at,
			    length - at);
			return;
		case FRAME_FOUND:
			break;
		}
		if (frame.type == MESSAGE_TERMINATE) {
			/* What came before it still runs to its end. */
			if (server_send(server, bytes, at))
				client_close(client, "client close request");
			return;
		}
		if (!ask(client, server, frame.type))
			return;
		client->remaining = frame.total;
	}
	if (server_send(server, bytes, length))
		relay_settle(server);
}

/* --- server to client ---------------------------------------------------- */

/* Must its body be looked at, as a whole? */
static bool
is_inspected(uint8_t type)
{
	return type == MESSAGE_READY_FOR_QUERY ||
	    type == MESSAGE_PARAMETER_STATUS;
}

static bool
inspect(struct server *server, const struct frame *frame, const uint8_t *body)
{
	enum transaction_status status;

	if (frame->type == MESSAGE_PARAMETER_STATUS) {
		server_note_parameter(server, body,
		    frame->total - FRAME_HEADER);
		return true;
	}
	if (!read_ready_for_query(reader_of(body, frame->total -
	    FRAME_HEADER), &status)) {
		server_close(server, "bad pkt header");
		return false;
	}
	server->status = (uint8_t)status;
	return true;
}

/*
 * Walks over the messages.  Returns how many bytes can go to the client now
 * (what follows is the beginning of one that must be seen as a whole), or
 * SIZE_MAX: the server was closed.
 */
static size_t
walk(struct server *server, const uint8_t *bytes, size_t length, bool *ready)
{
	size_t at = 0;

	while (at < length) {
		struct frame frame;
		size_t left = length - at;

		if (server->remaining > 0) {
			size_t part = left < server->remaining ? left :
			    server->remaining;

			server->remaining -= (uint32_t)part;
			at += part;
			continue;
		}
		switch (frame_read(bytes + at, left, INT32_MAX, &frame)) {
		case FRAME_MORE:
			return at;
		case FRAME_BAD:
			server_close(server, "bad pkt header");
			return SIZE_MAX;
		case FRAME_FOUND:
			break;
		}
		if (is_inspected(frame.type)) {
			if (!frame_whole(&frame, left) &&
			    frame.total < SESSIONS_HEADROOM)
				return at;
			if (frame_whole(&frame, left) && !inspect(server,
			    &frame, bytes + at + FRAME_HEADER))
				return SIZE_MAX;
			*ready |= frame.type == MESSAGE_READY_FOR_QUERY;
		}
		outstanding_answer(&server->outstanding, frame.type);
		/* What was asked meanwhile may have begun a transaction. */
		if (frame.type == MESSAGE_READY_FOR_QUERY &&
		    !outstanding_none(&server->outstanding))
			server->status = 0;
		server->remaining = frame.total;
	}
	return at;
}

/* Statement mode: the answer that tells of a transaction never gets there. */
static bool
is_forbidden_transaction(const struct server *server)
{
	return server->client->view->mode == POOL_MODE_STATEMENT &&
	    (server->status == TRANSACTION_OPEN ||
	    server->status == TRANSACTION_FAILED);
}

void
relay_from_server(struct server *server, const uint8_t *bytes, size_t length)
{
	struct client *client = server->client;
	bool ready = false;
	size_t sendable = walk(server, bytes, length, &ready);

	if (sendable == SIZE_MAX)
		return;
	if (sendable < length && !buffer_append(&server->partial,
	    bytes + sendable, length - sendable)) {
		server_close(server, "out of memory");
		return;
	}
	if (ready && is_forbidden_transaction(server)) {
		server_close(server, "transaction blocks not allowed in "
		    "statement pooling mode");
		return;
	}
	stats_add(client->view->stats, STAT_sent, sendable);
	if (!client_send(client, bytes, sendable))
		return;
	if (ready)
		client_note_ready(client, server->status,
		    outstanding_none(&server->outstanding));
	relay_settle(server);
	if (UNLIKELY(client->sessions->sends_home))
		drain_look_at(client);
}
