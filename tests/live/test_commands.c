/*
 * Commands of the console that reach into every worker: RECONNECT,
 * WAIT_CLOSE, KILL, KILL_CLIENT, SUSPEND, SET, and Ctrl-C on one that waits.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/crowd.h"
#include "live/world.h"

#define CLIENTS 8

static struct pooler *pooler;
static PGconn *console, *direct, *clients[CLIENTS];

/* Eight clients over four workers, and four servers. */
static void
start(const char *settings)
{
	pooler = pooler_start(.workers = 4, .settings = settings);
	console = connect_console(pooler);
	direct = world_direct();
	for (unsigned i = 0; i < CLIENTS; i++)
		clients[i] = connect_client(pooler);
	for (unsigned i = 0; i < CLIENTS / 2; i++)
		ck_query_ok(clients[i], "begin");
	for (unsigned i = 0; i < CLIENTS / 2; i++)
		ck_query_ok(clients[i], "commit");
}

static unsigned
backends(void)
{
	return (unsigned)query_number(direct, "select count(*) from "
	    "pg_stat_activity where usename = 'app'");
}

static bool
backend_lives(long long pid)
{
	return query_number(direct, text("select count(*) from "
	    "pg_stat_activity where pid = %lld", pid)) == 1;
}

static void
note_word(void *words, const char *message)
{
	strncat(words, message, 500 - strlen(words));
}

static void
ignore_word(void *nothing, const char *message)
{
}

/*
 * The connection is told this as its last word: as the answer to its query,
 * or else as a notice, which is what libpq makes of it.
 */
static void
ck_last_word(PGconn *conn, const char *word)
{
	char words[512] = "";
	PGresult *result;

	PQsetNoticeProcessor(conn, note_word, words);
	wait_until(!PQconsumeInput(conn) || PQstatus(conn) ==
	    CONNECTION_BAD);
	while ((result = PQgetResult(conn)) != NULL) {
		note_word(words, PQresultErrorMessage(result));
		PQclear(result);
	}
	ck_assert_msg(strstr(words, word) != NULL, "%s", words);
	PQsetNoticeProcessor(conn, ignore_word, NULL);
	ck_assert_int_eq(PQstatus(conn), CONNECTION_BAD);
}

/* --- RECONNECT, WAIT_CLOSE ----------------------------------------------- */

START_TEST(reconnect_takes_every_server_out_of_use)
{
	long long before[CLIENTS], pid;

	start("");
	for (unsigned i = 0; i < CLIENTS; i++)
		before[i] = query_number(clients[i],
		    "select pg_backend_pid()");
	ck_query_tag(console, "RECONNECT shop", "RECONNECT");
	for (unsigned i = 0; i < CLIENTS; i++) {
		pid = query_number(clients[i], "select pg_backend_pid()");
		for (unsigned k = 0; k < CLIENTS; k++)
			ck_assert_int_ne(pid, before[k]);
	}
	ck_query_tag(console, "WAIT_CLOSE shop", "WAIT_CLOSE");
	for (unsigned i = 0; i < CLIENTS; i++)
		wait_until(!backend_lives(before[i]));
}
END_TEST

START_TEST(wait_close_waits_for_who_is_still_in_use)
{
	long long pid;

	start("");
	ck_query_ok(clients[0], "begin");
	pid = query_number(clients[0], "select pg_backend_pid()");
	ck_query_tag(console, "RECONNECT", "RECONNECT");
	ck_assert_int_eq(show_number(console, "SERVERS", "remote_pid",
	    text("%lld", pid), "close_needed"), 1);
	ck_assert(PQsendQuery(console, "WAIT_CLOSE"));
	for (unsigned i = 1; i < CLIENTS; i++)
		ck_query_ok(clients[i], "select 1");
	/* Other sessions of the console go on. */
	ck_query_ok(connect_console(pooler), "SHOW POOLS");
	ck_assert(still_waits(console));
	ck_query_ok(clients[0], "commit");
	ck_finish_ok(console);
	wait_until(!backend_lives(pid));
	ck_query_ok(clients[0], "select 1");
}
END_TEST

START_TEST(a_reconnect_under_load_is_not_noticed)
{
	struct crowd_plan plan = { .clients = 12, .statements = 3 };
	struct crowd_result result;
	struct crowd *crowd;

	start("default_pool_size = 4\n");
	crowd = crowd_start(pooler, &plan);
	for (unsigned i = 0; i < 10; i++) {
		crowd_await_progress(crowd, 1);
		ck_query_tag(console, "RECONNECT; WAIT_CLOSE", "WAIT_CLOSE");
	}
	result = crowd_stop(crowd);
	ck_crowd_well(&result);
}
END_TEST

/* --- KILL ---------------------------------------------------------------- */

START_TEST(kill_throws_everybody_out_of_every_worker)
{
	PGconn *late;

	start("default_pool_size = 4\n");
	for (unsigned i = 0; i < 4; i++)	/* in a transaction */
		ck_query_ok(clients[i], "begin");
	ck_assert(PQsendQuery(clients[0], "select pg_sleep(600)"));
	/* Or it may begin to sleep when nobody looks for it any more. */
	await_sleepers(direct, 1);
	ck_assert(PQsendQuery(clients[4], "select 1"));	/* waits */
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_waiting") == 1);
	ck_query_tag(console, "KILL shop", "KILL");
	ck_assert_uint_eq(show_count(console, "CLIENTS", "database", "shop"),
	    0);
	ck_assert_uint_eq(show_count(console, "SERVERS", "database", "shop"),
	    0);
	/* The one that sleeps does not look at its socket. */
	ck_query_ok(direct, "select pg_terminate_backend(pid) from "
	    "pg_stat_activity where query like 'select pg_sleep(600)%'");
	wait_until(backends() == 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		ck_last_word(clients[i], "database removed");

	/* It is paused now. */
	ck_assert_int_eq(show_number(console, "DATABASES", "name", "shop",
	    "paused"), 1);
	late = PQconnectStart(login_string(pooler, "user=app dbname=shop"));
	wait_until(PQconnectPoll(late) != PGRES_POLLING_FAILED &&
	    show_number(console, "POOLS", "database", "shop",
	    "cl_waiting") == 1);
	ck_query_tag(console, "RESUME shop", "RESUME");
	wait_until(PQconnectPoll(late) == PGRES_POLLING_OK);
	ck_query_ok(late, "select 1");
	PQfinish(late);
}
END_TEST

START_TEST(a_kill_of_all_leaves_the_console_alone)
{
	start("");
	ck_query_tag(console, "KILL", "KILL");
	for (unsigned i = 0; i < CLIENTS; i++)
		ck_last_word(clients[i], "database removed");
	ck_query_ok(console, "SHOW POOLS");
	ck_query_fails(console, "RESUME", "08P01",
	    "pooler is not paused/suspended");
	ck_query_tag(console, "RESUME shop", "RESUME");
	ck_query_ok(connect_client(pooler), "select 1");
}
END_TEST

START_TEST(kill_under_load_loses_nobody_twice)
{
	struct crowd_plan plan = { .clients = 16, .comes_back = true };
	struct crowd_result result;
	struct crowd *crowd;

	start("default_pool_size = 4\n");
	crowd = crowd_start(pooler, &plan);
	for (unsigned i = 0; i < 5; i++) {
		crowd_await_progress(crowd, 1);
		ck_query_tag(console, "KILL shop; RESUME shop", "RESUME");
	}
	crowd_await_progress(crowd, 5);
	result = crowd_stop(crowd);
	ck_assert_uint_eq(result.wrong, 0);
}
END_TEST

/* --- KILL_CLIENT --------------------------------------------------------- */

/* By what the client calls itself. */
static long long
client_id(const char *name)
{
	return show_number(console, "CLIENTS", "application_name", name,
	    "id");
}

START_TEST(a_client_of_any_worker_is_found_by_its_id)
{
	PGconn *named[CLIENTS];

	start("");
	for (unsigned i = 0; i < CLIENTS; i++)
		named[i] = connect_as(pooler, text("user=app dbname=shop "
		    "application_name=victim%u", i));
	for (unsigned i = 0; i < CLIENTS; i++) {
		ck_query_tag(console, text("KILL_CLIENT %lld",
		    client_id(text("victim%u", i))), "KILL_CLIENT");
		ck_assert_uint_eq(show_count(console, "CLIENTS",
		    "application_name", text("victim%u", i)), 0);
		ck_last_word(named[i], "admin forced disconnect");
		if (i + 1 < CLIENTS)
			ck_query_ok(named[i + 1], "select 1");
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		ck_query_ok(clients[i], "select 1");
	ck_query_fails(console, "KILL_CLIENT 4000000000", "08P01",
	    "client not found");
}
END_TEST

START_TEST(its_server_is_rid_of_the_transaction)
{
	PGconn *victim;
	long long pid;

	start("");
	victim = connect_as(pooler,
	    "user=app dbname=shop application_name=victim");
	ck_query_ok(victim, "begin");
	pid = query_number(victim, "select pg_backend_pid()");
	ck_query_tag(console, text("KILL_CLIENT %lld", client_id("victim")),
	    "KILL_CLIENT");
	ck_last_word(victim, "admin forced disconnect");
	wait_until(query_number(direct, text("select count(*) from "
	    "pg_stat_activity where pid = %lld and state like "
	    "'idle in transaction%%'", pid)) == 0);
}
END_TEST

START_TEST(ids_and_pointers_are_unique_over_all_workers)
{
	static const char *const reports[] = { "CLIENTS", "SERVERS" };

	start("");
	for (unsigned i = 0; i < 2; i++) {
		PGresult *rows = show(console, reports[i]);
		int id = PQfnumber(rows, "id"), ptr = PQfnumber(rows, "ptr");

		ck_assert_int_ge(PQntuples(rows), CLIENTS / 2);
		for (int row = 0; row < PQntuples(rows); row++) {
			ck_assert_uint_eq(show_count(console, reports[i],
			    "id", PQgetvalue(rows, row, id)), 1);
			ck_assert_uint_eq(show_count(console, reports[i],
			    "ptr", PQgetvalue(rows, row, ptr)), 1);
			ck_assert_uint_eq(show_count(console,
			    reports[1 - i], "id", PQgetvalue(rows, row, id)),
			    0);
		}
		PQclear(rows);
	}
}
END_TEST

/* --- SUSPEND ------------------------------------------------------------- */

START_TEST(a_suspension_is_silence_until_resume)
{
	struct crowd_plan plan = { .clients = 12, .statements = 2 };
	struct crowd_result result;
	struct crowd *crowd;
	unsigned long long done;

	start("default_pool_size = 4\n");
	crowd = crowd_start(pooler, &plan);
	crowd_await_progress(crowd, 2);
	ck_query_tag(console, "SUSPEND", "SUSPEND");
	ck_query_value(console, "SHOW STATE", "active");
	ck_assert_str_eq(show_value(console, "STATE", "key", "suspended",
	    "value"), "yes");
	ck_assert_str_eq(show_value(console, "STATE", "key", "active",
	    "value"), "no");
	/* What was under way has come to an end; then nothing moves. */
	done = crowd_progress(crowd);
	ck_assert(PQsendQuery(clients[0], "select 1"));
	for (unsigned i = 0; i < 20; i++)
		ck_query_ok(console, "SHOW POOLS");
	ck_assert(still_waits(clients[0]));
	ck_assert_uint_le(crowd_progress(crowd), done + 12);
	ck_query_fails(console, "PAUSE", "08P01", "already suspended/paused");
	ck_query_tag(console, "RESUME", "RESUME");
	ck_finish_ok(clients[0]);
	crowd_await_progress(crowd, 2);
	result = crowd_stop(crowd);
	ck_crowd_well(&result);
	ck_query_ok(connect_client(pooler), "select 1");
}
END_TEST

static bool
suspend_and_resume_says(const char *words)
{
	bool said;

	ck_query_tag(console, "SUSPEND", "SUSPEND");
	said = pooler_logged(pooler, words);
	ck_query_tag(console, "RESUME", "RESUME");
	return said;
}

START_TEST(who_does_not_read_is_closed_after_suspend_timeout)
{
	int deaf;

	start("suspend_timeout = 1\n");
	deaf = fake_client_login(pooler->port, "app", "shop");
	fake_client_query(deaf,
	    "select repeat('x', 1000) from generate_series(1, 100000)");
	/* The server waits for the client, and the pooler keeps a part. */
	wait_until(query_number(direct, "select count(*) from "
	    "pg_stat_activity where usename = 'app' and "
	    "wait_event = 'ClientWrite'") == 1);
	/* At the first, its socket may have had room for the rest. */
	wait_until(suspend_and_resume_says(
	    "closing because: suspend_timeout"));
	for (unsigned i = 0; i < CLIENTS; i++)
		ck_query_ok(clients[i], "select 1");
	close(deaf);
}
END_TEST

START_TEST(a_suspension_ends_when_its_admin_disappears)
{
	PGconn *other;

	start("");
	other = connect_console(pooler);
	ck_query_tag(other, "SUSPEND", "SUSPEND");
	ck_assert(PQsendQuery(clients[0], "select 1"));
	disconnect(other);
	pooler_await_log(pooler,
	    "admin disappeared when suspended, doing RESUME");
	ck_finish_ok(clients[0]);
	ck_query_fails(console, "RESUME", "08P01",
	    "pooler is not paused/suspended");
}
END_TEST

START_TEST(signals_know_a_suspension)
{
	start("");
	ck_query_tag(console, "SUSPEND", "SUSPEND");
	kill(pooler->pid, SIGUSR1);
	pooler_await_log(pooler, "got SIGUSR1, but already paused/suspended");
	kill(pooler->pid, SIGUSR2);
	pooler_await_log(pooler, "got SIGUSR2, continuing from SUSPEND");
	ck_query_ok(clients[0], "select 1");
	ck_query_tag(console, "SUSPEND", "SUSPEND");
	kill(pooler->pid, SIGTERM);
	ck_assert_int_eq(pooler_await_end(pooler), 1);
	pooler_await_log(pooler,
	    "suspend was in progress, going down immediately");
}
END_TEST

/* Others are replaced by workers that are silent from birth. */
START_TEST(only_the_death_of_the_admins_worker_ends_a_suspension)
{
	pid_t victim;

	start("");
	ck_query_tag(console, "SUSPEND", "SUSPEND");
	for (unsigned slot = 0; slot < 4; slot++) {
		victim = (pid_t)show_number(console, "WORKERS", "slot",
		    text("%u", slot), "pid");
		kill(victim, SIGKILL);
		wait_until(!process_alive(victim));
		if (!PQconsumeInput(console) ||
		    PQstatus(console) == CONNECTION_BAD)
			break;
		ck_assert_str_eq(show_value(console, "STATE", "key",
		    "suspended", "value"), "yes");
	}
	/* The last one was the console's own. */
	pooler_await_log(pooler,
	    "admin disappeared when suspended, doing RESUME");
	ck_query_ok(connect_client(pooler), "select 1");
}
END_TEST

/* --- SET, RESET, RELOAD -------------------------------------------------- */

/* What every worker, by some console that it got, says of a setting. */
static void
ck_setting(const char *key, const char *value)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		PGconn *other = connect_console(pooler);

		ck_assert_str_eq(show_value(other, "CONFIG", "key", key,
		    "value"), value);
		disconnect(other);
	}
}

START_TEST(a_setting_holds_for_all_workers_until_reset)
{
	static const char *const ends[] = { "SET query_timeout = DEFAULT",
	    "RESET query_timeout", "RESET ALL" };
	char words[512] = "";

	start("query_timeout = 300\n");
	PQsetNoticeProcessor(console, note_word, words);
	ck_query_tag(console, "SET query_timeout = '17'",
	    "SET query_timeout=17");
	ck_setting("query_timeout", "17");
	ck_assert_str_eq(words, "");
	/* Two statements; and a reload leaves it and says so. */
	ck_query_tag(console, "SET query_timeout TO 18; RELOAD;", "RELOAD");
	ck_assert_msg(strstr(words, "query_timeout=18") != NULL, "%s", words);
	ck_setting("query_timeout", "18");
	ck_query_ok(console, ends[_i]);
	ck_setting("query_timeout", "300");
	words[0] = '\0';
	ck_query_tag(console, "RELOAD", "RELOAD");
	ck_assert_str_eq(words, "");
	PQsetNoticeProcessor(console, ignore_word, NULL);
}
END_TEST

START_TEST(a_setting_has_effect_and_outlives_its_worker)
{
	pid_t victim;

	start("default_pool_size = 4\n");
	ck_query_tag(console, "SET default_pool_size = 1",
	    "SET default_pool_size=1");
	ck_query_ok(clients[0], "begin");
	ck_assert(PQsendQuery(clients[1], "select 1"));
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_waiting") == 1 && show_number(console, "POOLS", "database",
	    "shop", "sv_idle") == 0);
	ck_query_ok(clients[0], "commit");
	ck_finish_ok(clients[1]);
	victim = (pid_t)show_number(console, "WORKERS", "slot", "0", "pid");
	kill(victim, SIGKILL);
	wait_until(!process_alive(victim));
	ck_setting("default_pool_size", "1");
}
END_TEST

static const struct {
	const char	*sql, *sqlstate, *message;
} bad_settings[] = {
	{ "SET no_such_thing = 1", "08P01", "SET failed" },
	{ "SET default_pool_size = many", "08P01", "SET failed" },
	{ "SET default_pool_size = 3; SET pool_mode = none", "08P01",
	    "SET failed" },
	{ "RESET", "08P01", "invalid command 'RESET', use SHOW HELP;" },
	{ "SET pool_mode", "08P01",
	    "invalid command 'SET pool_mode', use SHOW HELP;" },
};

START_TEST(a_bad_setting_changes_nothing)
{
	start("default_pool_size = 4\n");
	ck_query_fails(console, bad_settings[_i].sql,
	    bad_settings[_i].sqlstate, bad_settings[_i].message);
	ck_setting("pool_mode", "transaction");
	ck_query_ok(console, "RESET ALL");
	ck_setting("default_pool_size", "4");
}
END_TEST

START_TEST(what_needs_a_restart_is_not_set)
{
	char words[512] = "";

	start("");
	PQsetNoticeProcessor(console, note_word, words);
	ck_query_tag(console, "SET listen_port = 1", "SET listen_port=1");
	ck_assert_msg(strstr(words, "restart") != NULL, "%s", words);
	PQsetNoticeProcessor(console, ignore_word, NULL);
	ck_setting("listen_port", text("%d", pooler->port));
}
END_TEST

START_TEST(another_file_is_read_by_the_next_reload)
{
	char other[200];

	start("query_timeout = 300\n");
	snprintf(other, sizeof(other), "%s.other", pooler->ini);
	ck_assert_int_eq(rename(pooler->ini, other), 0);
	pooler_rewrite(pooler, &(struct recipe){ .workers = 4,
	    .settings = "query_timeout = 400\n" });
	/* libpq cuts a tag as long as this. */
	ck_query_ok(console, text("SET conffile = '%s'", other));
	ck_query_tag(console, "RELOAD", "RELOAD");
	ck_setting("query_timeout", "300");
	ck_query_tag(console, "RESET conffile; RELOAD", "RELOAD");
	ck_setting("query_timeout", "400");
}
END_TEST

START_TEST(a_changed_auth_file_is_read_without_a_reload)
{
	static const char settings[] = "auth_type = plain\n";
	const char *databases = text("shop = %s user=app", world_place());
	PGconn *conn;

	pooler = pooler_start(.workers = 4, .settings = settings,
	    .databases = databases);
	ck_login_fails(pooler, "user=late password=one dbname=shop", "08P01",
	    "password authentication failed");
	pooler_rewrite(pooler, &(struct recipe){ .workers = 4,
	    .settings = settings, .databases = databases,
	    .userlist = "\"late\" \"one\"\n" });
	pooler_await_log(pooler, "the auth file has changed, read it again");
	/* Not all workers have it at the same instant. */
	for (unsigned i = 0; i < CLIENTS; i++)
		wait_until((conn = PQconnectdb(login_string(pooler,
		    "user=late password=one dbname=shop"))) != NULL &&
		    (PQstatus(conn) == CONNECTION_OK || (PQfinish(conn),
		    false)) && (PQfinish(conn), true));
	/* A broken one is told once, and what was read before counts. */
	pooler_rewrite(pooler, &(struct recipe){ .workers = 4,
	    .settings = settings, .databases = databases,
	    .userlist = "\"late\" \"one\n" });
	pooler_await_log(pooler, "the auth file has changed and is broken");
	ck_login_ok(pooler, "user=late password=one dbname=shop");
}
END_TEST

START_TEST(a_reload_throws_everybody_out_of_a_removed_database)
{
	const char *databases = text("shop = %s\nbar = %s", world_place(),
	    world_place());
	PGconn *bars[CLIENTS];

	pooler = pooler_start(.workers = 4, .databases = databases);
	console = connect_console(pooler);
	for (unsigned i = 0; i < CLIENTS; i++) {
		bars[i] = connect_as(pooler, "user=app dbname=bar");
		ck_query_ok(bars[i], i < 4 ? "begin" : "select 1");
	}
	/* Even if it is paused: that goes with it. */
	ck_query_tag(console, "DISABLE bar", "DISABLE");
	pooler_rewrite(pooler, &(struct recipe){ .workers = 4 });
	ck_query_tag(console, "RELOAD", "RELOAD");
	for (unsigned i = 0; i < CLIENTS; i++)
		ck_last_word(bars[i], "database removed");
	wait_until(show_count(console, "SERVERS", "database", "bar") == 0 &&
	    show_count(console, "CLIENTS", "database", "bar") == 0);
	pooler_await_log(pooler, "dropping database 'bar'");
	/* One of that name that comes back is a new one. */
	pooler_rewrite(pooler, &(struct recipe){ .workers = 4,
	    .databases = databases });
	ck_query_tag(console, "RELOAD", "RELOAD");
	ck_login_ok(pooler, "user=app dbname=bar");
}
END_TEST

static const char *const broken[] = {
	"default_pool_size = many\n", "no_such_parameter = 1\n",
	"a line without sense\n", "%include /nowhere/at/all\n",
	"auth_file = /nowhere/at/all\n", "pool_mode = none\n",
	"max_client_conn = 100000000\n",
};

START_TEST(a_broken_file_is_not_noticed_under_load)
{
	struct crowd_plan plan = { .clients = 12, .statements = 2 };
	struct crowd_result result;
	struct crowd *crowd;

	start("default_pool_size = 4\n");
	crowd = crowd_start(pooler, &plan);
	for (size_t i = 0; i < ARRAY_LENGTH(broken); i++) {
		crowd_await_progress(crowd, 1);
		pooler_rewrite(pooler, &(struct recipe){ .workers = 4,
		    .databases = text("bar = %s", world_place()),
		    .settings = broken[i] });
		ck_query_fails(console, "RELOAD", "F0000",
		    "RELOAD failed, see logs for additional details");
		ck_setting("default_pool_size", "4");
	}
	result = crowd_stop(crowd);
	ck_crowd_well(&result);
}
END_TEST

/* --- Ctrl-C -------------------------------------------------------------- */

static void
cancel(PGconn *conn)
{
	PGcancel *key = PQgetCancel(conn);
	char words[256] = "";

	ck_assert_msg(PQcancel(key, words, sizeof(words)), "%s", words);
	PQfreeCancel(key);
}

static void
ck_canceled(PGconn *conn)
{
	PGresult *result = PQgetResult(conn);

	ck_assert_int_eq(PQresultStatus(result), PGRES_FATAL_ERROR);
	ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE),
	    "57014");
	ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
	    "canceling statement due to user request");
	PQclear(result);
	ck_assert_ptr_null(PQgetResult(conn));
}

static const char *const waits[] = {
	"PAUSE", "PAUSE shop", "WAIT_CLOSE", "PAUSE; SHOW POOLS",
};

START_TEST(ctrl_c_answers_a_command_that_waits)	/* by any worker */
{
	start("");
	ck_query_ok(clients[0], "begin");
	for (unsigned i = 0; i < 12; i++) {
		ck_query_tag(console, "RECONNECT", "RECONNECT");
		ck_assert(PQsendQuery(console, waits[_i]));
		/* What comes before the command has come is not for it. */
		wait_until((cancel(console), !still_waits(console)));
		ck_canceled(console);
		ck_query_ok(clients[1], "select 1");
	}
	ck_assert_str_eq(show_value(console, "STATE", "key", "active",
	    "value"), "yes");
	ck_query_ok(clients[0], "commit");
	ck_query_ok(clients[0], "select 1");
}
END_TEST

START_TEST(a_command_behind_one_that_waits_runs_afterwards)
{
	PGresult *result;

	start("");
	ck_query_ok(clients[0], "begin");
	ck_assert(PQsendQuery(console, "PAUSE; SHOW STATE; RESUME;"));
	ck_assert(still_waits(console));
	ck_query_ok(clients[0], "commit");
	result = PQgetResult(console);
	ck_assert_str_eq(PQcmdStatus(result), "PAUSE");
	PQclear(result);
	result = PQgetResult(console);
	ck_assert_str_eq(PQcmdStatus(result), "SHOW");
	ck_assert_str_eq(PQgetvalue(result, 1, 1), "yes");
	PQclear(result);
	result = PQgetResult(console);
	ck_assert_str_eq(PQcmdStatus(result), "RESUME");
	PQclear(result);
	ck_assert_ptr_null(PQgetResult(console));
	ck_query_ok(clients[0], "select 1");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("commands");
	TCase *marks = world_case(suite, "reconnect", 60);
	TCase *kills = world_case(suite, "kill", 60);
	TCase *suspends = world_case(suite, "suspend", 60);
	TCase *settings = world_case(suite, "settings", 60);
	TCase *cancels = world_case(suite, "ctrl-c", 60);

	tcase_add_test(marks, reconnect_takes_every_server_out_of_use);
	tcase_add_test(marks, wait_close_waits_for_who_is_still_in_use);
	tcase_add_test(marks, a_reconnect_under_load_is_not_noticed);
	tcase_add_test(kills, kill_throws_everybody_out_of_every_worker);
	tcase_add_test(kills, a_kill_of_all_leaves_the_console_alone);
	tcase_add_test(kills, kill_under_load_loses_nobody_twice);
	tcase_add_test(kills, a_client_of_any_worker_is_found_by_its_id);
	tcase_add_test(kills, its_server_is_rid_of_the_transaction);
	tcase_add_test(kills, ids_and_pointers_are_unique_over_all_workers);
	tcase_add_test(suspends, a_suspension_is_silence_until_resume);
	tcase_add_test(suspends,
	    who_does_not_read_is_closed_after_suspend_timeout);
	tcase_add_test(suspends,
	    a_suspension_ends_when_its_admin_disappears);
	tcase_add_test(suspends, signals_know_a_suspension);
	tcase_add_test(suspends,
	    only_the_death_of_the_admins_worker_ends_a_suspension);
	tcase_add_loop_test(settings,
	    a_setting_holds_for_all_workers_until_reset, 0, 3);
	tcase_add_test(settings, a_setting_has_effect_and_outlives_its_worker);
	tcase_add_loop_test(settings, a_bad_setting_changes_nothing, 0,
	    ARRAY_LENGTH(bad_settings));
	tcase_add_test(settings, what_needs_a_restart_is_not_set);
	tcase_add_test(settings, another_file_is_read_by_the_next_reload);
	tcase_add_test(settings,
	    a_changed_auth_file_is_read_without_a_reload);
	tcase_add_test(settings,
	    a_reload_throws_everybody_out_of_a_removed_database);
	tcase_add_test(settings, a_broken_file_is_not_noticed_under_load);
	tcase_add_loop_test(cancels, ctrl_c_answers_a_command_that_waits, 0,
	    ARRAY_LENGTH(waits));
	tcase_add_test(cancels,
	    a_command_behind_one_that_waits_runs_afterwards);
	return world_run(suite);
}
