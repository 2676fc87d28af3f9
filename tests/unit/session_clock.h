/*
 * The clock of a process whose time is made by a test; it takes the place of
 * base/clock.c, and without further ado it is the same.
 */
#ifndef SESSION_CLOCK_H
#define SESSION_CLOCK_H

#include <stdatomic.h>

#include "base/clock.h"

/*
 * From now on this process goes by that time, which stands still but for a
 * microsecond each time when somebody looks: no moment comes twice.
 */
void session_clock_follow(_Atomic usec_t *made_time);

/* The time that goes by itself, for those that follow another one as well. */
usec_t session_clock_real(void);

#endif
