/*
 * Where PostgreSQL is found, and what happens when it is not: names that move,
 * resolvers that hang, lists of hosts, hosts that swallow everything.
 *
 * Names need /etc/hosts and /etc/resolv.conf of one's own, in a mount
 * namespace of the test, which the pooler inherits: those are for root.
 */
#include <sys/mount.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/fake_server.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/crowd.h"
#include "live/world.h"

/* A new client gets in and gets an answer. */
static bool
gets_in(struct pooler *pooler, const char *conninfo)
{
	PGconn *client = PQconnectdb(login_string(pooler, conninfo));
	PGresult *result = PQexec(client, "select 1");
	bool yes = PQresultStatus(result) == PGRES_TUPLES_OK;

	PQclear(result);
	PQfinish(client);
	return yes;
}

/* It is seen that they are gone: nobody is given a dying one. */
static void
await_no_servers(struct pooler *pooler, const char *database)
{
	PGconn *console = connect_console(pooler);

	wait_until(show_count(console, "SERVERS", "database", database) == 0);
	disconnect(console);
}

/* ---- names of our own ---- */

static void
cover(const char *path, const char *content)
{
	const char *mine = text("%s/mine-%d-%s", world.directory,
	    (int)getpid(), strrchr(path, '/') + 1);

	ck_assert(file_write(mine, content));
	ck_assert_msg(mount(mine, path, NULL, MS_BIND, NULL) == 0, "%s: %s",
	    path, strerror(errno));
}

/* An address that no other test has, as it has the port of that number. */
static const char *
resolver_address(void)
{
	static int port;

	if (port == 0)
		port = world_port();
	return text("127.77.%d.%d", port / 256, port % 256);
}

/* In this test's process and in those that it starts from now on. */
static void
cover_names(const char *hosts)
{
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL),
	    0);
	cover("/etc/hosts", hosts);
	cover("/etc/resolv.conf", text("nameserver %s\noptions timeout:30 "
	    "attempts:1\n", resolver_address()));
	cover("/etc/nsswitch.conf", "hosts: files dns\npasswd: files\n"
	    "group: files\n");
}

/* As long as before: whoever reads meanwhile sees one or the other. */
static void
change_hosts(const char *hosts)
{
	int fd = open("/etc/hosts", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(pwrite(fd, hosts, strlen(hosts), 0),
	    (ssize_t)strlen(hosts));
	close(fd);
}

/* A name server that says nothing of itself. */
static int
open_resolver(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_port = htons(53),
	    .sin_addr.s_addr = inet_addr(resolver_address()) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_msg(bind(fd, (struct sockaddr *)&address,
	    sizeof(address)) == 0, "%s:53: %s", resolver_address(),
	    strerror(errno));
	return fd;
}

struct dns_question {
	uint8_t			bytes[512];
	ssize_t			length;
	struct sockaddr_in	from;
};

static struct dns_question
await_dns(int resolver)
{
	struct pollfd news = { resolver, POLLIN, 0 };
	struct dns_question question;
	socklen_t length = sizeof(question.from);

	ck_assert_msg(poll(&news, 1, (int)patience_ms()) == 1,
	    "nobody asks the resolver");
	question.length = recvfrom(resolver, question.bytes, 300, 0,
	    (struct sockaddr *)&question.from, &length);
	ck_assert_int_gt(question.length, 16);
	return question;
}

/* 127.0.0.1 to a question for A, nothing to others. */
static void
answer_dns(int resolver, struct dns_question *question)
{
	static const uint8_t record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60,
	    0, 4, 127, 0, 0, 1 };
	uint8_t *at = question->bytes + 12;
	bool is_a;

	while (*at != 0)
		at += *at + 1;
	is_a = at[2] == 1;
	at += 5;			/* behind the question */
	question->bytes[2] = 0x81;
	question->bytes[3] = 0x80;
	memset(question->bytes + 6, 0, 6);
	if (is_a) {
		question->bytes[7] = 1;
		memcpy(at, record, sizeof(record));
		at += sizeof(record);
	}
	(void)!sendto(resolver, question->bytes,
	    (size_t)(at - question->bytes), 0,
	    (struct sockaddr *)&question->from, sizeof(question->from));
}

/* ---- names ---- */

/* PostgreSQL first, then somebody who says "fake" to everything. */
START_TEST(a_name_that_moves_is_followed)
{
	PGconn *clients[6], *console;
	struct fake_server *other;
	struct pooler *pooler;

	cover_names("127.0.0.1 db.test\n");
	other = fake_server_start_at("127.0.0.2", world.cluster.port);
	pooler = pooler_start(.workers = 3, .databases = text(
	    "shop = host=db.test port=%d dbname=postgres pool_size=4",
	    world.cluster.port), .settings = "dns_max_ttl = 1\n");
	for (unsigned i = 0; i < 6; i++) {
		clients[i] = connect_client(pooler);
		ck_query_value(clients[i], "select 1", "1");
	}
	console = connect_console(pooler);
	ck_assert_str_eq(show_value(console, "DNS_HOSTS", "hostname",
	    "db.test", "addrs"), "127.0.0.1:0");
	ck_query_ok(clients[0], "begin");
	change_hosts("127.0.0.2 db.test\n");
	for (unsigned i = 1; i < 6; i++)
		wait_until(strcmp(query_value(clients[i], "select 1"),
		    "fake") == 0);
	/* Who is in a transaction stays until it is over. */
	ck_query_value(clients[0], "select 1", "1");
	ck_query_ok(clients[0], "commit");
	wait_until(strcmp(query_value(clients[0], "select 1"), "fake") == 0);
	pooler_await_log(pooler, "closing because: obsolete connection");
	for (unsigned i = 0; i < 3; i++) {
		PGconn *another = connect_console(pooler);

		ck_assert_str_eq(show_value(another, "DNS_HOSTS", "hostname",
		    "db.test", "addrs"), "127.0.0.2:0");
		ck_assert_int_eq(show_number(another, "LISTS", "list",
		    "dns_names", "items"), 1);
	}
	ck_assert_uint_gt(fake_server_connections(other), 0);
	fake_server_stop(other);
}
END_TEST

/* A failover by name, with an answer that is good for an hour. */
START_TEST(a_reconnect_asks_for_names_again)
{
	struct fake_server *other;
	struct pooler *pooler;
	PGconn *client;

	cover_names("127.0.0.1 db.test\n");
	other = fake_server_start_at("127.0.0.2", world.cluster.port);
	pooler = pooler_start(.workers = 2, .databases = text(
	    "shop = host=db.test port=%d dbname=postgres",
	    world.cluster.port), .settings = "dns_max_ttl = 3600\n");
	client = connect_client(pooler);
	ck_query_value(client, "select 1", "1");
	change_hosts("127.0.0.2 db.test\n");
	ck_query_ok(connect_console(pooler), "RECONNECT shop");
	wait_until(strcmp(query_value(client, "select 1"), "fake") == 0);
	fake_server_stop(other);
}
END_TEST

/* The first of two addresses refuses: nobody notices. */
START_TEST(a_name_with_several_addresses_uses_those_that_answer)
{
	struct pooler *pooler;
	PGconn *client;

	cover_names("127.0.0.9 db.test\n127.0.0.1 db.test\n");
	pooler = pooler_start(.workers = 2, .databases = text(
	    "shop = host=db.test port=%d dbname=postgres",
	    world.cluster.port), .settings = "server_lifetime = 0\n");
	client = connect_client(pooler);
	for (unsigned i = 0; i < 6; i++)
		ck_query_value(client, "select 7", "7");
	ck_assert(!pooler_logged(pooler, "closing because: connect failed"));
}
END_TEST

START_TEST(a_resolver_that_hangs_stalls_nobody)
{
	struct pooler *pooler;
	PGconn *clients[8], *console;
	int resolver, stuck;

	cover_names("127.0.0.1 db.test\n");
	resolver = open_resolver();
	pooler = pooler_start(.workers = 4, .databases = text(
	    "shop = host=db.test port=%d dbname=postgres\n"
	    "slow = host=slow.test port=%d dbname=postgres",
	    world.cluster.port, world.cluster.port),
	    .settings = "server_connect_timeout = 600\n");
	stuck = fake_client_begin(pooler->port, "app", "slow");
	await_dns(resolver);
	/* From here on a look-up hangs; others of all workers go on. */
	for (unsigned i = 0; i < 8; i++) {
		clients[i] = connect_client(pooler);
		ck_query_value(clients[i], "select 7", "7");
	}
	console = connect_console(pooler);
	ck_assert_int_eq(show_number(console, "LISTS", "list", "dns_names",
	    "items"), 2);
	ck_assert_int_eq(show_number(console, "LISTS", "list", "dns_queries",
	    "items"), 1);
	ck_assert_str_eq(show_value(console, "DNS_HOSTS", "hostname",
	    "slow.test", "addrs"), "");
	ck_query_ok(console, "SET server_connect_timeout = 1");
	pooler_await_log(pooler,
	    "closing because: server DNS lookup failed");
	close(stuck);
	close(resolver);
}
END_TEST

START_TEST(what_a_dead_helper_was_asked_is_asked_again)
{
	struct pooler *pooler;
	struct message message;
	struct pollfd news;
	pid_t helper;
	int resolver, client;

	cover_names("127.0.0.1 db.test\n");
	resolver = open_resolver();
	pooler = pooler_start(.workers = 3, .databases = text(
	    "shop = host=slow.test port=%d dbname=postgres",
	    world.cluster.port),
	    .settings = "server_connect_timeout = 60\n");
	client = fake_client_begin(pooler->port, "app", "shop");
	await_dns(resolver);
	helper = pooler_helper(pooler);
	ck_assert_int_ne(helper, 0);
	kill(helper, SIGKILL);
	wait_until(pooler_helper(pooler) != 0 &&
	    pooler_helper(pooler) != helper);
	/* All that comes is answered; the dead do not hear it. */
	news = (struct pollfd){ resolver, POLLIN, 0 };
	for (bool in = false; !in;) {
		struct pollfd both[2] = { news, { client, POLLIN, 0 } };

		ck_assert_int_gt(poll(both, 2, (int)patience_ms()), 0);
		in = both[1].revents != 0;
		if (both[0].revents != 0) {
			struct dns_question question = await_dns(resolver);

			answer_dns(resolver, &question);
		}
	}
	fake_client_expect(client, 'Z', &message);
	fake_client_query(client, "select 7");
	fake_client_expect(client, 'Z', &message);
	close(client);
	close(resolver);
}
END_TEST

START_TEST(a_worker_killed_while_it_waits_for_a_name_costs_nothing)
{
	struct pooler *pooler;
	PGconn *console;
	pid_t workers[4];
	unsigned count;
	struct dns_question first;
	int resolver, client;

	cover_names("127.0.0.1 db.test\n");
	resolver = open_resolver();
	pooler = pooler_start(.workers = 2, .databases = text(
	    "shop = host=slow.test port=%d dbname=postgres pool_size=1",
	    world.cluster.port),
	    .settings = "server_connect_timeout = 60\n");
	client = fake_client_begin(pooler->port, "app", "shop");
	first = await_dns(resolver);
	console = connect_console(pooler);
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "sv_login") == 1);
	count = pooler_children(pooler, workers, 4);
	for (unsigned i = 0; i < count; i++)
		kill(workers[i], SIGKILL);
	close(client);
	wait_until(!process_alive(workers[0]) && !process_alive(workers[1]));
	wait_until(pooler_children(pooler, workers, 4) == 2);
	/* Its place is free, and its question is still good for the next. */
	client = fake_client_begin(pooler->port, "app", "shop");
	answer_dns(resolver, &first);
	for (bool in = false; !in;) {
		struct pollfd both[2] = { { resolver, POLLIN, 0 },
		    { client, POLLIN, 0 } };

		ck_assert_int_gt(poll(both, 2, (int)patience_ms()), 0);
		in = both[1].revents != 0;
		if (both[0].revents != 0) {
			struct dns_question question = await_dns(resolver);

			answer_dns(resolver, &question);
		}
	}
	fake_client_expect(client, 'Z', NULL);
	close(client);
	close(resolver);
}
END_TEST

START_TEST(a_name_that_is_not_there_is_said_so)
{
	struct pooler *pooler;
	int client;

	cover_names("127.0.0.1 db.test\n");
	change_hosts("127.0.0.1 db.test\n");
	cover("/etc/nsswitch.conf", "hosts: files\npasswd: files\n"
	    "group: files\n");
	pooler = pooler_start(.workers = 2, .databases =
	    "shop = host=nowhere.test", .settings =
	    "server_login_retry = 0.4\n");
	client = fake_client_begin(pooler->port, "app", "shop");
	pooler_await_log(pooler, "DNS lookup failed: nowhere.test: result=");
	pooler_await_log(pooler, "closing because: server DNS lookup failed");
	ck_query_ok(connect_console(pooler), "SET client_login_timeout = 1");
	fake_client_expect_error(client, "FATAL", "08P01",
	    "client_login_timeout (server down)");
	close(client);
}
END_TEST

/* ---- several hosts ---- */

struct two {
	struct fake_server	*one, *other;
	struct pooler		*pooler;
	PGconn			*clients[4];
};

static void
begin_two(const char *test, struct two *two, const char *more)
{
	int port = world_port();

	two->one = fake_server_start(port);
	two->other = fake_server_start_at("127.0.0.2", port);
	two->pooler = pooler_start_for(test, &(struct recipe){ .workers = 3,
	    .databases = text("shop = host=127.0.0.1,127.0.0.2 port=%d "
	    "pool_size=4 %s", port, more),
	    .settings = "server_login_retry = 0.4\n" });
	/* Held, so that each has a server connection of its own. */
	fake_server_hold(two->one, "hold");
	fake_server_hold(two->other, "hold");
	for (unsigned i = 0; i < 4; i++) {
		two->clients[i] = connect_client(two->pooler);
		ck_assert(PQsendQuery(two->clients[i], "hold"));
	}
	wait_until(fake_server_queries(two->one, "hold") +
	    fake_server_queries(two->other, "hold") == 4);
	fake_server_release(two->one);
	fake_server_release(two->other);
	for (unsigned i = 0; i < 4; i++)
		ck_finish_ok(two->clients[i]);
}

static void
end_two(struct two *two)
{
	fake_server_stop(two->one);
	fake_server_stop(two->other);
}

START_TEST(several_hosts_are_taken_in_turn_by_all_workers)
{
	struct two two;

	begin_two(__func__, &two, "");
	ck_assert_uint_eq(fake_server_connections(two.one), 2);
	ck_assert_uint_eq(fake_server_connections(two.other), 2);
	end_two(&two);
}
END_TEST

START_TEST(without_balance_one_host_is_kept_until_it_fails)
{
	struct two two;

	begin_two(__func__, &two, "load_balance_hosts=disable");
	ck_assert_uint_eq(fake_server_connections(two.one), 4);
	ck_assert_uint_eq(fake_server_connections(two.other), 0);
	fake_server_close_port(two.one);
	for (unsigned i = 0; i < 4; i++)
		fake_server_hang_up(two.one, i);
	await_open(two.one, 0);
	await_no_servers(two.pooler, "shop");
	disconnect(two.clients[0]);
	two.clients[0] = connect_client(two.pooler);
	ck_query_value(two.clients[0], "select 1", "fake");
	ck_assert_uint_eq(fake_server_connections(two.other), 1);
	/* The first one is back, and nobody goes there. */
	fake_server_open_port(two.one);
	fake_server_hang_up(two.other, 0);
	await_open(two.other, 0);
	await_no_servers(two.pooler, "shop");
	wait_until(gets_in(two.pooler, "user=app dbname=shop"));
	ck_assert_uint_eq(fake_server_connections(two.one), 4);
	end_two(&two);
}
END_TEST

START_TEST(a_list_may_have_sockets_and_addresses)
{
	struct pooler *pooler = pooler_start(.workers = 2, .databases = text(
	    "shop = host=127.0.0.9,%s/nowhere,::1,127.0.0.1 port=%d "
	    "dbname=postgres", world.directory, world.cluster.port),
	    .settings = "server_lifetime = 0\n");
	PGconn *client = connect_client(pooler);

	for (unsigned i = 0; i < 8; i++)
		ck_query_value(client, "select 7", "7");
	ck_assert(!pooler_logged(pooler, "closing because: connect failed"));
}
END_TEST

/* ---- hosts that do not answer ---- */

/* A port that takes no more connections and refuses none. */
struct hole {
	int	listener;
	int	fillers[8];
};

static void
dig_hole(struct hole *hole, int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	hole->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(hole->listener, SOL_SOCKET, SO_REUSEADDR, &one,
	    sizeof(one));
	ck_assert_int_eq(bind(hole->listener, (struct sockaddr *)&address,
	    sizeof(address)), 0);
	ck_assert_int_eq(listen(hole->listener, 0), 0);
	for (unsigned i = 0; i < ARRAY_LENGTH(hole->fillers); i++) {
		hole->fillers[i] = socket(AF_INET, SOCK_STREAM |
		    SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(hole->fillers[i], (struct sockaddr *)&address,
		    sizeof(address));
	}
}

static void
fill_hole(struct hole *hole)
{
	for (unsigned i = 0; i < ARRAY_LENGTH(hole->fillers); i++)
		close(hole->fillers[i]);
	close(hole->listener);
}

START_TEST(a_black_hole_has_an_end_and_delays_nobody_else)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = pooler_start(.workers = 3, .databases = text(
	    "shop = %s\nhole = host=127.0.0.1 port=%d", world_place(), port),
	    .settings = "server_connect_timeout = 1\n"
	    "server_login_retry = 1\n");
	PGconn *inside[3];
	struct crowd_result result;
	struct crowd *crowd;
	struct hole hole;

	for (unsigned i = 0; i < 3; i++)
		inside[i] = connect_as(pooler, "user=app dbname=hole");
	crowd = crowd_start(pooler, &(struct crowd_plan){ .clients = 6 });
	fake_server_close_port(server);
	for (unsigned i = 0; i < fake_server_connections(server); i++)
		fake_server_hang_up(server, i);
	await_open(server, 0);
	await_no_servers(pooler, "hole");
	dig_hole(&hole, port);
	for (unsigned i = 0; i < 3; i++)
		ck_assert(PQsendQuery(inside[i], "select 1"));
	pooler_await_log(pooler, "closing because: connect timeout");
	/* They hear of it, whichever worker made the attempt. */
	for (unsigned i = 0; i < 3; i++) {
		PGresult *answer = PQgetResult(inside[i]);

		ck_assert_msg(strstr(PQresultErrorMessage(answer),
		    "server login has been failing, cached error: connect "
		    "timeout (server_login_retry)") != NULL, "%s",
		    PQresultErrorMessage(answer));
		PQclear(answer);
	}
	crowd_await_progress(crowd, 50);
	fill_hole(&hole);
	fake_server_open_port(server);
	wait_until(gets_in(pooler, "user=app dbname=hole"));
	result = crowd_stop(crowd);
	ck_crowd_well(&result);
	fake_server_stop(server);
}
END_TEST

/*
 * One attempt in each server_login_retry, however many workers and clients
 * there are.  The measured time makes this hold on a busy machine as well.
 */
START_TEST(a_server_that_fails_is_not_stormed)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = pooler_start(.workers = 4, .databases = text(
	    "shop = host=127.0.0.1 port=%d", port),
	    .settings = "server_login_retry = 0.5\nlog_connections = 0\n"
	    "log_disconnections = 0\nlog_pooler_errors = 0\n");
	struct buffer nothing = { 0 };
	PGconn *clients[24];
	unsigned before, attempts;
	long long start, took;

	for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++)
		clients[i] = PQconnectdb(login_string(pooler,
		    "user=app dbname=shop"));
	fake_server_greet(server, &nothing, THEN_HANG_UP);
	for (unsigned i = 0; i < fake_server_connections(server); i++)
		fake_server_hang_up(server, i);
	await_open(server, 0);
	before = fake_server_connections(server);
	start = now_ms();
	do {
		for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++) {
			PQclear(PQexec(clients[i], "select 1"));
			if (PQstatus(clients[i]) != CONNECTION_OK)
				PQreset(clients[i]);
		}
		attempts = fake_server_connections(server) - before;
		took = now_ms() - start;
	} while (attempts < 6);
	/* Those under way at the beginning, then one after the other. */
	ck_assert_msg(attempts <= 4 + took / 450, "%u attempts in %lld ms",
	    attempts, took);
	fake_server_greet_well(server);
	wait_until(gets_in(pooler, "user=app dbname=shop"));
	for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++)
		PQfinish(clients[i]);
	fake_server_stop(server);
}
END_TEST

START_TEST(postgres_stops_and_starts_ten_times_under_load)
{
	struct pooler *pooler = pooler_start(.workers = 4, .settings =
	    "default_pool_size = 5\nserver_login_retry = 0.3\n"
	    "log_connections = 0\nlog_disconnections = 0\n"
	    "log_pooler_errors = 0\n");
	struct crowd *crowd = crowd_start(pooler, &(struct crowd_plan){
	    .clients = 24, .comes_back = true, .statements = 3 });
	PGconn *console = connect_console(pooler);
	struct crowd_result result;
	PGconn *direct;

	for (unsigned i = 0; i < 10; i++) {
		crowd_await_progress(crowd, 5);
		ck_assert(cluster_stop(&world.cluster));
		ck_assert(cluster_start(&world.cluster));
	}
	crowd_await_progress(crowd, 20);
	/* Never more than the pool has places for. */
	direct = world_direct();
	ck_assert_int_le(query_number(direct, "select count(*) from "
	    "pg_stat_activity where usename = 'app'"), 5);
	result = crowd_stop(crowd);
	ck_assert_msg(result.wrong == 0, "%u wrong, the last: %s",
	    result.wrong, result.why);
	ck_assert_uint_gt(result.lost + result.errors, 0);
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_waiting") == 0 && show_number(console, "POOLS", "database",
	    "shop", "sv_active") == 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hosts");
	TCase *tests = world_case(suite, "hosts", 60);

	if (!pooler_is_pgusher())
		return 77;
	tcase_add_test(tests, several_hosts_are_taken_in_turn_by_all_workers);
	tcase_add_test(tests,
	    without_balance_one_host_is_kept_until_it_fails);
	tcase_add_test(tests, a_list_may_have_sockets_and_addresses);
	tcase_add_test(tests,
	    a_black_hole_has_an_end_and_delays_nobody_else);
	tcase_add_test(tests, a_server_that_fails_is_not_stormed);

	tests = world_case(suite, "restarts", 240);
	tcase_add_test(tests, postgres_stops_and_starts_ten_times_under_load);

	tests = world_case(suite, "names", 60);
	if (geteuid() == 0) {
		tcase_add_test(tests, a_name_that_moves_is_followed);
		tcase_add_test(tests, a_reconnect_asks_for_names_again);
		tcase_add_test(tests,
		    a_name_with_several_addresses_uses_those_that_answer);
		tcase_add_test(tests, a_resolver_that_hangs_stalls_nobody);
		tcase_add_test(tests,
		    what_a_dead_helper_was_asked_is_asked_again);
		tcase_add_test(tests,
		    a_worker_killed_while_it_waits_for_a_name_costs_nothing);
		tcase_add_test(tests, a_name_that_is_not_there_is_said_so);
	}
	return world_run(suite);
}
