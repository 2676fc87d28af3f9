#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "auth/md5.h"
#include "wire/messages.h"

#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define SCRAM "SCRAM-SHA-256$4096:" SALT \
    "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:" \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="	/* of "pencil" */

static uint8_t mock_nonce[32] = "the same nonce in all workers..";
static uint8_t memory[AUTH_REPLY_MOST];
static struct writer reply;
static struct auth *auth;

static void
begin(void)
{
	auth = NULL;
	reply = writer_of(memory, sizeof(memory));
}

static void
end(void)
{
	auth_end(auth);
	auth = NULL;
}

static enum auth_verdict
ask(enum auth_type type, const char *secret,
    const struct scram_secret *derived)
{
	enum auth_verdict verdict;

	auth = auth_begin(&(struct auth_request){ .type = type,
	    .user = "user", .secret = secret, .scram_iterations = 5,
	    .mock_nonce = mock_nonce, .derived = derived }, &reply, &verdict);
	ck_assert_ptr_nonnull(auth);
	return verdict;
}

/* The one authentication request that was written since. */
static struct authentication
request(void)
{
	struct authentication out;
	struct reader reader = reader_of(memory, reply.used);

	ck_assert(!reply.failed);
	ck_assert_int_eq(reader_u8(&reader), MESSAGE_AUTHENTICATION);
	ck_assert_uint_eq(reader_u32(&reader), reply.used - 1);
	ck_assert(read_authentication(reader, &out));
	reply.used = 0;
	return out;
}

/* Sends one 'p' message that a write_ function made. */
static enum auth_verdict
answer_with(const struct writer *message)
{
	static uint8_t copy[AUTH_PASSWORD_MOST + 64];

	/* What was written is the request still; it is done with. */
	memcpy(copy, message->bytes, message->used);
	ck_assert(!message->failed);
	return auth_answer(auth, copy + 5, message->used - 5, &reply);
}

static enum auth_verdict
send_password(const char *password)
{
	static uint8_t bytes[AUTH_PASSWORD_MOST + 64];
	struct writer message = writer_of(bytes, sizeof(bytes));

	write_password(&message, password);
	return answer_with(&message);
}

/* Follows whatever is asked with this password, to the verdict. */
static enum auth_verdict
log_in(const char *password)
{
	uint8_t bytes[2048], text[1024];
	struct writer message = writer_of(bytes, sizeof(bytes));
	struct writer raw = writer_of(text, sizeof(text));
	struct authentication asked = request();
	char md5[MD5_SECRET_SIZE], md5ed[MD5_SECRET_SIZE];
	struct scram_client client;
	enum auth_verdict verdict;

	if (asked.code == AUTHENTICATION_CLEARTEXT)
		return send_password(password);
	if (asked.code == AUTHENTICATION_MD5) {
		ck_assert(md5_secret(password, "user", md5));
		ck_assert(md5_answer(md5, asked.data.at, md5ed));
		return send_password(md5ed);
	}
	ck_assert_uint_eq(asked.code, AUTHENTICATION_SASL);
	ck_assert(scram_client_first(&client, "clientnonce", NULL, &raw));
	write_sasl_initial_response(&message, SASL_MECHANISM, text, raw.used);
	ck_assert_int_eq(answer_with(&message), AUTH_MORE);
	asked = request();
	ck_assert_uint_eq(asked.code, AUTHENTICATION_SASL_CONTINUE);
	raw = writer_of(text, sizeof(text));
	ck_assert(scram_client_final(&client, asked.data.at,
	    reader_left(&asked.data), password, NULL, &raw));
	message = writer_of(bytes, sizeof(bytes));
	write_sasl_response(&message, text, raw.used);
	verdict = answer_with(&message);
	if (verdict == AUTH_GRANTED) {
		asked = request();
		ck_assert_uint_eq(asked.code, AUTHENTICATION_SASL_FINAL);
		ck_assert_int_eq(scram_client_verify(&client, asked.data.at,
		    reader_left(&asked.data)), SCRAM_GENUINE);
	}
	return verdict;
}

static char md5_of_pencil[MD5_SECRET_SIZE];

#define PLAIN AUTH_TYPE_PLAIN
#define MD5 AUTH_TYPE_MD5
#define SHA AUTH_TYPE_SCRAM_SHA_256
#define BAD "password authentication failed"
#define BAD_SASL "SASL authentication failed"

static const struct {
	const char		*story;
	enum auth_type		 type;
	const char		*secret;	/* "md5": of "pencil" */
	const char		*password;
	const char		*reason;	/* NULL: granted */
	bool			 learns;
} cases[] = {
	{ "plain, plain", PLAIN, "pencil", "pencil", NULL, false },
	{ "plain, wrong", PLAIN, "pencil", "Pencil", BAD, false },
	{ "plain, md5 secret", PLAIN, "md5", "pencil", NULL, false },
	{ "plain, md5 secret, wrong", PLAIN, "md5", "x", BAD, false },
	{ "plain, SCRAM secret", PLAIN, SCRAM, "pencil", NULL, true },
	{ "plain, SCRAM secret, wrong", PLAIN, SCRAM, "x", BAD, false },
	{ "a SCRAM secret is no password", PLAIN, SCRAM, SCRAM, BAD, false },
	{ "plain, unknown user", PLAIN, NULL, "pencil", BAD, false },
	{ "plain, empty secret", PLAIN, "", "pencil", BAD, false },
	{ "md5, plain", MD5, "pencil", "pencil", NULL, false },
	{ "md5, wrong", MD5, "pencil", "x", BAD, false },
	{ "md5, md5 secret", MD5, "md5", "pencil", NULL, false },
	{ "md5, md5 secret, wrong", MD5, "md5", "x", BAD, false },
	{ "md5 becomes SCRAM", MD5, SCRAM, "pencil", NULL, true },
	{ "md5 becomes SCRAM, wrong", MD5, SCRAM, "x", BAD_SASL, false },
	{ "md5, unknown user", MD5, NULL, "pencil", BAD, false },
	{ "md5, unknown user, no password", MD5, NULL, "", BAD, false },
	{ "md5, empty secret, empty password", MD5, "", "", BAD, false },
	{ "scram, plain", SHA, "pencil", "pencil", NULL, false },
	{ "scram, wrong", SHA, "pencil", "x", BAD_SASL, false },
	{ "scram, SCRAM secret", SHA, SCRAM, "pencil", NULL, true },
	{ "scram, SCRAM secret, wrong", SHA, SCRAM, "x", BAD_SASL, false },
	{ "scram, md5 secret", SHA, "md5", "pencil", BAD_SASL, false },
	{ "scram, unknown user", SHA, NULL, "pencil", BAD_SASL, false },
	{ "scram, empty secret", SHA, "", "", BAD_SASL, false },
};

START_TEST(each_method_with_each_secret)
{
	const char *secret = cases[_i].secret;
	enum auth_verdict verdict;

	ck_assert(md5_secret("pencil", "user", md5_of_pencil));
	if (secret != NULL && strcmp(secret, "md5") == 0)
		secret = md5_of_pencil;
	ck_assert_int_eq(ask(cases[_i].type, secret, NULL), AUTH_MORE);
	verdict = log_in(cases[_i].password);
	ck_assert_msg(verdict == (cases[_i].reason == NULL ? AUTH_GRANTED :
	    AUTH_REFUSED), "%s: %s", cases[_i].story, auth_reason(auth));
	if (verdict == AUTH_REFUSED)
		ck_assert_str_eq(auth_reason(auth), cases[_i].reason);
	ck_assert_str_eq(auth_sqlstate(auth), "08P01");
	ck_assert((auth_learnt_keys(auth) != NULL) == cases[_i].learns);
}
END_TEST

static const struct {
	const char		*story;
	enum auth_type		 type;
	const char		*secret;
	enum auth_verdict	 verdict;
	const char		*reason;
} without_asking[] = {
	{ "any asks nothing", AUTH_TYPE_ANY, NULL, AUTH_GRANTED, "" },
	{ "trust wants a user", AUTH_TYPE_TRUST, NULL, AUTH_REFUSED,
	  "\"trust\" authentication failed" },
	{ "trust needs no secret", AUTH_TYPE_TRUST, "", AUTH_GRANTED, "" },
	{ "trust, with a secret", AUTH_TYPE_TRUST, "x", AUTH_GRANTED, "" },
	{ "a certificate for nobody", AUTH_TYPE_CERT, "x", AUTH_REFUSED,
	  "certificate authentication failed" },
	{ "hba is no method by itself", AUTH_TYPE_HBA, "x", AUTH_REFUSED,
	  "bouncer config error" },
	{ "reject", AUTH_TYPE_REJECT, "x", AUTH_REFUSED, "login rejected" },
};

static const struct {
	const char		*story;
	enum auth_type		 type;
	const char		*secret;
	enum auth_outcome	 outcome;
	const char		*reason;	/* NULL: granted */
} told[] = {
	{ "PAM knows whom we do not", AUTH_TYPE_PAM, NULL, AUTH_TOLD_YES,
	  NULL },
	{ "PAM says no", AUTH_TYPE_PAM, "right", AUTH_TOLD_NO,
	  "PAM authentication failed" },
	{ "PAM says nothing", AUTH_TYPE_PAM, "right", AUTH_TOLD_NOTHING,
	  "PAM authentication failed: no answer" },
	{ "LDAP says yes", AUTH_TYPE_LDAP, "other", AUTH_TOLD_YES, NULL },
	{ "LDAP says no", AUTH_TYPE_LDAP, NULL, AUTH_TOLD_NO,
	  "LDAP authentication failed" },
	{ "LDAP says nothing", AUTH_TYPE_LDAP, NULL, AUTH_TOLD_NOTHING,
	  "LDAP authentication failed: no answer" },
	{ "a Unix user", AUTH_TYPE_PEER, "", AUTH_TOLD_YES, NULL },
	{ "a Unix user who is none of ours", AUTH_TYPE_PEER, NULL,
	  AUTH_TOLD_YES, "unix socket login rejected" },
	{ "another Unix user", AUTH_TYPE_PEER, "", AUTH_TOLD_NO,
	  "unix socket login rejected" },
	{ "an unknown Unix user", AUTH_TYPE_PEER, "", AUTH_TOLD_NOTHING,
	  "unix socket login rejected: no answer" },
};

START_TEST(others_decide)
{
	enum auth_verdict verdict = ask(told[_i].type, told[_i].secret, NULL);

	if (told[_i].type != AUTH_TYPE_PEER) {
		ck_assert_int_eq(verdict, AUTH_MORE);
		ck_assert_uint_eq(request().code, AUTHENTICATION_CLEARTEXT);
		verdict = send_password("right");
	}
	ck_assert_int_eq(verdict, AUTH_OUTSIDE);
	ck_assert_str_eq(auth_password(auth),
	    told[_i].type == AUTH_TYPE_PEER ? "" : "right");
	verdict = auth_told(auth, told[_i].outcome, "because");
	ck_assert_msg(verdict == (told[_i].reason == NULL ? AUTH_GRANTED :
	    AUTH_REFUSED), "%s", told[_i].story);
	ck_assert_str_eq(auth_reason(auth), told[_i].reason == NULL ? "" :
	    told[_i].reason);
	ck_assert_str_eq(auth_detail(auth), "because");
}
END_TEST

START_TEST(others_are_not_asked_about_what_is_no_password)
{
	char password[AUTH_OUTSIDE_PASSWORD_BYTES + 1];

	ck_assert_int_eq(ask(AUTH_TYPE_LDAP, NULL, NULL), AUTH_MORE);
	ck_assert_int_eq(send_password(""), AUTH_REFUSED);
	ck_assert_str_eq(auth_reason(auth),
	    "empty password returned by client");
	auth_end(auth);
	memset(password, 'x', sizeof(password));
	password[sizeof(password) - 1] = '\0';
	ck_assert_int_eq(ask(AUTH_TYPE_LDAP, NULL, NULL), AUTH_MORE);
	ck_assert_int_eq(send_password(password), AUTH_REFUSED);
	ck_assert_str_eq(auth_reason(auth), "password too long");
}
END_TEST

START_TEST(verdicts_without_a_question)
{
	ck_assert_msg(ask(without_asking[_i].type, without_asking[_i].secret,
	    NULL) == without_asking[_i].verdict, "%s",
	    without_asking[_i].story);
	ck_assert_str_eq(auth_reason(auth), without_asking[_i].reason);
	ck_assert_uint_eq(reply.used, 0);
}
END_TEST

static const struct {
	const char	*story;
	enum auth_type	 type;
	const char	*body;
	size_t		 length;
	const char	*reason;
} broken[] = {
#define BODY(literal) literal, sizeof(literal) - 1
	{ "an empty password", PLAIN, BODY("\0"),
	  "empty password returned by client" },
	{ "an empty answer", MD5, BODY("\0"),
	  "empty password returned by client" },
	{ "no NUL", PLAIN, BODY("pencil"), "failed to parse packet" },
	{ "nothing", MD5, BODY(""), "failed to parse packet" },
	{ "two strings", PLAIN, BODY("pencil\0x\0"),
	  "failed to parse packet" },
	{ "an md5 answer that is none", MD5, BODY("pencil\0"), BAD },
	{ "another mechanism", SHA, BODY("PLAIN\0\0\0\0\0"),
	  "client selected an invalid SASL authentication mechanism" },
	{ "channel binding", SHA, BODY("SCRAM-SHA-256-PLUS\0\0\0\0\0"),
	  "client selected an invalid SASL authentication mechanism" },
	{ "no first message", SHA, BODY("SCRAM-SHA-256\0\377\377\377\377"),
	  BAD_SASL },
	{ "a password instead of SASL", SHA, BODY("pencil\0"), BAD_SASL },
	{ "half a message", SHA, BODY("SCRAM-SHA-256\0\0\0\0\3n,"),
	  BAD_SASL },
	{ "a nonce is missing", SHA, BODY("SCRAM-SHA-256\0\0\0\0\5n,,n="),
	  BAD_SASL },
};

START_TEST(answers_that_are_none)
{
	ck_assert_int_eq(ask(broken[_i].type, "pencil", NULL), AUTH_MORE);
	ck_assert_msg(auth_answer(auth, (const uint8_t *)broken[_i].body,
	    broken[_i].length, &reply) == AUTH_REFUSED, "%s",
	    broken[_i].story);
	ck_assert_str_eq(auth_reason(auth), broken[_i].reason);
}
END_TEST

START_TEST(a_password_may_be_so_long_and_no_longer)
{
	static char password[AUTH_PASSWORD_MOST + 2];

	memset(password, 'x', sizeof(password));
	password[AUTH_PASSWORD_MOST] = '\0';
	ck_assert_int_eq(ask(PLAIN, password, NULL), AUTH_MORE);
	ck_assert_int_eq(send_password(password), AUTH_GRANTED);
	end();
	password[AUTH_PASSWORD_MOST] = 'x';
	password[AUTH_PASSWORD_MOST + 1] = '\0';
	ck_assert_int_eq(ask(PLAIN, password, NULL), AUTH_MORE);
	ck_assert_int_eq(send_password(password), AUTH_REFUSED);
	ck_assert_str_eq(auth_reason(auth), "password too long");
}
END_TEST

/* server-first-message for one secret, behind the server's nonce. */
static void
see_salt(const char *secret, char *salt_out, size_t size)
{
	struct authentication asked;
	uint8_t bytes[256];
	struct writer message = writer_of(bytes, sizeof(bytes));
	const char *found;
	size_t length;

	ck_assert_int_eq(ask(SHA, secret, NULL), AUTH_MORE);
	request();
	write_sasl_initial_response(&message, SASL_MECHANISM,
	    "n,,n=,r=abc", 11);
	ck_assert_int_eq(answer_with(&message), AUTH_MORE);
	asked = request();
	found = memchr(asked.data.at, 's', reader_left(&asked.data));
	while (found[-1] != ',' || found[1] != '=')
		found = memchr(found + 1, 's', 64);
	length = (size_t)((const char *)asked.data.end - found);
	ck_assert_uint_lt(length, size);
	memcpy(salt_out, found, length);
	salt_out[length] = '\0';
	end();
	reply.used = 0;
}

START_TEST(salts_do_not_tell_who_exists)
{
	char unknown[64], again[64], empty[64], plain[64], md5[64];

	ck_assert(md5_secret("pencil", "user", md5_of_pencil));
	see_salt(NULL, unknown, sizeof(unknown));
	see_salt(NULL, again, sizeof(again));
	see_salt("", empty, sizeof(empty));
	see_salt("pencil", plain, sizeof(plain));
	see_salt(md5_of_pencil, md5, sizeof(md5));
	ck_assert_str_eq(unknown, again);
	ck_assert_str_eq(unknown, empty);
	ck_assert_str_eq(unknown, plain);
	ck_assert_str_eq(unknown, md5);
	ck_assert_str_eq(unknown + strlen(unknown) - 4, ",i=5");
}
END_TEST

START_TEST(a_secret_is_derived_once)
{
	struct scram_secret derived;

	ck_assert_int_eq(ask(SHA, "pencil", NULL), AUTH_MORE);
	ck_assert_ptr_null(auth_derived(auth));
	ck_assert_int_eq(log_in("wrong"), AUTH_REFUSED);
	ck_assert_ptr_nonnull(auth_derived(auth));
	derived = *auth_derived(auth);
	end();
	reply.used = 0;
	ck_assert_int_eq(ask(SHA, "pencil", &derived), AUTH_MORE);
	ck_assert_int_eq(log_in("pencil"), AUTH_GRANTED);
	ck_assert_ptr_null(auth_derived(auth));
	ck_assert_ptr_null(auth_learnt_keys(auth));
}
END_TEST

START_TEST(a_derived_secret_of_other_iterations_is_not_used)
{
	struct scram_secret derived = { .iterations = 6, .salt_length = 16 };

	ck_assert_int_eq(ask(SHA, "pencil", &derived), AUTH_MORE);
	ck_assert_int_eq(log_in("pencil"), AUTH_GRANTED);
	ck_assert_ptr_nonnull(auth_derived(auth));
	ck_assert_uint_eq(auth_derived(auth)->iterations, 5);
}
END_TEST

START_TEST(the_log_hears_of_an_md5_secret)
{
	ck_assert(md5_secret("pencil", "user", md5_of_pencil));
	ck_assert_int_eq(ask(SHA, md5_of_pencil, NULL), AUTH_MORE);
	ck_assert_int_eq(log_in("pencil"), AUTH_REFUSED);
	ck_assert_str_eq(auth_detail(auth),
	    "SCRAM authentication failed: user has MD5 secret");
}
END_TEST

START_TEST(learnt_keys_are_the_right_ones)
{
	struct scram_secret secret, made;
	struct scram_keys keys;

	ck_assert(scram_secret_parse(SCRAM, &secret));
	ck_assert(scram_secret_derive("pencil", secret.salt,
	    secret.salt_length, secret.iterations, &made, &keys));
	ck_assert_int_eq(ask(SHA, SCRAM, NULL), AUTH_MORE);
	ck_assert_int_eq(log_in("pencil"), AUTH_GRANTED);
	ck_assert_mem_eq(auth_learnt_keys(auth), &keys, sizeof(keys));
	end();
	reply.used = 0;
	ck_assert_int_eq(ask(PLAIN, SCRAM, NULL), AUTH_MORE);
	ck_assert_int_eq(log_in("pencil"), AUTH_GRANTED);
	ck_assert_mem_eq(auth_learnt_keys(auth), &keys, sizeof(keys));
}
END_TEST

START_TEST(a_reply_without_room_refuses)
{
	reply = writer_of(memory, 10);
	ck_assert_int_eq(ask(MD5, "pencil", NULL), AUTH_REFUSED);
	ck_assert_str_eq(auth_reason(auth), "out of memory");
}
END_TEST

START_TEST(an_answer_after_the_verdict_aborts)	/* expects SIGABRT */
{
	ck_assert_int_eq(ask(PLAIN, "pencil", NULL), AUTH_MORE);
	ck_assert_int_eq(send_password("x"), AUTH_REFUSED);
	if (send_password("pencil") == AUTH_GRANTED)
		exit(1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("auth");
	TCase *tests = tcase_create("auth");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, others_decide, 0, ARRAY_LENGTH(told));
	tcase_add_test(tests,
	    others_are_not_asked_about_what_is_no_password);
	tcase_add_loop_test(tests, each_method_with_each_secret, 0,
	    (int)ARRAY_LENGTH(cases));
	tcase_add_loop_test(tests, verdicts_without_a_question, 0,
	    (int)ARRAY_LENGTH(without_asking));
	tcase_add_loop_test(tests, answers_that_are_none, 0,
	    (int)ARRAY_LENGTH(broken));
	tcase_add_test(tests, a_password_may_be_so_long_and_no_longer);
	tcase_add_test(tests, salts_do_not_tell_who_exists);
	tcase_add_test(tests, a_secret_is_derived_once);
	tcase_add_test(tests,
	    a_derived_secret_of_other_iterations_is_not_used);
	tcase_add_test(tests, the_log_hears_of_an_md5_secret);
	tcase_add_test(tests, learnt_keys_are_the_right_ones);
	tcase_add_test(tests, a_reply_without_room_refuses);
	tcase_add_test_raise_signal(tests,
	    an_answer_after_the_verdict_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
