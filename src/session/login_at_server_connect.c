#include "session/login_at_server_parts.h"

#include <errno.h>
#include <string.h>

#include "auth/server_login.h"
#include "net/tls_peer.h"
#include "session/lookup.h"
#include "session/server_parts.h"

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
	server->login->awaits = LOGIN_AWAITS_NOTHING;
	if (!socket_connect((const struct sockaddr *)&place->address,
	    place->length, &sessions->socket_options, &fd, &error)) {
		if (errno == EAGAIN && place->remote.family == ADDRESS_UNIX) {
			server->login->awaits = LOGIN_AWAITS_ROOM;
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

bool
login_at_server_connect(struct server *server)
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
			login->awaits = LOGIN_AWAITS_NAME;
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
	login_at_server_drop(server, "database removed");
	return false;
}

void
login_at_server_forget_place(struct server *server)
{
	struct place nowhere = { .remote = { .family = ADDRESS_UNIX,
	    .port = (uint16_t)server_view(server)->database->port },
	    .host = NO_ROW };

	note_remote(server, &nowhere);
}

bool
login_at_server_awaits(const struct server *server, uint32_t host)
{
	return server->step == SERVER_LOGIN &&
	    server->login->awaits == LOGIN_AWAITS_NAME &&
	    server->login->host == host;
}

void
login_at_server_go_on(struct server *server)
{
	if (server->login->awaits == LOGIN_AWAITS_NAME ||
	    !connect_to_place(server))
		(void)!login_at_server_connect(server);
}

void
login_at_server_tick(struct server *server)
{
	if (server->login->awaits != LOGIN_AWAITS_NOTHING)
		login_at_server_go_on(server);
}

/* A name that is not known in all that time is one that cannot be found. */
void
login_at_server_timed_out(struct server *server)
{
	const char *text = server->login->awaits == LOGIN_AWAITS_NAME ?
	    "server DNS lookup failed" : "connect timeout";

	if (!server->login->connected && server->stream.fd != -1)
		note_outcome(server, loop_now(server->sessions->loop));
	login_at_server_failed(server, text, text);
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
	(void)!login_at_server_connect(server);
}

/* --- TLS ------------------------------------------------------------------ */

void
login_at_server_try_in_the_clear(struct server *server)
{
	server->login->in_the_clear = true;
	server->login->was_refused = false;
	if (server->login->auth != NULL)
		server_login_bind(server->login->auth, NULL, 0);
	memset(server_row(server)->tls, 0, sizeof(server_row(server)->tls));
	hang_up(server);
	if (!connect_to_place(server))
		(void)!login_at_server_connect(server);
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
		login_at_server_try_in_the_clear(server);
		return false;
	case NEGOTIATION_FAILED:
		log_tls_problem(server);
		login_at_server_failed(server, login->negotiation.reason,
		    login->negotiation.reason);
		return false;
	}
	login->speaks = true;
	server_watch_for(server, EPOLLIN);
	return login_at_server_send_startup(server);
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
