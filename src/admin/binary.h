/*
 * Values between text format and PostgreSQL's binary formats, for the types
 * that reports and their parameters have.
 */
#ifndef ADMIN_BINARY_H
#define ADMIN_BINARY_H

#include "base/base.h"
#include "base/buffer.h"

enum binary_type {
	BINARY_BOOL = 16, BINARY_BYTEA = 17, BINARY_INT8 = 20,
	BINARY_INT2 = 21, BINARY_INT4 = 23, BINARY_TEXT = 25,
	BINARY_FLOAT4 = 700, BINARY_FLOAT8 = 701, BINARY_VARCHAR = 1043,
	BINARY_DATE = 1082, BINARY_TIMESTAMP = 1114,
	BINARY_TIMESTAMPTZ = 1184,
	BINARY_NUMERIC = 1700
};

/*
 * Appends the binary form of a text that is of this type.  A text that is
 * not gives what strtoll() makes of it.  False: no memory.
 */
bool binary_encode(uint32_t type, const char *text, size_t length,
    struct buffer *out) MUST_CHECK;

#define BINARY_TEXT_BYTES 64

/*
 * The text form of a number, bool or moment, which is written as those of
 * reports are.  False: there is none, because the type is another or the
 * length is not its length.
 */
bool binary_decode(uint32_t type, const uint8_t *bytes, size_t length,
    char text_out[BINARY_TEXT_BYTES]) MUST_CHECK;

#endif
