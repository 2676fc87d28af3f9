/*
 * First packets of clients, their parameters, and each value taken for
 * `options`.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/startup.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* Every step has to take something off (CVE-2026-107349). */
static void
split_options(const char *options, size_t scratch_size)
{
	struct startup_parameter option;
	enum option_verdict verdict;
	char scratch[256];

	for (;;) {
		const char *before = options;

		verdict = startup_next_option(&options, scratch, scratch_size,
		    &option);
		if (verdict == OPTION_NONE)
			return;
		if (options <= before)
			abort();
		if (verdict == OPTION_FOUND && (option.name[0] == '\0' ||
		    strlen(option.name) + strlen(option.value) + 2 >
		    scratch_size))
			abort();
	}
}

static void
walk(const struct startup *startup)
{
	struct reader parameters = startup->parameters;
	struct startup_parameter parameter;
	uint8_t reply[512];
	struct writer writer = writer_of(reply, sizeof(reply));
	size_t bytes = 9;

	while (startup_next(&parameters, &parameter)) {
		bytes += strlen(parameter.name) + strlen(parameter.value) + 2;
		split_options(parameter.value, 256);
		split_options(parameter.value, 8);
	}
	if (bytes != startup->length)
		abort();
	startup_write_negotiation(startup, &writer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct startup startup, part;

	startup_read(bytes, length, INT32_MAX, &startup);
	if (startup.kind == STARTUP_V3)
		walk(&startup);
	if (startup.kind == STARTUP_BAD) {
		if (startup.reason[0] == '\0')
			abort();
		return 0;
	}
	/* Any beginning of a good packet waits for the rest. */
	if (startup.kind != STARTUP_MORE && startup_read(bytes,
	    startup.length - 1, INT32_MAX, &part) != STARTUP_MORE)
		abort();
	return 0;
}
