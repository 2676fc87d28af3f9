#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/carry_over.h"

static struct config *
load(const char *text)
{
	struct files *files = files_memory();
	struct error error;
	struct config *config;

	files_put(files, "f.ini", text, strlen(text));
	config = config_load(files, "f.ini", &error);
	ck_assert_msg(config != NULL, "%s", error.text);
	files_free(files);
	return config;
}

static void
begin(void)
{
	static const struct log_settings silent = { .file_fd = -1 };

	log_configure(&silent);
}

START_TEST(what_needs_a_restart_stays)
{
	struct config *old = load("[pgbouncer]\nlisten_port = 1234\n"
	    "listen_addr = 127.0.0.1\nworkers = 3\n");
	struct config *new = load("[pgbouncer]\nlisten_port = 4321\n"
	    "listen_addr = *\nworkers = 5\nunix_socket_dir = /elsewhere\n");

	config_carry_over(old, new, true);
	config_free(old);	/* nothing of it may be in the new one */
	ck_assert_int_eq(new->listen_port, 1234);
	ck_assert_str_eq(new->listen_addr, "127.0.0.1");
	ck_assert_int_eq(new->workers, 5);	/* a reload changes it */
	ck_assert_str_eq(new->unix_socket_dir, "/tmp");
	config_free(new);
}
END_TEST

START_TEST(what_was_not_given_at_start_stays_so)
{
	struct config *old = load("[pgbouncer]\n");
	struct config *new = load("[pgbouncer]\nuser = somebody\n");

	config_carry_over(old, new, true);
	ck_assert_ptr_null(new->user);
	config_free(old);
	config_free(new);
}
END_TEST

START_TEST(the_rest_is_new)
{
	struct config *old = load("[pgbouncer]\nmax_client_conn = 10\n"
	    "admin_users = a\n");
	struct config *new = load("[pgbouncer]\nmax_client_conn = 20\n"
	    "admin_users = b\npool_mode = transaction\n");

	config_carry_over(old, new, true);
	config_free(old);
	ck_assert_int_eq(new->max_client_conn, 20);
	ck_assert_str_eq(new->admin_users, "b");
	ck_assert_int_eq(new->pool_mode, POOL_MODE_TRANSACTION);
	config_free(new);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("carry_over");
	TCase *tests = tcase_create("carry_over");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, NULL);
	tcase_add_test(tests, what_needs_a_restart_stays);
	tcase_add_test(tests, what_was_not_given_at_start_stays_so);
	tcase_add_test(tests, the_rest_is_new);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
