/*
 * Keys for cancel requests, short and long, of clients and of servers.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/cancel_key.h"
#include "session_world.h"
#include "wire/startup.h"

static struct session_world world;
static int server;

static void
begin(void)
{
	session_start(&world, "default_pool_size = 2\n"
	    "server_login_retry = 0");
}

static void
end(void)
{
	session_stop(&world);
}

static void
send_start(int fd, uint32_t protocol)
{
	uint8_t memory[256];
	struct writer writer = writer_of(memory, sizeof(memory));

	write_startup_begin(&writer, protocol);
	write_startup_parameter(&writer, "user", "u");
	write_startup_parameter(&writer, "database", "db");
	write_startup_end(&writer);
	send_bytes(fd, writer.bytes, writer.used);
}

/* Reads on to ReadyForQuery; the key on the way. */
static struct backend_key
await_key(int fd)
{
	struct backend_key key = { 0 };
	uint8_t body[512], type;
	size_t length;

	do {
		struct reader reader;

		type = receive_message(fd, body, sizeof(body), &length);
		ck_assert_int_ne(type, 'E');
		ck_assert_int_ne(type, 'v');
		reader = reader_of(body, length);
		if (type == 'K')
			ck_assert(read_backend_key(&reader, &key));
	} while (type != 'Z');
	return key;
}

/* A server that says that it is this version. */
static void
let_in_as(int fd, const char *version, const struct backend_key *key)
{
	static const uint8_t ok[] = { 'R', 0, 0, 0, 8, 0, 0, 0, 0 };
	uint8_t memory[1024];
	struct writer writer = writer_of(memory, sizeof(memory));

	send_bytes(fd, ok, sizeof(ok));
	write_parameter_status(&writer, "server_version", version);
	write_parameter_status(&writer, "client_encoding", "UTF8");
	write_backend_key_data(&writer, key);
	write_ready_for_query(&writer, TRANSACTION_NONE);
	ck_assert(!writer.failed);
	send_bytes(fd, writer.bytes, writer.used);
}

static uint32_t
asked_version(int fd)
{
	uint8_t bytes[1024];
	struct startup startup;
	ssize_t length = recv(fd, bytes, sizeof(bytes), 0);

	ck_assert_int_gt(length, 8);
	ck_assert_int_eq(startup_read(bytes, (size_t)length, 10000, &startup),
	    STARTUP_V3);
	return startup.version;
}

static const struct backend_key short_key = { .pid = 4711, .secret = 1 };

static struct backend_key
long_server_key(uint16_t rest)
{
	struct backend_key key = { .pid = 4712, .secret = 2,
	    .rest_length = rest };

	memset(key.rest, 0xab, rest);
	return key;
}

/* The first client is in, with its server. */
static int
come_first(uint32_t protocol, const char *version,
    struct backend_key *key_out)
{
	int client = session_connect(&world, 0);

	send_start(client, protocol);
	server = session_accept(&world);
	ck_assert_uint_eq(asked_version(server), PROTOCOL_3_0);
	let_in_as(server, version, &short_key);
	*key_out = await_key(client);
	session_settle(&world);
	return client;
}

static int
ask_for_cancel(const struct backend_key *key)
{
	uint8_t memory[BACKEND_KEY_MESSAGE_MOST];
	struct writer writer = writer_of(memory, sizeof(memory));
	int fd = session_connect(&world, 0);

	write_cancel_request(&writer, key);
	ck_assert(!writer.failed);
	send_bytes(fd, writer.bytes, writer.used);
	return fd;
}

static void
expect_cancel(const struct backend_key *key)
{
	uint8_t memory[BACKEND_KEY_MESSAGE_MOST];
	struct writer writer = writer_of(memory, sizeof(memory));
	int link = session_accept(&world);

	write_cancel_request(&writer, key);
	expect_bytes(link, writer.bytes, writer.used, "a cancel request");
	close(link);
}

static const struct {
	const char	*story;
	uint32_t	 protocol;
	uint16_t	 rest;
} clients[] = {
	{ "3.0", PROTOCOL_3_0, 0 },
	{ "3.1, which is nothing", PROTOCOL_3_0 + 1, 0 },
	{ "3.2", PROTOCOL_3_2, 28 },
};

START_TEST(a_key_is_as_long_as_the_protocol_says)
{
	struct backend_key key;
	int client = come_first(clients[_i].protocol, "16.4", &key);
	int request;

	ck_assert_msg(key.rest_length == clients[_i].rest, "%s",
	    clients[_i].story);
	ck_assert_uint_lt(key.pid, 0x80000000);
	send_talk(client, "Q");
	expect_talk(server, "Q");
	request = ask_for_cancel(&key);
	expect_cancel(&short_key);
	expect_end(request);
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

static void
spoil_nothing(struct backend_key *key)
{
}

static void
cut_to_the_old_length(struct backend_key *key)
{
	key->rest_length = 0;
}

static void
cut_by_one(struct backend_key *key)
{
	key->rest_length--;
}

static void
change_the_last(struct backend_key *key)
{
	key->rest[key->rest_length - 1] ^= 1;
}

static void
make_longer(struct backend_key *key)
{
	key->rest_length++;
}

static void
make_longest(struct backend_key *key)
{
	key->rest_length = BACKEND_KEY_REST;
}

static const struct {
	const char	*story;
	uint32_t	 protocol;
	void		(*spoil)(struct backend_key *key);
	bool		 cancels;
} requests[] = {
	{ "a long key as it was given", PROTOCOL_3_2, spoil_nothing, true },
	{ "the first 8 bytes of it", PROTOCOL_3_2, cut_to_the_old_length,
	  false },
	{ "all but the last byte", PROTOCOL_3_2, cut_by_one, false },
	{ "another last byte", PROTOCOL_3_2, change_the_last, false },
	{ "one byte more", PROTOCOL_3_2, make_longer, false },
	{ "as many as there can be", PROTOCOL_3_2, make_longest, false },
	{ "a short key and one byte", PROTOCOL_3_0, make_longer, false },
	{ "a short key and a long end", PROTOCOL_3_0, make_longest, false },
};

START_TEST(only_the_whole_key_cancels)
{
	struct backend_key key;
	int client = come_first(requests[_i].protocol, "16.4", &key);
	int request;

	requests[_i].spoil(&key);
	send_talk(client, "Q");
	expect_talk(server, "Q");
	request = ask_for_cancel(&key);
	if (requests[_i].cancels)
		expect_cancel(&short_key);
	expect_end(request);
	session_accepts_nothing(&world);
	send_talk(server, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

/* A second server, while the first is busy; the pool knows the version. */
static int
open_second(struct backend_key *key_out, uint32_t *asked_out, int *fd_out)
{
	int client = session_connect(&world, 0);

	send_start(client, PROTOCOL_3_0);
	*key_out = await_key(client);
	send_talk(client, "Q");
	*fd_out = session_accept(&world);
	*asked_out = asked_version(*fd_out);
	return client;
}

static const struct {
	const char	*story, *version;
	uint32_t	 asked;
	uint16_t	 rest;
} servers[] = {
	{ "one that knows 3.0 only", "17.9", PROTOCOL_3_0, 0 },
	{ "18 gives a longer key", "18.1", PROTOCOL_3_2, 28 },
	{ "the shortest there can be", "18.1 (Debian)", PROTOCOL_3_2, 0 },
	{ "the longest", "20devel", PROTOCOL_3_2, BACKEND_KEY_REST },
};

START_TEST(a_server_that_knows_3_2_is_asked_for_it)
{
	struct backend_key key, server_key = long_server_key(
	    servers[_i].rest);
	int first = come_first(PROTOCOL_3_0, servers[_i].version, &key);
	int client, fd, request;
	uint32_t asked;

	send_talk(first, "Q");
	expect_talk(server, "Q");
	client = open_second(&key, &asked, &fd);
	ck_assert_msg(asked == servers[_i].asked, "%s", servers[_i].story);
	let_in_as(fd, servers[_i].version, &server_key);
	expect_talk(fd, "Q");
	request = ask_for_cancel(&key);
	expect_cancel(&server_key);
	expect_end(request);
	send_talk(fd, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

/* What it says instead: v, the version, no option. */
static void
send_negotiation(int fd, uint32_t version)
{
	uint8_t memory[32];
	struct writer writer = writer_of(memory, sizeof(memory));

	writer_begin(&writer, 'v');
	writer_u32(&writer, version);
	writer_u32(&writer, 0);
	writer_end(&writer);
	send_bytes(fd, writer.bytes, writer.used);
}

START_TEST(a_server_may_talk_that_down)
{
	struct backend_key key;
	int first = come_first(PROTOCOL_3_0, "18.1", &key);
	int client, fd;
	uint32_t asked;

	send_talk(first, "Q");
	expect_talk(server, "Q");
	client = open_second(&key, &asked, &fd);
	send_negotiation(fd, PROTOCOL_3_0);
	let_in_as(fd, "18.1", &short_key);
	expect_talk(fd, "Q");
	send_talk(fd, "CZ");
	expect_talk(client, "CZ");
}
END_TEST

static const struct {
	const char	*story;
	uint32_t	 version;
	uint16_t	 rest;
} wrong[] = {
	{ "a version that nobody asked for", PROTOCOL_3_2 + 1, 0 },
	{ "an old version", 0x00020000, 0 },
	{ "3.0, and then a long key", PROTOCOL_3_0, 28 },
};

START_TEST(a_server_that_negotiates_wrongly_is_given_up)
{
	struct backend_key key, long_key = long_server_key(wrong[_i].rest);
	int first = come_first(PROTOCOL_3_0, "18.1", &key);
	uint32_t asked;
	int fd;

	send_talk(first, "Q");
	expect_talk(server, "Q");
	(void)open_second(&key, &asked, &fd);
	send_negotiation(fd, wrong[_i].version);
	if (wrong[_i].rest > 0)
		let_in_as(fd, "18.1", &long_key);
	expect_goodbye(fd);
}
END_TEST

/* Not PostgreSQL, perhaps, for all it says of its version. */
START_TEST(after_a_refusal_it_is_asked_for_3_0)
{
	struct backend_key key;
	int first = come_first(PROTOCOL_3_0, "18.1", &key);
	uint32_t asked;
	int fd;

	send_talk(first, "Q");
	expect_talk(server, "Q");
	(void)open_second(&key, &asked, &fd);
	ck_assert_uint_eq(asked, PROTOCOL_3_2);
	send_talk(fd, "F(08P01=unsupported frontend protocol)");
	expect_goodbye(fd);
	close(fd);
	fd = session_accept(&world);
	ck_assert_uint_eq(asked_version(fd), PROTOCOL_3_0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("cancel keys");
	TCase *tests = tcase_create("keys");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, a_key_is_as_long_as_the_protocol_says, 0,
	    (int)ARRAY_LENGTH(clients));
	tcase_add_loop_test(tests, only_the_whole_key_cancels, 0,
	    (int)ARRAY_LENGTH(requests));
	tcase_add_loop_test(tests, a_server_that_knows_3_2_is_asked_for_it, 0,
	    (int)ARRAY_LENGTH(servers));
	tcase_add_test(tests, a_server_may_talk_that_down);
	tcase_add_loop_test(tests,
	    a_server_that_negotiates_wrongly_is_given_up, 0,
	    (int)ARRAY_LENGTH(wrong));
	tcase_add_test(tests, after_a_refusal_it_is_asked_for_3_0);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
