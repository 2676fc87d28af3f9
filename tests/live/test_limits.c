/*
 * Limits that concern several pools, the reserve and the minimum of a pool,
 * clients per database and user: with clients spread over all workers, and
 * counted by PostgreSQL.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live/ask.h"
#include "live/crowd.h"
#include "live/sampler.h"
#include "live/world.h"

#define WORKERS 4

static const char *
two_databases(const char *more_of_shop)
{
	const char *place = world_place();

	return text("shop = %s %s\nmart = %s\n", place, more_of_shop, place);
}

/* ---- server connections ---- */

static const struct {
	const char	*story, *settings, *shop, *users;
	const char	*logins[2];
	const char	*counted;	/* condition of pg_stat_activity */
	unsigned	 most;
} sums[] = {
	{ "of a database, over the pools of two users",
	    "max_db_connections = 5\n", "", "",
	    { "user=app dbname=shop", "user=other dbname=shop" },
	    "usename in ('app', 'other')", 5 },
	{ "of a database, by its own entry",
	    "", "max_db_connections=3", "",
	    { "user=app dbname=shop", "user=other dbname=shop" },
	    "usename in ('app', 'other')", 3 },
	{ "of a user, over the pools of two databases",
	    "max_user_connections = 4\n", "", "",
	    { "user=app dbname=shop", "user=app dbname=mart" },
	    "usename = 'app'", 4 },
	{ "of a user, by its own entry",
	    "", "", "app = max_user_connections=2\n",
	    { "user=app dbname=shop", "user=app dbname=mart" },
	    "usename = 'app'", 2 },
	{ "of both, one place each at the least",
	    "max_db_connections = 2\nmax_user_connections = 2\n", "", "",
	    { "user=app dbname=shop", "user=other dbname=shop" },
	    "usename in ('app', 'other')", 2 },
};

START_TEST(the_connections_of_several_pools_never_exceed_their_limit)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .databases = two_databases(sums[_i].shop),
	    .users = sums[_i].users, .settings = text(
	    "default_pool_size = 20\n%s", sums[_i].settings));
	struct sampler sampler;
	struct crowd *crowds[2];
	struct crowd_result result;

	sampler_start(&sampler, sums[_i].counted);
	for (int i = 0; i < 2; i++)
		crowds[i] = crowd_start(pooler, &(struct crowd_plan){
		    .login = sums[_i].logins[i], .clients = 16 });
	/* Neither starves: every client of both goes on. */
	for (int i = 0; i < 2; i++)
		crowd_await_progress(crowds[i], 20);
	/* And the limit is used. */
	wait_until(sampler.most >= sums[_i].most);
	for (int i = 0; i < 2; i++) {
		result = crowd_stop(crowds[i]);
		ck_crowd_well(&result);
	}
	sampler_stop(&sampler);
	ck_assert_msg(sampler.most == sums[_i].most, "%s: %lld connections",
	    sums[_i].story, sampler.most);
}
END_TEST

START_TEST(an_idle_connection_of_another_pool_makes_room)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = "max_db_connections = 2\n");
	PGconn *first = connect_client(pooler), *second;
	PGconn *direct = world_direct();

	ck_query_ok(first, "select 1");
	ck_query_ok(first, "begin");
	second = connect_client(pooler);
	ck_query_ok(second, "select 1");	/* both places are app's */
	second = connect_as(pooler, "user=other dbname=shop");
	ck_query_value(second, "select current_user", "other");
	pooler_await_log(pooler, "closing because: evicted");
	/* What is in use stays. */
	ck_query_ok(first, "commit");
	ck_assert_int_le(query_number(direct, "select count(*) from "
	    "pg_stat_activity where usename in ('app', 'other')"), 2);
}
END_TEST

START_TEST(a_place_goes_to_the_pool_whose_client_has_waited_longest)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = "max_db_connections = 1\n"
	    "server_lifetime = 0\n");
	PGconn *holder = connect_client(pooler);
	PGconn *zoe, *ann, *console = connect_console(pooler);

	/* Both pools know their welcome, so nobody waits for a login. */
	zoe = connect_as(pooler, "user=other dbname=shop");
	ck_query_ok(holder, "begin");
	ann = connect_client(pooler);
	ck_assert_int_eq(PQsendQuery(zoe, "select 'other first'"), 1);
	wait_until(show_number(console, "POOLS", "user", "other",
	    "cl_waiting") == 1);
	ck_assert_int_eq(PQsendQuery(ann, "begin"), 1);
	wait_until(show_number(console, "POOLS", "user", "app",
	    "cl_waiting") == 1);
	/* Closed when it is released: the place is free for anybody. */
	ck_query_ok(holder, "commit");
	ck_finish_ok(zoe);
	ck_finish_ok(ann);
	ck_query_ok(ann, "commit");
}
END_TEST

START_TEST(the_reserve_is_for_who_has_waited_long)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = "default_pool_size = 1\nreserve_pool_size = 1\n"
	    "reserve_pool_timeout = 1\n");
	PGconn *first = connect_client(pooler);
	PGconn *second = connect_client(pooler);
	PGconn *third = connect_client(pooler);
	PGconn *console = connect_console(pooler);

	ck_query_ok(first, "begin");
	ck_query_ok(second, "begin");
	pooler_await_log(pooler, "taking connection from "
	    "reserve_pool");
	/* It is used up. */
	ck_assert_int_eq(PQsendQuery(third, "select 1"), 1);
	wait_until(show_number(console, "POOLS", "user", "app", "maxwait") >=
	    2);
	ck_assert(still_waits(third));
	wait_until(show_number(console, "POOLS", "user", "app",
	    "sv_active") == 2);
	ck_query_ok(first, "commit");
	ck_finish_ok(third);
	ck_query_ok(second, "commit");
}
END_TEST

static void
await_number(PGconn *direct, const char *sql, long long number)
{
	wait_until(query_number(direct, sql) == number);
}

START_TEST(a_pool_with_a_client_keeps_its_minimum)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = "min_pool_size = 3\nserver_idle_timeout = 1\n");
	static const char held[] = "select count(*) from pg_stat_activity "
	    "where usename = 'app'";
	PGconn *direct = world_direct();
	PGconn *client = connect_client(pooler);

	await_number(direct, held, 3);
	/* Not even idle for long do they go below it. */
	usleep(2500 * 1000);
	ck_assert_int_eq(query_number(direct, held), 3);
	disconnect(client);
}
END_TEST

START_TEST(a_pool_with_a_forced_user_is_filled_before_its_first_client)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .databases = text("shop = %s user=other min_pool_size=2\n",
	    world_place()));

	await_number(world_direct(), "select count(*) from pg_stat_activity "
	    "where usename = 'other'", 2);
	ck_query_value(connect_client(pooler), "select current_user",
	    "other");
}
END_TEST

START_TEST(no_more_servers_are_opened_at_one_time_than_allowed)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = "max_connecting_servers = 1\n"
	    "default_pool_size = 10\n");
	struct crowd *crowd;
	struct crowd_result result;

	crowd = crowd_start(pooler, &(struct crowd_plan){ .clients = 20,
	    .hold_ms = 5 });
	crowd_await_progress(crowd, 5);
	result = crowd_stop(crowd);
	ck_crowd_well(&result);
}
END_TEST

/* ---- what nobody needs ---- */

START_TEST(an_automatic_database_goes_when_it_is_not_used)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .databases = text("* = %s\n", world_place()),
	    .settings = "autodb_idle_timeout = 1\n"
	    "server_idle_timeout = 1\n");
	PGconn *console = connect_console(pooler);

	for (int round = 0; round < 2; round++) {
		PGconn *client = connect_as(pooler, "user=app dbname=any");

		ck_query_value(client, "select current_database()",
		    "postgres");
		ck_assert_uint_eq(show_count(console, "DATABASES", "name",
		    "any"), 1);
		disconnect(client);
		wait_until(show_count(console, "DATABASES", "name", "any") ==
		    0);
		wait_until(show_count(console, "POOLS", "database", "any") ==
		    0);
	}
	pooler_await_log(pooler, "registered new auto-database: any");
	pooler_await_log(pooler, "dropping database 'any' as it does "
	    "not exist anymore or inactive auto-database");
}
END_TEST

START_TEST(an_idle_pool_goes_and_comes_back)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = "pool_idle_timeout = 1\nserver_idle_timeout = 1\n");
	PGconn *console = connect_console(pooler);

	for (int round = 0; round < 2; round++) {
		PGconn *client = connect_client(pooler);

		ck_query_ok(client, "select 1");
		ck_assert_int_eq(show_number(console, "STATS", "database",
		    "shop", "total_xact_count"), 1);
		disconnect(client);
		wait_until(show_count(console, "POOLS", "user", "app") == 0);
	}
	pooler_await_log(pooler, "cleaning up idle pool for user app "
	    "on db shop because: pool idle timeout (age= ");
}
END_TEST

/* ---- clients ---- */

static const struct {
	const char	*story, *settings, *shop, *users, *refusal;
	unsigned	 most;
	bool		 others_too;	/* the limit is for all together */
} clients[] = {
	{ "all together", "max_client_conn = 6\n", "", "",
	    "no more connections allowed (max_client_conn)", 6, true },
	{ "of a database", "max_db_client_connections = 5\n", "", "",
	    "client connections exceeded (max_db_client_connections)", 5,
	    false },
	{ "of a database, by its own entry", "",
	    "max_db_client_connections=4", "",
	    "client connections exceeded (max_db_client_connections)", 4,
	    false },
	{ "of a user", "max_user_client_connections = 5\n", "", "",
	    "client connections exceeded (max_user_client_connections)", 5,
	    false },
	{ "of a user, by its own entry", "", "",
	    "app = max_user_client_connections=3\n",
	    "client connections exceeded (max_user_client_connections)", 3,
	    false },
};

#define RUSH 24

/* All at once, through all workers: exactly as many as may get in. */
static unsigned
rush(struct pooler *pooler, PGconn *conns[RUSH], const char *refusal)
{
	const char *login = login_string(pooler, "user=app dbname=shop");
	unsigned in = 0, busy = RUSH;
	bool done[RUSH] = { false };

	for (int i = 0; i < RUSH; i++) {
		conns[i] = PQconnectStart(login);
		ck_assert_ptr_ne(conns[i], NULL);
	}
	while (busy > 0) {
		for (int i = 0; i < RUSH; i++) {
			PostgresPollingStatusType status;

			if (done[i])
				continue;
			status = PQconnectPoll(conns[i]);
			if (status != PGRES_POLLING_OK &&
			    status != PGRES_POLLING_FAILED)
				continue;
			done[i] = true;
			busy--;
			in += status == PGRES_POLLING_OK;
			if (status == PGRES_POLLING_FAILED)
				ck_assert_msg(strstr(PQerrorMessage(conns[i]),
				    refusal) != NULL, "%s",
				    PQerrorMessage(conns[i]));
		}
		usleep(200);
	}
	return in;
}

/* The next may come: one after the other they are counted no more. */
static void
await_departure(PGconn *console)
{
	wait_until(show_number(console, "DATABASES", "name", "shop",
	    "current_client_connections") == 0);
	wait_until(show_number(console, "USERS", "name", "app",
	    "current_client_connections") == 0);
	wait_until(show_count(console, "CLIENTS", "user", "app") == 0);
}

static void
leave(PGconn *conns[RUSH])
{
	for (int i = 0; i < RUSH; i++)
		PQfinish(conns[i]);
}

START_TEST(exactly_so_many_clients_get_in)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .databases = two_databases(clients[_i].shop),
	    .users = clients[_i].users, .settings = clients[_i].settings);
	PGconn *console = connect_console(pooler), *conns[RUSH];
	const char *other = "user=other dbname=mart";

	/* The pool knows its welcome: nobody waits. */
	disconnect(connect_client(pooler));
	await_departure(console);
	for (int round = 0; round < 4; round++) {
		ck_assert_msg(rush(pooler, conns, clients[_i].refusal) ==
		    clients[_i].most, "%s", clients[_i].story);
		if (clients[_i].others_too)
			ck_login_fails(pooler, other, "08P01",
			    clients[_i].refusal);
		else
			ck_login_ok(pooler, other);
		leave(conns);
		await_departure(console);
	}
}
END_TEST

START_TEST(the_clients_of_a_killed_worker_are_not_counted_any_more)
{
	struct pooler *pooler = pooler_start(.workers = WORKERS,
	    .settings = "max_client_conn = 40\n"
	    "max_db_client_connections = 16\n"
	    "max_user_client_connections = 16\n");
	PGconn *conns[RUSH], *console = connect_console(pooler);
	pid_t pids[WORKERS];

	disconnect(connect_client(pooler));
	await_departure(console);
	disconnect(console);
	ck_assert_uint_eq(rush(pooler, conns, "max_db_client_connections"),
	    16);
	ck_assert_uint_eq(pooler_children(pooler, pids, WORKERS), WORKERS);
	for (int i = 0; i < WORKERS; i++)
		kill(pids[i], SIGKILL);
	leave(conns);
	for (int i = 0; i < WORKERS; i++)
		pooler_await_log(pooler, text("(process %d) was killed",
		    (int)pids[i]));
	console = connect_console(pooler);
	await_departure(console);
	ck_assert_uint_eq(rush(pooler, conns, "max_db_client_connections"),
	    16);
	leave(conns);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("limits");
	TCase *servers = world_case(suite, "servers", 120);
	TCase *of_clients = world_case(suite, "clients", 120);

	tcase_add_loop_test(servers,
	    the_connections_of_several_pools_never_exceed_their_limit, 0,
	    ARRAY_LENGTH(sums));
	tcase_add_test(servers, an_idle_connection_of_another_pool_makes_room);
	tcase_add_test(servers,
	    a_place_goes_to_the_pool_whose_client_has_waited_longest);
	tcase_add_test(servers, the_reserve_is_for_who_has_waited_long);
	tcase_add_test(servers, a_pool_with_a_client_keeps_its_minimum);
	tcase_add_test(servers,
	    a_pool_with_a_forced_user_is_filled_before_its_first_client);
	tcase_add_test(servers,
	    no_more_servers_are_opened_at_one_time_than_allowed);
	tcase_add_test(servers,
	    an_automatic_database_goes_when_it_is_not_used);
	tcase_add_test(servers, an_idle_pool_goes_and_comes_back);
	tcase_add_loop_test(of_clients, exactly_so_many_clients_get_in, 0,
	    ARRAY_LENGTH(clients));
	tcase_add_test(of_clients,
	    the_clients_of_a_killed_worker_are_not_counted_any_more);
	return world_run(suite);
}
