/*
 * A client's own names for what it has prepared.
 */
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "session/deallocate.h"
#include "session/prepared_parts.h"

static size_t
key_length(const char *name)
{
	return strnlen(name, DEALLOCATE_NAME_BYTES - 1);
}

struct named *
named_find(const struct client *client, const char *name)
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
	prepared->awaited += named->awaited != 0;
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
	prepared->awaited -= named->awaited != 0;
	client_row(client)->prepared = HASH_COUNT(prepared->names);
	named_release(named);
}

void
named_await(const struct prepared_message *message, struct named *named)
{
	named->awaited = message->server->outstanding.asked;
	message->client->prepared->awaited++;
}

bool
named_note_removed(const struct prepared_message *message,
    struct request *request, struct named *named)
{
	request->changes |= CHANGES_NAME_REMOVED;
	request->named = named;
	request->since = named->awaited != 0 ? named->awaited :
	    outstanding_oldest_number(&message->server->outstanding);
	named->users++;
	if (!prepared_note(message, request))
		return false;
	named_leave(message->client, named);
	return true;
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

struct named *
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

struct named *
named_add(struct client *client, const char *name, struct reader text)
{
	struct query_text *shared = query_texts_share(
	    client->sessions->query_texts, text.at, reader_left(&text));
	struct named *named = shared == NULL ? NULL : make_named(name,
	    shared);

	if (named == NULL) {
		query_text_release(shared);
		return NULL;
	}
	if (!named_enter(client, named)) {
		named_release(named);
		return NULL;
	}
	return named;
}

struct named *
named_deallocated(const struct client *client, const char *query)
{
	char name[DEALLOCATE_NAME_BYTES];

	return prepared_has_names(client) && deallocate_read(query, name) ?
	    named_find(client, name) : NULL;
}

bool
prepared_has_names(const struct client *client)
{
	return client->prepared != NULL && client->prepared->names != NULL;
}

bool
prepared_has_room(struct client *client)
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
