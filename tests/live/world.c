#include "live/world.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/port.h"
#include "live/ask.h"
#include "live/pooler.h"

struct world world;

/* A test that has failed frees nothing; the pooler has its own options. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

static const char roles[] =
	"create role app login;"
	"create role other login;"
	"create role refused_user login;"
	"set password_encryption = 'scram-sha-256';"
	"create role clear_user login password 'clear_user_secret';"
	"create role scram_user login password 'scram_user_secret';"
	"set password_encryption = 'md5';"
	"create role md5_user login password 'md5_user_secret';"
	"grant all on schema public to public;"
	"grant pg_read_all_stats to app;";

int
world_port(void)
{
	return port_claim();
}

const char *
world_make_directory(const char *name)
{
	char path[sizeof(world.directory) + 40];

	snprintf(path, sizeof(path), "%s/%s-XXXXXX", world.directory, name);
	ck_assert_msg(mkdtemp(path) != NULL, "no directory %s", path);
	ck_assert_int_eq(chmod(path, 0755), 0);
	return text("%s", path);
}

const char *
world_place(void)
{
	return text("host=127.0.0.1 port=%d dbname=postgres",
	    world.cluster.port);
}

PGconn *
world_direct(void)
{
	return connect_to(text("%s user=postgres sslmode=disable",
	    world_place()));
}

const char *
world_secret(const char *user)
{
	PGconn *direct = world_direct();
	const char *secret = query_value(direct, text(
	    "select rolpassword from pg_authid where rolname = '%s'", user));

	disconnect(direct);
	return secret;
}

/* Runs in the process of each test, before it. */
static void
enter(void)
{
	PGconn *direct;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	ck_assert_msg(cluster_start(&world.cluster),
	    "PostgreSQL does not start");
	/* Queries that a test before has left behind. */
	direct = world_direct();
	ck_query_ok(direct, "select pg_terminate_backend(pid, 5000) from "
	    "pg_stat_activity where usename <> 'postgres'");
	disconnect(direct);
}

/* After a test that has passed; what a failed one leaves Check kills. */
static void
leave(void)
{
	disconnect_all();
	poolers_stop();
}

TCase *
world_case(Suite *suite, const char *name, int seconds)
{
	TCase *tests = tcase_create(name);

	tcase_add_checked_fixture(tests, enter, leave);
	tcase_set_timeout(tests, seconds + (double)patience_ms() / 500);
	suite_add_tcase(suite, tests);
	return tests;
}

/* Its last lines, but all of what a sanitizer says. */
static void
print_tail(const char *path, const char *name)
{
	char *content = file_read(path);
	char *from = content + strlen(content);
	char *report = strstr(content, "==ERROR: ");

	for (unsigned lines = 0; from > content && lines <= 25; )
		if (*--from == '\n')
			lines++;
	if (report != NULL && report < from)
		from = report;
	printf("---- %s (end of it)\n%s\n", name,
	    from == content ? from : from + 1);
	free(content);
}

/* A test that passes removes its logs, so these are of the others. */
static void
print_logs(void)
{
	const char *path = text("%s/log", world.directory);
	DIR *directory = opendir(path);
	struct dirent *entry;

	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL)
		if (strncmp(entry->d_name, "test-", 5) == 0)
			print_tail(text("%s/%s", path, entry->d_name),
			    entry->d_name + 5);
	closedir(directory);
}

static bool
make_directory(void)
{
	const char *base = getenv("TMPDIR");
	uid_t uid;
	gid_t gid;

	/* Unix sockets have short names. */
	if (base == NULL || strlen(base) > 40)
		base = "/tmp";
	snprintf(world.directory, sizeof(world.directory),
	    "%s/pgusher-live-XXXXXX", base);
	return cluster_account(&uid, &gid) &&
	    mkdtemp(world.directory) != NULL &&
	    chmod(world.directory, 0755) == 0 &&
	    mkdir(text("%s/log", world.directory), 0755) == 0 &&
	    (uid == 0 || (chown(world.directory, uid, gid) == 0 &&
	    chown(text("%s/log", world.directory), uid, gid) == 0));
}

static bool
begin(void)
{
	PGconn *direct;
	PGresult *result;
	bool made;

	if (!make_directory() || !cluster_create(&world.cluster,
	    world.directory, world_port()))
		return false;
	direct = PQconnectdb(text("%s user=postgres", world_place()));
	result = PQexec(direct, roles);
	made = PQresultStatus(result) == PGRES_COMMAND_OK;
	PQclear(result);
	PQfinish(direct);
	return made;
}

int
world_run(Suite *suite)
{
	SRunner *runner;
	int failed;

	if (cluster_programs() == NULL || access(pooler_program(), X_OK) != 0) {
		printf("skipped: PostgreSQL and %s are needed\n",
		    pooler_program());
		return 77;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!begin()) {
		printf("could not set up PostgreSQL in %s\n",
		    world.directory);
		print_tail(text("%s/log/initdb", world.directory), "initdb");
		print_tail(text("%s/log/postgres", world.directory),
		    "postgres");
		return 99;
	}
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (failed > 0)
		print_logs();
	cluster_destroy(&world.cluster);
	return failed == 0 ? 0 : 1;
}
