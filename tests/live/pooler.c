#include "live/pooler.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live/world.h"

#define MOST_POOLERS 8

static struct pooler poolers[MOST_POOLERS];
static unsigned pooler_count;

const char *
pooler_program(void)
{
	const char *given = getenv("PGUSHER");

	return given != NULL ? given : "./pgusher";
}

bool
pooler_is_pgusher(void)
{
	const char *slash = strrchr(pooler_program(), '/');

	return strncmp(slash != NULL ? slash + 1 : pooler_program(),
	    "pgbouncer", 9) != 0;
}

#define SQLSTATE(name, code) static const char SQLSTATE_##name[] = code;
#include "wire/sqlstates.def"
#undef SQLSTATE

static const struct {
	const char	*text, *sqlstate, *hint;
} errors[] = {
#define POOLER_ERROR(text, state, hint) { text, SQLSTATE_##state, hint },
#include "wire/pooler_errors.def"
#undef POOLER_ERROR
};

const char *
pooler_sqlstate(const char *wanted, const char *message)
{
	size_t longest = 0;

	if (!pooler_is_pgusher() || strcmp(wanted, "08P01") != 0 ||
	    message == NULL)
		return wanted;
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		size_t length = strlen(errors[i].text);

		if (length > longest &&
		    strncmp(message, errors[i].text, length) == 0) {
			longest = length;
			wanted = errors[i].sqlstate;
		}
	}
	return wanted;
}

/* "name = value" unless the recipe has a line for the name. */
static void
add_setting(FILE *file, const char *settings, const char *name,
    const char *value)
{
	const char *at = settings;
	size_t length = strlen(name);

	while (at != NULL && (at = strstr(at, name)) != NULL) {
		if ((at == settings || at[-1] == '\n') &&
		    (at[length] == ' ' || at[length] == '='))
			return;
		at += length;
	}
	fprintf(file, "%s = %s\n", name, value);
}

static const char default_users[] =
	"\"admin\" \"admin_secret\"\n"
	"\"watcher\" \"watcher_secret\"\n"
	"\"postgres\" \"\"\n"
	"\"app\" \"app_secret\"\n"
	"\"other\" \"other_secret\"\n"
	"\"refused_user\" \"refused_user_secret\"\n"
	"\"clear_user\" \"clear_user_secret\"\n"
	"\"md5_user\" \"md5_user_secret\"\n"
	"\"scram_user\" \"scram_user_secret\"\n";

void
pooler_rewrite(struct pooler *pooler, const struct recipe *recipe)
{
	const char *settings = recipe->settings != NULL ? recipe->settings :
	    "";
	FILE *file = fopen(pooler->ini, "we");

	ck_assert_ptr_nonnull(file);
	fprintf(file, "[databases]\n%s\n[users]\n%s\n[pgbouncer]\n",
	    recipe->databases != NULL ? recipe->databases :
	    text("shop = %s", world_place()),
	    recipe->users != NULL ? recipe->users : "");
	add_setting(file, settings, "listen_addr", "127.0.0.1");
	add_setting(file, settings, "listen_port", text("%d", pooler->port));
	add_setting(file, settings, "unix_socket_dir", pooler->directory);
	add_setting(file, settings, "auth_type", "trust");
	add_setting(file, settings, "auth_file",
	    text("%s/userlist.txt", pooler->directory));
	add_setting(file, settings, "admin_users", "admin");
	add_setting(file, settings, "stats_users", "watcher");
	add_setting(file, settings, "pool_mode", "transaction");
	if (geteuid() == 0)
		add_setting(file, settings, "user", "postgres");
	pooler->workers = recipe->workers != 0 ? recipe->workers : 3;
	if (pooler_is_pgusher())
		add_setting(file, settings, "workers", text("%u",
		    pooler->workers));
	fputs(settings, file);
	ck_assert_int_eq(fclose(file), 0);
	/* In one go: the pooler may look at it at any time. */
	ck_assert(file_write(text("%s/userlist.new", pooler->directory),
	    recipe->userlist != NULL ? recipe->userlist : default_users));
	ck_assert_int_eq(rename(text("%s/userlist.new", pooler->directory),
	    text("%s/userlist.txt", pooler->directory)), 0);
}

struct pooler *
pooler_prepare_for(const char *test, const struct recipe *recipe)
{
	struct pooler *pooler;
	uid_t uid;
	gid_t gid;

	ck_assert_uint_lt(pooler_count, MOST_POOLERS);
	pooler = &poolers[pooler_count++];
	pooler->port = world_port();
	snprintf(pooler->directory, sizeof(pooler->directory), "%s",
	    world_make_directory("p"));
	snprintf(pooler->ini, sizeof(pooler->ini), "%s",
	    text("%s/pooler.ini", pooler->directory));
	snprintf(pooler->log, sizeof(pooler->log), "%s/log/test-%.60s%s",
	    world.directory, test, strrchr(pooler->directory, '-'));
	ck_assert(cluster_account(&uid, &gid));
	if (uid != 0)
		ck_assert_int_eq(chown(pooler->directory, uid, gid), 0);
	pooler_rewrite(pooler, recipe);
	return pooler;
}

/* All workers are there, too. */
static bool
complete(struct pooler *pooler)
{
	pid_t children[128];

	return !pooler_is_pgusher() ||
	    pooler_children(pooler, children, 128) >= pooler->workers;
}

/*
 * One is accepted, and is gone again when this returns: as long as it is
 * there it counts as a client, and has a descriptor.
 */
static bool
takes_connections(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	bool yes = connect(fd, (struct sockaddr *)&address,
	    sizeof(address)) == 0 && shutdown(fd, SHUT_WR) == 0 &&
	    poll(&poller, 1, (int)patience_ms()) == 1;

	close(fd);
	return yes;
}

static pid_t
start(struct pooler *pooler, const char *const *arguments)
{
	const char *argv[16] = { pooler_program() };
	unsigned count = 1;

	while (arguments != NULL && *arguments != NULL && count < 14)
		argv[count++] = *arguments++;
	return process_start(&(struct spawn){ .argv = argv,
	    .output = pooler->log, .death_signal = SIGKILL,
	    .passed = pooler->passed });
}

void
pooler_launch(struct pooler *pooler)
{
	const char *arguments[] = { pooler->ini, NULL };
	long long end = now_ms() + patience_ms();

	pooler->pid = start(pooler, arguments);
	ck_assert_int_ne(pooler->pid, -1);
	pooler->running = true;
	cluster_adopt(&world.cluster, pooler->pid);
	/* The TCP port may be open before the rest is there. */
	while (!pooler_logged(pooler, "process up:") || !complete(pooler) ||
	    !takes_connections(pooler->port)) {
		ck_assert_msg(process_alive(pooler->pid),
		    "the pooler did not start:\n%s", pooler_log(pooler));
		ck_assert_msg(now_ms() < end,
		    "the pooler takes no connections:\n%s",
		    pooler_log(pooler));
		nap();
	}
}

struct pooler *
pooler_start_for(const char *test, const struct recipe *recipe)
{
	struct pooler *pooler = pooler_prepare_for(test, recipe);

	pooler_launch(pooler);
	return pooler;
}

static int
exit_status(pid_t pid)
{
	int status;

	ck_assert_msg(process_wait(pid, &status), "it does not end");
	ck_assert_msg(WIFEXITED(status), "it was killed by signal %d",
	    WTERMSIG(status));
	return WEXITSTATUS(status);
}

int
pooler_run(struct pooler *pooler, const char *const *arguments)
{
	pid_t pid = start(pooler, arguments);

	ck_assert_int_ne(pid, -1);
	return exit_status(pid);
}

int
pooler_await_end(struct pooler *pooler)
{
	pid_t children[128];
	unsigned count = pooler_children(pooler, children, 128);
	int status = exit_status(pooler->pid);

	pooler->running = false;
	cluster_forget(&world.cluster, pooler->pid);
	for (unsigned i = 0; i < count; i++)
		wait_until(!process_alive(children[i]));
	return status;
}

void
pooler_stop(struct pooler *pooler)
{
	int status;

	/* PgBouncer 1.18 dies of SIGQUIT and leaves at once on SIGTERM. */
	kill(pooler->pid, pooler_is_pgusher() ? SIGQUIT : SIGTERM);
	status = pooler_await_end(pooler);
	ck_assert(status == 0 || !pooler_is_pgusher());
}

/* What must never be in a log, whatever the test was about. */
static const char *const alarms[] = {
	"ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
	"invariant", "stack smashing",
};

void
poolers_stop(void)
{
	for (unsigned i = 0; i < pooler_count; i++) {
		struct pooler *pooler = &poolers[i];

		if (pooler->running)
			pooler_stop(pooler);
		for (unsigned k = 0; k < ARRAY_LENGTH(alarms); k++)
			ck_assert_msg(!pooler_logged(pooler, alarms[k]),
			    "the log has \"%s\"", alarms[k]);
	}
	for (unsigned i = 0; i < pooler_count; i++)
		unlink(poolers[i].log);
}

/* Workers are called by their number; the helper is not. */
static bool
is_worker(pid_t pid)
{
	char *name = file_read(text("/proc/%d/comm", (int)pid));
	bool yes = strncmp(name, "pgusher/", 8) == 0 && name[8] >= '0' &&
	    name[8] <= '9';

	free(name);
	return yes;
}

unsigned
pooler_children(struct pooler *pooler, pid_t *pids_out, unsigned most)
{
	pid_t all[128];
	unsigned found = process_children(pooler->pid, all, 128), count = 0;

	for (unsigned i = 0; i < found && count < most; i++)
		if (!pooler_is_pgusher() || is_worker(all[i]))
			pids_out[count++] = all[i];
	return count;
}

pid_t
pooler_helper(struct pooler *pooler)
{
	pid_t all[128];
	unsigned found = process_children(pooler->pid, all, 128);

	for (unsigned i = 0; i < found; i++) {
		char *name = file_read(text("/proc/%d/comm", (int)all[i]));
		bool is_it = strcmp(name, "pgusher/helper\n") == 0;

		free(name);
		if (is_it)
			return all[i];
	}
	return 0;
}

const char *
pooler_log(struct pooler *pooler)
{
	char *content = file_read(pooler->log);
	size_t length = strlen(content);
	const char *end = length > 20000 ? content + length - 20000 : content;
	const char *copy = text("%s", end);

	free(content);
	return copy;
}

bool
pooler_logged(struct pooler *pooler, const char *words)
{
	char *content = file_read(pooler->log);
	bool found = strstr(content, words) != NULL;

	free(content);
	return found;
}

bool
pooler_lacks(struct pooler *pooler, const char *parameter)
{
	return pooler_logged(pooler, text("%s has no effect yet", parameter));
}

void
pooler_await_log(struct pooler *pooler, const char *words)
{
	long long end = now_ms() + patience_ms();

	while (!pooler_logged(pooler, words)) {
		ck_assert_msg(now_ms() < end, "the log never said: %s",
		    words);
		nap();
	}
}
