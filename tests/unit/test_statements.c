#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shm/statements.h"

static struct server_statements *statements;

static void
begin(void)
{
	statements = aligned_alloc(CACHE_LINE, sizeof(*statements));
	ck_assert_ptr_nonnull(statements);
	memset(statements, 0xa5, sizeof(*statements));
	statements_clear(statements);
}

static void
end(void)
{
	free(statements);
}

/* `crowded`: few of the bits that say where to look differ. */
static const uint8_t *
digest(uint32_t number, bool crowded)
{
	static uint8_t bytes[STATEMENT_DIGEST_BYTES];
	uint32_t home = crowded ? number % 3 - 1 : number * 2654435761u;

	memcpy(bytes, &home, sizeof(home));
	memcpy(bytes + 4, &number, sizeof(number));
	return bytes;
}

static bool
add(uint32_t number)
{
	return statements_add(statements, digest(number, false), 8);
}

static enum statement_state
find(uint32_t number)
{
	return statements_find(statements, digest(number, false));
}

static bool
is_oldest(uint32_t number)
{
	uint8_t oldest[STATEMENT_DIGEST_BYTES];

	return statements_oldest(statements, oldest) &&
	    memcmp(oldest, digest(number, false), sizeof(oldest)) == 0;
}

START_TEST(an_empty_table_has_nothing)
{
	uint8_t oldest[STATEMENT_DIGEST_BYTES];

	ck_assert_int_eq(find(1), STATEMENT_ABSENT);
	ck_assert(!statements_oldest(statements, oldest));
	statements_remove(statements, digest(1, false));
	statements_make_stale(statements);
	ck_assert_uint_eq(statements->count, 0);
}
END_TEST

START_TEST(the_one_used_longest_ago_goes_first)
{
	for (uint32_t i = 1; i <= 4; i++)
		ck_assert(add(i));
	ck_assert(is_oldest(1));
	statements_touch(statements, digest(1, false));
	ck_assert(is_oldest(2));
	statements_remove(statements, digest(2, false));
	ck_assert(is_oldest(3));
	ck_assert_uint_eq(statements->count, 3);
}
END_TEST

START_TEST(the_clock_may_come_round)
{
	ck_assert(add(1));
	statements->clock = UINT32_MAX - 1;
	ck_assert(add(2));
	ck_assert(add(3));
	ck_assert(add(4));
	statements_remove(statements, digest(1, false));
	ck_assert(is_oldest(2));
}
END_TEST

START_TEST(what_is_stale_is_there_until_it_is_made_anew)
{
	ck_assert(add(1) && add(2));
	statements_doubt(statements, digest(1, false));
	ck_assert_int_eq(find(1), STATEMENT_STALE);
	ck_assert_int_eq(find(2), STATEMENT_THERE);
	statements_make_stale(statements);
	ck_assert_int_eq(find(2), STATEMENT_STALE);
	ck_assert_uint_eq(statements->count, 2);
	ck_assert(add(1));
	ck_assert_int_eq(find(1), STATEMENT_THERE);
	ck_assert_uint_eq(statements->count, 2);
}
END_TEST

START_TEST(it_grows_to_the_most_and_no_further)
{
	for (uint32_t i = 0; i < STATEMENTS_MOST; i++)
		ck_assert(add(i));
	ck_assert(!add(STATEMENTS_MOST));
	ck_assert_uint_eq(statements->count, STATEMENTS_MOST);
	for (uint32_t i = 0; i < STATEMENTS_MOST; i++)
		ck_assert_int_eq(find(i), STATEMENT_THERE);
	ck_assert(is_oldest(0));
	statements_clear(statements);
	ck_assert_int_eq(find(1), STATEMENT_ABSENT);
	ck_assert(add(1));
	ck_assert_int_eq(find(2), STATEMENT_ABSENT);
}
END_TEST

/* Against a plain array, with digests that collide and with some that do not. */
START_TEST(it_knows_what_was_put_in_and_taken_out)
{
	bool there[300] = { false };
	uint32_t count = 0, random = 2463534242u;

	for (int step = 0; step < 20000; step++) {
		const uint8_t *one;
		uint32_t number;

		random ^= random << 13;
		random ^= random >> 17;
		random ^= random << 5;
		number = random / 7 % 300;
		one = digest(number, _i == 1);
		if (random % 2 == 0) {
			count += !there[number];
			there[number] = true;
			ck_assert(statements_add(statements, one, 1));
		} else {
			count -= there[number];
			there[number] = false;
			statements_remove(statements, one);
		}
		ck_assert_uint_eq(statements->count, count);
		number = random / 11 % 300;
		ck_assert_int_eq(statements_find(statements, digest(number,
		    _i == 1)), there[number] ? STATEMENT_THERE :
		    STATEMENT_ABSENT);
	}
}
END_TEST

START_TEST(those_whose_parse_is_outstanding_stay)
{
	uint64_t number = 0;

	for (uint32_t i = 0; i < 6; i++)
		ck_assert(add(i));
	statements_await(statements, digest(1, false), 101);
	statements_await(statements, digest(2, false), 102);
	statements_await(statements, digest(3, false), 103);
	statements_doubt(statements, digest(3, false));
	statements_settle(statements, digest(1, false), 101);
	/* It was taken off and put there again since that one. */
	statements_settle(statements, digest(2, false), 100);
	ck_assert(!statements_is_awaited(statements, digest(1, false), 110,
	    &number));
	ck_assert(statements_is_awaited(statements, digest(2, false), 110,
	    &number));
	ck_assert_uint_eq(number, 102);
	statements_clear_settled(statements);
	ck_assert_uint_eq(statements->count, 2);
	ck_assert_int_eq(find(1), STATEMENT_ABSENT);
	ck_assert_int_eq(find(2), STATEMENT_THERE);
	ck_assert_int_eq(find(3), STATEMENT_STALE);
	statements_remove(statements, digest(2, false));
	statements_settle(statements, digest(3, false), 103);
	statements_clear_settled(statements);
	ck_assert_uint_eq(statements->count, 0);
	ck_assert_uint_eq(statements->slots, 0);
}
END_TEST

START_TEST(a_number_is_found_again_from_its_last_bits)
{
	const uint64_t high = UINT64_C(5) << STATEMENT_NUMBER_BITS;
	uint64_t number = 0;

	ck_assert(add(1));
	statements_await(statements, digest(1, false), high - 1);
	ck_assert(statements_is_awaited(statements, digest(1, false),
	    high + 1000, &number));
	ck_assert_uint_eq(number, high - 1);
}
END_TEST

/* Against plain arrays: all at once, and those that collide, too. */
START_TEST(it_knows_what_is_settled)
{
	bool there[100] = { false }, awaited[100] = { false };
	uint32_t random = 2463534242u;

	for (int step = 0; step < 20000; step++) {
		uint32_t number;

		random ^= random << 13;
		random ^= random >> 17;
		random ^= random << 5;
		number = random / 7 % 100;
		if (random % 3 == 0) {
			statements_remove(statements, digest(number, _i == 1));
			there[number] = awaited[number] = false;
		} else if (!there[number]) {
			ck_assert(statements_add(statements, digest(number,
			    _i == 1), 1));
			there[number] = true;
			awaited[number] = random % 2 == 0;
			if (awaited[number])
				statements_await(statements, digest(number,
				    _i == 1), number);
		} else {
			statements_settle(statements, digest(number,
			    _i == 1), number);
			awaited[number] = false;
		}
		if (step % 50 != 0)
			continue;
		statements_clear_settled(statements);
		for (uint32_t i = 0; i < 100; i++) {
			there[i] &= awaited[i];
			ck_assert_int_eq(statements_find(statements, digest(i,
			    _i == 1)), there[i] ? STATEMENT_THERE :
			    STATEMENT_ABSENT);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("statements");
	TCase *tests = tcase_create("statements");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, an_empty_table_has_nothing);
	tcase_add_test(tests, the_one_used_longest_ago_goes_first);
	tcase_add_test(tests, the_clock_may_come_round);
	tcase_add_test(tests, what_is_stale_is_there_until_it_is_made_anew);
	tcase_add_test(tests, it_grows_to_the_most_and_no_further);
	tcase_add_test(tests, those_whose_parse_is_outstanding_stay);
	tcase_add_test(tests, a_number_is_found_again_from_its_last_bits);
	tcase_add_loop_test(tests, it_knows_what_is_settled, 0, 2);
	tcase_add_loop_test(tests, it_knows_what_was_put_in_and_taken_out, 0,
	    2);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
