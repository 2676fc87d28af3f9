#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "session/edit.h"

static struct scratch scratch;
static const uint8_t in[] = "0123456789";

static void
end(void)
{
	scratch_free(&scratch);
}

static void
expect(struct edit *edit, size_t to, const char *wanted)
{
	size_t length;
	const uint8_t *out = edit_end(edit, in + to, &length);

	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(length, strlen(wanted));
	ck_assert_mem_eq(out, wanted, length);
}

START_TEST(nothing_is_copied_while_nothing_differs)
{
	struct edit edit = edit_begin(&scratch, in);
	size_t length;

	ck_assert_ptr_eq(edit_end(&edit, in + 10, &length), in);
	ck_assert_uint_eq(length, 10);
	ck_assert_ptr_null(scratch.memory);
}
END_TEST

START_TEST(bytes_are_put_in_left_out_and_replaced)
{
	struct edit edit = edit_begin(&scratch, in);

	edit_keep(&edit, in + 2);
	edit_put(&edit, "abc", 3);
	edit_skip(&edit, in + 4);
	edit_keep(&edit, in + 6);
	edit_skip(&edit, in + 9);
	expect(&edit, 10, "01abc459");
}
END_TEST

START_TEST(all_may_be_left_out)
{
	struct edit edit = edit_begin(&scratch, in);

	edit_skip(&edit, in + 10);
	expect(&edit, 10, "");
}
END_TEST

START_TEST(there_need_be_nothing_to_begin_with)
{
	struct edit edit = edit_begin(&scratch, NULL);
	const uint8_t *out;
	size_t length;

	edit_put(&edit, "1", 1);
	out = edit_end(&edit, NULL, &length);
	ck_assert_uint_eq(length, 1);
	ck_assert_mem_eq(out, "1", 1);
}
END_TEST

START_TEST(what_was_large_is_given_back)
{
	static uint8_t large[1024 * 1024];
	struct edit edit = edit_begin(&scratch, in);
	const uint8_t *out;
	size_t length;

	edit_keep(&edit, in + 3);
	edit_put(&edit, large, sizeof(large));
	out = edit_end(&edit, in + 10, &length);
	ck_assert_uint_eq(length, 10 + sizeof(large));
	ck_assert_mem_eq(out, "012", 3);
	ck_assert_mem_eq(out + 3 + sizeof(large), "3456789", 7);
	scratch_trim(&scratch);
	ck_assert_ptr_null(scratch.memory);
	edit = edit_begin(&scratch, in);
	edit_put(&edit, "x", 1);
	expect(&edit, 2, "x01");
	scratch_trim(&scratch);
	ck_assert_ptr_nonnull(scratch.memory);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("edit");
	TCase *tests = tcase_create("edit");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, NULL, end);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, nothing_is_copied_while_nothing_differs);
	tcase_add_test(tests, bytes_are_put_in_left_out_and_replaced);
	tcase_add_test(tests, all_may_be_left_out);
	tcase_add_test(tests, there_need_be_nothing_to_begin_with);
	tcase_add_test(tests, what_was_large_is_given_back);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
