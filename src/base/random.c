#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/invariant.h"

/* Up to 256 bytes come whole, whatever signal arrives: random(7). */
void
random_fill(void *bytes, size_t length)
{
	ssize_t got;

	INVARIANT(length <= 256);
	do
		got = getrandom(bytes, length, 0);
	while (got == -1 && errno == EINTR);
	INVARIANT(got == (ssize_t)length);
}
