#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/entries.h"

static struct entries_reading reading;
static char noted[256];
static struct error error;

static void
note(const char *what, void *context)
{
	strcat(strcat(noted, what), ";");
}

static void
setup(void)
{
	noted[0] = '\0';
	reading.arena = arena_create();
	reading.on_no_effect = note;
}

static void
teardown(void)
{
	arena_destroy(reading.arena);
}

static struct ini_entry
entry(const char *name, const char *value)
{
	return (struct ini_entry){
		.name = name,
		.value = value,
		.place = { "x.ini", 7 },
	};
}

START_TEST(a_database_with_nothing_inherits_all)
{
	struct ini_entry line = entry("Sales", "");
	struct config_database database;

	ck_assert(entries_read_database(&reading, &line, &database, &error));
	ck_assert_str_eq(database.name, "Sales");
	ck_assert_str_eq(database.dbname, "Sales");
	ck_assert_ptr_null(database.host);
	ck_assert_ptr_null(database.user);
	ck_assert_ptr_null(database.password);
	ck_assert_int_eq(database.port, 5432);
	ck_assert_int_eq(database.pool_size, -1);
	ck_assert_int_eq(database.min_pool_size, -1);
	ck_assert_int_eq(database.reserve_pool_size, -1);
	ck_assert_int_eq(database.pool_mode, -1);
	ck_assert_int_eq(database.load_balance_hosts,
	    LOAD_BALANCE_ROUND_ROBIN);
}
END_TEST

START_TEST(a_database_with_all_there_is)
{
	struct ini_entry line = entry("d",
	    "dbname=real host=h1,h2 port=5433 user=u password='p w' "
	    "client_encoding=UTF8 datestyle=ISO timezone=UTC "
	    "application_name=app connect_query='select 1' pool_size=3 "
	    "pool_mode=Transaction server_lifetime=60 "
	    "query_wait_timeout=2.5 load_balance_hosts=disable");
	struct config_database database;

	ck_assert_msg(entries_read_database(&reading, &line, &database,
	    &error), "%s", error.text);
	ck_assert_str_eq(database.dbname, "real");
	ck_assert_str_eq(database.host, "h1,h2");
	ck_assert_int_eq(database.port, 5433);
	ck_assert_str_eq(database.user, "u");
	ck_assert_str_eq(database.password, "p w");
	ck_assert_str_eq(database.client_encoding, "UTF8");
	ck_assert_str_eq(database.datestyle, "ISO");
	ck_assert_str_eq(database.timezone, "UTC");
	ck_assert_str_eq(database.application_name, "app");
	ck_assert_str_eq(database.connect_query, "select 1");
	ck_assert_int_eq(database.pool_size, 3);
	ck_assert_int_eq(database.pool_mode, POOL_MODE_TRANSACTION);
	ck_assert_int_eq(database.server_lifetime, 60 * USEC_PER_SEC);
	ck_assert_int_eq(database.query_wait_timeout, 2500000);
	ck_assert_int_eq(database.load_balance_hosts, LOAD_BALANCE_DISABLE);
	ck_assert_str_eq(noted, "");
}
END_TEST

START_TEST(settings_of_a_database_that_are_seldom_used)
{
	struct ini_entry line = entry("d", "auth_user=a auth_query=b "
	    "auth_dbname=c min_pool_size=1 reserve_pool=2 "
	    "max_db_connections=3 max_db_client_connections=4");
	struct config_database database;

	ck_assert(entries_read_database(&reading, &line, &database, &error));
	ck_assert_str_eq(noted, "");
	ck_assert_str_eq(database.auth_user, "a");
	ck_assert_int_eq(database.reserve_pool_size, 2);
	ck_assert_int_eq(database.max_db_client_connections, 4);
}
END_TEST

START_TEST(the_template_leaves_the_name_to_the_client)
{
	struct ini_entry line = entry("*", "host=h");
	struct config_database database;

	ck_assert(entries_read_database(&reading, &line, &database, &error));
	ck_assert_ptr_null(database.dbname);
}
END_TEST

START_TEST(empty_quotes_are_nothing)
{
	struct ini_entry line = entry("d",
	    "host='' user='' dbname='' password=''");
	struct config_database database;

	ck_assert(entries_read_database(&reading, &line, &database, &error));
	ck_assert_ptr_null(database.host);
	ck_assert_ptr_null(database.user);
	ck_assert_str_eq(database.dbname, "d");
	ck_assert_str_eq(database.password, "");
}
END_TEST

#define LONG63 "123456789.123456789.123456789.123456789.123456789.123456789.123"

static const struct {
	const char	*story;
	const char	*name, *value;
	const char	*error;		/* NULL: accepted */
} databases[] = {
	{ "the longest name", LONG63, "", NULL },
	{ "too long a name", LONG63 "4", "",
	    "database name \"" LONG63 "4\" is too long (x.ini:7)" },
	{ "the console's name", "pgbouncer", "host=x",
	    "database name \"pgbouncer\" is reserved (x.ini:7)" },
	{ "not quite that", "PgBouncer", "host=x", NULL },
	{ "an unknown key", "d", "host=x hots=y",
	    "database \"d\" (x.ini:7): unrecognized connection parameter: "
	    "hots" },
	{ "keys care for case", "d", "Host=x",
	    "database \"d\" (x.ini:7): unrecognized connection parameter: "
	    "Host" },
	{ "a syntax error", "d", "host=x port",
	    "database \"d\" (x.ini:7): syntax error in connection string" },
	{ "no port", "d", "port=0",
	    "database \"d\" (x.ini:7): invalid port: 0" },
	{ "too high a port", "d", "port=65536",
	    "database \"d\" (x.ini:7): invalid port: 65536" },
	{ "the highest port", "d", "port=65535", NULL },
	{ "no pool mode", "d", "pool_mode=foo",
	    "database \"d\" (x.ini:7): invalid pool mode: foo" },
	{ "no choice of hosts", "d", "load_balance_hosts=random",
	    "database \"d\" (x.ini:7): invalid load_balance_hosts: random" },
	{ "inherited by number", "d", "pool_size=-1", NULL },
	{ "no number", "d", "pool_size=abc",
	    "database \"d\" (x.ini:7): invalid pool_size: abc" },
	{ "the console for auth_query", "d", "auth_dbname=pgbouncer",
	    "database \"d\" (x.ini:7): invalid auth_dbname: pgbouncer" },
	{ "a secret is not shown", "d", "password='hunter2",
	    "database \"d\" (x.ini:7): syntax error in connection string" },
};

START_TEST(reading_databases)
{
	struct ini_entry line = entry(databases[_i].name,
	    databases[_i].value);
	struct config_database database;

	if (entries_read_database(&reading, &line, &database, &error))
		ck_assert_msg(databases[_i].error == NULL, "%s",
		    databases[_i].story);
	else
		ck_assert_msg(databases[_i].error != NULL &&
		    strcmp(databases[_i].error, error.text) == 0, "%s: %s",
		    databases[_i].story, error.text);
}
END_TEST

START_TEST(an_error_says_what_would_be_right)
{
	struct ini_entry line = entry("d", "port=http");
	struct config_database database;

	ck_assert(!entries_read_database(&reading, &line, &database,
	    &error));
	ck_assert_str_eq(error.hint,
	    "a whole number from 1 to 65535 is expected");
}
END_TEST

START_TEST(a_user)
{
	struct ini_entry line = entry("u", "pool_mode=statement pool_size=0 "
	    "query_timeout=1 query_wait_timeout=2 "
	    "idle_transaction_timeout=3 transaction_timeout=4 "
	    "client_idle_timeout=5 max_user_connections=6 "
	    "max_user_client_connections=7 reserve_pool_size=8");
	struct config_user user;

	ck_assert_msg(entries_read_user(&reading, &line, &user, &error),
	    "%s", error.text);
	ck_assert_str_eq(user.name, "u");
	ck_assert_int_eq(user.pool_mode, POOL_MODE_STATEMENT);
	ck_assert_int_eq(user.pool_size, 0);
	ck_assert_int_eq(user.query_timeout, 1 * USEC_PER_SEC);
	ck_assert_int_eq(user.query_wait_timeout, 2 * USEC_PER_SEC);
	ck_assert_int_eq(user.idle_transaction_timeout, 3 * USEC_PER_SEC);
	ck_assert_int_eq(user.transaction_timeout, 4 * USEC_PER_SEC);
	ck_assert_int_eq(user.client_idle_timeout, 5 * USEC_PER_SEC);
	ck_assert_int_eq(user.max_user_connections, 6);
	ck_assert_int_eq(user.max_user_client_connections, 7);
	ck_assert_int_eq(user.reserve_pool_size, 8);
	ck_assert_str_eq(noted, "");
}
END_TEST

START_TEST(an_unknown_setting_of_a_user)
{
	struct ini_entry line = entry("u", "host=x");
	struct config_user user;

	ck_assert(!entries_read_user(&reading, &line, &user, &error));
	ck_assert_str_eq(error.text,
	    "user \"u\" (x.ini:7): unrecognized user parameter: host");
	line.value = "=";
	ck_assert(!entries_read_user(&reading, &line, &user, &error));
	ck_assert_str_eq(error.text,
	    "user \"u\" (x.ini:7): syntax error in user settings");
}
END_TEST

START_TEST(a_peer)
{
	struct ini_entry line = entry("3", "host=/tmp/x");
	struct config_peer peer;

	ck_assert(entries_read_peer(&reading, &line, &peer, &error));
	ck_assert_int_eq(peer.id, 3);
	ck_assert_str_eq(peer.host, "/tmp/x");
	ck_assert_int_eq(peer.port, 6432);
	ck_assert_int_eq(peer.pool_size, -1);
}
END_TEST

static const struct {
	const char	*name, *value;
	const char	*error;
} peers[] = {
	{ "0", "host=x", "ids of peers must be a number larger than 0 and at "
	    "most 65535: 0 (x.ini:7)" },
	{ "65536", "host=x", "ids of peers must be a number larger than 0 "
	    "and at most 65535: 65536 (x.ini:7)" },
	{ "one", "host=x", "ids of peers must be a number larger than 0 and "
	    "at most 65535: one (x.ini:7)" },
	{ "1", "port=1", "host was not provided for peer 1 (x.ini:7)" },
	{ "1", "host=x user=y",
	    "peer \"1\" (x.ini:7): unrecognized connection parameter: user" },
};

START_TEST(refusing_peers)
{
	struct ini_entry line = entry(peers[_i].name, peers[_i].value);
	struct config_peer peer;

	ck_assert(!entries_read_peer(&reading, &line, &peer, &error));
	ck_assert_str_eq(error.text, peers[_i].error);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("entries");
	TCase *tcase = tcase_create("entries");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_database_with_nothing_inherits_all);
	tcase_add_test(tcase, a_database_with_all_there_is);
	tcase_add_test(tcase, settings_of_a_database_that_are_seldom_used);
	tcase_add_test(tcase, the_template_leaves_the_name_to_the_client);
	tcase_add_test(tcase, empty_quotes_are_nothing);
	tcase_add_loop_test(tcase, reading_databases, 0,
	    (int)ARRAY_LENGTH(databases));
	tcase_add_test(tcase, an_error_says_what_would_be_right);
	tcase_add_test(tcase, a_user);
	tcase_add_test(tcase, an_unknown_setting_of_a_user);
	tcase_add_test(tcase, a_peer);
	tcase_add_loop_test(tcase, refusing_peers, 0,
	    (int)ARRAY_LENGTH(peers));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
