#include "session/login_at_server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/server_login.h"
#include "base/invariant.h"
#include "base/memory.h"
#include "net/tls_peer.h"
#include "pool/found.h"
#include "pool/obsolete.h"
#include "session/negotiation.h"
#include "session/keys.h"
#include "session/login.h"
#include "session/lookup.h"
#include "session/replication.h"
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
	uint32_t		 protocol;	/* what we may speak with it */
	struct negotiation	 negotiation;
	bool			 in_the_clear;	/* TLS was a wish, and failed */
	bool			 was_refused;	/* with TLS: again without */
	bool			 connected;
	bool			 speaks;	/* PostgreSQL's protocol */
	bool			 was_asked;	/* to authenticate */
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
		drop(server, reason);
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
	if (getsockname(server->stream.fd, (struct sockaddr *)&local,
	    &length) == 0)
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
	server->stream.fd = fd;
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
			login->in_the_clear = false;
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

	if (!server->login->connected && server->stream.fd != -1)
		note_outcome(server, loop_now(server->sessions->loop));
	login_at_server_failed(server, text, text);
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
hang_up(struct server *server)
{
	loop_remove(server->sessions->loop, &server->watch);
	stream_close(&server->stream);
	buffer_clear(&server->partial);
	buffer_clear(&server->backlog);
	server->login->connected = server->login->speaks = false;
}

static void
try_next_place(struct server *server, int why)
{
	note_failure(server, why);
	hang_up(server);
	(void)!connect_to_next(server);
}

/* --- TLS ------------------------------------------------------------------ */

static void
try_in_the_clear(struct server *server)
{
	server->login->in_the_clear = true;
	server->login->was_refused = false;
	if (server->login->auth != NULL)
		server_login_bind(server->login->auth, NULL, 0);
	memset(server_row(server)->tls, 0, sizeof(server_row(server)->tls));
	hang_up(server);
	if (!connect_to_place(server))
		(void)!connect_to_next(server);
}

static void
note_tls(struct server *server)
{
	struct server_row *row = server_row(server);
	uint8_t digest[TLS_END_POINT_MOST];
	size_t length = tls_peer_end_point(&server->stream, digest);

	if (server->login->auth != NULL)
		server_login_bind(server->login->auth, digest, length);
	_Static_assert(sizeof(row->tls) >= TLS_INFO_BYTES, "it fits");
	tls_peer_info(&server->stream, row->tls);
	if (server->sessions->config->log_connections)
		server_log(LOG_LEVEL_LOG, server, "SSL established: %s",
		    row->tls);
}

static void
log_tls_problem(struct server *server)
{
	const char *problem = server->login->negotiation.problem;

	if (problem[0] != '\0')
		server_log(LOG_LEVEL_WARNING, server,
		    "TLS handshake error: %s", problem);
}

/* True: PostgreSQL may be spoken to. */
static bool
obey(struct server *server, enum negotiation_verdict verdict)
{
	struct login_at_server *login = server->login;

	switch (verdict) {
	case NEGOTIATION_MORE:
		server_watch_for(server, EPOLLIN |
		    (stream_has_unsent(&server->stream) ? EPOLLOUT : 0));
		return false;
	case NEGOTIATION_SECURE:
		note_tls(server);
		break;
	case NEGOTIATION_CLEAR:
		break;
	case NEGOTIATION_AGAIN:
		log_tls_problem(server);
		try_in_the_clear(server);
		return false;
	case NEGOTIATION_FAILED:
		log_tls_problem(server);
		login_at_server_failed(server, login->negotiation.reason,
		    login->negotiation.reason);
		return false;
	}
	login->speaks = true;
	server_watch_for(server, EPOLLIN);
	return send_startup(server);
}

static enum negotiation_verdict
begin_negotiation(struct server *server)
{
	const struct sessions *sessions = server->sessions;
	struct login_at_server *login = server->login;
	const struct negotiation_wish wish = {
		.mode = login->in_the_clear ||
		    login->place.remote.family == ADDRESS_UNIX ?
		    SSLMODE_DISABLE : sessions->config->server_tls_sslmode,
		.is_direct = sessions->config->server_tls_sslnegotiation ==
		    SSLNEGOTIATION_DIRECT,
		.context = &sessions->server_tls,
		.host = login->place.name,
	};

	return negotiation_begin(&login->negotiation, &wish, &server->stream);
}

/* True: it is connected now. */
static bool
check_connection(struct server *server)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	int outcome = socket_outcome(server->stream.fd);

	if (outcome == 0 && getpeername(server->stream.fd,
	    (struct sockaddr *)&peer, &length) == -1)
		return false;		/* not yet */
	if (outcome != 0) {
		try_next_place(server, outcome);
		return false;
	}
	server->login->connected = true;
	note_outcome(server, 0);
	note_local(server);
	log_connection(server);
	return true;
}

bool
login_at_server_connected(struct server *server)
{
	if (server->login->speaks)
		return true;
	if (server->login->connected)
		return obey(server, negotiation_go_on(
		    &server->login->negotiation, &server->stream,
		    server->sessions->input));
	return check_connection(server) &&
	    obey(server, begin_negotiation(server));
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
		try_in_the_clear(server);
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
