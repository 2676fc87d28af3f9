#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

START_TEST(each_time_others)
{
	uint8_t one[16], other[16];

	random_fill(one, sizeof(one));
	random_fill(other, sizeof(other));
	ck_assert_mem_ne(one, other, sizeof(one));
}
END_TEST

START_TEST(all_that_was_asked_for_and_no_more)
{
	static uint8_t seen[258];

	/* In a few goes each byte has changed; what is around never does. */
	for (int i = 0; i < 16; i++) {
		uint8_t bytes[258] = { 0 };

		random_fill(bytes + 1, 256);
		ck_assert(bytes[0] == 0 && bytes[257] == 0);
		for (size_t at = 0; at < sizeof(bytes); at++)
			seen[at] |= bytes[at];
	}
	for (size_t at = 1; at < 257; at++)
		ck_assert(seen[at] != 0);
}
END_TEST

START_TEST(more_is_a_mistake)
{
	uint8_t bytes[257];

	random_fill(bytes, sizeof(bytes));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("random");
	TCase *tests = tcase_create("random");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, each_time_others);
	tcase_add_test(tests, all_that_was_asked_for_and_no_more);
	tcase_add_test_raise_signal(tests, more_is_a_mistake, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
