#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "helper/line.h"

static struct line *line;
static struct errand errands[LINE_ERRANDS];
static struct question taken;

static void
setup(void)
{
	line = line_create();
	memset(errands, 0, sizeof(errands));
}

static struct question
about(enum question_kind kind, const char *place, uint32_t id)
{
	struct question question = { .kind = kind, .id = id };

	strcpy(question.login.options, place);
	strcpy(question.login.password, "secret");
	return question;
}

static bool
add(enum question_kind kind, const char *place, uint32_t id)
{
	struct question question = about(kind, place, id);

	return line_add(line, &question, id);
}

/* So many errands of this kind are out. */
static void
send_out(enum question_kind kind, const char *place, unsigned count)
{
	for (unsigned i = 0; i < LINE_ERRANDS && count > 0; i++) {
		if (errands[i].phase != ERRAND_VACANT)
			continue;
		errands[i].phase = ERRAND_OUT;
		errands[i].question = about(kind, place, 0);
		count--;
	}
	ck_assert_uint_eq(count, 0);
}

START_TEST(the_first_goes_first)
{
	ck_assert(add(QUESTION_PAM, "a", 1) && add(QUESTION_LDAP, "b", 2));
	ck_assert_int_eq(line_oldest(line), 1);
	ck_assert(line_take(line, errands, &taken));
	ck_assert_uint_eq(taken.id, 1);
	ck_assert_str_eq(taken.login.password, "secret");
	ck_assert_int_eq(line_oldest(line), 2);
	ck_assert(line_take(line, errands, &taken));
	ck_assert_uint_eq(taken.id, 2);
	ck_assert(!line_take(line, errands, &taken));
	ck_assert_int_eq(line_oldest(line), INT64_MAX);
	/* The end is in order, too. */
	ck_assert(add(QUESTION_PAM, "a", 3));
	ck_assert(line_take(line, errands, &taken));
	ck_assert_uint_eq(taken.id, 3);
}
END_TEST

START_TEST(a_place_that_is_busy_holds_up_no_other)
{
	send_out(QUESTION_LDAP, "slow", LINE_SAME_MOST);
	ck_assert(add(QUESTION_LDAP, "slow", 1));
	ck_assert(add(QUESTION_LDAP, "slow", 2));
	ck_assert(add(QUESTION_LDAP, "quick", 3));
	ck_assert(add(QUESTION_PAM, "slow", 4));
	ck_assert(line_take(line, errands, &taken));
	ck_assert_uint_eq(taken.id, 3);
	ck_assert(line_take(line, errands, &taken));
	ck_assert_uint_eq(taken.id, 4);
	ck_assert(!line_take(line, errands, &taken));
	errands[0].phase = ERRAND_ENDING;
	ck_assert(line_take(line, errands, &taken));
	ck_assert_uint_eq(taken.id, 1);
}
END_TEST

START_TEST(names_of_hosts_have_errands_of_their_own)
{
	char place[2] = "a";

	for (unsigned i = 0; i < LINE_LOGINS_MOST; i += LINE_SAME_MOST) {
		send_out(QUESTION_LDAP, place, LINE_SAME_MOST);
		place[0]++;
	}
	ck_assert(add(QUESTION_LDAP, "new", 1) && add(QUESTION_HOST, "", 2));
	ck_assert(line_take(line, errands, &taken));
	ck_assert_uint_eq(taken.id, 2);
	ck_assert(!line_take(line, errands, &taken));
}
END_TEST

START_TEST(who_waits_too_long_is_found)
{
	ck_assert(add(QUESTION_PAM, "a", 10) && add(QUESTION_PAM, "a", 20));
	ck_assert(!line_take_late(line, 9, &taken));
	ck_assert(line_take_late(line, 10, &taken));
	ck_assert_uint_eq(taken.id, 10);
	ck_assert(!line_take_late(line, 10, &taken));
}
END_TEST

START_TEST(no_more_than_so_many_wait)
{
	for (uint32_t i = 0; i < LINE_MOST; i++)
		ck_assert(add(QUESTION_PAM, "a", i));
	ck_assert(!add(QUESTION_PAM, "a", LINE_MOST));
	ck_assert(line_take(line, errands, &taken));
	ck_assert(add(QUESTION_PAM, "a", LINE_MOST));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("line");
	TCase *tcase = tcase_create("line");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, the_first_goes_first);
	tcase_add_test(tcase, a_place_that_is_busy_holds_up_no_other);
	tcase_add_test(tcase, names_of_hosts_have_errands_of_their_own);
	tcase_add_test(tcase, who_waits_too_long_is_found);
	tcase_add_test(tcase, no_more_than_so_many_wait);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
