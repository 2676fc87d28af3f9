#include "session/login_at_server.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "auth/server_login.h"
#include "base/invariant.h"
#include "base/memory.h"
#include "session/keys.h"
#include "session/login.h"
#include "wire/messages.h"

struct login_at_server {
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

	for (uint32_t i = 0; i < sessions->segment->size.workers; i++) {
		struct pool_mail mail = { i, { MAIL_POOL, view->pool, 0 } };

		if (i != sessions->worker && atomic_load(
		    &sessions->segment->roster[i].phase) == ROSTER_SERVING)
			pool_post(&caller, &mail);
	}
	login_on_pool_news(sessions, view);
}

/* --- giving up ----------------------------------------------------------- */

static void
fail_without_socket(struct sessions *sessions, struct pool_view *view,
    uint32_t row, const char *text)
{
	struct pool_caller caller = sessions_caller(sessions);

	log_warning("%s/%s: %s", view->database_name, view->user_name, text);
	pool_open_failed(&caller, row, "connect failed", "");
	INVARIANT(pool_begin_close(&caller, row));
	pool_end_close(&caller, row);
	spread_news(sessions, view);
}

static void
fail_with(struct server *server, const char *text, const char *sqlstate,
    const char *reason)
{
	struct sessions *sessions = server->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	struct pool_view *view = server_view(server);

	pool_open_failed(&caller, server->row, text, sqlstate);
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

static void
note_addresses(struct server *server, const struct sockaddr *remote)
{
	struct server_row *row = server_row(server);
	struct pool_view *view = server_view(server);
	struct sockaddr_storage local;
	socklen_t length = sizeof(local);
	uint16_t port = (uint16_t)view->database->port;

	address_from(remote, port, &row->remote);
	memset(&local, 0, sizeof(local));
	if (getsockname(server->fd, (struct sockaddr *)&local, &length) == 0)
		address_from((struct sockaddr *)&local, port, &row->local);
}

bool
login_at_server_begin(struct sessions *sessions, struct pool_view *view,
    uint32_t row)
{
	struct server_row *server_of_row = &sessions->segment->servers[row];
	struct sockaddr_storage address;
	struct server *server;
	struct error error;
	socklen_t length;
	int fd;

	if (!pool_view_address(sessions, view, &address, &length, &error)) {
		fail_without_socket(sessions, view, row, error.text);
		return false;
	}
	if (!socket_connect((struct sockaddr *)&address, length,
	    &sessions->socket_options, &fd, &error)) {
		fail_without_socket(sessions, view, row, error.text);
		return false;
	}
	server = server_hold(sessions, row,
	    atomic_load(&server_of_row->generation), fd);
	server->step = SERVER_LOGIN;
	server->login = memory_get(sizeof(*server->login));
	server->login->auth = begin_auth(sessions, view);
	note_addresses(server, (struct sockaddr *)&address);
	server_watch(server);
	loop_change(sessions->loop, &server->watch, EPOLLIN | EPOLLOUT);
	return true;
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
		char address[ADDRESS_TEXT_BYTES];

		address_format(&server_row(server)->remote, 0, address,
		    sizeof(address));
		server_log(LOG_LEVEL_WARNING, server, "sbuf_connect failed to "
		    "connect to %s: %s", address, strerror(outcome));
		login_at_server_failed(server, "connect failed",
		    "connect failed");
		return false;
	}
	server->login->connected = true;
	loop_change(server->sessions->loop, &server->watch, EPOLLIN);
	note_addresses(server, (struct sockaddr *)&peer);
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
