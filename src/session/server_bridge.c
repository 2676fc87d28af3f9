/*
 * A server connection whose TLS is in one worker: how that worker, and the
 * others, come to use it.
 *
 *   owner    the stream itself; while others use it, the pump (bridge.h)
 *   others   the far end, like any descriptor
 *
 * Who uses it is the row's `worker`.  Only the owner has `bridge`; others see
 * by the row's tls_owner that it is not in the clear.
 */
#include "session/bridge.h"

#include "base/invariant.h"
#include "session/server_parts.h"

static void
listen_to_server(void *context, uint32_t events)
{
	struct server *server = server_from(context);

	if (events == 0)
		loop_remove(server->sessions->loop, &server->watch);
	else
		server_watch_for(server, events);
}

/* Who has not got it now should not speak: then nothing is sure any more. */
static bool
is_lent(void *context)
{
	struct server *server = server_from(context);

	if (server->step == SERVER_AT_REST)
		return true;
	if (server->step == SERVER_LEAVING)
		return false;
	server_log(LOG_LEVEL_ERROR, server, "two workers use one connection");
	server->outstanding.doubtful = true;
	server_close(server, "server conn crashed?");
	return false;
}

bool
server_build_bridge(struct server *server, struct error *error)
{
	struct server_row *row = server_row(server);
	const struct bridge_place place = {
		.loop = server->sessions->loop,
		.stream = &server->stream,
		.memory = server->sessions->input,
		.hung_up = &row->hung_up,
		.context = server,
		.listen = listen_to_server,
		.is_lent = is_lent,
	};

	server->bridge = bridge_create(&place, error);
	if (server->bridge == NULL)
		return false;
	row->tls_owner = server->sessions->worker + 1;
	return true;
}

int
server_shared_fd(const struct server *server)
{
	return server->bridge != NULL ? bridge_far_end(server->bridge) :
	    server->stream.fd;
}

bool
server_take_in(struct server *server)
{
	uint32_t lent;

	if (server->bridge == NULL)
		return true;
	lent = atomic_load(&server_row(server)->lent);
	if (lent == server->seen_lent && !bridge_was_used(server->bridge))
		return true;
	server->seen_lent = lent;
	return bridge_take_back(server->bridge, &server->backlog) ==
	    BRIDGE_QUIET;
}

bool
server_begin_use(struct server *server)
{
	struct server_row *row = server_row(server);

	if (server->bridge != NULL)
		return server_take_in(server);
	if (row->orphaned)
		return false;
	atomic_fetch_add(&row->lent, 1);
	return true;
}

bool
server_pump(struct server *server, uint32_t events)
{
	const struct server_row *row = server_row(server);

	if (atomic_load(&row->generation) != server->generation)
		return false;
	if (atomic_load(&row->worker) != server->sessions->worker) {
		bridge_on_stream(server->bridge, events);
		return true;
	}
	if (events & EPOLLOUT)
		bridge_on_stream(server->bridge, EPOLLOUT);
	return (events & ~(uint32_t)EPOLLOUT) == 0;
}

bool
server_is_cut_off(const struct server *server)
{
	const struct server_row *row = server_row(server);

	return row->tls_owner != 0 && server->bridge == NULL &&
	    atomic_load(&row->hung_up) == 0;
}

void
server_retire(struct server *server)
{
	struct pool_caller caller = sessions_caller(server->sessions);

	if (server->step == SERVER_AT_REST &&
	    pool_close_idle(&caller, server->row))
		server_leave(server->sessions, server->row, "worker retires");
	else if (!server_row(server)->close_needed)
		pool_mark(&caller, server->row, server->generation);
}
