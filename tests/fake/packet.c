#include "fake/packet.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void
put_bytes(struct buffer *out, const void *bytes, size_t length)
{
	if (length > 0 && !buffer_append(out, bytes, length))
		abort();
}

void
put_u16(struct buffer *out, unsigned value)
{
	uint16_t wire = htons((uint16_t)value);

	put_bytes(out, &wire, sizeof(wire));
}

void
put_u32(struct buffer *out, uint32_t value)
{
	uint32_t wire = htonl(value);

	put_bytes(out, &wire, sizeof(wire));
}

void
put_string(struct buffer *out, const char *string)
{
	put_bytes(out, string, strlen(string) + 1);
}

void
put_header(struct buffer *out, char type, uint32_t length)
{
	put_bytes(out, &type, 1);
	put_u32(out, length);
}

static void
put_body(struct buffer *out, const char *format, va_list values)
{
	for (; *format != '\0'; format++) {
		switch (*format) {
		case 's':
			put_string(out, va_arg(values, const char *));
			break;
		case 'h':
			put_u16(out, va_arg(values, unsigned));
			break;
		case 'i':
			put_u32(out, va_arg(values, uint32_t));
			break;
		case 'b': {
			uint8_t byte = (uint8_t)va_arg(values, int);

			put_bytes(out, &byte, 1);
			break;
		}
		case 'x': {
			const void *bytes = va_arg(values, const void *);

			put_bytes(out, bytes, (size_t)va_arg(values, int));
			break;
		}
		default:
			abort();
		}
	}
}

void
put_message(struct buffer *out, char type, const char *format, ...)
{
	struct buffer body = { 0 };
	va_list values;

	va_start(values, format);
	put_body(&body, format, values);
	va_end(values);
	put_header(out, type, (uint32_t)buffer_length(&body) + 4);
	put_bytes(out, buffer_front(&body), buffer_length(&body));
	buffer_clear(&body);
}

void
put_startup(struct buffer *out, uint32_t version, const char *const *pairs)
{
	struct buffer body = { 0 };

	put_u32(&body, version);
	for (; *pairs != NULL; pairs++)
		put_string(&body, *pairs);
	put_bytes(&body, "", 1);
	put_u32(out, (uint32_t)buffer_length(&body) + 4);
	put_bytes(out, buffer_front(&body), buffer_length(&body));
	buffer_clear(&body);
}

void
put_auth_ok(struct buffer *out)
{
	put_message(out, 'R', "i", 0u);
}

void
put_parameter(struct buffer *out, const char *name, const char *value)
{
	put_message(out, 'S', "ss", name, value);
}

void
put_ready(struct buffer *out, char status)
{
	put_message(out, 'Z', "b", status);
}

void
put_complete(struct buffer *out, const char *tag)
{
	put_message(out, 'C', "s", tag);
}

void
put_error(struct buffer *out, const char *severity, const char *sqlstate,
    const char *message)
{
	if (sqlstate == NULL)
		put_message(out, 'E', "bsbsb", 'S', severity, 'M', message,
		    0);
	else
		put_message(out, 'E', "bsbsbsb", 'S', severity, 'C',
		    sqlstate, 'M', message, 0);
}

void
put_one_value(struct buffer *out, const char *value)
{
	int length = (int)strlen(value);

	/* name, table, column, type text, size, typmod, format */
	put_message(out, 'T', "hsihihih", 1u, "value", 0u, 0u, 25u, 0xffffu,
	    0xffffffffu, 0u);
	put_message(out, 'D', "hix", 1u, (uint32_t)length, value, length);
}

void
put_answer(struct buffer *out, const char *value)
{
	put_one_value(out, value);
	put_complete(out, "SELECT 1");
	put_ready(out, 'I');
}
