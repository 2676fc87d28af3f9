#include <check.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/segment.h"

#define NOW ((usec_t)1000 * USEC_PER_SEC)
#define HOSTS 3

static const struct segment_size size = { .workers = 3, .clients = 1,
    .servers = 1, .pools = 1, .databases = 1, .users = 1, .hosts = HOSTS };
static const struct host_ttls ttls = { 15 * USEC_PER_SEC,
    5 * USEC_PER_SEC };
static struct segment *segment;
static uint32_t row;

static void
begin(void)
{
	struct error error;

	segment = segment_create(&size, &error);
	row = hosts_find(segment, "db", NOW);
	ck_assert_uint_ne(row, NO_ROW);
}

static void
end(void)
{
	segment_destroy(segment);
}

static struct address
numbered(unsigned number)
{
	return (struct address){ .family = ADDRESS_IPV4,
	    .bytes = { 10, 0, 0, (uint8_t)number } };
}

static uint64_t
store(const struct host_answer *answer, usec_t now)
{
	uint64_t waiting;

	ck_assert(hosts_store(segment, row, answer, &ttls, now, &waiting));
	return waiting;
}

/* Addresses 1 to count. */
static uint64_t
store_addresses(unsigned count, usec_t now)
{
	struct address_list list = { 0 };
	const struct host_answer answer = { "db", 0, false, &list };

	for (unsigned i = 1; i <= count; i++)
		list.address[list.count++] = numbered(i);
	return store(&answer, now);
}

static void
store_failure(bool is_missing, usec_t now)
{
	const struct address_list none = { 0 };
	const struct host_answer answer = { "db", is_missing ? EAI_NONAME :
	    EAI_AGAIN, is_missing, &none };

	store(&answer, now);
}

static enum host_choice
choose(uint32_t worker, usec_t now, const struct address_list *tried,
    unsigned *number_out)
{
	const struct host_wish wish = { row, worker, now,
	    10 * USEC_PER_SEC, tried };
	struct address address = { 0 };
	enum host_choice choice = hosts_choose(segment, &wish, &address);

	if (choice == HOST_CHOSEN)
		*number_out = address.bytes[3];
	return choice;
}

/* Which address, 0: none. */
static unsigned
chosen(usec_t now)
{
	unsigned number = 0;

	return choose(0, now, NULL, &number) == HOST_CHOSEN ? number : 0;
}

START_TEST(a_name_has_one_row)
{
	ck_assert_uint_eq(hosts_find(segment, "db", NOW), row);
	ck_assert_uint_ne(hosts_find(segment, "other", NOW), row);
	ck_assert_uint_eq(hosts_count(segment), 2);
}
END_TEST

START_TEST(a_name_that_is_too_long_has_none)
{
	char name[HOST_NAME_BYTES + 1];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_uint_eq(hosts_find(segment, name, NOW), NO_ROW);
	name[HOST_NAME_BYTES - 1] = '\0';
	ck_assert_uint_ne(hosts_find(segment, name, NOW), NO_ROW);
}
END_TEST

START_TEST(only_forgotten_names_make_room)
{
	uint64_t waiting;
	const struct address_list list = { .count = 1 };
	const struct host_answer late = { "db", 0, false, &list };

	ck_assert_uint_ne(hosts_find(segment, "b", NOW), NO_ROW);
	ck_assert_uint_ne(hosts_find(segment, "c", NOW), NO_ROW);
	ck_assert_uint_eq(hosts_find(segment, "d", NOW), NO_ROW);
	hosts_note_use(segment, row + 1, NOW + HOSTS_FORGOTTEN);
	ck_assert_uint_eq(hosts_find(segment, "d", NOW + HOSTS_FORGOTTEN +
	    1), row);
	/* The answer about the old name is nothing to the new one. */
	ck_assert(!hosts_store(segment, row, &late, &ttls, NOW, &waiting));
}
END_TEST

START_TEST(who_finds_a_name_unknown_waits_and_is_told)
{
	unsigned number;

	ck_assert_int_eq(choose(0, NOW, NULL, &number), HOST_WAIT);
	ck_assert_int_eq(choose(2, NOW, NULL, &number), HOST_WAIT);
	ck_assert_uint_eq(store_addresses(1, NOW), 5);
	ck_assert_uint_eq(store_addresses(1, NOW), 0);
	ck_assert_uint_eq(chosen(NOW), 1);
}
END_TEST

START_TEST(addresses_are_taken_in_turn)
{
	store_addresses(3, NOW);
	for (unsigned i = 0; i < 7; i++)
		ck_assert_uint_eq(chosen(NOW), 1 + i % 3);
}
END_TEST

START_TEST(what_failed_lately_comes_last)
{
	struct address bad = numbered(2);
	struct address_list tried = { .count = 2,
	    .address = { numbered(1), numbered(3) } };
	unsigned number;

	store_addresses(3, NOW);
	hosts_note_outcome(segment, row, &bad, NOW);
	for (unsigned i = 0; i < 9; i++)
		ck_assert_uint_ne(chosen(NOW + USEC_PER_SEC), 2);
	/* If nothing else is left it is tried. */
	ck_assert_int_eq(choose(0, NOW, &tried, &number), HOST_CHOSEN);
	ck_assert_uint_eq(number, 2);
	/* The failure stays with the address when the name is refreshed. */
	store_addresses(2, NOW);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(chosen(NOW + USEC_PER_SEC), 1);
	hosts_note_outcome(segment, row, &bad, 0);
	ck_assert_uint_ne(chosen(NOW), chosen(NOW));
}
END_TEST

START_TEST(after_all_addresses_there_is_none)
{
	struct address_list tried = { 0 };
	unsigned number;

	store_addresses(2, NOW);
	for (unsigned i = 0; i < 2; i++) {
		struct address address;

		ck_assert_int_eq(choose(0, NOW, &tried, &number),
		    HOST_CHOSEN);
		address = numbered(number);
		address_list_add(&tried, &address);
	}
	ck_assert_int_eq(choose(0, NOW, &tried, &number), HOST_NONE);
}
END_TEST

START_TEST(one_asks_for_all)
{
	ck_assert(hosts_claim_question(segment, row, NOW));
	ck_assert(!hosts_claim_question(segment, row, NOW));
	ck_assert_uint_eq(hosts_count_questions(segment), 1);
	store_addresses(1, NOW);
	ck_assert_uint_eq(hosts_count_questions(segment), 0);
	ck_assert(!hosts_claim_question(segment, row, NOW));
}
END_TEST

START_TEST(a_lost_question_is_asked_again)
{
	ck_assert(hosts_claim_question(segment, row, NOW));
	hosts_drop_question(segment, row);
	ck_assert(hosts_claim_question(segment, row, NOW));
	atomic_fetch_add(&segment->hosts_head->helper_life, 1);
	ck_assert(hosts_claim_question(segment, row, NOW));
	ck_assert(!hosts_claim_question(segment, row, NOW));
	ck_assert(hosts_claim_question(segment, row, NOW + HOSTS_PATIENCE));
}
END_TEST

START_TEST(names_in_use_are_refreshed_and_others_are_not)
{
	store_addresses(1, NOW);
	ck_assert(!hosts_claim_question(segment, row, NOW + ttls.known - 1));
	ck_assert(hosts_claim_question(segment, row, NOW + ttls.known));
	/* What is known is used meanwhile, but not for ever. */
	ck_assert_uint_eq(chosen(NOW + ttls.known + HOSTS_GRACE - 1), 1);
	ck_assert_uint_eq(chosen(NOW + ttls.known + HOSTS_GRACE), 0);
	hosts_drop_question(segment, row);
	ck_assert(!hosts_claim_question(segment, row, NOW + ttls.known +
	    HOSTS_GRACE + HOSTS_IN_USE));
	hosts_note_use(segment, row, NOW + 2 * HOSTS_IN_USE + HOSTS_GRACE);
	ck_assert(hosts_claim_question(segment, row, NOW +
	    2 * HOSTS_IN_USE + HOSTS_GRACE));
}
END_TEST

/* RECONNECT: asked for now, and used as it is until the answer comes. */
START_TEST(what_has_expired_is_asked_for_at_once)
{
	hosts_expire(segment, NOW);		/* nothing is known yet */
	store_addresses(1, NOW);
	ck_assert(!hosts_claim_question(segment, row, NOW + 1));
	hosts_expire(segment, NOW + 1);
	ck_assert(hosts_claim_question(segment, row, NOW + 1));
	ck_assert_uint_eq(chosen(NOW + 1), 1);
	store_addresses(1, NOW + 2);
	ck_assert(!hosts_claim_question(segment, row, NOW + ttls.known));
}
END_TEST

START_TEST(a_name_that_is_not_there_is_asked_for_again)
{
	unsigned number;

	store_failure(true, NOW);
	ck_assert_int_eq(choose(0, NOW, NULL, &number), HOST_NONE);
	ck_assert_int_eq(choose(0, NOW + ttls.missing, NULL, &number),
	    HOST_WAIT);
	ck_assert(hosts_claim_question(segment, row, NOW + ttls.missing));
}
END_TEST

START_TEST(a_failed_look_up_leaves_what_is_known)
{
	store_addresses(1, NOW);
	store_failure(false, NOW + ttls.known);
	ck_assert_uint_eq(chosen(NOW + ttls.known), 1);
	store_failure(true, NOW + ttls.known);
	ck_assert_uint_eq(chosen(NOW + ttls.known), 0);
}
END_TEST

START_TEST(an_address_is_obsolete_when_the_name_has_others)
{
	struct address one = numbered(1), two = numbered(2);

	ck_assert(hosts_has(segment, row, &two));	/* who knows */
	store_addresses(1, NOW);
	one.port = 5432;
	ck_assert(hosts_has(segment, row, &one));
	ck_assert(!hosts_has(segment, row, &two));
	ck_assert(hosts_has(segment, NO_ROW, &two));
	store_failure(true, NOW);
	ck_assert(hosts_has(segment, row, &one));
}
END_TEST

START_TEST(a_copy_says_what_is_known)
{
	struct host_copy copy;

	ck_assert(hosts_copy(segment, row, &copy));
	ck_assert_str_eq(copy.name, "db");
	ck_assert_int_eq(copy.state, HOST_UNKNOWN);
	store_addresses(2, NOW);
	ck_assert(hosts_copy(segment, row, &copy));
	ck_assert_int_eq(copy.state, HOST_KNOWN);
	ck_assert_int_eq(copy.expires_at, NOW + ttls.known);
	ck_assert_uint_eq(copy.addresses.count, 2);
	ck_assert(!hosts_copy(segment, row + 1, &copy));
}
END_TEST

START_TEST(a_ttl_of_nothing_does_not_mean_all_the_time)
{
	const struct host_ttls zero = { 0, 0 };
	struct address_list list = { .count = 1,
	    .address = { numbered(1) } };
	const struct host_answer answer = { "db", 0, false, &list };
	uint64_t waiting;

	ck_assert(hosts_store(segment, row, &answer, &zero, NOW, &waiting));
	ck_assert(!hosts_claim_question(segment, row, NOW));
	ck_assert(hosts_claim_question(segment, row, NOW + HOSTS_LEAST_TTL));
}
END_TEST

/* Half an answer is none. */
START_TEST(a_writer_that_dies_leaves_a_name_to_be_looked_up)
{
	pid_t pid;
	int status;

	store_addresses(3, NOW);
	pid = fork();
	if (pid == 0) {
		if (!lock_take(&segment->hosts_head->lock))
			_exit(1);
		segment->hosts[row].writing = 1;
		segment->hosts[row].addresses.count = 2;
		segment->hosts[row].addresses.address[0].family = 0;
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_uint_eq(chosen(NOW), 0);
	ck_assert(hosts_claim_question(segment, row, NOW));
	store_addresses(1, NOW);
	ck_assert_uint_eq(chosen(NOW), 1);
}
END_TEST

START_TEST(a_row_beyond_the_table_aborts)
{
	hosts_row(segment, HOSTS);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hosts");
	TCase *tests = tcase_create("hosts");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_name_has_one_row);
	tcase_add_test(tests, a_name_that_is_too_long_has_none);
	tcase_add_test(tests, only_forgotten_names_make_room);
	tcase_add_test(tests, who_finds_a_name_unknown_waits_and_is_told);
	tcase_add_test(tests, addresses_are_taken_in_turn);
	tcase_add_test(tests, what_failed_lately_comes_last);
	tcase_add_test(tests, after_all_addresses_there_is_none);
	tcase_add_test(tests, one_asks_for_all);
	tcase_add_test(tests, a_lost_question_is_asked_again);
	tcase_add_test(tests, names_in_use_are_refreshed_and_others_are_not);
	tcase_add_test(tests, what_has_expired_is_asked_for_at_once);
	tcase_add_test(tests, a_name_that_is_not_there_is_asked_for_again);
	tcase_add_test(tests, a_failed_look_up_leaves_what_is_known);
	tcase_add_test(tests,
	    an_address_is_obsolete_when_the_name_has_others);
	tcase_add_test(tests, a_copy_says_what_is_known);
	tcase_add_test(tests, a_ttl_of_nothing_does_not_mean_all_the_time);
	tcase_add_test(tests,
	    a_writer_that_dies_leaves_a_name_to_be_looked_up);
	tcase_add_test_raise_signal(tests, a_row_beyond_the_table_aborts,
	    SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
