/*
 * Thousands of clients, some of them busy, while an operator pauses, resumes
 * and reloads: no query is lost, each gets its own answer, every command is
 * answered, and the console's numbers add up.
 *
 * `make check` does it small; LIVE_MANY_CLIENTS=10000 LIVE_MANY_SECONDS=120
 * is the real thing.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/world.h"

#define WORKERS 4
#define POOL 20
#define BUSY 200

/* What all of them have done, for who looks on. */
struct tally {
	_Atomic unsigned long long	answers;
	_Atomic bool			over;
};

static long
from_environment(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value != NULL && atol(value) > 0 ? atol(value) : otherwise;
}

/* As many as this process may have descriptors for. */
static int
how_many(void)
{
	struct rlimit files;
	long wanted = from_environment("LIVE_MANY_CLIENTS", 1500);

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	if ((rlim_t)wanted + 200 > files.rlim_cur)
		wanted = (long)files.rlim_cur - 200;
	ck_assert_int_gt(wanted, BUSY);
	return (int)wanted;
}

/* ---- the busy ---- */

struct busy {
	int		fd;
	unsigned	asked;		/* number of its question */
	size_t		got;
	uint8_t		answer[512];
};

static void
ask_next(struct busy *busy, int number)
{
	char sql[64];

	busy->asked++;
	busy->got = 0;
	snprintf(sql, sizeof(sql), "select '%d of %d.'", busy->asked, number);
	fake_client_query(busy->fd, sql);
}

/* ReadyForQuery is five bytes and one, and nothing comes behind it. */
static bool
is_complete(const struct busy *busy)
{
	return busy->got >= 6 && memcmp(busy->answer + busy->got - 6,
	    "Z\0\0\0\5I", 6) == 0;
}

static void
ck_own_answer(const struct busy *busy, int number)
{
	char words[64];

	snprintf(words, sizeof(words), "%d of %d.", busy->asked, number);
	ck_assert_msg(memmem(busy->answer, busy->got, words,
	    strlen(words)) != NULL, "client %d did not get \"%s\"", number,
	    words);
}

static void
read_answer(struct busy *busy, int number, struct tally *tally)
{
	ssize_t got = recv(busy->fd, busy->answer + busy->got,
	    sizeof(busy->answer) - busy->got, 0);

	ck_assert_msg(got > 0, "client %d: %s", number, got == 0 ?
	    "closed" : strerror(errno));
	busy->got += (size_t)got;
	if (!is_complete(busy)) {
		ck_assert_uint_lt(busy->got, sizeof(busy->answer));
		return;
	}
	ck_own_answer(busy, number);
	tally->answers++;
	busy->got = 0;
	if (!tally->over)
		ask_next(busy, number);
	else
		busy->fd = -busy->fd;	/* done; poll() passes over it */
}

/* In a process of its own: asks on each until it is over. */
static NORETURN void
be_busy(const int *fds, struct tally *tally)
{
	struct busy all[BUSY] = { { .fd = 0 } };
	struct pollfd polled[BUSY];
	int left = BUSY;

	for (int i = 0; i < BUSY; i++) {
		all[i].fd = fds[i];
		ask_next(&all[i], i);
	}
	while (left > 0) {
		left = 0;
		for (int i = 0; i < BUSY; i++) {
			polled[i] = (struct pollfd){ all[i].fd, POLLIN, 0 };
			left += all[i].fd > 0;
		}
		if (left == 0)
			break;
		ck_assert_int_ge(poll(polled, BUSY, (int)patience_ms()), 1);
		for (int i = 0; i < BUSY; i++)
			if (polled[i].revents != 0)
				read_answer(&all[i], i, tally);
	}
	_exit(0);
}

/* ---- the operator ---- */

struct answers {
	long long	longest_ms;
	unsigned	count;
};

static void
command(PGconn *console, const char *sql, struct answers *answers)
{
	long long began = now_ms(), took;

	ck_query_ok(console, sql);
	took = now_ms() - began;
	answers->count++;
	if (took > answers->longest_ms)
		answers->longest_ms = took;
}

static void
operate(PGconn *console, struct tally *tally, long seconds,
    struct answers *answers)
{
	long long until = now_ms() + seconds * 1000;

	do {
		unsigned long long before;

		command(console, "PAUSE", answers);
		before = tally->answers;
		usleep(50 * 1000);
		/* Nobody is served while it is paused. */
		ck_assert_uint_le(tally->answers - before, BUSY);
		command(console, "RESUME", answers);
		before = tally->answers;
		wait_until(tally->answers > before + BUSY);
		command(console, "RELOAD", answers);
		wait_until(tally->answers > before + 10 * BUSY);
	} while (now_ms() < until);
}

/* ---- the numbers ---- */

static long long
sum_of(PGconn *console, const char *report, const char *key,
    const char *value, const char *column)
{
	PGresult *result = show(console, report);
	int by = PQfnumber(result, key), at = PQfnumber(result, column);
	long long sum = 0;

	ck_assert(by >= 0 && at >= 0);
	for (int row = 0; row < PQntuples(result); row++)
		if (value == NULL ||
		    strcmp(PQgetvalue(result, row, by), value) == 0)
			sum += atoll(PQgetvalue(result, row, at));
	PQclear(result);
	return sum;
}

static void
ck_numbers_add_up(PGconn *console, int clients,
    unsigned long long transactions)
{
	long long active = show_number(console, "POOLS", "user", "app",
	    "cl_active");

	ck_assert_int_eq(active, clients);
	ck_assert_uint_eq(show_count(console, "CLIENTS", "user", "app"),
	    clients);
	ck_assert_int_eq(show_number(console, "DATABASES", "name", "shop",
	    "current_client_connections"), clients);
	ck_assert_int_eq(show_number(console, "USERS", "name", "app",
	    "current_client_connections"), clients);
	ck_assert_int_eq(show_number(console, "LISTS", "list",
	    "used_clients", "items"), clients + 1);
	/* Workers count the console as well. */
	ck_assert_int_eq(sum_of(console, "WORKERS", "slot", NULL, "clients"),
	    clients + 1);
	ck_assert_int_eq(show_number(console, "STATS_TOTALS", "database",
	    "shop", "xact_count"), (long long)transactions);
	ck_assert_int_eq(sum_of(console, "WORKERS", "slot", NULL,
	    "xacts"), (long long)transactions);
	ck_assert_uint_le(show_count(console, "SERVERS", "user", "app"),
	    POOL);
}

START_TEST(many_clients_and_an_operator)
{
	int clients = how_many();
	long seconds = from_environment("LIVE_MANY_SECONDS", 5);
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = text("max_client_conn = %d\nlog_connections = 0\n"
	    "log_disconnections = 0\ndefault_pool_size = %d\n"
	    "query_wait_notify = 0\n", clients + 100, POOL));
	struct tally *tally = mmap(NULL, sizeof(*tally), PROT_READ |
	    PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int *fds = malloc((size_t)clients * sizeof(*fds));
	struct answers answers = { 0, 0 };
	PGconn *console = connect_console(pooler);
	int status;
	pid_t pid;

	ck_assert(fds != NULL && tally != MAP_FAILED);
	for (int i = 0; i < clients; i++)
		fds[i] = fake_client_login(pooler->port, "app", "shop");
	pid = fork();
	if (pid == 0)
		be_busy(fds, tally);
	operate(console, tally, seconds, &answers);
	tally->over = true;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "the busy failed: status %x", (unsigned)status);
	ck_numbers_add_up(console, clients, tally->answers);
	printf("%d clients, %llu answers, %u commands, the longest took "
	    "%lld ms\n", clients, (unsigned long long)tally->answers,
	    answers.count, answers.longest_ms);
	for (int i = 0; i < clients; i++)
		close(fds[i]);
	free(fds);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("many");
	TCase *tests = world_case(suite, "many", (int)(180 +
	    2 * from_environment("LIVE_MANY_SECONDS", 5)));

	tcase_add_test(tests, many_clients_and_an_operator);
	return world_run(suite);
}
