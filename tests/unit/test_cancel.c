/*
 * A cancel request from its client to PostgreSQL, and the server that waits
 * for it.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session_world.h"
#include "wire/messages.h"

static struct session_world world;
static int client, server;

static void
begin(void)
{
	session_start(&world, "default_pool_size = 1");
	client = session_login_first(&world, 0, &server);
}

static void
end(void)
{
	session_stop(&world);
}

/* The key that this client was given. */
static struct backend_key
key_of(uint32_t row)
{
	uint64_t key = atomic_load(&world.segment->cancel_keys[row]);

	return (struct backend_key){ .pid = (uint32_t)(key >> 32),
	    .secret = (uint32_t)key };
}

static int
ask_for_cancel(struct backend_key key)
{
	uint8_t memory[32];
	struct writer writer = writer_of(memory, sizeof(memory));
	int fd = session_connect(&world, 0);

	write_cancel_request(&writer, &key);
	send_bytes(fd, writer.bytes, writer.used);
	return fd;
}

static void
expect_cancel(int fd)
{
	const struct backend_key key = { .pid = SESSION_BACKEND_PID,
	    .secret = SESSION_BACKEND_SECRET };
	uint8_t memory[32];
	struct writer writer = writer_of(memory, sizeof(memory));

	write_cancel_request(&writer, &key);
	expect_bytes(fd, writer.bytes, writer.used, "a cancel request");
}

static void
begin_query(void)
{
	send_talk(client, "Q");
	expect_talk(server, "Q");
}

/* A query begins, and PostgreSQL is asked to cancel it: that connection. */
static int
cancel_query(int *request_out)
{
	int request, link;

	begin_query();
	request = ask_for_cancel(key_of(0));
	link = session_accept(&world);
	expect_cancel(link);
	if (request_out != NULL)
		*request_out = request;
	return link;
}

START_TEST(a_cancel_reaches_postgresql_with_the_servers_key)
{
	int request, link = cancel_query(&request);

	session_settle(&world);
	ck_assert_uint_eq(session_clients(&world, CLIENT_CANCEL), 1);
	ck_assert_uint_eq(session_servers(&world, SERVER_CANCEL_LINK), 1);
	ck_assert_uint_eq(session_pool(&world)->server_count, 1);
	close(link);
	expect_end(request);
	send_talk(server, "E(57014=canceling statement)Z");
	expect_talk(client, "E(57014=canceling statement)Z");
	session_settle(&world);
	ck_assert_uint_eq(session_servers(&world, SERVER_IDLE), 1);
	ck_assert_uint_eq(session_servers(&world, SERVER_CANCEL_LINK), 0);
	session_query(client, server);
}
END_TEST

/* The query may be over when PostgreSQL gets the request. */
START_TEST(a_cancel_never_hits_the_next_query)
{
	int second = session_login(&world, 0), link;

	link = cancel_query(NULL);
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	session_settle(&world);
	ck_assert_uint_eq(session_servers(&world, SERVER_CANCELING), 1);
	send_talk(second, "Q(next)");
	session_settle(&world);
	expect_silence(server);
	ck_assert_uint_eq(session_clients(&world, CLIENT_WAITING), 1);
	close(link);
	expect_talk(server, "Q(next)");
	send_talk(server, "CZ");
	expect_talk(second, "CZ");
}
END_TEST

START_TEST(several_cancels_are_all_waited_for)
{
	int links[2];

	begin_query();
	for (int i = 0; i < 2; i++) {
		ask_for_cancel(key_of(0));
		links[i] = session_accept(&world);
		expect_cancel(links[i]);
	}
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	session_settle(&world);
	close(links[1]);
	session_settle(&world);
	ck_assert_uint_eq(session_servers(&world, SERVER_CANCELING), 1);
	close(links[0]);
	await_servers(&world, SERVER_IDLE, 1);
}
END_TEST

START_TEST(who_asks_need_not_wait_for_it)
{
	int request, link;

	begin_query();
	request = ask_for_cancel(key_of(0));
	link = session_accept(&world);
	close(request);
	await_clients(&world, CLIENT_CANCEL, 0);
	expect_cancel(link);
	ck_assert_uint_eq(session_servers(&world, SERVER_CANCEL_LINK), 1);
	close(link);
	await_servers(&world, SERVER_CANCEL_LINK, 0);
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

static const struct {
	const char	*story;
	struct backend_key key;
} strangers[] = {
	{ "a key that nobody has", { .pid = 1, .secret = 2 } },
	{ "the backend's own key", { .pid = SESSION_BACKEND_PID,
	    .secret = SESSION_BACKEND_SECRET } },
	{ "no key at all", { .pid = 0 } },
};

START_TEST(who_does_not_know_the_key_cancels_nothing)
{
	int request;

	begin_query();
	request = ask_for_cancel(strangers[_i].key);
	expect_end(request);
	session_accepts_nothing(&world);
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

START_TEST(an_idle_client_has_nothing_to_cancel)
{
	int request = ask_for_cancel(key_of(0));

	expect_end(request);
	session_accepts_nothing(&world);
	ck_assert_uint_eq(session_servers(&world, SERVER_IDLE), 1);
}
END_TEST

/* Its query has not been sent, and never will be; the next one is. */
START_TEST(a_client_that_waits_is_told_and_waits_no_longer)
{
	int second = session_login(&world, 0), request;

	begin_query();
	send_talk(second, "Q(next)");
	await_clients(&world, CLIENT_WAITING, 1);
	request = ask_for_cancel(key_of(1));
	expect_end(request);
	session_accepts_nothing(&world);
	expect_talk(second,
	    "E(57014=canceling statement due to user request)Z");
	await_clients(&world, CLIENT_WAITING, 0);
	send_talk(second, "Q(other)");
	await_clients(&world, CLIENT_WAITING, 1);
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	expect_talk(server, "Q(other)");
	send_talk(server, "CZ");
	expect_talk(second, "CZ");
}
END_TEST

/* The letter is lost, or comes late: the row is the truth. */
START_TEST(who_is_cancelled_while_it_is_given_a_server_does_not_use_it)
{
	int second = session_login(&world, 0);
	int third = session_login(&world, 0);

	begin_query();
	send_talk(second, "Q(second)");
	await_clients(&world, CLIENT_WAITING, 1);
	send_talk(third, "Q(third)");
	await_clients(&world, CLIENT_WAITING, 2);
	atomic_store(&world.segment->clients[1].cancel_wanted, 1);
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	expect_talk(server, "Q(third)");
	expect_talk(second,
	    "E(57014=canceling statement due to user request)Z");
	send_talk(server, "CZ");
	expect_talk(third, "CZ");
}
END_TEST

START_TEST(a_key_dies_with_its_client)
{
	struct backend_key key = key_of(0);
	int request;

	close(client);
	await_clients(&world, CLIENT_FREE, world.segment->size.clients);
	client = session_login(&world, 0);
	begin_query();
	request = ask_for_cancel(key);
	expect_end(request);
	session_accepts_nothing(&world);
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

START_TEST(the_target_may_be_lost_meanwhile)
{
	int link = cancel_query(NULL);

	close(server);
	expect_fatal(client, "server conn crashed?");
	await_servers(&world, SERVER_FREE, world.segment->size.servers - 1);
	close(link);
	await_servers(&world, SERVER_FREE, world.segment->size.servers);
}
END_TEST

START_TEST(the_client_of_the_query_may_go_meanwhile)
{
	int link, own;

	link = cancel_query(NULL);
	close(client);
	/* There is one of our own, too: clearing.h. */
	own = session_accept(&world);
	expect_cancel(own);
	close(own);
	send_talk(server, "E(57014=canceling statement)Z");
	session_settle(&world);
	ck_assert_uint_eq(session_servers(&world, SERVER_IDLE), 0);
	close(link);
	await_servers(&world, SERVER_IDLE, 1);
}
END_TEST

START_TEST(a_cancel_that_cannot_be_delivered_is_given_up)
{
	int request;

	begin_query();
	shutdown(world.listen_fd, SHUT_RDWR);
	request = ask_for_cancel(key_of(0));
	expect_end(request);
	ck_assert_uint_eq(session_servers(&world, SERVER_CANCEL_LINK), 0);
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	await_servers(&world, SERVER_IDLE, 1);
}
END_TEST

/* The connection ends as if its other end had crashed. */
static void
reset(int fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once,
	    sizeof(at_once)), 0);
	close(fd);
}

/* Has it been read? It may still come: nobody else is to be hit. */
START_TEST(a_cancel_whose_connection_breaks_is_not_taken_for_delivered)
{
	int request, link = cancel_query(&request);

	reset(link);
	expect_end(request);
	await_servers(&world, SERVER_CANCEL_LINK, 0);
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	expect_goodbye(server);
}
END_TEST

/* PostgreSQL has no process for it, and says so. */
START_TEST(a_cancel_that_is_refused_costs_no_server)
{
	int request, link = cancel_query(&request);

	send_bytes(link, "Ecould not fork new process\n", 29);
	expect_end(request);
	await_servers(&world, SERVER_CANCEL_LINK, 0);
	close(link);
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	session_query(client, server);
}
END_TEST

/* What the sessions of this test log. */
static FILE *
begin_with_log(void)
{
	FILE *log = tmpfile();

	ck_assert_ptr_nonnull(log);
	session_stop(&world);
	ck_assert_int_eq(dup2(fileno(log), STDERR_FILENO), STDERR_FILENO);
	session_start(&world, "default_pool_size = 1");
	client = session_login_first(&world, 0, &server);
	return log;
}

static void
expect_logged(FILE *log, const char *text)
{
	char bytes[8192];
	ssize_t length;

	session_settle(&world);
	length = pread(fileno(log), bytes, sizeof(bytes) - 1, 0);
	ck_assert_int_ge(length, 0);
	bytes[length] = '\0';
	ck_assert_msg(strstr(bytes, text) != NULL, "no \"%s\" in \"%s\"",
	    text, bytes);
}

/* Who has asked for it may be gone. */
START_TEST(a_cancel_is_not_lost_without_a_word)
{
	FILE *log = begin_with_log();
	int request, link;

	begin_query();
	request = ask_for_cancel(key_of(0));
	link = session_accept(&world);
	close(request);
	await_clients(&world, CLIENT_CANCEL, 0);
	expect_cancel(link);
	send_bytes(link, "E", 1);
	await_servers(&world, SERVER_CANCEL_LINK, 0);
	expect_logged(log, " failed: refused");
	shutdown(world.listen_fd, SHUT_RDWR);
	expect_end(ask_for_cancel(key_of(0)));
	expect_logged(log, "Connection refused");
	fclose(log);
}
END_TEST

START_TEST(a_cancel_that_takes_too_long_is_given_up)
{
	int request, link;

	session_stop(&world);
	session_start(&world, "default_pool_size = 1\n"
	    "cancel_wait_timeout = 5");
	client = session_login_first(&world, 0, &server);
	link = cancel_query(&request);
	session_pass(&world, 4 * USEC_PER_SEC);
	expect_silence(request);
	session_pass(&world, 2 * USEC_PER_SEC);
	expect_end(request);
	expect_end(link);
	await_servers(&world, SERVER_CANCEL_LINK, 0);
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
	/* It may still arrive: nobody else is to be hit. */
	expect_goodbye(server);
}
END_TEST

START_TEST(the_request_may_come_byte_by_byte)
{
	uint8_t memory[32];
	struct writer writer = writer_of(memory, sizeof(memory));
	struct backend_key key = key_of(0);
	int request = session_connect(&world, 0), link;

	begin_query();
	write_cancel_request(&writer, &key);
	for (size_t i = 0; i < writer.used; i++) {
		send_bytes(request, writer.bytes + i, 1);
		session_settle(&world);
	}
	link = session_accept(&world);
	expect_cancel(link);
	close(link);
	expect_end(request);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("cancel");
	TCase *tests = tcase_create("cancel");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_cancel_reaches_postgresql_with_the_servers_key);
	tcase_add_test(tests, a_cancel_never_hits_the_next_query);
	tcase_add_test(tests, several_cancels_are_all_waited_for);
	tcase_add_test(tests, who_asks_need_not_wait_for_it);
	tcase_add_loop_test(tests, who_does_not_know_the_key_cancels_nothing, 0,
	    ARRAY_LENGTH(strangers));
	tcase_add_test(tests, an_idle_client_has_nothing_to_cancel);
	tcase_add_test(tests, a_client_that_waits_is_told_and_waits_no_longer);
	tcase_add_test(tests,
	    who_is_cancelled_while_it_is_given_a_server_does_not_use_it);
	tcase_add_test(tests, a_key_dies_with_its_client);
	tcase_add_test(tests, the_target_may_be_lost_meanwhile);
	tcase_add_test(tests, the_client_of_the_query_may_go_meanwhile);
	tcase_add_test(tests, a_cancel_that_cannot_be_delivered_is_given_up);
	tcase_add_test(tests,
	    a_cancel_whose_connection_breaks_is_not_taken_for_delivered);
	tcase_add_test(tests, a_cancel_that_is_refused_costs_no_server);
	tcase_add_test(tests, a_cancel_is_not_lost_without_a_word);
	tcase_add_test(tests, a_cancel_that_takes_too_long_is_given_up);
	tcase_add_test(tests, the_request_may_come_byte_by_byte);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
