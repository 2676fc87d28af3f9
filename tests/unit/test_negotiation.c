/*
 * The way to TLS with a server that is played: byte by byte before TLS, by a
 * TLS of its own after that.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session/negotiation.h"
#include "tls_world.h"

static struct stream *const ours = &tls_world.there;
static struct stream *const theirs = &tls_world.here;
static struct tls_context *context;
static struct negotiation negotiation;
static uint8_t memory[STREAM_RECEIVE_LEAST];

static void
begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	tls_world_begin();
	link_ends();
}

static void
end(void)
{
	tls_context_release(context);
	context = NULL;
	tls_world_end();
}

static enum negotiation_verdict
begin_with(enum sslmode mode, bool is_direct, const char *host)
{
	struct tls_settings settings = client_settings();
	struct negotiation_wish wish = { mode, is_direct, NULL, host };

	settings.proof = mode == SSLMODE_VERIFY_FULL ? TLS_PROOF_NAME :
	    mode == SSLMODE_VERIFY_CA ? TLS_PROOF_CHAIN : TLS_PROOF_NONE;
	if (context == NULL)
		context = client_context(&settings);
	wish.context = &context;
	return negotiation_begin(&negotiation, &wish, ours);
}

static enum negotiation_verdict
go_on(void)
{
	struct pollfd news = { ours->fd, POLLIN, 0 };

	ck_assert_int_eq(poll(&news, 1, 20000), 1);
	return negotiation_go_on(&negotiation, ours, memory);
}

static void
expect_request(void)
{
	static const uint8_t request[] = { 0, 0, 0, 8, 4, 210, 22, 47 };
	uint8_t got[16];

	ck_assert_int_eq(recv(theirs->fd, got, sizeof(got), 0), 8);
	ck_assert_int_eq(memcmp(got, request, 8), 0);
}

/* --- before TLS ----------------------------------------------------------- */

START_TEST(without_a_wish_or_a_context_nothing_is_said)
{
	struct tls_context *none = NULL;
	struct negotiation_wish wish = { .mode = SSLMODE_REQUIRE,
	    .context = &none };
	uint8_t got[16];

	ck_assert_int_eq(begin_with(SSLMODE_DISABLE, false, "localhost"),
	    NEGOTIATION_CLEAR);
	ck_assert_int_eq(negotiation_begin(&negotiation, &wish, ours),
	    NEGOTIATION_CLEAR);
	ck_assert_int_eq(recv(theirs->fd, got, sizeof(got), MSG_DONTWAIT),
	    -1);
}
END_TEST

#define STRONG (1u << SSLMODE_REQUIRE | 1u << SSLMODE_VERIFY_CA | \
	1u << SSLMODE_VERIFY_FULL)
#define WEAK (1u << SSLMODE_ALLOW | 1u << SSLMODE_PREFER)

static const struct {
	const char			*answer;	/* "": hangs up */
	unsigned			 modes;
	enum negotiation_verdict	 verdict;
	const char			*reason;
} answers[] = {
	{ "N", WEAK, NEGOTIATION_CLEAR, NULL },
	{ "N", STRONG, NEGOTIATION_FAILED, "server refused SSL" },
	{ "S", WEAK | STRONG, NEGOTIATION_MORE, NULL },
	{ "E", WEAK, NEGOTIATION_AGAIN, "bad sslreq answer" },
	{ "E", STRONG, NEGOTIATION_FAILED, "bad sslreq answer" },
	{ "x", WEAK | STRONG, NEGOTIATION_FAILED, "bad sslreq answer" },
	{ "R", WEAK | STRONG, NEGOTIATION_FAILED, "bad sslreq answer" },
	{ "", WEAK | STRONG, NEGOTIATION_FAILED, "sslreq processing failed" },
	/* CVE-2021-23222: said before there was TLS. */
	{ "SR", WEAK | STRONG, NEGOTIATION_FAILED,
	    "received unencrypted data after SSL response" },
	{ "S\26\3\3", WEAK | STRONG, NEGOTIATION_FAILED,
	    "received unencrypted data after SSL response" },
	{ "NR", WEAK | STRONG, NEGOTIATION_FAILED,
	    "received unencrypted data after SSL response" },
};

START_TEST(the_answer_decides)
{
	for (int mode = SSLMODE_ALLOW; mode <= SSLMODE_VERIFY_FULL; mode++) {
		if (!(answers[_i].modes & 1u << mode))
			continue;
		begin();
		ck_assert_int_eq(begin_with((enum sslmode)mode, false,
		    "localhost"), NEGOTIATION_MORE);
		expect_request();
		if (answers[_i].answer[0] == '\0')
			shutdown(theirs->fd, SHUT_RDWR);
		else
			ck_assert_int_gt(send(theirs->fd, answers[_i].answer,
			    strlen(answers[_i].answer), 0), 0);
		ck_assert_msg(go_on() == answers[_i].verdict,
		    "\"%s\", mode %d", answers[_i].answer, mode);
		if (answers[_i].reason != NULL)
			ck_assert_str_eq(negotiation.reason,
			    answers[_i].reason);
		/* The handshake has begun, or not a byte was sent. */
		ck_assert_int_eq(recv(theirs->fd, memory, 1, MSG_DONTWAIT |
		    MSG_PEEK), answers[_i].verdict == NEGOTIATION_MORE ? 1 :
		    answers[_i].answer[0] == '\0' ? 0 : -1);
		end();
	}
}
END_TEST

/* --- with TLS -------------------------------------------------------------- */

static void
serve(struct tls_settings settings)
{
	struct tls_context *server = server_context(&settings);

	ck_assert(stream_accept_tls(theirs, server, NULL, 0));
	tls_context_release(server);
}

/* Both sides in turn until ours is decided. */
static enum negotiation_verdict
shake(void)
{
	enum negotiation_verdict verdict = NEGOTIATION_MORE;
	static char got[STREAM_RECEIVE_LEAST];

	for (int i = 0; verdict == NEGOTIATION_MORE && i < 200; i++) {
		struct pollfd news[2] = { { ours->fd, POLLIN, 0 },
		    { theirs->fd, POLLIN, 0 } };

		ck_assert_int_ge(poll(news, 2, 5000), 1);
		if (news[1].revents != 0 &&
		    stream_receive(theirs, got, sizeof(got)) <= 0 &&
		    errno != EAGAIN)
			shutdown(theirs->fd, SHUT_RDWR);
		if (news[0].revents != 0)
			verdict = negotiation_go_on(&negotiation, ours,
			    memory);
	}
	return verdict;
}

static enum negotiation_verdict
negotiate(enum sslmode mode, const char *host, struct tls_settings settings)
{
	ck_assert_int_eq(begin_with(mode, false, host), NEGOTIATION_MORE);
	expect_request();
	ck_assert_int_eq(send(theirs->fd, "S", 1, 0), 1);
	ck_assert_int_eq(go_on(), NEGOTIATION_MORE);
	serve(settings);
	return shake();
}

static const struct {
	enum sslmode		 mode;
	const char		*host;
	enum negotiation_verdict verdict;
} hosts[] = {
	{ SSLMODE_PREFER, "elsewhere", NEGOTIATION_SECURE },
	{ SSLMODE_REQUIRE, "elsewhere", NEGOTIATION_SECURE },
	{ SSLMODE_VERIFY_CA, "elsewhere", NEGOTIATION_SECURE },
	{ SSLMODE_VERIFY_FULL, "localhost", NEGOTIATION_SECURE },
	{ SSLMODE_VERIFY_FULL, "127.0.0.1", NEGOTIATION_SECURE },
	{ SSLMODE_VERIFY_FULL, "elsewhere", NEGOTIATION_FAILED },
	{ SSLMODE_VERIFY_FULL, "127.0.0.2", NEGOTIATION_FAILED },
};

START_TEST(verify_full_wants_the_name_that_it_connects_to)
{
	ck_assert_int_eq(negotiate(hosts[_i].mode, hosts[_i].host,
	    server_settings()), hosts[_i].verdict);
	if (hosts[_i].verdict != NEGOTIATION_SECURE) {
		ck_assert_str_eq(negotiation.reason, "TLS handshake failed");
		ck_assert_ptr_nonnull(strstr(negotiation.problem,
		    "certificate verify failed"));
	}
}
END_TEST

START_TEST(without_a_name_verify_full_does_not_begin)
{
	ck_assert_int_eq(begin_with(SSLMODE_VERIFY_FULL, false, ""),
	    NEGOTIATION_MORE);
	expect_request();
	ck_assert_int_eq(send(theirs->fd, "S", 1, 0), 1);
	ck_assert_int_eq(go_on(), NEGOTIATION_FAILED);
	ck_assert_str_eq(negotiation.reason, "TLS startup failed");
}
END_TEST

/* A reload may come between the question and its answer. */
START_TEST(the_context_is_the_one_at_the_servers_answer)
{
	struct tls_settings settings = client_settings();

	ck_assert_int_eq(begin_with(SSLMODE_REQUIRE, false, "localhost"),
	    NEGOTIATION_MORE);
	expect_request();
	tls_context_release(context);
	settings.proof = TLS_PROOF_NAME;
	context = _i == 0 ? NULL : client_context(&settings);
	ck_assert_int_eq(send(theirs->fd, "S", 1, 0), 1);
	if (context == NULL) {
		ck_assert_int_eq(go_on(), NEGOTIATION_FAILED);
		ck_assert_str_eq(negotiation.reason,
		    "TLS was disabled meanwhile");
		return;
	}
	ck_assert_int_eq(go_on(), NEGOTIATION_MORE);
	serve(server_settings());
	ck_assert_int_eq(shake(), NEGOTIATION_SECURE);
}
END_TEST

static struct tls_settings
old_server(void)
{
	struct tls_settings settings = server_settings();

	settings.protocols = "tlsv1.2";
	return settings;
}

/* The client wants 1.3 only: there is no version that both speak. */
START_TEST(a_handshake_that_fails_does_without_where_tls_is_a_wish)
{
	static const enum sslmode modes[] = { SSLMODE_ALLOW, SSLMODE_PREFER,
	    SSLMODE_REQUIRE };
	struct tls_settings settings = client_settings();

	settings.proof = TLS_PROOF_NONE;
	settings.protocols = "tlsv1.3";
	context = client_context(&settings);
	ck_assert_int_eq(negotiate(modes[_i], "localhost", old_server()),
	    modes[_i] == SSLMODE_REQUIRE ? NEGOTIATION_FAILED :
	    NEGOTIATION_AGAIN);
	ck_assert_str_ne(negotiation.problem, "");
}
END_TEST

START_TEST(a_server_that_speaks_before_it_is_spoken_to_is_refused)
{
	enum negotiation_verdict verdict;
	int at_once = 1;

	setsockopt(theirs->fd, IPPROTO_TCP, TCP_NODELAY, &at_once,
	    sizeof(at_once));
	ck_assert_int_eq(begin_with(SSLMODE_REQUIRE, false, "localhost"),
	    NEGOTIATION_MORE);
	expect_request();
	ck_assert_int_eq(send(theirs->fd, "S", 1, 0), 1);
	ck_assert_int_eq(go_on(), NEGOTIATION_MORE);
	serve(old_server());
	/* In 1.2 the server's part ends last: its words come along with it. */
	while (!stream_is_established(theirs)) {
		struct pollfd news[2] = { { ours->fd, POLLIN, 0 },
		    { theirs->fd, POLLIN, 0 } };
		static char got[STREAM_RECEIVE_LEAST];

		ck_assert_int_ge(poll(news, 2, 5000), 1);
		if (news[1].revents != 0)
			(void)!stream_receive(theirs, got, sizeof(got));
		else
			ck_assert_int_eq(negotiation_go_on(&negotiation,
			    ours, memory), NEGOTIATION_MORE);
	}
	ck_assert_int_eq(stream_send(theirs, "R", 1), 1);
	await_records(ours, TLS_DATA, 1);
	verdict = go_on();
	ck_assert_int_eq(verdict, NEGOTIATION_FAILED);
	ck_assert_str_eq(negotiation.reason, "received data before startup");
}
END_TEST

START_TEST(direct_tls_begins_with_tls_and_needs_alpn)
{
	ck_assert_int_eq(begin_with(SSLMODE_VERIFY_FULL, true, "localhost"),
	    NEGOTIATION_MORE);
	ck_assert_int_eq(recv(theirs->fd, memory, 1, MSG_PEEK), 1);
	ck_assert_uint_eq(memory[0], 0x16);
	serve(server_settings());
	ck_assert_int_eq(shake(), NEGOTIATION_SECURE);
	ck_assert(tls_peer_chose_protocol(ours));
}
END_TEST

/* A server that speaks TLS and does not know of PostgreSQL. */
START_TEST(direct_tls_to_something_else_is_refused)
{
	SSL_CTX *plain = SSL_CTX_new(TLS_server_method());
	BIO *certificate = BIO_new_mem_buf(tls_world.server->certificate, -1);
	BIO *key = BIO_new_mem_buf(tls_world.server->key, -1);
	enum negotiation_verdict verdict = NEGOTIATION_MORE;
	X509 *x509 = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
	EVP_PKEY *pkey = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
	SSL *raw;

	ck_assert_int_eq(SSL_CTX_use_certificate(plain, x509), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(plain, pkey), 1);
	fcntl(theirs->fd, F_SETFL, O_NONBLOCK);
	raw = SSL_new(plain);
	SSL_set_fd(raw, theirs->fd);
	SSL_set_accept_state(raw);
	ck_assert_int_eq(begin_with(SSLMODE_REQUIRE, true, "localhost"),
	    NEGOTIATION_MORE);
	while (verdict == NEGOTIATION_MORE) {
		(void)SSL_do_handshake(raw);
		verdict = go_on();
	}
	ck_assert_int_eq(verdict, NEGOTIATION_FAILED);
	ck_assert_str_eq(negotiation.problem, "direct TLS without ALPN");
	SSL_free(raw);
	SSL_CTX_free(plain);
	X509_free(x509);
	EVP_PKEY_free(pkey);
	BIO_free(certificate);
	BIO_free(key);
}
END_TEST

START_TEST(direct_tls_never_does_without)
{
	ck_assert_int_eq(begin_with(SSLMODE_PREFER, true, "localhost"),
	    NEGOTIATION_MORE);
	ck_assert_int_eq(send(theirs->fd, "EFATAL", 6, 0), 6);
	ck_assert_int_eq(go_on(), NEGOTIATION_FAILED);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("negotiation");
	TCase *table = tcase_create("answers"), *tests = tcase_create("tls");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(table, the_answer_decides, 0,
	    ARRAY_LENGTH(answers));
	suite_add_tcase(suite, table);
	tcase_set_timeout(table, 60);
	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests,
	    the_context_is_the_one_at_the_servers_answer, 0, 2);
	tcase_add_test(tests, without_a_wish_or_a_context_nothing_is_said);
	tcase_add_loop_test(tests,
	    verify_full_wants_the_name_that_it_connects_to, 0,
	    ARRAY_LENGTH(hosts));
	tcase_add_test(tests, without_a_name_verify_full_does_not_begin);
	tcase_add_loop_test(tests,
	    a_handshake_that_fails_does_without_where_tls_is_a_wish, 0, 3);
	tcase_add_test(tests,
	    a_server_that_speaks_before_it_is_spoken_to_is_refused);
	tcase_add_test(tests, direct_tls_begins_with_tls_and_needs_alpn);
	tcase_add_test(tests, direct_tls_to_something_else_is_refused);
	tcase_add_test(tests, direct_tls_never_does_without);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
