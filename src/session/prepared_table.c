/*
 * What a server has prepared, and how something comes on it and off it.
 */
#include <string.h>

#include "base/invariant.h"
#include "session/prepared_parts.h"

/* --- its table ----------------------------------------------------------- */

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

void
prepared_digest(const struct server *server, struct query_text *text,
    uint8_t digest_out[STATEMENT_DIGEST_BYTES])
{
	const uint8_t *own = query_text_digest(text), *meaning =
	    server->sessions->segment->values[server->row].meaning;

	for (int i = 0; i < STATEMENT_DIGEST_BYTES; i++)
		digest_out[i] = own[i] ^ meaning[i];
}

/* --- messages of our own ------------------------------------------------- */

void
prepared_put_header(struct edit *edit, uint8_t type, size_t body_length)
{
	uint8_t header[FRAME_HEADER];

	frame_write_header(header, type, body_length);
	edit_put(edit, header, sizeof(header));
}

void
prepared_put_parse(struct edit *edit, const char *name, const uint8_t *text,
    size_t length)
{
	size_t name_size = strlen(name) + 1;

	prepared_put_header(edit, MESSAGE_PARSE, name_size + length);
	edit_put(edit, name, name_size);
	edit_put(edit, text, length);
}

void
prepared_put_close(struct edit *edit, const char *name)
{
	prepared_put_header(edit, MESSAGE_CLOSE, 1 + strlen(name) + 1);
	edit_put(edit, "S", 1);
	edit_put(edit, name, strlen(name) + 1);
}

void
prepared_count_parse(const struct prepared_message *message)
{
	stats_add(message->client->view->stats, STAT_server_parse_count, 1);
}

/* --- on and off ---------------------------------------------------------- */

/* Off the server, without the client's knowing. */
static bool
take_off(const struct prepared_message *message, const uint8_t *digest)
{
	struct server_statements *statements =
	    prepared_statements(message->server);
	const struct outstanding *outstanding =
	    &message->server->outstanding;
	struct request request = { .type = MESSAGE_CLOSE,
	    .flags = REQUEST_SWALLOWED, .changes = CHANGES_SERVER_REMOVED };
	char name[SERVER_NAME_BYTES];

	memcpy(request.digest, digest, sizeof(request.digest));
	if (!statements_is_awaited(statements, digest,
	    outstanding_next_number(outstanding), &request.since))
		request.since = outstanding_oldest_number(outstanding);
	if (!prepared_note(message, &request))
		return false;
	statements_remove(statements, digest);
	prepared_server_name(digest, name);
	prepared_put_close(message->edit, name);
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
	struct server_statements *statements =
	    prepared_statements(message->server);
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

bool
prepared_note_added(const struct prepared_message *message,
    struct request *request, const uint8_t *digest)
{
	struct server *server = message->server;
	struct server_statements *statements = prepared_statements(server);

	request->changes |= CHANGES_SERVER_ADDED;
	request->since = outstanding_next_number(&server->outstanding);
	memcpy(request->digest, digest, sizeof(request->digest));
	if (!prepared_note(message, request))
		return false;
	prepared_count_parse(message);
	server->has_parsed = true;
	if (!statements_add(statements, digest, prepared_limit(server)))
		return false;
	statements_await(statements, digest, request->since);
	return true;
}

bool
prepared_make_way(const struct prepared_message *message,
    const uint8_t *digest, enum statement_state state)
{
	if (state != STATEMENT_ABSENT && !take_off(message, digest))
		return false;
	return make_room(message);
}

bool
prepared_bring(const struct prepared_message *message, struct named *named,
    uint8_t digest_out[STATEMENT_DIGEST_BYTES])
{
	struct server_statements *statements =
	    prepared_statements(message->server);
	struct request request = { .type = MESSAGE_PARSE,
	    .flags = REQUEST_SWALLOWED, .named = named };
	enum statement_state state;
	char name[SERVER_NAME_BYTES];

	prepared_digest(message->server, named->text, digest_out);
	state = statements_find(statements, digest_out);
	if (LIKELY(state == STATEMENT_THERE)) {
		statements_touch(statements, digest_out);
		return true;
	}
	if (!prepared_make_way(message, digest_out, state))
		return false;
	named->users++;
	if (!prepared_note_added(message, &request, digest_out))
		return false;
	prepared_server_name(digest_out, name);
	prepared_put_parse(message->edit, name, query_text_bytes(named->text),
	    query_text_length(named->text));
	return true;
}

bool
prepared_bring_dummy(const struct prepared_message *message,
    const uint8_t *digest)
{
	static const uint8_t empty[] = { 0, 0, 0 };
	struct request request = { .type = MESSAGE_PARSE,
	    .flags = REQUEST_SWALLOWED | REQUEST_CANNOT_FAIL };
	char name[SERVER_NAME_BYTES];

	if (!make_room(message) ||
	    !prepared_note_added(message, &request, digest))
		return false;
	statements_doubt(prepared_statements(message->server), digest);
	prepared_server_name(digest, name);
	prepared_put_parse(message->edit, name, empty, sizeof(empty));
	return true;
}
