#include "session/login_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/rules.h"
#include "base/memory.h"
#include "net/tls_peer.h"
#include "pool/found.h"
#include "session/keys.h"
#include "session/replication.h"
#include "wire/framing.h"
#include "wire/messages.h"

/* More than an answer to an authentication request needs. */
#define ANSWER_MOST (68 * 1024)

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

/* --- who it is ----------------------------------------------------------- */

static void
refuse_database(struct client *client)
{
	char text[128];

	client_log(LOG_LEVEL_LOG, client, "login failed: db=%s user=%s",
	    client->login->database, client->login->user);
	snprintf(text, sizeof(text), "no such database: %s",
	    client->login->database);
	login_fail(client, text);
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
		.database_limit = login_limit(
		    config_max_db_client_connections(config, database)),
		.user_limit = login_limit(config_max_user_client_connections(
		    config, config_find_user(config, login->user))),
	};
	struct pools_place place;

	switch (pools_enter(sessions->segment, sessions->worker, &entry,
	    &place)) {
	case POOLS_ENTERED:
		break;
	case POOLS_NO_ROOM:
		login_fail(client, "no memory for pool");
		return false;
	case POOLS_DATABASE_FULL:
		login_fail(client, DATABASE_FULL);
		return false;
	case POOLS_USER_FULL:
		login_fail(client, USER_FULL);
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
		login_fail(client, text);
		return;
	}
	client->view = pool_view_get(sessions, pool);
	if (login->query != NULL)
		auth_query_keep(client, login->query,
		    auth_learnt_keys(login->auth));
	keep_password(client);
	client_note_application_name(client, &client->login->given);
	if (client->replication != NULL)
		replication_begin(client);
	else
		login_ask_for_welcome(client);
}

static void
on_granted(struct client *client)
{
	struct login *login = client->login;

	/* As which it goes on, PostgreSQL says (CVE-2015-6817). */
	if (login->query != NULL && auth_query_secret(login->query) != NULL)
		strcpy(login->user, auth_query_name(login->query));
	if (login->for_console) {
		login_enter_console(client);
		return;
	}
	if (atomic_load(&client->sessions->segment->state->shutdown) !=
	    SHUTDOWN_NONE) {
		login_fail(client, "pooler is shutting down");
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
		login_fail(client, "out of memory");
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
		login_fail(client, "unknown pkt");
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

void
login_begin_auth(struct client *client)
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
		login_fail(client, "bouncer config error");
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

bool
login_choose_method(struct client *client)
{
	struct login *login = client->login;

	if (method_choose(client, login->database, login->user,
	    &login->method))
		return true;
	login_fail(client, "no authentication method is found");
	return false;
}

/* The pooler's own Unix user needs no password. */
bool
login_is_own_console(struct client *client)
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

/* --- what it says -------------------------------------------------------- */

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
			login_fail(client, "client re-sent startup pkt");
		else
			login_fail(client, "unknown pkt");
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
		login_fail(client, "out of memory");
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
			more = login_take_first_packet(client);
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
	login_begin_auth(client);
	if (client_phase(client) != CLIENT_CLOSED)
		login_take(client, NULL, 0);
}
