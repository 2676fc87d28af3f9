#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "admin/sql_text.h"

static struct sql_span
span(const char *text)
{
	return (struct sql_span){ text, text + strlen(text) };
}

static const struct {
	const char	*story, *text;
	size_t		 end;
	bool		 is_query;
} ends[] = {
	{ "nothing", "", 0, false },
	{ "no semicolon", "select 1", 8, true },
	{ "a semicolon", "select 1; select 2", 8, true },
	{ "in a text", "SELECT 'a;b', 'it''s;' ;", 23, true },
	{ "in a name", "select \"a;b\";", 12, true },
	{ "in a name with a quote", "select \"a\"\";b\";", 14, true },
	{ "in brackets", "select [a;b];", 12, true },
	{ "behind brackets", "select [a]];", 11, true },
	{ "in a comment", "select 1 -- a;b\n+ 1;", 19, true },
	{ "in a block", "select /* ; */ 1;", 16, true },
	{ "a block that does not end", "select 1 /* ;", 13, true },
	{ "a text that does not end", "select 'a;", 10, true },
	{ "a quote alone", "'", 1, false },
	{ "behind a comment", "-- so\nWITH x AS (SELECT 1) SELECT 1", 35,
	    true },
	{ "values", "VALUES (1);", 10, true },
	{ "another word", "selection", 9, false },
	{ "a command", "SHOW POOLS; x", 10, false },
};

START_TEST(a_statement_ends_at_its_semicolon)
{
	struct sql_span all = span(ends[_i].text);

	ck_assert_msg(sql_text_end(all.at, all.end) - all.at ==
	    (long)ends[_i].end, "%s: %ld", ends[_i].story,
	    sql_text_end(all.at, all.end) - all.at);
	ck_assert_msg(sql_text_is_query(all.at, all.end) ==
	    ends[_i].is_query, "%s", ends[_i].story);
}
END_TEST

static const struct {
	const char	*text, *expected;
} translations[] = {
	{ "select 1", "select 1" },
	{ "select current_user", "select current_user()" },
	{ "select CURRENT_USER, session_user x",
	    "select CURRENT_USER(), session_user() x" },
	{ "select current_user()", "select current_user()" },
	{ "select p.current_user", "select p.current_user" },
	{ "select 'current_user'", "select 'current_user'" },
	{ "select pg_catalog.version()", "select version()" },
	{ "select * from pg_catalog.pg_type",
	    "select * from pg_catalog.pg_type" },
};

START_TEST(words_that_are_calls_get_parentheses)
{
	struct buffer out = { 0 };

	ck_assert(sql_text_translate(span(translations[_i].text), &out));
	ck_assert_str_eq((const char *)buffer_front(&out),
	    translations[_i].expected);
	buffer_clear(&out);
}
END_TEST

static const struct {
	const char	*text, *expected;
} wide[] = {
	{ "select a from b", "select a from b" },
	{ "select a from b where c = $1", "select a from b " },
	{ "select a from b where c = (select 1 where d) group by a limit $1",
	    "select a from b  group by a " },
	{ "select * from (select a from b where c = $1) where d",
	    "select * from (select a from b ) " },
	{ "select 'where' from b having x order by 1",
	    "select 'where' from b  order by 1" },
};

START_TEST(a_wider_query_has_no_conditions)
{
	struct buffer out = { 0 };

	ck_assert(sql_text_widen(span(wide[_i].text), &out));
	ck_assert(buffer_append(&out, "", 1));
	ck_assert_str_eq((const char *)buffer_front(&out), wide[_i].expected);
	buffer_clear(&out);
}
END_TEST

START_TEST(the_highest_parameter_counts)
{
	ck_assert_uint_eq(sql_text_parameters(span("select 1")), 0);
	ck_assert_uint_eq(sql_text_parameters(span("select $2, $1")), 2);
	ck_assert_uint_eq(sql_text_parameters(span("select $12::int")), 12);
	ck_assert_uint_eq(sql_text_parameters(span("select '$3', $x")), 0);
	ck_assert_uint_ge(sql_text_parameters(
	    span("select $99999999999999999999")), 100000);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sql_text");
	TCase *tests = tcase_create("sql_text");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, a_statement_ends_at_its_semicolon, 0,
	    ARRAY_LENGTH(ends));
	tcase_add_loop_test(tests, words_that_are_calls_get_parentheses, 0,
	    ARRAY_LENGTH(translations));
	tcase_add_loop_test(tests, a_wider_query_has_no_conditions, 0,
	    ARRAY_LENGTH(wide));
	tcase_add_test(tests, the_highest_parameter_counts);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
