/*
 * Limits over several pools: how many server connections a database and a
 * user may have, all their pools together.
 *
 * Each pool's count is written under its own lock, and copied to its tally
 * (shm/pools.h); a limit is the sum of tallies.  Who opens a connection first
 * counts it and then looks at the sum, so that of two who do that at one time
 * at least the later one sees both: a limit is never exceeded.  Counts follow
 * from the rows (pool/repair.h), so a death leaves no sum wrong.
 *
 * Where a limit keeps a pool from opening a connection it starves.  A place
 * that becomes free goes to the one that has starved longest, and an idle
 * connection of another pool is evicted for it.  If none is ever idle, a pool
 * whose own clients wait less gives one up when it is released: opening
 * another one costs much, so only for who has starved for a while, and one at
 * a time.
 */
#ifndef POOL_LIMITS_H
#define POOL_LIMITS_H

#include "pool/pool.h"

/* The pool's counts have changed; under its lock. */
void limits_note_counts(struct segment *segment, uint32_t pool);

/*
 * May this pool have the connection that was just counted?  Under its lock.
 * False: it starves now, and the connection is to be uncounted.  `waits`:
 * somebody waits for it; what merely keeps a pool filled does not starve.
 */
bool limits_allow(const struct pool_caller *caller, uint32_t pool,
    const struct pool_policy *policy, bool waits) MUST_CHECK;

/*
 * A connection of this pool is released: is it to be closed, so that another
 * pool which has starved for longer than its own clients wait may open one?
 * Under its lock.
 */
bool limits_must_yield(const struct pool_caller *caller, uint32_t pool,
    const struct pool_policy *policy) MUST_CHECK;

/*
 * An idle connection of another pool of the same database or user, the one
 * idle longest, for the sake of a pool that starves; it is CLOSING now and
 * this worker's to close.  Never more of them than are needed.  NO_ROW: none,
 * or none is needed.  Without a lock.
 */
uint32_t limits_evict(const struct pool_caller *caller, uint32_t pool,
    const struct pool_policy *policy) MUST_CHECK;

/*
 * A connection of this pool is gone: who has starved longest of those that
 * shared a limit with it?  NO_ROW: nobody.  Without a lock.
 */
uint32_t limits_next(const struct pool_caller *caller, uint32_t pool);

#endif
