#include "session/query_texts.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/digest.h"
#include "base/invariant.h"
#include "base/memory.h"

struct query_text {
	struct query_texts	*home;
	uint32_t		 users;
	uint32_t		 length;
	bool			 has_digest;
	uint8_t			 digest[STATEMENT_DIGEST_BYTES];
	UT_hash_handle		 hh;
	uint8_t			 bytes[];
};

struct query_texts {
	struct query_text	*all;
};

struct query_texts *
query_texts_create(void)
{
	return memory_get(sizeof(struct query_texts));
}

void
query_texts_destroy(struct query_texts *texts)
{
	INVARIANT(texts->all == NULL);
	memory_free(texts);
}

static struct query_text *
make(struct query_texts *texts, const uint8_t *bytes, size_t length)
{
	struct query_text *text = malloc(sizeof(*text) + length);

	if (text == NULL)
		return NULL;
	memset(text, 0, sizeof(*text));
	text->home = texts;
	text->length = (uint32_t)length;
	memcpy(text->bytes, bytes, length);
	return text;
}

struct query_text *
query_texts_share(struct query_texts *texts, const uint8_t *bytes,
    size_t length)
{
	struct query_text *text;
	unsigned hash;

	HASH_VALUE(bytes, length, hash);
	HASH_FIND_BYHASHVALUE(hh, texts->all, bytes, length, hash, text);
	if (text == NULL) {
		text = make(texts, bytes, length);
		if (text == NULL)
			return NULL;
		HASH_ADD_KEYPTR_BYHASHVALUE(hh, texts->all, text->bytes,
		    length, hash, text);
		if (text->hh.tbl == NULL) {	/* no memory for it */
			free(text);
			return NULL;
		}
	}
	text->users++;
	return text;
}

void
query_text_keep(struct query_text *text)
{
	INVARIANT(text->users > 0);
	text->users++;
}

void
query_text_release(struct query_text *text)
{
	if (text == NULL)
		return;
	INVARIANT(text->users > 0);
	if (--text->users > 0)
		return;
	HASH_DEL(text->home->all, text);
	memory_wipe(text->bytes, text->length);
	free(text);
}

bool
query_text_is(const struct query_text *text, const uint8_t *bytes,
    size_t length)
{
	return text->length == length &&
	    memcmp(text->bytes, bytes, length) == 0;
}

const uint8_t *
query_text_bytes(const struct query_text *text)
{
	return text->bytes;
}

size_t
query_text_length(const struct query_text *text)
{
	return text->length;
}

const uint8_t *
query_text_digest(struct query_text *text)
{
	uint8_t digest[SHA256_BYTES];

	if (text->has_digest)
		return text->digest;
	digest_of(text->bytes, text->length, digest);
	memcpy(text->digest, digest, sizeof(text->digest));
	text->has_digest = true;
	return text->digest;
}

size_t
query_texts_count(const struct query_texts *texts)
{
	return HASH_COUNT(texts->all);
}
