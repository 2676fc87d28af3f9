/*
 * Locks that live in the segment: process-shared, robust, taken in one way.
 *
 * Under a lock: no system call, no allocation, no log, a few dozen
 * instructions.  Nobody holds two at once, but for the lock of names, which may
 * be held when a pool's is taken (shm/pools.h).  A holder may die at any
 * instruction; the next one to get the lock is told and rebuilds what it
 * guards from the rows.
 */
#ifndef SHM_LOCK_H
#define SHM_LOCK_H

#include <pthread.h>

#include "base/base.h"

struct lock {
	pthread_mutex_t	mutex;
	uint32_t	orphaned;	/* an owner died; to be told once */
};

/* In zeroed shared memory, before the first fork. */
void lock_create(struct lock *lock);

/* False: the former holder died; what is guarded must be rebuilt now. */
bool lock_take(struct lock *lock) MUST_CHECK;
void lock_release(struct lock *lock);

/* True: nobody holds it at this instant. For tests and reports. */
bool lock_is_free(struct lock *lock);

#endif
