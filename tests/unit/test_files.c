#include "build.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/files.h"

static char directory[] = "/tmp/test_files.XXXXXX";
static char path[64];
static struct error error;

static void
write_file(const char *text, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, text, length), (ssize_t)length);
	close(fd);
}

static void
setup(void)
{
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	strcpy(path, directory);
	strcat(path, "/file");
}

static void
teardown(void)
{
	unlink(path);
	rmdir(directory);
}

START_TEST(a_live_file_is_read_once)
{
	struct files *files = files_live();
	const struct file *file;

	write_file("one\0two", 7);
	file = files_read(files, path);
	ck_assert_int_eq(file->error, 0);
	ck_assert_uint_eq(file->length, 7);
	ck_assert_mem_eq(file->content, "one\0two", 8);
	ck_assert_str_eq(file->path, path);

	write_file("three", 5);
	ck_assert_ptr_eq(files_read(files, path), file);
	ck_assert_uint_eq(file->length, 7);
	files_free(files);
}
END_TEST

START_TEST(a_missing_file_stays_missing)
{
	struct files *files = files_live();

	ck_assert_int_eq(files_read(files, path)->error, ENOENT);
	write_file("x", 1);
	ck_assert_int_eq(files_read(files, path)->error, ENOENT);
	ck_assert_uint_eq(files_read(files, path)->length, 0);
	files_free(files);
}
END_TEST

START_TEST(a_directory_is_no_file)
{
	struct files *files = files_live();

	ck_assert_int_eq(files_read(files, directory)->error, EISDIR);
	files_free(files);
}
END_TEST

START_TEST(an_empty_file_is_one)
{
	struct files *files = files_live();

	write_file("", 0);
	ck_assert_int_eq(files_read(files, path)->error, 0);
	ck_assert_str_eq(files_read(files, path)->content, "");
	files_free(files);
}
END_TEST

START_TEST(a_large_file_is_read_whole)
{
	struct files *files = files_live();
	size_t length = 3 * 1024 * 1024 + 7;
	char *text = malloc(length);

	for (size_t i = 0; i < length; i++)
		text[i] = (char)(i * 31 >> 3);
	write_file(text, length);
	ck_assert_uint_eq(files_read(files, path)->length, length);
	ck_assert_mem_eq(files_read(files, path)->content, text, length);
	free(text);
	files_free(files);
}
END_TEST

START_TEST(a_pack_serves_what_was_read)
{
	struct files *packed = files_live(), *unpacked;
	int fd;

	write_file("se\0cret", 7);
	ck_assert_int_eq(files_read(packed, path)->error, 0);
	ck_assert_int_eq(files_read(packed, "/none/such")->error, ENOENT);
	ck_assert_int_eq(files_read(packed, directory)->error, EISDIR);
	ck_assert(files_pack(packed, &fd, &error));
	files_free(packed);
	unlink(path);

	/* As often as there are workers. */
	for (int i = 0; i < 2; i++) {
		unpacked = files_unpack(fd, &error);
		ck_assert_msg(unpacked != NULL, "%s", error.text);
		ck_assert_uint_eq(files_read(unpacked, path)->length, 7);
		ck_assert_mem_eq(files_read(unpacked, path)->content,
		    "se\0cret", 8);
		ck_assert_int_eq(files_read(unpacked, directory)->error,
		    EISDIR);
		ck_assert_int_eq(files_read(unpacked, "/etc/passwd")->error,
		    ENOENT);
		files_free(unpacked);
	}
	close(fd);
}
END_TEST

START_TEST(nobody_can_change_a_pack)
{
	struct files *files = files_memory();
	int fd;

	files_put(files, "a", "b", 1);
	ck_assert(files_pack(files, &fd, &error));
	ck_assert_int_eq(pwrite(fd, "x", 1, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(ftruncate(fd, 1), -1);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	close(fd);
	files_free(files);
}
END_TEST

START_TEST(an_unsealed_file_is_no_pack)
{
	int fd = memfd_create("x", MFD_ALLOW_SEALING);

	ck_assert_ptr_null(files_unpack(fd, &error));
	ck_assert_str_eq(error.text, "not a packed configuration");
	ck_assert_ptr_null(files_unpack(-1, &error));
	close(fd);
}
END_TEST

/* Every byte of a pack changed, and every length of it. */
START_TEST(a_broken_pack_is_refused_or_harmless)
{
	struct files *files = files_memory(), *unpacked;
	char pack[256];
	ssize_t length;
	int fd, broken;

	files_put(files, "a.ini", "[pgbouncer]\n", 12);
	ck_assert_int_eq(files_read(files, "none")->error, ENOENT);
	ck_assert(files_pack(files, &fd, &error));
	length = pread(fd, pack, sizeof(pack), 0);
	ck_assert_int_gt(length, 0);
	close(fd);
	files_free(files);

	for (ssize_t i = 0; i < 2 * length; i++) {
		ssize_t cut = i < length ? length : i - length;
		char byte = pack[i % length];

		broken = memfd_create("x", MFD_ALLOW_SEALING);
		if (i < length)
			pack[i] = (char)(byte ^ 0x81);
		ck_assert_int_eq(pwrite(broken, pack, (size_t)cut, 0), cut);
		pack[i % length] = byte;
		ck_assert_int_eq(fcntl(broken, F_ADD_SEALS, F_SEAL_SEAL |
		    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
		unpacked = files_unpack(broken, &error);
		if (i >= length)
			ck_assert_ptr_null(unpacked);
		files_free(unpacked);
		close(broken);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("files");
	TCase *tcase = tcase_create("files");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_live_file_is_read_once);
	tcase_add_test(tcase, a_missing_file_stays_missing);
	tcase_add_test(tcase, a_directory_is_no_file);
	tcase_add_test(tcase, an_empty_file_is_one);
	tcase_add_test(tcase, a_large_file_is_read_whole);
	tcase_add_test(tcase, a_pack_serves_what_was_read);
	tcase_add_test(tcase, nobody_can_change_a_pack);
	tcase_add_test(tcase, an_unsealed_file_is_no_pack);
	tcase_add_test(tcase, a_broken_pack_is_refused_or_harmless);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
