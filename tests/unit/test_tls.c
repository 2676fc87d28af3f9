#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/pem.h>

#include "tls_world.h"

static struct stream *const here = &tls_world.here;
static struct stream *const there = &tls_world.there;

/* --- settings ------------------------------------------------------------ */

START_TEST(versions_are_words_of_a_list)
{
	static const struct {
		const char	*list;
		bool		 good;
		unsigned	 versions;
	} rows[] = {
		{ "secure", true, 12 },
		{ "default", true, 12 },
		{ "all", true, 15 },
		{ "legacy", true, 15 },
		{ "tlsv1", true, 15 },
		{ "TLSv1.2", true, 4 },
		{ "tlsv1.3,tlsv1.0", true, 9 },
		{ "tlsv1.1:tlsv1.2 tlsv1.3", true, 14 },
		{ "all,!tlsv1.0", true, 14 },
		{ "!tlsv1.3", true, 7 },
		{ "", false, 0 },
		{ "secure,!secure", false, 0 },
		{ "sslv3", false, 0 },
		{ "tlsv1.4", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		unsigned versions = 0;

		ck_assert_msg(tls_protocols_parse(rows[i].list, &versions) ==
		    rows[i].good, "%s", rows[i].list);
		if (rows[i].good)
			ck_assert_msg(versions == rows[i].versions, "%s: %u",
			    rows[i].list, versions);
	}
}
END_TEST

static void
refused(const struct tls_settings *settings, const char *text)
{
	struct error error = { "", "" };

	ck_assert_ptr_null(tls_context_for_clients(tls_world.engine, settings,
	    NULL, &error));
	ck_assert_msg(strncmp(error.text, text, strlen(text)) == 0,
	    "\"%s\" instead of \"%s\"", error.text, text);
}

START_TEST(what_is_wrong_is_named)
{
	struct tls_settings good = server_settings(), bad;
	struct paper_wish wish = { .name = "other", .key = PAPER_RSA };
	struct paper *other = authority_issue(tls_world.authority, &wish);

	bad = good;
	bad.certificate = pem_of("/etc/x.crt", "what is this");
	refused(&bad, "invalid client_tls_cert_file: /etc/x.crt: ");
	bad.certificate = pem_of("/etc/x.crt", "");
	refused(&bad, "invalid client_tls_cert_file: /etc/x.crt: ");
	bad.certificate = good.key;
	refused(&bad, "invalid client_tls_cert_file: server.key: ");
	bad = good;
	bad.key = good.certificate;
	refused(&bad, "invalid client_tls_key_file: server.crt: ");
	bad.key = pem_of("other.key", other->key);
	refused(&bad, "invalid client_tls_key_file: other.key: "
	    "does not belong to the certificate");
	bad = good;
	bad.authorities = pem_of("ca.crt", "-----BEGIN CERTIFICATE-----\n"
	    "AAAA\n-----END CERTIFICATE-----\n");
	refused(&bad, "invalid client_tls_ca_file: ca.crt: ");
	bad = good;
	bad.protocols = "tlsv9";
	refused(&bad, "invalid client_tls_protocols: tlsv9");
	bad = good;
	bad.ciphers = "ROT13";
	refused(&bad, "invalid client_tls_ciphers: ROT13");
	bad = good;
	bad.suites = "TLS_ROT13";
	refused(&bad, "invalid client_tls13_ciphers: TLS_ROT13");
	bad = good;
	bad.curve = "circle";
	refused(&bad, "invalid client_tls_ecdhcurve: circle");
	paper_free(other);
}
END_TEST

START_TEST(a_chain_with_a_broken_end_is_refused)
{
	struct tls_settings settings = server_settings();
	char *text;

	ck_assert_int_gt(asprintf(&text, "%s-----BEGIN CERTIFICATE-----\n"
	    "AAAA\n-----END CERTIFICATE-----\n",
	    tls_world.server->certificate), 0);
	settings.certificate = pem_of("half.crt", text);
	refused(&settings, "invalid client_tls_cert_file: half.crt: ");
	free(text);
}
END_TEST

START_TEST(a_key_with_a_password_is_refused_without_asking)
{
	struct tls_settings settings = server_settings();
	BIO *in = BIO_new_mem_buf(tls_world.server->key, -1);
	BIO *out = BIO_new(BIO_s_mem());
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	char *text;
	long length;

	ck_assert_int_eq(PEM_write_bio_PrivateKey(out, key, EVP_aes_128_cbc(),
	    (const unsigned char *)"sesame", 6, NULL, NULL), 1);
	length = BIO_get_mem_data(out, &text);
	settings.key = (struct tls_pem){ "locked.key", text, (size_t)length };
	refused(&settings, "invalid client_tls_key_file: locked.key: ");
	BIO_free(in);
	BIO_free(out);
	EVP_PKEY_free(key);
}
END_TEST

/* --- what they agree on -------------------------------------------------- */

static void
expect_info(const struct stream *stream, const char *begins)
{
	char info[TLS_INFO_BYTES];

	tls_peer_info(stream, info);
	ck_assert_msg(strncmp(info, begins, strlen(begins)) == 0,
	    "\"%s\" instead of \"%s\"", info, begins);
}

START_TEST(settings_decide_what_is_spoken)
{
	static const struct {
		const char	*protocols, *ciphers, *suites, *curve;
		const char	*info;
	} rows[] = {
		{ "secure", "default", NULL, "auto",
		    "TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=X25519" },
		{ "tlsv1.2", "default", NULL, "auto",
		    "TLSv1.2/ECDHE-ECDSA-AES256-GCM-SHA384/ECDH=X25519" },
		{ "tlsv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", NULL,
		    "prime256v1", "TLSv1.2/ECDHE-ECDSA-AES128-GCM-SHA256/"
		    "ECDH=prime256v1" },
		{ "tlsv1.3", "fast", "TLS_CHACHA20_POLY1305_SHA256", "P-384",
		    "TLSv1.3/TLS_CHACHA20_POLY1305_SHA256/ECDH=secp384r1" },
		{ "tlsv1.1", "ALL:@SECLEVEL=0", NULL, "auto", "TLSv1.1/" },
	};
	struct tls_settings client = client_settings();

	client.protocols = "all";
	client.ciphers = "ALL:@SECLEVEL=0";
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct tls_settings server = server_settings();

		server.protocols = rows[i].protocols;
		server.ciphers = rows[i].ciphers;
		server.suites = rows[i].suites;
		server.curve = rows[i].curve;
		begin_tls(server_context(&server), client_context(&client),
		    "localhost");
		ck_assert_msg(shake_hands(), "row %zu: %s", i,
		    stream_problem(here));
		expect_info(here, rows[i].info);
		expect_info(there, rows[i].info);
	}
}
END_TEST

START_TEST(the_group_of_dh_is_as_set)
{
	struct paper_wish wish = { .name = "pooler", .others = "DNS:localhost",
	    .key = PAPER_RSA };
	struct paper *rsa = authority_issue(tls_world.authority, &wish);
	struct tls_settings server = server_settings();
	struct tls_settings client = client_settings();

	server.certificate = pem_of("rsa.crt", rsa->certificate);
	server.key = pem_of("rsa.key", rsa->key);
	server.protocols = client.protocols = "tlsv1.2";
	server.ciphers = client.ciphers =
	    "DHE-RSA-AES256-GCM-SHA384:AES256-GCM-SHA384:@SECLEVEL=0";
	begin_tls(server_context(&server), client_context(&client),
	    "localhost");
	ck_assert(shake_hands());
	expect_info(here, "TLSv1.2/DHE-RSA-AES256-GCM-SHA384");
	expect_info(there, "TLSv1.2/DHE-RSA-AES256-GCM-SHA384/DH=2048");
	server.dh = TLS_DH_LEGACY;
	begin_tls(server_context(&server), client_context(&client),
	    "localhost");
	ck_assert(shake_hands());
	expect_info(there, "TLSv1.2/DHE-RSA-AES256-GCM-SHA384/DH=1024");
	server.dh = TLS_DH_NONE;
	server.curve = "none";
	begin_tls(server_context(&server), client_context(&client),
	    "localhost");
	ck_assert(shake_hands());
	expect_info(here, "TLSv1.2/AES256-GCM-SHA384");
	paper_free(rsa);
}
END_TEST

START_TEST(without_a_common_version_there_is_no_connection)
{
	struct tls_settings server = server_settings();
	struct tls_settings client = client_settings();

	server.protocols = "tlsv1.3";
	client.protocols = "tlsv1.2";
	begin_tls(server_context(&server), client_context(&client),
	    "localhost");
	ck_assert(!shake_hands());
	ck_assert_str_eq(stream_problem(here), "unsupported protocol");
}
END_TEST

/* --- who the server is --------------------------------------------------- */

START_TEST(a_server_is_believed_as_far_as_is_asked)
{
	static const struct {
		const char	*host;
		enum tls_proof	 proof;
		bool		 knows, good;
	} rows[] = {
		{ "localhost", TLS_PROOF_NAME, true, true },
		{ "127.0.0.1", TLS_PROOF_NAME, true, true },
		{ "elsewhere", TLS_PROOF_NAME, true, false },
		{ "127.0.0.2", TLS_PROOF_NAME, true, false },
		{ "localhost", TLS_PROOF_NAME, false, false },
		{ "elsewhere", TLS_PROOF_CHAIN, true, true },
		{ "localhost", TLS_PROOF_CHAIN, false, false },
		{ NULL, TLS_PROOF_CHAIN, true, true },
		{ "elsewhere", TLS_PROOF_NONE, false, true },
	};
	struct tls_settings server = server_settings();

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct tls_settings client = client_settings();

		client.proof = rows[i].proof;
		if (!rows[i].knows)
			client.authorities = pem_of("root.crt",
			    authority_certificate(tls_world.stranger));
		begin_tls(server_context(&server), client_context(&client),
		    rows[i].host);
		ck_assert_msg(shake_hands() == rows[i].good, "row %zu", i);
		if (!rows[i].good)
			ck_assert_msg(strstr(stream_problem(there),
			    "certificate verify failed: ") != NULL,
			    "%s", stream_problem(there));
	}
}
END_TEST

START_TEST(a_name_that_is_asked_for_must_be_given)
{
	struct tls_settings client = client_settings();
	struct tls_context *context = client_context(&client);
	struct error error = { "", "" };

	link_ends();
	ck_assert(!stream_connect_tls(there, context, NULL, &error));
	ck_assert_str_eq(error.text,
	    "there is no name to look for in the certificate");
	ck_assert(stream_is_established(there));
	tls_context_release(context);
}
END_TEST

/* A server's certificate is signed by one below the root. */
static void
try_chain(bool in_file, bool in_authorities, bool good)
{
	struct authority *below = authority_create_below(tls_world.authority,
	    "Below");
	struct paper_wish wish = { .name = "pooler",
	    .others = "DNS:localhost" };
	struct paper *paper = authority_issue(below, &wish);
	struct tls_settings server = server_settings();
	struct tls_settings client = client_settings();
	char *chain;

	ck_assert_int_gt(asprintf(&chain, "%s%s", paper->certificate,
	    in_file ? authority_certificate(below) : ""), 0);
	server.certificate = pem_of("chain.crt", chain);
	server.key = pem_of("chain.key", paper->key);
	if (in_authorities)
		server.authorities = pem_of("below.crt",
		    authority_certificate(below));
	begin_tls(server_context(&server), client_context(&client),
	    "localhost");
	ck_assert_int_eq(shake_hands(), good);
	free(chain);
	paper_free(paper);
	authority_free(below);
}

START_TEST(who_signed_it_is_shown_as_well)
{
	try_chain(true, false, true);
	try_chain(false, true, true);
	try_chain(false, false, false);
}
END_TEST

/* --- who the client is --------------------------------------------------- */

enum shown { NOTHING, GOOD, STRANGER, EXPIRED, FUTURE };

static struct paper *
paper_of_client(enum shown shown)
{
	struct paper_wish wish = { .name = "alice", .unit = "sales",
	    .others = "DNS:alice.example,DNS:al" };

	if (shown == EXPIRED) {
		wish.from_days = -10;
		wish.to_days = -1;
	} else if (shown == FUTURE) {
		wish.from_days = 1;
		wish.to_days = 10;
	}
	return authority_issue(shown == STRANGER ? tls_world.stranger :
	    tls_world.authority, &wish);
}

/* The server's settings, and what the client shows. */
static void
begin_with_paper(enum tls_proof proof, enum shown shown)
{
	struct paper *paper = paper_of_client(shown);
	struct tls_settings server = server_settings();
	struct tls_settings client = client_settings();

	server.proof = proof;
	server.authorities = client.authorities;
	if (shown != NOTHING) {
		client.certificate = pem_of("alice.crt", paper->certificate);
		client.key = pem_of("alice.key", paper->key);
	}
	begin_tls(server_context(&server), client_context(&client),
	    "localhost");
	paper_free(paper);
}

START_TEST(a_client_is_asked_for_a_certificate_as_set)
{
	static const struct {
		enum tls_proof	 proof;
		enum shown	 shown;
		const char	*problem;	/* NULL: good */
	} rows[] = {
		{ TLS_PROOF_NONE, NOTHING, NULL },
		{ TLS_PROOF_NONE, STRANGER, NULL },
		{ TLS_PROOF_IF_SENT, NOTHING, NULL },
		{ TLS_PROOF_IF_SENT, GOOD, NULL },
		{ TLS_PROOF_IF_SENT, STRANGER, "certificate verify failed: "
		    "unable to get local issuer certificate" },
		{ TLS_PROOF_CHAIN, GOOD, NULL },
		{ TLS_PROOF_CHAIN, NOTHING,
		    "peer did not return a certificate" },
		{ TLS_PROOF_CHAIN, STRANGER, "certificate verify failed: "
		    "unable to get local issuer certificate" },
		{ TLS_PROOF_CHAIN, EXPIRED, "certificate verify failed: "
		    "certificate has expired" },
		{ TLS_PROOF_CHAIN, FUTURE, "certificate verify failed: "
		    "certificate is not yet valid" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		bool asked = rows[i].proof != TLS_PROOF_NONE;

		begin_with_paper(rows[i].proof, rows[i].shown);
		ck_assert_msg(shake_hands() == (rows[i].problem == NULL),
		    "row %zu: %s", i, stream_problem(here));
		ck_assert_str_eq(stream_problem(here),
		    rows[i].problem == NULL ? "" : rows[i].problem);
		if (rows[i].problem == NULL)
			ck_assert_int_eq(tls_peer_has_certificate(here),
			    asked && rows[i].shown == GOOD);
	}
}
END_TEST

static bool
collect(const char *name, void *context)
{
	char *list = context;

	strcat(list, name);
	strcat(list, " ");
	return strcmp(name, "al") == 0;
}

START_TEST(the_names_of_a_certificate_are_told)
{
	char list[256] = "", subject[128];

	begin_with_paper(TLS_PROOF_CHAIN, GOOD);
	ck_assert(shake_hands());
	ck_assert(tls_peer_any_name(here, collect, list));
	ck_assert_str_eq(list, "alice alice.example al ");
	ck_assert(tls_peer_subject(here, subject, sizeof(subject)));
	ck_assert_str_eq(subject, "CN=alice,OU=sales,O=Seats");
	ck_assert(!tls_peer_subject(here, subject, 8));
	list[0] = '\0';
	ck_assert(!tls_peer_any_name(there, collect, list));
	ck_assert_str_eq(list, "pooler localhost ");
}
END_TEST

START_TEST(without_tls_nothing_is_known)
{
	char info[TLS_INFO_BYTES], list[8] = "";
	uint8_t digest[TLS_END_POINT_MOST];

	link_ends();
	tls_peer_info(here, info);
	ck_assert_str_eq(info, "");
	ck_assert(!tls_peer_has_certificate(here));
	ck_assert(!tls_peer_any_name(here, collect, list));
	ck_assert(!tls_peer_subject(here, list, sizeof(list)));
	ck_assert(!tls_peer_chose_protocol(here));
	ck_assert(!tls_peer_resumed(here));
	ck_assert_uint_eq(tls_peer_end_point(here, digest), 0);
}
END_TEST

/* --- channel binding ----------------------------------------------------- */

START_TEST(both_ends_have_the_same_end_point)
{
	uint8_t ours[TLS_END_POINT_MOST], theirs[TLS_END_POINT_MOST];
	uint8_t by_hand[EVP_MAX_MD_SIZE];
	BIO *bio = BIO_new_mem_buf(tls_world.server->certificate, -1);
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	unsigned length;

	ck_assert_int_eq(X509_digest(certificate, EVP_sha256(), by_hand,
	    &length), 1);
	link_with_tls();
	ck_assert_uint_eq(tls_peer_end_point(here, ours), 32);
	ck_assert_uint_eq(tls_peer_end_point(there, theirs), 32);
	ck_assert_int_eq(memcmp(ours, by_hand, 32), 0);
	ck_assert_int_eq(memcmp(theirs, by_hand, 32), 0);
	X509_free(certificate);
	BIO_free(bio);
}
END_TEST

/* Signed with a key that hashes by itself, so that there is no digest. */
START_TEST(some_certificates_have_no_end_point)
{
	struct paper_wish wish = { .name = "pooler", .key = PAPER_ED25519 };
	struct paper *self = authority_self_signed(&wish);
	struct tls_settings server = server_settings();
	struct tls_settings client = client_settings();
	uint8_t digest[TLS_END_POINT_MOST];

	server.certificate = pem_of("ed.crt", self->certificate);
	server.key = pem_of("ed.key", self->key);
	client.proof = TLS_PROOF_NONE;
	begin_tls(server_context(&server), client_context(&client), NULL);
	ck_assert(shake_hands());
	ck_assert_uint_eq(tls_peer_end_point(here, digest), 0);
	ck_assert_uint_eq(tls_peer_end_point(there, digest), 0);
	paper_free(self);
}
END_TEST

/* --- ALPN ---------------------------------------------------------------- */

static bool
connect_offering(const char *protocols)
{
	struct tls_settings settings = server_settings();
	struct tls_context *context = server_context(&settings);
	bool good;
	SSL *raw;

	link_ends();
	ck_assert(stream_accept_tls(here, context, NULL, 0));
	raw = raw_client(SSL_CTX_new(TLS_client_method()));
	if (protocols != NULL)
		SSL_set_alpn_protos(raw, (const unsigned char *)protocols,
		    (unsigned)strlen(protocols));
	good = shake_hands_with(raw);
	SSL_free(raw);
	tls_context_release(context);
	return good;
}

START_TEST(who_offers_protocols_must_offer_ours)
{
	link_with_tls();
	ck_assert(tls_peer_chose_protocol(here));
	ck_assert(tls_peer_chose_protocol(there));
	ck_assert(connect_offering("\012postgresql"));
	ck_assert(tls_peer_chose_protocol(here));
	ck_assert(connect_offering("\010http/1.1\012postgresql"));
	ck_assert(tls_peer_chose_protocol(here));
	ck_assert(connect_offering(NULL));
	ck_assert(!tls_peer_chose_protocol(here));
	ck_assert(!connect_offering("\010http/1.1"));
}
END_TEST

/* --- tickets ------------------------------------------------------------- */

static struct tls_ticket_key ticket_keys[2];	/* current, old */

static enum tls_ticket_verdict
find_key(void *context, const uint8_t *name, struct tls_ticket_key *key_out)
{
	for (unsigned i = 0; i < 2; i++) {
		if (name != NULL && memcmp(name, ticket_keys[i].name,
		    TLS_TICKET_NAME) != 0)
			continue;
		*key_out = ticket_keys[i];
		return i == 0 ? TLS_TICKET_CURRENT : TLS_TICKET_OLD;
	}
	return TLS_TICKET_UNKNOWN;
}

static const struct tls_tickets tickets = { NULL, find_key };

/* Connects, reads one byte so that the ticket comes along. */
static SSL_SESSION *
connect_with_tickets(const struct tls_settings *settings, int version,
    SSL_SESSION *session, bool *resumed_out)
{
	struct error error;
	struct tls_context *context = tls_context_for_clients(
	    tls_world.engine, settings, &tickets, &error);
	SSL *raw;
	char byte;

	link_ends();
	ck_assert(stream_accept_tls(here, context, NULL, 0));
	raw = raw_client(SSL_CTX_new(TLS_client_method()));
	SSL_set_max_proto_version(raw, version);
	if (session != NULL)
		ck_assert_int_eq(SSL_set_session(raw, session), 1);
	SSL_SESSION_free(session);
	ck_assert(shake_hands_with(raw));
	ck_assert_int_eq(stream_send(here, "x", 1), 1);
	while (SSL_read(raw, &byte, 1) != 1)
		;
	*resumed_out = tls_peer_resumed(here);
	ck_assert_int_eq(SSL_session_reused(raw), *resumed_out);
	session = SSL_get1_session(raw);
	SSL_shutdown(raw);	/* or the session counts as broken */
	SSL_free(raw);
	tls_context_release(context);
	return session;
}

static void
resume(int version)
{
	struct tls_settings settings = server_settings();
	SSL_SESSION *session;
	bool resumed;

	memset(ticket_keys, 'a', sizeof(ticket_keys));
	session = connect_with_tickets(&settings, version, NULL, &resumed);
	ck_assert(!resumed);
	/* Another context with the same keys: another worker. */
	session = connect_with_tickets(&settings, version, session, &resumed);
	ck_assert(resumed);
	/* The key is the old one now. */
	memset(&ticket_keys[0], 'b', sizeof(ticket_keys[0]));
	session = connect_with_tickets(&settings, version, session, &resumed);
	ck_assert(resumed);
	/* And now it is gone; the last ticket is of the new one. */
	memset(&ticket_keys[1], 'c', sizeof(ticket_keys[1]));
	session = connect_with_tickets(&settings, version, session, &resumed);
	ck_assert(resumed);
	memset(&ticket_keys[0], 'd', sizeof(ticket_keys[0]));
	session = connect_with_tickets(&settings, version, session, &resumed);
	ck_assert(!resumed);
	/* Whom we trust has changed. */
	settings.authorities = pem_of("ca.crt",
	    authority_certificate(tls_world.stranger));
	session = connect_with_tickets(&settings, version, session, &resumed);
	ck_assert(!resumed);
	settings.proof = TLS_PROOF_IF_SENT;
	session = connect_with_tickets(&settings, version, session, &resumed);
	ck_assert(!resumed);
	SSL_SESSION_free(session);
}

START_TEST(who_has_the_keys_takes_the_tickets)
{
	resume(TLS1_2_VERSION);
	resume(TLS1_3_VERSION);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls");
	TCase *tcase = tcase_create("core");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, tls_world_begin, tls_world_end);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, versions_are_words_of_a_list);
	tcase_add_test(tcase, what_is_wrong_is_named);
	tcase_add_test(tcase, a_chain_with_a_broken_end_is_refused);
	tcase_add_test(tcase, a_key_with_a_password_is_refused_without_asking);
	tcase_add_test(tcase, settings_decide_what_is_spoken);
	tcase_add_test(tcase, the_group_of_dh_is_as_set);
	tcase_add_test(tcase, without_a_common_version_there_is_no_connection);
	tcase_add_test(tcase, a_server_is_believed_as_far_as_is_asked);
	tcase_add_test(tcase, a_name_that_is_asked_for_must_be_given);
	tcase_add_test(tcase, who_signed_it_is_shown_as_well);
	tcase_add_test(tcase, a_client_is_asked_for_a_certificate_as_set);
	tcase_add_test(tcase, the_names_of_a_certificate_are_told);
	tcase_add_test(tcase, without_tls_nothing_is_known);
	tcase_add_test(tcase, both_ends_have_the_same_end_point);
	tcase_add_test(tcase, some_certificates_have_no_end_point);
	tcase_add_test(tcase, who_offers_protocols_must_offer_ours);
	tcase_add_test(tcase, who_has_the_keys_takes_the_tickets);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
