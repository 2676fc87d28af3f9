#include "session_clock.h"

#include <stddef.h>
#include <time.h>

static _Atomic usec_t *followed;

void
session_clock_follow(_Atomic usec_t *made_time)
{
	followed = made_time;
}

usec_t
session_clock_real(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000;
}

usec_t
clock_now(void)
{
	return followed == NULL ? session_clock_real() :
	    atomic_fetch_add(followed, 1);
}
