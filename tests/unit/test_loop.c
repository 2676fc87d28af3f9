#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/loop.h"

/* What happened in which order, a letter each. */
static char story[32];
static struct loop *loop;
static struct watch first, second;
static int tube[2], other[2];
static int sleep_msec;
static char one[] = "1";

static void
note(char what)
{
	size_t length = strlen(story);

	ck_assert_uint_lt(length, sizeof(story) - 1);
	story[length] = what;
}

static int
before_sleep(void *context)
{
	note('b');
	return sleep_msec;
}

static void
after_wake(void *context)
{
	note('a');
}

static void
end_of_turn(void *context)
{
	note('e');
	loop_stop(loop);
}

static void
begin(void)
{
	static const struct loop_hooks hooks = { NULL, before_sleep,
	    after_wake, end_of_turn };
	struct error error;

	memset(story, 0, sizeof(story));
	memset(&first, 0, sizeof(first));
	memset(&second, 0, sizeof(second));
	sleep_msec = 0;
	loop = loop_create(&hooks, &error);
	ck_assert_ptr_nonnull(loop);
	ck_assert_int_eq(pipe(tube), 0);
	ck_assert_int_eq(pipe(other), 0);
}

static void
end(void)
{
	loop_destroy(loop);
	close(tube[0]);
	close(tube[1]);
	close(other[0]);
	close(other[1]);
}

static void
on_news(void *context, uint32_t events)
{
	const char *name = context;

	ck_assert(events & EPOLLIN);
	note(*name);
}

static void
on_news_remove_both(void *context, uint32_t events)
{
	note('r');
	loop_remove(loop, &first);
	loop_remove(loop, &second);
}

START_TEST(a_turn_has_its_order)
{
	ck_assert_int_eq(write(tube[1], "x", 1), 1);
	ck_assert(loop_add(loop, &first, tube[0], EPOLLIN, on_news, one));
	loop_run(loop);
	ck_assert_str_eq(story, "ba1e");
}
END_TEST

START_TEST(without_news_the_time_passes)
{
	usec_t before = clock_now();

	sleep_msec = 20;
	ck_assert(loop_add(loop, &first, tube[0], EPOLLIN, on_news, one));
	loop_run(loop);
	ck_assert_str_eq(story, "bae");
	ck_assert_int_ge(loop_now(loop) - before, 19 * USEC_PER_MSEC);
}
END_TEST

START_TEST(a_callback_may_remove_what_the_kernel_has_reported)
{
	ck_assert_int_eq(write(tube[1], "x", 1), 1);
	ck_assert_int_eq(write(other[1], "x", 1), 1);
	ck_assert(loop_add(loop, &first, tube[0], EPOLLIN,
	    on_news_remove_both, NULL));
	ck_assert(loop_add(loop, &second, other[0], EPOLLIN,
	    on_news_remove_both, NULL));
	loop_run(loop);
	ck_assert_str_eq(story, "bare");
}
END_TEST

START_TEST(changed_events_count)
{
	ck_assert_int_eq(write(tube[1], "x", 1), 1);
	ck_assert(loop_add(loop, &first, tube[0], EPOLLIN, on_news, one));
	loop_change(loop, &first, 0);
	loop_change(loop, &first, 0);
	loop_run(loop);
	ck_assert_str_eq(story, "bae");
}
END_TEST

START_TEST(removing_what_is_not_watched_is_nothing)
{
	loop_remove(loop, &first);
	ck_assert(loop_add(loop, &first, tube[0], EPOLLIN, on_news, one));
	loop_remove(loop, &first);
	loop_remove(loop, &first);
}
END_TEST

START_TEST(a_file_cannot_be_watched_and_leaves_no_trace)
{
	int fd = dup(tube[0]);

	close(fd);
	ck_assert(!loop_add(loop, &first, fd, EPOLLIN, on_news, one));
	ck_assert(loop_add(loop, &first, tube[0], EPOLLIN, on_news, one));
}
END_TEST

START_TEST(watching_twice_aborts)
{
	ck_assert(loop_add(loop, &first, tube[0], EPOLLIN, on_news, one));
	ck_assert(loop_add(loop, &first, other[0], EPOLLIN, on_news, one));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("loop");
	TCase *tests = tcase_create("loop");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_turn_has_its_order);
	tcase_add_test(tests, without_news_the_time_passes);
	tcase_add_test(tests,
	    a_callback_may_remove_what_the_kernel_has_reported);
	tcase_add_test(tests, changed_events_count);
	tcase_add_test(tests, removing_what_is_not_watched_is_nothing);
	tcase_add_test(tests, a_file_cannot_be_watched_and_leaves_no_trace);
	tcase_add_test_raise_signal(tests, watching_twice_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
