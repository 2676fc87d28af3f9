#include <check.h>
#include <stdlib.h>

#include "auth/md5.h"

static const struct {
	const char	*story, *text;
	bool		 secret;
} forms[] = {
	{ "35 characters", "md50123456789abcdef0123456789abcdef", true },
	{ "one too few", "md50123456789abcdef0123456789abcde", false },
	{ "one too many", "md50123456789abcdef0123456789abcdef0", false },
	{ "capital digits", "md50123456789ABCDEF0123456789ABCDEF", false },
	{ "no digit", "md50123456789abcdeg0123456789abcdef", false },
	{ "capital prefix", "MD50123456789abcdef0123456789abcdef", false },
	{ "empty", "", false },
};

START_TEST(a_secret_is_known_by_its_form)
{
	ck_assert_msg(md5_is_secret(forms[_i].text) == forms[_i].secret,
	    "%s", forms[_i].story);
}
END_TEST

START_TEST(secret_and_answer)
{
	static const uint8_t salt[MD5_SALT] = { 1, 2, 3, 4 };
	char secret[MD5_SECRET_SIZE], answer[MD5_SECRET_SIZE];

	ck_assert(md5_secret("secret", "user", secret));
	ck_assert_str_eq(secret, "md520eb1b22a92b5c573dc1eb4331fc49ee");
	ck_assert(md5_is_secret(secret));
	ck_assert(md5_answer(secret, salt, answer));
	ck_assert_str_eq(answer, "md5fccef98e4f1cf6cbe96b743fad4e8bd0");
	ck_assert(!md5_answer("secret", salt, answer));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("md5");
	TCase *tests = tcase_create("md5");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, a_secret_is_known_by_its_form, 0,
	    (int)ARRAY_LENGTH(forms));
	tcase_add_test(tests, secret_and_answer);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
