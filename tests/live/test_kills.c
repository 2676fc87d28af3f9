/*
 * Workers are killed while clients use prepared statements by name: what the
 * segment says about a server's statements stays what the server has.
 *
 * Which statements are on a server is written by whoever uses it, in shared
 * memory.  Who dies in the middle must leave neither a statement that is not
 * there nor one that nobody knows of, and no lock.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "live/ask.h"
#include "live/crowd.h"
#include "live/world.h"

#define WORKERS 4
#define POOL 5
#define CLIENTS 24
#define NAMES 12		/* more than a server may have */
#define KILLS 30

static const struct {
	const char	*story;
	unsigned	 limit, statements;
} storms[] = {
	{ "each statement is a transaction", 4, 1 },
	{ "three in a transaction", 4, 3 },
	{ "one at a time", 1, 1 },
};

/* ---- the bound, while it storms ---- */

struct watch {
	pthread_t	 thread;
	atomic_bool	 stopping;
	const char	*login;
	int		 most;
	unsigned	 looks;
};

/* Any server answers; nothing of this is prepared itself. */
static bool
look(struct watch *watch, PGconn *conn)
{
	PGresult *result = PQexec(conn,
	    "select count(*) from pg_prepared_statements");
	bool answered = PQresultStatus(result) == PGRES_TUPLES_OK;

	if (answered && atoi(PQgetvalue(result, 0, 0)) > watch->most)
		watch->most = atoi(PQgetvalue(result, 0, 0));
	watch->looks += answered;
	PQclear(result);
	return answered;
}

static void *
watch_statements(void *context)
{
	struct watch *watch = context;

	while (!atomic_load(&watch->stopping)) {
		PGconn *conn = PQconnectdb(watch->login);

		while (!atomic_load(&watch->stopping) && look(watch, conn))
			nap();
		PQfinish(conn);
	}
	return NULL;
}

/* ---- afterwards ---- */

/* Each server is held, so that nobody else changes it. */
static void
ck_the_tables_are_true(struct pooler *pooler, PGconn *console,
    const char *story, unsigned limit)
{
	PGconn *holders[POOL];
	long long there, noted;

	for (unsigned i = 0; i < POOL; i++) {
		holders[i] = connect_client(pooler);
		ck_query_ok(holders[i], "begin");
	}
	for (unsigned i = 0; i < POOL; i++) {
		const char *pid = query_value(holders[i],
		    "select pg_backend_pid()");

		there = query_number(holders[i],
		    "select count(*) from pg_prepared_statements");
		noted = show_number(console, "SERVERS", "remote_pid", pid,
		    "prepared_statements");
		ck_assert_msg(there == noted, "%s: %lld are on the server, "
		    "%lld are noted", story, there, noted);
		ck_assert_int_le(there, limit);
	}
	for (unsigned i = 0; i < POOL; i++) {
		ck_query_ok(holders[i], "commit");
		disconnect(holders[i]);
	}
}

static void
kill_one(struct pooler *pooler)
{
	pid_t workers[WORKERS];
	unsigned alive = pooler_children(pooler, workers, WORKERS);

	if (alive > 0)
		kill(workers[(unsigned)rand() % alive], SIGKILL);
}

static void
ck_no_lock_is_held(PGconn *console)
{
	ck_query_ok(console, "PAUSE");
	ck_query_ok(console, "RESUME");
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "sv_active") == 0);
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_waiting") == 0);
}

START_TEST(statements_stay_true_in_a_storm_of_kills)
{
	unsigned limit = storms[_i].limit;
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = text("default_pool_size = %d\n"
	    "max_prepared_statements = %u\n", POOL, limit));
	struct watch watch = { .login = login_string(pooler,
	    "user=app dbname=shop") };
	struct crowd_plan plan = { .clients = CLIENTS, .prepared = NAMES,
	    .statements = storms[_i].statements, .comes_back = true };
	struct crowd *crowd;
	struct crowd_result result;
	PGconn *console;
	pid_t workers[WORKERS];

	srand(20261130);
	pthread_create(&watch.thread, NULL, watch_statements, &watch);
	crowd = crowd_start(pooler, &plan);
	for (unsigned i = 0; i < KILLS; i++) {
		kill_one(pooler);
		usleep(60000 + (unsigned)rand() % 60000);
	}
	wait_until(pooler_children(pooler, workers, WORKERS) == WORKERS);
	crowd_await_progress(crowd, 20);
	result = crowd_stop(crowd);
	atomic_store(&watch.stopping, true);
	pthread_join(watch.thread, NULL);
	ck_assert_msg(result.wrong == 0 && result.errors == 0 &&
	    result.refused == 0, "%s: %u wrong, %u errors, %u refused; the "
	    "last: %s", storms[_i].story, result.wrong, result.errors,
	    result.refused, result.why);
	ck_assert_uint_gt(watch.looks, 0);
	ck_assert_msg(watch.most <= (int)limit, "%s: %d on one server",
	    storms[_i].story, watch.most);

	console = connect_console(pooler);
	wait_until(show_count(console, "CLIENTS", "database", "shop") == 0);
	ck_the_tables_are_true(pooler, console, storms[_i].story, limit);
	/* And on every server, every statement that is noted works. */
	plan.comes_back = false;
	plan.transactions = 50;
	result = crowd_join(crowd_start(pooler, &plan));
	ck_crowd_well(&result);
	ck_the_tables_are_true(pooler, console, storms[_i].story, limit);
	ck_no_lock_is_held(console);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("kills");
	TCase *tests = world_case(suite, "prepared statements", 120);

	if (pooler_is_pgusher())
		tcase_add_loop_test(tests,
		    statements_stay_true_in_a_storm_of_kills, 0,
		    (int)ARRAY_LENGTH(storms));
	return world_run(suite);
}
