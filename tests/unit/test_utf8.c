#include <check.h>
#include <stdlib.h>

#include "base/utf8.h"

static const struct {
	const char	*story;
	const char	*text;
	unsigned	 length;
} cases[] = {
	{ "ASCII", "a", 1 },
	{ "the end", "", 1 },
	{ "two bytes", "\xc3\xa9", 2 },
	{ "three bytes", "\xe2\x82\xac", 3 },
	{ "four bytes", "\xf0\x9f\x98\x80", 4 },
	{ "the last character of all", "\xf4\x8f\xbf\xbf", 4 },
	{ "beyond the last", "\xf4\x90\x80\x80", 0 },
	{ "a byte of the middle", "\x80", 0 },
	{ "an overlong slash", "\xc0\xaf", 0 },
	{ "an overlong slash of three", "\xe0\x80\xaf", 0 },
	{ "an overlong one of four", "\xf0\x8f\xbf\xbf", 0 },
	{ "a surrogate", "\xed\xa0\x80", 0 },
	{ "a byte that is nowhere", "\xff", 0 },
	{ "cut short", "\xe2\x82", 0 },
	{ "another one where it should go on", "\xc3x", 0 },
};

START_TEST(characters)
{
	ck_assert_msg(utf8_length(cases[_i].text) == cases[_i].length,
	    "%s: %u", cases[_i].story, utf8_length(cases[_i].text));
}
END_TEST

START_TEST(strings)
{
	ck_assert(utf8_is_valid(""));
	ck_assert(utf8_is_valid("caf\xc3\xa9"));
	ck_assert(!utf8_is_valid("caf\xe9"));
	ck_assert(!utf8_is_valid("caf\xc3"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("utf8");
	TCase *tests = tcase_create("utf8");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, characters, 0, ARRAY_LENGTH(cases));
	tcase_add_test(tests, strings);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
