#include "config/overrides.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/invariant.h"
#include "base/memory.h"

#define NOTE FILES_NOTE("overrides")

static void
forget(const struct override *override)
{
	/* A value may be a secret. */
	memory_wipe((char *)override->value, strlen(override->value));
	memory_free((char *)override->value);
	memory_free((char *)override->key);
}

void
overrides_free(struct overrides *overrides)
{
	for (size_t i = 0; i < overrides->count; i++)
		forget(&overrides->list[i]);
	memory_free(overrides->list);
	*overrides = (struct overrides){ NULL, 0 };
}

void
overrides_copy(const struct overrides *from, struct overrides *out)
{
	*out = (struct overrides){ NULL, 0 };
	for (size_t i = 0; i < from->count; i++)
		overrides_set(out, from->list[i].key, from->list[i].value);
}

void
overrides_drop(struct overrides *overrides, const char *key)
{
	size_t kept = 0;

	for (size_t i = 0; i < overrides->count; i++) {
		if (strcmp(overrides->list[i].key, key) == 0)
			forget(&overrides->list[i]);
		else
			overrides->list[kept++] = overrides->list[i];
	}
	overrides->count = kept;
}

void
overrides_set(struct overrides *overrides, const char *key, const char *value)
{
	overrides_drop(overrides, key);
	overrides->list = memory_resize(overrides->list,
	    (overrides->count + 1) * sizeof(*overrides->list));
	overrides->list[overrides->count++] = (struct override){
	    memory_copy_string(key), memory_copy_string(value) };
}

const char *
overrides_find(const struct overrides *overrides, const char *key)
{
	for (size_t i = 0; i < overrides->count; i++)
		if (strcmp(overrides->list[i].key, key) == 0)
			return overrides->list[i].value;
	return NULL;
}

void
overrides_describe(const struct overrides *overrides, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < overrides->count && used + 1 < size; i++) {
		int length = snprintf(text + used, size - used, "%s%s=%s",
		    i == 0 ? "" : ", ", overrides->list[i].key,
		    overrides->list[i].value);

		INVARIANT(length >= 0);
		used += (size_t)length;
	}
}

static void
append(struct buffer *note, const char *text)
{
	INVARIANT(buffer_append(note, text, strlen(text) + 1));
}

void
overrides_put(const struct overrides *overrides, struct files *files)
{
	struct buffer note = { 0 };

	for (size_t i = 0; i < overrides->count; i++) {
		append(&note, overrides->list[i].key);
		append(&note, overrides->list[i].value);
	}
	files_put(files, NOTE, (const char *)note.bytes, buffer_length(&note));
	buffer_clear(&note);
}

/* The next text of a note; NULL: none is whole. */
static const char *
take(const char **at, const char *end)
{
	const char *text = *at, *nul;

	nul = text == end ? NULL : memchr(text, '\0', (size_t)(end - text));
	if (nul == NULL)
		return NULL;
	*at = nul + 1;
	return text;
}

void
overrides_get(const struct files *files, struct overrides *out)
{
	const struct file *note = files_known(files, NOTE);
	const char *at, *end, *key, *value;

	*out = (struct overrides){ NULL, 0 };
	if (note == NULL)
		return;
	at = note->content;
	end = at + note->length;
	while ((key = take(&at, end)) != NULL &&
	    (value = take(&at, end)) != NULL)
		overrides_set(out, key, value);
}
