/*
 * Rows that nobody needs any more are given back: pools that are empty, and
 * databases that were made by the `*` entry or are no longer in the file.
 *
 * Empty means: no client in any worker, and no server connection, not even
 * one that is being closed.  Since when that is so is noted by whoever looks;
 * all workers look, and one of them gives the row back.
 */
#ifndef POOL_RETIRE_H
#define POOL_RETIRE_H

#include "pool/pool.h"

/*
 * Gives the pool's row back if it has been empty for so long.  True: it is
 * gone now, and *age_out says for how long it was empty.
 */
bool retire_pool(const struct pool_caller *caller, uint32_t pool,
    usec_t after, usec_t *age_out) MUST_CHECK;

/*
 * The same for a database, with all its pools.  One that is paused or
 * disabled stays.
 */
bool retire_database(const struct pool_caller *caller, uint32_t database,
    usec_t after) MUST_CHECK;

#endif
