/*
 * Objects of one size, for what comes and goes with connections.
 *
 * A freed object stays mapped, wiped, so that its tag no longer matches and
 * a stale pointer is caught by the tag check instead of reading anything.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include "base/base.h"

struct slab;

/* At most `most` objects of `size` bytes at one time. */
struct slab *slab_create(size_t size, size_t most) MUST_CHECK;
void slab_destroy(struct slab *slab);

/* Zeroed, or NULL: one client is told that there is no memory. */
void *slab_get(struct slab *slab) MUST_CHECK;
void slab_put(struct slab *slab, void *object);

/* Objects in use. */
size_t slab_used(const struct slab *slab);

#endif
