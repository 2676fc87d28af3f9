/*
 * Messages of PostgreSQL's protocol as bytes, right or wrong on purpose.
 *
 * Written apart from src/wire, so that a mistake there is not made twice.
 * Protocol manual: "Message Formats".  A buffer that is not cleared leaks.
 */
#ifndef FAKE_PACKET_H
#define FAKE_PACKET_H

#include "base/base.h"
#include "base/buffer.h"

/* Plain pieces. */
void put_bytes(struct buffer *out, const void *bytes, size_t length);
void put_u16(struct buffer *out, unsigned value);
void put_u32(struct buffer *out, uint32_t value);
/* With its NUL. */
void put_string(struct buffer *out, const char *string);

/*
 * A whole message. The format says what follows: s string, h int16, i int32,
 * b one byte, x bytes (pointer, then int length).
 */
void put_message(struct buffer *out, char type, const char *format, ...);

/* A header that may lie: type, and this as length field. */
void put_header(struct buffer *out, char type, uint32_t length);

/* Name and value pairs, NULL at the end. */
void put_startup(struct buffer *out, uint32_t version,
    const char *const *pairs);

/* What a server says. */
void put_auth_ok(struct buffer *out);
void put_parameter(struct buffer *out, const char *name, const char *value);
void put_ready(struct buffer *out, char status);
void put_complete(struct buffer *out, const char *tag);
/* sqlstate NULL: a message without that field. */
void put_error(struct buffer *out, const char *severity,
    const char *sqlstate, const char *text);
/* One row with one text column. */
void put_one_value(struct buffer *out, const char *value);

/* A complete answer: one value, tag, ready in idle state. */
void put_answer(struct buffer *out, const char *value);

#endif
