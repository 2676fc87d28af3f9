/*
 * The processes: workers that die, a supervisor that dies, signals, the
 * command line, pidfile and log.
 */
#include "build.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/fake_server.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/crowd.h"
#include "live/world.h"

#ifdef WITH_SANITIZERS		/* they cost more than what is measured */
#define SANITIZED true
#else
#define SANITIZED false
#endif

#define BACKEND "select pg_backend_pid()"

static const char in_postgres[] =
    "select count(*) from pg_stat_activity where usename = 'app'";

static const char pids_in_postgres[] =
    "select string_agg(pid::text, ',' order by pid) from pg_stat_activity "
    "where usename = 'app'";

/* From then on each has its share of new clients. */
static void
await_workers(struct pooler *pooler)
{
	PGconn *console = connect_console(pooler);

	wait_until(show_count(console, "WORKERS", "state", "serving") ==
	    pooler->workers);
	disconnect(console);
}

static bool
file_has(const char *path, const char *words)
{
	char *content = file_read(path);
	bool has = strstr(content, words) != NULL;

	free(content);
	return has;
}

/* ---- workers that die ---- */

START_TEST(a_worker_that_dies_is_replaced_in_its_slot)
{
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *console;
	pid_t before[3], now[3];
	unsigned same;

	ck_assert_uint_eq(pooler_children(pooler, before, 3), 3);
	for (unsigned i = 0; i < 3; i++)
		kill(before[i], SIGKILL);
	for (unsigned i = 0; i < 3; i++)
		wait_until(!process_alive(before[i]));
	wait_until(pooler_children(pooler, now, 3) == 3);
	console = connect_console(pooler);
	for (unsigned slot = 0; slot < 3; slot++) {
		const char *pid = show_value(console, "WORKERS", "slot",
		    text("%u", slot), "pid");

		for (same = 0; same < 3 && now[same] != atoi(pid); same++)
			;
		ck_assert_msg(same < 3, "slot %u has process %s", slot, pid);
		ck_assert_int_eq(show_number(console, "WORKERS", "slot",
		    text("%u", slot), "restarts"), 1);
	}
	ck_login_ok(pooler, "user=app dbname=shop");
}
END_TEST

START_TEST(a_worker_that_hangs_is_replaced)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "worker_hang_timeout = 3\n");
	pid_t before[2], now[2];

	ck_assert_uint_eq(pooler_children(pooler, before, 2), 2);
	process_stop(before[0]);
	wait_until(pooler_children(pooler, now, 2) == 2 &&
	    now[0] != before[0] && now[1] != before[0]);
	ck_assert(pooler_logged(pooler, "has not moved for"));
	ck_login_ok(pooler, "user=app dbname=shop");
}
END_TEST

START_TEST(connections_not_yet_accepted_survive_their_worker)
{
	struct pooler *pooler = pooler_start(.workers = 1);
	pid_t worker;
	int clients[5];

	ck_assert_uint_eq(pooler_children(pooler, &worker, 1), 1);
	process_stop(worker);
	/* The kernel takes these; nobody accepts them. */
	for (unsigned i = 0; i < 5; i++)
		clients[i] = fake_client_begin(pooler->port, "app", "shop");
	kill(worker, SIGKILL);
	for (unsigned i = 0; i < 5; i++) {
		fake_client_expect(clients[i], 'Z', NULL);
		close(clients[i]);
	}
}
END_TEST

START_TEST(idle_servers_survive_every_worker)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = "default_pool_size = 5\n");
	PGconn *direct = world_direct(), *clients[5], *console;
	const char *before, *pid;
	pid_t workers[3];

	for (unsigned i = 0; i < 5; i++) {
		clients[i] = connect_client(pooler);
		ck_query_ok(clients[i], "begin");
	}
	for (unsigned i = 0; i < 5; i++)
		ck_query_ok(clients[i], "commit");
	/* Their answers are on the way a moment before they are idle. */
	console = connect_console(pooler);
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "sv_idle") == 5);
	disconnect(console);
	before = query_value(direct, pids_in_postgres);
	ck_assert_uint_eq(pooler_children(pooler, workers, 3), 3);
	for (unsigned i = 0; i < 3; i++)
		kill(workers[i], SIGKILL);
	for (unsigned i = 0; i < 5; i++)
		ck_connection_lost(clients[i]);
	ck_assert_str_eq(query_value(direct, pids_in_postgres), before);
	for (unsigned i = 0; i < 5; i++) {
		clients[i] = connect_client(pooler);
		ck_query_ok(clients[i], "begin");
		pid = query_value(clients[i], BACKEND);
		ck_assert_msg(strstr(before, pid) != NULL,
		    "a new server: %s", pid);
	}
}
END_TEST

START_TEST(servers_in_use_go_with_their_worker)
{
	struct pooler *pooler = pooler_start(.workers = 1,
	    .settings = "default_pool_size = 2\n");
	PGconn *direct = world_direct(), *client = connect_client(pooler);
	PGconn *console;
	pid_t worker;

	ck_query_ok(client, "begin");
	ck_query_ok(client, "create table half_done (i int)");
	ck_assert_uint_eq(pooler_children(pooler, &worker, 1), 1);
	kill(worker, SIGKILL);
	ck_connection_lost(client);
	wait_until(query_number(direct, in_postgres) == 0);
	client = connect_client(pooler);
	ck_query_value(client,
	    "select count(*) from pg_class where relname = 'half_done'",
	    "0");
	console = connect_console(pooler);
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_active") == 1);
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "sv_active") == 0);
}
END_TEST

START_TEST(clients_of_other_workers_notice_nothing)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "default_pool_size = 10\n");
	PGconn *clients[10];
	pid_t workers[2];
	unsigned alive = 0;

	await_workers(pooler);
	for (unsigned i = 0; i < 10; i++) {
		clients[i] = connect_client(pooler);
		ck_query_ok(clients[i], "begin");
		ck_query_ok(clients[i], "select 1");
	}
	ck_assert_uint_eq(pooler_children(pooler, workers, 2), 2);
	kill(workers[0], SIGKILL);
	wait_until(!process_alive(workers[0]));
	for (unsigned i = 0; i < 10; i++) {
		PGresult *result = PQexec(clients[i], "select 1");

		alive += PQresultStatus(result) == PGRES_TUPLES_OK;
		PQclear(result);
	}
	/* Half of them, more or less. */
	ck_assert_uint_ge(alive, 3);
	ck_assert_uint_le(alive, 7);
	ck_assert(process_alive(workers[1]));
}
END_TEST

START_TEST(waiting_clients_get_what_a_dead_worker_held)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = "default_pool_size = 1\n");
	PGconn *holder, *waiting[12], *direct = world_direct();
	pid_t workers[4], victim = 0;
	unsigned served = 0;

	await_workers(pooler);
	holder = connect_client(pooler);
	ck_query_ok(holder, "begin");
	for (unsigned i = 0; i < 12; i++) {
		waiting[i] = connect_client(pooler);
		ck_assert(PQsendQuery(waiting[i], "select 1"));
	}
	ck_assert_uint_eq(pooler_children(pooler, workers, 4), 4);
	victim = (pid_t)show_number(connect_console(pooler), "WORKERS",
	    "servers", "1", "pid");
	kill(victim, SIGKILL);
	ck_connection_lost(holder);
	for (unsigned i = 0; i < 12; i++) {
		PGresult *result;

		while ((result = PQgetResult(waiting[i])) != NULL) {
			served += PQresultStatus(result) ==
			    PGRES_TUPLES_OK;
			PQclear(result);
		}
	}
	ck_assert_uint_ge(served, 6);
	wait_until(query_number(direct, in_postgres) <= 1);
}
END_TEST

/* ---- a storm ---- */

#define MOST_PORTS 8192

/*
 * Workers cannot be looked into (PR_SET_DUMPABLE) but by root; what needs it
 * is tested by root only.
 */
static bool
can_look_into(pid_t pid)
{
	return access(text("/proc/%d/fd/0", (int)pid), F_OK) == 0;
}

/* Which connections of clients a process has, by the clients' ports. */
static unsigned
ports_of_clients(pid_t pid, int pooler_port, uint16_t *ports_out)
{
	static unsigned long inodes[4096];
	unsigned inode_count = 0, count = 0;
	DIR *directory = opendir(text("/proc/%d/fd", (int)pid));
	struct dirent *entry;
	FILE *table = fopen("/proc/net/tcp", "re");
	char line[512];

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		char target[64];
		ssize_t length = readlinkat(dirfd(directory), entry->d_name,
		    target, sizeof(target) - 1);

		if (length <= 0)
			continue;
		target[length] = '\0';
		if (sscanf(target, "socket:[%lu]", &inodes[inode_count]) == 1)
			inode_count++;
	}
	if (directory != NULL)
		closedir(directory);
	while (fgets(line, sizeof(line), table) != NULL) {
		unsigned near, far;
		unsigned long inode;

		if (sscanf(line, "%*d: %*x:%x %*x:%x %*x %*s %*s %*s %*d "
		    "%*d %lu", &near, &far, &inode) != 3 ||
		    near != (unsigned)pooler_port || far == 0)
			continue;
		for (unsigned i = 0; i < inode_count; i++)
			if (inodes[i] == inode)
				ports_out[count++] = (uint16_t)far;
	}
	fclose(table);
	return count;
}

struct watch {
	pthread_t	thread;
	atomic_bool	stopping;
	long long	most;
};

static void *
watch_postgres(void *context)
{
	struct watch *watch = context;
	PGconn *direct = world_direct();

	while (!watch->stopping) {
		long long count = query_number(direct, in_postgres);

		if (count > watch->most)
			watch->most = count;
	}
	disconnect(direct);
	return NULL;
}

static const char *
pids_in_pooler(PGconn *console)
{
	PGresult *servers = show(console, "SERVERS");
	int pids[64], count = PQntuples(servers);
	const char *list = "";

	ck_assert_int_lt(count, 64);
	for (int row = 0; row < count; row++)
		pids[row] = atoi(PQgetvalue(servers, row,
		    PQfnumber(servers, "remote_pid")));
	PQclear(servers);
	for (int row = 0; row < count; row++)
		for (int k = row + 1; k < count; k++)
			if (pids[k] < pids[row]) {
				int smaller = pids[k];

				pids[k] = pids[row];
				pids[row] = smaller;
			}
	for (int row = 0; row < count; row++)
		list = text("%s%s%d", list, row > 0 ? "," : "", pids[row]);
	return list;
}

/* Kills one worker at a moment of chance; adds the clients it had. */
static void
strike(struct pooler *pooler, uint16_t *doomed, unsigned *count)
{
	pid_t workers[64];
	unsigned alive = pooler_children(pooler, workers, 64);
	pid_t victim;

	if (alive == 0)
		return;
	victim = workers[(unsigned)rand() % alive];
	/* Stopped, so that what we read of it is what dies with it. */
	process_stop(victim);
	*count += ports_of_clients(victim, pooler->port, doomed + *count);
	kill(victim, SIGKILL);
	ck_assert_uint_lt(*count, MOST_PORTS - 1024);
}

static void
ck_only_the_doomed_were_lost(struct crowd *crowd, const uint16_t *doomed,
    unsigned count)
{
	const uint16_t *lost;
	unsigned lost_count = crowd_lost_ports(crowd, &lost);

	for (unsigned i = 0; i < lost_count; i++) {
		unsigned k;

		for (k = 0; k < count && doomed[k] != lost[i]; k++)
			;
		ck_assert_msg(k < count, "the client of port %u lost its "
		    "connection, its worker did not die", lost[i]);
	}
}

static const struct {
	unsigned	workers, pool, clients, statements;
} storms[] = {
	{ 4, 6, 32, 1 },
	{ 3, 2, 16, 3 },
};

static long long
servers_after_work(struct pooler *pooler, PGconn *direct, unsigned clients)
{
	struct crowd_result result = crowd_join(crowd_start(pooler,
	    &(struct crowd_plan){ .clients = clients, .transactions = 20,
	    .hold_ms = 2 }));

	ck_crowd_well(&result);
	return query_number(direct, in_postgres);
}

START_TEST(a_storm_of_kills_costs_only_clients_of_the_dead)
{
	static uint16_t doomed[MOST_PORTS];
	struct pooler *pooler = pooler_start(.workers = storms[_i].workers,
	    .settings = text("default_pool_size = %u\n", storms[_i].pool));
	struct watch watch = { 0 };
	struct crowd *crowd;
	struct crowd_result result;
	unsigned doomed_count = 0, kills = 0;
	long long end;
	PGconn *console, *direct = world_direct();
	pid_t workers[64];

	ck_login_ok(pooler, "user=app dbname=shop");
	srand(1);
	pthread_create(&watch.thread, NULL, watch_postgres, &watch);
	crowd = crowd_start(pooler, &(struct crowd_plan){
	    .clients = storms[_i].clients, .comes_back = true,
	    .statements = storms[_i].statements });
	for (end = now_ms() + 4000; kills < 4 || now_ms() < end; kills++) {
		strike(pooler, doomed, &doomed_count);
		usleep(100000);
	}
	/* It goes on with all of them, the old clients and the new. */
	wait_until(pooler_children(pooler, workers, 64) ==
	    storms[_i].workers);
	crowd_await_progress(crowd, 20);
	if (can_look_into(workers[0]))
		ck_only_the_doomed_were_lost(crowd, doomed, doomed_count);
	result = crowd_stop(crowd);
	watch.stopping = true;
	pthread_join(watch.thread, NULL);

	ck_assert_msg(result.wrong == 0 && result.errors == 0 &&
	    result.refused == 0, "%u wrong, %u errors, %u refused; the "
	    "last: %s", result.wrong, result.errors, result.refused,
	    result.why);
	ck_assert_uint_gt(result.lost, 0);
	ck_assert_msg(watch.most <= storms[_i].pool,
	    "PostgreSQL had %lld connections", watch.most);
	console = connect_console(pooler);
	wait_until(show_count(console, "CLIENTS", "database", "shop") == 0);
	/* A login may still be under way on one side or the other. */
	wait_until(strcmp(pids_in_pooler(console), query_value(direct,
	    pids_in_postgres)) == 0);
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_waiting") == 0);
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_active") == 0);
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "sv_active") == 0);
	/*
	 * No limit has been worn out: as many servers as ever.  (A place of
	 * the dead is kept for half a second.)
	 */
	wait_until(servers_after_work(pooler, direct, storms[_i].clients) ==
	    storms[_i].pool);
}
END_TEST

/* ---- the supervisor ---- */

START_TEST(no_worker_outlives_its_supervisor)
{
	struct pooler *pooler = pooler_start(.workers = 4);
	PGconn *client = connect_client(pooler), *direct = world_direct();
	pid_t children[16];
	unsigned count = pooler_children(pooler, children, 16);
	int status;

	ck_assert_uint_ge(count, 4);
	ck_query_ok(client, "begin");
	kill(pooler->pid, SIGKILL);
	ck_assert(process_wait(pooler->pid, &status));
	pooler->running = false;
	for (unsigned i = 0; i < count; i++)
		wait_until(!process_alive(children[i]));
	ck_connection_lost(client);
	wait_until(query_number(direct, in_postgres) == 0);
}
END_TEST

START_TEST(workers_run_as_the_user_and_without_privileges)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	pid_t children[2];
	uid_t uid;
	gid_t gid;

	ck_assert(cluster_account(&uid, &gid));
	if (uid == 0)
		uid = getuid();
	ck_assert_uint_eq(pooler_children(pooler, children, 2), 2);
	/* A new worker gives up what it had before it serves. */
	ck_login_ok(pooler, "user=app dbname=shop");
	for (unsigned i = 0; i < 2; i++) {
		const char *path = text("/proc/%d/status", (int)children[i]);

		wait_until(file_has(path, text("Uid:\t%u\t%u\t%u\t%u", uid,
		    uid, uid, uid)));
		wait_until(file_has(path, "NoNewPrivs:\t1"));
		wait_until(file_has(path, "CapEff:\t0000000000000000"));
	}
}
END_TEST

static long
kilobytes(const char *rollup, const char *kind)
{
	const char *at = strstr(rollup, text("\n%s:", kind));

	ck_assert_ptr_nonnull(at);
	return strtol(at + strlen(kind) + 2, NULL, 10);
}

/*
 * Memory that is theirs alone or shared among them, in kilobytes.  Not that of
 * programs and libraries: their part of it grows when other processes end.
 */
static long
memory_of(struct pooler *pooler)
{
	pid_t pids[65];
	unsigned count = pooler_children(pooler, pids, 64);
	long sum = 0;

	pids[count++] = pooler->pid;
	for (unsigned i = 0; i < count; i++) {
		char *rollup = file_read(text("/proc/%d/smaps_rollup",
		    (int)pids[i]));

		sum += kilobytes(rollup, "Pss_Anon") +
		    kilobytes(rollup, "Pss_Shmem");
		free(rollup);
	}
	return sum;
}

START_TEST(an_idle_client_costs_a_kilobyte_at_most)
{
	struct rlimit limit;
	static int clients[3000];
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "max_client_conn = 3100\nlog_connections = 0\n");
	pid_t worker;
	long before;

	ck_assert_uint_eq(pooler_children(pooler, &worker, 1), 1);
	if (SANITIZED || !can_look_into(worker))
		return;
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	/* Some first, for what is needed only once. */
	for (unsigned i = 0; i < 3000; i++) {
		if (i == 200)
			before = memory_of(pooler);
		clients[i] = fake_client_login(pooler->port, "app", "shop");
	}
	ck_assert_msg(memory_of(pooler) - before <= 2800,
	    "2800 clients cost %ld kB", memory_of(pooler) - before);
	for (unsigned i = 0; i < 3000; i++)
		close(clients[i]);
}
END_TEST

START_TEST(descriptors_do_not_leak)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "server_lifetime = 0\ndefault_pool_size = 4\n");
	pid_t workers[2];
	unsigned before[2], own;
	struct crowd_result result;

	ck_assert_uint_eq(pooler_children(pooler, workers, 2), 2);
	/* They have what they begin with. */
	await_workers(pooler);
	ck_login_ok(pooler, "user=app dbname=shop");
	own = process_descriptors(pooler->pid);
	for (unsigned i = 0; i < 2; i++)
		before[i] = process_descriptors(workers[i]);
	if (!can_look_into(workers[0]))
		return;
	/* Each transaction has a server of its own. */
	result = crowd_join(crowd_start(pooler, &(struct crowd_plan){
	    .clients = 10, .transactions = 20 }));
	ck_crowd_well(&result);
	for (unsigned i = 0; i < 2; i++)
		wait_until(process_descriptors(workers[i]) <= before[i] + 4);
	wait_until(process_descriptors(pooler->pid) <= own + 4);
}
END_TEST

/* Connections that say nothing, more than there are descriptors. */
static void
crowd_in(const struct pooler *pooler, int parent)
{
	char byte;

	(void)!read(parent, &byte, 1);
	for (int i = 0; i < 800; i++)
		(void)fake_client_connect(pooler->port);
	(void)!write(parent, "", 1);
	pause();
	_exit(0);
}

/* The kernel drops what there is no room for: a bundle, the log file. */
START_TEST(a_reload_without_a_free_descriptor_costs_no_client)
{
	const struct rlimit limit = { 600, 600 };
	char *log = strdup(text("%s/log", world_make_directory("full")));
	struct pooler *pooler = pooler_prepare(.workers = 1,
	    .settings = text("max_client_conn = 20\nlogfile = %s\n", log));
	PGconn *clients[8];
	int pair[2];
	char byte;
	pid_t crowd;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	crowd = fork();
	if (crowd == 0)
		crowd_in(pooler, pair[0]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	pooler_launch(pooler);
	for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++)
		clients[i] = connect_client(pooler);
	ck_query_ok(clients[0], "begin");
	ck_assert_int_eq(write(pair[1], "", 1), 1);
	ck_assert_int_eq(read(pair[1], &byte, 1), 1);
	for (unsigned i = 1; i < ARRAY_LENGTH(clients); i++)
		ck_assert_int_eq(PQsendQuery(clients[i],
		    "select pg_sleep(60)"), 1);
	pooler_await_log(pooler, "Too many open files");
	kill(pooler->pid, SIGHUP);
	wait_until(file_has(log, "configuration from the supervisor: no "
	    "descriptor is free, keeping the old one"));
	ck_query_ok(clients[0], "commit");
	kill(crowd, SIGKILL);
	free(log);
}
END_TEST

/* ---- signals ---- */

static const struct {
	const char	*story;
	int		 first, second;
	const char	*first_words, *second_words;
} ends[] = {
	{ "QUIT", SIGQUIT, 0, "got SIGQUIT, fast exit", NULL },
	{ "INT twice", SIGINT, SIGINT, "got SIGINT, shutting down, waiting "
	    "for all servers connections to be released",
	    "got SIGINT while shutting down, fast exit" },
	{ "TERM twice", SIGTERM, SIGTERM, "got SIGTERM, shutting down, "
	    "waiting for all clients disconnect",
	    "got SIGTERM while shutting down, fast exit" },
	{ "TERM, then QUIT", SIGTERM, SIGQUIT, "got SIGTERM, shutting down, "
	    "waiting for all clients disconnect", "got SIGQUIT, fast exit" },
};

START_TEST(signals_end_it)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	PGconn *client = connect_client(pooler);

	ck_query_ok(client, "begin");
	kill(pooler->pid, ends[_i].first);
	pooler_await_log(pooler, ends[_i].first_words);
	if (ends[_i].second != 0) {
		ck_query_ok(client, "select 1");
		kill(pooler->pid, ends[_i].second);
	}
	ck_assert_int_eq(pooler_await_end(pooler), 0);
	if (ends[_i].second != 0)
		ck_assert(pooler_logged(pooler, ends[_i].second_words));
	ck_connection_lost(client);
}
END_TEST

START_TEST(int_waits_for_servers)
{
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *client = connect_client(pooler);
	PGconn *idle = connect_client(pooler);

	ck_query_ok(idle, "select 1");
	ck_query_ok(client, "begin");
	kill(pooler->pid, SIGINT);
	pooler_await_log(pooler, "got SIGINT, shutting down");
	ck_query_ok(client, "select 1");
	ck_assert(process_alive(pooler->pid));
	ck_assert(PQsendQuery(client, "commit"));
	ck_assert_int_eq(pooler_await_end(pooler), 0);
	ck_assert(pooler_logged(pooler,
	    "server connections dropped, exiting"));
}
END_TEST

START_TEST(term_waits_for_clients)
{
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *client = connect_client(pooler);

	kill(pooler->pid, SIGTERM);
	pooler_await_log(pooler, "got SIGTERM, shutting down");
	for (unsigned i = 0; i < 5; i++)
		ck_query_ok(client, "select 1");
	ck_assert(process_alive(pooler->pid));
	/* Another pooler can have the port. */
	wait_until(PQping(text("host=127.0.0.1 port=%d", pooler->port)) ==
	    PQPING_NO_RESPONSE);
	disconnect(client);
	ck_assert_int_eq(pooler_await_end(pooler), 0);
	ck_assert(pooler_logged(pooler,
	    "client connections dropped, exiting"));
}
END_TEST

/* As systemd does without KillMode=mixed, and killall. */
static void
terminate_everybody(struct pooler *pooler)
{
	pid_t workers[64];
	unsigned count = pooler_children(pooler, workers, 64);

	for (unsigned i = 0; i < count; i++)
		kill(workers[i], SIGTERM);
	kill(pooler->pid, SIGTERM);
}

START_TEST(term_to_all_processes_waits_for_clients_too)
{
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *clients[6];

	for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++) {
		clients[i] = connect_client(pooler);
		ck_query_ok(clients[i], "begin");
	}
	terminate_everybody(pooler);
	pooler_await_log(pooler, "got SIGTERM, shutting down");
	for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++) {
		ck_query_ok(clients[i], "select 1");
		ck_query_ok(clients[i], "commit");
	}
	if (_i == 1) {
		terminate_everybody(pooler);
		pooler_await_log(pooler, "got SIGTERM while shutting down");
	}
	for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++)
		disconnect(clients[i]);
	ck_assert_int_eq(pooler_await_end(pooler), 0);
	ck_assert(!pooler_logged(pooler, "do not end, killing them"));
}
END_TEST

START_TEST(without_anybody_it_ends_at_once)
{
	static const int signals[] = { SIGINT, SIGTERM };
	struct pooler *pooler = pooler_start(.workers = 2);

	kill(pooler->pid, signals[_i]);
	ck_assert_int_eq(pooler_await_end(pooler), 0);
}
END_TEST

START_TEST(usr1_pauses_and_usr2_resumes)
{
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *client = connect_client(pooler);

	ck_query_ok(client, "select 1");
	kill(pooler->pid, SIGUSR1);
	pooler_await_log(pooler, "got SIGUSR1, pausing all activity");
	pooler_await_log(pooler, "closing because: pause mode");
	kill(pooler->pid, SIGUSR1);
	pooler_await_log(pooler, "got SIGUSR1, but already paused/suspended");
	ck_assert(PQsendQuery(client, "select 1"));
	usleep(100000);
	ck_assert(still_waits(client));
	kill(pooler->pid, SIGUSR2);
	pooler_await_log(pooler, "got SIGUSR2, continuing from PAUSE");
	ck_finish_ok(client);
	kill(pooler->pid, SIGUSR2);
	pooler_await_log(pooler, "got SIGUSR2, but not paused/suspended");
	kill(pooler->pid, SIGTERM);
	pooler_await_log(pooler, "got SIGTERM");
	kill(pooler->pid, SIGUSR2);
	pooler_await_log(pooler, "got SIGUSR2 while shutting down, ignoring");
	disconnect(client);
	ck_assert_int_eq(pooler_await_end(pooler), 0);
}
END_TEST

static bool
can_log_in(struct pooler *pooler, const char *conninfo)
{
	PGconn *conn = PQconnectdb(login_string(pooler, conninfo));
	bool could = PQstatus(conn) == CONNECTION_OK;

	PQfinish(conn);
	return could;
}

START_TEST(hup_reads_the_configuration_again)
{
	struct pooler *pooler = pooler_start(.workers = 3);

	ck_login_fails(pooler, "user=app dbname=new", "08P01",
	    "no such database: new");
	pooler_rewrite(pooler, &(struct recipe){ .workers = 3,
	    .databases = text("new = %s", world_place()) });
	kill(pooler->pid, SIGHUP);
	pooler_await_log(pooler, "got SIGHUP, re-reading config");
	/* A signal has no answer: each worker comes to it in its own time. */
	for (unsigned i = 0; i < 6; i++)
		wait_until(can_log_in(pooler, "user=app dbname=new"));
}
END_TEST

/* ---- the log ---- */

START_TEST(hup_opens_the_log_anew)
{
	struct pooler *pooler = pooler_prepare(.workers = 2);
	const char *log = text("%s/file.log", pooler->directory);
	struct stat status;

	pooler_rewrite(pooler, &(struct recipe){ .workers = 2,
	    .settings = text("logfile = %s\n", log) });
	pooler_launch(pooler);
	ck_login_ok(pooler, "user=app dbname=shop");
	ck_assert_int_eq(rename(log, text("%s.1", log)), 0);
	kill(pooler->pid, SIGHUP);
	wait_until(stat(log, &status) == 0);
	/* Each worker comes to it in its own time, after it is there. */
	wait_until((ck_login_ok(pooler, "user=app dbname=shop"),
	    file_has(log, "login attempt: db=shop user=app")));
	ck_assert(file_has(text("%s.1", log), "process up:"));
}
END_TEST

START_TEST(lines_of_the_log_have_the_usual_form)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	unsigned year, month, day, hour, minute, second, ms, pid;
	char zone[16], level[16];

	ck_login_ok(pooler, "user=app dbname=shop");
	ck_assert_int_eq(sscanf(pooler_log(pooler),
	    "%4u-%2u-%2u %2u:%2u:%2u.%3u %15s [%u] %15s", &year, &month,
	    &day, &hour, &minute, &second, &ms, zone, &pid, level), 10);
	ck_assert_str_eq(level, "LOG");
	pooler_await_log(pooler, text("LOG listening on 127.0.0.1:%d\n",
	    pooler->port));
	pooler_await_log(pooler, text(
	    "LOG listening on unix:%s/.s.PGSQL.%d\n", pooler->directory,
	    pooler->port));
	pooler_await_log(pooler, "LOG kernel file descriptor limit: ");
	pooler_await_log(pooler, "LOG process up: PgBouncer ");
}
END_TEST

START_TEST(quiet_writes_nothing_to_stderr)
{
	struct pooler *pooler = pooler_prepare(.workers = 1,
	    .settings = "no_such_parameter = 1\n");
	const char *arguments[] = { "-q", pooler->ini, NULL };

	ck_assert_int_eq(pooler_run(pooler, arguments), 1);
	ck_assert_str_eq(pooler_log(pooler), "");
}
END_TEST

/* ---- the pidfile ---- */

static struct pooler *
with_pidfile(struct pooler *pooler, const char **pidfile_out)
{
	*pidfile_out = text("%s/pooler.pid", pooler->directory);
	pooler_rewrite(pooler, &(struct recipe){ .workers = 2,
	    .settings = text("pidfile = %s\n", *pidfile_out) });
	return pooler;
}

START_TEST(the_pidfile_lives_as_long_as_the_supervisor)
{
	const char *pidfile;
	struct pooler *pooler = with_pidfile(pooler_prepare(.workers = 2),
	    &pidfile);
	char *content;

	pooler_launch(pooler);
	content = file_read(pidfile);
	ck_assert_str_eq(content, text("%d\n", (int)pooler->pid));
	free(content);
	pooler_stop(pooler);
	ck_assert_int_eq(access(pidfile, F_OK), -1);
}
END_TEST

START_TEST(a_second_supervisor_is_refused_by_the_pidfile)
{
	const char *pidfile;
	struct pooler *pooler = with_pidfile(pooler_prepare(.workers = 2),
	    &pidfile);
	struct pooler *second = pooler_prepare(.workers = 2,
	    .settings = text("pidfile = %s\n", pidfile));
	const char *arguments[] = { second->ini, NULL };

	pooler_launch(pooler);
	ck_assert_int_eq(pooler_run(second, arguments), 1);
	ck_assert(pooler_logged(second, text(
	    "pidfile '%s' exists, another instance running?", pidfile)));
	ck_assert_int_eq(access(pidfile, F_OK), 0);
	ck_login_ok(pooler, "user=app dbname=shop");
}
END_TEST

START_TEST(an_old_pidfile_is_removed)
{
	const char *pidfile;
	struct pooler *pooler = with_pidfile(pooler_prepare(.workers = 2),
	    &pidfile);

	ck_assert(file_write(pidfile, "4194303\n"));
	pooler_launch(pooler);
	ck_assert(pooler_logged(pooler, "stale pidfile, removing"));
}
END_TEST

START_TEST(an_empty_pidfile_is_somebody_elses)
{
	const char *pidfile;
	struct pooler *pooler = with_pidfile(pooler_prepare(.workers = 2),
	    &pidfile);
	const char *arguments[] = { pooler->ini, NULL };

	ck_assert(file_write(pidfile, ""));
	ck_assert_int_eq(pooler_run(pooler, arguments), 1);
	ck_assert(pooler_logged(pooler, "another instance running?"));
}
END_TEST

/* ---- the command line ---- */

static const struct {
	const char	*story;
	const char	*arguments[3];
	int		 status;
	const char	*words;
} lines[] = {
	{ "version", { "-V" }, 0, "PgBouncer 1." },
	{ "version, long", { "--version" }, 0, "PgBouncer 1." },
	{ "help", { "-h" }, 0, "is a connection pooler for PostgreSQL." },
	{ "help, long", { "--help" }, 0, "CONFIG_FILE" },
	{ "nothing", { NULL }, 1, "no configuration file specified" },
	{ "an unknown option", { "--dance" }, 1, "--help\" for more" },
	{ "a file that is not there", { "/nowhere/at/all.ini" }, 1,
	    "/nowhere/at/all.ini" },
};

START_TEST(the_command_line_is_as_usual)
{
	struct pooler *pooler = pooler_prepare(.workers = 1);

	ck_assert_msg(pooler_run(pooler, lines[_i].arguments) ==
	    lines[_i].status, "%s: other status", lines[_i].story);
	ck_assert_msg(pooler_logged(pooler, lines[_i].words),
	    "%s:\n%s", lines[_i].story, pooler_log(pooler));
}
END_TEST

static bool
accepts(int port)
{
	return PQping(text("host=127.0.0.1 port=%d", port)) == PQPING_OK;
}

/* Some ways to start a daemon close all three. */
START_TEST(the_log_goes_nowhere_without_standard_error)
{
	struct pooler *pooler = pooler_prepare(.workers = 1);
	const char *argv[] = { "/bin/sh", "-c",
	    "exec \"$0\" \"$1\" <&- >&- 2>&-", pooler_program(),
	    pooler->ini, NULL };
	pid_t pid = process_start(&(struct spawn){ .argv = argv,
	    .output = pooler->log, .death_signal = SIGKILL });
	char target[64];
	int status;

	wait_until(accepts(pooler->port));
	if (can_look_into(pid))
		for (int fd = 0; fd < 3; fd++) {
			ssize_t length = readlink(text("/proc/%d/fd/%d",
			    (int)pid, fd), target, sizeof(target) - 1);

			ck_assert_int_gt(length, 0);
			target[length] = '\0';
			ck_assert_str_eq(target, "/dev/null");
		}
	kill(pid, SIGQUIT);
	ck_assert(process_wait(pid, &status));
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(t_checks_the_configuration_and_ends)
{
	struct pooler *pooler = pooler_prepare(.workers = 1);
	const char *arguments[] = { "-t", pooler->ini, NULL };

	ck_assert_int_eq(pooler_run(pooler, arguments), 0);
	ck_assert(!pooler_logged(pooler, "ERROR"));
	pooler_rewrite(pooler, &(struct recipe){
	    .settings = "default_pool_size = many\n" });
	ck_assert_int_eq(pooler_run(pooler, arguments), 1);
	ck_assert(pooler_logged(pooler, text("%s:", pooler->ini)));
	ck_assert(pooler_logged(pooler, "default_pool_size"));
}
END_TEST

/* As it would not start. */
START_TEST(t_knows_the_users_and_groups_of_the_system)
{
	struct pooler *pooler = pooler_prepare(.workers = 1,
	    .settings = "unix_socket_group = no-such-group\n");
	const char *arguments[] = { "-t", pooler->ini, NULL };
	const char *another[] = { "-t", "-u", "no-such-user", pooler->ini,
	    NULL };
	const char *daemon[] = { "-t", "-d", pooler->ini, NULL };

	ck_assert_int_eq(pooler_run(pooler, arguments), 1);
	ck_assert(pooler_logged(pooler, "unix_socket_group: there is no group "
	    "\"no-such-group\""));
	pooler_rewrite(pooler, &(struct recipe){ .workers = 1 });
	ck_assert_int_eq(pooler_run(pooler, arguments), 0);
	ck_assert_int_eq(pooler_run(pooler, another), 1);
	ck_assert(pooler_logged(pooler,
	    "could not find user 'no-such-user'"));
	ck_assert_int_eq(pooler_run(pooler, daemon), 1);
	ck_assert(pooler_logged(pooler, "daemon needs pidfile configured"));
}
END_TEST

static const struct {
	const char *setting, *words;
} faults[] = {
	{ "default_pool_size = many\n",
	    "invalid value \"many\" for parameter default_pool_size" },
	{ "no_such_parameter = 1\n",
	    "unknown parameter: pgbouncer/no_such_parameter" },
	{ "pool_mode = often\n", "invalid value \"often\" for parameter "
	    "pool_mode" },
	{ "what is this\n", "syntax error in configuration" },
	{ "workers = 0\n", "workers" },
	{ "workers = 65\n", "workers" },
};

START_TEST(a_wrong_configuration_does_not_start)
{
	struct pooler *pooler = pooler_prepare(
	    .settings = faults[_i].setting);
	const char *arguments[] = { pooler->ini, NULL };
	char *ini = file_read(pooler->ini), *at;
	unsigned line = 1;

	ck_assert_int_eq(pooler_run(pooler, arguments), 1);
	ck_assert_msg(pooler_logged(pooler, faults[_i].words), "%s",
	    pooler_log(pooler));
	for (at = ini; at < strstr(ini, faults[_i].setting); at++)
		line += *at == '\n';
	free(ini);
	ck_assert_msg(pooler_logged(pooler, text("%s:%u", pooler->ini,
	    line)), "the line is %u\n%s", line, pooler_log(pooler));
	ck_assert(pooler_logged(pooler, "FATAL"));
	ck_assert(pooler_logged(pooler, "cannot load config file"));
}
END_TEST

START_TEST(root_needs_another_user)
{
	struct pooler *pooler = pooler_prepare(.workers = 1,
	    .settings = "user = \n");
	const char *arguments[] = { pooler->ini, NULL };

	ck_assert_int_eq(pooler_run(pooler, arguments), 1);
	ck_assert(pooler_logged(pooler, "should not run as root"));
}
END_TEST

START_TEST(a_port_in_use_is_named)
{
	struct pooler *pooler = pooler_prepare(.workers = 2);
	struct fake_server *squatter = fake_server_start(pooler->port);
	const char *arguments[] = { pooler->ini, NULL };

	ck_assert_int_eq(pooler_run(pooler, arguments), 1);
	ck_assert(pooler_logged(pooler, text("%d", pooler->port)) ||
	    pooler_logged(pooler, "127.0.0.1"));
	ck_assert(pooler_logged(pooler,
	    "failed to listen on any address in listen_addr list"));
	fake_server_stop(squatter);
}
END_TEST

START_TEST(a_second_pooler_is_refused_by_the_unix_socket)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	const char *arguments[] = { pooler->ini, NULL };
	struct pooler second = *pooler;

	second.running = false;
	ck_assert_int_eq(pooler_run(&second, arguments), 1);
	ck_assert(pooler_logged(pooler,
	    "unix socket is in use, cannot continue"));
	ck_login_ok(pooler, "user=app dbname=shop");
}
END_TEST

START_TEST(a_daemon_needs_a_pidfile)
{
	struct pooler *pooler = pooler_prepare(.workers = 1);
	const char *arguments[] = { "-d", pooler->ini, NULL };

	ck_assert_int_eq(pooler_run(pooler, arguments), 1);
	ck_assert(pooler_logged(pooler, "daemon needs pidfile configured"));
}
END_TEST

static pid_t
read_pid(const char *pidfile)
{
	char *content = file_read(pidfile);
	pid_t pid = atoi(content);

	free(content);
	return pid;
}

START_TEST(a_daemon_goes_to_the_background)
{
	struct pooler *pooler = pooler_prepare(.workers = 2);
	const char *pidfile = text("%s/pooler.pid", pooler->directory);
	const char *log = text("%s/file.log", pooler->directory);
	const char *arguments[] = { "-d", pooler->ini, NULL };
	pid_t daemon;

	pooler_rewrite(pooler, &(struct recipe){ .workers = 2,
	    .settings = text("pidfile = %s\nlogfile = %s\n", pidfile,
	    log) });
	ck_assert_int_eq(pooler_run(pooler, arguments), 0);
	wait_until((daemon = read_pid(pidfile)) > 0);
	cluster_adopt(&world.cluster, daemon);
	ck_assert_int_ne(getpgid(daemon), getpgrp());
	ck_assert_int_eq(getsid(daemon), getpgid(daemon));
	wait_until(PQping(login_string(pooler, "user=app dbname=shop")) ==
	    PQPING_OK);
	ck_login_ok(pooler, "user=app dbname=shop");
	kill(daemon, SIGQUIT);
	wait_until(!process_alive(daemon));
	ck_assert_int_eq(access(pidfile, F_OK), -1);
	cluster_forget(&world.cluster, daemon);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("processes");
	TCase *tests;

	tests = world_case(suite, "workers", 20);
	tcase_add_test(tests, a_worker_that_dies_is_replaced_in_its_slot);
	tcase_add_test(tests, a_worker_that_hangs_is_replaced);
	tcase_add_test(tests,
	    connections_not_yet_accepted_survive_their_worker);
	tcase_add_test(tests, idle_servers_survive_every_worker);
	tcase_add_test(tests, servers_in_use_go_with_their_worker);
	tcase_add_test(tests, clients_of_other_workers_notice_nothing);
	tcase_add_test(tests, waiting_clients_get_what_a_dead_worker_held);

	tests = world_case(suite, "storm", 40);
	tcase_add_loop_test(tests,
	    a_storm_of_kills_costs_only_clients_of_the_dead, 0,
	    (int)ARRAY_LENGTH(storms));

	tests = world_case(suite, "supervisor", 20);
	tcase_add_test(tests, no_worker_outlives_its_supervisor);
	tcase_add_test(tests, workers_run_as_the_user_and_without_privileges);
	tcase_add_test(tests, an_idle_client_costs_a_kilobyte_at_most);
	tcase_add_test(tests, descriptors_do_not_leak);
	tcase_add_test(tests,
	    a_reload_without_a_free_descriptor_costs_no_client);

	tests = world_case(suite, "signals", 10);
	tcase_add_loop_test(tests, signals_end_it, 0,
	    (int)ARRAY_LENGTH(ends));
	tcase_add_test(tests, int_waits_for_servers);
	tcase_add_test(tests, term_waits_for_clients);
	tcase_add_loop_test(tests, term_to_all_processes_waits_for_clients_too,
	    0, 2);
	tcase_add_loop_test(tests, without_anybody_it_ends_at_once, 0, 2);
	tcase_add_test(tests, usr1_pauses_and_usr2_resumes);
	tcase_add_test(tests, hup_reads_the_configuration_again);

	tests = world_case(suite, "files", 10);
	tcase_add_test(tests, hup_opens_the_log_anew);
	tcase_add_test(tests, lines_of_the_log_have_the_usual_form);
	tcase_add_test(tests, quiet_writes_nothing_to_stderr);
	tcase_add_test(tests, the_pidfile_lives_as_long_as_the_supervisor);
	tcase_add_test(tests, a_second_supervisor_is_refused_by_the_pidfile);
	tcase_add_test(tests, an_old_pidfile_is_removed);
	tcase_add_test(tests, an_empty_pidfile_is_somebody_elses);

	tests = world_case(suite, "command", 10);
	tcase_add_loop_test(tests, the_command_line_is_as_usual, 0,
	    (int)ARRAY_LENGTH(lines));
	tcase_add_test(tests, the_log_goes_nowhere_without_standard_error);
	tcase_add_test(tests, t_checks_the_configuration_and_ends);
	tcase_add_test(tests, t_knows_the_users_and_groups_of_the_system);
	tcase_add_loop_test(tests, a_wrong_configuration_does_not_start, 0,
	    (int)ARRAY_LENGTH(faults));
	if (geteuid() == 0)
		tcase_add_test(tests, root_needs_another_user);
	tcase_add_test(tests, a_port_in_use_is_named);
	tcase_add_test(tests, a_second_pooler_is_refused_by_the_unix_socket);
	tcase_add_test(tests, a_daemon_needs_a_pidfile);
	tcase_add_test(tests, a_daemon_goes_to_the_background);
	return world_run(suite);
}
