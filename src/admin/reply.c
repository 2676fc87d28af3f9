#include "admin/reply.h"

#include <string.h>

#include "base/invariant.h"
#include "wire/messages.h"

/* Room for a text, a detail of the same size and what is around them. */
#define MESSAGE_BYTES (3 * REPLY_TEXT_BYTES)

static bool
append(struct buffer *reply, const struct writer *writer)
{
	INVARIANT(!writer->failed);
	return buffer_append(reply, writer->bytes, writer->used);
}

/* A copy that is short enough, so that no text is too long for a message. */
static const char *
cut(const char *text, char copy[REPLY_TEXT_BYTES])
{
	if (text == NULL || strlen(text) < REPLY_TEXT_BYTES)
		return text;
	memcpy(copy, text, REPLY_TEXT_BYTES - 1);
	copy[REPLY_TEXT_BYTES - 1] = '\0';
	return copy;
}

bool
reply_error(struct buffer *reply, const char *sqlstate, const char *text,
    const char *detail)
{
	char bytes[MESSAGE_BYTES], copies[2][REPLY_TEXT_BYTES];
	struct writer writer = writer_of(bytes, sizeof(bytes));

	write_error_response(&writer, &(struct notice){ "ERROR", sqlstate,
	    cut(text, copies[0]), cut(detail, copies[1]), NULL });
	return append(reply, &writer);
}

void
reply_fatal(struct buffer *reply, const char *text)
{
	char bytes[MESSAGE_BYTES], copy[REPLY_TEXT_BYTES];
	struct writer writer = writer_of(bytes, sizeof(bytes));

	write_fatal(&writer, cut(text, copy));
	if (!append(reply, &writer))
		return;
}

bool
reply_notice(struct buffer *reply, const char *text, const char *detail)
{
	char bytes[MESSAGE_BYTES], copies[2][REPLY_TEXT_BYTES];
	struct writer writer = writer_of(bytes, sizeof(bytes));

	write_notice_response(&writer, &(struct notice){ "NOTICE",
	    SQLSTATE_SUCCESSFUL_COMPLETION, cut(text, copies[0]),
	    cut(detail, copies[1]), NULL });
	return append(reply, &writer);
}

bool
reply_complete(struct buffer *reply, const char *tag)
{
	char bytes[MESSAGE_BYTES];
	struct writer writer = writer_of(bytes, sizeof(bytes));

	write_command_complete(&writer, tag);
	return append(reply, &writer);
}

bool
reply_ready(struct buffer *reply, char status)
{
	char bytes[MESSAGE_BYTES];
	struct writer writer = writer_of(bytes, sizeof(bytes));

	write_ready_for_query(&writer, (enum transaction_status)status);
	return append(reply, &writer);
}

bool
reply_empty(struct buffer *reply)
{
	static const uint8_t message[] = { MESSAGE_EMPTY_QUERY_RESPONSE,
	    0, 0, 0, 4 };

	return buffer_append(reply, message, sizeof(message));
}

bool
reply_parameter(struct buffer *reply, const char *name, const char *value)
{
	char bytes[MESSAGE_BYTES];
	struct writer writer = writer_of(bytes, sizeof(bytes));

	write_parameter_status(&writer, name, value);
	return append(reply, &writer);
}
