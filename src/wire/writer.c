#include "wire/writer.h"

#include <string.h>

#include "base/invariant.h"

/* Room for so many more bytes, or NULL. */
static uint8_t *
extend(struct writer *writer, size_t length)
{
	uint8_t *at;

	if (writer->failed || writer->size - writer->used < length) {
		writer->failed = true;
		return NULL;
	}
	at = writer->bytes + writer->used;
	writer->used += length;
	return at;
}

static void
put_u32(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 24);
	at[1] = (uint8_t)(value >> 16);
	at[2] = (uint8_t)(value >> 8);
	at[3] = (uint8_t)value;
}

void
writer_u8(struct writer *writer, uint8_t value)
{
	uint8_t *at = extend(writer, 1);

	if (at != NULL)
		at[0] = value;
}

void
writer_u16(struct writer *writer, uint16_t value)
{
	uint8_t *at = extend(writer, 2);

	if (at == NULL)
		return;
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

void
writer_u32(struct writer *writer, uint32_t value)
{
	uint8_t *at = extend(writer, 4);

	if (at != NULL)
		put_u32(at, value);
}

void
writer_bytes(struct writer *writer, const void *bytes, size_t length)
{
	uint8_t *at;

	if (length == 0)
		return;
	at = extend(writer, length);
	if (at != NULL)
		memcpy(at, bytes, length);
}

void
writer_string(struct writer *writer, const char *text)
{
	writer_bytes(writer, text, strlen(text) + 1);
}

void
writer_text(struct writer *writer, const char *text)
{
	writer_bytes(writer, text, strlen(text));
}

void
writer_begin(struct writer *writer, uint8_t type)
{
	INVARIANT(!writer->open);
	writer->open = true;
	if (type != 0)
		writer_u8(writer, type);
	writer->length_at = writer->used;
	writer_u32(writer, 0);
}

void
writer_end(struct writer *writer)
{
	INVARIANT(writer->open);
	writer->open = false;
	/* The length counts itself but not the type byte. */
	if (writer->used - writer->length_at > INT32_MAX)
		writer->failed = true;
	if (!writer->failed)
		put_u32(writer->bytes + writer->length_at,
		    (uint32_t)(writer->used - writer->length_at));
}
