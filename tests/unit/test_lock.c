#include <check.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/lock.h"

static struct shared {
	struct lock	lock;
	unsigned	guarded, broken;
	int		turns[8];
} *shared;

static void
begin(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	lock_create(&shared->lock);
}

static void
end(void)
{
	munmap(shared, sizeof(*shared));
}

/* A process that takes the lock and is killed with it in its hands. */
static void
die_with_the_lock(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (!lock_take(&shared->lock))
			_exit(1);
		shared->guarded = 1;
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

START_TEST(a_lock_is_taken_and_given_back)
{
	for (int i = 0; i < 1000; i++) {
		ck_assert(lock_is_free(&shared->lock));
		ck_assert(lock_take(&shared->lock));
		ck_assert(!lock_is_free(&shared->lock));
		lock_release(&shared->lock);
	}
	ck_assert(lock_is_free(&shared->lock));
}
END_TEST

START_TEST(who_comes_after_a_dead_owner_is_told)
{
	die_with_the_lock();
	ck_assert_uint_eq(shared->guarded, 1);
	ck_assert(!lock_take(&shared->lock));
	lock_release(&shared->lock);
}
END_TEST

START_TEST(it_is_told_once_for_each_death)
{
	for (int i = 0; i < 3; i++) {
		die_with_the_lock();
		ck_assert(!lock_take(&shared->lock));
		lock_release(&shared->lock);
		ck_assert(lock_take(&shared->lock));
		lock_release(&shared->lock);
	}
}
END_TEST

/* Who was told and dies before it is done leaves the next one to it. */
START_TEST(a_death_while_repairing_is_told_again)
{
	pid_t pid;
	int status;

	die_with_the_lock();
	pid = fork();
	if (pid == 0) {
		if (!lock_take(&shared->lock))
			kill(getpid(), SIGKILL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert(!lock_take(&shared->lock));
	lock_release(&shared->lock);
}
END_TEST

/* Only who takes it may rebuild; who asks must not swallow the news. */
START_TEST(asking_whether_it_is_free_does_not_hide_a_death)
{
	die_with_the_lock();
	ck_assert(lock_is_free(&shared->lock));
	ck_assert(!lock_take(&shared->lock));
	lock_release(&shared->lock);
}
END_TEST

START_TEST(who_waits_in_the_kernel_is_told_as_well)
{
	pid_t waiter, owner;
	int tube[2], ready[2], status;
	char byte;

	ck_assert_int_eq(pipe(tube), 0);
	ck_assert_int_eq(pipe(ready), 0);
	owner = fork();
	if (owner == 0) {
		(void)!lock_take(&shared->lock);
		(void)!write(ready[1], "x", 1);
		pause();
		_exit(1);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	waiter = fork();
	if (waiter == 0) {
		(void)!write(ready[1], "x", 1);
		_exit(lock_take(&shared->lock) ? 1 : 0);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	usleep(20 * 1000);	/* asleep by now or not: right either way */
	kill(owner, SIGKILL);
	ck_assert_int_eq(waitpid(owner, &status, 0), owner);
	ck_assert_int_eq(waitpid(waiter, &status, 0), waiter);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

START_TEST(only_one_process_is_inside)
{
	enum { PROCESSES = 4, TIMES = 50000 };

	for (int i = 0; i < PROCESSES; i++) {
		if (fork() != 0)
			continue;
		for (int j = 0; j < TIMES; j++) {
			if (!lock_take(&shared->lock))
				shared->broken++;
			shared->guarded++;
			lock_release(&shared->lock);
		}
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++)
		ck_assert_int_ne(wait(NULL), -1);
	ck_assert_uint_eq(shared->guarded, PROCESSES * TIMES);
	ck_assert_uint_eq(shared->broken, 0);
}
END_TEST

/* Processes are killed while they fight for it: it is never lost. */
START_TEST(a_lock_survives_any_number_of_deaths)
{
	enum { ROUNDS = 60, PROCESSES = 3 };

	for (int round = 0; round < ROUNDS; round++) {
		pid_t pids[PROCESSES];

		for (int i = 0; i < PROCESSES; i++) {
			pids[i] = fork();
			if (pids[i] != 0)
				continue;
			for (;;) {
				(void)!lock_take(&shared->lock);
				shared->turns[i]++;
				lock_release(&shared->lock);
			}
		}
		/* Or on a busy machine there may be no fight. */
		for (int i = 0; round == 0 && i < PROCESSES; i++)
			while (__atomic_load_n(&shared->turns[i],
			    __ATOMIC_RELAXED) == 0)
				usleep(100);
		usleep(1000 + 37 * (unsigned)round);
		for (int i = 0; i < PROCESSES; i++) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
			(void)!lock_take(&shared->lock);
			lock_release(&shared->lock);
		}
		ck_assert(lock_is_free(&shared->lock));
	}
}
END_TEST

#ifdef __GLIBC__
#define FUTEX_WAITERS_BIT 0x80000000u

/*
 * What is left when one that was woken is killed after a third one took the
 * lock: somebody sleeps and the lock does not say so.
 */
START_TEST(a_wake_up_that_is_lost_costs_only_time)
{
	_Atomic unsigned *word = (void *)&shared->lock.mutex.__data.__lock;
	int status;
	pid_t pid;

	ck_assert(lock_take(&shared->lock));
	pid = fork();
	if (pid == 0) {
		if (!lock_take(&shared->lock))
			_exit(1);
		lock_release(&shared->lock);
		_exit(0);
	}
	while (!(atomic_load(word) & FUTEX_WAITERS_BIT))
		usleep(100);
	usleep(1000);		/* from the mark to the sleep; either is fine */
	atomic_fetch_and(word, ~FUTEX_WAITERS_BIT);
	lock_release(&shared->lock);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST
#endif

START_TEST(giving_back_what_is_not_held_aborts)
{
	lock_release(&shared->lock);
}
END_TEST

START_TEST(giving_back_what_another_one_holds_aborts)
{
	int ready[2];
	char byte;
	pid_t parent = getpid();

	ck_assert_int_eq(pipe(ready), 0);
	if (fork() == 0) {
		(void)!lock_take(&shared->lock);
		(void)!write(ready[1], "x", 1);
		while (getppid() == parent)
			usleep(1000);
		_exit(0);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	lock_release(&shared->lock);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lock");
	TCase *tests = tcase_create("lock");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);	/* a busy machine */
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_lock_is_taken_and_given_back);
	tcase_add_test(tests, who_comes_after_a_dead_owner_is_told);
	tcase_add_test(tests, it_is_told_once_for_each_death);
	tcase_add_test(tests, a_death_while_repairing_is_told_again);
	tcase_add_test(tests, asking_whether_it_is_free_does_not_hide_a_death);
	tcase_add_test(tests, who_waits_in_the_kernel_is_told_as_well);
	tcase_add_test(tests, only_one_process_is_inside);
	tcase_add_test(tests, a_lock_survives_any_number_of_deaths);
#ifdef __GLIBC__
	tcase_add_test(tests, a_wake_up_that_is_lost_costs_only_time);
#endif
	tcase_add_test_raise_signal(tests,
	    giving_back_what_is_not_held_aborts, SIGABRT);
	tcase_add_test_raise_signal(tests,
	    giving_back_what_another_one_holds_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
