#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session/keys.h"

static const struct segment_size size = { .workers = 2, .clients = 2,
    .servers = 2, .pools = 2, .databases = 2, .users = 3 };
static struct segment *segment;
static struct scram_secret derived, recalled;
static struct scram_keys keys, recalled_keys;

static void
begin(void)
{
	struct error error;

	segment = segment_create(&size, &error);
	ck_assert_ptr_nonnull(segment);
	memset(&derived, 1, sizeof(derived));
	memset(&keys, 2, sizeof(keys));
}

static void
end(void)
{
	segment_destroy(segment);
}

START_TEST(nothing_is_known_of_a_stranger)
{
	ck_assert(!keys_recall_derived(segment, "user", "secret", &recalled));
	ck_assert(!keys_recall(segment, "user", "secret", &recalled_keys));
	ck_assert_uint_eq(users_find(segment, "user"), NO_ROW);
}
END_TEST

START_TEST(what_was_kept_is_recalled)
{
	keys_keep_derived(segment, "user", "secret", &derived);
	ck_assert(keys_recall_derived(segment, "user", "secret", &recalled));
	ck_assert_mem_eq(&recalled, &derived, sizeof(derived));
	ck_assert(!keys_recall(segment, "user", "secret", &recalled_keys));
	keys_keep(segment, "user", "secret", &keys);
	ck_assert(keys_recall(segment, "user", "secret", &recalled_keys));
	ck_assert_mem_eq(&recalled_keys, &keys, sizeof(keys));
}
END_TEST

START_TEST(another_process_has_learnt_for_all)
{
	if (fork() == 0) {
		keys_keep(segment, "user", "secret", &keys);
		keys_keep_derived(segment, "user", "secret", &derived);
		_exit(0);
	}
	ck_assert_int_ne(wait(NULL), -1);
	ck_assert(keys_recall_derived(segment, "user", "secret", &recalled));
	ck_assert(keys_recall(segment, "user", "secret", &recalled_keys));
}
END_TEST

START_TEST(a_changed_secret_makes_it_void)
{
	keys_keep_derived(segment, "user", "secret", &derived);
	keys_keep(segment, "user", "secret", &keys);
	ck_assert(!keys_recall_derived(segment, "user", "Secret", &recalled));
	ck_assert(!keys_recall(segment, "user", "secret2", &recalled_keys));
	for (size_t i = 0; i < sizeof(recalled_keys.client_key); i++)
		ck_assert_uint_eq(recalled_keys.client_key[i], 0);
}
END_TEST

START_TEST(what_is_learnt_later_replaces_it)
{
	keys_keep(segment, "user", "old", &keys);
	keys.client_key[0] = 99;
	keys_keep(segment, "user", "new", &keys);
	ck_assert(!keys_recall(segment, "user", "old", &recalled_keys));
	ck_assert(keys_recall(segment, "user", "new", &recalled_keys));
	ck_assert_uint_eq(recalled_keys.client_key[0], 99);
}
END_TEST

START_TEST(users_do_not_share)
{
	keys_keep(segment, "user", "secret", &keys);
	ck_assert(!keys_recall(segment, "other", "secret", &recalled_keys));
	users_make(segment, "other");
	ck_assert(!keys_recall(segment, "other", "secret", &recalled_keys));
}
END_TEST

START_TEST(without_a_secret_there_is_nothing_to_keep)
{
	keys_keep(segment, "user", NULL, &keys);
	keys_keep_derived(segment, "user", NULL, &derived);
	ck_assert(!keys_recall(segment, "user", NULL, &recalled_keys));
	ck_assert(!keys_recall_derived(segment, "user", NULL, &recalled));
}
END_TEST

START_TEST(more_users_than_rows_are_not_kept)
{
	users_make(segment, "a");
	users_make(segment, "b");
	users_make(segment, "c");
	keys_keep(segment, "d", "secret", &keys);
	keys_keep_derived(segment, "d", "secret", &derived);
	ck_assert(!keys_recall(segment, "d", "secret", &recalled_keys));
}
END_TEST

/* It may have been writing: half of a key opens nothing. */
START_TEST(a_writer_that_died_leaves_nothing_that_is_trusted)
{
	keys_keep(segment, "user", "secret", &keys);
	keys_keep_derived(segment, "user", "secret", &derived);
	if (fork() == 0) {
		uint32_t row = users_find(segment, "user");

		(void)!lock_take(&segment->users[row].lock);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_ne(wait(NULL), -1);
	ck_assert(!keys_recall(segment, "user", "secret", &recalled_keys));
	ck_assert(!keys_recall_derived(segment, "user", "secret", &recalled));
	keys_keep(segment, "user", "secret", &keys);
	ck_assert(keys_recall(segment, "user", "secret", &recalled_keys));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("keys");
	TCase *tests = tcase_create("keys");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, nothing_is_known_of_a_stranger);
	tcase_add_test(tests, what_was_kept_is_recalled);
	tcase_add_test(tests, another_process_has_learnt_for_all);
	tcase_add_test(tests, a_changed_secret_makes_it_void);
	tcase_add_test(tests, what_is_learnt_later_replaces_it);
	tcase_add_test(tests, users_do_not_share);
	tcase_add_test(tests, without_a_secret_there_is_nothing_to_keep);
	tcase_add_test(tests, more_users_than_rows_are_not_kept);
	tcase_add_test(tests,
	    a_writer_that_died_leaves_nothing_that_is_trusted);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
