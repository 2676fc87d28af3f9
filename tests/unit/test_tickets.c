#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/tickets.h"

static struct tickets *tickets;

static void
setup(void)
{
	tickets = mmap(NULL, sizeof(*tickets), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(tickets, MAP_FAILED);
	tickets_create(tickets, 0);
}

static void
teardown(void)
{
	munmap(tickets, sizeof(*tickets));
}

static bool
same(const struct ticket_key *a, const struct ticket_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

START_TEST(keys_are_random)
{
	static const struct ticket_key nothing;
	struct ticket_key keys[TICKET_KEYS];

	tickets_copy(tickets, keys);
	ck_assert(!same(&keys[0], &nothing));
	ck_assert(!same(&keys[1], &nothing));
	ck_assert(!same(&keys[0], &keys[1]));
}
END_TEST

START_TEST(the_present_key_becomes_the_one_before)
{
	struct ticket_key first[TICKET_KEYS], second[TICKET_KEYS];

	tickets_copy(tickets, first);
	tickets_rotate(tickets, TICKETS_PERIOD - 1);
	tickets_copy(tickets, second);
	ck_assert(same(&first[0], &second[0]));
	tickets_rotate(tickets, TICKETS_PERIOD);
	tickets_copy(tickets, second);
	ck_assert(same(&first[0], &second[1]));
	ck_assert(!same(&second[0], &second[1]));
	/* Only once for each time. */
	tickets_rotate(tickets, TICKETS_PERIOD + 1);
	tickets_copy(tickets, first);
	ck_assert(same(&first[0], &second[0]));
}
END_TEST

/* Each key that was seen is whole: the one before was seen as the present. */
START_TEST(nobody_sees_half_a_key)
{
	struct ticket_key seen[TICKET_KEYS], now[TICKET_KEYS];
	pid_t writer = fork();
	unsigned changes = 0, copies = 0;

	if (writer == 0) {
		for (unsigned i = 1; ; i++)
			tickets_rotate(tickets, i * TICKETS_PERIOD);
	}
	tickets_copy(tickets, seen);
	while (changes < 2000 && copies++ < 1000 * 1000) {
		tickets_copy(tickets, now);
		if (memcmp(now[1].name, seen[0].name,
		    sizeof(now[1].name)) == 0) {
			ck_assert(same(&now[1], &seen[0]));
			changes++;
		}
		if (memcmp(now[0].name, seen[0].name,
		    sizeof(now[0].name)) == 0)
			ck_assert(same(&now[0], &seen[0]));
		memcpy(seen, now, sizeof(seen));
	}
	kill(writer, SIGKILL);
	ck_assert_int_eq(waitpid(writer, NULL, 0), writer);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tickets");
	TCase *tcase = tcase_create("core");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, keys_are_random);
	tcase_add_test(tcase, the_present_key_becomes_the_one_before);
	tcase_add_test(tcase, nobody_sees_half_a_key);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
