#include "build.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "supervisor/children.h"

static struct children children;

static void
begin(void)
{
	children_create(&children, 3);
}

static void
end(void)
{
	struct death death;

	children_signal(&children, SIGKILL);
	while (children_alive(&children) > 0)
		if (!children_reap(&children, clock_now(), &death))
			usleep(1000);
}

static void
await_death(struct death *death_out)
{
	while (!children_reap(&children, clock_now(), death_out))
		usleep(1000);
}

/* A worker that repeats each order until it is ended. */
static NORETURN void
echo(int fd)
{
	struct order order;

	for (;;) {
		ssize_t got;

		fcntl(fd, F_SETFL, 0);
		got = read(fd, &order, sizeof(order));
		if (got <= 0)
			_exit(0);
		order.ok = 1;
		if (write(fd, &order, sizeof(order)) == -1)
			_exit(1);
	}
}

static void
bear(unsigned slot)
{
	struct error error;
	int fd;

	if (children_fork(&children, slot, clock_now(), &fd, &error) == 0)
		echo(fd);
}

START_TEST(orders_go_there_and_back)
{
	struct order order = { .kind = ORDER_CONFIG, .id = 5 };

	bear(1);
	ck_assert_uint_eq(children_alive(&children), 1);
	ck_assert(children_order(&children, 1, &order, -1));
	while (!children_hear(&children, 1, &order))
		usleep(1000);
	ck_assert_uint_eq(order.id, 5);
	ck_assert_uint_eq(order.ok, 1);
	ck_assert(!children_hear(&children, 1, &order));
}
END_TEST

START_TEST(a_vacant_slot_takes_no_orders)
{
	struct order order = { .kind = ORDER_CONFIG };

	ck_assert(!children_order(&children, 0, &order, -1));
	ck_assert(!children_hear(&children, 0, &order));
}
END_TEST

START_TEST(the_dead_are_reaped_once_and_make_room)
{
	struct death death;
	char text[96];

	bear(2);
	kill(children.row[2].pid, SIGKILL);
	await_death(&death);
	ck_assert_uint_eq(death.slot, 2);
	ck_assert_int_ge(death.lived, 0);
	children_describe(death.status, text, sizeof(text));
	ck_assert_str_eq(text, "was killed by signal 9 (Killed)");
	ck_assert(!children_reap(&children, clock_now(), &death));
	ck_assert_uint_eq(children_alive(&children), 0);
	bear(2);
	ck_assert_uint_eq(children_alive(&children), 1);
}
END_TEST

/* The helper, or what process 1 of a container inherits. */
START_TEST(who_is_no_worker_is_reaped_as_a_stranger)
{
	struct death death;
	pid_t pid = fork();

	if (pid == 0)
		_exit(7);
	await_death(&death);
	ck_assert_uint_eq(death.slot, CHILDREN_STRANGER);
	ck_assert_int_eq(death.pid, pid);
	ck_assert_int_eq(WEXITSTATUS(death.status), 7);
}
END_TEST

/* No sibling may hold the other end of its orders. */
START_TEST(a_worker_sees_that_its_supervisor_has_hung_up)
{
	struct death death;
	char text[96];

	bear(0);
	bear(1);
	close(children.row[0].orders_fd);
	children.row[0].orders_fd = -1;
	await_death(&death);
	ck_assert_uint_eq(death.slot, 0);
	children_describe(death.status, text, sizeof(text));
	ck_assert_str_eq(text, "exited with status 0");
}
END_TEST

START_TEST(a_worker_that_hangs_up_is_not_listened_to)
{
	struct order order;
	struct error error;
	int fd;

	if (children_fork(&children, 0, clock_now(), &fd, &error) == 0) {
		close(fd);
		for (;;)
			pause();
	}
	while (children.row[0].orders_fd != -1) {
		ck_assert(!children_hear(&children, 0, &order));
		usleep(1000);
	}
	ck_assert(!children_order(&children, 0, &order, -1));
	ck_assert_uint_eq(children_alive(&children), 1);
}
END_TEST

START_TEST(a_slot_is_not_filled_twice)
{
	bear(1);
	bear(1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("children");
	TCase *tests = tcase_create("children");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, orders_go_there_and_back);
	tcase_add_test(tests, a_vacant_slot_takes_no_orders);
	tcase_add_test(tests, the_dead_are_reaped_once_and_make_room);
	tcase_add_test(tests, who_is_no_worker_is_reaped_as_a_stranger);
	tcase_add_test(tests,
	    a_worker_sees_that_its_supervisor_has_hung_up);
	tcase_add_test(tests, a_worker_that_hangs_up_is_not_listened_to);
	tcase_add_test_raise_signal(tests, a_slot_is_not_filled_twice,
	    SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
