#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/signals.h"

static struct signals signals;

static void
begin(void)
{
	struct error error;

	ck_assert(signals_open(&signals, &error));
}

static void
end(void)
{
	signals_close(&signals);
}

START_TEST(nothing_has_come_yet)
{
	struct pollfd news = { signals.fd, POLLIN, 0 };

	ck_assert_int_eq(poll(&news, 1, 0), 0);
	signals_read(&signals);
	ck_assert(!signals_take(&signals, SIGTERM));
}
END_TEST

START_TEST(what_came_is_taken_once)
{
	struct pollfd news = { signals.fd, POLLIN, 0 };

	raise(SIGTERM);
	raise(SIGUSR1);
	ck_assert_int_eq(poll(&news, 1, 0), 1);
	signals_read(&signals);
	ck_assert(!signals_take(&signals, SIGHUP));
	ck_assert(signals_take(&signals, SIGTERM));
	ck_assert(!signals_take(&signals, SIGTERM));
	ck_assert(signals_take(&signals, SIGUSR1));
}
END_TEST

START_TEST(one_that_was_ignored_at_start_comes_as_well)
{
	end();
	signal(SIGHUP, SIG_IGN);
	begin();
	raise(SIGHUP);
	signals_read(&signals);
	ck_assert(signals_take(&signals, SIGHUP));
}
END_TEST

static const struct {
	const char	*story;
	int		 signal;
	bool		 ends;
} reactions[] = {
	{ "a key on the terminal is for the supervisor", SIGINT, false },
	{ "a terminal that hangs up as well", SIGHUP, false },
	{ "PAUSE is for the supervisor", SIGUSR1, false },
	{ "RESUME is for the supervisor", SIGUSR2, false },
	{ "a peer that is gone is an error code", SIGPIPE, false },
	{ "the supervisor ends it so", SIGTERM, true },
	{ "who wants a core gets it", SIGQUIT, true },
};

START_TEST(what_a_child_does)
{
	int number = reactions[_i].signal, status;
	pid_t pid;

	/* Pending already when it is born: makes no difference. */
	if (!reactions[_i].ends)
		raise(number);
	pid = fork();
	if (pid == 0) {
		signals_leave(&signals);
		raise(number);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFSIGNALED(status) == reactions[_i].ends, "%s",
	    reactions[_i].story);
	signals_read(&signals);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("signals");
	TCase *tests = tcase_create("signals");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, nothing_has_come_yet);
	tcase_add_test(tests, what_came_is_taken_once);
	tcase_add_test(tests, one_that_was_ignored_at_start_comes_as_well);
	tcase_add_loop_test(tests, what_a_child_does, 0,
	    (int)ARRAY_LENGTH(reactions));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
