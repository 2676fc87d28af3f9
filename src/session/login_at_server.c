#include "session/login_at_server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth/server_login.h"
#include "base/invariant.h"
#include "base/memory.h"
#include "pool/obsolete.h"
#include "session/keys.h"
#include "session/login.h"
#include "session/lookup.h"
#include "session/route.h"
#include "session/server_parts.h"
#include "wire/messages.h"

/*
 *   NAME <-> nothing (connecting, logging in) <-> ROOM
 */
enum awaited {
	AWAITS_NOTHING = 0,
	AWAITS_NAME,		/* the address of a host name */
	AWAITS_ROOM		/* in the queue of a Unix socket */
};

struct login_at_server {
	struct route		 route;
	struct place		 place;		/* where it connects to */
	enum awaited		 awaits;
	uint32_t		 host;		/* AWAITS_NAME: its row */
	struct server_login	*auth;
	struct buffer		 welcome;	/* ParameterStatus messages */
	bool			 connected;
	bool			 let_in;
	bool			 in_connect_query;
};

void
login_at_server_free(struct login_at_server *login)
{
	if (login == NULL)
		return;
	server_login_end(login->auth);
	buffer_clear(&login->welcome);
	memory_free(login);
}

/* All workers look whether one of their clients waited for this. */
static void
spread_news(struct sessions *sessions, struct pool_view *view)
{
	struct pool_caller caller = sessions_caller(sessions);

	for (uint32_t i = 0; i < segment_slots(sessions->segment); i++) {
		struct pool_mail mail = { i, { MAIL_POOL, view->pool, 0 } };

		if (i != sessions->worker && atomic_load(
		    &sessions->segment->roster[i].phase) == ROSTER_SERVING)
			pool_post(&caller, &mail);
	}
	login_on_pool_news(sessions, view);
}

/* --- giving up ----------------------------------------------------------- */

/* There is no connection yet to say goodbye to: the row is free at once. */
static void
drop(struct server *server, const char *reason)
{
	struct sessions *sessions = server->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	uint32_t row = server->row;

	if (sessions->config->log_disconnections)
		server_log(LOG_LEVEL_LOG, server, "closing because: %s "
		    "(age=%" PRId64 "s)", reason, (caller.now -
		    server_row(server)->connected_at) / USEC_PER_SEC);
	INVARIANT(pool_begin_close(&caller, row));
	server_forget(server);
	pool_end_close(&caller, row);
}

static void
fail_with(struct server *server, const char *text, const char *sqlstate,
    const char *reason)
{
	struct sessions *sessions = server->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	struct pool_view *view = server_view(server);

	pool_open_failed(&caller, server->row, text, sqlstate);
	route_give_up(sessions, view, &server->login->route);
	if (server->fd == -1)
		drop(server, reason);
	else
		server_close(server, reason);
	spread_news(sessions, view);
}

void
login_at_server_failed(struct server *server, const char *text,
    const char *reason)
{
	fail_with(server, text, "", reason);
}

/* --- the steps ----------------------------------------------------------- */

static struct server_login *
begin_auth(struct sessions *sessions, const struct pool_view *view)
{
	struct server_credentials credentials = { .user = view->user_name };
	struct scram_keys keys;
	struct server_login *auth;

	if (view->database->user != NULL && view->database->password != NULL &&
	    view->database->password[0] != '\0')
		credentials.secret = view->database->password;
	else
		credentials.secret = config_find_secret(sessions->config,
		    view->user_name);
	if (keys_recall(sessions->segment, view->user_name,
	    credentials.secret, &keys))
		credentials.keys = &keys;
	auth = server_login_begin(&credentials);
	memory_wipe(&keys, sizeof(keys));
	return auth;
}

/* The name goes last: by it the address is found obsolete. */
static void
note_remote(struct server *server, const struct place *place)
{
	struct server_row *row = server_row(server);

	atomic_store(&row->host, NO_ROW);
	row->remote = place->remote;
	memset(&row->local, 0, sizeof(row->local));
	atomic_store(&row->host, place->host);
}

static void
note_local(struct server *server)
{
	struct server_row *row = server_row(server);
	struct sockaddr_storage local;
	socklen_t length = sizeof(local);

	memset(&local, 0, sizeof(local));
	if (getsockname(server->fd, (struct sockaddr *)&local, &length) == 0)
		address_from((struct sockaddr *)&local, row->remote.port,
		    &row->local);
}

static void
note_outcome(struct server *server, usec_t failed_at)
{
	const struct place *place = &server->login->place;

	hosts_note_outcome(server->sessions->segment, place->host,
	    &place->remote, failed_at);
}

static void
note_failure(struct server *server, int why)
{
	char address[ADDRESS_TEXT_BYTES];

	address_format(&server_row(server)->remote, 0, address,
	    sizeof(address));
	server_log(LOG_LEVEL_WARNING, server,
	    "sbuf_connect failed to connect to %s: %s", address,
	    strerror(why));
	note_outcome(server, loop_now(server->sessions->loop));
}

/* False: not there; try the next place. */
static bool
connect_to_place(struct server *server)
{
	struct sessions *sessions = server->sessions;
	const struct place *place = &server->login->place;
	struct error error;
	int fd;

	note_remote(server, place);
	server->login->awaits = AWAITS_NOTHING;
	if (!socket_connect((const struct sockaddr *)&place->address,
	    place->length, &sessions->socket_options, &fd, &error)) {
		if (errno == EAGAIN && place->remote.family == ADDRESS_UNIX) {
			server->login->awaits = AWAITS_ROOM;
			return true;
		}
		note_failure(server, errno);
		return false;
	}
	server->fd = fd;
	note_local(server);
	server_watch(server);
	loop_change(sessions->loop, &server->watch, EPOLLIN | EPOLLOUT);
	return true;
}

/* False: there is nowhere to go, and the row is free. */
static bool
connect_to_next(struct server *server)
{
	struct login_at_server *login = server->login;
	struct pool_view *view = server_view(server);

	while (view->database != NULL) {
		switch (route_next(server->sessions, view, &login->route,
		    &login->place, &login->host)) {
		case ROUTE_PLACE:
			if (connect_to_place(server))
				return true;
			break;
		case ROUTE_WAIT:
			login->awaits = AWAITS_NAME;
			lookup_ask(server->sessions, login->host);
			return true;
		case ROUTE_END:
			login_at_server_failed(server, login->route.connected ?
			    "connect failed" : "server DNS lookup failed",
			    login->route.connected ?
			    "connect failed" : "server DNS lookup failed");
			return false;
		}
	}
	drop(server, "database removed");
	return false;
}

static void
forget_remote(struct server *server)
{
	struct place nowhere = { .remote = { .family = ADDRESS_UNIX,
	    .port = (uint16_t)server_view(server)->database->port },
	    .host = NO_ROW };

	note_remote(server, &nowhere);
}

bool
login_at_server_begin(struct sessions *sessions, struct pool_view *view,
    uint32_t row)
{
	struct server *server = server_hold(sessions, row, atomic_load(
	    &sessions->segment->servers[row].generation), -1);

	server->step = SERVER_LOGIN;
	server->login = memory_get(sizeof(*server->login));
	server->login->auth = begin_auth(sessions, view);
	forget_remote(server);
	return connect_to_next(server);
}

bool
login_at_server_awaits(const struct server *server, uint32_t host)
{
	return server->step == SERVER_LOGIN &&
	    server->login->awaits == AWAITS_NAME &&
	    server->login->host == host;
}

void
login_at_server_go_on(struct server *server)
{
	if (server->login->awaits == AWAITS_NAME ||
	    !connect_to_place(server))
		(void)!connect_to_next(server);
}

void
login_at_server_tick(struct server *server)
{
	if (server->login->awaits != AWAITS_NOTHING)
		login_at_server_go_on(server);
}

/* A name that is not known in all that time is one that cannot be found. */
void
login_at_server_timed_out(struct server *server)
{
	const char *text = server->login->awaits == AWAITS_NAME ?
	    "server DNS lookup failed" : "connect timeout";

	if (!server->login->connected && server->fd != -1)
		note_outcome(server, loop_now(server->sessions->loop));
	login_at_server_failed(server, text, text);
}

static void
write_setting(struct writer *writer, const char *name, const char *value)
{
	if (value != NULL && value[0] != '\0')
		write_startup_parameter(writer, name, value);
}

static bool
send_startup(struct server *server)
{
	const struct pool_view *view = server_view(server);
	const struct config_database *database = view->database;
	uint8_t memory[2048];
	struct writer writer = writer_of(memory, sizeof(memory));

	if (database == NULL) {
		server_close(server, "database removed");
		return false;
	}
	write_startup_begin(&writer);
	write_startup_parameter(&writer, "user", view->user_name);
	write_startup_parameter(&writer, "database",
	    database->dbname != NULL ? database->dbname :
	    view->database_name);
	write_setting(&writer, "client_encoding", database->client_encoding);
	write_setting(&writer, "datestyle", database->datestyle);
	write_setting(&writer, "timezone", database->timezone);
	write_setting(&writer, "application_name",
	    database->application_name);
	write_startup_end(&writer);
	if (writer.failed) {
		login_at_server_failed(server, "startup pkt failed",
		    "startup pkt failed");
		return false;
	}
	return server_send(server, writer.bytes, writer.used);
}

static void
log_connection(struct server *server)
{
	const struct server_row *row = server_row(server);
	char local[ADDRESS_TEXT_BYTES];

	if (!server->sessions->config->log_connections)
		return;
	if (row->remote.family == ADDRESS_UNIX) {
		server_log(LOG_LEVEL_LOG, server, "new connection to server");
		return;
	}
	address_format(&row->local, 0, local, sizeof(local));
	server_log(LOG_LEVEL_LOG, server, "new connection to server (from %s)",
	    local);
}

/* Nobody has seen this descriptor but this worker. */
static void
try_next_place(struct server *server, int why)
{
	note_failure(server, why);
	loop_remove(server->sessions->loop, &server->watch);
	close(server->fd);
	server->fd = -1;
	(void)!connect_to_next(server);
}

bool
login_at_server_connected(struct server *server)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	int outcome;

	if (server->login->connected)
		return true;
	outcome = socket_outcome(server->fd);
	if (outcome == 0 && getpeername(server->fd, (struct sockaddr *)&peer,
	    &length) == -1)
		return false;		/* not yet */
	if (outcome != 0) {
		try_next_place(server, outcome);
		return false;
	}
	server->login->connected = true;
	note_outcome(server, 0);
	loop_change(server->sessions->loop, &server->watch, EPOLLIN);
	note_local(server);
	log_connection(server);
	return send_startup(server);
}

static void
answer_auth(struct server *server, const uint8_t *body, size_t length)
{
	struct login_at_server *login = server->login;
	uint8_t memory[4096];
	struct writer writer = writer_of(memory, sizeof(memory));
	char text[128];
	const char *told;

	if (login->let_in || login->auth == NULL) {
		login_at_server_failed(server, "failed to answer authreq",
		    "failed to answer authreq");
		return;
	}
	switch (server_login_answer(login->auth, body, length, &writer)) {
	case SERVER_LOGIN_OK:
		login->let_in = true;
		break;
	case SERVER_LOGIN_MORE:
		break;
	case SERVER_LOGIN_FAILED:
		if (server_login_log_text(login->auth) != NULL)
			server_log(LOG_LEVEL_ERROR, server, "%s",
			    server_login_log_text(login->auth));
		told = server_login_client_text(login->auth);
		snprintf(text, sizeof(text), "server login failed: %s",
		    told != NULL ? told : "");
		memory_wipe(memory, sizeof(memory));
		fail_with(server, told != NULL ? text :
		    server_login_close_reason(login->auth),
		    told != NULL ? SQLSTATE_OF_POOLER : "",
		    "failed to answer authreq");
		return;
	}
	(void)!server_send(server, writer.bytes, writer.used);
	memory_wipe(memory, sizeof(memory));
}

/*
 * The server's words go on to who waits.  While it is only starting up nobody
 * is told, and nobody refused: an empty text.
 */
static void
refuse(struct server *server, const uint8_t *body, size_t length)
{
	struct notice notice;
	char text[FAILURE_BYTES], state[6];
	bool starting;

	(void)!read_error_response(reader_of(body, length), &notice);
	log_warning("server login failed: %s %s", notice.severity,
	    notice.text);
	snprintf(text, sizeof(text), "%s", notice.text);
	snprintf(state, sizeof(state), "%s", notice.sqlstate);
	starting = strcmp(state, SQLSTATE_CANNOT_CONNECT_NOW) == 0;
	fail_with(server, starting ? "" : text, starting ? "" : state, text);
}

static void
keep_parameter(struct server *server, const uint8_t *body, size_t length)
{
	uint8_t header[5] = { MESSAGE_PARAMETER_STATUS };
	uint32_t word = (uint32_t)length + 4;

	server_note_parameter(server, body, length);
	for (int i = 0; i < 4; i++)
		header[1 + i] = (uint8_t)(word >> (24 - 8 * i));
	if (buffer_length(&server->login->welcome) + 5 + length >
	    WELCOME_BYTES)
		return;
	if (!buffer_append(&server->login->welcome, header, sizeof(header)) ||
	    !buffer_append(&server->login->welcome, body, length))
		buffer_clear(&server->login->welcome);
}

static void
finish(struct server *server)
{
	struct sessions *sessions = server->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	struct pool_view *view = server_view(server);
	struct buffer *welcome = &server->login->welcome;

	pool_set_welcome(&caller, server->row, buffer_front(welcome),
	    (uint32_t)buffer_length(welcome));
	login_at_server_free(server->login);
	server->login = NULL;
	atomic_fetch_or(&server_row(server)->has_fd,
	    UINT64_C(1) << sessions->worker);
	sessions->owner->publish_server(sessions->owner->context, server->row,
	    server->fd);
	pool_check_obsolete(&caller, server->row);
	server_login_done(server);
	spread_news(sessions, view);
	server_open_if_needed(sessions, view, false);
}

void
login_at_server_ready(struct server *server)
{
	const struct config_database *database =
	    server_view(server)->database;
	struct login_at_server *login = server->login;

	if (!login->let_in) {
		login_at_server_failed(server, "login failed",
		    "login failed");
		return;
	}
	if (login->in_connect_query || database == NULL ||
	    database->connect_query == NULL ||
	    database->connect_query[0] == '\0') {
		finish(server);
		return;
	}
	login->in_connect_query = true;
	(void)!server_send_query(server, database->connect_query);
}

void
login_at_server_take(struct server *server, uint8_t type, const uint8_t *body,
    size_t length)
{
	struct login_at_server *login = server->login;
	struct server_row *row = server_row(server);
	struct backend_key key;
	struct notice notice;

	switch (type) {
	case MESSAGE_AUTHENTICATION:
		answer_auth(server, body, length);
		return;
	case MESSAGE_PARAMETER_STATUS:
		keep_parameter(server, body, length);
		return;
	case MESSAGE_BACKEND_KEY_DATA:
		if (!read_backend_key_data(reader_of(body, length), &key)) {
			login_at_server_failed(server, "bad cancel key",
			    "bad cancel key");
			return;
		}
		row->backend_pid = key.pid;
		row->backend_secret = key.secret;
		return;
	case MESSAGE_ERROR_RESPONSE:
		if (!login->in_connect_query) {
			refuse(server, body, length);
			return;
		}
		(void)!read_error_response(reader_of(body, length), &notice);
		log_error("S: error while executing exec_on_query: %s: %s",
		    notice.severity, notice.text);
		return;
	case MESSAGE_READY_FOR_QUERY:
		server->step_done = true;
		return;
	case MESSAGE_NOTICE_RESPONSE:
	case MESSAGE_NEGOTIATE_PROTOCOL_VERSION:
		return;
	default:
		if (!login->in_connect_query)
			login_at_server_failed(server,
			    "unknown pkt from server",
			    "unknown pkt from server");
		return;
	}
}
