#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool
error_set(struct error *error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	error->hint[0] = '\0';
	return false;
}

bool
error_system(struct error *error, const char *format, ...)
{
	const char *reason = strerror(errno);
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	length = strlen(error->text);
	snprintf(error->text + length, sizeof(error->text) - length, ": %s",
	    reason);
	error->hint[0] = '\0';
	return false;
}

bool
error_hint(struct error *error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->hint, sizeof(error->hint), format, arguments);
	va_end(arguments);
	return false;
}

bool
error_prefix(struct error *error, const char *format, ...)
{
	char context[sizeof(error->text)], text[sizeof(error->text)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(context, sizeof(context), format, arguments);
	va_end(arguments);
	memcpy(text, error->text, sizeof(text));
	if (snprintf(error->text, sizeof(error->text), "%s: %s", context,
	    text) >= (int)sizeof(error->text))
		memcpy(error->text + sizeof(error->text) - 4, "...", 4);
	return false;
}
