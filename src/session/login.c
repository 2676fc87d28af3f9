#include "session/login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/auth.h"
#include "auth/rules.h"
#include "base/invariant.h"
#include "base/memory.h"
#include "base/random.h"
#include "net/tls_peer.h"
#include "pool/found.h"
#include "session/auth_query.h"
#include "session/cancel.h"
#include "session/encryption.h"
#include "session/cancel_key.h"
#include "session/forward.h"
#include "session/keys.h"
#include "session/method.h"
#include "session/outside.h"
#include "session/proxied.h"
#include "session/replication.h"
#include "session/server.h"
#include "wire/framing.h"
#include "wire/messages.h"
#include "wire/startup.h"

#define CONSOLE_DATABASE "pgbouncer"

/* An older failure is no news: who waits now came after it. */
#define NEWS (1 * USEC_PER_SEC)

/* AuthenticationSASLFinal has 55 bytes. */
#define AUTH_LAST_MOST 64

/* More than an answer to an authentication request needs. */
#define ANSWER_MOST (68 * 1024)

struct login {
	char			 database[DATABASE_NAME_BYTES];
	char			 user[USER_NAME_BYTES];
	struct method		 method;
	struct outside		 outside;	/* others are asked */
	struct auth		*auth;
	struct auth_query	*query;		/* NULL: nobody was asked */
	struct parameter_values	 given;		/* tracked, by the client */
	struct parameter_set	*held;		/* keeps texts of those */
	struct parameters	*parameters;
	uint32_t		 config_epoch;	/* its secret is of this one */
	uint8_t			 last[AUTH_LAST_MOST];	/* the method's word */
	uint32_t		 last_length;
	bool			 database_too_long;
	bool			 for_console;
};

bool
login_begin(struct client *client)
{
	client->login = calloc(1, sizeof(*client->login));
	if (client->login == NULL)
		return false;
	client->login->parameters = client->sessions->parameters;
	return true;
}

void
login_free(struct login *login)
{
	if (login == NULL)
		return;
	auth_end(login->auth);
	auth_query_free(login->query);
	method_free(&login->method);
	parameters_release(login->parameters, login->held);
	memory_wipe(login, sizeof(*login));
	free(login);
}

const char *
login_database(const struct client *client)
{
	if (client->view != NULL && client->asking == NULL)
		return client->view->database_name;
	if (client_phase(client) == CLIENT_CONSOLE)
		return CONSOLE_DATABASE;
	if (client->login != NULL && client->login->database[0] != '\0')
		return client->login->database;
	return "(nodb)";
}

const char *
login_user(const struct client *client)
{
	uint32_t row = atomic_load(&client_row(client)->user);

	if (row != NO_ROW)
		return client->sessions->segment->users[row].name;
	if (client->login != NULL && client->login->user[0] != '\0')
		return client->login->user;
	return "(nouser)";
}

static void
fail(struct client *client, const char *text)
{
	client_fail(client, SQLSTATE_OF_POOLER, text);
}

/* --- let in -------------------------------------------------------------- */

static uint64_t
make_cancel_key(const struct config *config)
{
	uint64_t key;

	do {
		random_fill(&key, sizeof(key));
		key &= UINT64_C(0x7fffffffffffffff);
		key = forward_mark_key(key, config->peer_id);
	} while (key == 0);
	return key;
}

static bool
send_or_close(struct client *client, struct buffer *reply)
{
	bool sent = client_send(client, buffer_front(reply),
	    buffer_length(reply));

	buffer_clear(reply);
	return sent;
}

static bool
append(struct buffer *reply, const struct writer *writer)
{
	return !writer->failed && buffer_append(reply, writer->bytes,
	    writer->used);
}

/* What the method said last and AuthenticationOk, as PostgreSQL: in one go. */
static bool
append_granted(const struct login *login, struct buffer *reply)
{
	static const uint8_t ok[] = { 'R', 0, 0, 0, 8, 0, 0, 0, 0 };

	return buffer_append(reply, login->last, login->last_length) &&
	    buffer_append(reply, ok, sizeof(ok));
}

/* login_notify_message, as far as it fits, cut between two characters. */
static bool
append_notice(const struct client *client, struct buffer *reply)
{
	const char *message = client->sessions->config->login_notify_message;
	size_t length = strlen(message);
	char text[1024];
	uint8_t memory[sizeof(text) + 64];
	struct writer writer = writer_of(memory, sizeof(memory));

	if (message[0] == '\0')
		return true;
	if (length >= sizeof(text))
		length = sizeof(text) - 1;
	while (length > 0 && (message[length] & 0xc0) == 0x80)
		length--;
	snprintf(text, sizeof(text), "%.*s", (int)length, message);
	write_notice_response(&writer, &(struct notice){ "NOTICE",
	    SQLSTATE_SUCCESSFUL_COMPLETION, text, NULL, NULL });
	return append(reply, &writer);
}

/* BackendKeyData and ReadyForQuery; the console greets by itself. */
static bool
append_end(struct client *client, struct buffer *reply)
{
	uint64_t key = make_cancel_key(client->sessions->config);
	struct backend_key pair = cancel_key_give(client->sessions->segment,
	    key, client_row(client)->protocol);
	uint8_t memory[BACKEND_KEY_MESSAGE_MOST];
	struct writer writer = writer_of(memory, sizeof(memory));

	atomic_store(&client->sessions->segment->cancel_keys[client->row],
	    key);
	write_backend_key_data(&writer, &pair);
	if (!append(reply, &writer) || (client->view != NULL &&
	    !append_notice(client, reply)))
		return false;
	writer = writer_of(memory, sizeof(memory));
	write_ready_for_query(&writer, TRANSACTION_NONE);
	return append(reply, &writer);
}

/* In the place of what the pool's server said of it. */
static bool
append_given(const struct client *client, int index, const char *name,
    struct buffer *reply)
{
	const char *value = parameters_text(client->sessions->parameters,
	    &client->login->given, index);
	uint8_t header[FRAME_HEADER];

	if (value == NULL)
		return false;
	frame_write_header(header, MESSAGE_PARAMETER_STATUS,
	    strlen(name) + 1 + strlen(value) + 1);
	return buffer_append(reply, header, sizeof(header)) &&
	    buffer_append(reply, name, strlen(name) + 1) &&
	    buffer_append(reply, value, strlen(value) + 1);
}

/*
 * The pool's first server's ParameterStatus messages, with what the client
 * asked for in their place; what it did not ask for it wants as they are.
 */
static bool
append_welcome(struct client *client, const uint8_t *welcome, uint32_t length,
    struct buffer *reply)
{
	struct parameters *parameters = client->sessions->parameters;
	struct parameter_values *given = &client->login->given;
	struct frame frame;

	for (uint32_t at = 0; at < length; at += frame.total) {
		const char *name, *value;
		int index;

		if (frame_read(welcome + at, length - at, WELCOME_BYTES,
		    &frame) != FRAME_FOUND || !frame_whole(&frame, length - at)
		    || !read_parameter_status(reader_of(welcome + at +
		    FRAME_HEADER, frame.total - FRAME_HEADER), &name, &value))
			return false;
		index = parameters_index(parameters, name);
		if (index != -1 && given->values[index][0] != '\0') {
			if (!append_given(client, index, name, reply))
				return false;
			continue;
		}
		if (index != -1)
			parameters_put(parameters, given, index, value);
		if (!buffer_append(reply, welcome + at, frame.total))
			return false;
	}
	return true;
}

static void
note_application_name(struct client *client)
{
	const struct login *login = client->login;
	int index = parameters_index(client->sessions->parameters,
	    "application_name");

	const char *name = parameters_text(client->sessions->parameters,
	    &login->given, index);

	snprintf(client_row(client)->application_name,
	    sizeof(client_row(client)->application_name), "%.63s",
	    name != NULL ? name : "");
}

/* From here on it may send queries; some may be here already. */
static void
let_in_with(struct client *client, const uint8_t *welcome, uint32_t length)
{
	struct parameters *parameters = client->sessions->parameters;
	struct buffer reply = { 0 };
	struct buffer early;

	if (!append_granted(client->login, &reply) ||
	    !append_welcome(client, welcome, length, &reply) ||
	    !append_end(client, &reply)) {
		buffer_clear(&reply);
		fail(client, "out of memory");
		return;
	}
	parameters_seal(&client->login->given);
	client->wants = parameters_share(parameters, &client->login->given);
	if (client->wants == NULL) {
		buffer_clear(&reply);
		fail(client, "out of memory");
		return;
	}
	login_free(client->login);
	client->login = NULL;
	client_note_welcome(client);
	stats_add(client->view->stats, STAT_client_login_count, 1);
	if (client->replication == NULL)
		client_enter(client, CLIENT_IDLE);
	if (!send_or_close(client, &reply))
		return;
	early = client->input;
	memset(&client->input, 0, sizeof(client->input));
	client_resume_reading(client);
	if (buffer_length(&early) > 0)
		client_take_early(client, buffer_front(&early),
		    buffer_length(&early));
	buffer_clear(&early);
}

void
login_let_in(struct client *client, const uint8_t *welcome, uint32_t length)
{
	let_in_with(client, welcome, length);
}

void
login_write_given(const struct client *client, struct writer *writer)
{
	const struct parameters *parameters = client->sessions->parameters;
	const struct parameter_values *given = &client->login->given;

	for (int i = 0; i < PARAMETERS_MOST; i++)
		if (given->values[i][0] != '\0')
			write_startup_parameter(writer,
			    parameters_name(parameters, i),
			    parameters_text(parameters, given, i));
}

/* False: its pool has had no server yet. */
static bool
let_in(struct client *client)
{
	struct pool_caller caller = sessions_caller(client->sessions);
	uint8_t welcome[WELCOME_BYTES];
	uint32_t length;

	if (!pool_copy_welcome(&caller, client->view->pool, welcome, &length))
		return false;
	let_in_with(client, welcome, length);
	return true;
}

/* The first login of a pool waits for its first server. */
static void
ask_for_welcome(struct client *client)
{
	struct pool_view *view = client->view;

	if (let_in(client))
		return;
	client_enter(client, CLIENT_WELCOME);
	client_row(client)->wait_since = loop_now(client->sessions->loop);
	client->next = view->to_welcome;
	view->to_welcome = client;
	server_open_if_needed(client->sessions, view, true);
}

/* Is there a server, busy or not, that could serve those who wait? */
static bool
lives(const struct sessions *sessions, const struct pool_view *view)
{
	const struct pool_row *pool = segment_pool(sessions->segment,
	    view->pool);

	return pool->server_count > pool->opening_count + pool->closing_count;
}

/*
 * The server's own refusal goes to everybody who waits for this pool, but
 * who waits for a query can also be served by one that lives.
 */
static void
refuse_all(struct sessions *sessions, struct pool_view *view,
    const char *state, const char *text)
{
	uint32_t used = atomic_load(&sessions->segment->state->clients_used);
	bool alive = lives(sessions, view);

	for (uint32_t row = 0; row < used; row++) {
		struct client *client = sessions->clients[row];
		enum client_phase phase;

		if (client == NULL || client->view != view)
			continue;
		phase = client_phase(client);
		if (phase == CLIENT_WELCOME ||
		    (phase == CLIENT_WAITING && !alive))
			client_fail_by_server(client, state, text);
	}
}

/* Nothing lives there: who waits is told so at once. */
static void
refuse_if_none_lives(struct sessions *sessions, struct pool_view *view,
    const char *failure)
{
	uint32_t used = atomic_load(&sessions->segment->state->clients_used);
	char text[256];

	if (failure[0] == '\0' || lives(sessions, view) ||
	    pool_paused(sessions->segment, view->pool))
		return;
	snprintf(text, sizeof(text), "server login has been failing, cached "
	    "error: %s (server_login_retry)", failure);
	for (uint32_t row = 0; row < used; row++) {
		struct client *client = sessions->clients[row];

		if (client != NULL && client->view == view &&
		    client_phase(client) == CLIENT_WAITING)
			client_fail_by_server(client, SQLSTATE_OF_POOLER,
			    text);
	}
}

void
login_on_pool_news(struct sessions *sessions, struct pool_view *view)
{
	struct pool_caller caller = sessions_caller(sessions);
	char failure[FAILURE_BYTES], state[6];
	usec_t age;

	if (pool_failure(&caller, view->pool, failure, state, &age) &&
	    age < NEWS) {
		if (state[0] != '\0')
			refuse_all(sessions, view, state, failure);
		else
			refuse_if_none_lives(sessions, view, failure);
	}
	while (view->to_welcome != NULL) {
		struct client *client = view->to_welcome;

		view->to_welcome = client->next;
		client->next = NULL;
		if (let_in(client))
			continue;
		client->next = view->to_welcome;
		view->to_welcome = client;
		return;
	}
}

/* --- who it is ----------------------------------------------------------- */

static void
enter_console(struct client *client)
{
	const struct sessions_owner *owner = client->sessions->owner;
	struct segment *segment = client->sessions->segment;
	struct login *login = client->login;
	struct buffer reply = { 0 };

	if (!client->own_uid_console &&
	    !owner->may_enter_console(owner->context, login->user)) {
		fail(client, "not allowed");
		return;
	}
	atomic_store(&client_row(client)->user,
	    users_make(segment, login->user));
	if (!append_granted(login, &reply)) {
		fail(client, "out of memory");
		return;
	}
	owner->greet_console(owner->context, &reply);
	if (!append_end(client, &reply)) {
		buffer_clear(&reply);
		fail(client, "out of memory");
		return;
	}
	client_enter(client, CLIENT_CONSOLE);
	login_free(client->login);
	client->login = NULL;
	if (send_or_close(client, &reply) && buffer_length(&client->input) > 0)
		client_console_continue(client);
}

#define DATABASE_FULL \
	"client connections exceeded (max_db_client_connections)"
#define USER_FULL \
	"client connections exceeded (max_user_client_connections)"

static uint32_t
client_limit(int limit)
{
	return limit > 0 ? (uint32_t)limit : 0;
}

/*
 * Who cannot be let in is told before it proves who it is.  It is counted
 * only after that (enter()): nobody else can use up the places.
 */
static const char *
why_full(const struct client *client)
{
	struct segment *segment = client->sessions->segment;
	const struct config *config = client->sessions->config;
	const struct login *login = client->login;
	const struct config_database *database = pool_view_database(config,
	    login->database);
	uint32_t of_database = databases_find(segment, login->database);
	uint32_t of_user = users_find(segment, login->user);
	uint32_t limit;

	limit = database == NULL ? 0 : client_limit(
	    config_max_db_client_connections(config, database));
	if (limit > 0 && of_database != NO_ROW &&
	    databases_clients(segment, of_database) >= limit)
		return DATABASE_FULL;
	limit = client_limit(config_max_user_client_connections(config,
	    config_find_user(config, login->user)));
	if (limit > 0 && of_user != NO_ROW &&
	    users_clients(segment, of_user) >= limit)
		return USER_FULL;
	return NULL;
}

static void
refuse_database(struct client *client)
{
	char text[128];

	client_log(LOG_LEVEL_LOG, client, "login failed: db=%s user=%s",
	    client->login->database, client->login->user);
	snprintf(text, sizeof(text), "no such database: %s",
	    client->login->database);
	fail(client, text);
}

/* True: it is counted in its pool, and in the limits of both names. */
static bool
enter(struct client *client, const struct config_database *database,
    uint32_t *pool_out)
{
	struct sessions *sessions = client->sessions;
	const struct config *config = sessions->config;
	const struct login *login = client->login;
	struct pools_entry entry = {
		.database = login->database,
		.user = database->user != NULL ? database->user : login->user,
		.forced_user = database->user != NULL,
		.login = login->user,
		.database_limit = client_limit(
		    config_max_db_client_connections(config, database)),
		.user_limit = client_limit(config_max_user_client_connections(
		    config, config_find_user(config, login->user))),
	};
	struct pools_place place;

	switch (pools_enter(sessions->segment, sessions->worker, &entry,
	    &place)) {
	case POOLS_ENTERED:
		break;
	case POOLS_NO_ROOM:
		fail(client, "no memory for pool");
		return false;
	case POOLS_DATABASE_FULL:
		fail(client, DATABASE_FULL);
		return false;
	case POOLS_USER_FULL:
		fail(client, USER_FULL);
		return false;
	}
	client->entered = true;
	*pool_out = place.pool;
	atomic_store(&client_row(client)->user, place.user);
	atomic_store(&client_row(client)->pool, place.pool);
	if (place.new_database && database == config->autodb)
		log_write_about(LOG_LEVEL_LOG, &(struct log_subject){
		    .database = login->database },
		    "registered new auto-database: %s", login->database);
	return true;
}

/*
 * A password that others have found right may be PostgreSQL's as well, but is
 * not what auth_query would find: it never counts as fresh.
 */
static void
keep_password(struct client *client)
{
	const struct pool_view *view = client->view;
	struct pool_caller caller = sessions_caller(client->sessions);
	const struct found_news news = {
		.secret = auth_password(client->login->auth) };

	if (news.secret[0] != '\0' &&
	    strcmp(view->user_name, client->login->user) == 0)
		found_keep(&caller, view->pool, view->generation, &news);
}

static void
enter_pool(struct client *client)
{
	struct sessions *sessions = client->sessions;
	struct segment *segment = sessions->segment;
	const struct config_database *database = pool_view_database(
	    sessions->config, client->login->database);
	struct login *login = client->login;
	uint32_t pool;
	char text[128];

	if (database == NULL || login->database_too_long) {
		refuse_database(client);
		return;
	}
	if (!enter(client, database, &pool))
		return;
	if (atomic_load(&segment->databases[segment->pools[pool].database].
	    disabled)) {
		snprintf(text, sizeof(text), "database \"%s\" is disabled",
		    login->database);
		fail(client, text);
		return;
	}
	client->view = pool_view_get(sessions, pool);
	if (login->query != NULL)
		auth_query_keep(client, login->query,
		    auth_learnt_keys(login->auth));
	keep_password(client);
	note_application_name(client);
	if (client->replication != NULL)
		replication_begin(client);
	else
		ask_for_welcome(client);
}

static void
on_granted(struct client *client)
{
	struct login *login = client->login;

	/* As which it goes on, PostgreSQL says (CVE-2015-6817). */
	if (login->query != NULL && auth_query_secret(login->query) != NULL)
		strcpy(login->user, auth_query_name(login->query));
	if (login->for_console) {
		enter_console(client);
		return;
	}
	if (atomic_load(&client->sessions->segment->state->shutdown) !=
	    SHUTDOWN_NONE) {
		fail(client, "pooler is shutting down");
		return;
	}
	enter_pool(client);
}

static const char *
secret_of(const struct client *client, const char *user)
{
	const struct config *config = client->sessions->config;
	const char *secret = config_find_secret(config, user);

	if (client->login->query != NULL)
		return auth_query_secret(client->login->query);
	/* A user of [users], or the console's own, has an empty password. */
	if (secret == NULL && (config_find_user(config, user) != NULL ||
	    strcmp(user, CONSOLE_DATABASE) == 0))
		secret = "";
	return secret;
}

/*
 * What this login has cost or taught serves the next ones, unless a reload
 * has changed the secrets since it began.
 */
static void
keep_what_was_learnt(struct client *client)
{
	struct segment *segment = client->sessions->segment;
	const struct login *login = client->login;
	const char *secret = secret_of(client, login->user);

	if (secret == NULL ||
	    login->config_epoch != client->sessions->config_epoch)
		return;
	if (auth_derived(login->auth) != NULL)
		keys_keep_derived(segment, login->user, secret,
		    auth_derived(login->auth));
	if (auth_learnt_keys(login->auth) != NULL && login->query == NULL)
		keys_keep(segment, login->user, secret,
		    auth_learnt_keys(login->auth));
}

static void
keep_last(struct login *login, const struct writer *reply)
{
	if (reply->used > 0)
		memcpy(login->last, reply->bytes, reply->used);
	login->last_length = (uint32_t)reply->used;
}

static void ask_outside(struct client *client);

static void
on_verdict(struct client *client, enum auth_verdict verdict,
    struct writer *reply)
{
	struct login *login = client->login;

	if (login->auth == NULL) {
		fail(client, "out of memory");
		return;
	}
	keep_what_was_learnt(client);
	if (verdict == AUTH_REFUSED) {
		if (auth_detail(login->auth) != NULL)
			client_log(LOG_LEVEL_LOG, client, "%s",
			    auth_detail(login->auth));
		client_fail(client, auth_sqlstate(login->auth),
		    auth_reason(login->auth));
		return;
	}
	if (verdict == AUTH_GRANTED && reply->used <= sizeof(login->last))
		keep_last(login, reply);
	else if (!client_send(client, reply->bytes, reply->used))
		return;
	if (verdict == AUTH_OUTSIDE)
		ask_outside(client);
	else if (verdict == AUTH_GRANTED)
		on_granted(client);
}

/* --- what others say ----------------------------------------------------- */

static struct outside_matter
matter_of(const struct login *login)
{
	return (struct outside_matter){ .type = login->method.type,
	    .user = login->user, .options = login->method.options,
	    .password = auth_password(login->auth) };
}

static void
ask_outside(struct client *client)
{
	const struct outside_matter matter = matter_of(client->login);

	outside_ask(client, &client->login->outside, &matter);
}

static void
end_outside(struct client *client, enum auth_outcome outcome,
    const char *text)
{
	struct login *login = client->login;
	struct writer nothing = writer_of(NULL, 0);
	enum auth_verdict verdict;

	memset(&login->outside, 0, sizeof(login->outside));
	verdict = auth_told(login->auth, outcome, text);
	on_verdict(client, verdict, &nothing);
}

/* A Unix user's name is one thing, whom he may be another. */
void
login_told(struct client *client, const struct login_answer *answer)
{
	const struct config *config = client->sessions->config;
	static const enum auth_outcome outcomes[] = {
		[LOGIN_YES] = AUTH_TOLD_YES, [LOGIN_NO] = AUTH_TOLD_NO,
		[LOGIN_UNKNOWN] = AUTH_TOLD_NOTHING,
	};
	enum auth_outcome outcome = outcomes[answer->verdict];
	struct login *login = client->login;
	char text[256];

	if (login->outside.since == 0)
		return;			/* it was asked twice */
	snprintf(text, sizeof(text), "%s", answer->text);
	if (login->method.type == AUTH_TYPE_PEER && outcome == AUTH_TOLD_YES) {
		if (!rules_may_be(&config->ident, login->method.map,
		    answer->text, login->user))
			outcome = AUTH_TOLD_NO;
		snprintf(text, sizeof(text), "Unix user \"%.200s\"",
		    answer->text);
	}
	end_outside(client, outcome, text);
}

void
login_tick(struct client *client)
{
	struct login *login = client->login;
	struct outside_matter matter;

	if (login->outside.since == 0)
		return;
	matter = matter_of(login);
	if (!outside_tick(client, &login->outside, &matter))
		end_outside(client, AUTH_TOLD_NOTHING,
		    "the helper does not answer");
}

/* What it says meanwhile is for later, unless it is goodbye. */
static void
look_while_asked(struct client *client)
{
	if (buffer_front(&client->input)[0] == MESSAGE_TERMINATE)
		client_close(client, "client close request");
	else if (buffer_length(&client->input) > ANSWER_MOST)
		fail(client, "unknown pkt");
}

/* --- what we know ourselves ---------------------------------------------- */

/* With auth_type any nobody is asked who he is, so the name must not count. */
static bool
may_be_anybody(const struct client *client)
{
	const struct config *config = client->sessions->config;
	const struct config_database *database;

	if (client->login->method.type != AUTH_TYPE_ANY ||
	    client->login->for_console)
		return true;
	database = pool_view_database(config, client->login->database);
	return database == NULL || database->user != NULL;
}

/*
 * True: the login goes on when auth_query has answered, or is over.  Who is
 * in the auth file is not looked for elsewhere, nor is the console's own.
 */
static bool
is_asked_for(struct client *client)
{
	const struct config *config = client->sessions->config;
	struct login *login = client->login;
	struct auth_question question = { login->database, login->user,
	    login->for_console };

	if (login->query != NULL || login->database_too_long ||
	    !method_needs_secret(&login->method) ||
	    strcmp(login->user, CONSOLE_DATABASE) == 0 ||
	    config_find_secret(config, login->user) != NULL)
		return false;
	switch (auth_query_begin(client, &question, &login->query)) {
	case AUTH_QUERY_NONE:
	case AUTH_QUERY_KNOWN:
		return false;
	case AUTH_QUERY_ASKS:
	case AUTH_QUERY_REFUSED:
		break;
	}
	return true;
}

static void
begin_auth(struct client *client)
{
	const struct config *config = client->sessions->config;
	struct segment *segment = client->sessions->segment;
	struct login *login = client->login;
	uint8_t memory[AUTH_REPLY_MOST];
	struct writer reply = writer_of(memory, sizeof(memory));
	struct scram_secret derived;
	struct auth_request request = {
		.type = login->method.type,
		.user = login->user,
		.scram_iterations = config->scram_iterations,
		.mock_nonce = segment->state->mock_nonce,
	};
	uint8_t end_point[TLS_END_POINT_MOST];
	enum auth_verdict verdict;

	login->config_epoch = client->sessions->config_epoch;
	if (!may_be_anybody(client)) {
		fail(client, "bouncer config error");
		return;
	}
	if (is_asked_for(client))
		return;
	request.secret = secret_of(client, login->user);
	request.certified = method_certifies(&login->method, client,
	    login->user);
	if (request.secret == NULL && method_needs_secret(&login->method))
		client_log(LOG_LEVEL_LOG, client, "no such user: %s",
		    login->user);
	if (keys_recall_derived(segment, login->user, request.secret,
	    &derived))
		request.derived = &derived;
	_Static_assert(TLS_END_POINT_MOST <= SCRAM_BINDING_MOST, "it fits");
	request.end_point = end_point;
	request.end_point_length = tls_peer_end_point(&client->stream,
	    end_point);
	login->auth = auth_begin(&request, &reply, &verdict);
	memory_wipe(&derived, sizeof(derived));
	on_verdict(client, verdict, &reply);
}

static bool
choose_method(struct client *client)
{
	struct login *login = client->login;

	if (method_choose(client, login->database, login->user,
	    &login->method))
		return true;
	fail(client, "no authentication method is found");
	return false;
}

/* The pooler's own Unix user needs no password. */
static bool
is_own_console(struct client *client)
{
	client->own_uid_console = client->login->for_console &&
	    client->is_unix && client->own_uid &&
	    strcmp(client->login->user, CONSOLE_DATABASE) == 0;
	if (client->own_uid_console &&
	    client->sessions->config->log_connections)
		client_log(LOG_LEVEL_LOG, client,
		    "pgbouncer access from unix socket");
	return client->own_uid_console;
}

/* --- the startup packet -------------------------------------------------- */

static bool
refuse_parameter(struct client *client, const char *where, const char *name,
    const char *value)
{
	char text[128];

	client_log(LOG_LEVEL_WARNING, client,
	    "unsupported startup parameter%s: %s=%s", where, name, value);
	snprintf(text, sizeof(text), "unsupported startup parameter%s: %s",
	    where, name);
	fail(client, text);
	return false;
}

static bool
is_ignored(const struct client *client, const char *name)
{
	return config_list_has(
	    client->sessions->config->ignore_startup_parameters, name);
}

static bool
take_setting(struct client *client, const char *where, const char *name,
    const char *value, bool drop_unknown)
{
	struct parameters *parameters = client->sessions->parameters;
	int index = parameters_index(parameters, name);

	if (index != -1)
		parameters_put(parameters, &client->login->given, index,
		    value);
	else if (!drop_unknown && !is_ignored(client, name))
		return refuse_parameter(client, where, name, value);
	return true;
}

static bool
take_options(struct client *client, const char *options)
{
	bool drop_unknown = is_ignored(client, "options");
	size_t size = strlen(options) + 1;
	char *scratch = memory_get(size);
	enum option_verdict verdict;
	struct startup_parameter option;
	bool good = true;

	while (good && (verdict = startup_next_option(&options, scratch, size,
	    &option)) == OPTION_FOUND)
		good = take_setting(client, " in options", option.name,
		    option.value, drop_unknown);
	if (good && verdict == OPTION_BAD && !drop_unknown) {
		fail(client, STARTUP_BAD_OPTION);
		good = false;
	}
	memory_free(scratch);
	return good;
}

static bool
take_user(struct client *client, const char *name)
{
	if (strlen(name) >= USER_NAME_BYTES) {
		fail(client, "username too long");
		return false;
	}
	strcpy(client->login->user, name);
	return true;
}

static void
take_database(struct login *login, const char *name)
{
	login->database_too_long = strlen(name) >= DATABASE_NAME_BYTES;
	snprintf(login->database, sizeof(login->database), "%.63s", name);
}

/* False: the client was refused. */
static bool
take_parameter(struct client *client, const struct startup_parameter *given)
{
	if (strcmp(given->name, "user") == 0)
		return take_user(client, given->value);
	if (strcmp(given->name, "database") == 0) {
		take_database(client->login, given->value);
		return true;
	}
	if (strcmp(given->name, "options") == 0 &&
	    client->replication == NULL)
		return take_options(client, given->value);
	if (strcmp(given->name, "options") == 0) {
		if (replication_keep_options(client, given->value))
			return true;
		fail(client, "out of memory");
		return false;
	}
	if (startup_is_extension(given->name))
		return true;
	if (strcmp(given->name, "replication") == 0)
		return true;
	return take_setting(client, "", given->name, given->value, false);
}

/* First of all: what `options` means depends on it. */
static bool
take_replication(struct client *client, const struct startup *startup)
{
	struct reader parameters = startup->parameters;
	struct startup_parameter given;
	const char *value = "";

	while (startup_next(&parameters, &given))
		if (strcmp(given.name, "replication") == 0)
			value = given.value;
	if (replication_kind_of(value) == REPLICATION_NONE ||
	    replication_request(client, value))
		return true;
	fail(client, "out of memory");
	return false;
}

static bool
take_parameters(struct client *client, const struct startup *startup)
{
	struct login *login = client->login;
	struct reader parameters = startup->parameters;
	struct startup_parameter given;

	if (!take_replication(client, startup))
		return false;
	while (startup_next(&parameters, &given))
		if (!take_parameter(client, &given))
			return false;
	if (login->user[0] == '\0') {
		fail(client, "no username supplied");
		return false;
	}
	if (login->database[0] == '\0')
		take_database(login, login->user);
	login->for_console = strcmp(login->database, CONSOLE_DATABASE) == 0;
	return true;
}

static bool
count(struct client *client)
{
	struct sessions *sessions = client->sessions;
	const char *full;

	if (client->login->for_console)
		return true;
	client->counted = !client->only_console && segment_count_client(
	    sessions->segment, sessions->worker,
	    (uint32_t)sessions->config->max_client_conn);
	if (!client->counted) {
		fail(client, CLIENT_NO_ROOM);
		return false;
	}
	full = why_full(client);
	if (full != NULL)
		fail(client, full);
	return full == NULL;
}

static bool
negotiate(struct client *client, const struct startup *startup)
{
	uint8_t memory[4096];
	struct writer writer = writer_of(memory, sizeof(memory));

	if (!startup->negotiate)
		return true;
	startup_write_negotiation(startup, &writer);
	if (writer.failed) {
		fail(client, "out of memory");
		return false;
	}
	return client_send(client, writer.bytes, writer.used);
}

/* The name is cut where that is needed to show the address. */
static void
add_host(struct client *client)
{
	const struct client_row *row = client_row(client);
	struct parameters *parameters = client->sessions->parameters;
	int index = parameters_index(parameters, "application_name");
	const char *name = parameters_text(parameters, &client->login->given,
	    index);
	char address[ADDRESS_TEXT_BYTES], value[PARAMETER_VALUE_BYTES];

	address_format(&row->remote, row->remote_pid, address,
	    sizeof(address));
	snprintf(value, sizeof(value), "%.*s - %s", (int)(sizeof(value) -
	    strlen(" - ") - strlen(address) - 1),
	    name != NULL && name[0] != '\0' ? name : "app", address);
	parameters_put(parameters, &client->login->given, index, value);
}

/*
 * In PostgreSQL's spelling, where it is known already.  Authentication may
 * take long, so the texts of long values are kept for it.
 */
static bool
hold_given(struct client *client)
{
	struct login *login = client->login;

	parameters_respell(login->parameters, &login->given);
	if (!parameters_has_long(login->parameters, &login->given))
		return true;
	parameters_seal(&login->given);
	login->held = parameters_share(login->parameters, &login->given);
	if (login->held == NULL) {
		fail(client, "out of memory");
		return false;
	}
	login->given = login->held->values;
	return true;
}

static void
on_startup(struct client *client, const struct startup *startup)
{
	static const char *const asked[] = { "no", "database", "yes" };
	struct login *login = client->login;
	const char *tls = client_row(client)->tls;

	if (encryption_is_missing(client)) {
		fail(client, "SSL required");
		return;
	}
	client_row(client)->protocol = startup_version(startup);
	if (!take_parameters(client, startup) || !count(client) ||
	    !negotiate(client, startup))
		return;
	if (client->sessions->config->application_name_add_host)
		add_host(client);
	if (!hold_given(client))
		return;
	if (client->sessions->config->log_connections)
		client_log(LOG_LEVEL_LOG, client, "login attempt: db=%s "
		    "user=%s tls=%s replication=%s", login->database,
		    login->user, tls[0] == '\0' ? "no" : tls,
		    asked[client_row(client)->replicated]);
	client_enter(client, CLIENT_AUTH);
	if (is_own_console(client))
		enter_console(client);
	else if (choose_method(client))
		begin_auth(client);
}

/*
 * What is behind the request was sent in the clear and may be anybody's: it
 * must not count once the connection is encrypted (CVE-2021-3935).
 */
static bool
answer_request(struct client *client, const struct startup *startup)
{
	if (buffer_length(&client->input) > startup->length) {
		fail(client, startup->kind == STARTUP_SSL ?
		    "received unencrypted data after SSL request" :
		    "received unencrypted data after GSSAPI encryption "
		    "request");
		return false;
	}
	buffer_consume(&client->input, startup->length);
	client->said_something = true;
	return startup->kind == STARTUP_SSL ? encryption_answer(client) :
	    client_send(client, (const uint8_t *)"N", 1);
}

/* True: there may be more in the input. */
static bool
take_first_packet(struct client *client)
{
	struct startup startup;

	if (UNLIKELY(client->awaits_header))
		return proxied_take(client);
	if (encryption_begins(client))
		return false;
	switch (startup_read(buffer_front(&client->input),
	    buffer_length(&client->input),
	    (uint32_t)client->sessions->config->max_packet_size, &startup)) {
	case STARTUP_MORE:
		return false;
	case STARTUP_BAD:
		fail(client, startup.reason);
		return false;
	case STARTUP_SSL:
	case STARTUP_GSSENC:
		return answer_request(client, &startup);
	case STARTUP_CANCEL:
		cancel_begin(client, &startup.key);
		return false;
	case STARTUP_V3: {
		/* What it points to may be let go of on the way. */
		struct buffer packet = client->input;

		memset(&client->input, 0, sizeof(client->input));
		on_startup(client, &startup);
		if (client_phase(client) != CLIENT_CLOSED &&
		    buffer_length(&packet) > startup.length)
			login_take(client, buffer_front(&packet) +
			    startup.length, buffer_length(&packet) -
			    startup.length);
		buffer_clear(&packet);
		return false;
	}
	}
	return false;
}

static bool
take_answer(struct client *client)
{
	uint8_t memory[AUTH_REPLY_MOST];
	struct writer reply = writer_of(memory, sizeof(memory));
	enum auth_verdict verdict;
	struct buffer answer;
	struct frame frame;

	if (buffer_length(&client->input) > 0 &&
	    buffer_front(&client->input)[0] != MESSAGE_PASSWORD) {
		if (buffer_front(&client->input)[0] == MESSAGE_TERMINATE)
			client_close(client, "client close request");
		else if (buffer_front(&client->input)[0] == 0)
			fail(client, "client re-sent startup pkt");
		else
			fail(client, "unknown pkt");
		return false;
	}
	switch (frame_read(buffer_front(&client->input),
	    buffer_length(&client->input), ANSWER_MOST, &frame)) {
	case FRAME_MORE:
		return false;
	case FRAME_BAD:
		/* What follows may be a password. */
		client_fail_bad_header(client, buffer_front(&client->input),
		    FRAME_HEADER);
		return false;
	case FRAME_FOUND:
		break;
	}
	if (!frame_whole(&frame, buffer_length(&client->input)))
		return false;
	answer = client->input;
	memset(&client->input, 0, sizeof(client->input));
	if (!buffer_append(&client->input, buffer_front(&answer) + frame.total,
	    buffer_length(&answer) - frame.total)) {
		buffer_clear(&answer);
		fail(client, "out of memory");
		return false;
	}
	verdict = auth_answer(client->login->auth, buffer_front(&answer) +
	    FRAME_HEADER, frame.total - FRAME_HEADER, &reply);
	buffer_clear(&answer);
	on_verdict(client, verdict, &reply);
	return client_phase(client) == CLIENT_AUTH;
}

void
login_take(struct client *client, const uint8_t *bytes, size_t length)
{
	bool more = true;

	if (client_phase(client) != CLIENT_STARTUP &&
	    client_phase(client) != CLIENT_AUTH) {
		client_take_early(client, bytes, length);
		return;
	}
	if (!buffer_append(&client->input, bytes, length)) {
		client_close(client, "out of memory");
		return;
	}
	while (more && buffer_length(&client->input) > 0) {
		if (client_phase(client) == CLIENT_STARTUP)
			more = take_first_packet(client);
		else if (client_phase(client) == CLIENT_AUTH &&
		    client->login->outside.since != 0)
			more = (look_while_asked(client), false);
		else if (client_phase(client) == CLIENT_AUTH)
			more = take_answer(client);
		else
			more = false;
	}
}

void
login_go_on(struct client *client)
{
	client_resume_reading(client);
	begin_auth(client);
	if (client_phase(client) != CLIENT_CLOSED)
		login_take(client, NULL, 0);
}
