#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

START_TEST(the_clock_never_goes_back)
{
	usec_t last = clock_now();

	for (int i = 0; i < 100000; i++) {
		usec_t now = clock_now();

		ck_assert_int_ge(now, last);
		last = now;
	}
}
END_TEST

START_TEST(a_sleep_takes_its_time)
{
	struct timespec nap = { 0, 20 * 1000 * 1000 };
	usec_t before = clock_now();

	nanosleep(&nap, NULL);
	ck_assert_int_ge(clock_now() - before, 20 * USEC_PER_MSEC);
	ck_assert_int_le(clock_now() - before, 10 * USEC_PER_SEC);
}
END_TEST

START_TEST(now_is_the_time_of_day)
{
	int64_t wall = clock_wall(clock_now()) / USEC_PER_SEC;

	ck_assert_int_ge(wall, time(NULL) - 2);
	ck_assert_int_le(wall, time(NULL) + 2);
}
END_TEST

START_TEST(a_moment_in_the_past_has_its_own_time_of_day)
{
	usec_t now = clock_now();
	usec_t between = clock_wall(now) - clock_wall(now - 3600 *
	    USEC_PER_SEC);

	ck_assert_int_ge(between, 3599 * USEC_PER_SEC);
	ck_assert_int_le(between, 3601 * USEC_PER_SEC);
}
END_TEST

START_TEST(people_read_local_time_with_its_zone)
{
	char text[64], wanted[64];
	time_t now;

	setenv("TZ", "EST5", 1);
	tzset();
	do {			/* once more if a second ends in between */
		struct tm local;

		now = time(NULL);
		localtime_r(&now, &local);
		strftime(wanted, sizeof(wanted), "%Y-%m-%d %H:%M:%S EST",
		    &local);
		clock_format(clock_now(), text, sizeof(text));
	} while (time(NULL) != now);
	ck_assert_str_eq(text, wanted);
}
END_TEST

START_TEST(a_text_that_does_not_fit_is_empty)
{
	char text[8] = "before";

	clock_format(clock_now(), text, sizeof(text));
	ck_assert_str_eq(text, "");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("clock");
	TCase *tests = tcase_create("clock");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, the_clock_never_goes_back);
	tcase_add_test(tests, a_sleep_takes_its_time);
	tcase_add_test(tests, now_is_the_time_of_day);
	tcase_add_test(tests, a_moment_in_the_past_has_its_own_time_of_day);
	tcase_add_test(tests, people_read_local_time_with_its_zone);
	tcase_add_test(tests, a_text_that_does_not_fit_is_empty);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
