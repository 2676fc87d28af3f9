#include "session/prepared.h"

#include <string.h>

#include "base/invariant.h"
#include "session/deallocate.h"
#include "session/prepared_parts.h"

/* A larger unnamed Parse passes through and is not remembered. */
#define UNNAMED_MOST (16 * 1024)
/* Two names and a header; nobody has longer ones. */
#define FRONT_MOST (64 * 1024)
/* A DEALLOCATE in a longer query is not looked for. */
#define DEALLOCATE_MOST 256

bool
prepared_concerns(uint8_t type)
{
	return type == MESSAGE_PARSE || type == MESSAGE_BIND ||
	    type == MESSAGE_DESCRIBE || type == MESSAGE_CLOSE ||
	    type == MESSAGE_QUERY;
}

/* --- between transactions ------------------------------------------------ */

/* Another server of this pool has found out that its results changed. */
static void
look_at_epoch(const struct server *server)
{
	struct server_statements *statements = prepared_statements(server);
	uint32_t epoch = atomic_load_explicit(
	    &segment_pool(server->sessions->segment,
	    server->client->view->pool)->statements_epoch,
	    memory_order_relaxed);

	if (LIKELY(statements->epoch == epoch))
		return;
	statements_make_stale(statements);
	statements->epoch = epoch;
}

void
prepared_begin(struct server *server)
{
	const struct client *client = server->client;

	server->unfit = false;
	server->last_status = server->status;
	server->rewrites = (!server_stays_linked(server) &&
	    server->sessions->config->max_prepared_statements > 0) ||
	    prepared_has_names(client);
	server->knows_unnamed = server->has_parsed = false;
	server->watches_tags = server->rewrites ||
	    server->state_mode != SESSION_STATE_IGNORE ||
	    prepared_statements(server)->slots > 0 ||
	    UNLIKELY(server_has_assumed_values(server));
	if (!server->rewrites)
		return;
	server->outstanding.on_end = prepared_on_end;
	server->outstanding.context = server;
	look_at_epoch(server);
}

/* --- verdicts ------------------------------------------------------------ */

enum prepared_verdict
prepared_fail(const struct prepared_message *message, const char *text)
{
	client_fail(message->client, SQLSTATE_OF_POOLER, text);
	return PREPARED_FAILED;
}

enum prepared_verdict
prepared_fail_memory(const struct prepared_message *message)
{
	return prepared_fail(message, "out of memory");
}

bool
prepared_note(const struct prepared_message *message,
    const struct request *request)
{
	if (outstanding_add(&message->server->outstanding, request))
		return true;
	named_release(request->named);
	query_text_release(request->text);
	return false;
}

enum prepared_verdict
prepared_pass(const struct prepared_message *message, size_t *done_out)
{
	*done_out = 0;
	if (!outstanding_ask(&message->server->outstanding,
	    message->frame.type))
		return prepared_fail_memory(message);
	return PREPARED_NOTED;
}

/* A malformed one: the server says so. */
#define pass_broken prepared_pass

static enum prepared_verdict
wait_for(size_t wanted, size_t *done_out)
{
	*done_out = wanted;
	return PREPARED_MORE;
}

/* --- Parse --------------------------------------------------------------- */

/*
 * 42P05: the server has the statement and is asked to parse another one by
 * that name.  What follows up to Sync it will skip.
 */
static enum prepared_verdict
parse_twice(const struct prepared_message *message, struct named *named,
    const char *as, struct reader text, size_t *done_out)
{
	struct request request = { .type = MESSAGE_PARSE,
	    .flags = REQUEST_MUST_FAIL };
	enum statement_state state;
	char name[SERVER_NAME_BYTES];

	edit_keep(message->edit, message->bytes);
	prepared_digest(message->server, named->text, request.digest);
	state = statements_find(prepared_statements(message->server),
	    request.digest);
	if (state == STATEMENT_ABSENT && !prepared_bring_dummy(message,
	    request.digest))
		return prepared_fail_memory(message);
	request.named = named_as(named, as);
	if (request.named == NULL || !prepared_note(message, &request))
		return prepared_fail_memory(message);
	prepared_server_name(request.digest, name);
	prepared_put_parse(message->edit, name, text.at, reader_left(&text));
	message->server->outstanding.skipping = true;
	*done_out = message->frame.total;
	return PREPARED_NOTED;
}

/* On the server, or on its word that it has it already. */
static enum prepared_verdict
parse_once(const struct prepared_message *message, struct named *named,
    size_t *done_out)
{
	struct server *server = message->server;
	struct server_statements *statements = prepared_statements(server);
	struct request request = { .type = MESSAGE_PARSE, .named = named,
	    .changes = CHANGES_NAME_ADDED };
	uint8_t digest[STATEMENT_DIGEST_BYTES];
	enum statement_state state;
	char name[SERVER_NAME_BYTES];

	prepared_digest(server, named->text, digest);
	state = statements_find(statements, digest);
	if (state == STATEMENT_THERE &&
	    server->last_status != TRANSACTION_FAILED) {
		statements_touch(statements, digest);
		request.flags = REQUEST_ANSWERED;
		if (!prepared_note(message, &request))
			return prepared_fail_memory(message);
		named_await(message, named);
		return PREPARED_NOTED;
	}
	if (!prepared_make_way(message, digest, state) ||
	    !prepared_note_added(message, &request, digest))
		return prepared_fail_memory(message);
	named_await(message, named);
	prepared_server_name(digest, name);
	prepared_put_parse(message->edit, name, query_text_bytes(named->text),
	    query_text_length(named->text));
	return PREPARED_NOTED;
}

static enum prepared_verdict
parse_named(const struct prepared_message *message, const char *name,
    struct reader text, size_t *done_out)
{
	struct client *client = message->client;
	struct named *named;
	enum prepared_verdict verdict;

	/* Whether it may be answered by us depends on how they end. */
	if (message->server->outstanding.batches > 0)
		return PREPARED_HOLD;
	stats_add(client->view->stats, STAT_client_parse_count, 1);
	named = named_find(client, name);
	if (named != NULL)
		return parse_twice(message, named, name, text, done_out);
	if (client->prepared->bytes + message->frame.total >
	    PREPARED_BYTES_MOST)
		return prepared_fail_memory(message);
	named = named_add(client, name, text);
	if (named == NULL)
		return prepared_fail_memory(message);
	edit_keep(message->edit, message->bytes);
	verdict = parse_once(message, named, done_out);
	*done_out = message->frame.total;
	return verdict;
}

static bool
read_parse(struct reader body, const char **name_out, struct reader *text_out,
    const char **query_out)
{
	uint16_t types;

	*name_out = reader_string(&body);
	*text_out = body;
	*query_out = reader_string(&body);
	types = reader_u16(&body);
	(void)reader_take(&body, 4 * (size_t)types);
	return reader_done(&body);
}

static enum prepared_verdict
take_parse(const struct prepared_message *message, size_t *done_out)
{
	const char *name, *query;
	struct reader text;

	if (message->frame.total == FRAME_HEADER)
		return pass_broken(message, done_out);
	if (message->available == FRAME_HEADER)
		return wait_for(FRAME_HEADER + 1, done_out);
	if (!prepared_has_room(message->client))
		return prepared_fail_memory(message);
	if (message->bytes[FRAME_HEADER] != '\0' &&
	    message->frame.total > PREPARED_BYTES_MOST)
		return prepared_fail(message, "too large a prepared statement");
	if (!frame_whole(&message->frame, message->available)) {
		if (message->bytes[FRAME_HEADER] != '\0' ||
		    message->frame.total <= UNNAMED_MOST)
			return wait_for(message->frame.total, done_out);
		return unnamed_parse_large(message, done_out);
	}
	if (!read_parse(reader_of(message->bytes + FRAME_HEADER,
	    message->frame.total - FRAME_HEADER), &name, &text, &query))
		return pass_broken(message, done_out);
	return *name == '\0' ? unnamed_parse(message, query, text, done_out) :
	    parse_named(message, name, text, done_out);
}

/* --- Bind, Describe, Close ----------------------------------------------- */

/* Of a use of a named statement; the server's name goes out in place. */
static enum prepared_verdict
use_named(const struct prepared_message *message, const char *name,
    const void *front, size_t front_length, size_t rest_length,
    size_t *done_out)
{
	struct named *named;
	struct request request = { .type = message->frame.type };
	char server_name[SERVER_NAME_BYTES];
	size_t length = front_length + sizeof(server_name) + rest_length;

	if (prepared_is_uncertain(message->server, CHANGE_OF_NAMED))
		return PREPARED_HOLD;
	named = named_find(message->client, name);
	if (named == NULL)
		return prepared_pass(message, done_out);	/* 26000, says the server */
	if (length > INT32_MAX - 4)
		return prepared_fail(message, "bad packet header");
	edit_keep(message->edit, message->bytes);
	if (!prepared_bring(message, named, request.digest))
		return prepared_fail_memory(message);
	request.named = named_as(named, name);
	if (request.named == NULL || !prepared_note(message, &request))
		return prepared_fail_memory(message);
	prepared_server_name(request.digest, server_name);
	if (message->frame.type == MESSAGE_BIND)
		stats_add(message->client->view->stats, STAT_bind_count, 1);
	prepared_put_header(message->edit, message->frame.type, length);
	edit_put(message->edit, front, front_length);
	edit_put(message->edit, server_name, sizeof(server_name));
	*done_out = message->frame.total - rest_length;
	return PREPARED_NOTED;
}

static enum prepared_verdict
take_bind(const struct prepared_message *message, size_t *done_out)
{
	size_t here = message->available < message->frame.total ?
	    message->available : message->frame.total;
	struct reader body = reader_of(message->bytes + FRAME_HEADER,
	    here - FRAME_HEADER);
	const char *portal = reader_string(&body);
	const char *name = reader_string(&body);
	size_t front;

	if (body.failed) {
		if (here == message->frame.total)
			return pass_broken(message, done_out);
		if (here > FRONT_MOST)
			return prepared_fail(message, "broken Bind packet");
		return wait_for(here + 1, done_out);
	}
	if (*name == '\0')
		return unnamed_bind(message, done_out);
	front = (size_t)(body.at - message->bytes);
	return use_named(message, name, portal, strlen(portal) + 1,
	    message->frame.total - front, done_out);
}

static enum prepared_verdict
take_describe(const struct prepared_message *message, const char *name,
    size_t *done_out)
{
	if (*name == '\0')
		return unnamed_use(message, done_out);
	return use_named(message, name, "S", 1, 0, done_out);
}

/* The server keeps it, for whoever has the same. */
static enum prepared_verdict
take_close(const struct prepared_message *message, const char *name,
    size_t *done_out)
{
	struct request request = { .type = MESSAGE_CLOSE,
	    .flags = REQUEST_ANSWERED };
	struct named *named;

	*done_out = 0;
	if (*name == '\0')
		return prepared_has_room(message->client) ? unnamed_replace(message,
		    NULL, NULL, NULL) : prepared_fail_memory(message);
	if (prepared_is_uncertain(message->server, CHANGE_OF_NAMED))
		return PREPARED_HOLD;
	named = named_find(message->client, name);
	if (named == NULL)
		return prepared_pass(message, done_out);
	if (!named_note_removed(message, &request, named))
		return prepared_fail_memory(message);
	edit_keep(message->edit, message->bytes);
	*done_out = message->frame.total;
	return PREPARED_NOTED;
}

/* Describe and Close are built alike: 'S' or 'P', and a name. */
static enum prepared_verdict
take_describe_or_close(const struct prepared_message *message,
    size_t *done_out)
{
	struct reader body;
	const char *name;
	uint8_t what;

	if (!frame_whole(&message->frame, message->available)) {
		if (message->frame.total > FRONT_MOST)
			return prepared_fail(message, message->frame.type ==
			    MESSAGE_CLOSE ? "broken Close packet" :
			    "broken Describe packet");
		return wait_for(message->frame.total, done_out);
	}
	body = reader_of(message->bytes + FRAME_HEADER,
	    message->frame.total - FRAME_HEADER);
	what = reader_u8(&body);
	name = reader_string(&body);
	if (!reader_done(&body))
		return pass_broken(message, done_out);
	if (what != 'S')
		return prepared_pass(message, done_out);
	return message->frame.type == MESSAGE_CLOSE ?
	    take_close(message, name, done_out) :
	    take_describe(message, name, done_out);
}

/* --- Query --------------------------------------------------------------- */

/* The text of a query that is here as a whole, else NULL. */
static const char *
query_of(const struct prepared_message *message)
{
	const char *query;

	if (!frame_whole(&message->frame, message->available) ||
	    !read_single_string(reader_of(message->bytes + FRAME_HEADER,
	    message->frame.total - FRAME_HEADER), &query))
		return NULL;
	return query;
}

/* A query takes the unnamed statement with it. */
static enum prepared_verdict
take_query(const struct prepared_message *message, size_t *done_out)
{
	struct server *server = message->server;
	const char *query = NULL;
	struct named *named = NULL;

	*done_out = 0;
	if (prepared_has_names(message->client) || prepared_is_uncertain(server,
	    CHANGE_OF_NAMED)) {
		if (message->frame.total <= DEALLOCATE_MOST &&
		    !frame_whole(&message->frame, message->available))
			return wait_for(message->frame.total, done_out);
		query = query_of(message);
	}
	if (query != NULL && deallocate_is_near(query)) {
		if (prepared_is_uncertain(server, CHANGE_OF_NAMED))
			return PREPARED_HOLD;
		named = named_deallocated(message->client, query);
	}
	if (named != NULL && !outstanding_is_open(&server->outstanding))
		return unnamed_deallocate(message, named);
	if (unnamed_may_be_there(message) ||
	    (query != NULL && deallocate_is_near(query)))
		return unnamed_replace(message, query, NULL, NULL);
	return prepared_pass(message, done_out);
}

/* --- all of them --------------------------------------------------------- */

enum prepared_verdict
prepared_ask(const struct prepared_message *message, size_t *done_out)
{
	const struct outstanding *outstanding = &message->server->outstanding;

	/* The server will refuse it, or has given up and reads on to Sync. */
	if (UNLIKELY(outstanding->copying_in || outstanding->skipping))
		return prepared_pass(message, done_out);
	switch (message->frame.type) {
	case MESSAGE_PARSE:
		return take_parse(message, done_out);
	case MESSAGE_BIND:
		return take_bind(message, done_out);
	case MESSAGE_QUERY:
		return take_query(message, done_out);
	default:
		return take_describe_or_close(message, done_out);
	}
}
