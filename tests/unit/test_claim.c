/*
 * shm/claim: one of several processes gets a row, and the row says which.
 */
#include <check.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/invariant.h"
#include "shm/claim.h"

#define ROWS 2000
#define CLAIMERS 4

struct table {
	_Atomic uint32_t	claimed_by[ROWS];
	_Atomic uint32_t	used;
	_Atomic uint32_t	got[CLAIMERS];
};

static struct table *
new_table(void)
{
	struct table *table = mmap(NULL, sizeof(*table),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(table, MAP_FAILED);
	return table;
}

START_TEST(a_free_row_is_claimed_once)
{
	struct table *table = new_table();

	ck_assert(claim_row(&table->claimed_by[7], 3, 7, &table->used));
	ck_assert_uint_eq(table->claimed_by[7], 4);
	ck_assert(!claim_row(&table->claimed_by[7], 2, 7, &table->used));
	ck_assert_uint_eq(table->claimed_by[7], 4);
}
END_TEST

START_TEST(used_covers_what_is_claimed_and_never_shrinks)
{
	struct table *table = new_table();

	ck_assert(claim_row(&table->claimed_by[7], 0, 7, &table->used));
	ck_assert_uint_eq(table->used, 8);
	ck_assert(claim_row(&table->claimed_by[2], 0, 2, &table->used));
	ck_assert_uint_eq(table->used, 8);
}
END_TEST

static void
claim_all(struct table *table, uint32_t worker)
{
	for (uint32_t row = 0; row < ROWS; row++)
		if (claim_row(&table->claimed_by[row], worker, row,
		    &table->used))
			atomic_fetch_add(&table->got[worker], 1);
	_exit(0);
}

START_TEST(of_many_processes_one_gets_each_row)
{
	struct table *table = new_table();
	uint32_t counted[CLAIMERS] = { 0 };
	int status;

	for (uint32_t worker = 0; worker < CLAIMERS; worker++)
		if (fork() == 0)
			claim_all(table, worker);
	for (uint32_t worker = 0; worker < CLAIMERS; worker++) {
		ck_assert_int_ne(wait(&status), -1);
		ck_assert_int_eq(status, 0);
	}
	for (uint32_t row = 0; row < ROWS; row++) {
		ck_assert_uint_ne(table->claimed_by[row], 0);
		counted[table->claimed_by[row] - 1]++;
	}
	for (uint32_t worker = 0; worker < CLAIMERS; worker++)
		ck_assert_uint_eq(counted[worker], table->got[worker]);
	ck_assert_uint_eq(table->used, ROWS);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("claim");
	TCase *tests = tcase_create("claim");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_free_row_is_claimed_once);
	tcase_add_test(tests, used_covers_what_is_claimed_and_never_shrinks);
	tcase_add_test(tests, of_many_processes_one_gets_each_row);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
