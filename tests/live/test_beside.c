/*
 * The console beside that of the PgBouncer of the system, on the same
 * statements, where the two are meant to say the same.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live/ask.h"
#include "live/pooler.h"
#include "live/world.h"

#define OTHER "/usr/sbin/pgbouncer"

static struct pooler *other;
static PGconn *ours, *theirs;

static void
start(void)
{
	static const char settings[] = "auth_type = any\n";

	ours = connect_console(pooler_start(.workers = 2,
	    .settings = settings));
	setenv("PGUSHER", OTHER, 1);
	other = pooler_start(.settings = settings);
	theirs = connect_console(other);
	unsetenv("PGUSHER");
}

/* Its SIGQUIT is not ours, so the fixture cannot end it. */
static void
end(void)
{
	PQclear(PQexec(theirs, "SHUTDOWN"));
	ck_assert_int_eq(pooler_await_end(other), 0);
}

/* Names and types of columns, the tag, or the error. */
static const char *
outcome(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	const char *said;

	if (PQresultStatus(result) == PGRES_FATAL_ERROR) {
		said = text("error %s %s", PQresultErrorField(result,
		    PG_DIAG_SQLSTATE), PQresultErrorField(result,
		    PG_DIAG_MESSAGE_PRIMARY));
	} else {
		said = text("tag %s", PQcmdStatus(result));
		for (int i = 0; i < PQnfields(result); i++)
			said = text("%s %s:%u", said, PQfname(result, i),
			    PQftype(result, i));
	}
	PQclear(result);
	return said;
}

static void
ck_agree(const char *sql)
{
	const char *wanted = outcome(theirs, sql);
	const char *said = outcome(ours, sql);

	ck_assert_msg(strcmp(said, wanted) == 0,
	    "%s\nPgBouncer: %s\nours:      %s", sql, wanted, said);
}

/* Reports that have not changed since that release. */
static const char *const reports[] = {
	"SHOW LISTS", "SHOW CONFIG", "SHOW VERSION",
	"SHOW TOTALS", "SHOW MEM", "SHOW DNS_ZONES", "SHOW HELP",
	"show config;", "SELECT config",
};

START_TEST(reports_have_the_same_columns)
{
	start();
	for (size_t i = 0; i < ARRAY_LENGTH(reports); i++)
		ck_agree(reports[i]);
	end();
}
END_TEST

/* In this order: each is in the state that those before have made. */
static const char *const commands[] = {
	"PAUSE", "PAUSE", "PAUSE shop", "KILL shop", "SUSPEND", "RESUME",
	"RESUME", "PAUSE shop", "RESUME shop", "RESUME shop",
	"KILL shop", "SUSPEND", "RESUME", "RESUME shop",
	"SUSPEND", "SUSPEND", "PAUSE", "RESUME",
	"RECONNECT", "RECONNECT shop", "WAIT_CLOSE", "WAIT_CLOSE shop",
	"DISABLE shop", "ENABLE shop", "DISABLE", "ENABLE",
	"RELOAD", "RELOAD;", "SET query_timeout = 3",
	"SET query_timeout TO '4';", "SET no_such_thing = 1",
	"SET query_timeout = many", "SET listen_port = 1",
	"PAUSE nowhere", "RESUME nowhere", "KILL nowhere",
	"RECONNECT nowhere", "WAIT_CLOSE nowhere", "DISABLE nowhere",
	"ENABLE nowhere", "PAUSE pgbouncer", "KILL pgbouncer",
	"RECONNECT pgbouncer", "DISABLE pgbouncer",
	"nonsense", "SHOW", "SHOW nonsense", "RELOAD now", "SUSPEND now",
	"SHUTDOWN gently",
};

START_TEST(commands_have_the_same_tags_and_errors)
{
	start();
	for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
		ck_agree(commands[i]);
	end();
}
END_TEST

int
main(void)
{
	Suite *suite;
	TCase *tests;

	if (access(OTHER, X_OK) == -1)
		return 77;
	suite = suite_create("beside");
	tests = world_case(suite, "beside", 60);
	tcase_add_test(tests, reports_have_the_same_columns);
	tcase_add_test(tests, commands_have_the_same_tags_and_errors);
	return world_run(suite);
}
