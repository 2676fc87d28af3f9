/*
 * A stream of messages as the relay sees it, and each body as the sessions
 * read it.  The first four bytes are max_packet_size.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/framing.h"
#include "wire/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* Strings have to end inside the body. */
static void
check_string(const char *text, const struct reader *body)
{
	const uint8_t *at = (const uint8_t *)text;

	if (at >= body->at && at < body->end &&
	    at + strlen(text) >= body->end)
		abort();
}

static void
read_as_everything(struct reader body)
{
	struct authentication authentication;
	enum transaction_status status;
	struct sasl_initial initial;
	struct backend_key key;
	struct reader key_body;
	const char *one, *two;
	struct notice notice;

	(void)read_error_response(body, &notice);
	check_string(notice.severity, &body);
	check_string(notice.sqlstate, &body);
	check_string(notice.text, &body);
	if (read_parameter_status(body, &one, &two)) {
		check_string(one, &body);
		check_string(two, &body);
	}
	if (read_single_string(body, &one))
		check_string(one, &body);
	key_body = body;
	if (read_backend_key(&key_body, &key) &&
	    reader_left(&body) != 8u + key.rest_length)
		abort();
	if (read_ready_for_query(body, &status) && reader_left(&body) != 1)
		abort();
	if (read_authentication(body, &authentication) &&
	    reader_left(&authentication.data) != reader_left(&body) - 4)
		abort();
	if (read_sasl_initial_response(body, &initial) &&
	    reader_left(&initial.data) > reader_left(&body))
		abort();
}

/* With fewer bytes the answer is the same, or to wait. */
static void
check_beginnings(const uint8_t *bytes, uint32_t most,
    enum frame_verdict verdict, const struct frame *frame)
{
	for (size_t length = 0; length < FRAME_HEADER; length++) {
		struct frame part;

		if (frame_read(bytes, length, most, &part) != FRAME_MORE)
			abort();
	}
	if (verdict == FRAME_FOUND && (frame->total < FRAME_HEADER ||
	    frame->total - 1 > most))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct reader input = reader_of(bytes, length);
	uint32_t most = reader_u32(&input);
	struct frame frame;

	while (reader_left(&input) >= FRAME_HEADER) {
		enum frame_verdict verdict = frame_read(input.at,
		    reader_left(&input), most, &frame);

		check_beginnings(input.at, most, verdict, &frame);
		if (verdict != FRAME_FOUND ||
		    !frame_whole(&frame, reader_left(&input)))
			break;
		read_as_everything(reader_of(input.at + FRAME_HEADER,
		    frame.total - FRAME_HEADER));
		input.at += frame.total;
	}
	return 0;
}
