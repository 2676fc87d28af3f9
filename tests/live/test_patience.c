/*
 * The other tests lose patience: what waits for the pooler fails in time, and
 * does not wait for ever when its time had passed before it looked.
 *
 * Needs neither PostgreSQL nor the daemon.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "live/process.h"

static int ends[2];

/* Nobody speaks at the other end, and time is up. */
static void
begin(void)
{
	ck_assert_int_eq(setenv("LIVE_PATIENCE", "-1", 1), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

START_TEST(what_is_read_does_not_come)
{
	struct message message;

	(void)fake_client_read(ends[0], &message);
}
END_TEST

START_TEST(what_is_drained_does_not_end)
{
	fake_client_drain(ends[0]);
}
END_TEST

/* They have to fail, by themselves. */
static bool
all_failed(SRunner *runner)
{
	TestResult **results = srunner_results(runner);
	int count = srunner_ntests_run(runner);
	bool good = count == 2;

	for (int i = 0; i < count; i++) {
		if (tr_rtype(results[i]) == CK_FAILURE)
			continue;
		printf("%s: %s\n", tr_tcname(results[i]), tr_msg(results[i]));
		good = false;
	}
	free(results);
	return good;
}

int
main(void)
{
	Suite *suite = suite_create("patience");
	TCase *tests = tcase_create("patience");
	SRunner *runner;
	bool good;

	tcase_set_timeout(tests, 10);
	tcase_add_checked_fixture(tests, begin, NULL);
	tcase_add_test(tests, what_is_read_does_not_come);
	tcase_add_test(tests, what_is_drained_does_not_end);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_SILENT);
	good = all_failed(runner) && ms_until(now_ms() + 60000) > 0;
	srunner_free(runner);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
