/*
 * Logins, both ways.  The first byte chooses which one, the rest are the
 * messages of the other side with a 0x1e (record separator) between them.
 * Nobody here knows the password, so a login that is granted is a fault.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "auth/server_login.h"
#include "wire/reader.h"

#define NONCE "fyko+d2lbbFgONRv9qkxdawL"
#define SECRET "SCRAM-SHA-256$1:W22ZaJ0SNY7soEsUEjb6gQ==" \
    "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:" \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static uint8_t memory[AUTH_REPLY_MOST];

/* Takes one message off, without its end. */
static struct reader
next_message(struct reader *input)
{
	size_t left = reader_left(input);
	const uint8_t *end = left == 0 ? NULL : memchr(input->at, 0x1e, left);
	struct reader line;

	if (end == NULL)
		return reader_rest(input);
	line = reader_of(input->at, (size_t)(end - input->at));
	input->at = end + 1;
	return line;
}

static void
as_server(struct reader input)
{
	struct reader line = next_message(&input);
	struct writer reply = writer_of(memory, sizeof(memory));
	struct scram_server server;
	struct scram_secret secret;
	struct scram_keys keys;
	const struct scram_binding binding = { SCRAM_BOUND,
	    (const uint8_t *)"digest", 6 };
	bool bound = reader_left(&line) > 0 && line.at[0] == 'p';

	if (!scram_secret_parse(SECRET, &secret))
		abort();
	if (!scram_server_first(&server, line.at, reader_left(&line), &secret,
	    NONCE, bound ? &binding : NULL, &reply))
		return;
	line = next_message(&input);
	if (scram_server_final(&server, line.at, reader_left(&line), &secret,
	    &keys, &reply))
		abort();
}

/* From keys: a million iterations a time would be no fuzzing. */
static void
as_client(struct reader input)
{
	static const struct scram_keys keys = { { 1 }, { 2 } };
	struct writer message = writer_of(memory, sizeof(memory));
	struct scram_client client;
	struct reader line = next_message(&input);

	if (!scram_client_first(&client, NONCE, NULL, &message))
		abort();
	if (!scram_client_final(&client, line.at, reader_left(&line), NULL,
	    &keys, &message))
		return;
	line = next_message(&input);
	if (scram_client_verify(&client, line.at, reader_left(&line)) ==
	    SCRAM_GENUINE)
		abort();
}

static void
as_secret(struct reader input)
{
	char text[512];
	size_t length = reader_left(&input);
	struct scram_secret secret;

	if (length >= sizeof(text))
		return;
	if (length > 0)
		memcpy(text, input.at, length);
	text[length] = '\0';
	if (scram_secret_parse(text, &secret) && (secret.iterations == 0 ||
	    secret.salt_length == 0 || secret.salt_length > SCRAM_SALT_MOST))
		abort();
}

static void
as_login(struct reader input, enum auth_type type, const char *secret)
{
	static const uint8_t mock_nonce[32];
	struct writer reply = writer_of(memory, sizeof(memory));
	struct auth_request request = { .type = type, .user = "user",
	    .secret = secret, .scram_iterations = 1,
	    .mock_nonce = mock_nonce,
	    .end_point = (const uint8_t *)"digest", .end_point_length = 6 };
	enum auth_verdict verdict;
	struct auth *auth = auth_begin(&request, &reply, &verdict);

	while (auth != NULL && verdict == AUTH_MORE) {
		struct reader line = next_message(&input);

		reply = writer_of(memory, sizeof(memory));
		verdict = auth_answer(auth, line.at, reader_left(&line),
		    &reply);
	}
	if (verdict == AUTH_GRANTED)
		abort();
	auth_end(auth);
}

/* A server may let us in without a question; with one it has to prove. */
static void
as_server_login(struct reader input)
{
	static const struct scram_keys keys = { { 1 }, { 2 } };
	struct server_credentials credentials = { "user", SECRET, &keys };
	struct server_login *login = server_login_begin(&credentials);
	enum server_login_verdict verdict = SERVER_LOGIN_MORE;
	unsigned questions = 0;

	while (login != NULL && verdict == SERVER_LOGIN_MORE &&
	    reader_left(&input) > 0) {
		struct reader line = next_message(&input);
		struct writer answer = writer_of(memory, sizeof(memory));

		verdict = server_login_answer(login, line.at,
		    reader_left(&line), &answer);
		questions++;
	}
	if (verdict == SERVER_LOGIN_OK && questions > 1)
		abort();
	server_login_end(login);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct reader input = reader_of(bytes, length);

	switch (reader_u8(&input)) {
	case 's':
		as_server(input);
		break;
	case 'c':
		as_client(input);
		break;
	case '$':
		as_secret(input);
		break;
	case 'P':
		as_login(input, AUTH_TYPE_PLAIN, "a long password");
		as_login(input, AUTH_TYPE_PLAIN, NULL);
		as_login(input, AUTH_TYPE_MD5, "a long password");
		as_login(input, AUTH_TYPE_MD5, NULL);
		break;
	case 'S':
		as_login(input, AUTH_TYPE_SCRAM_SHA_256, SECRET);
		as_login(input, AUTH_TYPE_SCRAM_SHA_256, NULL);
		break;
	case 'R':
		as_server_login(input);
		break;
	}
	return 0;
}
