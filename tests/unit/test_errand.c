#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contract/orders.h"
#include "helper/errand.h"

static struct errand errand;
static const struct question question = { .kind = QUESTION_HOST, .slot = 3,
    .id = 7, .text = "who" };

static void
say_yes(const struct question *asked, struct answer *answer)
{
	answer->verdict = ANSWER_YES;
	answer->addresses.count = 1;
	answer->addresses.address[0].bytes[0] = (uint8_t)asked->id;
}

static void
hang(const struct question *asked, struct answer *answer)
{
	for (;;)
		pause();
}

static void
crash(const struct question *asked, struct answer *answer)
{
	_exit(3);
}

static void
go_too_far(const struct question *asked, struct answer *answer)
{
	answer->addresses.count = ADDRESSES_MOST + 1;
}

static void
await_vacancy(void)
{
	while (errand.phase != ERRAND_VACANT) {
		errand_reap(&errand);
		usleep(1000);
	}
}

static void
send_out(const struct errand_kind *kind)
{
	struct error error = { .text = "" };

	ck_assert_msg(errand_begin(&errand, &question, kind, 5, &error),
	    "%s", error.text);
	ck_assert_int_eq(errand.phase, ERRAND_OUT);
	ck_assert_int_eq(errand.deadline, 5);
}

static void
await_return(void)
{
	struct pollfd news = { errand.fd, POLLIN, 0 };

	ck_assert_int_eq(poll(&news, 1, 30000), 1);
}

START_TEST(a_child_comes_back_with_the_answer)
{
	const struct errand_kind kind = { say_yes, -1, 0 };
	struct answer answer;

	send_out(&kind);
	await_return();
	errand_end(&errand, &kind, &answer);
	ck_assert_uint_eq(answer.kind, INBOX_ANSWER);
	ck_assert_uint_eq(answer.id, 7);
	ck_assert_uint_eq(answer.verdict, ANSWER_YES);
	ck_assert_str_eq(answer.text, "who");
	ck_assert_uint_eq(answer.addresses.address[0].bytes[0], 7);
	await_vacancy();
}
END_TEST

static const struct {
	const char	*story;
	errand_function	*run;
} bad[] = {
	{ "a child that crashes", crash },
	{ "an answer that is out of bounds", go_too_far },
};

START_TEST(what_does_not_come_back_whole_is_a_failure)
{
	const struct errand_kind kind = { bad[_i].run, -77, 0 };
	struct answer answer;

	send_out(&kind);
	await_return();
	errand_end(&errand, &kind, &answer);
	ck_assert_msg(answer.verdict == ANSWER_FAILED && answer.result ==
	    -77 && strcmp(answer.text, "who") == 0, "%s", bad[_i].story);
	await_vacancy();
}
END_TEST

START_TEST(a_child_that_hangs_is_ended)
{
	const struct errand_kind kind = { hang, -3, 0 };
	struct answer answer;
	pid_t pid;

	send_out(&kind);
	pid = errand.pid;
	errand_end(&errand, &kind, &answer);
	ck_assert_uint_eq(answer.verdict, ANSWER_FAILED);
	ck_assert_uint_eq(answer.id, 7);
	await_vacancy();
	ck_assert_int_ne(kill(pid, 0), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("errand");
	TCase *tests = tcase_create("errand");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_child_comes_back_with_the_answer);
	tcase_add_loop_test(tests, what_does_not_come_back_whole_is_a_failure,
	    0, ARRAY_LENGTH(bad));
	tcase_add_test(tests, a_child_that_hangs_is_ended);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
