/*
 * The texts of prepared statements: query and parameter types, as they stand
 * in Parse behind the name.
 *
 * However many clients of this worker prepare the same, it is kept once, for
 * as long as one of them refers to it.  Its digest is what servers know it
 * by; it is computed when it is first needed.
 */
#ifndef SESSION_QUERY_TEXTS_H
#define SESSION_QUERY_TEXTS_H

#include "shm/statements.h"

struct query_texts;		/* all of this worker */
struct query_text;

struct query_texts *query_texts_create(void) MUST_CHECK;
/* Nobody refers to any of them any more. */
void query_texts_destroy(struct query_texts *texts);

/* One reference more to the text with these bytes. NULL: no memory. */
struct query_text *query_texts_share(struct query_texts *texts,
    const uint8_t *bytes, size_t length) MUST_CHECK;
void query_text_keep(struct query_text *text);
/* NULL is allowed. */
void query_text_release(struct query_text *text);

bool query_text_is(const struct query_text *text, const uint8_t *bytes,
    size_t length);
const uint8_t *query_text_bytes(const struct query_text *text);
size_t query_text_length(const struct query_text *text);
const uint8_t *query_text_digest(struct query_text *text);

/* How many there are. */
size_t query_texts_count(const struct query_texts *texts);

#endif
