#include "admin/binary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire/reader.h"

/* PostgreSQL counts from 2000 on. */
#define SECONDS_TO_2000 INT64_C(946684800)
#define USEC INT64_C(1000000)
#define SECONDS_OF_DAY INT64_C(86400)

/* Longest text of a number that is looked at. */
#define DIGITS_MOST 40

static bool
add_number(struct buffer *out, uint64_t value, unsigned size)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> 8 * (size - 1 - i));
	return buffer_append(out, bytes, size);
}

static bool
add_float(struct buffer *out, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return add_number(out, bits, 8);
}

/*
 * numeric.c of PostgreSQL: number of digits, weight of the first, sign,
 * scale, then digits to the base of 10,000.  Reports have whole numbers.
 */
static bool
add_numeric(struct buffer *out, const char *text)
{
	bool negative = *text == '-';
	uint64_t value = strtoull(text + negative, NULL, 10);
	uint16_t digits[5], count = 0, used = 0;

	for (; value > 0; value /= 10000)
		digits[count++] = (uint16_t)(value % 10000);
	while (used < count && digits[used] == 0)
		used++;				/* no zeros at the end */
	if (!add_number(out, (uint64_t)(count - used), 2) ||
	    !add_number(out, count == 0 ? 0 : (uint64_t)(count - 1), 2) ||
	    !add_number(out, negative ? 0x4000 : 0, 2) ||
	    !add_number(out, 0, 2))
		return false;
	for (uint16_t i = count; i > used; i--)
		if (!add_number(out, digits[i - 1], 2))
			return false;
	return true;
}

static unsigned
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	return c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10 : 0;
}

static bool
add_bytes(struct buffer *out, const char *text, size_t length)
{
	for (size_t i = 2; i + 1 < length; i += 2)
		if (!add_number(out, hex_value(text[i]) << 4 |
		    hex_value(text[i + 1]), 1))
			return false;
	return true;
}

bool
binary_encode(uint32_t type, const char *text, size_t length,
    struct buffer *out)
{
	char digits[DIGITS_MOST];

	snprintf(digits, sizeof(digits), "%.*s", length < DIGITS_MOST ?
	    (int)length : DIGITS_MOST - 1, length == 0 ? "" : text);
	switch (type) {
	case BINARY_BOOL:
		return add_number(out, digits[0] == 't' || digits[0] == '1',
		    1);
	case BINARY_INT4:
		return add_number(out, (uint64_t)strtoll(digits, NULL, 10),
		    4);
	case BINARY_INT8:
		return add_number(out, (uint64_t)strtoll(digits, NULL, 10),
		    8);
	case BINARY_FLOAT8:
		return add_float(out, strtod(digits, NULL));
	case BINARY_NUMERIC:
		return add_numeric(out, digits);
	case BINARY_BYTEA:
		return add_bytes(out, text, length);
	default:
		return length == 0 || buffer_append(out, text, length);
	}
}

static uint64_t
read_number(const uint8_t *bytes, size_t length)
{
	uint64_t value = 0;

	for (size_t i = 0; i < length; i++)
		value = value << 8 | bytes[i];
	return value;
}

static void
decode_float(const uint8_t *bytes, size_t length, char *text)
{
	uint64_t bits = read_number(bytes, length);
	uint32_t half = (uint32_t)bits;
	double value;
	float single;

	if (length == 8)
		memcpy(&value, &bits, sizeof(value));
	else {
		memcpy(&single, &half, sizeof(single));
		value = (double)single;
	}
	snprintf(text, BINARY_TEXT_BYTES, "%.17g", value);
}

static void
decode_integer(const uint8_t *bytes, size_t length, char *text)
{
	uint64_t value = read_number(bytes, length);
	int64_t number = length == 2 ? (int16_t)value : length == 4 ?
	    (int32_t)value : (int64_t)value;

	snprintf(text, BINARY_TEXT_BYTES, "%" PRId64, number);
}

/* Whole numbers as far as they fit; the rest of the digits is a fraction. */
static bool
decode_numeric(const uint8_t *bytes, size_t length, char *text)
{
	struct reader reader = reader_of(bytes, length);
	uint16_t count = reader_u16(&reader);
	int weight = (int16_t)reader_u16(&reader);
	uint16_t sign = reader_u16(&reader);
	double value = 0, place = 1;

	reader_u16(&reader);
	if (weight < -8 || weight > 8 || count > 32)
		return false;
	for (int i = 0; i < weight; i++)
		place *= 10000;
	for (int i = 0; i > weight; i--)
		place /= 10000;
	for (uint16_t i = 0; i < count; i++, place /= 10000)
		value += place * reader_u16(&reader);
	snprintf(text, BINARY_TEXT_BYTES, "%.17g", sign == 0x4000 ? -value :
	    value);
	return reader_done(&reader);
}

/* False: it is in a year that no text of a report has. */
static bool
break_up(int64_t seconds, struct tm *utc_out)
{
	time_t moment = (time_t)seconds;

	return gmtime_r(&moment, utc_out) != NULL &&
	    utc_out->tm_year >= -1900 && utc_out->tm_year <= 9999 - 1900;
}

static bool
write_date(int64_t days, char *text)
{
	struct tm utc;

	return break_up(days * SECONDS_OF_DAY + SECONDS_TO_2000, &utc) &&
	    strftime(text, BINARY_TEXT_BYTES, "%Y-%m-%d", &utc) > 0;
}

/* Reports are in UTC, and texts are compared as they are. */
static bool
write_timestamp(int64_t count, char *text)
{
	int64_t seconds = count / USEC, usec = count % USEC;
	struct tm utc;
	size_t length;

	if (usec < 0) {
		seconds--;
		usec += USEC;
	}
	if (!break_up(seconds + SECONDS_TO_2000, &utc))
		return false;
	length = strftime(text, BINARY_TEXT_BYTES, "%Y-%m-%d %H:%M:%S", &utc);
	if (usec != 0)
		length += (size_t)snprintf(text + length,
		    BINARY_TEXT_BYTES - length, ".%06" PRId64, usec);
	snprintf(text + length, BINARY_TEXT_BYTES - length, " UTC");
	return true;
}

static bool
decode_moment(uint32_t type, uint64_t value, char *text)
{
	bool is_date = type == BINARY_DATE;
	int64_t count = is_date ? (int32_t)value : (int64_t)value;

	if (count == (is_date ? INT32_MAX : INT64_MAX))
		return strcpy(text, "infinity") != NULL;
	if (count == (is_date ? INT32_MIN : INT64_MIN))
		return strcpy(text, "-infinity") != NULL;
	return is_date ? write_date(count, text) :
	    write_timestamp(count, text);
}

static size_t
size_of(uint32_t type)
{
	switch (type) {
	case BINARY_BOOL:
		return 1;
	case BINARY_INT2:
		return 2;
	case BINARY_INT4:
	case BINARY_FLOAT4:
	case BINARY_DATE:
		return 4;
	case BINARY_INT8:
	case BINARY_FLOAT8:
	case BINARY_TIMESTAMP:
	case BINARY_TIMESTAMPTZ:
		return 8;
	default:
		return 0;
	}
}

bool
binary_decode(uint32_t type, const uint8_t *bytes, size_t length,
    char text_out[BINARY_TEXT_BYTES])
{
	if (type == BINARY_NUMERIC)
		return decode_numeric(bytes, length, text_out);
	if (length == 0 || length != size_of(type))
		return false;
	if (type == BINARY_BOOL)
		strcpy(text_out, bytes[0] != 0 ? "t" : "f");
	else if (type == BINARY_FLOAT4 || type == BINARY_FLOAT8)
		decode_float(bytes, length, text_out);
	else if (type == BINARY_DATE || type == BINARY_TIMESTAMP ||
	    type == BINARY_TIMESTAMPTZ)
		return decode_moment(type, read_number(bytes, length),
		    text_out);
	else
		decode_integer(bytes, length, text_out);
	return true;
}
