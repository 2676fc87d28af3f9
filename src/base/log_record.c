#include "base/log_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* What is behind the last value in any case: quote, brace, line feed. */
#define LENGTH_MOST (LOG_RECORD_BYTES - 3)

/* As much of it as a name may take: some of them leave room for a message. */
#define NAME_MOST 512

/* The longest thing that one byte becomes: \u001f. */
#define UNIT_BYTES 8

struct draft {
	enum log_format	 format;
	char		*line;
	size_t		 length;
};

static void
put(struct draft *draft, const char *bytes, size_t length)
{
	if (draft->length + length > LENGTH_MOST)
		return;
	memcpy(draft->line + draft->length, bytes, length);
	draft->length += length;
}

static void
put_text(struct draft *draft, const char *text)
{
	put(draft, text, strlen(text));
}

/* What is always room for. */
static void
put_end(struct draft *draft, char byte)
{
	draft->line[draft->length++] = byte;
}

static void
put_key(struct draft *draft, const char *key)
{
	bool is_json = draft->format == LOG_FORMAT_JSON;

	if (draft->length > 0)
		put_text(draft, is_json ? "," : " ");
	else if (is_json)
		put_text(draft, "{");
	put_text(draft, is_json ? "\"" : "");
	put_text(draft, key);
	put_text(draft, is_json ? "\":" : "=");
}

/* A bare word, which every reader of logfmt takes as it stands. */
static bool
is_bare(const char *text)
{
	if (*text == '\0' || !utf8_is_valid(text))
		return false;
	for (; *text != '\0'; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f ||
		    *text == '"' || *text == '=' || *text == '\\')
			return false;
	return true;
}

/*
 * One character as it stands between quotes, in both formats; returns how
 * many bytes of the text it was.
 */
static unsigned
escape(const char *at, char unit[UNIT_BYTES])
{
	unsigned length = utf8_length(at);

	if (length == 0) {
		snprintf(unit, UNIT_BYTES, "\xef\xbf\xbd");	/* U+FFFD */
		return 1;
	}
	if (*at == '"' || *at == '\\')
		snprintf(unit, UNIT_BYTES, "\\%c", *at);
	else if (*at == '\n' || *at == '\t' || *at == '\r')
		snprintf(unit, UNIT_BYTES, "\\%c", *at == '\n' ? 'n' :
		    *at == '\t' ? 't' : 'r');
	else if ((unsigned char)*at < ' ' || *at == 0x7f)
		snprintf(unit, UNIT_BYTES, "\\u%04x",
		    (unsigned)(unsigned char)*at);
	else
		snprintf(unit, UNIT_BYTES, "%.*s", (int)length, at);
	return length;
}

/* Cut between two characters, if it has to be. */
static void
put_quoted(struct draft *draft, const char *text, size_t end)
{
	char unit[UNIT_BYTES];

	put_text(draft, "\"");
	while (*text != '\0') {
		unsigned length = escape(text, unit);

		if (draft->length + strlen(unit) > end)
			break;
		put_text(draft, unit);
		text += length;
	}
	put_end(draft, '"');
}

static void
put_string(struct draft *draft, const char *key, const char *text,
    size_t most)
{
	size_t end;

	if (text == NULL)
		return;
	put_key(draft, key);
	end = draft->length + most;
	if (end > LENGTH_MOST)
		end = LENGTH_MOST;
	if (draft->format == LOG_FORMAT_LOGFMT && is_bare(text) &&
	    draft->length + strlen(text) <= end)
		put_text(draft, text);
	else
		put_quoted(draft, text, end);
}

static void
put_number(struct draft *draft, const char *key, int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", number);
	put_key(draft, key);
	put_text(draft, text);
}

/* RFC 3339, in UTC. */
static void
put_time(struct draft *draft, const struct timespec *time)
{
	char second[32], text[48];
	struct tm utc;

	gmtime_r(&time->tv_sec, &utc);
	strftime(second, sizeof(second), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, sizeof(text), "%s.%03ldZ", second,
	    time->tv_nsec / 1000000);
	put_string(draft, "time", text, NAME_MOST);
}

static void
put_subject(struct draft *draft, const struct log_subject *subject)
{
	char pointer[24];

	if (subject->side != LOG_SIDE_NONE) {
		snprintf(pointer, sizeof(pointer), "0x%" PRIx64,
		    subject->pointer);
		put_string(draft, "side", subject->side == LOG_SIDE_CLIENT ?
		    "client" : "server", NAME_MOST);
		put_string(draft, "pointer", pointer, NAME_MOST);
	}
	put_string(draft, "database", subject->database, NAME_MOST);
	put_string(draft, "user", subject->user, NAME_MOST);
	put_string(draft, "address", subject->address, NAME_MOST);
}

size_t
log_record_write(enum log_format format, const struct log_record *record,
    char line[LOG_RECORD_BYTES])
{
	struct draft draft = { format, line, 0 };

	put_time(&draft, &record->time);
	put_string(&draft, "level", record->level, NAME_MOST);
	put_number(&draft, "pid", record->pid);
	if (record->worker != -1)
		put_number(&draft, "worker", record->worker);
	if (record->subject != NULL)
		put_subject(&draft, record->subject);
	put_string(&draft, "message", record->message, LOG_RECORD_BYTES);
	if (format == LOG_FORMAT_JSON)
		put_end(&draft, '}');
	put_end(&draft, '\n');
	return draft.length;
}
