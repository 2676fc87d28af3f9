/*
 * What becomes of a server whose client goes in the middle of something.
 */
#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/clearing.h"
#include "session_world.h"
#include "wire/messages.h"

static struct session_world world;
static int client, server, second;

static void
start(const char *settings)
{
	session_start(&world, settings);
	client = session_login_first(&world, 0, &server);
	second = session_login(&world, 0);
}

static void
begin(void)
{
	start("default_pool_size = 1");
}

static void
end(void)
{
	session_stop(&world);
}

/* The connection by which we cancel what the server runs. */
static int
accept_cancel(void)
{
	const struct backend_key key = { .pid = SESSION_BACKEND_PID,
	    .secret = SESSION_BACKEND_SECRET };
	uint8_t memory[32];
	struct writer writer = writer_of(memory, sizeof(memory));
	int fd = session_accept(&world);

	write_cancel_request(&writer, &key);
	expect_bytes(fd, writer.bytes, writer.used, "a cancel request");
	return fd;
}

/* From the client to the server, and the answer back. */
static void
pass(const char *question, const char *answer)
{
	send_talk(client, question);
	expect_talk(server, question);
	send_talk(server, answer);
	expect_talk(client, answer);
}

static void
ask(const char *question)
{
	send_talk(client, question);
	expect_talk(server, question);
}

/* The next client waits for the server, which is not free yet. */
static void
expect_still_taken(void)
{
	session_settle(&world);
	expect_silence(server);
	ck_assert_uint_eq(session_servers(&world, SERVER_TESTING), 1);
	ck_assert_uint_eq(session_clients(&world, CLIENT_WAITING), 1);
	ck_assert_uint_eq(session_pool(&world)->server_count, 1);
}

static void
expect_next(void)
{
	expect_talk(server, "Q(next)");
	send_talk(server, "CZ");
	expect_talk(second, "CZ");
	session_accepts_nothing(&world);
}

static void
expect_closed(void)
{
	expect_goodbye(server);
	ck_assert_uint_eq(session_servers(&world, SERVER_IDLE), 0);
}

static void
expect_closed_in_time(void)
{
	session_settle(&world);
	ck_assert_uint_eq(session_servers(&world, SERVER_TESTING), 1);
	session_pass(&world, CLEARING_TIMEOUT);
	expect_closed();
}

/* --- it is used again ---------------------------------------------------- */

START_TEST(an_open_transaction_is_rolled_back)
{
	pass("Q(begin)", "CZ(T)");
	send_talk(second, "Q(next)");
	await_clients(&world, CLIENT_WAITING, 1);
	close(client);
	expect_talk(server, "Q(ROLLBACK)");
	expect_still_taken();
	send_talk(server, "C(ROLLBACK)Z");
	expect_next();
}
END_TEST

START_TEST(a_failed_transaction_is_rolled_back)
{
	pass("Q(begin)", "CZ(T)");
	pass("Q(wrong)", "E(42601=wrong)Z(E)");
	close(client);
	send_talk(second, "Q(next)");
	expect_talk(server, "Q(ROLLBACK)");
	send_talk(server, "C(ROLLBACK)Z");
	expect_next();
}
END_TEST

/* It would hit the next client's query if it came late. */
START_TEST(a_query_is_cancelled_and_the_cancel_waited_for)
{
	int link;

	ask("Q(long)");
	send_talk(second, "Q(next)");
	await_clients(&world, CLIENT_WAITING, 1);
	close(client);
	link = accept_cancel();
	send_talk(server, "E(57014=canceling statement)Z");
	expect_still_taken();
	close(link);
	expect_next();
	await_servers(&world, SERVER_CANCEL_LINK, 0);
}
END_TEST

START_TEST(an_answer_may_come_later_than_the_end_of_the_cancel)
{
	ask("Q(long)");
	send_talk(second, "Q(next)");
	await_clients(&world, CLIENT_WAITING, 1);
	close(client);
	close(accept_cancel());
	send_talk(server, "TD");
	expect_still_taken();
	send_bytes(server, "E\0\0", 3);
	expect_still_taken();
	send_bytes(server, "\0\10ab\0\0Z\0\0", 9);
	expect_still_taken();
	send_bytes(server, "\0\5I", 3);
	expect_next();
}
END_TEST

/* PostgreSQL forgets one that comes before it has read the query. */
START_TEST(a_cancel_that_nothing_follows_is_sent_again)
{
	int link;

	ask("Q(long)");
	send_talk(second, "Q(next)");
	await_clients(&world, CLIENT_WAITING, 1);
	close(client);
	close(accept_cancel());
	session_accepts_nothing(&world);
	session_pass(&world, CANCEL_AGAIN);
	link = accept_cancel();
	send_talk(server, "E(57014=canceling statement)Z");
	expect_still_taken();
	close(link);
	expect_next();
}
END_TEST

START_TEST(in_a_transaction_both_are_done_one_after_the_other)
{
	int link;

	pass("Q(begin)", "CZ(T)");
	ask("Q(long)");
	send_talk(second, "Q(next)");
	await_clients(&world, CLIENT_WAITING, 1);
	close(client);
	link = accept_cancel();
	send_talk(server, "E(57014=canceling statement)Z(E)");
	expect_still_taken();
	close(link);
	expect_talk(server, "Q(ROLLBACK)");
	expect_still_taken();
	send_talk(server, "C(ROLLBACK)Z");
	expect_next();
}
END_TEST

START_TEST(the_rest_of_an_answer_is_nobodys)
{
	ask("Q(long)");
	send_bytes(server, "D\0\0\0\24half", 9);
	expect_bytes(client, "D\0\0\0\24half", 9, "half");
	close(client);
	send_talk(second, "Q(next)");
	close(accept_cancel());
	send_bytes(server, "another half", 12);
	send_talk(server, "CZ");
	expect_next();
}
END_TEST

/* What is in the way of a query that PostgreSQL, too, would have run. */
START_TEST(who_says_goodbye_has_its_last_query_run)
{
	send_talk(client, "Q(insert)X");
	expect_talk(server, "Q(insert)");
	expect_end(client);
	send_talk(second, "Q(next)");
	await_clients(&world, CLIENT_WAITING, 1);
	session_accepts_nothing(&world);
	expect_still_taken();
	send_talk(server, "CZ");
	expect_next();
}
END_TEST

START_TEST(all_of_a_pipeline_is_waited_for)
{
	ask("QQQ");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	close(client);
	send_talk(second, "Q(next)");
	close(accept_cancel());
	send_talk(server, "E(57014=canceling statement)Z");
	expect_still_taken();
	send_talk(server, "CZ");
	expect_next();
}
END_TEST

/* Sync alone would commit it. */
START_TEST(what_has_no_sync_is_not_committed)
{
	send_talk(client, "PBEH");
	expect_talk(server, "PBEH");
	send_talk(server, "12C");
	expect_talk(client, "12C");
	close(client);
	send_talk(second, "Q(next)");
	expect_talk(server, "Q(ROLLBACK)S");
	expect_still_taken();
	send_talk(server, "NC(ROLLBACK)Z");
	expect_still_taken();
	send_talk(server, "Z");
	expect_next();
}
END_TEST

START_TEST(what_has_no_sync_and_no_answer_is_cancelled)
{
	ask("PBEH");
	close(client);
	send_talk(second, "Q(next)");
	expect_talk(server, "Q(ROLLBACK)S");
	close(accept_cancel());
	send_talk(server, "12E(57014=canceling statement)");
	expect_still_taken();
	send_talk(server, "Z");
	expect_next();
}
END_TEST

START_TEST(after_an_error_sync_is_all_it_waits_for)
{
	send_talk(client, "PBEH");
	expect_talk(server, "PBEH");
	send_talk(server, "E(42601=wrong)");
	expect_talk(client, "E(42601=wrong)");
	close(client);
	send_talk(second, "Q(next)");
	expect_talk(server, "Q(ROLLBACK)S");
	send_talk(server, "Z");
	expect_next();
}
END_TEST

START_TEST(a_client_that_is_closed_by_us_leaves_as_any_other)
{
	pass("Q(begin)", "CZ(T)");
	send_talk(client, "v");
	expect_fatal(client, "unknown pkt");
	send_talk(second, "Q(next)");
	expect_talk(server, "Q(ROLLBACK)");
	send_talk(server, "CZ");
	expect_next();
}
END_TEST

/* The next client wants UTC, and the server says that it has it not. */
START_TEST(settings_that_come_back_are_noticed)
{
	uint8_t body[64];
	size_t length;

	pass("Q(begin)", "CZ(T)");
	close(client);
	expect_talk(server, "Q(ROLLBACK)");
	send_talk(server, "S(TimeZone=Asia/Tokyo)CZ");
	await_servers(&world, SERVER_IDLE, 1);
	send_talk(second, "Q(next)");
	ck_assert_int_eq(receive_message(server, body, sizeof(body), &length),
	    'Q');
	ck_assert_str_eq((char *)body, "SET TimeZone='UTC';");
}
END_TEST

START_TEST(in_session_mode_it_is_reset_as_well)
{
	session_stop(&world);
	start("default_pool_size = 1\npool_mode = session");
	pass("Q(begin)", "CZ(T)");
	close(client);
	send_talk(second, "Q(next)");
	expect_talk(server, "Q(ROLLBACK)");
	send_talk(server, "CZ");
	expect_talk(server, "Q(DISCARD ALL)");
	expect_still_taken();
	send_talk(server, "CZ");
	expect_next();
}
END_TEST

static int
ask_for_cancel(void)
{
	uint64_t key = atomic_load(&world.segment->cancel_keys[0]);
	const struct backend_key wanted = { .pid = (uint32_t)(key >> 32),
	    .secret = (uint32_t)key };
	uint8_t memory[32];
	struct writer writer = writer_of(memory, sizeof(memory));
	int fd = session_connect(&world, 0);

	write_cancel_request(&writer, &wanted);
	send_bytes(fd, writer.bytes, writer.used);
	return fd;
}

/* Its client had asked for it, and it may be late. */
START_TEST(a_cancel_of_the_clients_own_is_waited_for)
{
	int link;

	pass("Q(begin)", "CZ(T)");
	ask_for_cancel();
	link = accept_cancel();
	close(client);
	send_talk(second, "Q(next)");
	await_clients(&world, CLIENT_WAITING, 1);
	expect_still_taken();
	close(link);
	expect_talk(server, "Q(ROLLBACK)");
	send_talk(server, "CZ");
	expect_next();
}
END_TEST

/* --- it is closed -------------------------------------------------------- */

static void
say_half_a_query(void)
{
	send_bytes(client, "Q\0\0\0\100select", 11);
}

static void
copy_in(void)
{
	pass("Q(copy)", "G");
}

static void
be_marked(void)
{
	pass("Q(begin)", "CZ(T)");
	world.segment->servers[0].close_needed = CLOSE_NEEDED;
}

static const struct {
	const char	*story;
	void		(*say)(void);
} doubts[] = {
	{ "half a query", say_half_a_query },
	{ "it copies in", copy_in },
	{ "it is to be closed anyway", be_marked },
};

START_TEST(where_it_is_not_safe_it_is_closed_at_once)
{
	doubts[_i].say();
	session_settle(&world);
	close(client);
	await_servers(&world, SERVER_CLOSING, 1);
	session_accepts_nothing(&world);
	ck_assert_uint_eq(session_servers(&world, SERVER_TESTING), 0);
}
END_TEST

/* Noted as asked, but never sent. */
START_TEST(what_came_with_a_wrong_message_is_not_waited_for)
{
	send_talk(client, "Q(one)v");
	expect_fatal(client, "unknown pkt");
	await_servers(&world, SERVER_CLOSING, 1);
	expect_closed();
}
END_TEST

START_TEST(a_copy_that_begins_when_nobody_sends_is_given_up)
{
	ask("Q(copy)");
	close(client);
	close(accept_cancel());
	send_talk(server, "G");
	expect_closed();
}
END_TEST

START_TEST(a_rollback_that_fails_closes_it)
{
	pass("Q(begin)", "CZ(T)");
	close(client);
	expect_talk(server, "Q(ROLLBACK)");
	send_talk(server, "E(XX000=broken)Z");
	expect_closed();
}
END_TEST

START_TEST(a_transaction_that_stays_open_closes_it)
{
	pass("Q(begin)", "CZ(T)");
	close(client);
	expect_talk(server, "Q(ROLLBACK)");
	send_talk(server, "C(ROLLBACK)Z(T)");
	expect_closed();
}
END_TEST

START_TEST(more_answers_than_questions_close_it)
{
	ask("Q(long)");
	close(client);
	close(accept_cancel());
	send_talk(server, "CZZ");
	expect_closed();
}
END_TEST

START_TEST(a_cancel_that_is_ignored_closes_it_in_time)
{
	ask("Q(long)");
	close(client);
	close(accept_cancel());
	send_talk(server, "D");
	expect_closed_in_time();
}
END_TEST

START_TEST(a_cancel_that_does_not_end_closes_it_in_time)
{
	int link;

	ask("Q(long)");
	close(client);
	link = accept_cancel();
	send_talk(server, "CZ");
	expect_closed_in_time();
	expect_end(link);
}
END_TEST

START_TEST(a_rollback_without_an_answer_closes_it_in_time)
{
	pass("Q(begin)", "CZ(T)");
	close(client);
	expect_talk(server, "Q(ROLLBACK)");
	expect_closed_in_time();
}
END_TEST

START_TEST(where_no_cancel_gets_through_it_is_closed)
{
	ask("Q(long)");
	shutdown(world.listen_fd, SHUT_RDWR);
	close(client);
	expect_closed();
	await_servers(&world, SERVER_CANCEL_LINK, 0);
}
END_TEST

START_TEST(a_server_that_hangs_up_meanwhile_is_gone)
{
	int link;

	ask("Q(long)");
	close(client);
	link = accept_cancel();
	close(server);
	await_servers(&world, SERVER_TESTING, 0);
	close(link);
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("clearing");
	TCase *tests = tcase_create("clearing");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, an_open_transaction_is_rolled_back);
	tcase_add_test(tests, a_failed_transaction_is_rolled_back);
	tcase_add_test(tests, a_query_is_cancelled_and_the_cancel_waited_for);
	tcase_add_test(tests,
	    an_answer_may_come_later_than_the_end_of_the_cancel);
	tcase_add_test(tests,
	    a_cancel_that_nothing_follows_is_sent_again);
	tcase_add_test(tests,
	    in_a_transaction_both_are_done_one_after_the_other);
	tcase_add_test(tests, the_rest_of_an_answer_is_nobodys);
	tcase_add_test(tests, who_says_goodbye_has_its_last_query_run);
	tcase_add_test(tests, all_of_a_pipeline_is_waited_for);
	tcase_add_test(tests, what_has_no_sync_is_not_committed);
	tcase_add_test(tests, what_has_no_sync_and_no_answer_is_cancelled);
	tcase_add_test(tests, after_an_error_sync_is_all_it_waits_for);
	tcase_add_test(tests, a_client_that_is_closed_by_us_leaves_as_any_other);
	tcase_add_test(tests, settings_that_come_back_are_noticed);
	tcase_add_test(tests, in_session_mode_it_is_reset_as_well);
	tcase_add_test(tests, a_cancel_of_the_clients_own_is_waited_for);
	tcase_add_loop_test(tests, where_it_is_not_safe_it_is_closed_at_once,
	    0, ARRAY_LENGTH(doubts));
	tcase_add_test(tests, what_came_with_a_wrong_message_is_not_waited_for);
	tcase_add_test(tests, a_copy_that_begins_when_nobody_sends_is_given_up);
	tcase_add_test(tests, a_rollback_that_fails_closes_it);
	tcase_add_test(tests, a_transaction_that_stays_open_closes_it);
	tcase_add_test(tests, more_answers_than_questions_close_it);
	tcase_add_test(tests, a_cancel_that_is_ignored_closes_it_in_time);
	tcase_add_test(tests, a_cancel_that_does_not_end_closes_it_in_time);
	tcase_add_test(tests, a_rollback_without_an_answer_closes_it_in_time);
	tcase_add_test(tests, where_no_cancel_gets_through_it_is_closed);
	tcase_add_test(tests, a_server_that_hangs_up_meanwhile_is_gone);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
