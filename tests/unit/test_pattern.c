#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/pattern.h"

static struct error error;

static const struct {
	const char	*pattern;
	size_t		 groups;
} good[] = {
	/* what maps are made of */
	{ "^(.*)@example\\.com$", 1 },
	{ "^(anna|bert|carl)(@(eu|us)\\.firm\\.example)?$", 3 },
	{ "^([a-z][a-z0-9._-]*)/host-[0-9]{1,3}@EXAMPLE\\.COM$", 1 },
	{ "^CN=([^,]+),OU=[[:alpha:] ]+(,O=.*)?$", 2 },
	{ "^([0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12})$", 2 },
	{ "^anna$|^bert$|^carl$|^dora$|^emil$|^fred$|^gerd$", 0 },
	{ "^((25[0-5]|[0-9]{1,2})\\.){3}[0-9]{1,3}$", 2 },
	{ ".{1,255}", 0 },
	{ "(([a-z]+\\.)+[a-z]+)*", 2 },
	{ "(.*)?", 1 },
	{ "", 0 },
	/* letters that look like more */
	{ "a\\*+\\{+\\?*", 0 },
	{ "[*+{?]*[]*+]+[^]*+]?", 0 },
	{ "[[:alpha:]*+]+[[.].]*+]+[[=a=]+*]*", 0 },
	{ "[a\\]*", 0 },
	{ "a\\\\1[\\1]", 0 },
	{ "a)b", 0 },
	/* as much as may be */
	{ "a{0,900}", 0 },
	{ "a{2000}", 0 },
	{ "(((a{0,3}b){1,6}c){1,12}d){1,3}", 3 },
	{ "((((a+)+)+)+)+", 4 },
};

START_TEST(a_usual_pattern_is_accepted)
{
	size_t groups = 99;

	ck_assert_msg(pattern_check(good[_i].pattern, &groups, &error),
	    "%s: %s", good[_i].pattern, error.text);
	ck_assert_uint_eq(groups, good[_i].groups);
}
END_TEST

static const char twice[] = " repeats what is repeated already";
static const char empty[] = " repeats what may be empty";
static const char much[] = "its repetitions come to too much";
static const char back[] = " refers back to what was found";
static const char bounds[] = " is not a number of repetitions";

static const struct {
	const char	*pattern, *reason;
} bad[] = {
	{ "^(.+)++++", twice },
	{ "a**", twice },
	{ "a{2}{3}", twice },
	{ "^(.*?)@firm$", twice },
	{ "([a-z]\\**)+*", twice },
	{ "[]a]*{2}", twice },
	{ "^(.*)++++", empty },
	{ "((((((.*)+)+)+)+)+)+", empty },
	{ "(a*)*", empty },
	{ "(a|)+", empty },
	{ "(|$)+", empty },
	{ "(a?b*)+", empty },
	{ "()*", empty },
	{ "(\\b\\<){3}", empty },
	{ "^*a", empty },
	{ "*a", empty },
	{ "(a+)\\1\\1b", back },
	{ "^(.*)@\\1$", back },
	{ "((a{1,200}){1,200}){1,200}", much },
	{ "((((((((((a){0,2}b){0,2}b){0,2}b){0,2}b){0,2}b){0,2}b){0,2}b)"
	    "{0,2}b){0,2}b){0,2}", much },
	{ "(((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+", much },
	{ "(((a{5,}b){5,}b){5,}b){5,}", much },
	{ "a{0,5000}", much },
	{ "a{99999999999999999999}", much },
	{ "a{1,99999999999999999999}", much },
	{ "a{0,600}b{0,600}", much },
	{ "\\b\\b\\b\\b\\b\\b\\b\\b\\b\\b\\b\\b", much },
	{ "(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)"
	    "(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)(^)",
	    much },
	{ "a{1\\,1000}", bounds },	/* glibc reads a comma there */
	{ "a{1", bounds },
	{ "a{}", bounds },
	{ "a{1,2,3}", bounds },
	{ "a{ 1}", bounds },
	{ "(", "\"(\": " },
	{ "[a", "\"[a\": " },
	{ "[[:a", "\"[[:a\": " },
	{ "a\\", "\"a\\\": " },
	{ "[[:nobody:]]", "\"[[:nobody:]]\": " },
};

START_TEST(what_the_library_cannot_do_is_refused)
{
	size_t groups;

	ck_assert_msg(!pattern_check(bad[_i].pattern, &groups, &error),
	    "%s", bad[_i].pattern);
	ck_assert_msg(strncmp(error.text, "invalid regular expression \"",
	    28) == 0 && strstr(error.text, bad[_i].reason) != NULL,
	    "%s", error.text);
}
END_TEST

static void
repeat(char *text, const char *unit, size_t times)
{
	for (size_t i = 0; i < times; i++)
		text = stpcpy(text, unit);
}

START_TEST(names_may_be_many)
{
	static char pattern[16 * 1024];
	size_t groups;

	strcpy(pattern, "^(");
	repeat(pattern + 2, "somebody|", 500);
	strcat(pattern, "anna)@firm$");
	ck_assert(pattern_check(pattern, &groups, &error));
	repeat(pattern, "^somebody$|", 200);
	ck_assert(pattern_check(pattern, &groups, &error));
}
END_TEST

START_TEST(what_is_too_long_is_refused)
{
	static char pattern[64 * 1024];
	size_t groups;

	repeat(pattern, "a?", 20000);
	ck_assert(!pattern_check(pattern, &groups, &error));
	repeat(pattern, "somebody|", 5000);
	ck_assert(!pattern_check(pattern, &groups, &error));
	repeat(pattern, "(|a)", 5000);
	ck_assert(!pattern_check(pattern, &groups, &error));
	repeat(pattern, "a", 20000);
	ck_assert(!pattern_check(pattern, &groups, &error));
}
END_TEST

START_TEST(brackets_may_not_be_too_deep)
{
	char pattern[1024];
	size_t groups;

	repeat(pattern, "(", 100);
	pattern[100] = 'a';
	repeat(pattern + 101, ")", 100);
	ck_assert(pattern_check(pattern, &groups, &error));
	ck_assert_uint_eq(groups, 100);
	repeat(pattern, "(", 101);
	pattern[101] = 'a';
	repeat(pattern + 102, ")", 101);
	ck_assert(!pattern_check(pattern, &groups, &error));
	ck_assert_ptr_nonnull(strstr(error.text, "more than 100 brackets"));
}
END_TEST

/* Far from what the slowest of them needs, so that no machine is too slow. */
START_TEST(what_is_accepted_is_compiled_soon)
{
	static char pattern[16 * 1024];
	clock_t began = clock();
	size_t groups;

	ck_assert(pattern_check("(a{0,80}b){1,10}", &groups, &error));
	ck_assert(pattern_check("(((a{3,}b)+c)+d)+", &groups, &error));
	repeat(pattern, "(a?)", 800);
	ck_assert(pattern_check(pattern, &groups, &error));
	ck_assert(clock() - began < 10 * CLOCKS_PER_SEC);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pattern");
	TCase *tcase = tcase_create("pattern");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, a_usual_pattern_is_accepted, 0,
	    ARRAY_LENGTH(good));
	tcase_add_loop_test(tcase, what_the_library_cannot_do_is_refused, 0,
	    ARRAY_LENGTH(bad));
	tcase_add_test(tcase, names_may_be_many);
	tcase_add_test(tcase, what_is_too_long_is_refused);
	tcase_add_test(tcase, brackets_may_not_be_too_deep);
	tcase_add_test(tcase, what_is_accepted_is_compiled_soon);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
