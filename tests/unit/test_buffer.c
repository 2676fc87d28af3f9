#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

START_TEST(an_empty_buffer_holds_no_memory)
{
	struct buffer buffer = { 0 };

	ck_assert(buffer_append(&buffer, "", 0));
	ck_assert_ptr_null(buffer.bytes);
	ck_assert(buffer_append(&buffer, "abc", 3));
	ck_assert_ptr_nonnull(buffer.bytes);
	buffer_consume(&buffer, 3);
	ck_assert_ptr_null(buffer.bytes);
	ck_assert_uint_eq(buffer_length(&buffer), 0);
	buffer_clear(&buffer);
}
END_TEST

START_TEST(what_is_appended_comes_out_in_order)
{
	struct buffer buffer = { 0 };

	ck_assert(buffer_append(&buffer, "one", 3));
	ck_assert(buffer_append(&buffer, "two", 3));
	ck_assert_uint_eq(buffer_length(&buffer), 6);
	ck_assert_mem_eq(buffer_front(&buffer), "onetwo", 6);
	buffer_consume(&buffer, 2);
	ck_assert(buffer_append(&buffer, "three", 5));
	ck_assert_mem_eq(buffer_front(&buffer), "etwothree", 9);
	buffer_clear(&buffer);
	ck_assert_uint_eq(buffer_length(&buffer), 0);
	ck_assert_ptr_null(buffer.bytes);
}
END_TEST

/* Much goes through, little is in it: the memory stays small. */
START_TEST(a_buffer_that_is_read_does_not_grow)
{
	struct buffer buffer = { 0 };
	uint8_t bytes[300], wanted[300], next_in = 0, next_out = 0;

	ck_assert(buffer_append(&buffer, &next_in, 1));
	next_in++;
	for (int turn = 0; turn < 10000; turn++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = next_in++;
		ck_assert(buffer_append(&buffer, bytes, sizeof(bytes)));
		for (size_t i = 0; i < sizeof(bytes); i++)
			wanted[i] = next_out++;
		ck_assert_mem_eq(buffer_front(&buffer), wanted,
		    sizeof(wanted));
		buffer_consume(&buffer, sizeof(bytes));
		ck_assert_uint_eq(buffer_length(&buffer), 1);
		ck_assert_uint_le(buffer.size, 1024);
	}
	buffer_clear(&buffer);
}
END_TEST

START_TEST(a_buffer_takes_megabytes_in_pieces)
{
	enum { PIECES = 3000, PIECE = 1000 };
	struct buffer buffer = { 0 };
	uint8_t piece[PIECE];

	for (int i = 0; i < PIECES; i++) {
		memset(piece, i & 0xff, sizeof(piece));
		ck_assert(buffer_append(&buffer, piece, sizeof(piece)));
	}
	ck_assert_uint_eq(buffer_length(&buffer), PIECES * PIECE);
	for (int i = 0; i < PIECES; i++) {
		memset(piece, i & 0xff, sizeof(piece));
		ck_assert_mem_eq(buffer_front(&buffer), piece, PIECE);
		buffer_consume(&buffer, PIECE);
	}
	ck_assert_ptr_null(buffer.bytes);
}
END_TEST

START_TEST(more_than_fits_is_refused_and_adds_nothing)
{
	struct buffer buffer = { 0 };

	ck_assert(buffer_append(&buffer, "abc", 3));
	ck_assert(!buffer_append(&buffer, "", SIZE_MAX));
	ck_assert(!buffer_append(&buffer, "", UINT32_MAX));
	ck_assert(!buffer_append(&buffer, "", (size_t)1 << 31));
	ck_assert_uint_eq(buffer_length(&buffer), 3);
	ck_assert_mem_eq(buffer_front(&buffer), "abc", 3);
	buffer_clear(&buffer);
}
END_TEST

START_TEST(consuming_more_than_there_is_aborts)
{
	struct buffer buffer = { 0 };

	ck_assert(buffer_append(&buffer, "abc", 3));
	buffer_consume(&buffer, 4);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("buffer");
	TCase *tests = tcase_create("buffer");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, an_empty_buffer_holds_no_memory);
	tcase_add_test(tests, what_is_appended_comes_out_in_order);
	tcase_add_test(tests, a_buffer_that_is_read_does_not_grow);
	tcase_add_test(tests, a_buffer_takes_megabytes_in_pieces);
	tcase_add_test(tests, more_than_fits_is_refused_and_adds_nothing);
	tcase_add_test_raise_signal(tests,
	    consuming_more_than_there_is_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
