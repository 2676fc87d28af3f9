#include "session/edit.h"

#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/memory.h"

#define SMALLEST (16 * 1024)
/* What a large message has made larger is given back. */
#define KEPT_MOST (256 * 1024)

static bool
make_room(struct edit *edit, size_t length)
{
	struct scratch *scratch = edit->scratch;
	size_t size = scratch->size < SMALLEST ? SMALLEST : scratch->size;
	uint8_t *memory;

	if (LIKELY(scratch->size - edit->used >= length))
		return true;
	if (length > SIZE_MAX / 4 - edit->used)
		return false;
	while (size < edit->used + length)
		size *= 2;
	memory = realloc(scratch->memory, size);
	if (memory == NULL)
		return false;
	scratch->memory = memory;
	scratch->size = size;
	return true;
}

void
edit_put(struct edit *edit, const void *bytes, size_t length)
{
	if (length == 0 || edit->failed)
		return;
	if (!make_room(edit, length)) {
		edit->failed = true;
		return;
	}
	memcpy(edit->scratch->memory + edit->used, bytes, length);
	edit->used += length;
	edit->changed = true;
}

void
edit_keep(struct edit *edit, const uint8_t *to)
{
	INVARIANT(to >= edit->from);
	edit_put(edit, edit->from, (size_t)(to - edit->from));
	edit->from = to;
}

void
edit_skip(struct edit *edit, const uint8_t *to)
{
	INVARIANT(to >= edit->from);
	edit->from = to;
	edit->changed = true;
}

const uint8_t *
edit_end(struct edit *edit, const uint8_t *to, size_t *length_out)
{
	const uint8_t *from = edit->from;

	if (LIKELY(!edit->changed)) {
		*length_out = (size_t)(to - from);
		return from;
	}
	edit_keep(edit, to);
	*length_out = edit->used;
	if (edit->failed)
		return NULL;
	/* Nothing at all: any address will do. */
	return edit->used == 0 ? from : edit->scratch->memory;
}

void
scratch_trim(struct scratch *scratch)
{
	if (UNLIKELY(scratch->size > KEPT_MOST))
		scratch_free(scratch);
}

void
scratch_free(struct scratch *scratch)
{
	if (scratch->memory != NULL)
		memory_wipe(scratch->memory, scratch->size);
	free(scratch->memory);
	*scratch = (struct scratch){ 0 };
}
