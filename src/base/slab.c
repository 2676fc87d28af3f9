#include "base/slab.h"

#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/memory.h"

#define BLOCK_BYTES (32 * 1024)

struct unused {
	uint64_t	 wiped;		/* where an object has its tag */
	struct unused	*next;
};

struct block {
	struct block	*next;
	max_align_t	 objects[];
};

struct slab {
	size_t		 size, most, used;
	struct unused	*free;
	struct block	*blocks;
};

struct slab *
slab_create(size_t size, size_t most)
{
	struct slab *slab = memory_get(sizeof(*slab));

	if (size < sizeof(struct unused))
		size = sizeof(struct unused);
	slab->size = (size + 15) / 16 * 16;
	slab->most = most;
	return slab;
}

void
slab_destroy(struct slab *slab)
{
	struct block *block, *next;

	for (block = slab->blocks; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	free(slab);
}

static bool
add_block(struct slab *slab)
{
	size_t count = BLOCK_BYTES / slab->size;
	struct block *block;
	char *object;

	if (count == 0)
		count = 1;
	block = calloc(1, sizeof(*block) + count * slab->size);
	if (block == NULL)
		return false;
	block->next = slab->blocks;
	slab->blocks = block;
	object = (char *)block->objects;
	for (size_t i = 0; i < count; i++, object += slab->size) {
		struct unused *unused = (void *)object;

		unused->next = slab->free;
		slab->free = unused;
	}
	return true;
}

void *
slab_get(struct slab *slab)
{
	struct unused *unused;

	if (slab->used >= slab->most)
		return NULL;
	if (slab->free == NULL && !add_block(slab))
		return NULL;
	unused = slab->free;
	slab->free = unused->next;
	unused->next = NULL;
	slab->used++;
	return unused;
}

void
slab_put(struct slab *slab, void *object)
{
	struct unused *unused = object;

	INVARIANT(slab->used > 0);
	memory_wipe(object, slab->size);
	unused->next = slab->free;
	slab->free = unused;
	slab->used--;
}

size_t
slab_used(const struct slab *slab)
{
	return slab->used;
}
