#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "supervisor/respawn.h"

/* Wait statuses as the kernel makes them. */
#define EXITED(status) ((status) << 8)
#define KILLED(signal) (signal)

#define SHORT_LIFE (USEC_PER_SEC)
#define NOW ((usec_t)1000 * USEC_PER_SEC)

static const struct {
	const char	*story;
	unsigned	 failures;	/* before */
	int		 status;
	usec_t		 lived, delay;
} cases[] = {
	{ "the first early failure is forgiven", 0, EXITED(1), SHORT_LIFE,
	    0 },
	{ "the second costs a little", 1, EXITED(1), SHORT_LIFE,
	    RESPAWN_FIRST_DELAY },
	{ "the third costs the double", 2, KILLED(SIGSEGV), SHORT_LIFE,
	    2 * RESPAWN_FIRST_DELAY },
	{ "the fourth again", 3, KILLED(SIGABRT), SHORT_LIFE,
	    4 * RESPAWN_FIRST_DELAY },
	{ "an exit without a failure is one, too", 3, EXITED(0), SHORT_LIFE,
	    4 * RESPAWN_FIRST_DELAY },
	{ "there is a longest delay", 10, EXITED(1), SHORT_LIFE,
	    RESPAWN_LONGEST_DELAY },
	{ "whatever happens", 1000000, EXITED(1), 0, RESPAWN_LONGEST_DELAY },
	{ "a long life is forgiven", 10, KILLED(SIGSEGV), RESPAWN_LONG_LIFE,
	    0 },
	{ "a kill from outside is not its failure", 10, KILLED(SIGKILL),
	    SHORT_LIFE, 0 },
	{ "nor is this", 10, KILLED(SIGTERM), SHORT_LIFE, 0 },
	{ "but replacements are not made in a tight loop", 0,
	    KILLED(SIGKILL), 10, RESPAWN_FIRST_DELAY },
};

START_TEST(when_it_is_replaced)
{
	struct respawn respawn = { .failures = cases[_i].failures };

	respawn_note(&respawn, cases[_i].status, cases[_i].lived, NOW);
	ck_assert_msg(respawn_due(&respawn) == NOW + cases[_i].delay,
	    "%s: %lld", cases[_i].story,
	    (long long)(respawn_due(&respawn) - NOW));
}
END_TEST

START_TEST(a_new_slot_is_due_at_once)
{
	struct respawn respawn = { 0 };

	ck_assert_int_le(respawn_due(&respawn), NOW);
}
END_TEST

START_TEST(a_long_life_clears_the_record)
{
	struct respawn respawn = { .failures = 10 };

	respawn_note(&respawn, EXITED(1), RESPAWN_LONG_LIFE, NOW);
	respawn_note(&respawn, EXITED(1), SHORT_LIFE, NOW);
	ck_assert_int_eq(respawn_due(&respawn), NOW);
}
END_TEST

START_TEST(a_kill_from_outside_leaves_the_record_as_it_is)
{
	struct respawn respawn = { .failures = 2 };

	respawn_note(&respawn, KILLED(SIGKILL), SHORT_LIFE, NOW);
	respawn_note(&respawn, EXITED(1), SHORT_LIFE, NOW);
	ck_assert_int_eq(respawn_due(&respawn),
	    NOW + 2 * RESPAWN_FIRST_DELAY);
}
END_TEST

START_TEST(a_fork_that_failed_is_tried_later)
{
	struct respawn respawn = { 0 };

	respawn_put_off(&respawn, NOW);
	ck_assert_int_gt(respawn_due(&respawn), NOW);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("respawn");
	TCase *tests = tcase_create("respawn");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, when_it_is_replaced, 0,
	    (int)ARRAY_LENGTH(cases));
	tcase_add_test(tests, a_new_slot_is_due_at_once);
	tcase_add_test(tests, a_long_life_clears_the_record);
	tcase_add_test(tests,
	    a_kill_from_outside_leaves_the_record_as_it_is);
	tcase_add_test(tests, a_fork_that_failed_is_tried_later);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
