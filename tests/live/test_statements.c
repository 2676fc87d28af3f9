/*
 * What named and unnamed statements of the protocol mean to clients that
 * share one server connection.
 *
 * A named one is parsed once for all; an unnamed one is parsed whenever its
 * client says so, as by PostgreSQL itself.  Each story about unnamed ones
 * would end otherwise if they were shared by their text as well: that is why
 * they are not.
 */
#include <stdlib.h>
#include <string.h>

#include "live/ask.h"
#include "live/world.h"

#define pool_of_one(more) pooler_start(.settings = text( \
	"default_pool_size = 1\n%s", (more)))
#define ITEMS "select * from items"

/* A table with one row, and a name for the query of all clients. */
static struct pooler *
start_with_items(PGconn **named_out, PGconn **unnamed_out)
{
	struct pooler *pooler = pool_of_one("");
	PGresult *result;

	*named_out = connect_client(pooler);
	*unnamed_out = connect_client(pooler);
	ck_query_ok(*named_out, "drop table if exists items");
	ck_query_ok(*named_out, "create table items (i int)");
	ck_query_ok(*named_out, "insert into items values (1)");
	result = PQprepare(*named_out, "all", ITEMS, 0, NULL);
	ck_assert_int_eq(PQresultStatus(result), PGRES_COMMAND_OK);
	PQclear(result);
	return pooler;
}

static PGresult *
run_named(PGconn *client)
{
	return PQexecPrepared(client, "all", 0, NULL, NULL, NULL, 0);
}

/* Times that PostgreSQL has parsed for clients of this pool. */
static long long
parses_of(struct pooler *pooler)
{
	PGconn *console = connect_console(pooler);
	long long parses = show_number(console, "stats_totals", "database",
	    "shop", "server_parse_count");

	disconnect(console);
	return parses;
}

START_TEST(a_named_one_is_parsed_once_for_all_clients)
{
	PGconn *first, *second;
	struct pooler *pooler = start_with_items(&first, &second);
	long long before = parses_of(pooler);
	PGresult *result = PQprepare(second, "mine", ITEMS, 0, NULL);

	ck_assert_int_eq(PQresultStatus(result), PGRES_COMMAND_OK);
	PQclear(result);
	for (int i = 0; i < 10; i++) {
		result = PQexecPrepared(second, "mine", 0, NULL, NULL, NULL,
		    0);
		ck_assert_int_eq(PQresultStatus(result), PGRES_TUPLES_OK);
		PQclear(result);
	}
	ck_assert_int_eq(parses_of(pooler), before);
}
END_TEST

START_TEST(an_unnamed_one_is_parsed_each_time)
{
	PGconn *named, *client;
	struct pooler *pooler = start_with_items(&named, &client);
	long long before = parses_of(pooler);

	for (int i = 0; i < 10; i++)
		ck_extended_value(client, ITEMS, "1");
	ck_assert_int_eq(parses_of(pooler), before + 10);
}
END_TEST

/* PostgreSQL does not look for tables again in what it has parsed. */
START_TEST(an_unnamed_one_sees_a_temporary_table)
{
	PGconn *named, *client;

	(void)start_with_items(&named, &client);
	ck_query_ok(client, "create temp table of_this_server (i int)");
	ck_extended_value(client, ITEMS, "1");
	ck_query_ok(client, "begin; create temp table items (i int) "
	    "on commit drop; insert into items values (2)");
	ck_extended_value(client, ITEMS, "2");
	ck_query_ok(client, "commit");
	ck_extended_value(client, ITEMS, "1");
}
END_TEST

/* Who prepares by name may see "cached plan must not change result type". */
START_TEST(an_unnamed_one_sees_a_new_column)
{
	PGconn *named, *client;
	PGresult *result;

	(void)start_with_items(&named, &client);
	ck_query_ok(client, "begin; alter table items add column j int");
	result = PQexecParams(client, ITEMS, 0, NULL, NULL, NULL, NULL, 0);
	ck_assert_int_eq(PQresultStatus(result), PGRES_TUPLES_OK);
	ck_assert_int_eq(PQnfields(result), 2);
	PQclear(result);
	ck_query_ok(client, "commit");

	result = run_named(named);
	ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE),
	    "0A000");
	PQclear(result);
	result = run_named(named);
	ck_assert_int_eq(PQnfields(result), 2);
	PQclear(result);
}
END_TEST

START_TEST(an_unnamed_one_is_described_as_the_table_is_now)
{
	static const char query[] = "select 1 from items where i = $1";
	static const char *const types[] = { "int", "text" };
	static const Oid wanted[] = { 23, 25 };
	PGconn *named, *client;

	(void)start_with_items(&named, &client);
	for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
		PGresult *result;

		ck_query_ok(client, text("alter table items alter i type %s",
		    types[i]));
		ck_query_ok(client, "begin");
		result = PQprepare(client, "", query, 0, NULL);
		ck_assert_int_eq(PQresultStatus(result), PGRES_COMMAND_OK);
		PQclear(result);
		result = PQdescribePrepared(client, "");
		ck_assert_int_eq(PQnparams(result), 1);
		ck_assert_uint_eq(PQparamtype(result, 0), wanted[i]);
		PQclear(result);
		ck_query_ok(client, "commit");
	}
}
END_TEST

/* One that names a table that is gone is refused when it is parsed. */
START_TEST(an_unnamed_one_is_refused_at_parse)
{
	PGconn *named, *client;
	PGresult *result;

	(void)start_with_items(&named, &client);
	ck_query_ok(client, "drop table items");
	result = PQprepare(client, "", ITEMS, 0, NULL);
	ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE),
	    "42P01");
	PQclear(result);
}
END_TEST

/* Five uses, and PostgreSQL may plan a named one without the values. */
START_TEST(an_unnamed_one_is_planned_with_its_values)
{
	PGconn *named, *client;
	const char *value = "1";
	PGresult *result;

	(void)start_with_items(&named, &client);
	for (int i = 0; i < 8; i++) {
		result = PQexecParams(client, "explain " ITEMS
		    " where i = $1", 1, NULL, &value, NULL, NULL, 0);
		ck_assert_int_eq(PQntuples(result), 2);
		ck_assert_ptr_nonnull(strstr(PQgetvalue(result, 1, 0),
		    "(i = 1)"));
		PQclear(result);
	}
}
END_TEST

START_TEST(unnamed_ones_take_no_named_ones_place)
{
	struct pooler *pooler = pool_of_one("max_prepared_statements = 2");
	PGconn *first = connect_client(pooler);
	PGconn *second = connect_client(pooler);
	PGresult *result = PQprepare(first, "one", "select 1", 0, NULL);

	PQclear(result);
	for (int i = 0; i < 20; i++)
		ck_extended_value(second, text("select %d", i),
		    text("%d", i));
	ck_query_value(second, "select count(*) from pg_prepared_statements",
	    "1");
	result = PQexecPrepared(first, "one", 0, NULL, NULL, NULL, 0);
	ck_assert_int_eq(PQresultStatus(result), PGRES_TUPLES_OK);
	PQclear(result);
}
END_TEST

/* A query of one's own ends it; what others do does not. */
START_TEST(an_unnamed_one_lives_as_in_a_session)
{
	PGconn *named, *client;
	PGresult *result;

	(void)start_with_items(&named, &client);
	PQclear(PQprepare(client, "", ITEMS, 0, NULL));
	ck_extended_value(named, "select 'another'", "another");
	ck_query_ok(named, "select 1");
	result = PQexecPrepared(client, "", 0, NULL, NULL, NULL, 0);
	ck_assert_int_eq(PQresultStatus(result), PGRES_TUPLES_OK);
	ck_assert_str_eq(PQgetvalue(result, 0, 0), "1");
	PQclear(result);
	ck_query_ok(client, "select 1");
	result = PQexecPrepared(client, "", 0, NULL, NULL, NULL, 0);
	ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE),
	    "26000");
	PQclear(result);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("statements");
	TCase *tests = world_case(suite, "shared", 10);

	/* PgBouncer counts no parses, and tells of a changed result again. */
	if (pooler_is_pgusher()) {
		tcase_add_test(tests,
		    a_named_one_is_parsed_once_for_all_clients);
		tcase_add_test(tests, an_unnamed_one_is_parsed_each_time);
		tcase_add_test(tests, an_unnamed_one_sees_a_new_column);
		tcase_add_test(tests, an_unnamed_one_lives_as_in_a_session);
	}
	tcase_add_test(tests, an_unnamed_one_sees_a_temporary_table);
	tcase_add_test(tests,
	    an_unnamed_one_is_described_as_the_table_is_now);
	tcase_add_test(tests, an_unnamed_one_is_refused_at_parse);
	tcase_add_test(tests, an_unnamed_one_is_planned_with_its_values);
	tcase_add_test(tests, unnamed_ones_take_no_named_ones_place);
	return world_run(suite);
}
