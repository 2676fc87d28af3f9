#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/segment.h"

static const struct segment_size size = { .workers = 4, .clients = 40,
    .servers = 4, .pools = 4, .databases = 4, .users = 4 };
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

START_TEST(a_claimed_row_begins_with_nothing_known)
{
	uint32_t row = clients_claim(segment, 3);
	const struct client_row *client = segment_client(segment, row);

	ck_assert_ptr_nonnull(client);
	ck_assert_uint_eq(client->phase, CLIENT_STARTUP);
	ck_assert_uint_eq(client->worker, 3);
	ck_assert_uint_eq(client->pool, NO_ROW);
	ck_assert_uint_eq(client->user, NO_ROW);
	ck_assert_uint_eq(client->server, NO_ROW);
	ck_assert_uint_gt(atomic_load(&segment->state->clients_used), row);
}
END_TEST

START_TEST(a_freed_row_forgets_its_client)
{
	uint32_t row = clients_claim(segment, 1);
	struct client_row *client = segment_client(segment, row);
	uint32_t generation = client->generation;

	client->wait_since = client->query_at = 5;
	client->remote_pid = client->close_needed = 1;
	strcpy(client->application_name, "psql");
	strcpy(client->tls, "TLSv1.3");
	atomic_store(&client->pool, 2);
	atomic_store(&client->user, 2);
	client->server = 2;
	atomic_store(&segment->cancel_keys[row], 99);
	clients_free(segment, row);
	ck_assert_uint_eq(client->phase, CLIENT_FREE);
	ck_assert_uint_eq(client->generation, generation + 1);
	ck_assert_uint_eq(client->worker, NO_ROW);
	ck_assert_uint_eq(client->pool, NO_ROW);
	ck_assert_uint_eq(client->user, NO_ROW);
	ck_assert_uint_eq(client->server, NO_ROW);
	ck_assert_int_eq(client->wait_since, 0);
	ck_assert_int_eq(client->query_at, 0);
	ck_assert_uint_eq(client->remote_pid, 0);
	ck_assert_uint_eq(client->close_needed, 0);
	ck_assert_str_eq(client->application_name, "");
	ck_assert_str_eq(client->tls, "");
	ck_assert_uint_eq(segment->cancel_keys[row], 0);
}
END_TEST

START_TEST(all_rows_can_be_used_and_then_none_is_left)
{
	bool seen[40] = { false };

	for (uint32_t i = 0; i < size.clients; i++) {
		uint32_t row = clients_claim(segment, i % size.workers);

		ck_assert_uint_lt(row, size.clients);
		ck_assert(!seen[row]);
		seen[row] = true;
	}
	ck_assert_uint_eq(clients_claim(segment, 0), NO_ROW);
	clients_free(segment, 17);
	ck_assert_uint_eq(clients_claim(segment, 0), 17);
}
END_TEST

START_TEST(handles_tell_clients_of_one_row_apart)
{
	uint32_t row = clients_claim(segment, 0);
	uint64_t first = clients_handle(segment, row), second;

	clients_free(segment, row);
	ck_assert_uint_eq(clients_claim(segment, 0), row);
	second = clients_handle(segment, row);
	ck_assert_uint_ne(first, second);
	ck_assert_uint_ne(second, 0);
	ck_assert_uint_ne(clients_handle(segment, clients_claim(segment, 0)),
	    second);
	ck_assert_uint_ne(servers_handle(segment, row), second);
}
END_TEST

/* Each process writes its number into the rows that it has got. */
START_TEST(no_row_is_claimed_by_two_processes)
{
	for (unsigned worker = 0; worker < size.workers; worker++) {
		if (fork() != 0)
			continue;
		for (int i = 0; i < 5000; i++) {
			uint32_t row = clients_claim(segment, worker);

			if (row == NO_ROW)
				continue;
			segment->clients[row].id = worker;
			for (volatile int j = 0; j < i % 50; j++)
				continue;
			if (segment->clients[row].id != worker ||
			    segment->clients[row].worker != worker)
				_exit(1);
			if (i % 100 != 99 || i < 4500)
				clients_free(segment, row);
		}
		_exit(0);
	}
	for (unsigned worker = 0; worker < size.workers; worker++) {
		int status;

		ck_assert_int_ne(wait(&status), -1);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	for (unsigned worker = 0; worker < size.workers; worker++) {
		unsigned mine = 0;

		for (uint32_t row = 0; row < size.clients; row++)
			mine += segment->clients[row].phase != CLIENT_FREE &&
			    segment->clients[row].worker == worker;
		ck_assert_uint_eq(mine, 5);
	}
}
END_TEST

START_TEST(freeing_a_free_row_aborts)
{
	uint32_t row = clients_claim(segment, 0);

	clients_free(segment, row);
	clients_free(segment, row);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("clients");
	TCase *tests = tcase_create("clients");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_claimed_row_begins_with_nothing_known);
	tcase_add_test(tests, a_freed_row_forgets_its_client);
	tcase_add_test(tests, all_rows_can_be_used_and_then_none_is_left);
	tcase_add_test(tests, handles_tell_clients_of_one_row_apart);
	tcase_add_test(tests, no_row_is_claimed_by_two_processes);
	tcase_add_test_raise_signal(tests, freeing_a_free_row_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
