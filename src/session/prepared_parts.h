/*
 * What prepared.c (messages of clients) and prepared_answers.c (what becomes
 * of them) share.  Nobody else includes this.
 */
#ifndef SESSION_PREPARED_PARTS_H
#define SESSION_PREPARED_PARTS_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "session/prepared.h"
#include "session/query_texts.h"

/* PostgreSQL tells names apart by so many bytes (NAMEDATALEN - 1). */
#define NAME_LENGTH_MOST 63

/* "PGUSHER_", 32 digits, NUL. */
#define SERVER_NAME_BYTES (8 + 2 * STATEMENT_DIGEST_BYTES + 1)

/* A client's name for a text; kept by its table and by requests. */
struct named {
	struct query_text	*text;
	uint32_t		 users;
	bool			 in_table;
	UT_hash_handle		 hh;
	char			 name[];
};

/* What one client has prepared. */
struct prepared {
	struct named		*names;
	struct query_text	*unnamed;	/* NULL: none */
	size_t			 bytes;
};

void named_release(struct named *named);
/* In and out of the client's table. False: no memory. */
bool named_enter(struct client *client, struct named *named) MUST_CHECK;
void named_leave(struct client *client, struct named *named);

struct server_statements *prepared_statements(const struct server *server);
uint32_t prepared_limit(const struct server *server);
void prepared_server_name(const uint8_t digest[STATEMENT_DIGEST_BYTES],
    char name_out[SERVER_NAME_BYTES]);

/* What becomes of a request; see outstanding.h. */
on_request_end prepared_on_end;

#endif
