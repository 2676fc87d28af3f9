#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "admin/binary.h"

static const struct {
	const char	*story;
	uint32_t	 type;
	const char	*text;
	const char	*bytes;
	size_t		 length;
} cases[] = {
	{ "an int4", 23, "258", "\0\0\1\2", 4 },
	{ "a negative int4", 23, "-2", "\377\377\377\376", 4 },
	{ "an int8", 20, "-1", "\377\377\377\377\377\377\377\377", 8 },
	{ "a float8", 701, "1.5", "\x3f\xf8\0\0\0\0\0\0", 8 },
	{ "true", 16, "t", "\1", 1 },
	{ "false", 16, "f", "\0", 1 },
	{ "a text", 25, "abc", "abc", 3 },
	{ "no text", 25, "", "", 0 },
	{ "bytes", 17, "\\x00ff7F", "\0\xff\x7f", 3 },
	{ "the numeric zero", 1700, "0", "\0\0\0\0\0\0\0\0", 8 },
	{ "a small numeric", 1700, "42", "\0\1\0\0\0\0\0\0\0\x2a", 10 },
	{ "a numeric of two digits", 1700, "10042",
	    "\0\2\0\1\0\0\0\0\0\1\0\x2a", 12 },
	{ "zeros at its end are left out", 1700, "30000",
	    "\0\1\0\1\0\0\0\0\0\3", 10 },
	{ "a negative numeric", 1700, "-7", "\0\1\0\0\x40\0\0\0\0\7", 10 },
};

START_TEST(a_text_becomes_binary)
{
	struct buffer out = { 0 };

	ck_assert(binary_encode(cases[_i].type, cases[_i].text,
	    strlen(cases[_i].text), &out));
	ck_assert_msg(buffer_length(&out) == cases[_i].length, "%s: %zu",
	    cases[_i].story, buffer_length(&out));
	if (cases[_i].length > 0)
		ck_assert_msg(memcmp(buffer_front(&out), cases[_i].bytes,
		    cases[_i].length) == 0, "%s", cases[_i].story);
	buffer_clear(&out);
}
END_TEST

START_TEST(numbers_and_truth_come_back)
{
	char text[BINARY_TEXT_BYTES];
	bool has_text = cases[_i].type != 25 && cases[_i].type != 17;

	ck_assert_msg(binary_decode(cases[_i].type,
	    (const uint8_t *)cases[_i].bytes, cases[_i].length, text) ==
	    has_text, "%s", cases[_i].story);
	if (has_text)
		ck_assert_str_eq(text, cases[_i].text);
}
END_TEST

/* As SHOW CLIENTS writes connect_time, so that they can be compared. */
static const struct {
	uint32_t	 type;
	const char	*bytes, *text;
	size_t		 length;
} moments[] = {
	{ 1114, "\0\0\0\0\0\0\0\0", "2000-01-01 00:00:00 UTC", 8 },
	{ 1184, "\0\0\0\0\x00\x0f\x42\x41", "2000-01-01 00:00:01.000001 UTC",
	    8 },
	{ 1184, "\xff\xff\xff\xff\xff\xff\xff\xff",
	    "1999-12-31 23:59:59.999999 UTC", 8 },
	{ 1184, "\x7f\xff\xff\xff\xff\xff\xff\xff", "infinity", 8 },
	{ 1184, "\x7f\xff\xff\xff\xff\xff\xff\xfe", NULL, 8 },
	{ 1114, "\x80\0\0\0\0\0\0\0", "-infinity", 8 },
	{ 1082, "\0\0\0\x1f", "2000-02-01", 4 },
	{ 1082, "\x7f\xff\xff\xff", "infinity", 4 },
	{ 1082, "\x80\0\0\1", NULL, 4 },
};

START_TEST(moments_are_written_as_in_reports)
{
	char text[BINARY_TEXT_BYTES];

	ck_assert(binary_decode(moments[_i].type,
	    (const uint8_t *)moments[_i].bytes, moments[_i].length, text) ==
	    (moments[_i].text != NULL));
	if (moments[_i].text != NULL)
		ck_assert_str_eq(text, moments[_i].text);
}
END_TEST

START_TEST(what_has_another_length_is_refused)
{
	static const uint32_t types[] = { 16, 20, 21, 23, 700, 701, 1700,
		1082, 1114, 1184 };
	const uint8_t bytes[16] = { 0, 5, 0, 0 };
	char text[BINARY_TEXT_BYTES];

	for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
		ck_assert(!binary_decode(types[i], bytes, 0, text));
		ck_assert(!binary_decode(types[i], bytes, 3, text));
		ck_assert(!binary_decode(types[i], bytes, 16, text));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("binary");
	TCase *tests = tcase_create("binary");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, a_text_becomes_binary, 0,
	    ARRAY_LENGTH(cases));
	tcase_add_loop_test(tests, numbers_and_truth_come_back, 0,
	    ARRAY_LENGTH(cases));
	tcase_add_loop_test(tests, moments_are_written_as_in_reports, 0,
	    (int)ARRAY_LENGTH(moments));
	tcase_add_test(tests, what_has_another_length_is_refused);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
