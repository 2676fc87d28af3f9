#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/segment.h"

static const struct segment_size size = { .workers = 4, .clients = 4,
    .servers = 20, .pools = 4, .databases = 4, .users = 4 };
static struct segment *segment;

static void
begin(void)
{
	struct error error;

	segment = segment_create(&size, &error);
	ck_assert_ptr_nonnull(segment);
}

static void
end(void)
{
	segment_destroy(segment);
}

static uint32_t
claim(uint32_t worker)
{
	return servers_claim(segment, worker, 1, SERVER_OPENING);
}

START_TEST(a_claimed_row_is_being_opened)
{
	uint32_t row = claim(2);
	const struct server_row *server = segment_server(segment, row);

	ck_assert_ptr_nonnull(server);
	ck_assert_uint_eq(server->phase, SERVER_OPENING);
	ck_assert_uint_eq(server->worker, 2);
	ck_assert_uint_eq(server->pool, 1);
	ck_assert_uint_eq(server->client, NO_ROW);
	ck_assert_uint_eq(server->target, NO_ROW);
	ck_assert_uint_eq(server->has_fd, 0);
	ck_assert_uint_gt(atomic_load(&segment->state->servers_used), row);
}
END_TEST

START_TEST(a_row_may_be_claimed_for_a_cancel)
{
	uint32_t row = servers_claim(segment, 2, 1, SERVER_CANCEL_LINK);

	ck_assert_uint_eq(segment_server(segment, row)->phase,
	    SERVER_CANCEL_LINK);
}
END_TEST

START_TEST(a_freed_row_forgets_its_connection)
{
	uint32_t row = claim(1);
	struct server_row *server = segment_server(segment, row);
	uint32_t generation = atomic_load(&server->generation);
	uint32_t epoch = atomic_load(&segment->state->servers_epoch);

	atomic_store(&server->has_fd, 0xff);
	server->close_needed = server->cancels = 3;
	server->backend_pid = server->backend_secret = 4;
	strcpy(segment->values[row].values[2], "x");
	strcpy(server->application_name, "psql");
	server->digest[0] = 1;
	servers_free(segment, row);
	ck_assert_uint_eq(server->phase, SERVER_FREE);
	ck_assert_uint_eq(server->generation, generation + 1);
	ck_assert_uint_eq(server->worker, NO_ROW);
	ck_assert_uint_eq(server->pool, NO_ROW);
	ck_assert_uint_eq(server->has_fd, 0);
	ck_assert_uint_eq(server->close_needed, 0);
	ck_assert_uint_eq(server->cancels, 0);
	ck_assert_uint_eq(server->backend_pid, 0);
	ck_assert_uint_eq(server->backend_secret, 0);
	ck_assert_str_eq(segment->values[row].values[2], "");
	ck_assert_str_eq(server->application_name, "");
	ck_assert_uint_eq(server->digest[0], 0);
	ck_assert_uint_eq(atomic_load(&segment->state->servers_epoch),
	    epoch + 1);
}
END_TEST

START_TEST(all_rows_can_be_used_and_then_none_is_left)
{
	for (uint32_t i = 0; i < size.servers; i++)
		ck_assert_uint_eq(claim(0), i);
	ck_assert_uint_eq(claim(0), NO_ROW);
	servers_free(segment, 3);
	ck_assert_uint_eq(claim(0), 3);
}
END_TEST

START_TEST(handles_tell_connections_of_one_row_apart)
{
	uint32_t row = claim(0);
	uint64_t first = servers_handle(segment, row);

	servers_free(segment, row);
	ck_assert_uint_eq(claim(0), row);
	ck_assert_uint_ne(servers_handle(segment, row), first);
}
END_TEST

START_TEST(no_row_is_claimed_by_two_processes)
{
	for (unsigned worker = 0; worker < size.workers; worker++) {
		if (fork() != 0)
			continue;
		for (int i = 0; i < 5000; i++) {
			uint32_t row = claim(worker);

			if (row == NO_ROW)
				continue;
			segment->servers[row].id = worker;
			for (volatile int j = 0; j < i % 50; j++)
				continue;
			if (segment->servers[row].id != worker ||
			    segment->servers[row].worker != worker)
				_exit(1);
			servers_free(segment, row);
		}
		_exit(0);
	}
	for (unsigned worker = 0; worker < size.workers; worker++) {
		int status;

		ck_assert_int_ne(wait(&status), -1);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	for (uint32_t row = 0; row < size.servers; row++)
		ck_assert_uint_eq(segment->servers[row].phase, SERVER_FREE);
}
END_TEST

START_TEST(freeing_a_free_row_aborts)
{
	uint32_t row = claim(0);

	servers_free(segment, row);
	servers_free(segment, row);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("servers");
	TCase *tests = tcase_create("servers");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_claimed_row_is_being_opened);
	tcase_add_test(tests, a_row_may_be_claimed_for_a_cancel);
	tcase_add_test(tests, a_freed_row_forgets_its_connection);
	tcase_add_test(tests, all_rows_can_be_used_and_then_none_is_left);
	tcase_add_test(tests, handles_tell_connections_of_one_row_apart);
	tcase_add_test(tests, no_row_is_claimed_by_two_processes);
	tcase_add_test_raise_signal(tests, freeing_a_free_row_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
