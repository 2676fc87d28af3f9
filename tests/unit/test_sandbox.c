#include "build.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/sandbox.h"

#ifdef WITH_SANITIZERS
#define IS_WIDE true
#else
#define IS_WIDE false
#endif
#ifdef HAVE_PAM
#define HAS_PAM true
#else
#define HAS_PAM false
#endif

/* Each returns 0, or an errno; is done in a child. */
typedef int attempt_function(void);

static int
errno_of(long result)
{
	return result == -1 ? errno : 0;
}

static int
run_a_program(void)
{
	char *const arguments[] = { (char[]){ "true" }, NULL };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execv("/bin/true", arguments);
		_exit(errno);
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid ||
	    !WIFEXITED(status))
		return EIO;
	return WEXITSTATUS(status);
}

static int
fork_a_child(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(0);
	return pid == -1 || waitpid(pid, &status, 0) != pid || status != 0;
}

static int
trace(void)
{
	return errno_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int
open_socket(int family, int type)
{
	int fd = socket(family, type, 0);

	if (fd != -1)
		close(fd);
	return errno_of(fd);
}

static int
listen_to_packets(void)
{
	return open_socket(AF_PACKET, SOCK_RAW);
}

/* The kernel takes no notice of the upper half. */
static int
listen_to_packets_in_disguise(void)
{
	return errno_of(syscall(SYS_socket, (long)UINT64_C(0x100000000) + AF_PACKET, SOCK_RAW,
	    0));
}

static int
open_tcp(void)
{
	return open_socket(AF_INET, SOCK_STREAM) |
	    open_socket(AF_INET6, SOCK_STREAM);
}

static int
open_unix(void)
{
	return open_socket(AF_UNIX, SOCK_DGRAM);
}

static int
ask_the_kernel_for_routes(void)
{
	return open_socket(AF_NETLINK, SOCK_RAW);
}

static int
enter_a_namespace(void)
{
	return errno_of(unshare(CLONE_NEWUSER));
}

static int
fork_into_a_namespace(void)
{
	return errno_of(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL,
	    NULL, NULL, NULL));
}

static int
load_a_filter(void)
{
	return errno_of(syscall(SYS_bpf, 0, NULL, 0));
}

static int
use_a_ring(void)
{
	return errno_of(syscall(SYS_io_uring_setup, 1, NULL));
}

static int
type_for_somebody(void)
{
	char typed = 'x';

	return errno_of(ioctl(STDIN_FILENO, TIOCSTI, &typed));
}

static int
open_for(int flags)
{
	int fd = open("/dev/null", flags, 0600);

	if (fd != -1)
		close(fd);
	return errno_of(fd);
}

static int
read_a_file(void)
{
	return open_for(O_RDONLY | O_CLOEXEC);
}

static int
write_a_file(void)
{
	return open_for(O_WRONLY);
}

static int
read_and_write_a_file(void)
{
	return open_for(O_RDWR);
}

static int
make_a_file(void)
{
	return open_for(O_RDONLY | O_CREAT);
}

static int
rename_a_file(void)
{
	return errno_of(rename("/nowhere/a", "/nowhere/b"));
}

static int
do_what_workers_do(void)
{
	int loop = epoll_create1(EPOLL_CLOEXEC), pair[2], fds[2];
	struct sched_param none = { 0 };
	char byte;

	if (loop == -1 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1 ||
	    send(pair[0], "x", 1, 0) != 1 || recv(pair[1], &byte, 1, 0) != 1 ||
	    pipe2(fds, O_CLOEXEC) == -1 ||
	    sched_setscheduler(0, SCHED_BATCH, &none) == -1 ||
	    prctl(PR_SET_NAME, "worker", 0, 0, 0) == -1 ||
	    syscall(SYS_close_range, pair[0], ~0u, 0) == -1)
		return errno;
	return 0;
}

/* What comes of it for a worker or exporter, and for the helper; -1: ask not,
   as it depends on who we are. */
static const struct {
	const char	*story;
	attempt_function	*attempt;
	int		 worker, helper;
	bool		 unless_wide;
} attempts[] = {
	{ "run a program", run_a_program, EPERM, HAS_PAM ? 0 : EPERM, true },
	{ "fork", fork_a_child, 0, 0, false },
	{ "trace", trace, EPERM, EPERM, true },
	{ "packets", listen_to_packets, EPERM, EPERM, false },
	{ "packets, in disguise", listen_to_packets_in_disguise, EPERM, EPERM,
	    false },
	{ "TCP", open_tcp, 0, 0, false },
	{ "Unix", open_unix, 0, 0, false },
	{ "routes", ask_the_kernel_for_routes, EPERM, 0, true },
	{ "a namespace", enter_a_namespace, EPERM, EPERM, false },
	{ "a child in a namespace", fork_into_a_namespace, EPERM, EPERM,
	    false },
	{ "bpf", load_a_filter, EPERM, EPERM, false },
	{ "io_uring", use_a_ring, EPERM, EPERM, false },
	{ "type for somebody", type_for_somebody, EPERM, EPERM, false },
	{ "read a file", read_a_file, 0, 0, false },
	{ "write a file", write_a_file, EPERM, 0, true },
	{ "read and write a file", read_and_write_a_file, EPERM, 0, true },
	{ "make a file", make_a_file, EPERM, -1, true },
	{ "rename a file", rename_a_file, ENOSYS, -1, true },
	{ "what workers do", do_what_workers_do, 0, 0, false },
};

/* The errno; 200: it was ended, 201: there is no sandbox. */
static int
try_in(enum sandbox_role role, attempt_function *attempt)
{
	struct error error;
	int status;
	pid_t pid = fork();

	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
		    !sandbox_enter(role, &error))
			_exit(201);
		_exit(attempt());
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 200;
}

START_TEST(only_what_is_needed_is_allowed)
{
	static const enum sandbox_role roles[] = { SANDBOX_WORKER,
	    SANDBOX_EXPORTER, SANDBOX_HELPER };

	if (!sandbox_is_built() || (IS_WIDE && attempts[_i].unless_wide))
		return;
	for (unsigned i = 0; i < ARRAY_LENGTH(roles); i++) {
		int wanted = roles[i] == SANDBOX_HELPER ?
		    attempts[_i].helper : attempts[_i].worker;
		int got = try_in(roles[i], attempts[_i].attempt);

		ck_assert_msg(wanted == -1 || got == wanted,
		    "%s, role %u: %d (%s), not %d", attempts[_i].story,
		    roles[i], got, strerror(got), wanted);
	}
}
END_TEST

/* /proc/self/status: "Seccomp_filters:" and a number; -1: not known. */
static int
count_filters(void)
{
	char status[8192], *at;
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t got = read(fd, status, sizeof(status) - 1);

	close(fd);
	if (got <= 0)
		return -1;
	status[got] = '\0';
	at = strstr(status, "Seccomp_filters:");
	return at == NULL ? -1 : atoi(at + strlen("Seccomp_filters:"));
}

START_TEST(who_does_not_want_it_has_none)
{
	int before = count_filters(), status;
	pid_t pid = fork();

	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		sandbox_enter_if(false, SANDBOX_WORKER, "test");
		if (count_filters() != before)
			_exit(1);
		sandbox_enter_if(true, SANDBOX_WORKER, "test");
		_exit(before != -1 && sandbox_is_built() &&
		    count_filters() != before + 1 ? 2 : 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(the_version_says_what_there_is)
{
	ck_assert_int_eq(strcmp(sandbox_support(), "no") != 0,
	    sandbox_is_built());
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sandbox");
	TCase *tests = tcase_create("sandbox");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_loop_test(tests, only_what_is_needed_is_allowed, 0,
	    (int)ARRAY_LENGTH(attempts));
	tcase_add_test(tests, who_does_not_want_it_has_none);
	tcase_add_test(tests, the_version_says_what_there_is);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
