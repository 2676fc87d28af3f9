/*
 * Who may do what on the console: every command and every report, for each
 * kind of user.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live/ask.h"
#include "live/world.h"

/* In this order: what one stops the next one lets go on. */
static const struct {
	const char	*sql, *tag;
	const char	*refusal;	/* for who may; NULL: it works */
} commands[] = {
	{ "RELOAD", "RELOAD", NULL },
	{ "RECONNECT shop", "RECONNECT", NULL },
	{ "RECONNECT", "RECONNECT", NULL },
	{ "WAIT_CLOSE shop", "WAIT_CLOSE", NULL },
	{ "WAIT_CLOSE", "WAIT_CLOSE", NULL },
	{ "DISABLE shop", "DISABLE", NULL },
	{ "ENABLE \"shop\"", "ENABLE", NULL },
	{ "PAUSE shop", "PAUSE", NULL },
	{ "RESUME shop", "RESUME", NULL },
	{ "PAUSE", "PAUSE", NULL },
	{ "PAUSE", NULL, "already suspended/paused" },
	{ "RESUME", "RESUME", NULL },
	{ "RESUME", NULL, "pooler is not paused/suspended" },
	{ "SUSPEND", "SUSPEND", NULL },
	{ "RESUME", "RESUME", NULL },
	{ "KILL shop", "KILL", NULL },
	{ "RESUME shop", "RESUME", NULL },
	{ "KILL_CLIENT 987654", NULL, "client not found" },
	{ "KILL_CLIENT", NULL, "invalid client pointer supplied" },
	{ "SET query_timeout = 17", "SET query_timeout=17", NULL },
	{ "SET query_timeout = DEFAULT", "SET query_timeout=DEFAULT", NULL },
	{ "RESET query_timeout", "RESET", NULL },
	{ "SHOW FDS", "SHOW", NULL },
};

static const char *const reports[] = {
	"CONFIG", "DATABASES", "POOLS", "CLIENTS", "SERVERS", "USERS",
	"VERSION", "WORKERS", "PEERS", "PEER_POOLS", "SOCKETS",
	"ACTIVE_SOCKETS", "LISTS", "MEM", "STATE", "DNS_HOSTS", "DNS_ZONES",
	"STATS", "STATS_TOTALS", "STATS_AVERAGES", "TOTALS", "HELP",
};

static void
ck_may_look(PGconn *conn)
{
	for (size_t i = 0; i < ARRAY_LENGTH(reports); i++) {
		ck_query_tag(conn, text("SHOW %s", reports[i]), "SHOW");
		ck_query_tag(conn, text("show \"%s\";", reports[i]), "SHOW");
	}
	/* So that drivers can connect. */
	ck_query_tag(conn, "SET client_encoding = 'x'", "SET");
}

static void
ck_may_do_all(PGconn *conn)
{
	ck_may_look(conn);
	for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
		if (commands[i].refusal != NULL)
			ck_query_fails(conn, commands[i].sql, "08P01",
			    commands[i].refusal);
		else
			ck_query_tag(conn, commands[i].sql, commands[i].tag);
	}
}

START_TEST(admins_may_do_all)
{
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *admin = connect_console(pooler);

	ck_may_do_all(admin);
	ck_query_tag(admin, "SHUTDOWN WAIT_FOR_CLIENTS", "SHUTDOWN");
	ck_assert_int_eq(pooler_await_end(pooler), 0);
}
END_TEST

START_TEST(who_may_only_look_changes_nothing)
{
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *client = connect_client(pooler);
	PGconn *watcher = connect_watcher(pooler);

	ck_may_look(watcher);
	for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
		ck_query_fails(watcher, commands[i].sql, "08P01",
		    "admin access needed");
	ck_query_fails(watcher, "SHUTDOWN", "08P01", "admin access needed");
	ck_query_fails(watcher, "SHUTDOWN IMMEDIATE", "08P01",
	    "admin access needed");
	ck_query_fails(watcher, "DISABLE shop", "08P01",
	    "admin access needed");
	ck_query_value(client, "select 'as before'", "as before");
	ck_login_ok(pooler, "user=app dbname=shop");
}
END_TEST

START_TEST(strangers_do_not_get_in)
{
	struct pooler *pooler = pooler_start(.workers = 3);

	ck_login_fails(pooler, "user=app dbname=pgbouncer "
	    "password=app_secret", "08P01", "not allowed");
	/* Only over the Unix socket, and only as the pooler's own user. */
	ck_login_fails(pooler, "user=pgbouncer dbname=pgbouncer", "08P01",
	    "not allowed");
}
END_TEST

START_TEST(the_poolers_own_user_may_do_all)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = "auth_type = md5\n");
	uid_t self = geteuid(), uid = self;
	PGconn *own;
	gid_t gid;

	/* As root the fixture has it drop to another user. */
	if (self == 0) {
		ck_assert(cluster_account(&uid, &gid));
		ck_assert_int_eq(seteuid(uid), 0);
	}
	own = connect_to(text("host=%s port=%d user=pgbouncer "
	    "dbname=pgbouncer", pooler->directory, pooler->port));
	ck_assert_int_eq(seteuid(self), 0);
	ck_may_do_all(own);
}
END_TEST

START_TEST(with_auth_type_any_everybody_may_look)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = "auth_type = any\n", .databases = text(
	    "shop = %s user=app\n", world_place()));
	PGconn *anybody = connect_as(pooler, "user=who dbname=pgbouncer");

	ck_may_look(anybody);
	ck_query_fails(anybody, "PAUSE", "08P01", "admin access needed");
	ck_may_do_all(connect_as(pooler, "user=admin dbname=pgbouncer"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("rights");
	TCase *tests = world_case(suite, "rights", 60);

	tcase_add_test(tests, admins_may_do_all);
	tcase_add_test(tests, who_may_only_look_changes_nothing);
	tcase_add_test(tests, strangers_do_not_get_in);
	tcase_add_test(tests, the_poolers_own_user_may_do_all);
	tcase_add_test(tests, with_auth_type_any_everybody_may_look);
	return world_run(suite);
}
