#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static struct error error;

START_TEST(every_call_returns_false)
{
	ck_assert(!error_set(&error, "could not"));
	ck_assert(!error_system(&error, "could not"));
	ck_assert(!error_hint(&error, "try"));
	ck_assert(!error_prefix(&error, "file"));
}
END_TEST

START_TEST(the_system_says_why)
{
	errno = ENOENT;
	error_system(&error, "could not open \"%s\"", "x");
	ck_assert_str_eq(error.text,
	    "could not open \"x\": No such file or directory");
}
END_TEST

START_TEST(a_new_text_forgets_the_old_hint)
{
	error_set(&error, "one");
	error_hint(&error, "try %d", 1);
	ck_assert_str_eq(error.hint, "try 1");
	error_set(&error, "two");
	ck_assert_str_eq(error.hint, "");
	error_hint(&error, "again");
	errno = EPERM;
	error_system(&error, "three");
	ck_assert_str_eq(error.hint, "");
}
END_TEST

START_TEST(prefixes_pile_up_and_keep_the_hint)
{
	error_set(&error, "unknown name");
	error_hint(&error, "try another");
	error_prefix(&error, "line %d", 7);
	error_prefix(&error, "%s", "a.ini");
	ck_assert_str_eq(error.text, "a.ini: line 7: unknown name");
	ck_assert_str_eq(error.hint, "try another");
}
END_TEST

START_TEST(what_is_too_long_is_cut_and_stays_a_string)
{
	char much[2048];

	memset(much, 'x', sizeof(much) - 1);
	much[sizeof(much) - 1] = '\0';
	error_set(&error, "%s", much);
	ck_assert_uint_eq(strlen(error.text), sizeof(error.text) - 1);
	errno = EPERM;
	error_system(&error, "%s", much);
	ck_assert_uint_eq(strlen(error.text), sizeof(error.text) - 1);
	error_hint(&error, "%s", much);
	ck_assert_uint_eq(strlen(error.hint), sizeof(error.hint) - 1);
	error_prefix(&error, "%s", "file");
	ck_assert_uint_eq(strlen(error.text), sizeof(error.text) - 1);
	ck_assert_int_eq(strncmp(error.text, "file: xxx", 9), 0);
	ck_assert_str_eq(error.text + sizeof(error.text) - 4, "...");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("error");
	TCase *tests = tcase_create("error");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, every_call_returns_false);
	tcase_add_test(tests, the_system_says_why);
	tcase_add_test(tests, a_new_text_forgets_the_old_hint);
	tcase_add_test(tests, prefixes_pile_up_and_keep_the_hint);
	tcase_add_test(tests, what_is_too_long_is_cut_and_stays_a_string);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
