/*
 * Passwords that are elsewhere, and that nobody finds where they should not
 * be: in the log, in a report, in an error, in a worker's memory.
 */
#include "build.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/world.h"

static const char *const reports[] = {
	"clients", "config", "databases", "dns_hosts", "dns_zones", "fds",
	"lists", "mem", "peers", "pools", "servers", "sockets", "state",
	"stats", "users", "version", "active_sockets", "workers",
};

static void
ck_nowhere_shown(struct pooler *pooler, const char *secret)
{
	PGconn *console = connect_console(pooler);

	ck_assert_msg(!pooler_logged(pooler, secret), "%s is in the log",
	    secret);
	for (unsigned i = 0; i < ARRAY_LENGTH(reports); i++) {
		PGresult *result = show(console, reports[i]);

		for (int row = 0; row < PQntuples(result); row++)
			for (int column = 0; column < PQnfields(result);
			    column++)
				ck_assert_msg(strstr(PQgetvalue(result, row,
				    column), secret) == NULL,
				    "%s is in SHOW %s", secret, reports[i]);
		PQclear(result);
	}
}

/* Only root may read it; a worker need not. */
START_TEST(a_password_may_be_in_a_file)
{
	struct pooler *pooler = pooler_prepare(.settings = "verbose = 2\n");
	const char *path = text("%s/secret", pooler->directory);

	ck_assert(file_write(path, "clear_user_secret\n"));
	ck_assert_int_eq(chmod(path, 0600), 0);
	pooler_rewrite(pooler, &(struct recipe){ .databases = text("shop = "
	    "%s user=clear_user password_file=%s", world_place(), path),
	    .settings = "verbose = 2\n", .userlist =
	    "\"app\" \"\"\n\"admin\" \"admin_secret\"\n" });
	pooler_launch(pooler);
	ck_query_value(connect_client(pooler), "select current_user",
	    "clear_user");
	ck_nowhere_shown(pooler, "clear_user_secret");
}
END_TEST

START_TEST(a_password_may_be_in_the_environment)
{
	struct pooler *pooler;

	setenv("SHOP_PASSWORD", "clear_user_secret", 1);
	pooler = pooler_start(.databases = text("shop = %s user=clear_user "
	    "password=${SHOP_PASSWORD}", world_place()), .userlist =
	    "\"app\" \"\"\n\"admin\" \"admin_secret\"\n",
	    .settings = "verbose = 2\n");
	ck_query_value(connect_client(pooler), "select current_user",
	    "clear_user");
	ck_nowhere_shown(pooler, "clear_user_secret");
}
END_TEST

static bool
range_has(int fd, unsigned long from, unsigned long to, const char *word)
{
	size_t size = to - from;
	char *bytes = malloc(size);
	ssize_t got;
	bool has;

	ck_assert_ptr_nonnull(bytes);
	got = pread(fd, bytes, size, (off_t)from);
	has = got > 0 && memmem(bytes, (size_t)got, word, strlen(word)) !=
	    NULL;
	free(bytes);
	return has;
}

/* What a core would show: all that the process alone may write to. */
static bool
memory_has(pid_t pid, const char *word)
{
	FILE *maps = fopen(text("/proc/%d/maps", (int)pid), "re");
	int fd = open(text("/proc/%d/mem", (int)pid), O_RDONLY | O_CLOEXEC);
	unsigned long from, to;
	char line[512], rights[8];
	bool has = false;

	ck_assert_ptr_nonnull(maps);
	ck_assert_int_ne(fd, -1);
	while (!has && fgets(line, sizeof(line), maps) != NULL)
		if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 &&
		    strcmp(rights, "rw-p") == 0 && to - from < 64u << 20)
			has = range_has(fd, from, to, word);
	fclose(maps);
	close(fd);
	return has;
}

/* Right or wrong, it is gone from memory when the login is over. */
START_TEST(what_a_client_sent_is_not_kept)
{
	struct pooler *pooler = pooler_start(.settings = "auth_type = plain\n",
	    .databases = text("shop = %s user=app", world_place()),
	    .userlist = text("\"scrammed\" \"%s\"\n"
	    "\"admin\" \"known-to-be-there\"\n", world_secret("scram_user")),
	    .workers = 1);
	pid_t worker;
	PGconn *client;

	if (geteuid() != 0)
		return;		/* a worker cannot be looked into */
	ck_assert_uint_eq(pooler_children(pooler, &worker, 1), 1);
	client = connect_as(pooler, "user=scrammed dbname=shop "
	    "password=scram_user_secret");
	ck_login_fails(pooler, "user=scrammed dbname=shop "
	    "password=wrong-as-it-is", "08P01",
	    "password authentication failed");
	ck_query_value(client, "select 1", "1");
	/* The look itself works: this one has to be there. */
	ck_assert(memory_has(worker, "known-to-be-there"));
	ck_assert(!memory_has(worker, "scram_user_secret"));
	ck_assert(!memory_has(worker, "wrong-as-it-is"));
}
END_TEST

/* --- what is shared by all workers --------------------------------------- */

/*
 * The salt that a user is shown, who need not exist.  The connection stays
 * open, so that the next one goes to another worker.
 */
static const char *
salt_shown(int client)
{
	static struct message message;
	struct buffer bytes = { 0 };
	const char *salt;

	fake_client_expect(client, 'R', &message);
	put_message(&bytes, 'p', "six", "SCRAM-SHA-256", 16u,
	    "n,,n=,r=abcdefgh", 16);
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect(client, 'R', &message);
	salt = strstr((const char *)message.body + 4, ",s=");
	ck_assert_ptr_nonnull(salt);
	return text("%.*s", (int)strcspn(salt + 3, ","), salt + 3);
}

/* By whichever worker it is always the same. */
static const char *
salt_of(struct pooler *pooler, const char *user)
{
	int clients[12];
	const char *salt = NULL;

	for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++) {
		const char *shown;

		clients[i] = fake_client_begin(pooler->port, user, "shop");
		shown = salt_shown(clients[i]);
		if (salt != NULL)
			ck_assert_str_eq(shown, salt);
		salt = shown;
	}
	for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++)
		close(clients[i]);
	return salt;
}

START_TEST(made_up_salts_outlive_the_workers)
{
	static const char *const users[] = { "nobody", "nobody2", "app",
	    "md5_user", "scram_user" };
	const char *salts[ARRAY_LENGTH(users)];
	struct pooler *pooler = pooler_start(.workers = 4, .userlist = text(
	    "\"app\" \"app_secret\"\n\"md5_user\" \"%s\"\n"
	    "\"scram_user\" \"%s\"\n", world_secret("md5_user"),
	    world_secret("scram_user")),
	    .settings = "auth_type = scram-sha-256\n");
	pid_t workers[4], now[4];

	for (unsigned i = 0; i < ARRAY_LENGTH(users); i++)
		salts[i] = salt_of(pooler, users[i]);
	for (unsigned i = 1; i < ARRAY_LENGTH(users); i++)
		ck_assert_str_ne(salts[i], salts[i - 1]);
	ck_assert_uint_eq(pooler_children(pooler, workers, 4), 4);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(kill(workers[i], SIGKILL), 0);
		wait_until(!process_alive(workers[i]) &&
		    pooler_children(pooler, now, 4) == 4);
		for (unsigned k = 0; k < ARRAY_LENGTH(users); k++)
			ck_assert_str_eq(salt_of(pooler, users[k]), salts[k]);
	}
}
END_TEST

/* Its biggest mapping by far; a core would have all secrets in it. */
static void
ck_segment_is_not_dumped(pid_t pid)
{
	FILE *maps = fopen(text("/proc/%d/smaps", (int)pid), "re");
	unsigned long from, to;
	char line[512], rights[8];
	bool inside = false, found = false;

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3)
			inside = strcmp(rights, "rw-s") == 0 &&
			    to - from > 1u << 20;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			ck_assert_msg(strstr(line, " dd") != NULL,
			    "process %d: %s", (int)pid, line);
			found = true;
		}
	}
	fclose(maps);
	ck_assert_msg(found, "process %d has no segment", (int)pid);
}

START_TEST(the_segment_is_in_no_core)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	pid_t workers[2];

	if (geteuid() != 0)
		return;		/* a worker cannot be looked into */
	ck_assert_uint_eq(pooler_children(pooler, workers, 2), 2);
	ck_segment_is_not_dumped(pooler->pid);
	for (unsigned i = 0; i < 2; i++)
		ck_segment_is_not_dumped(workers[i]);
}
END_TEST

#ifndef WITH_SANITIZERS		/* they have to be able to look */
/* What is root's in /proc though the process is not: not to be dumped. */
static void
ck_leaves_no_core(pid_t pid)
{
	struct stat status;

	ck_assert_int_eq(stat(text("/proc/%d/mem", (int)pid), &status), 0);
	ck_assert_uint_eq(status.st_uid, 0);
}

START_TEST(workers_leave_no_core)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	pid_t children[2];

	ck_assert_uint_eq(pooler_children(pooler, children, 2), 2);
	ck_leaves_no_core(children[0]);
	ck_leaves_no_core(children[1]);
	wait_until(pooler_helper(pooler) != 0);
	ck_leaves_no_core(pooler_helper(pooler));
}
END_TEST

/* One that root starts stays root: this one is started by who it is. */
START_TEST(nor_does_the_supervisor)
{
	struct pooler *pooler = pooler_prepare(.workers = 1);
	const char *const argv[] = { pooler_program(), pooler->ini, NULL };
	struct spawn spawn = { .argv = argv, .output = pooler->log,
	    .death_signal = SIGKILL };

	ck_assert(cluster_account(&spawn.uid, &spawn.gid));
	pooler->pid = process_start(&spawn);
	ck_assert_int_ne(pooler->pid, -1);
	pooler->running = true;
	pooler_await_log(pooler, "process up:");
	ck_leaves_no_core(pooler->pid);
	/* It reads its own files as ever. */
	ck_query_ok(connect_console(pooler), "RELOAD");
}
END_TEST
#endif

int
main(void)
{
	Suite *suite = suite_create("secrets");
	TCase *tests = world_case(suite, "secrets", 60);

	tcase_add_test(tests, a_password_may_be_in_a_file);
	tcase_add_test(tests, a_password_may_be_in_the_environment);
	tcase_add_test(tests, what_a_client_sent_is_not_kept);
	tcase_add_test(tests, the_segment_is_in_no_core);
#ifndef WITH_SANITIZERS
	tcase_add_test(tests, workers_leave_no_core);
	tcase_add_test(tests, nor_does_the_supervisor);
#endif

	tests = world_case(suite, "salts", 60);
	tcase_add_test(tests, made_up_salts_outlive_the_workers);
	return world_run(suite);
}
