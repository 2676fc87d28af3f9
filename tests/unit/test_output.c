/*
 * Rows for people and for programs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/output.h"
#include "made_rows.h"

static PGresult *rows;

static void
begin(void)
{
	rows = made_rows("name:t clients:i", "shop 12", "caf\xc3\xa9 -",
	    "a\"b,c 3", NULL);
}

static void
end(void)
{
	PQclear(rows);
}

static void
ck_printed(enum output_format format, const PGresult *what,
    const char *wanted)
{
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	output_rows(file, what, format);
	fclose(file);
	ck_assert_str_eq(text, wanted);
	free(text);
}

START_TEST(people_see_a_table)
{
	ck_printed(OUTPUT_ALIGNED, rows,
	    " name  | clients\n"
	    "-------+---------\n"
	    " shop  |      12\n"
	    " caf\xc3\xa9  |        \n"
	    " a\"b,c |       3\n"
	    "(3 rows)\n");
}
END_TEST

START_TEST(spreadsheets_get_csv)
{
	ck_printed(OUTPUT_CSV, rows, "name,clients\nshop,12\ncaf\xc3\xa9,\n"
	    "\"a\"\"b,c\",3\n");
}
END_TEST

START_TEST(programs_get_json)
{
	ck_printed(OUTPUT_JSON, rows,
	    "[\n"
	    "  {\"name\": \"shop\", \"clients\": 12},\n"
	    "  {\"name\": \"caf\xc3\xa9\", \"clients\": null},\n"
	    "  {\"name\": \"a\\\"b,c\", \"clients\": 3}\n"
	    "]\n");
}
END_TEST

START_TEST(no_rows_are_a_table_too)
{
	PGresult *none = made_rows("name:t", NULL);

	ck_printed(OUTPUT_ALIGNED, none, " name\n------\n(0 rows)\n");
	ck_printed(OUTPUT_CSV, none, "name\n");
	ck_printed(OUTPUT_JSON, none, "[]\n");
	PQclear(none);
}
END_TEST

START_TEST(a_terminal_is_not_ordered_about)
{
	PGresult *evil = made_rows("name:t", "\033[2J\x7f", NULL);

	ck_printed(OUTPUT_ALIGNED, evil, " name\n-------\n ?[2J?\n(1 row)\n");
	ck_printed(OUTPUT_JSON, evil,
	    "[\n  {\"name\": \"\\u001b[2J\\u007f\"}\n]\n");
	PQclear(evil);
}
END_TEST

/* Clients call themselves whatever they like. */
START_TEST(what_is_not_utf8_spoils_nothing)
{
	PGresult *evil = made_rows("name:t", "\xff\x80ü\xc3", "\xc2\x9bJ",
	    NULL);

	ck_printed(OUTPUT_ALIGNED, evil,
	    " name\n------\n ??ü?\n ?J\n(2 rows)\n");
	ck_printed(OUTPUT_JSON, evil, "[\n  {\"name\": \"\\ufffd\\ufffdü"
	    "\\ufffd\"},\n  {\"name\": \"\xc2\x9bJ\"}\n]\n");
	PQclear(evil);
}
END_TEST

/* What is no number in JSON is a string there. */
START_TEST(odd_numbers_are_strings)
{
	PGresult *odd = made_rows("n:i", "NaN", "-1", "007", "1.5", "0x1",
	    NULL);

	ck_printed(OUTPUT_JSON, odd, "[\n  {\"n\": \"NaN\"},\n"
	    "  {\"n\": -1},\n  {\"n\": \"007\"},\n  {\"n\": 1.5},\n"
	    "  {\"n\": \"0x1\"}\n]\n");
	PQclear(odd);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("output");
	TCase *tests = tcase_create("output");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, people_see_a_table);
	tcase_add_test(tests, spreadsheets_get_csv);
	tcase_add_test(tests, programs_get_json);
	tcase_add_test(tests, no_rows_are_a_table_too);
	tcase_add_test(tests, a_terminal_is_not_ordered_about);
	tcase_add_test(tests, what_is_not_utf8_spoils_nothing);
	tcase_add_test(tests, odd_numbers_are_strings);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
