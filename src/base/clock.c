#include "base/clock.h"

#include <time.h>

static usec_t
read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000;
}

usec_t
clock_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

usec_t
clock_processor(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

usec_t
clock_wall(usec_t moment)
{
	return read_clock(CLOCK_REALTIME) - clock_now() + moment;
}

void
clock_format(usec_t moment, char *text, size_t size)
{
	time_t seconds = (time_t)(clock_wall(moment) / USEC_PER_SEC);
	struct tm local;

	localtime_r(&seconds, &local);
	if (strftime(text, size, "%Y-%m-%d %H:%M:%S %Z", &local) == 0)
		text[0] = '\0';
}
