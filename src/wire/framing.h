/*
 * Where messages begin and end, for who passes them on without looking
 * inside.  This runs once per message of every result, so it is inline and
 * does nothing else.
 *
 *	+------+--------+--------+--------+--------+---------------
 *	| type |  length, itself included, 4 bytes | body ...
 *	+------+--------+--------+--------+--------+---------------
 *
 * The first packet of a client is different: see startup.h.
 */
#ifndef WIRE_FRAMING_H
#define WIRE_FRAMING_H

#include "base/base.h"

/* Type byte and length word. */
#define FRAME_HEADER 5

/* The header of a message with a body of this length. */
static inline void
frame_write_header(uint8_t header_out[FRAME_HEADER], uint8_t type,
    size_t body_length)
{
	size_t length = body_length + 4;

	header_out[0] = type;
	for (int i = 0; i < 4; i++)
		header_out[1 + i] = (uint8_t)(length >> (24 - 8 * i));
}

enum frame_verdict {
	FRAME_MORE = 0,		/* the header is not all there yet */
	FRAME_BAD,		/* the length cannot be right */
	FRAME_FOUND		/* the header is there; the body may not be */
};

struct frame {
	uint8_t		type;
	uint32_t	total;	/* bytes, header included; 5 .. 2^31 */
};

/*
 * Looks at the header only.  `most` is max_packet_size: the largest length
 * word that is taken.  The manual makes that word an Int32, so nothing above
 * INT32_MAX passes whatever `most` says, and `total` cannot overflow
 * (CVE-2026-6664 was arithmetic on such a length).
 */
static inline enum frame_verdict
frame_read(const uint8_t *bytes, size_t length, uint32_t most,
    struct frame *frame_out)
{
	uint32_t word;

	if (length < FRAME_HEADER)
		return FRAME_MORE;
	word = (uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 |
	    (uint32_t)bytes[3] << 8 | bytes[4];
	if (UNLIKELY(word < 4 || word > most || word > INT32_MAX))
		return FRAME_BAD;
	frame_out->type = bytes[0];
	frame_out->total = word + 1;
	return FRAME_FOUND;
}

/* True: all of the message is in these bytes. */
static inline bool
frame_whole(const struct frame *frame, size_t length)
{
	return length >= frame->total;
}

#endif
