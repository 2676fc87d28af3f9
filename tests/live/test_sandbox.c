/*
 * Each child of the supervisor is in its sandbox, works in it, and is not if
 * the configuration says so.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "live/ask.h"
#include "live/world.h"

#define WORKERS 3
/* Workers, helper and exporter. */
#define CHILDREN_MOST 8

/* A number of /proc/PID/status; -1: there is no such line. */
static long
status_of(pid_t pid, const char *name)
{
	char *status = file_read(text("/proc/%d/status", (int)pid));
	char *at = strstr(status, text("\n%s:", name));
	long number = at == NULL ? -1 : strtol(at + strlen(name) + 2, NULL,
	    10);

	free(status);
	return number;
}

static bool
has_seccomp(void)
{
	struct pooler *pooler = pooler_prepare(.workers = 1);
	const char *arguments[] = { "-V", NULL };

	ck_assert_int_eq(pooler_run(pooler, arguments), 0);
	ck_assert(pooler_logged(pooler, "sandbox: "));
	return !pooler_logged(pooler, "sandbox: no");
}

/*
 * One that has just begun may not be in it yet.  In a container the
 * supervisor has filters itself.
 */
static void
ck_children(struct pooler *pooler, bool wanted)
{
	pid_t pids[CHILDREN_MOST];
	long before = status_of(pooler->pid, "Seccomp_filters");
	unsigned count = process_children(pooler->pid, pids, CHILDREN_MOST);

	ck_assert_uint_ge(count, WORKERS + 1);
	for (unsigned i = 0; i < count; i++) {
		wait_until(status_of(pids[i], "NoNewPrivs") == 1);
		if (wanted)
			wait_until(status_of(pids[i], "Seccomp") == 2);
		wait_until(status_of(pids[i], "Seccomp_filters") ==
		    (before == -1 ? -1 : before + wanted));
	}
}

static struct pooler *
start(const char *settings)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .databases = text("shop = %s\nnamed = host=localhost port=%d "
	    "dbname=postgres\n", world_place(), world.cluster.port),
	    .settings = settings);

	wait_until(pooler_helper(pooler) != 0);
	return pooler;
}

START_TEST(every_child_is_in_it)
{
	struct pooler *pooler;
	PGconn *console;

	if (!has_seccomp())
		return;
	pooler = start("");
	ck_children(pooler, true);
	ck_assert(!pooler_logged(pooler, "sandbox"));
	/* Names by the helper, a query in a process of its own. */
	ck_login_ok(pooler, "user=app dbname=shop");
	ck_login_ok(pooler, "user=app dbname=named");
	console = connect_console(pooler);
	ck_query_value(console, "show config", "admin_users");
	ck_assert_str_eq(show_value(console, "config", "key", "sandbox",
	    "value"), "1");
	ck_query_ok(console, "select count(*) from config a, config b, "
	    "config c, config d where a.key < b.key and b.key < c.key "
	    "and c.key < d.key and a.key = 'nothing'");
	ck_query_ok(console, "reload");
	ck_login_ok(pooler, "user=app dbname=named");
}
END_TEST

START_TEST(it_can_be_left_out)
{
	struct pooler *pooler = start("sandbox = 0\n");

	ck_children(pooler, false);
	ck_login_ok(pooler, "user=app dbname=named");
}
END_TEST

START_TEST(a_replacement_is_in_it_too)
{
	struct pooler *pooler;
	pid_t before[CHILDREN_MOST], after[CHILDREN_MOST], helper;

	if (!has_seccomp())
		return;
	pooler = start("");
	ck_assert_uint_eq(pooler_children(pooler, before, CHILDREN_MOST),
	    WORKERS);
	helper = pooler_helper(pooler);
	kill(before[0], SIGKILL);
	kill(helper, SIGKILL);
	wait_until(!process_alive(before[0]) && !process_alive(helper));
	wait_until(pooler_helper(pooler) != 0 && pooler_children(pooler,
	    after, CHILDREN_MOST) == WORKERS);
	ck_login_ok(pooler, "user=app dbname=named");
	ck_children(pooler, true);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sandbox");
	TCase *tests = world_case(suite, "sandbox", 60);

	if (!pooler_is_pgusher())
		return 77;
	tcase_add_test(tests, every_child_is_in_it);
	tcase_add_test(tests, it_can_be_left_out);
	tcase_add_test(tests, a_replacement_is_in_it_too);
	return world_run(suite);
}
