/*
 * What the parts of session/prepared.h share.  Nobody else includes this.
 *
 *	prepared.c		messages of clients: what is done about each
 *	prepared_unnamed.c	those about the unnamed statement
 *	prepared_names.c	the client's table
 *	prepared_table.c	the server's table
 *	prepared_answers.c	what becomes of all that
 */
#ifndef SESSION_PREPARED_PARTS_H
#define SESSION_PREPARED_PARTS_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "session/prepared.h"
#include "session/query_texts.h"
#include "wire/messages.h"

/* "PGUSHER_", 32 digits, NUL. */
#define SERVER_NAME_BYTES (8 + 2 * STATEMENT_DIGEST_BYTES + 1)

/* A client's name for a text; kept by its table and by requests. */
struct named {
	struct query_text	*text;
	uint32_t		 users;
	bool			 in_table;
	uint64_t		 awaited;	/* number of its Parse; 0: that
						   was answered */
	UT_hash_handle		 hh;
	char			 name[];
};

/* What one client has prepared. */
struct prepared {
	struct named		*names;
	struct query_text	*unnamed;	/* NULL: none */
	size_t			 bytes;
	unsigned		 awaited;	/* so many of the names */
};

/* --- the client's table: prepared_names.c -------------------------------- */

bool prepared_has_names(const struct client *client);
/* The client has a table now, maybe an empty one. False: no memory. */
bool prepared_has_room(struct client *client) MUST_CHECK;

/* NULL: the client has no statement of this name. */
struct named *named_find(const struct client *client, const char *name);
/* What a text of "DEALLOCATE name" and no more is about, or NULL. */
struct named *named_deallocated(const struct client *client,
    const char *query);
/* The client's new name for the rest of a Parse. NULL: no memory. */
struct named *named_add(struct client *client, const char *name,
    struct reader text) MUST_CHECK;
/*
 * A reference for a use by this name.  A longer one than PostgreSQL tells
 * apart may be another than it was prepared by, and errors say the one that
 * is used.  NULL: no memory.
 */
struct named *named_as(struct named *named, const char *name) MUST_CHECK;
void named_release(struct named *named);
/* In and out of the client's table. False: no memory. */
bool named_enter(struct client *client, struct named *named) MUST_CHECK;
void named_leave(struct client *client, struct named *named);
/* It is there, by the request that was noted last. */
void named_await(const struct prepared_message *message, struct named *named);
/* It leaves by this request. False: no memory. */
bool named_note_removed(const struct prepared_message *message,
    struct request *request, struct named *named) MUST_CHECK;

/* --- verdicts: prepared.c ------------------------------------------------ */

/* The client is told, and closed. */
enum prepared_verdict prepared_fail(const struct prepared_message *message,
    const char *text);
enum prepared_verdict prepared_fail_memory(
    const struct prepared_message *message);
/* Passes as it is, nothing special about it. */
enum prepared_verdict prepared_pass(const struct prepared_message *message,
    size_t *done_out);
/* References of the request go over; they are let go if it fails. */
bool prepared_note(const struct prepared_message *message,
    const struct request *request) MUST_CHECK;

/*
 * What an earlier batch has changed may still be undone.  (While it copies in
 * the server will refuse whatever comes; nothing is decided then.)
 */
static inline bool
prepared_is_uncertain(const struct server *server, enum change_kind kind)
{
	return server->outstanding.changes[kind].closed > 0;
}

/* --- the unnamed statement: prepared_unnamed.c --------------------------- */

/*
 * `text` is the client's unnamed statement from this request on.  The query
 * is what it runs or parses, NULL: nothing to look at.
 */
enum prepared_verdict unnamed_replace(const struct prepared_message *message,
    const char *query, struct query_text *text, struct named *removed);
enum prepared_verdict unnamed_parse(const struct prepared_message *message,
    const char *query, struct reader text, size_t *done_out);
/* It is too large to be kept: the client's unnamed one is none we know. */
enum prepared_verdict unnamed_parse_large(
    const struct prepared_message *message, size_t *done_out);
enum prepared_verdict unnamed_bind(const struct prepared_message *message,
    size_t *done_out);
/* Any other use of it. */
enum prepared_verdict unnamed_use(const struct prepared_message *message,
    size_t *done_out);
/* A query that takes this name away, and the unnamed statement with it. */
enum prepared_verdict unnamed_deallocate(
    const struct prepared_message *message, struct named *named);
/* The client has an unnamed statement, or may have it after an error. */
bool unnamed_may_be_there(const struct prepared_message *message);

/* --- the server's table: prepared_table.c -------------------------------- */

struct server_statements *prepared_statements(const struct server *server);
uint32_t prepared_limit(const struct server *server);
void prepared_server_name(const uint8_t digest[STATEMENT_DIGEST_BYTES],
    char name_out[SERVER_NAME_BYTES]);
/* What this text is called under the settings that the server has now. */
void prepared_digest(const struct server *server, struct query_text *text,
    uint8_t digest_out[STATEMENT_DIGEST_BYTES]);

/* The server has it when it reads what follows. False: no memory. */
bool prepared_bring(const struct prepared_message *message,
    struct named *named, uint8_t digest_out[STATEMENT_DIGEST_BYTES])
    MUST_CHECK;
/*
 * Something is on the server by this name, whatever the state of its
 * transaction: an empty statement, to be made anew when it is used.
 */
bool prepared_bring_dummy(const struct prepared_message *message,
    const uint8_t *digest) MUST_CHECK;
/* Its name is free on the server, and there is room for it. */
bool prepared_make_way(const struct prepared_message *message,
    const uint8_t *digest, enum statement_state state) MUST_CHECK;
/* It comes upon the server, by this request. */
bool prepared_note_added(const struct prepared_message *message,
    struct request *request, const uint8_t *digest) MUST_CHECK;
void prepared_count_parse(const struct prepared_message *message);

void prepared_put_header(struct edit *edit, uint8_t type, size_t body_length);
void prepared_put_parse(struct edit *edit, const char *name,
    const uint8_t *text, size_t length);
void prepared_put_close(struct edit *edit, const char *name);

/* --- answers: prepared_answers.c ----------------------------------------- */

on_request_end prepared_on_end;

#endif
