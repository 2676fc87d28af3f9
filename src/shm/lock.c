#include "shm/lock.h"

#include <errno.h>

#include "base/invariant.h"

void
lock_create(struct lock *lock)
{
	pthread_mutexattr_t attributes;

	INVARIANT(pthread_mutexattr_init(&attributes) == 0);
	INVARIANT(pthread_mutexattr_setpshared(&attributes,
	    PTHREAD_PROCESS_SHARED) == 0);
	INVARIANT(pthread_mutexattr_setrobust(&attributes,
	    PTHREAD_MUTEX_ROBUST) == 0);
	INVARIANT(pthread_mutex_init(&lock->mutex, &attributes) == 0);
	pthread_mutexattr_destroy(&attributes);
}

/*
 * Critical sections are far shorter than a sleep and a wake-up by the kernel,
 * so it is worth trying a few times before pthread_mutex_lock() sleeps.
 */
#define TRIES 50

static int
lock_patiently(pthread_mutex_t *mutex)
{
	for (int i = 0; i < TRIES; i++) {
		int rc = pthread_mutex_trylock(mutex);

		if (rc != EBUSY)
			return rc;
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#endif
	}
	return pthread_mutex_lock(mutex);
}

bool
lock_take(struct lock *lock)
{
	int rc = lock_patiently(&lock->mutex);

	if (LIKELY(rc == 0 && !lock->orphaned))
		return true;
	INVARIANT(rc == 0 || rc == EOWNERDEAD);
	if (rc == EOWNERDEAD)
		INVARIANT(pthread_mutex_consistent(&lock->mutex) == 0);
	lock->orphaned = 0;
	return false;
}

void
lock_release(struct lock *lock)
{
	INVARIANT(pthread_mutex_unlock(&lock->mutex) == 0);
}

bool
lock_is_free(struct lock *lock)
{
	int rc = pthread_mutex_trylock(&lock->mutex);

	if (rc == EOWNERDEAD) {
		rc = pthread_mutex_consistent(&lock->mutex);
		lock->orphaned = 1;	/* for the next who takes it */
	}
	if (rc != 0)
		return false;
	lock_release(lock);
	return true;
}
