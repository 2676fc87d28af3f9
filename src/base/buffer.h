/*
 * Bytes that wait for a peer: appended at the end, taken from the front.
 *
 * An empty buffer holds no memory, so a connection with nothing under way
 * costs nothing beyond this struct.  Memory is wiped before it is freed: what
 * passes through may be anybody's data.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/base.h"

struct buffer {
	uint8_t		*bytes;		/* NULL while empty */
	uint32_t	 from, to;	/* what is in use */
	uint32_t	 size;
};

/* False: no memory, nothing was added. */
bool buffer_append(struct buffer *buffer, const void *bytes, size_t length)
    MUST_CHECK;

/* The front is done with; frees the memory when nothing is left. */
void buffer_consume(struct buffer *buffer, size_t length);

/* Drops everything. */
void buffer_clear(struct buffer *buffer);

static inline size_t
buffer_length(const struct buffer *buffer)
{
	return buffer->to - buffer->from;
}

static inline const uint8_t *
buffer_front(const struct buffer *buffer)
{
	return buffer->bytes == NULL ? NULL : buffer->bytes + buffer->from;
}

#endif
