#include <check.h>
#include <stdlib.h>

#include "shm/roster.h"

static const struct {
	uint32_t	 phase;
	const char	*name;
} phases[] = {
	{ ROSTER_VACANT, "vacant" },
	{ ROSTER_STARTING, "starting" },
	{ ROSTER_SERVING, "serving" },
	{ ROSTER_DEAD, "dead" },
	{ ROSTER_RETIRING, "retiring" },
	{ 5, "unknown" },
	{ UINT32_MAX, "unknown" },
};

START_TEST(every_phase_has_a_name)
{
	ck_assert_str_eq(roster_phase_name(phases[_i].phase),
	    phases[_i].name);
}
END_TEST

/* What the worker writes all the time is not what others read all the time. */
START_TEST(what_others_write_is_on_lines_of_its_own)
{
	ck_assert_uint_eq(sizeof(struct roster_row) % CACHE_LINE, 0);
	ck_assert_uint_eq(offsetof(struct roster_row, sleeping) % CACHE_LINE,
	    0);
	ck_assert_uint_eq(offsetof(struct roster_row, clients) % CACHE_LINE,
	    0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("roster");
	TCase *tests = tcase_create("roster");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, every_phase_has_a_name, 0,
	    ARRAY_LENGTH(phases));
	tcase_add_test(tests, what_others_write_is_on_lines_of_its_own);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
