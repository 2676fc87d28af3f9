#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "supervisor/pidfile.h"

static char directory[] = "/tmp/pgusher-test-XXXXXX";
static char path[64];
static struct pidfile ours;
static struct error error;

static void
begin(void)
{
	static const struct log_settings silent = { .file_fd = -1 };

	log_configure(&silent);
	memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/pid", directory);
	ours = (struct pidfile){ .fd = -1 };
}

static void
end(void)
{
	pidfile_remove(&ours);
	unlink(path);
	rmdir(directory);
}

static void
put(const char *content)
{
	FILE *file = fopen(path, "w");

	fputs(content, file);
	fclose(file);
}

static void
expect(const char *content)
{
	char text[64] = "";
	FILE *file = fopen(path, "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, file), 0);
	fclose(file);
	ck_assert_str_eq(text, content);
}

/* A process id that nobody has. */
static pid_t
find_dead(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return pid;
}

START_TEST(it_holds_our_process_id_and_goes_with_us)
{
	char text[32];

	ck_assert(pidfile_check(path, &error));
	ck_assert(pidfile_write(&ours, path, &error));
	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	expect(text);
	pidfile_remove(&ours);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(without_a_path_there_is_none)
{
	ck_assert(pidfile_check("", &error));
	ck_assert(pidfile_check(NULL, &error));
	ck_assert(pidfile_write(&ours, NULL, &error));
	ck_assert(pidfile_write(&ours, "", &error));
	pidfile_remove(&ours);
}
END_TEST

START_TEST(a_dead_owner_leaves_a_stale_file)
{
	char text[32];

	snprintf(text, sizeof(text), "%d\n", (int)find_dead());
	put(text);
	ck_assert(pidfile_check(path, &error));
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

/* It has ended, but nobody has waited for it. */
START_TEST(a_zombie_is_dead)
{
	char text[32];
	pid_t pid = fork();
	siginfo_t info;

	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT),
	    0);
	snprintf(text, sizeof(text), "%d\n", (int)pid);
	put(text);
	ck_assert_msg(pidfile_check(path, &error), "%s", error.text);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

static const struct {
	const char	*story, *content;
} taken[] = {
	{ "a living process", NULL },
	{ "an empty file", "" },
	{ "something else", "not a number\n" },
	{ "a number and more", "1 2 3\n" },
	{ "a process of somebody else", "1\n" },
	{ "no process", "-5\n" },
};

START_TEST(what_counts_as_taken)
{
	char text[128];

	if (taken[_i].content != NULL) {
		put(taken[_i].content);
	} else {
		snprintf(text, sizeof(text), "%d\n", (int)getppid());
		put(text);
	}
	ck_assert_msg(!pidfile_check(path, &error), "%s", taken[_i].story);
	snprintf(text, sizeof(text),
	    "pidfile '%s' exists, another instance running?", path);
	ck_assert_str_eq(error.text, text);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(of_two_who_write_one_wins)
{
	struct pidfile second = { .fd = -1 };

	ck_assert(pidfile_write(&ours, path, &error));
	ck_assert(!pidfile_write(&second, path, &error));
	pidfile_remove(&second);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_living_owner_is_known_by_its_lock)
{
	char text[32];

	ck_assert(pidfile_write(&ours, path, &error));
	/* The content is damaged; the lock still tells. */
	snprintf(text, sizeof(text), "%d\n", (int)find_dead());
	ck_assert_int_gt(pwrite(ours.fd, text, strlen(text), 0), 0);
	ck_assert(!pidfile_check(path, &error));
}
END_TEST

START_TEST(a_child_that_leaves_takes_neither_lock_nor_file)
{
	pid_t pid;

	ck_assert(pidfile_write(&ours, path, &error));
	pid = fork();
	if (pid == 0) {
		pidfile_leave(&ours);
		pidfile_remove(&ours);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert(!pidfile_check(path, &error));
}
END_TEST

START_TEST(a_file_of_another_is_not_removed)
{
	ck_assert(pidfile_write(&ours, path, &error));
	ck_assert_int_eq(unlink(path), 0);
	put("1\n");
	pidfile_remove(&ours);
	expect("1\n");
}
END_TEST

START_TEST(a_directory_that_is_not_there_is_an_error)
{
	ck_assert(!pidfile_write(&ours, "/no/such/directory/pid", &error));
	ck_assert(strstr(error.text, "No such file") != NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pidfile");
	TCase *tests = tcase_create("pidfile");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, it_holds_our_process_id_and_goes_with_us);
	tcase_add_test(tests, without_a_path_there_is_none);
	tcase_add_test(tests, a_dead_owner_leaves_a_stale_file);
	tcase_add_test(tests, a_zombie_is_dead);
	tcase_add_loop_test(tests, what_counts_as_taken, 0,
	    (int)ARRAY_LENGTH(taken));
	tcase_add_test(tests, of_two_who_write_one_wins);
	tcase_add_test(tests, a_living_owner_is_known_by_its_lock);
	tcase_add_test(tests,
	    a_child_that_leaves_takes_neither_lock_nor_file);
	tcase_add_test(tests, a_file_of_another_is_not_removed);
	tcase_add_test(tests, a_directory_that_is_not_there_is_an_error);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
