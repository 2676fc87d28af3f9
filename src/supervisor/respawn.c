#include "supervisor/respawn.h"

#include <signal.h>
#include <sys/wait.h>

static bool
was_killed(int status)
{
	return WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL ||
	    WTERMSIG(status) == SIGTERM);
}

static usec_t
delay_after(unsigned failures)
{
	usec_t delay = RESPAWN_FIRST_DELAY;

	if (failures <= 1)
		return 0;
	for (unsigned i = 2; i < failures; i++) {
		delay *= 2;
		if (delay >= RESPAWN_LONGEST_DELAY)
			return RESPAWN_LONGEST_DELAY;
	}
	return delay;
}

void
respawn_note(struct respawn *respawn, int status, usec_t lived, usec_t now)
{
	if (was_killed(status)) {
		respawn->due_at = lived < RESPAWN_FIRST_DELAY ?
		    now + RESPAWN_FIRST_DELAY : now;
		return;
	}
	respawn->failures = lived < RESPAWN_LONG_LIFE ?
	    respawn->failures + 1 : 0;
	respawn->due_at = now + delay_after(respawn->failures);
}

usec_t
respawn_due(const struct respawn *respawn)
{
	return respawn->due_at;
}

void
respawn_put_off(struct respawn *respawn, usec_t now)
{
	respawn->due_at = now + USEC_PER_SEC;
}
