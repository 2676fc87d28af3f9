/*
 * Takes a range of bytes apart without ever leaving it.
 *
 * The first read that asks for more than is there fails, and failure sticks:
 * all later reads give zero, NULL or "".  So a parser reads everything it
 * wants in order and checks once, at the end.  Integers are in network order
 * (PostgreSQL manual, "Message Data Types").  Pointers handed out point into
 * the range; nothing is copied.
 */
#ifndef WIRE_READER_H
#define WIRE_READER_H

#include <string.h>

#include "base/base.h"

struct reader {
	const uint8_t	*at, *end;
	bool		 failed;	/* sticky: all later reads give zero */
};

/* Bytes may be NULL when there are none. */
static inline struct reader
reader_of(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	if (length == 0)
		return (struct reader){ at, at, false };
	return (struct reader){ at, at + length, false };
}

static inline size_t
reader_left(const struct reader *reader)
{
	return reader->failed || reader->at == NULL ? 0 :
	    (size_t)(reader->end - reader->at);
}

/* The next bytes, or NULL if there are not so many. */
static inline const uint8_t *
reader_take(struct reader *reader, size_t length)
{
	const uint8_t *taken = reader->at;

	if (reader->failed || reader_left(reader) < length) {
		reader->failed = true;
		return NULL;
	}
	if (length > 0)
		reader->at += length;
	return taken;
}

static inline uint8_t
reader_u8(struct reader *reader)
{
	const uint8_t *taken = reader_take(reader, 1);

	return taken == NULL ? 0 : taken[0];
}

static inline uint16_t
reader_u16(struct reader *reader)
{
	const uint8_t *taken = reader_take(reader, 2);

	return taken == NULL ? 0 : (uint16_t)(taken[0] << 8 | taken[1]);
}

static inline uint32_t
reader_u32(struct reader *reader)
{
	const uint8_t *taken = reader_take(reader, 4);

	return taken == NULL ? 0 : (uint32_t)taken[0] << 24 |
	    (uint32_t)taken[1] << 16 | (uint32_t)taken[2] << 8 | taken[3];
}

static inline int32_t
reader_i32(struct reader *reader)
{
	return (int32_t)reader_u32(reader);
}

/*
 * A string whose NUL lies inside the range; the NUL is consumed as well.
 * Never NULL: a reader that failed gives "".
 */
static inline const char *
reader_string(struct reader *reader)
{
	size_t left = reader_left(reader);
	const uint8_t *start = reader->at;
	const uint8_t *nul = left == 0 ? NULL : memchr(start, '\0', left);

	if (nul == NULL) {
		reader->failed = true;
		return "";
	}
	reader->at = nul + 1;
	return (const char *)start;
}

/* All that is left, possibly nothing. */
static inline struct reader
reader_rest(struct reader *reader)
{
	struct reader rest = *reader;

	if (reader->failed)
		rest.at = rest.end;
	reader->at = reader->end;
	return rest;
}

/* Nothing was missing and nothing is left over. */
static inline bool
reader_done(const struct reader *reader)
{
	return !reader->failed && reader->at == reader->end;
}

#endif
