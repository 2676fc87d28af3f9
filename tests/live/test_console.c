/*
 * The console: exact columns, types and tags; who may do what; commands
 * that hold for all workers; the same answers from each of them.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/crowd.h"
#include "live/world.h"

/* Type letters of the reports and their oids. */
#define TEXT 25		/* s */
#define INT4 23		/* i */
#define INT8 20		/* q */
#define NUMERIC 1700	/* N */

static Oid
type_of(char letter)
{
	switch (letter) {
	case 's':
		return TEXT;
	case 'i':
		return INT4;
	case 'q':
		return INT8;
	case 'N':
		return NUMERIC;
	}
	abort();
}

#define SOCKET_COLUMNS "stype suser sdatabase sreplication sstate saddr " \
	"iport slocal_addr ilocal_port sconnect_time srequest_time iwait " \
	"iwait_us iclose_needed sptr slink iremote_pid stls " \
	"sapplication_name iprepared_statements iid"

/* Each column with its type letter in front. */
static const struct {
	const char	*report, *columns;
} reports[] = {
	{ "POOLS", "sdatabase suser icl_active icl_waiting "
	    "icl_active_cancel_req icl_waiting_cancel_req isv_active "
	    "isv_active_cancel isv_being_canceled isv_idle isv_used "
	    "isv_tested isv_login imaxwait imaxwait_us spool_mode "
	    "sload_balance_hosts" },
	{ "DATABASES", "sname shost iport sdatabase sforce_user ipool_size "
	    "imin_pool_size ireserve_pool_size iserver_lifetime spool_mode "
	    "sload_balance_hosts imax_connections icurrent_connections "
	    "imax_client_connections icurrent_client_connections ipaused "
	    "idisabled" },
	{ "CLIENTS", SOCKET_COLUMNS },
	{ "SERVERS", SOCKET_COLUMNS },
	{ "STATS", "sdatabase Ntotal_server_assignment_count "
	    "Ntotal_xact_count Ntotal_query_count Ntotal_received "
	    "Ntotal_sent Ntotal_xact_time Ntotal_query_time "
	    "Ntotal_wait_time Ntotal_client_parse_count "
	    "Ntotal_server_parse_count Ntotal_bind_count "
	    "Navg_server_assignment_count Navg_xact_count Navg_query_count "
	    "Navg_recv Navg_sent Navg_xact_time Navg_query_time "
	    "Navg_wait_time Navg_client_parse_count Navg_server_parse_count "
	    "Navg_bind_count" },
	{ "STATS_TOTALS", "sdatabase Nserver_assignment_count Nxact_count "
	    "Nquery_count Nbytes_received Nbytes_sent Nxact_time "
	    "Nquery_time Nwait_time Nclient_parse_count "
	    "Nserver_parse_count Nbind_count" },
	{ "STATS_AVERAGES", "sdatabase Nserver_assignment_count Nxact_count "
	    "Nquery_count Nbytes_received Nbytes_sent Nxact_time "
	    "Nquery_time Nwait_time Navg_client_parse_count "
	    "Navg_server_parse_count Navg_bind_count" },
	{ "TOTALS", "sname Nvalue" },
	{ "LISTS", "slist iitems" },
	{ "USERS", "sname spool_size sreserve_pool_size spool_mode "
	    "imax_user_connections icurrent_connections "
	    "imax_user_client_connections icurrent_client_connections" },
	{ "CONFIG", "skey svalue sdefault schangeable" },
	{ "STATE", "skey svalue" },
	{ "VERSION", "sversion" },
	{ "WORKERS", "islot ipid sstate iclients iservers qxacts qqueries "
	    "qcpu_ms irestarts iuptime" },
	{ "HISTOGRAMS", "sdatabase suser stiming qat_most_us qcount" },
};

static void
ck_columns(const PGresult *result, const char *report, const char *columns)
{
	const char *at = columns;
	int number = 0;

	while (*at != '\0') {
		int length = (int)strcspn(at + 1, " ");
		const char *name = text("%.*s", length, at + 1);

		ck_assert_msg(number < PQnfields(result),
		    "SHOW %s has no column %d, %s", report, number + 1,
		    name);
		ck_assert_msg(strcmp(PQfname(result, number), name) == 0,
		    "column %d of SHOW %s is %s, not %s", number + 1, report,
		    PQfname(result, number), name);
		ck_assert_msg(PQftype(result, number) == type_of(*at),
		    "%s of SHOW %s has type %u", name, report,
		    PQftype(result, number));
		ck_assert_uint_eq(PQftable(result, number), 0);
		ck_assert_int_eq(PQftablecol(result, number), 0);
		ck_assert_int_eq(PQfmod(result, number), -1);
		ck_assert_int_eq(PQfformat(result, number), 0);
		at += 1 + length;
		at += *at == ' ';
		number++;
	}
	ck_assert_msg(PQnfields(result) == number,
	    "SHOW %s has %d columns, not %d", report, PQnfields(result),
	    number);
}

START_TEST(reports_have_exactly_these_columns)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	PGconn *consoles[] = { connect_console(pooler),
	    connect_watcher(pooler) };
	PGconn *client = connect_client(pooler);

	ck_query_ok(client, "select 1");
	for (unsigned i = 0; i < ARRAY_LENGTH(reports); i++)
		for (unsigned k = 0; k < 2; k++) {
			PGresult *result = show(consoles[k],
			    reports[i].report);

			ck_columns(result, reports[i].report,
			    reports[i].columns);
			ck_assert_str_eq(PQcmdStatus(result), "SHOW");
			ck_assert_msg(PQntuples(result) > 0 ||
			    !PQconsumeInput(client), "SHOW %s is empty",
			    reports[i].report);
			PQclear(result);
		}
}
END_TEST

/* Reports of one row for each thing, by the names of the things. */
static const struct {
	const char	*report, *names;
} lists[] = {
	{ "LISTS", "databases users peers pools peer_pools free_clients "
	    "used_clients login_clients free_servers used_servers dns_names "
	    "dns_zones dns_queries dns_pending" },
	{ "TOTALS", "total_server_assignment_count total_xact_count "
	    "total_query_count total_client_bytes total_server_bytes "
	    "total_xact_time total_query_time total_wait_time "
	    "total_ps_client_parse_count total_ps_server_parse_count "
	    "total_ps_bind_count avg_server_assignment_count "
	    "avg_xact_count avg_query_count avg_client_bytes "
	    "avg_server_bytes avg_xact_time avg_query_time avg_wait_time "
	    "avg_ps_client_parse_count avg_ps_server_parse_count "
	    "avg_ps_bind_count" },
	{ "STATE", "active paused suspended" },
};

START_TEST(lists_have_exactly_these_rows)
{
	PGconn *console = connect_console(pooler_start(.workers = 2));

	for (unsigned i = 0; i < ARRAY_LENGTH(lists); i++) {
		PGresult *result = show(console, lists[i].report);
		const char *names = "";

		for (int row = 0; row < PQntuples(result); row++)
			names = text("%s%s%s", names, row > 0 ? " " : "",
			    PQgetvalue(result, row, 0));
		ck_assert_str_eq(names, lists[i].names);
		PQclear(result);
	}
}
END_TEST

/* The order of the rows, with ours in between where the alphabet says so. */
START_TEST(the_configuration_is_listed_by_name)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	PGresult *config = show(connect_console(pooler), "CONFIG");
	static const char *const wanted[] = { "admin_users", "auth_file",
	    "auth_query", "auth_type", "default_pool_size", "listen_addr",
	    "listen_port", "logfile", "max_client_conn", "pidfile",
	    "pool_mode", "query_timeout", "server_lifetime", "stats_users",
	    "unix_socket_dir", "user", "verbose" };
	unsigned next = 0;

	for (int row = 0; row < PQntuples(config); row++)
		if (next < ARRAY_LENGTH(wanted) && strcmp(PQgetvalue(config,
		    row, 0), wanted[next]) == 0)
			next++;
	ck_assert_msg(next == ARRAY_LENGTH(wanted),
	    "%s is missing or out of order", wanted[next]);
	ck_assert_int_ge(PQntuples(config), 80);
	PQclear(config);
}
END_TEST

START_TEST(a_select_of_one_word_is_a_show)
{
	PGconn *console = connect_console(pooler_start(.workers = 2));
	PGresult *result = PQexec(console, "select version");

	ck_assert_str_eq(PQcmdStatus(result), "SHOW");
	ck_assert_str_eq(PQfname(result, 0), "version");
	PQclear(result);
}
END_TEST

START_TEST(the_version_is_one_that_exporters_know)
{
	struct pooler *pooler = pooler_prepare(.workers = 1);
	const char *arguments[] = { "-V", NULL }, *version;

	pooler_launch(pooler);
	version = query_value(connect_console(pooler), "show version");
	ck_assert_int_eq(strncmp(version, "PgBouncer 1.", 12), 0);
	/* The first line of --version is the same. */
	ck_assert_int_eq(pooler_run(pooler, arguments), 0);
	pooler_await_log(pooler, text("%s\n", version));
}
END_TEST

START_TEST(the_login_reply_is_that_of_a_console)
{
	static const struct { const char *name, *value; } wanted[] = {
		{ "client_encoding", "UTF8" },
		{ "server_encoding", "UTF8" },
		{ "DateStyle", "ISO" },
		{ "TimeZone", "GMT" },
		{ "standard_conforming_strings", "on" },
		{ "is_superuser", "on" },
	};
	PGconn *console = connect_console(pooler_start(.workers = 2));
	const char *version = PQparameterStatus(console, "server_version");

	for (unsigned i = 0; i < ARRAY_LENGTH(wanted); i++)
		ck_assert_str_eq(PQparameterStatus(console, wanted[i].name),
		    wanted[i].value);
	ck_assert_ptr_nonnull(version);
	ck_assert_ptr_nonnull(strstr(version, "/bouncer"));
}
END_TEST

START_TEST(the_help_is_a_notice)
{
	struct pooler *pooler = pooler_start(.workers = 1);
	int console = fake_client_login(pooler->port, "admin", "pgbouncer");
	struct message message;

	fake_client_query(console, "SHOW HELP;");
	fake_client_expect(console, 'N', &message);
	ck_assert_str_eq(error_field(&message, 'S'), "NOTICE");
	ck_assert_str_eq(error_field(&message, 'C'), "00000");
	ck_assert_str_eq(error_field(&message, 'M'), "Console usage");
	ck_assert_ptr_nonnull(strstr(error_field(&message, 'D'),
	    "\n\tSHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS|"
	    "VERSION\n"));
	fake_client_expect(console, 'C', &message);
	ck_assert_str_eq((char *)message.body, "SHOW");
	fake_client_expect(console, 'Z', &message);
	close(console);
}
END_TEST

/* ---- who may ---- */

START_TEST(strangers_are_not_allowed)
{
	struct pooler *pooler = pooler_start(.workers = 2);

	ck_login_fails(pooler, "user=app dbname=pgbouncer", "08P01",
	    "not allowed");
}
END_TEST

START_TEST(the_own_user_needs_no_password_on_the_unix_socket)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "auth_type = md5\n");
	/* Only the uid of the pooler, which is not root's. */
	bool same = geteuid() != 0;
	PGconn *console = PQconnectdb(text(
	    "host=%s port=%d user=pgbouncer dbname=pgbouncer",
	    pooler->directory, pooler->port));

	ck_assert_int_eq(PQstatus(console) == CONNECTION_OK, same);
	PQfinish(console);
	ck_login_fails(pooler, "user=pgbouncer password=x dbname=pgbouncer",
	    "08P01", "password authentication failed");
}
END_TEST

static const char *const deeds[] = {
	"PAUSE", "PAUSE shop", "RESUME", "RESUME shop", "RELOAD",
	"SHUTDOWN", "SHUTDOWN WAIT_FOR_SERVERS", "SET max_client_conn = 5",
	"RECONNECT", "DISABLE shop", "ENABLE shop", "KILL shop", "SUSPEND",
	"WAIT_CLOSE", "KILL_CLIENT 1", "KILL",
};

START_TEST(one_who_may_only_look_cannot_act)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	PGconn *watcher = connect_watcher(pooler);

	for (unsigned i = 0; i < ARRAY_LENGTH(deeds); i++)
		ck_query_fails(watcher, deeds[i], "08P01",
		    "admin access needed");
	ck_query_ok(watcher, "SHOW POOLS");
	ck_query_fails(watcher, "SHOW FDS", "08P01", "admin access needed");
	ck_query_ok(connect_console(pooler), "SHOW FDS");
}
END_TEST

static const struct {
	const char *query, *message;
} mistakes[] = {
	{ "NONSENSE", "invalid command 'NONSENSE', use SHOW HELP;" },
	{ "SHOW", "invalid command 'SHOW', use SHOW HELP;" },
	{ "SHOW NONSENSE", "invalid command 'SHOW NONSENSE', use SHOW HELP;" },
	{ "SHOW POOLS now", "invalid command 'SHOW POOLS now', "
	    "use SHOW HELP;" },
	{ "RELOAD now", "invalid command 'RELOAD now', use SHOW HELP;" },
	{ "SHUTDOWN gently", "invalid command 'SHUTDOWN gently', "
	    "use SHOW HELP;" },
	{ "PAUSE nowhere", "no such database: nowhere" },
	{ "RESUME nowhere", "no such database: nowhere" },
	{ "RESUME shop", "database shop is not paused" },
	{ "RESUME", "pooler is not paused/suspended" },
	{ "PAUSE pgbouncer", "cannot pause admin db: pgbouncer" },
	{ "DISABLE", "a database is required" },
	{ "DISABLE nowhere", "no such database: nowhere" },
	{ "DISABLE pgbouncer", "cannot disable admin db: pgbouncer" },
	{ "ENABLE", "a database is required" },
	{ "ENABLE nowhere", "no such database: nowhere" },
	{ "RECONNECT nowhere", "no such database: nowhere" },
	{ "RECONNECT pgbouncer", "cannot reconnect admin db: pgbouncer" },
	{ "KILL nowhere", "no such database: nowhere" },
	{ "KILL pgbouncer", "cannot kill admin db: pgbouncer" },
	{ "WAIT_CLOSE nowhere", "no such database: nowhere" },
	{ "WAIT_CLOSE pgbouncer", "cannot wait in admin db: pgbouncer" },
	{ "SUSPEND now", "invalid command 'SUSPEND now', use SHOW HELP;" },
	{ "SET no_such_thing = 1", "SET failed" },
};

START_TEST(mistakes_are_answered_in_these_words)
{
	PGconn *console = connect_console(pooler_start(.workers = 2));

	for (unsigned i = 0; i < ARRAY_LENGTH(mistakes); i++)
		ck_query_fails(console, mistakes[i].query, "08P01",
		    mistakes[i].message);
	ck_query_ok(console, "  show\t\n pools ;  ");
	ck_query_ok(console, "SHOW \"pools\"");
}
END_TEST

START_TEST(errors_of_the_console_have_three_fields_and_leave_it_open)
{
	struct pooler *pooler = pooler_start(.workers = 1);
	int console = fake_client_login(pooler->port, "admin", "pgbouncer");

	for (unsigned i = 0; i < 3; i++) {
		fake_client_query(console, "NONSENSE");
		fake_client_expect_error(console, "ERROR", "08P01",
		    "invalid command 'NONSENSE', use SHOW HELP;");
		fake_client_expect(console, 'Z', NULL);
	}
	pooler_await_log(pooler,
	    "pooler error: invalid command 'NONSENSE', use SHOW HELP;");
	close(console);
}
END_TEST

static const struct {
	const char *name, *value;
} faked[] = {
	{ "client_encoding", "UTF-8" },
	{ "default_transaction_isolation", "read committed" },
	{ "standard_conforming_strings", "on" },
	{ "datestyle", "ISO" },
	{ "timezone", "GMT" },
};

START_TEST(what_drivers_ask_is_answered)
{
	PGconn *console = connect_watcher(pooler_start(.workers = 1));

	for (unsigned i = 0; i < ARRAY_LENGTH(faked); i++) {
		ck_query_value(console, text("SHOW %s", faked[i].name),
		    faked[i].value);
		ck_query_tag(console, text("SET %s TO 'x'", faked[i].name),
		    "SET");
	}
}
END_TEST

/* ---- what the reports say ---- */

START_TEST(pools_clients_and_servers_agree_by_every_worker)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 5\n");
	PGconn *clients[9], *waiting[3], *consoles[8];

	for (unsigned i = 0; i < 9; i++)
		clients[i] = connect_client(pooler);
	for (unsigned i = 0; i < 5; i++)
		ck_query_ok(clients[i], "begin");
	for (unsigned i = 0; i < 3; i++) {
		waiting[i] = connect_client(pooler);
		ck_assert(PQsendQuery(waiting[i], "select 1"));
	}
	consoles[0] = connect_console(pooler);
	wait_until(show_number(consoles[0], "POOLS", "database", "shop",
	    "cl_waiting") == 3);
	for (unsigned i = 0; i < 8; i++) {
		PGconn *console = i == 0 ? consoles[0] :
		    connect_console(pooler);

		ck_assert_int_eq(show_number(console, "POOLS", "database",
		    "shop", "cl_active"), 9);
		ck_assert_int_eq(show_number(console, "POOLS", "database",
		    "shop", "cl_waiting"), 3);
		ck_assert_int_eq(show_number(console, "POOLS", "database",
		    "shop", "sv_active"), 5);
		ck_assert_int_eq(show_number(console, "POOLS", "database",
		    "shop", "sv_idle"), 0);
		ck_assert_str_eq(show_value(console, "POOLS", "database",
		    "shop", "pool_mode"), "transaction");
		ck_assert_uint_eq(show_count(console, "SERVERS", "state",
		    "active"), 5);
		ck_assert_uint_eq(show_count(console, "CLIENTS", "database",
		    "shop"), 12);
		ck_assert_uint_eq(show_count(console, "CLIENTS", "state",
		    "waiting"), 3);
		ck_assert_int_eq(show_number(console, "LISTS", "list",
		    "used_servers", "items"), 5);
	}
	for (unsigned i = 0; i < 5; i++)
		ck_query_ok(clients[i], "commit");
	for (unsigned i = 0; i < 3; i++)
		ck_finish_ok(waiting[i]);
	wait_until(show_number(consoles[0], "POOLS", "database", "shop",
	    "sv_idle") == 5);
}
END_TEST

/* As of any other client: by it one finds who is on the console. */
START_TEST(programs_on_the_console_are_named)
{
	struct pooler *pooler = pooler_start(.workers = 1);
	PGconn *console;

	ck_assert_int_eq(setenv("PGAPPNAME", "look-out", 1), 0);
	console = connect_console(pooler);
	ck_assert_int_eq(unsetenv("PGAPPNAME"), 0);
	ck_assert_str_eq(show_value(console, "CLIENTS", "database",
	    "pgbouncer", "application_name"), "look-out");
}
END_TEST

START_TEST(links_join_a_client_and_its_server)
{
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *client = connect_client(pooler);
	PGconn *console = connect_console(pooler);
	const char *ptr, *link;

	ck_query_ok(client, "begin");
	ptr = show_value(console, "CLIENTS", "database", "shop", "ptr");
	link = show_value(console, "CLIENTS", "database", "shop", "link");
	ck_assert_int_eq(strncmp(ptr, "0x", 2), 0);
	ck_assert_str_eq(show_value(console, "SERVERS", "database", "shop",
	    "ptr"), link);
	ck_assert_str_eq(show_value(console, "SERVERS", "database", "shop",
	    "link"), ptr);
	ck_assert_int_eq(show_number(console, "SERVERS", "database", "shop",
	    "remote_pid"), query_number(client, "select pg_backend_pid()"));
	ck_assert_str_eq(show_value(console, "CLIENTS", "database", "shop",
	    "type"), "C");
	ck_assert_str_eq(show_value(console, "SERVERS", "database", "shop",
	    "type"), "S");
	ck_query_ok(client, "commit");
	/* Its answer is on the way a moment before they part. */
	wait_until(strcmp(show_value(console, "CLIENTS", "database", "shop",
	    "link"), "") == 0);
	wait_until(strcmp(show_value(console, "CLIENTS", "database", "shop",
	    "state"), "idle") == 0);
}
END_TEST

START_TEST(databases_and_users_show_their_settings)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .databases = text("shop = %s pool_size=7\n"
	    "bar = %s user=other pool_mode=session", world_place(),
	    world_place()), .users = "other = pool_mode=session\n");
	PGconn *console = connect_console(pooler);

	ck_assert_int_eq(show_number(console, "DATABASES", "name", "shop",
	    "pool_size"), 7);
	ck_assert_str_eq(show_value(console, "DATABASES", "name", "shop",
	    "database"), "postgres");
	ck_assert_str_eq(show_value(console, "DATABASES", "name", "bar",
	    "force_user"), "other");
	ck_assert_int_eq(show_number(console, "DATABASES", "name", "bar",
	    "pool_size"), 20);
	ck_assert_str_eq(show_value(console, "DATABASES", "name",
	    "pgbouncer", "force_user"), "pgbouncer");
	ck_assert_str_eq(show_value(console, "DATABASES", "name",
	    "pgbouncer", "pool_mode"), "statement");
	ck_assert_str_eq(show_value(console, "USERS", "name", "other",
	    "pool_mode"), "session");
	ck_assert_uint_eq(show_count(console, "USERS", "name", "pgbouncer"),
	    1);
	ck_assert_str_eq(show_value(console, "CONFIG", "key",
	    "default_pool_size", "value"), "20");
	ck_assert_str_eq(show_value(console, "CONFIG", "key", "listen_port",
	    "changeable"), "no");
	ck_assert_str_eq(show_value(console, "CONFIG", "key",
	    "listen_port", "value"), text("%d", pooler->port));
}
END_TEST

START_TEST(workers_are_listed)
{
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *console = connect_console(pooler);
	pid_t children[16];
	unsigned count = pooler_children(pooler, children, 16), seen = 0;
	PGresult *workers = show(console, "WORKERS");

	ck_assert_int_eq(PQntuples(workers), 3);
	for (int row = 0; row < 3; row++) {
		ck_assert_int_eq(atoi(PQgetvalue(workers, row, 0)), row);
		for (unsigned i = 0; i < count; i++)
			seen += children[i] == atoi(PQgetvalue(workers, row,
			    1));
	}
	ck_assert_uint_eq(seen, 3);
	PQclear(workers);
}
END_TEST

/* ---- PAUSE and RESUME ---- */

START_TEST(a_pause_answers_when_the_last_server_is_closed)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 6\n");
	PGconn *console = connect_console(pooler), *other;
	PGconn *direct = world_direct(), *clients[4];
	static const char left[] = "select count(*) from pg_stat_activity "
	    "where usename = 'app'";

	for (unsigned i = 0; i < 4; i++) {
		clients[i] = connect_client(pooler);
		ck_query_ok(clients[i], "begin");
	}
	ck_query_ok(clients[0], "commit");	/* idle, goes at once */
	ck_assert(PQsendQuery(console, "PAUSE"));
	wait_until(query_number(direct, left) == 3);
	for (unsigned i = 1; i < 4; i++) {
		ck_assert(still_waits(console));
		ck_query_ok(clients[i], "select 1");
		ck_query_ok(clients[i], "commit");
		wait_until(query_number(direct, left) == 3 - i);
	}
	ck_finish_ok(console);
	ck_assert_uint_eq(show_count(console, "SERVERS", "type", "S"), 0);
	/* Another console sees it, by whichever worker. */
	other = connect_console(pooler);
	ck_assert_str_eq(show_value(other, "STATE", "key", "paused",
	    "value"), "yes");
	ck_query_fails(other, "PAUSE", "08P01", "already suspended/paused");
	ck_query_fails(other, "PAUSE shop", "08P01",
	    "already suspended/paused");

	for (unsigned i = 0; i < 4; i++)
		ck_assert(PQsendQuery(clients[i], "select 1"));
	wait_until(show_number(other, "POOLS", "database", "shop",
	    "cl_waiting") == 4);
	ck_query_value(direct, left, "0");
	ck_query_tag(other, "RESUME", "RESUME");
	for (unsigned i = 0; i < 4; i++)
		ck_finish_ok(clients[i]);
	ck_assert_str_eq(show_value(console, "STATE", "key", "paused",
	    "value"), "no");
	pooler_await_log(pooler, "PAUSE command issued");
	pooler_await_log(pooler, "closing because: pause mode");
	pooler_await_log(pooler, "RESUME command issued");
}
END_TEST

START_TEST(a_pause_under_load_loses_nothing)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 5\n");
	PGconn *console = connect_console(pooler);
	PGconn *direct = world_direct();
	struct crowd *crowd = crowd_start(pooler, &(struct crowd_plan){
	    .clients = 24, .statements = 2 });
	struct crowd_result result;

	for (unsigned i = 0; i < 5; i++) {
		crowd_await_progress(crowd, 5);
		ck_query_tag(console, "PAUSE", "PAUSE");
		ck_assert_uint_eq(show_count(console, "SERVERS", "type",
		    "S"), 0);
		/* A backend takes a moment to end. */
		wait_until(query_number(direct, "select count(*) from "
		    "pg_stat_activity where usename = 'app'") == 0);
		ck_query_tag(console, "RESUME", "RESUME");
	}
	crowd_await_progress(crowd, 5);
	result = crowd_stop(crowd);
	ck_crowd_well(&result);
}
END_TEST

START_TEST(one_database_can_be_paused)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .databases = text("shop = %s\nbar = %s", world_place(),
	    world_place()));
	PGconn *shop = connect_client(pooler);
	PGconn *bar = connect_as(pooler, "user=app dbname=bar");
	PGconn *console = connect_console(pooler);

	ck_query_ok(shop, "select 1");
	ck_query_tag(console, "PAUSE shop", "PAUSE");
	ck_assert_int_eq(show_number(console, "DATABASES", "name", "shop",
	    "paused"), 1);
	ck_assert(PQsendQuery(shop, "select 1"));
	ck_query_value(bar, "select 2", "2");
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_waiting") == 1);
	ck_assert(still_waits(shop));
	ck_query_tag(console, "RESUME \"shop\"", "RESUME");
	ck_finish_ok(shop);
	pooler_await_log(pooler, "PAUSE 'shop' command issued");
}
END_TEST

START_TEST(a_disabled_database_takes_no_new_clients)
{
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *client = connect_client(pooler);
	PGconn *console = connect_console(pooler);

	ck_query_tag(console, "DISABLE shop", "DISABLE");
	for (unsigned i = 0; i < 4; i++)
		ck_login_fails(pooler, "user=app dbname=shop", "08P01",
		    "database \"shop\" is disabled");
	ck_query_value(client, "select 1", "1");
	ck_query_tag(console, "ENABLE shop", "ENABLE");
	ck_login_ok(pooler, "user=app dbname=shop");
}
END_TEST

/* ---- RELOAD ---- */

START_TEST(a_reload_holds_for_all_workers)
{
	struct pooler *pooler = pooler_start(.workers = 4);
	PGconn *console = connect_console(pooler), *clients[8];

	pooler_rewrite(pooler, &(struct recipe){ .workers = 4,
	    .databases = text("shop = %s\nnew = %s", world_place(),
	    world_place()), .settings = "default_pool_size = 3\n" });
	ck_query_tag(console, "RELOAD", "RELOAD");
	for (unsigned i = 0; i < 8; i++) {
		PGconn *other = connect_console(pooler);

		ck_assert_str_eq(show_value(other, "CONFIG", "key",
		    "default_pool_size", "value"), "3");
		ck_assert_int_eq(show_number(other, "DATABASES", "name",
		    "shop", "pool_size"), 3);
		clients[i] = connect_as(pooler, "user=app dbname=new");
		ck_query_value(clients[i], "select 1", "1");
	}
	pooler_await_log(pooler, "RELOAD command issued");
}
END_TEST

START_TEST(a_reload_with_a_broken_file_changes_nothing)
{
	static const char *const broken[] = { "default_pool_size = many\n",
	    "no_such_parameter = 1\n", "a line without sense\n" };
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "default_pool_size = 7\n");
	PGconn *client = connect_client(pooler);
	int console = fake_client_login(pooler->port, "admin", "pgbouncer");
	struct message message;

	ck_query_ok(client, "select 1");
	pooler_rewrite(pooler, &(struct recipe){ .workers = 2,
	    .databases = text("bar = %s", world_place()),
	    .settings = broken[_i] });
	fake_client_query(console, "RELOAD");
	ck_assert(fake_client_read(console, &message));
	ck_assert_int_eq(message.type, 'E');
	ck_assert_str_eq(error_field(&message, 'S'), "ERROR");
	ck_assert_str_eq(error_field(&message, 'C'), "F0000");
	ck_assert_str_eq(error_field(&message, 'M'),
	    "RELOAD failed, see logs for additional details");
	/* Beyond PgBouncer: what and where. */
	ck_assert_ptr_nonnull(strstr(error_field(&message, 'D'),
	    text("%s:", pooler->ini)));
	fake_client_expect(console, 'Z', NULL);
	ck_assert_str_eq(show_value(connect_console(pooler), "CONFIG", "key",
	    "default_pool_size", "value"), "7");
	ck_login_ok(pooler, "user=app dbname=shop");
	ck_query_ok(client, "select 1");
	ck_login_fails(pooler, "user=app dbname=bar", "08P01",
	    "no such database: bar");
	/* The file and the line are in the log. */
	pooler_await_log(pooler, text("%s:", pooler->ini));
	close(console);
}
END_TEST

START_TEST(a_database_that_a_reload_removes_loses_its_clients)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .databases = text("shop = %s\nbar = %s", world_place(),
	    world_place()));
	PGconn *console = connect_console(pooler);
	PGconn *shop = connect_client(pooler);
	PGconn *bar = connect_as(pooler, "user=app dbname=bar");

	ck_query_ok(bar, "select 1");
	pooler_rewrite(pooler, &(struct recipe){ .workers = 3 });
	ck_query_tag(console, "RELOAD", "RELOAD");
	ck_connection_lost(bar);
	pooler_await_log(pooler, "closing because: database removed");
	ck_query_value(shop, "select 1", "1");
}
END_TEST

START_TEST(a_smaller_pool_gives_up_what_is_too_much)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = "default_pool_size = 6\n");
	PGconn *console = connect_console(pooler), *clients[6];
	PGconn *direct = world_direct();

	for (unsigned i = 0; i < 6; i++) {
		clients[i] = connect_client(pooler);
		ck_query_ok(clients[i], "begin");
	}
	for (unsigned i = 0; i < 6; i++)
		ck_query_ok(clients[i], "commit");
	pooler_rewrite(pooler, &(struct recipe){ .workers = 3,
	    .settings = "default_pool_size = 2\n" });
	ck_query_tag(console, "RELOAD", "RELOAD");
	wait_until(query_number(direct, "select count(*) from "
	    "pg_stat_activity where usename = 'app'") == 2);
	pooler_await_log(pooler,
	    "closing because: too many servers in the pool");
	for (unsigned i = 0; i < 6; i++)
		ck_query_ok(clients[i], "select 1");
}
END_TEST

START_TEST(new_users_come_with_a_reload)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = "auth_type = plain\n", .databases = text(
	    "shop = %s user=app", world_place()));
	PGconn *console = connect_console(pooler);

	ck_login_fails(pooler, "user=late password=one dbname=shop", "08P01",
	    "password authentication failed");
	pooler_rewrite(pooler, &(struct recipe){ .workers = 3,
	    .settings = "auth_type = plain\n", .databases = text(
	    "shop = %s user=app", world_place()),
	    .userlist = "\"late\" \"one\"\n\"admin\" \"admin_secret\"\n" });
	ck_query_tag(console, "RELOAD", "RELOAD");
	for (unsigned i = 0; i < 4; i++)
		ck_login_ok(pooler, "user=late password=one dbname=shop");
}
END_TEST

/* ---- SHUTDOWN ---- */

START_TEST(shutdown_waits_for_servers)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = "default_pool_size = 2\n");
	PGconn *client = connect_client(pooler), *idle, *late;
	PGconn *console = connect_console(pooler);

	idle = connect_client(pooler);
	ck_query_ok(client, "begin");
	ck_query_tag(console, "SHUTDOWN WAIT_FOR_SERVERS", "SHUTDOWN");
	/* Nobody listens any more. */
	wait_until((late = PQconnectdb(login_string(pooler,
	    "user=app dbname=shop"))) != NULL &&
	    (PQstatus(late) == CONNECTION_BAD || (PQfinish(late), false)));
	PQfinish(late);
	ck_query_fails(idle, "select 1", "08P01", "server shutting down");
	ck_query_ok(client, "select 1");
	ck_assert(process_alive(pooler->pid));
	ck_assert(PQsendQuery(client, "commit"));
	ck_assert_int_eq(pooler_await_end(pooler), 0);
	pooler_await_log(pooler, "server connections dropped, exiting");
}
END_TEST

START_TEST(shutdown_waits_for_clients)
{
	static const char *const forms[] = { "SHUTDOWN WAIT_FOR_CLIENTS",
	    "SHUTDOWN" };
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *client = connect_client(pooler);
	PGconn *console = connect_console(pooler);
	int late;

	ck_query_tag(console, forms[_i], "SHUTDOWN");
	for (unsigned i = 0; i < 5; i++)
		ck_query_value(client, "select 1", "1");
	/* Only the Unix socket is left, and only for the console. */
	wait_until(PQping(text("host=127.0.0.1 port=%d", pooler->port)) ==
	    PQPING_NO_RESPONSE);
	disconnect(console);
	console = connect_to(text("host=%s port=%d user=admin "
	    "dbname=pgbouncer", pooler->directory, pooler->port));
	ck_query_ok(console, "show pools");
	ck_query_fails(console, "RESUME", "08P01",
	    "pooler is shutting down");
	late = (int)PQping(text("host=%s port=%d user=app dbname=shop",
	    pooler->directory, pooler->port));
	ck_assert_int_ne(late, PQPING_NO_RESPONSE);
	disconnect(console);
	ck_assert(process_alive(pooler->pid));
	disconnect(client);
	ck_assert_int_eq(pooler_await_end(pooler), 0);
	pooler_await_log(pooler, "client connections dropped, exiting");
}
END_TEST

START_TEST(shutdown_at_once_does_not_wait)
{
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *client = connect_client(pooler);
	PGconn *console = connect_console(pooler);

	ck_query_ok(client, "begin");
	ck_assert(PQsendQuery(console, "SHUTDOWN IMMEDIATE"));
	ck_assert_int_eq(pooler_await_end(pooler), 0);
	ck_connection_lost(client);
	ck_connection_lost(console);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("console");
	TCase *tests;

	/* Everything here is of a newer PgBouncer than Debian's. */
	tests = world_case(suite, "reports", 10);
	if (pooler_is_pgusher()) {
		tcase_add_test(tests, reports_have_exactly_these_columns);
		tcase_add_test(tests, lists_have_exactly_these_rows);
		tcase_add_test(tests, the_configuration_is_listed_by_name);
		tcase_add_test(tests, workers_are_listed);
		tcase_add_test(tests, programs_on_the_console_are_named);
		tcase_add_test(tests, links_join_a_client_and_its_server);
		tcase_add_test(tests, databases_and_users_show_their_settings);
	}
	tcase_add_test(tests, a_select_of_one_word_is_a_show);
	tcase_add_test(tests, the_version_is_one_that_exporters_know);
	tcase_add_test(tests, the_login_reply_is_that_of_a_console);
	tcase_add_test(tests, the_help_is_a_notice);
	tcase_add_test(tests, pools_clients_and_servers_agree_by_every_worker);

	tests = world_case(suite, "access", 10);
	tcase_add_test(tests, strangers_are_not_allowed);
	if (pooler_is_pgusher()) {
		tcase_add_test(tests,
		    the_own_user_needs_no_password_on_the_unix_socket);
		tcase_add_test(tests, one_who_may_only_look_cannot_act);
	}
	tcase_add_test(tests, mistakes_are_answered_in_these_words);
	tcase_add_test(tests,
	    errors_of_the_console_have_three_fields_and_leave_it_open);
	tcase_add_test(tests, what_drivers_ask_is_answered);

	tests = world_case(suite, "pause", 20);
	if (pooler_is_pgusher())
		tcase_add_test(tests,
		    a_pause_answers_when_the_last_server_is_closed);
	tcase_add_test(tests, a_pause_under_load_loses_nothing);
	tcase_add_test(tests, one_database_can_be_paused);
	tcase_add_test(tests, a_disabled_database_takes_no_new_clients);

	tests = world_case(suite, "reload", 10);
	tcase_add_test(tests, a_reload_holds_for_all_workers);
	if (pooler_is_pgusher())
		tcase_add_loop_test(tests,
		    a_reload_with_a_broken_file_changes_nothing, 0, 3);
	tcase_add_test(tests,
	    a_database_that_a_reload_removes_loses_its_clients);
	tcase_add_test(tests, a_smaller_pool_gives_up_what_is_too_much);
	tcase_add_test(tests, new_users_come_with_a_reload);

	tests = world_case(suite, "shutdown", 10);
	if (pooler_is_pgusher()) {
		tcase_add_test(tests, shutdown_waits_for_servers);
		tcase_add_loop_test(tests, shutdown_waits_for_clients, 0, 2);
		tcase_add_test(tests, shutdown_at_once_does_not_wait);
	}
	return world_run(suite);
}
