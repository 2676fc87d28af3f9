/*
 * The auth file that pgusherctl userlist writes, and console statements.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/orders.h"
#include "ctl/userlist_file.h"
#include "made_rows.h"

static char directory[] = "/tmp/pgusher-userlist.XXXXXX", path[80];

static void
begin(void)
{
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/userlist.txt", directory);
}

static void
end(void)
{
	unlink(path);
	ck_assert_msg(rmdir(directory) == 0, "something was left behind");
}

static void
ck_file(const char *wanted)
{
	char text[256] = "";
	FILE *file = fopen(path, "r");

	ck_assert_ptr_nonnull(file);
	(void)!fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	ck_assert_str_eq(text, wanted);
}

START_TEST(a_line_for_each_user_in_a_file_of_ones_own)
{
	PGresult *users = made_rows("rolname:t rolpassword:t",
	    "app SCRAM-SHA-256$4096:c2FsdA==$a:b", "od\"d md5abc", NULL);
	struct error error;
	struct stat status;

	ck_assert_msg(userlist_write(path, users, &error), "%s", error.text);
	ck_file("\"app\" \"SCRAM-SHA-256$4096:c2FsdA==$a:b\"\n"
	    "\"od\"\"d\" \"md5abc\"\n");
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_mode & 0777, 0600);
	PQclear(users);
}
END_TEST

START_TEST(an_old_file_is_replaced_and_made_private)
{
	PGresult *users = made_rows("rolname:t rolpassword:t", "a b", NULL);
	FILE *file = fopen(path, "w");
	struct error error;
	struct stat status;

	fputs("\"old\" \"secret\"\n", file);
	fclose(file);
	ck_assert_int_eq(chmod(path, 0644), 0);
	ck_assert(userlist_write(path, users, &error));
	ck_file("\"a\" \"b\"\n");
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_mode & 0777, 0600);
	PQclear(users);
}
END_TEST

START_TEST(what_cannot_be_written_changes_nothing)
{
	PGresult *users = made_rows("rolname:t rolpassword:t", "a b", NULL);
	struct error error;

	ck_assert(!userlist_write("/nowhere/userlist.txt", users, &error));
	ck_assert_ptr_nonnull(strstr(error.text, "could not create"));
	/* The name is taken by a directory. */
	ck_assert(!userlist_write(directory, users, &error));
	ck_assert_ptr_nonnull(strstr(error.text, "could not replace"));
	PQclear(users);
}
END_TEST

static const struct {
	const char	*command, *database, *statement;
} statements[] = {
	{ "RELOAD", NULL, "RELOAD" },
	{ "PAUSE", "shop", "PAUSE \"shop\"" },
	{ "PAUSE", "My\"Shop; KILL", "PAUSE \"My\"\"Shop; KILL\"" },
	{ "PAUSE", "", "PAUSE \"\"" },
};

START_TEST(names_are_quoted)
{
	char text[64];

	ck_assert(orders_statement(statements[_i].command,
	    statements[_i].database, text, sizeof(text)));
	ck_assert_str_eq(text, statements[_i].statement);
}
END_TEST

START_TEST(a_statement_has_to_fit)
{
	char text[16];

	ck_assert(!orders_statement("PAUSE", "\"\"\"\"\"\"", text,
	    sizeof(text)));
	ck_assert(!orders_statement("SHUTDOWN WAIT_FOR_CLIENTS", NULL, text,
	    sizeof(text)));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("userlist file");
	TCase *files = tcase_create("files"), *texts = tcase_create("texts");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(files, begin, end);
	tcase_add_test(files, a_line_for_each_user_in_a_file_of_ones_own);
	tcase_add_test(files, an_old_file_is_replaced_and_made_private);
	tcase_add_test(files, what_cannot_be_written_changes_nothing);
	suite_add_tcase(suite, files);
	tcase_add_loop_test(texts, names_are_quoted, 0,
	    (int)ARRAY_LENGTH(statements));
	tcase_add_test(texts, a_statement_has_to_fit);
	suite_add_tcase(suite, texts);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
