/*
 * Workers are killed while something of theirs is in each phase.  All of them
 * are, one after the other, so that the one which holds it dies while others
 * live.  Afterwards everything adds up and works.
 *
 * PostgreSQL is played: it stops where the story wants it to.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/fake_server.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/world.h"

#define WORKERS 3
#define POOL 2

struct scene {
	struct pooler		*pooler;
	struct fake_server	*server;
	PGconn			*conns[4];	/* closed by the fixture */
	int			 fds[4];	/* closed with the test */
};

/* ---- phases ---- */

static void
half_a_startup_packet(struct scene *scene)
{
	scene->fds[0] = fake_client_connect(scene->pooler->port);
	ck_assert_int_eq(send(scene->fds[0], "\0\0\0", 3, 0), 3);
}

static void
in_the_middle_of_scram(struct scene *scene)
{
	struct message message;

	scene->fds[0] = fake_client_begin(scene->pooler->port, "app",
	    "shop");
	fake_client_expect(scene->fds[0], 'R', &message);
	ck_assert_int_eq(message.body[3], 10);
}

static void
waits_for_the_pools_first_server(struct scene *scene)
{
	struct buffer nothing = { 0 };

	fake_server_greet(scene->server, &nothing, THEN_STALL);
	scene->fds[0] = fake_client_begin(scene->pooler->port, "app",
	    "shop");
	await_connections(scene->server, 1);
}

static void
two_are_in_transactions(struct scene *scene)
{
	struct buffer begin = { 0 };

	put_complete(&begin, "BEGIN");
	put_ready(&begin, 'T');
	fake_server_answer(scene->server, "begin", &begin, THEN_GO_ON);
	for (int i = 0; i < POOL; i++) {
		scene->conns[i] = connect_client(scene->pooler);
		ck_query_ok(scene->conns[i], "begin");
	}
}

static void
waits_for_a_server(struct scene *scene)
{
	PGconn *console = connect_console(scene->pooler);

	two_are_in_transactions(scene);
	scene->conns[2] = connect_client(scene->pooler);
	ck_assert_int_eq(PQsendQuery(scene->conns[2], "select 1"), 1);
	wait_until(show_number(console, "POOLS", "user", "app",
	    "cl_waiting") == 1);
	disconnect(console);
}

static void
in_the_middle_of_an_answer(struct scene *scene)
{
	struct buffer part = { 0 };

	put_header(&part, 'T', 1000);
	put_bytes(&part, "half", 4);
	fake_server_answer(scene->server, "half", &part, THEN_STALL);
	scene->fds[0] = fake_client_login(scene->pooler->port, "app",
	    "shop");
	fake_client_query(scene->fds[0], "half");
	await_query(scene->server, "half", 1);
}

static void
in_the_middle_of_a_copy(struct scene *scene)
{
	struct buffer bytes = { 0 };

	put_message(&bytes, 'G', "bh", 0, 0);
	fake_server_answer(scene->server, "copy in", &bytes, THEN_STALL);
	scene->fds[0] = fake_client_login(scene->pooler->port, "app",
	    "shop");
	fake_client_query(scene->fds[0], "copy in");
	fake_client_expect(scene->fds[0], 'G', NULL);
	put_header(&bytes, 'd', 1000000);
	put_bytes(&bytes, "half", 4);
	ck_assert(fake_client_send(scene->fds[0], &bytes));
}

static void
a_server_is_idle(struct scene *scene)
{
	scene->conns[0] = connect_client(scene->pooler);
	ck_query_ok(scene->conns[0], "select 1");
}

static void
a_server_is_checked(struct scene *scene)
{
	a_server_is_idle(scene);
	fake_server_hold(scene->server, "check me");
	ck_assert_int_eq(PQsendQuery(scene->conns[0], "select 2"), 1);
	await_query(scene->server, "check me", 1);
}

static void
a_server_is_set_up(struct scene *scene)
{
	a_server_is_idle(scene);
	fake_server_hold(scene->server, "SET TimeZone='Asia/Tokyo';");
	scene->conns[1] = connect_as(scene->pooler, "user=app dbname=shop "
	    "options='-c timezone=Asia/Tokyo'");
	ck_assert_int_eq(PQsendQuery(scene->conns[1], "select 2"), 1);
	await_query(scene->server, "SET TimeZone='Asia/Tokyo';", 1);
}

/* Its client has left in mid-transaction. */
static void
a_server_is_rolled_back(struct scene *scene)
{
	two_are_in_transactions(scene);
	fake_server_hold(scene->server, "ROLLBACK");
	disconnect(scene->conns[0]);
	await_query(scene->server, "ROLLBACK", 1);
}

/* Its client has left in the middle of a query, which is cancelled. */
static void
a_server_is_cleared(struct scene *scene)
{
	fake_server_hold_cancels(scene->server);
	fake_server_hold(scene->server, "slow");
	scene->fds[0] = fake_client_login(scene->pooler->port, "app",
	    "shop");
	fake_client_query(scene->fds[0], "slow");
	await_query(scene->server, "slow", 1);
	close(scene->fds[0]);
	scene->fds[0] = -1;
	await_cancels(scene->server, 1);
}

static void
a_server_is_reset(struct scene *scene)
{
	a_server_is_idle(scene);
	fake_server_hold(scene->server, "reset me");
	disconnect(scene->conns[0]);
	await_query(scene->server, "reset me", 1);
}

static void
a_cancel_is_under_way(struct scene *scene)
{
	PGcancel *cancel;
	char text[256];

	fake_server_hold_cancels(scene->server);
	fake_server_hold(scene->server, "slow");
	scene->conns[0] = connect_client(scene->pooler);
	ck_assert_int_eq(PQsendQuery(scene->conns[0], "slow"), 1);
	await_query(scene->server, "slow", 1);
	cancel = PQgetCancel(scene->conns[0]);
	if (fork() == 0) {	/* it waits until the request is done */
		PQcancel(cancel, text, sizeof(text));
		_exit(0);
	}
	PQfreeCancel(cancel);
	await_cancels(scene->server, 1);
}

static void
a_pause_waits(struct scene *scene)
{
	PGconn *console = connect_console(scene->pooler);
	PGconn *other = connect_console(scene->pooler);

	two_are_in_transactions(scene);
	ck_assert_int_eq(PQsendQuery(console, "PAUSE"), 1);
	wait_until(strcmp(show_value(other, "STATE", "key", "paused",
	    "value"), "yes") == 0);
}

static void
a_reload_is_asked_for(struct scene *scene)
{
	PGconn *console = connect_console(scene->pooler);

	a_server_is_idle(scene);
	ck_assert_int_eq(PQsendQuery(console, "RELOAD"), 1);
}

static const struct {
	const char	*story;
	void		(*prepare)(struct scene *);
	const char	*settings;
} phases[] = {
	{ "half a startup packet", half_a_startup_packet, "" },
	{ "in the middle of SCRAM", in_the_middle_of_scram,
	    "auth_type = scram-sha-256\n" },
	{ "waits for the pool's first server",
	    waits_for_the_pools_first_server, "server_login_retry = 0.1\n" },
	{ "in a transaction", two_are_in_transactions, "" },
	{ "waits for a server", waits_for_a_server, "" },
	{ "in the middle of an answer", in_the_middle_of_an_answer, "" },
	{ "in the middle of a COPY", in_the_middle_of_a_copy, "" },
	{ "a server is idle", a_server_is_idle, "" },
	{ "a server is checked", a_server_is_checked,
	    "server_check_delay = 0\nserver_check_query = check me\n" },
	{ "a server is set up", a_server_is_set_up, "" },
	{ "a server is rolled back", a_server_is_rolled_back, "" },
	{ "a server is cancelled, its client has left", a_server_is_cleared,
	    "" },
	{ "a server is reset", a_server_is_reset,
	    "pool_mode = session\nserver_reset_query = reset me\n" },
	{ "a cancel is under way", a_cancel_is_under_way, "" },
	{ "a PAUSE waits", a_pause_waits, "" },
	{ "a RELOAD is asked for", a_reload_is_asked_for, "" },
};

/* ---- what must be right afterwards ---- */

static void
kill_all_workers(struct pooler *pooler)
{
	pid_t pids[WORKERS];

	ck_assert_uint_eq(pooler_children(pooler, pids, WORKERS), WORKERS);
	for (int i = 0; i < WORKERS; i++) {
		kill(pids[i], SIGKILL);
		pooler_await_log(pooler, text("(process %d) was killed",
		    (int)pids[i]));
	}
}

static long long
items(PGconn *console, const char *list)
{
	return show_number(console, "LISTS", "list", list, "items");
}

/* "used" is one that is idle for longer than server_check_delay. */
static unsigned
idle_servers(PGconn *console)
{
	return show_count(console, "SERVERS", "state", "idle") +
	    show_count(console, "SERVERS", "state", "used");
}

/* NULL: nothing. */
static const char *
what_is_left(struct scene *scene, PGconn *console)
{
	static const char *const empty[] = { "cl_active", "cl_waiting",
	    "cl_active_cancel_req", "cl_waiting_cancel_req", "sv_active",
	    "sv_active_cancel", "sv_being_canceled", "sv_tested" };

	if (show_count(console, "POOLS", "user", "app") == 1)
		for (size_t i = 0; i < ARRAY_LENGTH(empty); i++)
			if (show_number(console, "POOLS", "user", "app",
			    empty[i]) != 0)
				return empty[i];
	if (show_number(console, "DATABASES", "name", "shop",
	    "current_client_connections") != 0)
		return "clients";
	if (items(console, "used_clients") != 1)
		return "client rows";
	if (items(console, "login_clients") != 0)
		return "logins";
	if (items(console, "used_servers") !=
	    (long long)fake_server_open(scene->server))
		return "server rows";
	if (items(console, "used_servers") != idle_servers(console))
		return "servers that are not idle";
	return NULL;
}

/*
 * Connections that are being closed, or opened, come to their end.  Clients
 * may still have been in a listening socket's queue when all workers died:
 * nobody knows when the last of them has come and gone.
 */
static void
await_rest(struct scene *scene, PGconn *console, const char *story)
{
	long long end = now_ms() + patience_ms();
	const char *left;

	while ((left = what_is_left(scene, console)) != NULL) {
		ck_assert_msg(now_ms() < end, "%s: %s", story, left);
		nap();
	}
}

static void
ck_it_works(struct scene *scene, const char *story)
{
	PGconn *clients[POOL];
	PGconn *console;

	for (int i = 0; i < POOL; i++) {
		clients[i] = connect_as(scene->pooler, "user=app dbname=shop "
		    "password=app_secret");
		ck_query_value(clients[i], "select 1", "fake");
	}
	ck_assert_msg(fake_server_open(scene->server) <= POOL, "%s", story);
	for (int i = 0; i < POOL; i++)
		disconnect(clients[i]);
	console = connect_console(scene->pooler);
	ck_query_ok(console, "RELOAD");
	ck_query_ok(console, "PAUSE");
	ck_query_ok(console, "RESUME");
}

START_TEST(a_worker_dies_in_any_phase)
{
	struct scene scene = { .fds = { -1, -1, -1, -1 } };
	const char *story = phases[_i].story;
	int port = world_port();
	PGconn *console;

	scene.server = fake_server_start(port);
	scene.pooler = pooler_start(.workers = WORKERS, .databases = text(
	    "shop = host=127.0.0.1 port=%d pool_size=%d\n", port, POOL),
	    .settings = phases[_i].settings);
	phases[_i].prepare(&scene);
	kill_all_workers(scene.pooler);
	fake_server_greet_well(scene.server);
	fake_server_release(scene.server);
	fake_server_release_cancels(scene.server);
	console = connect_console(scene.pooler);
	if (strcmp(show_value(console, "STATE", "key", "paused", "value"),
	    "yes") == 0)
		ck_query_ok(console, "RESUME");
	for (int i = 0; i < 4; i++)
		if (scene.fds[i] != -1)
			close(scene.fds[i]);
	await_rest(&scene, console, story);
	disconnect(console);
	ck_it_works(&scene, story);
}
END_TEST

/* ---- while it shuts down ---- */

static const struct {
	const char	*command, *last_words;
} shutdowns[] = {
	{ "SHUTDOWN WAIT_FOR_CLIENTS", "client connections dropped, exiting" },
	{ "SHUTDOWN WAIT_FOR_SERVERS", "server connections dropped, exiting" },
};

START_TEST(workers_die_during_a_shutdown)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS);
	PGconn *client = connect_client(pooler);
	PGconn *console = connect_console(pooler);
	pid_t pids[WORKERS];

	ck_query_ok(client, "begin");
	ck_assert_uint_eq(pooler_children(pooler, pids, WORKERS), WORKERS);
	ck_query_ok(console, shutdowns[_i].command);
	/* Who it waits for goes with one of them. */
	for (int i = 0; i < WORKERS; i++)
		kill(pids[i], SIGKILL);
	ck_assert_int_eq(pooler_await_end(pooler), 0);
	ck_assert(pooler_logged(pooler, shutdowns[_i].last_words));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("deaths");
	TCase *tests = world_case(suite, "deaths", 120);

	tcase_add_loop_test(tests, a_worker_dies_in_any_phase, 0,
	    ARRAY_LENGTH(phases));
	tcase_add_loop_test(tests, workers_die_during_a_shutdown, 0,
	    ARRAY_LENGTH(shutdowns));
	return world_run(suite);
}
