#include <check.h>
#include <stdlib.h>

#include "wire/reader.h"

static const uint8_t bytes[] = {
	0x01, 0x02, 0x03, 0xff, 0xff, 0xff, 0xfe, 'a', 'b', 0, 0x09
};

START_TEST(integers_are_read_in_network_order)
{
	struct reader reader = reader_of(bytes, sizeof(bytes));

	ck_assert_uint_eq(reader_u8(&reader), 1);
	ck_assert_uint_eq(reader_u16(&reader), 0x0203);
	ck_assert_int_eq(reader_i32(&reader), -2);
	ck_assert_str_eq(reader_string(&reader), "ab");
	ck_assert(!reader_done(&reader));
	ck_assert_uint_eq(reader_u8(&reader), 9);
	ck_assert(reader_done(&reader));
}
END_TEST

START_TEST(failure_sticks_and_reads_zero)
{
	struct reader reader = reader_of(bytes, 3);

	ck_assert_uint_eq(reader_u32(&reader), 0);
	ck_assert(reader.failed);
	ck_assert_uint_eq(reader_u8(&reader), 0);
	ck_assert_uint_eq(reader_u16(&reader), 0);
	ck_assert_ptr_null(reader_take(&reader, 0));
	ck_assert_str_eq(reader_string(&reader), "");
	ck_assert_uint_eq(reader_left(&reader), 0);
	ck_assert(!reader_done(&reader));
}
END_TEST

START_TEST(a_string_without_its_nul_fails)
{
	struct reader reader = reader_of("abc", 3);

	ck_assert_str_eq(reader_string(&reader), "");
	ck_assert(reader.failed);
}
END_TEST

START_TEST(no_bytes_at_all_may_be_null)
{
	struct reader reader = reader_of(NULL, 0), rest;

	ck_assert(reader_done(&reader));
	ck_assert_uint_eq(reader_left(&reader), 0);
	rest = reader_rest(&reader);
	ck_assert_uint_eq(reader_left(&rest), 0);
	ck_assert_str_eq(reader_string(&reader), "");
	ck_assert(reader.failed);
}
END_TEST

START_TEST(a_huge_take_does_not_overflow)
{
	struct reader reader = reader_of(bytes, sizeof(bytes));

	ck_assert_ptr_null(reader_take(&reader, SIZE_MAX));
	ck_assert(reader.failed);
}
END_TEST

START_TEST(the_rest_is_all_that_is_left)
{
	struct reader reader = reader_of(bytes, sizeof(bytes)), rest;

	reader_u32(&reader);
	rest = reader_rest(&reader);
	ck_assert(reader_done(&reader));
	ck_assert_uint_eq(reader_left(&rest), sizeof(bytes) - 4);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("reader");
	TCase *tests = tcase_create("reader");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, integers_are_read_in_network_order);
	tcase_add_test(tests, failure_sticks_and_reads_zero);
	tcase_add_test(tests, a_string_without_its_nul_fails);
	tcase_add_test(tests, no_bytes_at_all_may_be_null);
	tcase_add_test(tests, a_huge_take_does_not_overflow);
	tcase_add_test(tests, the_rest_is_all_that_is_left);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
