#include "session/cancel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "session/cancel_key.h"
#include "session/clearing.h"
#include "session/forward.h"
#include "session/negotiation.h"
#include "session/route.h"
#include "session/server.h"

#define CANCEL_TAG 0x2fb8c6e3

/* What has become of a request. */
enum cancel_end {
	CANCEL_DELIVERED = 0,	/* PostgreSQL has hung up, without a word */
	CANCEL_REFUSED,		/* it will not arrive, or not be obeyed */
	CANCEL_LOST		/* it may arrive yet, if it has been sent */
};

/*
 * It lives until the request is delivered or given up, whether its client
 * waits for that or not.
 */
struct cancel {
	uint32_t	 tag;
	struct sessions	*sessions;
	struct client	*client;	/* NULL: it did not wait */
	struct watch	 watch;
	struct stream	 stream;
	struct negotiation negotiation;
	char		 host[HOST_NAME_BYTES];	/* with TLS */
	bool		 connected;
	uint32_t	 link;		/* row in phase CANCEL_LINK */
	struct backend_key key;		/* of the server */
	bool		 sent;
	bool		 ours;		/* nobody has asked for it */
	usec_t		 deadline;
	struct cancel	*next;
};

static struct cancel *
cancel_from(void *context)
{
	struct cancel *cancel = context;

	INVARIANT(cancel != NULL && cancel->tag == CANCEL_TAG);
	return cancel;
}

static void
move_to_closed(struct sessions *sessions, struct cancel *cancel)
{
	struct cancel **at = &sessions->cancels;

	while (*at != cancel)
		at = &(*at)->next;
	*at = cancel->next;
	cancel->tag = 0;
	cancel->next = sessions->closed_cancels;
	sessions->closed_cancels = cancel;
}

/* It may have been closed while this was on its way. */
static void
tell_server(struct sessions *sessions, uint32_t row, uint32_t generation,
    bool delivered)
{
	struct server *server = sessions->servers[row];

	if (server != NULL && server->generation == generation)
		clearing_cancelled(server, delivered);
}

/*
 * The server that waited for this goes to the next client, unless the request
 * may be on its way for ever.
 */
static void
finish(struct cancel *cancel, enum cancel_end end, const char *reason)
{
	struct sessions *sessions = cancel->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	struct client *client = cancel->client;
	uint32_t target;
	uint32_t generation = segment_server(sessions->segment,
	    cancel->link)->target_generation;
	bool released;

	loop_remove(sessions->loop, &cancel->watch);
	stream_close(&cancel->stream);
	if (cancel->sent && end == CANCEL_LOST) {
		const struct server_row *link = segment_server(
		    sessions->segment, cancel->link);

		/* It may still arrive: then not at somebody else's query. */
		pool_mark(&caller, link->target, link->target_generation);
	}
	released = pool_end_cancel(&caller, cancel->link, &target);
	if (client != NULL) {
		client->cancel = NULL;
		client_close(client, reason);
	}
	move_to_closed(sessions, cancel);
	if (released)
		server_release_row(sessions, target);
	if (cancel->ours)
		tell_server(sessions, target, generation,
		    end == CANCEL_DELIVERED);
}

/* Whoever has asked may have gone: without this nobody would know. */
static void
give_up(struct cancel *cancel, enum cancel_end end, const char *problem)
{
	char address[ADDRESS_TEXT_BYTES];

	address_format(&segment_server(cancel->sessions->segment,
	    cancel->link)->remote, 0, address, sizeof(address));
	log_warning("cancel request to %s failed: %s", address, problem);
	finish(cancel, end, "failed to send cancel request");
}

/* With TLS what is said last comes with a close_notify. */
static void
send_request(struct cancel *cancel)
{
	uint8_t memory[BACKEND_KEY_MESSAGE_MOST];
	struct writer writer = writer_of(memory, sizeof(memory));

	write_cancel_request(&writer, &cancel->key);
	cancel->sent = true;
	if (stream_send(&cancel->stream, writer.bytes, writer.used) !=
	    (ssize_t)writer.used || stream_has_unsent(&cancel->stream)) {
		give_up(cancel, CANCEL_LOST, "it could not be sent");
		return;
	}
	loop_change(cancel->sessions->loop, &cancel->watch, EPOLLIN);
}

static void
obey(struct cancel *cancel, enum negotiation_verdict verdict)
{
	switch (verdict) {
	case NEGOTIATION_MORE:
		loop_change(cancel->sessions->loop, &cancel->watch, EPOLLIN |
		    (stream_has_unsent(&cancel->stream) ? EPOLLOUT : 0));
		return;
	case NEGOTIATION_CLEAR:
	case NEGOTIATION_SECURE:
		send_request(cancel);
		return;
	case NEGOTIATION_AGAIN:
	case NEGOTIATION_FAILED:
		give_up(cancel, CANCEL_REFUSED,
		    cancel->negotiation.problem[0] != '\0' ?
		    cancel->negotiation.problem : cancel->negotiation.reason);
		return;
	}
}

/*
 * As the connection that it is about: what was encrypted there is not sent
 * in the clear here.
 */
static enum negotiation_verdict
negotiate(struct cancel *cancel)
{
	const struct sessions *sessions = cancel->sessions;
	const struct server_row *link = segment_server(sessions->segment,
	    cancel->link);
	enum sslmode mode = sessions->config->server_tls_sslmode;
	struct negotiation_wish wish = {
		.is_direct = sessions->config->server_tls_sslnegotiation ==
		    SSLNEGOTIATION_DIRECT,
		.context = &sessions->server_tls,
		.host = cancel->host,
	};

	wish.mode = link->tls[0] == '\0' ? SSLMODE_DISABLE :
	    mode < SSLMODE_REQUIRE ? SSLMODE_REQUIRE : mode;
	return negotiation_begin(&cancel->negotiation, &wish,
	    &cancel->stream);
}

static void
begin(struct cancel *cancel)
{
	int outcome = socket_outcome(cancel->stream.fd);

	if (outcome != 0) {
		give_up(cancel, CANCEL_REFUSED, strerror(outcome));
		return;
	}
	cancel->connected = true;
	obey(cancel, negotiate(cancel));
}

/*
 * PostgreSQL says nothing; it hangs up when the signal is sent.  What it has
 * to say is why it cannot: that it has no process for this.  One that ends in
 * another way may have been cut off before PostgreSQL has read it, or by
 * somebody in between who has yet to pass it on.
 */
static void
await_end(struct cancel *cancel)
{
	ssize_t got = stream_receive(&cancel->stream, cancel->sessions->input,
	    SESSIONS_READ_BYTES);

	if (got == 0)
		finish(cancel, CANCEL_DELIVERED,
		    "successfully sent cancel request");
	else if (got > 0)
		give_up(cancel, CANCEL_REFUSED, "refused");
	else if (errno != EAGAIN && errno != EWOULDBLOCK)
		give_up(cancel, CANCEL_LOST, strerror(errno));
}

static void
on_cancel(void *context, uint32_t events)
{
	struct cancel *cancel = cancel_from(context);

	if (!cancel->connected)
		begin(cancel);
	else if (!cancel->sent)
		obey(cancel, negotiation_go_on(&cancel->negotiation,
		    &cancel->stream, cancel->sessions->input));
	else
		await_end(cancel);
}

/* The name that the server was found by, or its address. */
static void
name_host(struct cancel *cancel, const struct server_row *link)
{
	struct segment *segment = cancel->sessions->segment;
	uint32_t host = atomic_load(&link->host);
	struct host_copy copy;

	if (host != NO_ROW && hosts_copy(segment, host, &copy))
		memcpy(cancel->host, copy.name, sizeof(cancel->host));
	else
		address_format_host(&link->remote, cancel->host,
		    sizeof(cancel->host));
}

static bool
server_address(struct sessions *sessions, const struct server_row *link,
    struct sockaddr_storage *address_out, socklen_t *length_out)
{
	struct pool_view *view = pool_view_get(sessions,
	    atomic_load(&link->pool));

	if (link->remote.family == ADDRESS_UNIX)
		return route_unix(sessions, view, &link->remote, address_out,
		    length_out);
	address_to(&link->remote, address_out, length_out);
	return true;
}

static void
connect_to_server(struct cancel *cancel)
{
	struct sessions *sessions = cancel->sessions;
	const struct server_row *link = segment_server(sessions->segment,
	    cancel->link);
	struct sockaddr_storage address;
	struct error error;
	socklen_t length;

	name_host(cancel, link);
	if (!server_address(sessions, link, &address, &length))
		give_up(cancel, CANCEL_REFUSED, "no address");
	else if (!socket_connect((struct sockaddr *)&address, length,
	    &sessions->socket_options, &cancel->stream.fd, &error))
		give_up(cancel, CANCEL_REFUSED, error.text);
	else if (!loop_add(sessions->loop, &cancel->watch, cancel->stream.fd,
	    EPOLLOUT, on_cancel, cancel))
		give_up(cancel, CANCEL_REFUSED, "out of memory");
}

/*
 * Its own worker ends what it waits for.  The row may have changed hands
 * between the search and now: the generation was read before the key.
 */
static void
cancel_console(struct segment *segment, uint32_t row, uint64_t key)
{
	uint32_t generation = __atomic_load_n(
	    &segment->clients[row].generation, __ATOMIC_ACQUIRE);

	if (atomic_load(&segment->cancel_keys[row]) != key)
		return;
	clients_order(segment, row, generation, CLIENT_ORDER_CANCEL);
	segment_proclaim(segment);
}

/* Nothing is sent yet. NULL: no memory. */
static struct cancel *
start(struct sessions *sessions, uint32_t link, usec_t limit)
{
	/* The link has a copy of what its target is reached by. */
	const struct server_row *row = segment_server(sessions->segment,
	    link);
	struct cancel *cancel = calloc(1, sizeof(*cancel));

	if (cancel == NULL)
		return NULL;
	cancel->tag = CANCEL_TAG;
	cancel->sessions = sessions;
	cancel->stream.fd = -1;
	cancel->link = link;
	cancel->key = (struct backend_key){ .pid = row->backend_pid,
	    .secret = row->backend_secret,
	    .rest_length = (uint16_t)row->backend_rest_length };
	INVARIANT(cancel->key.rest_length <= BACKEND_KEY_REST);
	memcpy(cancel->key.rest, row->backend_rest, cancel->key.rest_length);
	cancel->deadline = limit == 0 ? INT64_MAX :
	    loop_now(sessions->loop) + limit;
	cancel->next = sessions->cancels;
	sessions->cancels = cancel;
	return cancel;
}

void
cancel_begin(struct client *client, const struct backend_key *key)
{
	struct sessions *sessions = client->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	uint64_t wanted = (uint64_t)key->pid << 32 | key->secret;
	int peer_id = sessions->config->peer_id;
	uint32_t row = NO_ROW, link, target;
	struct cancel *cancel;

	client_enter(client, CLIENT_CANCEL);
	events_count(sessions->segment, sessions->worker,
	    EVENT_cancel_requests_all);
	if (wanted != 0)
		row = segment_find_cancel_key(sessions->segment, wanted);
	/* One that was passed on has been changed on its way. */
	if (row == NO_ROW && peer_id != 0 &&
	    forward_key_peer(wanted) == peer_id) {
		wanted = forward_key_given(wanted);
		row = segment_find_cancel_key(sessions->segment, wanted);
	}
	if (row == NO_ROW && peer_id != 0 &&
	    forward_key_peer(wanted) != peer_id) {
		forward_begin(client, key);
		return;
	}
	if (row == NO_ROW || !cancel_key_fits(sessions->segment, row, key)) {
		client_close(client, "failed cancel request");
		return;
	}
	if (sessions->segment->clients[row].phase == CLIENT_CONSOLE) {
		cancel_console(sessions->segment, row, wanted);
		client_close(client, "cancel request for console client");
		return;
	}
	link = pool_begin_cancel(&caller, row, wanted, &target);
	if (link == NO_ROW && pool_cancel_waiting(&caller, row, wanted)) {
		client_close(client, "successfully sent cancel request");
		return;
	}
	if (link == NO_ROW)	/* it may have been given one in between */
		link = pool_begin_cancel(&caller, row, wanted, &target);
	if (link == NO_ROW) {
		client_close(client, "cancel request for idle client");
		return;
	}
	cancel = start(sessions, link, sessions->config->cancel_wait_timeout);
	if (cancel == NULL) {
		if (pool_end_cancel(&caller, link, &target))
			server_release_row(sessions, target);
		client_close(client, "out of memory");
		return;
	}
	cancel->client = client;
	client->cancel = cancel;
	atomic_store(&client_row(client)->pool, atomic_load(&segment_server(
	    sessions->segment, link)->pool));
	connect_to_server(cancel);
}

bool
cancel_begin_own(struct server *server)
{
	struct sessions *sessions = server->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	uint32_t link = pool_begin_own_cancel(&caller, server->row), target;
	struct cancel *cancel;

	if (link == NO_ROW)
		return false;
	cancel = start(sessions, link, CLEARING_TIMEOUT);
	if (cancel == NULL) {
		(void)!pool_end_cancel(&caller, link, &target);
		return false;
	}
	cancel->ours = true;
	connect_to_server(cancel);
	return true;
}

void
cancel_abandon(struct cancel *cancel)
{
	if (cancel != NULL)
		cancel->client = NULL;
}

void
cancel_tick(struct sessions *sessions)
{
	struct cancel *cancel, *next;

	for (cancel = sessions->cancels; cancel != NULL; cancel = next) {
		next = cancel->next;
		if (loop_now(sessions->loop) < cancel->deadline)
			continue;
		log_warning("cancel request given up: it took too long");
		finish(cancel, CANCEL_LOST, "cancel_wait_timeout");
	}
}

void
cancel_free_closed(struct sessions *sessions)
{
	while (sessions->closed_cancels != NULL) {
		struct cancel *cancel = sessions->closed_cancels;

		sessions->closed_cancels = cancel->next;
		free(cancel);
	}
}
