#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fake/authority.h"
#include "supervisor/tls_check.h"

static struct authority *authority;
static struct paper *paper, *other;
static struct config config;
static struct error error;

static struct tls_pem
pem_of(const char *path, const char *text)
{
	return (struct tls_pem){ path, text, strlen(text) };
}

static void
setup(void)
{
	struct paper_wish wish = { .name = "pooler" };

	authority = authority_create("Seats");
	paper = authority_issue(authority, &wish);
	other = authority_issue(authority, &wish);
	config.client_tls = (struct tls_settings){
		.prefix = "client_tls",
		.certificate = pem_of("x.crt", paper->certificate),
		.key = pem_of("x.key", paper->key),
		.protocols = "secure",
		.ciphers = "default",
		.dh = TLS_DH_AUTO,
	};
	config.server_tls = config.client_tls;
	config.server_tls.prefix = "server_tls";
	config.client_tls_sslmode = config.server_tls_sslmode =
	    SSLMODE_PREFER;
}

static void
teardown(void)
{
	paper_free(paper);
	paper_free(other);
	authority_free(authority);
}

START_TEST(what_works_is_accepted)
{
	ck_assert_msg(tls_check(&config, &error), "%s", error.text);
}
END_TEST

START_TEST(both_directions_are_looked_at)
{
	config.client_tls.key = pem_of("y.key", other->key);
	ck_assert(!tls_check(&config, &error));
	ck_assert_str_eq(error.text, "invalid client_tls_key_file: y.key: "
	    "does not belong to the certificate");
	config.client_tls_sslmode = SSLMODE_DISABLE;
	ck_assert(tls_check(&config, &error));
	config.server_tls.authorities = pem_of("z.ca", "nothing");
	ck_assert(!tls_check(&config, &error));
	ck_assert_int_eq(strncmp(error.text,
	    "invalid server_tls_ca_file: z.ca: ", 34), 0);
	config.server_tls_sslmode = SSLMODE_DISABLE;
	ck_assert(tls_check(&config, &error));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_check");
	TCase *tcase = tcase_create("core");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_works_is_accepted);
	tcase_add_test(tcase, both_directions_are_looked_at);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
