/*
 * pgusherctl, as an operator calls it.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live/ask.h"
#include "live/world.h"

static struct pooler *pooler;

/* What it wrote to both outputs, and its exit status. */
struct outcome {
	int	status;
	char	*said;
};

static pid_t
begin_ctl(const char *path, const char *const *arguments)
{
	const char *argv[24] = { "./pgusherctl", "-w", "-h", "127.0.0.1",
	    "-p", text("%d", pooler->port), "-U", "admin" };
	int count = 8;

	while (*arguments != NULL)
		argv[count++] = *arguments++;
	return process_start(&(struct spawn){ .argv = argv, .output = path,
	    .death_signal = SIGKILL });
}

static const char *
output(void)
{
	/* Each test is a process of its own. */
	return text("%s/ctl-%d-%u", world.directory, (int)getpid(),
	    ++world.logs);
}

static struct outcome
run_ctl(const char *const *arguments)
{
	const char *path = output();
	pid_t pid = begin_ctl(path, arguments);
	int status;

	ck_assert(process_wait(pid, &status));
	ck_assert(WIFEXITED(status));
	return (struct outcome){ WEXITSTATUS(status), file_read(path) };
}

#define ctl(...) run_ctl((const char *const[]){ __VA_ARGS__, NULL })

static void
ck_outcome(struct outcome outcome, int status, const char *words)
{
	ck_assert_msg(outcome.status == status, "status %d: %s",
	    outcome.status, outcome.said);
	ck_assert_msg(strstr(outcome.said, words) != NULL, "no \"%s\" in %s",
	    words, outcome.said);
	free(outcome.said);
}

static void
start(const char *settings)
{
	pooler = pooler_start(.workers = 2, .settings = settings);
}

/* A report that could not be written has not been made. */
static int
status_into_a_full_file(void)
{
	pid_t pid = begin_ctl("/dev/full", (const char *const[]){ "show",
	    "config", NULL });
	int status;

	ck_assert(process_wait(pid, &status));
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(reports_in_three_shapes)
{
	start("");
	ck_query_value(connect_client(pooler), "select 1", "1");
	ck_outcome(ctl("show", "pools"), 0, " shop      | app ");
	ck_outcome(ctl("show", "pools", "--csv"), 0,
	    "database,user,cl_active,");
	ck_outcome(ctl("--json", "show", "pools"), 0,
	    "\"database\": \"shop\", \"user\": \"app\", \"cl_active\": 1,");
	ck_outcome(ctl("show", "nonsense"), 1, "ERROR");
	ck_outcome(ctl("show", "pools; kill shop"), 3, "not the name");
	ck_outcome(ctl("sql", "show version", "show lists"), 0,
	    "free_clients");
	ck_assert_int_eq(status_into_a_full_file(), 1);
}
END_TEST

START_TEST(a_uri_says_where_it_is)
{
	const char *path = output();
	const char *argv[] = { "./pgusherctl", "-d",
	    text("postgresql://admin@127.0.0.1:%d", 0), "show", "version",
	    NULL };
	int status;

	start("");
	argv[2] = text("postgresql://admin@127.0.0.1:%d", pooler->port);
	ck_assert(process_wait(process_start(&(struct spawn){ .argv = argv,
	    .output = path, .death_signal = SIGKILL }), &status));
	ck_outcome((struct outcome){ WEXITSTATUS(status), file_read(path) },
	    0, "PgBouncer");
}
END_TEST

START_TEST(health_is_one_line_and_a_status)
{
	start("default_pool_size = 1\n");
	ck_outcome(ctl("health"), 0, "OK: ");
	ck_query_value(connect_client(pooler), "select 1", "1");
	ck_outcome(ctl("health", "--database", "shop"), 2,
	    "CRITICAL: cannot connect to PostgreSQL via pgusher: ");
	ck_outcome(ctl("pause", "shop"), 0, "PAUSE");
	ck_outcome(ctl("health"), 1, "WARNING: database shop is paused");
	/* A query would wait for as long as it is paused. */
	ck_outcome(ctl("health", "--database", "shop", "--timeout", "1"), 2,
	    "CRITICAL: cannot connect to PostgreSQL via pgusher: ");
	ck_outcome(ctl("resume", "shop"), 0, "RESUME");
	ck_outcome(ctl("pause"), 0, "PAUSE");
	ck_outcome(ctl("health"), 1, "WARNING: all databases are paused");
	ck_outcome(ctl("resume"), 0, "RESUME");
	ck_outcome(ctl("health", "--usage", "nonsense"), 3, "bad value");
	ck_outcome(ctl("health", "shop"), 3, "too many arguments: shop");
}
END_TEST

START_TEST(health_sees_who_waits)
{
	PGconn *clients[4];

	start("default_pool_size = 1\n");
	for (int i = 0; i < 4; i++) {
		clients[i] = connect_client(pooler);
		ck_assert_int_eq(PQsendQuery(clients[i],
		    "select pg_sleep(600)"), 1);
	}
	wait_until(show_number(connect_console(pooler), "POOLS", "database",
	    "shop", "cl_waiting") == 3);
	ck_outcome(ctl("health", "--waiting", "2,5", "--usage", "1,1"), 1,
	    "WARNING: 3 clients of shop/app wait for a connection");
	ck_outcome(ctl("health"), 2,
	    "CRITICAL: 1 of the 1 connections of shop/app are in use");
}
END_TEST

START_TEST(a_dead_pooler_is_critical)
{
	start("");
	pooler_stop(pooler);
	ck_outcome(ctl("health"), 2, "CRITICAL: pgusher not responding: ");
}
END_TEST

START_TEST(an_order_that_waits_tells_what_for)
{
	PGconn *client;
	const char *path;
	pid_t pid;
	int status;

	start("");
	client = connect_client(pooler);
	ck_query_ok(client, "begin");
	path = output();
	pid = begin_ctl(path, (const char *const[]){ "pause", "shop", NULL });
	wait_until(strstr(file_read(path), "PAUSE \"shop\" waits: 1 server "
	    "connections in use, 1 clients, 0 of them waiting") != NULL);
	ck_query_ok(client, "commit");
	ck_assert(process_wait(pid, &status));
	ck_outcome((struct outcome){ WEXITSTATUS(status), file_read(path) },
	    0, "PAUSE\n");
	ck_outcome(ctl("resume", "shop"), 0, "RESUME");
	ck_query_value(client, "select 1", "1");
}
END_TEST

START_TEST(an_order_is_taken_back_by_interrupt)
{
	PGconn *client;
	const char *path;
	pid_t pid;
	int status;

	start("");
	client = connect_client(pooler);
	ck_query_ok(client, "begin");
	path = output();
	pid = begin_ctl(path, (const char *const[]){ "pause", NULL });
	wait_until(strstr(file_read(path), "waits") != NULL);
	kill(pid, SIGINT);
	ck_assert(process_wait(pid, &status));
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 130,
	    "%x: %s", (unsigned)status, file_read(path));
	ck_query_ok(client, "commit");
	ck_query_value(client, "select 1", "1");
}
END_TEST

START_TEST(a_suspend_is_held)
{
	const char *path = output();
	PGconn *console;
	pid_t pid;
	int status;

	start("");
	console = connect_console(pooler);
	pid = begin_ctl(path, (const char *const[]){ "suspend", NULL });
	wait_until(strstr(file_read(path), "held until") != NULL);
	ck_assert_str_eq(show_value(console, "STATE", "key", "suspended",
	    "value"), "yes");
	kill(pid, SIGINT);
	ck_assert(process_wait(pid, &status));
	ck_outcome((struct outcome){ WEXITSTATUS(status), file_read(path) },
	    0, "SUSPEND\n");
	wait_until(strcmp(show_value(console, "STATE", "key", "suspended",
	    "value"), "no") == 0);
	path = output();
	pid = begin_ctl(path, (const char *const[]){ "suspend", NULL });
	wait_until(strstr(file_read(path), "held until") != NULL);
	ck_query_ok(console, "RESUME");
	ck_assert(process_wait(pid, &status));
	ck_assert_int_eq(status, 0);
	ck_query_value(connect_client(pooler), "select 1", "1");
}
END_TEST

START_TEST(orders_are_carried_out)
{
	PGconn *client;

	start("");
	client = connect_client(pooler);
	ck_query_value(client, "select 1", "1");
	ck_outcome(ctl("reload"), 0, "RELOAD");
	ck_outcome(ctl("reconnect", "shop"), 0, "RECONNECT");
	ck_outcome(ctl("wait-close", "shop"), 0, "WAIT_CLOSE");
	ck_outcome(ctl("disable", "shop"), 0, "DISABLE");
	ck_outcome(ctl("enable", "shop"), 0, "ENABLE");
	ck_outcome(ctl("kill", "shop"), 0, "KILL");
	ck_connection_lost(client);
	ck_outcome(ctl("resume", "shop"), 0, "RESUME");
	ck_outcome(ctl("pause", "nowhere"), 1, "no such database");
	ck_outcome(ctl("kill"), 3, "which database?");
	ck_outcome(ctl("reload", "shop"), 3, "too many arguments");
	ck_outcome(ctl("dance"), 3, "no such command: dance");
}
END_TEST

START_TEST(the_pooler_is_drained)
{
	PGconn *client;
	int status;

	start("");
	client = connect_client(pooler);
	ck_query_value(client, "select 1", "1");
	ck_outcome(ctl("drain"), 0, "SHUTDOWN");
	ck_query_value(client, "select 2", "2");
	disconnect(client);
	status = pooler_await_end(pooler);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(the_end_of_a_drain_is_awaited)
{
	const char *path = output();
	PGconn *client;
	pid_t pid;
	int status;

	start("");
	ck_outcome(ctl("pause", "--wait"), 3, "--wait is for drain");
	client = connect_client(pooler);
	ck_query_value(client, "select 1", "1");
	pid = begin_ctl(path, (const char *const[]){ "drain", "--wait",
	    NULL });
	wait_until(strstr(file_read(path), "waits: 0 server connections in "
	    "use, 1 clients, 0 of them waiting\n") != NULL);
	disconnect(client);
	ck_assert(process_wait(pid, &status));
	ck_outcome((struct outcome){ WEXITSTATUS(status), file_read(path) },
	    0, "ended\n");
	ck_assert_int_eq(pooler_await_end(pooler), 0);
}
END_TEST

START_TEST(the_auth_file_comes_from_postgresql)
{
	const char *path, *from, *content;
	struct stat status;

	start("");
	path = text("%s/made-userlist", pooler->directory);
	from = text("host=127.0.0.1 port=%d user=postgres dbname=postgres",
	    world.cluster.port);
	ck_outcome(ctl("userlist", "--from", from, "-o", path, "scram_user",
	    "md5_user"), 0, text("PgBouncer Userlist Generator\n"
	    "============================================\n\n"
	    "Checking PostgreSQL connectivity... OK\n\n"
	    "Extracting password hashes from PostgreSQL...\n"
	    "  - scram_user... OK\n"
	    "  - md5_user... OK\n\n"
	    "Success! Userlist generated at: %s\n"
	    "File permissions: -rw------- ", path));
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_mode & 0777, 0600);
	content = file_read(path);
	ck_assert_str_eq(content, text("\"md5_user\" \"%s\"\n"
	    "\"scram_user\" \"%s\"\n", world_secret("md5_user"),
	    world_secret("scram_user")));
	ck_outcome(ctl("userlist", "--from", from, "-o", path, "nobody_here"),
	    1, "  - nobody_here... NOT FOUND, or without a password\n\n"
	    "Nothing was written.\n");
	ck_assert_str_eq(file_read(path), content);
	ck_outcome(ctl("userlist", "--from", "host=127.0.0.1 port=1", "-o",
	    path), 1, "Checking PostgreSQL connectivity... FAILED\n");
}
END_TEST

START_TEST(top_prints_where_there_is_no_terminal)
{
	struct outcome outcome;

	start("");
	ck_query_value(connect_client(pooler), "select 1", "1");
	outcome = ctl("top", "-n", "2", "-i", "0.2");
	ck_assert_ptr_nonnull(strstr(outcome.said, "shop/app "));
	ck_assert_ptr_nonnull(strstr(outcome.said, "WORKER"));
	ck_assert_ptr_null(strchr(outcome.said, '\033'));
	ck_outcome(outcome, 0, "transactions/s");
	ck_outcome(ctl("top", "-b", "-n", "1", "--page", "servers"), 0,
	    "SERVER ");
	ck_outcome(ctl("top", "-b", "-n", "1", "--page", "times"), 0,
	    "UP TO ");
}
END_TEST

START_TEST(configurations_are_checked)
{
	const char *path;

	start("");
	ck_outcome(ctl("config", "check", pooler->ini), 0, "");
	path = text("%s/broken.ini", pooler->directory);
	ck_assert(file_write(path, "[pgbouncer]\nlisten_port = many\n"));
	ck_outcome(ctl("config", "check", path), 1, "broken.ini:2");
	ck_outcome(ctl("config"), 3, "takes one file");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pgusherctl");
	TCase *tests = world_case(suite, "pgusherctl", 60);

	if (access("./pgusherctl", X_OK) != 0)
		return 77;
	tcase_add_test(tests, reports_in_three_shapes);
	tcase_add_test(tests, a_uri_says_where_it_is);
	tcase_add_test(tests, health_is_one_line_and_a_status);
	tcase_add_test(tests, health_sees_who_waits);
	tcase_add_test(tests, a_dead_pooler_is_critical);
	tcase_add_test(tests, an_order_that_waits_tells_what_for);
	tcase_add_test(tests, an_order_is_taken_back_by_interrupt);
	tcase_add_test(tests, a_suspend_is_held);
	tcase_add_test(tests, orders_are_carried_out);
	tcase_add_test(tests, the_pooler_is_drained);
	tcase_add_test(tests, the_end_of_a_drain_is_awaited);
	tcase_add_test(tests, the_auth_file_comes_from_postgresql);
	tcase_add_test(tests, top_prints_where_there_is_no_terminal);
	tcase_add_test(tests, configurations_are_checked);
	return world_run(suite);
}
