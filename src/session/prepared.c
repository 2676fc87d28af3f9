#include "session/prepared.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/invariant.h"
#include "base/memory.h"
#include "session/prepared_parts.h"
#include "wire/messages.h"

/* A larger unnamed Parse passes through and is not remembered. */
#define UNNAMED_MOST (16 * 1024)
/* Two names and a header; nobody has longer ones. */
#define FRONT_MOST (64 * 1024)
/* A DEALLOCATE in a longer query is not looked for. */
#define DEALLOCATE_MOST 256

typedef enum prepared_verdict take_message(const struct prepared_message *,
    size_t *done_out);

bool
prepared_concerns(uint8_t type)
{
	return type == MESSAGE_PARSE || type == MESSAGE_BIND ||
	    type == MESSAGE_DESCRIBE || type == MESSAGE_CLOSE ||
	    type == MESSAGE_QUERY;
}

/* --- a client's names ---------------------------------------------------- */

static size_t
key_length(const char *name)
{
	return strnlen(name, NAME_LENGTH_MOST);
}

static struct named *
find_name(const struct client *client, const char *name)
{
	struct named *named;

	if (client->prepared == NULL)
		return NULL;
	HASH_FIND(hh, client->prepared->names, name, key_length(name), named);
	return named;
}

void
named_release(struct named *named)
{
	if (named == NULL)
		return;
	INVARIANT(named->users > 0);
	if (--named->users > 0)
		return;
	query_text_release(named->text);
	free(named);
}

static size_t
weight_of(const struct named *named)
{
	return sizeof(*named) + strlen(named->name) +
	    query_text_length(named->text);
}

bool
named_enter(struct client *client, struct named *named)
{
	struct prepared *prepared = client->prepared;

	INVARIANT(!named->in_table);
	HASH_ADD_KEYPTR(hh, prepared->names, named->name,
	    key_length(named->name), named);
	if (named->hh.tbl == NULL)
		return false;
	named->in_table = true;
	named->users++;
	prepared->bytes += weight_of(named);
	client_row(client)->prepared = HASH_COUNT(prepared->names);
	return true;
}

void
named_leave(struct client *client, struct named *named)
{
	struct prepared *prepared = client->prepared;

	INVARIANT(named->in_table);
	HASH_DEL(prepared->names, named);
	named->in_table = false;
	prepared->bytes -= weight_of(named);
	client_row(client)->prepared = HASH_COUNT(prepared->names);
	named_release(named);
}

/* One reference; the text's goes over to it. NULL: no memory. */
static struct named *
make_named(const char *name, struct query_text *text)
{
	size_t length = strlen(name);
	struct named *named = malloc(sizeof(*named) + length + 1);

	if (named == NULL)
		return NULL;
	memset(named, 0, sizeof(*named));
	memcpy(named->name, name, length + 1);
	named->text = text;
	named->users = 1;
	return named;
}

/*
 * A reference for a use by this name.  A longer one than PostgreSQL tells
 * apart may be another than it was prepared by, and errors say the one that
 * is used.  NULL: no memory.
 */
static struct named *
named_as(struct named *named, const char *name)
{
	struct named *other;

	if (LIKELY(strcmp(named->name, name) == 0)) {
		named->users++;
		return named;
	}
	other = make_named(name, named->text);
	if (other != NULL)
		query_text_keep(named->text);
	return other;
}

static bool
has_names(const struct client *client)
{
	return client->prepared != NULL && client->prepared->names != NULL;
}

static bool
has_table(struct client *client)
{
	if (client->prepared == NULL)
		client->prepared = calloc(1, sizeof(*client->prepared));
	return client->prepared != NULL;
}

void
prepared_free(struct client *client)
{
	struct prepared *prepared = client->prepared;
	struct named *named, *next;

	if (prepared == NULL)
		return;
	named = prepared->names;
	HASH_CLEAR(hh, prepared->names);
	for (; named != NULL; named = next) {
		next = named->hh.next;
		named->in_table = false;
		named_release(named);
	}
	query_text_release(prepared->unnamed);
	free(prepared);
	client->prepared = NULL;
}

/* --- a server's table ---------------------------------------------------- */

struct server_statements *
prepared_statements(const struct server *server)
{
	return &server->sessions->segment->statements[server->row];
}

uint32_t
prepared_limit(const struct server *server)
{
	int64_t limit = server->sessions->config->max_prepared_statements;

	/* Turned off while there are clients with names: just enough. */
	if (limit < 1)
		return 1;
	return limit > STATEMENTS_MOST ? STATEMENTS_MOST : (uint32_t)limit;
}

void
prepared_server_name(const uint8_t digest[STATEMENT_DIGEST_BYTES],
    char name_out[SERVER_NAME_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	char *at = name_out + 8;

	strcpy(name_out, "PGUSHER_");
	for (int i = 0; i < STATEMENT_DIGEST_BYTES; i++) {
		*at++ = digits[digest[i] >> 4];
		*at++ = digits[digest[i] & 15];
	}
	*at = '\0';
}

/* What this text is called under the settings that the server has now. */
static void
digest_on(const struct server *server, struct query_text *text,
    uint8_t digest_out[STATEMENT_DIGEST_BYTES])
{
	const uint8_t *own = query_text_digest(text), *meaning =
	    server->sessions->segment->values[server->row].meaning;

	for (int i = 0; i < STATEMENT_DIGEST_BYTES; i++)
		digest_out[i] = own[i] ^ meaning[i];
}

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
	    has_names(client);
	server->knows_unnamed = server->has_parsed = false;
	server->watches_tags = server->rewrites ||
	    server->state_mode != SESSION_STATE_IGNORE ||
	    prepared_statements(server)->slots > 0;
	if (!server->rewrites)
		return;
	server->outstanding.on_end = prepared_on_end;
	server->outstanding.context = server;
	look_at_epoch(server);
}

/* --- messages of our own ------------------------------------------------- */

static void
put_header(struct edit *edit, uint8_t type, size_t body_length)
{
	uint8_t header[FRAME_HEADER];

	frame_write_header(header, type, body_length);
	edit_put(edit, header, sizeof(header));
}

static void
put_parse(struct edit *edit, const char *name, const uint8_t *text,
    size_t length)
{
	size_t name_size = strlen(name) + 1;

	put_header(edit, MESSAGE_PARSE, name_size + length);
	edit_put(edit, name, name_size);
	edit_put(edit, text, length);
}

static void
put_close(struct edit *edit, const char *name)
{
	put_header(edit, MESSAGE_CLOSE, 1 + strlen(name) + 1);
	edit_put(edit, "S", 1);
	edit_put(edit, name, strlen(name) + 1);
}

static enum prepared_verdict
fail(const struct prepared_message *message, const char *text)
{
	client_fail(message->client, SQLSTATE_OF_POOLER, text);
	return PREPARED_FAILED;
}

static enum prepared_verdict
fail_memory(const struct prepared_message *message)
{
	return fail(message, "out of memory");
}

/* References of the request go over; they are let go if it fails. */
static bool
note(const struct prepared_message *message, const struct request *request)
{
	if (outstanding_add(&message->server->outstanding, request))
		return true;
	named_release(request->named);
	query_text_release(request->text);
	return false;
}

static void
count_parse(const struct prepared_message *message)
{
	stats_add(message->client->view->stats, STAT_server_parse_count, 1);
}

/* Off the server, without the client's knowing. */
static bool
take_off(const struct prepared_message *message, const uint8_t *digest)
{
	struct request request = { .type = MESSAGE_CLOSE,
	    .flags = REQUEST_SWALLOWED, .changes = CHANGES_SERVER_REMOVED };
	char name[SERVER_NAME_BYTES];

	memcpy(request.digest, digest, sizeof(request.digest));
	if (!note(message, &request))
		return false;
	statements_remove(prepared_statements(message->server), digest);
	prepared_server_name(digest, name);
	put_close(message->edit, name);
	return true;
}

static void
count_eviction(const struct prepared_message *message)
{
	const struct sessions *sessions = message->client->sessions;

	events_count(sessions->segment, sessions->worker,
	    EVENT_statement_evictions_all);
}

/* The ones used longest ago go, until there is room for one more. */
static bool
make_room(const struct prepared_message *message)
{
	struct server_statements *statements = prepared_statements(message->server);
	uint32_t limit = prepared_limit(message->server);
	uint8_t oldest[STATEMENT_DIGEST_BYTES];

	while (statements->count >= limit) {
		INVARIANT(statements_oldest(statements, oldest));
		if (!take_off(message, oldest))
			return false;
		count_eviction(message);
	}
	return true;
}

/* It comes upon the server, by this request. */
static bool
note_added(const struct prepared_message *message, struct request *request,
    const uint8_t *digest)
{
	struct server *server = message->server;

	request->changes |= CHANGES_SERVER_ADDED;
	memcpy(request->digest, digest, sizeof(request->digest));
	if (!note(message, request))
		return false;
	count_parse(message);
	server->has_parsed = true;
	return statements_add(prepared_statements(server), digest,
	    prepared_limit(server));
}

/* Its name is free on the server, and there is room for it. */
static bool
prepare_for_parse(const struct prepared_message *message,
    const uint8_t *digest, enum statement_state state)
{
	if (state != STATEMENT_ABSENT && !take_off(message, digest))
		return false;
	return make_room(message);
}

/* The server has it when it reads what follows. False: no memory. */
static bool
bring_on(const struct prepared_message *message, struct named *named,
    uint8_t digest_out[STATEMENT_DIGEST_BYTES])
{
	struct server_statements *statements = prepared_statements(message->server);
	struct request request = { .type = MESSAGE_PARSE,
	    .flags = REQUEST_SWALLOWED, .named = named };
	enum statement_state state;
	char name[SERVER_NAME_BYTES];

	digest_on(message->server, named->text, digest_out);
	state = statements_find(statements, digest_out);
	if (LIKELY(state == STATEMENT_THERE)) {
		statements_touch(statements, digest_out);
		return true;
	}
	if (!prepare_for_parse(message, digest_out, state))
		return false;
	named->users++;
	if (!note_added(message, &request, digest_out))
		return false;
	prepared_server_name(digest_out, name);
	put_parse(message->edit, name, query_text_bytes(named->text),
	    query_text_length(named->text));
	return true;
}

/* --- what may be decided now --------------------------------------------- */

/*
 * What an earlier batch has changed may still be undone.  (While it copies in
 * the server will refuse whatever comes; nothing is decided then.)
 */
static bool
is_uncertain(const struct server *server, enum change_kind kind)
{
	return server->outstanding.changes[kind].closed > 0;
}

/* Passes as it is, nothing special about it. */
static enum prepared_verdict
pass(const struct prepared_message *message, size_t *done_out)
{
	*done_out = 0;
	if (!outstanding_ask(&message->server->outstanding,
	    message->frame.type))
		return fail_memory(message);
	return PREPARED_NOTED;
}

/* A malformed one: the server says so. */
#define pass_broken pass

static enum prepared_verdict
wait_for(size_t wanted, size_t *done_out)
{
	*done_out = wanted;
	return PREPARED_MORE;
}

/* --- the unnamed statement ----------------------------------------------- */

static const char *
skip_blanks(const char *at)
{
	while (isspace((unsigned char)*at))
		at++;
	return at;
}

/* May it be DEALLOCATE ALL or DISCARD ALL? */
static bool
may_forget_names(const char *query)
{
	query = skip_blanks(query);
	return strncasecmp(query, "deallocate", 10) == 0 ||
	    strncasecmp(query, "discard", 7) == 0;
}

/*
 * `text` is the client's unnamed statement from this request on.  The query
 * is what it runs or parses, NULL: nothing to look at.
 */
static enum prepared_verdict
replace_unnamed(const struct prepared_message *message, const char *query,
    struct query_text *text, struct named *removed)
{
	struct prepared *prepared = message->client->prepared;
	struct request request = { .type = message->frame.type,
	    .changes = CHANGES_UNNAMED, .text = prepared->unnamed };

	if (query != NULL && may_forget_names(query))
		request.changes |= CHANGES_ALL_NAMES;
	if (removed != NULL) {
		request.changes |= CHANGES_NAME_REMOVED;
		request.named = removed;
		removed->users++;
	}
	prepared->unnamed = text;	/* the old one is the request's */
	if (!note(message, &request))
		return fail_memory(message);
	if (removed != NULL)
		named_leave(message->client, removed);
	message->server->knows_unnamed = true;
	return PREPARED_NOTED;
}

/*
 * Before a use of the unnamed statement: on this server it is the client's
 * own, or there is none.  PREPARED_NOTED: it is so.
 */
static enum prepared_verdict
bring_unnamed(const struct prepared_message *message)
{
	struct server *server = message->server;
	const struct prepared *prepared = message->client->prepared;
	const struct query_text *unnamed;
	struct request request = { .flags = REQUEST_SWALLOWED,
	    .changes = CHANGES_UNNAMED_KNOWN };

	if (server->outstanding.changes[CHANGE_OF_UNNAMED].open > 0)
		return PREPARED_NOTED;
	if (is_uncertain(server, CHANGE_OF_UNNAMED))
		return PREPARED_HOLD;
	if (server->knows_unnamed)
		return PREPARED_NOTED;
	edit_keep(message->edit, message->bytes);
	unnamed = prepared == NULL ? NULL : prepared->unnamed;
	request.type = unnamed == NULL ? MESSAGE_CLOSE : MESSAGE_PARSE;
	if (!note(message, &request))
		return fail_memory(message);
	server->knows_unnamed = true;
	if (unnamed == NULL) {
		put_close(message->edit, "");
		return PREPARED_NOTED;
	}
	count_parse(message);
	put_parse(message->edit, "", query_text_bytes(unnamed),
	    query_text_length(unnamed));
	return PREPARED_NOTED;
}

static enum prepared_verdict
use_unnamed(const struct prepared_message *message, size_t *done_out)
{
	enum prepared_verdict verdict = bring_unnamed(message);

	return verdict == PREPARED_NOTED ? pass(message, done_out) : verdict;
}

/* --- DEALLOCATE name ----------------------------------------------------- */

/* Behind this word and at least a blank; NULL: another word. */
static const char *
skip_word(const char *at, const char *word)
{
	size_t length = strlen(word);

	if (strncasecmp(at, word, length) != 0 ||
	    !isspace((unsigned char)at[length]))
		return NULL;
	return skip_blanks(at + length);
}

static bool
is_of_identifier(unsigned char byte, bool first)
{
	if (isalpha(byte) || byte == '_' || byte >= 0x80)
		return true;
	return !first && (isdigit(byte) || byte == '$');
}

/* An identifier as PostgreSQL reads it. NULL: it is none that we know. */
static const char *
read_identifier(const char *at, char name_out[NAME_LENGTH_MOST + 1])
{
	size_t length = 0;

	for (; is_of_identifier((unsigned char)*at, length == 0); at++) {
		if (length == NAME_LENGTH_MOST)
			return NULL;
		/* PostgreSQL folds the letters that every encoding has. */
		name_out[length++] = *at >= 'A' && *at <= 'Z' ?
		    (char)(*at - 'A' + 'a') : *at;
	}
	name_out[length] = '\0';
	return length == 0 || strcmp(name_out, "all") == 0 ? NULL : at;
}

static const char *
read_quoted(const char *at, char name_out[NAME_LENGTH_MOST + 1])
{
	size_t length = 0;

	for (;; at++) {
		if (*at == '\0')
			return NULL;
		if (*at == '"' && *++at != '"')
			break;
		if (length == NAME_LENGTH_MOST)
			return NULL;
		name_out[length++] = *at;
	}
	name_out[length] = '\0';
	return length == 0 ? NULL : at;
}

/* The name if this is "DEALLOCATE name" and no more; it is the client's. */
static struct named *
read_deallocate(const struct client *client, const char *query)
{
	char name[NAME_LENGTH_MOST + 1];
	const char *at, *behind;

	if (!has_names(client))
		return NULL;
	at = skip_word(skip_blanks(query), "deallocate");
	if (at == NULL)
		return NULL;
	behind = skip_word(at, "prepare");
	at = behind == NULL ? at : behind;
	at = *at == '"' ? read_quoted(at + 1, name) : read_identifier(at,
	    name);
	if (at == NULL)
		return NULL;
	at = skip_blanks(at);
	if (*at == ';')
		at = skip_blanks(at + 1);
	return *at == '\0' ? find_name(client, name) : NULL;
}

/*
 * For a DEALLOCATE that follows, the server gets a statement of the client's
 * own name, an empty one, which it accepts in a failed transaction, too.
 */
static bool
put_dummy(const struct prepared_message *message, const struct named *named)
{
	static const uint8_t empty[] = { 0, 0, 0 };

	edit_keep(message->edit, message->bytes);
	if (!note(message, &(struct request){ .type = MESSAGE_CLOSE,
	    .flags = REQUEST_SWALLOWED | REQUEST_CANNOT_FAIL }) ||
	    !note(message, &(struct request){ .type = MESSAGE_PARSE,
	    .flags = REQUEST_SWALLOWED | REQUEST_CANNOT_FAIL }))
		return false;
	put_close(message->edit, named->name);
	put_parse(message->edit, named->name, empty, sizeof(empty));
	return true;
}

/* --- Parse --------------------------------------------------------------- */

static enum prepared_verdict
parse_unnamed(const struct prepared_message *message, const char *query,
    struct reader text, size_t *done_out)
{
	struct query_text *shared = query_texts_share(
	    message->client->sessions->query_texts, text.at,
	    reader_left(&text));

	*done_out = 0;
	if (shared == NULL)
		return fail_memory(message);
	count_parse(message);
	return replace_unnamed(message, query, shared, NULL);
}

/* It is too large to be kept: the client's unnamed one is none we know. */
static enum prepared_verdict
parse_large_unnamed(const struct prepared_message *message, size_t *done_out)
{
	*done_out = 0;
	count_parse(message);
	return replace_unnamed(message, NULL, NULL, NULL);
}

/*
 * Something is on the server by this name, whatever the state of its
 * transaction: an empty statement, to be made anew when it is used.
 */
static bool
bring_dummy_on(const struct prepared_message *message,
    const uint8_t *digest)
{
	static const uint8_t empty[] = { 0, 0, 0 };
	struct request request = { .type = MESSAGE_PARSE,
	    .flags = REQUEST_SWALLOWED | REQUEST_CANNOT_FAIL };
	char name[SERVER_NAME_BYTES];

	if (!make_room(message) ||
	    !note_added(message, &request, digest))
		return false;
	statements_doubt(prepared_statements(message->server), digest);
	prepared_server_name(digest, name);
	put_parse(message->edit, name, empty, sizeof(empty));
	return true;
}

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
	digest_on(message->server, named->text, request.digest);
	state = statements_find(prepared_statements(message->server),
	    request.digest);
	if (state == STATEMENT_ABSENT && !bring_dummy_on(message,
	    request.digest))
		return fail_memory(message);
	request.named = named_as(named, as);
	if (request.named == NULL || !note(message, &request))
		return fail_memory(message);
	prepared_server_name(request.digest, name);
	put_parse(message->edit, name, text.at, reader_left(&text));
	message->server->outstanding.skipping = true;
	*done_out = message->frame.total;
	return PREPARED_NOTED;
}

/* The client's new name, entered. NULL: no memory. */
static struct named *
add_name(const struct prepared_message *message, const char *name,
    struct reader text)
{
	struct query_text *shared = query_texts_share(
	    message->client->sessions->query_texts, text.at,
	    reader_left(&text));
	struct named *named = shared == NULL ? NULL : make_named(name,
	    shared);

	if (named == NULL) {
		query_text_release(shared);
		return NULL;
	}
	if (!named_enter(message->client, named)) {
		named_release(named);
		return NULL;
	}
	return named;
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

	digest_on(server, named->text, digest);
	state = statements_find(statements, digest);
	if (state == STATEMENT_THERE &&
	    server->last_status != TRANSACTION_FAILED) {
		statements_touch(statements, digest);
		request.flags = REQUEST_ANSWERED;
		return note(message, &request) ? PREPARED_NOTED :
		    fail_memory(message);
	}
	if (!prepare_for_parse(message, digest, state) ||
	    !note_added(message, &request, digest))
		return fail_memory(message);
	prepared_server_name(digest, name);
	put_parse(message->edit, name, query_text_bytes(named->text),
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
	named = find_name(client, name);
	if (named != NULL)
		return parse_twice(message, named, name, text, done_out);
	if (client->prepared->bytes + message->frame.total >
	    PREPARED_BYTES_MOST)
		return fail_memory(message);
	named = add_name(message, name, text);
	if (named == NULL)
		return fail_memory(message);
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
	if (!has_table(message->client))
		return fail_memory(message);
	if (message->bytes[FRAME_HEADER] != '\0' &&
	    message->frame.total > PREPARED_BYTES_MOST)
		return fail(message, "too large a prepared statement");
	if (!frame_whole(&message->frame, message->available)) {
		if (message->bytes[FRAME_HEADER] != '\0' ||
		    message->frame.total <= UNNAMED_MOST)
			return wait_for(message->frame.total, done_out);
		return parse_large_unnamed(message, done_out);
	}
	if (!read_parse(reader_of(message->bytes + FRAME_HEADER,
	    message->frame.total - FRAME_HEADER), &name, &text, &query))
		return pass_broken(message, done_out);
	return *name == '\0' ? parse_unnamed(message, query, text, done_out) :
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

	if (is_uncertain(message->server, CHANGE_OF_NAMED))
		return PREPARED_HOLD;
	named = find_name(message->client, name);
	if (named == NULL)
		return pass(message, done_out);	/* 26000, says the server */
	if (length > INT32_MAX - 4)
		return fail(message, "bad packet header");
	edit_keep(message->edit, message->bytes);
	if (!bring_on(message, named, request.digest))
		return fail_memory(message);
	request.named = named_as(named, name);
	if (request.named == NULL || !note(message, &request))
		return fail_memory(message);
	prepared_server_name(request.digest, server_name);
	if (message->frame.type == MESSAGE_BIND)
		stats_add(message->client->view->stats, STAT_bind_count, 1);
	put_header(message->edit, message->frame.type, length);
	edit_put(message->edit, front, front_length);
	edit_put(message->edit, server_name, sizeof(server_name));
	*done_out = message->frame.total - rest_length;
	return PREPARED_NOTED;
}

/* The client's unnamed statement if it may take names away, or NULL. */
static const char *
forgetful_unnamed(const struct client *client)
{
	const char *query;

	if (client->prepared == NULL || client->prepared->unnamed == NULL)
		return NULL;
	query = (const char *)query_text_bytes(client->prepared->unnamed);
	return may_forget_names(query) ? query : NULL;
}

/* Who binds a DEALLOCATE is taken to execute it. */
static enum prepared_verdict
bind_unnamed(const struct prepared_message *message, size_t *done_out)
{
	enum prepared_verdict verdict = bring_unnamed(message);
	const char *query = forgetful_unnamed(message->client);
	struct named *removed;
	struct request request = { .type = MESSAGE_BIND,
	    .changes = CHANGES_NAME_REMOVED };

	if (verdict != PREPARED_NOTED)
		return verdict;
	if (LIKELY(query == NULL))
		return pass(message, done_out);
	if (is_uncertain(message->server, CHANGE_OF_NAMED))
		return PREPARED_HOLD;
	removed = read_deallocate(message->client, query);
	if (removed == NULL)
		return pass(message, done_out);
	if (!put_dummy(message, removed))
		return fail_memory(message);
	request.named = removed;
	removed->users++;
	if (!note(message, &request))
		return fail_memory(message);
	named_leave(message->client, removed);
	*done_out = 0;
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
			return fail(message, "broken Bind packet");
		return wait_for(here + 1, done_out);
	}
	if (*name == '\0')
		return bind_unnamed(message, done_out);
	front = (size_t)(body.at - message->bytes);
	return use_named(message, name, portal, strlen(portal) + 1,
	    message->frame.total - front, done_out);
}

static enum prepared_verdict
take_describe(const struct prepared_message *message, const char *name,
    size_t *done_out)
{
	if (*name == '\0')
		return use_unnamed(message, done_out);
	return use_named(message, name, "S", 1, 0, done_out);
}

/* The server keeps it, for whoever has the same. */
static enum prepared_verdict
take_close(const struct prepared_message *message, const char *name,
    size_t *done_out)
{
	struct request request = { .type = MESSAGE_CLOSE,
	    .flags = REQUEST_ANSWERED, .changes = CHANGES_NAME_REMOVED };
	struct named *named;

	*done_out = 0;
	if (*name == '\0')
		return has_table(message->client) ? replace_unnamed(message,
		    NULL, NULL, NULL) : fail_memory(message);
	if (is_uncertain(message->server, CHANGE_OF_NAMED))
		return PREPARED_HOLD;
	named = find_name(message->client, name);
	if (named == NULL)
		return pass(message, done_out);
	request.named = named;
	named->users++;
	if (!note(message, &request))
		return fail_memory(message);
	named_leave(message->client, named);
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
			return fail(message, message->frame.type ==
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
		return pass(message, done_out);
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

static enum prepared_verdict
query_deallocate(const struct prepared_message *message, struct named *named)
{
	if (!put_dummy(message, named))
		return fail_memory(message);
	return replace_unnamed(message, NULL, NULL, named);
}

/* The client has an unnamed statement, or may have it after an error. */
static bool
may_have_unnamed(const struct prepared_message *message)
{
	const struct prepared *prepared = message->client->prepared;
	const struct outstanding *outstanding =
	    &message->server->outstanding;

	return prepared != NULL && (prepared->unnamed != NULL ||
	    outstanding->changes[CHANGE_OF_UNNAMED].open > 0 ||
	    outstanding->changes[CHANGE_OF_UNNAMED].closed > 0);
}

/* A query takes the unnamed statement with it. */
static enum prepared_verdict
take_query(const struct prepared_message *message, size_t *done_out)
{
	struct server *server = message->server;
	const char *query = NULL;
	struct named *named = NULL;

	*done_out = 0;
	if (has_names(message->client) || is_uncertain(server,
	    CHANGE_OF_NAMED)) {
		if (message->frame.total <= DEALLOCATE_MOST &&
		    !frame_whole(&message->frame, message->available))
			return wait_for(message->frame.total, done_out);
		query = query_of(message);
	}
	if (query != NULL && may_forget_names(query)) {
		if (is_uncertain(server, CHANGE_OF_NAMED))
			return PREPARED_HOLD;
		named = read_deallocate(message->client, query);
	}
	if (named != NULL && !outstanding_is_open(&server->outstanding))
		return query_deallocate(message, named);
	if (may_have_unnamed(message) ||
	    (query != NULL && may_forget_names(query)))
		return replace_unnamed(message, query, NULL, NULL);
	return pass(message, done_out);
}

/* --- all of them --------------------------------------------------------- */

enum prepared_verdict
prepared_ask(const struct prepared_message *message, size_t *done_out)
{
	const struct outstanding *outstanding = &message->server->outstanding;

	/* The server will refuse it, or has given up and reads on to Sync. */
	if (UNLIKELY(outstanding->copying_in || outstanding->skipping))
		return pass(message, done_out);
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
