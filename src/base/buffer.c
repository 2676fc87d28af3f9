#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/memory.h"

#define SMALLEST 512
#define LARGEST (UINT32_C(1) << 31)

static bool
grow(struct buffer *buffer, size_t wanted)
{
	size_t size = SMALLEST;
	uint8_t *bytes;

	if (wanted > LARGEST)
		return false;
	while (size < wanted)
		size *= 2;
	bytes = malloc(size);
	if (bytes == NULL)
		return false;
	if (buffer->bytes != NULL) {
		memcpy(bytes, buffer->bytes + buffer->from,
		    buffer->to - buffer->from);
		memory_wipe(buffer->bytes + buffer->from,
		    buffer->to - buffer->from);
		free(buffer->bytes);
	}
	buffer->to -= buffer->from;
	buffer->from = 0;
	buffer->bytes = bytes;
	buffer->size = (uint32_t)size;
	return true;
}

bool
buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
	size_t used = buffer_length(buffer);

	if (length == 0)
		return true;
	if (length > LARGEST - used)
		return false;
	if (buffer->size - buffer->to < length) {
		if (buffer->bytes != NULL &&
		    buffer->size / 2 >= used + length) {
			memmove(buffer->bytes, buffer->bytes + buffer->from,
			    used);
			memory_wipe(buffer->bytes + used, buffer->to - used);
			buffer->from = 0;
			buffer->to = (uint32_t)used;
		} else if (!grow(buffer, used + length)) {
			return false;
		}
	}
	memcpy(buffer->bytes + buffer->to, bytes, length);
	buffer->to += (uint32_t)length;
	return true;
}

void
buffer_consume(struct buffer *buffer, size_t length)
{
	INVARIANT(length <= buffer_length(buffer));
	buffer->from += (uint32_t)length;
	if (buffer->from == buffer->to)
		buffer_clear(buffer);
}

void
buffer_clear(struct buffer *buffer)
{
	if (buffer->bytes != NULL) {
		memory_wipe(buffer->bytes, buffer->to);
		free(buffer->bytes);
	}
	memset(buffer, 0, sizeof(*buffer));
}
