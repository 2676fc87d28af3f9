/*
 * What an application does with its connection: queries of all protocols and
 * sizes, and what must follow it from server to server.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/crowd.h"
#include "live/world.h"

/* Servers of the pool as PostgreSQL sees them. */
#define BACKEND "select pg_backend_pid()"

#define pool_of(size, more) pooler_start(.settings = text( \
	"default_pool_size = %d\n%s", (size), (more)))

/* ---- the protocols ---- */

START_TEST(simple_queries_are_answered)
{
	PGconn *client = connect_client(pool_of(2, ""));

	ck_query_value(client, "select 'hello'", "hello");
	ck_query_tag(client, "create temp table t (i int)", "CREATE TABLE");
	ck_query_fails(client, "select 1/0", "22012", "division by zero");
	ck_query_value(client, "select 'again'", "again");
}
END_TEST

START_TEST(an_empty_query_is_answered)
{
	PGconn *client = connect_client(pool_of(2, ""));
	PGresult *result = PQexec(client, "");

	ck_assert_int_eq(PQresultStatus(result), PGRES_EMPTY_QUERY);
	PQclear(result);
	result = PQexecParams(client, "", 0, NULL, NULL, NULL, NULL, 0);
	ck_assert_int_eq(PQresultStatus(result), PGRES_EMPTY_QUERY);
	PQclear(result);
}
END_TEST

START_TEST(several_statements_in_one_query_give_several_results)
{
	PGconn *client = connect_client(pool_of(2, ""));
	static const char *const wanted[] = { "1", "2", "3" };
	PGresult *result;
	unsigned count = 0;

	ck_assert(PQsendQuery(client, "select 1; select 2; select 3"));
	while ((result = PQgetResult(client)) != NULL) {
		ck_assert_uint_lt(count, 3);
		ck_assert_str_eq(PQgetvalue(result, 0, 0), wanted[count]);
		count++;
		PQclear(result);
	}
	ck_assert_uint_eq(count, 3);
}
END_TEST

START_TEST(the_extended_protocol_binds_values)
{
	PGconn *client = connect_client(pool_of(2, ""));
	const char *values[] = { "20", "22" };
	PGresult *result = PQexecParams(client, "select $1::int + $2::int", 2,
	    NULL, values, NULL, NULL, 0);

	ck_assert_int_eq(PQresultStatus(result), PGRES_TUPLES_OK);
	ck_assert_str_eq(PQgetvalue(result, 0, 0), "42");
	PQclear(result);
	result = PQexecParams(client, "select 1/$1::int", 1, NULL,
	    (const char *const[]){ "0" }, NULL, NULL, 0);
	ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE),
	    "22012");
	PQclear(result);
	ck_query_value(client, "select 1", "1");
}
END_TEST

START_TEST(a_pipeline_of_ten_thousand_is_answered_in_order)
{
	PGconn *client = connect_client(pool_of(2, ""));
	unsigned sent = 0, got = 0, total = 10000;

	ck_assert(PQenterPipelineMode(client));
	PQsetnonblocking(client, 1);
	while (got < total) {
		struct pollfd poller = { .fd = PQsocket(client),
		    .events = POLLIN };
		unsigned before = sent;
		PGresult *result;
		int unsent;

		while (sent < total && sent < got + 5000) {
			const char *number = text("%u", sent);

			ck_assert(PQsendQueryParams(client, "select $1::int",
			    1, NULL, &number, NULL, NULL, 0));
			sent++;
		}
		if (sent > before)
			ck_assert(sent == total ? PQpipelineSync(client) :
			    PQsendFlushRequest(client));
		unsent = PQflush(client);
		ck_assert_int_ge(unsent, 0);
		if (unsent > 0)
			poller.events |= POLLOUT;
		ck_assert_msg(poll(&poller, 1, (int)patience_ms()) == 1,
		    "no answer to query %u", got);
		ck_assert(PQconsumeInput(client));
		while (got < total && !PQisBusy(client) &&
		    (result = PQgetResult(client)) != NULL) {
			ck_assert_int_eq(PQresultStatus(result),
			    PGRES_TUPLES_OK);
			ck_assert_int_eq(atoi(PQgetvalue(result, 0, 0)),
			    (int)got);
			got++;
			PQclear(result);
			result = PQgetResult(client);
			ck_assert_ptr_null(result);
		}
	}
	PQsetnonblocking(client, 0);
	PQclear(PQgetResult(client));	/* of the sync */
	ck_assert(PQexitPipelineMode(client));
	ck_query_value(client, "select 1", "1");
}
END_TEST

START_TEST(an_error_in_a_pipeline_skips_to_the_sync)
{
	static const ExecStatusType wanted[] = { PGRES_TUPLES_OK,
	    PGRES_FATAL_ERROR, PGRES_PIPELINE_ABORTED, PGRES_PIPELINE_SYNC,
	    PGRES_TUPLES_OK, PGRES_PIPELINE_SYNC };
	static const char *const queries[] = { "select 1", "select 1/0",
	    "select 3", NULL, "select 4", NULL };
	PGconn *client = connect_client(pool_of(2, ""));

	ck_assert(PQenterPipelineMode(client));
	for (unsigned i = 0; i < 6; i++)
		ck_assert(queries[i] != NULL ? PQsendQueryParams(client,
		    queries[i], 0, NULL, NULL, NULL, NULL, 0) :
		    PQpipelineSync(client));
	for (unsigned i = 0; i < 6; i++) {
		PGresult *result = PQgetResult(client);

		if (result == NULL)
			result = PQgetResult(client);
		ck_assert_msg(PQresultStatus(result) == wanted[i],
		    "result %u is %s", i,
		    PQresStatus(PQresultStatus(result)));
		PQclear(result);
	}
	ck_assert(PQexitPipelineMode(client));
	ck_query_value(client, "select 1", "1");
}
END_TEST

/* The server may not go to somebody else between two pieces of a pipeline. */
START_TEST(a_server_is_kept_until_nothing_is_outstanding)
{
	struct pooler *pooler = pool_of(1, "");
	PGconn *other = connect_client(pooler);
	int client = fake_client_login(pooler->port, "app", "shop");
	struct buffer bytes = { 0 };
	struct message message;

	/* Two transactions on the way, the first is ready at once. */
	put_message(&bytes, 'Q', "s", "select 1");
	put_message(&bytes, 'Q', "s", "select pg_sleep(0.3)");
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect(client, 'Z', &message);
	ck_query_value(other, "select 2", "2");
	fake_client_expect(client, 'Z', &message);

	/* Parse and Flush hold it, Sync lets it go. */
	put_message(&bytes, 'P', "ssh", "", "select 3", 0u);
	put_message(&bytes, 'H', "");
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect(client, '1', &message);
	ck_assert(PQsendQuery(other, "select 4"));
	put_message(&bytes, 'B', "sshhh", "", "", 0u, 0u, 0u);
	put_message(&bytes, 'E', "si", "", 0u);
	put_message(&bytes, 'H', "");
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect(client, 'C', &message);
	ck_assert(still_waits(other));
	put_message(&bytes, 'S', "");
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect(client, 'Z', &message);
	ck_finish_ok(other);
	close(client);
}
END_TEST

START_TEST(portals_can_be_read_in_pieces)
{
	struct pooler *pooler = pool_of(1, "");
	int client = fake_client_login(pooler->port, "app", "shop");
	struct buffer bytes = { 0 };
	struct message message;
	unsigned rows = 0;

	put_message(&bytes, 'P', "ssh", "",
	    "select generate_series(1, 25)", 0u);
	put_message(&bytes, 'B', "sshhh", "p", "", 0u, 0u, 0u);
	for (unsigned i = 0; i < 3; i++)
		put_message(&bytes, 'E', "si", "p", 10u);
	put_message(&bytes, 'C', "bs", 'P', "p");
	put_message(&bytes, 'S', "");
	ck_assert(fake_client_send(client, &bytes));
	do {
		ck_assert(fake_client_read(client, &message));
		rows += message.type == 'D';
	} while (message.type != 'Z');
	ck_assert_uint_eq(rows, 25);
	close(client);
}
END_TEST

START_TEST(a_function_call_is_answered)
{
	struct pooler *pooler = pool_of(2, "");
	int client = fake_client_login(pooler->port, "app", "shop");
	struct buffer bytes = { 0 };
	struct message message;

	/* abs(int4), text in and out */
	put_message(&bytes, 'F', "ihhixh", 1397u, 0u, 1u, 3u, "-42", 3, 0u);
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect(client, 'V', &message);
	ck_assert_uint_eq(message.length, 4 + 2);
	ck_assert_mem_eq(message.body, "\0\0\0\00242", 6);
	fake_client_expect(client, 'Z', &message);
	close(client);
}
END_TEST

/* ---- transactions ---- */

START_TEST(a_transaction_keeps_its_server)
{
	struct pooler *pooler = pool_of(4, "");
	PGconn *clients[4];
	const char *pids[4];

	for (unsigned i = 0; i < 4; i++) {
		clients[i] = connect_client(pooler);
		ck_query_ok(clients[i], "begin");
		pids[i] = query_value(clients[i], BACKEND);
		for (unsigned k = 0; k < i; k++)
			ck_assert_str_ne(pids[i], pids[k]);
	}
	for (unsigned round = 0; round < 5; round++)
		for (unsigned i = 0; i < 4; i++)
			ck_query_value(clients[i], BACKEND, pids[i]);
	for (unsigned i = 0; i < 4; i++)
		ck_query_tag(clients[i], "commit", "COMMIT");
}
END_TEST

START_TEST(a_failed_transaction_keeps_its_server_until_rollback)
{
	struct pooler *pooler = pool_of(1, "");
	PGconn *client = connect_client(pooler);
	PGconn *other = connect_client(pooler);

	ck_query_ok(client, "begin");
	ck_query_fails(client, "select 1/0", "22012", NULL);
	ck_assert(PQsendQuery(other, "select 7"));
	ck_query_fails(client, "select 1", "25P02", NULL);
	ck_assert(still_waits(other));
	ck_query_tag(client, "rollback", "ROLLBACK");
	ck_finish_ok(other);
}
END_TEST

/* Of ours test_clearing.c has more: it keeps the connection. */
START_TEST(a_client_that_leaves_in_a_transaction_leaves_nothing_of_it)
{
	struct pooler *pooler = pool_of(1, "");
	PGconn *client = connect_client(pooler);
	PGconn *other = connect_client(pooler);
	PGconn *direct = world_direct();
	const char *pid;

	ck_query_ok(client, "begin");
	pid = query_value(client, BACKEND);
	disconnect(client);
	if (pooler_is_pgusher()) {
		ck_query_value(other, BACKEND, pid);
		return;
	}
	ck_assert_str_ne(query_value(other, BACKEND), pid);
	wait_until(query_number(direct, text("select count(*) from "
	    "pg_stat_activity where pid = %s", pid)) == 0);
	ck_assert(pooler_logged(pooler,
	    "client disconnect while server was not ready") ||
	    pooler_logged(pooler, "client disconnected with query in "
	    "progress") || pooler_logged(pooler, "unclean server"));
}
END_TEST

START_TEST(notices_are_passed_on)
{
	struct pooler *pooler = pool_of(1, "");
	int client = fake_client_login(pooler->port, "app", "shop");
	struct message message;

	fake_client_query(client, "do $$begin raise notice 'psst'; end$$");
	fake_client_expect(client, 'N', &message);
	ck_assert_str_eq(error_field(&message, 'M'), "psst");
	fake_client_expect(client, 'Z', &message);
	close(client);
}
END_TEST

/* ---- much data ---- */

static char *
numbered_lines(unsigned lines, size_t *length_out)
{
	char *all = malloc(lines * 120u), *at = all;

	ck_assert_ptr_nonnull(all);
	for (unsigned i = 0; i < lines; i++)
		at += sprintf(at, "%u\t%0100u\n", i, i);
	*length_out = (size_t)(at - all);
	return all;
}

static void
end_copy(PGconn *client, const char *tag)
{
	PGresult *result = PQgetResult(client);

	ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s",
	    PQerrorMessage(client));
	ck_assert_str_eq(PQcmdStatus(result), tag);
	PQclear(result);
	ck_assert_ptr_null(PQgetResult(client));
}

START_TEST(copy_in_and_out_bring_back_what_was_sent)
{
	PGconn *client = connect_client(pool_of(2, ""));
	unsigned lines = 50000;		/* about 5 MB */
	size_t length, at = 0, row;
	char *data = numbered_lines(lines, &length), *line;

	ck_query_ok(client, "create table copied (i int, t text)");
	PQclear(PQexec(client, "copy copied from stdin"));
	while (at < length) {
		size_t piece = length - at < 77777 ? length - at : 77777;

		ck_assert_int_eq(PQputCopyData(client, data + at,
		    (int)piece), 1);
		at += piece;
	}
	ck_assert_int_eq(PQputCopyEnd(client, NULL), 1);
	end_copy(client, "COPY 50000");

	PQclear(PQexec(client, "copy copied to stdout"));
	for (at = 0; (row = (size_t)PQgetCopyData(client, &line, 0)) <
	    (size_t)-2; at += row) {
		ck_assert_mem_eq(line, data + at, row);
		PQfreemem(line);
	}
	ck_assert_uint_eq(at, length);
	end_copy(client, "COPY 50000");
	ck_query_ok(client, "drop table copied");
	free(data);
}
END_TEST

START_TEST(binary_copy_passes)
{
	PGconn *client = connect_client(pool_of(2, ""));
	char *kept[2000], *row;
	int lengths[2000], count = 0;

	ck_query_ok(client, "create table binary_copied (i int, b bytea)");
	PQclear(PQexec(client, "copy (select i, sha256(i::text::bytea) from "
	    "generate_series(1, 1000) i) to stdout (format binary)"));
	while ((lengths[count] = PQgetCopyData(client, &row, 0)) > 0) {
		kept[count++] = row;
		ck_assert_int_lt(count, 2000);
	}
	end_copy(client, "COPY 1000");
	PQclear(PQexec(client, "copy binary_copied from stdin "
	    "(format binary)"));
	for (int i = 0; i < count; i++) {
		ck_assert_int_eq(PQputCopyData(client, kept[i], lengths[i]),
		    1);
		PQfreemem(kept[i]);
	}
	ck_assert_int_eq(PQputCopyEnd(client, NULL), 1);
	end_copy(client, "COPY 1000");
	ck_query_value(client, "select count(*) from binary_copied where "
	    "b = sha256(i::text::bytea)", "1000");
	ck_query_ok(client, "drop table binary_copied");
}
END_TEST

START_TEST(copy_that_the_client_gives_up_is_an_error_and_nothing_more)
{
	PGconn *client = connect_client(pool_of(1, ""));
	PGresult *result;

	ck_query_ok(client, "create table given_up (t text)");
	PQclear(PQexec(client, "copy given_up from stdin"));
	ck_assert_int_eq(PQputCopyData(client, "one\n", 4), 1);
	ck_assert_int_eq(PQputCopyEnd(client, "changed my mind"), 1);
	result = PQgetResult(client);
	ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE),
	    "57014");
	PQclear(result);
	ck_assert_ptr_null(PQgetResult(client));
	ck_query_value(client, "select count(*) from given_up", "0");
	ck_query_ok(client, "drop table given_up");
}
END_TEST

START_TEST(copy_that_the_server_gives_up_leaves_the_client_in_step)
{
	struct pooler *pooler = pool_of(1, "");
	PGconn *client = connect_client(pooler);
	PGconn *other = connect_client(pooler);
	int sent = 1;
	PGresult *result;

	ck_query_ok(client, "create table numbers (i int)");
	PQclear(PQexec(client, "copy numbers from stdin"));
	ck_assert_int_eq(PQputCopyData(client, "nonsense\n", 9), 1);
	for (unsigned i = 0; i < 20000 && sent == 1; i++)
		sent = PQputCopyData(client, "12345678\n", 9);
	PQputCopyEnd(client, NULL);
	result = PQgetResult(client);
	ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE),
	    "22P02");
	PQclear(result);
	ck_assert_ptr_null(PQgetResult(client));
	ck_query_value(other, "select 5", "5");
	ck_query_value(client, "select count(*) from numbers", "0");
	ck_query_ok(client, "drop table numbers");
}
END_TEST

/*
 * Drivers send Sync right behind Execute; PostgreSQL ignores it while it
 * reads copied data ("COPY Operations").
 */
START_TEST(copy_by_the_extended_protocol_survives_an_early_sync)
{
	struct pooler *pooler = pool_of(1, "");
	int client = fake_client_login(pooler->port, "app", "shop");
	struct buffer bytes = { 0 };
	struct message message;
	PGconn *other = connect_client(pooler);

	ck_query_ok(other, "create table early (t text)");
	put_message(&bytes, 'P', "ssh", "", "copy early from stdin", 0u);
	put_message(&bytes, 'B', "sshhh", "", "", 0u, 0u, 0u);
	put_message(&bytes, 'E', "si", "", 0u);
	put_message(&bytes, 'S', "");
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect(client, 'G', &message);
	put_message(&bytes, 'd', "x", "one\ntwo\n", 8);
	put_message(&bytes, 'c', "");
	put_message(&bytes, 'S', "");
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect(client, 'C', &message);
	ck_assert_str_eq((char *)message.body, "COPY 2");
	fake_client_expect(client, 'Z', &message);
	ck_query_value(other, "select count(*) from early", "2");
	fake_client_query(client, "select 1");
	fake_client_expect(client, 'Z', &message);
	ck_query_ok(other, "drop table early");
	close(client);
}
END_TEST

/* Resident memory of the pooler and its workers in kilobytes. */
static long
memory_of(struct pooler *pooler)
{
	pid_t pids[65];
	unsigned count = pooler_children(pooler, pids, 64);
	long sum = 0;

	pids[count++] = pooler->pid;
	for (unsigned i = 0; i < count; i++) {
		char *status = file_read(text("/proc/%d/status",
		    (int)pids[i]));
		char *at = strstr(status, "RssAnon:");

		sum += at != NULL ? atol(at + 8) : 0;
		free(status);
	}
	return sum;
}

START_TEST(a_hundred_megabytes_flow_through_little_memory)
{
	struct pooler *pooler = pool_of(2, "");
	PGconn *client = connect_client(pooler);
	long before, most = 0;
	unsigned rows = 0;
	PGresult *result;

	ck_query_ok(client, "select 1");
	before = memory_of(pooler);
	ck_assert(PQsendQuery(client, "select i, repeat('x', 10000) from "
	    "generate_series(1, 10000) i"));
	ck_assert(PQsetSingleRowMode(client));
	while ((result = PQgetResult(client)) != NULL) {
		if (PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
			rows++;
			ck_assert_int_eq(atoi(PQgetvalue(result, 0, 0)),
			    (int)rows);
			ck_assert_int_eq(PQgetlength(result, 0, 1), 10000);
		}
		PQclear(result);
		if (rows % 1000 == 0 && memory_of(pooler) > most)
			most = memory_of(pooler);
	}
	ck_assert_uint_eq(rows, 10000);
	ck_assert_msg(most - before < 8192,
	    "memory grew from %ld to %ld kB", before, most);
}
END_TEST

START_TEST(one_value_of_fifty_megabytes_passes_both_ways)
{
	PGconn *client = connect_client(pool_of(2, ""));
	size_t size = 50 << 20;
	char *value = malloc(size + 1);
	PGresult *result;

	ck_assert_ptr_nonnull(value);
	memset(value, 'v', size);
	value[size] = '\0';
	result = PQexecParams(client, "select $1::text", 1, NULL,
	    (const char *const *)&value, NULL, NULL, 0);
	ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s",
	    PQerrorMessage(client));
	ck_assert_int_eq(PQgetlength(result, 0, 0), (int)size);
	ck_assert_mem_eq(PQgetvalue(result, 0, 0), value, size);
	PQclear(result);
	free(value);
}
END_TEST

START_TEST(a_client_that_does_not_read_stops_nobody_else)
{
	struct pooler *pooler = pooler_start(.workers = 1,
	    .settings = "default_pool_size = 4\n");
	int lazy = fake_client_login(pooler->port, "app", "shop");
	PGconn *others[3];
	PGconn *console = connect_console(pooler);
	long before = memory_of(pooler);
	struct message message;
	unsigned rows = 0;

	for (unsigned i = 0; i < 3; i++)
		others[i] = connect_client(pooler);
	fake_client_query(lazy, "select repeat('x', 10000) from "
	    "generate_series(1, 5000)");	/* 50 MB */
	for (unsigned round = 0; round < 200; round++)
		for (unsigned i = 0; i < 3; i++)
			ck_query_value(others[i], "select 1", "1");
	ck_assert_msg(memory_of(pooler) - before < 8192,
	    "memory grew from %ld to %ld kB", before, memory_of(pooler));
	ck_assert_uint_eq(show_count(console, "SERVERS", "state", "active"),
	    1);
	do {
		ck_assert(fake_client_read(lazy, &message));
		rows += message.type == 'D';
	} while (message.type != 'Z');
	ck_assert_uint_eq(rows, 5000);
	close(lazy);
}
END_TEST

/* ---- session and statement mode ---- */

START_TEST(a_session_keeps_its_server)
{
	struct pooler *pooler = pool_of(2, "pool_mode = session\n");
	PGconn *first = connect_client(pooler);
	PGconn *second = connect_client(pooler);
	const char *pid = query_value(first, BACKEND);

	ck_assert_str_ne(query_value(second, BACKEND), pid);
	for (unsigned i = 0; i < 10; i++)
		ck_query_value(first, BACKEND, pid);
}
END_TEST

START_TEST(a_server_is_reset_between_sessions)
{
	struct pooler *pooler = pool_of(1, "pool_mode = session\n");
	PGconn *client = connect_client(pooler);
	const char *pid = query_value(client, BACKEND);

	ck_query_ok(client, "create temp table mine (i int);"
	    "set work_mem = '7MB'; prepare p as select 1");
	disconnect(client);
	client = connect_client(pooler);
	ck_query_value(client, BACKEND, pid);
	ck_query_value(client, "show work_mem", "4MB");
	ck_query_fails(client, "select * from mine", "42P01", NULL);
	ck_query_fails(client, "execute p", "26000", NULL);
}
END_TEST

START_TEST(the_reset_query_runs_always_if_asked)
{
	struct pooler *pooler = pool_of(1, "server_reset_query_always = 1\n"
	    "server_reset_query = RESET ALL\n");
	PGconn *client = connect_client(pooler);

	ck_query_ok(client, "set work_mem = '7MB'");
	ck_query_value(client, "show work_mem", "4MB");
}
END_TEST

START_TEST(in_transaction_mode_no_reset_query_runs)
{
	struct pooler *pooler = pool_of(1, "");
	PGconn *client = connect_client(pooler);

	ck_query_ok(client, "set work_mem = '7MB'");
	ck_query_value(client, "show work_mem", "7MB");
}
END_TEST

START_TEST(a_session_hears_what_it_listens_to)
{
	struct pooler *pooler = pool_of(2, "pool_mode = session\n");
	PGconn *ear = connect_client(pooler);
	PGconn *mouth = world_direct();
	PGnotify *heard;

	ck_query_ok(ear, "listen news");
	ck_query_ok(mouth, "notify news, 'rain'");
	wait_until(PQconsumeInput(ear) &&
	    (heard = PQnotifies(ear)) != NULL);
	ck_assert_str_eq(heard->relname, "news");
	ck_assert_str_eq(heard->extra, "rain");
	PQfreemem(heard);
}
END_TEST

START_TEST(statement_mode_has_no_transactions)
{
	struct pooler *pooler = pool_of(2, "pool_mode = statement\n");
	PGconn *client = connect_client(pooler);

	ck_query_value(client, "select 1", "1");
	ck_query_fails(client, "begin", "08P01",
	    "transaction blocks not allowed in statement pooling mode");
	ck_connection_lost(client);
	client = connect_client(pooler);
	ck_query_value(client, "select 2", "2");
}
END_TEST

START_TEST(modes_differ_by_database_and_user)
{
	struct pooler *pooler = pooler_start(
	    .databases = text("a = %s\nb = %s pool_mode=session",
	    world_place(), world_place()),
	    .users = "other = pool_mode=session",
	    .settings = "default_pool_size = 3\n");
	PGconn *client = connect_as(pooler, "user=app dbname=b");
	PGconn *console = connect_console(pooler);

	ck_query_ok(client, "select 1");
	ck_assert_uint_eq(show_count(console, "SERVERS", "state", "active"),
	    1);
	disconnect(client);
	client = connect_as(pooler, "user=other dbname=a");
	ck_query_ok(client, "select 1");
	wait_until(show_count(console, "SERVERS", "state", "active") == 1);
	disconnect(client);
	client = connect_as(pooler, "user=app dbname=a");
	ck_query_ok(client, "select 1");
	wait_until(show_count(console, "SERVERS", "state", "active") == 0);
}
END_TEST

/* ---- what follows the client ---- */

/*
 * Two clients by turns on one server, so each finds what the other has left.
 */
static const struct {
	const char	*startup;	/* part of the connection string */
	const char	*set;
	const char	*parameter, *first, *second;
} tracked[] = {
	{ "application_name=first", "set application_name = 'other'",
	    "application_name", "first", "other" },
	{ "client_encoding=LATIN1", "set client_encoding = 'SQL_ASCII'",
	    "client_encoding", "LATIN1", "SQL_ASCII" },
	{ "options='-c TimeZone=Asia/Tokyo'", "set timezone = 'Europe/Oslo'",
	    "timezone", "Asia/Tokyo", "Europe/Oslo" },
	{ "options='-c DateStyle=German'", "set datestyle = 'SQL, DMY'",
	    "datestyle", "German, DMY", "SQL, DMY" },
	{ "options='-c IntervalStyle=iso_8601'",
	    "set intervalstyle = 'sql_standard'",
	    "intervalstyle", "iso_8601", "sql_standard" },
	{ "options='-c standard_conforming_strings=off'",
	    "set standard_conforming_strings = on",
	    "standard_conforming_strings", "off", "on" },
};

START_TEST(tracked_parameters_follow_the_client)
{
	struct pooler *pooler = pool_of(1, "");
	PGconn *first = connect_as(pooler, text("user=app dbname=shop %s",
	    tracked[_i].startup));
	PGconn *second = connect_client(pooler);
	const char *query = text("show %s", tracked[_i].parameter);

	ck_query_ok(second, tracked[_i].set);
	for (unsigned round = 0; round < 4; round++) {
		ck_query_value(first, query, tracked[_i].first);
		ck_query_value(second, query, tracked[_i].second);
		ck_extended_value(first, query, tracked[_i].first);
		ck_extended_value(second, query, tracked[_i].second);
	}
}
END_TEST

static unsigned
called(PGconn *console, const char *name)
{
	const char *count = query_value(console, text("select count(*) from "
	    "clients where database = 'shop' and application_name = '%s'",
	    name));

	return (unsigned)atoi(count);
}

/*
 * A client without a name of its own meets the name of another on a server.
 * That is not its own by that, not even when it changes something else there.
 */
START_TEST(a_name_is_the_clients_that_has_given_it)
{
	struct pooler *pooler = pool_of(1, "");
	PGconn *nameless = connect_as(pooler,
	    "user=app dbname=shop application_name=''");
	PGconn *named = connect_client(pooler);
	PGconn *console = connect_console(pooler);

	ck_query_ok(named, "set application_name = 'reports'");
	ck_query_ok(nameless, "set timezone = 'Europe/Oslo'");
	ck_assert_uint_eq(called(console, "reports"), 1);
	ck_assert_uint_eq(called(console, ""), 1);
	ck_query_ok(named, "set application_name = 'other'");
	ck_assert_uint_eq(called(console, "other"), 1);
	/* Whatever the server has now, it is not what nobody asked for. */
	ck_query_ok(nameless, "select 1");
	ck_query_value(nameless, "show application_name", "other");
	ck_query_ok(named, "reset application_name");
	ck_assert_uint_eq(called(console, ""), 2);
	ck_query_value(nameless, "show application_name", "");
}
END_TEST

/* Many names that begin with this one: over 127 bytes, and none is there. */
static const char *
long_path(const char *name)
{
	static char paths[2][600];
	static unsigned turn;
	char *path = paths[turn++ % 2];

	path[0] = '\0';
	for (unsigned i = 0; i < 40; i++)
		sprintf(path + strlen(path), "%s%s%u", i > 0 ? "," : "", name,
		    i);
	return path;
}

START_TEST(values_of_any_length_follow_the_client)
{
	struct pooler *pooler = pooler_start(.workers = 3, .settings =
	    "default_pool_size = 1\n"
	    "track_extra_parameters = IntervalStyle, search_path\n");
	PGconn *clients[6];

	for (unsigned i = 0; i < 6; i++)
		clients[i] = connect_as(pooler, text("user=app dbname=shop "
		    "options='-c search_path=%s'", long_path(i % 2 == 0 ?
		    "one" : "other")));
	for (unsigned i = 0; i < 24; i++) {
		const char *path = query_value(clients[i % 6],
		    "select replace(current_setting('search_path'), ' ', '')");

		ck_assert_str_eq(path, long_path(i % 2 == 0 ? "one" :
		    "other"));
	}
}
END_TEST

START_TEST(what_transactions_may_do_follows_the_client)
{
	struct pooler *pooler = pool_of(1, "track_extra_parameters = "
	    "IntervalStyle, default_transaction_read_only\n");
	PGconn *reader = connect_client(pooler);
	PGconn *writer = connect_client(pooler);

	ck_query_ok(reader, "set default_transaction_read_only to true");
	for (unsigned i = 0; i < 3; i++) {
		ck_query_fails(reader, "create table refused ()", "25006",
		    NULL);
		ck_query_ok(writer, "create table made ()");
		ck_query_ok(writer, "drop table made");
	}
}
END_TEST

START_TEST(the_login_reply_reports_what_the_client_asked_for)
{
	struct pooler *pooler = pool_of(1, "");
	PGconn *first = connect_as(pooler,
	    "user=app dbname=shop client_encoding=LATIN1 "
	    "application_name=reporter options='-c TimeZone=Asia/Tokyo'");
	PGconn *second;

	ck_assert_str_eq(PQparameterStatus(first, "client_encoding"),
	    "LATIN1");
	ck_assert_str_eq(PQparameterStatus(first, "application_name"),
	    "reporter");
	ck_assert_str_eq(PQparameterStatus(first, "TimeZone"), "Asia/Tokyo");
	ck_assert_ptr_nonnull(PQparameterStatus(first, "server_version"));
	ck_query_ok(first, "select 1");
	second = connect_client(pooler);
	ck_assert_str_eq(PQparameterStatus(second, "client_encoding"),
	    "UTF8");
	ck_assert_str_eq(PQparameterStatus(second, "TimeZone"), "UTC");
}
END_TEST

START_TEST(a_value_with_quotes_is_quoted)
{
	struct pooler *pooler = pool_of(1, "");
	PGconn *first = connect_as(pooler, "user=app dbname=shop "
	    "application_name='it\\'s; drop table \\\\ \"x\"'");
	PGconn *second = connect_client(pooler);

	ck_query_ok(second, "set application_name = 'plain'");
	ck_query_value(first, "show application_name",
	    "it's; drop table \\ \"x\"");
	ck_query_value(second, "show application_name", "plain");
}
END_TEST

START_TEST(a_wrong_parameter_costs_one_client_its_connection)
{
	struct pooler *pooler = pool_of(1, "");
	PGconn *good = connect_client(pooler);
	PGconn *bad;

	ck_query_ok(good, "select 1");
	bad = connect_as(pooler, "user=app dbname=shop "
	    "options='-c TimeZone=Middle/Earth'");
	ck_query_fails(bad, "select 1", "08P01", "invalid server parameter");
	ck_query_value(good, "select 2", "2");
}
END_TEST

START_TEST(the_host_can_be_added_to_the_application_name)
{
	struct pooler *pooler = pool_of(1, "application_name_add_host = 1\n");
	PGconn *client = connect_as(pooler,
	    "user=app dbname=shop application_name=psql");

	PGconn *nameless = connect_as(pooler, "user=app dbname=shop");
	const char *name;

	if (pooler_lacks(pooler, "application_name_add_host"))
		return;
	name = query_value(client, "show application_name");
	ck_assert_msg(strncmp(name, "psql - 127.0.0.1:", 17) == 0, "%s",
	    name);
	name = query_value(nameless, "show application_name");
	ck_assert_msg(strncmp(name, "app - 127.0.0.1:", 16) == 0, "%s", name);
	/* It is the same all the time, and what it is set to replaces it. */
	ck_query_value(nameless, "show application_name", name);
	ck_query_ok(client, "set application_name = 'own'");
	ck_query_value(client, "show application_name", "own");
}
END_TEST

START_TEST(simple_queries_can_be_forbidden)
{
	struct pooler *pooler = pool_of(1, "disable_pqexec = 1\n");
	PGconn *client = connect_to(login_string(pooler,
	    "user=app dbname=shop"));

	ck_extended_value(client, "select 'extended'", "extended");
	ck_query_fails(client, "select 1", "0A000", "PQexec disallowed");
	ck_connection_lost(client);
	/* The server is as it was. */
	client = connect_to(login_string(pooler, "user=app dbname=shop"));
	ck_extended_value(client, "select 'again'", "again");
	ck_query_ok(connect_console(pooler), "show pools");
}
END_TEST

START_TEST(an_idle_server_is_checked_before_use)
{
	struct pooler *pooler = pool_of(1, "server_check_delay = 0\n"
	    "server_check_query = select 'are you there'\n");
	PGconn *client = connect_client(pooler);
	const char *pid = query_value(client, BACKEND);

	for (unsigned i = 0; i < 5; i++)
		ck_query_value(client, BACKEND, pid);
}
END_TEST

/* What counts is that the server answers at all. */
START_TEST(a_check_query_that_fails_hurts_no_client)
{
	struct pooler *pooler = pool_of(1, "server_check_delay = 0\n"
	    "server_check_query = select current_setting('no.such')\n");
	PGconn *client = connect_client(pooler);

	/* A new server need not pass the check, one in use once must. */
	for (unsigned i = 0; i < 3; i++)
		ck_query_value(client, "select 1", "1");
	ck_assert(!pooler_logged(pooler, "pooler error"));
}
END_TEST

START_TEST(the_connect_query_runs_once_for_each_server)
{
	struct pooler *pooler = pooler_start(.databases = text(
	    "shop = %s pool_size=1 connect_query='set work_mem = ''9MB'''",
	    world_place()));
	PGconn *client = connect_client(pooler);

	ck_query_value(client, "show work_mem", "9MB");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("query");
	TCase *tests = world_case(suite, "protocol", 10);

	tcase_add_test(tests, simple_queries_are_answered);
	tcase_add_test(tests, an_empty_query_is_answered);
	tcase_add_test(tests,
	    several_statements_in_one_query_give_several_results);
	tcase_add_test(tests, the_extended_protocol_binds_values);
	tcase_add_test(tests,
	    a_pipeline_of_ten_thousand_is_answered_in_order);
	tcase_add_test(tests, an_error_in_a_pipeline_skips_to_the_sync);
	tcase_add_test(tests, a_server_is_kept_until_nothing_is_outstanding);
	tcase_add_test(tests, portals_can_be_read_in_pieces);
	tcase_add_test(tests, a_function_call_is_answered);

	tests = world_case(suite, "transactions", 10);
	tcase_add_test(tests, a_transaction_keeps_its_server);
	tcase_add_test(tests,
	    a_failed_transaction_keeps_its_server_until_rollback);
	tcase_add_test(tests,
	    a_client_that_leaves_in_a_transaction_leaves_nothing_of_it);
	tcase_add_test(tests, notices_are_passed_on);

	tests = world_case(suite, "much", 30);
	tcase_add_test(tests, copy_in_and_out_bring_back_what_was_sent);
	tcase_add_test(tests, binary_copy_passes);
	tcase_add_test(tests,
	    copy_that_the_client_gives_up_is_an_error_and_nothing_more);
	if (pooler_is_pgusher())
		tcase_add_test(tests,
		    copy_that_the_server_gives_up_leaves_the_client_in_step);
	tcase_add_test(tests,
	    copy_by_the_extended_protocol_survives_an_early_sync);
	tcase_add_test(tests, a_hundred_megabytes_flow_through_little_memory);
	tcase_add_test(tests, one_value_of_fifty_megabytes_passes_both_ways);
	tcase_add_test(tests, a_client_that_does_not_read_stops_nobody_else);

	tests = world_case(suite, "modes", 10);
	tcase_add_test(tests, a_session_keeps_its_server);
	tcase_add_test(tests, a_server_is_reset_between_sessions);
	tcase_add_test(tests, the_reset_query_runs_always_if_asked);
	tcase_add_test(tests, in_transaction_mode_no_reset_query_runs);
	tcase_add_test(tests, a_session_hears_what_it_listens_to);
	tcase_add_test(tests, statement_mode_has_no_transactions);
	tcase_add_test(tests, modes_differ_by_database_and_user);

	tests = world_case(suite, "parameters", 10);
	/* PgBouncer before 1.20 knows no "options". */
	tcase_add_loop_test(tests, tracked_parameters_follow_the_client, 0,
	    pooler_is_pgusher() ? (int)ARRAY_LENGTH(tracked) : 2);
	if (pooler_is_pgusher()) {
		tcase_add_test(tests, a_name_is_the_clients_that_has_given_it);
	tcase_add_test(tests, values_of_any_length_follow_the_client);
		tcase_add_test(tests,
		    what_transactions_may_do_follows_the_client);
		tcase_add_test(tests,
		    the_login_reply_reports_what_the_client_asked_for);
		tcase_add_test(tests,
		    a_wrong_parameter_costs_one_client_its_connection);
	}
	tcase_add_test(tests, a_value_with_quotes_is_quoted);
	tcase_add_test(tests,
	    the_host_can_be_added_to_the_application_name);
	tcase_add_test(tests, simple_queries_can_be_forbidden);
	tcase_add_test(tests, an_idle_server_is_checked_before_use);
	tcase_add_test(tests, a_check_query_that_fails_hurts_no_client);
	tcase_add_test(tests,
	    the_connect_query_runs_once_for_each_server);
	return world_run(suite);
}
