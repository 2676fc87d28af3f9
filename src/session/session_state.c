#include "session/session_state.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/invariant.h"
#include "session/client.h"
#include "session/relay.h"
#include "session/server_parts.h"
#include "wire/messages.h"

#define WORD_BYTES 40
#define CONDITION_BYTES 4096
#define QUESTION_BYTES 8192

/* --- words --------------------------------------------------------------- */

/* One character of a statement after the other. */
struct scan {
	const char	*at, *end;
	bool		 is_first;	/* no word of this statement so far */
	bool		 in_text;	/* between single quotes */
	char		 word[WORD_BYTES];	/* the last one, lower case */
};

static void
skip_line(struct scan *scan)
{
	while (scan->at < scan->end && *scan->at != '\n')
		scan->at++;
}

/* Comments nest in PostgreSQL (manual, "Lexical Structure"). */
static void
skip_block(struct scan *scan)
{
	unsigned depth = 0;

	while (scan->end - scan->at >= 2) {
		if (memcmp(scan->at, "/*", 2) == 0)
			depth++;
		else if (memcmp(scan->at, "*/", 2) == 0)
			depth--;
		else {
			scan->at++;
			continue;
		}
		scan->at += 2;
		if (depth == 0)
			return;
	}
	scan->at = scan->end;
}

static bool
is_of_word(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	    (byte >= '0' && byte <= '9') || byte == '_' || byte & 0x80;
}

static void
take_word(struct scan *scan)
{
	size_t length = 0;

	for (; scan->at < scan->end && is_of_word(*scan->at); scan->at++)
		if (length < WORD_BYTES - 1)
			scan->word[length++] = *scan->at >= 'A' &&
			    *scan->at <= 'Z' ? (char)(*scan->at + 32) :
			    *scan->at;
	scan->word[length] = '\0';
}

/* False: there is none any more. */
static bool
next_word(struct scan *scan)
{
	while (scan->at < scan->end) {
		size_t left = (size_t)(scan->end - scan->at);

		if (is_of_word(*scan->at)) {
			take_word(scan);
			return true;
		}
		if (*scan->at == '\'')
			scan->in_text = !scan->in_text;
		else if (*scan->at == ';')
			scan->is_first = true;
		if (left > 1 && !scan->in_text &&
		    memcmp(scan->at, "--", 2) == 0)
			skip_line(scan);
		else if (left > 1 && !scan->in_text &&
		    memcmp(scan->at, "/*", 2) == 0)
			skip_block(scan);
		else
			scan->at++;
	}
	return false;
}

/* What a statement begins with; `but`: unless this is its next word. */
static const struct {
	const char	*word;
	unsigned	 kinds;
	const char	*but[3];
} beginnings[] = {
	{ "reset", STATE_SETTING, { NULL } },
	{ "listen", STATE_LISTEN, { NULL } },
	{ "unlisten", STATE_LISTEN, { NULL } },
	{ "prepare", STATE_PREPARED, { "transaction" } },
	{ "deallocate", STATE_PREPARED, { NULL } },
	{ "close", STATE_CURSOR, { NULL } },
	{ "drop", STATE_TEMPORARY, { NULL } },
	{ "discard", STATE_ASKABLE, { NULL } },
};

static const struct {
	const char	*part;
	unsigned	 kinds;
} anywhere[] = {
	{ "advisory_lock", STATE_LOCK },	/* not advisory_xact_lock */
	{ "advisory_unlock", STATE_LOCK },
};

static const struct {
	const char	*word;
	unsigned	 kinds;
} words[] = {
	{ "temp", STATE_TEMPORARY },
	{ "temporary", STATE_TEMPORARY },
	{ "pg_temp", STATE_TEMPORARY },
	{ "hold", STATE_CURSOR },
};

static bool
is_name_of_custom(const struct scan *scan)
{
	return scan->at < scan->end && *scan->at == '.';
}

/* SET in all its forms. */
static unsigned
kinds_of_set(struct scan next)
{
	if (!next_word(&next) || strcmp(next.word, "local") == 0 ||
	    strcmp(next.word, "transaction") == 0 ||
	    strcmp(next.word, "constraints") == 0)
		return 0;
	if (strcmp(next.word, "session") == 0 && !next_word(&next))
		return 0;
	return is_name_of_custom(&next) ? STATE_CUSTOM : STATE_SETTING;
}

/* set_config(name, value, is_local): `true` is looked for, up to the end. */
static unsigned
kinds_of_set_config(struct scan next)
{
	bool is_custom = false;

	next.is_first = false;
	while (next_word(&next) && !next.is_first) {
		if (strcmp(next.word, "true") == 0)
			return 0;
		is_custom |= next.in_text && is_name_of_custom(&next);
	}
	return STATE_SETTING | (is_custom ? STATE_CUSTOM : 0);
}

static unsigned
kinds_of_beginning(struct scan *scan)
{
	if (strcmp(scan->word, "set") == 0)
		return kinds_of_set(*scan);
	for (size_t i = 0; i < ARRAY_LENGTH(beginnings); i++) {
		struct scan next = *scan;

		if (strcmp(scan->word, beginnings[i].word) != 0)
			continue;
		if (beginnings[i].but[0] == NULL || !next_word(&next))
			return beginnings[i].kinds;
		for (size_t j = 0; j < ARRAY_LENGTH(beginnings[i].but); j++)
			if (beginnings[i].but[j] != NULL && strcmp(next.word,
			    beginnings[i].but[j]) == 0)
				return 0;
		return beginnings[i].kinds;
	}
	return 0;
}

static unsigned
kinds_of_word(const char *word)
{
	unsigned kinds = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
		if (strcmp(word, words[i].word) == 0)
			kinds |= words[i].kinds;
	for (size_t i = 0; i < ARRAY_LENGTH(anywhere); i++)
		if (strstr(word, anywhere[i].part) != NULL)
			kinds |= anywhere[i].kinds;
	return kinds;
}

unsigned
session_state_words(const char *text, size_t length)
{
	struct scan scan = { .at = text, .end = text + length,
	    .is_first = true };
	unsigned kinds = 0;

	while (next_word(&scan)) {
		if (scan.is_first)
			kinds |= kinds_of_beginning(&scan);
		scan.is_first = false;
		kinds |= kinds_of_word(scan.word);
		if (strcmp(scan.word, "set_config") == 0)
			kinds |= kinds_of_set_config(scan);
	}
	return kinds;
}

/* --- what a client asks -------------------------------------------------- */

void
session_state_begin(struct server *server)
{
	server->pinned = false;
	server->state_hints = server->state_kept = 0;
	server->state_mode = server_stays_linked(server) ?
	    SESSION_STATE_IGNORE : server->sessions->config->session_state;
}

/* Of a text that is cut off only the worst is known. */
static unsigned
kinds_of_text(struct reader body, const struct frame *frame, size_t length)
{
	const char *text = reader_string(&body);

	if (body.failed || !frame_whole(frame, length))
		return STATE_ASKABLE;
	return session_state_words(text, strlen(text));
}

void
session_state_note(struct server *server, const struct frame *frame,
    const uint8_t *bytes, size_t length)
{
	struct client *client = server->client;
	size_t whole = length < frame->total ? length : frame->total;
	struct reader body = reader_of(bytes + FRAME_HEADER,
	    whole - FRAME_HEADER);
	unsigned kinds = 0;
	const char *name;

	switch (frame->type) {
	case MESSAGE_QUERY:
		kinds = kinds_of_text(body, frame, length);
		break;
	case MESSAGE_PARSE:
		name = reader_string(&body);
		kinds = kinds_of_text(body, frame, length);
		if (name[0] != '\0' || body.failed)
			client->state_of_names |= (uint8_t)kinds;
		else
			client->state_of_unnamed = (uint8_t)kinds;
		break;
	case MESSAGE_BIND:
		kinds = client->state_of_names | client->state_of_unnamed;
		break;
	default:
		break;
	}
	if (server->state_mode == SESSION_STATE_WARN)
		kinds &= ~(unsigned)client->state_told;
	server->state_hints |= (uint8_t)kinds;
}

/* --- what PostgreSQL says ------------------------------------------------ */

#define C "pg_catalog."
#define IS " OPERATOR(pg_catalog.=) "
#define IS_NOT " OPERATOR(pg_catalog.<>) "

/*
 * A truth each; names and operators cannot be the client's own.  `tail`: the
 * tracked parameters come before it.
 */
static const struct {
	unsigned	 kind;
	const char	*is_there, *tail;
	const char	*name;
	enum event	 event;
} kinds[] = {
	{ STATE_SETTING, C "current_setting('role')" IS_NOT "'none' OR EXISTS "
	    "(SELECT FROM " C "pg_stat_get_activity(" C "pg_backend_pid()) a "
	    "WHERE " C "pg_get_userbyid(a.usesysid)" IS_NOT "session_user) "
	    "OR EXISTS (SELECT FROM " C "pg_settings WHERE source" IS
	    "'session' AND NOT " C "lower(name)" IS "ANY ('{",
	    "}'::" C "text[]))",
	    "SET", EVENT_session_states_setting },
	{ STATE_LISTEN, "EXISTS (SELECT FROM " C "pg_listening_channels())", "",
	    "LISTEN", EVENT_session_states_listen },
	{ STATE_TEMPORARY, C "pg_my_temp_schema()" IS_NOT "0 AND EXISTS "
	    "(SELECT FROM " C "pg_class WHERE relnamespace" IS C
	    "pg_my_temp_schema())", "", "a temporary table",
	    EVENT_session_states_temporary },
	{ STATE_LOCK, "EXISTS (SELECT FROM " C "pg_locks WHERE locktype" IS
	    "'advisory' AND pid" IS C "pg_backend_pid())", "",
	    "an advisory lock", EVENT_session_states_lock },
	{ STATE_PREPARED, "EXISTS (SELECT FROM " C "pg_prepared_statements "
	    "WHERE from_sql)", "", "PREPARE", EVENT_session_states_prepared },
	{ STATE_CUSTOM, NULL, NULL, "SET of a custom setting",
	    EVENT_session_states_custom },
	{ STATE_CURSOR, "EXISTS (SELECT FROM " C "pg_cursors WHERE "
	    "is_holdable)", "", "a cursor WITH HOLD",
	    EVENT_session_states_cursor },
};

/* What no setting of PostgreSQL is called does not get into a query. */
static bool
is_plain(const char *name)
{
	for (; *name != '\0'; name++)
		if (!is_of_word(*name) && *name != '.')
			return false;
	return true;
}

/* Those that follow their clients from server to server, lower case. */
static void
write_tracked(const struct server *server, char *list, size_t size)
{
	const struct parameters *parameters = server->sessions->parameters;
	const char *name;
	size_t used = 0;

	for (int i = 0; (name = parameters_name(parameters, i)) != NULL; i++)
		if (is_plain(name))
			used += (size_t)snprintf(list + used, size - used,
			    "%s%s", used == 0 ? "" : ",", name);
	INVARIANT(used < size);
	for (size_t i = 0; i < used; i++)
		list[i] = (char)tolower((unsigned char)list[i]);
	list[used] = '\0';
}

/* `SELECT` of a sum: the bits of those that are there. */
static void
write_question(const struct server *server, char *text, size_t size)
{
	char tracked[CONDITION_BYTES / 2], condition[CONDITION_BYTES];
	size_t used = (size_t)snprintf(text, size, "SELECT 0");

	write_tracked(server, tracked, sizeof(tracked));
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		if (!(server->state_hints & kinds[i].kind & STATE_ASKABLE))
			continue;
		snprintf(condition, sizeof(condition), "%s%s%s",
		    kinds[i].is_there, kinds[i].tail[0] == '\0' ? "" :
		    tracked, kinds[i].tail);
		used += (size_t)snprintf(text + used, size - used,
		    " OPERATOR(pg_catalog.+) CASE WHEN %s THEN %u ELSE 0 END",
		    condition, kinds[i].kind);
	}
	INVARIANT(used < size);
}

/* Its client listens for it, perhaps, or runs under it. */
static void
pass_on(struct server *server, uint8_t type, const uint8_t *body,
    size_t length)
{
	uint8_t header[FRAME_HEADER];
	struct client *client = server->client;

	frame_write_header(header, type, length);
	if (client != NULL && client_send(client, header, sizeof(header)))
		(void)!client_send(client, body, length);
}

void
session_state_take(struct server *server, uint8_t type, const uint8_t *body,
    size_t length)
{
	struct reader reader = reader_of(body, length);
	const uint8_t *digits;
	int32_t count;
	unsigned sum = 0;

	if (type == MESSAGE_NOTIFICATION_RESPONSE) {
		pass_on(server, type, body, length);
		return;
	}
	if (type == MESSAGE_PARAMETER_STATUS) {
		pass_on(server, type, body, length);
		server_note_parameter(server, body, length);
		return;
	}
	if (type != MESSAGE_DATA_ROW)
		return;
	if (reader_u16(&reader) != 1)
		return;
	count = reader_i32(&reader);
	if (count < 1 || count > 2)
		return;
	digits = reader_take(&reader, (size_t)count);
	for (int32_t i = 0; digits != NULL && i < count; i++)
		sum = sum * 10 + (unsigned)(digits[i] - '0');
	if (digits == NULL || sum > STATE_ASKABLE)
		return;
	server->state_found = (uint8_t)sum;
	server->state_looked = true;
}

/* --- what follows -------------------------------------------------------- */

static void
count(const struct server *server, unsigned found)
{
	const struct sessions *sessions = server->sessions;

	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
		if (found & kinds[i].kind)
			events_count(sessions->segment, sessions->worker,
			    kinds[i].event);
}

/* False: it is gone. */
static bool
tell(struct client *client, unsigned found)
{
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		uint8_t memory[512];
		struct writer writer = writer_of(memory, sizeof(memory));
		char text[128];

		if (!(found & kinds[i].kind))
			continue;
		snprintf(text, sizeof(text), "the transaction has left %s in "
		    "the session", kinds[i].name);
		write_notice_response(&writer, &(struct notice){ "WARNING",
		    SQLSTATE_WARNING, text, NULL, "The next transaction may "
		    "have another server connection, and another client "
		    "this one." });
		client->state_told |= (uint8_t)kinds[i].kind;
		if (!client_send(client, writer.bytes, writer.used))
			return false;
	}
	return true;
}

/* Its client is free, and what it sent meanwhile is as if read just now. */
static void
let_go(struct server *server, const char *reason)
{
	struct client *client = server->client;
	struct buffer waiting = client->input;

	memset(&client->input, 0, sizeof(client->input));
	relay_part(server, reason);
	if (buffer_length(&waiting) > 0) {
		client_resume_reading(client);
		client_take_early(client, buffer_front(&waiting),
		    buffer_length(&waiting));
	}
	buffer_clear(&waiting);
}

/* Its transaction is over; what it has left is known, or not to be known. */
static void
decide(struct server *server)
{
	bool answered = server->state_looked && !server->failed_setup;
	unsigned hints = server->state_hints;
	unsigned found = server->state_found | (hints & STATE_CUSTOM);

	count(server, found & ~(unsigned)server->state_kept);
	if (server->state_mode == SESSION_STATE_WARN) {
		server->state_hints = 0;
		if (tell(server->client, found))
			let_go(server, "close_needed");
		return;
	}
	/* A cancel may have hit the question: it is asked again later. */
	if (answered) {
		server->state_kept = (uint8_t)((server->state_kept &
		    (~hints | STATE_CUSTOM)) | found);
		server->state_hints = 0;
	}
	server->pinned = !answered || server->state_kept != 0;
	if (server->pinned)
		client_begin_relay(server->client);
	else
		let_go(server, "close_needed");
}

void
session_state_looked(struct server *server)
{
	if (server->status != TRANSACTION_NONE) {
		session_state_lost(server, "test query failed");
	} else if (server->client == NULL) {
		server_reset_or_release(server);
	} else {
		server_enter(server, SERVER_RELAYING);
		decide(server);
	}
}

bool
session_state_is_left(const struct server *server)
{
	return server->pinned || (server->state_hints != 0 &&
	    server->state_mode == SESSION_STATE_PIN);
}

void
session_state_discarded(struct server *server)
{
	server->state_kept &= (uint8_t)~STATE_CUSTOM;
}

bool
session_state_look(struct server *server)
{
	char question[QUESTION_BYTES];

	if (server->unfit)
		return false;
	server->state_found = 0;
	server->state_looked = true;
	server->failed_setup = false;
	if (!(server->state_hints & STATE_ASKABLE)) {
		decide(server);
		return true;
	}
	write_question(server, question, sizeof(question));
	server->state_looked = false;
	server->knows_unnamed = false;	/* a query takes its place */
	server_enter(server, SERVER_LOOKING);
	(void)!server_send_query(server, question);
	return true;
}

void
session_state_abandon(struct server *server)
{
	struct pool_caller caller = sessions_caller(server->sessions);

	INVARIANT(server->client == NULL);
	pool_begin_test(&caller, server->row);
}

void
session_state_lost(struct server *server, const char *reason)
{
	if (server->client == NULL || server->pinned) {
		server_close(server, reason);
		return;
	}
	server->unfit = true;
	server_enter(server, SERVER_RELAYING);
	let_go(server, reason);
}
