#include "session/auth_query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/query_answer.h"
#include "base/invariant.h"
#include "base/memory.h"
#include "pool/found.h"
#include "session/login.h"
#include "session/server_parts.h"
#include "wire/messages.h"

_Static_assert(sizeof(struct scram_keys) == FOUND_KEYS_BYTES, "keys fit");
_Static_assert(QUERY_ANSWER_SECRET_BYTES == FOUND_SECRET_BYTES,
    "what is found can be kept");
_Static_assert(QUERY_ANSWER_NAME_BYTES == USER_NAME_BYTES, "names fit");

/* PostgreSQL cuts longer names (NAMEDATALEN): they would be another's. */
#define LONGEST_NAME 63

/* What is not the text or the name in the messages of a question. */
#define MESSAGES_BESIDE 128

struct auth_query {
	char			 database[DATABASE_NAME_BYTES];	/* asked */
	char			 asker[USER_NAME_BYTES];
	char			 user[USER_NAME_BYTES];	/* whose secret */
	char			*text;
	bool			 found;
	usec_t			 found_at;
	struct query_answer	 answer;
};

/* --- who is asked, and what ---------------------------------------------- */

/* What the configuration says about a login to this database. */
struct directions {
	const char	*user, *text, *database;
};

static const char *
chosen(const char *of_database, const char *of_all)
{
	const char *text = of_database != NULL ? of_database : of_all;

	return text != NULL && text[0] != '\0' ? text : NULL;
}

static struct directions
directions_for(const struct config *config,
    const struct auth_question *question)
{
	static const struct config_database none;
	const struct config_database *database = question->for_console ? NULL :
	    pool_view_database(config, question->database);

	if (database == NULL)
		database = &none;
	return (struct directions){
		.user = chosen(database->auth_user, config->auth_user),
		.text = chosen(database->auth_query, config->auth_query),
		.database = chosen(database->auth_dbname,
		    config->auth_dbname),
	};
}

/*
 * Without an auth_dbname it is the database that the client wants.  One that
 * is not there has no users: they fail as if they did not exist.
 */
static bool
is_to_be_asked(const struct client *client,
    const struct auth_question *question, struct directions *directions)
{
	const struct config *config = client->sessions->config;

	if (directions->user == NULL ||
	    strlen(question->user) > LONGEST_NAME)
		return false;
	if (directions->database == NULL && !question->for_console) {
		directions->database = question->database;
		return pool_view_database(config, question->database) != NULL;
	}
	return true;
}

static void
refuse(struct client *client, const char *why)
{
	client_log(LOG_LEVEL_WARNING, client, "%s", why);
	client_fail(client, SQLSTATE_OF_POOLER, "bouncer config error");
}

/* False: the client is closed. */
static bool
may_be_asked(struct client *client, const struct directions *directions)
{
	struct segment *segment = client->sessions->segment;
	uint32_t row;
	char text[128];

	if (directions->database == NULL)
		refuse(client, "the console has no users of auth_query "
		    "without auth_dbname");
	else if (pool_view_database(client->sessions->config,
	    directions->database) == NULL)
		refuse(client, "auth_dbname is no database of ours");
	else if (directions->text == NULL)
		refuse(client, "auth_query is empty");
	else {
		row = databases_find(segment, directions->database);
		if (row == NO_ROW ||
		    !atomic_load(&segment->databases[row].disabled))
			return true;
		snprintf(text, sizeof(text), "authentication database \"%s\" "
		    "is disabled", directions->database);
		client_fail(client, SQLSTATE_OF_POOLER, text);
	}
	return false;
}

static struct auth_query *
make(const struct directions *directions,
    const struct auth_question *question)
{
	struct auth_query *query = calloc(1, sizeof(*query));

	if (query == NULL)
		return NULL;
	snprintf(query->database, sizeof(query->database), "%.63s",
	    directions->database);
	snprintf(query->asker, sizeof(query->asker), "%.127s",
	    directions->user);
	snprintf(query->user, sizeof(query->user), "%.127s", question->user);
	query->text = strdup(directions->text);
	if (query->text != NULL)
		return query;
	free(query);
	return NULL;
}

void
auth_query_free(struct auth_query *query)
{
	if (query == NULL)
		return;
	free(query->text);
	memory_wipe(query, sizeof(*query));
	free(query);
}

/* --- what was found a moment ago ----------------------------------------- */

/* Kept by pool; where all are one user at PostgreSQL there is no such pool. */
static bool
recall(const struct client *client, const struct auth_question *question,
    struct auth_query *query)
{
	struct sessions *sessions = client->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	usec_t fresh = sessions->config->auth_query_cache_time;
	struct found_secret found;
	uint32_t pool;

	if (fresh == 0 || question->for_console)
		return false;
	pool = pools_find(sessions->segment, question->database,
	    question->user);
	if (pool == NO_ROW || sessions->segment->pools[pool].forced_user)
		return false;
	if (found_recall(&caller, pool, atomic_load(
	    &sessions->segment->pools[pool].generation), &found) &&
	    caller.now - found.found_at < fresh) {
		query->found = true;
		query->found_at = found.found_at;
		strcpy(query->answer.name, question->user);
		strcpy(query->answer.secret, found.secret);
	}
	memory_wipe(&found, sizeof(found));
	return query->found;
}

void
auth_query_keep(const struct client *client, const struct auth_query *query,
    const struct scram_keys *keys)
{
	struct sessions *sessions = client->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	struct found_news news = { query->answer.secret,
	    keys != NULL ? (const uint8_t *)keys : NULL, query->found_at };

	/* Where all are one user, that one's secret is not this. */
	if (query->found && !sessions->segment->pools[client->view->pool].
	    forced_user)
		found_keep(&caller, client->view->pool,
		    client->view->generation, &news);
}

void
auth_query_expire(struct sessions *sessions)
{
	struct pool_caller caller = sessions_caller(sessions);
	uint32_t used = atomic_load(&sessions->segment->state->pools_used);

	for (uint32_t pool = 0; pool < used; pool++)
		if (atomic_load(&sessions->segment->pools[pool].used))
			found_expire(&caller, pool,
			    sessions->config->auth_query_cache_time);
}

/* --- a place in the queue ------------------------------------------------ */

/* The pool's row as it is now; it may be another one each time. */
static bool
find_pool(struct client *client)
{
	struct sessions *sessions = client->sessions;
	const struct auth_query *query = client->asking;
	const struct config_database *database = pool_view_database(
	    sessions->config, query->database);
	bool forced = database != NULL && database->user != NULL &&
	    strcmp(database->user, query->asker) == 0;
	uint32_t pool = pools_make(sessions->segment, query->database,
	    query->asker, forced);

	if (pool == NO_ROW)
		return false;
	client->view = pool_view_get(sessions, pool);
	atomic_store(&client_row(client)->pool, pool);
	return true;
}

/* A client that asks is not counted in the pool, so it may be given back. */
static bool
is_still_there(const struct client *client)
{
	const struct pool_row *pool = segment_pool(client->sessions->segment,
	    client->view->pool);

	return atomic_load(&pool->used) != 0 &&
	    atomic_load(&pool->generation) == client->view->generation;
}

enum pool_answer
auth_query_take(struct client *client, uint32_t *server_out)
{
	struct sessions *sessions = client->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	enum pool_answer answer = POOL_FAILING;
	bool there;

	do {
		/* Once in the queue, or with a server, it keeps the pool. */
		naming_take(sessions->segment);
		there = is_still_there(client);
		if (there)
			answer = pool_take(&caller, client->view->pool,
			    client->row, &client->view->policy, server_out);
		naming_release(sessions->segment);
	} while (!there && find_pool(client));
	return answer;
}

enum auth_query_verdict
auth_query_begin(struct client *client, const struct auth_question *question,
    struct auth_query **query_out)
{
	struct directions directions = directions_for(
	    client->sessions->config, question);
	struct auth_query *query;

	*query_out = NULL;
	if (!is_to_be_asked(client, question, &directions))
		return AUTH_QUERY_NONE;
	if (!may_be_asked(client, &directions))
		return AUTH_QUERY_REFUSED;
	query = make(&directions, question);
	if (query == NULL) {
		client_fail(client, SQLSTATE_OF_POOLER, "out of memory");
		return AUTH_QUERY_REFUSED;
	}
	*query_out = query;
	if (recall(client, question, query))
		return AUTH_QUERY_KNOWN;
	client->asking = query;
	if (!find_pool(client)) {
		client_fail(client, SQLSTATE_OF_POOLER,
		    "no memory for authentication pool");
		return AUTH_QUERY_REFUSED;
	}
	client_enter(client, CLIENT_IDLE);
	client_ask_for_server(client);	/* and may be closed by now */
	return AUTH_QUERY_ASKS;
}

/* --- the question and its answer ----------------------------------------- */

/* What the pool's first server said of itself when it had logged in. */
static void
take_welcome(struct sessions *sessions, uint32_t pool,
    struct parameter_values *values)
{
	struct pool_caller caller = sessions_caller(sessions);
	uint8_t welcome[WELCOME_BYTES];
	struct reader messages;
	const char *name, *value;
	uint32_t length;

	if (!pool_copy_welcome(&caller, pool, welcome, &length))
		return;
	messages = reader_of(welcome, length);
	while (read_next_parameter_status(&messages, &name, &value)) {
		int index = parameters_index(sessions->parameters, name);

		if (index != -1)
			parameters_put(sessions->parameters, values, index,
			    value);
	}
}

bool
auth_query_prepare(struct server *server)
{
	struct sessions *sessions = server->sessions;
	struct client *client = server->client;
	struct parameter_values *values = memory_get(sizeof(*values));

	take_welcome(sessions, client->view->pool, values);
	parameters_seal(values);
	parameters_release(sessions->parameters, client->wants);
	client->wants = parameters_share(sessions->parameters, values);
	memory_free(values);
	return client->wants != NULL;
}

/*
 * In the end the server forgets the statement, lest a client finds it there.
 */
static bool
write_question(const struct auth_query *query, struct writer *writer)
{
	const char *const values[] = { query->user };

	write_parse(writer, query->text);
	write_bind(writer, values, ARRAY_LENGTH(values));
	write_describe_portal(writer);
	write_execute(writer);
	write_close_statement(writer);
	write_sync(writer);
	return !writer->failed;
}

void
auth_query_send(struct server *server)
{
	struct client *client = server->client;
	struct auth_query *query = client->asking;
	size_t size = strlen(query->text) + strlen(query->user) +
	    MESSAGES_BESIDE;
	uint8_t *memory = memory_get(size);
	struct writer writer = writer_of(memory, size);

	INVARIANT(write_question(query, &writer));
	query_answer_begin(&query->answer);
	server_enter(server, SERVER_ASKING);
	server->step_done = false;
	server->status = 0;
	server_row(server)->request_at = loop_now(server->sessions->loop);
	(void)!server_send(server, writer.bytes, writer.used);
	memory_free(memory);
}

/* Back to its login. */
static void
unlink_client(struct server *server, struct client *client)
{
	struct client_row *row = client_row(client);

	server->client = NULL;
	client->server = NULL;
	row->server = NO_ROW;
	client_enter(client, CLIENT_IDLE);
	client_enter(client, CLIENT_AUTH);
	atomic_store(&row->pool, NO_ROW);
	client->view = NULL;
	client->asking = NULL;
	client->retries = 0;
	parameters_release(server->sessions->parameters, client->wants);
	client->wants = NULL;
}

static void
let_go(struct server *server)
{
	if (server->status != TRANSACTION_NONE)
		server_close(server, "auth_query left a transaction open");
	else
		server_release(server);
}

void
auth_query_message(struct server *server, uint8_t type, const uint8_t *body,
    size_t length)
{
	struct client *client = server->client;
	enum transaction_status status;
	struct query_answer nobody, *answer = &nobody;

	if (type == MESSAGE_PARAMETER_STATUS) {
		server_note_parameter(server, body, length);
		return;
	}
	if (type == MESSAGE_READY_FOR_QUERY) {
		if (!read_ready_for_query(reader_of(body, length), &status)) {
			server_close(server, "bad pkt header");
			return;
		}
		server->status = (uint8_t)status;
		server->step_done = true;
		return;
	}
	query_answer_begin(&nobody);
	if (client != NULL)
		answer = &client->asking->answer;
	if (!query_answer_take(answer, type, body, length))
		server_close(server, "unexpected response from auth_query");
	query_answer_wipe(&nobody);
}

void
auth_query_done(struct server *server)
{
	struct client *client = server->client;
	struct auth_query *query;
	enum query_outcome outcome;

	if (client == NULL) {
		let_go(server);
		return;
	}
	query = client->asking;
	outcome = query_answer_end(&query->answer);
	query->found = outcome == QUERY_FOUND;
	query->found_at = loop_now(server->sessions->loop);
	unlink_client(server, client);
	let_go(server);
	if (client_phase(client) == CLIENT_CLOSED)
		return;
	if (outcome == QUERY_BROKEN)
		refuse(client, query->answer.problem);
	else
		login_go_on(client);
}

const char *
auth_query_secret(const struct auth_query *query)
{
	return query->found ? query->answer.secret : NULL;
}

const char *
auth_query_name(const struct auth_query *query)
{
	return query->answer.name;
}

/* --- when it does not come to that --------------------------------------- */

void
auth_query_failed(struct client *client, const char *text)
{
	char why[256];

	snprintf(why, sizeof(why), "auth_query failed: %s", text);
	refuse(client, why);
}

void
auth_query_abandon(struct server *server)
{
	struct pool_caller caller = sessions_caller(server->sessions);

	server->client = NULL;
	server_resume_reading(server);
	pool_begin_test(&caller, server->row);
}

static bool
passed(usec_t now, usec_t since, usec_t limit)
{
	return limit > 0 && since > 0 && now - since > limit;
}

void
auth_query_tick(struct client *client)
{
	const struct client_row *row = client_row(client);
	usec_t now = loop_now(client->sessions->loop);

	if (passed(now, row->connect_at,
	    client->sessions->config->client_login_timeout))
		client_fail(client, SQLSTATE_OF_POOLER,
		    "client_login_timeout");
	else if (client_phase(client) == CLIENT_WAITING && passed(now,
	    row->wait_since, client->view->query_wait_timeout))
		client_fail(client, SQLSTATE_OF_POOLER, "query_wait_timeout");
}
