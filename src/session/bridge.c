#include "session/bridge.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/invariant.h"
#include "base/memory.h"

/* For what is read while the memory of the place is in use. */
#define TAKE_BACK_BYTES 4096

struct bridge {
	struct bridge_place	 place;
	struct watch		 inner;		/* of the near end */
	int			 near, far;
	struct buffer		 to_server;	/* not taken yet */
	struct buffer		 to_user;
	bool			 user_ended;	/* nothing more comes of it */
	bool			 server_ended;
	bool			 told_server;	/* … that the user has ended */
	bool			 told_user;
	bool			 used;
};

static bool
is_later(ssize_t done)
{
	return done == -1 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

/* --- from the user to PostgreSQL ----------------------------------------- */

static bool
is_server_busy(const struct bridge *bridge)
{
	return buffer_length(&bridge->to_server) > 0 ||
	    stream_has_unsent(bridge->place.stream);
}

/* Nothing can be sent any more; what PostgreSQL has said is still read. */
static void
give_up_server(struct bridge *bridge)
{
	buffer_clear(&bridge->to_server);
	bridge->user_ended = bridge->told_server = true;
}

/* How many of these bytes PostgreSQL takes now. */
static size_t
send_to_server(struct bridge *bridge, const uint8_t *bytes, size_t length)
{
	size_t done = 0;
	ssize_t sent;

	while (done < length) {
		sent = stream_send(bridge->place.stream, bytes + done,
		    length - done);
		if (is_later(sent))
			break;
		if (sent == -1) {
			give_up_server(bridge);
			return length;
		}
		done += (size_t)sent;
	}
	return done;
}

static void
flush_to_server(struct bridge *bridge)
{
	size_t done;

	if (!stream_flush(bridge->place.stream)) {
		give_up_server(bridge);
		return;
	}
	if (buffer_length(&bridge->to_server) == 0 ||
	    stream_has_unsent(bridge->place.stream))
		return;
	done = send_to_server(bridge, buffer_front(&bridge->to_server),
	    buffer_length(&bridge->to_server));
	if (buffer_length(&bridge->to_server) > 0)
		buffer_consume(&bridge->to_server, done);
}

static void
keep_for_server(struct bridge *bridge, const uint8_t *bytes, size_t length)
{
	/* Half of a message must not pass for the end of it. */
	if (length > 0 && !buffer_append(&bridge->to_server, bytes, length)) {
		shutdown(bridge->place.stream->fd, SHUT_RDWR);
		give_up_server(bridge);
	}
}

static void
read_user(struct bridge *bridge)
{
	uint8_t *memory = bridge->place.memory;
	ssize_t got = socket_receive(bridge->near, memory,
	    STREAM_RECEIVE_LEAST);
	size_t done;

	if (is_later(got))
		return;
	bridge->used = true;
	if (got <= 0) {
		bridge->user_ended = true;
		return;
	}
	done = send_to_server(bridge, memory, (size_t)got);
	keep_for_server(bridge, memory + done, (size_t)got - done);
}

/* --- from PostgreSQL to the user ----------------------------------------- */

/* Who does not read any more is closing the connection. */
static size_t
send_to_user(struct bridge *bridge, const uint8_t *bytes, size_t length)
{
	ssize_t sent = socket_send(bridge->near, bytes, length);

	if (is_later(sent))
		return 0;
	return sent == -1 ? length : (size_t)sent;
}

static void
flush_to_user(struct bridge *bridge)
{
	size_t length = buffer_length(&bridge->to_user);

	if (length > 0)
		buffer_consume(&bridge->to_user, send_to_user(bridge,
		    buffer_front(&bridge->to_user), length));
}

static void
read_server(struct bridge *bridge)
{
	uint8_t *memory = bridge->place.memory;
	ssize_t got = stream_receive(bridge->place.stream, memory,
	    STREAM_RECEIVE_LEAST);
	size_t done;

	if (is_later(got))
		return;
	bridge->used = true;
	if (got <= 0) {
		bridge->server_ended = true;
		return;
	}
	done = send_to_user(bridge, memory, (size_t)got);
	/* What is lost would be missed in the middle of an answer. */
	if (done < (size_t)got && !buffer_append(&bridge->to_user,
	    memory + done, (size_t)got - done))
		bridge->server_ended = true;
}

/* --- both ----------------------------------------------------------------- */

static void on_inner(void *context, uint32_t events);

static void
listen_to_user(struct bridge *bridge, uint32_t events)
{
	struct loop *loop = bridge->place.loop;

	/* Without any, EPOLLHUP would still be reported, for ever. */
	if (events == 0)
		loop_remove(loop, &bridge->inner);
	else if (bridge->inner.callback != NULL)
		loop_change(loop, &bridge->inner, events);
	else
		INVARIANT(loop_add(loop, &bridge->inner, bridge->near, events,
		    on_inner, bridge));
}

/* Ends that are due are passed on; then what is to be waited for. */
static void
settle(struct bridge *bridge)
{
	bool server_busy = is_server_busy(bridge);
	bool user_busy = buffer_length(&bridge->to_user) > 0;

	if (bridge->user_ended && !bridge->told_server && !server_busy) {
		bridge->told_server = true;
		stream_finish(bridge->place.stream, NULL, 0);
		shutdown(bridge->place.stream->fd, SHUT_WR);
	}
	if (bridge->server_ended && !bridge->told_user && !user_busy) {
		bridge->told_user = true;
		atomic_store(bridge->place.hung_up, 1);
		shutdown(bridge->near, SHUT_WR);
	}
	listen_to_user(bridge,
	    (bridge->user_ended || server_busy ? 0 : EPOLLIN) |
	    (user_busy ? EPOLLOUT : 0));
	bridge->place.listen(bridge->place.context,
	    (bridge->server_ended || user_busy ? 0 : EPOLLIN) |
	    (server_busy ? EPOLLOUT : 0));
}

static void
on_inner(void *context, uint32_t events)
{
	struct bridge *bridge = context;

	if (!bridge->place.is_lent(bridge->place.context)) {
		loop_remove(bridge->place.loop, &bridge->inner);
		return;
	}
	if (events & EPOLLOUT)
		flush_to_user(bridge);
	if (events & (EPOLLHUP | EPOLLERR))	/* it does not read, either */
		buffer_clear(&bridge->to_user);
	if (events & ~(uint32_t)EPOLLOUT && !bridge->user_ended &&
	    !is_server_busy(bridge))
		read_user(bridge);
	settle(bridge);
}

void
bridge_on_stream(struct bridge *bridge, uint32_t events)
{
	if (events & EPOLLOUT)
		flush_to_server(bridge);
	if (events & ~(uint32_t)EPOLLOUT && !bridge->server_ended &&
	    buffer_length(&bridge->to_user) == 0)
		read_server(bridge);
	settle(bridge);
}

/* --- taking it back ------------------------------------------------------ */

bool
bridge_was_used(const struct bridge *bridge)
{
	return bridge->used;
}

/* Nobody writes any more: what is there is all. */
static void
drain_user(struct bridge *bridge)
{
	uint8_t memory[TAKE_BACK_BYTES];
	ssize_t got;

	while ((got = socket_receive(bridge->near, memory, sizeof(memory))) >
	    0)
		keep_for_server(bridge, memory, (size_t)got);
	if (!is_later(got))
		bridge->user_ended = true;
	memory_wipe(memory, sizeof(memory));
}

enum bridge_news
bridge_take_back(struct bridge *bridge, struct buffer *rest)
{
	size_t length;

	bridge->used = false;
	if (!bridge->user_ended)
		drain_user(bridge);
	if (buffer_length(&bridge->to_server) > 0)
		flush_to_server(bridge);
	if (bridge->user_ended || bridge->server_ended)
		return BRIDGE_GONE;
	if (buffer_length(&bridge->to_user) > 0 ||
	    socket_peek(bridge->far) != SOCKET_QUIET)
		return BRIDGE_BYTES;
	length = buffer_length(&bridge->to_server);
	if (length > 0 && !buffer_append(rest,
	    buffer_front(&bridge->to_server), length))
		return BRIDGE_GONE;
	listen_to_user(bridge, EPOLLIN);
	bridge->place.listen(bridge->place.context,
	    EPOLLIN | (is_server_busy(bridge) ? EPOLLOUT : 0));
	buffer_clear(&bridge->to_server);
	return BRIDGE_QUIET;
}

/* --- beginning and end --------------------------------------------------- */

struct bridge *
bridge_create(const struct bridge_place *place, struct error *error)
{
	struct bridge *bridge;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    ends) == -1) {
		error_system(error, "could not create a socket pair");
		return NULL;
	}
	bridge = memory_get(sizeof(*bridge));
	bridge->place = *place;
	bridge->near = ends[0];
	bridge->far = ends[1];
	if (loop_add(place->loop, &bridge->inner, bridge->near, EPOLLIN,
	    on_inner, bridge))
		return bridge;
	error_system(error, "could not watch a descriptor");
	bridge_stop(bridge);
	bridge_free(bridge);
	return NULL;
}

int
bridge_far_end(const struct bridge *bridge)
{
	return bridge->far;
}

void
bridge_stop(struct bridge *bridge)
{
	loop_remove(bridge->place.loop, &bridge->inner);
	if (bridge->near != -1)
		close(bridge->near);
	if (bridge->far != -1)
		close(bridge->far);
	bridge->near = bridge->far = -1;
	buffer_clear(&bridge->to_server);
	buffer_clear(&bridge->to_user);
}

void
bridge_free(struct bridge *bridge)
{
	memory_free(bridge);
}
