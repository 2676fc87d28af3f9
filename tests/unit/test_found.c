#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/found.h"
#include "pool_world.h"

static struct pool_world world;
static struct pool_caller caller;
static struct found_secret found;
static uint32_t generation;

static const uint8_t keys[FOUND_KEYS_BYTES] = { 1, 2, 3 };

static void
begin(void)
{
	pool_world_start(&world);
	caller = pool_world_caller(&world, 1, WORLD_NOW);
	generation = atomic_load(&pool_world_row(&world)->generation);
}

static void
end(void)
{
	pool_world_stop(&world);
}

static void
keep(const char *secret, const uint8_t *with, usec_t at)
{
	struct found_news news = { secret, with, at };

	found_keep(&caller, world.pool, generation, &news);
}

static bool
recall(void)
{
	return found_recall(&caller, world.pool, generation, &found);
}

START_TEST(nothing_is_known_at_first)
{
	ck_assert(!recall());
	ck_assert_str_eq(found.secret, "");
}
END_TEST

START_TEST(what_one_worker_found_all_know)
{
	if (fork() == 0) {
		keep("secret", keys, WORLD_NOW);
		_exit(0);
	}
	ck_assert_int_ne(wait(NULL), -1);
	ck_assert(recall());
	ck_assert_str_eq(found.secret, "secret");
	ck_assert_int_eq(found.found_at, WORLD_NOW);
	ck_assert_uint_eq(found.has_keys, 1);
	ck_assert_mem_eq(found.keys, keys, sizeof(keys));
}
END_TEST

START_TEST(the_same_secret_keeps_its_keys)
{
	keep("secret", keys, WORLD_NOW);
	keep("secret", NULL, WORLD_NOW + 1);
	ck_assert(recall());
	ck_assert_uint_eq(found.has_keys, 1);
	ck_assert_int_eq(found.found_at, WORLD_NOW + 1);
}
END_TEST

START_TEST(another_secret_has_no_keys)
{
	keep("secret", keys, WORLD_NOW);
	keep("other", NULL, WORLD_NOW + 1);
	ck_assert(recall());
	ck_assert_str_eq(found.secret, "other");
	ck_assert_uint_eq(found.has_keys, 0);
	ck_assert_uint_eq(found.keys[0], 0);
}
END_TEST

/* A login may take long; what was asked later is nearer the truth. */
START_TEST(what_was_found_earlier_does_not_replace_it)
{
	keep("new", NULL, WORLD_NOW + 1);
	keep("old", keys, WORLD_NOW);
	ck_assert(recall());
	ck_assert_str_eq(found.secret, "new");
	ck_assert_uint_eq(found.has_keys, 0);
}
END_TEST

START_TEST(another_pool_in_the_row_gets_nothing)
{
	keep("secret", keys, WORLD_NOW);
	ck_assert(!found_recall(&caller, world.pool, generation + 1,
	    &found));
	ck_assert_str_eq(found.secret, "");
	naming_take(world.segment);
	pools_free(world.segment, world.pool);
	naming_release(world.segment);
	ck_assert(!recall());
	ck_assert_uint_eq(world.segment->found[world.pool].secret[0], 0);
	keep("late", keys, WORLD_NOW);
	ck_assert_uint_eq(world.segment->found[world.pool].secret[0], 0);
}
END_TEST

START_TEST(what_is_too_long_is_not_kept)
{
	char text[FOUND_SECRET_BYTES + 1];

	memset(text, 'x', sizeof(text));
	text[FOUND_SECRET_BYTES] = '\0';
	keep(text, NULL, WORLD_NOW);
	ck_assert(!recall());
	text[FOUND_SECRET_BYTES - 1] = '\0';
	keep(text, NULL, WORLD_NOW);
	ck_assert(recall());
}
END_TEST

START_TEST(it_is_wiped_when_it_is_old_and_nobody_is_in)
{
	struct found_secret *row = &world.segment->found[world.pool];

	keep("secret", keys, WORLD_NOW);
	atomic_store(&world.segment->pool_clients[world.pool *
	    ROSTER_SLOTS + 1], 1);
	caller.now = WORLD_NOW + 10;
	found_expire(&caller, world.pool, 10);
	ck_assert(recall());
	atomic_store(&world.segment->pool_clients[world.pool *
	    ROSTER_SLOTS + 1], 0);
	found_expire(&caller, world.pool, 11);
	ck_assert(recall());
	found_expire(&caller, world.pool, 10);
	ck_assert(!recall());
	for (size_t i = 0; i < sizeof(*row); i++)
		ck_assert_uint_eq(((uint8_t *)row)[i], 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("found");
	TCase *tests = tcase_create("secrets");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, nothing_is_known_at_first);
	tcase_add_test(tests, what_one_worker_found_all_know);
	tcase_add_test(tests, the_same_secret_keeps_its_keys);
	tcase_add_test(tests, another_secret_has_no_keys);
	tcase_add_test(tests, what_was_found_earlier_does_not_replace_it);
	tcase_add_test(tests, another_pool_in_the_row_gets_nothing);
	tcase_add_test(tests, what_is_too_long_is_not_kept);
	tcase_add_test(tests, it_is_wiped_when_it_is_old_and_nobody_is_in);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
