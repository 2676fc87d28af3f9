#include "session/sessions.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/invariant.h"
#include "base/memory.h"
#include "net/tls.h"
#include "pool/retire.h"
#include "session/auth_query.h"
#include "session/bridge.h"
#include "session/cancel.h"
#include "session/forward.h"
#include "session/client.h"
#include "session/drain.h"
#include "session/encryption.h"
#include "session/login.h"
#include "session/outside.h"
#include "session/lookup.h"
#include "session/query_texts.h"
#include "session/server.h"

/* Room for clients that are closed already and freed at the turn's end. */
#define CLOSED_IN_A_TURN 1024

static void
set_socket_options(struct sessions *sessions)
{
	const struct config *config = sessions->config;

	sessions->socket_options = (struct socket_options){
		.keepalive = config->tcp_keepalive != 0,
		.keepcnt = config->tcp_keepcnt,
		.keepidle = config->tcp_keepidle,
		.keepintvl = config->tcp_keepintvl,
		.user_timeout_msec = config->tcp_user_timeout,
		.buffer_bytes = config->tcp_socket_buffer,
	};
}

/* The supervisor has made the same of the same: this does not fail. */
static void
make_contexts(struct sessions *sessions)
{
	const struct config *config = sessions->config;
	struct tls_context *context = NULL;
	struct error error;

	if (config->server_tls_sslmode != SSLMODE_DISABLE) {
		context = tls_context_for_servers(sessions->tls_engine,
		    &config->server_tls, &error);
		if (context == NULL) {
			log_error("%s", error.text);
			return;
		}
	}
	tls_context_release(sessions->server_tls);
	sessions->server_tls = context;
}

struct sessions *
sessions_create(struct segment *segment, const struct config *config,
    struct loop *loop, uint32_t worker, const struct sessions_owner *owner)
{
	struct sessions *sessions = memory_get(sizeof(*sessions));
	struct rlimit files = { INT_MAX, INT_MAX };

	sessions->segment = segment;
	sessions->config = config;
	sessions->loop = loop;
	sessions->worker = worker;
	sessions->owner = owner;
	sessions->parameters = parameters_create(
	    config->track_extra_parameters);
	sessions->query_texts = query_texts_create();
	sessions->client_slab = slab_create(sizeof(struct client),
	    segment->size.clients + CLOSED_IN_A_TURN);
	/* One that is closed is freed at the turn's end, its row at once. */
	sessions->server_slab = slab_create(sizeof(struct server),
	    (size_t)segment->size.servers * 2);
	sessions->clients = memory_get(segment->size.clients *
	    sizeof(*sessions->clients));
	sessions->servers = memory_get(segment->size.servers *
	    sizeof(*sessions->servers));
	sessions->views = memory_get(segment->size.pools *
	    sizeof(*sessions->views));
	sessions->memory = memory_get(SESSIONS_HEADROOM + SESSIONS_READ_BYTES);
	sessions->input = sessions->memory + SESSIONS_HEADROOM;
	set_socket_options(sessions);
	sessions->tls_engine = tls_engine_create();
	INVARIANT(sessions->tls_engine != NULL);
	make_contexts(sessions);
	encryption_configure(sessions);
	getrlimit(RLIMIT_NOFILE, &files);
	sessions->descriptors = files.rlim_cur > INT_MAX ? INT_MAX :
	    (int)files.rlim_cur;
	return sessions;
}

struct pool_caller
sessions_caller(const struct sessions *sessions)
{
	return (struct pool_caller){ sessions->segment, sessions->worker,
	    loop_now(sessions->loop) };
}

static uint32_t
clients_used(const struct sessions *sessions)
{
	return atomic_load(&sessions->segment->state->clients_used);
}

static uint32_t
servers_used(const struct sessions *sessions)
{
	return atomic_load(&sessions->segment->state->servers_used);
}

static uint32_t
pools_used(const struct sessions *sessions)
{
	return atomic_load(&sessions->segment->state->pools_used);
}

void
sessions_accept(struct sessions *sessions, int fd, bool is_unix,
    const struct sockaddr_storage *peer)
{
	if (!is_unix)
		socket_tune(fd, &sessions->socket_options);
	if (client_accept(sessions, fd, is_unix, peer) == NULL)
		log_warning("no room for one more client");
}

void
sessions_receive_server(struct sessions *sessions, uint32_t row,
    uint32_t generation, int fd)
{
	struct server_row *server = segment_server(sessions->segment, row);
	struct server *old = sessions->servers[row];

	if (atomic_load(&server->generation) != generation ||
	    (old != NULL && old->generation == generation)) {
		close(fd);
		return;
	}
	if (old != NULL)
		server_forget(old);
	server_hold(sessions, row, generation, fd);
	atomic_fetch_or(&server->has_fd, UINT64_C(1) << sessions->worker);
}

static void
take_gift(struct sessions *sessions, uint32_t row)
{
	struct pool_caller caller = sessions_caller(sessions);
	struct client *client = sessions->clients[row];
	uint32_t server;

	if (client != NULL && pool_accept(&caller, row, &server))
		client_take_server(client, server);
}

void
sessions_take_mail(struct sessions *sessions, const struct mail *mail)
{
	switch ((enum mail_kind)mail->kind) {
	case MAIL_GIVEN:
		INVARIANT(mail->row < sessions->segment->size.clients);
		if (sessions->segment->clients[mail->row].generation ==
		    mail->generation)
			take_gift(sessions, mail->row);
		return;
	case MAIL_CANCEL:	/* one whose row is another's has not asked */
		INVARIANT(mail->row < sessions->segment->size.clients);
		if (sessions->clients[mail->row] != NULL)
			client_stop_waiting(sessions->clients[mail->row]);
		return;
	case MAIL_ADOPT:
		server_adopt(sessions, mail->row);
		return;
	case MAIL_POOL:
		INVARIANT(mail->row < sessions->segment->size.pools);
		if (sessions->views[mail->row] != NULL)
			login_on_pool_news(sessions,
			    sessions->views[mail->row]);
		return;
	case MAIL_HOST:
		lookup_wake(sessions, mail->row);
		return;
	}
}

void
sessions_take_login(struct sessions *sessions,
    const struct login_answer *answer)
{
	struct client *client = answer->row < sessions->segment->size.clients ?
	    sessions->clients[answer->row] : NULL;

	if (client != NULL && client_phase(client) == CLIENT_AUTH &&
	    outside_ticket(client) == answer->ticket)
		login_told(client, answer);
}

void
sessions_recheck(struct sessions *sessions)
{
	struct segment *segment = sessions->segment;

	for (uint32_t row = 0; row < clients_used(sessions); row++)
		if (sessions->clients[row] != NULL &&
		    segment->clients[row].phase == CLIENT_GIVEN)
			take_gift(sessions, row);
	for (uint32_t row = 0; row < servers_used(sessions); row++)
		if (segment->servers[row].phase == SERVER_CANCELING ||
		    segment->servers[row].worker == sessions->worker)
			server_adopt(sessions, row);
	for (uint32_t row = 0; row < pools_used(sessions); row++)
		if (sessions->views[row] != NULL)
			login_on_pool_news(sessions, sessions->views[row]);
}

/* Idle servers of mine that are to go, and servers that clients wait for. */
static void
keep_pool_up(struct sessions *sessions, struct pool_view *view)
{
	struct pool_caller caller = sessions_caller(sessions);
	const struct pool_row *row_of = segment_pool(sessions->segment,
	    view->pool);
	const char *reason;
	uint32_t row;

	while ((row = pool_pick_stale(&caller, view->pool, &view->policy,
	    &reason)) != NO_ROW)
		server_leave(sessions, row, reason);
	if (row_of->wait_count > 0 && row_of->idle_count > 0)
		pool_match(&caller, view->pool);
	if (view->database == NULL)
		return;
	server_open_if_needed(sessions, view, view->to_welcome != NULL);
	if (view->policy.min_size > 0 && (view->database->user != NULL ||
	    pools_clients(sessions->segment, view->pool) > 0))
		server_open_minimum(sessions, view);
}

/* A pool with a forced user is filled before its first client comes. */
static void
make_standing_pools(struct sessions *sessions)
{
	const struct config *config = sessions->config;

	for (size_t i = 0; i < config->database_count; i++) {
		const struct config_database *database = &config->databases[i];
		uint32_t pool;

		if (database->user == NULL ||
		    config_min_pool_size(config, database) <= 0)
			continue;
		pool = pools_make(sessions->segment, database->name,
		    database->user, true);
		if (pool != NO_ROW)
			(void)pool_view_get(sessions, pool);
	}
}

/* Every worker that has a view keeps the pool up; the lock sorts it out. */
static void
keep_pools_up(struct sessions *sessions)
{
	struct segment *segment = sessions->segment;

	for (uint32_t row = 0; row < pools_used(sessions); row++) {
		const struct pool_row *pool = &segment->pools[row];

		if (!atomic_load(&pool->used) || (sessions->views[row] == NULL
		    && pool->idle_count == 0))
			continue;
		keep_pool_up(sessions, pool_view_get(sessions, row));
	}
}

static void
retire_idle_pool(struct sessions *sessions, uint32_t row)
{
	struct pool_caller caller = sessions_caller(sessions);
	const struct pool_row *pool = segment_pool(sessions->segment, row);
	usec_t after = sessions->config->pool_idle_timeout, age;
	char database[DATABASE_NAME_BYTES], user[USER_NAME_BYTES];

	if (after == 0)
		return;
	memcpy(database, sessions->segment->databases[pool->database].name,
	    sizeof(database));
	memcpy(user, sessions->segment->users[pool->user].name, sizeof(user));
	if (retire_pool(&caller, row, after, &age))
		log_write_about(LOG_LEVEL_LOG, &(struct log_subject){
		    .database = database, .user = user },
		    "cleaning up idle pool for user %s on db %s because: pool "
		    "idle timeout (age= %" PRId64 "s)", user, database,
		    age / USEC_PER_SEC);
}

/* Of the `*` entry and unused for long, or not in the file any more. */
static void
retire_stray_database(struct sessions *sessions, uint32_t row)
{
	struct pool_caller caller = sessions_caller(sessions);
	const struct config *config = sessions->config;
	char name[DATABASE_NAME_BYTES];
	usec_t after = 0;

	memcpy(name, sessions->segment->databases[row].name, sizeof(name));
	if (config_find_database(config, name) != NULL)
		return;
	if (config->autodb != NULL)
		after = config->autodb_idle_timeout;
	if (config->autodb != NULL && after == 0)
		return;
	if (retire_database(&caller, row, after))
		log_write_about(LOG_LEVEL_LOG, &(struct log_subject){
		    .database = name },
		    "dropping database '%s' as it does not exist anymore or "
		    "inactive auto-database", name);
}

static void
retire_what_nobody_needs(struct sessions *sessions)
{
	struct segment *segment = sessions->segment;
	uint32_t databases = atomic_load(&segment->state->databases_used);

	for (uint32_t row = 0; row < pools_used(sessions); row++)
		if (atomic_load(&segment->pools[row].used))
			retire_idle_pool(sessions, row);
	for (uint32_t row = 0; row < databases; row++)
		if (atomic_load(&segment->databases[row].used))
			retire_stray_database(sessions, row);
}

/* --- SUSPEND ------------------------------------------------------------- */

/* From here on bytes only leave; but for the console nobody is read. */
static void
hold_traffic(struct sessions *sessions, bool holds)
{
	loop_hold(sessions->loop, holds);
	for (uint32_t row = 0; row < clients_used(sessions); row++)
		if (sessions->clients[row] != NULL)
			loop_refresh(sessions->loop,
			    &sessions->clients[row]->watch);
	for (uint32_t row = 0; row < servers_used(sessions); row++)
		if (sessions->servers[row] != NULL)
			loop_refresh(sessions->loop,
			    &sessions->servers[row]->watch);
}

static void
suspend_or_resume(struct sessions *sessions)
{
	uint32_t suspended = atomic_load(&sessions->segment->state->suspended);

	if (suspended == sessions->suspended)
		return;
	sessions->suspended = suspended;
	sessions->suspended_at = loop_now(sessions->loop);
	hold_traffic(sessions, suspended != 0);
}

static bool
is_flushed(const struct sessions *sessions)
{
	for (uint32_t row = 0; row < clients_used(sessions); row++)
		if (sessions->clients[row] != NULL &&
		    client_is_behind(sessions->clients[row]))
			return false;
	for (uint32_t row = 0; row < servers_used(sessions); row++)
		if (sessions->servers[row] != NULL &&
		    (buffer_length(&sessions->servers[row]->backlog) > 0 ||
		    stream_has_unsent(&sessions->servers[row]->stream)))
			return false;
	return true;
}

/* Tells who waits for it once nothing is left to be sent. */
static void
report_flushed(struct sessions *sessions)
{
	struct roster_row *roster =
	    &sessions->segment->roster[sessions->worker];

	if (LIKELY(sessions->suspended == 0) ||
	    atomic_load(&roster->flushed) == sessions->suspended ||
	    !is_flushed(sessions))
		return;
	atomic_store(&roster->flushed, sessions->suspended);
	segment_tell_watchers(sessions->segment);
}

/* Who does not take what was sent in time is closed. */
static void
tick_suspended(struct sessions *sessions)
{
	bool late = sessions->config->suspend_timeout > 0 &&
	    loop_now(sessions->loop) - sessions->suspended_at >
	    sessions->config->suspend_timeout;

	for (uint32_t row = 0; row < clients_used(sessions); row++) {
		struct client *client = sessions->clients[row];

		if (late && client != NULL && client_is_behind(client))
			client_fail(client, SQLSTATE_OF_POOLER,
			    "suspend_timeout");
	}
	for (uint32_t row = 0; row < servers_used(sessions); row++) {
		struct server *server = sessions->servers[row];

		if (server == NULL)
			continue;
		if (late && server->step != SERVER_LEAVING &&
		    buffer_length(&server->backlog) > 0)
			server_close(server, "suspend_timeout");
		else if (server->step == SERVER_LEAVING)
			server_tick(server);
	}
}

/* --- orders -------------------------------------------------------------- */

/* What another process ordered of it, by its row. */
static void
obey_row(struct sessions *sessions, struct client *client)
{
	const struct sessions_owner *owner = sessions->owner;

	switch (clients_ordered(sessions->segment, client->row)) {
	case CLIENT_ORDER_NONE:
		return;
	case CLIENT_ORDER_CANCEL:
		clients_order_done(sessions->segment, client->row,
		    CLIENT_ORDER_CANCEL);
		if (client_phase(client) == CLIENT_CONSOLE)
			owner->on_console_cancel(owner->context, client);
		return;
	case CLIENT_ORDER_REMOVE:
		client_fail(client, SQLSTATE_OF_POOLER, "database removed");
		break;
	case CLIENT_ORDER_DISCONNECT:
		client_fail(client, SQLSTATE_OF_POOLER,
		    "admin forced disconnect");
		break;
	}
	/* A console waits for the row to be free. */
	segment_tell_watchers(sessions->segment);
}

/* Nobody's any more, but not idle either: it would be closed when done. */
static void
close_if_doomed(struct sessions *sessions, struct server *server)
{
	const struct server_row *row = server_row(server);

	if (server->generation == atomic_load(&row->generation) &&
	    atomic_load(&row->worker) == sessions->worker &&
	    row->close_needed == CLOSE_AT_ONCE && server->client == NULL &&
	    (server->step == SERVER_LOGIN || server->step == SERVER_CLEARING ||
	    server->step == SERVER_ROLLING_BACK ||
	    server->step == SERVER_RESETTING))
		server_close(server, "database removed");
}

void
sessions_on_order(struct sessions *sessions)
{
	uint32_t mode = atomic_load(&sessions->segment->state->shutdown);

	suspend_or_resume(sessions);
	for (uint32_t row = 0; row < clients_used(sessions); row++) {
		struct client *client = sessions->clients[row];

		if (client != NULL && mode == SHUTDOWN_WAIT_FOR_SERVERS &&
		    client_phase(client) == CLIENT_WAITING)
			client_fail(client, SQLSTATE_OF_POOLER,
			    "server shutting down");
		else if (client != NULL)
			obey_row(sessions, client);
	}
	for (uint32_t row = 0; row < servers_used(sessions); row++)
		if (sessions->servers[row] != NULL)
			close_if_doomed(sessions, sessions->servers[row]);
	keep_pools_up(sessions);
}

static bool
retires(const struct sessions *sessions)
{
	const struct roster_row *roster =
	    &sessions->segment->roster[sessions->worker];

	return atomic_load(&roster->retired_at) != 0;
}

static bool
has_clients(const struct sessions *sessions)
{
	const struct roster_row *roster =
	    &sessions->segment->roster[sessions->worker];

	return atomic_load(&roster->clients) > 0;
}

bool
sessions_may_open(const struct sessions *sessions)
{
	return !retires(sessions) || has_clients(sessions);
}

/* Others may use what only this worker keeps alive. */
static bool
owns_tls(const struct sessions *sessions)
{
	for (uint32_t row = 0; row < servers_used(sessions); row++)
		if (sessions->servers[row] != NULL &&
		    sessions->servers[row]->bridge != NULL)
			return true;
	return false;
}

static void
retire_servers(struct sessions *sessions)
{
	for (uint32_t row = 0; row < servers_used(sessions); row++)
		if (sessions->servers[row] != NULL &&
		    sessions->servers[row]->bridge != NULL)
			server_retire(sessions->servers[row]);
}

bool
sessions_are_over(struct sessions *sessions)
{
	const struct segment *segment = sessions->segment;

	if (owns_tls(sessions))
		return false;
	if (has_clients(sessions) || sessions->cancels != NULL ||
	    sessions->forwards != NULL)
		return false;
	for (uint32_t row = 0; row < servers_used(sessions); row++) {
		const struct server_row *server = &segment->servers[row];
		uint32_t phase = atomic_load(&server->phase);

		if (atomic_load(&server->worker) == sessions->worker &&
		    phase != SERVER_FREE && phase != SERVER_IDLE)
			return false;
	}
	return true;
}

void
sessions_tick(struct sessions *sessions)
{
	if (UNLIKELY(sessions->suspended != 0)) {
		tick_suspended(sessions);
		return;
	}
	if (!sessions->made_standing_pools)
		make_standing_pools(sessions);
	sessions->made_standing_pools = true;
	for (uint32_t row = 0; row < servers_used(sessions); row++)
		if (sessions->servers[row] != NULL)
			server_tick(sessions->servers[row]);
	for (uint32_t row = 0; row < clients_used(sessions); row++)
		if (sessions->clients[row] != NULL)
			client_tick(sessions->clients[row]);
	drain_tick(sessions);
	cancel_tick(sessions);
	forward_tick(sessions);
	lookup_tick(sessions);
	if (UNLIKELY(retires(sessions)))
		retire_servers(sessions);
	/* One that is about to end leaves that to the others. */
	if (sessions_may_open(sessions)) {
		keep_pools_up(sessions);
		retire_what_nobody_needs(sessions);
		auth_query_expire(sessions);
	}
}

void
sessions_configure(struct sessions *sessions, const struct config *config)
{
	sessions->config = config;
	sessions->config_epoch++;
	sessions->made_standing_pools = false;
	set_socket_options(sessions);
	make_contexts(sessions);
	encryption_configure(sessions);
	forward_configure(sessions);
	for (uint32_t row = 0; row < pools_used(sessions); row++)
		if (sessions->views[row] != NULL)
			pool_view_refresh(sessions, sessions->views[row]);
	for (uint32_t row = 0; row < clients_used(sessions); row++) {
		struct client *client = sessions->clients[row];

		if (client != NULL && client->view != NULL &&
		    client->view->database == NULL)
			client_fail(client, SQLSTATE_OF_POOLER,
			    "database removed");
	}
	for (uint32_t row = 0; row < servers_used(sessions); row++) {
		struct server *server = sessions->servers[row];

		if (server != NULL && server->step == SERVER_LOGIN &&
		    server_view(server)->database == NULL)
			server_close(server, "database removed");
	}
	keep_pools_up(sessions);
}

/* A row that was freed, by whomever: our descriptor of it goes. */
static void
sweep_descriptors(struct sessions *sessions)
{
	struct segment *segment = sessions->segment;
	uint32_t epoch = atomic_load(&segment->state->servers_epoch);

	if (LIKELY(epoch == sessions->servers_epoch))
		return;
	sessions->servers_epoch = epoch;
	for (uint32_t row = 0; row < servers_used(sessions); row++) {
		struct server *server = sessions->servers[row];

		if (server != NULL && server->generation !=
		    atomic_load(&segment->servers[row].generation))
			server_forget(server);
	}
}

void
sessions_end_of_turn(struct sessions *sessions)
{
	report_flushed(sessions);
	sweep_descriptors(sessions);
	cancel_free_closed(sessions);
	forward_free_closed(sessions);
	while (sessions->closed_clients != NULL) {
		struct client *client = sessions->closed_clients;

		sessions->closed_clients = client->next;
		slab_put(sessions->client_slab, client);
	}
	while (sessions->closed_servers != NULL) {
		struct server *server = sessions->closed_servers;

		sessions->closed_servers = server->next;
		bridge_free(server->bridge);
		slab_put(sessions->server_slab, server);
	}
}
