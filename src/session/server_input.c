/*
 * What a server says: cut into messages where we talk to it ourselves, handed
 * to the relay where a client does.
 */
#include "session/server.h"

#include <errno.h>
#include <string.h>

#include "base/invariant.h"
#include "session/auth_query.h"
#include "session/clearing.h"
#include "session/client.h"
#include "session/login_at_server.h"
#include "session/relay.h"
#include "session/server_parts.h"
#include "session/session_state.h"
#include "wire/framing.h"
#include "wire/messages.h"

typedef void take_message(struct server *, uint8_t type, const uint8_t *body,
    size_t length);

/* It hung up, or the connection broke. */
static void
on_hang_up(struct server *server)
{
	const char *problem = stream_problem(&server->stream);

	if (problem[0] != '\0')
		server_log(LOG_LEVEL_WARNING, server, "TLS error: %s", problem);
	if (server->step == SERVER_LOGIN)
		login_at_server_hung_up(server);
	else if (server_is_before_use(server) ||
	    (server->step == SERVER_ASKING && server->client != NULL))
		server_try_another(server, "server conn crashed?");
	else if (server->step == SERVER_LOOKING)
		session_state_lost(server, "server conn crashed?");
	else if (server->step != SERVER_LEAVING)
		server_close(server, server->step == SERVER_AT_REST ?
		    "server connection closed" : "server conn crashed?");
	if (server->stream.fd == -1 || server->step != SERVER_LEAVING)
		return;
	if (UNLIKELY(server_is_cut_off(server)))
		server_end_orphan(server);
	else
		server_end_close(server);
}

/* A whole message of a server that nobody uses. */
static void
take_idle_message(struct server *server, uint8_t type, const uint8_t *body,
    size_t length)
{
	struct notice notice;

	switch (type) {
	case MESSAGE_PARAMETER_STATUS:
		server_note_parameter(server, body, length);
		return;
	case MESSAGE_NOTIFICATION_RESPONSE:
		server_log(LOG_LEVEL_WARNING, server, "got packet '%c' from "
		    "server when not linked", type);
		return;
	case MESSAGE_ERROR_RESPONSE:
	case MESSAGE_NOTICE_RESPONSE:
		(void)!read_error_response(reader_of(body, length), &notice);
		server_log(LOG_LEVEL_WARNING, server, "got packet '%c' from "
		    "server when not linked: %s: %s", type, notice.severity,
		    notice.text);
		break;
	default:
		break;
	}
	server_close(server, "idle server got dirty");
}

/* While it logs in that is a failed attempt as well. */
static void
give_up(struct server *server, const char *reason)
{
	if (server->step == SERVER_LOGIN)
		login_at_server_failed(server, reason, reason);
	else
		server_close(server, reason);
}

/*
 * Cuts bytes into whole messages; what is left waits in `partial`.  False:
 * the server was closed on the way.
 */
static bool
take_whole_messages(struct server *server, const uint8_t *bytes,
    size_t length, take_message *take)
{
	enum server_step step = server->step;
	size_t at = 0;

	while (at < length) {
		struct frame frame;
		enum frame_verdict verdict = frame_read(bytes + at,
		    length - at, SESSIONS_HEADROOM - 1, &frame);

		if (verdict == FRAME_BAD) {
			give_up(server, "bad pkt header");
			return false;
		}
		if (verdict == FRAME_MORE || !frame_whole(&frame, length - at))
			break;
		take(server, frame.type, bytes + at + FRAME_HEADER,
		    frame.total - FRAME_HEADER);
		if (server->stream.fd == -1 || server->step != step)
			return false;
		at += frame.total;
	}
	if (at < length && !buffer_append(&server->partial, bytes + at,
	    length - at)) {
		give_up(server, "out of memory");
		return false;
	}
	return true;
}

/*
 * The server may have more to say behind its ReadyForQuery (a notification),
 * so a step ends only when everything that was read is dealt with.
 */
static void
end_step_if_done(struct server *server)
{
	if (!server->step_done || buffer_length(&server->partial) > 0)
		return;
	server->step_done = false;
	if (server->step == SERVER_LOGIN)
		login_at_server_ready(server);
	else if (server->step == SERVER_ASKING)
		auth_query_done(server);
	else
		server_end_setup(server);
}

static void
take_at_rest(struct server *server, const uint8_t *bytes, size_t length)
{
	if (!take_whole_messages(server, bytes, length, take_idle_message))
		return;
	if (buffer_length(&server->partial) > 0)
		server_close(server, "idle server got dirty");
	else
		server_release(server);
}

static void
take_bytes(struct server *server, const uint8_t *bytes, size_t length)
{
	switch (server->step) {
	case SERVER_LOGIN:
		if (take_whole_messages(server, bytes, length,
		    login_at_server_take))
			end_step_if_done(server);
		return;
	case SERVER_CHECKING:
	case SERVER_SETTING:
	case SERVER_LOOKING:
	case SERVER_ROLLING_BACK:
	case SERVER_RESETTING:
		if (take_whole_messages(server, bytes, length,
		    server_take_setup_message))
			end_step_if_done(server);
		return;
	case SERVER_ASKING:
		if (take_whole_messages(server, bytes, length,
		    auth_query_message))
			end_step_if_done(server);
		return;
	case SERVER_RELAYING:
		relay_from_server(server, bytes, length);
		return;
	case SERVER_CLEARING:
		if (relay_hear(server, bytes, length))
			clearing_go_on(server);
		return;
	case SERVER_AT_REST:
		take_at_rest(server, bytes, length);
		return;
	default:
		return;			/* LEAVING: nobody wants it */
	}
}

static void
read_server(struct server *server)
{
	struct sessions *sessions = server->sessions;
	size_t before = buffer_length(&server->partial);
	ssize_t got;

	INVARIANT(before < SESSIONS_HEADROOM);
	got = stream_receive(&server->stream, sessions->input,
	    SESSIONS_READ_BYTES);
	if (stream_has_unsent(&server->stream))
		server_watch_for(server, server->watch.events | EPOLLOUT);
	if (got == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		/* News of a time when somebody else used it. */
		if (server->step == SERVER_AT_REST)
			server_release(server);
		return;
	}
	if (got <= 0) {
		on_hang_up(server);
		return;
	}
	server->answered_at = loop_now(sessions->loop);
	if (before > 0) {
		memcpy(sessions->input - before,
		    buffer_front(&server->partial), before);
		buffer_clear(&server->partial);
	}
	take_bytes(server, sessions->input - before, before + (size_t)got);
}

/*
 * An event of a server at rest: it is ours to read only if it is idle and
 * nobody has taken it meanwhile.  One that has moved on leaves our epoll set,
 * one that is just being given to us will be read later.
 */
static bool
may_read_at_rest(struct server *server)
{
	struct pool_caller caller = sessions_caller(server->sessions);
	const struct server_row *row = server_row(server);

	if (atomic_load(&row->generation) != server->generation) {
		server_forget(server);
		return false;
	}
	if (atomic_load(&row->worker) == caller.worker &&
	    pool_claim_idle(&caller, server->row)) {
		if (LIKELY(server_take_in(server)))
			return true;
		server_close(server, "idle server got dirty");
		return false;
	}
	if (atomic_load(&row->worker) != caller.worker &&
	    server->bridge == NULL)
		loop_remove(server->sessions->loop, &server->watch);
	return false;
}

void
server_on_event(void *context, uint32_t events)
{
	struct server *server = server_from(context);

	if (server->step == SERVER_AT_REST) {
		if (UNLIKELY(server->bridge != NULL) &&
		    server_pump(server, events))
			return;
		if (may_read_at_rest(server))
			read_server(server);
		return;
	}
	if (server->step == SERVER_LOGIN &&
	    !login_at_server_connected(server))
		return;
	if (events & EPOLLOUT)
		server_flush_backlog(server);
	/* The last bytes may have set it free: then it is not ours to read. */
	if (server->stream.fd == -1 || server->step == SERVER_AT_REST)
		return;
	if (events & EPOLLIN) {
		read_server(server);
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		/* Paused: what it still has to say is read later. */
		if (server->watch.events & EPOLLIN)
			read_server(server);
		else
			loop_remove(server->sessions->loop, &server->watch);
	}
}
