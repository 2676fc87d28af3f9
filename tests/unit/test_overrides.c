#include <check.h>
#include <stdlib.h>

#include "config/overrides.h"

static struct overrides overrides, back;
static struct files *files;

static void
begin(void)
{
	files = files_memory();
	overrides_set(&overrides, "pool_mode", "session");
	overrides_set(&overrides, "query_timeout", "3");
}

static void
end(void)
{
	overrides_free(&overrides);
	overrides_free(&back);
	files_free(files);
}

START_TEST(the_last_value_counts)
{
	overrides_set(&overrides, "pool_mode", "statement");
	ck_assert_uint_eq(overrides.count, 2);
	ck_assert_str_eq(overrides_find(&overrides, "pool_mode"),
	    "statement");
	ck_assert_str_eq(overrides_find(&overrides, "query_timeout"), "3");
	ck_assert_ptr_null(overrides_find(&overrides, "query"));
}
END_TEST

START_TEST(what_is_dropped_is_gone)
{
	overrides_drop(&overrides, "pool_mode");
	overrides_drop(&overrides, "pool_mode");
	ck_assert_uint_eq(overrides.count, 1);
	ck_assert_ptr_null(overrides_find(&overrides, "pool_mode"));
	ck_assert_str_eq(overrides_find(&overrides, "query_timeout"), "3");
}
END_TEST

START_TEST(a_copy_is_its_own)
{
	overrides_copy(&overrides, &back);
	overrides_drop(&overrides, "pool_mode");
	ck_assert_str_eq(overrides_find(&back, "pool_mode"), "session");
	ck_assert_uint_eq(back.count, 2);
}
END_TEST

START_TEST(they_travel_with_the_files)
{
	struct files *others;
	struct error error;
	int bundle;

	overrides_set(&overrides, "server_reset_query", "");
	overrides_put(&overrides, files);
	overrides_drop(&overrides, "query_timeout");
	overrides_put(&overrides, files);	/* in the place of the first */
	ck_assert(files_pack(files, &bundle, &error));
	others = files_unpack(bundle, &error);
	ck_assert_ptr_nonnull(others);
	overrides_get(others, &back);
	files_free(others);
	ck_assert_uint_eq(back.count, 2);
	ck_assert_str_eq(overrides_find(&back, "pool_mode"), "session");
	ck_assert_str_eq(overrides_find(&back, "server_reset_query"), "");
}
END_TEST

START_TEST(files_without_any_have_none)
{
	overrides_get(files, &back);
	ck_assert_uint_eq(back.count, 0);
}
END_TEST

static const struct {
	size_t		 size;
	const char	*text;
} descriptions[] = {
	{ 100, "pool_mode=session, query_timeout=3" },
	{ 35, "pool_mode=session, query_timeout=3" },
	{ 34, "pool_mode=session, query_timeout=" },
	{ 18, "pool_mode=session" },
	{ 5, "pool" },
	{ 1, "" },
};

START_TEST(a_description_is_cut_to_its_place)
{
	char text[100];

	overrides_describe(&overrides, text, descriptions[_i].size);
	ck_assert_str_eq(text, descriptions[_i].text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("overrides");
	TCase *tests = tcase_create("overrides");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, the_last_value_counts);
	tcase_add_test(tests, what_is_dropped_is_gone);
	tcase_add_test(tests, a_copy_is_its_own);
	tcase_add_test(tests, they_travel_with_the_files);
	tcase_add_test(tests, files_without_any_have_none);
	tcase_add_loop_test(tests, a_description_is_cut_to_its_place, 0,
	    ARRAY_LENGTH(descriptions));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
