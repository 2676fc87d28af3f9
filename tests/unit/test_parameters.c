#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/parameters.h"

static struct parameters *parameters;
static struct parameter_values want, have;
static char text[64 * 1024];

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
	struct buffer out = { 0 };

	ck_assert(parameters_write_sets(parameters, &want, &have, &out));
	ck_assert_uint_lt(buffer_length(&out), sizeof(text));
	if (buffer_length(&out) > 0)
		memcpy(text, buffer_front(&out), buffer_length(&out));
	text[buffer_length(&out)] = '\0';
	buffer_clear(&out);
	return text;
}

static const char *
text_of(const struct parameter_values *values, const char *name)
{
	return parameters_text(parameters, values, parameters_index(
	    parameters, name));
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

/* One byte more than fits into a row. */
static char *
long_value(char fill)
{
	static char value[PARAMETER_VALUE_BYTES + 1];

	memset(value, fill, sizeof(value) - 1);
	return value;
}

START_TEST(a_long_value_is_its_digest_in_a_row_and_a_text_here)
{
	put(&want, "search_path", long_value('a'));
	put(&have, "search_path", long_value('a'));
	ck_assert(parameter_is_long(want.values[6]));
	ck_assert_str_eq(text_of(&want, "search_path"), long_value('a'));
	ck_assert_str_eq(sets(), "");
	put(&have, "search_path", long_value('b'));
	ck_assert_int_eq(strncmp(sets(), "SET search_path=aaaa", 20), 0);
	ck_assert_uint_eq(strlen(text), 16 + 128 + 1);
}
END_TEST

START_TEST(what_looks_like_a_digest_is_none)
{
	char digest[PARAMETER_VALUE_BYTES];

	put(&want, "search_path", long_value('a'));
	snprintf(digest, sizeof(digest), "%.32s", want.values[6]);
	put(&have, "search_path", digest);
	ck_assert_str_eq(text_of(&have, "search_path"), digest);
	ck_assert_str_ne(sets(), "");
}
END_TEST

START_TEST(a_text_stays_as_long_as_a_set_that_has_it)
{
	struct parameter_set *one, *other;
	char value[PARAMETER_VALUE_BYTES + 20];

	put(&want, "search_path", long_value('a'));
	parameters_seal(&want);
	one = parameters_share(parameters, &want);
	other = parameters_share(parameters, &want);
	ck_assert_ptr_eq(one, other);
	for (int i = 0; i < 2 * PARAMETER_TEXTS_RECENT; i++) {
		snprintf(value, sizeof(value), "%s%d", long_value('b'), i);
		put(&have, "search_path", value);
	}
	ck_assert_str_eq(text_of(&want, "search_path"), long_value('a'));
	parameters_release(parameters, one);
	ck_assert_str_eq(text_of(&want, "search_path"), long_value('a'));
	parameters_release(parameters, other);
	ck_assert_ptr_null(text_of(&want, "search_path"));
}
END_TEST

/* The server's row has it from another worker. */
START_TEST(a_digest_without_a_text_is_not_wanted)
{
	struct parameters *elsewhere = parameters_create(
	    "IntervalStyle, search_path");
	struct parameter_set *set;

	parameters_put(elsewhere, &want, 6, long_value('a'));
	put(&want, "TimeZone", "UTC");
	parameters_seal(&want);
	ck_assert_ptr_null(text_of(&want, "search_path"));
	ck_assert_str_eq(sets(), "SET TimeZone='UTC';");
	set = parameters_share(parameters, &want);
	ck_assert_str_eq(set->values.values[2], "UTC");
	ck_assert_str_eq(set->values.values[6], "");
	parameters_release(parameters, set);
	parameters_destroy(elsewhere);
}
END_TEST

/* --- spelling ------------------------------------------------------------ */

static const struct {
	const char	*story;
	const char	*name, *given, *canonical;
	bool		 reported;
	const char	*respelled;
} spellings[] = {
	{ "an encoding", "client_encoding", "utf-8", "UTF8", true, "UTF8" },
	{ "a switch", "standard_conforming_strings", "true", "on", true,
	    "on" },
	{ "a whole DateStyle", "DateStyle", "mdy, iso", "ISO, MDY", true,
	    "ISO, MDY" },
	{ "half a DateStyle: the other half is the server's", "DateStyle",
	    "german", "German, DMY", true, "german" },
	{ "case alone", "TimeZone", "utc", "UTC", true, "utc" },
	{ "names in quotes are what they are", "search_path", "A", "a", true,
	    "A" },
	{ "not reported", "IntervalStyle", "x", "y", false, "x" },
};

START_TEST(a_spelling_is_learned_once)
{
	int index = parameters_index(parameters, spellings[_i].name);

	put(&want, spellings[_i].name, spellings[_i].given);
	put(&have, spellings[_i].name, spellings[_i].canonical);
	have.reported = spellings[_i].reported ? 1u << index : 0;
	parameters_respell(parameters, &want);
	ck_assert_str_eq(want.values[index], spellings[_i].given);
	for (int i = 0; i < 3; i++)
		parameters_learn(parameters, &want, &have);
	parameters_respell(parameters, &want);
	ck_assert_msg(strcmp(want.values[index], spellings[_i].respelled) ==
	    0, "%s: %s", spellings[_i].story, want.values[index]);
}
END_TEST

START_TEST(a_thousand_spellings_are_not_all_kept)
{
	char zone[32];

	have.reported = ~0u;
	for (int i = 0; i < 1000; i++) {
		snprintf(zone, sizeof(zone), "zone %d", i);
		put(&want, "TimeZone", zone);
		put(&have, "TimeZone", "UTC");
		parameters_learn(parameters, &want, &have);
	}
	parameters_respell(parameters, &want);
	ck_assert_str_eq(want.values[2], "UTC");
	put(&want, "TimeZone", "zone 1");
	parameters_respell(parameters, &want);
	ck_assert_str_eq(want.values[2], "zone 1");
}
END_TEST

/*
 * Of search_path nobody has told it, and it has not asked for it.  What
 * another client calls itself is reported, but was not said now.
 */
START_TEST(a_client_takes_over_what_is_told_or_its_own)
{
	put(&want, "TimeZone", "GMT");
	put(&want, "IntervalStyle", "iso_8601");
	put(&have, "TimeZone", "UTC");
	put(&have, "DateStyle", "ISO, MDY");
	put(&have, "IntervalStyle", "postgres");
	put(&have, "search_path", "another_ones");
	put(&have, "application_name", "another_ones");
	have.reported = 1u << 1 | 1u << 2 | 1u << PARAMETER_APPLICATION_NAME;
	parameters_adopt(parameters, &want, &have, 1u << 1);
	ck_assert_str_eq(want.values[1], "ISO, MDY");
	ck_assert_str_eq(want.values[2], "UTC");
	ck_assert_str_eq(want.values[5], "postgres");
	ck_assert_str_eq(want.values[6], "");
	ck_assert_str_eq(want.values[PARAMETER_APPLICATION_NAME], "");
}
END_TEST

/* Statements are shared by clients that call themselves differently. */
START_TEST(a_clients_own_name_is_no_part_of_the_meaning)
{
	static const char *const names[] = { "one", "two", "one", "" };
	uint8_t meaning[16], digest[16];

	put(&want, "TimeZone", "UTC");
	put(&want, "application_name", "one");
	parameters_seal(&want);
	memcpy(meaning, want.meaning, sizeof(meaning));
	memcpy(digest, want.digest, sizeof(digest));
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		put(&want, "application_name", names[i]);
		parameters_seal(&want);
		ck_assert_mem_eq(want.meaning, meaning, sizeof(meaning));
		ck_assert_int_eq(memcmp(want.digest, digest,
		    sizeof(digest)) == 0, strcmp(names[i], "one") == 0);
	}
	put(&want, "application_name", "one");
	put(&want, "TimeZone", "GMT");
	parameters_seal(&want);
	ck_assert_mem_ne(want.meaning, meaning, sizeof(meaning));
	ck_assert_mem_ne(want.digest, digest, sizeof(digest));
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
	{ "it does where it may", "search_path", "\"A\"", "\"a\"",
	    "SET search_path=\"A\";" },
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

START_TEST(a_long_batch_is_whole)
{
	static char value[20001];

	memset(value, '\'', sizeof(value) - 1);
	put(&want, "application_name", value);
	put(&want, "TimeZone", "UTC");
	sets();
	ck_assert_uint_eq(strlen(text), strlen("SET TimeZone='UTC';"
	    "SET application_name='';") + 2 * strlen(value));
	ck_assert_str_eq(text + strlen(text) - 3, "'';");
}
END_TEST

/* That is PostgreSQL before 18 with search_path. */
START_TEST(what_the_server_does_not_report_is_assumed)
{
	put(&want, "TimeZone", "UTC");
	put(&want, "search_path", "mine");
	put(&want, "IntervalStyle", "iso_8601");
	put(&have, "TimeZone", "Etc/UTC");
	put(&have, "search_path", "another_ones");
	put(&have, "DateStyle", "ISO, MDY");
	have.reported = 1u << 1 | 1u << 2;
	parameters_assume(parameters, &want, &have);
	ck_assert_str_eq(have.values[2], "Etc/UTC");
	ck_assert_str_eq(have.values[5], "iso_8601");
	ck_assert_str_eq(have.values[6], "mine");
	ck_assert_str_eq(have.values[1], "ISO, MDY");
	ck_assert_str_eq(have.values[0], "");
}
END_TEST

START_TEST(what_was_not_set_is_not_assumed)
{
	put(&want, "search_path", "a; DROP TABLE t");
	put(&have, "search_path", "another_ones");
	parameters_assume(parameters, &want, &have);
	ck_assert_str_eq(have.values[6], "another_ones");
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
	tcase_add_test(tests,
	    a_long_value_is_its_digest_in_a_row_and_a_text_here);
	tcase_add_test(tests, what_looks_like_a_digest_is_none);
	tcase_add_test(tests, a_text_stays_as_long_as_a_set_that_has_it);
	tcase_add_test(tests, a_digest_without_a_text_is_not_wanted);
	tcase_add_loop_test(tests, a_spelling_is_learned_once, 0,
	    ARRAY_LENGTH(spellings));
	tcase_add_test(tests, a_thousand_spellings_are_not_all_kept);
	tcase_add_test(tests, a_client_takes_over_what_is_told_or_its_own);
	tcase_add_test(tests, a_clients_own_name_is_no_part_of_the_meaning);
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
	tcase_add_test(tests, a_long_batch_is_whole);
	tcase_add_test(tests, what_the_server_does_not_report_is_assumed);
	tcase_add_test(tests, what_was_not_set_is_not_assumed);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
