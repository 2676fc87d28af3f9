#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/long_query.h"

#define PATIENCE_MSEC 20000

static struct loop *loop;
static struct long_queries *queries;

static void
on_result(void *context, struct client *client, const uint8_t *bytes,
    size_t length)
{
}

static void
begin(void)
{
	const struct loop_hooks hooks = { 0 };
	struct error error;

	loop = loop_create(&hooks, &error);
	ck_assert_ptr_nonnull(loop);
	queries = long_queries_create(loop, on_result, NULL);
}

static void
split_off(void)
{
	const struct console_detach *detach = long_queries_detach(queries);
	enum console_side side = detach->split(detach->context);

	while (side == CONSOLE_CHILD)
		pause();
	ck_assert_int_eq(side, CONSOLE_PARENT);
}

static bool
is_childless(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 &&
	    errno == ECHILD;
}

/* Whatever failed before: it is not what became of the child. */
START_TEST(a_child_that_is_still_dying_is_buried_later)
{
	for (int i = 0; i < 20; i++) {
		split_off();
		long_queries_end(queries, NULL);
		errno = ECHILD;
		long_queries_tick(queries);
	}
	for (int i = 0; i < PATIENCE_MSEC && !is_childless(); i++) {
		long_queries_tick(queries);
		usleep(1000);
	}
	ck_assert(is_childless());
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("long_query");
	TCase *tests = tcase_create("long_query");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, NULL);
	tcase_add_test(tests, a_child_that_is_still_dying_is_buried_later);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
