#include "session/server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "base/memory.h"
#include "pool/limits.h"
#include "session/bridge.h"
#include "session/clearing.h"
#include "session/client.h"
#include "session/login_at_server.h"
#include "session/relay.h"
#include "session/replication.h"
#include "session/server_parts.h"
#include "session/session_state.h"
#include "wire/framing.h"
#include "wire/messages.h"

#define SERVER_TAG 0x53e12b9d

/* How long PostgreSQL may take to hang up after our goodbye. */
#define LEAVE_TIMEOUT (2 * USEC_PER_SEC)
/* … and after the end of a process that alone was connected to it. */
#define LINGER (500 * USEC_PER_MSEC)

static const struct {
	const char	*name;
	unsigned	 may_follow;
} steps[SERVER_STEPS] = {
#define TO(step) (1u << SERVER_##step)
	[SERVER_AT_REST] = { "at rest", TO(CHECKING) | TO(SETTING) |
	    TO(ASKING) | TO(RELAYING) | TO(LEAVING) },
	[SERVER_LOGIN] = { "login", TO(AT_REST) | TO(RELAYING) |
	    TO(LEAVING) },
	[SERVER_CHECKING] = { "checking", TO(SETTING) | TO(ASKING) |
	    TO(RELAYING) | TO(LEAVING) },
	[SERVER_SETTING] = { "setting", TO(ASKING) | TO(RELAYING) |
	    TO(LEAVING) },
	[SERVER_ASKING] = { "asking", TO(AT_REST) | TO(LEAVING) },
	[SERVER_RELAYING] = { "relaying", TO(AT_REST) | TO(LOOKING) |
	    TO(RESETTING) | TO(CLEARING) | TO(LEAVING) },
	[SERVER_LOOKING] = { "looking", TO(RELAYING) | TO(AT_REST) |
	    TO(RESETTING) | TO(LEAVING) },
	[SERVER_CLEARING] = { "clearing", TO(AT_REST) | TO(ROLLING_BACK) |
	    TO(RESETTING) | TO(LEAVING) },
	[SERVER_ROLLING_BACK] = { "rolling back", TO(AT_REST) |
	    TO(RESETTING) | TO(LEAVING) },
	[SERVER_RESETTING] = { "resetting", TO(AT_REST) | TO(LEAVING) },
	[SERVER_LEAVING] = { "leaving", 0 },
#undef TO
};

void
server_enter(struct server *server, enum server_step next)
{
	INVARIANT(steps[server->step].may_follow & (1u << next));
	log_noise("server %u: %s -> %s", server->row,
	    steps[server->step].name, steps[next].name);
	server->step = next;
}

struct server *
server_from(void *context)
{
	struct server *server = context;

	INVARIANT(server != NULL && server->tag == SERVER_TAG);
	return server;
}

struct server_row *
server_row(const struct server *server)
{
	return &server->sessions->segment->servers[server->row];
}

struct pool_view *
server_view(const struct server *server)
{
	return pool_view_get(server->sessions,
	    atomic_load(&server_row(server)->pool));
}

void
server_log(enum log_level level, const struct server *server,
    const char *format, ...)
{
	const struct server_row *row = server_row(server);
	char text[1024], address[ADDRESS_TEXT_BYTES];
	const struct pool_view *view = server_view(server);
	struct log_subject subject = { .side = LOG_SIDE_SERVER,
	    .pointer = servers_handle(server->sessions->segment, server->row),
	    .database = view->database_name, .user = view->user_name,
	    .address = address };
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	address_format(&row->remote, row->backend_pid, address,
	    sizeof(address));
	log_write_about(level, &subject, "%s", text);
}

/* --- descriptors --------------------------------------------------------- */

struct server *
server_hold(struct sessions *sessions, uint32_t row, uint32_t generation,
    int fd)
{
	struct server *server;

	/* The row may have been freed in this turn, and be ours again. */
	if (sessions->servers[row] != NULL)
		server_forget(sessions->servers[row]);
	server = slab_get(sessions->server_slab);
	INVARIANT(server != NULL);	/* twice as many as there are rows */
	server->tag = SERVER_TAG;
	server->row = row;
	server->generation = generation;
	server->stream = (struct stream){ fd, NULL };
	server->sessions = sessions;
	server->watch.is_traffic = true;
	sessions->servers[row] = server;
	return server;
}

void
server_forget(struct server *server)
{
	struct sessions *sessions = server->sessions;

	INVARIANT(sessions->servers[server->row] == server);
	replication_lose_server(server);
	loop_remove(sessions->loop, &server->watch);
	stream_close(&server->stream);
	if (server->bridge != NULL)
		bridge_stop(server->bridge);
	login_at_server_free(server->login);
	outstanding_free(&server->outstanding);
	buffer_clear(&server->partial);
	buffer_clear(&server->backlog);
	sessions->servers[server->row] = NULL;
	server->next = sessions->closed_servers;
	sessions->closed_servers = server;
}

static struct server *
held(struct sessions *sessions, uint32_t row)
{
	struct server *server = sessions->servers[row];

	if (server != NULL && server->generation !=
	    atomic_load(&sessions->segment->servers[row].generation)) {
		server_forget(server);
		server = NULL;
	}
	return server;
}

struct server *
server_get(struct sessions *sessions, uint32_t row)
{
	struct server *server = held(sessions, row);

	if (server != NULL)
		return server;
	sessions->owner->collect_descriptors(sessions->owner->context);
	return held(sessions, row);
}

void
server_watch(struct server *server)
{
	if (server->watch.callback != NULL)
		return;
	INVARIANT(loop_add(server->sessions->loop, &server->watch,
	    server->stream.fd, EPOLLIN, server_on_event, server));
}

/* --- sending ------------------------------------------------------------- */

void
server_watch_for(struct server *server, uint32_t events)
{
	if (server->watch.callback == NULL)
		server_watch(server);
	loop_change(server->sessions->loop, &server->watch, events);
}

bool
server_is_before_use(const struct server *server)
{
	return server->step == SERVER_CHECKING ||
	    server->step == SERVER_SETTING;
}

/* It goes on when the server takes bytes again. */
static void
hold_back(struct server *server)
{
	server_watch_for(server, server->watch.events | EPOLLOUT);
	if (server->client != NULL)
		client_pause_reading(server->client);
}

static bool
keep_backlog(struct server *server, const uint8_t *bytes, size_t length)
{
	if (!buffer_append(&server->backlog, bytes, length)) {
		if (!server_is_before_use(server))
			server_close(server, "out of memory");
		return false;
	}
	hold_back(server);
	return true;
}

bool
server_send(struct server *server, const uint8_t *bytes, size_t length)
{
	ssize_t sent = 0;

	if (length == 0)
		return true;
	if (buffer_length(&server->backlog) == 0)
		sent = stream_send(&server->stream, bytes, length);
	if (sent == -1 && errno != EAGAIN && errno != EWOULDBLOCK) {
		/* What it said before it went is still to be read. */
		if (server->step == SERVER_RELAYING ||
		    server->step == SERVER_LOOKING ||
		    server->step == SERVER_ASKING ||
		    server->step == SERVER_LOGIN)
			return true;
		if (!server_is_before_use(server))
			server_close(server, "server conn crashed?");
		return false;
	}
	if (sent == -1)
		sent = 0;
	if ((size_t)sent < length)
		return keep_backlog(server, bytes + sent,
		    length - (size_t)sent);
	if (stream_has_unsent(&server->stream))
		hold_back(server);
	return true;
}

void
server_flush_backlog(struct server *server)
{
	size_t length = buffer_length(&server->backlog);
	ssize_t sent;

	if (!stream_flush(&server->stream))
		return;
	if (length > 0 && !stream_has_unsent(&server->stream)) {
		sent = stream_send(&server->stream,
		    buffer_front(&server->backlog), length);
		if (sent == -1)
			return;		/* EOF or error will be read */
		buffer_consume(&server->backlog, (size_t)sent);
	}
	if (server_has_backlog(server))
		return;
	server_watch_for(server, server->watch.events & ~(uint32_t)EPOLLOUT);
	if (server->client == NULL)
		return;
	client_resume_reading(server->client);
	relay_settle(server);
}

void
server_pause_reading(struct server *server)
{
	if (server->watch.callback != NULL)
		server_watch_for(server,
		    server->watch.events & ~(uint32_t)EPOLLIN);
}

void
server_resume_reading(struct server *server)
{
	server_watch_for(server, server->watch.events | EPOLLIN);
}

bool
server_send_query(struct server *server, const char *text)
{
	size_t length = strlen(text) + 1;
	uint8_t header[FRAME_HEADER];
	struct buffer bytes = { 0 };
	bool sent;

	frame_write_header(header, MESSAGE_QUERY, length);
	if (!buffer_append(&bytes, header, sizeof(header)) ||
	    !buffer_append(&bytes, text, length)) {
		buffer_clear(&bytes);
		if (!server_is_before_use(server))
			server_close(server, "out of memory");
		return false;
	}
	server->failed_setup = server->step_done = false;
	server->was_cancelled = false;
	server_row(server)->request_at = loop_now(server->sessions->loop);
	sent = server_send(server, buffer_front(&bytes),
	    buffer_length(&bytes));
	buffer_clear(&bytes);
	return sent;
}

/* --- closing ------------------------------------------------------------- */

/* A place is free: it goes to who has waited longest, of whatever pool. */
static void
open_for_who_starves(struct sessions *sessions, uint32_t pool)
{
	struct pool_caller caller = sessions_caller(sessions);
	uint32_t next = limits_next(&caller, pool);

	if (next != NO_ROW)
		server_open_if_needed(sessions, pool_view_get(sessions, next),
		    true);
}

void
server_end_close(struct server *server)
{
	struct sessions *sessions = server->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	struct pool_view *view = server_view(server);
	uint32_t row = server->row;

	if (server->stream.fd != -1)
		shutdown(server->stream.fd, SHUT_RDWR);
	server_forget(server);
	pool_end_close(&caller, row);
	if (UNLIKELY(!sessions_may_open(sessions))) {
		segment_proclaim(sessions->segment);	/* others look */
		return;
	}
	open_for_who_starves(sessions, view->pool);
	server_open_if_needed(sessions, view, view->to_welcome != NULL);
}

bool
server_has_answered(const struct server *server)
{
	return server->status != 0 &&
	    outstanding_none(&server->outstanding) &&
	    !server->outstanding.doubtful &&
	    server->remaining == 0 && buffer_length(&server->partial) == 0 &&
	    !server_has_backlog(server);
}

bool
server_is_clean(const struct server *server)
{
	return server->step == SERVER_RELAYING &&
	    server->status == TRANSACTION_NONE && server_has_answered(server);
}

/* Politely: not where Terminate would end up inside of half a message. */
static void
say_goodbye(struct server *server, bool politely)
{
	static const uint8_t terminate[] = { 'X', 0, 0, 0, 4 };
	size_t length = sizeof(terminate);

	/* What others have said goes first. */
	if (!server_take_in(server))
		politely = false;
	if (!politely || buffer_length(&server->backlog) > 0)
		length = 0;
	server->deadline = loop_now(server->sessions->loop) + LEAVE_TIMEOUT;
	buffer_clear(&server->partial);
	stream_finish(&server->stream, terminate, length);
	buffer_clear(&server->backlog);
	shutdown(server->stream.fd, SHUT_WR);
	server_watch_for(server, EPOLLIN);
}

/*
 * Only the dead had a descriptor and the kernel has closed it, but PostgreSQL
 * may need a moment to see that: its place stays taken for so long.
 */
static void
linger(struct sessions *sessions, uint32_t row)
{
	struct server *server = server_hold(sessions, row, atomic_load(
	    &sessions->segment->servers[row].generation), -1);

	server->step = SERVER_LEAVING;
	server->deadline = loop_now(sessions->loop) + LINGER;
}

/*
 * The same when it is the owner of its TLS that is dead: it may be in the
 * middle of a query.
 */
void
server_end_orphan(struct server *server)
{
	loop_remove(server->sessions->loop, &server->watch);
	server->deadline = loop_now(server->sessions->loop) + LEAVE_TIMEOUT;
}

void
server_leave(struct sessions *sessions, uint32_t row, const char *reason)
{
	struct pool_caller caller = sessions_caller(sessions);
	struct server *server = server_get(sessions, row);
	bool politely;

	events_count(sessions->segment, sessions->worker,
	    events_of_reason(FAMILY_server_closes, reason));
	if (server == NULL) {
		linger(sessions, row);
		return;
	}
	if (sessions->config->log_disconnections)
		server_log(LOG_LEVEL_LOG, server,
		    "closing because: %s (age=%" PRId64 "s)", reason,
		    (caller.now - server_row(server)->connected_at) /
		    USEC_PER_SEC);
	server->client = NULL;
	replication_lose_server(server);
	login_at_server_free(server->login);
	server->login = NULL;
	if (server->stream.fd == -1) {		/* it never got so far */
		server_enter(server, SERVER_LEAVING);
		server->deadline = caller.now;
		return;
	}
	politely = !server->outstanding.doubtful &&
	    (server->step != SERVER_RELAYING || server_is_clean(server));
	server_enter(server, SERVER_LEAVING);
	say_goodbye(server, politely);
}

void
server_close(struct server *server, const char *reason)
{
	struct sessions *sessions = server->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	struct client *client = server->client;
	bool cut_off = server->step == SERVER_RELAYING &&
	    server->remaining > 0;

	if (server->step == SERVER_LEAVING)
		return;
	server->client = NULL;
	if (client != NULL)
		client->server = NULL;
	if (pool_begin_close(&caller, server->row))
		server_leave(sessions, server->row, reason);
	if (client == NULL)
		return;
	/* Behind half of a message an error would be its other half. */
	if (cut_off)
		client_close(client, reason);
	else
		client_fail_by_server(client, SQLSTATE_OF_POOLER, reason);
}

void
server_adopt(struct sessions *sessions, uint32_t row)
{
	struct pool_caller caller = sessions_caller(sessions);
	struct server *server;

	INVARIANT(row < sessions->segment->size.servers);
	server = sessions->servers[row];
	if (server != NULL && (server->step != SERVER_AT_REST ||
	    server->client != NULL))
		return;			/* mine already, and alive */
	switch (pool_adopt(&caller, row)) {
	case POOL_LEGACY_NONE:
		return;
	case POOL_LEGACY_WATCH:
		server = server_get(sessions, row);
		if (server != NULL)
			server_watch(server);
		return;
	case POOL_LEGACY_CLOSE:
		server = server_get(sessions, row);
		if (server != NULL)	/* nobody knows what was sent last */
			server->outstanding.doubtful = true;
		server_leave(sessions, row, "its worker died");
		return;
	case POOL_LEGACY_GIVE_BACK:
		server_release_row(sessions, row);
		return;
	}
}

/* --- by the clock -------------------------------------------------------- */

/* A descriptor that an inbox had no room for is sent again. */
static void
publish_again(struct server *server)
{
	struct sessions *sessions = server->sessions;
	struct segment *segment = sessions->segment;
	const struct server_row *row = server_row(server);
	uint64_t has = atomic_load(&row->has_fd);

	if (server->step != SERVER_AT_REST ||
	    server->generation != atomic_load(&row->generation) ||
	    atomic_load(&row->worker) != sessions->worker)
		return;
	for (unsigned i = 0; i < segment_slots(segment); i++) {
		if (has >> i & 1 || atomic_load(&segment->roster[i].phase) !=
		    ROSTER_SERVING)
			continue;
		sessions->owner->publish_server(sessions->owner->context,
		    server->row, server_shared_fd(server));
		return;
	}
}

void
server_tick(struct server *server)
{
	struct sessions *sessions = server->sessions;
	usec_t now = loop_now(sessions->loop);

	usec_t limit = sessions->config->server_connect_timeout;

	if (server->step == SERVER_LEAVING && now >= server->deadline) {
		server_end_close(server);
		return;
	}
	clearing_tick(server);
	publish_again(server);
	if (atomic_load(&server_row(server)->worker) == sessions->worker)
		hosts_note_use(sessions->segment,
		    atomic_load(&server_row(server)->host), now);
	if (server->step == SERVER_LOGIN && (limit == 0 ||
	    now - server_row(server)->connected_at <= limit))
		login_at_server_tick(server);
	else if (server->step == SERVER_LOGIN)
		login_at_server_timed_out(server);
	if (limit == 0)
		return;
	if (server_is_before_use(server) &&
	    now - server_row(server)->request_at > limit)
		server_try_another(server, "test query failed");
	/* Its answer is not read while its client does not read. */
	else if (server->step == SERVER_LOOKING && (server->client == NULL ||
	    !client_is_behind(server->client)) &&
	    now - server_row(server)->request_at > limit)
		session_state_lost(server, "test query failed");
	else if (server->step == SERVER_RESETTING &&
	    now - server_row(server)->request_at > limit)
		server_close(server, "reset query failed");
	else if (server->step == SERVER_ASKING && server->client == NULL &&
	    now - server_row(server)->request_at > limit)
		server_close(server, "auth_query timed out");
}

static bool
begin_login(struct sessions *sessions, struct pool_view *view, uint32_t row)
{
	if (sessions->segment->servers[row].from_reserve)
		log_write_about(LOG_LEVEL_WARNING, &(struct log_subject){
		    .database = view->database_name,
		    .user = view->user_name },
		    "%s/%s: taking connection from reserve_pool",
		    view->database_name, view->user_name);
	return login_at_server_begin(sessions, view, row, NULL);
}

void
server_open_if_needed(struct sessions *sessions, struct pool_view *view,
    bool wanted)
{
	struct pool_caller caller = sessions_caller(sessions);
	uint32_t row;

	if (view->database == NULL || !sessions_may_open(sessions))
		return;
	while ((row = pool_open(&caller, view->pool, &view->policy,
	    wanted)) != NO_ROW) {
		/* What fails at once is tried again by the clock. */
		if (!begin_login(sessions, view, row))
			return;
		wanted = false;
	}
	/* What keeps it from opening may be others' that nobody uses. */
	while ((row = limits_evict(&caller, view->pool, &view->policy)) !=
	    NO_ROW) {
		events_count(sessions->segment, sessions->worker,
		    EVENT_evictions_all);
		server_leave(sessions, row, "evicted");
	}
}

void
server_open_minimum(struct sessions *sessions, struct pool_view *view)
{
	struct pool_caller caller = sessions_caller(sessions);
	uint32_t row = NO_ROW;

	if (view->database != NULL)
		row = pool_open_minimum(&caller, view->pool, &view->policy);
	if (row != NO_ROW)
		(void)begin_login(sessions, view, row);
}
