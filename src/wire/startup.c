#include "wire/startup.h"

#include <stdio.h>
#include <string.h>

/*
 * PostgreSQL manual, "Message Formats".  The upper half of these is 1234,
 * which no protocol version will be.
 */
enum {
	CODE_CANCEL = 80877102,
	CODE_SSL = 80877103,
	CODE_GSSENC = 80877104
};

#define CODE_LENGTH 8		/* length and code */
#define CANCEL_LENGTH 16	/* and the shortest key */

static enum startup_kind
refuse(struct startup *out, const char *reason)
{
	snprintf(out->reason, sizeof(out->reason), "%s", reason);
	return out->kind = STARTUP_BAD;
}

static enum startup_kind
refuse_header(struct startup *out, const uint8_t *bytes, size_t length)
{
	char hex[2 * CODE_LENGTH + 1] = "";

	for (size_t i = 0; i < length && i < CODE_LENGTH; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	snprintf(out->reason, sizeof(out->reason), "bad packet header: '%s'",
	    hex);
	return out->kind = STARTUP_BAD;
}

static enum startup_kind
read_cancel(struct startup *out, const uint8_t *bytes)
{
	struct reader key = reader_of(bytes + CODE_LENGTH,
	    out->length - CODE_LENGTH);

	if (!read_backend_key(&key, &out->key))
		return refuse(out, "bad cancel request");
	return out->kind = STARTUP_CANCEL;
}

/*
 * "A zero byte is required as a terminator after the last name/value pair."
 * Minor versions are ours to talk down (manual, "Start-up").
 */
static enum startup_kind
read_parameters(struct startup *out, const uint8_t *bytes)
{
	struct reader body = reader_of(bytes + CODE_LENGTH,
	    out->length - CODE_LENGTH);
	const char *name;

	out->parameters = body;
	out->negotiate = out->version > PROTOCOL_3_2;
	while (*(name = reader_string(&body)) != '\0') {
		reader_string(&body);
		if (startup_is_extension(name))
			out->negotiate = true;
	}
	if (!reader_done(&body))
		return refuse(out, "invalid startup packet layout: "
		    "expected terminator as last byte");
	return out->kind = STARTUP_V3;
}

static bool
length_fits(uint32_t code, uint32_t length)
{
	if (code == CODE_SSL || code == CODE_GSSENC)
		return length == CODE_LENGTH;
	if (code >> 16 == PROTOCOL_3_0 >> 16)
		return length > CODE_LENGTH;
	return true;
}

/* The header is there and its code is known; is the packet? */
static enum startup_kind
read_body(struct startup *out, const uint8_t *bytes, size_t length)
{
	if (length < out->length)
		return out->kind = STARTUP_MORE;
	if (out->version == CODE_SSL)
		return out->kind = STARTUP_SSL;
	if (out->version == CODE_GSSENC)
		return out->kind = STARTUP_GSSENC;
	if (out->version == CODE_CANCEL)
		return read_cancel(out, bytes);
	return read_parameters(out, bytes);
}

enum startup_kind
startup_read(const uint8_t *bytes, size_t length, uint32_t most,
    struct startup *out)
{
	struct reader header = reader_of(bytes, length);
	uint32_t code;

	memset(out, 0, sizeof(*out));
	if (length >= 1 && bytes[0] == MESSAGE_PASSWORD)
		return refuse(out,
		    "client password pkt before startup packet");
	if ((length >= 1 && bytes[0] != 0) || (length >= 2 && bytes[1] != 0))
		return refuse_header(out, bytes, length);
	if (length < CODE_LENGTH)
		return out->kind = STARTUP_MORE;

	out->length = reader_u32(&header);
	out->version = code = reader_u32(&header);
	if (out->length < CODE_LENGTH || out->length > most ||
	    !length_fits(code, out->length))
		return refuse_header(out, bytes, length);
	if (code == CODE_CANCEL && (out->length < CANCEL_LENGTH ||
	    out->length > CANCEL_LENGTH + BACKEND_KEY_REST))
		return refuse(out, "bad cancel request");
	if (code == UINT32_C(0x00020000))
		return refuse(out, "old V2 protocol not supported");
	if (code != CODE_SSL && code != CODE_GSSENC && code != CODE_CANCEL &&
	    code >> 16 != PROTOCOL_3_0 >> 16)
		return refuse_header(out, bytes, length);
	return read_body(out, bytes, length);
}

bool
startup_next(struct reader *parameters, struct startup_parameter *out)
{
	out->name = reader_string(parameters);
	if (out->name[0] == '\0')
		return false;
	out->value = reader_string(parameters);
	return !parameters->failed;
}

uint32_t
startup_version(const struct startup *startup)
{
	return startup->version < PROTOCOL_3_2 ? startup->version :
	    PROTOCOL_3_2;
}

bool
startup_is_extension(const char *name)
{
	return strncmp(name, "_pq_.", 5) == 0;
}

void
startup_write_negotiation(const struct startup *startup, struct writer *writer)
{
	struct reader parameters = startup->parameters;
	struct startup_parameter parameter;
	uint32_t unknown = 0;

	while (startup_next(&parameters, &parameter))
		if (startup_is_extension(parameter.name))
			unknown++;
	writer_begin(writer, MESSAGE_NEGOTIATE_PROTOCOL_VERSION);
	writer_u32(writer, startup_version(startup));
	writer_u32(writer, unknown);
	parameters = startup->parameters;
	while (startup_next(&parameters, &parameter))
		if (startup_is_extension(parameter.name))
			writer_string(writer, parameter.name);
	writer_end(writer);
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * One word, its backslashes resolved, as PostgreSQL splits them (manual,
 * "Start-up", parameter `options`).  False: it does not fit.
 */
static bool
take_word(const char **options, char *word, size_t size)
{
	const char *at = *options;
	size_t length = 0;

	for (; *at != '\0' && !is_blank(*at); at++) {
		if (*at == '\\' && *++at == '\0')
			break;
		if (length + 1 >= size)
			return false;
		word[length++] = *at;
	}
	word[length] = '\0';
	*options = at;
	return true;
}

static const char *
skip_blanks(const char *at)
{
	while (is_blank(*at))
		at++;
	return at;
}

/* Splits "name=value" in place. */
static bool
split_setting(char *setting, struct startup_parameter *out)
{
	char *equals = strchr(setting, '=');

	if (equals == NULL || equals == setting)
		return false;
	*equals = '\0';
	for (char *at = setting; *at != '\0'; at++)
		if (*at == '-')
			*at = '_';
	out->name = setting;
	out->value = equals + 1;
	return true;
}

enum option_verdict
startup_next_option(const char **options, char *scratch, size_t size,
    struct startup_parameter *out)
{
	const char *at = skip_blanks(*options);
	char *setting = scratch;

	*options = at;
	if (*at == '\0')
		return OPTION_NONE;
	/* Whatever is wrong, the next call is at the end. */
	*options = at + strlen(at);
	if (size == 0 || !take_word(&at, scratch, size))
		return OPTION_BAD;
	if (strcmp(scratch, "-c") == 0) {
		at = skip_blanks(at);
		if (!take_word(&at, scratch, size))
			return OPTION_BAD;
	} else if (strncmp(scratch, "-c", 2) == 0 ||
	    strncmp(scratch, "--", 2) == 0) {
		setting += 2;
	} else {
		return OPTION_BAD;
	}
	if (!split_setting(setting, out))
		return OPTION_BAD;
	*options = at;
	return OPTION_FOUND;
}
