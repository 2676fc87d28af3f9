#include "session/server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "base/memory.h"
#include "session/client.h"
#include "session/login_at_server.h"
#include "session/relay.h"
#include "wire/framing.h"
#include "wire/messages.h"

#define SERVER_TAG 0x53e12b9d

/* How long PostgreSQL may take to hang up after our goodbye. */
#define LEAVE_TIMEOUT (2 * USEC_PER_SEC)
/* … and after the end of a process that alone was connected to it. */
#define LINGER (500 * USEC_PER_MSEC)

/* A server that rested longer is looked at before another worker uses it. */
#define OUT_OF_SIGHT (1 * USEC_PER_MSEC)

/* A client that saw so many servers die before it used them is told. */
#define RETRIES_MOST 3

static on_event on_server;
static void try_another(struct server *server, const char *reason);

static const struct {
	const char	*name;
	unsigned	 may_follow;
} steps[SERVER_STEPS] = {
#define TO(step) (1u << SERVER_##step)
	[SERVER_AT_REST] = { "at rest", TO(CHECKING) | TO(SETTING) |
	    TO(RELAYING) | TO(LEAVING) },
	[SERVER_LOGIN] = { "login", TO(AT_REST) | TO(LEAVING) },
	[SERVER_CHECKING] = { "checking", TO(SETTING) | TO(RELAYING) |
	    TO(LEAVING) },
	[SERVER_SETTING] = { "setting", TO(RELAYING) | TO(LEAVING) },
	[SERVER_RELAYING] = { "relaying", TO(AT_REST) | TO(RESETTING) |
	    TO(LEAVING) },
	[SERVER_RESETTING] = { "resetting", TO(AT_REST) | TO(LEAVING) },
	[SERVER_LEAVING] = { "leaving", 0 },
#undef TO
};

/* The only place where a server's step changes. */
static void
server_enter(struct server *server, enum server_step next)
{
	INVARIANT(steps[server->step].may_follow & (1u << next));
	log_noise("server %u: %s -> %s", server->row,
	    steps[server->step].name, steps[next].name);
	server->step = next;
}

static struct server *
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
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	address_format(&row->remote, row->backend_pid, address,
	    sizeof(address));
	log_write(level, "S-0x%" PRIx64 ": %s/%s@%s %s",
	    servers_handle(server->sessions->segment, server->row),
	    view->database_name, view->user_name, address, text);
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
	INVARIANT(server != NULL);	/* as many as there are rows */
	server->tag = SERVER_TAG;
	server->row = row;
	server->generation = generation;
	server->fd = fd;
	server->sessions = sessions;
	sessions->servers[row] = server;
	return server;
}

void
server_forget(struct server *server)
{
	struct sessions *sessions = server->sessions;

	INVARIANT(sessions->servers[server->row] == server);
	loop_remove(sessions->loop, &server->watch);
	if (server->fd != -1)
		close(server->fd);
	login_at_server_free(server->login);
	outstanding_free(&server->outstanding);
	buffer_clear(&server->partial);
	buffer_clear(&server->backlog);
	sessions->servers[server->row] = NULL;
	server->fd = -1;
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
	INVARIANT(loop_add(server->sessions->loop, &server->watch, server->fd,
	    EPOLLIN, on_server, server));
}

/* --- sending ------------------------------------------------------------- */

static void
watch_for(struct server *server, uint32_t events)
{
	if (server->watch.callback == NULL)
		server_watch(server);
	loop_change(server->sessions->loop, &server->watch, events);
}

/* Its client has not sent anything on it: whoever linked them deals with it. */
static bool
is_before_use(const struct server *server)
{
	return server->step == SERVER_CHECKING ||
	    server->step == SERVER_SETTING;
}

static bool
keep_backlog(struct server *server, const uint8_t *bytes, size_t length)
{
	if (!buffer_append(&server->backlog, bytes, length)) {
		if (!is_before_use(server))
			server_close(server, "out of memory");
		return false;
	}
	watch_for(server, server->watch.events | EPOLLOUT);
	if (server->client != NULL)
		client_pause_reading(server->client);
	return true;
}

bool
server_send(struct server *server, const uint8_t *bytes, size_t length)
{
	ssize_t sent = 0;

	if (length == 0)
		return true;
	if (buffer_length(&server->backlog) == 0)
		sent = socket_send(server->fd, bytes, length);
	if (sent == -1 && errno != EAGAIN && errno != EWOULDBLOCK) {
		/* What it said before it went is still to be read. */
		if (server->step == SERVER_RELAYING ||
		    server->step == SERVER_LOGIN)
			return true;
		if (!is_before_use(server))
			server_close(server, "server conn crashed?");
		return false;
	}
	if (sent == -1)
		sent = 0;
	if ((size_t)sent == length)
		return true;
	return keep_backlog(server, bytes + sent, length - (size_t)sent);
}

static void
flush_backlog(struct server *server)
{
	size_t length = buffer_length(&server->backlog);
	ssize_t sent;

	if (length > 0) {
		sent = socket_send(server->fd, buffer_front(&server->backlog),
		    length);
		if (sent == -1)
			return;		/* EOF or error will be read */
		buffer_consume(&server->backlog, (size_t)sent);
	}
	if (buffer_length(&server->backlog) > 0)
		return;
	watch_for(server, server->watch.events & ~(uint32_t)EPOLLOUT);
	if (server->client == NULL)
		return;
	client_resume_reading(server->client);
	relay_settle(server);
}

void
server_pause_reading(struct server *server)
{
	if (server->watch.callback != NULL)
		watch_for(server, server->watch.events & ~(uint32_t)EPOLLIN);
}

void
server_resume_reading(struct server *server)
{
	watch_for(server, server->watch.events | EPOLLIN);
}

bool
server_send_query(struct server *server, const char *text)
{
	uint8_t memory[PARAMETERS_SETS_BYTES + 64];
	struct writer writer = writer_of(memory, sizeof(memory));

	write_query(&writer, text);
	if (writer.failed) {
		log_error("a query of the configuration is too long");
		if (!is_before_use(server))
			server_close(server, "unable to send a query");
		return false;
	}
	server->failed_setup = server->step_done = false;
	server_row(server)->request_at = loop_now(server->sessions->loop);
	return server_send(server, writer.bytes, writer.used);
}

/* --- closing ------------------------------------------------------------- */

/* PostgreSQL's end is gone, too, or had its time. */
static void
end_close(struct server *server)
{
	struct sessions *sessions = server->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	struct pool_view *view = server_view(server);
	uint32_t row = server->row;

	if (server->fd != -1)
		shutdown(server->fd, SHUT_RDWR);
	server_forget(server);
	pool_end_close(&caller, row);
	if (view->database != NULL)
		server_open_if_needed(sessions, view,
		    view->to_welcome != NULL);
}

static bool
is_clean(const struct server *server)
{
	return server->step == SERVER_RELAYING &&
	    server->status == TRANSACTION_NONE &&
	    outstanding_none(&server->outstanding) &&
	    !server->outstanding.doubtful &&
	    server->remaining == 0 && buffer_length(&server->partial) == 0 &&
	    buffer_length(&server->backlog) == 0;
}

/* Politely: not where Terminate would end up inside of half a message. */
static void
say_goodbye(struct server *server, bool politely)
{
	static const uint8_t terminate[] = { 'X', 0, 0, 0, 4 };

	server->deadline = loop_now(server->sessions->loop) + LEAVE_TIMEOUT;
	buffer_clear(&server->partial);
	if (politely && buffer_length(&server->backlog) == 0)
		(void)!socket_send(server->fd, terminate, sizeof(terminate));
	buffer_clear(&server->backlog);
	shutdown(server->fd, SHUT_WR);
	watch_for(server, EPOLLIN);
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

void
server_leave(struct sessions *sessions, uint32_t row, const char *reason)
{
	struct pool_caller caller = sessions_caller(sessions);
	struct server *server = server_get(sessions, row);
	bool politely;

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
	login_at_server_free(server->login);
	server->login = NULL;
	politely = !server->outstanding.doubtful &&
	    (server->step != SERVER_RELAYING || is_clean(server));
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
		client_fail(client, SQLSTATE_OF_POOLER, reason);
}

/* It hung up, or the connection broke. */
static void
on_hang_up(struct server *server)
{
	if (server->step == SERVER_LOGIN)
		login_at_server_failed(server, "server closed the connection "
		    "during login", "connect failed");
	else if (is_before_use(server))
		try_another(server, "server conn crashed?");
	else if (server->step != SERVER_LEAVING)
		server_close(server, server->step == SERVER_AT_REST ?
		    "server connection closed" : "server conn crashed?");
	if (server->fd != -1 && server->step == SERVER_LEAVING)
		end_close(server);
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
		server = server_get(sessions, row);
		if (server != NULL)
			server_release(server);
		return;
	}
}

/* --- giving and taking --------------------------------------------------- */

void
server_release(struct server *server)
{
	struct sessions *sessions = server->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	struct pool_view *view = server_view(server);
	const char *reason;
	uint32_t client;

	INVARIANT(server->client == NULL && server->remaining == 0 &&
	    buffer_length(&server->partial) == 0 &&
	    buffer_length(&server->backlog) == 0 &&
	    outstanding_none(&server->outstanding));
	if (server->step != SERVER_AT_REST)
		server_enter(server, SERVER_AT_REST);
	server_row(server)->request_at = caller.now;
	switch (pool_give_back(&caller, server->row, &view->policy, &client,
	    &reason)) {
	case POOL_RELEASED:
		server_watch(server);
		return;
	case POOL_GIVEN:
		/* Or its next answer would wake this worker for nothing. */
		loop_remove(sessions->loop, &server->watch);
		return;
	case POOL_HELD:
		return;
	case POOL_CLOSE:
		server_leave(sessions, server->row, reason);
		return;
	case POOL_OURS:
		INVARIANT(sessions->clients[client] != NULL);
		client_take_server(sessions->clients[client], server->row);
		return;
	}
}

static void
begin_relay(struct server *server)
{
	server_enter(server, SERVER_RELAYING);
	server->client->retries = 0;
	client_begin_relay(server->client);
}

static struct parameter_values *
values_of(const struct server *server)
{
	return &server->sessions->segment->values[server->row];
}

/* One batch of SETs, only if something differs. False: it is broken. */
static bool
set_parameters(struct server *server)
{
	const uint8_t *have = server_row(server)->digest;
	struct client *client = server->client;
	char text[PARAMETERS_SETS_BYTES] = "";

	if (UNLIKELY(memcmp(client->wants->values.digest, have,
	    sizeof(client->wants->values.digest)) != 0))
		parameters_write_sets(server->sessions->parameters,
		    &client->wants->values, values_of(server), text,
		    sizeof(text));
	if (LIKELY(text[0] == '\0')) {
		begin_relay(server);
		return true;
	}
	server_enter(server, SERVER_SETTING);
	return server_send_query(server, text);
}

static bool
wants_check(const struct server *server)
{
	const struct sessions *sessions = server->sessions;
	usec_t idle = loop_now(sessions->loop) -
	    server_row(server)->request_at;

	return idle > sessions->config->server_check_delay &&
	    sessions->config->server_check_query[0] != '\0';
}

static bool
check(struct server *server)
{
	const char *query = server->sessions->config->server_check_query;

	server_enter(server, SERVER_CHECKING);
	if (strcmp(query, "<empty>") == 0)
		query = "";
	return server_send_query(server, query);
}

/* Closes it without a word to its client, of which nothing was sent yet. */
static struct client *
unlink_before_use(struct server *server, const char *reason)
{
	struct client *client = server->client;

	server->client = NULL;
	client->server = NULL;
	server_close(server, reason);
	return client;
}

/* … which may have another one, unless it is the client that kills them. */
static void
try_another(struct server *server, const char *reason)
{
	bool its_fault = server->step == SERVER_SETTING &&
	    server->failed_setup;
	struct client *client = unlink_before_use(server, reason);

	if (its_fault)
		client_fail(client, SQLSTATE_OF_POOLER,
		    "invalid server parameter");
	else if (client->retries++ >= RETRIES_MOST)
		client_fail(client, SQLSTATE_OF_POOLER, reason);
	else
		client_retry(client);
}

/*
 * Nobody of us watched it, and it was at rest for long enough to have died:
 * one that was handed on at once has just been read.
 */
static bool
was_out_of_sight(const struct server *server)
{
	return server->watch.callback == NULL && loop_now(
	    server->sessions->loop) - server_row(server)->request_at >
	    OUT_OF_SIGHT;
}

bool
server_link(struct server *server, struct client *client)
{
	INVARIANT(server->step == SERVER_AT_REST && server->client == NULL);
	INVARIANT(outstanding_none(&server->outstanding));
	if (was_out_of_sight(server) &&
	    socket_peek(server->fd) != SOCKET_QUIET) {
		server_close(server, "server connection closed");
		return false;
	}
	server_watch(server);
	server->client = client;
	client->server = server;
	outstanding_reset(&server->outstanding);
	server->status = TRANSACTION_NONE;
	server->answered_at = loop_now(server->sessions->loop);
	if (LIKELY(wants_check(server) ? check(server) :
	    set_parameters(server)))
		return true;
	(void)unlink_before_use(server, "server conn crashed?");
	return false;
}

/* Session mode, or always: the next client finds a fresh session. */
static void
reset(struct server *server)
{
	struct pool_caller caller = sessions_caller(server->sessions);
	const char *query = server->sessions->config->server_reset_query;

	if (query[0] == '\0') {
		server_release(server);
		return;
	}
	pool_begin_test(&caller, server->row);
	server_enter(server, SERVER_RESETTING);
	(void)!server_send_query(server, query);
}

void
server_client_left(struct server *server, const char *reason)
{
	const struct config *config = server->sessions->config;

	server->client = NULL;
	server_resume_reading(server);	/* its client may have stopped it */
	if (!is_clean(server))
		server_close(server, reason);
	else if (server_view(server)->mode == POOL_MODE_SESSION ||
	    config->server_reset_query_always)
		reset(server);
	else
		server_release(server);
}

/* --- reading ------------------------------------------------------------- */

static void
learn_parameter(struct server *server, const uint8_t *body, size_t length)
{
	struct parameters *parameters = server->sessions->parameters;
	const char *name, *value;
	int index;

	if (!read_parameter_status(reader_of(body, length), &name, &value))
		return;
	index = parameters_index(parameters, name);
	if (index == -1)
		return;
	parameters_put(parameters, values_of(server), index, value);
	server->dirty_values = true;
}

/* What the server says now is what its client wants from now on. */
static void
adopt_values(struct server *server)
{
	struct parameters *parameters = server->sessions->parameters;
	struct parameter_values *values = values_of(server);
	struct server_row *row = server_row(server);
	struct parameter_set *set;

	server->dirty_values = false;
	parameters_seal(values);
	memcpy(row->digest, values->digest, sizeof(row->digest));
	snprintf(row->application_name, sizeof(row->application_name),
	    "%.63s", values->values[PARAMETER_APPLICATION_NAME]);
	if (server->client == NULL)
		return;
	set = parameters_share(parameters, values);
	if (set == NULL)
		return;
	parameters_release(parameters, server->client->wants);
	server->client->wants = set;
}

void
server_note_parameter(struct server *server, const uint8_t *body,
    size_t length)
{
	learn_parameter(server, body, length);
	if (server->dirty_values)
		adopt_values(server);
}

static void
end_check(struct server *server)
{
	if (server->failed_setup || server->status != TRANSACTION_NONE)
		try_another(server, "test query failed");
	else if (!set_parameters(server))
		try_another(server, "server conn crashed?");
}

static void
end_setting(struct server *server)
{
	struct client *client = server->client;

	if (server->failed_setup || server->status != TRANSACTION_NONE) {
		client_fail(unlink_before_use(server, "var change failed"),
		    SQLSTATE_OF_POOLER, "invalid server parameter");
		return;
	}
	parameters_assume(server->sessions->parameters, &client->wants->values,
	    values_of(server));
	adopt_values(server);
	begin_relay(server);
}

static void
end_reset(struct server *server)
{
	if (server->dirty_values)
		adopt_values(server);
	if (server->failed_setup || server->status != TRANSACTION_NONE)
		server_close(server, "reset query failed");
	else
		server_release(server);
}

static void
log_setup_error(struct server *server, const uint8_t *body, size_t length)
{
	static const char *const what[SERVER_STEPS] = {
		[SERVER_CHECKING] = "server_check_query failed",
		[SERVER_SETTING] = "varcache_apply failed",
		[SERVER_RESETTING] = "server_reset_query failed",
	};
	struct notice notice;

	server->failed_setup = true;
	(void)!read_error_response(reader_of(body, length), &notice);
	server_log(LOG_LEVEL_ERROR, server, "%s: %s: %s", what[server->step],
	    notice.severity, notice.text);
}

/* A whole message while we ourselves talk to the server. */
static void
take_setup_message(struct server *server, uint8_t type, const uint8_t *body,
    size_t length)
{
	enum transaction_status status;

	switch (type) {
	case MESSAGE_PARAMETER_STATUS:
		learn_parameter(server, body, length);
		return;
	case MESSAGE_ERROR_RESPONSE:
		log_setup_error(server, body, length);
		return;
	case MESSAGE_READY_FOR_QUERY:
		if (!read_ready_for_query(reader_of(body, length), &status)) {
			server_close(server, "bad pkt header");
			return;
		}
		server->status = (uint8_t)status;
		server->step_done = true;
		return;
	default:
		return;			/* rows and tags of our own query */
	}
}

/* A whole message of a server that nobody uses. */
static void
take_idle_message(struct server *server, uint8_t type, const uint8_t *body,
    size_t length)
{
	struct notice notice;

	switch (type) {
	case MESSAGE_PARAMETER_STATUS:
		learn_parameter(server, body, length);
		if (server->dirty_values)
			adopt_values(server);
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

typedef void take_message(struct server *, uint8_t type, const uint8_t *body,
    size_t length);

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
		if (server->fd == -1 || server->step != step)
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
	switch (server->step) {
	case SERVER_LOGIN:
		login_at_server_ready(server);
		return;
	case SERVER_CHECKING:
		end_check(server);
		return;
	case SERVER_SETTING:
		end_setting(server);
		return;
	default:
		end_reset(server);
		return;
	}
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
	case SERVER_RESETTING:
		if (take_whole_messages(server, bytes, length,
		    take_setup_message))
			end_step_if_done(server);
		return;
	case SERVER_RELAYING:
		relay_from_server(server, bytes, length);
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
	got = socket_receive(server->fd, sessions->input, SESSIONS_READ_BYTES);
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
	    pool_claim_idle(&caller, server->row))
		return true;
	if (atomic_load(&row->worker) != caller.worker)
		loop_remove(server->sessions->loop, &server->watch);
	return false;
}

static void
on_server(void *context, uint32_t events)
{
	struct server *server = server_from(context);

	if (server->step == SERVER_AT_REST) {
		if (may_read_at_rest(server))
			read_server(server);
		return;
	}
	if (server->step == SERVER_LOGIN &&
	    !login_at_server_connected(server))
		return;
	if (events & EPOLLOUT)
		flush_backlog(server);
	/* The last bytes may have set it free: then it is not ours to read. */
	if (server->fd == -1 || server->step == SERVER_AT_REST)
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

void
server_login_done(struct server *server)
{
	server_enter(server, SERVER_AT_REST);
	server_release(server);
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
	    atomic_load(&row->worker) != sessions->worker)
		return;
	for (unsigned i = 0; i < segment->size.workers; i++) {
		if (has >> i & 1 || atomic_load(&segment->roster[i].phase) !=
		    ROSTER_SERVING)
			continue;
		sessions->owner->publish_server(sessions->owner->context,
		    server->row, server->fd);
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
		end_close(server);
		return;
	}
	publish_again(server);
	if (limit == 0)
		return;
	if (server->step == SERVER_LOGIN &&
	    now - server_row(server)->connected_at > limit)
		login_at_server_failed(server, "connect timeout",
		    "connect timeout");
	else if (is_before_use(server) &&
	    now - server_row(server)->request_at > limit)
		try_another(server, "test query failed");
	else if (server->step == SERVER_RESETTING &&
	    now - server_row(server)->request_at > limit)
		server_close(server, "reset query failed");
}

void
server_open_if_needed(struct sessions *sessions, struct pool_view *view,
    bool wanted)
{
	struct pool_caller caller = sessions_caller(sessions);
	uint32_t row;

	if (view->database == NULL)
		return;
	while ((row = pool_open(&caller, view->pool, &view->policy,
	    wanted)) != NO_ROW) {
		/* What fails at once is tried again by the clock. */
		if (!login_at_server_begin(sessions, view, row))
			return;
		wanted = false;
	}
}
