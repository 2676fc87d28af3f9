/*
 * Time limits, each with clients of all workers: who is ended, in which
 * words, and who is not.
 *
 * Nothing here measures time: limits are small, and what must happen is
 * awaited with patience.  Where something has to happen before, the limit
 * comes when it has, by SET or RELOAD.
 */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/fake_server.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/world.h"

#define WORKERS 4
#define MOST 64

/* Server connections of the pooler, as PostgreSQL has them. */
static const char in_postgres[] = "select count(*) from pg_stat_activity "
    "where usename <> 'postgres'";

/* Clients that every worker has some of. */
struct spread {
	int		fds[MOST];
	unsigned	count;
};

/* The console is one of them. */
static bool
all_have_some(PGconn *console)
{
	for (unsigned slot = 0; slot < WORKERS; slot++)
		if (show_number(console, "WORKERS", "slot", text("%u", slot),
		    "clients") < 2)
			return false;
	return true;
}

static void
spread_out(struct spread *spread, struct pooler *pooler, const char *user)
{
	PGconn *console = connect_console(pooler);

	do {
		ck_assert_uint_lt(spread->count, MOST);
		spread->fds[spread->count++] = fake_client_login(pooler->port,
		    user, "shop");
	} while (spread->count < 2 * WORKERS || !all_have_some(console));
	disconnect(console);
}

static void
all_ask(const struct spread *spread, const char *sql)
{
	for (unsigned i = 0; i < spread->count; i++)
		fake_client_query(spread->fds[i], sql);
}

static void
all_expect(const struct spread *spread, char type)
{
	for (unsigned i = 0; i < spread->count; i++)
		fake_client_expect(spread->fds[i], type, NULL);
}

static void
all_end(struct spread *spread, const char *sqlstate, const char *words)
{
	for (unsigned i = 0; i < spread->count; i++) {
		fake_client_expect_error(spread->fds[i], "FATAL", sqlstate,
		    words);
		fake_client_expect_close(spread->fds[i]);
		close(spread->fds[i]);
	}
	spread->count = 0;
}

static void
all_leave(struct spread *spread)
{
	for (unsigned i = 0; i < spread->count; i++)
		close(spread->fds[i]);
	spread->count = 0;
}

static int
login(struct pooler *pooler, const char *user)
{
	return fake_client_login(pooler->port, user, "shop");
}

static void
run(int client, const char *sql)
{
	fake_client_query(client, sql);
	fake_client_expect(client, 'Z', NULL);
}

/* "used" is one that rests for longer than server_check_delay. */
static void
await_rest(PGconn *console)
{
	wait_until(show_count(console, "SERVERS", "state", "idle") +
	    show_count(console, "SERVERS", "state", "used") == 1);
}

/* For all that are there, at once. */
static void
set_limit(PGconn *console, const char *name, int seconds)
{
	ck_query_ok(console, text("SET %s = %d", name, seconds));
}

/* --- waiting ------------------------------------------------------------- */

static const struct {
	const char	*story, *settings, *database, *users;
} waits[] = {
	{ "for all", "query_wait_timeout = 0.5\n", "", "" },
	{ "for the database", "query_wait_timeout = 0\n",
	    "query_wait_timeout=1", "" },
	{ "for the user", "query_wait_timeout = 0\n",
	    "query_wait_timeout=3600", "app = query_wait_timeout=1" },
};

START_TEST(who_waits_for_too_long_is_ended)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = waits[_i].settings, .users = waits[_i].users,
	    .databases = text("shop = %s pool_size=1 %s", world_place(),
	    waits[_i].database));
	struct spread waiters = { .count = 0 };
	PGconn *console = connect_console(pooler);
	int holder = login(pooler, "app");

	await_rest(console);
	run(holder, "begin");
	spread_out(&waiters, pooler, "app");
	all_ask(&waiters, "select 1");
	all_end(&waiters, "53300", "query_wait_timeout");
	run(holder, "commit");
	close(holder);
	await_rest(console);
	ck_login_ok(pooler, "user=app dbname=shop");
}
END_TEST

START_TEST(who_waits_while_all_is_paused_is_ended_too)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = "query_wait_timeout = 0.5\n");
	struct spread waiters = { .count = 0 };
	PGconn *console = connect_console(pooler);

	spread_out(&waiters, pooler, "app");
	ck_query_ok(console, "PAUSE");
	all_ask(&waiters, "select 1");
	all_end(&waiters, "53300", "query_wait_timeout");
	ck_query_ok(console, "RESUME");
}
END_TEST

/* Reads its answer to the end; says how many notices came with it. */
static unsigned
notices_until_ready(int client)
{
	static struct message message;
	unsigned count = 0;

	do {
		ck_assert(fake_client_read(client, &message));
		ck_assert_int_ne(message.type, 'E');
		if (message.type != 'N')
			continue;
		count++;
		ck_assert_str_eq(error_field(&message, 'S'), "NOTICE");
		ck_assert_str_eq(error_field(&message, 'C'), "00000");
		ck_assert_str_eq(error_field(&message, 'M'),
		    "No server connection available in postgres backend, "
		    "client being queued");
	} while (message.type != 'Z');
	return count;
}

START_TEST(who_waits_is_told_so_once_in_each_wait)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = "default_pool_size = 1\nquery_wait_notify = 1\n");
	struct spread waiters = { .count = 0 };
	int holder = login(pooler, "app"), late = login(pooler, "app");
	struct message message;

	for (unsigned round = 0; round < 2; round++) {
		spread_out(&waiters, pooler, "app");
		run(holder, "begin");
		all_ask(&waiters, "select 1");
		for (unsigned i = 0; i < waiters.count; i++)
			ck_assert_int_eq(recv(waiters.fds[i], &(char){ 0 }, 1,
			    MSG_PEEK), 1);
		/* Time enough for a second one, and none comes. */
		fake_client_query(late, "select 1");
		ck_assert(fake_client_read(late, &message));
		ck_assert_int_eq(message.type, 'N');
		run(holder, "commit");
		for (unsigned i = 0; i < waiters.count; i++)
			ck_assert_uint_eq(notices_until_ready(waiters.fds[i]),
			    1);
		ck_assert_uint_eq(notices_until_ready(late), 0);
	}
	all_leave(&waiters);
	close(holder);
	close(late);
}
END_TEST

START_TEST(a_query_that_waits_for_longer_than_it_may_run_is_ended)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS, .settings =
	    "default_pool_size = 1\n");
	struct spread waiters = { .count = 0 };
	PGconn *console = connect_console(pooler);
	int holder = login(pooler, "app");

	run(holder, "begin");
	spread_out(&waiters, pooler, "app");
	all_ask(&waiters, "select 1");
	set_limit(console, "query_timeout", 1);
	all_end(&waiters, "57014", "query_timeout");
	set_limit(console, "query_timeout", 0);
	run(holder, "commit");
	close(holder);
}
END_TEST

START_TEST(a_transaction_that_waits_for_longer_than_it_may_take_is_ended)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS, .settings =
	    "default_pool_size = 1\n", .users = "app = transaction_timeout=1");
	struct spread waiters = { .count = 0 };
	PGconn *console = connect_console(pooler);

	spread_out(&waiters, pooler, "app");
	ck_query_ok(console, "PAUSE");
	all_ask(&waiters, "begin");
	all_end(&waiters, "25P04", "transaction timeout");
	ck_query_ok(console, "RESUME");
}
END_TEST

/* --- with a server ------------------------------------------------------- */

/* Each with a limit for all, and for one user alone. */
static const struct {
	const char	*name, *query, *sqlstate, *words;
	bool		 answers;	/* the query does */
} limits[] = {
	{ "query_timeout", "select pg_sleep(600)", "57014", "query timeout",
	    false },
	{ "idle_transaction_timeout", "begin", "25P03",
	    "idle transaction timeout", true },
	{ "transaction_timeout", "begin; select pg_sleep(600)", "25P04",
	    "transaction timeout", false },
	{ "transaction_timeout", "begin", "25P04", "transaction timeout",
	    true },
	{ "client_idle_timeout", "select 1", "57P05", "client_idle_timeout",
	    true },
};

/* They have their answers, or PostgreSQL has their queries, and no others. */
static void
ask_limited(const struct spread *clients, PGconn *direct, int test,
    unsigned running)
{
	all_ask(clients, limits[test].query);
	if (limits[test].answers)
		all_expect(clients, 'Z');
	else
		wait_until(query_number(direct, "select count(*) from "
		    "pg_stat_activity where state = 'active' and "
		    "usename <> 'postgres'") == running);
}

START_TEST(what_lasts_too_long_is_ended_for_all)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS);
	PGconn *console = connect_console(pooler);
	struct spread clients = { .count = 0 };
	PGconn *direct = world_direct();

	for (unsigned i = 0; i < 2 * WORKERS; i++)
		clients.fds[clients.count++] = login(pooler, "app");
	ask_limited(&clients, direct, _i, clients.count);
	set_limit(console, limits[_i].name, 1);
	all_end(&clients, limits[_i].sqlstate, limits[_i].words);
	set_limit(console, limits[_i].name, 0);
	ck_query_ok(direct, "select pg_terminate_backend(pid) from "
	    "pg_stat_activity where query like '%pg_sleep(600)' and "
	    "usename = 'app'");
	ck_login_ok(pooler, "user=app dbname=shop");
}
END_TEST

START_TEST(what_lasts_too_long_is_ended_for_one_user_only)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS);
	PGconn *console = connect_console(pooler);
	struct spread clients = { .count = 0 };
	PGconn *direct = world_direct();
	int other = login(pooler, "other");

	fake_client_query(other, limits[_i].query);
	if (limits[_i].answers)
		fake_client_expect(other, 'Z', NULL);
	spread_out(&clients, pooler, "app");
	ask_limited(&clients, direct, _i, clients.count + 1);
	pooler_rewrite(pooler, &(struct recipe){ .workers = WORKERS,
	    .users = text("app = %s=1", limits[_i].name) });
	ck_query_ok(console, "RELOAD");
	all_end(&clients, limits[_i].sqlstate, limits[_i].words);
	ck_assert(fake_client_silent(other));
	ck_query_ok(direct, "select pg_terminate_backend(pid) from "
	    "pg_stat_activity where query like '%pg_sleep(600)'");
	close(other);
}
END_TEST

/*
 * It is answered and, later, ended; or not answered any more, if by then it
 * has been silent for too long.
 */
static void
ck_ends_by_silence(int client, long long at_the_earliest)
{
	static struct message message;

	do
		ck_assert(fake_client_read(client, &message));
	while (message.type != 'Z' && message.type != 'E');
	if (message.type == 'Z') {
		fake_client_expect_error(client, "FATAL", "57P05",
		    "client_idle_timeout");
	} else {
		ck_assert_str_eq(error_field(&message, 'M'),
		    "client_idle_timeout");
		ck_assert_int_ge(now_ms(), at_the_earliest);
	}
	fake_client_expect_close(client);
	close(client);
}

/* What the server does counts as little as a transaction does. */
START_TEST(only_its_own_silence_makes_a_client_idle)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS);
	PGconn *console = connect_console(pooler), *direct = world_direct();
	struct spread clients = { .count = 0 };
	int open = login(pooler, "app");
	long long asked_at;

	run(open, "begin");
	spread_out(&clients, pooler, "app");
	/* They begin to sleep at one time: servers are there. */
	all_ask(&clients, "begin");
	all_expect(&clients, 'Z');
	all_ask(&clients, "commit");
	all_expect(&clients, 'Z');
	asked_at = now_ms();
	all_ask(&clients, "select pg_sleep(6)");
	/* It still says so when they sleep no more. */
	wait_until(query_number(direct, "select count(*) from "
	    "pg_stat_activity where query = 'select pg_sleep(6)'") ==
	    clients.count);
	set_limit(console, "client_idle_timeout", 4);
	all_expect(&clients, 'Z');
	all_ask(&clients, "select 1");
	for (unsigned i = 0; i < clients.count; i++)
		ck_ends_by_silence(clients.fds[i], asked_at + 6000 + 4000);
	run(open, "commit");
	close(open);
}
END_TEST

/* --- logins -------------------------------------------------------------- */

START_TEST(a_login_that_is_not_completed_has_an_end)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS, .settings =
	    "auth_type = plain\nmax_client_conn = 200\n");
	PGconn *console = connect_console(pooler);
	struct spread silent = { .count = 0 }, unproven = { .count = 0 };
	struct message message;

	for (unsigned i = 0; i < 4 * WORKERS; i++) {
		silent.fds[silent.count++] =
		    fake_client_connect(pooler->port);
		unproven.fds[unproven.count++] = fake_client_begin(
		    pooler->port, "app", "shop");
		ck_assert(fake_client_read(unproven.fds[i], &message));
		ck_assert_int_eq(message.type, 'R');
	}
	set_limit(console, "client_login_timeout", 1);
	all_end(&silent, "57014", "client_login_timeout");
	all_end(&unproven, "57014", "client_login_timeout");
}
END_TEST

START_TEST(a_first_login_does_not_wait_for_a_dead_server_for_ever)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .databases = text("shop = host=127.0.0.1 port=%d", world_port()),
	    .settings = "client_login_timeout = 1\n");
	struct spread clients = { .count = 0 };

	for (unsigned i = 0; i < 4 * WORKERS; i++)
		clients.fds[clients.count++] = fake_client_begin(pooler->port,
		    "app", "shop");
	all_end(&clients, "57P03", "client_login_timeout (server down)");
}
END_TEST

START_TEST(a_server_that_does_not_let_in_is_given_up)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = pooler_start(.workers = WORKERS, .settings =
	    "server_connect_timeout = 1\nserver_login_retry = 0\n",
	    .databases = text("shop = host=127.0.0.1 port=%d", port));
	struct spread clients = { .count = 0 };
	struct buffer nothing = { 0 };

	fake_server_greet(server, &nothing, THEN_STALL);
	for (unsigned i = 0; i < 4 * WORKERS; i++)
		clients.fds[clients.count++] = fake_client_begin(pooler->port,
		    "app", "shop");
	pooler_await_log(pooler, "closing because: connect timeout");
	fake_server_greet_well(server);
	all_expect(&clients, 'Z');
	all_leave(&clients);
	fake_server_stop(server);
}
END_TEST

/* --- servers that nobody uses -------------------------------------------- */

static const struct {
	const char	*settings, *words;
} rests[] = {
	{ "server_idle_timeout = 1\n", "server idle timeout" },
	{ "server_lifetime = 1\n", "server lifetime over" },
};

/* Whichever worker used them last. */
START_TEST(servers_that_rest_or_live_too_long_are_closed)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = rests[_i].settings);
	struct spread clients = { .count = 0 };
	PGconn *direct = world_direct();

	spread_out(&clients, pooler, "app");
	all_ask(&clients, "begin");
	all_expect(&clients, 'Z');
	ck_assert_int_ge(query_number(direct, in_postgres), 2 * WORKERS);
	all_ask(&clients, "commit");
	all_expect(&clients, 'Z');
	wait_until(query_number(direct, in_postgres) == 0);
	pooler_await_log(pooler, text("closing because: %s", rests[_i].words));
	ck_assert(!pooler_logged(pooler, "pooler error"));
	all_ask(&clients, "select 1");
	all_expect(&clients, 'Z');
	all_leave(&clients);
}
END_TEST

START_TEST(a_server_that_rested_is_checked_by_whoever_takes_it)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = pooler_start(.workers = WORKERS, .settings =
	    "server_check_delay = 0\nserver_check_query = are you there\n",
	    .databases = text("shop = host=127.0.0.1 port=%d pool_size=1",
	    port));
	PGconn *console = connect_console(pooler);
	struct spread clients = { .count = 0 };

	spread_out(&clients, pooler, "app");
	for (unsigned i = 0; i < clients.count; i++) {
		unsigned before = fake_server_queries(server,
		    "are you there");

		/* Who gets it from a client has no need of a check. */
		await_rest(console);
		run(clients.fds[i], "select 1");
		ck_assert_uint_eq(fake_server_queries(server,
		    "are you there"), before + 1);
	}
	all_leave(&clients);
	fake_server_stop(server);
}
END_TEST

/* --- sessions and reloads ------------------------------------------------ */

START_TEST(sessions_on_outdated_servers_end_between_transactions)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = "pool_mode = session\nserver_fast_close = 1\n");
	PGconn *console = connect_console(pooler);
	struct spread clients = { .count = 0 };
	int busy = login(pooler, "app");

	run(busy, "begin");
	spread_out(&clients, pooler, "app");
	all_ask(&clients, "select 1");
	all_expect(&clients, 'Z');
	pooler_rewrite(pooler, &(struct recipe){ .workers = WORKERS,
	    .settings = "pool_mode = session\nserver_fast_close = 1\n",
	    .databases = text("shop = %s connect_query='select 2'",
	    world_place()) });
	ck_query_ok(console, "RELOAD");
	all_end(&clients, "57P01", "database configuration changed");
	run(busy, "select 3");
	fake_client_query(busy, "commit");
	fake_client_expect(busy, 'Z', NULL);
	fake_client_expect_error(busy, "FATAL", "57P01",
	    "database configuration changed");
	fake_client_expect_close(busy);
	close(busy);
	ck_login_ok(pooler, "user=app dbname=shop");
}
END_TEST

START_TEST(without_fast_close_a_session_stays)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = "pool_mode = session\n");
	PGconn *console = connect_console(pooler);
	struct spread clients = { .count = 0 };

	spread_out(&clients, pooler, "app");
	all_ask(&clients, "set work_mem = '7MB'");
	all_expect(&clients, 'Z');
	pooler_rewrite(pooler, &(struct recipe){ .workers = WORKERS,
	    .settings = "pool_mode = session\n", .databases = text(
	    "shop = %s connect_query='select 2'", world_place()) });
	ck_query_ok(console, "RELOAD");
	for (unsigned i = 0; i < clients.count; i++) {
		static struct message row;

		fake_client_query(clients.fds[i], "show work_mem");
		fake_client_expect(clients.fds[i], 'D', &row);
		ck_assert_mem_eq(row.body + 6, "7MB", 3);
		fake_client_expect(clients.fds[i], 'Z', NULL);
	}
	all_leave(&clients);
}
END_TEST

/* What a session has left behind must not reach the next client. */
START_TEST(a_new_mode_counts_from_the_next_release_and_leaks_nothing)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = "pool_mode = session\ndefault_pool_size = 1\n");
	PGconn *console = connect_console(pooler);
	PGconn *first = connect_client(pooler), *second;

	ck_query_ok(first, "set work_mem = '7MB'");
	pooler_rewrite(pooler, &(struct recipe){ .workers = WORKERS,
	    .settings = "pool_mode = transaction\ndefault_pool_size = 1\n" });
	ck_query_ok(console, "RELOAD");
	ck_query_ok(first, "select 1");
	second = connect_client(pooler);
	ck_query_value(second, "show work_mem", "4MB");
	ck_query_value(first, "select 2", "2");
}
END_TEST

/* --- sockets ------------------------------------------------------------- */

static int
borrow(pid_t pid, int fd)
{
#ifdef SYS_pidfd_getfd
	int process = (int)syscall(SYS_pidfd_open, pid, 0), copy;

	if (process == -1)
		return -1;
	copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
	close(process);
	return copy;
#else
	(void)pid, (void)fd;
	errno = ENOSYS;
	return -1;
#endif
}

static int
option(int fd, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	ck_assert_int_eq(getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

static bool
is_tcp_connection(int fd)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);

	return getpeername(fd, (struct sockaddr *)&peer, &length) == 0 &&
	    peer.ss_family == AF_INET;
}

static void
ck_tuned(int fd)
{
	ck_assert_int_eq(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	ck_assert_int_eq(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	ck_assert_int_eq(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 7);
	ck_assert_int_eq(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 111);
	ck_assert_int_eq(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 22);
	ck_assert_int_eq(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 33000);
	/* The kernel doubles it. */
	ck_assert_int_eq(option(fd, SOL_SOCKET, SO_RCVBUF), 2 * 50000);
	ck_assert_int_eq(option(fd, SOL_SOCKET, SO_SNDBUF), 2 * 50000);
}

/* Looks at every TCP connection of a process; false: it may not. */
static bool
look_at(pid_t pid, unsigned *seen)
{
	DIR *directory = opendir(text("/proc/%d/fd", (int)pid));
	struct dirent *entry;

	if (directory == NULL)
		return false;
	while ((entry = readdir(directory)) != NULL) {
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		fd = borrow(pid, atoi(entry->d_name));
		if (fd == -1 && errno != EBADF) {
			closedir(directory);
			return false;
		}
		if (fd != -1 && is_tcp_connection(fd)) {
			ck_tuned(fd);
			(*seen)++;
		}
		if (fd != -1)
			close(fd);
	}
	closedir(directory);
	return true;
}

START_TEST(sockets_of_clients_and_servers_are_tuned)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS, .settings =
	    "tcp_keepalive = 1\ntcp_keepcnt = 7\ntcp_keepidle = 111\n"
	    "tcp_keepintvl = 22\ntcp_user_timeout = 33000\n"
	    "tcp_socket_buffer = 50000\n");
	struct spread clients = { .count = 0 };
	unsigned seen = 0, count, before;
	pid_t children[64];

	spread_out(&clients, pooler, "app");
	all_ask(&clients, "begin");
	all_expect(&clients, 'Z');
	count = pooler_children(pooler, children, 64);
	ck_assert_uint_ge(count, WORKERS);
	for (unsigned i = 0; i < count; i++) {
		before = seen;
		if (!look_at(children[i], &seen) && errno != ENOENT) {
			fprintf(stderr, "cannot look at sockets of others: "
			    "skipped\n");
			break;
		}
		ck_assert_uint_ge(seen, before);
	}
	/* A client and at least one server of each worker. */
	if (seen > 0)
		ck_assert_uint_ge(seen, 2 * WORKERS);
	all_leave(&clients);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("timeouts");
	TCase *tests = world_case(suite, "waiting", 60);

	tcase_add_loop_test(tests, who_waits_for_too_long_is_ended, 0,
	    ARRAY_LENGTH(waits));
	tcase_add_test(tests, who_waits_while_all_is_paused_is_ended_too);
	tcase_add_test(tests, who_waits_is_told_so_once_in_each_wait);
	tcase_add_test(tests,
	    a_query_that_waits_for_longer_than_it_may_run_is_ended);
	tcase_add_test(tests,
	    a_transaction_that_waits_for_longer_than_it_may_take_is_ended);

	tests = world_case(suite, "linked", 60);
	tcase_add_loop_test(tests, what_lasts_too_long_is_ended_for_all, 0,
	    ARRAY_LENGTH(limits));
	tcase_add_loop_test(tests,
	    what_lasts_too_long_is_ended_for_one_user_only, 0,
	    ARRAY_LENGTH(limits));
	tcase_add_test(tests, only_its_own_silence_makes_a_client_idle);

	tests = world_case(suite, "logins", 60);
	tcase_add_test(tests, a_login_that_is_not_completed_has_an_end);
	tcase_add_test(tests,
	    a_first_login_does_not_wait_for_a_dead_server_for_ever);
	tcase_add_test(tests, a_server_that_does_not_let_in_is_given_up);

	tests = world_case(suite, "servers", 60);
	tcase_add_loop_test(tests,
	    servers_that_rest_or_live_too_long_are_closed, 0,
	    ARRAY_LENGTH(rests));
	tcase_add_test(tests,
	    a_server_that_rested_is_checked_by_whoever_takes_it);
	tcase_add_test(tests,
	    sessions_on_outdated_servers_end_between_transactions);
	tcase_add_test(tests, without_fast_close_a_session_stays);
	tcase_add_test(tests,
	    a_new_mode_counts_from_the_next_release_and_leaks_nothing);
	tcase_add_test(tests, sockets_of_clients_and_servers_are_tuned);
	return world_run(suite);
}
