#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper/resolve.h"

static struct answer
look_up(const char *name)
{
	struct question question = { .kind = QUESTION_HOST };
	struct answer answer = { 0 };

	snprintf(question.text, sizeof(question.text), "%s", name);
	resolve_kind.run(&question, &answer);
	return answer;
}

START_TEST(every_machine_knows_itself)
{
	struct answer answer = look_up("localhost");
	struct address loopback;

	ck_assert_uint_eq(answer.verdict, ANSWER_YES);
	ck_assert_int_eq(answer.result, 0);
	ck_assert_uint_ge(answer.addresses.count, 1);
	ck_assert(address_parse_host("127.0.0.1", &loopback));
	ck_assert(address_list_has(&answer.addresses, &loopback));
}
END_TEST

/* Whether the resolver can tell depends on where this runs. */
START_TEST(a_name_that_is_not_there_has_no_addresses)
{
	struct answer answer = look_up("no such host");

	ck_assert_uint_ne(answer.verdict, ANSWER_YES);
	ck_assert_int_ne(answer.result, 0);
	ck_assert_uint_eq(answer.addresses.count, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("resolve");
	TCase *tests = tcase_create("resolve");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, every_machine_knows_itself);
	tcase_add_test(tests, a_name_that_is_not_there_has_no_addresses);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
