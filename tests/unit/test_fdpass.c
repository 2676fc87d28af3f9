#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/fdpass.h"

static int pair[2];

static void
begin(void)
{
	struct error error;

	ck_assert(fdpass_pair(pair, &error));
}

static void
end(void)
{
	close(pair[0]);
	close(pair[1]);
}

START_TEST(an_empty_inbox_says_so)
{
	char text[8];
	int fd = 99;

	ck_assert_uint_eq(fdpass_receive(pair[0], text, sizeof(text), &fd),
	    0);
	ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(messages_keep_their_bounds_and_order)
{
	char text[8];
	int fd;

	ck_assert(fdpass_send(pair[1], "one", 4, -1));
	ck_assert(fdpass_send(pair[1], "seven", 6, -1));
	ck_assert_uint_eq(fdpass_receive(pair[0], text, sizeof(text), &fd),
	    4);
	ck_assert_str_eq(text, "one");
	ck_assert_int_eq(fd, -1);
	ck_assert_uint_eq(fdpass_receive(pair[0], text, sizeof(text), &fd),
	    6);
	ck_assert_str_eq(text, "seven");
}
END_TEST

START_TEST(a_descriptor_goes_along)
{
	int tube[2], fd;
	char text[8];

	ck_assert_int_eq(pipe(tube), 0);
	ck_assert(fdpass_send(pair[1], "fd", 3, tube[1]));
	close(tube[1]);
	ck_assert_uint_eq(fdpass_receive(pair[0], text, sizeof(text), &fd),
	    3);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, "hello", 6), 6);
	ck_assert_int_eq(read(tube[0], text, sizeof(text)), 6);
	ck_assert_str_eq(text, "hello");
	close(fd);
	close(tube[0]);
}
END_TEST

START_TEST(what_a_dead_process_sent_is_still_there)
{
	char text[16];
	int fd, status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(!fdpass_send(pair[1], "last words", 11, STDIN_FILENO));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(fdpass_receive(pair[0], text, sizeof(text), &fd),
	    11);
	ck_assert_str_eq(text, "last words");
	ck_assert_int_ne(fd, -1);
	close(fd);
}
END_TEST

/* The system's limit for datagram queues, often 10, must not apply. */
START_TEST(hundreds_of_messages_wait_until_it_is_full_and_then_it_refuses)
{
	char text[64] = "";
	unsigned sent = 0, received = 0;
	int fd;

	while (sent < 1000000 && fdpass_send(pair[1], text, sizeof(text), -1))
		sent++;
	ck_assert_uint_ge(sent, 200);
	ck_assert_uint_lt(sent, 1000000);
	while (fdpass_receive(pair[0], text, sizeof(text), &fd) > 0)
		received++;
	ck_assert_uint_eq(received, sent);
	ck_assert(fdpass_send(pair[1], text, sizeof(text), -1));
}
END_TEST

START_TEST(sending_to_nobody_fails_without_a_signal)
{
	close(pair[0]);
	ck_assert(!fdpass_send(pair[1], "x", 1, -1));
	pair[0] = dup(pair[1]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fdpass");
	TCase *tests = tcase_create("fdpass");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, an_empty_inbox_says_so);
	tcase_add_test(tests, messages_keep_their_bounds_and_order);
	tcase_add_test(tests, a_descriptor_goes_along);
	tcase_add_test(tests, what_a_dead_process_sent_is_still_there);
	tcase_add_test(tests,
	    hundreds_of_messages_wait_until_it_is_full_and_then_it_refuses);
	tcase_add_test(tests, sending_to_nobody_fails_without_a_signal);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
