/*
 * libpq in pipeline mode: many queries on their way before the first answer.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#define QUERIES 2000

static int failed;

#define CHECK(claim) do {						\
	if (!(claim)) {							\
		printf("%s:%d: %s: %s", __FILE__, __LINE__, #claim,	\
		    PQerrorMessage(conn));				\
		failed = 1;						\
		return;							\
	}								\
} while (0)

static PGconn *conn;

/* The next answer is of this kind; its NULL is taken as well. */
static PGresult *
next(ExecStatusType wanted)
{
	PGresult *result = PQgetResult(conn);
	ExecStatusType got = PQresultStatus(result);

	if (got != wanted) {
		printf("got %s, wanted %s: %s\n", PQresStatus(got),
		    PQresStatus(wanted), PQresultErrorMessage(result));
		exit(1);
	}
	if (wanted != PGRES_PIPELINE_SYNC && PQgetResult(conn) != NULL) {
		printf("more than one answer\n");
		exit(1);
	}
	return result;
}

static void
expect(ExecStatusType wanted)
{
	PQclear(next(wanted));
}

static int
next_number(void)
{
	PGresult *result = next(PGRES_TUPLES_OK);
	int number = atoi(PQgetvalue(result, 0, 0));

	PQclear(result);
	return number;
}

static int
send_number(const char *sql, int number)
{
	char text[16];
	const char *values[] = { text };

	snprintf(text, sizeof(text), "%d", number);
	return PQsendQueryParams(conn, sql, 1, NULL, values, NULL, NULL, 0);
}

static int
send_prepared(const char *name, int number)
{
	char text[16];
	const char *values[] = { text };

	snprintf(text, sizeof(text), "%d", number);
	return PQsendQueryPrepared(conn, name, 1, values, NULL, NULL, 0);
}

static void
answers_come_in_order(void)
{
	CHECK(PQenterPipelineMode(conn));
	for (int i = 0; i < QUERIES; i++) {
		CHECK(send_number("select $1::int", i));
		if (i % 100 == 99)
			CHECK(PQpipelineSync(conn));
	}
	for (int i = 0; i < QUERIES; i++) {
		CHECK(next_number() == i);
		if (i % 100 == 99)
			expect(PGRES_PIPELINE_SYNC);
	}
	CHECK(PQexitPipelineMode(conn));
}

/* The server is not to wait for us, nor we for it: both sides talk. */
static void
big_values_go_both_ways(void)
{
	static char value[1 << 20];
	const char *values[] = { value };
	int sent = 0, answered = 0;

	memset(value, 'x', sizeof(value) - 1);
	CHECK(PQsetnonblocking(conn, 1) == 0);
	CHECK(PQenterPipelineMode(conn));
	while (answered < 20) {
		struct pollfd ready = { PQsocket(conn), POLLIN, 0 };
		int flushed;

		if (sent < 20) {
			CHECK(PQsendQueryParams(conn, "select $1::text", 1,
			    NULL, values, NULL, NULL, 0));
			if (++sent == 20)
				CHECK(PQpipelineSync(conn));
		}
		flushed = PQflush(conn);
		CHECK(flushed != -1);
		if (flushed == 1 || sent < 20)
			ready.events |= POLLOUT;
		CHECK(poll(&ready, 1, 60000) == 1);
		CHECK(PQconsumeInput(conn));
		while (answered < 20 && answered < sent && !PQisBusy(conn)) {
			PGresult *result = PQgetResult(conn);

			CHECK(PQresultStatus(result) == PGRES_TUPLES_OK);
			CHECK(PQgetlength(result, 0, 0) ==
			    (int)sizeof(value) - 1);
			PQclear(result);
			CHECK(PQgetResult(conn) == NULL);
			answered++;
		}
	}
	CHECK(PQsetnonblocking(conn, 0) == 0);
	expect(PGRES_PIPELINE_SYNC);
	CHECK(PQexitPipelineMode(conn));
}

static void
a_statement_is_prepared_and_used_at_once(void)
{
	CHECK(PQenterPipelineMode(conn));
	CHECK(PQsendPrepare(conn, "twice", "select $1::int * 2", 0, NULL));
	for (int i = 0; i < 10; i++)
		CHECK(send_prepared("twice", i));
	CHECK(PQsendDescribePrepared(conn, "twice"));
	CHECK(PQpipelineSync(conn));
	for (int i = 10; i < 20; i++)
		CHECK(send_prepared("twice", i));
	CHECK(PQpipelineSync(conn));
	expect(PGRES_COMMAND_OK);
	for (int i = 0; i < 10; i++)
		CHECK(next_number() == 2 * i);
	expect(PGRES_COMMAND_OK);
	expect(PGRES_PIPELINE_SYNC);
	for (int i = 10; i < 20; i++)
		CHECK(next_number() == 2 * i);
	expect(PGRES_PIPELINE_SYNC);
	CHECK(PQexitPipelineMode(conn));
}

static void
an_error_spoils_up_to_the_next_sync(void)
{
	CHECK(PQenterPipelineMode(conn));
	CHECK(send_number("select $1::int", 1));
	CHECK(send_number("select 1 / $1::int", 0));
	CHECK(PQsendPrepare(conn, "never", "select $1::int", 0, NULL));
	CHECK(send_number("select $1::int", 3));
	CHECK(PQpipelineSync(conn));
	CHECK(send_prepared("never", 4));
	CHECK(PQpipelineSync(conn));
	CHECK(send_number("select $1::int", 5));
	CHECK(PQpipelineSync(conn));
	CHECK(next_number() == 1);
	expect(PGRES_FATAL_ERROR);
	expect(PGRES_PIPELINE_ABORTED);
	expect(PGRES_PIPELINE_ABORTED);
	expect(PGRES_PIPELINE_SYNC);
	expect(PGRES_FATAL_ERROR);	/* there is no such statement */
	expect(PGRES_PIPELINE_SYNC);
	CHECK(next_number() == 5);
	expect(PGRES_PIPELINE_SYNC);
	CHECK(PQexitPipelineMode(conn));
}

static void
transactions_lie_within_a_pipeline(void)
{
	PGresult *result;

	CHECK(PQenterPipelineMode(conn));
	for (int i = 0; i < 10; i++) {
		CHECK(PQsendQueryParams(conn, "begin", 0, NULL, NULL, NULL,
		    NULL, 0));
		CHECK(PQpipelineSync(conn));
		CHECK(send_number("select pg_backend_pid() + 0 * $1::int",
		    i));
		CHECK(PQpipelineSync(conn));
		CHECK(send_number("select pg_backend_pid() + 0 * $1::int",
		    i));
		CHECK(PQsendQueryParams(conn, i % 2 ? "commit" : "rollback",
		    0, NULL, NULL, NULL, NULL, 0));
		CHECK(PQpipelineSync(conn));
	}
	for (int i = 0; i < 10; i++) {
		int first, second;

		expect(PGRES_COMMAND_OK);
		expect(PGRES_PIPELINE_SYNC);
		first = next_number();
		expect(PGRES_PIPELINE_SYNC);
		second = next_number();
		CHECK(first == second);
		result = next(PGRES_COMMAND_OK);
		CHECK(strcmp(PQcmdStatus(result), i % 2 ? "COMMIT" :
		    "ROLLBACK") == 0);
		PQclear(result);
		expect(PGRES_PIPELINE_SYNC);
	}
	CHECK(PQexitPipelineMode(conn));
}

/* Flush asks for answers without ending the transaction. */
static void
answers_can_be_had_before_the_sync(void)
{
	CHECK(PQenterPipelineMode(conn));
	for (int i = 0; i < 5; i++) {
		CHECK(send_number("select $1::int", i));
		CHECK(PQsendFlushRequest(conn));
		CHECK(PQflush(conn) == 0);
		CHECK(next_number() == i);
	}
	CHECK(PQpipelineSync(conn));
	expect(PGRES_PIPELINE_SYNC);
	CHECK(PQexitPipelineMode(conn));
}

static void
rows_come_one_by_one(void)
{
	int sum = 0;
	PGresult *result;

	CHECK(PQenterPipelineMode(conn));
	CHECK(send_number("select generate_series(1, $1::int)", 1000));
	CHECK(PQpipelineSync(conn));
	CHECK(PQsetSingleRowMode(conn));
	while (PQresultStatus(result = PQgetResult(conn)) ==
	    PGRES_SINGLE_TUPLE) {
		sum += atoi(PQgetvalue(result, 0, 0));
		PQclear(result);
	}
	CHECK(PQresultStatus(result) == PGRES_TUPLES_OK && sum == 500500);
	PQclear(result);
	CHECK(PQgetResult(conn) == NULL);
	expect(PGRES_PIPELINE_SYNC);
	CHECK(PQexitPipelineMode(conn));
}

static const struct {
	const char	*name;
	void		(*run)(void);
} tests[] = {
	{ "answers come in order", answers_come_in_order },
	{ "big values go both ways", big_values_go_both_ways },
	{ "a statement is prepared and used at once",
	    a_statement_is_prepared_and_used_at_once },
	{ "an error spoils up to the next Sync",
	    an_error_spoils_up_to_the_next_sync },
	{ "transactions lie within a pipeline",
	    transactions_lie_within_a_pipeline },
	{ "answers can be had before the Sync",
	    answers_can_be_had_before_the_sync },
	{ "rows come one by one", rows_come_one_by_one },
};

int
main(void)
{
	int failures = 0;

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		failed = 0;
		conn = PQconnectdb("");		/* the environment says where */
		if (PQstatus(conn) != CONNECTION_OK) {
			printf("%s", PQerrorMessage(conn));
			return 1;
		}
		tests[i].run();
		PQfinish(conn);
		printf("%s: %s\n", failed ? "FAILED" : "ok", tests[i].name);
		fflush(stdout);
		failures += failed;
	}
	return failures > 0;
}
