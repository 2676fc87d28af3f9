#include "build.h"

#include <check.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/privileges.h"

#define OTHER_USER "nobody"

static struct identity identity;
static struct error error;

static bool
is_root(void)
{
	return geteuid() == 0;
}

START_TEST(root_without_a_user_is_refused)
{
	if (!is_root())
		return;
	ck_assert(!privileges_find(NULL, &identity, &error));
	ck_assert_str_eq(error.text, "PgBouncer should not run as root");
	ck_assert(!privileges_find("", &identity, &error));
	ck_assert(!privileges_find("root", &identity, &error));
}
END_TEST

START_TEST(an_unknown_user_is_refused)
{
	ck_assert(!privileges_find("no-such-user", &identity, &error));
	ck_assert_str_eq(error.text, "could not find user 'no-such-user'");
}
END_TEST

START_TEST(who_is_not_root_stays_who_it_is)
{
	const struct passwd *self;

	if (is_root())
		return;
	ck_assert(privileges_find(NULL, &identity, &error));
	ck_assert(!identity.switches);
	ck_assert(!privileges_find("root", &identity, &error));
	self = getpwuid(geteuid());
	if (self != NULL)
		ck_assert(privileges_find(self->pw_name, &identity, &error));
}
END_TEST

/* In a child: 0 is well. */
static int
drop_and_look(void)
{
	gid_t groups[64];
	int count;

	if (!privileges_drop(&identity, &error))
		return 1;
	if (getuid() != identity.uid || geteuid() != identity.uid ||
	    getgid() != identity.gid || getegid() != identity.gid)
		return 2;
	count = getgroups((int)ARRAY_LENGTH(groups), groups);
	for (int i = 0; i < count; i++)
		if (groups[i] == 0)
			return 3;
	return setuid(0) == 0 || seteuid(0) == 0 ? 4 : 0;
}

START_TEST(what_root_gives_up_is_gone)
{
	int status;
	pid_t pid;

	if (!is_root())
		return;
	ck_assert(privileges_find(OTHER_USER, &identity, &error));
	pid = fork();
	if (pid == 0)
		_exit(drop_and_look());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(acting_as_another_is_for_a_moment)
{
	if (!is_root())
		return;
	ck_assert(privileges_find(OTHER_USER, &identity, &error));
	privileges_act_as(&identity);
	ck_assert_uint_eq(geteuid(), identity.uid);
	ck_assert_uint_eq(getegid(), identity.gid);
	privileges_act_as_self(&identity);
	ck_assert_uint_eq(geteuid(), 0);
	ck_assert_uint_eq(getegid(), getgid());
#ifndef WITH_SANITIZERS
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
#endif
}
END_TEST

START_TEST(a_sealed_process_gains_nothing_and_dies_with_its_parent)
{
	pid_t parent = getpid(), pid = fork();
	int status, death_signal = 0;

	if (pid == 0) {
		if (!privileges_seal(parent))
			_exit(1);
		if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
			_exit(2);
#ifndef WITH_SANITIZERS
		if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
			_exit(3);
#endif
		prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
		_exit(death_signal == SIGKILL ? 0 : 4);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_parent_that_is_gone_already_is_noticed)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(privileges_seal(1) ? 1 : 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("privileges");
	TCase *tests = tcase_create("privileges");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, root_without_a_user_is_refused);
	tcase_add_test(tests, an_unknown_user_is_refused);
	tcase_add_test(tests, who_is_not_root_stays_who_it_is);
	tcase_add_test(tests, what_root_gives_up_is_gone);
	tcase_add_test(tests, acting_as_another_is_for_a_moment);
	tcase_add_test(tests,
	    a_sealed_process_gains_nothing_and_dies_with_its_parent);
	tcase_add_test(tests, a_parent_that_is_gone_already_is_noticed);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
