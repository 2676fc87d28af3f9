#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/pool_view.h"
#include "session/sessions.h"

static const struct segment_size size = { .workers = 1, .clients = 4,
    .servers = 4, .pools = 8, .databases = 8, .users = 8 };
static const struct sessions_owner owner = { 0 };
static struct segment *segment;
static struct sessions *sessions;
static struct loop *loop;
static struct config *loaded[4];

static int
before_sleep(void *context)
{
	return 0;
}

static void
nothing(void *context)
{
}

static const char ini[] =
    "[databases]\n"
    "tcp = host=127.0.0.1 port=5433 pool_size=7 pool_mode=session\n"
    "six = host=::1 port=5434\n"
    "* = host=127.0.0.9\n"
    "[users]\n"
    "small = pool_size=2 pool_mode=statement\n"
    "[pgbouncer]\n"
    "auth_type = any\ndefault_pool_size = 11\nserver_login_retry = 3\n"
    "server_round_robin = 1\nunix_socket_dir = /run/here\n"
    "server_idle_timeout = 4\nserver_lifetime = 5\n";

static const struct config *
load(const char *text)
{
	struct files *files = files_memory();
	struct error error = { .text = "" };
	struct config *config;
	int at = 0;

	files_put(files, "pgusher.ini", text, strlen(text));
	config = config_load(files, "pgusher.ini", &error);
	ck_assert_msg(config != NULL, "%s", error.text);
	files_free(files);
	while (loaded[at] != NULL)
		at++;
	loaded[at] = config;
	return config;
}

static void
begin(void)
{
	static const struct loop_hooks hooks = { NULL, before_sleep, nothing,
	    nothing };
	struct error error;

	segment = segment_create(&size, &error);
	loop = loop_create(&hooks, &error);
	sessions = sessions_create(segment, load(ini), loop, 0, &owner);
}

/* Sessions live as long as their process; this one ends here. */
static void
end(void)
{
	for (int i = 0; i < 4; i++)
		config_free(loaded[i]);
	loop_destroy(loop);
}

static struct pool_view *
view_of(const char *database, const char *user)
{
	return pool_view_get(sessions, pools_make(segment, database, user,
	    false));
}

START_TEST(a_view_is_made_once)
{
	struct pool_view *view = view_of("tcp", "u");

	ck_assert_ptr_eq(view_of("tcp", "u"), view);
	ck_assert_ptr_ne(view_of("tcp", "v"), view);
	ck_assert_str_eq(view->database_name, "tcp");
	ck_assert_str_eq(view->user_name, "u");
}
END_TEST

static const struct {
	const char	*database, *user;
	uint32_t	 size;
	enum pool_mode	 mode;
} policies[] = {
	{ "tcp", "u", 7, POOL_MODE_SESSION },
	{ "tcp", "small", 2, POOL_MODE_STATEMENT },
	{ "six", "u", 11, POOL_MODE_SESSION },
	{ "other", "u", 11, POOL_MODE_SESSION },
};

START_TEST(a_view_has_what_the_configuration_says)
{
	struct pool_view *view = view_of(policies[_i].database,
	    policies[_i].user);

	ck_assert_uint_eq(view->policy.size, policies[_i].size);
	ck_assert_int_eq(view->mode, policies[_i].mode);
	ck_assert(view->policy.round_robin);
	ck_assert_int_eq(view->policy.login_retry, 3 * USEC_PER_SEC);
	ck_assert_int_eq(view->policy.idle_timeout, 4 * USEC_PER_SEC);
	ck_assert_int_eq(view->policy.lifetime, 5 * USEC_PER_SEC);
}
END_TEST

START_TEST(a_change_of_configuration_is_taken_over)
{
	struct pool_view *view = view_of("tcp", "u");

	sessions->config = load("[databases]\ntcp = host=127.0.0.1 "
	    "port=5433\n[pgbouncer]\nauth_type = any\n"
	    "default_pool_size = 3\n");
	pool_view_refresh(sessions, view);
	ck_assert_uint_eq(view->policy.size, 3);
	ck_assert(!view->policy.removed);
	sessions->config = load("[databases]\nother = host=127.0.0.1\n"
	    "[pgbouncer]\nauth_type = any\n");
	pool_view_refresh(sessions, view);
	ck_assert_ptr_null(view->database);
	ck_assert(view->policy.removed);
}
END_TEST

static const struct {
	const char	*story;
	const char	*entry;
	bool		 marked;
} moves[] = {
	{ "as it was", "host=127.0.0.1 port=5433", false },
	{ "another size", "host=127.0.0.1 port=5433 pool_size=9", false },
	{ "another host", "host=127.0.0.2 port=5433", true },
	{ "another port", "host=127.0.0.1 port=5499", true },
	{ "another name there", "host=127.0.0.1 port=5433 dbname=x", true },
	{ "another first query",
	    "host=127.0.0.1 port=5433 connect_query='select 1'", true },
	{ "another user", "host=127.0.0.1 port=5433 user=u", true },
	{ "several hosts, another way to choose",
	    "host=127.0.0.1 port=5433 load_balance_hosts=disable", true },
	{ "only another password", "host=127.0.0.1 port=5433 password=x",
	    false },
};

/* Connections to the old place are not used again. */
START_TEST(when_a_database_moves_its_connections_are_marked)
{
	struct pool_view *view = view_of("tcp", "u");
	uint32_t row = servers_claim(segment, 0, view->pool,
	    SERVER_OPENING);
	char text[512];

	snprintf(text, sizeof(text), "[databases]\ntcp = %s\n"
	    "[pgbouncer]\nauth_type = any\n", moves[_i].entry);
	segment->pools[view->pool].server_count = 1;
	sessions->config = load(text);
	pool_view_refresh(sessions, view);
	ck_assert_msg((segment->servers[row].close_needed != 0) ==
	    moves[_i].marked, "%s", moves[_i].story);
}
END_TEST

START_TEST(who_moves_after_its_row_was_given_back_marks_nobody_elses)
{
	struct pool_view *view = view_of("tcp", "u");
	uint32_t row = servers_claim(segment, 0, view->pool, SERVER_OPENING);

	segment->pools[view->pool].server_count = 1;
	atomic_fetch_add(&segment->pools[view->pool].generation, 1);
	sessions->config = load("[databases]\ntcp = host=127.0.0.2\n"
	    "[pgbouncer]\nauth_type = any\n");
	pool_view_refresh(sessions, view);
	ck_assert_uint_eq(segment->servers[row].close_needed, 0);
}
END_TEST

START_TEST(a_name_leads_to_its_entry_or_to_the_last_resort)
{
	const struct config *config = sessions->config;

	ck_assert_ptr_eq(pool_view_database(config, "tcp"),
	    config_find_database(config, "tcp"));
	ck_assert_ptr_eq(pool_view_database(config, "whatever"),
	    config->autodb);
	config = load("[databases]\na = host=127.0.0.1\n[pgbouncer]\n"
	    "auth_type = any\n");
	ck_assert_ptr_null(pool_view_database(config, "whatever"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pool_view");
	TCase *tests = tcase_create("pool_view");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_view_is_made_once);
	tcase_add_loop_test(tests, a_view_has_what_the_configuration_says, 0,
	    ARRAY_LENGTH(policies));
	tcase_add_test(tests, a_change_of_configuration_is_taken_over);
	tcase_add_loop_test(tests,
	    when_a_database_moves_its_connections_are_marked, 0,
	    ARRAY_LENGTH(moves));
	tcase_add_test(tests,
	    who_moves_after_its_row_was_given_back_marks_nobody_elses);
	tcase_add_test(tests, a_name_leads_to_its_entry_or_to_the_last_resort);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
