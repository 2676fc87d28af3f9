/*
 * What cannot happen stops the process, in production too.
 *
 * A worker that breaks an invariant aborts; the supervisor replaces it.  That
 * costs the clients of one worker, a pooler that goes on with wrong tables
 * might hand one client the data of another.
 */
#ifndef BASE_INVARIANT_H
#define BASE_INVARIANT_H

#include "base/base.h"

#define INVARIANT(claim) do {						\
	if (UNLIKELY(!(claim)))						\
		invariant_broken(#claim, __FILE__, __LINE__, __func__);	\
} while (0)

/* Logs at FATAL level and aborts. */
NORETURN void invariant_broken(const char *claim, const char *file, int line,
    const char *function);

#endif
