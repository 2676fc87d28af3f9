#include "session/login_at_server_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/server_login.h"
#include "base/invariant.h"
#include "base/memory.h"
#include "pool/found.h"
#include "pool/obsolete.h"
#include "session/keys.h"
#include "session/login.h"
#include "session/replication.h"
#include "session/server_parts.h"
#include "wire/messages.h"

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

void
login_at_server_drop(struct server *server, const char *reason)
{
	struct sessions *sessions = server->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	uint32_t row = server->row;

	if (sessions->config->log_disconnections)
		server_log(LOG_LEVEL_LOG, server, "closing because: %s "
		    "(age=%" PRId64 "s)", reason, (caller.now -
		    server_row(server)->connected_at) / USEC_PER_SEC);
	events_count(sessions->segment, sessions->worker,
	    events_of_reason(FAMILY_server_closes, reason));
	INVARIANT(pool_begin_close(&caller, row));
	server_forget(server);
	pool_end_close(&caller, row);
}

static void
fail_with(struct server *server, const char *text, const char *sqlstate,
    const char *reason)
{
	struct client *replicates = server->replicates;
	struct sessions *sessions = server->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	struct pool_view *view = server_view(server);

	events_count(sessions->segment, sessions->worker,
	    EVENT_server_connect_failures_all);
	/* What a client asked for itself says nothing about the pool. */
	if (replicates == NULL)
		pool_open_failed(&caller, server->row, text, sqlstate);
	replication_lose_server(server);
	route_give_up(sessions, view, &server->login->route);
	if (server->stream.fd == -1)
		login_at_server_drop(server, reason);
	else
		server_close(server, reason);
	if (replicates != NULL)
		client_fail(replicates, sqlstate[0] != '\0' ? sqlstate :
		    SQLSTATE_OF_POOLER, text[0] != '\0' ? text : reason);
	else
		spread_news(sessions, view);
}

void
login_at_server_failed(struct server *server, const char *text,
    const char *reason)
{
	fail_with(server, text, "", reason);
}

/* --- the steps ----------------------------------------------------------- */

/* The forced user's password is no other's: auth_query has its own user. */
static const char *
configured_secret(const struct config *config, const struct pool_view *view)
{
	const struct config_database *database = view->database;

	if (database->user != NULL &&
	    strcmp(database->user, view->user_name) == 0 &&
	    database->password != NULL && database->password[0] != '\0')
		return database->password;
	return config_find_secret(config, view->user_name);
}

/* What auth_query found, where the configuration knows nothing. */
static struct server_login *
begin_auth_with_found(const struct pool_caller *caller,
    const struct pool_view *view)
{
	struct server_credentials credentials = { .user = view->user_name };
	struct found_secret found;
	struct server_login *auth;
	struct scram_keys keys;

	if (found_recall(caller, view->pool, view->generation, &found))
		credentials.secret = found.secret;
	if (found.has_keys) {
		memcpy(&keys, found.keys, sizeof(keys));
		credentials.keys = &keys;
	}
	auth = server_login_begin(&credentials);
	memory_wipe(&found, sizeof(found));
	memory_wipe(&keys, sizeof(keys));
	return auth;
}

static struct server_login *
begin_auth(struct sessions *sessions, const struct pool_view *view)
{
	struct pool_caller caller = sessions_caller(sessions);
	struct server_credentials credentials = {
		.user = view->user_name,
		.secret = configured_secret(sessions->config, view),
	};
	struct scram_keys keys;
	struct server_login *auth;

	if (credentials.secret == NULL)
		return begin_auth_with_found(&caller, view);
	if (keys_recall(sessions->segment, view->user_name,
	    credentials.secret, &keys))
		credentials.keys = &keys;
	auth = server_login_begin(&credentials);
	memory_wipe(&keys, sizeof(keys));
	return auth;
}

bool
login_at_server_begin(struct sessions *sessions, struct pool_view *view,
    uint32_t row, struct client *replicates)
{
	struct server *server = server_hold(sessions, row, atomic_load(
	    &sessions->segment->servers[row].generation), -1);

	server->step = SERVER_LOGIN;
	server->replicates = replicates;
	if (replicates != NULL)
		replication_own(replicates, server);
	server->login = memory_get(sizeof(*server->login));
	server->login->auth = begin_auth(sessions, view);
	login_at_server_forget_place(server);
	return login_at_server_connect(server);
}

static void
write_setting(struct writer *writer, const char *name, const char *value)
{
	if (value != NULL && value[0] != '\0')
		write_startup_parameter(writer, name, value);
}

static struct pool_row *
pool_of(const struct server *server)
{
	return segment_pool(server->sessions->segment,
	    server_view(server)->pool);
}

bool
login_at_server_send_startup(struct server *server)
{
	const struct pool_view *view = server_view(server);
	const struct config_database *database = view->database;
	uint8_t memory[2048];
	struct writer writer = writer_of(memory, sizeof(memory));

	if (database == NULL) {
		server_close(server, "database removed");
		return false;
	}
	server->login->protocol = atomic_load(&pool_of(server)->speaks_3_2) ?
	    PROTOCOL_3_2 : PROTOCOL_3_0;
	write_startup_begin(&writer, server->login->protocol);
	write_startup_parameter(&writer, "user", view->user_name);
	write_startup_parameter(&writer, "database",
	    database->dbname != NULL ? database->dbname :
	    view->database_name);
	write_setting(&writer, "client_encoding", database->client_encoding);
	write_setting(&writer, "datestyle", database->datestyle);
	write_setting(&writer, "timezone", database->timezone);
	write_setting(&writer, "application_name",
	    database->application_name);
	/* The last one of a name counts. */
	if (server->replicates != NULL)
		replication_write_startup(server->replicates, &writer);
	write_startup_end(&writer);
	if (writer.failed) {
		login_at_server_failed(server, "startup pkt failed",
		    "startup pkt failed");
		return false;
	}
	return server_send(server, writer.bytes, writer.used);
}

/* --- what PostgreSQL says ------------------------------------------------ */

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
 * pg_hba.conf lets it in only in the clear (hostnossl), and TLS was no more
 * than a wish: as libpq.
 */
static bool
may_do_without_tls(const struct server *server, const struct notice *notice)
{
	return server->stream.tls != NULL && !server->login->was_asked &&
	    server->login->negotiation.wish.mode <= SSLMODE_PREFER &&
	    strcmp(notice->sqlstate, SQLSTATE_INVALID_AUTHORIZATION) == 0;
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
	if (may_do_without_tls(server, &notice)) {
		server_log(LOG_LEVEL_WARNING, server, "%s: again without TLS",
		    notice.text);
		server->login->was_refused = true; /* once it has hung up */
		return;
	}
	log_warning("server login failed: %s %s", notice.severity,
	    notice.text);
	snprintf(text, sizeof(text), "%s", notice.text);
	snprintf(state, sizeof(state), "%s", notice.sqlstate);
	starting = strcmp(state, SQLSTATE_CANNOT_CONNECT_NOW) == 0;
	/* It may be that what it was asked for is too new for it. */
	if (server->login->protocol > PROTOCOL_3_0)
		atomic_store(&pool_of(server)->speaks_3_2, 0);
	fail_with(server, starting ? "" : text, starting ? "" : state, text);
}

/*
 * One that knows 3.2 tells us so by its own version: asking would end the
 * connection with what is too old to talk that down.
 */
static void
note_version(struct server *server, const uint8_t *body, size_t length)
{
	const char *name, *value;

	if (read_parameter_status(reader_of(body, length), &name, &value) &&
	    strcmp(name, "server_version") == 0)
		atomic_store(&pool_of(server)->speaks_3_2,
		    strtol(value, NULL, 10) >= 18);
}

static void
keep_key(struct server *server, struct reader body)
{
	struct server_row *row = server_row(server);
	struct backend_key key;

	if (!read_backend_key(&body, &key) || (key.rest_length > 0 &&
	    server->login->protocol < PROTOCOL_3_2)) {
		login_at_server_failed(server, "bad cancel key",
		    "bad cancel key");
		return;
	}
	row->backend_pid = key.pid;
	row->backend_secret = key.secret;
	row->backend_rest_length = key.rest_length;
	memcpy(row->backend_rest, key.rest, key.rest_length);
}

static void
negotiate(struct server *server, struct reader body)
{
	uint32_t version;

	if (server->login->let_in || !read_negotiation(body, &version) ||
	    version > server->login->protocol ||
	    version < PROTOCOL_3_0) {
		login_at_server_failed(server, "unknown pkt from server",
		    "unknown pkt from server");
		return;
	}
	server->login->protocol = version;
}

static void
keep_parameter(struct server *server, const uint8_t *body, size_t length)
{
	uint8_t header[5] = { MESSAGE_PARAMETER_STATUS };
	uint32_t word = (uint32_t)length + 4;

	server_note_parameter(server, body, length);
	note_version(server, body, length);
	for (int i = 0; i < 4; i++)
		header[1 + i] = (uint8_t)(word >> (24 - 8 * i));
	if (buffer_length(&server->login->welcome) + 5 + length >
	    WELCOME_BYTES) {
		server_log(LOG_LEVEL_WARNING, server, "clients are not told "
		    "of %.*s, which is too long", length < 63 ? (int)length :
		    63, (const char *)body);
		return;
	}
	if (!buffer_append(&server->login->welcome, header, sizeof(header)) ||
	    !buffer_append(&server->login->welcome, body, length))
		buffer_clear(&server->login->welcome);
}

static void
finish_replication(struct server *server)
{
	struct buffer welcome = server->login->welcome;

	memset(&server->login->welcome, 0, sizeof(welcome));
	login_at_server_free(server->login);
	server->login = NULL;
	atomic_fetch_or(&server_row(server)->has_fd,
	    UINT64_C(1) << server->sessions->worker);
	replication_ready(server, buffer_front(&welcome),
	    (uint32_t)buffer_length(&welcome));
	buffer_clear(&welcome);
}

static void
finish(struct server *server)
{
	struct sessions *sessions = server->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	struct pool_view *view = server_view(server);
	struct buffer *welcome = &server->login->welcome;
	struct error error;

	if (server->replicates != NULL) {
		finish_replication(server);
		return;
	}
	if (server->stream.tls != NULL &&
	    !server_build_bridge(server, &error)) {
		login_at_server_failed(server, error.text, error.text);
		return;
	}
	pool_set_welcome(&caller, server->row, buffer_front(welcome),
	    (uint32_t)buffer_length(welcome));
	login_at_server_free(server->login);
	server->login = NULL;
	atomic_fetch_or(&server_row(server)->has_fd,
	    UINT64_C(1) << sessions->worker);
	sessions->owner->publish_server(sessions->owner->context, server->row,
	    server_shared_fd(server));
	pool_check_obsolete(&caller, server->row);
	server_login_done(server);
	spread_news(sessions, view);
	server_open_if_needed(sessions, view, false);
}

void
login_at_server_hung_up(struct server *server)
{
	if (server->login->was_refused)
		login_at_server_try_in_the_clear(server);
	else
		login_at_server_failed(server, "server closed the connection "
		    "during login", "connect failed");
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
	if (login->in_connect_query || server->replicates != NULL ||
	    database == NULL ||
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
	struct notice notice;

	if (login->was_refused)
		return;
	switch (type) {
	case MESSAGE_AUTHENTICATION:
		login->was_asked = true;
		answer_auth(server, body, length);
		return;
	case MESSAGE_PARAMETER_STATUS:
		keep_parameter(server, body, length);
		return;
	case MESSAGE_BACKEND_KEY_DATA:
		keep_key(server, reader_of(body, length));
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
	case MESSAGE_NEGOTIATE_PROTOCOL_VERSION:
		negotiate(server, reader_of(body, length));
		return;
	case MESSAGE_NOTICE_RESPONSE:
		return;
	default:
		if (!login->in_connect_query)
			login_at_server_failed(server,
			    "unknown pkt from server",
			    "unknown pkt from server");
		return;
	}
}
