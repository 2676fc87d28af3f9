#include "session/parameter_texts.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/digest.h"
#include "base/invariant.h"
#include "base/memory.h"

#define DIGEST_BYTES 16
#define DIGITS (2 * DIGEST_BYTES)

struct parameter_text {
	char		 digits[DIGITS];
	uint32_t	 users;		/* who keeps it, `recent` included */
	UT_hash_handle	 hh;
	char		 value[];
};

struct parameter_texts {
	struct parameter_text	*known;
	struct parameter_text	*recent[PARAMETER_TEXTS_RECENT];
	unsigned		 next;		/* the oldest of those */
};

struct parameter_texts *
parameter_texts_create(void)
{
	return memory_get(sizeof(struct parameter_texts));
}

void
parameter_texts_destroy(struct parameter_texts *texts)
{
	struct parameter_text *text = texts->known, *next;

	HASH_CLEAR(hh, texts->known);
	for (; text != NULL; text = next) {
		next = text->hh.next;
		free(text);
	}
	memory_free(texts);
}

static struct parameter_text *
find(const struct parameter_texts *texts, const char *digits)
{
	struct parameter_text *text;

	HASH_FIND(hh, texts->known, digits, DIGITS, text);
	return text;
}

static void
release(struct parameter_texts *texts, struct parameter_text *text)
{
	INVARIANT(text->users > 0);
	if (--text->users > 0)
		return;
	HASH_DEL(texts->known, text);
	free(text);
}

static void
write_digits(const char *value, char digits[DIGITS + 1])
{
	uint8_t digest[SHA256_BYTES];

	digest_of(value, strlen(value), digest);
	digest_write_digits(digest, DIGEST_BYTES, digits);
}

/* NULL: no memory. */
static struct parameter_text *
add(struct parameter_texts *texts, const char *value, const char *digits)
{
	size_t length = strlen(value);
	struct parameter_text *text = calloc(1, sizeof(*text) + length + 1);

	if (text == NULL)
		return NULL;
	memcpy(text->digits, digits, DIGITS);
	memcpy(text->value, value, length + 1);
	HASH_ADD(hh, texts->known, digits, DIGITS, text);
	if (text->hh.tbl == NULL) {
		free(text);
		return NULL;
	}
	return text;
}

bool
parameter_texts_put(struct parameter_texts *texts, const char *value,
    char place[PARAMETER_VALUE_BYTES])
{
	struct parameter_text **oldest = &texts->recent[texts->next];
	char digits[DIGITS + 1];
	struct parameter_text *text;

	write_digits(value, digits);
	text = find(texts, digits);
	if (text == NULL)
		text = add(texts, value, digits);
	if (text == NULL)
		return false;
	text->users++;
	if (*oldest != NULL)
		release(texts, *oldest);
	*oldest = text;
	texts->next = (texts->next + 1) % PARAMETER_TEXTS_RECENT;
	memcpy(place, digits, DIGITS);
	place[PARAMETER_VALUE_BYTES - 1] = 1;
	return true;
}

const char *
parameter_texts_find(const struct parameter_texts *texts,
    const char place[PARAMETER_VALUE_BYTES])
{
	const struct parameter_text *text = find(texts, place);

	return text == NULL ? NULL : text->value;
}

bool
parameter_texts_keep(struct parameter_texts *texts,
    const char place[PARAMETER_VALUE_BYTES])
{
	struct parameter_text *text = find(texts, place);

	if (text == NULL)
		return false;
	text->users++;
	return true;
}

void
parameter_texts_release(struct parameter_texts *texts,
    const char place[PARAMETER_VALUE_BYTES])
{
	struct parameter_text *text = find(texts, place);

	INVARIANT(text != NULL);
	release(texts, text);
}
