#include "session/forward.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/invariant.h"
#include "session/lookup.h"
#include "session/route.h"
#include "wire/messages.h"

#define FORWARD_TAG 0x7ad1c5b3

#define TTL_BITS 3u
#define TTL_FIRST 3u

/*
 *   WAITING -> CONNECTING -> SENT      WAITING: for its turn, for a name
 *
 * It lives until the peer has hung up, or it is given up.
 */
enum forward_phase {
	FORWARD_WAITING = 0,
	FORWARD_CONNECTING,
	FORWARD_SENT
};

struct forward {
	uint32_t		 tag;
	struct sessions		*sessions;
	struct client		*client;	/* NULL: it did not wait */
	enum forward_phase	 phase;
	struct watch		 watch;
	int			 fd;
	int			 peer_id;
	uint32_t		 peer;		/* row */
	struct backend_key	 key;		/* to be sent */
	usec_t			 deadline;
	struct forward		*next;
};

static struct forward *
forward_from(void *context)
{
	struct forward *forward = context;

	INVARIANT(forward != NULL && forward->tag == FORWARD_TAG);
	return forward;
}

/* --- keys ---------------------------------------------------------------- */

uint64_t
forward_mark_key(uint64_t random, int peer_id)
{
	uint64_t id = (uint64_t)peer_id;

	if (peer_id == 0)
		return random;
	random &= ~(UINT64_C(0xffff) << 40);
	random |= (id & 0xff) << 48 | (id >> 8 & 0xff) << 40;
	return random | TTL_FIRST;
}

uint64_t
forward_key_given(uint64_t key)
{
	return key | TTL_FIRST;
}

int
forward_key_peer(uint64_t key)
{
	return (int)(key >> 48 & 0xff) | (int)(key >> 40 & 0xff) << 8;
}

/* --- its end ------------------------------------------------------------- */

static void
move_to_closed(struct sessions *sessions, struct forward *forward)
{
	struct forward **at = &sessions->forwards;

	while (*at != forward)
		at = &(*at)->next;
	*at = forward->next;
	forward->tag = 0;
	forward->next = sessions->closed_forwards;
	sessions->closed_forwards = forward;
}

static void
finish(struct forward *forward, const char *reason)
{
	struct sessions *sessions = forward->sessions;
	struct client *client = forward->client;

	loop_remove(sessions->loop, &forward->watch);
	if (forward->fd != -1)
		close(forward->fd);
	if (forward->phase == FORWARD_WAITING)
		peers_wait_no_more(sessions->segment, forward->peer,
		    sessions->worker);
	else
		peers_leave(sessions->segment, forward->peer,
		    sessions->worker);
	forward->client = NULL;
	move_to_closed(sessions, forward);
	if (client != NULL)
		client_close(client, reason);
}

/* --- its way ------------------------------------------------------------- */

static void
send_request(struct forward *forward)
{
	uint8_t memory[BACKEND_KEY_MESSAGE_MOST];
	struct writer writer = writer_of(memory, sizeof(memory));

	write_cancel_request(&writer, &forward->key);
	if (socket_outcome(forward->fd) != 0 ||
	    socket_send(forward->fd, writer.bytes, writer.used) !=
	    (ssize_t)writer.used) {
		finish(forward, "failed to forward cancel request");
		return;
	}
	forward->phase = FORWARD_SENT;
	loop_change(forward->sessions->loop, &forward->watch, EPOLLIN);
}

static void
on_forward(void *context, uint32_t events)
{
	struct forward *forward = forward_from(context);
	uint8_t bytes[64];
	ssize_t got;

	if (forward->phase == FORWARD_CONNECTING) {
		send_request(forward);
		return;
	}
	/* It says nothing; it hangs up when the request is dealt with. */
	got = socket_receive(forward->fd, bytes, sizeof(bytes));
	if (got == 0 || (got == -1 && socket_peek(forward->fd) ==
	    SOCKET_GONE))
		finish(forward, "successfully sent cancel request");
}

/* HOST_WAIT: the name is being looked up; the clock asks again. */
static enum host_choice
find_address(struct sessions *sessions, const char *name,
    struct address *address_out)
{
	struct host_wish wish = { .worker = sessions->worker,
	    .now = loop_now(sessions->loop) };
	enum host_choice choice;

	if (address_parse_host(name, address_out))
		return HOST_CHOSEN;
	wish.row = hosts_find(sessions->segment, name, wish.now);
	if (wish.row == NO_ROW)
		return HOST_NONE;
	choice = hosts_choose(sessions->segment, &wish, address_out);
	if (choice == HOST_WAIT)
		lookup_ask(sessions, wish.row);
	return choice;
}

static void
connect_to(struct forward *forward, const struct sockaddr_storage *address,
    socklen_t length)
{
	struct sessions *sessions = forward->sessions;
	struct error error;

	if (!socket_connect((const struct sockaddr *)address, length,
	    &sessions->socket_options, &forward->fd, &error) ||
	    !loop_add(sessions->loop, &forward->watch, forward->fd, EPOLLOUT,
	    on_forward, forward))
		finish(forward, "failed to forward cancel request");
}

/* Its turn has come, if there is one, and its peer's address is known. */
static void
try_to_go(struct forward *forward)
{
	struct sessions *sessions = forward->sessions;
	const struct config_peer *peer = config_find_peer(sessions->config,
	    forward->peer_id);	/* forward_configure() sees to it */
	int limit = peer->pool_size >= 0 ? peer->pool_size :
	    sessions->config->default_pool_size;
	struct sockaddr_storage storage;
	enum host_choice choice = HOST_CHOSEN;
	struct address address;
	socklen_t length;

	if (peer->host[0] == '/' || peer->host[0] == '@') {
		if (!route_unix_in(peer->host, peer->port, &storage, &length))
			choice = HOST_NONE;
	} else {
		choice = find_address(sessions, peer->host, &address);
		address.port = (uint16_t)peer->port;
		if (choice == HOST_CHOSEN)
			address_to(&address, &storage, &length);
	}
	if (choice == HOST_NONE) {
		finish(forward, "failed to forward cancel request");
		return;
	}
	if (choice == HOST_WAIT || !peers_enter(sessions->segment,
	    forward->peer, sessions->worker, (uint32_t)limit))
		return;
	peers_wait_no_more(sessions->segment, forward->peer,
	    sessions->worker);
	forward->phase = FORWARD_CONNECTING;
	connect_to(forward, &storage, length);
}

void
forward_begin(struct client *client, const struct backend_key *key)
{
	struct sessions *sessions = client->sessions;
	const struct config *config = sessions->config;
	int id = forward_key_peer((uint64_t)key->pid << 32 | key->secret);
	uint32_t ttl = key->secret & TTL_BITS;
	struct forward *forward;
	uint32_t peer;

	if (config_find_peer(config, id) == NULL || id == config->peer_id ||
	    (peer = peers_make(sessions->segment, (uint32_t)id)) == NO_ROW) {
		client_close(client, "could not find peer to forward request "
		    "to");
		return;
	}
	if (ttl == 0) {
		client_close(client, "failed to forward cancel request "
		    "because its TTL was exhausted");
		return;
	}
	forward = calloc(1, sizeof(*forward));
	if (forward == NULL) {
		client_close(client, "out of memory");
		return;
	}
	forward->tag = FORWARD_TAG;
	forward->sessions = sessions;
	forward->client = client;
	forward->fd = -1;
	forward->peer_id = id;
	forward->peer = peer;
	forward->key = *key;
	forward->key.secret--;		/* the TTL is in its lowest bits */
	forward->deadline = config->cancel_wait_timeout == 0 ? INT64_MAX :
	    loop_now(sessions->loop) + config->cancel_wait_timeout;
	forward->next = sessions->forwards;
	sessions->forwards = forward;
	peers_wait(sessions->segment, peer, sessions->worker);
	try_to_go(forward);
}

void
forward_abandon(struct sessions *sessions, const struct client *client)
{
	for (struct forward *forward = sessions->forwards; forward != NULL;
	    forward = forward->next)
		if (forward->client == client)
			forward->client = NULL;
}

void
forward_tick(struct sessions *sessions)
{
	struct forward *forward, *next;

	for (forward = sessions->forwards; forward != NULL; forward = next) {
		next = forward->next;
		if (loop_now(sessions->loop) >= forward->deadline)
			finish(forward, "cancel_wait_timeout");
		else if (forward->phase == FORWARD_WAITING)
			try_to_go(forward);
	}
}

void
forward_configure(struct sessions *sessions)
{
	struct forward *forward, *next;

	for (forward = sessions->forwards; forward != NULL; forward = next) {
		next = forward->next;
		if (config_find_peer(sessions->config, forward->peer_id) ==
		    NULL)
			finish(forward, "peer removed");
	}
}

void
forward_free_closed(struct sessions *sessions)
{
	while (sessions->closed_forwards != NULL) {
		struct forward *forward = sessions->closed_forwards;

		sessions->closed_forwards = forward->next;
		free(forward);
	}
}
