#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/userlist.h"

static struct files *files;
static struct arena *arena;
static const struct config_secret *secrets;
static size_t count;
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
read_text(const char *text, size_t length)
{
	files_put(files, "users", text, length);
	return userlist_read(files_read(files, "users"), arena, &secrets,
	    &count, &error);
}

/* Users and secrets as {user|secret}, in the order they are kept in. */
static const struct {
	const char	*story;
	const char	*text;
	const char	*users;
} cases[] = {
	{ "nothing", "", "" },
	{ "one user", "\"a\" \"b\"\n", "{a|b}" },
	{ "no line break at the end", "\"a\" \"b\"", "{a|b}" },
	{ "line ends of another system", "\"a\" \"b\"\r\n\r\n\"c\" \"d\"\r\n",
	    "{a|b}{c|d}" },
	{ "blanks and empty lines", "\n  \n\t\"a\" \"b\"\n", "{a|b}" },
	{ "comments", "; x\n  ; y\n\"a\" \"b\"\n", "{a|b}" },
	{ "the rest of a line", "\"a\" \"b\" \"c\" d # e\n", "{a|b}" },
	{ "anything between the fields", "\"a\"xyz\"b\"\n", "{a|b}" },
	{ "nothing between the fields", "\"a\" \"b\"\n", "{a|b}" },
	{ "doubled quotes", "\"a\"\"b\" \"\"\"c\"\"\"\n", "{a\"b|\"c\"}" },
	{ "an empty secret", "\"a\" \"\"\n", "{a|}" },
	{ "other characters", "\"a b;#\" \"'c\\ \xc3\xa4\"\n",
	    "{a b;#|'c\\ \xc3\xa4}" },
	{ "sorted by name", "\"b\" \"1\"\n\"a\" \"2\"\n\"B\" \"3\"\n",
	    "{B|3}{a|2}{b|1}" },
	{ "the last line of a user counts",
	    "\"a\" \"1\"\n\"b\" \"2\"\n\"a\" \"3\"\n", "{a|3}{b|2}" },
};

START_TEST(reading)
{
	char users[256] = "";

	ck_assert_msg(read_text(cases[_i].text, strlen(cases[_i].text)),
	    "%s: %s", cases[_i].story, error.text);
	for (size_t i = 0; i < count; i++)
		snprintf(users + strlen(users), sizeof(users) - strlen(users),
		    "{%s|%s}", secrets[i].user, secrets[i].secret);
	ck_assert_msg(strcmp(users, cases[_i].users) == 0, "%s: %s",
	    cases[_i].story, users);
}
END_TEST

static const struct {
	const char	*story;
	const char	*text;
	const char	*error;
} mistakes[] = {
	{ "no quotes", "a b\n", "users:1: broken auth file" },
	{ "a comment of another kind", "\n# x\n",
	    "users:2: broken auth file" },
	{ "no secret", "\"a\"\n\"b\" \"c\"\n", "users:1: broken auth file" },
	{ "an open name", "\"a\n\"b\" \"c\"\n", "users:1: broken auth file" },
	{ "an open secret", "\"a\" \"b\n", "users:1: broken auth file" },
	{ "an open secret at the end", "\"a\" \"",
	    "users:1: broken auth file" },
	{ "the second line", "\"a\" \"b\"\n\"c\n",
	    "users:2: broken auth file" },
};

START_TEST(refusing)
{
	ck_assert(!read_text(mistakes[_i].text, strlen(mistakes[_i].text)));
	ck_assert_msg(strcmp(error.text, mistakes[_i].error) == 0, "%s: %s",
	    mistakes[_i].story, error.text);
	ck_assert_msg(error.hint[0] != '\0', "%s", mistakes[_i].story);
}
END_TEST

START_TEST(a_nul_byte_is_refused)
{
	ck_assert(!read_text("\"a\" \"b\0c\"\n", 10));
}
END_TEST

static const struct {
	int		 user_length, secret_length;
	const char	*error;		/* NULL: it fits */
} lengths[] = {
	{ 127, 5, NULL },
	{ 128, 5, "users:1: username too long in auth file" },
	{ 5, 65530, NULL },
	{ 5, 65531, "users:1: password too long in auth file" },
};

START_TEST(limits)
{
	char *text = malloc(70000);

	sprintf(text, "\"%0*d\" \"%0*d\"\n", lengths[_i].user_length, 0,
	    lengths[_i].secret_length, 0);
	if (lengths[_i].error == NULL) {
		ck_assert(read_text(text, strlen(text)));
	} else {
		ck_assert(!read_text(text, strlen(text)));
		ck_assert_str_eq(error.text, lengths[_i].error);
	}
	free(text);
}
END_TEST

START_TEST(a_file_that_is_not_there)
{
	ck_assert(!userlist_read(files_read(files, "none"), arena, &secrets,
	    &count, &error));
	ck_assert_str_eq(error.text,
	    "could not open auth_file none: No such file or directory");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("userlist");
	TCase *tcase = tcase_create("userlist");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, reading, 0, (int)ARRAY_LENGTH(cases));
	tcase_add_loop_test(tcase, refusing, 0, (int)ARRAY_LENGTH(mistakes));
	tcase_add_loop_test(tcase, limits, 0, (int)ARRAY_LENGTH(lengths));
	tcase_add_test(tcase, a_nul_byte_is_refused);
	tcase_add_test(tcase, a_file_that_is_not_there);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
