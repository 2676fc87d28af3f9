#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "admin/statement.h"

#define X15 "aaaaaaaaaaaaaaa"
#define X63 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define X255 X63 X63 X63 X63 "ccc"

static const struct {
	const char	*story, *text;
	int		 verdict;
	const char	*command, *argument, *value;	/* NULL: no SET */
} cases[] = {
	{ "a command alone", "RELOAD", STATEMENT_GOOD, "RELOAD", "", NULL },
	{ "with its semicolon", "RELOAD;", STATEMENT_GOOD, "RELOAD", "",
	    NULL },
	{ "blanks do not count", " \t\r\n SHOW \n pools \t;\r\n",
	    STATEMENT_GOOD, "SHOW", "pools", NULL },
	{ "case is kept", "pAuSe MyDb", STATEMENT_GOOD, "pAuSe", "MyDb",
	    NULL },
	{ "digits and underscores", "KILL_CLIENT 0_9", STATEMENT_GOOD,
	    "KILL_CLIENT", "0_9", NULL },
	{ "a quoted name", "PAUSE \"my-db.x\";", STATEMENT_GOOD, "PAUSE",
	    "my-db.x", NULL },
	{ "a quote in quotes", "PAUSE \"a\"\"b\"", STATEMENT_GOOD, "PAUSE",
	    "a\"b", NULL },
	{ "an empty quoted name is none", "PAUSE \"\"", STATEMENT_GOOD,
	    "PAUSE", "", NULL },
	{ "a quoted command", "\"show\" x", STATEMENT_GOOD, "show", "x",
	    NULL },
	{ "a semicolon in quotes", "PAUSE \"a;b\"", STATEMENT_GOOD, "PAUSE",
	    "a;b", NULL },
	{ "nothing at all", "", STATEMENT_INVALID, NULL, NULL, NULL },
	{ "only blanks", "  ", STATEMENT_INVALID, NULL, NULL, NULL },
	{ "only a semicolon", ";", STATEMENT_INVALID, NULL, NULL, NULL },
	{ "a name with a hyphen", "PAUSE my-db", STATEMENT_INVALID, NULL,
	    NULL, NULL },
	{ "two arguments", "PAUSE a b", STATEMENT_INVALID, NULL, NULL, NULL },
	{ "a quote that stays open", "PAUSE \"a", STATEMENT_INVALID, NULL,
	    NULL, NULL },
	{ "a doubled quote at the end", "PAUSE \"a\"\"", STATEMENT_INVALID,
	    NULL, NULL, NULL },
	{ "single quotes around a name", "PAUSE 'a'", STATEMENT_INVALID,
	    NULL, NULL, NULL },
	{ "no blank before the quote", "PAUSE\"a\"", STATEMENT_INVALID, NULL,
	    NULL, NULL },
	{ "a comment", "-- SHOW POOLS", STATEMENT_INVALID, NULL, NULL, NULL },
	{ "SELECT of a number is only a name", "SELECT 1", STATEMENT_GOOD,
	    "SELECT", "1", NULL },
	{ "SELECT of two", "SELECT 1, 2", STATEMENT_INVALID, NULL, NULL,
	    NULL },

	{ "SET", "SET a = b", STATEMENT_GOOD, "SET", "a", "b" },
	{ "SET without blanks", "set a=b;", STATEMENT_GOOD, "set", "a", "b" },
	{ "SET TO", "SET a TO b", STATEMENT_GOOD, "SET", "a", "b" },
	{ "SET to", "SET a\nto\tb ;", STATEMENT_GOOD, "SET", "a", "b" },
	{ "TO wants a blank", "SET a TOb", STATEMENT_INVALID, NULL, NULL,
	    NULL },
	{ "a key named to", "SET to = 1", STATEMENT_GOOD, "SET", "to", "1" },
	{ "a quoted value", "SET a = '4.5'", STATEMENT_GOOD, "SET", "a",
	    "4.5" },
	{ "a quote in a value", "SET a = 'it''s'", STATEMENT_GOOD, "SET",
	    "a", "it's" },
	{ "an empty value", "SET a = ''", STATEMENT_GOOD, "SET", "a", "" },
	{ "a value in double quotes", "SET a=\"x y\"", STATEMENT_GOOD, "SET",
	    "a", "x y" },
	{ "a value with a dot", "SET a = 4.5", STATEMENT_INVALID, NULL, NULL,
	    NULL },
	{ "no value", "SET a =", STATEMENT_INVALID, NULL, NULL, NULL },
	{ "no key", "SET = b", STATEMENT_INVALID, NULL, NULL, NULL },
	{ "nothing to set", "SET", STATEMENT_INVALID, NULL, NULL, NULL },
	{ "no equals", "SET a b", STATEMENT_INVALID, NULL, NULL, NULL },
	{ "an empty key", "SET \"\" = b", STATEMENT_TOO_LONG, NULL, NULL,
	    NULL },
	{ "two values", "SET a = b c", STATEMENT_INVALID, NULL, NULL, NULL },

	{ "the longest command", X15, STATEMENT_GOOD, X15, "", NULL },
	{ "one more", X15 "a", STATEMENT_TOO_LONG, NULL, NULL, NULL },
	{ "the longest argument", "SHOW " X63, STATEMENT_GOOD, "SHOW", X63,
	    NULL },
	{ "one byte more", "SHOW b" X63, STATEMENT_TOO_LONG, NULL, NULL,
	    NULL },
	{ "in quotes too", "SHOW \"b" X63 "\"", STATEMENT_TOO_LONG, NULL,
	    NULL, NULL },
	{ "the longest value", "SET a = '" X255 "'", STATEMENT_GOOD, "SET",
	    "a", X255 },
	{ "a longer one", "SET a = '" X255 "c'", STATEMENT_TOO_LONG, NULL,
	    NULL, NULL },
	{ "too long and wrong is wrong", X15 "a b c", STATEMENT_INVALID,
	    NULL, NULL, NULL },
};

START_TEST(taking_a_statement)		/* for each of cases */
{
	struct statements left = statements_of(cases[_i].text,
	    strlen(cases[_i].text));
	struct statement statement;
	enum statement_verdict verdict;

	verdict = statements_take(&left, &statement);
	ck_assert_msg((int)verdict == cases[_i].verdict, "%s",
	    cases[_i].story);
	if (verdict != STATEMENT_GOOD)
		return;
	ck_assert(statements_done(&left));
	ck_assert_str_eq(statement.command, cases[_i].command);
	ck_assert_str_eq(statement.argument, cases[_i].argument);
	ck_assert(statement.assigns == (cases[_i].value != NULL));
	ck_assert_str_eq(statement.value, cases[_i].value == NULL ? "" :
	    cases[_i].value);
}
END_TEST

START_TEST(statements_come_one_after_the_other)
{
	static const char text[] = "SET a = ';'; RELOAD ;; ";
	struct statements left = statements_of(text, sizeof(text) - 1);
	struct statement statement;

	ck_assert(statements_take(&left, &statement) == STATEMENT_GOOD);
	ck_assert_str_eq(statement.value, ";");
	ck_assert(!statements_done(&left));
	ck_assert(statements_take(&left, &statement) == STATEMENT_GOOD);
	ck_assert_str_eq(statement.command, "RELOAD");
	ck_assert(!statement.assigns);
	ck_assert_str_eq(statement.value, "");
	ck_assert(!statements_done(&left));
	ck_assert(statements_take(&left, &statement) == STATEMENT_INVALID);
}
END_TEST

START_TEST(a_nul_ends_the_text)
{
	static const char text[] = "SHOW pools\0garbage";
	struct statements left = statements_of(text, sizeof(text));
	struct statement statement;

	ck_assert(statements_take(&left, &statement) == STATEMENT_GOOD);
	ck_assert_str_eq(statement.argument, "pools");
	ck_assert(statements_done(&left));
}
END_TEST

START_TEST(nothing_is_read_behind_the_end)
{
	static const char text[] = "SET key = 'a''b' ; SHOW \"x\"\"y\" ;";

	/* Cut anywhere; the sanitizer watches the copy. */
	for (size_t length = 0; length < sizeof(text); length++) {
		char *copy = malloc(length == 0 ? 1 : length);
		struct statements left;
		struct statement statement;

		memcpy(copy, text, length);
		left = statements_of(copy, length);
		while (!statements_done(&left) &&
		    statements_take(&left, &statement) == STATEMENT_GOOD)
			continue;
		free(copy);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("statement");
	TCase *tests = tcase_create("statement");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, taking_a_statement, 0,
	    sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tests, statements_come_one_after_the_other);
	tcase_add_test(tests, a_nul_ends_the_text);
	tcase_add_test(tests, nothing_is_read_behind_the_end);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
