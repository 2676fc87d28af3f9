#include "build.h"

#include "shm/lock.h"

#include <errno.h>
#include <time.h>

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
 * so it is worth trying a few times before sleeping.
 */
#define TRIES 50

/*
 * Nobody sleeps longer than this without looking.  A wake-up can be lost: the
 * holder lets go and wakes one of two that sleep; a third process takes the
 * lock before that one runs, and does not know that somebody sleeps; then the
 * one that was woken is killed.  The kernel wakes nobody, because the lock is
 * held by a living process, and so does the third when it lets go.
 */
#define SLEEP_NSEC (20 * 1000 * 1000)

/* The time of day may be set back, but is all that musl offers. */
#ifdef HAVE_PTHREAD_MUTEX_CLOCKLOCK
#define LOCK_CLOCK CLOCK_MONOTONIC
#define SLEEP_UNTIL(mutex, until) \
	pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, until)
#else
#define LOCK_CLOCK CLOCK_REALTIME
#define SLEEP_UNTIL(mutex, until) pthread_mutex_timedlock(mutex, until)
#endif

static int
sleep_for(pthread_mutex_t *mutex)
{
	struct timespec until;

	clock_gettime(LOCK_CLOCK, &until);
	until.tv_nsec += SLEEP_NSEC;
	if (until.tv_nsec >= 1000 * 1000 * 1000) {
		until.tv_nsec -= 1000 * 1000 * 1000;
		until.tv_sec++;
	}
	return SLEEP_UNTIL(mutex, &until);
}

static int
lock_patiently(pthread_mutex_t *mutex)
{
	int rc;

	for (int i = 0; i < TRIES; i++) {
		rc = pthread_mutex_trylock(mutex);
		if (rc != EBUSY)
			return rc;
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#endif
	}
	do
		rc = sleep_for(mutex);
	while (rc == ETIMEDOUT);
	return rc;
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
