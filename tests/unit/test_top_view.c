/*
 * The screen of pgusherctl top, without a terminal.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/top_view.h"
#include "made_rows.h"

static struct top_sample before, now;

static struct top_sample
sample(double at, const char *pool, const char *totals, const char *worker)
{
	struct top_sample made = { .at = at, .version = "PgBouncer 1.25.2" };

	made.pools = made_rows("database:t user:t cl_active:i cl_waiting:i "
	    "sv_active:i sv_idle:i sv_used:i sv_login:i maxwait:i "
	    "maxwait_us:i pool_mode:t", pool, "zoo keeper 1 0 0 1 0 0 0 0 "
	    "session", "pgbouncer pgbouncer 1 0 0 0 0 0 0 0 statement", NULL);
	made.databases = made_rows("name:t pool_size:i", "shop 10", "zoo 5",
	    NULL);
	made.totals = made_rows("database:t xact_count:i query_count:i "
	    "bytes_received:i bytes_sent:i xact_time:i wait_time:i", totals,
	    NULL);
	made.workers = made_rows("slot:i pid:i state:t clients:i servers:i "
	    "xacts:i cpu_ms:i restarts:i", worker, NULL);
	made.clients = made_rows("state:t database:t user:t addr:t port:i "
	    "wait:i wait_us:i connect_time:t application_name:t",
	    "waiting shop app 127.0.0.1 4711 2 500000 today psql", NULL);
	return made;
}

static void
begin(void)
{
	before = sample(10, "shop app 3 0 2 8 0 0 0 0 transaction",
	    "shop 1000 2000 0 0 0 0", "0 42 serving 3 2 1000 500 0");
	now = sample(12, "shop app 3 7 10 0 0 0 6 250000 transaction",
	    "shop 5000 10000 2000000 4000000 8000000 1000000",
	    "0 42 serving 3 2 5000 1500 0");
}

static void
end(void)
{
	top_sample_free(&before);
	top_sample_free(&now);
}

static char *
drawn(const struct top_sample *older, const struct top_options *options)
{
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	top_draw(file, &now, older, options);
	fclose(file);
	return text;
}

static void
ck_has(const char *text, const char *wanted)
{
	ck_assert_msg(strstr(text, wanted) != NULL, "no \"%s\" in\n%s",
	    wanted, text);
}

START_TEST(rates_are_what_happened_between_two_looks)
{
	struct top_options options = { .page = TOP_POOLS };
	char *text = drawn(&before, &options);

	ck_has(text, "clients 11, waiting 7   servers 10 active, 1 idle   "
	    "2.00k transactions/s");
	/* 4000 transactions in 8 s of time, 8000 queries that waited 1 s. */
	ck_has(text, "shop                   2.00k   4.00k   1.00M   2.00M"
	    "      2.00      0.12\n");
	ck_has(text, "shop/app                 transaction      3     7    6.25"
	    "     10     0     0     0 ####################\n");
	ck_has(text, "0            42 serving          3       2   2.00k"
	    "    50.0        0\n");
	ck_assert_ptr_null(strstr(text, "pgbouncer/pgbouncer"));
	free(text);
}
END_TEST

START_TEST(at_first_nothing_is_known_of_rates)
{
	struct top_options options = { .page = TOP_POOLS };
	char *text = drawn(NULL, &options);

	ck_has(text, "   0 transactions/s");
	free(text);
}
END_TEST

START_TEST(who_waits_most_is_first_unless_names_are_asked_for)
{
	struct top_options options = { .page = TOP_POOLS };
	char *text = drawn(&before, &options);

	ck_assert(strstr(text, "shop/app") < strstr(text, "zoo/keeper"));
	free(text);
	PQclear(now.pools);
	now.pools = made_rows("database:t user:t cl_waiting:i sv_active:i",
	    "alpha a 0 1", "beta b 5 0", NULL);
	text = drawn(&before, &options);
	ck_assert(strstr(text, "beta/b") < strstr(text, "alpha/a"));
	free(text);
	options.order = TOP_BY_NAME;
	text = drawn(&before, &options);
	ck_assert(strstr(text, "alpha/a") < strstr(text, "beta/b"));
	free(text);
	options.order = TOP_BY_ACTIVE;
	text = drawn(&before, &options);
	ck_assert(strstr(text, "alpha/a") < strstr(text, "beta/b"));
	free(text);
}
END_TEST

START_TEST(clients_have_a_page)
{
	struct top_options options = { .page = TOP_CLIENTS };
	char *text = drawn(&before, &options);

	ck_has(text, "waiting  shop             app              "
	    "127.0.0.1:4711           2.50 today               psql\n");
	free(text);
}
END_TEST

#define HISTOGRAMS "timing:t at_most_us:i count:i"

/* Two pools with queries of 100 us, and what came since, 2 ms and a minute. */
START_TEST(times_are_those_between_two_looks)
{
	struct top_options options = { .page = TOP_TIMES, .width = 80 };
	char *text;

	before.histograms = made_rows(HISTOGRAMS, "query 128 500",
	    "query 128 400", NULL);
	now.histograms = made_rows(HISTOGRAMS, "query 128 590",
	    "query 128 400", "query 2048 9", "query - 1", "wait 64 5", NULL);
	text = drawn(NULL, &options);
	ck_has(text, "\n128 us       0                     990 ");
	free(text);
	text = drawn(&before, &options);
	ck_has(text, "\nNO MORE  WAIT                    QUERY      ");
	ck_has(text, "\nhalf     64 us                   128 us     ");
	ck_has(text, "\n95 %     64 us                   2.05 ms    ");
	ck_has(text, "\nall      64 us                   longer     ");
	ck_has(text, "\n64 us        5 ################      0      ");
	ck_has(text, "\n128 us       0                      90 ############## ");
	ck_has(text, "\n2.05 ms      0                       9 # ");
	ck_has(text, "\nlonger       0                       1 # ");
	free(text);
}
END_TEST

START_TEST(where_nothing_happened_no_times_are_known)
{
	struct top_options options = { .page = TOP_TIMES, .width = 80 };
	char *text;

	before.histograms = made_rows(HISTOGRAMS, "query 128 500", NULL);
	now.histograms = made_rows(HISTOGRAMS, "query 128 500", NULL);
	text = drawn(&before, &options);
	ck_has(text, "\nhalf     -                       -          ");
	ck_assert_ptr_null(strstr(text, "128 us"));
	free(text);
}
END_TEST

/* Columns count characters, and none is cut in two. */
START_TEST(names_are_as_wide_as_they_show)
{
	struct top_options options = { .page = TOP_POOLS };
	char *text;

	PQclear(now.pools);
	now.pools = made_rows("database:t user:t cl_waiting:i sv_active:i",
	    "käse ö 0 1", "ääääääääääääääääääääääääääää b 5 0", NULL);
	text = drawn(&before, &options);
	ck_has(text, "\nkäse/ö                               ");
	ck_has(text, "\nääääääääääääääääääääääää ");
	free(text);
	options.width = 3;
	text = drawn(&before, &options);
	ck_has(text, "\nkäs\n");
	ck_has(text, "\näää\n");
	free(text);
}
END_TEST

START_TEST(it_fits_the_screen)
{
	struct top_options options = { .page = TOP_POOLS, .width = 30,
	    .height = 5 };
	char *text = drawn(&before, &options), *line = text, *end;
	int lines = 0;

	for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		ck_assert_int_le(end - line, 30);
		lines++;
	}
	ck_assert_int_eq(lines, 5);
	free(text);
}
END_TEST

/* Names give way, and grow where there is room. */
static const struct {
	int		 width, height;
	const char	*wanted, *unwanted;
} screens[] = {
	{ 80, 24, "LOGIN\n", "IN USE" },
	{ 80, 24, "DATABASE                XACT/S", NULL },
	{ 120, 40, "POOL                                       MODE", NULL },
	{ 120, 40, "LOGIN IN USE", NULL },
	/* Pools before all else where there is little room. */
	{ 80, 8, "shop/app", "DATABASE" },
	{ 40, 8, "transactions/s", "PgBouncer" },
};

START_TEST(a_screen_shows_what_it_has_room_for)
{
	struct top_options options = { .page = TOP_POOLS,
	    .width = screens[_i].width, .height = screens[_i].height };
	char *text = drawn(&before, &options);

	ck_has(text, screens[_i].wanted);
	if (screens[_i].unwanted != NULL)
		ck_assert_msg(strstr(text, screens[_i].unwanted) == NULL,
		    "%s in\n%s", screens[_i].unwanted, text);
	free(text);
}
END_TEST

static const struct {
	double		 number;
	const char	*text;
} numbers[] = {
	{ 0, "0" }, { 1, "1" }, { 999, "999" }, { 999.6, "1.00k" },
	{ 1234, "1.23k" }, { 12345, "12.3k" }, { 123456, "123k" },
	{ 999499, "999k" }, { 1e6, "1.00M" }, { 1.5e9, "1.50G" },
	{ 1e17, "100P" },
};

START_TEST(numbers_are_short)
{
	char text[8];

	top_short_number(numbers[_i].number, text);
	ck_assert_str_eq(text, numbers[_i].text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("top view");
	TCase *tests = tcase_create("top view");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, rates_are_what_happened_between_two_looks);
	tcase_add_test(tests, at_first_nothing_is_known_of_rates);
	tcase_add_test(tests,
	    who_waits_most_is_first_unless_names_are_asked_for);
	tcase_add_test(tests, clients_have_a_page);
	tcase_add_test(tests, times_are_those_between_two_looks);
	tcase_add_test(tests, where_nothing_happened_no_times_are_known);
	tcase_add_test(tests, names_are_as_wide_as_they_show);
	tcase_add_test(tests, it_fits_the_screen);
	tcase_add_loop_test(tests, a_screen_shows_what_it_has_room_for, 0,
	    ARRAY_LENGTH(screens));
	tcase_add_loop_test(tests, numbers_are_short, 0,
	    (int)ARRAY_LENGTH(numbers));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
