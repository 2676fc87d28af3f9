/*
 * Memory by lifetime: what is needed at boot or not at all, arenas that are
 * freed at once, secrets that are wiped.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include "base/base.h"

/* Zeroed memory; a process that cannot get it logs and exits. */
void *memory_get(size_t size) MUST_CHECK;
/* Frees what came from the two; NULL is allowed. */
void memory_free(void *memory);
void *memory_resize(void *memory, size_t size) MUST_CHECK;
char *memory_copy_string(const char *text) MUST_CHECK;

/* Overwrites in a way that no compiler leaves out. */
void memory_wipe(void *memory, size_t size);

/*
 * Everything of one configuration, freed in one go.  Memory from an arena is
 * zeroed and aligned for any type.
 */
struct arena;

struct arena *arena_create(void) MUST_CHECK;
void *arena_get(struct arena *arena, size_t size) MUST_CHECK;
char *arena_copy(struct arena *arena, const char *text, size_t length)
    MUST_CHECK;
char *arena_copy_string(struct arena *arena, const char *text) MUST_CHECK;
/* Wipes and frees all that came from it. NULL is allowed. */
void arena_destroy(struct arena *arena);

#endif
