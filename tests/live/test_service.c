/*
 * Under a service manager: what it is told, what it passes, the journal.  The
 * test plays the manager.
 */
#include "build.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_server.h"
#include "live/ask.h"
#include "live/world.h"

/* ---- what it is told ---- */

static int news_fd = -1;

static void
listen_to_news(struct pooler *pooler)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	snprintf(name.sun_path, sizeof(name.sun_path), "%s",
	    text("%s/notify", pooler->directory));
	news_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(news_fd, (struct sockaddr *)&name,
	    sizeof(name)), 0);
	setenv("NOTIFY_SOCKET", name.sun_path, 1);
}

static const char *
next_news(void)
{
	struct pollfd poller = { .fd = news_fd, .events = POLLIN };
	char news[2048];
	ssize_t got;

	ck_assert_msg(poll(&poller, 1, (int)patience_ms()) == 1,
	    "the manager is told nothing");
	got = recv(news_fd, news, sizeof(news) - 1, 0);
	ck_assert_int_gt(got, 0);
	news[got] = '\0';
	return text("%s", news);
}

/* Statistics may come in between. */
static const char *
next_event(void)
{
	const char *news;

	do
		news = next_news();
	while (strncmp(news, "STATUS=", 7) == 0);
	return news;
}

static void
ck_reload_is_told(struct pooler *pooler)
{
	long long stamp, now = now_ms();

	kill(pooler->pid, SIGHUP);
	ck_assert_int_eq(sscanf(next_event(), "RELOADING=1\nMONOTONIC_USEC="
	    "%lld", &stamp), 1);
	ck_assert_int_ge(stamp / 1000 + 1, now);
	ck_assert_str_eq(next_event(), "READY=1");
}

START_TEST(the_manager_is_told_what_happens)
{
	struct pooler *pooler = pooler_prepare(.workers = 4);
	PGconn *console;

	listen_to_news(pooler);
	pooler_launch(pooler);
	ck_assert_str_eq(next_event(), "READY=1");
	console = connect_console(pooler);
	ck_assert_uint_eq(show_count(console, "WORKERS", "state", "serving"),
	    4);
	ck_reload_is_told(pooler);
	/* One that fails is over, too. */
	pooler_rewrite(pooler, &(struct recipe){ .workers = 4,
	    .settings = "pool_mode = nonsense\n" });
	ck_reload_is_told(pooler);
	pooler_await_log(pooler, "config file loading failed");
	disconnect(console);
	kill(pooler->pid, SIGTERM);
	ck_assert_str_eq(next_event(), "STOPPING=1");
	ck_assert_int_eq(pooler_await_end(pooler), 0);
}
END_TEST

START_TEST(the_status_is_the_line_of_statistics)
{
	struct pooler *pooler = pooler_prepare(.workers = 2,
	    .settings = "stats_period = 1\nlog_stats = 0\n");
	const char *news;

	listen_to_news(pooler);
	pooler_launch(pooler);
	do
		news = next_news();
	while (strcmp(news, "READY=1") == 0);
	ck_assert_msg(strncmp(news, "STATUS=stats: ", 14) == 0, "%s", news);
	ck_assert_msg(strstr(news, " μs, wait ") != NULL, "%s", news);
	ck_assert_msg(strstr(news, " us") == NULL, "%s", news);
	ck_assert(!pooler_logged(pooler, "stats: "));
}
END_TEST

START_TEST(the_watchdog_is_patted)
{
	struct pooler *pooler = pooler_prepare(.workers = 2);
	unsigned pats = 0;

	listen_to_news(pooler);
	setenv("WATCHDOG_USEC", "400000", 1);
	pooler_launch(pooler);
	while (pats < 5)
		pats += strcmp(next_event(), "WATCHDOG=1") == 0;
}
END_TEST

/* ---- sockets that it passes ---- */

static int
open_unix(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	ck_assert_int_eq(chmod(path, 0777), 0);
	ck_assert_int_eq(listen(fd, 128), 0);
	return fd;
}

/* LISTEN_PID is only known when it runs, and stays through exec. */
static void
wrap_program(unsigned passed)
{
	const char *path = text("%s/run-%d", world.directory, (int)getpid());
	char *program = realpath(pooler_program(), NULL);

	ck_assert(file_write(path, text("#!/bin/sh\n"
	    "LISTEN_PID=$$\nLISTEN_FDS=%u\nexport LISTEN_PID LISTEN_FDS\n"
	    "exec %s \"$@\"\n", passed, program)));
	ck_assert_int_eq(chmod(path, 0755), 0);
	setenv("PGUSHER", path, 1);
	free(program);
}

START_TEST(passed_sockets_are_all_that_is_listened_on)
{
	struct pooler *pooler = pooler_prepare(.workers = 3,
	    .settings = "listen_addr = 127.0.0.9\n");
	int second_port = world_port();
	const char *path = text("%s/.s.PGSQL.%d", pooler->directory,
	    pooler->port);
	int passed[] = { fake_server_listen(pooler->port), open_unix(path),
	    fake_server_listen(second_port), -1 };
	PGconn *console, *clients[12], *client;
	struct stat status;
	pid_t workers[3];

	wrap_program(3);
	pooler->passed = passed;
	pooler_launch(pooler);
	ck_assert(pooler_logged(pooler,
	    "socket passed from service manager (fd 4)"));
	ck_assert(pooler_logged(pooler, "WARNING sockets passed from service "
	    "manager, cf_listen_addr ignored"));
	ck_assert(pooler_logged(pooler, "WARNING sockets passed from service "
	    "manager, cf_unix_socket_dir ignored"));
	ck_assert(!pooler_logged(pooler, "listening on 127.0.0.9"));

	/* All workers accept from the one socket, evenly enough. */
	console = connect_to(text("host=%s port=%d user=admin "
	    "dbname=pgbouncer", pooler->directory, pooler->port));
	wait_until(show_count(console, "WORKERS", "state", "serving") == 3);
	for (unsigned i = 0; i < 12; i++)
		clients[i] = connect_to(text("host=127.0.0.1 port=%d "
		    "user=app dbname=shop", i % 2 == 0 ? pooler->port :
		    second_port));
	for (unsigned slot = 0; slot < 3; slot++)
		ck_assert_int_ge(show_number(console, "WORKERS", "slot",
		    text("%u", slot), "clients"), 2);
	for (unsigned i = 0; i < 12; i++) {
		ck_query_value(clients[i], "select 1", "1");
		disconnect(clients[i]);
	}
	disconnect(console);

	/* A worker that dies leaves the sockets to the others. */
	ck_assert_uint_eq(pooler_children(pooler, workers, 3), 3);
	for (unsigned i = 0; i < 3; i++)
		kill(workers[i], SIGKILL);
	for (unsigned i = 0; i < 3; i++)
		wait_until(!process_alive(workers[i]));
	client = connect_to(text("host=127.0.0.1 port=%d user=app "
	    "dbname=shop", second_port));
	ck_query_value(client, "select 1", "1");
	disconnect(client);

	pooler_stop(pooler);
	ck_assert_msg(stat(path, &status) == 0,
	    "the manager's socket was removed");
	for (unsigned i = 0; i < 3; i++)
		close(passed[i]);
}
END_TEST

/* Whether a process has a socket of ours; of what is not shown it has none. */
static bool
has_socket(pid_t pid, int fd)
{
	DIR *directory = opendir(text("/proc/%d/fd", (int)pid));
	struct dirent *entry;
	struct stat status;
	bool found = false;

	ck_assert_int_eq(fstat(fd, &status), 0);
	while (directory != NULL && !found &&
	    (entry = readdir(directory)) != NULL) {
		struct stat other;

		found = fstatat(dirfd(directory), entry->d_name, &other, 0) ==
		    0 && other.st_dev == status.st_dev &&
		    other.st_ino == status.st_ino;
	}
	if (directory != NULL)
		closedir(directory);
	return found;
}

/* Who comes in a drain waits in the manager's socket for the next of us. */
START_TEST(a_drain_leaves_the_queue_to_the_next)
{
	struct pooler *pooler = pooler_prepare(.workers = 2);
	int passed[] = { fake_server_listen(pooler->port), -1 };
	PGconn *client, *late;
	pid_t workers[2];

	wrap_program(1);
	pooler->passed = passed;
	pooler_launch(pooler);
	client = connect_client(pooler);
	ck_query_ok(client, "begin");
	ck_assert_uint_eq(pooler_children(pooler, workers, 2), 2);
	kill(pooler->pid, SIGTERM);
	pooler_await_log(pooler, "waiting for all clients disconnect");
	for (unsigned i = 0; i < 2; i++)
		wait_until(!has_socket(workers[i], passed[0]));
	late = PQconnectStart(login_string(pooler, "user=app dbname=shop"));
	ck_query_ok(client, "commit");
	disconnect(client);
	ck_assert_int_eq(pooler_await_end(pooler), 0);
	pooler_launch(pooler);
	while (PQstatus(late) != CONNECTION_OK) {
		ck_assert_msg(PQstatus(late) != CONNECTION_BAD, "%s",
		    PQerrorMessage(late));
		PQconnectPoll(late);
		nap();
	}
	ck_query_value(late, "select 1", "1");
	PQfinish(late);
	close(passed[0]);
}
END_TEST

START_TEST(a_passed_file_is_refused)
{
	struct pooler *pooler = pooler_prepare(.workers = 2);
	const char *arguments[] = { pooler->ini, NULL };
	int passed[] = { open("/dev/null", O_RDONLY | O_CLOEXEC), -1 };

	wrap_program(1);
	pooler->passed = passed;
	ck_assert_int_eq(pooler_run(pooler, arguments), 1);
	ck_assert(pooler_logged(pooler, "cannot listen on fd 3, passed from "
	    "service manager: it is not a listening socket"));
	close(passed[0]);
}
END_TEST

/* ---- the journal ---- */

START_TEST(the_journal_gets_priorities_and_no_time)
{
	struct pooler *pooler = pooler_prepare(.workers = 2);
	struct stat status;
	char *content, *end;

	ck_assert(file_write(pooler->log, ""));
	ck_assert_int_eq(stat(pooler->log, &status), 0);
	setenv("JOURNAL_STREAM", text("%" PRIu64 ":%" PRIu64,
	    (uint64_t)status.st_dev, (uint64_t)status.st_ino), 1);
	pooler_launch(pooler);
	ck_login_fails(pooler, "user=app dbname=nowhere", "08P01",
	    "no such database: nowhere");
	pooler_await_log(pooler, "pooler error: no such database");
	content = file_read(pooler->log);
	/* What has no end yet is being written. */
	for (char *line = content; (end = strchr(line, '\n')) != NULL;
	    line = end + 1)
		ck_assert_msg(line[0] == '<' && line[2] == '>', "%.80s",
		    line);
	ck_assert_ptr_nonnull(strstr(content, "<6>process up: "));
	ck_assert_ptr_nonnull(strstr(content, "<4>C-0x"));
	free(content);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("service");
	TCase *tests = world_case(suite, "service", 30);

	if (!pooler_is_pgusher())
		return 77;
#ifdef HAVE_SYSTEMD
	tcase_add_test(tests, the_manager_is_told_what_happens);
	tcase_add_test(tests, the_status_is_the_line_of_statistics);
	tcase_add_test(tests, the_watchdog_is_patted);
	tcase_add_test(tests, passed_sockets_are_all_that_is_listened_on);
	tcase_add_test(tests, a_drain_leaves_the_queue_to_the_next);
	tcase_add_test(tests, a_passed_file_is_refused);
#endif
	tcase_add_test(tests, the_journal_gets_priorities_and_no_time);
	return world_run(suite);
}
