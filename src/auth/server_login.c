#include "auth/server_login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/md5.h"
#include "base/invariant.h"
#include "base/memory.h"
#include "wire/messages.h"

#define WRONG_TYPE "wrong password type"

/* The diagram is in the header. */
enum login_phase {
	LOGIN_START = 0,
	LOGIN_ANSWERED,		/* our part is done; ok has to follow */
	LOGIN_FIRST,		/* SASL: sent our first message */
	LOGIN_FINAL,		/* SASL: sent our proof */
	LOGIN_DONE,
	LOGIN_FAILED,
	LOGIN_PHASES		/* stays last */
};

enum secret_kind {
	SECRET_PLAIN = 0,	/* the empty one as well */
	SECRET_MD5,
	SECRET_SCRAM
};

struct server_login {
	enum login_phase	 phase;
	enum secret_kind	 kind;
	bool			 has_keys;
	const char		*client_text;
	char			 log_text[160];
	struct scram_keys	 keys;
	struct scram_client	 client;
	size_t			 binding_length; /* 0: no TLS below */
	uint8_t			 binding[SCRAM_BINDING_MOST];
	size_t			 size;		/* of all of this */
	const char		*user, *secret;	/* both in strings */
	char			 strings[];
};

static enum secret_kind
kind_of(const char *secret)
{
	struct scram_secret scram;

	if (md5_is_secret(secret))
		return SECRET_MD5;
	return scram_secret_parse(secret, &scram) ? SECRET_SCRAM :
	    SECRET_PLAIN;
}

struct server_login *
server_login_begin(const struct server_credentials *credentials)
{
	const char *secret = credentials->secret != NULL ?
	    credentials->secret : "";
	size_t user_size = strlen(credentials->user) + 1;
	size_t secret_size = strlen(secret) + 1;
	size_t size = sizeof(struct server_login) + user_size + secret_size;
	struct server_login *login = calloc(1, size);

	if (login == NULL)
		return NULL;
	login->size = size;
	login->user = memcpy(login->strings, credentials->user, user_size);
	login->secret = memcpy(login->strings + user_size, secret,
	    secret_size);
	login->kind = kind_of(login->secret);
	/* A plain password is worth more: it fits whatever salt there is. */
	if (login->kind == SECRET_SCRAM && credentials->keys != NULL) {
		login->has_keys = true;
		login->keys = *credentials->keys;
	}
	return login;
}

void
server_login_bind(struct server_login *login, const uint8_t *digest,
    size_t length)
{
	INVARIANT(login->phase == LOGIN_START &&
	    length <= sizeof(login->binding));
	login->binding_length = length;
	if (length > 0)
		memcpy(login->binding, digest, length);
}

static enum server_login_verdict
go_on(struct server_login *login, enum login_phase next)
{
	login->phase = next;
	return SERVER_LOGIN_MORE;
}

static enum server_login_verdict
fail(struct server_login *login, const char *client_text, const char *log_text)
{
	login->phase = LOGIN_FAILED;
	login->client_text = client_text;
	if (log_text != NULL)
		snprintf(login->log_text, sizeof(login->log_text), "%s",
		    log_text);
	return SERVER_LOGIN_FAILED;
}

/* --- one function for each kind of request ------------------------------ */

typedef enum server_login_verdict answer_function(struct server_login *,
    struct reader, struct writer *);

static enum server_login_verdict
on_ok(struct server_login *login, struct reader data, struct writer *answer)
{
	if (!reader_done(&data))
		return fail(login, NULL, "malformed AuthenticationOk");
	login->phase = LOGIN_DONE;
	return SERVER_LOGIN_OK;
}

static enum server_login_verdict
on_cleartext(struct server_login *login, struct reader data,
    struct writer *answer)
{
	if (!reader_done(&data))
		return fail(login, NULL, "malformed authentication request");
	if (login->kind != SECRET_PLAIN)
		return fail(login, WRONG_TYPE, "cannot do cleartext password "
		    "authentication: password is not plain text");
	write_password(answer, login->secret);
	return go_on(login, LOGIN_ANSWERED);
}

static enum server_login_verdict
on_md5(struct server_login *login, struct reader data, struct writer *answer)
{
	char made[MD5_SECRET_SIZE], password[MD5_SECRET_SIZE];
	const uint8_t *salt = reader_take(&data, MD5_SALT);
	const char *secret = login->secret;

	if (!reader_done(&data))
		return fail(login, NULL, "malformed authentication request");
	if (login->kind == SECRET_SCRAM)
		return fail(login, WRONG_TYPE, "cannot do MD5 "
		    "authentication: password is SCRAM secret");
	if (login->kind == SECRET_PLAIN) {
		if (!md5_secret(login->secret, login->user, made))
			return fail(login, NULL, "MD5 is not available");
		secret = made;
	}
	if (!md5_answer(secret, salt, password))
		return fail(login, NULL, "MD5 is not available");
	write_password(answer, password);
	memory_wipe(made, sizeof(made));
	memory_wipe(password, sizeof(password));
	return go_on(login, LOGIN_ANSWERED);
}

static bool
offers(struct reader list, const char *wanted)
{
	const char *mechanism;

	while (*(mechanism = reader_string(&list)) != '\0')
		if (strcmp(mechanism, wanted) == 0)
			return true;
	return false;
}

/* The better one of what both can; NULL: there is none. */
static const char *
choose_mechanism(struct server_login *login, struct reader list,
    struct scram_binding *binding_out)
{
	*binding_out = (struct scram_binding){ SCRAM_UNBOUND, login->binding,
	    login->binding_length };
	if (login->binding_length > 0 && offers(list, SASL_MECHANISM_PLUS)) {
		binding_out->kind = SCRAM_BOUND;
		return SASL_MECHANISM_PLUS;
	}
	/* Somebody may have taken the better one out on its way. */
	if (login->binding_length > 0)
		binding_out->kind = SCRAM_BINDABLE;
	return offers(list, SASL_MECHANISM) ? SASL_MECHANISM : NULL;
}

static enum server_login_verdict
on_sasl(struct server_login *login, struct reader data, struct writer *answer)
{
	char memory[SCRAM_MESSAGE_MOST], nonce[SCRAM_NONCE_SIZE];
	struct writer message = writer_of(memory, sizeof(memory));
	struct scram_binding binding;
	const char *mechanism = choose_mechanism(login, data, &binding);

	if (mechanism == NULL)
		return fail(login, "none of the server's SASL authentication "
		    "mechanisms are supported", NULL);
	if (login->kind == SECRET_MD5)
		return fail(login, WRONG_TYPE, "cannot do SCRAM "
		    "authentication: password is MD5 secret");
	if (login->kind == SECRET_SCRAM && !login->has_keys)
		return fail(login, WRONG_TYPE, "cannot do SCRAM "
		    "authentication: password is SCRAM secret but client "
		    "authentication did not provide SCRAM keys");
	if (!scram_make_nonce(nonce) ||
	    !scram_client_first(&login->client, nonce, &binding, &message))
		return fail(login, NULL, "could not make a nonce");
	write_sasl_initial_response(answer, mechanism, message.bytes,
	    message.used);
	return go_on(login, LOGIN_FIRST);
}

static enum server_login_verdict
on_sasl_continue(struct server_login *login, struct reader data,
    struct writer *answer)
{
	char memory[SCRAM_MESSAGE_MOST + 128];
	struct writer message = writer_of(memory, sizeof(memory));

	if (!scram_client_final(&login->client, data.at, reader_left(&data),
	    login->secret, login->has_keys ? &login->keys : NULL, &message))
		return fail(login, NULL, login->client.problem);
	write_sasl_response(answer, message.bytes, message.used);
	return go_on(login, LOGIN_FINAL);
}

static enum server_login_verdict
on_sasl_final(struct server_login *login, struct reader data,
    struct writer *answer)
{
	switch (scram_client_verify(&login->client, data.at,
	    reader_left(&data))) {
	case SCRAM_GENUINE:
		return go_on(login, LOGIN_ANSWERED);
	case SCRAM_FALSE:
		return fail(login, "invalid server signature", NULL);
	case SCRAM_BROKEN:
		break;
	}
	return fail(login, "failed to verify server signature", NULL);
}

/* What a server may ask, and when. */
static const struct {
	uint32_t	 code;
	unsigned	 in_phases;
	answer_function	*answer;
} requests[] = {
	{ AUTHENTICATION_OK, 1u << LOGIN_START | 1u << LOGIN_ANSWERED,
	  on_ok },
	{ AUTHENTICATION_CLEARTEXT, 1u << LOGIN_START, on_cleartext },
	{ AUTHENTICATION_MD5, 1u << LOGIN_START, on_md5 },
	{ AUTHENTICATION_SASL, 1u << LOGIN_START, on_sasl },
	{ AUTHENTICATION_SASL_CONTINUE, 1u << LOGIN_FIRST, on_sasl_continue },
	{ AUTHENTICATION_SASL_FINAL, 1u << LOGIN_FINAL, on_sasl_final },
};

/* Ok before the server has proved itself must not pass for a login. */
static enum server_login_verdict
out_of_order(struct server_login *login, uint32_t code)
{
	if (code == AUTHENTICATION_OK)
		return fail(login, "failed to verify server signature",
		    "server ended SCRAM authentication without proof");
	snprintf(login->log_text, sizeof(login->log_text),
	    "unexpected authentication request: %u", code);
	return fail(login, NULL, NULL);
}

static enum server_login_verdict
dispatch(struct server_login *login, const struct authentication *request,
    struct writer *answer)
{
	for (size_t i = 0; i < ARRAY_LENGTH(requests); i++) {
		if (requests[i].code != request->code)
			continue;
		if (!(requests[i].in_phases & 1u << login->phase))
			return out_of_order(login, request->code);
		return requests[i].answer(login, request->data, answer);
	}
	snprintf(login->log_text, sizeof(login->log_text),
	    "unknown/unsupported auth method: %u", request->code);
	return fail(login, NULL, NULL);
}

enum server_login_verdict
server_login_answer(struct server_login *login, const uint8_t *payload,
    size_t length, struct writer *answer)
{
	struct authentication request;
	enum server_login_verdict verdict;

	INVARIANT(login->phase != LOGIN_DONE && login->phase != LOGIN_FAILED);
	if (!read_authentication(reader_of(payload, length), &request))
		return fail(login, NULL, "malformed authentication request");
	verdict = dispatch(login, &request, answer);
	if (answer->failed && verdict == SERVER_LOGIN_MORE)
		return fail(login, NULL, "no room for the answer");
	return verdict;
}

const char *
server_login_close_reason(const struct server_login *login)
{
	return "failed to answer authreq";
}

const char *
server_login_client_text(const struct server_login *login)
{
	return login->client_text;
}

const char *
server_login_log_text(const struct server_login *login)
{
	return login->log_text[0] != '\0' ? login->log_text : NULL;
}

void
server_login_end(struct server_login *login)
{
	if (login == NULL)
		return;
	memory_wipe(login, login->size);
	free(login);
}
