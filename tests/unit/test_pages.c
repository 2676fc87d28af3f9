#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/table.h"
#include "exporter/pages.h"
#include "exporter/password.h"
#include "console_world.h"

#define SHOP "[databases]\nshop =\n[pgbouncer]\npool_mode = transaction\nauth_file = users\n"
#define WITH_PASSWORD SHOP \
    "metrics_users = clear, hashed, scram, empty, slow, odd\n"

/* The password of each is pencil. */
static const char users[] =
    "\"clear\" \"pencil\"\n"
    "\"hashed\" \"md5aa2372305aa1ff8e526fb1199e6c004f\"\n"
    "\"scram\" \"SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2R"
    "lZg==$nQpbZ77WudtqufPwikHXGRt6g2QJ4zns8bZLw273DRM=:jn2amWP1q1h+jgjy0YTO14S6/F02SV7taipOeB7ef20=\"\n"
    "\"empty\" \"\"\n"
    "\"slow\" \"SCRAM-SHA-256$1000001:"
    "MDEyMzQ1Njc4OWFiY2RlZg==$q1QRIKTtXJW4oUO3JiGSqSSbDTWUXtYAd8FOXbfKIkk=:"
    "uUGltpM3A7voW/Jfr1DkJmhIdlkwTjNh5Be0NFUCjKA=\"\n"
    "\"odd\" \"SCRAM-SHA-256$odd\"\n"
    "\"other\" \"pencil\"\n";

static struct world world;
static struct response response;
static char body[1024 * 1024];

static void
begin(void)
{
	world_start(&world, SHOP, users);
	pages_prepare();
}

static void
end(void)
{
	world_stop(&world);
}

static void
ask(const struct request *request)
{
	size_t length;

	pages_answer(&world.env, request, &response);
	length = buffer_length(&response.body.buffer);
	ck_assert_uint_lt(length, sizeof(body));
	if (length > 0)
		memcpy(body, buffer_front(&response.body.buffer), length);
	body[length] = '\0';
	text_clear(&response.body);
}

static void
get(const char *path)
{
	ask(&(struct request){ .method = "GET", .path = path });
}

START_TEST(each_page_is_where_it_should_be)
{
	get("/");
	ck_assert_uint_eq(response.status, 200);
	ck_assert_ptr_nonnull(strstr(body, "<title>pgusher</title>"));
	ck_assert_ptr_nonnull(strstr(response.security, "script-src 'sha256-"));
	ck_assert_ptr_null(strstr(response.security, "unsafe"));
	get("/metrics");
	ck_assert_uint_eq(response.status, 200);
	ck_assert_ptr_nonnull(strstr(body, "\npgbouncer_up 1\n"));
	get("/status.json");
	ck_assert_uint_eq(response.status, 200);
	ck_assert_int_eq(body[0], '{');
	get("/healthz");
	ck_assert_uint_eq(response.status, 200);
	get("/metrics/");
	ck_assert_uint_eq(response.status, 404);
	ask(&(struct request){ .method = "POST", .path = "/metrics" });
	ck_assert_uint_eq(response.status, 405);
	ck_assert_str_eq(response.allow, "GET, HEAD");
}
END_TEST

START_TEST(nothing_is_fetched_from_anywhere_else)
{
	get("/");
	ck_assert_ptr_null(strstr(body, "https:"));
	ck_assert_ptr_null(strstr(body, "src="));
	ck_assert_ptr_null(strstr(body, "innerHTML"));
	ck_assert_ptr_null(strstr(body, "@import"));
}
END_TEST

START_TEST(it_is_ready_while_workers_serve_and_nobody_has_said_shutdown)
{
	struct segment *segment = world.segment;

	for (unsigned i = 0; i < segment_slots(segment); i++)
		atomic_store(&segment->roster[i].phase, ROSTER_STARTING);
	get("/readyz");
	ck_assert_uint_eq(response.status, 503);
	atomic_store(&segment->roster[0].phase, ROSTER_SERVING);
	get("/readyz");
	ck_assert_uint_eq(response.status, 200);
	atomic_store(&segment->state->shutdown, SHUTDOWN_WAIT_FOR_CLIENTS);
	get("/readyz");
	ck_assert_uint_eq(response.status, 503);
	get("/healthz");
	ck_assert_uint_eq(response.status, 200);
}
END_TEST

/* A value of the metrics; the test fails if the sample is not there. */
static double
sample(const char *name)
{
	char line[256];
	const char *at;

	snprintf(line, sizeof(line), "\n%s ", name);
	at = strstr(body, line);
	ck_assert_msg(at != NULL, "there is no %s", name);
	return strtod(at + strlen(line), NULL);
}

START_TEST(pools_are_counted_as_the_console_does)
{
	world_add_client(&world, "shop", "app", CLIENT_IDLE);
	world_add_client(&world, "shop", "app", CLIENT_WAITING);
	world_add_server(&world, "shop", "app", SERVER_ACTIVE);
	get("/metrics");
	ck_assert_double_eq(sample("pgbouncer_pools_client_active_connections"
	    "{database=\"shop\",user=\"app\"}"), 1);
	ck_assert_double_eq(sample("pgbouncer_pools_cl_waiting{database="
	    "\"shop\",user=\"app\",pool_mode=\"transaction\"}"), 1);
	ck_assert_double_eq(sample("pgbouncer_pools_server_active_connections"
	    "{database=\"shop\",user=\"app\"}"), 1);
	ck_assert_double_eq(sample("pgusher_pool_size{database=\"shop\","
	    "user=\"app\"}"), 20);
}
END_TEST

START_TEST(a_histogram_is_cumulative_and_its_count_is_the_last_bucket)
{
	uint32_t pool;

	world_add_client(&world, "shop", "app", CLIENT_IDLE);
	pool = pools_make(world.segment, "shop", "app", false);
	stats_time(stats_of(world.segment, 0, pool), TIMING_query,
	    STAT_query_time, 50);
	stats_time(stats_of(world.segment, 1, pool), TIMING_query,
	    STAT_query_time, 100);
	stats_time(stats_of(world.segment, 1, pool), TIMING_query,
	    STAT_query_time, 500 * USEC_PER_SEC);
	get("/metrics");
#define QUERY(what) "pgusher_query_seconds_" what
#define POOL "{database=\"shop\",user=\"app\""
	ck_assert_double_eq(sample(QUERY("bucket") POOL
	    ",le=\"0.000064\"}"), 1);
	ck_assert_double_eq(sample(QUERY("bucket") POOL
	    ",le=\"0.000128\"}"), 2);
	ck_assert_double_eq(sample(QUERY("bucket") POOL
	    ",le=\"67.108864\"}"), 2);
	ck_assert_double_eq(sample(QUERY("bucket") POOL ",le=\"+Inf\"}"), 3);
	ck_assert_double_eq(sample(QUERY("count") POOL "}"), 3);
	ck_assert_double_eq_tol(sample(QUERY("sum") POOL "}"), 500.00015,
	    1e-9);
}
END_TEST

START_TEST(names_cannot_break_out)
{
	world_add_client(&world, "<img src=x onerror=\"alert(1)\">", "a\nb",
	    CLIENT_IDLE);
	get("/status.json");
	ck_assert_ptr_null(strstr(body, "<img"));
	ck_assert_ptr_nonnull(strstr(body, "\\u003cimg"));
	get("/metrics");
	ck_assert_ptr_nonnull(strstr(body, "user=\"a\\nb\""));
}
END_TEST

START_TEST(no_family_is_told_twice)
{
	char *line, *rest = body;
	static char seen[1024][160];
	unsigned count = 0;

	world_add_client(&world, "shop", "app", CLIENT_IDLE);
	get("/metrics");
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (strncmp(line, "# TYPE ", 7) != 0)
			continue;
		for (unsigned i = 0; i < count; i++)
			ck_assert_str_ne(seen[i], line + 7);
		ck_assert_uint_lt(count, 1024);
		snprintf(seen[count++], sizeof(seen[0]), "%.159s", line + 7);
	}
	ck_assert_uint_gt(count, 150);
}
END_TEST

START_TEST(a_table_is_what_show_says)
{
	struct table table;

	world_add_client(&world, "shop", "app", CLIENT_WAITING);
	ck_assert(table_make(&world.env, "POOLS", &table));
	ck_assert_uint_eq(table.width, 17);
	ck_assert_uint_eq(table.rows, 2);
	ck_assert_str_eq(table_cell(&table, 0, "database"), "pgbouncer");
	ck_assert_str_eq(table_cell(&table, 1, "cl_waiting"), "1");
	ck_assert_ptr_null(table_cell(&table, 1, "load_balance_hosts"));
	ck_assert_ptr_null(table_cell(&table, 1, "no such column"));
	table_free(&table);
	ck_assert(!table_make(&world.env, "NONSENSE", &table));
}
END_TEST

static const struct {
	const char	*story, *header;
	bool		 good;
} headers[] = {
	{ "no header",
	    NULL, false },
	{ "a good password",
	    "Basic Y2xlYXI6cGVuY2ls", true },
	{ "small letters",
	    "basic Y2xlYXI6cGVuY2ls", true },
	{ "MD5",
	    "Basic aGFzaGVkOnBlbmNpbA==", true },
	{ "SCRAM",
	    "Basic c2NyYW06cGVuY2ls", true },
	{ "a wrong password",
	    "Basic Y2xlYXI6cGVuY2lsIA==", false },
	{ "MD5, wrong",
	    "Basic aGFzaGVkOlBlbmNpbA==", false },
	{ "SCRAM, wrong",
	    "Basic c2NyYW06", false },
	{ "the secret itself",
	    "Basic aGFzaGVkOm1kNWFhMjM3MjMwNWFhMWZmOGU1MjZmYjEx"
	    "OTllNmMwMDRm", false },
	{ "the secret of SCRAM",
	    "Basic c2NyYW06U0NSQU0tU0hBLTI1NiQ0MDk2Ok1ERXlNelEx"
	    "TmpjNE9XRmlZMlJsWmc9PSRuUXBiWjc3V3VkdHF1ZlB3aWtIWE"
	    "dSdDZnMlFKNHpuczhiWkx3MjczRFJNPTpqbjJhbVdQMXExaCtq"
	    "Z2p5MFlUTzE0UzYvRjAyU1Y3dGFpcE9lQjdlZjIwPQ==", false },
	{ "a million iterations and one, as at a login",
	    "Basic c2xvdzpwZW5jaWw=", false },
	{ "what is no secret of SCRAM is a password, as at a login",
	    "Basic b2RkOlNDUkFNLVNIQS0yNTYkb2Rk", true },
	{ "an empty secret",
	    "Basic ZW1wdHk6", false },
	{ "a user who is not listed",
	    "Basic b3RoZXI6cGVuY2ls", false },
	{ "nobody",
	    "Basic bm9ib2R5OnBlbmNpbA==", false },
	{ "no colon",
	    "Basic Y2xlYXI=", false },
	{ "nothing",
	    "Basic ", false },
	{ "no Base64",
	    "Basic !!!!", false },
	{ "half of Base64",
	    "Basic Y2xlYXI", false },
	{ "another scheme",
	    "Bearer Y2xlYXI6cGVuY2ls", false },
	{ "a NUL",
	    "Basic Y2xlYXI6cGVuY2lsAA==", false },
	{ "too long",
	    "Basic QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
	    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
	    "FBQUFB", false },
};

START_TEST(a_password_is_asked_for)
{
	struct request request = { .method = "GET", .path = "/metrics",
	    .authorization = headers[_i].header };

	world_stop(&world);
	world_start(&world, WITH_PASSWORD, users);
	ask(&request);
	ck_assert_msg((response.status == 200) == headers[_i].good, "%s: %u",
	    headers[_i].story, response.status);
	if (!headers[_i].good) {
		ck_assert_uint_eq(response.status, 401);
		ck_assert_ptr_nonnull(response.challenge);
	}
	request.path = "/readyz";
	ask(&request);
	ck_assert_uint_ne(response.status, 401);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pages");
	TCase *tests = tcase_create("pages");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, each_page_is_where_it_should_be);
	tcase_add_test(tests, nothing_is_fetched_from_anywhere_else);
	tcase_add_test(tests,
	    it_is_ready_while_workers_serve_and_nobody_has_said_shutdown);
	tcase_add_test(tests, pools_are_counted_as_the_console_does);
	tcase_add_test(tests,
	    a_histogram_is_cumulative_and_its_count_is_the_last_bucket);
	tcase_add_test(tests, names_cannot_break_out);
	tcase_add_test(tests, no_family_is_told_twice);
	tcase_add_test(tests, a_table_is_what_show_says);
	tcase_add_loop_test(tests, a_password_is_asked_for, 0,
	    (int)ARRAY_LENGTH(headers));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
