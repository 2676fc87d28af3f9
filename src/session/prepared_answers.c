/*
 * What becomes of what prepared.c has noted: answers of our own, changes that
 * are undone, errors in the client's terms, statements that are gone.
 */
#include "session/prepared.h"

#include <string.h>

#include "base/invariant.h"
#include "session/prepared_parts.h"
#include "session/session_state.h"
#include "wire/messages.h"

/* --- what an error undoes ------------------------------------------------ */

/*
 * The client's unnamed statement was `text` after all, until it was replaced
 * again.  The reference goes over.
 */
static void
restore_unnamed(struct server *server, struct query_text *text)
{
	/* What is undone with this one is undone before it. */
	struct request *next = outstanding_beyond(&server->outstanding,
	    CHANGES_UNNAMED);
	struct query_text **place = next != NULL ? &next->text :
	    &server->client->prepared->unnamed;

	query_text_release(*place);
	*place = text;
}

static void
undo_unnamed(struct server *server, struct request *request,
    enum request_end end)
{
	server->knows_unnamed = false;
	if (!(request->changes & CHANGES_UNNAMED))
		return;
	/* Even a Query or Parse that fails has let go of the old one. */
	if (end == REQUEST_SKIPPED) {
		restore_unnamed(server, request->text);
		request->text = NULL;
	} else if (request->type == MESSAGE_PARSE) {
		restore_unnamed(server, NULL);
	}
}

/* It has what it had before; whether that is still good is not known. */
static void
restore_on_server(struct server *server, const uint8_t *digest)
{
	struct server_statements *statements = prepared_statements(server);

	if (statements_add(statements, digest, prepared_limit(server)))
		statements_doubt(statements, digest);
	else
		server->unfit = true;
}

/* What this took away was still there, and no tag had told that it is gone. */
static bool
was_there(const struct server *server, const struct request *request)
{
	return request->since > server->gone_at;
}

/* This its next client depends on as well: also when its own is gone. */
static void
undo_on_server(struct server *server, struct request *request)
{
	if (request->changes & CHANGES_SERVER_ADDED)
		statements_remove(prepared_statements(server),
		    request->digest);
	if (request->changes & CHANGES_SERVER_REMOVED &&
	    was_there(server, request))
		restore_on_server(server, request->digest);
	/* A dummy by the client's name may have been left behind. */
	if (request->changes & CHANGES_NAME_REMOVED &&
	    !(request->flags & REQUEST_ANSWERED))
		server->unfit = true;
}

static void
undo_for_client(struct server *server, struct request *request,
    enum request_end end)
{
	struct client *client = server->client;

	if (request->changes & CHANGES_NAME_ADDED &&
	    request->named->in_table)
		named_leave(client, request->named);
	if (request->changes & CHANGES_NAME_REMOVED &&
	    was_there(server, request) && !request->named->in_table &&
	    !named_enter(client, request->named))
		server->unfit = true;
	if (request->changes & (CHANGES_UNNAMED | CHANGES_UNNAMED_KNOWN))
		undo_unnamed(server, request, end);
}

/* Its Parse was answered, or is undone. */
static void
settle_name(const struct server *server, struct named *named)
{
	if (named->awaited != 0 && named->in_table && server->client != NULL)
		server->client->prepared->awaited--;
	named->awaited = 0;
}

static void
settle(const struct server *server, const struct request *request,
    enum request_end end)
{
	if (end == REQUEST_DONE && request->changes & CHANGES_SERVER_ADDED)
		statements_settle(prepared_statements(server),
		    request->digest, request->since);
	if (request->changes & CHANGES_NAME_ADDED)
		settle_name(server, request->named);
}

void
prepared_on_end(void *context, struct request *request, enum request_end end)
{
	struct server *server = context;

	if (end == REQUEST_FAILED || end == REQUEST_SKIPPED) {
		undo_on_server(server, request);
		if (server->client != NULL)
			undo_for_client(server, request, end);
	}
	settle(server, request, end);
	named_release(request->named);
	query_text_release(request->text);
	request->named = NULL;
	request->text = NULL;
	request->changes = 0;
}

/* --- our own answers ----------------------------------------------------- */

void
prepared_answer(struct server *server, struct edit *edit)
{
	struct outstanding *outstanding = &server->outstanding;
	const struct request *head;

	while ((head = outstanding_head(outstanding)) != NULL &&
	    head->flags & REQUEST_ANSWERED) {
		uint8_t answer[FRAME_HEADER] = {
			head->type == MESSAGE_PARSE ? MESSAGE_PARSE_COMPLETE :
			    MESSAGE_CLOSE_COMPLETE, 0, 0, 0, 4 };

		edit_put(edit, answer, sizeof(answer));
		outstanding_answer_ourselves(outstanding);
	}
}

/* --- errors -------------------------------------------------------------- */

/* A field of an ErrorResponse; NULL: it is not there. */
static const char *
error_field(struct reader body, uint8_t wanted)
{
	for (;;) {
		uint8_t type = reader_u8(&body);
		const char *text;

		if (type == 0)
			return NULL;
		text = reader_string(&body);
		if (body.failed)
			return NULL;
		if (type == wanted)
			return text;
	}
}

static bool
is_error(struct reader body, const char *sqlstate)
{
	const char *state = error_field(body, 'C');

	return state != NULL && strcmp(state, sqlstate) == 0;
}

/*
 * Its result is not what it was, after an ALTER TABLE perhaps: so may that of
 * others be.  (The routine's name is never translated.)
 */
static bool
is_changed_result(struct reader body)
{
	const char *routine = error_field(body, 'R');

	return is_error(body, SQLSTATE_FEATURE_NOT_SUPPORTED) &&
	    routine != NULL && strcmp(routine, "RevalidateCachedQuery") == 0;
}

static void
make_all_stale(struct server *server)
{
	struct pool_row *pool = segment_pool(server->sessions->segment,
	    atomic_load(&server_row(server)->pool));
	struct server_statements *statements = prepared_statements(server);

	statements_make_stale(statements);
	statements->epoch = atomic_fetch_add_explicit(
	    &pool->statements_epoch, 1, memory_order_relaxed) + 1;
}

/*
 * The server has not got what it should have, or has what it should not: a
 * function may have said DEALLOCATE.  All are made anew.
 */
static bool
contradicts_table(const struct request *request, struct reader body)
{
	if (request->flags & REQUEST_MUST_FAIL)
		return false;
	return request->type == MESSAGE_PARSE ?
	    is_error(body, SQLSTATE_DUPLICATE_PREPARED_STATEMENT) :
	    is_error(body, SQLSTATE_UNDEFINED_PREPARED_STATEMENT);
}

/* What the error says of the server's name it means the client's by. */
static void
put_renamed(struct edit *edit, const uint8_t *bytes, size_t total,
    const char *from, const char *to)
{
	size_t from_length = strlen(from), to_length = strlen(to);
	const uint8_t *at = bytes + FRAME_HEADER, *end = bytes + total, *found;
	size_t length = total - FRAME_HEADER;
	uint8_t header[FRAME_HEADER];

	while ((found = memmem(at, (size_t)(end - at), from, from_length)) !=
	    NULL) {
		length = length - from_length + to_length;
		at = found + from_length;
	}
	frame_write_header(header, bytes[0], length);
	edit_keep(edit, bytes);
	edit_put(edit, header, sizeof(header));
	at = bytes + FRAME_HEADER;
	while ((found = memmem(at, (size_t)(end - at), from, from_length)) !=
	    NULL) {
		edit_put(edit, at, (size_t)(found - at));
		edit_put(edit, to, to_length);
		at = found + from_length;
	}
	edit_put(edit, at, (size_t)(end - at));
	edit_skip(edit, end);
}

bool
prepared_rewrite_error(struct server *server, const uint8_t *bytes,
    size_t total, struct edit *edit)
{
	const struct request *head = outstanding_head(&server->outstanding);
	struct reader body = reader_of(bytes + FRAME_HEADER,
	    total - FRAME_HEADER);
	char name[SERVER_NAME_BYTES];

	if (head == NULL || head->named == NULL)
		return false;
	if (contradicts_table(head, body)) {
		statements_make_stale(prepared_statements(server));
		server->unfit |= head->type == MESSAGE_PARSE;
	}
	if (is_changed_result(body))
		make_all_stale(server);
	prepared_server_name(head->digest, name);
	if (memmem(bytes, total, name, SERVER_NAME_BYTES - 1) == NULL)
		return false;
	put_renamed(edit, bytes, total, name, head->named->name);
	return true;
}

/* --- statements that are gone -------------------------------------------- */

static const char *const tags[] = { "DEALLOCATE ALL", "DISCARD ALL" };

bool
prepared_may_be_tag(uint32_t total)
{
	for (size_t i = 0; i < ARRAY_LENGTH(tags); i++)
		if (total == FRAME_HEADER + strlen(tags[i]) + 1)
			return true;
	return false;
}

/* All that the client had when this was said; what is awaited comes after. */
static void
forget_names(struct client *client)
{
	struct prepared *prepared = client->prepared;
	struct named *named, *next;
	unsigned gone;

	if (prepared == NULL)
		return;
	gone = HASH_COUNT(prepared->names) - prepared->awaited;
	/* They came before those that are awaited. */
	for (named = prepared->names; gone > 0; named = next) {
		INVARIANT(named != NULL);
		next = named->hh.next;
		if (named->awaited != 0)
			continue;
		named_leave(client, named);
		gone--;
	}
}

static bool
says_gone(const uint8_t *body, size_t length)
{
	for (size_t i = 0; i < ARRAY_LENGTH(tags); i++)
		if (length == strlen(tags[i]) + 1 &&
		    memcmp(body, tags[i], length) == 0)
			return true;
	return false;
}

void
prepared_note_own_tag(struct server *server, const uint8_t *body,
    size_t length)
{
	if (says_gone(body, length))
		statements_clear(prepared_statements(server));
}

void
prepared_note_tag(struct server *server, const uint8_t *body, size_t length)
{
	if (!says_gone(body, length))
		return;
	server->gone_at = outstanding_oldest_number(&server->outstanding);
	statements_clear_settled(prepared_statements(server));
	if (strcmp((const char *)body, "DISCARD ALL") == 0) {
		session_state_discarded(server);
		server_note_reset(server);
	}
	if (server->client != NULL)
		forget_names(server->client);
}

/* --- settings ------------------------------------------------------------ */

/*
 * What was parsed since the server was ready last may have been parsed under
 * the old settings or the new ones; its name says the old ones.
 */
void
prepared_note_meaning(struct server *server)
{
	if (server->rewrites && server->has_parsed)
		statements_make_stale(prepared_statements(server));
}
