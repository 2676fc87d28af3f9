#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/ini.h"

static const char *const sections[] = { "s", "t", NULL };

static struct files *files;
static struct ini *ini;
static struct error error;

static void
setup(void)
{
	files = files_memory();
}

static void
teardown(void)
{
	ini_free(ini);
	files_free(files);
}

static void
read_text(const char *text)
{
	files_put(files, "x.ini", text, strlen(text));
	ini = ini_read(files, "x.ini", sections, &error);
}

static const struct ini_entry *
entry(const char *section, const char *name)
{
	const struct ini_entry *entries;
	size_t count;

	ck_assert_msg(ini != NULL, "%s", error.text);
	entries = ini_entries(ini, &count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(entries[i].section, section) == 0 &&
		    strcmp(entries[i].name, name) == 0)
			return &entries[i];
	return NULL;
}

/* What iniparser alone would lose. */
static const struct {
	const char	*story;
	const char	*line;		/* in section [s] */
	const char	*name;
	const char	*value;
} cases[] = {
	{ "plain", "a = b", "a", "b" },
	{ "case of a key", "MyDb = b", "MyDb", "b" },
	{ "case of a value", "a = MyValue", "a", "MyValue" },
	{ "a semicolon in a value", "a = DISCARD ALL;x", "a",
	    "DISCARD ALL;x" },
	{ "a hash in a value", "a = b#c", "a", "b#c" },
	{ "quotes in a value", "a = \"b\" 'c'", "a", "\"b\" 'c'" },
	{ "a quoted value", "a = 'b'", "a", "'b'" },
	{ "an = in a value", "a = b = c", "a", "b = c" },
	{ "a backslash at the end", "a = b\\", "a", "b\\" },
	{ "a percent sign", "a = 100%25", "a", "100%25" },
	{ "no value", "a =", "a", "" },
	{ "a colon in a key", "'a:b' = c", "a:b", "c" },
	{ "a point in a key", "a.1 = c", "a.1", "c" },
	{ "a star", "* = c", "*", "c" },
	{ "brackets in a key", "'[a]' = c", "[a]", "c" },
	{ "a key of odd bytes", "'\xc3\xa4 #;=' = c", "\xc3\xa4 #;=", "c" },
	{ "odd bytes in a value", "a = \xff\x01\xc3\xa4", "a",
	    "\xff\x01\xc3\xa4" },
	{ "a number like our own", "a = 0:b", "a", "0:b" },
};

START_TEST(what_is_kept)
{
	const struct ini_entry *found;
	char text[256];

	snprintf(text, sizeof(text), "[s]\n%s\n", cases[_i].line);
	read_text(text);
	found = entry("s", cases[_i].name);
	ck_assert_msg(found != NULL, "%s", cases[_i].story);
	ck_assert_msg(strcmp(found->value, cases[_i].value) == 0, "%s: %s",
	    cases[_i].story, found->value);
}
END_TEST

/* A text of some length in which every place looks different. */
static char *
long_value(size_t length)
{
	char *value = malloc(length + 16);

	for (unsigned i = 0; i < length; i += 8)
		snprintf(value + i, 16, "%07u;", i);
	value[length] = '\0';
	return value;
}

START_TEST(values_of_any_length)
{
	static const size_t lengths[] = { 300, 1000, 1024, 5000, 100000 };
	char *value = long_value(lengths[_i]);
	char *text = malloc(lengths[_i] + 64);

	sprintf(text, "[s]\nlong = %s\nlong_ = x\n[t]\nlong = y", value);
	read_text(text);
	ck_assert_str_eq(entry("s", "long")->value, value);
	ck_assert_str_eq(entry("s", "long_")->value, "x");
	ck_assert_str_eq(entry("t", "long")->value, "y");
	free(text);
	free(value);
}
END_TEST

START_TEST(keys_as_long_as_can_be)
{
	char text[400], name[256];

	memset(name, 'A', 255);
	name[255] = '\0';
	snprintf(text, sizeof(text), "[s]\n%s = %s\n", name, "value;");
	read_text(text);
	ck_assert_str_eq(entry("s", name)->value, "value;");
}
END_TEST

START_TEST(the_last_value_counts)
{
	size_t count;

	read_text("[s]\na = 1\nb = 2\n[t]\na = 3\n[s]\na = 4\n");
	ck_assert_str_eq(entry("s", "a")->value, "4");
	ck_assert_uint_eq(entry("s", "a")->place.line, 7);
	ck_assert_str_eq(entry("t", "a")->value, "3");
	ini_entries(ini, &count);
	ck_assert_uint_eq(count, 3);
}
END_TEST

START_TEST(nothing_is_left_of_a_longer_value)
{
	char *value = long_value(5000), *text = malloc(5100);

	sprintf(text, "[s]\na = %s\na = short\n", value);
	read_text(text);
	ck_assert_str_eq(entry("s", "a")->value, "short");
	free(text);
	free(value);
}
END_TEST

START_TEST(entries_before_a_section_begins_again_are_stale)
{
	read_text("[s]\na = 1\nb = 1\n[t]\na = 1\n[s]\nb = 2\nc = 2\n");
	ck_assert(entry("s", "a")->stale);
	ck_assert(!entry("s", "b")->stale);
	ck_assert(!entry("s", "c")->stale);
	ck_assert(!entry("t", "a")->stale);
}
END_TEST

START_TEST(places_and_order)
{
	const struct ini_entry *entries;
	size_t count;

	files_put(files, "inc", "\nb = 1\n", 7);
	read_text("[s]\nc = 1\n%include inc\n\na = 1\n");
	ck_assert_ptr_nonnull(ini);
	entries = ini_entries(ini, &count);
	ck_assert_uint_eq(count, 3);
	ck_assert_str_eq(entries[0].name, "c");
	ck_assert_str_eq(entries[0].place.file, "x.ini");
	ck_assert_uint_eq(entries[0].place.line, 2);
	ck_assert_str_eq(entries[1].name, "b");
	ck_assert_str_eq(entries[1].place.file, "inc");
	ck_assert_uint_eq(entries[1].place.line, 2);
	ck_assert_str_eq(entries[2].name, "a");
	ck_assert_uint_eq(entries[2].place.line, 5);
}
END_TEST

START_TEST(sections_that_are_there)
{
	read_text("[s]\n");
	ck_assert_ptr_nonnull(ini);
	ck_assert(ini_has_section(ini, "s"));
	ck_assert(!ini_has_section(ini, "t"));
	ck_assert(!ini_has_section(ini, "u"));
}
END_TEST

START_TEST(an_empty_file_has_nothing)
{
	size_t count;

	read_text("");
	ck_assert_ptr_nonnull(ini);
	ini_entries(ini, &count);
	ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(an_unknown_section_is_refused)
{
	read_text("[s]\n\n[S]\n");
	ck_assert_ptr_null(ini);
	ck_assert_str_eq(error.text,
	    "invalid section \"S\" in configuration (x.ini:3)");
}
END_TEST

START_TEST(an_empty_name_is_refused)
{
	read_text("[s]\n'' = x\n");
	ck_assert_ptr_null(ini);
	ck_assert_str_eq(error.text, "empty name in configuration (x.ini:2)");
}
END_TEST

START_TEST(thousands_of_entries)
{
	char *text = malloc(3000 * 32), *at = text;
	size_t count;

	at += sprintf(at, "[s]\n");
	for (int i = 0; i < 3000; i++)
		at += sprintf(at, "Db%d = host=h%d\n", i, i);
	read_text(text);
	free(text);
	ck_assert_ptr_nonnull(ini);
	ini_entries(ini, &count);
	ck_assert_uint_eq(count, 3000);
	ck_assert_str_eq(entry("s", "Db2999")->value, "host=h2999");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ini");
	TCase *tcase = tcase_create("ini");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, what_is_kept, 0, (int)ARRAY_LENGTH(cases));
	tcase_add_loop_test(tcase, values_of_any_length, 0, 5);
	tcase_add_test(tcase, keys_as_long_as_can_be);
	tcase_add_test(tcase, the_last_value_counts);
	tcase_add_test(tcase, nothing_is_left_of_a_longer_value);
	tcase_add_test(tcase,
	    entries_before_a_section_begins_again_are_stale);
	tcase_add_test(tcase, places_and_order);
	tcase_add_test(tcase, sections_that_are_there);
	tcase_add_test(tcase, an_empty_file_has_nothing);
	tcase_add_test(tcase, an_unknown_section_is_refused);
	tcase_add_test(tcase, an_empty_name_is_refused);
	tcase_add_test(tcase, thousands_of_entries);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
