#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/dialect.h"

static struct files *files;
static char seen[1024];

static void
setup(void)
{
	files = files_memory();
	seen[0] = '\0';
}

static void
teardown(void)
{
	files_free(files);
}

static void
serve(const char *path, const char *text)
{
	files_put(files, path, text, strlen(text));
}

/* Sections as [name], assignments as {name|value}. */
static bool
on_item(const struct dialect_item *item, void *context, struct error *error)
{
	char *end = seen + strlen(seen);
	size_t room = sizeof(seen) - strlen(seen);

	if (item->name == NULL)
		snprintf(end, room, "[%s]", item->section);
	else
		snprintf(end, room, "{%s|%s}", item->name, item->value);
	return true;
}

static const struct {
	const char	*story;
	const char	*text;
	const char	*seen;
} cases[] = {
	{ "nothing", "", "" },
	{ "empty lines", "\n \n\t\n", "" },
	{ "comments on lines of their own", "; a\n# b\n  ; c\n", "" },
	{ "a section and a key", "[s]\na = b\n", "[s]{a|b}" },
	{ "no line break at the end", "[s]\na = b", "[s]{a|b}" },
	{ "blanks where nobody needs them", " [s] \n\ta\t= b \n",
	    "[s]{a|b}" },
	{ "no blanks", "[s]\na=b", "[s]{a|b}" },
	{ "line ends of another system", "[s]\r\na = b\r\n", "[s]{a|b}" },
	{ "no value", "[s]\na =\nb = ", "[s]{a|}{b|}" },
	{ "case is kept", "[s]\nABC = Def", "[s]{ABC|Def}" },
	{ "all that bare keys may have", "[s]\naZ9_.-* = x",
	    "[s]{aZ9_.-*|x}" },
	{ "a key in single quotes", "[s]\n'my = db;' = x",
	    "[s]{my = db;|x}" },
	{ "a key in double quotes", "[s]\n\"my 'db'\"=x",
	    "[s]{my 'db'|x}" },
	{ "a quoted key with brackets", "[s]\n'[x]' = y", "[s]{[x]|y}" },
	{ "blanks inside a value", "[s]\na = b  c", "[s]{a|b  c}" },
	{ "an = inside a value", "[s]\na = b=c = d", "[s]{a|b=c = d}" },

	{ "a comment behind a value", "[s]\na = b # c", "[s]{a|b}" },
	{ "another one", "[s]\na = b\t; c", "[s]{a|b}" },
	{ "a comment in the place of a value", "[s]\na = # c", "[s]{a|}" },
	{ "a comment behind a section", "[s] ; c\na = b", "[s]{a|b}" },
	{ "no blank, no comment", "[s]\na = b;c#d", "[s]{a|b;c#d}" },
	{ "right behind =", "[s]\na =#b", "[s]{a|#b}" },
	{ "in single quotes", "[s]\na = 'b ; c' # d", "[s]{a|'b ; c'}" },
	{ "in double quotes", "[s]\na = \"b # c\"", "[s]{a|\"b # c\"}" },
	{ "a quote in other quotes", "[s]\na = \"it's # x\" # y's",
	    "[s]{a|\"it's # x\"}" },
	{ "quotes inside a value", "[s]\na = x='b ; c' ; d",
	    "[s]{a|x='b ; c'}" },
	{ "a doubled quote", "[s]\na = x='b'' ; c' ; d",
	    "[s]{a|x='b'' ; c'}" },
	{ "a quote that is not closed", "[s]\na = it's # b", "[s]{a|it's}" },

	{ "an include", "[s]\n%include inc\nc = d", "[s]{i|j}{c|d}" },
	{ "an include with a comment", "[s]\n%include  inc  # x\n",
	    "[s]{i|j}" },
	{ "a section goes on behind an include", "%include sec\nc = d",
	    "[t]{k|l}{c|d}" },
	{ "an include of nothing", "%include empty\n[s]", "[s]" },
};

START_TEST(reading)
{
	struct error error = { .text = "" };

	serve("x.ini", cases[_i].text);
	serve("inc", "i = j\n");
	serve("sec", "[t]\nk = l\n");
	serve("empty", "");
	ck_assert_msg(dialect_read(files, "x.ini", on_item, NULL, &error),
	    "%s: %s", cases[_i].story, error.text);
	ck_assert_msg(strcmp(seen, cases[_i].seen) == 0, "%s: %s",
	    cases[_i].story, seen);
}
END_TEST

#define SYNTAX(at) "syntax error in configuration (" at "), stopping loading"

static const struct {
	const char	*story;
	const char	*text;
	const char	*error;
} mistakes[] = {
	{ "a word alone", "[s]\nfoo\n", SYNTAX("x.ini:2") },
	{ "two words before =", "[s]\n\na b = c\n", SYNTAX("x.ini:3") },
	{ "an open section", "[s\n", SYNTAX("x.ini:1") },
	{ "something behind a section", "[s] x\n", SYNTAX("x.ini:1") },
	{ "an open quote", "[s]\n'a = b\n", SYNTAX("x.ini:2") },
	{ "something behind a quoted key", "[s]\n'a'b = c\n",
	    SYNTAX("x.ini:2") },
	{ "no key", "[s]\n = c\n", SYNTAX("x.ini:2") },
	{ "an odd letter", "[s]\na/b = c\n", SYNTAX("x.ini:2") },
	{ "no file to include", "[s]\n%include\n", SYNTAX("x.ini:2") },
	{ "only a comment to include", "[s]\n%include  ; x\n",
	    SYNTAX("x.ini:2") },
	{ "another directive", "%exclude x\n", SYNTAX("x.ini:1") },
	{ "a directive too long", "%includes x\n", SYNTAX("x.ini:1") },
	{ "a key before any section", "a = b\n",
	    "value without section: a (x.ini:1)" },
	{ "a file that is not there", "[s]\n%include none\n",
	    "error processing include file in configuration (x.ini:2): "
	    "could not load file \"none\": No such file or directory" },
	{ "an error in an included file", "[s]\n%include inc\n",
	    SYNTAX("inc:2") },
	{ "a file that includes itself", "%include x.ini\n",
	    "include nesting level too deep (x.ini:1), stopping loading" },
};

START_TEST(refusing)
{
	struct error error = { .text = "" };

	serve("x.ini", mistakes[_i].text);
	serve("inc", "\nbad\n");
	ck_assert(!dialect_read(files, "x.ini", on_item, NULL, &error));
	ck_assert_msg(strcmp(error.text, mistakes[_i].error) == 0, "%s: %s",
	    mistakes[_i].story, error.text);
}
END_TEST

START_TEST(a_file_that_is_not_there)
{
	struct error error;

	ck_assert(!dialect_read(files, "none", on_item, NULL, &error));
	ck_assert_str_eq(error.text,
	    "could not load file \"none\": No such file or directory");
}
END_TEST

START_TEST(a_nul_byte_is_refused)
{
	struct error error;

	files_put(files, "x.ini", "[s]\na = b\0c\n", 12);
	ck_assert(!dialect_read(files, "x.ini", on_item, NULL, &error));
	ck_assert_str_eq(error.text, SYNTAX("x.ini:2"));
}
END_TEST

START_TEST(ten_includes_within_each_other)
{
	struct error error = { .text = "" };
	char path[16], text[32];

	for (int i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "f%d", i);
		snprintf(text, sizeof(text), "%%include f%d\n", i + 1);
		serve(path, text);
	}
	serve("f10", "[s]\na = b\n");
	ck_assert_msg(dialect_read(files, "f0", on_item, NULL, &error), "%s",
	    error.text);
	ck_assert_str_eq(seen, "[s]{a|b}");
}
END_TEST

START_TEST(a_key_of_255_bytes_is_the_longest)
{
	struct error error = { .text = "" };
	char text[400];

	snprintf(text, sizeof(text), "[s]\n%0255d = b\n", 0);
	serve("x.ini", text);
	ck_assert(dialect_read(files, "x.ini", on_item, NULL, &error));
	snprintf(text, sizeof(text), "[s]\n%0256d = b\n", 0);
	serve("y.ini", text);
	ck_assert(!dialect_read(files, "y.ini", on_item, NULL, &error));
	ck_assert_str_eq(error.text, SYNTAX("y.ini:2"));
	ck_assert_str_eq(error.hint, "the key is too long");
}
END_TEST

static bool
note_place(const struct dialect_item *item, void *context,
    struct error *error)
{
	snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s:%u ",
	    item->place.file, item->place.line);
	return true;
}

START_TEST(places_are_those_of_the_file_itself)
{
	struct error error;

	serve("x.ini", "[s]\n\n%include inc\n\na = b\n");
	serve("inc", "# x\ni = j\n");
	ck_assert(dialect_read(files, "x.ini", note_place, NULL, &error));
	ck_assert_str_eq(seen, "x.ini:1 inc:2 x.ini:5 ");
}
END_TEST

static bool
refuse(const struct dialect_item *item, void *context, struct error *error)
{
	return error_set(error, "not %s", item->section);
}

START_TEST(the_visitor_may_stop_it)
{
	struct error error;

	serve("x.ini", "[s]\nbroken\n");
	ck_assert(!dialect_read(files, "x.ini", refuse, NULL, &error));
	ck_assert_str_eq(error.text, "not s");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dialect");
	TCase *tcase = tcase_create("dialect");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, reading, 0, (int)ARRAY_LENGTH(cases));
	tcase_add_loop_test(tcase, refusing, 0, (int)ARRAY_LENGTH(mistakes));
	tcase_add_test(tcase, a_file_that_is_not_there);
	tcase_add_test(tcase, a_nul_byte_is_refused);
	tcase_add_test(tcase, ten_includes_within_each_other);
	tcase_add_test(tcase, a_key_of_255_bytes_is_the_longest);
	tcase_add_test(tcase, places_are_those_of_the_file_itself);
	tcase_add_test(tcase, the_visitor_may_stop_it);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
