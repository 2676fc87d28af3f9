/*
 * The unnamed statement: a client finds its own on whatever server it gets.
 */
#include "session/deallocate.h"
#include "session/prepared_parts.h"

enum prepared_verdict
unnamed_replace(const struct prepared_message *message, const char *query,
    struct query_text *text, struct named *removed)
{
	struct prepared *prepared = message->client->prepared;
	struct request request = { .type = message->frame.type,
	    .changes = CHANGES_UNNAMED, .text = prepared->unnamed };

	if (query != NULL && deallocate_is_near(query))
		request.changes |= CHANGES_ALL_NAMES;
	prepared->unnamed = text;	/* the old one is the request's */
	if (!(removed == NULL ? prepared_note(message, &request) :
	    named_note_removed(message, &request, removed)))
		return prepared_fail_memory(message);
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
	if (prepared_is_uncertain(server, CHANGE_OF_UNNAMED))
		return PREPARED_HOLD;
	if (server->knows_unnamed)
		return PREPARED_NOTED;
	edit_keep(message->edit, message->bytes);
	unnamed = prepared == NULL ? NULL : prepared->unnamed;
	request.type = unnamed == NULL ? MESSAGE_CLOSE : MESSAGE_PARSE;
	if (!prepared_note(message, &request))
		return prepared_fail_memory(message);
	server->knows_unnamed = true;
	if (unnamed == NULL) {
		prepared_put_close(message->edit, "");
		return PREPARED_NOTED;
	}
	prepared_count_parse(message);
	prepared_put_parse(message->edit, "", query_text_bytes(unnamed),
	    query_text_length(unnamed));
	return PREPARED_NOTED;
}

enum prepared_verdict
unnamed_use(const struct prepared_message *message, size_t *done_out)
{
	enum prepared_verdict verdict = bring_unnamed(message);

	return verdict == PREPARED_NOTED ? prepared_pass(message, done_out) :
	    verdict;
}

enum prepared_verdict
unnamed_parse(const struct prepared_message *message, const char *query,
    struct reader text, size_t *done_out)
{
	struct query_text *shared = query_texts_share(
	    message->client->sessions->query_texts, text.at,
	    reader_left(&text));

	*done_out = 0;
	if (shared == NULL)
		return prepared_fail_memory(message);
	prepared_count_parse(message);
	return unnamed_replace(message, query, shared, NULL);
}

enum prepared_verdict
unnamed_parse_large(const struct prepared_message *message, size_t *done_out)
{
	*done_out = 0;
	prepared_count_parse(message);
	return unnamed_replace(message, NULL, NULL, NULL);
}

/* The client's unnamed statement if it may take names away, or NULL. */
static const char *
forgetful_unnamed(const struct client *client)
{
	const char *query;

	if (client->prepared == NULL || client->prepared->unnamed == NULL)
		return NULL;
	query = (const char *)query_text_bytes(client->prepared->unnamed);
	return deallocate_is_near(query) ? query : NULL;
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
	if (!prepared_note(message, &(struct request){ .type = MESSAGE_CLOSE,
	    .flags = REQUEST_SWALLOWED | REQUEST_CANNOT_FAIL }) ||
	    !prepared_note(message, &(struct request){ .type = MESSAGE_PARSE,
	    .flags = REQUEST_SWALLOWED | REQUEST_CANNOT_FAIL }))
		return false;
	prepared_put_close(message->edit, named->name);
	prepared_put_parse(message->edit, named->name, empty, sizeof(empty));
	return true;
}

/* Who binds a DEALLOCATE is taken to execute it. */
enum prepared_verdict
unnamed_bind(const struct prepared_message *message, size_t *done_out)
{
	enum prepared_verdict verdict = bring_unnamed(message);
	const char *query = forgetful_unnamed(message->client);
	struct named *removed;
	struct request request = { .type = MESSAGE_BIND };

	if (verdict != PREPARED_NOTED)
		return verdict;
	if (LIKELY(query == NULL))
		return prepared_pass(message, done_out);
	if (prepared_is_uncertain(message->server, CHANGE_OF_NAMED))
		return PREPARED_HOLD;
	removed = named_deallocated(message->client, query);
	if (removed == NULL)
		return prepared_pass(message, done_out);
	if (!put_dummy(message, removed) ||
	    !named_note_removed(message, &request, removed))
		return prepared_fail_memory(message);
	*done_out = 0;
	return PREPARED_NOTED;
}

enum prepared_verdict
unnamed_deallocate(const struct prepared_message *message, struct named *named)
{
	if (!put_dummy(message, named))
		return prepared_fail_memory(message);
	return unnamed_replace(message, NULL, NULL, named);
}

bool
unnamed_may_be_there(const struct prepared_message *message)
{
	const struct prepared *prepared = message->client->prepared;
	const struct outstanding *outstanding =
	    &message->server->outstanding;

	return prepared != NULL && (prepared->unnamed != NULL ||
	    outstanding->changes[CHANGE_OF_UNNAMED].open > 0 ||
	    outstanding->changes[CHANGE_OF_UNNAMED].closed > 0);
}
