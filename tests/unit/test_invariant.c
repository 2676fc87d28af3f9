#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/invariant.h"
#include "base/log.h"

START_TEST(a_claim_that_holds_is_nothing)
{
	int one = 1;

	INVARIANT(one == 1);
}
END_TEST

START_TEST(a_broken_claim_aborts)
{
	int one = 1;

	INVARIANT(one == 2);
}
END_TEST

START_TEST(the_claim_is_looked_at_once)
{
	int looks = 0;

	INVARIANT(++looks == 1);
	ck_assert_int_eq(looks, 1);
}
END_TEST

static void
break_it(int log_fd)
{
	struct log_settings settings = { .file_fd = log_fd };
	struct rlimit no_core = { 0, 0 };
	int sheep = 1;

	setrlimit(RLIMIT_CORE, &no_core);
	log_configure(&settings);
	INVARIANT(sheep == 2);
}

START_TEST(the_log_says_what_and_where)
{
	char text[512] = "";
	int tube[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe(tube), 0);
	pid = fork();
	if (pid == 0)
		break_it(tube[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	ck_assert_int_gt(read(tube[0], text, sizeof(text) - 1), 0);
	ck_assert_ptr_nonnull(strstr(text, " FATAL @"));
	ck_assert_ptr_nonnull(strstr(text, "test_invariant.c:"));
	ck_assert_ptr_nonnull(strstr(text, "in function break_it(): "
	    "broken invariant: sheep == 2\n"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("invariant");
	TCase *tests = tcase_create("invariant");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_claim_that_holds_is_nothing);
	tcase_add_test_raise_signal(tests, a_broken_claim_aborts, SIGABRT);
	tcase_add_test(tests, the_claim_is_looked_at_once);
	tcase_add_test(tests, the_log_says_what_and_where);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
