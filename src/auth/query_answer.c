#include "auth/query_answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "wire/messages.h"

#define COLUMNS 2

void
query_answer_begin(struct query_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
}

void
query_answer_wipe(struct query_answer *answer)
{
	memory_wipe(answer, sizeof(*answer));
}

static void PRINTF_LIKE(2, 3)
complain(struct query_answer *answer, const char *format, ...)
{
	va_list arguments;

	if (answer->problem[0] != '\0')
		return;			/* what came first counts */
	va_start(arguments, format);
	vsnprintf(answer->problem, sizeof(answer->problem), format,
	    arguments);
	va_end(arguments);
}

/*
 * A name that is none in the server's encoding is the name of nobody
 * (PostgreSQL's manual, "PostgreSQL Error Codes", class 22).
 */
static bool
means_nobody(const char *sqlstate)
{
	return strcmp(sqlstate, SQLSTATE_CHARACTER_NOT_IN_REPERTOIRE) == 0 ||
	    strcmp(sqlstate, SQLSTATE_UNTRANSLATABLE_CHARACTER) == 0;
}

static void
take_error(struct query_answer *answer, struct reader body)
{
	struct notice notice;

	(void)!read_error_response(body, &notice);
	if (answer->rows == 0 && means_nobody(notice.sqlstate))
		answer->nobody = true;
	else
		complain(answer, "error response from auth_query: %s: %.100s",
		    notice.severity, notice.text);
}

static void
take_description(struct query_answer *answer, struct reader body)
{
	uint16_t columns = reader_u16(&body);

	if (body.failed)
		complain(answer, "malformed response from auth_query");
	else if (columns != COLUMNS)
		complain(answer, "expected %d columns from auth_query, not %u",
		    COLUMNS, columns);
	answer->described = true;
}

/* NULL gives false, and "". A NUL inside would hide what follows it. */
static bool
take_column(struct query_answer *answer, struct reader *body,
    const char *what, char *text_out, size_t size)
{
	int32_t length = reader_i32(body);
	const uint8_t *bytes;

	text_out[0] = '\0';
	if (length == -1)
		return false;
	bytes = length < 0 ? NULL : reader_take(body, (size_t)length);
	if (bytes == NULL) {
		body->failed = true;
	} else if ((size_t)length >= size) {
		complain(answer, "auth_query response has a %s of more than "
		    "%zu bytes", what, size - 1);
	} else if (memchr(bytes, '\0', (size_t)length) != NULL) {
		complain(answer, "auth_query response has a %s with a NUL in "
		    "it", what);
	} else {
		memcpy(text_out, bytes, (size_t)length);
		text_out[length] = '\0';
	}
	return true;
}

static void
take_row(struct query_answer *answer, struct reader body)
{
	uint16_t columns = reader_u16(&body);
	bool named;

	if (++answer->rows > 1)
		complain(answer, "auth_query returned more than one row");
	if (!answer->described || columns != COLUMNS)
		complain(answer, "malformed response from auth_query");
	if (answer->problem[0] != '\0')
		return;
	named = take_column(answer, &body, "user name", answer->name,
	    sizeof(answer->name));
	(void)take_column(answer, &body, "secret", answer->secret,
	    sizeof(answer->secret));
	if (!reader_done(&body))
		complain(answer, "malformed response from auth_query");
	else if (!named)
		complain(answer, "auth_query response contained null user "
		    "name");
	else if (answer->name[0] == '\0')
		complain(answer, "auth_query response contained empty user "
		    "name");
}

bool
query_answer_take(struct query_answer *answer, uint8_t type,
    const uint8_t *body, size_t length)
{
	switch (type) {
	case MESSAGE_ERROR_RESPONSE:
		take_error(answer, reader_of(body, length));
		return true;
	case MESSAGE_ROW_DESCRIPTION:
		take_description(answer, reader_of(body, length));
		return true;
	case MESSAGE_NO_DATA:
		complain(answer, "expected %d columns from auth_query, not 0",
		    COLUMNS);
		return true;
	case MESSAGE_DATA_ROW:
		take_row(answer, reader_of(body, length));
		return true;
	case MESSAGE_PARSE_COMPLETE:
	case MESSAGE_BIND_COMPLETE:
	case MESSAGE_CLOSE_COMPLETE:
	case MESSAGE_COMMAND_COMPLETE:
	case MESSAGE_EMPTY_QUERY_RESPONSE:
	case MESSAGE_NOTICE_RESPONSE:
	case MESSAGE_NOTIFICATION_RESPONSE:
		return true;
	default:
		complain(answer, "unexpected response from auth_query");
		return false;
	}
}

enum query_outcome
query_answer_end(struct query_answer *answer)
{
	if (answer->problem[0] == '\0' && answer->nobody)
		return QUERY_NOBODY;
	if (!answer->described)
		complain(answer, "malformed response from auth_query");
	if (answer->problem[0] != '\0') {
		memory_wipe(answer->secret, sizeof(answer->secret));
		return QUERY_BROKEN;
	}
	return answer->rows == 0 ? QUERY_NOBODY : QUERY_FOUND;
}
