#include "shm/roster.h"

const char *
roster_phase_name(uint32_t phase)
{
	static const char *const names[] = {
		[ROSTER_VACANT] = "vacant",
		[ROSTER_STARTING] = "starting",
		[ROSTER_SERVING] = "serving",
		[ROSTER_DEAD] = "dead",
		[ROSTER_RETIRING] = "retiring",
	};

	return phase < ARRAY_LENGTH(names) ? names[phase] : "unknown";
}
