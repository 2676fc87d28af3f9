#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "session/deallocate.h"

/* As many bytes as a name may have. */
#define LONGEST "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aaa"

/* NULL: it is not about one name that we can tell. */
static const struct {
	const char	*query;
	const char	*name;
} texts[] = {
	{ "DEALLOCATE s1", "s1" },
	{ "deallocate s1;", "s1" },
	{ " \n\tDeallocate\tPrepare  S_1$ ; ", "s_1$" },
	{ "DEALLOCATE \"S1\"", "S1" },
	{ "DEALLOCATE\"S 1\"", "S 1" },
	{ "DEALLOCATE PREPARE\"S\"\"1\"", "S\"1" },
	{ "DEALLOCATE \"all\"", "all" },
	{ "DEALLOCATE prepare", "prepare" },
	{ "DEALLOCATE \xc3\xa9T\xc3\x89", "\xc3\xa9t\xc3\x89" },
	{ "DEALLOCATE " LONGEST, LONGEST },
	{ "DEALLOCATE \"" LONGEST "\"", LONGEST },
	{ "DEALLOCATE " LONGEST "a", NULL },
	{ "DEALLOCATE \"" LONGEST "a\"", NULL },
	{ "DEALLOCATE ALL", NULL },
	{ "DEALLOCATE PREPARE ALL", NULL },
	{ "DEALLOCATE \"\"", NULL },
	{ "DEALLOCATE \"s1", NULL },
	{ "DEALLOCATE \"s1\"\"", NULL },
	{ "DEALLOCATE 1s", NULL },
	{ "DEALLOCATE $1", NULL },
	{ "DEALLOCATE", NULL },
	{ "DEALLOCATE ", NULL },
	{ "DEALLOCATEs1", NULL },
	{ "DEALLOCATE s1 s2", NULL },
	{ "DEALLOCATE s1; SELECT 1", NULL },
	{ "DEALLOCATE s1;;", NULL },
	{ "DEALLOCATE /* the old one */ s1", NULL },
	{ "DISCARD ALL", NULL },
	{ "SELECT 1", NULL },
	{ "", NULL },
};

START_TEST(a_name_is_read_as_postgresql_reads_it)
{
	char name[DEALLOCATE_NAME_BYTES];
	bool found = deallocate_read(texts[_i].query, name);

	ck_assert_msg(found == (texts[_i].name != NULL), "%s",
	    texts[_i].query);
	if (found)
		ck_assert_str_eq(name, texts[_i].name);
}
END_TEST

START_TEST(what_is_near_is_every_text_that_may_take_names_away)
{
	ck_assert(deallocate_is_near("DEALLOCATE ALL"));
	ck_assert(deallocate_is_near(" \n discard plans"));
	ck_assert(deallocate_is_near("Deallocate\"x\""));
	ck_assert(!deallocate_is_near("select 'deallocate'"));
	ck_assert(!deallocate_is_near("deal"));
	ck_assert(!deallocate_is_near(""));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("deallocate");
	TCase *tests = tcase_create("deallocate");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, a_name_is_read_as_postgresql_reads_it, 0,
	    ARRAY_LENGTH(texts));
	tcase_add_test(tests,
	    what_is_near_is_every_text_that_may_take_names_away);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
