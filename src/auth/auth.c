#include "auth/auth.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/md5.h"
#include "base/digest.h"
#include "base/invariant.h"
#include "base/memory.h"
#include "base/random.h"
#include "wire/messages.h"

#define BAD_PASSWORD "password authentication failed"
#define BAD_SASL "SASL authentication failed"

/*
 *   BEGIN --+--------------------> OVER		trust, any
 *           +-- CLEARTEXT -------> OVER		plain
 *           +-- MD5 -------------> OVER		md5
 *           +-- FIRST -- FINAL --> OVER		scram-sha-256
 *
 *           +-- CLEARTEXT -- ASKED ----> OVER	pam, ldap
 *           +-- ASKED -----------> OVER		peer
 *
 * FIRST -> OVER as well: a first message that is refused.
 */
enum auth_phase {
	AUTH_BEGIN = 0,
	AUTH_CLEARTEXT,
	AUTH_MD5,
	AUTH_FIRST,
	AUTH_FINAL,
	AUTH_ASKED,
	AUTH_OVER,
	AUTH_PHASES		/* stays last */
};

/* By its form (PgBouncer's rule, PostgreSQL's as well). */
enum secret_kind {
	SECRET_NONE = 0,	/* unknown user, or an empty secret */
	SECRET_PLAIN,
	SECRET_MD5,
	SECRET_SCRAM
};

struct auth {
	enum auth_phase		 phase;
	enum secret_kind	 kind;
	bool			 known;		/* the user exists */
	bool			 can_succeed;	/* no mock authentication */
	bool			 needs_keys;	/* scram has no keys yet */
	bool			 derived;	/* scram's were made here */
	bool			 learnt;	/* keys are good */
	enum auth_type		 type;
	char			*password;	/* ASKED: to be checked */
	char			 told[256];	/* may be the detail */
	const char		*reason, *detail;
	uint8_t			 md5_salt[MD5_SALT];
	int			 iterations;
	uint8_t			 mock_nonce[SCRAM_KEY];
	struct scram_secret	 scram;
	struct scram_keys	 keys;
	struct scram_server	 server;
	uint8_t			 end_point[SCRAM_BINDING_MOST];
	size_t			 end_point_length; /* 0: PLUS not offered */
	size_t			 size;		/* of all of this */
	const char		*user, *secret;	/* both in strings */
	char			 strings[];
};

static enum secret_kind
kind_of(const char *secret, struct scram_secret *scram_out)
{
	if (secret == NULL || secret[0] == '\0')
		return SECRET_NONE;
	if (md5_is_secret(secret))
		return SECRET_MD5;
	if (scram_secret_parse(secret, scram_out))
		return SECRET_SCRAM;
	return SECRET_PLAIN;
}

/* The others only ask whether there is one. */
static bool
looks_at_secret(enum auth_type type)
{
	return type == AUTH_TYPE_PLAIN || type == AUTH_TYPE_MD5 ||
	    type == AUTH_TYPE_SCRAM_SHA_256;
}

static struct auth *
copy_request(const struct auth_request *request)
{
	const char *secret = request->secret != NULL ? request->secret : "";
	size_t user_size = strlen(request->user) + 1;
	size_t secret_size = strlen(secret) + 1;
	size_t size = sizeof(struct auth) + user_size + secret_size;
	struct auth *auth = calloc(1, size);

	if (auth == NULL)
		return NULL;
	auth->size = size;
	auth->user = memcpy(auth->strings, request->user, user_size);
	auth->secret = memcpy(auth->strings + user_size, secret, secret_size);
	auth->known = request->secret != NULL;
	if (looks_at_secret(request->type))
		auth->kind = kind_of(request->secret, &auth->scram);
	auth->iterations = request->scram_iterations;
	auth->type = request->type;
	if (request->mock_nonce != NULL)
		memcpy(auth->mock_nonce, request->mock_nonce, SCRAM_KEY);
	if (request->end_point_length > 0) {
		INVARIANT(request->end_point_length <= SCRAM_BINDING_MOST);
		memcpy(auth->end_point, request->end_point,
		    request->end_point_length);
		auth->end_point_length = request->end_point_length;
	}
	return auth;
}

/* --- phases and verdicts ------------------------------------------------ */

static enum auth_verdict
wait_for(struct auth *auth, enum auth_phase next)
{
	auth->phase = next;
	return AUTH_MORE;
}

static enum auth_verdict
grant(struct auth *auth)
{
	auth->phase = AUTH_OVER;
	return AUTH_GRANTED;
}

static enum auth_verdict
refuse(struct auth *auth, const char *reason)
{
	auth->phase = AUTH_OVER;
	auth->reason = reason;
	return AUTH_REFUSED;
}

static enum auth_verdict
refuse_sasl(struct auth *auth, const char *detail)
{
	if (auth->detail == NULL)
		auth->detail = detail;
	return refuse(auth, BAD_SASL);
}

/* --- how each method begins --------------------------------------------- */

typedef enum auth_verdict begin_function(struct auth *,
    const struct auth_request *, struct writer *);

static enum auth_verdict
begin_any(struct auth *auth, const struct auth_request *request,
    struct writer *reply)
{
	return grant(auth);
}

static enum auth_verdict
begin_trust(struct auth *auth, const struct auth_request *request,
    struct writer *reply)
{
	if (!auth->known)
		return refuse(auth, "\"trust\" authentication failed");
	return grant(auth);
}

static enum auth_verdict
begin_reject(struct auth *auth, const struct auth_request *request,
    struct writer *reply)
{
	return refuse(auth, "login rejected");
}

static enum auth_verdict
begin_plain(struct auth *auth, const struct auth_request *request,
    struct writer *reply)
{
	auth->can_succeed = auth->kind != SECRET_NONE;
	write_authentication_cleartext(reply);
	return wait_for(auth, AUTH_CLEARTEXT);
}

/* Others know whether it is right, and who the user is. */
static enum auth_verdict
begin_outside(struct auth *auth, const struct auth_request *request,
    struct writer *reply)
{
	write_authentication_cleartext(reply);
	return wait_for(auth, AUTH_CLEARTEXT);
}

static enum auth_verdict
ask_outside(struct auth *auth)
{
	auth->phase = AUTH_ASKED;
	return AUTH_OUTSIDE;
}

static enum auth_verdict
begin_peer(struct auth *auth, const struct auth_request *request,
    struct writer *reply)
{
	return ask_outside(auth);
}

static enum auth_verdict
begin_cert(struct auth *auth, const struct auth_request *request,
    struct writer *reply)
{
	if (!auth->known || !request->certified)
		return refuse(auth, "certificate authentication failed");
	return grant(auth);
}

/*
 * The salt is shown to anybody, so a user without a secret of his own gets
 * one that does not change either.
 */
static bool
make_up_secret(struct auth *auth)
{
	memset(&auth->scram, 0, sizeof(auth->scram));
	auth->scram.iterations = (uint32_t)auth->iterations;
	auth->scram.salt_length = SCRAM_MOCK_SALT;
	return scram_mock_salt(auth->mock_nonce, auth->user,
	    auth->scram.salt);
}

/* True: what was derived in an earlier login is what we would derive now. */
static bool
fits(const struct scram_secret *derived, const struct scram_secret *wanted)
{
	return derived != NULL && derived->iterations == wanted->iterations &&
	    derived->salt_length == wanted->salt_length &&
	    memcmp(derived->salt, wanted->salt, wanted->salt_length) == 0;
}

static enum auth_verdict
begin_scram(struct auth *auth, const struct auth_request *request,
    struct writer *reply)
{
	auth->can_succeed = auth->kind == SECRET_PLAIN ||
	    auth->kind == SECRET_SCRAM;
	if (auth->kind == SECRET_MD5)
		auth->detail =
		    "SCRAM authentication failed: user has MD5 secret";
	if (auth->kind != SECRET_SCRAM && !make_up_secret(auth))
		return refuse_sasl(auth, "could not make up a salt");
	if (auth->kind == SECRET_PLAIN) {
		auth->needs_keys = !fits(request->derived, &auth->scram);
		if (!auth->needs_keys)
			auth->scram = *request->derived;
	}
	write_authentication_sasl(reply, auth->end_point_length > 0);
	return wait_for(auth, AUTH_FIRST);
}

/* "md5" is upgraded when what is stored is better. */
static enum auth_verdict
begin_md5(struct auth *auth, const struct auth_request *request,
    struct writer *reply)
{
	if (auth->kind == SECRET_SCRAM)
		return begin_scram(auth, request, reply);
	auth->can_succeed = auth->kind != SECRET_NONE;
	random_fill(auth->md5_salt, sizeof(auth->md5_salt));
	write_authentication_md5(reply, auth->md5_salt);
	return wait_for(auth, AUTH_MD5);
}

static begin_function *const beginnings[] = {
	[AUTH_TYPE_ANY] = begin_any,
	[AUTH_TYPE_TRUST] = begin_trust,
	[AUTH_TYPE_PLAIN] = begin_plain,
	[AUTH_TYPE_MD5] = begin_md5,
	[AUTH_TYPE_SCRAM_SHA_256] = begin_scram,
	[AUTH_TYPE_REJECT] = begin_reject,
	[AUTH_TYPE_CERT] = begin_cert,
	[AUTH_TYPE_PEER] = begin_peer,
	[AUTH_TYPE_PAM] = begin_outside,
	[AUTH_TYPE_LDAP] = begin_outside,
};

/* The caller's writer was too small: better one client less. */
static enum auth_verdict
check_room(struct auth *auth, const struct writer *reply,
    enum auth_verdict verdict)
{
	if (reply->failed && verdict != AUTH_REFUSED)
		return refuse(auth, "out of memory");
	return verdict;
}

struct auth *
auth_begin(const struct auth_request *request, struct writer *reply,
    enum auth_verdict *verdict_out)
{
	struct auth *auth = copy_request(request);
	size_t type = (size_t)request->type;

	*verdict_out = AUTH_REFUSED;
	if (auth == NULL)
		return NULL;
	if (type >= ARRAY_LENGTH(beginnings) || beginnings[type] == NULL) {
		auth->detail = "this auth_type is not supported yet";
		*verdict_out = refuse(auth, "bouncer config error");
		return auth;
	}
	*verdict_out = check_room(auth, reply,
	    beginnings[type](auth, request, reply));
	return auth;
}

/* --- how each phase takes an answer ------------------------------------- */

typedef enum auth_verdict step_function(struct auth *, struct reader,
    struct writer *);

/* What both password methods want of a PasswordMessage. NULL: it is fine. */
static const char *
read_password(struct reader body, const char **password_out)
{
	if (!read_single_string(body, password_out))
		return "failed to parse packet";
	if ((*password_out)[0] == '\0')
		return "empty password returned by client";
	if (strlen(*password_out) > AUTH_PASSWORD_MOST)
		return "password too long";
	return NULL;
}

/* Takes as long for any two texts of these lengths. */
static bool
same_text(const char *a, const char *b)
{
	uint8_t one[SCRAM_KEY], other[SCRAM_KEY];

	digest_of(a, strlen(a), one);
	digest_of(b, strlen(b), other);
	return CRYPTO_memcmp(one, other, sizeof(one)) == 0;
}

static bool
matches_md5(const struct auth *auth, const char *password)
{
	char secret[MD5_SECRET_SIZE];

	return md5_secret(password, auth->user, secret) &&
	    same_text(secret, auth->secret);
}

/* Gives the keys away as well: we have seen the password. */
static bool
matches_scram(struct auth *auth, const char *password)
{
	struct scram_secret made;
	bool same;

	same = scram_secret_derive(password, auth->scram.salt,
	    auth->scram.salt_length, auth->scram.iterations, &made,
	    &auth->keys) &&
	    CRYPTO_memcmp(made.stored_key, auth->scram.stored_key,
	    SCRAM_KEY) == 0 &&
	    CRYPTO_memcmp(made.server_key, auth->scram.server_key,
	    SCRAM_KEY) == 0;
	auth->learnt = same;
	memory_wipe(&made, sizeof(made));
	return same;
}

/* What others would cut off is refused here. */
static enum auth_verdict
keep_password(struct auth *auth, const char *password)
{
	if (strlen(password) >= AUTH_OUTSIDE_PASSWORD_BYTES)
		return refuse(auth, "password too long");
	auth->password = strdup(password);
	if (auth->password == NULL)
		return refuse(auth, "out of memory");
	return ask_outside(auth);
}

static enum auth_verdict
on_cleartext(struct auth *auth, struct reader body, struct writer *reply)
{
	const char *password, *problem = read_password(body, &password);
	bool right;

	if (problem != NULL)
		return refuse(auth, problem);
	if (auth->type != AUTH_TYPE_PLAIN)
		return keep_password(auth, password);
	if (auth->kind == SECRET_MD5)
		right = matches_md5(auth, password);
	else if (auth->kind == SECRET_SCRAM)
		right = matches_scram(auth, password);
	else
		right = same_text(password, auth->secret);
	if (!right || !auth->can_succeed)
		return refuse(auth, BAD_PASSWORD);
	return grant(auth);
}

static enum auth_verdict
on_md5(struct auth *auth, struct reader body, struct writer *reply)
{
	char secret[MD5_SECRET_SIZE], wanted[MD5_SECRET_SIZE];
	const char *answer, *problem = read_password(body, &answer);
	const char *stored = auth->secret;
	bool right;

	if (problem != NULL)
		return refuse(auth, problem);
	if (auth->kind != SECRET_MD5) {
		if (!md5_secret(auth->secret, auth->user, secret))
			return refuse(auth, BAD_PASSWORD);
		stored = secret;
	}
	right = md5_answer(stored, auth->md5_salt, wanted) &&
	    same_text(answer, wanted);
	memory_wipe(secret, sizeof(secret));
	memory_wipe(wanted, sizeof(wanted));
	if (!right || !auth->can_succeed)
		return refuse(auth, BAD_PASSWORD);
	return grant(auth);
}

/* False: the client chose what it was not offered. */
static bool
choose_binding(const struct auth *auth, const char *mechanism,
    struct scram_binding *binding_out)
{
	*binding_out = (struct scram_binding){ SCRAM_UNBOUND,
	    auth->end_point, auth->end_point_length };
	if (auth->end_point_length > 0) {
		bool chosen = strcmp(mechanism, SASL_MECHANISM_PLUS) == 0;

		binding_out->kind = chosen ? SCRAM_BOUND : SCRAM_BINDABLE;
		if (chosen)
			return true;
	}
	return strcmp(mechanism, SASL_MECHANISM) == 0;
}

static enum auth_verdict
on_sasl_first(struct auth *auth, struct reader body, struct writer *reply)
{
	char memory[SCRAM_MESSAGE_MOST + 256], nonce[SCRAM_NONCE_SIZE];
	struct writer message = writer_of(memory, sizeof(memory));
	struct sasl_initial initial;
	struct scram_binding binding;

	if (!read_sasl_initial_response(body, &initial))
		return refuse_sasl(auth, "malformed SASLInitialResponse");
	if (!choose_binding(auth, initial.mechanism, &binding))
		return refuse(auth, "client selected an invalid SASL "
		    "authentication mechanism");
	if (!scram_make_nonce(nonce))
		return refuse_sasl(auth, "could not make a nonce");
	if (!scram_server_first(&auth->server, initial.data.at,
	    reader_left(&initial.data), &auth->scram, nonce, &binding,
	    &message))
		return refuse_sasl(auth, auth->server.problem);
	write_authentication_sasl_continue(reply, message.bytes,
	    message.used);
	return wait_for(auth, AUTH_FINAL);
}

/*
 * The expensive part, put off until a client has come as far as this; the
 * caller keeps the result, so that it is done once, not at each login.
 */
static bool
derive(struct auth *auth)
{
	uint8_t salt[SCRAM_MOCK_SALT];

	memcpy(salt, auth->scram.salt, sizeof(salt));
	auth->derived = scram_secret_derive(auth->secret, salt, sizeof(salt),
	    (uint32_t)auth->iterations, &auth->scram, NULL);
	return auth->derived;
}

static enum auth_verdict
on_sasl_final(struct auth *auth, struct reader body, struct writer *reply)
{
	char memory[64];
	struct writer message = writer_of(memory, sizeof(memory));

	if (auth->needs_keys && !derive(auth))
		return refuse_sasl(auth, "could not derive a SCRAM secret");
	if (!scram_server_final(&auth->server, body.at, reader_left(&body),
	    &auth->scram, &auth->keys, &message))
		return refuse_sasl(auth, auth->server.problem);
	if (!auth->can_succeed)
		return refuse_sasl(auth, "no such user");
	auth->learnt = auth->kind == SECRET_SCRAM;
	write_authentication_sasl_final(reply, message.bytes, message.used);
	return grant(auth);
}

static const struct {
	step_function	*step;
	unsigned	 may_follow;
} phases[AUTH_PHASES] = {
	[AUTH_CLEARTEXT] = { on_cleartext, 1u << AUTH_ASKED |
	    1u << AUTH_OVER },
	[AUTH_MD5] = { on_md5, 1u << AUTH_OVER },
	[AUTH_FIRST] = { on_sasl_first, 1u << AUTH_FINAL | 1u << AUTH_OVER },
	[AUTH_FINAL] = { on_sasl_final, 1u << AUTH_OVER },
};

enum auth_verdict
auth_answer(struct auth *auth, const uint8_t *payload, size_t length,
    struct writer *reply)
{
	enum auth_phase before = auth->phase;
	enum auth_verdict verdict;

	INVARIANT(phases[before].step != NULL);
	verdict = phases[before].step(auth, reader_of(payload, length), reply);
	INVARIANT(phases[before].may_follow & (1u << auth->phase));
	return check_room(auth, reply, verdict);
}

/* --- what others have said ---------------------------------------------- */

static const struct {
	const char	*no, *nothing;
} refusals[] = {
	[AUTH_TYPE_PEER] = { "unix socket login rejected",
	    "unix socket login rejected: no answer" },
	[AUTH_TYPE_PAM] = { "PAM authentication failed",
	    "PAM authentication failed: no answer" },
	[AUTH_TYPE_LDAP] = { "LDAP authentication failed",
	    "LDAP authentication failed: no answer" },
};

static void
forget_password(struct auth *auth)
{
	if (auth->password != NULL)
		memory_wipe(auth->password, strlen(auth->password));
	free(auth->password);
	auth->password = NULL;
}

const char *
auth_password(const struct auth *auth)
{
	return auth->password != NULL ? auth->password : "";
}

enum auth_verdict
auth_told(struct auth *auth, enum auth_outcome outcome, const char *detail)
{
	INVARIANT(auth->phase == AUTH_ASKED);
	snprintf(auth->told, sizeof(auth->told), "%s", detail);
	if (auth->told[0] != '\0')
		auth->detail = auth->told;
	if (outcome == AUTH_TOLD_NOTHING)
		return refuse(auth, refusals[auth->type].nothing);
	/* Nobody in the system is a user of ours by that alone. */
	if (outcome == AUTH_TOLD_NO ||
	    (auth->type == AUTH_TYPE_PEER && !auth->known))
		return refuse(auth, refusals[auth->type].no);
	return grant(auth);
}

/* --- what came out ------------------------------------------------------ */

const char *
auth_reason(const struct auth *auth)
{
	return auth->reason != NULL ? auth->reason : "";
}

/* PgBouncer has one for all that it says itself. */
const char *
auth_sqlstate(const struct auth *auth)
{
	return SQLSTATE_PROTOCOL_VIOLATION;
}

const char *
auth_detail(const struct auth *auth)
{
	return auth->detail;
}

const struct scram_keys *
auth_learnt_keys(const struct auth *auth)
{
	return auth->learnt ? &auth->keys : NULL;
}

const struct scram_secret *
auth_derived(const struct auth *auth)
{
	return auth->derived ? &auth->scram : NULL;
}

void
auth_end(struct auth *auth)
{
	if (auth == NULL)
		return;
	forget_password(auth);
	memory_wipe(auth, auth->size);
	free(auth);
}
