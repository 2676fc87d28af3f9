/*
 * Whole lives of the supervisor, with a stand-in for the worker that knows no
 * PostgreSQL: it answers each connection with its slot and process id, and
 * does what the letter says that the client sends.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "contract/orders.h"
#include "fake/port.h"
#include "net/fdpass.h"
#include "supervisor/supervisor.h"

#define PATIENCE (20 * USEC_PER_SEC)

/*
 * The stand-in worker
 */

static const struct inheritance *in;
static struct pollfd news[LISTENERS_MOST + 2];
#define FIRST_LISTENER 2	/* its place in news */

static void
tell(uint32_t kind, uint32_t id, uint32_t mode)
{
	struct order order = { .kind = kind, .id = id, .mode = mode };

	if (!fdpass_send(in->orders_fd, &order, sizeof(order), -1))
		_exit(3);
}

static void
take_bundle(const struct order *order, int fd)
{
	struct error error;
	struct files *files = files_unpack(fd, &error);
	struct config *config = files == NULL ? NULL :
	    config_load(files, in->config->path, &error);

	if (config == NULL)
		_exit(5);
	log_info("slot %u: %d clients", in->slot, config->max_client_conn);
	config_free(config);
	files_free(files);
	tell(ORDER_DONE, order->id, 0);
}

static void
close_listeners(void)
{
	for (unsigned i = 0; i < in->listener_count; i++) {
		if (in->listeners[i].is_unix)
			continue;
		close(in->listeners[i].fd);
		news[FIRST_LISTENER + i].fd = -1;
	}
	log_info("slot %u: listeners are closed", in->slot);
}

static void
take_orders(void)
{
	struct order order;
	int fd;

	while (fdpass_receive(in->orders_fd, &order, sizeof(order), &fd) >
	    0) {
		if (order.kind == ORDER_LOG_FILE) {
			log_set_file(fd);
			continue;
		}
		if (order.kind == ORDER_CONFIG)
			take_bundle(&order, fd);
		else if (order.kind == ORDER_ANSWER)
			log_info("slot %u: answer %u: %u %s", in->slot,
			    order.id, order.ok, order.text);
		else if (order.kind == ORDER_CLOSE_LISTENERS)
			close_listeners();
		if (fd != -1)
			close(fd);
	}
}

static void
obey(char letter)
{
	struct roster_row *row = &in->segment->roster[in->slot];

	if (letter == 'R')
		tell(ORDER_ASK_RELOAD, 7, 0);
	else if (letter == 'N')
		tell(ORDER_ASK_SHUTDOWN, 0, SHUTDOWN_NOW);
	else if (letter == '+')
		atomic_fetch_add(&row->counted, 1);
	else if (letter == '-')
		for (unsigned i = 0; i < ROSTER_SLOTS; i++)
			atomic_store(&in->segment->roster[i].counted, 0);
}

static void
serve(int fd)
{
	char text[64], letter;
	int length;

	length = snprintf(text, sizeof(text), "%u %d", in->slot,
	    (int)getpid());
	if (recv(fd, &letter, 1, 0) == 1)
		obey(letter);
	if (send(fd, text, (size_t)length, MSG_NOSIGNAL) == -1)
		log_info("slot %u: a client has left", in->slot);
	close(fd);
}

static void
serve_guest(void)
{
	struct inbox_message message;
	int fd;

	while (fdpass_receive(in->inbox_fd, &message, sizeof(message), &fd) >
	    0)
		if (fd != -1)
			serve(fd);
}

static int
stand_in(const struct inheritance *inheritance)
{
	nfds_t count = 0;

	in = inheritance;
	if (in->slot == 0 && getenv("SLOT_0_FAILS") != NULL)
		return 1;
	news[count++] = (struct pollfd){ in->orders_fd, POLLIN, 0 };
	news[count++] = (struct pollfd){ in->inbox_fd, POLLIN, 0 };
	for (unsigned i = 0; i < in->listener_count; i++)
		news[count++] = (struct pollfd){ in->listeners[i].fd, POLLIN,
		    0 };
	atomic_store(&in->segment->roster[in->slot].phase, ROSTER_SERVING);
	tell(ORDER_READY, 0, 0);
	for (;;) {
		if (poll(news, count, -1) == -1)
			continue;
		take_orders();
		serve_guest();
		for (unsigned i = 0; i < in->listener_count; i++) {
			int fd = accept(news[FIRST_LISTENER + i].fd, NULL,
			    NULL);

			if (fd != -1)
				serve(fd);
		}
	}
}

/* It holds what is its own and nothing else. */
static int
help(const struct inheritance *inheritance)
{
	struct pollfd end = { inheritance->lifeline_fd, POLLIN, 0 };

	log_info("helper %d, life %u, %s", (int)getpid(), atomic_load(
	    &inheritance->segment->hosts_head->helper_life),
	    inheritance->server_fds == NULL &&
	    inheritance->listener_count == 0 ? "sound" : "confused");
	while (poll(&end, 1, -1) == -1)
		continue;
	return 1;
}

static void
repair(struct segment *segment, uint32_t slot, usec_t now)
{
	log_info("repair of slot %u", slot);
}

/*
 * The supervisor, in a process of its own
 */

static char directory[] = "/tmp/pgusher-test-XXXXXX";
static char ini[64], logfile[64], socket_path[100], pidfile[64];
static uint16_t port;
static pid_t supervisor;

static void
configure(const char *more)
{
	FILE *file = fopen(ini, "w");

	ck_assert_ptr_nonnull(file);
	fprintf(file, "[pgbouncer]\nworkers = 2\nlisten_addr = 127.0.0.1\n"
	    "listen_port = %u\nunix_socket_dir = %s\nlogfile = %s\n"
	    "pidfile = %s\ntcp_defer_accept = 0\n%s%s\n", port, directory,
	    logfile, pidfile, geteuid() == 0 ? "user = nobody\n" : "", more);
	fclose(file);
}

static void
start(void)
{
	static const struct supervisor_lives lives = {
	    .worker_run = stand_in, .helper_run = help,
	    .repair_after_death = repair };
	struct supervisor_options options = { .config_path = ini,
	    .quiet = true };
	struct log_settings silent = { .file_fd = -1 };

	supervisor = fork();
	if (supervisor != 0)
		return;
	log_configure(&silent);
	_exit(supervisor_run(&options, &lives));
}

static int
await_end(void)
{
	int status;

	ck_assert_int_eq(waitpid(supervisor, &status, 0), supervisor);
	supervisor = 0;
	return status;
}

/* How often the log has this line's part by now. */
static unsigned
times_logged(const char *what)
{
	static char text[1 << 20];
	FILE *file = fopen(logfile, "r");
	unsigned times = 0;
	size_t length;

	if (file == NULL)
		return 0;
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';
	for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
		times++;
	return times;
}

static void
expect_times(unsigned times, const char *what)
{
	usec_t until = clock_now() + PATIENCE;

	while (times_logged(what) < times) {
		ck_assert_msg(clock_now() < until, "not logged: %s", what);
		usleep(2000);
	}
}

#define expect(what) expect_times(1, what)

/* A connection to whoever listens; -1: nobody does. */
static int
call(int family)
{
	struct sockaddr_in tcp = { .sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	int fd = socket(family, SOCK_STREAM, 0);

	snprintf(local.sun_path, sizeof(local.sun_path), "%s", socket_path);
	if (connect(fd, family == AF_INET ? (struct sockaddr *)&tcp :
	    (struct sockaddr *)&local, family == AF_INET ? sizeof(tcp) :
	    sizeof(local)) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
await_nobody(int family)
{
	usec_t until = clock_now() + PATIENCE;

	for (int fd; (fd = call(family)) != -1;) {
		ck_assert(clock_now() < until);
		close(fd);
		usleep(2000);
	}
}

/* Says a letter to whoever accepts; false: nobody is there. */
static bool
say(int family, char letter, unsigned *slot_out, int *pid_out)
{
	int fd = call(family);
	char text[64];
	ssize_t got;

	if (fd == -1)
		return false;
	ck_assert_int_eq(send(fd, &letter, 1, MSG_NOSIGNAL), 1);
	got = recv(fd, text, sizeof(text) - 1, 0);
	close(fd);
	if (got <= 0)
		return false;
	text[got] = '\0';
	ck_assert_int_eq(sscanf(text, "%u %d", slot_out, pid_out), 2);
	return true;
}

static void
ask(char letter)
{
	unsigned slot;
	int pid;

	ck_assert(say(AF_UNIX, letter, &slot, &pid));
}

/* The process that serves this slot, found by asking around. */
static int
pid_of_slot(unsigned wanted)
{
	usec_t until = clock_now() + PATIENCE;
	unsigned slot = ROSTER_SLOTS;
	int pid = 0;

	while (!say(AF_INET, '.', &slot, &pid) || slot != wanted)
		ck_assert(clock_now() < until);
	return pid;
}

static void
begin(void)
{
	memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	port = (uint16_t)port_claim();
	snprintf(ini, sizeof(ini), "%s/ini", directory);
	snprintf(logfile, sizeof(logfile), "%s/log", directory);
	snprintf(pidfile, sizeof(pidfile), "%s/pid", directory);
	snprintf(socket_path, sizeof(socket_path), "%s/.s.PGSQL.%u",
	    directory, port);
	configure("");
	start();
	expect("process up: PgBouncer ");
}

static void
end(void)
{
	char command[64];

	if (supervisor != 0) {
		kill(supervisor, SIGQUIT);
		waitpid(supervisor, NULL, 0);
	}
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(a_life_begins_with_its_lines_and_leaves_nothing)
{
	char text[64];

	expect("kernel file descriptor limit: ");
	snprintf(text, sizeof(text), "listening on 127.0.0.1:%u\n", port);
	expect(text);
	snprintf(text, sizeof(text), "listening on unix:%s", directory);
	expect(text);
	ck_assert_int_eq(access(pidfile, F_OK), 0);
	ck_assert_int_eq(access(socket_path, F_OK), 0);
	kill(supervisor, SIGQUIT);
	ck_assert_int_eq(await_end(), 0);
	expect("got SIGQUIT, fast exit");
	ck_assert_int_eq(access(pidfile, F_OK), -1);
	ck_assert_int_eq(access(socket_path, F_OK), -1);
}
END_TEST

START_TEST(a_killed_worker_is_repaired_and_replaced_in_its_slot)
{
	int first = pid_of_slot(1), second;

	kill(first, SIGKILL);
	expect("repair of slot 1");
	expect("was killed by signal 9 (Killed)");
	second = pid_of_slot(1);
	ck_assert_int_ne(first, second);
}
END_TEST

static int
helper_of_life(unsigned life)
{
	static char text[1 << 20];
	char what[32];
	const char *at;
	FILE *file;

	snprintf(what, sizeof(what), ", life %u, sound", life);
	expect(what);
	file = fopen(logfile, "r");
	ck_assert_ptr_nonnull(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	at = strstr(text, what);
	while (at > text && strncmp(at, "helper ", 7) != 0)
		at--;
	return atoi(at + 7);
}

START_TEST(a_killed_helper_is_replaced)
{
	int first = helper_of_life(1), second;

	kill(first, SIGKILL);
	expect("was killed by signal 9 (Killed), replacing it");
	second = helper_of_life(2);
	ck_assert_int_ne(first, second);
	/* A new log file is for a new one. */
	kill(supervisor, SIGHUP);
	second = helper_of_life(3);
	ck_assert_uint_eq(times_logged("replacing it"), 1);
	ck_assert_uint_eq(times_logged("repair of slot"), 0);
	kill(supervisor, SIGQUIT);
	ck_assert_int_eq(await_end(), 0);
	ck_assert_int_eq(kill(second, 0), -1);
}
END_TEST

/* The kernel gives slot 1 its share all the time, worker or not. */
START_TEST(no_connection_is_lost_while_workers_are_killed)
{
	unsigned slot;
	int pid;

	for (int i = 0; i < 100; i++) {
		if (i % 10 == 5)
			kill(pid_of_slot(i / 10 % 2), SIGKILL);
		/* One that died with it had been accepted: ask again. */
		if (!say(AF_INET, '.', &slot, &pid))
			ck_assert(say(AF_INET, '.', &slot, &pid));
	}
	expect_times(10, "replacing it");
}
END_TEST

START_TEST(a_reload_reaches_all_and_is_answered)
{
	configure("max_client_conn = 77\n");
	ask('R');
	expect("answer 7: 1");
	expect("slot 0: 77 clients");
	expect("slot 1: 77 clients");
}
END_TEST

START_TEST(a_reload_by_signal_says_so)
{
	configure("max_client_conn = 78\n");
	kill(supervisor, SIGHUP);
	expect("got SIGHUP, re-reading config");
	expect("slot 0: 78 clients");
	expect("slot 1: 78 clients");
}
END_TEST

START_TEST(a_bad_configuration_changes_nothing_and_says_where)
{
	configure("max_client_conn = many\n");
	ask('R');
	expect("config file loading failed");
	expect("answer 7: 0 ");
	expect("max_client_conn");
	ck_assert_uint_eq(times_logged("clients\n"), 0);
	ask('.');
}
END_TEST

START_TEST(more_clients_than_there_is_room_for_need_a_restart)
{
	configure("max_client_conn = 900000\n");
	ask('R');
	expect("until the next restart");
	expect("answer 7: 0 ");
}
END_TEST

START_TEST(a_worker_that_dies_in_a_reload_is_not_waited_for)
{
	int pid = pid_of_slot(1);

	kill(pid, SIGSTOP);
	/* The other one asks, whoever accepts. */
	kill(supervisor, SIGHUP);
	expect("slot 0: 100 clients");
	kill(pid, SIGKILL);
	expect("repair of slot 1");
	ask('R');
	expect("answer 7: 1");
}
END_TEST

START_TEST(the_log_may_be_rotated)
{
	char old[80];

	snprintf(old, sizeof(old), "%s.1", logfile);
	ck_assert_int_eq(rename(logfile, old), 0);
	ask('R');
	/* All processes write to the new file. */
	expect("slot 0: 100 clients");
	expect("slot 1: 100 clients");
}
END_TEST

START_TEST(term_waits_for_clients)
{
	unsigned slot;
	int pid;

	ask('+');
	kill(supervisor, SIGTERM);
	expect("got SIGTERM, shutting down, waiting for all clients "
	    "disconnect");
	expect_times(2, ": listeners are closed");
	/* Others may have the port now; the Unix socket stays. */
	ck_assert(!say(AF_INET, '.', &slot, &pid));
	ask('-');
	ck_assert_int_eq(await_end(), 0);
	expect("client connections dropped, exiting");
}
END_TEST

START_TEST(term_twice_does_not_wait)
{
	ask('+');
	kill(supervisor, SIGTERM);
	expect("got SIGTERM, shutting down");
	kill(supervisor, SIGTERM);
	ck_assert_int_eq(await_end(), 0);
	expect("got SIGTERM while shutting down, fast exit");
}
END_TEST

START_TEST(int_waits_for_servers_only)
{
	ask('+');
	kill(supervisor, SIGINT);
	ck_assert_int_eq(await_end(), 0);
	expect("got SIGINT, shutting down, waiting for all servers "
	    "connections to be released");
	expect("server connections dropped, exiting");
}
END_TEST

START_TEST(the_console_shuts_down_as_well)
{
	unsigned slot;
	int pid;

	/* It may be gone before it has answered. */
	if (!say(AF_UNIX, 'N', &slot, &pid))
		ck_assert_int_ne(supervisor, 0);
	ck_assert_int_eq(await_end(), 0);
}
END_TEST

START_TEST(pausing_and_resuming_by_signal)
{
	kill(supervisor, SIGUSR2);
	expect("got SIGUSR2, but not paused/suspended");
	kill(supervisor, SIGUSR1);
	expect("got SIGUSR1, pausing all activity");
	kill(supervisor, SIGUSR1);
	expect("got SIGUSR1, but already paused/suspended");
	kill(supervisor, SIGUSR2);
	expect("got SIGUSR2, continuing from PAUSE");
}
END_TEST

START_TEST(workers_do_not_outlive_a_killed_supervisor)
{
	/* Who is just being born finds out by itself, and takes its time. */
	(void)pid_of_slot(0);
	(void)pid_of_slot(1);
	kill(supervisor, SIGKILL);
	await_end();
	/* The signal is on its way to them when the supervisor is gone. */
	await_nobody(AF_INET);
	await_nobody(AF_UNIX);
	start();
	expect_times(2, "process up: ");
	expect("stale pidfile, removing");
	ask('.');
}
END_TEST

START_TEST(a_second_one_does_not_start)
{
	pid_t first = supervisor;

	start();
	ck_assert_int_eq(WEXITSTATUS(await_end()), 1);
	expect("FATAL unix socket is in use, cannot continue");
	supervisor = first;
	ask('.');
}
END_TEST

START_TEST(a_second_one_with_the_same_pidfile_does_not_start)
{
	pid_t first = supervisor;
	char text[160];

	/* The last value counts. */
	configure("unix_socket_dir = \nlisten_addr = 127.0.0.2\n");
	start();
	ck_assert_int_eq(WEXITSTATUS(await_end()), 1);
	snprintf(text, sizeof(text),
	    "FATAL pidfile '%s' exists, another instance running?", pidfile);
	expect(text);
	supervisor = first;
	ask('.');
}
END_TEST

START_TEST(a_worker_that_always_fails_is_put_off_and_others_take_over)
{
	unsigned slot;
	int pid;

	kill(supervisor, SIGQUIT);
	await_end();
	setenv("SLOT_0_FAILS", "1", 1);
	start();
	expect_times(2, "process up: ");
	expect("because it fails early");
	for (int i = 0; i < 40; i++) {
		ck_assert(say(AF_INET, '.', &slot, &pid));
		ck_assert_uint_eq(slot, 1);
	}
	unsetenv("SLOT_0_FAILS");
}
END_TEST

START_TEST(statistics_are_logged_each_period)
{
	configure("stats_period = 1\n");
	ask('R');
	expect("stats: 0 xacts/s, 0 queries/s");
}
END_TEST

static const struct {
	const char	*story, *more, *text;
} hopeless[] = {
	{ "nowhere to listen", "listen_addr = \nunix_socket_dir = \n"
	    "pidfile = \n", "FATAL nowhere to listen on" },
	{ "an address of somebody else", "listen_addr = 203.0.113.1\n"
	    "unix_socket_dir = \npidfile = \n", "FATAL failed to listen on "
	    "any address in listen_addr list: 203.0.113.1" },
	{ "nobody", "user = no-such-user\n",
	    "FATAL could not find user 'no-such-user'" },
};

START_TEST(what_does_not_start)
{
	pid_t first = supervisor;
	char *errors;
	size_t length;
	FILE *file;
	int tube[2];

	configure(hopeless[_i].more);
	/* Before there is a log file, reasons go to stderr. */
	ck_assert_int_eq(pipe(tube), 0);
	supervisor = fork();
	if (supervisor == 0) {
		static const struct supervisor_lives lives = {
		    .worker_run = stand_in, .repair_after_death = repair };
		struct supervisor_options options = { .config_path = ini };

		dup2(tube[1], STDERR_FILENO);
		_exit(supervisor_run(&options, &lives));
	}
	close(tube[1]);
	ck_assert_int_eq(WEXITSTATUS(await_end()), 1);
	file = open_memstream(&errors, &length);
	for (char byte; read(tube[0], &byte, 1) == 1;)
		fputc(byte, file);
	fclose(file);
	close(tube[0]);
	ck_assert_msg(strstr(errors, hopeless[_i].text) != NULL, "%s: %s",
	    hopeless[_i].story, errors);
	free(errors);
	supervisor = first;
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("supervisor");
	TCase *tests = tcase_create("supervisor");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests,
	    a_life_begins_with_its_lines_and_leaves_nothing);
	tcase_add_test(tests,
	    a_killed_worker_is_repaired_and_replaced_in_its_slot);
	tcase_add_test(tests, a_killed_helper_is_replaced);
	tcase_add_test(tests, no_connection_is_lost_while_workers_are_killed);
	tcase_add_test(tests, a_reload_reaches_all_and_is_answered);
	tcase_add_test(tests, a_reload_by_signal_says_so);
	tcase_add_test(tests,
	    a_bad_configuration_changes_nothing_and_says_where);
	tcase_add_test(tests,
	    more_clients_than_there_is_room_for_need_a_restart);
	tcase_add_test(tests,
	    a_worker_that_dies_in_a_reload_is_not_waited_for);
	tcase_add_test(tests, the_log_may_be_rotated);
	tcase_add_test(tests, term_waits_for_clients);
	tcase_add_test(tests, term_twice_does_not_wait);
	tcase_add_test(tests, int_waits_for_servers_only);
	tcase_add_test(tests, the_console_shuts_down_as_well);
	tcase_add_test(tests, pausing_and_resuming_by_signal);
	tcase_add_test(tests, workers_do_not_outlive_a_killed_supervisor);
	tcase_add_test(tests, a_second_one_does_not_start);
	tcase_add_test(tests,
	    a_second_one_with_the_same_pidfile_does_not_start);
	tcase_add_test(tests,
	    a_worker_that_always_fails_is_put_off_and_others_take_over);
	tcase_add_test(tests, statistics_are_logged_each_period);
	tcase_add_loop_test(tests, what_does_not_start, 0,
	    (int)ARRAY_LENGTH(hopeless));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
