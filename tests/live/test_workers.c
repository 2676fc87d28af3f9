/*
 * The number of workers changes by RELOAD: more come, surplus ones keep their
 * clients and go, and nobody notices.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live/ask.h"
#include "live/crowd.h"
#include "live/world.h"

#define MOST 16

static void
resize(struct pooler *pooler, PGconn *console, unsigned workers)
{
	pooler_rewrite(pooler, &(struct recipe){ .workers = workers,
	    .settings = "default_pool_size = 5\nmax_client_conn = 500\n" });
	ck_query_ok(console, "RELOAD");
}

static unsigned
in_state(PGconn *console, const char *state)
{
	return show_count(console, "WORKERS", "state", state);
}

START_TEST(workers_come_and_go_and_nobody_notices)
{
	static const unsigned sizes[] = { 6, 1, 4, 2, 8, 3 };
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "default_pool_size = 5\nmax_client_conn = 500\n");
	PGconn *console = connect_console(pooler);
	struct crowd *crowd = crowd_start(pooler, &(struct crowd_plan){
	    .clients = 24, .statements = 2 });
	struct crowd_result result;

	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		struct crowd *visitors;

		crowd_await_progress(crowd, 5);
		resize(pooler, console, sizes[i]);
		/* RELOAD answers when it is in force. */
		ck_assert_uint_eq(in_state(console, "serving"), sizes[i]);
		/* Newcomers find somebody, each time. */
		visitors = crowd_start(pooler, &(struct crowd_plan){
		    .clients = 20, .transactions = 3 });
		result = crowd_join(visitors);
		ck_crowd_well(&result);
	}
	crowd_await_progress(crowd, 5);
	result = crowd_stop(crowd);
	ck_crowd_well(&result);
}
END_TEST

START_TEST(a_surplus_worker_goes_when_its_last_client_does)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 5\nmax_client_conn = 500\n");
	PGconn *clients[16], *console;
	pid_t pids[MOST];

	for (int i = 0; i < 16; i++) {
		clients[i] = connect_client(pooler);
		ck_query_ok(clients[i], "select 1");
	}
	console = connect_console(pooler);
	resize(pooler, console, 1);
	ck_assert_uint_eq(in_state(console, "serving"), 1);
	/* All are served on, whoever has them. */
	for (int i = 0; i < 16; i++)
		ck_query_value(clients[i], "select 'still here'",
		    "still here");
	for (int i = 0; i < 16; i++)
		disconnect(clients[i]);
	disconnect(console);
	wait_until(pooler_children(pooler, pids, MOST) == 1);
	pooler_await_log(pooler, "has retired");
	console = connect_console(pooler);
	wait_until(show_number(console, "DATABASES", "name", "shop",
	    "current_client_connections") == 0);
	/* What they had at rest is used by the one that stays. */
	ck_query_ok(connect_client(pooler), "select 1");
	/* Slots are filled again. */
	resize(pooler, console, 4);
	wait_until(pooler_children(pooler, pids, MOST) == 4);
	ck_assert_uint_eq(in_state(console, "serving"), 4);
}
END_TEST

START_TEST(one_that_dies_while_it_retires_is_not_replaced)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = "default_pool_size = 5\nmax_client_conn = 500\n");
	PGconn *clients[9], *console = connect_console(pooler);
	pid_t pids[MOST], retiring;

	for (int i = 0; i < 9; i++) {
		clients[i] = connect_client(pooler);
		ck_query_ok(clients[i], "begin");
		if (i >= 4)
			ck_query_ok(clients[i], "commit");
		else if (i >= 2)
			ck_query_ok(clients[i], "rollback");
	}
	resize(pooler, console, 1);
	ck_assert_uint_eq(in_state(console, "retiring"), 2);
	retiring = (pid_t)show_number(console, "WORKERS", "state",
	    "retiring", "pid");
	kill(retiring, SIGKILL);
	pooler_await_log(pooler, text("(process %d) died while it retired",
	    (int)retiring));
	wait_until(pooler_children(pooler, pids, MOST) == 2);
	ck_login_ok(pooler, "user=app dbname=shop");
}
END_TEST

START_TEST(drain_timeout_limits_how_long_it_takes)
{
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *clients[9];
	pid_t pids[MOST];

	for (int i = 0; i < 9; i++)
		clients[i] = connect_client(pooler);
	pooler_rewrite(pooler, &(struct recipe){ .workers = 1,
	    .settings = "drain_timeout = 1\n" });
	/* A console might be sent home before it has its answer. */
	kill(pooler->pid, SIGHUP);
	wait_until(pooler_children(pooler, pids, MOST) == 1);
	for (int i = 0; i < 9; i++)
		disconnect(clients[i]);
}
END_TEST

/* Nobody would take what the kernel puts in the queue of such a socket. */
START_TEST(a_reload_that_fails_opens_no_sockets)
{
	struct pooler *pooler = pooler_start(.workers = 1);
	PGconn *console = connect_console(pooler);

	pooler_rewrite(pooler, &(struct recipe){ .workers = 8,
	    .settings = "server_tls_sslmode = require\n"
	    "server_tls_ciphers = there-is-none\n" });
	ck_query_fails(console, "RELOAD", "F0000", NULL);
	for (int i = 0; i < 30; i++)
		ck_login_ok(pooler, "user=app dbname=shop connect_timeout=5");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("workers");
	TCase *tests = world_case(suite, "workers", 120);

	tcase_add_test(tests, workers_come_and_go_and_nobody_notices);
	tcase_add_test(tests, a_surplus_worker_goes_when_its_last_client_does);
	tcase_add_test(tests, one_that_dies_while_it_retires_is_not_replaced);
	tcase_add_test(tests, drain_timeout_limits_how_long_it_takes);
	tcase_add_test(tests, a_reload_that_fails_opens_no_sockets);
	return world_run(suite);
}
