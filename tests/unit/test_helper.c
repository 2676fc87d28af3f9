#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "contract/orders.h"
#include "helper/helper.h"
#include "net/fdpass.h"

/* More than the helper sends out at one time. */
#define MANY 200
#define LONG (600 * USEC_PER_SEC)

static int questions[2], inbox[2], lifeline[2];
static int outboxes[ROSTER_SLOTS];
static pid_t pid;

/* "hang" hangs, everything else is answered with its length. */
static void
answer_or_hang(const struct question *question, struct answer *answer)
{
	while (strcmp(question->text, "hang") == 0)
		pause();
	answer->result = (int32_t)strlen(question->text);
}

static void
begin(void)
{
	struct error error;

	ck_assert(fdpass_pair(questions, &error));
	ck_assert(fdpass_pair(inbox, &error));
	ck_assert_int_eq(pipe(lifeline), 0);
	memset(outboxes, 0xff, sizeof(outboxes));
	outboxes[2] = inbox[1];
}

static void
start(usec_t patience)
{
	static const struct errand_kind kinds[QUESTION_KINDS] = {
		{ answer_or_hang, -99, 0 },
	    { answer_or_hang, -99, 0 }, { answer_or_hang, -99, 0 },
	    { answer_or_hang, -99, 0 } };
	const struct helper helper = { questions[0], lifeline[0], outboxes,
	    kinds, patience };

	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		close(lifeline[1]);
		_exit(helper_serve(&helper));
	}
}

static void
end(void)
{
	if (pid > 0)
		kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void
ask(uint32_t id, const char *text)
{
	struct question question = { .kind = QUESTION_HOST, .slot = 2,
	    .id = id };

	snprintf(question.text, sizeof(question.text), "%s", text);
	ck_assert(fdpass_send(questions[1], &question, question_length(&question),
	    -1));
}

static struct answer
hear(void)
{
	struct pollfd news = { inbox[0], POLLIN, 0 };
	struct answer answer;
	int fd;

	ck_assert_int_eq(poll(&news, 1, 30000), 1);
	ck_assert_uint_eq(fdpass_receive(inbox[0], &answer, sizeof(answer),
	    &fd), sizeof(answer));
	return answer;
}

START_TEST(a_question_is_answered)
{
	struct answer answer;

	start(LONG);
	ask(5, "four");
	answer = hear();
	ck_assert_uint_eq(answer.kind, INBOX_ANSWER);
	ck_assert_uint_eq(answer.id, 5);
	ck_assert_int_eq(answer.result, 4);
	ck_assert_str_eq(answer.text, "four");
}
END_TEST

START_TEST(one_that_hangs_delays_no_other)
{
	start(LONG);
	for (uint32_t i = 0; i < 10; i++) {
		ask(1000 + i, "hang");
		ask(i, "x");
		ck_assert_uint_eq(hear().id, i);
	}
}
END_TEST

START_TEST(what_takes_too_long_is_answered_as_well)
{
	struct answer answer;

	start(10 * USEC_PER_MSEC);
	ask(5, "hang");
	answer = hear();
	ck_assert_uint_eq(answer.id, 5);
	ck_assert_uint_eq(answer.verdict, ANSWER_FAILED);
	ck_assert_int_eq(answer.result, -99);
}
END_TEST

/* More than can be sent out at one time wait, also behind what hangs. */
START_TEST(many_questions_are_all_answered)
{
	bool answered[MANY] = { false };

	start(50 * USEC_PER_MSEC);
	for (uint32_t i = 0; i < MANY; i++)
		ask(i, i % 2 == 0 ? "hang" : "x");
	for (uint32_t i = 0; i < MANY; i++) {
		struct answer answer = hear();

		ck_assert_uint_lt(answer.id, MANY);
		ck_assert(!answered[answer.id]);
		answered[answer.id] = true;
	}
}
END_TEST

START_TEST(nonsense_is_not_answered)
{
	struct question question = { .kind = 77, .slot = 2 };

	start(LONG);
	ck_assert(fdpass_send(questions[1], &question, question_length(&question),
	    -1));
	question = (struct question){ .slot = ROSTER_SLOTS };
	ck_assert(fdpass_send(questions[1], &question, question_length(&question),
	    -1));
	question = (struct question){ .slot = 2 };
	memset(question.text, 'x', sizeof(question.text));
	ck_assert(fdpass_send(questions[1], &question, question_length(&question),
	    -1));
	ck_assert(fdpass_send(questions[1], "short", 5, -1));
	ask(9, "x");
	ck_assert_uint_eq(hear().id, 9);
}
END_TEST

/* What it had not read is there for the next one. */
START_TEST(questions_outlive_the_helper)
{
	start(LONG);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ask(5, "x");
	start(LONG);
	ck_assert_uint_eq(hear().id, 5);
}
END_TEST

START_TEST(without_a_supervisor_it_ends)
{
	int status;

	start(LONG);
	close(lifeline[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	start(LONG);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("helper");
	TCase *tests = tcase_create("helper");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_question_is_answered);
	tcase_add_test(tests, one_that_hangs_delays_no_other);
	tcase_add_test(tests, what_takes_too_long_is_answered_as_well);
	tcase_add_test(tests, many_questions_are_all_answered);
	tcase_add_test(tests, nonsense_is_not_answered);
	tcase_add_test(tests, questions_outlive_the_helper);
	tcase_add_test(tests, without_a_supervisor_it_ends);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
