#include "exporter/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

void
text_add_bytes(struct text *text, const void *bytes, size_t length)
{
	if (length > 0 && !text->failed &&
	    !buffer_append(&text->buffer, bytes, length))
		text->failed = true;
}

void
text_add(struct text *text, const char *string)
{
	text_add_bytes(text, string, strlen(string));
}

void
text_format(struct text *text, const char *format, ...)
{
	char room[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(room, sizeof(room), format, arguments);
	va_end(arguments);
	text_add(text, room);
}

void
text_clear(struct text *text)
{
	buffer_clear(&text->buffer);
	text->failed = false;
}

static void
add_json_character(struct text *text, const char *at, unsigned length)
{
	if (length == 0)
		text_add(text, "\xef\xbf\xbd");
	else if (*at == '"' || *at == '\\')
		text_format(text, "\\%c", *at);
	/* < and & so that it may stand in a page as well. */
	else if ((unsigned char)*at < 0x20 || *at == 0x7f || *at == '<' ||
	    *at == '>' || *at == '&')
		text_format(text, "\\u%04x", (unsigned)(unsigned char)*at);
	else
		text_add_bytes(text, at, length);
}

void
text_add_json(struct text *text, const char *string)
{
	text_add(text, "\"");
	while (*string != '\0') {
		unsigned length = utf8_length(string);

		add_json_character(text, string, length);
		string += length == 0 ? 1 : length;
	}
	text_add(text, "\"");
}

void
text_add_seconds(struct text *text, uint64_t usec)
{
	char room[32];
	size_t length;

	length = (size_t)snprintf(room, sizeof(room), "%" PRIu64 ".%06" PRIu64,
	    usec / USEC_PER_SEC, usec % USEC_PER_SEC);
	while (room[length - 1] == '0')
		length--;
	if (room[length - 1] == '.')
		length--;
	text_add_bytes(text, room, length);
}
