#include <check.h>
#include <stdlib.h>

#include "wire/framing.h"

#define MOST 2147483647u

static const struct {
	const char		*story;
	const char		*bytes;
	size_t			 length;
	uint32_t		 most;
	enum frame_verdict	 verdict;
	uint32_t		 total;
} cases[] = {
	{ "nothing", "", 0, MOST, FRAME_MORE, 0 },
	{ "a type", "Q", 1, MOST, FRAME_MORE, 0 },
	{ "all but one byte", "Q\0\0\0", 4, MOST, FRAME_MORE, 0 },
	{ "an empty body", "S\0\0\0\4", 5, MOST, FRAME_FOUND, 5 },
	{ "a body still to come", "Q\0\0\1\0", 5, MOST, FRAME_FOUND, 257 },
	{ "a length that forgets itself", "Q\0\0\0\3", 5, MOST, FRAME_BAD, 0 },
	{ "a length of zero", "Q\0\0\0\0", 5, MOST, FRAME_BAD, 0 },
	{ "a negative length", "Q\377\377\377\377", 5, MOST, FRAME_BAD, 0 },
	{ "negative for any limit", "Q\200\0\0\0", 5, UINT32_MAX,
	  FRAME_BAD, 0 },
	{ "the longest there is", "Q\177\377\377\377", 5, MOST, FRAME_FOUND,
	  UINT32_C(0x80000000) },
	{ "as long as allowed", "Q\0\0\4\0", 5, 1024, FRAME_FOUND, 1025 },
	{ "longer than allowed", "Q\0\0\4\1", 5, 1024, FRAME_BAD, 0 },
	{ "only the header is looked at", "Q\0\0\0\5xyz", 8, MOST,
	  FRAME_FOUND, 6 },
};

START_TEST(reading_headers)
{
	struct frame frame = { 0, 0 };

	ck_assert_msg(frame_read((const uint8_t *)cases[_i].bytes,
	    cases[_i].length, cases[_i].most, &frame) == cases[_i].verdict,
	    "%s", cases[_i].story);
	ck_assert_uint_eq(frame.total, cases[_i].total);
	if (cases[_i].verdict == FRAME_FOUND)
		ck_assert_int_eq(frame.type, cases[_i].bytes[0]);
}
END_TEST

START_TEST(a_frame_is_whole_when_all_bytes_are_there)
{
	struct frame frame = { 'Q', 6 };

	ck_assert(!frame_whole(&frame, 5));
	ck_assert(frame_whole(&frame, 6));
	ck_assert(frame_whole(&frame, 7));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("framing");
	TCase *tests = tcase_create("framing");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, reading_headers, 0,
	    (int)ARRAY_LENGTH(cases));
	tcase_add_test(tests, a_frame_is_whole_when_all_bytes_are_there);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
