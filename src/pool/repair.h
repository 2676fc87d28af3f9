/*
 * Putting right what a dead process left half done.
 *
 * All of it works from the rows and is an ordinary function: the rows are
 * the truth, lists and counts follow from them.  It must be right after a
 * worker was killed at any instruction.
 */
#ifndef POOL_REPAIR_H
#define POOL_REPAIR_H

#include "shm/segment.h"

/*
 * Rebuilds a pool's lists and counts, and finishes hand-overs that were
 * begun, from the rows of clients and servers.  The caller holds its lock.
 */
void repair_pool_locked(struct segment *segment, uint32_t pool);

/*
 * The worker of this slot is dead and reaped.  Its clients leave every queue
 * and their rows are freed; servers that it held are handed to a live worker
 * (or to the slot's next worker) to be closed; what was only promised to its
 * clients goes to others; idle servers stay and are watched by that worker.
 * The supervisor calls this before it forks a replacement.
 */
void repair_after_death(struct segment *segment, uint32_t slot, usec_t now);

/*
 * Checks everything that must hold in a pool at rest (pool.h). False: it
 * does not, and `what_out` says what.  For tests.
 */
bool repair_check_pool(struct segment *segment, uint32_t pool,
    const char **what_out);

#endif
