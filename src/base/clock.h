/*
 * One clock, read once per turn of a loop.
 *
 * Spans and time-outs use the monotonic clock, which is the same in all
 * processes of a machine; what people read is the time of day.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/base.h"

/* The monotonic clock, now. */
usec_t clock_now(void);

/* What this process has used of the processors, all of its threads. */
usec_t clock_processor(void);

/* The time of day at a monotonic moment, microseconds since 1970. */
usec_t clock_wall(usec_t moment);

/* "2026-07-10 12:34:56 UTC" of a monotonic moment, in local time. */
void clock_format(usec_t moment, char *text, size_t size);

#endif
