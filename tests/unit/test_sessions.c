/*
 * All sessions of a worker, and two workers with one pool.
 */
#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/fdpass.h"
#include "session/sessions.h"
#include "session_world.h"
#include "wire/messages.h"

static struct session_world world;

static void
begin(void)
{
	memset(&world, 0, sizeof(world));
}

static void
end(void)
{
	session_stop(&world);
}

/* --- orders -------------------------------------------------------------- */

START_TEST(a_pause_closes_what_is_idle_and_makes_clients_wait)
{
	int client, server;

	session_start(&world, "");
	client = session_login_first(&world, 0, &server);
	atomic_store(&world.segment->state->paused, 1);
	session_order(&world);
	expect_talk(server, "X");
	expect_end(server);
	close(server);
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
	send_talk(client, "Q(mine)");
	await_clients(&world, CLIENT_WAITING, 1);
	session_accepts_nothing(&world);
	atomic_store(&world.segment->state->paused, 0);
	session_order(&world);
	server = session_accept(&world);
	expect_startup(server);
	let_in(server);
	expect_talk(server, "Q(mine)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

START_TEST(a_pause_lets_a_transaction_end)
{
	int client, server;

	session_start(&world, "");
	client = session_login_first(&world, 0, &server);
	send_talk(client, "Q(begin)");
	expect_talk(server, "Q(begin)");
	send_talk(server, "CZ(T)");
	expect_talk(client, "CZ(T)");
	atomic_store(&world.segment->state->paused, 1);
	session_order(&world);
	expect_silence(server);
	send_talk(client, "Q(commit)");
	expect_talk(server, "Q(commit)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	expect_talk(server, "X");
	expect_end(server);
}
END_TEST

START_TEST(a_pause_and_a_resume_at_once_lose_nothing)
{
	int client, server;

	session_start(&world, "default_pool_size = 1");
	client = session_login_first(&world, 0, &server);
	atomic_store(&world.segment->state->paused, 1);
	send_talk(client, "Q(mine)");
	await_clients(&world, CLIENT_WAITING, 1);
	atomic_store(&world.segment->state->paused, 0);
	session_order(&world);
	if (session_servers(&world, SERVER_CLOSING) == 1) {
		close(server);
		server = session_accept(&world);
		expect_startup(server);
		let_in(server);
	}
	expect_talk(server, "Q(mine)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

START_TEST(a_shutdown_that_waits_for_servers_sends_the_waiting_away)
{
	int client, second, server;

	session_start(&world, "default_pool_size = 1");
	client = session_login_first(&world, 0, &server);
	second = session_login(&world, 0);
	send_talk(client, "Q(begin)");
	expect_talk(server, "Q(begin)");
	send_talk(server, "CZ(T)");
	expect_talk(client, "CZ(T)");
	send_talk(second, "Q");
	await_clients(&world, CLIENT_WAITING, 1);
	atomic_store(&world.segment->state->shutdown,
	    SHUTDOWN_WAIT_FOR_SERVERS);
	session_order(&world);
	expect_fatal(second, "server shutting down");
	send_talk(client, "Q(commit)");
	expect_talk(server, "Q(commit)");
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

/* --- two workers --------------------------------------------------------- */

/* The server is opened by worker 0; 1 gets its descriptor. */
static int
start_two(int *server_out)
{
	int client;

	session_start_workers(&world, 2, "default_pool_size = 1");
	client = session_login_first(&world, 0, server_out);
	session_settle(&world);
	ck_assert_uint_eq(world.segment->servers[0].has_fd, 3);
	return client;
}

START_TEST(a_server_serves_clients_of_all_workers)
{
	int server, first = start_two(&server);
	int second = session_login(&world, 1);

	for (int i = 0; i < 20; i++) {
		session_query(first, server);
		session_query(second, server);
	}
	session_settle(&world);
	session_accepts_nothing(&world);
	ck_assert_uint_eq(session_count(&world, STAT_xact_count), 40);
	ck_assert_uint_eq(session_servers(&world, SERVER_IDLE), 1);
}
END_TEST

START_TEST(a_released_server_goes_to_the_other_workers_client)
{
	int server, first = start_two(&server);
	int second = session_login(&world, 1);

	for (int i = 0; i < 20; i++) {
		send_talk(first, "Q(first)");
		expect_talk(server, "Q(first)");
		send_talk(second, "Q(second)");
		await_clients(&world, CLIENT_WAITING, 1);
		send_talk(server, "CZ");
		expect_talk(first, "CZ");
		expect_talk(server, "Q(second)");
		send_talk(server, "CZ");
		expect_talk(second, "CZ");
		session_settle(&world);
	}
}
END_TEST

START_TEST(settings_follow_a_client_over_workers)
{
	const char *parameters[] = { "user", "u", "database", "db",
	    "TimeZone", "Asia/Tokyo", NULL };
	int server, first = start_two(&server), second;
	struct talk sets = talk_of("Q(SET TimeZone|'Asia/Tokyo';)");
	uint8_t body[256];
	size_t length;

	for (size_t i = 0; i < sets.length; i++)
		if (sets.bytes[i] == '|')
			sets.bytes[i] = '=';
	second = session_connect(&world, 1);
	send_startup_with(second, parameters);
	while (receive_message(second, body, sizeof(body), &length) != 'Z')
		continue;
	send_talk(second, "Q(mine)");
	expect_bytes(server, sets.bytes, sets.length, "SET");
	send_talk(server, "S(TimeZone=Asia/Tokyo)CZ");
	expect_talk(server, "Q(mine)");
	send_talk(server, "CZ");
	expect_talk(second, "CZ");
	session_settle(&world);
	/* The other worker knows what this server was told. */
	send_talk(first, "Q(theirs)");
	ck_assert_int_eq(receive_message(server, body, sizeof(body),
	    &length), 'Q');
	ck_assert_str_eq((char *)body, "SET TimeZone='UTC';");
	send_talk(server, "S(TimeZone=UTC)CZ");
	expect_talk(server, "Q(theirs)");
	send_talk(server, "CZ");
	expect_talk(first, "CZ");
}
END_TEST

/* There is no server: one is opened for this query, and answers it. */
static int
query_on_new_server(int client, const char *query)
{
	int server;

	send_talk(client, query);
	server = session_accept(&world);
	expect_startup(server);
	let_in(server);
	expect_talk(server, query);
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	return server;
}

START_TEST(a_closed_server_is_closed_by_all_workers)
{
	int server, first = start_two(&server);

	close(server);
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
	server = query_on_new_server(first, "Q(mine)");
	session_settle(&world);
	ck_assert_uint_eq(world.segment->servers[0].has_fd, 3);
	session_query(session_login(&world, 1), server);
}
END_TEST

/* The pool is empty: all workers' clients wait for one server. */
START_TEST(the_first_server_welcomes_clients_of_all_workers)
{
	int clients[4], server;

	session_start_workers(&world, 2, "default_pool_size = 1");
	for (unsigned i = 0; i < 4; i++) {
		clients[i] = session_connect(&world, i % 2);
		send_startup(clients[i], "u", "db");
	}
	await_clients(&world, CLIENT_WELCOME, 4);
	server = session_accept(&world);
	expect_startup(server);
	let_in(server);
	for (int i = 0; i < 4; i++)
		expect_welcome(clients[i]);
	session_accepts_nothing(&world);
}
END_TEST

START_TEST(a_cancel_may_come_to_any_worker)
{
	int server, first = start_two(&server), request, link;
	uint8_t memory[32];
	struct writer writer = writer_of(memory, sizeof(memory));
	uint64_t key = world.segment->cancel_keys[0];

	write_cancel_request(&writer, &(struct backend_key){
	    .pid = (uint32_t)(key >> 32), .secret = (uint32_t)key });
	send_talk(first, "Q");
	expect_talk(server, "Q");
	request = session_connect(&world, 1);
	send_bytes(request, writer.bytes, writer.used);
	link = session_accept(&world);
	/* Or its end would be a broken connection. */
	ck_assert_int_eq(recv(link, memory, 16, MSG_WAITALL), 16);
	session_settle(&world);
	send_talk(server, "CZ");
	expect_talk(first, "CZ");
	await_servers(&world, SERVER_CANCELING, 1);
	close(link);
	await_servers(&world, SERVER_IDLE, 1);
	ck_assert_uint_eq(world.segment->servers[0].worker, 1);
	session_query(first, server);
}
END_TEST

/* --- lost mail ----------------------------------------------------------- */

START_TEST(a_recheck_finds_what_a_lost_letter_said)
{
	int server, first = start_two(&server);
	int second = session_login(&world, 1);
	struct mailbox *box = &world.segment->mailboxes[1];

	send_talk(first, "Q(first)");
	expect_talk(server, "Q(first)");
	send_talk(second, "Q(second)");
	await_clients(&world, CLIENT_WAITING, 1);
	/* The letter will not fit. */
	if (!lock_take(&box->lock))
		ck_abort_msg("somebody died");
	atomic_store(&box->head, atomic_load(&box->tail) - MAILBOX_LETTERS);
	for (uint32_t i = 0; i < MAILBOX_LETTERS; i++)
		box->letters[i] = (struct mail){ MAIL_POOL, 0, 0 };
	lock_release(&box->lock);
	send_talk(server, "CZ");
	expect_talk(first, "CZ");
	expect_talk(server, "Q(second)");
	send_talk(server, "CZ");
	expect_talk(second, "CZ");
}
END_TEST

/*
 * Worker 1 has no room for one more descriptor: the kernel drops what was
 * sent, and who sent it does not know.
 */
static int
start_two_without_descriptor(int *server_out)
{
	uint8_t note[64];
	int client, fd;

	session_start_workers(&world, 2, "default_pool_size = 1");
	session_suspend(&world, 1);
	client = session_connect(&world, 0);
	send_startup(client, "u", "db");
	*server_out = session_accept(&world);
	expect_startup(*server_out);
	/* Or it is sent again. */
	atomic_fetch_or(&world.segment->servers[0].has_fd, 2);
	let_in(*server_out);
	expect_welcome(client);
	await_servers(&world, SERVER_IDLE, 1);
	while (fdpass_receive(world.inboxes[1][0], note, sizeof(note),
	    &fd) == 0)
		sched_yield();
	close(fd);
	session_resume(&world, 1);
	return client;
}

START_TEST(who_leaves_with_a_server_without_a_descriptor_frees_its_place)
{
	int server, first = start_two_without_descriptor(&server);
	int second = session_login(&world, 1);
	struct mail letter;

	send_talk(first, "Q(first)");
	expect_talk(server, "Q(first)");
	send_talk(second, "Q(second)");
	await_clients(&world, CLIENT_WAITING, 1);
	session_suspend(&world, 1);
	send_talk(server, "CZ");
	expect_talk(first, "CZ");
	/* Its letter comes after its row; it finds it when its client is gone. */
	await_clients(&world, CLIENT_GIVEN, 1);
	while (mailbox_collect(world.segment, 1, &letter, 1) == 0)
		sched_yield();
	close(second);
	session_resume(&world, 1);
	session_pass(&world, 1 * USEC_PER_SEC);
	expect_end(server);
	close(server);
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
	server = query_on_new_server(first, "Q(first)");
}
END_TEST

START_TEST(when_all_rows_are_taken_a_client_is_turned_away)
{
	int server, extra;

	session_start(&world, "");
	session_login_first(&world, 0, &server);
	while (clients_claim(world.segment, 1) != NO_ROW)
		continue;
	extra = session_connect(&world, 0);
	expect_end(extra);
}
END_TEST

START_TEST(a_letter_about_a_pool_beyond_the_table_aborts)
{
	struct sessions sessions = { 0 };
	struct mail mail = { .kind = MAIL_POOL };

	session_start(&world, "");
	mail.row = world.segment->size.pools;
	sessions.segment = world.segment;
	sessions.views = calloc(mail.row + 1, sizeof(struct pool_view *));
	sessions_take_mail(&sessions, &mail);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sessions");
	TCase *tests = tcase_create("sessions");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests,
	    a_pause_closes_what_is_idle_and_makes_clients_wait);
	tcase_add_test(tests, a_pause_lets_a_transaction_end);
	tcase_add_test(tests, a_pause_and_a_resume_at_once_lose_nothing);
	tcase_add_test(tests,
	    a_shutdown_that_waits_for_servers_sends_the_waiting_away);
	tcase_add_test(tests, a_server_serves_clients_of_all_workers);
	tcase_add_test(tests,
	    a_released_server_goes_to_the_other_workers_client);
	tcase_add_test(tests, settings_follow_a_client_over_workers);
	tcase_add_test(tests, a_closed_server_is_closed_by_all_workers);
	tcase_add_test(tests, the_first_server_welcomes_clients_of_all_workers);
	tcase_add_test(tests, a_cancel_may_come_to_any_worker);
	tcase_add_test(tests, a_recheck_finds_what_a_lost_letter_said);
	tcase_add_test(tests,
	    who_leaves_with_a_server_without_a_descriptor_frees_its_place);
	tcase_add_test(tests, when_all_rows_are_taken_a_client_is_turned_away);
	tcase_add_test_raise_signal(tests,
	    a_letter_about_a_pool_beyond_the_table_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
