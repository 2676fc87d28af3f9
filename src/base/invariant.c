#include "base/invariant.h"

#include <stdlib.h>

#include "base/log.h"

void
invariant_broken(const char *claim, const char *file, int line,
    const char *function)
{
	log_write(LOG_LEVEL_FATAL, "@%s:%d in function %s(): "
	    "broken invariant: %s", file, line, function, claim);
	abort();
}
