#include "session/relay.h"

#include <string.h>

#include "base/invariant.h"
#include "session/prepared.h"
#include "session/drain.h"
#include "session/session_state.h"
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
	    !stream_has_unsent(&server->stream) &&
	    server->client->remaining == 0 &&
	    buffer_length(&server->client->input) == 0;
}

void
relay_part(struct server *server, const char *reason)
{
	struct client *client = server->client;

	client->server = NULL;
	client_row(client)->server = NO_ROW;
	client_enter(client, CLIENT_IDLE);
	/* Who does not read its answers is not read either. */
	if (client_is_behind(client))
		client_pause_reading(client);
	if (UNLIKELY(server->unfit)) {
		server->client = NULL;
		server_close(server, reason);
		return;
	}
	server_client_left(server, "unknown pkt from server");
}

void
relay_settle(struct server *server)
{
	if (server->client == NULL || server->step != SERVER_RELAYING)
		return;
	if (UNLIKELY(server->state_hints != 0) && may_part(server) &&
	    session_state_look(server))
		return;
	if (server_stays_linked(server))
		server_close_if_outdated(server);
	else if (may_part(server))
		relay_part(server, "close_needed");
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
may_ask(struct client *client, struct server *server, uint8_t type)
{
	if (!client_may_send(client, type))
		return false;
	if (message_asks(type)) {
		server->status = 0;	/* until it is ready again */
		client_note_request(client);
		return true;
	}
	switch (type) {
	case MESSAGE_FLUSH:
	case MESSAGE_COPY_DATA:
	case MESSAGE_COPY_DONE:
	case MESSAGE_COPY_FAIL:
		return true;
	default:
		client_fail(client, SQLSTATE_OF_POOLER, "unknown pkt");
		return false;
	}
}

static bool
ask(struct client *client, struct server *server, uint8_t type)
{
	if (type == MESSAGE_PARSE)
		stats_add(client->view->stats, STAT_server_parse_count, 1);
	if (outstanding_ask(&server->outstanding, type))
		return true;
	client_fail(client, SQLSTATE_OF_POOLER, "out of memory");
	return false;
}

/* What was read of a client, on its way to its server. */
struct stretch {
	struct client	*client;
	struct server	*server;
	struct edit	 edit;
	const uint8_t	*bytes;
	size_t		 length;	/* gets shorter if some has to wait */
	size_t		 at;		/* all before is dealt with */
	bool		 flushes;	/* there was a Flush */
};

/* What follows waits in the client's input. False: the client is closed. */
static bool
keep_rest(struct stretch *stretch, bool held, size_t wanted)
{
	struct client *client = stretch->client;

	if (!buffer_append(&client->input, stretch->bytes + stretch->at,
	    stretch->length - stretch->at)) {
		client_fail(client, SQLSTATE_OF_POOLER, "out of memory");
		return false;
	}
	stretch->length = stretch->at;
	client->held = held;
	client->wanted = (uint32_t)wanted;
	if (held)
		client_pause_reading(client);
	return true;
}

/* A message that has to do with statements. False: the client is closed. */
static bool
take_statement(struct stretch *stretch, const struct frame *frame)
{
	struct prepared_message message = { stretch->client, stretch->server,
	    &stretch->edit, stretch->bytes + stretch->at,
	    stretch->length - stretch->at, *frame };
	size_t done;

	switch (prepared_ask(&message, &done)) {
	case PREPARED_NOTED:
		if (done > 0)
			edit_skip(&stretch->edit, message.bytes + done);
		stretch->at += done;
		stretch->client->remaining = frame->total - (uint32_t)done;
		return true;
	case PREPARED_MORE:
		return keep_rest(stretch, false, done);
	case PREPARED_HOLD:
		return keep_rest(stretch, true, 0);
	case PREPARED_FAILED:
		break;
	}
	return false;
}

/* What came before Terminate still runs to its end. */
static void
take_terminate(struct stretch *stretch)
{
	size_t length;
	const uint8_t *bytes = edit_end(&stretch->edit, stretch->bytes +
	    stretch->at, &length);

	stretch->server->asks = bytes == NULL;
	stretch->client->said_goodbye = true;
	if (bytes == NULL || server_send(stretch->server, bytes, length))
		client_close(stretch->client, "client close request");
}

/* The next message, or what is left of one. False: the client is closed. */
static bool
take_message(struct stretch *stretch)
{
	struct client *client = stretch->client;
	uint32_t most = (uint32_t)client->sessions->config->max_packet_size;
	const uint8_t *at = stretch->bytes + stretch->at;
	size_t left = stretch->length - stretch->at;
	struct frame frame;

	if (client->remaining > 0) {
		if (left > client->remaining)
			left = client->remaining;
		client->remaining -= (uint32_t)left;
		stretch->at += left;
		return true;
	}
	switch (frame_read(at, left, most, &frame)) {
	case FRAME_MORE:
		client->header_length = (uint8_t)left;
		memcpy(client->header, at, left);
		stretch->length = stretch->at;
		return true;
	case FRAME_BAD:
		client_fail_bad_header(client, at, left);
		return false;
	case FRAME_FOUND:
		break;
	}
	if (frame.type == MESSAGE_TERMINATE) {
		take_terminate(stretch);
		return false;
	}
	/* PostgreSQL would skip up to Sync: an error that answers nothing. */
	if (UNLIKELY(frame.type == MESSAGE_FLUSH &&
	    frame.total > FRAME_HEADER)) {
		client_fail(client, SQLSTATE_OF_POOLER, "broken Flush packet");
		return false;
	}
	if (!may_ask(client, stretch->server, frame.type))
		return false;
	if (UNLIKELY(stretch->server->state_mode != SESSION_STATE_IGNORE))
		session_state_note(stretch->server, &frame, at, left);
	stretch->server->asks = true;
	if (stretch->server->rewrites && prepared_concerns(frame.type))
		return take_statement(stretch, &frame);
	stretch->flushes |= frame.type == MESSAGE_FLUSH;
	client->remaining = frame.total;
	return ask(client, stretch->server, frame.type);
}

/*
 * Answers that are ours to give, if the server has none to give before them:
 * or else they go along with those.  False: the client is closed.
 */
static bool
answer_at_once(struct client *client, struct server *server, bool flushes)
{
	struct outstanding *outstanding = &server->outstanding;
	uint32_t ours = outstanding_ours(outstanding);
	struct edit edit = edit_begin(&server->sessions->scratch, NULL);
	const uint8_t *bytes;
	size_t length;

	if (LIKELY(ours == 0) || (ours < outstanding->count && !flushes) ||
	    server->remaining > 0)
		return true;
	prepared_answer(server, &edit);
	bytes = edit_end(&edit, NULL, &length);
	if (bytes == NULL) {
		client_fail(client, SQLSTATE_OF_POOLER, "out of memory");
		return false;
	}
	if (!client_send(client, bytes, length))
		return false;
	/* There is no server to hold back: who does not read is not read. */
	if (UNLIKELY(buffer_length(&client->backlog) > SESSIONS_BACKLOG))
		client_pause_reading(client);
	return true;
}

void
relay_from_client(struct client *client, const uint8_t *bytes, size_t length)
{
	struct server *server = client->server;
	struct scratch *scratch = &client->sessions->scratch;
	struct stretch stretch = { .client = client, .server = server,
	    .edit = edit_begin(scratch, bytes), .bytes = bytes,
	    .length = length };

	INVARIANT(server != NULL && server->step == SERVER_RELAYING &&
	    server->client == client);
	while (stretch.at < stretch.length)
		if (!take_message(&stretch))
			return;
	bytes = edit_end(&stretch.edit, stretch.bytes + stretch.length,
	    &length);
	if (bytes == NULL) {
		client_fail(client, SQLSTATE_OF_POOLER, "out of memory");
		return;
	}
	server->asks = false;
	if (!server_send(server, bytes, length))
		return;
	scratch_trim(scratch);
	if (answer_at_once(client, server, stretch.flushes))
		relay_settle(server);
}

/* --- server to client ---------------------------------------------------- */

/* What a server says, on its way to its client. */
struct speech {
	struct server	*server;
	struct edit	 edit;
	const uint8_t	*bytes;
	size_t		 length;
	size_t		 at;		/* all before can go to the client */
	bool		 ready;		/* there was a ReadyForQuery */
};

enum told {
	TOLD = 0,
	TOLD_HALF,		/* the beginning of one to be seen as a whole */
	TOLD_CLOSED		/* the server was closed */
};

/* Must its body be looked at, as a whole? */
static bool
is_inspected(const struct server *server, const struct frame *frame)
{
	switch (frame->type) {
	case MESSAGE_READY_FOR_QUERY:
	case MESSAGE_PARAMETER_STATUS:
		return true;
	case MESSAGE_ERROR_RESPONSE:
		return server->rewrites;
	case MESSAGE_COMMAND_COMPLETE:
		return server->watches_tags &&
		    prepared_may_be_tag(frame->total);
	default:
		return false;
	}
}

static enum told
close_it(struct speech *speech, const char *reason)
{
	server_close(speech->server, reason);
	return TOLD_CLOSED;
}

static enum told
inspect_ready(struct speech *speech, struct reader body)
{
	struct server *server = speech->server;
	enum transaction_status status;

	if (!read_ready_for_query(body, &status))
		return close_it(speech, "bad pkt header");
	server->status = server->last_status = (uint8_t)status;
	server->has_parsed &= server->outstanding.count > 1;
	speech->ready = true;
	return TOLD;
}

/* True in `gone_out`: its bytes are edited already. */
static enum told
inspect_error(struct speech *speech, const struct frame *frame,
    bool *gone_out)
{
	struct server *server = speech->server;
	const struct request *head = outstanding_head(&server->outstanding);

	if (!server->rewrites || head == NULL)
		return TOLD;
	if (head->flags & REQUEST_CANNOT_FAIL)
		return close_it(speech, "unexpected response from server");
	*gone_out = prepared_rewrite_error(server, speech->bytes + speech->at,
	    frame->total, &speech->edit);
	return TOLD;
}

static enum told
inspect(struct speech *speech, const struct frame *frame, bool *gone_out)
{
	const uint8_t *body = speech->bytes + speech->at + FRAME_HEADER;
	size_t length = frame->total - FRAME_HEADER;

	switch (frame->type) {
	case MESSAGE_READY_FOR_QUERY:
		return inspect_ready(speech, reader_of(body, length));
	case MESSAGE_PARAMETER_STATUS:
		server_note_parameter(speech->server, body, length);
		return TOLD;
	case MESSAGE_ERROR_RESPONSE:
		return inspect_error(speech, frame, gone_out);
	default:
		prepared_note_tag(speech->server, body, length);
		return TOLD;
	}
}

/*
 * Answers that are ours come before the server's next one, and some of the
 * server's are for us.  A server that says what nobody asked is not one whose
 * answers can be told apart: then neither side is left in doubt.
 */
static enum told
check_turn(struct speech *speech, const struct frame *frame, bool *gone_out)
{
	struct outstanding *outstanding = &speech->server->outstanding;
	const struct request *head;

	if (outstanding_ours(outstanding) > 0) {
		edit_keep(&speech->edit, speech->bytes + speech->at);
		prepared_answer(speech->server, &speech->edit);
	}
	head = outstanding_head(outstanding);
	if (head == NULL)
		return TOLD;
	if (!outstanding_expects(outstanding, frame->type) ||
	    (head->flags & REQUEST_MUST_FAIL &&
	    frame->type == MESSAGE_PARSE_COMPLETE))
		return close_it(speech, "unexpected response from server");
	if (head->flags & REQUEST_SWALLOWED &&
	    (frame->type == MESSAGE_PARSE_COMPLETE ||
	    frame->type == MESSAGE_CLOSE_COMPLETE)) {
		if (frame->total != FRAME_HEADER)
			return close_it(speech, "bad pkt header");
		edit_keep(&speech->edit, speech->bytes + speech->at);
		edit_skip(&speech->edit, speech->bytes + speech->at +
		    FRAME_HEADER);
		*gone_out = true;
	}
	return TOLD;
}

/* A message whose header is here, and all of it if it is inspected. */
static enum told
tell_message(struct speech *speech, const struct frame *frame)
{
	struct server *server = speech->server;
	size_t left = speech->length - speech->at;
	enum told told = TOLD;
	bool gone = false;

	if (server->rewrites)
		told = check_turn(speech, frame, &gone);
	if (told == TOLD && is_inspected(server, frame) &&
	    frame_whole(frame, left))
		told = inspect(speech, frame, &gone);
	if (told != TOLD)
		return told;
	/* Too long to be looked at: what it is set to is not known now. */
	server->unfit |= frame->type == MESSAGE_PARAMETER_STATUS &&
	    !frame_whole(frame, left);
	outstanding_answer(&server->outstanding, frame->type);
	/* What was asked meanwhile may have begun a transaction. */
	if (frame->type == MESSAGE_READY_FOR_QUERY &&
	    !outstanding_none(&server->outstanding))
		server->status = 0;
	if (gone)
		speech->at += frame->total;
	else
		server->remaining = frame->total;
	return TOLD;
}

static enum told
tell_next(struct speech *speech)
{
	struct server *server = speech->server;
	size_t left = speech->length - speech->at;
	struct frame frame;

	if (server->remaining > 0) {
		if (left > server->remaining)
			left = server->remaining;
		server->remaining -= (uint32_t)left;
		speech->at += left;
		return TOLD;
	}
	switch (frame_read(speech->bytes + speech->at, left, INT32_MAX,
	    &frame)) {
	case FRAME_MORE:
		return TOLD_HALF;
	case FRAME_BAD:
		return close_it(speech, "bad pkt header");
	case FRAME_FOUND:
		break;
	}
	if (!frame_whole(&frame, left) && frame.total < SESSIONS_HEADROOM &&
	    is_inspected(server, &frame))
		return TOLD_HALF;
	return tell_message(speech, &frame);
}

/* Statement mode: the answer that tells of a transaction never gets there. */
static bool
is_forbidden_transaction(const struct server *server)
{
	return server->client->view->mode == POOL_MODE_STATEMENT &&
	    server->replicates == NULL &&
	    (server->status == TRANSACTION_OPEN ||
	    server->status == TRANSACTION_FAILED);
}

/* All that can be told is in the edit. False: the client is closed. */
static bool
send_speech(struct speech *speech)
{
	struct server *server = speech->server;
	struct client *client = server->client;
	const uint8_t *bytes;
	size_t length;

	if (UNLIKELY(server->rewrites && server->remaining == 0 &&
	    outstanding_ours(&server->outstanding) > 0)) {
		edit_keep(&speech->edit, speech->bytes + speech->at);
		prepared_answer(server, &speech->edit);
	}
	bytes = edit_end(&speech->edit, speech->bytes + speech->at, &length);
	if (bytes == NULL) {
		server_close(server, "out of memory");
		return false;
	}
	stats_add(client->view->stats, STAT_sent, length);
	return client_send(client, bytes, length);
}

/* All that is here as far as it can be told. False: it was closed. */
static bool
tell_all(struct speech *speech)
{
	struct server *server = speech->server;
	enum told told = TOLD;

	while (told == TOLD && speech->at < speech->length)
		told = tell_next(speech);
	if (told == TOLD_CLOSED)
		return false;
	if (speech->at == speech->length || buffer_append(&server->partial,
	    speech->bytes + speech->at, speech->length - speech->at))
		return true;
	server_close(server, "out of memory");
	return false;
}

bool
relay_hear(struct server *server, const uint8_t *bytes, size_t length)
{
	struct scratch *scratch = &server->sessions->scratch;
	struct speech speech = { .server = server, .edit = edit_begin(scratch,
	    bytes), .bytes = bytes, .length = length };

	if (!tell_all(&speech))
		return false;
	scratch_trim(scratch);
	return true;
}

void
relay_from_server(struct server *server, const uint8_t *bytes, size_t length)
{
	struct client *client = server->client;
	struct speech speech = { .server = server, .edit = edit_begin(
	    &server->sessions->scratch, bytes), .bytes = bytes,
	    .length = length };

	if (!tell_all(&speech))
		return;
	if (speech.ready && is_forbidden_transaction(server)) {
		server_close(server, "transaction blocks not allowed in "
		    "statement pooling mode");
		return;
	}
	if (!send_speech(&speech))
		return;
	if (speech.ready)
		client_note_ready(client, server->status,
		    outstanding_none(&server->outstanding));
	/*
	 * What was held back may go on, or is held back again.  After an error
	 * the server may have nothing more to say until it reads Sync.
	 */
	if (UNLIKELY(client->held && (speech.ready ||
	    server->outstanding.skipping || server->outstanding.copying_in)))
		client_begin_relay(client);
	else
		relay_settle(server);
}
