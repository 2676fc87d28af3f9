/*
 * The exporter: metrics under all names, by HTTP however it is spoken, and
 * what becomes of it when it dies, moves or is switched off.
 */
#include <ctype.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "live/ask.h"
#include "live/crowd.h"
#include "live/http.h"
#include "live/world.h"

static pid_t
exporter_of(struct pooler *pooler)
{
	pid_t all[128], found = 0;
	unsigned count = process_children(pooler->pid, all, 128);

	for (unsigned i = 0; i < count; i++) {
		char *name = file_read(text("/proc/%d/comm", (int)all[i]));

		if (strcmp(name, "pgusher/export\n") == 0)
			found = all[i];
		free(name);
	}
	return found;
}

#define MODE "pool_mode = transaction\ndefault_pool_size = 3\n"

static struct pooler *
start(int port, const char *settings)
{
	struct pooler *pooler = pooler_start_for("exporter", &(struct recipe){
	    .workers = 2, .settings = text(MODE "metrics_listen = %d\n%s",
	    port, settings) });

	http_await(port);
	return pooler;
}

/* --- names --------------------------------------------------------------- */

/* exporter-metrics, sections 1.1 to 1.5: the name, and what type it has. */
static const struct {
	const char	*name, *type;
} names[] = {
#define STATS(name) \
	{ "pgbouncer_stats_totals_" name, "counter" }, \
	{ "pgbouncer_stats_" name, "counter" },
	STATS("queries_pooled_total") STATS("queries_duration_seconds_total")
	STATS("received_bytes_total") STATS("sent_bytes_total")
	STATS("client_wait_seconds_total")
	STATS("sql_transactions_pooled_total")
	STATS("server_in_transaction_seconds_total")
	STATS("client_parses_total") STATS("server_parses_total")
	STATS("binds_total") STATS("server_assignments_total")
	STATS("queries_total")
#undef STATS
#define GAUGE(name) { "pgbouncer_" name, "gauge" },
	GAUGE("pools_client_active_connections")
	GAUGE("pools_client_waiting_connections")
	GAUGE("pools_client_active_cancel_connections")
	GAUGE("pools_client_waiting_cancel_connections")
	GAUGE("pools_server_active_connections")
	GAUGE("pools_server_active_cancel_connections")
	GAUGE("pools_server_being_canceled_connections")
	GAUGE("pools_server_idle_connections")
	GAUGE("pools_server_used_connections")
	GAUGE("pools_server_testing_connections")
	GAUGE("pools_server_login_connections")
	GAUGE("pools_client_maxwait_seconds")
	GAUGE("databases_pool_size") GAUGE("databases_reserve_pool")
	GAUGE("databases_max_connections")
	GAUGE("databases_current_connections") GAUGE("databases_paused")
	GAUGE("databases_disabled")
	GAUGE("databases") GAUGE("users") GAUGE("pools")
	GAUGE("free_clients") GAUGE("used_clients") GAUGE("login_clients")
	GAUGE("free_servers") GAUGE("used_servers") GAUGE("cached_dns_names")
	GAUGE("cached_dns_zones") GAUGE("in_flight_dns_queries")
	GAUGE("config_max_client_connections")
	GAUGE("config_max_user_connections")
	GAUGE("client_connections") GAUGE("version_info") GAUGE("up")
	GAUGE("exporter_build_info")
	{ "pgbouncer_process_cpu_seconds_total", "counter" },
	GAUGE("process_max_fds") GAUGE("process_virtual_memory_bytes")
	GAUGE("process_virtual_memory_max_bytes")
	GAUGE("process_resident_memory_bytes")
	GAUGE("process_start_time_seconds")
	{ "pgbouncer_process_network_receive_bytes_total", "counter" },
	{ "pgbouncer_process_network_transmit_bytes_total", "counter" },
	/* Section 2: PgBouncer's own columns. */
	{ "pgbouncer_stats_total_xact_count", "counter" },
	{ "pgbouncer_stats_total_query_time", "counter" },
	GAUGE("stats_avg_xact_time") GAUGE("pools_cl_active")
	GAUGE("pools_cl_waiting") GAUGE("pools_sv_idle")
	GAUGE("pools_maxwait_us") GAUGE("databases_reserve_pool_size")
	GAUGE("lists_used_clients") GAUGE("config_default_pool_size")
#undef GAUGE
	/* Section 1.6: what nobody else has. */
	{ "pgusher_wait_seconds", "histogram" },
	{ "pgusher_query_seconds", "histogram" },
	{ "pgusher_transaction_seconds", "histogram" },
	{ "pgusher_login_failures_total", "counter" },
	{ "pgusher_client_closes_total", "counter" },
	{ "pgusher_server_closes_total", "counter" },
	{ "pgusher_server_connects_total", "counter" },
	{ "pgusher_evictions_total", "counter" },
	{ "pgusher_statement_evictions_total", "counter" },
	{ "pgusher_session_states_total", "counter" },
	{ "pgusher_tls_handshakes_total", "counter" },
	{ "pgusher_cancel_requests_total", "counter" },
	{ "pgusher_worker_cpu_seconds_total", "counter" },
	{ "pgusher_worker_clients", "gauge" },
	{ "pgusher_worker_memory_bytes", "gauge" },
	{ "pgusher_table_memory_bytes", "gauge" },
	{ "pgusher_build_info", "gauge" },
};

START_TEST(every_name_is_there_with_its_type)
{
	int port = world_port();
	struct pooler *pooler = start(port, "");
	PGconn *client = connect_client(pooler);
	struct http_answer answer;

	ck_query_ok(client, "select 1");
	answer = http_get(port, "/metrics", "");
	ck_assert_int_eq(answer.status, 200);
	ck_assert_ptr_nonnull(strstr(answer.headers,
	    "text/plain; version=0.0.4; charset=utf-8"));
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		ck_assert_msg(strstr(answer.body, text("# TYPE %s %s\n",
		    names[i].name, names[i].type)) != NULL,
		    "there is no %s %s", names[i].type, names[i].name);
		ck_assert_msg(strstr(answer.body, text("\n%s{",
		    names[i].name)) != NULL || strstr(answer.body,
		    text("\n%s ", names[i].name)) != NULL ||
		    strstr(answer.body, text("\n%s_bucket{",
		    names[i].name)) != NULL,
		    "%s has no sample", names[i].name);
	}
	answer = http_get(port, "/metrics", "Accept: application/"
	    "openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n");
	ck_assert_ptr_nonnull(strstr(answer.headers,
	    "application/openmetrics-text; version=1.0.0"));
	ck_assert_str_eq(answer.body + strlen(answer.body) - 7, "\n# EOF\n");
	ck_assert_ptr_nonnull(strstr(answer.body,
	    "# TYPE pgbouncer_stats_totals_queries_pooled counter\n"));
}
END_TEST

/* --- values -------------------------------------------------------------- */

#define SHOP "{database=\"shop\"}"
#define POOL "{database=\"shop\",user=\"app\"}"

static double
scraped(int port, const char *sample)
{
	return metric_value(http_get(port, "/metrics", "").body, sample);
}

START_TEST(values_are_those_of_show)
{
	int port = world_port();
	struct pooler *pooler = start(port, "");
	PGconn *clients[5], *console = connect_console(pooler);
	const char *body;

	for (int i = 0; i < 5; i++)
		clients[i] = connect_client(pooler);
	for (int i = 0; i < 20; i++)
		ck_query_ok(clients[i % 5], "select 1");
	for (int i = 0; i < 3; i++)
		ck_query_ok(clients[i], "begin");
	ck_assert_int_eq(PQsendQuery(clients[3], "select 1"), 1);
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_waiting") == 1);
	/* How long it took is noted a moment after it was answered. */
	wait_until(scraped(port, "pgusher_query_seconds_count" POOL) == 23 &&
	    scraped(port, "pgusher_transaction_seconds_count" POOL) == 20);
	body = http_get(port, "/metrics", "").body;
	ck_assert_double_eq(metric_value(body,
	    "pgbouncer_pools_client_waiting_connections" POOL), 1);
	ck_assert_double_eq(metric_value(body,
	    "pgbouncer_pools_server_active_connections" POOL), 3);
	ck_assert_double_eq(metric_value(body,
	    "pgbouncer_pools_client_active_connections" POOL), 4);
	ck_assert_double_eq(metric_value(body, "pgusher_pool_size" POOL), 3);
	ck_assert_double_eq(metric_value(body,
	    "pgbouncer_stats_totals_queries_pooled_total" SHOP),
	    (double)show_number(console, "STATS_TOTALS", "database", "shop",
	    "query_count"));
	ck_assert_double_eq(metric_value(body,
	    "pgbouncer_stats_total_xact_count" SHOP),
	    (double)show_number(console, "STATS", "database", "shop",
	    "total_xact_count"));
	ck_assert_double_eq_tol(metric_value(body,
	    "pgbouncer_stats_queries_duration_seconds_total" SHOP),
	    (double)show_number(console, "STATS", "database", "shop",
	    "total_query_time") / 1e6, 1e-7);
	/* 20 alone, and 3 that began a block; one is under way. */
	ck_assert_double_eq(metric_value(body,
	    "pgusher_query_seconds_count" POOL), 23);
	ck_assert_double_eq(metric_value(body,
	    "pgusher_transaction_seconds_count" POOL), 20);
	ck_assert_double_eq(metric_value(body,
	    "pgbouncer_used_clients"), (double)show_number(console, "LISTS",
	    "list", "used_clients", "items"));
	ck_query_ok(clients[0], "commit");
	ck_finish_ok(clients[3]);
	body = http_get(port, "/metrics", "").body;
	ck_assert_double_ge(metric_value(body,
	    "pgusher_wait_seconds_count" POOL), 1);
}
END_TEST

static PGconn *
connect_as_program(struct pooler *pooler, const char *name)
{
	PGconn *conn;

	ck_assert_int_eq(setenv("PGAPPNAME", name, 1), 0);
	conn = connect_client(pooler);
	ck_assert_int_eq(unsetenv("PGAPPNAME"), 0);
	return conn;
}

/* Two samples with the same labels would spoil the rest for the reader. */
START_TEST(names_that_are_not_utf8_are_one_group)
{
	int port = world_port();
	struct pooler *pooler = start(port, "");
	const char *sample = "pgbouncer_client_connections{database=\"shop\","
	    "user=\"app\",application_name=\"<invalid>\",state=\"idle\"}";
	const char *body, *first;

	connect_as_program(pooler, "\xff");
	connect_as_program(pooler, "\xfe");
	body = http_get(port, "/metrics", "").body;
	ck_assert_double_eq(metric_value(body, sample), 2);
	first = strstr(body, sample);
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_null(strstr(first + 1, sample));
}
END_TEST

START_TEST(what_is_rare_is_counted_by_reason)
{
	int port = world_port();
	struct pooler *pooler = start(port, "auth_type = md5\n");
	const char *body;

	ck_login_fails(pooler, "user=md5_user dbname=shop password=wrong",
	    "28P01", "password authentication failed");
	ck_login_fails(pooler, "user=md5_user dbname=nowhere "
	    "password=md5_user_secret", "3D000", "no such database: nowhere");
	disconnect(connect_as(pooler,
	    "user=md5_user dbname=shop password=md5_user_secret"));
	/* Each is told a moment before it is counted, by its own worker. */
	wait_until(scraped(port,
	    "pgusher_client_closes_total{reason=\"request\"}") >= 1 &&
	    scraped(port,
	    "pgusher_client_closes_total{reason=\"login\"}") >= 2 &&
	    scraped(port,
	    "pgusher_login_failures_total{reason=\"password\"}") >= 1 &&
	    scraped(port,
	    "pgusher_login_failures_total{reason=\"no_database\"}") >= 1);
	body = http_get(port, "/metrics", "").body;
	ck_assert_double_eq(metric_value(body,
	    "pgusher_login_failures_total{reason=\"password\"}"), 1);
	ck_assert_double_eq(metric_value(body,
	    "pgusher_login_failures_total{reason=\"no_database\"}"), 1);
	ck_assert_double_ge(metric_value(body,
	    "pgusher_client_closes_total{reason=\"login\"}"), 2);
	ck_assert_double_ge(metric_value(body,
	    "pgusher_server_connects_total"), 1);
}
END_TEST

/* --- lives --------------------------------------------------------------- */

START_TEST(one_that_dies_is_replaced_and_nothing_else_happens)
{
	int port = world_port();
	struct pooler *pooler = start(port, "");
	PGconn *client = connect_client(pooler);
	pid_t first = exporter_of(pooler);

	ck_query_ok(client, "begin");
	kill(first, SIGKILL);
	wait_until(exporter_of(pooler) != 0 && exporter_of(pooler) != first);
	/* Who connects meanwhile waits in the supervisor's socket. */
	ck_assert_int_eq(http_get(port, "/healthz", "").status, 200);
	ck_query_ok(client, "commit");
	pooler_await_log(pooler, "exporter (process");
}
END_TEST

static void
reload(struct pooler *pooler, PGconn *console, const char *settings)
{
	pooler_rewrite(pooler, &(struct recipe){ .workers = 2,
	    .settings = settings });
	ck_query_ok(console, "RELOAD");
}

START_TEST(reload_switches_it_off_and_on_and_moves_it)
{
	int port = world_port(), other = world_port();
	struct pooler *pooler = pooler_start(.workers = 2);
	PGconn *console = connect_console(pooler);

	ck_assert_int_eq(exporter_of(pooler), 0);
	reload(pooler, console, text("metrics_listen = %d\n", port));
	http_await(port);
	reload(pooler, console, text("metrics_listen = 127.0.0.1:%d, %d\n",
	    other, port));
	http_await(other);
	http_await(port);
	/* From the loopback to everywhere: the same port. */
	reload(pooler, console, text("metrics_listen = *:%d\n", port));
	http_await(port);
	wait_until(http_connect(other) == -1);
	ck_query_ok(console, text("SET metrics_listen = '%d'", other));
	http_await(other);
	ck_query_ok(console, "RESET metrics_listen");
	reload(pooler, console, "");
	wait_until(exporter_of(pooler) == 0);
	wait_until(http_connect(port) == -1);
	wait_until(http_connect(other) == -1);
}
END_TEST

START_TEST(a_port_in_use_refuses_the_configuration)
{
	int port = world_port();
	struct pooler *pooler = start(port, ""), *second;
	PGconn *console;
	const char *place = text("127.0.0.1:%d", port);

	second = pooler_start(.workers = 1);
	console = connect_console(second);
	pooler_rewrite(second, &(struct recipe){ .workers = 1,
	    .settings = text("metrics_listen = %s\n", place) });
	ck_query_fails(console, "RELOAD", "F0000", NULL);
	pooler_await_log(second, text("could not listen on %s", place));
	ck_assert_int_ne(exporter_of(pooler), 0);
	ck_assert_int_eq(exporter_of(second), 0);
}
END_TEST

START_TEST(it_is_not_ready_when_it_is_shutting_down)
{
	int port = world_port();
	struct pooler *pooler = start(port, "");
	PGconn *client = connect_client(pooler);

	wait_until(http_get(port, "/readyz", "").status == 200);
	kill(pooler->pid, SIGTERM);
	wait_until(http_get(port, "/readyz", "").status == 503);
	ck_assert_int_eq(http_get(port, "/healthz", "").status, 200);
	disconnect(client);
	ck_assert_int_eq(pooler_await_end(pooler), 0);
}
END_TEST

/* --- who may look -------------------------------------------------------- */

START_TEST(a_password_can_be_asked_for)
{
	int port = world_port();

	start(port, "metrics_users = watcher\n");
	ck_assert_int_eq(http_get(port, "/metrics", "").status, 401);
	ck_assert_int_eq(http_get(port, "/", "").status, 401);
	wait_until(http_get(port, "/readyz", "").status == 200);
	/* watcher:watcher_secret, watcher:wrong, admin:admin_secret */
	ck_assert_int_eq(http_get(port, "/metrics", "Authorization: Basic "
	    "d2F0Y2hlcjp3YXRjaGVyX3NlY3JldA==\r\n").status, 200);
	ck_assert_int_eq(http_get(port, "/metrics", "Authorization: Basic "
	    "d2F0Y2hlcjp3cm9uZw==\r\n").status, 401);
	ck_assert_int_eq(http_get(port, "/metrics", "Authorization: Basic "
	    "YWRtaW46YWRtaW5fc2VjcmV0\r\n").status, 401);
}
END_TEST

START_TEST(tls_can_be_spoken)
{
	struct pooler *pooler = pooler_start(.workers = 1);
	PGconn *console = connect_console(pooler);
	const char *key = text("%s/m.key", pooler->directory);
	const char *certificate = text("%s/m.crt", pooler->directory);
	int port = world_port();

	if (system("command -v openssl >/dev/null && "
	    "command -v curl >/dev/null") != 0)
		return;
	ck_assert_int_eq(system(text("openssl req -x509 -newkey rsa:2048 "
	    "-nodes -days 2 -subj /CN=localhost -addext "
	    "subjectAltName=DNS:localhost -keyout %s -out %s "
	    "2>/dev/null && chmod 644 %s", key, certificate, key)), 0);
	pooler_rewrite(pooler, &(struct recipe){ .workers = 1,
	    .settings = text("metrics_listen = %d\n"
	    "metrics_tls_cert_file = %s\nmetrics_tls_key_file = %s\n", port,
	    certificate, key) });
	ck_query_ok(console, "RELOAD");
	wait_until(system(text("curl -sf --cacert %s https://localhost:%d/"
	    "healthz >/dev/null", certificate, port)) == 0);
	ck_assert_int_eq(http_get(port, "/healthz", "").status, 0);
}
END_TEST

/* --- hostile ------------------------------------------------------------- */

START_TEST(whatever_is_said_it_lives_on)
{
	int port = world_port();
	struct pooler *pooler = start(port, "");
	pid_t exporter = exporter_of(pooler);
	static const char *const requests[] = {
		"", "\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
		"\x16\x03\x01\x02", "GET /../../etc/passwd HTTP/1.0\r\n\r\n",
		"GET /%00%ff%zz HTTP/1.0\r\n\r\n",
		"POST /metrics HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
		"GET /metrics HTTP/1.0\r\nAuthorization: Basic\r\n\r\n",
		"GET /metrics HTTP/1.0\r\nAccept: ;;q=x,,\r\n\r\n",
		"HEAD /metrics HTTP/1.0\r\n\r\n",
		"DELETE / HTTP/1.0\r\n\r\n",
	};
	char *huge = malloc(1024 * 1024);
	struct http_answer answer;

	for (size_t i = 0; i < ARRAY_LENGTH(requests); i++) {
		int fd = http_connect(port);

		(void)!send(fd, requests[i], strlen(requests[i]),
		    MSG_NOSIGNAL);
		shutdown(fd, SHUT_WR);
		close(fd);
	}
	memset(huge, 'a', 1024 * 1024);
	memcpy(huge, "GET /", 5);
	answer = http_say(port, huge, 1024 * 1024);
	ck_assert_int_ne(answer.status, 200);
	memcpy(huge, "GET / HTTP/1.0\r\nX: ", 19);
	answer = http_say(port, huge, 1024 * 1024);
	ck_assert_int_ne(answer.status, 200);
	free(huge);
	ck_assert_int_eq(http_get(port, "/healthz", "").status, 200);
	ck_assert_int_eq(exporter_of(pooler), exporter);
}
END_TEST

START_TEST(many_connections_are_bounded_and_go_away)
{
	int port = world_port(), fds[110];
	struct pooler *pooler = start(port, "");
	pid_t exporter = exporter_of(pooler);

	for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
		fds[i] = http_connect(port);
	wait_until(process_descriptors(exporter) > 64);
	ck_assert_uint_lt(process_descriptors(exporter), 160);
	for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
		if (fds[i] != -1)
			close(fds[i]);
	http_await(port);
	ck_assert_int_eq(exporter_of(pooler), exporter);
}
END_TEST

START_TEST(scraping_under_load_hurts_nobody)
{
	int port = world_port();
	struct pooler *pooler = start(port, "");
	struct crowd *crowd = crowd_start(pooler, &(struct crowd_plan){
	    .clients = 16, .statements = 2 });
	struct crowd_result result;
	double before = 0;

	for (int i = 0; i < 20; i++) {
		struct http_answer answer;
		double now;

		crowd_await_progress(crowd, 5);
		answer = http_get(port, "/metrics", "");
		ck_assert_int_eq(answer.status, 200);
		now = metric_value(answer.body,
		    "pgbouncer_stats_totals_queries_pooled_total" SHOP);
		ck_assert_double_gt(now, before);
		before = now;
	}
	result = crowd_stop(crowd);
	ck_crowd_well(&result);
}
END_TEST

/* --- the page in a browser ----------------------------------------------- */

static const char *
find_browser(void)
{
	static const char *const names_of[] = { "chromium", "chromium-browser",
	    "google-chrome" };

	for (size_t i = 0; i < ARRAY_LENGTH(names_of); i++)
		if (system(text("command -v %s >/dev/null",
		    names_of[i])) == 0)
			return names_of[i];
	return NULL;
}

/* The page as it is after some seconds of its own time. */
static char *
look_at_page(struct pooler *pooler, int port)
{
	const char *file = text("%s/page.html", pooler->directory);

	if (system(text("timeout 120 %s --headless=new --no-sandbox "
	    "--disable-gpu --user-data-dir=%s/browser "
	    "--virtual-time-budget=4000 --dump-dom http://127.0.0.1:%d/ "
	    ">%s 2>%s.log", find_browser(), pooler->directory, port, file,
	    file)) != 0)
		ck_abort_msg("the browser failed");
	return file_read(file);
}

static long
shown(const char *page, const char *pool, const char *key)
{
	const char *at = strstr(page, text("data-pool=\"%s\"", pool));

	ck_assert_msg(at != NULL, "there is no pool %s", pool);
	at = strstr(at, text("data-key=\"%s\">", key));
	ck_assert_ptr_nonnull(at);
	return strtol(strchr(at, '>') + 1, NULL, 10);
}

START_TEST(the_page_shows_what_show_says)
{
	int port = world_port();
	static const char evil[] = "<img src=x onerror=alert(1)>";
	struct pooler *pooler;
	PGconn *clients[7], *console;
	char *page;

	if (find_browser() == NULL)
		return;
	pooler = pooler_start(.workers = 2, .databases = text(
	    "shop = host=127.0.0.1 port=%d dbname=postgres\n"
	    "\"%s\" = host=127.0.0.1 port=%d dbname=postgres\n",
	    world.cluster.port, evil, world.cluster.port),
	    .settings = text(MODE "metrics_listen = %d\n", port));
	http_await(port);
	console = connect_console(pooler);
	for (int i = 0; i < 7; i++) {
		clients[i] = connect_client(pooler);
		ck_query_ok(clients[i], "select 1");
	}
	disconnect(connect_as(pooler, text("user=app dbname='%s'", evil)));
	page = look_at_page(pooler, port);
	ck_assert_int_eq(shown(page, "shop/app", "cl_active"),
	    show_number(console, "POOLS", "database", "shop", "cl_active"));
	ck_assert_int_eq(shown(page, "shop/app", "cl_waiting"), 0);
	/* A name is a text, whatever it is. */
	ck_assert_ptr_null(strstr(page, "<img"));
	ck_assert_ptr_nonnull(strstr(page, "&lt;img src=x"));
	free(page);
	for (int i = 0; i < 3; i++)
		ck_query_ok(clients[i], "begin");
	ck_assert_int_eq(PQsendQuery(clients[3], "select 1"), 1);
	wait_until(show_number(console, "POOLS", "database", "shop",
	    "cl_waiting") == 1);
	page = look_at_page(pooler, port);
	ck_assert_int_eq(shown(page, "shop/app", "cl_active"), 6);
	ck_assert_int_eq(shown(page, "shop/app", "cl_waiting"), 1);
	free(page);
}
END_TEST

/* --- the exporter of others, at the console ------------------------------ */

START_TEST(the_usual_exporter_gets_what_it_asks_for)
{
	static const char *const statements[] = { "SHOW STATS",
	    "SHOW VERSION;", "SHOW LISTS;", "SHOW CONFIG;", "SHOW CLIENTS;",
	    "SHOW databases;", "SHOW stats_totals;", "SHOW pools;" };
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "ignore_startup_parameters = extra_float_digits\n");
	PGconn *conn = connect_as(pooler, "user=watcher dbname=pgbouncer "
	    "password=watcher_secret options='-c extra_float_digits=2'");
	PGresult *result;

	for (size_t i = 0; i < ARRAY_LENGTH(statements); i++)
		ck_query_ok(conn, statements[i]);
	result = PQexec(conn, "SHOW VERSION;");
	ck_assert_int_eq(PQnfields(result), 1);
	ck_assert_str_eq(PQfname(result, 0), "version");
	ck_assert_int_eq(strncmp(PQgetvalue(result, 0, 0), "PgBouncer 1.",
	    12), 0);
	PQclear(result);
	result = PQexec(conn, "SHOW LISTS;");
	ck_assert_int_eq(PQnfields(result), 2);
	PQclear(result);
	result = PQexec(conn, "SHOW CONFIG;");
	ck_assert_int_eq(PQnfields(result), 4);
	ck_assert_str_eq(PQfname(result, 0), "key");
	ck_assert_str_eq(PQfname(result, 3), "changeable");
	for (int row = 0; row < PQntuples(result); row++) {
		const char *key = PQgetvalue(result, row, 0);

		ck_assert_int_eq(PQgetisnull(result, row, 0), 0);
		ck_assert_int_eq(PQgetisnull(result, row, 3), 0);
		if (strcmp(key, "max_client_conn") == 0 ||
		    strcmp(key, "max_user_connections") == 0)
			ck_assert_int_ne(isdigit((unsigned char)
			    PQgetvalue(result, row, 1)[0]), 0);
	}
	PQclear(result);
	result = PQexec(conn, "SHOW CLIENTS;");
	ck_assert_int_ge(PQfnumber(result, "database"), 0);
	ck_assert_int_ge(PQfnumber(result, "user"), 0);
	ck_assert_int_ge(PQfnumber(result, "state"), 0);
	ck_assert_int_ge(PQfnumber(result, "application_name"), 0);
	PQclear(result);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("exporter");
	TCase *tests = world_case(suite, "exporter", 240);

	if (pooler_is_pgusher()) {
		tcase_add_test(tests, every_name_is_there_with_its_type);
		tcase_add_test(tests, values_are_those_of_show);
		tcase_add_test(tests, names_that_are_not_utf8_are_one_group);
		tcase_add_test(tests, what_is_rare_is_counted_by_reason);
		tcase_add_test(tests,
		    one_that_dies_is_replaced_and_nothing_else_happens);
		tcase_add_test(tests,
		    reload_switches_it_off_and_on_and_moves_it);
		tcase_add_test(tests, a_port_in_use_refuses_the_configuration);
		tcase_add_test(tests, it_is_not_ready_when_it_is_shutting_down);
		tcase_add_test(tests, a_password_can_be_asked_for);
		tcase_add_test(tests, tls_can_be_spoken);
		tcase_add_test(tests, whatever_is_said_it_lives_on);
		tcase_add_test(tests, many_connections_are_bounded_and_go_away);
		tcase_add_test(tests, scraping_under_load_hurts_nobody);
		tcase_add_test(tests, the_page_shows_what_show_says);
	}
	tcase_add_test(tests, the_usual_exporter_gets_what_it_asks_for);
	return world_run(suite);
}
