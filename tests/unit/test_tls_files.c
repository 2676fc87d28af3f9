#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

static struct files *files;
static struct config *config;
static struct error error;

static void
setup(void)
{
	files = files_memory();
	files_put(files, "x.crt", "certificate", 11);
	files_put(files, "x.key", "key", 3);
	files_put(files, "x.ca", "authorities", 11);
}

static void
teardown(void)
{
	config_free(config);
	config = NULL;
	files_free(files);
}

static void
load(const char *lines)
{
	char text[1024];

	snprintf(text, sizeof(text), "[pgbouncer]\n%s\n", lines);
	files_put(files, "x.ini", text, strlen(text));
	config_free(config);
	config = config_load(files, "x.ini", &error);
}

#define PAIR "client_tls_cert_file = x.crt\nclient_tls_key_file = x.key\n"

START_TEST(without_tls_no_file_is_read)
{
	load("client_tls_cert_file = nowhere\nserver_tls_sslmode = disable\n"
	    "server_tls_ca_file = nowhere\n");
	ck_assert_msg(config != NULL, "%s", error.text);
	ck_assert_ptr_null(config->client_tls.certificate.path);
	ck_assert_ptr_null(config->server_tls.authorities.path);
}
END_TEST

START_TEST(files_come_along)
{
	load(PAIR "client_tls_ca_file = x.ca\nclient_tls_sslmode = require\n"
	    "client_tls_protocols = tlsv1.3\nclient_tls_dheparams = legacy\n"
	    "client_tls_ecdhcurve = X25519\nclient_tls_ciphers = HIGH\n"
	    "client_tls13_ciphers = TLS_AES_128_GCM_SHA256\n");
	ck_assert_msg(config != NULL, "%s", error.text);
	ck_assert_str_eq(config->client_tls.prefix, "client_tls");
	ck_assert_str_eq(config->client_tls.certificate.path, "x.crt");
	ck_assert_str_eq(config->client_tls.certificate.content,
	    "certificate");
	ck_assert_uint_eq(config->client_tls.certificate.length, 11);
	ck_assert_str_eq(config->client_tls.key.content, "key");
	ck_assert_str_eq(config->client_tls.authorities.content,
	    "authorities");
	ck_assert_str_eq(config->client_tls.protocols, "tlsv1.3");
	ck_assert_str_eq(config->client_tls.ciphers, "HIGH");
	ck_assert_str_eq(config->client_tls.suites, "TLS_AES_128_GCM_SHA256");
	ck_assert_str_eq(config->client_tls.curve, "X25519");
	ck_assert_int_eq(config->client_tls.dh, TLS_DH_LEGACY);
	ck_assert_int_eq(config->client_tls.proof, TLS_PROOF_IF_SENT);
}
END_TEST

START_TEST(the_mode_says_what_is_asked_for)
{
	static const struct {
		const char	*lines;
		enum tls_proof	 clients, servers;
	} rows[] = {
		{ PAIR "client_tls_sslmode = allow\n", TLS_PROOF_NONE,
		    TLS_PROOF_NONE },
		{ PAIR "client_tls_sslmode = prefer\nclient_tls_ca_file = "
		    "x.ca\nserver_tls_sslmode = require\nserver_tls_ca_file "
		    "= x.ca\n", TLS_PROOF_IF_SENT, TLS_PROOF_NONE },
		{ PAIR "client_tls_sslmode = verify-ca\nclient_tls_ca_file = "
		    "x.ca\nserver_tls_sslmode = verify-ca\nserver_tls_ca_file "
		    "= x.ca\n", TLS_PROOF_CHAIN, TLS_PROOF_CHAIN },
		{ PAIR "client_tls_sslmode = verify-full\nclient_tls_ca_file "
		    "= x.ca\nserver_tls_sslmode = verify-full\n"
		    "server_tls_ca_file = x.ca\n", TLS_PROOF_CHAIN,
		    TLS_PROOF_NAME },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		load(rows[i].lines);
		ck_assert_msg(config != NULL, "row %zu: %s", i, error.text);
		ck_assert_int_eq(config->client_tls.proof, rows[i].clients);
		ck_assert_int_eq(config->server_tls.proof, rows[i].servers);
	}
}
END_TEST

static const struct {
	const char	*lines, *text;
} mistakes[] = {
	{ "client_tls_sslmode = prefer\n", "x.ini:2: To allow TLS connections "
	    "from clients, client_tls_key_file and client_tls_cert_file must "
	    "be set." },
	{ "client_tls_sslmode = require\nclient_tls_key_file = x.key\n",
	    "x.ini:2: To allow TLS connections from clients, "
	    "client_tls_key_file and client_tls_cert_file must be set." },
	{ PAIR "client_tls_sslmode = verify-ca\n",
	    "x.ini:4: client_tls_sslmode requires client_tls_ca_file" },
	{ PAIR "client_tls_sslmode = verify-ca\nclient_tls_ca_file = x.ca\n"
	    "auth_type = cert\n", "x.ini:6: auth_type=cert requires "
	    "client_tls_sslmode=SSLMODE_VERIFY_FULL" },
	{ PAIR "client_tls_sslmode = verify-full\nauth_type = cert\n",
	    "x.ini:5: auth_type=cert requires client_tls_ca_file" },
	{ PAIR "client_tls_sslmode = require\nclient_tls_key_file = nowhere\n",
	    "x.ini:5: invalid client_tls_key_file: nowhere: No such file or "
	    "directory" },
	{ "server_tls_key_file = x.key\n", "x.ini:2: server_tls_key_file and "
	    "server_tls_cert_file must be set together" },
	{ "server_tls_sslmode = verify-full\n",
	    "x.ini:2: server_tls_sslmode requires server_tls_ca_file" },
	{ "server_tls_sslnegotiation = direct\n",
	    "x.ini:2: server_tls_sslnegotiation=direct requires "
	    "server_tls_sslmode=require or stronger" },
	{ "server_tls_ca_file = nowhere\n", "x.ini:2: invalid "
	    "server_tls_ca_file: nowhere: No such file or directory" },
};

START_TEST(what_does_not_fit_is_refused)
{
	load(mistakes[_i].lines);
	ck_assert_ptr_null(config);
	ck_assert_str_eq(error.text, mistakes[_i].text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_files");
	TCase *tcase = tcase_create("core");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, without_tls_no_file_is_read);
	tcase_add_test(tcase, files_come_along);
	tcase_add_test(tcase, the_mode_says_what_is_asked_for);
	tcase_add_loop_test(tcase, what_does_not_fit_is_refused, 0,
	    ARRAY_LENGTH(mistakes));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
