#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/log_file.h"

static char directory[] = "/tmp/pgusher-test-XXXXXX";
static char path[64], secret[64];
static struct identity identity;
static struct error error;

static void
begin(void)
{
	identity = (struct identity){ .uid = geteuid(), .gid = getegid() };
	if (geteuid() == 0)
		ck_assert(privileges_find("nobody", &identity, &error));
	memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/log", directory);
	snprintf(secret, sizeof(secret), "%s/secret", directory);
}

static void
end(void)
{
	unlink(path);
	unlink(secret);
	rmdir(directory);
}

START_TEST(a_new_file_belongs_to_the_user_of_the_workers)
{
	struct stat status;
	int fd;

	/* mkdtemp's directory is not open to that user: root opens it. */
	ck_assert_msg(log_file_open(path, &identity, &fd, &error), "%s",
	    error.text);
	ck_assert_int_eq(fstat(fd, &status), 0);
	ck_assert_uint_eq(status.st_uid, identity.uid);
	ck_assert_uint_eq(geteuid(), getuid());
	close(fd);
}
END_TEST

START_TEST(no_path_is_no_file)
{
	int fd = 7;

	ck_assert(log_file_open(NULL, &identity, &fd, &error));
	ck_assert_int_eq(fd, -1);
	ck_assert(log_file_open("", &identity, &fd, &error));
	ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(root_does_not_follow_a_link_where_the_user_may_not_go)
{
	int fd;

	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chmod(directory, 0755), 0);
	fclose(fopen(secret, "w"));
	ck_assert_int_eq(chmod(secret, 0600), 0);
	ck_assert_int_eq(symlink(secret, path), 0);
	ck_assert(!log_file_open(path, &identity, &fd, &error));
	ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(a_directory_that_is_not_there_is_an_error)
{
	int fd;

	ck_assert(!log_file_open("/no/such/directory/log", &identity, &fd,
	    &error));
	ck_assert(strstr(error.text, "/no/such/directory/log") != NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log_file");
	TCase *tests = tcase_create("log_file");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_new_file_belongs_to_the_user_of_the_workers);
	tcase_add_test(tests, no_path_is_no_file);
	tcase_add_test(tests,
	    root_does_not_follow_a_link_where_the_user_may_not_go);
	tcase_add_test(tests, a_directory_that_is_not_there_is_an_error);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
