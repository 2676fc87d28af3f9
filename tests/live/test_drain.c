/*
 * A shutdown that waits for clients, and for how long: who is idle goes after
 * drain_timeout, nobody is cut off in the middle of a transaction.
 */
#include "build.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "live/ask.h"
#include "live/world.h"

#define FAREWELL "terminating connection due to administrator command"
#define GOODBYE "client connections dropped, exiting"

/* A client that shows when drain_timeout is over: it is told to go. */
static void
await_end_of_patience(int idle)
{
	fake_client_expect_error(idle, "FATAL", "57P01", FAREWELL);
	fake_client_expect_close(idle);
	close(idle);
}

static void
note_sqlstate(void *context, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	snprintf(context, 8, "%s", state == NULL ? "none" : state);
}

/*
 * What came behind its last answer libpq hands out as a notice, what comes
 * behind the next query as that query's error; then comes one about the end
 * of the connection, which has no SQLSTATE.  False: the query failed.
 */
static bool
ask(PGconn *conn, const char *sql, char told[8])
{
	PGresult *result;
	bool good = true;

	if (!PQsendQuery(conn, sql))
		return false;
	while ((result = PQgetResult(conn)) != NULL) {
		if (PQresultErrorField(result, PG_DIAG_SQLSTATE) != NULL)
			note_sqlstate(told, result);
		good &= PQresultStatus(result) != PGRES_FATAL_ERROR;
		PQclear(result);
	}
	return good;
}

/* What a client was told, whether it asked for it or not. */
struct guest {
	PGconn	*conn;
	char	 told[8];
};

static PGconn *
invite(struct guest *guest, struct pooler *pooler)
{
	guest->told[0] = '\0';
	guest->conn = connect_client(pooler);
	PQsetNoticeReceiver(guest->conn, note_sqlstate, guest->told);
	return guest->conn;
}

/* Its worker may learn a moment later than another that time is up. */
static void
ck_sent_home(struct guest *guest)
{
	wait_until(!ask(guest->conn, "select 1", guest->told));
	ck_assert_str_eq(guest->told, "57P01");
	ck_connection_lost(guest->conn);
}

static void
make_table(PGconn *direct)
{
	ck_query_ok(direct, "create table if not exists drained (i int)");
	ck_query_ok(direct, "truncate drained");
	ck_query_ok(direct, "grant all on drained to app");
}

START_TEST(the_idle_go_and_the_busy_finish)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = "drain_timeout = 1\n");
	PGconn *direct = world_direct();
	struct guest busy[6], copying;
	int idle;

	make_table(direct);
	for (unsigned i = 0; i < 6; i++) {
		ck_query_ok(invite(&busy[i], pooler), "begin");
	}
	PQclear(PQexec(invite(&copying, pooler), "copy drained from stdin"));
	ck_assert_int_eq(PQputCopyData(copying.conn, "1\n", 2), 1);
	ck_assert_int_eq(PQflush(copying.conn), 0);
	idle = fake_client_login(pooler->port, "app", "shop");
	kill(pooler->pid, SIGTERM);
	await_end_of_patience(idle);

	for (unsigned i = 0; i < 6; i++) {
		ck_query_ok(busy[i].conn, "insert into drained values (2)");
		ck_query_ok(busy[i].conn, i % 2 == 0 ? "commit" : "rollback");
		ck_sent_home(&busy[i]);
	}
	ck_assert_int_eq(PQputCopyData(copying.conn, "3\n", 2), 1);
	ck_assert_int_eq(PQputCopyEnd(copying.conn, NULL), 1);
	ck_finish_ok(copying.conn);
	ck_sent_home(&copying);
	ck_assert_int_eq(pooler_await_end(pooler), 0);
	ck_assert(pooler_logged(pooler, GOODBYE));
	ck_query_value(direct, "select string_agg(i::text, ',' order by i) "
	    "from drained", "1,2,2,2,3");
}
END_TEST

START_TEST(who_waits_for_a_server_gets_it)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = "drain_timeout = 1\ndefault_pool_size = 1\n");
	struct guest holder, waiting[3];
	PGconn *console;
	int idle = fake_client_login(pooler->port, "app", "shop");

	ck_query_ok(invite(&holder, pooler), "begin");
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(PQsendQuery(invite(&waiting[i], pooler),
		    "select 1"));
	}
	console = connect_console(pooler);
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_waiting") == 3);
	disconnect(console);
	kill(pooler->pid, SIGTERM);
	await_end_of_patience(idle);
	for (unsigned i = 0; i < 3; i++)
		ck_assert(still_waits(waiting[i].conn));
	ck_query_ok(holder.conn, "commit");
	ck_sent_home(&holder);
	for (unsigned i = 0; i < 3; i++) {
		ck_finish_ok(waiting[i].conn);
		ck_sent_home(&waiting[i]);
	}
	ck_assert_int_eq(pooler_await_end(pooler), 0);
	ck_assert(pooler_logged(pooler, GOODBYE));
}
END_TEST

START_TEST(a_session_goes_between_its_transactions)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "drain_timeout = 1\npool_mode = session\n");
	struct guest busy, rests;
	int idle = fake_client_login(pooler->port, "app", "shop");

	ck_query_ok(invite(&rests, pooler), "select 1");
	ck_query_ok(invite(&busy, pooler), "begin");
	kill(pooler->pid, SIGTERM);
	await_end_of_patience(idle);
	ck_sent_home(&rests);
	ck_query_ok(busy.conn, "select 1");
	ck_query_ok(busy.conn, "commit");
	ck_sent_home(&busy);
	ck_assert_int_eq(pooler_await_end(pooler), 0);
	ck_assert(pooler_logged(pooler, GOODBYE));
}
END_TEST

START_TEST(a_pause_does_not_hold_a_drain)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "drain_timeout = 1\n");
	PGconn *console = connect_console(pooler);
	PGconn *waiting = connect_client(pooler);

	ck_query_tag(console, "PAUSE", "PAUSE");
	ck_assert(PQsendQuery(waiting, "select 1"));
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_waiting") == 1);
	kill(pooler->pid, SIGTERM);
	ck_connection_lost(waiting);
	ck_assert_int_eq(pooler_await_end(pooler), 0);
	ck_assert(pooler_logged(pooler, GOODBYE));
}
END_TEST

/* On the Unix socket, which stays open until the end. */
START_TEST(who_comes_late_is_told)
{
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *client = connect_client(pooler), *console;

	ck_query_ok(client, "begin");
	kill(pooler->pid, SIGTERM);
	pooler_await_log(pooler, "waiting for all clients disconnect");
	for (unsigned i = 0; i < 6; i++) {
		PGconn *late;

		/*
		 * The log line comes before the deed; who still got in must
		 * not be waited for.
		 */
		wait_until((late = PQconnectdb(text("host=%s port=%d "
		    "user=app dbname=shop", pooler->directory,
		    pooler->port))) != NULL &&
		    (PQstatus(late) == CONNECTION_BAD ||
		    (PQfinish(late), false)));
		ck_assert_msg(strstr(PQerrorMessage(late),
		    "pooler is shutting down") != NULL, "%s",
		    PQerrorMessage(late));
		PQfinish(late);
	}
	console = connect_to(text("host=%s port=%d user=admin "
	    "dbname=pgbouncer", pooler->directory, pooler->port));
	ck_query_ok(console, "show clients");
	ck_query_ok(client, "commit");
	disconnect(client);
	ck_assert_int_eq(pooler_await_end(pooler), 0);
	ck_connection_lost(console);
}
END_TEST

/* Accepted by nobody yet when the sockets are closed. */
START_TEST(who_is_in_the_queue_is_told_not_reset)
{
	struct pooler *pooler = pooler_start(.workers = 1,
	    .settings = "tcp_defer_accept = 0\n");
	PGconn *client = connect_client(pooler);
	int late[5];
	pid_t worker;

	ck_query_ok(client, "begin");
	ck_assert_uint_eq(pooler_children(pooler, &worker, 1), 1);
	process_stop(worker);
	for (unsigned i = 0; i < 5; i++)
		late[i] = fake_client_begin(pooler->port, "app", "shop");
	kill(pooler->pid, SIGTERM);
	pooler_await_log(pooler, "waiting for all clients disconnect");
	/* Its own socket is closed by now: nobody new comes. */
	wait_until(PQping(text("host=127.0.0.1 port=%d connect_timeout=2",
	    pooler->port)) == PQPING_NO_RESPONSE);
	kill(worker, SIGCONT);
	for (unsigned i = 0; i < 5; i++) {
		struct message message;

		fake_client_expect(late[i], 'E', &message);
		ck_assert_str_eq(error_field(&message, 'M'),
		    "pooler is shutting down");
		close(late[i]);
	}
	ck_query_ok(client, "commit");
	disconnect(client);
	ck_assert_int_eq(pooler_await_end(pooler), 0);
}
END_TEST

/* ---- under load ---- */

#define WRITERS 12

struct writer {
	pthread_t	 thread;
	struct guest	 guest;
	unsigned	 number;
	atomic_uint	 committed;
	char		 failed_at[32];
};

static bool
step(struct writer *writer, const char *name, const char *sql)
{
	bool good = ask(writer->guest.conn, sql, writer->guest.told);

	if (!good)
		snprintf(writer->failed_at, sizeof(writer->failed_at), "%s",
		    name);
	return good;
}

static void *
write_on(void *context)
{
	struct writer *writer = context;
	char insert[64];

	snprintf(insert, sizeof(insert), "insert into drained values (%u)",
	    writer->number);
	while (step(writer, "begin", "begin") &&
	    step(writer, "insert", insert) &&
	    step(writer, "commit", "commit"))
		atomic_fetch_add(&writer->committed, 1);
	return NULL;
}

START_TEST(under_load_every_transaction_is_whole)
{
	static struct writer writers[WRITERS];
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = "drain_timeout = 1\ndefault_pool_size = 4\n");
	PGconn *direct = world_direct();

	make_table(direct);
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i].number = i;
		invite(&writers[i].guest, pooler);
		ck_assert_int_eq(pthread_create(&writers[i].thread, NULL,
		    write_on, &writers[i]), 0);
	}
	for (unsigned i = 0; i < WRITERS; i++)
		wait_until(atomic_load(&writers[i].committed) > 10);
	kill(pooler->pid, SIGTERM);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	ck_assert_int_eq(pooler_await_end(pooler), 0);
	ck_assert(pooler_logged(pooler, GOODBYE));
	for (unsigned i = 0; i < WRITERS; i++) {
		ck_assert_str_eq(writers[i].failed_at, "begin");
		ck_assert_str_eq(writers[i].guest.told, "57P01");
		ck_assert_int_eq(query_number(direct, text("select count(*) "
		    "from drained where i = %u", i)),
		    atomic_load(&writers[i].committed));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("drain");
	TCase *tests = world_case(suite, "drain", 30);

	if (pooler_is_pgusher()) {
		tcase_add_test(tests, the_idle_go_and_the_busy_finish);
		tcase_add_test(tests, who_waits_for_a_server_gets_it);
		tcase_add_test(tests, a_session_goes_between_its_transactions);
		tcase_add_test(tests, a_pause_does_not_hold_a_drain);
		tcase_add_test(tests, who_comes_late_is_told);
		tcase_add_test(tests, who_is_in_the_queue_is_told_not_reset);
		tcase_add_test(tests, under_load_every_transaction_is_whole);
	}
	return world_run(suite);
}
