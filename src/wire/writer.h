/*
 * Puts messages together in memory that the caller owns.
 *
 * What does not fit sets `failed`, which sticks: nothing is written from then
 * on, and the caller checks once, before it sends.  A message that failed
 * half way is not cut off; who finds `failed` throws all of it away.
 *
 *	uint8_t memory[64];
 *	struct writer writer = writer_of(memory, sizeof(memory));
 *
 *	writer_begin(&writer, MESSAGE_READY_FOR_QUERY);
 *	writer_u8(&writer, 'I');
 *	writer_end(&writer);			the length is filled in
 *	if (!writer.failed)
 *		send(fd, writer.bytes, writer.used, 0);
 */
#ifndef WIRE_WRITER_H
#define WIRE_WRITER_H

#include "base/base.h"

struct writer {
	uint8_t	*bytes;
	size_t	 size, used;
	size_t	 length_at;	/* where the open message has its length */
	bool	 open;		/* between writer_begin and writer_end */
	bool	 failed;	/* sticky */
};

static inline struct writer
writer_of(void *memory, size_t size)
{
	return (struct writer){ .bytes = memory, .size = size };
}

void writer_u8(struct writer *writer, uint8_t value);
void writer_u16(struct writer *writer, uint16_t value);
void writer_u32(struct writer *writer, uint32_t value);
void writer_bytes(struct writer *writer, const void *bytes, size_t length);
/* With its terminating NUL. */
void writer_string(struct writer *writer, const char *text);
/* Without it. */
void writer_text(struct writer *writer, const char *text);

/*
 * Opens a message; a type of 0 writes no type byte (StartupMessage and its
 * relatives).  Messages do not nest.
 */
void writer_begin(struct writer *writer, uint8_t type);
/* Closes it and fills in its length. */
void writer_end(struct writer *writer);

#endif
