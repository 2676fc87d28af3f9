#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

static struct files *files;
static struct error error;
static struct config *config;

static void
begin(void)
{
	files = files_memory();
	setenv("SECRET_OF_TEST", "from outside; # it's", 1);
	setenv("EMPTY_OF_TEST", "", 1);
	unsetenv("NONE_OF_TEST");
}

static void
end(void)
{
	config_free(config);
	config = NULL;
	files_free(files);
}

static void
put(const char *path, const char *text, size_t length)
{
	files_put(files, path, text, length);
}

static void
load(const char *settings)
{
	char ini[512];
	int length = snprintf(ini, sizeof(ini), "[pgbouncer]\n"
	    "auth_type = any\n[databases]\nshop = user=app %s\n", settings);

	put("x.ini", ini, (size_t)length);
	config = config_load(files, "x.ini", &error);
}

static const struct {
	const char	*story, *settings, *content;
	size_t		 length;
	const char	*password;
} passwords[] = {
	{ "a file with a line", "password_file=secret", "opens\n", 6,
	    "opens" },
	{ "without its end", "password_file=secret", "opens", 5, "opens" },
	{ "with a longer end", "password_file=secret", "opens\r\n\r\nmore", 13,
	    "opens" },
	{ "blanks are its own", "password_file=secret", " op ens \n", 9,
	    " op ens " },
	{ "no variable is in a file", "password_file=secret",
	    "${SECRET_OF_TEST}\n", 18, "${SECRET_OF_TEST}" },
	{ "a variable", "password=${SECRET_OF_TEST}", "", 0,
	    "from outside; # it's" },
	{ "in quotes as well", "password='${SECRET_OF_TEST}'", "", 0,
	    "from outside; # it's" },
	{ "only the whole", "password=a${SECRET_OF_TEST}", "", 0,
	    "a${SECRET_OF_TEST}" },
	{ "nothing behind", "password=${SECRET_OF_TEST}b", "", 0,
	    "${SECRET_OF_TEST}b" },
	{ "no name", "password=${}", "", 0, "${}" },
	{ "a name that is none", "password=${A-B}", "", 0, "${A-B}" },
	{ "the other words of the world", "password=$SECRET_OF_TEST", "", 0,
	    "$SECRET_OF_TEST" },
};

START_TEST(a_password_may_be_elsewhere)
{
	put("secret", passwords[_i].content, passwords[_i].length);
	load(passwords[_i].settings);
	ck_assert_msg(config != NULL, "%s", error.text);
	ck_assert_str_eq(config->databases[0].password,
	    passwords[_i].password);
}
END_TEST

static const struct {
	const char	*settings, *content;
	size_t		 length;
	const char	*reason;
} faults[] = {
	{ "password_file=none", "", 0, "could not open password_file none: "
	    "No such file or directory" },
	{ "password_file=secret", "", 0,
	    "password_file secret does not begin with a password" },
	{ "password_file=secret", "\nopens\n", 7,
	    "password_file secret does not begin with a password" },
	{ "password_file=secret", "op\0ens\n", 7,
	    "password_file secret has a NUL in it" },
	{ "password_file=secret password=x", "opens\n", 6,
	    "password and password_file exclude each other" },
	{ "password=${NONE_OF_TEST}", "", 0,
	    "the environment has no NONE_OF_TEST" },
	{ "password=${EMPTY_OF_TEST}", "", 0,
	    "the environment has no EMPTY_OF_TEST" },
};

START_TEST(what_cannot_be_had_refuses_the_configuration)
{
	char text[200];

	put("secret", faults[_i].content, faults[_i].length);
	load(faults[_i].settings);
	ck_assert_ptr_null(config);
	snprintf(text, sizeof(text), "database \"shop\" (x.ini:4): %s",
	    faults[_i].reason);
	ck_assert_str_eq(error.text, text);
}
END_TEST

/* The worker, which may not read the file, has it too. */
START_TEST(the_file_travels_with_the_rest)
{
	struct files *unpacked;
	int fd;

	put("secret", "opens\n", 6);
	load("password_file=secret");
	ck_assert_ptr_nonnull(config);
	ck_assert(files_pack(files, &fd, &error));
	unpacked = files_unpack(fd, &error);
	ck_assert_ptr_nonnull(unpacked);
	config_free(config);
	config = config_load(unpacked, "x.ini", &error);
	ck_assert_ptr_nonnull(config);
	ck_assert_str_eq(config->databases[0].password, "opens");
	files_free(unpacked);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("secret");
	TCase *tests = tcase_create("passwords");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, a_password_may_be_elsewhere, 0,
	    ARRAY_LENGTH(passwords));
	tcase_add_loop_test(tests,
	    what_cannot_be_had_refuses_the_configuration, 0,
	    ARRAY_LENGTH(faults));
	tcase_add_test(tests, the_file_travels_with_the_rest);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
