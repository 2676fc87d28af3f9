#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/memory.h"

START_TEST(memory_is_zeroed)
{
	char zeros[4096] = { 0 };
	char *memory;

	for (int i = 0; i < 100; i++) {
		memory = memory_get(sizeof(zeros));
		ck_assert_mem_eq(memory, zeros, sizeof(zeros));
		memset(memory, 0xaa, sizeof(zeros));
		memory_free(memory);
	}
	memory_free(NULL);
}
END_TEST

START_TEST(nothing_is_something)
{
	void *nothing = memory_get(0);

	ck_assert_ptr_nonnull(nothing);
	nothing = memory_resize(nothing, 0);
	ck_assert_ptr_nonnull(nothing);
	memory_free(nothing);
}
END_TEST

START_TEST(resizing_keeps_what_was_there)
{
	char *memory = memory_get(4);

	memcpy(memory, "abc", 4);
	memory = memory_resize(memory, 100000);
	ck_assert_str_eq(memory, "abc");
	memory_free(memory);
	memory = memory_resize(NULL, 10);
	memory_free(memory);
}
END_TEST

START_TEST(a_copied_string_is_another_string)
{
	char text[] = "abc";
	char *copy = memory_copy_string(text), *empty = memory_copy_string("");

	text[0] = 'x';
	ck_assert_str_eq(copy, "abc");
	ck_assert_str_eq(empty, "");
	memory_free(copy);
	memory_free(empty);
}
END_TEST

START_TEST(a_wipe_leaves_zeros_and_nothing_else_changes)
{
	char secret[8] = "secret!", wiped[8] = "se\0\0\0\0!";

	memory_wipe(secret + 2, 4);
	ck_assert_mem_eq(secret, wiped, sizeof(secret));
}
END_TEST

/* The log says so; the supervisor starts no daemon without memory. */
START_TEST(without_memory_a_process_exits)
{
	volatile size_t more_than_there_is = SIZE_MAX / 4;

	memory_free(memory_get(more_than_there_is));
}
END_TEST

START_TEST(an_arena_gives_aligned_zeroed_memory)
{
	struct arena *arena = arena_create();
	uint8_t zeros[3000] = { 0 };
	uint8_t *last = NULL;

	ck_assert_ptr_nonnull(arena_get(arena, 0));
	for (size_t size = 1; size < 3000; size += 7) {
		uint8_t *memory = arena_get(arena, size);

		ck_assert_uint_eq((uintptr_t)memory % _Alignof(max_align_t),
		    0);
		ck_assert_mem_eq(memory, zeros, size);
		memset(memory, 0xff, size);
		ck_assert_ptr_ne(memory, last);
		last = memory;
	}
	arena_destroy(arena);
}
END_TEST

START_TEST(an_arena_takes_what_is_larger_than_a_chunk)
{
	struct arena *arena = arena_create();
	char *small = arena_copy_string(arena, "small");
	char *large = arena_get(arena, 1000000);
	char *after = arena_copy_string(arena, "after");

	memset(large, 'x', 1000000);
	ck_assert_str_eq(small, "small");
	ck_assert_str_eq(after, "after");
	arena_destroy(arena);
}
END_TEST

START_TEST(copies_in_an_arena_end_with_a_nul)
{
	struct arena *arena = arena_create();
	char *copy = arena_copy(arena, "abcdef", 3);

	ck_assert_str_eq(copy, "abc");
	ck_assert_str_eq(arena_copy(arena, "", 0), "");
	arena_destroy(arena);
	arena_destroy(NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("memory");
	TCase *tests = tcase_create("memory");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, memory_is_zeroed);
	tcase_add_test(tests, nothing_is_something);
	tcase_add_test(tests, resizing_keeps_what_was_there);
	tcase_add_test(tests, a_copied_string_is_another_string);
	tcase_add_test(tests, a_wipe_leaves_zeros_and_nothing_else_changes);
	tcase_add_exit_test(tests, without_memory_a_process_exits, 1);
	tcase_add_test(tests, an_arena_gives_aligned_zeroed_memory);
	tcase_add_test(tests, an_arena_takes_what_is_larger_than_a_chunk);
	tcase_add_test(tests, copies_in_an_arena_end_with_a_nul);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
