#include "live/cluster.h"

#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "live/process.h"

enum order_kind {
	ORDER_START,
	ORDER_STOP,
	ORDER_ADOPT,
	ORDER_FORGET,
};

struct order {
	enum order_kind	kind;
	pid_t		pid;
};

struct adopted {
	pid_t			pid;
	unsigned long long	birth;	/* so that a reused pid is spared */
};

struct keeper {
	const struct cluster	*cluster;
	pid_t			 postgres;	/* 0 while it does not run */
	struct adopted		 adopted[64];
	uid_t			 uid;
	gid_t			 gid;
};

static const char settings[] =
	"listen_addresses = '127.0.0.1'\n"
	"max_connections = 200\n"
	"wal_level = logical\n"
	"fsync = off\n"
	"synchronous_commit = off\n"
	"full_page_writes = off\n"
	"autovacuum = off\n"
	"jit = off\n"
	"shared_buffers = 32MB\n"
	"max_prepared_transactions = 0\n"
	"log_line_prefix = '%m [%p] %u@%d '\n"
	"timezone = 'UTC'\n"
	"log_timezone = 'UTC'\n";

/* How a user is asked for a password goes by the name; see world.c. */
static const char hba[] =
	"local all all trust\n"
	"host all clear_user 127.0.0.1/32 password\n"
	"host all md5_user 127.0.0.1/32 md5\n"
	"host all scram_user 127.0.0.1/32 scram-sha-256\n"
	"host all refused_user 127.0.0.1/32 reject\n"
	"host all all 127.0.0.1/32 trust\n"
	"host replication all 127.0.0.1/32 trust\n";

const char *
cluster_programs(void)
{
	static char directory[256];
	FILE *pipe = popen("pg_config --bindir 2>/dev/null", "re");
	glob_t found;

	if (pipe != NULL) {
		if (fgets(directory, sizeof(directory), pipe) == NULL)
			directory[0] = '\0';
		pclose(pipe);
		directory[strcspn(directory, "\n")] = '\0';
	}
	if (directory[0] != '\0' &&
	    access(text("%s/initdb", directory), X_OK) == 0)
		return directory;
	directory[0] = '\0';
	if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0) {
		const char *last = found.gl_pathv[found.gl_pathc - 1];

		snprintf(directory, sizeof(directory), "%.*s",
		    (int)(strrchr(last, '/') - last), last);
		globfree(&found);
	}
	return directory[0] != '\0' ? directory : NULL;
}

bool
cluster_account(uid_t *uid_out, gid_t *gid_out)
{
	struct passwd *account;

	*uid_out = 0;
	*gid_out = 0;
	if (geteuid() != 0)
		return true;
	account = getpwnam("postgres");
	if (account == NULL)
		account = getpwnam("nobody");
	if (account == NULL)
		return false;
	*uid_out = account->pw_uid;
	*gid_out = account->pw_gid;
	return true;
}

static bool
run_as_keeper(const struct keeper *keeper, const char *const argv[])
{
	pid_t pid = process_start(&(struct spawn){ .argv = argv,
	    .output = text("%s/log/initdb", keeper->cluster->directory),
	    .uid = keeper->uid, .gid = keeper->gid,
	    .death_signal = SIGKILL });
	int status;

	return pid != -1 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool
run_initdb(const struct keeper *keeper, const char *data)
{
	const char *argv[] = {
		text("%s/initdb", cluster_programs()), "-N", "-D", data,
		"-U", "postgres", "--no-locale", "-E", "UTF8", "-A", "trust",
		NULL,
	};

	return run_as_keeper(keeper, argv);
}

/* The first of all tests makes it, and the others wait for that. */
static bool
copy_template(const struct keeper *keeper, const char *template,
    const char *data)
{
	const char *whole = text("%s/whole", template);
	const char *rename[] = { "mv", text("%s/new", template), whole, NULL };
	const char *copy[] = { "cp", "-a", whole, data, NULL };
	int lock = open(template, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done;

	done = lock != -1 && flock(lock, LOCK_EX) == 0 &&
	    (access(whole, F_OK) == 0 ||
	    (run_initdb(keeper, text("%s/new", template)) &&
	    run_as_keeper(keeper, rename)));
	if (lock != -1)
		close(lock);
	return done && run_as_keeper(keeper, copy);
}

static bool
make_data(const struct keeper *keeper)
{
	const char *directory = keeper->cluster->directory;
	const char *data = text("%s/data", directory);
	const char *template = getenv("LIVE_TEMPLATE");

	return ((template != NULL && copy_template(keeper, template, data)) ||
	    run_initdb(keeper, data)) &&
	    file_write(text("%s/data/postgresql.auto.conf", directory),
	    text("%sport = %d\nunix_socket_directories = '%s'\n", settings,
	    keeper->cluster->port, directory)) &&
	    file_write(text("%s/data/pg_hba.conf", directory), hba);
}

static bool
takes_connections(int port)
{
	PGconn *conn = PQconnectdb(text("host=127.0.0.1 port=%d user=postgres "
	    "dbname=postgres sslmode=disable gssencmode=disable", port));
	bool yes = PQstatus(conn) == CONNECTION_OK;

	PQfinish(conn);
	return yes;
}

static bool
start_postgres(struct keeper *keeper)
{
	const char *directory = keeper->cluster->directory;
	const char *argv[] = {
		text("%s/postgres", cluster_programs()), "-D",
		text("%s/data", directory), NULL,
	};
	long long end = now_ms() + 4 * patience_ms();
	int status;

	if (keeper->postgres != 0)
		return true;
	/* SIGQUIT is PostgreSQL's "immediate" shutdown. */
	keeper->postgres = process_start(&(struct spawn){
	    .argv = argv, .output = text("%s/log/postgres", directory),
	    .uid = keeper->uid, .gid = keeper->gid,
	    .death_signal = SIGQUIT });
	while (keeper->postgres > 0 && now_ms() < end) {
		if (takes_connections(keeper->cluster->port))
			return true;
		if (waitpid(keeper->postgres, &status, WNOHANG) != 0)
			break;
		nap();
	}
	keeper->postgres = 0;
	return false;
}

static bool
stop_postgres(struct keeper *keeper)
{
	int status;

	if (keeper->postgres <= 0)
		return true;
	kill(keeper->postgres, SIGQUIT);
	if (waitpid(keeper->postgres, &status, 0) != keeper->postgres)
		return false;
	keeper->postgres = 0;
	return true;
}

static void
adopt(struct keeper *keeper, pid_t pid)
{
	for (unsigned i = 0; i < ARRAY_LENGTH(keeper->adopted); i++) {
		struct adopted *slot = &keeper->adopted[i];

		if (slot->pid != 0 && process_birth(slot->pid) == slot->birth)
			continue;
		slot->pid = pid;
		slot->birth = process_birth(pid);
		return;
	}
}

static void
forget(struct keeper *keeper, pid_t pid)
{
	for (unsigned i = 0; i < ARRAY_LENGTH(keeper->adopted); i++)
		if (keeper->adopted[i].pid == pid)
			keeper->adopted[i].pid = 0;
}

static bool
obey(struct keeper *keeper, const struct order *order)
{
	switch (order->kind) {
	case ORDER_START:
		return start_postgres(keeper);
	case ORDER_STOP:
		return stop_postgres(keeper);
	case ORDER_ADOPT:
		adopt(keeper, order->pid);
		return true;
	case ORDER_FORGET:
		forget(keeper, order->pid);
		return true;
	}
	return false;
}

static int
remove_one(const char *path, const struct stat *status, int kind,
    struct FTW *walk)
{
	(void)remove(path);
	return 0;
}

static NORETURN void
keep(struct keeper *keeper, int orders)
{
	struct order order;
	unsigned char done;

	/* Ctrl-C ends the tests; we clean up behind them. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	setpgid(0, 0);
	/* PostgreSQL's programs want to be where their user may be. */
	done = chdir(keeper->cluster->directory) == 0 &&
	    make_data(keeper) && start_postgres(keeper);
	if (send(orders, &done, 1, 0) == -1)
		done = false;
	while (done && recv(orders, &order, sizeof(order), 0) ==
	    (ssize_t)sizeof(order)) {
		unsigned char answer = obey(keeper, &order);

		if (send(orders, &answer, 1, 0) == -1)
			break;
	}
	for (unsigned i = 0; i < ARRAY_LENGTH(keeper->adopted); i++) {
		const struct adopted *slot = &keeper->adopted[i];

		if (slot->pid != 0 && process_birth(slot->pid) == slot->birth)
			kill(slot->pid, SIGKILL);
	}
	(void)stop_postgres(keeper);
	if (getenv("LIVE_KEEP") == NULL)
		nftw(keeper->cluster->directory, remove_one, 16,
		    FTW_DEPTH | FTW_PHYS);
	_exit(0);
}

static bool
ask_keeper(struct cluster *cluster, enum order_kind kind, pid_t pid)
{
	struct order order = { .kind = kind, .pid = pid };
	unsigned char answer = 0;

	return send(cluster->keeper, &order, sizeof(order), MSG_NOSIGNAL) !=
	    -1 && recv(cluster->keeper, &answer, 1, 0) == 1 && answer;
}

bool
cluster_create(struct cluster *cluster, const char *directory, int port)
{
	struct keeper keeper = { .cluster = cluster };
	int ends[2];
	unsigned char ready = 0;

	cluster->port = port;
	snprintf(cluster->directory, sizeof(cluster->directory), "%s",
	    directory);
	if (!cluster_account(&keeper.uid, &keeper.gid) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
		return false;
	fflush(NULL);
	cluster->keeper_pid = fork();
	if (cluster->keeper_pid == 0) {
		close(ends[0]);
		keep(&keeper, ends[1]);
	}
	close(ends[1]);
	cluster->keeper = ends[0];
	return recv(ends[0], &ready, 1, 0) == 1 && ready;
}

void
cluster_destroy(struct cluster *cluster)
{
	close(cluster->keeper);
	waitpid(cluster->keeper_pid, NULL, 0);
}

bool
cluster_stop(struct cluster *cluster)
{
	return ask_keeper(cluster, ORDER_STOP, 0);
}

bool
cluster_start(struct cluster *cluster)
{
	return ask_keeper(cluster, ORDER_START, 0);
}

void
cluster_adopt(struct cluster *cluster, pid_t pid)
{
	(void)ask_keeper(cluster, ORDER_ADOPT, pid);
}

void
cluster_forget(struct cluster *cluster, pid_t pid)
{
	(void)ask_keeper(cluster, ORDER_FORGET, pid);
}
