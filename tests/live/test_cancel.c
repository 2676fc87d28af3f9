/*
 * A cancel request finds its query, by whichever worker it comes in, and
 * never another one's.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/fake_server.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/crowd.h"
#include "live/world.h"

static void
cancel(PGconn *conn)
{
	PGcancel *key = PQgetCancel(conn);
	char words[256] = "";

	ck_assert_msg(PQcancel(key, words, sizeof(words)), "%s", words);
	PQfreeCancel(key);
}

/* Logs in and keeps the key. */
static int
login_for_key(struct pooler *pooler, uint8_t key[8])
{
	int client = fake_client_begin(pooler->port, "app", "shop");
	struct message message;

	fake_client_expect(client, 'K', &message);
	ck_assert_uint_eq(message.length, 8);
	memcpy(key, message.body, 8);
	fake_client_expect(client, 'Z', &message);
	return client;
}

/* Sends a cancel request and leaves the connection open. */
static int
begin_cancel(struct pooler *pooler, const uint8_t key[8])
{
	struct buffer bytes = { 0 };
	int fd = fake_client_connect(pooler->port);

	put_u32(&bytes, 16);
	put_u32(&bytes, 80877102u);
	put_bytes(&bytes, key, 8);
	ck_assert(fake_client_send(fd, &bytes));
	return fd;
}

/* A query that lasts until let_it_end(), and works if nobody cancels it. */
static void
begin_to_last(PGconn *client, PGconn *direct)
{
	ck_query_ok(direct, "select pg_advisory_lock(7)");
	ck_assert(PQsendQuery(client, "select pg_advisory_xact_lock(7)"));
	wait_until(query_number(direct, "select count(*) from pg_locks where "
	    "locktype = 'advisory' and not granted") == 1);
}

static void
let_it_end(PGconn *client, PGconn *direct)
{
	ck_query_value(direct, "select pg_advisory_unlock(7)", "t");
	ck_finish_ok(client);
}

START_TEST(a_query_is_cancelled_by_any_worker)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 2\n");
	PGconn *client = connect_client(pooler);
	PGconn *direct = world_direct();

	/* Each request is a connection that any of the four may get. */
	for (unsigned i = 0; i < 12; i++) {
		PGresult *result;

		ck_assert(PQsendQuery(client, "select pg_sleep(60)"));
		await_sleepers(direct, 1);
		cancel(client);
		result = PQgetResult(client);
		ck_assert_str_eq(PQresultErrorField(result,
		    PG_DIAG_SQLSTATE), "57014");
		PQclear(result);
		ck_assert_ptr_null(PQgetResult(client));
	}
	ck_query_value(client, "select 1", "1");
}
END_TEST

START_TEST(only_the_right_query_is_cancelled)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 8\n");
	PGconn *direct = world_direct(), *clients[8];

	for (unsigned i = 0; i < 8; i++) {
		clients[i] = connect_client(pooler);
		ck_assert(PQsendQuery(clients[i], "select pg_sleep(60)"));
	}
	await_sleepers(direct, 8);
	for (unsigned i = 0; i < 8; i++) {
		PGresult *result;

		cancel(clients[i]);
		result = PQgetResult(clients[i]);
		ck_assert_str_eq(PQresultErrorField(result,
		    PG_DIAG_SQLSTATE), "57014");
		PQclear(result);
		for (unsigned k = i + 1; k < 8; k++)
			ck_assert(still_waits(clients[k]));
		await_sleepers(direct, 7 - i);
	}
}
END_TEST

START_TEST(a_query_in_a_transaction_is_cancelled_and_no_more)
{
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *client = connect_client(pooler);
	PGconn *direct = world_direct();
	PGresult *result;

	ck_query_ok(client, "begin");
	ck_assert(PQsendQuery(client, "select pg_sleep(60)"));
	await_sleepers(direct, 1);
	cancel(client);
	result = PQgetResult(client);
	ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE),
	    "57014");
	PQclear(result);
	ck_assert_ptr_null(PQgetResult(client));
	ck_query_fails(client, "select 1", "25P02", NULL);
	ck_query_tag(client, "rollback", "ROLLBACK");
}
END_TEST

START_TEST(an_idle_client_has_nothing_to_cancel)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = "default_pool_size = 1\n");
	PGconn *idle = connect_client(pooler);
	PGconn *busy = connect_client(pooler);
	PGconn *direct = world_direct();

	ck_query_ok(idle, "select 1");
	/* The same server, in other hands now. */
	begin_to_last(busy, direct);
	for (unsigned i = 0; i < 6; i++)
		cancel(idle);
	let_it_end(busy, direct);
	ck_query_value(idle, "select 2", "2");
}
END_TEST

/* By whichever worker the request comes; the server is not touched. */
START_TEST(a_waiting_client_is_cancelled_and_stays)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 1\n");
	PGconn *holder = connect_client(pooler), *waiters[8];
	PGconn *console = connect_console(pooler);

	ck_query_ok(holder, "begin");
	for (unsigned i = 0; i < 8; i++) {
		waiters[i] = connect_client(pooler);
		ck_assert(PQsendQuery(waiters[i], "select 1"));
	}
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_waiting") == 8);
	for (unsigned i = 0; i < 8; i++) {
		PGresult *result;

		cancel(waiters[i]);
		result = PQgetResult(waiters[i]);
		ck_assert_str_eq(PQresultErrorField(result,
		    PG_DIAG_SQLSTATE), "57014");
		ck_assert_str_eq(PQresultErrorField(result,
		    PG_DIAG_SEVERITY), "ERROR");
		PQclear(result);
		ck_assert_ptr_null(PQgetResult(waiters[i]));
		wait_until(show_number(console, "POOLS", "database", "shop",
		    "cl_waiting") == 7 - i);
	}
	ck_query_ok(holder, "select 1");
	ck_query_ok(holder, "commit");
	for (unsigned i = 0; i < 8; i++)
		ck_query_value(waiters[i], "select 7", "7");
}
END_TEST

/* Of how long it waits it is told after 5 s, and then that comes first. */
#define NO_NOTICE "query_wait_notify = 0\n"

static void
put_extended(struct buffer *out, const char *sql)
{
	put_message(out, 'P', "ssh", "", sql, 0);
	put_message(out, 'B', "sshhh", "", "", 0, 0, 0);
	put_message(out, 'E', "si", "", 0);
}

/* As PostgreSQL: up to Sync all is skipped, what follows is not. */
START_TEST(a_pipeline_that_waits_is_cancelled_up_to_its_sync)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 1\n" NO_NOTICE);
	PGconn *holder = connect_client(pooler);
	PGconn *console = connect_console(pooler);
	struct buffer bytes = { 0 };
	struct message message;
	uint8_t key[8];
	int client = login_for_key(pooler, key), request;

	ck_query_ok(holder, "begin");
	put_extended(&bytes, "select 'first'");
	put_extended(&bytes, "select 'second'");
	ck_assert(fake_client_send(client, &bytes));
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_waiting") == 1);
	request = begin_cancel(pooler, key);
	fake_client_expect_close(request);
	close(request);
	ck_assert(fake_client_read(client, &message));
	ck_assert_int_eq(message.type, 'E');
	ck_assert_str_eq(error_field(&message, 'C'), "57014");
	put_extended(&bytes, "select 'third'");
	put_message(&bytes, 'S', "");
	put_extended(&bytes, "select 'fourth'");
	put_message(&bytes, 'S', "");
	ck_assert(fake_client_send(client, &bytes));
	ck_assert(fake_client_read(client, &message));
	ck_assert_int_eq(message.type, 'Z');
	ck_query_ok(holder, "commit");
	fake_client_expect(client, 'D', &message);
	ck_assert_mem_eq(message.body + 6, "fourth", 6);
	fake_client_expect(client, 'Z', NULL);
	close(client);
}
END_TEST

/* The rest of a long query comes only after its cancel. */
START_TEST(half_a_query_that_waits_is_cancelled_whole)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 1\n" NO_NOTICE);
	PGconn *holder = connect_client(pooler);
	PGconn *console = connect_console(pooler);
	struct buffer bytes = { 0 };
	struct message message;
	uint8_t key[8];
	int client = login_for_key(pooler, key), request;

	ck_query_ok(holder, "begin");
	put_header(&bytes, 'Q', 4 + 21);
	put_bytes(&bytes, "select '", 8);
	ck_assert(fake_client_send(client, &bytes));
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_waiting") == 1);
	request = begin_cancel(pooler, key);
	fake_client_expect_close(request);
	close(request);
	ck_assert(fake_client_read(client, &message));
	ck_assert_int_eq(message.type, 'E');
	ck_assert(fake_client_read(client, &message));
	ck_assert_int_eq(message.type, 'Z');
	put_string(&bytes, "half a query");
	put_message(&bytes, 'Q', "s", "select 'whole'");
	ck_assert(fake_client_send(client, &bytes));
	ck_query_ok(holder, "commit");
	fake_client_expect(client, 'D', &message);
	ck_assert_mem_eq(message.body + 6, "whole", 5);
	fake_client_expect(client, 'Z', NULL);
	close(client);
}
END_TEST

START_TEST(an_unknown_key_cancels_nothing)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	uint8_t key[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	PGconn *client = connect_client(pooler);
	PGconn *direct = world_direct();
	int request;

	begin_to_last(client, direct);
	request = begin_cancel(pooler, key);
	fake_client_expect_close(request);
	close(request);
	let_it_end(client, direct);
	pooler_await_log(pooler, "closing because: failed cancel request");
}
END_TEST

START_TEST(the_key_of_one_who_has_left_cancels_nothing)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "default_pool_size = 1\n");
	PGconn *other, *direct = world_direct();
	uint8_t key[8];
	int gone = login_for_key(pooler, key), request;

	fake_client_query(gone, "select 1");
	fake_client_expect(gone, 'Z', NULL);
	close(gone);
	other = connect_client(pooler);
	begin_to_last(other, direct);
	request = begin_cancel(pooler, key);
	fake_client_expect_close(request);
	close(request);
	let_it_end(other, direct);
}
END_TEST

/* ---- with a server that can wait ---- */

static struct fake_server *
slow_server(int port)
{
	struct fake_server *server = fake_server_start(port);

	fake_server_hold(server, "slow");
	return server;
}

START_TEST(the_server_gets_its_own_key_back)
{
	int port = world_port(), request;
	struct fake_server *server = slow_server(port);
	struct pooler *pooler = pooler_start(.databases = text(
	    "shop = host=127.0.0.1 port=%d pool_size=2", port));
	uint8_t key[8];
	int client = login_for_key(pooler, key);

	fake_client_query(client, "slow");
	await_query(server, "slow", 1);
	request = begin_cancel(pooler, key);
	await_cancels(server, 1);
	ck_assert_uint_eq(fake_server_cancelled_pid(server), 1000);
	ck_assert_uint_eq(fake_server_cancelled_key(server), 0x5ec4e700);
	fake_client_expect_close(request);
	fake_server_release(server);
	fake_client_expect(client, 'Z', NULL);
	/* What the client was told is nobody else's key. */
	ck_assert_mem_ne(key, "\0\0\3\350\136\304\347\0", 8);
	close(request);
	close(client);
	fake_server_stop(server);
}
END_TEST

/*
 * The request is on its way when the query ends. Until it has arrived
 * nobody else may use the server, else it would hit the wrong query.
 */
START_TEST(a_late_cancel_never_hits_the_next_query)
{
	int port = world_port(), request;
	struct fake_server *server = slow_server(port);
	struct pooler *pooler = pooler_start(.workers = 4,
	    .databases = text("shop = host=127.0.0.1 port=%d pool_size=1",
	    port));
	PGconn *next = connect_client(pooler);
	PGconn *console = connect_console(pooler);
	uint8_t key[8];
	int client = login_for_key(pooler, key);

	fake_server_hold_cancels(server);
	fake_client_query(client, "slow");
	await_query(server, "slow", 1);
	request = begin_cancel(pooler, key);
	await_cancels(server, 1);

	/* The query ends by itself; somebody else wants the server. */
	fake_server_release(server);
	fake_client_expect(client, 'Z', NULL);
	ck_assert(PQsendQuery(next, "next"));
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_waiting") == 1);
	ck_assert(still_waits(next));
	ck_assert_uint_eq(fake_server_queries(server, "next"), 0);

	/* Only when PostgreSQL has closed it, it has been dealt with. */
	fake_server_release_cancels(server);
	ck_finish_ok(next);
	ck_assert_uint_eq(fake_server_queries(server, "next"), 1);
	fake_client_expect_close(request);
	close(request);
	close(client);
	fake_server_stop(server);
}
END_TEST

START_TEST(a_cancel_that_postgres_does_not_take_has_an_end)
{
	int port = world_port(), request;
	struct fake_server *server = slow_server(port);
	struct pooler *pooler = pooler_start(.settings =
	    "cancel_wait_timeout = 1\nserver_connect_timeout = 1\n",
	    .databases = text("shop = host=127.0.0.1 port=%d pool_size=1",
	    port));
	uint8_t key[8];
	int client = login_for_key(pooler, key);

	fake_server_hold_cancels(server);
	fake_client_query(client, "slow");
	await_query(server, "slow", 1);
	fake_server_close_port(server);
	request = begin_cancel(pooler, key);
	fake_client_drain(request);
	close(request);
	fake_server_release(server);
	fake_client_expect(client, 'Z', NULL);
	fake_server_open_port(server);
	fake_client_query(client, "again");
	fake_client_expect(client, 'Z', NULL);
	close(client);
	fake_server_release_cancels(server);
	fake_server_stop(server);
}
END_TEST

/* ---- a storm ---- */

struct storm {
	struct pooler	*pooler;
	pthread_t	 thread;
	atomic_bool	 stopping;
	atomic_uint	 cancelled;
};

/*
 * Asks short questions and cancels each of them, in time or too late; some
 * last for longer, so that even on a slow machine it is in time for them.
 */
static void *
cancel_oneself(void *context)
{
	struct storm *storm = context;
	PGconn *conn = PQconnectdb(login_string(storm->pooler,
	    "user=app dbname=shop"));
	PGcancel *key = PQgetCancel(conn);
	unsigned seed = 1;
	char words[256];

	while (!storm->stopping && PQstatus(conn) == CONNECTION_OK) {
		PGresult *result;

		PQsendQuery(conn, rand_r(&seed) % 8 == 0 ?
		    "select pg_sleep(2)" : "select pg_sleep(0.004)");
		usleep((useconds_t)(rand_r(&seed) % 6000));
		PQcancel(key, words, sizeof(words));
		while ((result = PQgetResult(conn)) != NULL) {
			if (PQresultStatus(result) == PGRES_FATAL_ERROR)
				atomic_fetch_add(&storm->cancelled, 1);
			PQclear(result);
		}
	}
	PQfreeCancel(key);
	PQfinish(conn);
	return NULL;
}

START_TEST(a_storm_of_cancels_hits_nobody_else)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 3\n");
	struct storm storms[3] = { 0 };
	struct crowd *innocent = crowd_start(pooler, &(struct crowd_plan){
	    .clients = 8 });
	struct crowd_result result;

	for (unsigned i = 0; i < 3; i++) {
		storms[i].pooler = pooler;
		ck_assert_int_eq(pthread_create(&storms[i].thread, NULL,
		    cancel_oneself, &storms[i]), 0);
	}
	sleep(2);	/* what is tested is the time itself */
	for (unsigned i = 0; i < 3; i++)
		wait_until(atomic_load(&storms[i].cancelled) > 0);
	for (unsigned i = 0; i < 3; i++) {
		storms[i].stopping = true;
		pthread_join(storms[i].thread, NULL);
	}
	result = crowd_stop(innocent);
	ck_crowd_well(&result);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("cancel");
	TCase *tests = world_case(suite, "postgres", 60);

	tcase_add_test(tests, a_query_is_cancelled_by_any_worker);
	tcase_add_test(tests, only_the_right_query_is_cancelled);
	tcase_add_test(tests,
	    a_query_in_a_transaction_is_cancelled_and_no_more);
	tcase_add_test(tests, an_idle_client_has_nothing_to_cancel);
	if (pooler_is_pgusher()) {
		tcase_add_test(tests, a_waiting_client_is_cancelled_and_stays);
		tcase_add_test(tests,
		    a_pipeline_that_waits_is_cancelled_up_to_its_sync);
		tcase_add_test(tests,
		    half_a_query_that_waits_is_cancelled_whole);
	}
	tcase_add_test(tests, an_unknown_key_cancels_nothing);
	tcase_add_test(tests, the_key_of_one_who_has_left_cancels_nothing);
	tcase_add_test(tests, a_storm_of_cancels_hits_nobody_else);

	tests = world_case(suite, "fake", 60);
	tcase_add_test(tests, the_server_gets_its_own_key_back);
	/* Neither the guard nor the time-out is in PgBouncer 1.18. */
	if (pooler_is_pgusher()) {
		tcase_add_test(tests, a_late_cancel_never_hits_the_next_query);
		tcase_add_test(tests,
		    a_cancel_that_postgres_does_not_take_has_an_end);
	}
	return world_run(suite);
}
