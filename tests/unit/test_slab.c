#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/slab.h"

#define SIZE 100
#define MOST 1000

static struct slab *slab;
static const uint8_t zeros[SIZE];

static void
begin(void)
{
	slab = slab_create(SIZE, MOST);
}

static void
end(void)
{
	slab_destroy(slab);
}

START_TEST(objects_are_zeroed_and_do_not_overlap)
{
	static uint8_t *objects[MOST];

	for (int i = 0; i < MOST; i++) {
		objects[i] = slab_get(slab);
		ck_assert_ptr_nonnull(objects[i]);
		ck_assert_mem_eq(objects[i], zeros, SIZE);
		memset(objects[i], i & 0xff, SIZE);
	}
	for (int i = 0; i < MOST; i++) {
		uint8_t wanted[SIZE];

		memset(wanted, i & 0xff, SIZE);
		ck_assert_mem_eq(objects[i], wanted, SIZE);
	}
}
END_TEST

START_TEST(objects_are_aligned_for_any_type)
{
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq((uintptr_t)slab_get(slab) %
		    _Alignof(max_align_t), 0);
}
END_TEST

START_TEST(there_are_as_many_as_were_agreed)
{
	void *last = NULL;

	for (int i = 0; i < MOST; i++) {
		last = slab_get(slab);
		ck_assert_ptr_nonnull(last);
	}
	ck_assert_ptr_null(slab_get(slab));
	ck_assert_uint_eq(slab_used(slab), MOST);
	slab_put(slab, last);
	ck_assert_uint_eq(slab_used(slab), MOST - 1);
	ck_assert_ptr_nonnull(slab_get(slab));
	ck_assert_ptr_null(slab_get(slab));
}
END_TEST

/* The tag is the first word: a stale pointer finds it wiped. */
START_TEST(a_freed_object_stays_mapped_without_its_tag)
{
	uint32_t *object = slab_get(slab);

	memset(object, 0xff, SIZE);
	*object = 0x1234567;
	slab_put(slab, object);
	ck_assert_uint_eq(*object, 0);
}
END_TEST

START_TEST(a_freed_object_comes_back_zeroed)
{
	uint8_t *object = slab_get(slab);

	memset(object, 0xff, SIZE);
	slab_put(slab, object);
	object = slab_get(slab);
	ck_assert_mem_eq(object, zeros, SIZE);
}
END_TEST

START_TEST(tiny_and_huge_objects_work)
{
	struct slab *tiny = slab_create(1, 10);
	struct slab *huge = slab_create(200000, 3);
	uint8_t *object;

	for (int i = 0; i < 10; i++)
		ck_assert_ptr_nonnull(slab_get(tiny));
	ck_assert_ptr_null(slab_get(tiny));
	for (int i = 0; i < 3; i++) {
		object = slab_get(huge);
		ck_assert_ptr_nonnull(object);
		memset(object, 0xff, 200000);
	}
	ck_assert_ptr_null(slab_get(huge));
	slab_destroy(tiny);
	slab_destroy(huge);
}
END_TEST

START_TEST(giving_back_more_than_was_taken_aborts)
{
	static uint64_t object[16];

	slab_put(slab, object);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("slab");
	TCase *tests = tcase_create("slab");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, objects_are_zeroed_and_do_not_overlap);
	tcase_add_test(tests, objects_are_aligned_for_any_type);
	tcase_add_test(tests, there_are_as_many_as_were_agreed);
	tcase_add_test(tests, a_freed_object_stays_mapped_without_its_tag);
	tcase_add_test(tests, a_freed_object_comes_back_zeroed);
	tcase_add_test(tests, tiny_and_huge_objects_work);
	tcase_add_test_raise_signal(tests,
	    giving_back_more_than_was_taken_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
