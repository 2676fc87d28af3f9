#include "session/client_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/invariant.h"
#include "base/memory.h"
#include "session/auth_query.h"
#include "session/cancel.h"
#include "session/forward.h"
#include "session/login.h"
#include "session/prepared.h"
#include "session/proxied.h"
#include "session/replication.h"
#include "session/server.h"
#include "wire/messages.h"
#include "wire/pooler_errors.h"

#define CLIENT_TAG 0x6c1e47a5

/* Descriptors and client rows that only the console may use … */
#define KEPT_FOR_CONSOLE 16
/* … and how many of those stay free. */
#define LAST_OF_ALL 4

static on_event on_client;

/*
 * What may follow by our own doing; IDLE -> WAITING, GIVEN, LINKED are the
 * pool's (pool/pool.h), under its lock.
 */
static const struct {
	const char	*name;
	unsigned	 may_follow;
} phases[CLIENT_PHASES] = {
#define TO(phase) (1u << CLIENT_##phase)
	[CLIENT_STARTUP] = { "startup", TO(AUTH) | TO(CANCEL) },
	[CLIENT_AUTH] = { "auth", TO(WELCOME) | TO(IDLE) | TO(CONSOLE) },
	[CLIENT_WELCOME] = { "welcome", TO(IDLE) },
	[CLIENT_IDLE] = { "idle", TO(AUTH) },	/* auth_query */
	[CLIENT_WAITING] = { "waiting", 0 },
	[CLIENT_GIVEN] = { "given", 0 },
	[CLIENT_LINKED] = { "linked", TO(IDLE) },
	[CLIENT_CONSOLE] = { "console", 0 },
	[CLIENT_CANCEL] = { "cancel", 0 },
#undef TO
};

static struct client *
client_from(void *context)
{
	struct client *client = context;

	INVARIANT(client != NULL && client->tag == CLIENT_TAG);
	return client;
}

struct client_row *
client_row(const struct client *client)
{
	INVARIANT(client->row != NO_ROW);
	return &client->sessions->segment->clients[client->row];
}

enum client_phase
client_phase(const struct client *client)
{
	if (client->row == NO_ROW)
		return CLIENT_CLOSED;
	return (enum client_phase)atomic_load_explicit(
	    &client_row(client)->phase, memory_order_acquire);
}

void
client_enter(struct client *client, enum client_phase next)
{
	enum client_phase phase = client_phase(client);

	INVARIANT(phases[phase].may_follow & (1u << next));
	log_noise("client %u: %s -> %s", client->row, phases[phase].name,
	    phases[next].name);
	atomic_store_explicit(&client_row(client)->phase, next,
	    memory_order_release);
	if (next == CLIENT_CONSOLE) {	/* SUSPEND does not silence it */
		client->watch.is_traffic = false;
		loop_refresh(client->sessions->loop, &client->watch);
	}
}

void
client_log(enum log_level level, const struct client *client,
    const char *format, ...)
{
	const struct client_row *row = client_row(client);
	char text[1024], address[ADDRESS_TEXT_BYTES];
	struct log_subject subject = { .side = LOG_SIDE_CLIENT,
	    .pointer = clients_handle(client->sessions->segment, client->row),
	    .database = login_database(client), .user = login_user(client),
	    .address = address };
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	address_format(&row->remote, row->remote_pid, address,
	    sizeof(address));
	log_write_about(level, &subject, "%s", text);
}

/* --- beginning ----------------------------------------------------------- */

static void
note_peer(struct client *client, const struct sockaddr_storage *known)
{
	struct client_row *row = client_row(client);
	uint16_t port = (uint16_t)client->sessions->config->listen_port;
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	struct ucred peer;

	memset(&address, 0, sizeof(address));
	if (known != NULL)
		address_from((const struct sockaddr *)known, port,
		    &row->remote);
	else if (getpeername(client->stream.fd, (struct sockaddr *)&address,
	    &length) == 0)
		address_from((struct sockaddr *)&address, port, &row->remote);
	length = sizeof(address);
	if (getsockname(client->stream.fd, (struct sockaddr *)&address,
	    &length) == 0)
		address_from((struct sockaddr *)&address, port, &row->local);
	length = sizeof(peer);
	if (client->is_unix && getsockopt(client->stream.fd, SOL_SOCKET,
	    SO_PEERCRED, &peer, &length) == 0) {
		row->remote_pid = (uint32_t)peer.pid;
		client->uid = peer.uid;
		client->own_uid = peer.uid == geteuid();
	} else {
		client->uid = UINT32_MAX;	/* nobody's */
	}
}

/* Of those that have not said yet who they are, the one here longest. */
static struct client *
oldest_stranger(struct sessions *sessions)
{
	uint32_t used = atomic_load(&sessions->segment->state->clients_used);
	struct client *oldest = NULL;

	for (uint32_t row = 0; row < used; row++) {
		struct client *client = sessions->clients[row];

		if (client == NULL || client_phase(client) != CLIENT_STARTUP)
			continue;
		/* Many come at the same time; ids tell which was first. */
		if (oldest == NULL ||
		    client_row(client)->id < client_row(oldest)->id)
			oldest = client;
	}
	return oldest;
}

/*
 * The last descriptors and rows are for the console.  If there are hardly any
 * left, who has said nothing for longest gives way, and the newcomer takes
 * its descriptor, so that the last ones are free again.
 */
static void
make_room(struct sessions *sessions, int *fd)
{
	struct client *stranger = oldest_stranger(sessions);
	int low;

	if (stranger == NULL)
		return;
	client_close(stranger, CLIENT_NO_ROOM);
	low = fcntl(*fd, F_DUPFD_CLOEXEC, 0);
	if (low == -1)
		return;
	close(*fd);
	*fd = low;
}

static uint32_t
claim_row(struct sessions *sessions, int *fd)
{
	struct segment *segment = sessions->segment;
	uint32_t row;

	if (*fd >= sessions->descriptors - LAST_OF_ALL)
		make_room(sessions, fd);
	row = clients_claim(segment, sessions->worker);
	if (row != NO_ROW)
		return row;
	make_room(sessions, fd);
	return clients_claim(segment, sessions->worker);
}

static bool
is_among_the_last(const struct sessions *sessions, int fd, uint32_t row)
{
	return fd >= sessions->descriptors - KEPT_FOR_CONSOLE ||
	    row >= sessions->segment->size.clients - KEPT_FOR_CONSOLE;
}

struct client *
client_accept(struct sessions *sessions, int fd, bool is_unix,
    const struct sockaddr_storage *peer)
{
	struct segment *segment = sessions->segment;
	uint32_t row = claim_row(sessions, &fd);
	struct client *client = NULL;

	if (row != NO_ROW)
		client = slab_get(sessions->client_slab);
	if (client == NULL) {
		if (row != NO_ROW)
			clients_free(segment, row);
		close(fd);
		return NULL;
	}
	client->tag = CLIENT_TAG;
	client->row = row;
	client->sessions = sessions;
	client->stream.fd = fd;
	client->is_unix = is_unix;
	client->only_console = is_among_the_last(sessions, fd, row);
	client->watch.is_traffic = true;
	client_row(client)->connect_at = client_row(client)->request_at =
	    loop_now(sessions->loop);
	client_row(client)->id = atomic_fetch_add(&segment->state->next_id, 1)
	    + 1;
	note_peer(client, peer);
	client->awaits_header = proxied_is_expected(client);
	sessions->clients[row] = client;
	atomic_fetch_add(&segment->roster[sessions->worker].clients, 1);
	events_count(segment, sessions->worker, EVENT_client_connects_all);
	if (!login_begin(client) || !loop_add(sessions->loop, &client->watch,
	    fd, EPOLLIN, on_client, client)) {
		client_close(client, "out of memory");
		return NULL;
	}
	return client;
}

/* --- sending ------------------------------------------------------------- */

void
client_watch_for(struct client *client, uint32_t events)
{
	if (client->watch.callback != NULL)
		loop_change(client->sessions->loop, &client->watch, events);
}

void
client_pause_reading(struct client *client)
{
	client_watch_for(client, client->watch.events &
	    ~(uint32_t)(EPOLLIN | EPOLLRDHUP));
}

void
client_watch_for_end(struct client *client)
{
	client_watch_for(client, client->watch.events | EPOLLRDHUP);
}

void
client_resume_reading(struct client *client)
{
	client_watch_for(client, (client->watch.events | EPOLLIN) &
	    ~(uint32_t)EPOLLRDHUP);
}

bool
client_send(struct client *client, const uint8_t *bytes, size_t length)
{
	ssize_t sent = 0;

	if (length == 0)
		return true;
	if (buffer_length(&client->backlog) == 0)
		sent = stream_send(&client->stream, bytes, length);
	if (sent == -1 && errno != EAGAIN && errno != EWOULDBLOCK) {
		client_close(client, "unexpected eof");
		return false;
	}
	if (sent == -1)
		sent = 0;
	if ((size_t)sent == length && !stream_has_unsent(&client->stream))
		return true;
	if (!buffer_append(&client->backlog, bytes + sent,
	    length - (size_t)sent)) {
		client_close(client, "out of memory");
		return false;
	}
	client_watch_for(client, client->watch.events | EPOLLOUT);
	if (client->server != NULL)
		server_pause_reading(client->server);
	return true;
}

/* It has taken all; what else it was paused for may not be over. */
static void
go_on_reading(struct client *client)
{
	struct server *server = client->server;

	if (server != NULL) {
		server_resume_reading(server);
		/* The time that it may take counts from here. */
		if (UNLIKELY(server->step == SERVER_LOOKING))
			server_row(server)->request_at =
			    loop_now(client->sessions->loop);
		if (!client->held &&
		    buffer_length(&client->input) <= CLIENT_INPUT_MOST &&
		    buffer_length(&server->backlog) == 0 &&
		    !stream_has_unsent(&server->stream))
			client_resume_reading(client);
	} else if (client_phase(client) == CLIENT_IDLE) {
		client_resume_reading(client);
	} else if (client_phase(client) == CLIENT_CONSOLE) {
		client_take_commands(client);
	}
}

static void
flush_backlog(struct client *client)
{
	size_t length = buffer_length(&client->backlog);
	ssize_t sent;

	if (!stream_flush(&client->stream)) {
		client_close(client, "unexpected eof");
		return;
	}
	if (length > 0) {
		sent = stream_send(&client->stream,
		    buffer_front(&client->backlog), length);
		if (sent == -1 && errno != EAGAIN && errno != EWOULDBLOCK) {
			client_close(client, "unexpected eof");
			return;
		}
		if (sent > 0)
			buffer_consume(&client->backlog, (size_t)sent);
	}
	if (client_is_behind(client))
		return;
	client_watch_for(client, client->watch.events & ~(uint32_t)EPOLLOUT);
	go_on_reading(client);
}

/* --- closing ------------------------------------------------------------- */

void
client_leave_queue(struct client *client)
{
	struct sessions *sessions = client->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	uint32_t given;

	pool_leave(&caller, client->row, &given);
	if (given != NO_ROW)
		server_release_row(sessions, given);
}

static void
leave_list_of_welcome(struct client *client)
{
	struct client **at = &client->view->to_welcome;

	while (*at != NULL && *at != client)
		at = &(*at)->next;
	if (*at == client)
		*at = client->next;
	client->next = NULL;
}

/* Whatever this phase holds is let go. */
static void
let_go(struct client *client, enum client_phase phase)
{
	const struct sessions_owner *owner = client->sessions->owner;
	struct server *server = client->server;

	client->server = NULL;
	switch (phase) {
	case CLIENT_WAITING:
	case CLIENT_GIVEN:
		client_leave_queue(client);
		return;
	case CLIENT_WELCOME:
		leave_list_of_welcome(client);
		return;
	case CLIENT_LINKED:
		client_row(client)->server = NO_ROW;
		client_enter(client, CLIENT_IDLE);
		if (server == NULL)
			return;
		if (server->step == SERVER_ASKING) {
			auth_query_abandon(server);
			return;
		}
		/* Or the next one's bytes would be the other half. */
		if (client->remaining > 0)
			server->outstanding.doubtful = true;
		server_client_left(server,
		    "client disconnect while server was not ready");
		return;
	case CLIENT_CONSOLE:
		owner->on_console_gone(owner->context, client);
		return;
	case CLIENT_CANCEL:
		cancel_abandon(client->cancel);
		forward_abandon(client->sessions, client);
		return;
	default:
		return;
	}
}

static void
log_close(const struct client *client, enum client_phase phase,
    const char *reason)
{
	const struct client_row *row = client_row(client);

	if (!client->sessions->config->log_disconnections)
		return;
	/* A load balancer's probe is not worth a line. */
	if (phase == CLIENT_STARTUP && buffer_length(&client->input) == 0 &&
	    !client->said_something)
		return;
	client_log(LOG_LEVEL_LOG, client, "closing because: %s (age=%" PRId64
	    "s)", reason, (loop_now(client->sessions->loop) -
	    row->connect_at) / USEC_PER_SEC);
}

static void
count_close(const struct client *client, enum client_phase phase,
    const char *reason)
{
	const struct sessions *sessions = client->sessions;
	enum event event = events_of_reason(FAMILY_client_closes, reason);

	if (phase == CLIENT_CANCEL)
		event = EVENT_client_closes_cancel_request;
	else if (phase == CLIENT_STARTUP || phase == CLIENT_AUTH ||
	    phase == CLIENT_WELCOME)
		event = EVENT_client_closes_login;
	events_count(sessions->segment, sessions->worker, event);
	/* Who says nothing at all did not want to log in. */
	if (event == EVENT_client_closes_login && (phase != CLIENT_STARTUP ||
	    buffer_length(&client->input) > 0))
		events_count(sessions->segment, sessions->worker,
		    events_of_reason(FAMILY_login_failures, reason));
}

void
client_close(struct client *client, const char *reason)
{
	struct sessions *sessions = client->sessions;
	enum client_phase phase = client_phase(client);
	uint32_t row = client->row;

	if (phase == CLIENT_CLOSED)
		return;
	log_close(client, phase, reason);
	count_close(client, phase, reason);
	let_go(client, phase);
	replication_end(client);
	login_free(client->login);
	client->login = NULL;
	client->asking = NULL;
	parameters_release(sessions->parameters, client->wants);
	client->wants = NULL;
	if (client->entered)
		pools_leave(sessions->segment, sessions->worker, atomic_load(
		    &client_row(client)->pool), atomic_load(
		    &client_row(client)->user));
	prepared_free(client);
	if (client->counted)
		segment_uncount_client(sessions->segment, sessions->worker);
	atomic_fetch_sub(&sessions->segment->roster[sessions->worker].clients,
	    1);
	loop_remove(sessions->loop, &client->watch);
	/* An end that is none, behind half of an answer, is not said. */
	if (UNLIKELY(client->stream.tls != NULL) && !client_is_behind(client))
		stream_finish(&client->stream, NULL, 0);
	stream_close(&client->stream);
	buffer_clear(&client->input);
	buffer_clear(&client->backlog);
	sessions->clients[row] = NULL;
	client->row = NO_ROW;
	clients_free(sessions->segment, row);
	if (atomic_load(&sessions->segment->state->shutdown) != SHUTDOWN_NONE)
		segment_wake(sessions->segment, SEGMENT_SUPERVISOR);
	client->next = sessions->closed_clients;
	sessions->closed_clients = client;
}

void
client_fail(struct client *client, const char *sqlstate, const char *text)
{
	uint8_t memory[512];
	struct writer writer = writer_of(memory, sizeof(memory));
	char short_text[128];	/* PgBouncer's limit */
	const struct pooler_error *error = pooler_error_of(text);
	/* What is not said by ourselves has its own SQLSTATE. */
	bool ours = strcmp(sqlstate, SQLSTATE_OF_POOLER) == 0;
	struct notice notice = { "FATAL", ours ? error->sqlstate : sqlstate,
	    short_text, NULL, ours ? error->hint : NULL };
	char reason[128];

	if (client_phase(client) == CLIENT_CLOSED)
		return;
	snprintf(short_text, sizeof(short_text), "%s", text);
	snprintf(reason, sizeof(reason), "%s", text);
	if (client->sessions->config->log_pooler_errors)
		client_log(LOG_LEVEL_WARNING, client, "pooler error: %s",
		    reason);
	write_error_response(&writer, &notice);
	/* Behind half of a message it would be taken for its other half. */
	if (!client_is_behind(client) && (client->server == NULL ||
	    client->server->step != SERVER_RELAYING ||
	    client->server->remaining == 0))
		stream_finish(&client->stream, writer.bytes, writer.used);
	client_close(client, reason);
}

void
client_fail_by_server(struct client *client, const char *sqlstate,
    const char *text)
{
	if (client->asking != NULL)
		auth_query_failed(client, text);
	else
		client_fail(client, sqlstate, text);
}

/* --- statistics ---------------------------------------------------------- */

void
client_note_request(struct client *client)
{
	struct client_row *row = client_row(client);
	usec_t now = loop_now(client->sessions->loop);

	INVARIANT(client->view != NULL);
	row->request_at = now;
	if (row->query_at == 0) {
		row->query_at = now;
		stats_add(client->view->stats, STAT_query_count, 1);
	}
	if (client->xact_at == 0) {
		client->xact_at = now;
		stats_add(client->view->stats, STAT_xact_count, 1);
	}
}

void
client_note_ready(struct client *client, uint8_t status, bool all_done)
{
	struct client_row *row = client_row(client);
	usec_t now = loop_now(client->sessions->loop);

	if (!all_done)
		return;
	if (row->query_at != 0)
		stats_time(client->view->stats, TIMING_query, STAT_query_time,
		    now - row->query_at);
	row->query_at = 0;
	client->ready_at = now;
	if (status != TRANSACTION_NONE)
		return;
	if (client->xact_at != 0)
		stats_time(client->view->stats, TIMING_transaction,
		    STAT_xact_time, now - client->xact_at);
	client->xact_at = 0;
}

void
client_note_end_of_wait(struct client *client)
{
	struct client_row *row = client_row(client);

	if (row->wait_since != 0)
		stats_time(client->view->stats, TIMING_wait, STAT_wait_time,
		    loop_now(client->sessions->loop) - row->wait_since);
	row->wait_since = 0;
	client->notified = false;
}

void
client_note_assignment(struct client *client)
{
	stats_add(client->view->stats, STAT_server_assignment_count, 1);
	client_note_end_of_wait(client);
}

void
client_note_application_name(struct client *client,
    const struct parameter_values *values)
{
	parameters_copy_name(client->sessions->parameters, values,
	    client_row(client)->application_name);
}

void
client_note_welcome(struct client *client)
{
	client_note_end_of_wait(client);
	client_row(client)->request_at = loop_now(client->sessions->loop);
}

/* --- events ------------------------------------------------------------- */

static void
on_client(void *context, uint32_t events)
{
	struct client *client = client_from(context);

	if (events & EPOLLOUT)
		flush_backlog(client);
	if (client_phase(client) == CLIENT_CLOSED)
		return;
	if (events & EPOLLIN)
		client_read(client);
	else if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		client_close(client, "client unexpected eof");
}

/* --- by the clock -------------------------------------------------------- */

static bool
passed(usec_t now, usec_t since, usec_t limit)
{
	return limit > 0 && since > 0 && now - since > limit;
}

/* Once in a wait; as a whole message behind whole ones. */
static void
notify_of_wait(struct client *client)
{
	uint8_t memory[256];
	struct writer writer = writer_of(memory, sizeof(memory));
	struct notice notice = { "NOTICE", SQLSTATE_SUCCESSFUL_COMPLETION,
	    "No server connection available in postgres backend, client "
	    "being queued", NULL, NULL };

	client->notified = true;
	write_notice_response(&writer, &notice);
	(void)!client_send(client, writer.bytes, writer.used);
}

static void
tick_linked(struct client *client, usec_t now)
{
	const struct pool_view *view = client->view;
	struct server *server = client->server;

	if (server == NULL)
		return;
	if (client->replication != NULL)
		server_close_if_outdated(server);
	else if (passed(now, client_row(client)->query_at,
	    view->query_timeout))
		server_close(server, "query timeout");
	else if (client_row(client)->query_at == 0 &&
	    server->status != TRANSACTION_NONE && passed(now,
	    server->answered_at, view->idle_transaction_timeout))
		server_close(server, "idle transaction timeout");
	else if (passed(now, client->xact_at, view->transaction_timeout))
		server_close(server, "transaction timeout");
	else
		server_close_if_outdated(server);
}

static void
tick_waiting(struct client *client, usec_t now)
{
	const struct config *config = client->sessions->config;
	const struct client_row *row = client_row(client);
	const struct pool_view *view = client->view;
	/* One whose server died before its use has begun to wait anew. */
	usec_t since = row->query_at != 0 ? row->query_at : row->wait_since;

	if (passed(now, since, view->query_wait_timeout))
		client_fail(client, SQLSTATE_OF_POOLER, "query_wait_timeout");
	else if (passed(now, row->query_at, config->query_timeout))
		client_fail(client, SQLSTATE_OF_POOLER, "query_timeout");
	/* A server would only be opened to be closed again. */
	else if (passed(now, client->xact_at, view->transaction_timeout))
		client_fail(client, SQLSTATE_OF_POOLER, "transaction timeout");
	else if (!client->notified && passed(now, row->wait_since,
	    config->query_wait_notify * USEC_PER_SEC))
		notify_of_wait(client);
}

/* The client's silence counts, not the time its last query took. */
static void
tick_idle(struct client *client, usec_t now)
{
	usec_t since = client_row(client)->request_at;

	if (since < client->ready_at)
		since = client->ready_at;
	if (passed(now, since, client->view->client_idle_timeout))
		client_fail(client, SQLSTATE_OF_POOLER, "client_idle_timeout");
}

void
client_tick(struct client *client)
{
	const struct config *config = client->sessions->config;
	const struct client_row *row = client_row(client);
	usec_t now = loop_now(client->sessions->loop);

	if (client->asking != NULL) {
		auth_query_tick(client);
		return;
	}
	switch (client_phase(client)) {
	case CLIENT_STARTUP:
	case CLIENT_AUTH:
		if (passed(now, row->connect_at, config->client_login_timeout))
			client_fail(client, SQLSTATE_OF_POOLER,
			    "client_login_timeout");
		else
			login_tick(client);
		return;
	case CLIENT_WELCOME:	/* no notice: libpq takes none so early */
		if (passed(now, row->connect_at, config->client_login_timeout))
			client_fail(client, SQLSTATE_OF_POOLER,
			    "client_login_timeout (server down)");
		else if (client->replication != NULL)
			replication_tick(client);
		return;
	case CLIENT_IDLE:
		tick_idle(client, now);
		return;
	case CLIENT_WAITING:
		client_stop_waiting(client);	/* the letter may be lost */
		if (client_phase(client) == CLIENT_WAITING)
			tick_waiting(client, now);
		return;
	case CLIENT_LINKED:
		tick_linked(client, now);
		return;
	default:
		return;
	}
}
