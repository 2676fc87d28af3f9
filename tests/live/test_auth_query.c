/*
 * Users whom only PostgreSQL knows: auth_query against a real one, by every
 * method and with every kind of secret, and while something else happens.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live/ask.h"
#include "live/crowd.h"
#include "live/world.h"

#define NO_PASSWORD "password authentication failed"
#define NO_SASL "SASL authentication failed"
#define NO_TRUST "\"trust\" authentication failed"
#define CONFIG_ERROR "bouncer config error"

/* Only asker is in the auth file; it may read pg_authid. */
#define USERLIST "\"asker\" \"\"\n\"admin\" \"admin_secret\"\n"

static void
make_roles(void)
{
	PGconn *direct = world_direct();

	ck_query_ok(direct, "drop role if exists asker, expired, hollow, "
	    "closed; drop function if exists whois;"
	    "create role asker login superuser;"
	    "create role expired login password 'expired_secret' "
	    "valid until '2001-01-01';"
	    "create role hollow login; create role closed password "
	    "'closed_secret'");
	disconnect(direct);
}

static struct pooler *
start(const char *method, const char *settings)
{
	make_roles();
	return pooler_start(.userlist = USERLIST, .settings = text(
	    "auth_type = %s\nauth_user = asker\n%s", method, settings));
}

static const struct {
	const char	*method, *user, *password;
	const char	*refusal;	/* NULL: comes in */
} doors[] = {
	{ "trust", "app", NULL, NULL },
	{ "trust", "nobody", NULL, NO_TRUST },
	{ "trust", "closed", NULL, NO_TRUST },

	{ "plain", "clear_user", "clear_user_secret", NULL },
	{ "plain", "clear_user", "wrong", NO_PASSWORD },
	{ "plain", "nobody", "nobody_secret", NO_PASSWORD },

	{ "md5", "md5_user", "md5_user_secret", NULL },
	{ "md5", "md5_user", "wrong", NO_PASSWORD },
	{ "md5", "scram_user", "scram_user_secret", NULL },
	{ "md5", "scram_user", "wrong", NO_SASL },
	{ "md5", "hollow", "", NO_PASSWORD },
	{ "md5", "nobody", "nobody_secret", NO_PASSWORD },

	{ "scram-sha-256", "scram_user", "scram_user_secret", NULL },
	{ "scram-sha-256", "scram_user", "wrong", NO_SASL },
	{ "scram-sha-256", "md5_user", "md5_user_secret", NO_SASL },
	{ "scram-sha-256", "expired", "expired_secret", NO_SASL },
	{ "scram-sha-256", "closed", "closed_secret", NO_SASL },
	{ "scram-sha-256", "hollow", "hollow", NO_SASL },
	{ "scram-sha-256", "nobody", "nobody_secret", NO_SASL },
	{ "scram-sha-256", "x' or true; --", "x", NO_SASL },
};

static const char *const methods[] = {
	"trust", "plain", "md5", "scram-sha-256",
};

/*
 * What was found opens PostgreSQL as well: the hash and the keys; that of
 * clear_user is no password in clear, which only its own rule there wants.
 */
START_TEST(each_method_finds_whom_postgresql_knows)
{
	struct pooler *pooler = start(methods[_i], "");

	for (unsigned i = 0; i < ARRAY_LENGTH(doors); i++) {
		const char *login = text("user='%s' dbname=shop",
		    doors[i].user[0] == 'x' ? "x\\' or true; --" :
		    doors[i].user);

		if (strcmp(doors[i].method, methods[_i]) != 0)
			continue;
		if (doors[i].password != NULL && doors[i].password[0] != 0)
			login = text("%s password=%s", login,
			    doors[i].password);
		else if (doors[i].password != NULL)
			continue;	/* libpq sends no empty password */
		if (doors[i].refusal != NULL)
			ck_login_fails(pooler, login, "08P01",
			    doors[i].refusal);
		else if (strcmp(doors[i].user, "clear_user") != 0)
			ck_login_ok(pooler, login);
	}
}
END_TEST

/* Any worker opens connections with what another one has found. */
START_TEST(found_secrets_open_postgresql_for_all_workers)
{
	struct pooler *pooler = start("scram-sha-256",
	    "default_pool_size = 6\n");
	struct crowd *crowd;
	struct crowd_result result;

	ck_login_ok(pooler, "user=scram_user dbname=shop "
	    "password=scram_user_secret");
	crowd = crowd_start(pooler, &(struct crowd_plan){
	    .login = "user=scram_user dbname=shop "
	    "password=scram_user_secret", .clients = 24, .transactions = 20,
	    .hold_ms = 2 });
	result = crowd_join(crowd);
	ck_crowd_well(&result);
}
END_TEST

/* CVE-2025-2291. */
START_TEST(an_expired_password_lets_nobody_in)
{
	struct pooler *pooler = start("scram-sha-256", "");
	PGconn *direct = world_direct();
	const char *login = "user=expired dbname=shop "
	    "password=expired_secret";

	ck_login_fails(pooler, login, "08P01", NO_SASL);
	ck_query_ok(direct, "alter role expired valid until 'infinity'");
	ck_login_ok(pooler, login);
	ck_query_ok(direct, "alter role expired valid until '2001-01-01'");
	ck_login_fails(pooler, login, "08P01", NO_SASL);
}
END_TEST

/* CVE-2025-12819: what a stranger wants is not set for auth_user. */
START_TEST(a_search_path_of_a_stranger_is_not_used)
{
	struct pooler *pooler = start("scram-sha-256",
	    "auth_query = select rolname, rolpassword from pg_authid where "
	    "rolname = $1\ntrack_extra_parameters = search_path\n"
	    "server_reset_query_always = 0\n");
	PGconn *direct = world_direct();

	ck_query_ok(direct, "drop schema if exists evil cascade;"
	    "create schema evil; grant usage on schema evil to public;"
	    "create table evil.pg_authid (rolname text, rolpassword text);"
	    "insert into evil.pg_authid values ('app', 'evil')");
	ck_login_fails(pooler, "user=app dbname=shop password=evil "
	    "options='-c search_path=evil,pg_catalog'", "08P01", NO_SASL);
	ck_query_ok(direct, "drop schema evil cascade");
}
END_TEST

/* A custom query, another database, a user who may do little. */
START_TEST(a_function_of_a_users_own_works)
{
	PGconn *direct = world_direct();
	struct pooler *pooler;

	make_roles();
	ck_query_ok(direct, "create function whois(who name, out n name, out "
	    "s text) language sql security definer set search_path = "
	    "pg_catalog as 'select rolname, rolpassword from pg_authid "
	    "where rolname = who and rolcanlogin'");
	pooler = pooler_start(.userlist = USERLIST "\"other\" \"\"\n",
	    .databases = text("shop = %s auth_user=other auth_dbname=users "
	    "auth_query='select n, s from whois($1)'\nusers = %s",
	    world_place(), world_place()),
	    .settings = "auth_type = scram-sha-256\n");
	ck_login_ok(pooler, "user=scram_user dbname=shop "
	    "password=scram_user_secret");
	ck_login_fails(pooler, "user=scram_user dbname=shop password=wrong",
	    "08P01", NO_SASL);
}
END_TEST

static const struct {
	const char	*query, *logged;
} wrong_queries[] = {
	{ "select rolname from pg_authid where rolname = $1",
	    "expected 2 columns from auth_query, not 1" },
	{ "select rolname, rolpassword, 1 from pg_authid where rolname = $1",
	    "expected 2 columns from auth_query, not 3" },
	{ "select null, rolpassword from pg_authid where rolname = $1",
	    "auth_query response contained null user name" },
	{ "select rolname, rolpassword from pg_authid where $1 <> ''",
	    "auth_query returned more than one row" },
	{ "select nonsense", "error response from auth_query" },
	{ "select $1, $2", "error response from auth_query" },
	{ "copy pg_authid to stdout", "error response from auth_query" },
	{ "", "auth_query is empty" },
};

START_TEST(a_query_that_is_wrong_lets_nobody_in)
{
	struct pooler *pooler = start("trust", text("auth_query = %s\n",
	    wrong_queries[_i].query));

	ck_login_fails(pooler, "user=scram_user dbname=shop", "08P01",
	    CONFIG_ERROR);
	pooler_await_log(pooler, wrong_queries[_i].logged);
	ck_login_fails(pooler, "user=scram_user dbname=shop", "08P01",
	    CONFIG_ERROR);
}
END_TEST

START_TEST(without_postgresql_strangers_learn_nothing)
{
	struct pooler *pooler = start("trust", "server_login_retry = 1\n");

	ck_assert(cluster_stop(&world.cluster));
	ck_login_fails(pooler, "user=app dbname=shop", "08P01",
	    CONFIG_ERROR);
	ck_assert(cluster_start(&world.cluster));
	wait_until(PQstatus(PQconnectdb(login_string(pooler,
	    "user=app dbname=shop"))) == CONNECTION_OK);
}
END_TEST

/* The pool of auth_user has one connection, and logins wait for it. */
START_TEST(many_logins_share_one_connection)
{
	struct pooler *pooler = start("scram-sha-256",
	    "auth_dbname = users\n[databases]\n");
	PGconn *direct = world_direct();
	struct crowd_result result;

	pooler_rewrite(pooler, &(struct recipe){ .userlist = USERLIST,
	    .databases = text("shop = %s\nusers = %s pool_size=1",
	    world_place(), world_place()), .settings =
	    "auth_type = scram-sha-256\nauth_user = asker\n"
	    "auth_dbname = users\nserver_lifetime = 3600\n" });
	/* It answers when all workers have it; a signal has no answer. */
	ck_query_ok(connect_as(pooler, "user=admin dbname=pgbouncer "
	    "password=admin_secret"), "RELOAD");
	for (int i = 0; i < 3; i++) {
		struct crowd *crowd = crowd_start(pooler,
		    &(struct crowd_plan){ .login = "user=scram_user "
		    "dbname=shop password=scram_user_secret",
		    .clients = 16, .transactions = 2 });

		result = crowd_join(crowd);
		ck_crowd_well(&result);
		ck_assert_int_le(query_number(direct, "select count(*) from "
		    "pg_stat_activity where usename = 'asker'"), 1);
	}
}
END_TEST

#define HANGS "auth_query = select rolname, rolpassword from " \
    "pg_advisory_xact_lock(4711), pg_authid where rolname = $1\n"

/*
 * The question hangs in PostgreSQL; then its worker, its server, or the
 * client goes.  Nothing is left behind, and the next login works.
 */
static void
begin_hanging_login(struct pooler *pooler, PGconn *direct, PGconn **login_out)
{
	ck_query_ok(direct, "select pg_advisory_lock(4711)");
	*login_out = PQconnectStart(login_string(pooler, "user=scram_user "
	    "dbname=shop password=scram_user_secret"));
	ck_assert_int_ne(PQconnectPoll(*login_out), PGRES_POLLING_FAILED);
	wait_until(PQconnectPoll(*login_out) != PGRES_POLLING_FAILED &&
	    query_number(direct, "select count(*) from pg_stat_activity "
	    "where usename = 'asker' and wait_event = 'advisory'") == 1);
}

static void
ck_in_order(struct pooler *pooler, PGconn *direct)
{
	wait_until(PQstatus(PQconnectdb(login_string(pooler, "user=scram_user "
	    "dbname=shop password=scram_user_secret"))) == CONNECTION_OK);
	wait_until(query_number(direct, "select count(*) from "
	    "pg_stat_activity where usename = 'asker' and state <> 'idle'") ==
	    0);
}

START_TEST(a_worker_that_is_killed_while_it_asks_is_replaced)
{
	struct pooler *pooler = start("scram-sha-256",
	    "default_pool_size = 1\n" HANGS);
	PGconn *direct = world_direct(), *login;
	pid_t workers[8];
	unsigned count;

	begin_hanging_login(pooler, direct, &login);
	count = pooler_children(pooler, workers, 8);
	for (unsigned i = 0; i < count; i++)
		kill(workers[i], SIGKILL);
	ck_query_ok(direct, "select pg_advisory_unlock(4711)");
	ck_in_order(pooler, direct);
	PQfinish(login);
}
END_TEST

START_TEST(a_server_that_is_ended_while_it_is_asked_is_replaced)
{
	struct pooler *pooler = start("scram-sha-256", HANGS);
	PGconn *direct = world_direct(), *login;
	PostgresPollingStatusType status;

	begin_hanging_login(pooler, direct, &login);
	ck_query_ok(direct, "select pg_terminate_backend(pid) from "
	    "pg_stat_activity where usename = 'asker'");
	ck_query_ok(direct, "select pg_advisory_unlock(4711)");
	wait_until((status = PQconnectPoll(login)) == PGRES_POLLING_OK ||
	    status == PGRES_POLLING_FAILED);
	ck_assert_int_eq(status, PGRES_POLLING_OK);
	PQfinish(login);
	ck_in_order(pooler, direct);
}
END_TEST

START_TEST(a_client_that_leaves_while_it_is_asked_for_leaves_no_trace)
{
	struct pooler *pooler = start("scram-sha-256",
	    "default_pool_size = 1\n" HANGS);
	PGconn *direct = world_direct(), *login;
	PGconn *console = connect_as(pooler, "user=admin dbname=pgbouncer "
	    "password=admin_secret");

	begin_hanging_login(pooler, direct, &login);
	PQfinish(login);
	wait_until(show_count(console, "clients", "database", "shop") == 0);
	ck_query_ok(direct, "select pg_advisory_unlock(4711)");
	ck_in_order(pooler, direct);
}
END_TEST

START_TEST(a_reload_and_a_pause_leave_a_login_alone)
{
	struct pooler *pooler = start("scram-sha-256", HANGS);
	PGconn *direct = world_direct(), *login;
	PGconn *console = connect_as(pooler, "user=admin dbname=pgbouncer "
	    "password=admin_secret");
	PostgresPollingStatusType status;

	begin_hanging_login(pooler, direct, &login);
	pooler_rewrite(pooler, &(struct recipe){ .userlist = USERLIST,
	    .settings = "auth_type = scram-sha-256\nauth_user = nobody\n" });
	ck_query_ok(console, "RELOAD");
	ck_assert_int_eq(PQsendQuery(console, "PAUSE"), 1);
	ck_query_ok(direct, "select pg_advisory_unlock(4711)");
	ck_finish_ok(console);
	ck_query_ok(console, "RESUME");
	wait_until((status = PQconnectPoll(login)) == PGRES_POLLING_OK ||
	    status == PGRES_POLLING_FAILED);
	ck_assert_int_eq(status, PGRES_POLLING_OK);
	PQfinish(login);
}
END_TEST

START_TEST(a_cached_answer_holds_for_its_time)
{
	struct pooler *pooler = start("scram-sha-256",
	    "auth_query_cache_time = 1000\n");
	PGconn *direct = world_direct(), *stays;
	const char *login = "user=scram_user dbname=shop "
	    "password=scram_user_secret";

	stays = connect_as(pooler, login);
	ck_query_ok(stays, "select 1");
	ck_query_ok(direct, "select pg_terminate_backend(pid, 5000) from "
	    "pg_stat_activity where usename = 'asker'");
	for (int i = 0; i < 10; i++)
		ck_login_ok(pooler, login);
	ck_login_fails(pooler, "user=scram_user dbname=shop password=wrong",
	    "08P01", NO_SASL);
	ck_assert_int_eq(query_number(direct, "select count(*) from "
	    "pg_stat_activity where usename = 'asker'"), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("auth_query");
	TCase *tests = world_case(suite, "auth_query", 60);

	tcase_add_loop_test(tests, each_method_finds_whom_postgresql_knows,
	    0, ARRAY_LENGTH(methods));
	tcase_add_test(tests, found_secrets_open_postgresql_for_all_workers);
	tcase_add_test(tests, an_expired_password_lets_nobody_in);
	tcase_add_test(tests, a_search_path_of_a_stranger_is_not_used);
	tcase_add_test(tests, a_function_of_a_users_own_works);
	tcase_add_loop_test(tests, a_query_that_is_wrong_lets_nobody_in, 0,
	    ARRAY_LENGTH(wrong_queries));
	tcase_add_test(tests, without_postgresql_strangers_learn_nothing);
	tcase_add_test(tests, many_logins_share_one_connection);
	tcase_add_test(tests,
	    a_worker_that_is_killed_while_it_asks_is_replaced);
	tcase_add_test(tests,
	    a_server_that_is_ended_while_it_is_asked_is_replaced);
	tcase_add_test(tests,
	    a_client_that_leaves_while_it_is_asked_for_leaves_no_trace);
	tcase_add_test(tests, a_reload_and_a_pause_leave_a_login_alone);
	tcase_add_test(tests, a_cached_answer_holds_for_its_time);
	return world_run(suite);
}
