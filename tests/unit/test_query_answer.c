#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "auth/query_answer.h"
#include "wire/messages.h"

static struct query_answer answer;

static void
begin(void)
{
	query_answer_begin(&answer);
}

/* --- messages as PostgreSQL writes them ---------------------------------- */

static bool
take(uint8_t type, const void *body, size_t length)
{
	return query_answer_take(&answer, type, body, length);
}

static void
take_empty(uint8_t type)
{
	ck_assert(take(type, "", 0));
}

static void
take_description(uint16_t columns)
{
	uint8_t body[] = { (uint8_t)(columns >> 8), (uint8_t)columns };

	ck_assert(take(MESSAGE_ROW_DESCRIPTION, body, sizeof(body)));
}

#define A_NULL (-1)

static void
put_column(struct writer *writer, const char *text, int length)
{
	writer_u32(writer, (uint32_t)length);
	if (length > 0)
		writer_bytes(writer, text, (size_t)length);
}

static void
take_columns(const char *name, int name_length, const char *secret,
    int secret_length)
{
	uint8_t memory[4096];
	struct writer writer = writer_of(memory, sizeof(memory));

	writer_u16(&writer, 2);
	put_column(&writer, name, name_length);
	put_column(&writer, secret, secret_length);
	ck_assert(!writer.failed);
	ck_assert(take(MESSAGE_DATA_ROW, writer.bytes, writer.used));
}

static void
take_row(const char *name, const char *secret)
{
	take_columns(name, name != NULL ? (int)strlen(name) : A_NULL, secret,
	    secret != NULL ? (int)strlen(secret) : A_NULL);
}

static void
take_error(const char *sqlstate, const char *text)
{
	uint8_t memory[256];
	struct writer writer = writer_of(memory, sizeof(memory));
	struct notice notice = { "ERROR", sqlstate, text, NULL, NULL };

	write_error_response(&writer, &notice);
	ck_assert(take(MESSAGE_ERROR_RESPONSE, memory + 5, writer.used - 5));
}

static void
take_beginning(void)
{
	take_empty(MESSAGE_PARSE_COMPLETE);
	take_empty(MESSAGE_BIND_COMPLETE);
	take_description(2);
}

static void
ck_broken(const char *problem)
{
	ck_assert_int_eq(query_answer_end(&answer), QUERY_BROKEN);
	ck_assert_str_eq(answer.problem, problem);
	ck_assert_str_eq(answer.secret, "");
}

/* --- cases --------------------------------------------------------------- */

START_TEST(one_row_is_found)
{
	take_beginning();
	take_row("Alice", "md5abc");
	take_empty(MESSAGE_COMMAND_COMPLETE);
	take_empty(MESSAGE_CLOSE_COMPLETE);
	ck_assert_int_eq(query_answer_end(&answer), QUERY_FOUND);
	ck_assert_str_eq(answer.name, "Alice");
	ck_assert_str_eq(answer.secret, "md5abc");
	query_answer_wipe(&answer);
	ck_assert_str_eq(answer.secret, "");
}
END_TEST

START_TEST(a_null_is_a_user_whom_no_password_lets_in)
{
	take_beginning();
	take_row("alice", NULL);
	ck_assert_int_eq(query_answer_end(&answer), QUERY_FOUND);
	ck_assert_str_eq(answer.secret, "");
}
END_TEST

START_TEST(no_row_is_nobody)
{
	take_beginning();
	take_empty(MESSAGE_COMMAND_COMPLETE);
	ck_assert_int_eq(query_answer_end(&answer), QUERY_NOBODY);
}
END_TEST

static const struct {
	const char	*story, *state;
	enum query_outcome outcome;
} errors[] = {
	{ "a name that is no text there", "22021", QUERY_NOBODY },
	{ "one that has no like there", "22P05", QUERY_NOBODY },
	{ "no such table", "42P01", QUERY_BROKEN },
	{ "no right", "42501", QUERY_BROKEN },
	{ "canceled", "57014", QUERY_BROKEN },
};

START_TEST(an_error_lets_nobody_in)
{
	take_empty(MESSAGE_PARSE_COMPLETE);
	take_error(errors[_i].state, "it says so");
	ck_assert_int_eq(query_answer_end(&answer), errors[_i].outcome);
	if (errors[_i].outcome == QUERY_BROKEN)
		ck_assert_str_eq(answer.problem, "error response from "
		    "auth_query: ERROR: it says so");
}
END_TEST

/* What had come before is not used. */
START_TEST(an_error_behind_the_row_counts)
{
	take_beginning();
	take_row("alice", "secret");
	take_error("22021", "late");
	ck_broken("error response from auth_query: ERROR: late");
}
END_TEST

START_TEST(another_number_of_columns_is_refused_without_a_row)
{
	static const uint16_t counts[] = { 0, 1, 3, 1600 };
	static const char *const problems[] = {
		"expected 2 columns from auth_query, not 0",
		"expected 2 columns from auth_query, not 1",
		"expected 2 columns from auth_query, not 3",
		"expected 2 columns from auth_query, not 1600",
	};

	take_description(counts[_i]);
	ck_broken(problems[_i]);
}
END_TEST

START_TEST(a_statement_without_rows_is_refused)
{
	take_empty(MESSAGE_NO_DATA);
	take_empty(MESSAGE_COMMAND_COMPLETE);
	ck_broken("expected 2 columns from auth_query, not 0");
}
END_TEST

START_TEST(two_rows_are_refused)
{
	take_beginning();
	take_row("alice", "one");
	take_row("alice", "two");
	ck_broken("auth_query returned more than one row");
}
END_TEST

START_TEST(a_row_without_a_name_is_refused)
{
	take_beginning();
	take_row(_i == 0 ? NULL : "", "secret");
	ck_broken(_i == 0 ?
	    "auth_query response contained null user name" :
	    "auth_query response contained empty user name");
}
END_TEST

START_TEST(the_longest_that_fit_fit)
{
	char name[QUERY_ANSWER_NAME_BYTES], secret[QUERY_ANSWER_SECRET_BYTES];

	memset(name, 'n', sizeof(name));
	memset(secret, 's', sizeof(secret));
	take_beginning();
	take_columns(name, sizeof(name) - 1, secret, sizeof(secret) - 1);
	ck_assert_int_eq(query_answer_end(&answer), QUERY_FOUND);
	ck_assert_uint_eq(strlen(answer.name), sizeof(name) - 1);
	ck_assert_uint_eq(strlen(answer.secret), sizeof(secret) - 1);
}
END_TEST

START_TEST(what_is_longer_is_refused)
{
	char name[QUERY_ANSWER_NAME_BYTES], secret[QUERY_ANSWER_SECRET_BYTES];

	memset(name, 'n', sizeof(name));
	memset(secret, 's', sizeof(secret));
	take_beginning();
	if (_i == 0)
		take_columns(name, sizeof(name), "s", 1);
	else
		take_columns("n", 1, secret, sizeof(secret));
	ck_broken(_i == 0 ?
	    "auth_query response has a user name of more than 127 bytes" :
	    "auth_query response has a secret of more than 1023 bytes");
}
END_TEST

START_TEST(a_nul_inside_is_refused)
{
	take_beginning();
	if (_i == 0)
		take_columns("alice\0x", 7, "s", 1);
	else
		take_columns("alice", 5, "s\0x", 3);
	ck_broken(_i == 0 ?
	    "auth_query response has a user name with a NUL in it" :
	    "auth_query response has a secret with a NUL in it");
}
END_TEST

static const struct {
	const char	*story, *body;
	size_t		 length;
} broken_rows[] = {
	{ "nothing", "", 0 },
	{ "one column", "\0\1\0\0\0\1a", 7 },
	{ "a column that is cut off", "\0\2\0\0\0\5alic", 10 },
	{ "the second is not there", "\0\2\0\0\0\5alice", 11 },
	{ "a length below NULL", "\0\2\0\0\0\5alice\xff\xff\xff\xfe", 15 },
	{ "the largest length", "\0\2\x7f\xff\xff\xff" "alice", 11 },
	{ "something behind", "\0\2\0\0\0\1a\0\0\0\1bX", 13 },
};

START_TEST(a_row_that_is_none_is_refused)
{
	take_beginning();
	ck_assert(take(MESSAGE_DATA_ROW, broken_rows[_i].body,
	    broken_rows[_i].length));
	ck_broken("malformed response from auth_query");
}
END_TEST

START_TEST(a_row_before_its_description_is_refused)
{
	take_row("alice", "secret");
	ck_broken("malformed response from auth_query");
}
END_TEST

START_TEST(an_answer_of_nothing_is_refused)
{
	ck_broken("malformed response from auth_query");
}
END_TEST

START_TEST(a_copy_ends_the_connection)
{
	static const uint8_t types[] = { MESSAGE_COPY_IN_RESPONSE,
	    MESSAGE_COPY_OUT_RESPONSE, MESSAGE_COPY_BOTH_RESPONSE,
	    MESSAGE_AUTHENTICATION, MESSAGE_BACKEND_KEY_DATA, 'x', 0 };

	ck_assert(!take(types[_i], "", 0));
	ck_broken("unexpected response from auth_query");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("query_answer");
	TCase *tests = tcase_create("answers");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, NULL);
	tcase_add_test(tests, one_row_is_found);
	tcase_add_test(tests, a_null_is_a_user_whom_no_password_lets_in);
	tcase_add_test(tests, no_row_is_nobody);
	tcase_add_loop_test(tests, an_error_lets_nobody_in, 0,
	    ARRAY_LENGTH(errors));
	tcase_add_test(tests, an_error_behind_the_row_counts);
	tcase_add_loop_test(tests,
	    another_number_of_columns_is_refused_without_a_row, 0, 4);
	tcase_add_test(tests, a_statement_without_rows_is_refused);
	tcase_add_test(tests, two_rows_are_refused);
	tcase_add_loop_test(tests, a_row_without_a_name_is_refused, 0, 2);
	tcase_add_test(tests, the_longest_that_fit_fit);
	tcase_add_loop_test(tests, what_is_longer_is_refused, 0, 2);
	tcase_add_loop_test(tests, a_nul_inside_is_refused, 0, 2);
	tcase_add_loop_test(tests, a_row_that_is_none_is_refused, 0,
	    ARRAY_LENGTH(broken_rows));
	tcase_add_test(tests, a_row_before_its_description_is_refused);
	tcase_add_test(tests, an_answer_of_nothing_is_refused);
	tcase_add_loop_test(tests, a_copy_ends_the_connection, 0, 7);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
