#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/parameters.h"

static struct parameters *parameters;
static struct parameter_values want, have;
static char text[PARAMETERS_SETS_BYTES];

static void
begin(void)
{
	parameters = parameters_create("IntervalStyle, search_path");
	memset(&want, 0, sizeof(want));
	memset(&have, 0, sizeof(have));
}

static void
end(void)
{
	parameters_destroy(parameters);
}

static void
put(struct parameter_values *values, const char *name, const char *value)
{
	parameters_put(parameters, values, parameters_index(parameters, name),
	    value);
}

static const char *
sets(void)
{
	parameters_write_sets(parameters, &want, &have, text, sizeof(text));
	return text;
}

/* --- names --------------------------------------------------------------- */

START_TEST(the_usual_five_are_always_tracked)
{
	static const char *const names[] = { "client_encoding", "DateStyle",
	    "TimeZone", "standard_conforming_strings", "application_name" };
	struct parameters *plain = parameters_create(NULL);

	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(parameters_index(plain, names[i]), i);
		ck_assert_str_eq(parameters_name(plain, i), names[i]);
	}
	ck_assert_ptr_null(parameters_name(plain, 5));
	ck_assert_int_eq(parameters_index(plain, "IntervalStyle"), -1);
	ck_assert_int_eq(PARAMETER_APPLICATION_NAME, 4);
	parameters_destroy(plain);
}
END_TEST

START_TEST(names_compare_without_case)
{
	ck_assert_int_eq(parameters_index(parameters, "datestyle"), 1);
	ck_assert_int_eq(parameters_index(parameters, "TIMEZONE"), 2);
	ck_assert_int_eq(parameters_index(parameters, "intervalstyle"), 5);
	ck_assert_int_eq(parameters_index(parameters, "search_path"), 6);
	ck_assert_int_eq(parameters_index(parameters, "search_pat"), -1);
	ck_assert_int_eq(parameters_index(parameters, ""), -1);
}
END_TEST

static const struct {
	const char	*story;
	const char	*extra;
	const char	*names[3];	/* behind the usual five */
} lists[] = {
	{ "nothing", "", { NULL } },
	{ "one", "a", { "a" } },
	{ "commas and blanks", " a ,b,\tc ", { "a", "b", "c" } },
	{ "empty words", ",,a,,", { "a" } },
	{ "one twice", "a,A,b", { "a", "b" } },
	{ "one of the usual", "DATESTYLE,b", { "b" } },
};

START_TEST(more_names_come_from_a_list)
{
	struct parameters *more = parameters_create(lists[_i].extra);
	int i;

	for (i = 0; i < 3 && lists[_i].names[i] != NULL; i++) {
		ck_assert_msg(parameters_name(more, 5 + i) != NULL, "%s",
		    lists[_i].story);
		ck_assert_str_eq(parameters_name(more, 5 + i),
		    lists[_i].names[i]);
	}
	ck_assert_msg(parameters_name(more, 5 + i) == NULL, "%s",
	    lists[_i].story);
	parameters_destroy(more);
}
END_TEST

START_TEST(too_many_names_and_names_too_long_are_left_out)
{
	char list[2000] = "", name[100];
	struct parameters *many;

	memset(name, 'x', 64);
	name[64] = '\0';
	strcat(list, name);
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), ",name%d", i);
		strcat(list, name);
	}
	many = parameters_create(list);
	ck_assert_str_eq(parameters_name(many, 5), "name0");
	ck_assert_ptr_nonnull(parameters_name(many, PARAMETERS_MOST - 1));
	ck_assert_ptr_null(parameters_name(many, PARAMETERS_MOST));
	parameters_destroy(many);
}
END_TEST

/* --- values -------------------------------------------------------------- */

START_TEST(a_value_replaces_the_one_before_wholly)
{
	put(&want, "TimeZone", "America/New_York");
	put(&want, "TimeZone", "UTC");
	put(&have, "TimeZone", "UTC");
	parameters_seal(&want);
	parameters_seal(&have);
	ck_assert_mem_eq(&want, &have, sizeof(want));
}
END_TEST

START_TEST(the_longest_value_is_kept)
{
	char value[PARAMETER_VALUE_BYTES];

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	put(&want, "application_name", value);
	ck_assert_str_eq(want.values[4], value);
}
END_TEST

START_TEST(a_value_that_is_too_long_is_left_out)
{
	char value[PARAMETER_VALUE_BYTES + 1];

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	put(&want, "application_name", value);
	ck_assert_str_eq(want.values[4], "");
}
END_TEST

START_TEST(equal_values_have_equal_digests_and_others_do_not)
{
	uint8_t digest[16];

	put(&want, "TimeZone", "UTC");
	put(&have, "TimeZone", "UTC");
	parameters_seal(&want);
	parameters_seal(&have);
	ck_assert_mem_eq(want.digest, have.digest, sizeof(want.digest));
	memcpy(digest, have.digest, sizeof(digest));
	put(&have, "TimeZone", "");
	put(&have, "DateStyle", "UTC");
	parameters_seal(&have);
	ck_assert_mem_ne(want.digest, have.digest, sizeof(want.digest));
	put(&have, "TimeZone", "UTC");
	put(&have, "DateStyle", "");
	parameters_seal(&have);
	ck_assert_mem_eq(digest, have.digest, sizeof(digest));
}
END_TEST

START_TEST(a_place_that_is_none_aborts)
{
	parameters_put(parameters, &want, 7, "x");
}
END_TEST

START_TEST(a_name_that_is_not_tracked_has_no_place)
{
	parameters_put(parameters, &want, -1, "x");
}
END_TEST

/* --- sharing ------------------------------------------------------------- */

START_TEST(clients_that_want_the_same_share_one_set)
{
	struct parameter_set *first, *second, *other;

	put(&want, "TimeZone", "UTC");
	parameters_seal(&want);
	put(&have, "TimeZone", "GMT");
	parameters_seal(&have);
	first = parameters_share(parameters, &want);
	second = parameters_share(parameters, &want);
	other = parameters_share(parameters, &have);
	ck_assert_ptr_eq(first, second);
	ck_assert_ptr_ne(first, other);
	ck_assert_uint_eq(first->users, 2);
	ck_assert_str_eq(first->values.values[2], "UTC");
	parameters_release(parameters, first);
	ck_assert_uint_eq(second->users, 1);
	parameters_release(parameters, second);
	ck_assert_str_eq(other->values.values[2], "GMT");
	parameters_release(parameters, other);
	parameters_release(parameters, NULL);
}
END_TEST

START_TEST(a_thousand_sets_come_and_go)
{
	static struct parameter_set *shared[1000];
	char name[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "app%d", i);
		put(&want, "application_name", name);
		parameters_seal(&want);
		shared[i] = parameters_share(parameters, &want);
		ck_assert_ptr_nonnull(shared[i]);
	}
	for (int i = 0; i < 1000; i += 2)
		parameters_release(parameters, shared[i]);
	for (int i = 1; i < 1000; i += 2) {
		snprintf(name, sizeof(name), "app%d", i);
		ck_assert_str_eq(shared[i]->values.values[4], name);
		put(&want, "application_name", name);
		parameters_seal(&want);
		ck_assert_ptr_eq(parameters_share(parameters, &want),
		    shared[i]);
		parameters_release(parameters, shared[i]);
		parameters_release(parameters, shared[i]);
	}
}
END_TEST

START_TEST(what_is_left_goes_with_the_rest)
{
	parameters_seal(&want);
	ck_assert_ptr_nonnull(parameters_share(parameters, &want));
}
END_TEST

/* --- SETs ---------------------------------------------------------------- */

static const struct {
	const char	*story;
	const char	*name;
	const char	*want, *have;
	const char	*sets;
} cases[] = {
	{ "nothing wanted", "TimeZone", "", "UTC", "" },
	{ "the server has it", "TimeZone", "UTC", "UTC", "" },
	{ "case does not count", "DateStyle", "iso, mdy", "ISO, MDY", "" },
	{ "another value", "TimeZone", "GMT", "UTC", "SET TimeZone='GMT';" },
	{ "the server's is not known", "TimeZone", "GMT", "",
	    "SET TimeZone='GMT';" },
	{ "a list in quotes", "DateStyle", "ISO, DMY", "ISO, MDY",
	    "SET DateStyle='ISO, DMY';" },
	{ "a quote", "application_name", "o'clock", "",
	    "SET application_name='o''clock';" },
	{ "nothing but quotes", "application_name", "''", "",
	    "SET application_name='''''';" },
	{ "an injection", "application_name", "';DROP TABLE t;--", "",
	    "SET application_name=''';DROP TABLE t;--';" },
	{ "a backslash", "application_name", "a\\b", "",
	    "SET application_name=E'a\\\\b';" },
	{ "a backslash before a quote", "application_name", "\\'", "",
	    "SET application_name=E'\\\\''';" },
	{ "a backslash at the end", "application_name", "x\\", "",
	    "SET application_name=E'x\\\\';" },
	{ "letters beyond ASCII", "application_name", "caf\303\251", "",
	    "SET application_name='caf\303\251';" },
	{ "a backslash behind them: it could be half a letter",
	    "application_name", "\303\\'", "", "" },
	{ "a backslash before them", "application_name", "\\\303\251", "",
	    "" },
	{ "a search path goes as it is", "search_path",
	    "\"$user\", public", "public",
	    "SET search_path=\"$user\", public;" },
	{ "plain names", "search_path", "a, b_1,c", "",
	    "SET search_path=a, b_1,c;" },
	{ "an empty search path", "search_path", "\"\"", "public",
	    "SET search_path='';" },
	{ "a quoted name with anything in it", "search_path",
	    "\"a;b'c\", d", "", "SET search_path=\"a;b'c\", d;" },
	{ "a doubled quote in a name", "search_path", "\"a\"\"b\"", "",
	    "SET search_path=\"a\"\"b\";" },
	{ "a search path that would end the statement", "search_path",
	    "a; DROP TABLE t", "", "" },
	{ "a name that does not end", "search_path", "a, \"b", "", "" },
	{ "a comment", "search_path", "a --", "", "" },
	{ "a string", "search_path", "'a'", "", "" },
	{ "an expression", "search_path", "a(1)", "", "" },
	{ "an equals sign", "search_path", "a = b", "", "" },
};

START_TEST(what_is_set_and_how)
{
	put(&want, cases[_i].name, cases[_i].want);
	put(&have, cases[_i].name, cases[_i].have);
	ck_assert_msg(strcmp(sets(), cases[_i].sets) == 0, "%s: %s",
	    cases[_i].story, text);
}
END_TEST

START_TEST(all_that_differs_goes_in_one_batch)
{
	put(&want, "client_encoding", "UTF8");
	put(&want, "TimeZone", "UTC");
	put(&want, "application_name", "x");
	put(&have, "client_encoding", "LATIN1");
	put(&have, "TimeZone", "UTC");
	put(&have, "application_name", "y");
	put(&have, "IntervalStyle", "postgres");
	ck_assert_str_eq(sets(), "SET client_encoding='UTF8';"
	    "SET application_name='x';");
}
END_TEST

START_TEST(the_longest_batch_fits)
{
	char list[2000] = "", name[80], value[PARAMETER_VALUE_BYTES];
	struct parameters *many;

	for (int i = 0; i < 11; i++) {
		memset(name, 'a' + i, 63);
		strcpy(name + 63, ",");
		strcat(list, name);
	}
	many = parameters_create(list);
	memset(value, '\'', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (int i = 0; i < PARAMETERS_MOST; i++)
		parameters_put(many, &want, i, value);
	parameters_write_sets(many, &want, &have, text, sizeof(text));
	ck_assert_uint_gt(strlen(text), PARAMETERS_MOST * 2 *
	    (PARAMETER_VALUE_BYTES - 1));
	ck_assert_uint_lt(strlen(text), sizeof(text));
	ck_assert_int_eq(text[strlen(text) - 1], ';');
	parameters_destroy(many);
}
END_TEST

START_TEST(what_the_server_did_not_report_is_assumed)
{
	put(&want, "TimeZone", "UTC");
	put(&want, "IntervalStyle", "iso_8601");
	put(&have, "TimeZone", "Etc/UTC");
	put(&have, "DateStyle", "ISO, MDY");
	parameters_assume(parameters, &want, &have);
	ck_assert_str_eq(have.values[2], "Etc/UTC");
	ck_assert_str_eq(have.values[5], "iso_8601");
	ck_assert_str_eq(have.values[1], "ISO, MDY");
	ck_assert_str_eq(have.values[0], "");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("parameters");
	TCase *tests = tcase_create("parameters");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, the_usual_five_are_always_tracked);
	tcase_add_test(tests, names_compare_without_case);
	tcase_add_loop_test(tests, more_names_come_from_a_list, 0,
	    ARRAY_LENGTH(lists));
	tcase_add_test(tests, too_many_names_and_names_too_long_are_left_out);
	tcase_add_test(tests, a_value_replaces_the_one_before_wholly);
	tcase_add_test(tests, the_longest_value_is_kept);
	tcase_add_test(tests, a_value_that_is_too_long_is_left_out);
	tcase_add_test(tests,
	    equal_values_have_equal_digests_and_others_do_not);
	tcase_add_test_raise_signal(tests,
	    a_place_that_is_none_aborts, SIGABRT);
	tcase_add_test_raise_signal(tests,
	    a_name_that_is_not_tracked_has_no_place, SIGABRT);
	tcase_add_test(tests, clients_that_want_the_same_share_one_set);
	tcase_add_test(tests, a_thousand_sets_come_and_go);
	tcase_add_test(tests, what_is_left_goes_with_the_rest);
	tcase_add_loop_test(tests, what_is_set_and_how, 0,
	    ARRAY_LENGTH(cases));
	tcase_add_test(tests, all_that_differs_goes_in_one_batch);
	tcase_add_test(tests, the_longest_batch_fits);
	tcase_add_test(tests, what_the_server_did_not_report_is_assumed);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
