#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define CHUNK_BYTES (16 * 1024)

NORETURN static void
no_memory(size_t size)
{
	log_fatal("out of memory (%zu bytes)", size);
	exit(1);
}

void *
memory_get(size_t size)
{
	void *memory = calloc(1, size == 0 ? 1 : size);

	if (memory == NULL)
		no_memory(size);
	return memory;
}

void *
memory_resize(void *memory, size_t size)
{
	void *resized = realloc(memory, size == 0 ? 1 : size);

	if (resized == NULL)
		no_memory(size);
	return resized;
}

void
memory_free(void *memory)
{
	free(memory);
}

char *
memory_copy_string(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(memory_get(size), text, size);
}

void
memory_wipe(void *memory, size_t size)
{
	explicit_bzero(memory, size);
}

struct chunk {
	struct chunk	*next;
	size_t		 used, size;
	max_align_t	 bytes[];
};

struct arena {
	struct chunk	*chunks;	/* the first is the one being filled */
};

struct arena *
arena_create(void)
{
	return memory_get(sizeof(struct arena));
}

static struct chunk *
add_chunk(struct arena *arena, size_t size)
{
	struct chunk *chunk;

	if (size < CHUNK_BYTES)
		size = CHUNK_BYTES;
	chunk = memory_get(sizeof(*chunk) + size);
	chunk->size = size;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk;
}

void *
arena_get(struct arena *arena, size_t size)
{
	struct chunk *chunk = arena->chunks;
	void *memory;

	size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) *
	    sizeof(max_align_t);
	if (chunk == NULL || chunk->size - chunk->used < size)
		chunk = add_chunk(arena, size);
	memory = (char *)chunk->bytes + chunk->used;
	chunk->used += size;
	return memory;
}

char *
arena_copy(struct arena *arena, const char *text, size_t length)
{
	char *copy = arena_get(arena, length + 1);

	memcpy(copy, text, length);
	return copy;
}

char *
arena_copy_string(struct arena *arena, const char *text)
{
	return arena_copy(arena, text, strlen(text));
}

void
arena_destroy(struct arena *arena)
{
	struct chunk *chunk, *next;

	if (arena == NULL)
		return;
	for (chunk = arena->chunks; chunk != NULL; chunk = next) {
		next = chunk->next;
		memory_wipe(chunk->bytes, chunk->used);
		free(chunk);
	}
	free(arena);
}
