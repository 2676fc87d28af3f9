/*
 * Where a driver's own test plays: a cluster, a pooler of two workers in front
 * of it, and the program that is to be run, told by its environment where
 * they are.
 *
 *	stage COMMAND [ARGUMENT...]
 *
 *     PGHOST PGPORT PGDATABASE PGUSER PGPASSWORD
 *                    the pooler; transaction mode, fewer servers than the
 *                    test has connections, login by SCRAM
 *     SESSION_DATABASE   the same in session mode
 *                    Any other database is that of its name, in session
 *                    mode.
 *     DIRECT_PORT    PostgreSQL itself, user postgres, trusted
 *     STAGE_ORDERS, STAGE_ANSWERS
 *                    two FIFOs: "restart\n" into the first stops PostgreSQL
 *                    as a crash would, and starts it; "done\n" comes out of
 *                    the second then
 *     STAGE_SCRATCH  an empty directory
 *
 * Exit status 77 of the command: it found that it cannot run here.
 */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live/ask.h"
#include "live/world.h"

#define USER "scram_user"
static char *const *command;
static const char *verdict;	/* file in which the test says "skip" */

/* A driver that waits for what never comes; compilers are slow, too. */
static int
limit_seconds(void)
{
	return 120 + (int)(patience_ms() / 1000) * 4;
}

static void
set(const char *name, const char *value)
{
	ck_assert_int_eq(setenv(name, value, 1), 0);
}

static void
set_environment(const struct pooler *pooler, const char *scratch)
{
	set("PGHOST", "127.0.0.1");
	set("PGPORT", text("%d", pooler->port));
	set("PGDATABASE", "shop");
	set("PGUSER", USER);
	set("PGPASSWORD", USER "_secret");
	set("SESSION_DATABASE", "session");
	set("DIRECT_PORT", text("%d", world.cluster.port));
	set("STAGE_ORDERS", text("%s/orders", scratch));
	set("STAGE_ANSWERS", text("%s/answers", scratch));
	set("STAGE_SCRATCH", text("%s/files", scratch));
	unsetenv("PGSERVICE");
	unsetenv("PGOPTIONS");
	unsetenv("PGAPPNAME");
}

static const char *
make_scratch(const struct pooler *pooler)
{
	const char *scratch = text("%s/stage", pooler->directory);

	ck_assert_int_eq(mkdir(scratch, 0755), 0);
	ck_assert_int_eq(mkdir(text("%s/files", scratch), 0777), 0);
	ck_assert_int_eq(mkfifo(text("%s/orders", scratch), 0600), 0);
	ck_assert_int_eq(mkfifo(text("%s/answers", scratch), 0600), 0);
	return scratch;
}

/* Whoever writes waits until somebody reads, and the other way around. */
static void
answer_orders(int orders, const char *scratch)
{
	char order[16];
	ssize_t got = read(orders, order, sizeof(order) - 1);
	int answers;

	if (got <= 0)
		return;
	order[got] = '\0';
	ck_assert_str_eq(order, "restart\n");
	ck_assert(cluster_stop(&world.cluster));
	ck_assert(cluster_start(&world.cluster));
	answers = open(text("%s/answers", scratch), O_WRONLY | O_CLOEXEC);
	ck_assert_int_ne(answers, -1);
	ck_assert_int_eq(write(answers, "done\n", 5), 5);
	close(answers);
}

static int
play(const char *scratch)
{
	/* For reading and writing: it never is at its end. */
	int orders = open(text("%s/orders", scratch), O_RDWR | O_NONBLOCK |
	    O_CLOEXEC);
	pid_t pid = fork();
	long long end = now_ms() + limit_seconds() * 1000;
	int status = 0;

	ck_assert_int_ne(orders, -1);
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_DFL);
		execvp(command[0], command);
		_exit(127);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		struct pollfd ready = { orders, POLLIN, 0 };

		if (poll(&ready, 1, 20) == 1)
			answer_orders(orders, scratch);
		if (now_ms() > end)
			kill(pid, SIGKILL);
	}
	close(orders);
	ck_assert_msg(WIFEXITED(status), "it was killed by signal %d",
	    WTERMSIG(status));
	return WEXITSTATUS(status);
}

START_TEST(the_driver_notices_nothing)
{
	const char *place = world_place();
	struct pooler *pooler = pooler_start(.workers = 2,
	    .databases = text("shop = %s\n"
	    "session = %s pool_mode=session pool_size=8\n"
	    "* = host=127.0.0.1 port=%d pool_mode=session pool_size=8\n",
	    place, place, world.cluster.port),
	    .settings = "auth_type = scram-sha-256\n"
	    "default_pool_size = 2\n"
	    "server_check_delay = 0\n"
	    "server_login_retry = 1\n"
	    "ignore_startup_parameters = extra_float_digits\n");
	const char *scratch = make_scratch(pooler);
	PGconn *direct = world_direct();
	int status;

	ck_query_ok(direct, "grant pg_signal_backend to " USER);
	disconnect(direct);
	set_environment(pooler, scratch);
	status = play(scratch);
	if (status == 77)
		ck_assert(file_write(verdict, "skip"));
	else
		ck_assert_int_eq(status, 0);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *suite = suite_create("driver");
	TCase *tests = world_case(suite, "driver", limit_seconds());
	char name[] = "/tmp/pgusher-stage-XXXXXX";
	char *said;
	int fd, status;

	if (argc < 2)
		return 99;
	command = argv + 1;
	fd = mkstemp(name);
	if (fd == -1)
		return 99;
	close(fd);
	verdict = name;
	tcase_add_test(tests, the_driver_notices_nothing);
	status = world_run(suite);
	said = file_read(name);
	if (status == 0 && strcmp(said, "skip") == 0)
		status = 77;
	free(said);
	unlink(name);
	return status;
}
