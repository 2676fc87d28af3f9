/*
 * Answers to auth_query: whole messages, one after the other.  Whatever they
 * are, a name and a secret that are found end in a NUL.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/query_answer.h"
#include "wire/framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct query_answer answer;
	struct frame frame;

	query_answer_begin(&answer);
	for (size_t at = 0; at < length; at += frame.total) {
		if (frame_read(bytes + at, length - at, 1 << 20, &frame) !=
		    FRAME_FOUND || !frame_whole(&frame, length - at))
			break;
		if (!query_answer_take(&answer, frame.type, bytes + at +
		    FRAME_HEADER, frame.total - FRAME_HEADER) &&
		    query_answer_end(&answer) != QUERY_BROKEN)
			abort();
	}
	if (memchr(answer.name, '\0', sizeof(answer.name)) == NULL ||
	    memchr(answer.secret, '\0', sizeof(answer.secret)) == NULL ||
	    (query_answer_end(&answer) == QUERY_FOUND &&
	    (answer.name[0] == '\0' || answer.rows != 1)))
		abort();
	return 0;
}
