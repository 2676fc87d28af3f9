#include "pool/retire.h"

static bool
looks_empty(struct segment *segment, uint32_t pool)
{
	return atomic_load(&segment->tallies[pool].servers) == 0 &&
	    pools_clients(segment, pool) == 0;
}

/* Notes since when; true: for long enough. */
static bool
is_due(_Atomic usec_t *empty_since, bool empty, usec_t now, usec_t after)
{
	usec_t since = atomic_load(empty_since);

	if (!empty) {
		if (since != 0)
			atomic_store(empty_since, 0);
		return false;
	}
	if (since == 0)
		atomic_store(empty_since, now);
	else
		return now - since >= after;
	return after == 0;
}

/* Under the lock of names nobody can come in. */
static bool
free_pool(const struct pool_caller *caller, uint32_t row)
{
	struct segment *segment = caller->segment;
	struct pool_row *pool;
	bool empty;

	if (!atomic_load(&segment->pools[row].used) ||
	    pools_clients(segment, row) > 0)
		return false;
	pool = pool_lock(caller, row);
	empty = pool->server_count == 0 && pool->wait_count == 0;
	if (empty)
		pools_free(segment, row);
	pool_unlock(pool);
	return empty;
}

bool
retire_pool(const struct pool_caller *caller, uint32_t row, usec_t after,
    usec_t *age_out)
{
	struct segment *segment = caller->segment;
	struct pool_row *pool = segment_pool(segment, row);
	bool gone;

	if (!atomic_load(&pool->used) || !is_due(&pool->empty_since,
	    looks_empty(segment, row), caller->now, after))
		return false;
	*age_out = caller->now - atomic_load(&pool->empty_since);
	naming_take(segment);
	/* Somebody may have come and gone: then it begins anew. */
	gone = is_due(&pool->empty_since, looks_empty(segment, row),
	    caller->now, after) && free_pool(caller, row);
	naming_release(segment);
	return gone;
}

static bool
database_looks_empty(struct segment *segment, uint32_t database)
{
	uint32_t used = atomic_load(&segment->state->pools_used);

	if (databases_clients(segment, database) > 0)
		return false;
	for (uint32_t pool = 0; pool < used; pool++)
		if (atomic_load(&segment->pools[pool].used) &&
		    atomic_load(&segment->tallies[pool].database) ==
		    database && !looks_empty(segment, pool))
			return false;
	return true;
}

static bool
free_database(const struct pool_caller *caller, uint32_t database)
{
	struct segment *segment = caller->segment;
	uint32_t used = atomic_load(&segment->state->pools_used);
	const struct database_row *row = &segment->databases[database];
	bool empty = true;

	if (!atomic_load(&row->used) || atomic_load(&row->paused) ||
	    atomic_load(&row->disabled) ||
	    databases_clients(segment, database) > 0)
		return false;
	for (uint32_t pool = 0; pool < used; pool++)
		if (atomic_load(&segment->pools[pool].used) &&
		    segment->pools[pool].database == database)
			empty &= free_pool(caller, pool);
	if (empty)
		databases_free(segment, database);
	return empty;
}

bool
retire_database(const struct pool_caller *caller, uint32_t database,
    usec_t after)
{
	struct segment *segment = caller->segment;
	struct database_row *row = &segment->databases[database];
	bool gone;

	if (!atomic_load(&row->used) || !is_due(&row->empty_since,
	    database_looks_empty(segment, database), caller->now, after))
		return false;
	naming_take(segment);
	gone = is_due(&row->empty_since, database_looks_empty(segment,
	    database), caller->now, after) && free_database(caller, database);
	naming_release(segment);
	return gone;
}
