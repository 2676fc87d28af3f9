#include "wire/messages.h"

#include <string.h>

#include "wire/framing.h"
#include "wire/pooler_errors.h"

/* Not versions: numbers that no version will ever have. */
#define SSL_REQUEST_CODE 80877103
#define CANCEL_REQUEST_CODE 80877102

#define SQLSTATE(name, code) const char SQLSTATE_##name[6] = code;
#include "wire/sqlstates.def"
#undef SQLSTATE

static const char *const client_names[256] = {
#define FRONTEND(name, letter, text) [letter] = text,
#define EITHER(name, letter, text) [letter] = text,
#include "wire/messages.def"
#undef FRONTEND
#undef EITHER
};

static const char *const server_names[256] = {
#define BACKEND(name, letter, text) [letter] = text,
#define EITHER(name, letter, text) [letter] = text,
#include "wire/messages.def"
#undef BACKEND
#undef EITHER
};

const char *
message_name_from_client(uint8_t type)
{
	return client_names[type];
}

const char *
message_name_from_server(uint8_t type)
{
	return server_names[type];
}

static void
put_field(struct writer *writer, uint8_t code, const char *text)
{
	writer_u8(writer, code);
	writer_string(writer, text);
}

static void
put_notice(struct writer *writer, uint8_t type, const struct notice *notice)
{
	writer_begin(writer, type);
	put_field(writer, 'S', notice->severity);
	put_field(writer, 'V', notice->severity);
	put_field(writer, 'C', notice->sqlstate);
	put_field(writer, 'M', notice->text);
	if (notice->detail != NULL)
		put_field(writer, 'D', notice->detail);
	if (notice->hint != NULL)
		put_field(writer, 'H', notice->hint);
	writer_u8(writer, 0);
	writer_end(writer);
}

void
write_error_response(struct writer *writer, const struct notice *notice)
{
	put_notice(writer, MESSAGE_ERROR_RESPONSE, notice);
}

void
write_notice_response(struct writer *writer, const struct notice *notice)
{
	put_notice(writer, MESSAGE_NOTICE_RESPONSE, notice);
}

void
write_fatal(struct writer *writer, const char *text)
{
	const struct pooler_error *error = pooler_error_of(text);

	write_error_response(writer, &(struct notice){
	    .severity = "FATAL", .sqlstate = error->sqlstate,
	    .text = text, .hint = error->hint });
}

static void
put_authentication(struct writer *writer, uint32_t code, const void *data,
    size_t length)
{
	writer_begin(writer, MESSAGE_AUTHENTICATION);
	writer_u32(writer, code);
	writer_bytes(writer, data, length);
	writer_end(writer);
}

void
write_authentication_ok(struct writer *writer)
{
	put_authentication(writer, AUTHENTICATION_OK, NULL, 0);
}

void
write_authentication_cleartext(struct writer *writer)
{
	put_authentication(writer, AUTHENTICATION_CLEARTEXT, NULL, 0);
}

void
write_authentication_md5(struct writer *writer, const uint8_t salt[4])
{
	put_authentication(writer, AUTHENTICATION_MD5, salt, 4);
}

void
write_authentication_sasl(struct writer *writer, bool can_bind)
{
	/* A list of strings that ends with an empty one, the best first. */
	static const char mechanisms[] = SASL_MECHANISM_PLUS "\0"
	    SASL_MECHANISM "\0";
	size_t skipped = can_bind ? 0 : sizeof(SASL_MECHANISM_PLUS);

	put_authentication(writer, AUTHENTICATION_SASL, mechanisms + skipped,
	    sizeof(mechanisms) - skipped);
}

void
write_authentication_sasl_continue(struct writer *writer, const void *data,
    size_t length)
{
	put_authentication(writer, AUTHENTICATION_SASL_CONTINUE, data, length);
}

void
write_authentication_sasl_final(struct writer *writer, const void *data,
    size_t length)
{
	put_authentication(writer, AUTHENTICATION_SASL_FINAL, data, length);
}

void
write_ready_for_query(struct writer *writer, enum transaction_status status)
{
	writer_begin(writer, MESSAGE_READY_FOR_QUERY);
	writer_u8(writer, (uint8_t)status);
	writer_end(writer);
}

static void
put_key(struct writer *writer, const struct backend_key *key)
{
	writer_u32(writer, key->pid);
	writer_u32(writer, key->secret);
	writer_bytes(writer, key->rest, key->rest_length);
}

void
write_backend_key_data(struct writer *writer, const struct backend_key *key)
{
	writer_begin(writer, MESSAGE_BACKEND_KEY_DATA);
	put_key(writer, key);
	writer_end(writer);
}

void
write_parameter_status(struct writer *writer, const char *name,
    const char *value)
{
	writer_begin(writer, MESSAGE_PARAMETER_STATUS);
	writer_string(writer, name);
	writer_string(writer, value);
	writer_end(writer);
}

static void
put_string(struct writer *writer, uint8_t type, const char *text)
{
	writer_begin(writer, type);
	writer_string(writer, text);
	writer_end(writer);
}

void
write_command_complete(struct writer *writer, const char *tag)
{
	put_string(writer, MESSAGE_COMMAND_COMPLETE, tag);
}

void
write_ssl_request(struct writer *writer)
{
	writer_begin(writer, 0);
	writer_u32(writer, SSL_REQUEST_CODE);
	writer_end(writer);
}

void
write_startup_begin(struct writer *writer, uint32_t version)
{
	writer_begin(writer, 0);
	writer_u32(writer, version);
}

void
write_startup_parameter(struct writer *writer, const char *name,
    const char *value)
{
	writer_string(writer, name);
	writer_string(writer, value);
}

void
write_startup_end(struct writer *writer)
{
	writer_u8(writer, 0);
	writer_end(writer);
}

void
write_cancel_request(struct writer *writer, const struct backend_key *key)
{
	writer_begin(writer, 0);
	writer_u32(writer, CANCEL_REQUEST_CODE);
	put_key(writer, key);
	writer_end(writer);
}

void
write_password(struct writer *writer, const char *password)
{
	put_string(writer, MESSAGE_PASSWORD, password);
}

void
write_sasl_initial_response(struct writer *writer, const char *mechanism,
    const void *data, size_t length)
{
	writer_begin(writer, MESSAGE_PASSWORD);
	writer_string(writer, mechanism);
	writer_u32(writer, (uint32_t)length);
	writer_bytes(writer, data, length);
	writer_end(writer);
}

void
write_sasl_response(struct writer *writer, const void *data, size_t length)
{
	writer_begin(writer, MESSAGE_PASSWORD);
	writer_bytes(writer, data, length);
	writer_end(writer);
}

void
write_query(struct writer *writer, const char *query)
{
	put_string(writer, MESSAGE_QUERY, query);
}

static void
put_empty(struct writer *writer, uint8_t type)
{
	writer_begin(writer, type);
	writer_end(writer);
}

void
write_parse(struct writer *writer, const char *query)
{
	writer_begin(writer, MESSAGE_PARSE);
	writer_string(writer, "");
	writer_string(writer, query);
	writer_u16(writer, 0);		/* types that are given */
	writer_end(writer);
}

void
write_bind(struct writer *writer, const char *const *values, uint16_t count)
{
	writer_begin(writer, MESSAGE_BIND);
	writer_string(writer, "");
	writer_string(writer, "");
	writer_u16(writer, 0);		/* formats: all are texts */
	writer_u16(writer, count);
	for (uint16_t i = 0; i < count; i++) {
		writer_u32(writer, (uint32_t)strlen(values[i]));
		writer_text(writer, values[i]);
	}
	writer_u16(writer, 0);		/* formats of the answer: likewise */
	writer_end(writer);
}

/* 'S' and a name: a statement; 'P': a portal. */
static void
put_about(struct writer *writer, uint8_t type, uint8_t what)
{
	writer_begin(writer, type);
	writer_u8(writer, what);
	writer_string(writer, "");
	writer_end(writer);
}

void
write_describe_portal(struct writer *writer)
{
	put_about(writer, MESSAGE_DESCRIBE, 'P');
}

void
write_close_statement(struct writer *writer)
{
	put_about(writer, MESSAGE_CLOSE, 'S');
}

void
write_execute(struct writer *writer)
{
	writer_begin(writer, MESSAGE_EXECUTE);
	writer_string(writer, "");
	writer_u32(writer, 0);		/* rows: all */
	writer_end(writer);
}

void
write_sync(struct writer *writer)
{
	put_empty(writer, MESSAGE_SYNC);
}

void
write_terminate(struct writer *writer)
{
	put_empty(writer, MESSAGE_TERMINATE);
}

bool
read_error_response(struct reader body, struct notice *notice_out)
{
	uint8_t code;

	*notice_out = (struct notice){ "ERROR", SQLSTATE_INTERNAL_ERROR, "",
	    NULL, NULL };
	while ((code = reader_u8(&body)) != 0) {
		const char *text = reader_string(&body);

		if (body.failed)
			break;
		if (code == 'S')
			notice_out->severity = text;
		else if (code == 'C' && text[0] != '\0')
			notice_out->sqlstate = text;
		else if (code == 'M')
			notice_out->text = text;
		else if (code == 'D')
			notice_out->detail = text;
		/* "Frontends should silently ignore unrecognized fields." */
	}
	return reader_done(&body);
}

bool
read_negotiation(struct reader body, uint32_t *version_out)
{
	*version_out = reader_u32(&body);
	return !body.failed;
}

bool
read_backend_key(struct reader *key, struct backend_key *key_out)
{
	size_t rest;

	memset(key_out, 0, sizeof(*key_out));
	key_out->pid = reader_u32(key);
	key_out->secret = reader_u32(key);
	rest = reader_left(key);
	if (key->failed || rest > sizeof(key_out->rest))
		return false;
	key_out->rest_length = (uint16_t)rest;
	memcpy(key_out->rest, reader_take(key, rest), rest);
	return reader_done(key);
}

bool
read_parameter_status(struct reader body, const char **name_out,
    const char **value_out)
{
	*name_out = reader_string(&body);
	*value_out = reader_string(&body);
	return reader_done(&body);
}

bool
read_next_parameter_status(struct reader *messages, const char **name_out,
    const char **value_out)
{
	uint32_t left = (uint32_t)reader_left(messages);
	const uint8_t *message;
	struct frame frame;

	if (frame_read(messages->at, left, left, &frame) != FRAME_FOUND ||
	    !frame_whole(&frame, left) ||
	    frame.type != MESSAGE_PARAMETER_STATUS)
		return false;
	message = reader_take(messages, frame.total);
	return read_parameter_status(reader_of(message + FRAME_HEADER,
	    frame.total - FRAME_HEADER), name_out, value_out);
}

bool
read_ready_for_query(struct reader body, enum transaction_status *status_out)
{
	uint8_t status = reader_u8(&body);

	*status_out = (enum transaction_status)status;
	return reader_done(&body) && (status == TRANSACTION_NONE ||
	    status == TRANSACTION_OPEN || status == TRANSACTION_FAILED);
}

bool
read_command_complete(struct reader body, const char **tag_out)
{
	return read_single_string(body, tag_out);
}

bool
read_authentication(struct reader body, struct authentication *out)
{
	out->code = reader_u32(&body);
	out->data = reader_rest(&body);
	return reader_done(&body);
}

bool
read_single_string(struct reader body, const char **text_out)
{
	*text_out = reader_string(&body);
	return reader_done(&body);
}

bool
read_sasl_initial_response(struct reader body, struct sasl_initial *out)
{
	int32_t length;
	const uint8_t *data;

	*out = (struct sasl_initial){ .mechanism = reader_string(&body) };
	length = reader_i32(&body);
	/* -1: the client sends no initial response. */
	if (length == -1)
		return reader_done(&body);
	if (length < 0)
		return false;
	data = reader_take(&body, (size_t)length);
	if (!reader_done(&body))
		return false;
	out->data = reader_of(data, (size_t)length);
	return true;
}
