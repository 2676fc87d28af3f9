#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/scram.h"

/* RFC 7677 section 3. */
#define CLIENT_NONCE "rOprNGfwEbeRWgbNEkqO"
#define SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define NONCES CLIENT_NONCE SERVER_NONCE
#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define BARE "n=user,r=" CLIENT_NONCE
#define SERVER_FIRST "r=" NONCES ",s=" SALT ",i=4096"
#define PROOF "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define CLIENT_FINAL "c=biws,r=" NONCES ",p=" PROOF
#define SERVER_FINAL "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
#define STORED "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
#define SERVER "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define SECRET "SCRAM-SHA-256$4096:" SALT "$" STORED ":" SERVER

static struct scram_secret secret;
static struct scram_keys keys;
static struct scram_server server;
static struct scram_client client;
static char memory[2048];
static struct writer writer;

static void
begin(void)
{
	writer = writer_of(memory, sizeof(memory) - 1);
	ck_assert(scram_secret_parse(SECRET, &secret));
}

/* What was written since, as a string. */
static const char *
written(void)
{
	ck_assert(!writer.failed);
	memory[writer.used] = '\0';
	writer.used = 0;
	return memory;
}

static bool
server_first(const char *message)
{
	return scram_server_first(&server, message, strlen(message), &secret,
	    SERVER_NONCE, NULL, &writer);
}

static bool
server_final(const char *message)
{
	return scram_server_final(&server, message, strlen(message), &secret,
	    &keys, &writer);
}

START_TEST(the_exchange_of_rfc_7677_as_server)
{
	ck_assert(server_first("n,," BARE));
	ck_assert_str_eq(written(), SERVER_FIRST);
	ck_assert(server_final(CLIENT_FINAL));
	ck_assert_str_eq(written(), SERVER_FINAL);
}
END_TEST

/* Our own client sends no user name; what it sent is put in by hand. */
static void
begin_client(void)
{
	memset(&client, 0, sizeof(client));
	strcpy(client.binding, "biws");
	strcpy(client.first, BARE);
	client.first_length = sizeof(BARE) - 1;
	client.nonce_length = sizeof(CLIENT_NONCE) - 1;
}

START_TEST(the_exchange_of_rfc_7677_as_client)
{
	begin_client();
	ck_assert(scram_client_final(&client, SERVER_FIRST,
	    strlen(SERVER_FIRST), "pencil", NULL, &writer));
	ck_assert_str_eq(written(), CLIENT_FINAL);
	ck_assert_int_eq(scram_client_verify(&client, SERVER_FINAL,
	    strlen(SERVER_FINAL)), SCRAM_GENUINE);
}
END_TEST

START_TEST(a_secret_derived_is_the_secret_stored)
{
	struct scram_secret made;

	ck_assert(scram_secret_derive("pencil", secret.salt,
	    secret.salt_length, 4096, &made, &keys));
	ck_assert_mem_eq(&made, &secret, sizeof(made));
	ck_assert_mem_eq(keys.server_key, secret.server_key, SCRAM_KEY);
}
END_TEST

START_TEST(iterations_are_bounded_both_ways)
{
	struct scram_secret made;

	ck_assert(!scram_secret_derive("x", secret.salt, 16, 0, &made, NULL));
	ck_assert(scram_secret_derive("x", secret.salt, 16, 1, &made, NULL));
	ck_assert(!scram_secret_derive("x", secret.salt, 16,
	    SCRAM_ITERATIONS_MOST + 1, &made, NULL));
	ck_assert(!scram_secret_derive("x", secret.salt, 16, UINT32_MAX,
	    &made, NULL));
	ck_assert(!scram_secret_derive("x", secret.salt, 0, 1, &made, NULL));
	ck_assert(!scram_secret_derive("x", secret.salt, SCRAM_SALT_MOST + 1,
	    1, &made, NULL));
}
END_TEST

static const struct {
	const char	*story, *text;
	bool		 good;
} secrets[] = {
	{ "as PostgreSQL writes it", SECRET, true },
	{ "a salt of another length",
	  "SCRAM-SHA-256$1:YQ==$" STORED ":" SERVER, true },
	{ "many iterations are the client's to do",
	  "SCRAM-SHA-256$2147483647:YQ==$" STORED ":" SERVER, true },
	{ "more than an Int32",
	  "SCRAM-SHA-256$2147483648:YQ==$" STORED ":" SERVER, false },
	{ "no iterations", "SCRAM-SHA-256$:YQ==$" STORED ":" SERVER, false },
	{ "zero", "SCRAM-SHA-256$0:YQ==$" STORED ":" SERVER, false },
	{ "negative", "SCRAM-SHA-256$-1:YQ==$" STORED ":" SERVER, false },
	{ "no number", "SCRAM-SHA-256$1x:YQ==$" STORED ":" SERVER, false },
	{ "no salt", "SCRAM-SHA-256$1:$" STORED ":" SERVER, false },
	{ "salt is no base64", "SCRAM-SHA-256$1:Y$" STORED ":" SERVER, false },
	{ "stray bits in the salt", "SCRAM-SHA-256$1:YR==$" STORED ":" SERVER,
	  false },
	{ "a blank in the salt", "SCRAM-SHA-256$1: YQ=$" STORED ":" SERVER,
	  false },
	{ "a short key", "SCRAM-SHA-256$1:YQ==$YQ==:" SERVER, false },
	{ "a short server key", "SCRAM-SHA-256$1:YQ==$" STORED ":YQ==",
	  false },
	{ "something behind it", SECRET "=", false },
	{ "half of it", "SCRAM-SHA-256$4096:" SALT "$" STORED, false },
	{ "only the name", "SCRAM-SHA-256$", false },
	{ "another mechanism", "SCRAM-SHA-1$1:YQ==$" STORED ":" SERVER,
	  false },
	{ "a password", "pencil", false },
	{ "nothing", "", false },
};

START_TEST(reading_secrets)
{
	ck_assert_msg(scram_secret_parse(secrets[_i].text, &secret) ==
	    secrets[_i].good, "%s", secrets[_i].story);
}
END_TEST

static const struct {
	const char	*story, *message;
	const char	*problem;	/* NULL: fine */
} firsts[] = {
	{ "libpq's", "n,,n=,r=abc", NULL },
	{ "could bind, thinks that we cannot", "y,,n=,r=abc", NULL },
	{ "the user name is ignored", "n,,n=some=2Cbody,r=abc", NULL },
	{ "optional extensions are ignored", "n,,n=,r=abc,x=1,y=,z=a=b",
	  NULL },
	{ "channel binding", "p=tls-unique,,n=,r=abc",
	  "client requires channel binding" },
	{ "a p without a name", "p,,n=,r=abc",
	  "unexpected channel binding flag" },
	{ "another flag", "x,,n=,r=abc", "unexpected channel binding flag" },
	{ "an authorization identity", "n,a=root,n=,r=abc",
	  "client uses an authorization identity" },
	{ "a mandatory extension", "n,,m=must,n=,r=abc",
	  "client requires an unsupported extension" },
	{ "no user name", "n,,r=abc", "malformed SCRAM message" },
	{ "no nonce", "n,,n=", "malformed SCRAM message" },
	{ "no nonce but something else", "n,,n=,x=abc",
	  "malformed SCRAM message" },
	{ "an empty nonce", "n,,n=,r=",
	  "non-printable characters in SCRAM nonce" },
	{ "a blank in the nonce", "n,,n=,r=a c",
	  "non-printable characters in SCRAM nonce" },
	{ "a byte over 127 in the nonce", "n,,n=,r=a\303\244",
	  "non-printable characters in SCRAM nonce" },
	{ "a comma at the end", "n,,n=,r=abc,", "malformed SCRAM message" },
	{ "an extension without a name", "n,,n=,r=abc,=x",
	  "malformed SCRAM message" },
	{ "an extension with a digit for a name", "n,,n=,r=abc,1=x",
	  "malformed SCRAM message" },
	{ "only the header", "n,,", "malformed SCRAM message" },
	{ "half the header", "n,", "malformed SCRAM message" },
	{ "one byte", "n", "malformed SCRAM message" },
	{ "nothing", "", "malformed SCRAM message" },
};

START_TEST(first_messages_of_clients)
{
	bool good = server_first(firsts[_i].message);

	ck_assert_msg(good == (firsts[_i].problem == NULL), "%s",
	    firsts[_i].story);
	if (!good)
		ck_assert_str_eq(server.problem, firsts[_i].problem);
}
END_TEST

START_TEST(a_nul_inside_a_message_is_refused)
{
	ck_assert(!scram_server_first(&server, "n,,n=,r=a\0c", 11, &secret,
	    SERVER_NONCE, NULL, &writer));
	ck_assert(server_first("n,,n=,r=abc"));
	ck_assert(!scram_server_final(&server, "c=biws\0", 7, &secret, &keys,
	    &writer));
	begin_client();
	ck_assert(!scram_client_final(&client, "r=\0", 3, "x", NULL,
	    &writer));
	ck_assert_int_eq(scram_client_verify(&client, "v=\0", 3),
	    SCRAM_BROKEN);
}
END_TEST

START_TEST(a_message_may_be_so_long_and_no_longer)
{
	char message[SCRAM_MESSAGE_MOST + 2] = "n,,n=,r=";

	memset(message + 8, 'x', SCRAM_MESSAGE_MOST - 8);
	ck_assert(server_first(message));
	ck_assert_uint_eq(server.nonce_length, SCRAM_MESSAGE_MOST - 8 +
	    strlen(SERVER_NONCE));
	message[SCRAM_MESSAGE_MOST] = 'x';
	ck_assert(!server_first(message));
}
END_TEST

/*
 * What binds a login to its connection: the digest here is "digest", and in
 * base64 "p=tls-server-end-point,,digest" is BOUND_TEXT.
 */
#define BOUND_TEXT "cD10bHMtc2VydmVyLWVuZC1wb2ludCwsZGlnZXN0"

static const struct {
	const char		*story;
	enum scram_binding_kind	 kind;
	const char		*message;
	const char		*problem;	/* NULL: fine */
	const char		*binding;
} bound_firsts[] = {
	{ "bound", SCRAM_BOUND, "p=tls-server-end-point,,n=,r=abc", NULL,
	  BOUND_TEXT },
	{ "offered, and the client cannot", SCRAM_BINDABLE, "n,,n=,r=abc",
	  NULL, "biws" },
	{ "offered, and the client was not told", SCRAM_BINDABLE,
	  "y,,n=,r=abc",
	  "client did not see that channel binding was offered", NULL },
	{ "not offered, and the client could", SCRAM_UNBOUND, "y,,n=,r=abc",
	  NULL, "eSws" },
	{ "bound, but not chosen", SCRAM_BINDABLE,
	  "p=tls-server-end-point,,n=,r=abc",
	  "client requires channel binding", NULL },
	{ "chosen, but not bound", SCRAM_BOUND, "n,,n=,r=abc",
	  "client chose channel binding but does not bind", NULL },
	{ "chosen, but not bound, as if not offered", SCRAM_BOUND,
	  "y,,n=,r=abc", "client chose channel binding but does not bind",
	  NULL },
	{ "bound to something else", SCRAM_BOUND,
	  "p=tls-unique,,n=,r=abcdefghijklmno",
	  "unsupported SCRAM channel binding", NULL },
	{ "bound to the beginning of it", SCRAM_BOUND,
	  "p=tls-server-end,,n=,r=abcdefghi",
	  "unsupported SCRAM channel binding", NULL },
	{ "bound to more than it", SCRAM_BOUND,
	  "p=tls-server-end-point-2,,n=,r=abc",
	  "unsupported SCRAM channel binding", NULL },
	{ "bound, and cut off", SCRAM_BOUND, "p=tls-server-end-point,",
	  "unsupported SCRAM channel binding", NULL },
	{ "bound to nothing", SCRAM_BOUND, "p=,,",
	  "unsupported SCRAM channel binding", NULL },
	{ "bound, as somebody else", SCRAM_BOUND,
	  "p=tls-server-end-point,a=root,n=,r=abc",
	  "client uses an authorization identity", NULL },
	{ "bound, without a nonce", SCRAM_BOUND,
	  "p=tls-server-end-point,,n=", "malformed SCRAM message", NULL },
};

START_TEST(first_messages_of_clients_that_may_bind)
{
	const struct scram_binding binding = { bound_firsts[_i].kind,
	    (const uint8_t *)"digest", 6 };
	const char *message = bound_firsts[_i].message;
	bool good = scram_server_first(&server, message, strlen(message),
	    &secret, SERVER_NONCE, &binding, &writer);

	ck_assert_msg(good == (bound_firsts[_i].problem == NULL), "%s",
	    bound_firsts[_i].story);
	if (good)
		ck_assert_str_eq(server.binding, bound_firsts[_i].binding);
	else
		ck_assert_str_eq(server.problem, bound_firsts[_i].problem);
}
END_TEST

static const struct {
	const char	*story, *message;
	const char	*problem;	/* "wrong password": well-formed */
} finals[] = {
	{ "another proof", "c=biws,r=" NONCES ",p=" STORED,
	  "wrong password" },
	{ "an extension changes what is signed",
	  "c=biws,r=" NONCES ",x=y,p=" PROOF, "wrong password" },
	{ "binding of another flag", "c=eSws,r=" NONCES ",p=" PROOF,
	  "unexpected SCRAM channel binding" },
	{ "no binding", "r=" NONCES ",p=" PROOF, "malformed SCRAM message" },
	{ "an empty binding", "c=,r=" NONCES ",p=" PROOF,
	  "unexpected SCRAM channel binding" },
	{ "no nonce", "c=biws,p=" PROOF, "malformed SCRAM message" },
	{ "half the nonce", "c=biws,r=" CLIENT_NONCE ",p=" PROOF,
	  "SCRAM nonce does not match" },
	{ "an empty nonce", "c=biws,r=,p=" PROOF,
	  "SCRAM nonce does not match" },
	{ "more than the nonce", "c=biws,r=" NONCES "x,p=" PROOF,
	  "SCRAM nonce does not match" },
	{ "no proof", "c=biws,r=" NONCES, "malformed SCRAM message" },
	{ "no proof but a comma", "c=biws,r=" NONCES ",",
	  "malformed SCRAM message" },
	{ "no proof but an extension", "c=biws,r=" NONCES ",x=y",
	  "malformed SCRAM message" },
	{ "an empty proof", "c=biws,r=" NONCES ",p=",
	  "malformed SCRAM proof" },
	{ "a short proof", "c=biws,r=" NONCES ",p=YQ==",
	  "malformed SCRAM proof" },
	{ "a long proof", "c=biws,r=" NONCES ",p=" PROOF "YQ==",
	  "malformed SCRAM proof" },
	{ "a proof that is no base64", "c=biws,r=" NONCES ",p=!!!!",
	  "malformed SCRAM proof" },
	{ "something behind the proof", CLIENT_FINAL ",x=y",
	  "malformed SCRAM proof" },
	{ "a comma behind the proof", CLIENT_FINAL ",",
	  "malformed SCRAM proof" },
	{ "one letter", "c", "malformed SCRAM message" },
	{ "nothing", "", "malformed SCRAM message" },
};

START_TEST(last_messages_of_clients)
{
	static const struct scram_keys none;

	ck_assert(server_first("n,," BARE));
	written();
	ck_assert_msg(!server_final(finals[_i].message), "%s",
	    finals[_i].story);
	ck_assert_str_eq(server.problem, finals[_i].problem);
	ck_assert_str_eq(written(), "");
	ck_assert_mem_eq(&keys, &none, sizeof(keys));
}
END_TEST

static const struct {
	const char	*story, *message;
	const char	*problem;	/* NULL: fine */
} server_firsts[] = {
	{ "the RFC's", SERVER_FIRST, NULL },
	{ "extensions are ignored", SERVER_FIRST ",x=y", NULL },
	{ "a mandatory extension", "m=x," SERVER_FIRST,
	  "server requires an unsupported SCRAM extension" },
	{ "our nonce and nothing more",
	  "r=" CLIENT_NONCE ",s=" SALT ",i=4096",
	  "invalid SCRAM nonce from server" },
	{ "a nonce that is not ours",
	  "r=x" NONCES ",s=" SALT ",i=4096",
	  "invalid SCRAM nonce from server" },
	{ "an empty nonce", "r=,s=" SALT ",i=4096",
	  "invalid SCRAM nonce from server" },
	{ "a blank in the nonce",
	  "r=" NONCES " x,s=" SALT ",i=4096",
	  "invalid SCRAM nonce from server" },
	{ "no salt", "r=" NONCES ",i=4096",
	  "invalid SCRAM salt from server" },
	{ "an empty salt", "r=" NONCES ",s=,i=4096",
	  "invalid SCRAM salt from server" },
	{ "a salt that is no base64", "r=" NONCES ",s=?,i=4096",
	  "invalid SCRAM salt from server" },
	{ "no count", "r=" NONCES ",s=" SALT,
	  "invalid SCRAM iteration count from server" },
	{ "a count of zero", "r=" NONCES ",s=" SALT ",i=0",
	  "invalid SCRAM iteration count from server" },
	{ "a negative count", "r=" NONCES ",s=" SALT ",i=-1",
	  "invalid SCRAM iteration count from server" },
	{ "a count that would take an hour",
	  "r=" NONCES ",s=" SALT ",i=2147483647",
	  "invalid SCRAM iteration count from server" },
	{ "just over the limit", "r=" NONCES ",s=" SALT ",i=1000001",
	  "invalid SCRAM iteration count from server" },
	{ "a count that overflows",
	  "r=" NONCES ",s=" SALT ",i=4294967297",
	  "invalid SCRAM iteration count from server" },
	{ "an error instead", "e=other-error",
	  "malformed SCRAM message from server" },
	{ "a comma at the end", SERVER_FIRST ",",
	  "malformed SCRAM message from server" },
	{ "nothing", "", "malformed SCRAM message from server" },
};

START_TEST(first_messages_of_servers)
{
	bool good;

	begin_client();
	good = scram_client_final(&client, server_firsts[_i].message,
	    strlen(server_firsts[_i].message), "pencil", NULL, &writer);
	ck_assert_msg(good == (server_firsts[_i].problem == NULL), "%s",
	    server_firsts[_i].story);
	if (good)
		return;
	ck_assert_str_eq(client.problem, server_firsts[_i].problem);
	ck_assert_str_eq(written(), "");
}
END_TEST

START_TEST(a_salt_too_long_is_refused)
{
	char message[512];

	begin_client();
	snprintf(message, sizeof(message), "r=%s,s=%0172d,i=1", NONCES, 0);
	ck_assert(!scram_client_final(&client, message, strlen(message), "x",
	    NULL, &writer));
	ck_assert_str_eq(client.problem, "invalid SCRAM salt from server");
}
END_TEST

/* CVE-2026-6665 was a server that sent more than the client had room for. */
START_TEST(a_very_long_nonce_of_a_server_is_harmless)
{
	char message[SCRAM_MESSAGE_MOST + 1] = "r=" NONCES;
	size_t length = strlen(message);
	static const char tail[] = ",s=YQ==,i=1";

	memset(message + length, 'x', sizeof(message) - length);
	memcpy(message + sizeof(message) - sizeof(tail), tail, sizeof(tail));
	begin_client();
	ck_assert(scram_client_final(&client, message, strlen(message), "x",
	    NULL, &writer));
	writer = writer_of(memory, 100);
	begin_client();
	ck_assert(!scram_client_final(&client, message, strlen(message), "x",
	    NULL, &writer));
}
END_TEST

static const struct {
	const char		*story, *message;
	enum scram_verdict	 verdict;
} server_finals[] = {
	{ "the RFC's", SERVER_FINAL, SCRAM_GENUINE },
	{ "with an extension", SERVER_FINAL ",x=y", SCRAM_GENUINE },
	{ "another signature", "v=" STORED, SCRAM_FALSE },
	{ "a short signature", "v=YQ==", SCRAM_BROKEN },
	{ "no base64", "v=?", SCRAM_BROKEN },
	{ "no signature", "v=", SCRAM_BROKEN },
	{ "an error", "e=invalid-proof", SCRAM_BROKEN },
	{ "a comma at the end", SERVER_FINAL ",", SCRAM_BROKEN },
	{ "nothing", "", SCRAM_BROKEN },
};

START_TEST(last_messages_of_servers)
{
	begin_client();
	ck_assert(scram_client_final(&client, SERVER_FIRST,
	    strlen(SERVER_FIRST), "pencil", NULL, &writer));
	ck_assert_msg(scram_client_verify(&client, server_finals[_i].message,
	    strlen(server_finals[_i].message)) == server_finals[_i].verdict,
	    "%s", server_finals[_i].story);
}
END_TEST

/* Both our sides with each other; from a password, or from keys. */
static bool
log_in(const char *password, const struct scram_keys *known)
{
	char nonce[SCRAM_NONCE_SIZE], message[2048];

	ck_assert(scram_make_nonce(nonce));
	ck_assert(scram_client_first(&client, nonce, NULL, &writer));
	strcpy(message, written());
	ck_assert(scram_make_nonce(nonce));
	ck_assert(scram_server_first(&server, message, strlen(message),
	    &secret, nonce, NULL, &writer));
	strcpy(message, written());
	ck_assert(scram_client_final(&client, message, strlen(message),
	    password, known, &writer));
	strcpy(message, written());
	if (!scram_server_final(&server, message, strlen(message), &secret,
	    &keys, &writer))
		return false;
	strcpy(message, written());
	ck_assert_int_eq(scram_client_verify(&client, message,
	    strlen(message)), SCRAM_GENUINE);
	return true;
}

/* Another certificate, or its absence, is another c=. */
START_TEST(a_binding_to_another_certificate_is_refused)
{
	static const char *const theirs[] = { "digest", "digesu", "diges",
	    "digests" };
	static const uint8_t longest[SCRAM_BINDING_MOST] = { 1 };
	struct scram_binding ours = { SCRAM_BOUND,
	    (const uint8_t *)"digest", 6 };
	char message[2048];

	for (unsigned i = 0; i <= ARRAY_LENGTH(theirs); i++) {
		struct scram_binding other = { SCRAM_BOUND, longest,
		    sizeof(longest) };

		if (i < ARRAY_LENGTH(theirs)) {
			other.data = (const uint8_t *)theirs[i];
			other.length = strlen(theirs[i]);
		}
		ck_assert(scram_client_first(&client, CLIENT_NONCE, &other,
		    &writer));
		strcpy(message, written());
		ck_assert(scram_server_first(&server, message,
		    strlen(message), &secret, SERVER_NONCE, &ours, &writer));
		strcpy(message, written());
		ck_assert(scram_client_final(&client, message,
		    strlen(message), "pencil", NULL, &writer));
		strcpy(message, written());
		ck_assert(scram_server_final(&server, message,
		    strlen(message), &secret, &keys, &writer) == (i == 0));
		if (i > 0)
			ck_assert_str_eq(server.problem,
			    "unexpected SCRAM channel binding");
		else
			(void)written();
	}
}
END_TEST

START_TEST(both_sides_agree)
{
	ck_assert(log_in("pencil", NULL));
	ck_assert(!log_in("Pencil", NULL));
	ck_assert(!log_in("", NULL));
}
END_TEST

START_TEST(keys_learnt_at_a_login_open_the_next_one)
{
	struct scram_keys learnt;

	ck_assert(log_in("pencil", NULL));
	learnt = keys;
	ck_assert(log_in(NULL, &learnt));
	learnt.client_key[0] ^= 1;
	ck_assert(!log_in(NULL, &learnt));
}
END_TEST

START_TEST(nonces_are_fresh)
{
	char one[SCRAM_NONCE_SIZE], other[SCRAM_NONCE_SIZE];

	ck_assert(scram_make_nonce(one) && scram_make_nonce(other));
	ck_assert_uint_eq(strlen(one), 24);
	ck_assert_str_ne(one, other);
}
END_TEST

START_TEST(mock_salts_depend_on_the_user_and_the_nonce_only)
{
	uint8_t a[SCRAM_MOCK_SALT], b[SCRAM_MOCK_SALT];
	uint8_t nonce[SCRAM_KEY] = { 1 };

	ck_assert(scram_mock_salt(nonce, "u", a));
	ck_assert(scram_mock_salt(nonce, "u", b));
	ck_assert_mem_eq(a, b, sizeof(a));
	ck_assert(scram_mock_salt(nonce, "v", b));
	ck_assert_mem_ne(a, b, sizeof(a));
	nonce[0] = 2;
	ck_assert(scram_mock_salt(nonce, "u", b));
	ck_assert_mem_ne(a, b, sizeof(a));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scram");
	TCase *tests = tcase_create("scram");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, NULL);
	tcase_add_test(tests, the_exchange_of_rfc_7677_as_server);
	tcase_add_test(tests, the_exchange_of_rfc_7677_as_client);
	tcase_add_test(tests, a_secret_derived_is_the_secret_stored);
	tcase_add_test(tests, iterations_are_bounded_both_ways);
	tcase_add_loop_test(tests, reading_secrets, 0,
	    (int)ARRAY_LENGTH(secrets));
	tcase_add_loop_test(tests, first_messages_of_clients, 0,
	    (int)ARRAY_LENGTH(firsts));
	tcase_add_loop_test(tests, first_messages_of_clients_that_may_bind,
	    0, (int)ARRAY_LENGTH(bound_firsts));
	tcase_add_test(tests, a_binding_to_another_certificate_is_refused);
	tcase_add_test(tests, a_nul_inside_a_message_is_refused);
	tcase_add_test(tests, a_message_may_be_so_long_and_no_longer);
	tcase_add_loop_test(tests, last_messages_of_clients, 0,
	    (int)ARRAY_LENGTH(finals));
	tcase_add_loop_test(tests, first_messages_of_servers, 0,
	    (int)ARRAY_LENGTH(server_firsts));
	tcase_add_test(tests, a_salt_too_long_is_refused);
	tcase_add_test(tests, a_very_long_nonce_of_a_server_is_harmless);
	tcase_add_loop_test(tests, last_messages_of_servers, 0,
	    (int)ARRAY_LENGTH(server_finals));
	tcase_add_test(tests, both_sides_agree);
	tcase_add_test(tests, keys_learnt_at_a_login_open_the_next_one);
	tcase_add_test(tests, nonces_are_fresh);
	tcase_add_test(tests,
	    mock_salts_depend_on_the_user_and_the_nonce_only);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
