#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "contract/orders.h"
#include "net/fdpass.h"
#include "supervisor/server_fds.h"

static struct segment *segment;
static struct server_fds kept;

static void
begin(void)
{
	struct segment_size size = segment_size_for(2, 10);
	struct error error;

	segment = segment_create(&size, &error);
	ck_assert_ptr_nonnull(segment);
	server_fds_create(&kept, segment);
}

static void
end(void)
{
	server_fds_destroy(&kept);
	segment_destroy(segment);
}

static int
new_fd(void)
{
	int fd = dup(STDIN_FILENO);

	ck_assert_int_ne(fd, -1);
	return fd;
}

static bool
is_open(int fd)
{
	int copy = dup(fd);

	if (copy != -1)
		close(copy);
	return copy != -1;
}

START_TEST(a_descriptor_of_this_generation_is_kept)
{
	uint32_t row = servers_claim(segment, 0, 0, SERVER_OPENING);
	int fd = new_fd();

	server_fds_keep(&kept, row, segment->servers[row].generation, fd);
	ck_assert_int_eq(kept.fds[row], fd);
	ck_assert_uint_eq(kept.generations[row],
	    segment->servers[row].generation);
}
END_TEST

START_TEST(one_that_comes_too_late_is_closed)
{
	uint32_t row = servers_claim(segment, 0, 0, SERVER_OPENING);
	uint32_t generation = segment->servers[row].generation;
	int fd = new_fd();

	servers_free(segment, row);
	server_fds_keep(&kept, row, generation, fd);
	ck_assert_int_eq(kept.fds[row], -1);
	ck_assert(!is_open(fd));
}
END_TEST

START_TEST(a_row_that_is_none_keeps_nothing)
{
	int fd = new_fd();

	server_fds_keep(&kept, NO_ROW, 0, fd);
	ck_assert(!is_open(fd));
}
END_TEST

START_TEST(a_sweep_closes_what_has_moved_on_and_no_more)
{
	uint32_t stays = servers_claim(segment, 0, 0, SERVER_OPENING), goes =
	    servers_claim(segment, 0, 0, SERVER_OPENING);
	int staying = new_fd(), going = new_fd();

	server_fds_keep(&kept, stays, segment->servers[stays].generation,
	    staying);
	server_fds_keep(&kept, goes, segment->servers[goes].generation,
	    going);
	servers_free(segment, goes);
	server_fds_sweep(&kept);
	ck_assert(is_open(staying));
	ck_assert(!is_open(going));
	ck_assert_int_eq(kept.fds[goes], -1);
}
END_TEST

START_TEST(the_next_generation_takes_the_place_of_the_last)
{
	uint32_t row = servers_claim(segment, 0, 0, SERVER_OPENING);
	int first = new_fd(), second = new_fd();

	server_fds_keep(&kept, row, segment->servers[row].generation, first);
	servers_free(segment, row);
	ck_assert_uint_eq(servers_claim(segment, 0, 0, SERVER_OPENING), row);
	server_fds_keep(&kept, row, segment->servers[row].generation,
	    second);
	ck_assert(!is_open(first));
	ck_assert_int_eq(kept.fds[row], second);
}
END_TEST

START_TEST(the_inbox_is_emptied_whatever_is_in_it)
{
	uint32_t row = servers_claim(segment, 0, 0, SERVER_OPENING);
	struct inbox_message good = { .kind = INBOX_SERVER, .row = row,
	    .generation = segment->servers[row].generation };
	struct inbox_message foreign = { .kind = INBOX_CLIENT };
	struct error error;
	int pair[2], fd = new_fd();

	ck_assert(fdpass_pair(pair, &error));
	ck_assert(fdpass_send(pair[1], &good, sizeof(good), -1));
	ck_assert(fdpass_send(pair[1], &foreign, sizeof(foreign), fd));
	ck_assert(fdpass_send(pair[1], "short", 5, fd));
	ck_assert(fdpass_send(pair[1], &good, sizeof(good), fd));
	server_fds_collect(&kept, pair[0]);
	ck_assert_int_ne(kept.fds[row], -1);
	close(fd);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("server_fds");
	TCase *tests = tcase_create("server_fds");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_descriptor_of_this_generation_is_kept);
	tcase_add_test(tests, one_that_comes_too_late_is_closed);
	tcase_add_test(tests, a_row_that_is_none_keeps_nothing);
	tcase_add_test(tests,
	    a_sweep_closes_what_has_moved_on_and_no_more);
	tcase_add_test(tests,
	    the_next_generation_takes_the_place_of_the_last);
	tcase_add_test(tests, the_inbox_is_emptied_whatever_is_in_it);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
