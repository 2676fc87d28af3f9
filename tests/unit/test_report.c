#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "wire/report.h"

static struct buffer buffer;
static struct report report;

static const struct report_column two[] = {
	{ "key", REPORT_TEXT }, { "n", REPORT_INT }
};

static void
clear(void)
{
	buffer_clear(&buffer);
}

static void
ck_holds(const char *bytes, size_t length)
{
	ck_assert_uint_eq(buffer_length(&buffer), length);
	ck_assert_mem_eq(buffer_front(&buffer), bytes, length);
}

#define TWO "T\0\0\0\60\0\2" \
    "key\0\0\0\0\0\0\0\0\0\0\31\377\377\377\377\377\377\0\0" \
    "n\0\0\0\0\0\0\0\0\0\0\27\0\4\377\377\377\377\0\0"

START_TEST(a_report_of_one_row)
{
	static const char expected[] = TWO
	    "D\0\0\0\24\0\2\0\0\0\3abc\0\0\0\003-12"
	    "C\0\0\0\11SHOW";

	report_begin(&report, &buffer, two, 2);
	report_text(&report, "abc");
	report_int(&report, -12);
	report_end_row(&report);
	ck_assert(report_complete(&report, "SHOW"));
	ck_holds(expected, sizeof(expected));
}
END_TEST

START_TEST(a_report_without_rows)
{
	static const char expected[] = TWO "C\0\0\0\11SHOW";

	report_begin(&report, &buffer, two, 2);
	ck_assert(report_complete(&report, "SHOW"));
	ck_holds(expected, sizeof(expected));
}
END_TEST

START_TEST(a_null_is_not_an_empty_text)
{
	static const char expected[] = TWO
	    "D\0\0\0\16\0\2\377\377\377\377\0\0\0\0"
	    "C\0\0\0\5";

	report_begin(&report, &buffer, two, 2);
	report_text(&report, NULL);
	report_raw(&report, "", 0);
	report_end_row(&report);
	ck_assert(report_complete(&report, ""));
	ck_assert_mem_eq(buffer_front(&buffer), expected, 70);
}
END_TEST

START_TEST(each_type_has_its_oid_and_size)
{
	static const struct report_column all[] = {
		{ "s", 's' }, { "i", 'i' }, { "q", 'q' }, { "N", 'N' },
		{ "T", 'T' }, { "b", 'b' },
	};
	static const struct {
		uint8_t oid[4], size[2];
	} wanted[] = {
		{ { 0, 0, 0, 25 }, { 255, 255 } },
		{ { 0, 0, 0, 23 }, { 0, 4 } },
		{ { 0, 0, 0, 20 }, { 0, 8 } },
		{ { 0, 0, 6, 164 }, { 255, 255 } },
		{ { 0, 0, 0, 25 }, { 255, 255 } },
		{ { 0, 0, 0, 17 }, { 255, 255 } },
	};

	report_begin(&report, &buffer, all, 6);
	for (size_t i = 0; i < 6; i++) {
		const uint8_t *column = buffer_front(&buffer) + 7 + 20 * i;

		ck_assert_int_eq(column[0], all[i].name[0]);
		ck_assert_mem_eq(column + 8, wanted[i].oid, 4);
		ck_assert_mem_eq(column + 12, wanted[i].size, 2);
	}
}
END_TEST

START_TEST(numbers_at_their_edges)
{
	static const struct report_column columns[] = {
		{ "a", 'q' }, { "b", 'N' }, { "c", 'b' },
	};
	static const char expected[] = "\0\0\0\24-9223372036854775808"
	    "\0\0\0\02418446744073709551615" "\0\0\0\6\\x00ff";
	size_t at;

	report_begin(&report, &buffer, columns, 3);
	at = buffer_length(&buffer) + 7;
	report_int64(&report, INT64_MIN);
	report_numeric(&report, UINT64_MAX);
	report_bytes(&report, "\0\377", 2);
	report_end_row(&report);
	ck_assert_mem_eq(buffer_front(&buffer) + at, expected,
	    sizeof(expected) - 1);
	ck_assert_uint_eq(buffer_length(&buffer), at + sizeof(expected) - 1);
}
END_TEST

START_TEST(rows_survive_a_buffer_that_grows_and_moves)
{
	size_t before;

	ck_assert(buffer_append(&buffer, "0123456789", 10));
	buffer_consume(&buffer, 5);
	before = buffer_length(&buffer);
	report_begin(&report, &buffer, two, 2);
	for (int i = 0; i < 10000; i++) {
		report_text(&report, "some text");
		report_int(&report, 7);
		report_end_row(&report);
	}
	ck_assert(report_complete(&report, "SHOW"));
	ck_assert_uint_eq(buffer_length(&buffer), before + 49 +
	    10000 * (1 + 4 + 2 + 4 + 9 + 4 + 1) + 10);
	ck_assert_int_eq(buffer_front(&buffer)[before], 'T');
}
END_TEST

START_TEST(without_memory_nothing_of_the_report_stays)
{
	ck_assert(buffer_append(&buffer, "before", 6));
	report_begin(&report, &buffer, two, 2);
	report.failed = true;	/* what a refused append would set */
	report_text(&report, "x");
	report_int(&report, 1);
	report_end_row(&report);
	ck_assert(!report_complete(&report, "SHOW"));
	ck_holds("before", 6);

	clear();
	report_begin(&report, &buffer, two, 2);
	report.failed = true;
	ck_assert(!report_complete(&report, "SHOW"));
	ck_assert_uint_eq(buffer_length(&buffer), 0);
}
END_TEST

START_TEST(a_cell_too_many_aborts)		/* expects SIGABRT */
{
	report_begin(&report, &buffer, two, 2);
	report_int(&report, 1);
	report_int(&report, 2);
	report_int(&report, 3);
}
END_TEST

START_TEST(a_cell_too_few_aborts)		/* expects SIGABRT */
{
	report_begin(&report, &buffer, two, 2);
	report_int(&report, 1);
	report_end_row(&report);
}
END_TEST

START_TEST(an_unknown_type_aborts)		/* expects SIGABRT */
{
	report_begin(&report, &buffer,
	    &(struct report_column){ "x", 'x' }, 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("report");
	TCase *tests = tcase_create("report");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, NULL, clear);
	tcase_add_test(tests, a_report_of_one_row);
	tcase_add_test(tests, a_report_without_rows);
	tcase_add_test(tests, a_null_is_not_an_empty_text);
	tcase_add_test(tests, each_type_has_its_oid_and_size);
	tcase_add_test(tests, numbers_at_their_edges);
	tcase_add_test(tests, rows_survive_a_buffer_that_grows_and_moves);
	tcase_add_test(tests, without_memory_nothing_of_the_report_stays);
	tcase_add_test_raise_signal(tests, a_cell_too_many_aborts, SIGABRT);
	tcase_add_test_raise_signal(tests, a_cell_too_few_aborts, SIGABRT);
	tcase_add_test_raise_signal(tests, an_unknown_type_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
