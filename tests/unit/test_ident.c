#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "config/ident.h"

static struct files *files;
static struct arena *arena;
static struct ident ident;
static struct error error;

static void
setup(void)
{
	files = files_memory();
	arena = arena_create();
}

static void
teardown(void)
{
	arena_destroy(arena);
	files_free(files);
}

static bool
read_text(const char *text)
{
	files_put(files, "ident", text, strlen(text));
	return ident_read(files_read(files, "ident"), arena, &ident, &error);
}

START_TEST(lines_are_read_in_order)
{
	ck_assert(read_text("# maps\nstaff anna admin\n"
	    "\"my map\" root all\nstaff root \"all\"\n"
	    "staff \"/^(.*)@firm$\" \\1\n"));
	ck_assert_uint_eq(ident.count, 4);
	ck_assert_str_eq(ident.lines[0].system_name, "anna");
	ck_assert_str_eq(ident.lines[0].user, "admin");
	ck_assert_str_eq(ident.lines[1].map, "my map");
	ck_assert_ptr_null(ident.lines[1].user);
	ck_assert_str_eq(ident.lines[2].user, "all");
	ck_assert(ident.lines[3].is_pattern && !ident.lines[2].is_pattern);
	ck_assert_str_eq(ident.lines[3].system_name, "^(.*)@firm$");
	ck_assert(ident_has_map(&ident, "my map"));
	ck_assert(!ident_has_map(&ident, "my"));
}
END_TEST

static const struct {
	const char	*text, *reason;
} broken[] = {
	{ "staff anna\n", "ident:1: broken ident map" },
	{ "\nstaff anna admin more\n", "ident:2: broken ident map" },
	{ "staff a,b admin\n", "ident:1: a list is not expected here" },
	{ "staff \"/(\" admin\n", "ident:1: invalid regular expression \"(\"" },
	{ "# a map\nstaff \"/^(.*)++++\" \\1\n", "ident:2: invalid regular "
	    "expression \"^(.*)++++\": \"++++\" repeats what may be empty" },
	{ "staff \"/((a{1,200}){1,200}){1,200}\" admin\n", "ident:1: "
	    "invalid regular expression \"((a{1,200}){1,200}){1,200}\": its "
	    "repetitions come to too much" },
	{ "staff /anna \\1\n", "ident:1: \"anna\" has nothing in brackets for "
	    "the \\1 of \"\\1\"" },
	{ "staff \"anna admin\n", "ident:1: a quote is not closed" },
};

START_TEST(a_broken_line_refuses_the_file)
{
	ck_assert(!read_text(broken[_i].text));
	ck_assert_msg(strncmp(error.text, broken[_i].reason,
	    strlen(broken[_i].reason)) == 0, "%s", error.text);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error)
{
	ck_assert(!ident_read(files_read(files, "none"), arena, &ident,
	    &error));
	ck_assert_str_eq(error.text, "could not open auth_ident_file none: "
	    "No such file or directory");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ident");
	TCase *tcase = tcase_create("ident");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, lines_are_read_in_order);
	tcase_add_loop_test(tcase, a_broken_line_refuses_the_file, 0,
	    ARRAY_LENGTH(broken));
	tcase_add_test(tcase, a_file_that_cannot_be_read_is_an_error);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
