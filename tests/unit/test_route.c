/*
 * Where a connection is opened to, one after the other; names are answered by
 * the test.
 */
#include <arpa/inet.h>
#include <check.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "session/route.h"

static const struct segment_size size = { .workers = 2, .clients = 4,
    .servers = 4, .pools = 16, .databases = 16, .users = 8, .hosts = 8 };
static const struct sessions_owner owner = { 0 };
static struct segment *segment;
/* They live as long as their process. */
static struct sessions *sessions, *others;
static struct loop *loop;
static struct config *config;

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
    "tcp = host=127.0.0.1 port=5433\n"
    "six = host=::1 port=5434\n"
    "many = host=127.0.0.1,127.0.0.2,127.0.0.3 port=5435\n"
    "turns = host=127.0.0.1,127.0.0.2 load_balance_hosts=disable\n"
    "local = port=5436\n"
    "directory = host=/run/somewhere port=5437\n"
    "mixed = host=/run/there,::1,name port=5438 "
    "load_balance_hosts=disable\n"
    "named = host=name port=5439\n"
    "names = host=name,other port=5440\n"
    "sticky = host=name,other port=5440 load_balance_hosts=disable\n"
    "* = host=127.0.0.9\n"
    "[pgbouncer]\n"
    "auth_type = any\nunix_socket_dir = /run/here\n";

static void
begin(void)
{
	static const struct loop_hooks hooks = { NULL, before_sleep, nothing,
	    nothing };
	struct files *files = files_memory();
	struct error error;

	files_put(files, "pgusher.ini", ini, strlen(ini));
	config = config_load(files, "pgusher.ini", &error);
	ck_assert_msg(config != NULL, "%s", error.text);
	files_free(files);
	segment = segment_create(&size, &error);
	loop = loop_create(&hooks, &error);
	sessions = sessions_create(segment, config, loop, 0, &owner);
}

static void
end(void)
{
	config_free(config);
	loop_destroy(loop);
}

static struct pool_view *
view_of(const char *database)
{
	return pool_view_get(sessions, pools_make(segment, database, "u",
	    false));
}

/* The helper's answer: 10.0.0.first and those behind it. */
static void
answer(const char *name, unsigned first, unsigned count)
{
	const struct host_ttls ttls = { USEC_PER_SEC, USEC_PER_SEC };
	struct address_list list = { .count = count };
	const struct host_answer found = { name, count == 0 ? EAI_NONAME : 0,
	    count == 0, &list };
	uint32_t row = hosts_find(segment, name, loop_now(loop));
	uint64_t waiting;

	for (unsigned i = 0; i < count; i++)
		list.address[i] = (struct address){ .family = ADDRESS_IPV4,
		    .bytes = { 10, 0, 0, (uint8_t)(first + i) } };
	ck_assert(hosts_store(segment, row, &found, &ttls, loop_now(loop),
	    &waiting));
}

static const char *
text_of(const struct place *place)
{
	static char text[128];
	struct address address;

	if (place->address.ss_family == AF_UNIX) {
		snprintf(text, sizeof(text), "%s", ((const struct
		    sockaddr_un *)&place->address)->sun_path);
		return text;
	}
	address_from((const struct sockaddr *)&place->address, 0, &address);
	address_format(&address, 0, text, sizeof(text));
	return text;
}

static const char *
next(const char *database, struct route *route)
{
	struct place place;
	uint32_t host;

	switch (route_next(sessions, view_of(database), route, &place,
	    &host)) {
	case ROUTE_PLACE:
		return text_of(&place);
	case ROUTE_WAIT:
		return "wait";
	default:
		return "end";
	}
}

static const struct {
	const char	*story;
	const char	*database;
	const char	*texts[4];	/* one connection after the other */
} firsts[] = {
	{ "IPv4", "tcp", { "127.0.0.1:5433", "127.0.0.1:5433" } },
	{ "IPv6", "six", { "[::1]:5434" } },
	{ "several hosts in turn", "many", { "127.0.0.1:5435",
	    "127.0.0.2:5435", "127.0.0.3:5435", "127.0.0.1:5435" } },
	{ "the first of several", "turns", { "127.0.0.1:5432",
	    "127.0.0.1:5432" } },
	{ "a Unix socket", "local", { "/run/here/.s.PGSQL.5436" } },
	{ "a Unix socket elsewhere", "directory",
	    { "/run/somewhere/.s.PGSQL.5437" } },
	{ "whatever is not named", "unnamed", { "127.0.0.9:5432" } },
	{ "the addresses of a name in turn", "named", { "10.0.0.1:5439",
	    "10.0.0.2:5439", "10.0.0.1:5439" } },
	{ "names in turn, and their addresses", "names", { "10.0.0.1:5440",
	    "10.0.0.8:5440", "10.0.0.2:5440", "10.0.0.8:5440" } },
};

START_TEST(each_connection_begins_here)
{
	answer("name", 1, 2);
	answer("other", 8, 1);
	for (int i = 0; i < 4 && firsts[_i].texts[i] != NULL; i++) {
		struct route route = { 0 };
		const char *got = next(firsts[_i].database, &route);

		ck_assert_msg(strcmp(got, firsts[_i].texts[i]) == 0,
		    "%s: %s", firsts[_i].story, got);
	}
}
END_TEST

static const struct {
	const char	*story;
	const char	*database;
	const char	*texts[5];	/* of one attempt */
} ways[] = {
	{ "one address is tried once", "tcp", { "127.0.0.1:5433", "end" } },
	{ "one host after the other", "many", { "127.0.0.1:5435",
	    "127.0.0.2:5435", "127.0.0.3:5435", "end" } },
	{ "from a socket to an address to a name", "mixed",
	    { "/run/there/.s.PGSQL.5438", "[::1]:5438", "10.0.0.1:5438",
	    "10.0.0.2:5438", "end" } },
	{ "all addresses of a name", "named", { "10.0.0.1:5439",
	    "10.0.0.2:5439", "end" } },
	{ "one name after the other", "names", { "10.0.0.1:5440",
	    "10.0.0.2:5440", "10.0.0.8:5440", "end" } },
};

START_TEST(what_fails_is_followed_by_the_next)
{
	struct route route = { 0 };

	answer("name", 1, 2);
	answer("other", 8, 1);
	for (int i = 0; i < 5 && ways[_i].texts[i] != NULL; i++) {
		const char *got = next(ways[_i].database, &route);

		ck_assert_msg(strcmp(got, ways[_i].texts[i]) == 0,
		    "%s: %s", ways[_i].story, got);
	}
	ck_assert(route.connected);
}
END_TEST

START_TEST(a_name_is_waited_for)
{
	struct route route = { 0 };

	ck_assert_str_eq(next("named", &route), "wait");
	ck_assert_str_eq(next("named", &route), "wait");
	answer("name", 5, 1);
	ck_assert_str_eq(next("named", &route), "10.0.0.5:5439");
	ck_assert_str_eq(next("named", &route), "end");
}
END_TEST

START_TEST(a_name_that_is_not_there_is_the_end)
{
	struct route route = { 0 };

	answer("name", 0, 0);
	ck_assert_str_eq(next("named", &route), "end");
	ck_assert(!route.connected);
	route = (struct route){ 0 };
	answer("other", 8, 1);
	ck_assert_str_eq(next("names", &route), "10.0.0.8:5440");
}
END_TEST

/* Two attempts that fail at the same host move the turn by one. */
START_TEST(who_sticks_to_a_host_leaves_it_when_it_fails)
{
	struct route one = { 0 }, other = { 0 }, later = { 0 };

	ck_assert_str_eq(next("turns", &one), "127.0.0.1:5432");
	ck_assert_str_eq(next("turns", &other), "127.0.0.1:5432");
	ck_assert_str_eq(next("turns", &one), "127.0.0.2:5432");
	ck_assert_str_eq(next("turns", &other), "127.0.0.2:5432");
	ck_assert_str_eq(next("turns", &later), "127.0.0.2:5432");
	/* It is refused there: the next attempt begins with the first. */
	route_give_up(sessions, view_of("turns"), &later);
	later = (struct route){ 0 };
	ck_assert_str_eq(next("turns", &later), "127.0.0.1:5432");
	later = (struct route){ 0 };
	ck_assert_str_eq(next("turns", &later), "127.0.0.1:5432");
}
END_TEST

START_TEST(the_turn_is_one_for_all_workers)
{
	struct route here = { 0 }, there = { 0 };
	struct place place;
	uint32_t host;

	others = sessions_create(segment, config, loop, 1, &owner);
	ck_assert_str_eq(next("many", &here), "127.0.0.1:5435");
	ck_assert_int_eq(route_next(others, pool_view_get(others,
	    pools_make(segment, "many", "u", false)), &there, &place, &host),
	    ROUTE_PLACE);
	ck_assert_str_eq(text_of(&place), "127.0.0.2:5435");
}
END_TEST

START_TEST(a_cancel_finds_the_socket_again)
{
	struct pool_view *view = view_of("mixed");
	struct route route = { 0 };
	struct place place, again;
	struct address moved = { .bytes = { 9 } };
	uint32_t host;

	ck_assert_int_eq(route_next(sessions, view, &route, &place, &host),
	    ROUTE_PLACE);
	ck_assert(route_unix(sessions, view, &place.remote, &again.address,
	    &again.length));
	ck_assert_str_eq(text_of(&again), "/run/there/.s.PGSQL.5438");
	ck_assert(!route_unix(sessions, view, &moved, &again.address,
	    &again.length));
	moved.bytes[0] = 1;		/* that one is no socket */
	ck_assert(!route_unix(sessions, view, &moved, &again.address,
	    &again.length));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("route");
	TCase *tests = tcase_create("route");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, each_connection_begins_here, 0,
	    ARRAY_LENGTH(firsts));
	tcase_add_loop_test(tests, what_fails_is_followed_by_the_next, 0,
	    ARRAY_LENGTH(ways));
	tcase_add_test(tests, a_name_is_waited_for);
	tcase_add_test(tests, a_name_that_is_not_there_is_the_end);
	tcase_add_test(tests, who_sticks_to_a_host_leaves_it_when_it_fails);
	tcase_add_test(tests, the_turn_is_one_for_all_workers);
	tcase_add_test(tests, a_cancel_finds_the_socket_again);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
