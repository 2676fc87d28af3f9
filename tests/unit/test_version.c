#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/version.h"

/* Exporters read the numbers behind the first word. */
START_TEST(the_release_of_pgbouncer_comes_first)
{
	unsigned major, minor, patch;

	ck_assert_int_eq(sscanf(version_text(), "PgBouncer %u.%u.%u ",
	    &major, &minor, &patch), 3);
	ck_assert_uint_eq(major, 1);
	ck_assert_uint_ge(minor, 25);
}
END_TEST

START_TEST(who_it_really_is_follows)
{
	ck_assert_ptr_nonnull(strstr(version_text(), " (pgusher "));
	ck_assert_ptr_null(strchr(version_text(), '\n'));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("version");
	TCase *tests = tcase_create("version");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, the_release_of_pgbouncer_comes_first);
	tcase_add_test(tests, who_it_really_is_follows);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
