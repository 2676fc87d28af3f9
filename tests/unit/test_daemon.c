#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/daemon.h"

static int tube[2];

/* Detaches a daemon that acts; returns the first process's exit status. */
static int
start(void (*act)(int *ready_fd))
{
	int status, ready_fd;
	struct error error;
	pid_t pid;

	ck_assert_int_eq(pipe(tube), 0);
	pid = fork();
	if (pid == 0) {
		/* What it says about a failure is not for this test's log. */
		dup2(tube[1], STDERR_FILENO);
		if (!daemon_detach(&ready_fd, &error))
			_exit(99);
		act(&ready_fd);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
serve(int *ready_fd)
{
	pid_t ids[2] = { getsid(0), getpid() };

	daemon_is_ready(ready_fd);
	daemon_is_ready(ready_fd);	/* nothing happens any more */
	if (write(tube[1], ids, sizeof(ids)) != sizeof(ids))
		_exit(1);
}

static void
give_up(int *ready_fd)
{
}

START_TEST(the_first_process_waits_until_the_daemon_serves)
{
	pid_t ids[2];

	ck_assert_int_eq(start(serve), 0);
	ck_assert_int_eq(read(tube[0], ids, sizeof(ids)), sizeof(ids));
	/* Another session, which it does not lead. */
	ck_assert_int_ne(ids[0], getsid(0));
	ck_assert_int_ne(ids[0], ids[1]);
}
END_TEST

START_TEST(the_first_process_tells_that_the_daemon_has_failed)
{
	char text[128] = "";

	ck_assert_int_eq(start(give_up), 1);
	ck_assert_int_gt(read(tube[0], text, sizeof(text) - 1), 0);
	ck_assert(strstr(text, "could not start") != NULL);
}
END_TEST

START_TEST(in_the_foreground_nobody_waits)
{
	int none = -1;

	daemon_is_ready(&none);
	ck_assert_int_eq(none, -1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("daemon");
	TCase *tests = tcase_create("daemon");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests,
	    the_first_process_waits_until_the_daemon_serves);
	tcase_add_test(tests,
	    the_first_process_tells_that_the_daemon_has_failed);
	tcase_add_test(tests, in_the_foreground_nobody_waits);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
