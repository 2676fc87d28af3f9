/*
 * Messages of PostgreSQL's protocol 3.0, built and taken apart.
 *
 * write_* adds one whole message to a writer; what does not fit sets its
 * `failed`.  read_* takes the body of a message, the bytes after the length
 * word; false means that it is not what the manual says ("Message Formats").
 * Strings read point into the body and live as long as it does.  None of
 * these allocates.
 */
#ifndef WIRE_MESSAGES_H
#define WIRE_MESSAGES_H

#include "wire/reader.h"
#include "wire/writer.h"

/* MESSAGE_QUERY = 'Q' and so on. */
enum message_type {
#define FRONTEND(name, letter, text) MESSAGE_##name = letter,
#define BACKEND(name, letter, text) MESSAGE_##name = letter,
#define EITHER(name, letter, text) MESSAGE_##name = letter,
#include "wire/messages.def"
#undef FRONTEND
#undef BACKEND
#undef EITHER
};

/*
 * From a client: asks for something, and so needs a server.  Flush asks for
 * nothing of its own, and COPY's parts belong to what was asked.
 */
static inline bool
message_asks(uint8_t type)
{
	switch (type) {
	case MESSAGE_QUERY:
	case MESSAGE_PARSE:
	case MESSAGE_BIND:
	case MESSAGE_DESCRIBE:
	case MESSAGE_EXECUTE:
	case MESSAGE_CLOSE:
	case MESSAGE_SYNC:
	case MESSAGE_FUNCTION_CALL:
		return true;
	default:
		return false;
	}
}

/* For logs: "Query"; NULL if there is no such message in this direction. */
const char *message_name_from_client(uint8_t type);
const char *message_name_from_server(uint8_t type);

/* SQLSTATE_PROTOCOL_VIOLATION is "08P01", and so on. */
#define SQLSTATE(name, code) extern const char SQLSTATE_##name[6];
#include "wire/sqlstates.def"
#undef SQLSTATE

/* The codes of Authentication messages; others exist and are not for us. */
enum authentication_code {
	AUTHENTICATION_OK = 0,
	AUTHENTICATION_CLEARTEXT = 3,
	AUTHENTICATION_MD5 = 5,
	AUTHENTICATION_SASL = 10,
	AUTHENTICATION_SASL_CONTINUE = 11,
	AUTHENTICATION_SASL_FINAL = 12
};

#define SASL_MECHANISM "SCRAM-SHA-256"
#define SASL_MECHANISM_PLUS "SCRAM-SHA-256-PLUS"	/* bound to TLS */

#define PROTOCOL_3_0 UINT32_C(0x00030000)
#define PROTOCOL_3_2 UINT32_C(0x00030002)

/* Where a transaction stands: the byte in ReadyForQuery. */
enum transaction_status {
	TRANSACTION_NONE = 'I',
	TRANSACTION_OPEN = 'T',
	TRANSACTION_FAILED = 'E'
};

/*
 * What BackendKeyData gives and CancelRequest takes.  From protocol 3.2 on a
 * key has 4 to 256 bytes: `secret` is the first 4, the others are the rest.
 */
#define BACKEND_KEY_REST 252

struct backend_key {
	uint32_t	pid, secret;
	uint16_t	rest_length;	/* 0 before 3.2 */
	uint8_t		rest[BACKEND_KEY_REST];
};

/* BackendKeyData or CancelRequest, as a whole. */
#define BACKEND_KEY_MESSAGE_MOST (16 + BACKEND_KEY_REST)

/* The fields of ErrorResponse and NoticeResponse that we use. */
struct notice {
	const char	*severity;	/* "FATAL", "ERROR", "NOTICE" ... */
	const char	*sqlstate;
	const char	*text;
	const char	*detail;	/* NULL: none */
	const char	*hint;		/* NULL: none */
};

/* --- towards clients ---------------------------------------------------- */

/*
 * The fields S, V, C, M, and D and H if there is a detail or a hint.
 */
void write_error_response(struct writer *writer, const struct notice *notice);
void write_notice_response(struct writer *writer, const struct notice *notice);
/* A pooler gives a client up: FATAL, text, and what belongs to it. */
void write_fatal(struct writer *writer, const char *text);

void write_authentication_ok(struct writer *writer);
void write_authentication_cleartext(struct writer *writer);
void write_authentication_md5(struct writer *writer, const uint8_t salt[4]);
/* Offers SCRAM-SHA-256, and before it the one that is bound to TLS. */
void write_authentication_sasl(struct writer *writer, bool can_bind);
void write_authentication_sasl_continue(struct writer *writer,
    const void *data, size_t length);
void write_authentication_sasl_final(struct writer *writer,
    const void *data, size_t length);

void write_ready_for_query(struct writer *writer,
    enum transaction_status status);
void write_backend_key_data(struct writer *writer,
    const struct backend_key *key);
void write_parameter_status(struct writer *writer, const char *name,
    const char *value);
void write_command_complete(struct writer *writer, const char *tag);

/* --- towards servers ---------------------------------------------------- */

void write_ssl_request(struct writer *writer);
/*
 * StartupMessage of this protocol version.  Begin, any number of parameters,
 * end: `user` is the one that has to be there.
 */
void write_startup_begin(struct writer *writer, uint32_t version);
void write_startup_parameter(struct writer *writer, const char *name,
    const char *value);
void write_startup_end(struct writer *writer);
void write_cancel_request(struct writer *writer, const struct backend_key *key);
void write_password(struct writer *writer, const char *password);
void write_sasl_initial_response(struct writer *writer,
    const char *mechanism, const void *data, size_t length);
void write_sasl_response(struct writer *writer, const void *data,
    size_t length);
void write_query(struct writer *writer, const char *query);
/*
 * The unnamed statement and portal: Parse, types are PostgreSQL's to find;
 * Bind of texts, answers are to be texts; Describe of the portal; Execute
 * for all rows; Close of the statement.
 */
void write_parse(struct writer *writer, const char *query);
void write_bind(struct writer *writer, const char *const *values,
    uint16_t count);
void write_describe_portal(struct writer *writer);
void write_execute(struct writer *writer);
void write_close_statement(struct writer *writer);
void write_sync(struct writer *writer);
void write_terminate(struct writer *writer);

/* --- from servers ------------------------------------------------------- */

/*
 * Also takes NoticeResponse.  Never leaves a field NULL but detail: what the
 * server left out is "ERROR", "XX000" and "" (CVE-2026-6666 was a missing
 * SQLSTATE).  False: fields are cut off; what came before is filled in, so
 * that even a broken error can be logged.
 */
bool read_error_response(struct reader body, struct notice *notice_out);

/*
 * BackendKeyData's body, and the rest of a CancelRequest.  False: shorter
 * than 4 + 4 bytes, or longer than a key can be.
 */
bool read_backend_key(struct reader *key, struct backend_key *key_out)
    MUST_CHECK;

/* Which version the server speaks instead of the one that it was asked for. */
bool read_negotiation(struct reader body, uint32_t *version_out) MUST_CHECK;

bool read_parameter_status(struct reader body, const char **name_out,
    const char **value_out) MUST_CHECK;

/*
 * The first of several such messages, with their headers, is taken off.
 * False: there is none; that was all if reader_done(messages).
 */
bool read_next_parameter_status(struct reader *messages,
    const char **name_out, const char **value_out) MUST_CHECK;

/* False as well if the status is none of the three. */
bool read_ready_for_query(struct reader body,
    enum transaction_status *status_out) MUST_CHECK;

bool read_command_complete(struct reader body, const char **tag_out)
    MUST_CHECK;

struct authentication {
	uint32_t	code;	/* any: enum authentication_code or another */
	struct reader	data;	/* what follows the code */
};

bool read_authentication(struct reader body, struct authentication *out)
    MUST_CHECK;

/* --- from clients ------------------------------------------------------- */

/* A string and nothing behind it: PasswordMessage, Query. */
bool read_single_string(struct reader body, const char **text_out) MUST_CHECK;

struct sasl_initial {
	const char	*mechanism;
	struct reader	 data;	/* empty if the client sent none */
};

bool read_sasl_initial_response(struct reader body, struct sasl_initial *out)
    MUST_CHECK;

#endif
