#include "session/cancel.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/invariant.h"
#include "session/forward.h"
#include "session/route.h"
#include "session/server.h"

#define CANCEL_TAG 0x2fb8c6e3

/*
 * It lives until the request is delivered or given up, whether its client
 * waits for that or not.
 */
struct cancel {
	uint32_t	 tag;
	struct sessions	*sessions;
	struct client	*client;	/* NULL: it did not wait */
	struct watch	 watch;
	int		 fd;
	uint32_t	 link;		/* row in phase CANCEL_LINK */
	struct backend_key key;		/* of the server */
	bool		 sent;
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

/*
 * The server that waited for this goes to the next client, unless the request
 * may be on its way for ever.
 */
static void
finish(struct cancel *cancel, bool delivered, const char *reason)
{
	struct sessions *sessions = cancel->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	struct client *client = cancel->client;
	uint32_t target;
	bool released;

	loop_remove(sessions->loop, &cancel->watch);
	if (cancel->fd != -1)
		close(cancel->fd);
	if (cancel->sent && !delivered) {
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
	if (released) {
		struct server *server = server_get(sessions, target);

		if (server != NULL)
			server_release(server);
	}
}

static void
send_request(struct cancel *cancel)
{
	uint8_t memory[32];
	struct writer writer = writer_of(memory, sizeof(memory));

	if (socket_outcome(cancel->fd) != 0) {
		finish(cancel, false, "failed to send cancel request");
		return;
	}
	write_cancel_request(&writer, &cancel->key);
	cancel->sent = true;
	if (socket_send(cancel->fd, writer.bytes, writer.used) !=
	    (ssize_t)writer.used) {
		finish(cancel, false, "failed to send cancel request");
		return;
	}
	loop_change(cancel->sessions->loop, &cancel->watch, EPOLLIN);
}

static void
on_cancel(void *context, uint32_t events)
{
	struct cancel *cancel = cancel_from(context);
	uint8_t bytes[64];
	ssize_t got;

	if (!cancel->sent) {
		send_request(cancel);
		return;
	}
	/* PostgreSQL says nothing; it hangs up when the signal is sent. */
	got = socket_receive(cancel->fd, bytes, sizeof(bytes));
	if (got == 0 || (got == -1 && socket_peek(cancel->fd) == SOCKET_GONE))
		finish(cancel, true, "successfully sent cancel request");
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

	cancel->fd = -1;
	if (!server_address(sessions, link, &address, &length) ||
	    !socket_connect((struct sockaddr *)&address, length,
	    &sessions->socket_options, &cancel->fd, &error) ||
	    !loop_add(sessions->loop, &cancel->watch, cancel->fd, EPOLLOUT,
	    on_cancel, cancel))
		finish(cancel, false, "failed to send cancel request");
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

void
cancel_begin(struct client *client, const struct backend_key *key)
{
	struct sessions *sessions = client->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	uint64_t wanted = (uint64_t)key->pid << 32 | key->secret;
	int peer_id = sessions->config->peer_id;
	uint32_t row = NO_ROW, link, target;
	const struct server_row *server;	/* the link: a copy */
	struct cancel *cancel;

	client_enter(client, CLIENT_CANCEL);
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
		forward_begin(client, wanted);
		return;
	}
	if (row == NO_ROW) {
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
	server = segment_server(sessions->segment, link);
	cancel = calloc(1, sizeof(*cancel));
	if (cancel == NULL) {
		if (pool_end_cancel(&caller, link, &target) &&
		    server_get(sessions, target) != NULL)
			server_release(server_get(sessions, target));
		client_close(client, "out of memory");
		return;
	}
	cancel->tag = CANCEL_TAG;
	cancel->sessions = sessions;
	cancel->client = client;
	cancel->link = link;
	cancel->key = (struct backend_key){ server->backend_pid,
	    server->backend_secret };
	cancel->deadline = sessions->config->cancel_wait_timeout == 0 ?
	    INT64_MAX : caller.now + sessions->config->cancel_wait_timeout;
	atomic_store(&client_row(client)->pool, atomic_load(&server->pool));
	cancel->next = sessions->cancels;
	sessions->cancels = cancel;
	client->cancel = cancel;
	connect_to_server(cancel);
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
		if (loop_now(sessions->loop) >= cancel->deadline)
			finish(cancel, false, "cancel_wait_timeout");
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
