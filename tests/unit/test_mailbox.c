#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/segment.h"

#define AT_ONCE 64

static const struct segment_size size = { .workers = 3, .clients = 4,
    .servers = 4, .pools = 4, .databases = 4, .users = 4 };
static struct segment *segment;
static struct mail letters[MAILBOX_LETTERS];

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

static bool
post(uint32_t worker, uint32_t row)
{
	struct mail mail = { MAIL_GIVEN, row, row * 3 };

	return mailbox_post(segment, worker, &mail);
}

START_TEST(letters_come_in_order_to_their_worker_only)
{
	struct mail pool = { MAIL_POOL, 7, 8 };

	ck_assert_uint_eq(mailbox_collect(segment, 1, letters, AT_ONCE), 0);
	ck_assert(!mailbox_has_mail(segment, 1));
	(void)!post(1, 5);
	(void)!mailbox_post(segment, 1, &pool);
	ck_assert(mailbox_has_mail(segment, 1));
	ck_assert(!mailbox_has_mail(segment, 0));
	ck_assert_uint_eq(mailbox_collect(segment, 0, letters, AT_ONCE), 0);
	ck_assert_uint_eq(mailbox_collect(segment, 1, letters, AT_ONCE), 2);
	ck_assert_uint_eq(letters[0].kind, MAIL_GIVEN);
	ck_assert_uint_eq(letters[0].row, 5);
	ck_assert_uint_eq(letters[0].generation, 15);
	ck_assert_uint_eq(letters[1].kind, MAIL_POOL);
	ck_assert_uint_eq(letters[1].row, 7);
	ck_assert_uint_eq(letters[1].generation, 8);
	ck_assert(!mailbox_has_mail(segment, 1));
}
END_TEST

START_TEST(what_is_not_taken_now_is_taken_later)
{
	for (uint32_t i = 0; i < 10; i++)
		(void)!post(0, i);
	ck_assert_uint_eq(mailbox_collect(segment, 0, letters, 4), 4);
	ck_assert_uint_eq(mailbox_collect(segment, 0, letters + 4, 4), 4);
	ck_assert(mailbox_has_mail(segment, 0));
	ck_assert_uint_eq(mailbox_collect(segment, 0, letters + 8, 4), 2);
	for (uint32_t i = 0; i < 10; i++)
		ck_assert_uint_eq(letters[i].row, i);
}
END_TEST

START_TEST(only_a_sleeper_is_to_be_woken_and_only_once)
{
	ck_assert(!post(0, 1));
	atomic_store(&segment->roster[0].sleeping, 1);
	ck_assert(post(0, 2));
	ck_assert(!post(0, 3));
}
END_TEST

START_TEST(a_full_ring_asks_for_a_recheck_and_keeps_what_it_has)
{
	for (uint32_t i = 0; i < MAILBOX_LETTERS; i++)
		(void)!post(0, i);
	ck_assert_uint_eq(segment->roster[0].recheck, 0);
	atomic_store(&segment->roster[0].sleeping, 1);
	ck_assert(post(0, 99999));
	ck_assert_uint_eq(segment->roster[0].recheck, 1);
	ck_assert_uint_eq(segment->roster[1].recheck, 0);
	ck_assert_uint_eq(mailbox_collect(segment, 0, letters,
	    MAILBOX_LETTERS), MAILBOX_LETTERS);
	for (uint32_t i = 0; i < MAILBOX_LETTERS; i++)
		if (letters[i].row != i)
			ck_abort_msg("letter %u is about %u", i,
			    letters[i].row);
	ck_assert(mailbox_has_mail(segment, 0));
	atomic_store(&segment->roster[0].recheck, 0);
	ck_assert(!mailbox_has_mail(segment, 0));
	(void)!post(0, 1);
	ck_assert_uint_eq(mailbox_collect(segment, 0, letters, AT_ONCE), 1);
}
END_TEST

START_TEST(the_counts_may_wrap)
{
	struct mailbox *box = &segment->mailboxes[0];

	atomic_store(&box->head, UINT32_MAX - 3);
	atomic_store(&box->tail, UINT32_MAX - 3);
	for (uint32_t i = 0; i < 10; i++)
		(void)!post(0, i);
	ck_assert_uint_eq(mailbox_collect(segment, 0, letters, AT_ONCE), 10);
	for (uint32_t i = 0; i < 10; i++)
		ck_assert_uint_eq(letters[i].row, i);
	ck_assert_uint_eq(segment->roster[0].recheck, 0);
}
END_TEST

static void
die_while_posting(uint32_t worker)
{
	if (fork() == 0) {
		(void)!lock_take(&segment->mailboxes[worker].lock);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_ne(wait(NULL), -1);
}

START_TEST(a_poster_that_died_makes_the_next_poster_ask_for_a_recheck)
{
	die_while_posting(2);
	(void)!post(2, 1);
	ck_assert_uint_eq(segment->roster[2].recheck, 1);
	ck_assert_uint_eq(mailbox_collect(segment, 2, letters, AT_ONCE), 1);
	ck_assert(lock_is_free(&segment->mailboxes[2].lock));
}
END_TEST

START_TEST(a_poster_that_died_makes_the_reader_recheck)
{
	(void)!post(2, 1);
	die_while_posting(2);
	ck_assert_uint_eq(mailbox_collect(segment, 2, letters, AT_ONCE), 1);
	ck_assert_uint_eq(segment->roster[2].recheck, 1);
}
END_TEST

START_TEST(a_recheck_is_news)
{
	ck_assert(!mailbox_has_mail(segment, 0));
	atomic_store(&segment->roster[0].recheck, 1);
	ck_assert(mailbox_has_mail(segment, 0));
}
END_TEST

/*
 * Sleeps as a worker does: says so, looks once more, sleeps.  False: nothing
 * came for seconds, a wake-up was lost.
 */
static bool
sleep_until_news(uint32_t worker)
{
	struct pollfd poll_fd = { segment->wake_fds[worker], POLLIN, 0 };
	uint64_t count;
	int news = 1;

	atomic_store(&segment->roster[worker].sleeping, 1);
	if (!mailbox_has_mail(segment, worker))
		news = poll(&poll_fd, 1, 20000);
	atomic_store(&segment->roster[worker].sleeping, 0);
	(void)!read(segment->wake_fds[worker], &count, sizeof(count));
	return news == 1;
}

/* Two processes play ping-pong by mail: a lost wake-up would stop them. */
START_TEST(no_wake_up_is_lost_in_ping_pong)
{
	enum { TURNS = 20000 };
	pid_t other = fork();
	uint32_t me = other == 0 ? 1 : 0;
	int status;

	for (uint32_t turn = me; turn < TURNS; turn += 2) {
		if (turn > 0) {
			while (mailbox_collect(segment, me, letters, 1) == 0)
				if (!sleep_until_news(me))
					_exit(1);
			if (letters[0].row != turn - 1)
				_exit(2);
		}
		if (post(1 - me, turn))
			segment_wake(segment, 1 - me);
		for (volatile uint32_t i = 0; i < turn % 97; i++)
			continue;
	}
	if (other == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(other, &status, 0), other);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

/* Several post at their own pace; each one's letters arrive in order. */
START_TEST(no_letter_of_many_posters_is_lost)
{
	enum { POSTERS = 3, LETTERS = 6000 };
	uint32_t next[POSTERS] = { 0 }, all = 0;

	for (uint32_t poster = 0; poster < POSTERS; poster++) {
		if (fork() != 0)
			continue;
		for (uint32_t i = 0; i < LETTERS; i++) {
			struct mail mail = { MAIL_POOL, i, poster };

			/* The ring is larger than what may be under way. */
			while (segment->mailboxes[2].tail -
			    segment->mailboxes[2].head > MAILBOX_LETTERS / 2)
				usleep(50);
			if (mailbox_post(segment, 2, &mail))
				segment_wake(segment, 2);
			for (volatile uint32_t j = 0; j < i * (poster + 1) %
			    199; j++)
				continue;
		}
		_exit(0);
	}
	while (all < POSTERS * LETTERS) {
		unsigned count = mailbox_collect(segment, 2, letters,
		    AT_ONCE);

		if (count == 0)
			ck_assert(sleep_until_news(2));
		for (unsigned i = 0; i < count; i++, all++)
			if (letters[i].row != next[letters[i].generation]++)
				ck_abort_msg("a letter is missing");
	}
	ck_assert_uint_eq(segment->roster[2].recheck, 0);
}
END_TEST

/* Posters are killed at any moment: the ring stays good. */
START_TEST(killed_posters_lose_at_most_letters_never_the_box)
{
	enum { ROUNDS = 80 };

	for (int round = 0; round < ROUNDS; round++) {
		uint32_t count, last = 0;
		pid_t pid = fork();

		if (pid == 0)
			for (uint32_t i = 1; ; i++)
				(void)!post(0, i);
		usleep((unsigned)(100 + round * 13));
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		(void)!post(0, UINT32_MAX);
		count = mailbox_collect(segment, 0, letters, MAILBOX_LETTERS);
		ck_assert_uint_gt(count, 0);
		for (uint32_t i = 0; i < count; i++) {
			if (letters[i].row <= last || letters[i].generation !=
			    letters[i].row * 3)
				ck_abort_msg("a letter is torn");
			last = letters[i].row;
		}
		ck_assert(last == UINT32_MAX ||
		    segment->roster[0].recheck == 1);
		ck_assert(lock_is_free(&segment->mailboxes[0].lock));
		atomic_store(&segment->roster[0].recheck, 0);
	}
}
END_TEST

START_TEST(a_worker_that_cannot_be_aborts)
{
	(void)!post(3, 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mailbox");
	TCase *tests = tcase_create("mailbox");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, letters_come_in_order_to_their_worker_only);
	tcase_add_test(tests, what_is_not_taken_now_is_taken_later);
	tcase_add_test(tests, only_a_sleeper_is_to_be_woken_and_only_once);
	tcase_add_test(tests,
	    a_full_ring_asks_for_a_recheck_and_keeps_what_it_has);
	tcase_add_test(tests, the_counts_may_wrap);
	tcase_add_test(tests,
	    a_poster_that_died_makes_the_next_poster_ask_for_a_recheck);
	tcase_add_test(tests, a_poster_that_died_makes_the_reader_recheck);
	tcase_add_test(tests, a_recheck_is_news);
	tcase_add_test(tests, no_wake_up_is_lost_in_ping_pong);
	tcase_add_test(tests, no_letter_of_many_posters_is_lost);
	tcase_add_test(tests,
	    killed_posters_lose_at_most_letters_never_the_box);
	tcase_add_test_raise_signal(tests,
	    a_worker_that_cannot_be_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
