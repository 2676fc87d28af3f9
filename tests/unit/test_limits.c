#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "supervisor/limits.h"

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

static uint64_t
expected(const char *text, unsigned workers)
{
	struct config *config = load(text);
	uint64_t fds = limits_expected_fds(config, workers, 2);

	config_free(config);
	return fds;
}

#define PLAIN "[pgbouncer]\nmax_client_conn = 100\n"
#define DATABASE "[databases]\nx = host=h pool_size=30\n"

START_TEST(clients_count_one_each)
{
	ck_assert_uint_eq(expected("[pgbouncer]\nmax_client_conn = 1100\n",
	    2) - expected(PLAIN, 2), 1000);
}
END_TEST

START_TEST(databases_count_their_pools)
{
	ck_assert_uint_eq(expected(PLAIN DATABASE, 2) - expected(PLAIN, 2),
	    30);
}
END_TEST

START_TEST(a_limit_of_the_database_counts_as_well)
{
	ck_assert_uint_eq(expected(PLAIN
	    "[databases]\nx = host=h pool_size=30 max_db_connections=7\n", 2)
	    - expected(PLAIN, 2), 7);
}
END_TEST

START_TEST(more_workers_need_a_little_more)
{
	ck_assert_uint_gt(expected(PLAIN, 16), expected(PLAIN, 1));
}
END_TEST

START_TEST(the_limit_is_raised_as_far_as_allowed)
{
	struct rlimit limit, after;
	uint64_t hard, now;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	now = limits_raise(100, &hard);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &after), 0);
	ck_assert_uint_eq(now, after.rlim_cur);
	ck_assert_uint_eq(hard, after.rlim_max);
	ck_assert_uint_ge(now, limit.rlim_max);
}
END_TEST

START_TEST(more_than_the_system_has_is_not_an_error)
{
	uint64_t hard, now = limits_raise(UINT64_C(1) << 40, &hard);

	ck_assert_uint_gt(now, 0);
	ck_assert_uint_lt(now, UINT64_C(1) << 40);
	ck_assert_uint_ge(hard, now);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("limits");
	TCase *tests = tcase_create("limits");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, clients_count_one_each);
	tcase_add_test(tests, databases_count_their_pools);
	tcase_add_test(tests, a_limit_of_the_database_counts_as_well);
	tcase_add_test(tests, more_workers_need_a_little_more);
	tcase_add_test(tests, the_limit_is_raised_as_far_as_allowed);
	tcase_add_test(tests, more_than_the_system_has_is_not_an_error);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
