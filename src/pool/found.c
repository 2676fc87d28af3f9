#include "pool/found.h"

#include <string.h>

#include "base/memory.h"

static bool
is_that_pool(const struct pool_row *pool, uint32_t generation)
{
	return atomic_load(&pool->used) != 0 &&
	    atomic_load(&pool->generation) == generation;
}

/* A process may end half-way. */
static void
forget(struct found_secret *found)
{
	atomic_store(&found->known, 0);
	memory_wipe(found, sizeof(*found));
}

static void
replace(struct found_secret *found, const struct found_news *news)
{
	bool same = atomic_load(&found->known) &&
	    strcmp(found->secret, news->secret) == 0;

	if (!same && found->found_at > news->found_at)
		return;
	if (!same)
		forget(found);
	atomic_store(&found->known, 0);
	strcpy(found->secret, news->secret);
	if (news->keys != NULL) {
		memcpy(found->keys, news->keys, sizeof(found->keys));
		found->has_keys = 1;
	}
	if (found->found_at < news->found_at)
		found->found_at = news->found_at;
	atomic_store_explicit(&found->known, 1, memory_order_release);
}

void
found_keep(const struct pool_caller *caller, uint32_t pool_index,
    uint32_t generation, const struct found_news *news)
{
	struct found_secret *found = &caller->segment->found[pool_index];
	struct pool_row *pool;

	if (strlen(news->secret) >= sizeof(found->secret))
		return;
	pool = pool_lock(caller, pool_index);
	if (is_that_pool(pool, generation))
		replace(found, news);
	pool_unlock(pool);
}

bool
found_recall(const struct pool_caller *caller, uint32_t pool_index,
    uint32_t generation, struct found_secret *found_out)
{
	const struct found_secret *found = &caller->segment->found[pool_index];
	struct pool_row *pool;
	bool known;

	memset(found_out, 0, sizeof(*found_out));
	if (!atomic_load(&found->known))
		return false;
	pool = pool_lock(caller, pool_index);
	known = is_that_pool(pool, generation) && atomic_load(&found->known);
	if (known)
		memcpy(found_out, found, sizeof(*found_out));
	pool_unlock(pool);
	return known;
}

/*
 * A client that came in meanwhile keeps what it found after it was counted,
 * so what is wiped here was found before.
 */
void
found_expire(const struct pool_caller *caller, uint32_t pool_index,
    usec_t after)
{
	struct found_secret *found = &caller->segment->found[pool_index];
	struct pool_row *pool;

	if (!atomic_load(&found->known))
		return;
	pool = pool_lock(caller, pool_index);
	if (caller->now - found->found_at >= after &&
	    pools_clients(caller->segment, pool_index) == 0)
		forget(found);
	pool_unlock(pool);
}
