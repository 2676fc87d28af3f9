#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/md5.h"
#include "auth/server_login.h"
#include "wire/messages.h"

#define SCRAM "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==" \
    "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:" \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="	/* of "pencil" */
#define MD5 "md520eb1b22a92b5c573dc1eb4331fc49ee"	/* secret, user */

static uint8_t memory[1024];
static struct writer answer;
static struct server_login *login;

static void
begin(void)
{
	login = NULL;
	answer = writer_of(memory, sizeof(memory));
}

static void
end(void)
{
	server_login_end(login);
	login = NULL;
}

static void
prepare(const char *secret, const struct scram_keys *keys)
{
	end();
	login = server_login_begin(&(struct server_credentials){ "user",
	    secret, keys });
	ck_assert_ptr_nonnull(login);
}

static enum server_login_verdict
ask(const void *body, size_t length)
{
	answer = writer_of(memory, sizeof(memory));
	return server_login_answer(login, body, length, &answer);
}

#define ASK(literal) ask(literal, sizeof(literal) - 1)
#define OK "\0\0\0\0"
#define CLEARTEXT "\0\0\0\3"
#define MD5_1234 "\0\0\0\5\1\2\3\4"
#define SASL "\0\0\0\12SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"

static void
ck_failed(const char *client_text, const char *log_text)
{
	ck_assert_str_eq(server_login_close_reason(login),
	    "failed to answer authreq");
	ck_assert_pstr_eq(server_login_client_text(login), client_text);
	ck_assert_pstr_eq(server_login_log_text(login), log_text);
	ck_assert_uint_eq(answer.used, 0);
}

START_TEST(a_server_that_trusts_us)
{
	prepare(NULL, NULL);
	ck_assert_int_eq(ASK(OK), SERVER_LOGIN_OK);
	ck_assert_uint_eq(answer.used, 0);
}
END_TEST

static const struct {
	const char	*story, *secret;
	const char	*request;
	size_t		 length;
	const char	*answer;	/* NULL: fails */
	const char	*client_text, *log_text;
} passwords[] = {
#define BODY(literal) literal, sizeof(literal) - 1
	{ "cleartext, plain", "secret", BODY(CLEARTEXT), "secret", NULL,
	  NULL },
	{ "cleartext, none: the server shall say no", NULL, BODY(CLEARTEXT),
	  "", NULL, NULL },
	{ "cleartext, md5 secret", MD5, BODY(CLEARTEXT), NULL,
	  "wrong password type", "cannot do cleartext password "
	  "authentication: password is not plain text" },
	{ "cleartext, SCRAM secret", SCRAM, BODY(CLEARTEXT), NULL,
	  "wrong password type", "cannot do cleartext password "
	  "authentication: password is not plain text" },
	{ "md5, plain", "secret", BODY(MD5_1234),
	  "md5fccef98e4f1cf6cbe96b743fad4e8bd0", NULL, NULL },
	{ "md5, md5 secret", MD5, BODY(MD5_1234),
	  "md5fccef98e4f1cf6cbe96b743fad4e8bd0", NULL, NULL },
	{ "md5, SCRAM secret", SCRAM, BODY(MD5_1234), NULL,
	  "wrong password type",
	  "cannot do MD5 authentication: password is SCRAM secret" },
	{ "half a salt", "secret", BODY("\0\0\0\5\1\2\3"), NULL, NULL,
	  "malformed authentication request" },
	{ "a long salt", "secret", BODY("\0\0\0\5\1\2\3\4\5"), NULL, NULL,
	  "malformed authentication request" },
	{ "cleartext with more", "secret", BODY("\0\0\0\3x"), NULL, NULL,
	  "malformed authentication request" },
	{ "SCRAM secret without keys", SCRAM, BODY(SASL), NULL,
	  "wrong password type", "cannot do SCRAM authentication: password "
	  "is SCRAM secret but client authentication did not provide SCRAM "
	  "keys" },
	{ "SCRAM, md5 secret", MD5, BODY(SASL), NULL, "wrong password type",
	  "cannot do SCRAM authentication: password is MD5 secret" },
	{ "no mechanism of ours", "secret",
	  BODY("\0\0\0\12SCRAM-SHA-256-PLUS\0\0"), NULL,
	  "none of the server's SASL authentication mechanisms are supported",
	  NULL },
	{ "an empty list", "secret", BODY("\0\0\0\12\0"), NULL,
	  "none of the server's SASL authentication mechanisms are supported",
	  NULL },
	{ "no list", "secret", BODY("\0\0\0\12"), NULL,
	  "none of the server's SASL authentication mechanisms are supported",
	  NULL },
	{ "GSSAPI", "secret", BODY("\0\0\0\7"), NULL, NULL,
	  "unknown/unsupported auth method: 7" },
	{ "an unknown method", "secret", BODY("\0\0\0\143"), NULL, NULL,
	  "unknown/unsupported auth method: 99" },
	{ "no method", "secret", BODY("\0\0\0"), NULL, NULL,
	  "malformed authentication request" },
	{ "continue out of order", "secret", BODY("\0\0\0\13r="), NULL, NULL,
	  "unexpected authentication request: 11" },
	{ "final out of order", "secret", BODY("\0\0\0\14v="), NULL, NULL,
	  "unexpected authentication request: 12" },
};

START_TEST(each_request_with_each_secret)
{
	const char *wanted = passwords[_i].answer, *sent;
	enum server_login_verdict verdict;

	prepare(passwords[_i].secret, NULL);
	verdict = ask(passwords[_i].request, passwords[_i].length);
	ck_assert_msg(verdict == (wanted == NULL ? SERVER_LOGIN_FAILED :
	    SERVER_LOGIN_MORE), "%s", passwords[_i].story);
	if (wanted == NULL) {
		ck_failed(passwords[_i].client_text, passwords[_i].log_text);
		return;
	}
	ck_assert_int_eq(memory[0], MESSAGE_PASSWORD);
	ck_assert(read_single_string(reader_of(memory + 5, answer.used - 5),
	    &sent));
	ck_assert_str_eq(sent, wanted);
	ck_assert_int_eq(ASK(OK), SERVER_LOGIN_OK);
}
END_TEST

START_TEST(a_password_is_given_once)
{
	prepare("secret", NULL);
	ck_assert_int_eq(ASK(MD5_1234), SERVER_LOGIN_MORE);
	ck_assert_int_eq(ASK(CLEARTEXT), SERVER_LOGIN_FAILED);
	ck_failed(NULL, "unexpected authentication request: 3");
}
END_TEST

/* --- SCRAM, with our own server's side as the server -------------------- */

static struct scram_server server;
static struct scram_secret secret;

/* Our first message to PostgreSQL's; leaves server-first in `text`. */
static size_t
first_exchange(uint8_t *text, size_t size)
{
	struct writer raw = writer_of(text, size);
	struct sasl_initial initial;

	ck_assert_int_eq(ASK(SASL), SERVER_LOGIN_MORE);
	ck_assert_int_eq(memory[0], MESSAGE_PASSWORD);
	ck_assert(read_sasl_initial_response(reader_of(memory + 5,
	    answer.used - 5), &initial));
	ck_assert_str_eq(initial.mechanism, "SCRAM-SHA-256");
	writer_u32(&raw, AUTHENTICATION_SASL_CONTINUE);
	ck_assert(scram_server_first(&server, initial.data.at,
	    reader_left(&initial.data), &secret, "servernonce", NULL,
	    &raw));
	return raw.used;
}

/* True: the server is content; leaves its final message in `text`. */
static bool
second_exchange(uint8_t *text, size_t size, size_t *length_out)
{
	struct writer raw = writer_of(text, size);
	struct scram_keys keys;

	ck_assert_int_eq(ask(text, *length_out), SERVER_LOGIN_MORE);
	writer_u32(&raw, AUTHENTICATION_SASL_FINAL);
	if (!scram_server_final(&server, memory + 5, answer.used - 5, &secret,
	    &keys, &raw))
		return false;
	*length_out = raw.used;
	return true;
}

START_TEST(scram_from_a_plain_password)
{
	uint8_t text[1024];
	size_t length;

	ck_assert(scram_secret_parse(SCRAM, &secret));
	prepare("pencil", NULL);
	length = first_exchange(text, sizeof(text));
	ck_assert(second_exchange(text, sizeof(text), &length));
	ck_assert_int_eq(ask(text, length), SERVER_LOGIN_MORE);
	ck_assert_uint_eq(answer.used, 0);
	ck_assert_int_eq(ASK(OK), SERVER_LOGIN_OK);
}
END_TEST

START_TEST(scram_from_learnt_keys)
{
	struct scram_secret made;
	struct scram_keys keys;
	uint8_t text[1024];
	size_t length;

	ck_assert(scram_secret_parse(SCRAM, &secret));
	ck_assert(scram_secret_derive("pencil", secret.salt,
	    secret.salt_length, secret.iterations, &made, &keys));
	prepare(SCRAM, &keys);
	length = first_exchange(text, sizeof(text));
	ck_assert(second_exchange(text, sizeof(text), &length));
	ck_assert_int_eq(ask(text, length), SERVER_LOGIN_MORE);
	ck_assert_int_eq(ASK(OK), SERVER_LOGIN_OK);
}
END_TEST

START_TEST(a_wrong_password_gives_a_wrong_proof)
{
	uint8_t text[1024];
	size_t length;

	ck_assert(scram_secret_parse(SCRAM, &secret));
	prepare("crayon", NULL);
	length = first_exchange(text, sizeof(text));
	ck_assert(!second_exchange(text, sizeof(text), &length));
}
END_TEST

START_TEST(ok_without_the_servers_signature_is_no_login)
{
	uint8_t text[1024];
	size_t length;

	ck_assert(scram_secret_parse(SCRAM, &secret));
	prepare("pencil", NULL);
	first_exchange(text, sizeof(text));
	ck_assert_int_eq(ASK(OK), SERVER_LOGIN_FAILED);
	ck_failed("failed to verify server signature",
	    "server ended SCRAM authentication without proof");

	prepare("pencil", NULL);
	length = first_exchange(text, sizeof(text));
	ck_assert(second_exchange(text, sizeof(text), &length));
	ck_assert_int_eq(ASK(OK), SERVER_LOGIN_FAILED);
	ck_failed("failed to verify server signature",
	    "server ended SCRAM authentication without proof");
}
END_TEST

START_TEST(a_server_that_does_not_know_the_secret)
{
	uint8_t text[1024];
	size_t length;

	ck_assert(scram_secret_parse(SCRAM, &secret));
	prepare("pencil", NULL);
	length = first_exchange(text, sizeof(text));
	secret.server_key[0] ^= 1;
	ck_assert(second_exchange(text, sizeof(text), &length));
	ck_assert_int_eq(ask(text, length), SERVER_LOGIN_FAILED);
	ck_failed("invalid server signature", NULL);
}
END_TEST

START_TEST(a_final_message_without_a_signature)
{
	uint8_t text[1024];
	size_t length;

	ck_assert(scram_secret_parse(SCRAM, &secret));
	prepare("pencil", NULL);
	length = first_exchange(text, sizeof(text));
	ck_assert(second_exchange(text, sizeof(text), &length));
	ck_assert_int_eq(ASK("\0\0\0\14e=other-error"), SERVER_LOGIN_FAILED);
	ck_failed("failed to verify server signature", NULL);
}
END_TEST

START_TEST(a_hostile_iteration_count)
{
	uint8_t text[1024];
	size_t length;

	ck_assert(scram_secret_parse(SCRAM, &secret));
	secret.iterations = 2147483647;
	prepare("pencil", NULL);
	length = first_exchange(text, sizeof(text));
	ck_assert_int_eq(ask(text, length), SERVER_LOGIN_FAILED);
	ck_failed(NULL, "invalid SCRAM iteration count from server");

	prepare("pencil", NULL);
	ck_assert_int_eq(ASK(SASL), SERVER_LOGIN_MORE);
	ck_assert_int_eq(ASK("\0\0\0\13"), SERVER_LOGIN_FAILED);
	ck_failed(NULL, "malformed SCRAM message from server");
}
END_TEST

/*
 * The header is "n", "y" or "p=tls-server-end-point", and c= is the same in
 * base64, with the digest behind it.
 */
static const struct {
	const char	*story;
	const char	*digest;	/* NULL: no TLS */
	bool		 offers_plus;
	const char	*mechanism, *header, *binding;
} bindings[] = {
	{ "no TLS", NULL, true, "SCRAM-SHA-256", "n,,", "c=biws" },
	{ "no TLS, and nothing to bind to", NULL, false, "SCRAM-SHA-256",
	    "n,,", "c=biws" },
	{ "TLS, and somebody has taken out the better one", "digest", false,
	    "SCRAM-SHA-256", "y,,", "c=eSws" },
	{ "TLS", "digest", true, "SCRAM-SHA-256-PLUS",
	    "p=tls-server-end-point,,",
	    "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsZGlnZXN0" },
};

START_TEST(scram_is_bound_to_tls_where_both_sides_can)
{
	static const char without[] = "\0\0\0\12SCRAM-SHA-256\0\0";
	const char *mechanism = bindings[_i].mechanism;
	const uint8_t *at = memory + 5;
	char first[256], next[512];
	size_t length;
	const char *nonce;

	prepare("pencil", NULL);
	if (bindings[_i].digest != NULL)
		server_login_bind(login, (const uint8_t *)bindings[_i].digest,
		    strlen(bindings[_i].digest));
	ck_assert_int_eq(bindings[_i].offers_plus ? ASK(SASL) :
	    ask(without, sizeof(without) - 1), SERVER_LOGIN_MORE);
	ck_assert_str_eq((const char *)at, mechanism);
	at += strlen(mechanism) + 1 + 4;
	length = answer.used - (size_t)(at - memory);
	ck_assert_uint_lt(length, sizeof(first));
	memcpy(first, at, length);
	first[length] = '\0';
	ck_assert_msg(strncmp(first, bindings[_i].header,
	    strlen(bindings[_i].header)) == 0, "%s: %s", bindings[_i].story,
	    first);
	nonce = strstr(first, "r=") + 2;
	length = (size_t)snprintf(next, sizeof(next), "%c%c%c%cr=%smore,"
	    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", 0, 0, 0, 11, nonce);
	ck_assert_int_eq(ask(next, length), SERVER_LOGIN_MORE);
	memory[answer.used] = '\0';
	ck_assert_msg(strncmp((const char *)memory + 5, bindings[_i].binding,
	    strlen(bindings[_i].binding)) == 0 && memory[5 +
	    strlen(bindings[_i].binding)] == ',', "%s: %s",
	    bindings[_i].story, (const char *)memory + 5);
}
END_TEST

START_TEST(no_room_for_the_answer_fails)
{
	prepare("pencil", NULL);
	answer = writer_of(memory, 8);
	ck_assert_int_eq(server_login_answer(login,
	    (const uint8_t *)CLEARTEXT, 4, &answer), SERVER_LOGIN_FAILED);
	ck_assert_str_eq(server_login_log_text(login),
	    "no room for the answer");
}
END_TEST

START_TEST(asking_on_after_the_verdict_aborts)	/* expects SIGABRT */
{
	prepare("pencil", NULL);
	ck_assert_int_eq(ASK(OK), SERVER_LOGIN_OK);
	if (ASK(OK) == SERVER_LOGIN_OK)
		exit(1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("server_login");
	TCase *tests = tcase_create("server_login");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_server_that_trusts_us);
	tcase_add_loop_test(tests, each_request_with_each_secret, 0,
	    (int)ARRAY_LENGTH(passwords));
	tcase_add_test(tests, a_password_is_given_once);
	tcase_add_test(tests, scram_from_a_plain_password);
	tcase_add_test(tests, scram_from_learnt_keys);
	tcase_add_test(tests, a_wrong_password_gives_a_wrong_proof);
	tcase_add_test(tests,
	    ok_without_the_servers_signature_is_no_login);
	tcase_add_test(tests, a_server_that_does_not_know_the_secret);
	tcase_add_test(tests, a_final_message_without_a_signature);
	tcase_add_test(tests, a_hostile_iteration_count);
	tcase_add_loop_test(tests,
	    scram_is_bound_to_tls_where_both_sides_can, 0,
	    ARRAY_LENGTH(bindings));
	tcase_add_test(tests, no_room_for_the_answer_fails);
	tcase_add_test_raise_signal(tests,
	    asking_on_after_the_verdict_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
