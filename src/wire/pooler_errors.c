#include "wire/pooler_errors.h"

#include <string.h>

#include "wire/messages.h"

static const struct pooler_error errors[] = {
#define POOLER_ERROR(text, state, hint) { text, SQLSTATE_##state, hint },
#include "wire/pooler_errors.def"
#undef POOLER_ERROR
};

static const struct pooler_error any = { "", SQLSTATE_PROTOCOL_VIOLATION,
    NULL };

const struct pooler_error *
pooler_error_of(const char *text)
{
	const struct pooler_error *best = &any;

	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		size_t length = strlen(errors[i].text);

		if (length > strlen(best->text) &&
		    strncmp(text, errors[i].text, length) == 0)
			best = &errors[i];
	}
	return best;
}
