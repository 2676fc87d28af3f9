#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/connstr.h"

/* Pairs as [key|value]; a broken text ends in !. */
static const struct {
	const char	*story;
	const char	*text;
	const char	*pairs;
} cases[] = {
	{ "nothing", "", "" },
	{ "only blanks", " \t ", "" },
	{ "one pair", "host=x", "[host|x]" },
	{ "several", "host=x port=5432\tdbname=d",
	    "[host|x][port|5432][dbname|d]" },
	{ "blanks around =", "host = x  port\t=\t1", "[host|x][port|1]" },
	{ "blanks at both ends", "  host=x  ", "[host|x]" },
	{ "quotes", "password='a b' user=u", "[password|a b][user|u]" },
	{ "a doubled quote", "password='it''s'", "[password|it's]" },
	{ "only a doubled quote", "password=''''", "[password|']" },
	{ "an empty quoted value", "password='' user=u",
	    "[password|][user|u]" },
	{ "an empty quoted value at the end", "password=''", "[password|]" },
	{ "what looks like a pair in quotes", "q='a=b c=d' e=f",
	    "[q|a=b c=d][e|f]" },
	{ "a quote inside a word", "password=it's user=u",
	    "[password|it's][user|u]" },
	{ "an = in a value", "password=a=b", "[password|a=b]" },
	{ "what begins comments elsewhere", "password=#;x", "[password|#;x]" },
	{ "double quotes are nothing special", "a=\"b c=d", "[a|\"b][c|d]" },

	{ "a key alone", "host", "!" },
	{ "a key alone at the end", "host=x port", "[host|x]!" },
	{ "no value", "host=", "!" },
	{ "no value, but blanks", "host=  ", "!" },
	{ "no key", "=x", "!" },
	{ "an open quote", "password='abc", "!" },
	{ "an open quote after a doubled one", "password='abc''", "!" },
	{ "something stuck to a quote", "a='b'c d=e", "!" },
};

START_TEST(taking_pairs)
{
	char *text = strdup(cases[_i].text), *at = text, *key, *value;
	char pairs[256] = "";
	enum connstr_step step;

	while ((step = connstr_next(&at, &key, &value)) == CONNSTR_PAIR)
		snprintf(pairs + strlen(pairs), sizeof(pairs) - strlen(pairs),
		    "[%s|%s]", key, value);
	if (step == CONNSTR_BROKEN)
		strcat(pairs, "!");
	ck_assert_msg(strcmp(pairs, cases[_i].pairs) == 0, "%s: %s",
	    cases[_i].story, pairs);
	free(text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("connstr");
	TCase *tcase = tcase_create("connstr");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, taking_pairs, 0,
	    (int)ARRAY_LENGTH(cases));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
