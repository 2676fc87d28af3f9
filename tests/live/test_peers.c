/*
 * Cancel requests that come to the wrong pooler go to the right one.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/fake_server.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/world.h"

#define CANCEL_REQUEST 80877102u

struct key {
	uint32_t	pid, secret;
};

static const char *
peer(int id, int port, const char *more)
{
	return text("\n[peers]\n%d = host=127.0.0.1 port=%d %s\n", id, port,
	    more);
}

static const char *
own_id(int id)
{
	return text("peer_id = %d\n", id);
}

/* Two that know each other; ids beyond a byte show the order of bytes. */
#define FIRST 1
#define SECOND 0x0302

static void
start_two(struct pooler **first, struct pooler **second)
{
	PGconn *console;

	*first = pooler_start(.workers = 2, .settings = own_id(FIRST));
	*second = pooler_start(.workers = 2, .settings = own_id(SECOND),
	    .users = peer(FIRST, (*first)->port, ""));
	pooler_rewrite(*first, &(struct recipe){ .workers = 2,
	    .settings = own_id(FIRST),
	    .users = peer(SECOND, (*second)->port, "") });
	console = connect_console(*first);
	ck_query_ok(console, "RELOAD");
	disconnect(console);
}

static uint32_t
number_at(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	    (uint32_t)at[2] << 8 | at[3];
}

/* Logs in and tells the key. */
static int
login(struct pooler *pooler, struct key *key_out)
{
	int fd = fake_client_begin(pooler->port, "app", "shop");
	struct message message;

	fake_client_expect(fd, 'K', &message);
	key_out->pid = number_at(message.body);
	key_out->secret = number_at(message.body + 4);
	fake_client_expect(fd, 'Z', NULL);
	return fd;
}

static int
send_cancel(int port, struct key key)
{
	struct buffer bytes = { 0 };
	int fd = fake_client_connect(port);

	put_u32(&bytes, 16);
	put_u32(&bytes, CANCEL_REQUEST);
	put_u32(&bytes, key.pid);
	put_u32(&bytes, key.secret);
	ck_assert(fake_client_send(fd, &bytes));
	return fd;
}

static void
begin_to_sleep(int fd)
{
	PGconn *direct = world_direct();

	fake_client_query(fd, "select pg_sleep(60)");
	wait_until(query_number(direct, "select count(*) from "
	    "pg_stat_activity where query like 'select pg_sleep%' and "
	    "state = 'active'") > 0);
	disconnect(direct);
}

/* PostgreSQL has described the answer already. */
static void
ck_cancelled(int fd)
{
	struct message message;

	fake_client_expect(fd, 'E', &message);
	ck_assert_str_eq(error_field(&message, 'C'), "57014");
	/* PostgreSQL shows it as active until then. */
	fake_client_expect(fd, 'Z', NULL);
}

START_TEST(a_key_says_whose_it_is)
{
	struct pooler *pooler = pooler_start(.settings = own_id(SECOND));
	struct key key;

	close(login(pooler, &key));
	ck_assert_uint_eq(key.pid >> 31, 0);
	ck_assert_uint_eq(key.pid >> 16 & 0xff, SECOND & 0xff);
	ck_assert_uint_eq(key.pid >> 8 & 0xff, SECOND >> 8);
	ck_assert_uint_eq(key.secret & 3, 3);
}
END_TEST

START_TEST(a_request_at_the_wrong_pooler_goes_to_the_right_one)
{
	struct pooler *first, *second;
	struct key key;
	int client, request;

	start_two(&first, &second);
	client = login(first, &key);
	begin_to_sleep(client);
	request = send_cancel(second->port, key);
	ck_cancelled(client);
	fake_client_expect_close(request);
	pooler_await_log(second, "successfully sent cancel request");
	close(client);
	close(request);
	/* And the other way round. */
	client = login(second, &key);
	begin_to_sleep(client);
	request = send_cancel(first->port, key);
	ck_cancelled(client);
	close(client);
	close(request);
}
END_TEST

START_TEST(what_nobody_knows_is_dropped)
{
	struct pooler *first, *second;
	struct key key, other;
	int client, request;

	start_two(&first, &second);
	client = login(first, &key);
	begin_to_sleep(client);
	other = key;
	other.secret &= ~3u;
	request = send_cancel(second->port, other);
	fake_client_expect_close(request);
	pooler_await_log(second, "failed to forward cancel request "
	    "because its TTL was exhausted");
	close(request);
	other = key;
	other.pid ^= 0x00550000;
	request = send_cancel(second->port, other);
	fake_client_expect_close(request);
	pooler_await_log(second,
	    "could not find peer to forward request to");
	close(request);
	close(client);
}
END_TEST

START_TEST(a_request_is_passed_on_with_one_less_to_go)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = pooler_start(.settings = own_id(SECOND),
	    .users = peer(FIRST, port, ""));
	/* 01 00: peer 1; 4 to 0: the others as they are. */
	struct key key = { 0x11010044, 0x55667703 };

	for (uint32_t ttl = 3; ttl > 0; ttl--) {
		int request;

		key.secret = (key.secret & ~3u) | ttl;
		request = send_cancel(pooler->port, key);
		fake_client_expect_close(request);
		close(request);
		ck_assert_uint_eq(fake_server_cancelled_pid(server),
		    key.pid);
		ck_assert_uint_eq(fake_server_cancelled_key(server),
		    key.secret - 1);
	}
}
END_TEST

START_TEST(no_more_at_one_time_than_the_peers_pool_size)
{
	int port = world_port(), requests[5];
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = own_id(SECOND),
	    .users = peer(FIRST, port, "pool_size=2"));
	PGconn *console = connect_console(pooler);

	fake_server_hold_cancels(server);
	for (int i = 0; i < 5; i++)
		requests[i] = send_cancel(pooler->port,
		    (struct key){ 0x11010044, 0x55667703 });
	wait_until(show_number(console, "PEER_POOLS", "peer_id", "1",
	    "cl_waiting_cancel_req") == 3 && show_number(console,
	    "PEER_POOLS", "peer_id", "1", "cl_active_cancel_req") == 2);
	ck_assert_uint_le(fake_server_cancels(server), 2);
	fake_server_release_cancels(server);
	for (int i = 0; i < 5; i++) {
		fake_client_expect_close(requests[i]);
		close(requests[i]);
	}
	ck_assert_uint_eq(fake_server_cancels(server), 5);
	wait_until(show_number(console, "PEER_POOLS", "peer_id", "1",
	    "cl_active_cancel_req") == 0);
}
END_TEST

START_TEST(a_peer_that_leaves_the_file_is_dropped)
{
	int port = world_port(), request;
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = pooler_start(.settings = own_id(SECOND),
	    .users = peer(FIRST, port, ""));
	PGconn *console = connect_console(pooler);

	fake_server_hold_cancels(server);
	request = send_cancel(pooler->port,
	    (struct key){ 0x11010044, 0x55667703 });
	await_cancels(server, 1);
	pooler_rewrite(pooler, &(struct recipe){
	    .settings = own_id(SECOND) });
	ck_query_ok(console, "RELOAD");
	fake_client_expect_close(request);
	close(request);
	pooler_await_log(pooler, "closing because: peer removed");
	pooler_await_log(pooler,
	    "dropping peer 1 as it does not exist anymore");
	wait_until(show_count(console, "PEERS", "peer_id", "1") == 0);
	fake_server_release_cancels(server);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("peers");
	TCase *tests = world_case(suite, "peers", 60);

	tcase_add_test(tests, a_key_says_whose_it_is);
	tcase_add_test(tests,
	    a_request_at_the_wrong_pooler_goes_to_the_right_one);
	tcase_add_test(tests, what_nobody_knows_is_dropped);
	tcase_add_test(tests, a_request_is_passed_on_with_one_less_to_go);
	tcase_add_test(tests, no_more_at_one_time_than_the_peers_pool_size);
	tcase_add_test(tests, a_peer_that_leaves_the_file_is_dropped);
	return world_run(suite);
}
