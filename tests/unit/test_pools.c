#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/segment.h"

#define ROWS 50

static const struct segment_size size = { .workers = 4, .clients = 4,
    .servers = 4, .pools = ROWS, .databases = ROWS, .users = ROWS };
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

START_TEST(what_was_never_made_is_not_found)
{
	ck_assert_uint_eq(databases_find(segment, "db"), NO_ROW);
	ck_assert_uint_eq(users_find(segment, "user"), NO_ROW);
	ck_assert_uint_eq(pools_find(segment, "db", "user"), NO_ROW);
	databases_make(segment, "db");
	users_make(segment, "user");
	ck_assert_uint_eq(pools_find(segment, "db", "user"), NO_ROW);
}
END_TEST

START_TEST(what_was_made_is_found_and_made_once)
{
	uint32_t pool = pools_make(segment, "db", "user", true);
	const struct pool_row *row = segment_pool(segment, pool);

	ck_assert_ptr_nonnull(row);
	ck_assert_uint_eq(pools_find(segment, "db", "user"), pool);
	ck_assert_uint_eq(pools_make(segment, "db", "user", true), pool);
	ck_assert_uint_eq(row->database, databases_find(segment, "db"));
	ck_assert_uint_eq(row->user, users_find(segment, "user"));
	ck_assert_uint_eq(row->forced_user, 1);
	ck_assert_uint_eq(row->used, 1);
	ck_assert_uint_eq(row->idle_head, NO_ROW);
	ck_assert_uint_eq(row->idle_tail, NO_ROW);
	ck_assert_uint_eq(row->wait_head, NO_ROW);
	ck_assert_uint_eq(row->wait_tail, NO_ROW);
	ck_assert_uint_eq(row->server_count, 0);
	ck_assert_uint_eq(segment->state->pools_used, 1);
	ck_assert_str_eq(segment->databases[row->database].name, "db");
	ck_assert_str_eq(segment->users[row->user].name, "user");
}
END_TEST

START_TEST(names_count_with_their_case_and_to_their_end)
{
	uint32_t pool = pools_make(segment, "db", "user", false);

	ck_assert_uint_ne(pools_make(segment, "DB", "user", false), pool);
	ck_assert_uint_ne(pools_make(segment, "db", "User", false), pool);
	ck_assert_uint_ne(pools_make(segment, "db2", "user", false), pool);
	ck_assert_uint_ne(pools_make(segment, "user", "db", false), pool);
}
END_TEST

START_TEST(locks_of_new_rows_are_free)
{
	uint32_t pool = pools_make(segment, "db", "user", false);

	ck_assert(lock_is_free(&segment->pools[pool].lock));
	ck_assert(lock_is_free(&segment->users[0].lock));
	ck_assert(lock_is_free(&segment->state->naming));
}
END_TEST

static const struct {
	const char	*story;
	size_t		 database_length, user_length;
	bool		 made;
} lengths[] = {
	{ "the longest names", 63, 127, true },
	{ "a database name too long", 64, 10, false },
	{ "a user name too long", 10, 128, false },
	{ "both far too long", 1000, 1000, false },
	{ "empty names", 0, 0, true },
};

START_TEST(a_name_that_does_not_fit_is_refused_not_cut)
{
	char database[1024] = "", user[1024] = "";

	memset(database, 'd', lengths[_i].database_length);
	memset(user, 'u', lengths[_i].user_length);
	ck_assert_msg((pools_make(segment, database, user, false) != NO_ROW)
	    == lengths[_i].made, "%s", lengths[_i].story);
	ck_assert_msg((pools_find(segment, database, user) != NO_ROW) ==
	    lengths[_i].made, "%s", lengths[_i].story);
}
END_TEST

START_TEST(a_full_table_takes_no_more_and_loses_nothing)
{
	uint32_t rows[ROWS];
	char name[32];

	for (int i = 0; i < ROWS; i++) {
		snprintf(name, sizeof(name), "name%d", i);
		rows[i] = pools_make(segment, name, name, false);
		ck_assert_uint_ne(rows[i], NO_ROW);
	}
	ck_assert_uint_eq(databases_make(segment, "more"), NO_ROW);
	ck_assert_uint_eq(users_make(segment, "more"), NO_ROW);
	ck_assert_uint_eq(pools_make(segment, "name0", "name1", false),
	    NO_ROW);
	ck_assert_uint_eq(pools_find(segment, "more", "more"), NO_ROW);
	for (int i = 0; i < ROWS; i++) {
		snprintf(name, sizeof(name), "name%d", i);
		ck_assert_uint_eq(pools_find(segment, name, name), rows[i]);
	}
}
END_TEST

START_TEST(processes_that_make_the_same_names_agree)
{
	for (unsigned worker = 0; worker < size.workers; worker++) {
		if (fork() != 0)
			continue;
		for (int i = 0; i < ROWS; i++) {
			char name[32];
			uint32_t row;

			snprintf(name, sizeof(name), "name%d", i);
			row = pools_make(segment, name, name, false);
			if (row == NO_ROW || pools_find(segment, name, name)
			    != row)
				_exit(1);
		}
		_exit(0);
	}
	for (unsigned worker = 0; worker < size.workers; worker++) {
		int status;

		ck_assert_int_ne(wait(&status), -1);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	ck_assert_uint_eq(segment->state->pools_used, ROWS);
	ck_assert_uint_eq(segment->state->databases_used, ROWS);
	ck_assert_uint_eq(segment->state->users_used, ROWS);
}
END_TEST

START_TEST(a_maker_that_dies_leaves_the_names_usable)
{
	uint32_t pool = pools_make(segment, "db", "user", false);

	if (fork() == 0) {
		(void)!lock_take(&segment->state->naming);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_ne(wait(NULL), -1);
	ck_assert_uint_eq(pools_find(segment, "db", "user"), pool);
	ck_assert_uint_ne(pools_make(segment, "db2", "user2", false), NO_ROW);
	ck_assert(lock_is_free(&segment->state->naming));
}
END_TEST

static enum pools_verdict
enter(uint32_t worker, const char *database, const char *login,
    uint32_t database_limit, uint32_t user_limit)
{
	struct pools_entry entry = { database, "forced", true, login,
	    database_limit, user_limit };
	struct pools_place place;

	return pools_enter(segment, worker, &entry, &place);
}

START_TEST(clients_are_counted_for_pool_database_and_user)
{
	uint32_t pool, database, ann;

	ck_assert_int_eq(enter(0, "db", "ann", 0, 0), POOLS_ENTERED);
	ck_assert_int_eq(enter(1, "db", "bob", 0, 0), POOLS_ENTERED);
	ck_assert_int_eq(enter(1, "db2", "ann", 0, 0), POOLS_ENTERED);
	pool = pools_find(segment, "db", "forced");
	database = databases_find(segment, "db");
	ann = users_find(segment, "ann");
	ck_assert_uint_eq(pools_clients(segment, pool), 2);
	ck_assert_uint_eq(databases_clients(segment, database), 2);
	ck_assert_uint_eq(users_clients(segment, ann), 2);
	pools_leave(segment, 0, pool, ann);
	ck_assert_uint_eq(pools_clients(segment, pool), 1);
	ck_assert_uint_eq(databases_clients(segment, database), 1);
	ck_assert_uint_eq(users_clients(segment, ann), 1);
}
END_TEST

START_TEST(limits_of_clients_count_over_all_workers)
{
	ck_assert_int_eq(enter(0, "db", "ann", 2, 0), POOLS_ENTERED);
	ck_assert_int_eq(enter(1, "db", "bob", 2, 0), POOLS_ENTERED);
	ck_assert_int_eq(enter(1, "db", "cid", 2, 0), POOLS_DATABASE_FULL);
	ck_assert_int_eq(enter(0, "db2", "ann", 2, 1), POOLS_USER_FULL);
	ck_assert_int_eq(enter(0, "db2", "ann", 2, 2), POOLS_ENTERED);
	/* Who was refused is not counted. */
	ck_assert_uint_eq(databases_clients(segment, databases_find(segment,
	    "db")), 2);
	ck_assert_uint_eq(users_clients(segment, users_find(segment, "cid")),
	    0);
}
END_TEST

START_TEST(the_dead_are_not_in)
{
	ck_assert_int_eq(enter(0, "db", "ann", 0, 0), POOLS_ENTERED);
	ck_assert_int_eq(enter(1, "db", "ann", 0, 0), POOLS_ENTERED);
	pools_forget_clients(segment, 1);
	ck_assert_uint_eq(databases_clients(segment, databases_find(segment,
	    "db")), 1);
	ck_assert_uint_eq(users_clients(segment, users_find(segment, "ann")),
	    1);
	ck_assert_uint_eq(pools_clients(segment, pools_find(segment, "db",
	    "forced")), 1);
}
END_TEST

START_TEST(who_is_not_in_cannot_leave)
{
	ck_assert_int_eq(enter(0, "db", "ann", 0, 0), POOLS_ENTERED);
	pools_leave(segment, 1, pools_find(segment, "db", "forced"),
	    users_find(segment, "ann"));
}
END_TEST

START_TEST(a_database_is_stopped_by_its_name)
{
	uint32_t row = databases_stop(segment, "db", DATABASE_PAUSED);
	const struct database_row *database = &segment->databases[row];

	ck_assert_uint_eq(row, databases_find(segment, "db"));
	ck_assert_uint_eq(database->paused, 1);
	ck_assert_uint_eq(database->disabled, 0);
	ck_assert_uint_eq(databases_stop(segment, "db", DATABASE_DISABLED),
	    row);
	ck_assert_uint_eq(database->disabled, 1);
	ck_assert(databases_release(segment, "db", DATABASE_PAUSED));
	ck_assert(!databases_release(segment, "db", DATABASE_PAUSED));
	ck_assert_uint_eq(database->disabled, 1);
	ck_assert(databases_release(segment, "db", DATABASE_DISABLED));
	ck_assert(!databases_release(segment, "other", DATABASE_PAUSED));
	ck_assert_uint_eq(databases_find(segment, "other"), NO_ROW);
}
END_TEST

START_TEST(all_databases_that_are_there_are_stopped)
{
	uint32_t gone = databases_make(segment, "gone");
	uint32_t row = databases_make(segment, "db");

	naming_take(segment);
	databases_free(segment, gone);
	naming_release(segment);
	databases_stop_all(segment, DATABASE_PAUSED);
	ck_assert_uint_eq(segment->databases[row].paused, 1);
	ck_assert_uint_eq(segment->databases[gone].paused, 0);
	/* Who makes the row anew is not stopped. */
	ck_assert_uint_eq(databases_make(segment, "new"), gone);
	ck_assert_uint_eq(segment->databases[gone].paused, 0);
}
END_TEST

START_TEST(a_full_table_stops_nobody)
{
	char name[16];

	for (unsigned i = 0; i < ROWS; i++) {
		snprintf(name, sizeof(name), "db%u", i);
		databases_make(segment, name);
	}
	ck_assert_uint_eq(databases_stop(segment, "more", DATABASE_PAUSED),
	    NO_ROW);
	ck_assert(!databases_release(segment, "more", DATABASE_PAUSED));
}
END_TEST

START_TEST(an_index_that_points_beyond_the_table_aborts)
{
	for (uint32_t i = 0; i < 2 * ROWS; i++)
		atomic_store(&segment->database_index[i], ROWS + 7);
	databases_find(segment, "db");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pools");
	TCase *tests = tcase_create("pools");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, what_was_never_made_is_not_found);
	tcase_add_test(tests, what_was_made_is_found_and_made_once);
	tcase_add_test(tests, names_count_with_their_case_and_to_their_end);
	tcase_add_test(tests, locks_of_new_rows_are_free);
	tcase_add_test(tests, clients_are_counted_for_pool_database_and_user);
	tcase_add_test(tests, limits_of_clients_count_over_all_workers);
	tcase_add_test(tests, the_dead_are_not_in);
	tcase_add_test_raise_signal(tests, who_is_not_in_cannot_leave,
	    SIGABRT);
	tcase_add_loop_test(tests,
	    a_name_that_does_not_fit_is_refused_not_cut, 0,
	    ARRAY_LENGTH(lengths));
	tcase_add_test(tests, a_full_table_takes_no_more_and_loses_nothing);
	tcase_add_test(tests, processes_that_make_the_same_names_agree);
	tcase_add_test(tests, a_maker_that_dies_leaves_the_names_usable);
	tcase_add_test(tests, a_database_is_stopped_by_its_name);
	tcase_add_test(tests, all_databases_that_are_there_are_stopped);
	tcase_add_test(tests, a_full_table_stops_nobody);
	tcase_add_test_raise_signal(tests,
	    an_index_that_points_beyond_the_table_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
