#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "shm/segment.h"

static const struct segment_size size = { .workers = 4, .clients = 32,
    .servers = 16, .pools = 8, .databases = 8, .users = 8 };
static struct segment *segment;
static usec_t began_at;

static void
begin(void)
{
	struct error error;

	began_at = clock_now();
	segment = segment_create(&size, &error);
	ck_assert_ptr_nonnull(segment);
}

static void
end(void)
{
	segment_destroy(segment);
}

/* 1 if it was woken, and not a second time. */
static int
was_woken(unsigned worker)
{
	uint64_t count;

	return read(segment->wake_fds[worker], &count, sizeof(count)) ==
	    sizeof(count);
}

START_TEST(there_is_room_for_a_reload)
{
	struct segment_size small = segment_size_for(2, 100);
	struct segment_size large = segment_size_for(64, 100000);

	ck_assert_uint_eq(small.workers, 2);
	ck_assert_uint_ge(small.clients, 10000);
	ck_assert_uint_ge(large.clients, 200000);
	ck_assert_uint_ge(large.servers, 10000);
	ck_assert_uint_ge(large.pools, 1000);
}
END_TEST

START_TEST(the_largest_segment_can_be_mapped)
{
	struct segment_size largest = segment_size_for(64, 1000000);
	struct error error;
	struct segment *other = segment_create(&largest, &error);

	ck_assert_ptr_nonnull(other);
	segment_destroy(other);
}
END_TEST

START_TEST(rows_are_apart_by_cache_line)
{
	ck_assert_uint_eq(sizeof(struct client_row) % CACHE_LINE, 0);
	ck_assert_uint_eq(sizeof(struct server_row) % CACHE_LINE, 0);
	ck_assert_uint_eq(sizeof(struct pool_row) % CACHE_LINE, 0);
	ck_assert_uint_eq(sizeof(struct roster_row) % CACHE_LINE, 0);
	ck_assert_uint_eq(sizeof(struct stats_row) % CACHE_LINE, 0);
	ck_assert_uint_eq((uintptr_t)segment->clients % CACHE_LINE, 0);
	ck_assert_uint_eq((uintptr_t)segment->servers % CACHE_LINE, 0);
	ck_assert_uint_eq((uintptr_t)segment->pools % CACHE_LINE, 0);
	ck_assert_uint_eq((uintptr_t)segment->roster % CACHE_LINE, 0);
	ck_assert_uint_eq((uintptr_t)segment->stats % CACHE_LINE, 0);
}
END_TEST

/* Every table is filled to its end: none reaches into the next. */
START_TEST(tables_do_not_overlap)
{
	struct {
		void	*at;
		size_t	 bytes;
	} tables[] = {
		{ segment->state, sizeof(*segment->state) },
		{ segment->roster, sizeof(*segment->roster) * ROSTER_SLOTS },
		{ segment->clients, sizeof(*segment->clients) *
		    size.clients },
		{ segment->cancel_keys, 8 * (size_t)size.clients },
		{ segment->servers, sizeof(*segment->servers) *
		    size.servers },
		{ segment->pools, sizeof(*segment->pools) * size.pools },
		{ segment->databases, sizeof(*segment->databases) *
		    size.databases },
		{ segment->users, sizeof(*segment->users) * size.users },
		{ segment->database_index, 8 * (size_t)size.databases },
		{ segment->user_index, 8 * (size_t)size.users },
		{ segment->pool_index, 8 * (size_t)size.pools },
		{ segment->stats, sizeof(*segment->stats) * ROSTER_SLOTS *
		    size.pools },
		{ segment->history, sizeof(*segment->history) },
		{ segment->snapshots, 2 * sizeof(*segment->snapshots) *
		    size.pools },
		{ segment->mailboxes, sizeof(*segment->mailboxes) *
		    ROSTER_SLOTS },
	};
	char *memory = segment->memory;

	for (size_t i = 0; i < ARRAY_LENGTH(tables); i++) {
		char *from = tables[i].at, *to = from + tables[i].bytes;

		ck_assert(from >= memory && to <= memory + segment->bytes);
		for (size_t j = 0; j < i; j++) {
			char *other = tables[j].at;

			ck_assert(to <= other ||
			    from >= other + tables[j].bytes);
		}
	}
}
END_TEST

START_TEST(rows_that_were_never_used_are_free)
{
	for (uint32_t row = 0; row < size.clients; row++)
		ck_assert_uint_eq(segment->clients[row].phase, CLIENT_FREE);
	for (uint32_t row = 0; row < size.servers; row++)
		ck_assert_uint_eq(segment->servers[row].phase, SERVER_FREE);
	ck_assert_uint_eq(segment->state->clients_used, 0);
	ck_assert_uint_eq(segment->state->servers_used, 0);
}
END_TEST

START_TEST(what_one_process_writes_another_reads)
{
	if (fork() == 0) {
		segment->clients[3].id = 4711;
		atomic_store(&segment->state->paused, 1);
		_exit(0);
	}
	ck_assert_int_ne(wait(NULL), -1);
	ck_assert_uint_eq(segment->clients[3].id, 4711);
	ck_assert_uint_eq(atomic_load(&segment->state->paused), 1);
}
END_TEST

START_TEST(a_new_segment_knows_when_it_began)
{
	ck_assert_int_le(segment->state->started_at, clock_now());
	ck_assert_int_ge(segment->state->started_at, began_at);
}
END_TEST

START_TEST(each_segment_has_its_own_nonce)
{
	struct error error;
	struct segment *other = segment_create(&size, &error);

	ck_assert_mem_ne(segment->state->mock_nonce,
	    other->state->mock_nonce, STATE_NONCE_BYTES);
	segment_destroy(other);
}
END_TEST

START_TEST(no_row_is_no_row)
{
	ck_assert_ptr_null(segment_client(segment, NO_ROW));
	ck_assert_ptr_null(segment_server(segment, NO_ROW));
	ck_assert_ptr_null(segment_pool(segment, NO_ROW));
	ck_assert_ptr_eq(segment_client(segment, 31), &segment->clients[31]);
	ck_assert_ptr_eq(segment_server(segment, 15), &segment->servers[15]);
	ck_assert_ptr_eq(segment_pool(segment, 7), &segment->pools[7]);
}
END_TEST

START_TEST(a_client_beyond_the_table_aborts)
{
	segment_client(segment, 32);
}
END_TEST

START_TEST(a_server_beyond_the_table_aborts)
{
	segment_server(segment, 16);
}
END_TEST

START_TEST(a_pool_beyond_the_table_aborts)
{
	segment_pool(segment, 8);
}
END_TEST

START_TEST(a_worker_is_woken_alone)
{
	segment_wake(segment, 2);
	segment_wake(segment, 2);
	ck_assert(!was_woken(0) && !was_woken(1) && !was_woken(3));
	ck_assert(was_woken(2));
	ck_assert(!was_woken(2));
	segment_wake(segment, 63);	/* nobody there */
}
END_TEST

START_TEST(an_order_reaches_everybody)
{
	uint32_t epoch = atomic_load(&segment->state->epoch);

	segment_proclaim(segment);
	ck_assert_uint_eq(atomic_load(&segment->state->epoch), epoch + 1);
	for (unsigned i = 0; i < size.workers; i++)
		ck_assert(was_woken(i));
	ck_assert(was_woken(SEGMENT_SUPERVISOR));
}
END_TEST

START_TEST(only_watchers_hear_of_freed_servers)
{
	atomic_store(&segment->state->watchers, 1u << 1 | 1u << 3);
	segment_tell_watchers(segment);
	ck_assert(was_woken(1) && was_woken(3));
	ck_assert(!was_woken(0) && !was_woken(2));
	ck_assert(!was_woken(SEGMENT_SUPERVISOR));
	atomic_store(&segment->state->watchers, 0);
	atomic_store(&segment->state->shutdown, SHUTDOWN_WAIT_FOR_SERVERS);
	segment_tell_watchers(segment);
	ck_assert(!was_woken(1));
	ck_assert(was_woken(SEGMENT_SUPERVISOR));
}
END_TEST

START_TEST(a_cancel_key_leads_to_its_client)
{
	uint32_t first = clients_claim(segment, 0);
	uint32_t second = clients_claim(segment, 1);

	atomic_store(&segment->cancel_keys[first], 77);
	atomic_store(&segment->cancel_keys[second], 78);
	ck_assert_uint_eq(segment_find_cancel_key(segment, 78), second);
	ck_assert_uint_eq(segment_find_cancel_key(segment, 79), NO_ROW);
	clients_free(segment, second);
	ck_assert_uint_eq(segment_find_cancel_key(segment, 78), NO_ROW);
	ck_assert_uint_eq(segment_find_cancel_key(segment, 77), first);
}
END_TEST

START_TEST(open_servers_are_counted_by_database)
{
	uint32_t a = pools_make(segment, "a", "x", false);
	uint32_t b = pools_make(segment, "a", "y", false);
	uint32_t c = pools_make(segment, "c", "x", false);

	segment->pools[a].server_count = 1;
	segment->pools[b].server_count = 2;
	segment->pools[c].server_count = 4;
	ck_assert_uint_eq(segment_servers_open(segment, NO_ROW), 7);
	ck_assert_uint_eq(segment_servers_open(segment,
	    databases_find(segment, "a")), 3);
	ck_assert_uint_eq(segment_servers_open(segment,
	    databases_find(segment, "c")), 4);
}
END_TEST

START_TEST(clients_are_counted_up_to_the_limit)
{
	ck_assert(segment_count_client(segment, 0, 2));
	ck_assert(segment_count_client(segment, 3, 2));
	ck_assert(!segment_count_client(segment, 1, 2));
	ck_assert_uint_eq(segment_clients_counted(segment), 2);
	segment_uncount_client(segment, 3);
	ck_assert(segment_count_client(segment, 1, 2));
	ck_assert(!segment_count_client(segment, 0, 0));
}
END_TEST

START_TEST(the_limit_of_clients_is_exact_over_all_workers)
{
	enum { LIMIT = 100, TRIES = 5000 };

	for (unsigned worker = 0; worker < size.workers; worker++) {
		if (fork() != 0)
			continue;
		for (int i = 0; i < TRIES; i++) {
			bool counted = segment_count_client(segment, worker,
			    LIMIT);

			if (segment_clients_counted(segment) > LIMIT)
				_exit(1);
			if (counted && i % 3 == 0)
				segment_uncount_client(segment, worker);
		}
		_exit(0);
	}
	for (unsigned worker = 0; worker < size.workers; worker++) {
		int status;

		ck_assert_int_ne(wait(&status), -1);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	ck_assert_uint_eq(segment_clients_counted(segment), LIMIT);
}
END_TEST

START_TEST(uncounting_what_was_not_counted_aborts)
{
	segment_uncount_client(segment, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("segment");
	TCase *tests = tcase_create("segment");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, there_is_room_for_a_reload);
	tcase_add_test(tests, the_largest_segment_can_be_mapped);
	tcase_add_test(tests, rows_are_apart_by_cache_line);
	tcase_add_test(tests, tables_do_not_overlap);
	tcase_add_test(tests, rows_that_were_never_used_are_free);
	tcase_add_test(tests, what_one_process_writes_another_reads);
	tcase_add_test(tests, a_new_segment_knows_when_it_began);
	tcase_add_test(tests, each_segment_has_its_own_nonce);
	tcase_add_test(tests, no_row_is_no_row);
	tcase_add_test_raise_signal(tests,
	    a_client_beyond_the_table_aborts, SIGABRT);
	tcase_add_test_raise_signal(tests,
	    a_server_beyond_the_table_aborts, SIGABRT);
	tcase_add_test_raise_signal(tests,
	    a_pool_beyond_the_table_aborts, SIGABRT);
	tcase_add_test(tests, a_worker_is_woken_alone);
	tcase_add_test(tests, an_order_reaches_everybody);
	tcase_add_test(tests, only_watchers_hear_of_freed_servers);
	tcase_add_test(tests, a_cancel_key_leads_to_its_client);
	tcase_add_test(tests, open_servers_are_counted_by_database);
	tcase_add_test(tests, clients_are_counted_up_to_the_limit);
	tcase_add_test(tests, the_limit_of_clients_is_exact_over_all_workers);
	tcase_add_test_raise_signal(tests,
	    uncounting_what_was_not_counted_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
