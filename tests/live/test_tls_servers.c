/*
 * TLS to PostgreSQL: every mode against every kind of server, and that all
 * workers use the connections as if there were none.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake/authority.h"
#include "fake/fake_client.h"
#include "fake/fake_server.h"
#include "live/ask.h"
#include "live/crowd.h"
#include "live/go_between.h"
#include "live/sampler.h"
#include "live/world.h"

#define WORKERS 4

static const char is_encrypted[] =
    "select ssl from pg_stat_ssl where pid = pg_backend_pid()";

static const char hba[] =
    "local all all trust\n"
    "hostssl all scram_user 127.0.0.1/32 scram-sha-256\n"
    "hostssl all cert_user 127.0.0.1/32 cert\n"
    "hostnossl all clear_only 127.0.0.1/32 trust\n"
    "host all clear_only 127.0.0.1/32 reject\n"
    "host all all 127.0.0.1/32 trust\n";

/* --- papers ---------------------------------------------------------------- */

static struct authority *authority, *stranger;
static unsigned papers;

static const char *
paper_path(const char *name)
{
	return text("%s/%s", world.directory, name);
}

/* PostgreSQL wants its key to be its own and nobody else's to read. */
static void
write_secret(const char *path, const char *content, bool for_postgres)
{
	uid_t uid;
	gid_t gid;

	ck_assert(file_write(path, content));
	ck_assert(cluster_account(&uid, &gid));
	ck_assert_int_eq(chmod(path, 0600), 0);
	if (for_postgres && uid != 0)
		ck_assert_int_eq(chown(path, uid, gid), 0);
}

static void
make_authorities(void)
{
	authority = authority_create("authority");
	stranger = authority_create("stranger");
	ck_assert(file_write(paper_path("ca.pem"),
	    authority_certificate(authority)));
	ck_assert(file_write(paper_path("stranger.pem"),
	    authority_certificate(stranger)));
}

/* A process that is born after the settings were read has them. */
static bool
has_setting(const char *name, const char *value)
{
	PGconn *direct = world_direct();
	bool has = strcmp(query_value(direct, text("show %s", name)), value)
	    == 0;

	disconnect(direct);
	return has;
}

static void
set_postgres(const char *name, const char *value)
{
	PGconn *direct = world_direct();

	ck_query_ok(direct, text("alter system set %s = '%s'", name, value));
	ck_query_ok(direct, "select pg_reload_conf()");
	disconnect(direct);
	wait_until(has_setting(name, value));
}

/* From now on PostgreSQL shows this. */
static void
serve(struct authority *by, const struct paper_wish *wish)
{
	struct paper *paper = authority_issue(by, wish);
	const char *certificate = paper_path(text("server%u.pem", papers));
	const char *key = paper_path(text("server%u.key", papers));
	PGconn *direct = world_direct();

	papers++;
	ck_assert(file_write(certificate, paper->certificate));
	write_secret(key, paper->key, true);
	paper_free(paper);
	ck_query_ok(direct, text("alter system set ssl_key_file = '%s'",
	    key));
	ck_query_ok(direct, text("alter system set ssl_ca_file = '%s'",
	    paper_path("ca.pem")));
	ck_query_ok(direct, text("alter system set ssl_cert_file = '%s'",
	    certificate));
	disconnect(direct);
	set_postgres("ssl", "on");
	wait_until(has_setting("ssl_cert_file", certificate));
}

static const struct paper_wish good = { .name = "postgres",
    .others = "DNS:localhost,IP:127.0.0.1" };

static void
begin(void)
{
	PGconn *direct = world_direct();

	make_authorities();
	ck_query_ok(direct, "do $$ begin "
	    "if not exists (select from pg_roles where rolname = 'cert_user') "
	    "then create role cert_user login; create role clear_only login; "
	    "end if; end $$");
	disconnect(direct);
	ck_assert(file_write(text("%s/data/pg_hba.conf", world.directory),
	    hba));
	serve(authority, &good);
}

static void
end(void)
{
	authority_free(authority);
	authority_free(stranger);
}

/* --- poolers --------------------------------------------------------------- */

static const char *
shop(const char *host, const char *more)
{
	return text("shop = host=%s port=%d dbname=postgres %s\n", host,
	    world.cluster.port, more);
}

static const char *
mode(const char *mode, const char *more)
{
	return text("server_tls_sslmode = %s\nserver_tls_ca_file = %s\n"
	    "server_login_retry = 0\n%s", mode, paper_path("ca.pem"), more);
}

/* --- every mode, every server ---------------------------------------------- */

enum outcome {
	CLEAR,
	TLS,
	REFUSED,	/* the server has none */
	UNTRUSTED
};

#define MODES 6
static const char *const modes[MODES] = { "disable", "allow", "prefer",
    "require", "verify-ca", "verify-full" };

static const struct {
	const char		*story, *host;
	struct paper_wish	 wish;
	bool			 is_off, by_stranger;
	enum outcome		 outcomes[MODES];
} servers[] = {
	{ "no TLS", "127.0.0.1", { .name = "postgres" }, true, false,
	    { CLEAR, CLEAR, CLEAR, REFUSED, REFUSED, REFUSED } },
	{ "a good certificate, by address", "127.0.0.1",
	    { .name = "postgres", .others = "IP:127.0.0.1" }, false, false,
	    { CLEAR, TLS, TLS, TLS, TLS, TLS } },
	{ "a good certificate, by name", "localhost",
	    { .name = "postgres", .others = "DNS:localhost" }, false, false,
	    { CLEAR, TLS, TLS, TLS, TLS, TLS } },
	{ "the name of another host", "127.0.0.1",
	    { .name = "postgres", .others = "DNS:elsewhere" }, false, false,
	    { CLEAR, TLS, TLS, TLS, TLS, UNTRUSTED } },
	{ "a name where an address is connected to", "127.0.0.1",
	    { .name = "postgres", .others = "DNS:localhost" }, false, false,
	    { CLEAR, TLS, TLS, TLS, TLS, UNTRUSTED } },
	{ "a host of a list, the one that is connected to",
	    "elsewhere.invalid,localhost",
	    { .name = "postgres", .others = "DNS:localhost" }, false, false,
	    { CLEAR, TLS, TLS, TLS, TLS, TLS } },
	{ "a host of a list, another one", "elsewhere.invalid,localhost",
	    { .name = "postgres", .others = "DNS:elsewhere.invalid" }, false,
	    false, { CLEAR, TLS, TLS, TLS, TLS, UNTRUSTED } },
	{ "a certificate of somebody else", "127.0.0.1",
	    { .name = "postgres", .others = "IP:127.0.0.1" }, false, true,
	    { CLEAR, TLS, TLS, TLS, UNTRUSTED, UNTRUSTED } },
	{ "an expired certificate", "127.0.0.1",
	    { .name = "postgres", .others = "IP:127.0.0.1", .from_days = -9,
	    .to_days = -2 }, false, false,
	    { CLEAR, TLS, TLS, TLS, UNTRUSTED, UNTRUSTED } },
};

static void
ck_connects(struct pooler *pooler, int i, bool encrypted)
{
	PGconn *client = connect_as(pooler, text("user=app dbname=shop%d",
	    i));

	ck_query_value(client, is_encrypted, encrypted ? "t" : "f");
	disconnect(client);
}

/* Clients wait: it may be put right. */
static void
ck_fails(struct pooler *pooler, int i, const char *reason)
{
	int client = fake_client_begin(pooler->port, "app",
	    text("shop%d", i));

	pooler_await_log(pooler, text("shop%d/app@127.0.0.1:%d closing "
	    "because: %s", i, world.cluster.port, reason));
	close(client);
}

static void
ck_mode(struct pooler *pooler, int i, enum outcome outcome)
{
	if (outcome == REFUSED)
		ck_fails(pooler, i, "server refused SSL");
	else if (outcome == UNTRUSTED)
		ck_fails(pooler, i, "TLS handshake failed");
	else
		ck_connects(pooler, i, outcome == TLS);
}

/* SET does to connections that are there what a changed file would. */
START_TEST(a_mode_does_what_it_says)
{
	const char *databases = "";
	struct pooler *pooler;
	PGconn *console;

	serve(servers[_i].by_stranger ? stranger : authority,
	    &servers[_i].wish);
	if (servers[_i].is_off)
		set_postgres("ssl", "off");
	/* One for each mode: what fails in one is not tried again at once. */
	for (int i = 0; i < MODES; i++)
		databases = text("%sshop%d = host=%s port=%d dbname=postgres\n",
		    databases, i, servers[_i].host, world.cluster.port);
	pooler = pooler_start(.workers = 2, .databases = databases,
	    .settings = mode("disable", ""));
	console = connect_console(pooler);
	for (int i = 0; i < MODES; i++) {
		ck_query_ok(console, text("SET server_tls_sslmode = '%s'",
		    modes[i]));
		ck_mode(pooler, i, servers[_i].outcomes[i]);
	}
	if (servers[_i].outcomes[MODES - 1] == UNTRUSTED)
		pooler_await_log(pooler, "TLS handshake error: "
		    "certificate verify failed: ");
}
END_TEST

START_TEST(what_is_wished_and_turned_away_goes_in_the_clear)
{
	struct pooler *pooler = pooler_start(.databases = shop("127.0.0.1",
	    "user=clear_only"), .settings = mode("prefer", ""));
	PGconn *client = connect_client(pooler);

	ck_query_value(client, is_encrypted, "f");
	pooler_await_log(pooler, "again without TLS");
}
END_TEST

START_TEST(what_is_required_and_turned_away_fails)
{
	struct pooler *pooler = pooler_start(.databases = shop("127.0.0.1",
	    "user=clear_only"), .settings = mode("require", ""));

	ck_login_fails(pooler, "user=app dbname=shop", "28000",
	    "pg_hba.conf rejects connection for host \"127.0.0.1\", user "
	    "\"clear_only\", database \"postgres\", SSL encryption");
}
END_TEST

START_TEST(it_is_shown_and_logged_how_they_speak)
{
	struct pooler *pooler = pooler_start(.databases = shop("127.0.0.1",
	    ""), .settings = mode("verify-full",
	    "server_tls_protocols = tlsv1.2\n"));
	PGconn *console = connect_console(pooler);
	PGconn *client = connect_client(pooler);

	ck_query_value(client, "select version from pg_stat_ssl where pid = "
	    "pg_backend_pid()", "TLSv1.2");
	ck_assert_int_eq(strncmp(show_value(console, "SERVERS", "user", "app",
	    "tls"), "TLSv1.2/ECDHE-", 14), 0);
	pooler_await_log(pooler, "SSL established: TLSv1.2/ECDHE-");
}
END_TEST

START_TEST(connections_are_renewed_when_a_setting_changes)
{
	const char *databases = shop("127.0.0.1", "");
	struct pooler *pooler = pooler_start(.databases = databases,
	    .settings = mode("require", ""));
	PGconn *console = connect_console(pooler);
	PGconn *client = connect_client(pooler);
	const char *first = query_value(client, "select pg_backend_pid()");

	ck_query_ok(console, "RELOAD");
	ck_query_value(client, "select pg_backend_pid()", first);
	pooler_rewrite(pooler, &(struct recipe){ .databases = databases,
	    .settings = mode("verify-full", "") });
	ck_query_ok(console, "RELOAD");
	ck_assert_str_ne(query_value(client, "select pg_backend_pid()"),
	    first);
	ck_query_value(client, is_encrypted, "t");
}
END_TEST

/* The supervisor reads it, before it drops what root may. */
START_TEST(a_certificate_of_ours_logs_us_in)
{
	struct paper *paper = authority_issue(authority,
	    &(struct paper_wish){ .name = "cert_user" });
	const char *key = paper_path("client.key");
	struct pooler *pooler;
	PGconn *client;

	ck_assert(file_write(paper_path("client.pem"), paper->certificate));
	write_secret(key, paper->key, false);
	paper_free(paper);
	pooler = pooler_start(.databases = shop("127.0.0.1",
	    "user=cert_user"), .settings = mode("verify-full", text(
	    "server_tls_cert_file = %s\nserver_tls_key_file = %s\n",
	    paper_path("client.pem"), key)));
	client = connect_client(pooler);
	ck_query_value(client, "select client_dn from pg_stat_ssl where pid "
	    "= pg_backend_pid()", "/O=Seats/CN=cert_user");
	ck_query_value(client, "select current_user", "cert_user");
}
END_TEST

START_TEST(without_a_certificate_of_ours_we_are_turned_away)
{
	struct pooler *pooler = pooler_start(.databases = shop("127.0.0.1",
	    "user=cert_user"), .settings = mode("verify-full", ""));

	ck_login_fails(pooler, "user=app dbname=shop", "28000",
	    "connection requires a valid client certificate");
}
END_TEST

/* --- channel binding -------------------------------------------------------- */

static const char scram_login[] =
    "user=scram_user password=scram_user_secret";

START_TEST(scram_is_bound_to_the_certificate)
{
	struct pooler *pooler = pooler_start(.databases = shop("127.0.0.1",
	    scram_login), .settings = mode("require", ""));

	ck_query_value(connect_client(pooler), is_encrypted, "t");
}
END_TEST

/* He has a good certificate, and nobody asks for a name. */
START_TEST(who_stands_between_with_another_certificate_is_found_out)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	struct paper *paper = authority_issue(authority, &good);
	BIO *certificate = BIO_new_mem_buf(paper->certificate, -1);
	BIO *key = BIO_new_mem_buf(paper->key, -1);
	int port = world_port();
	struct go_between *between;
	struct pooler *pooler;

	ck_assert_int_eq(SSL_CTX_use_certificate(context,
	    PEM_read_bio_X509(certificate, NULL, NULL, NULL)), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(context,
	    PEM_read_bio_PrivateKey(key, NULL, NULL, NULL)), 1);
	SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
	between = go_between_start(port, context);
	pooler = pooler_start(.databases = text("shop = host=127.0.0.1 "
	    "port=%d dbname=postgres %s\ntrusting = host=127.0.0.1 port=%d "
	    "dbname=postgres user=other\n", port, scram_login, port),
	    .settings = mode("verify-full", ""));
	/* Where nothing is bound, nobody notices him. */
	ck_query_value(connect_as(pooler, "user=app dbname=trusting"),
	    is_encrypted, "t");
	ck_login_fails(pooler, "user=app dbname=shop", "28000",
	    "SCRAM channel binding check failed");
	ck_assert_uint_ge(go_between_asked_for_tls(between), 2);
}
END_TEST

/* --- a server that takes its time ------------------------------------------- */

static int
take_request(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	char request[8];

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(recv(fd, request, sizeof(request), MSG_WAITALL), 8);
	return fd;
}

/* Its question was asked under settings that are no more. */
START_TEST(a_reload_before_the_servers_answer_hurts_nobody)
{
	int port = world_port(), listener = fake_server_listen(port);
	int client, server;
	struct pooler *pooler = pooler_start(.workers = 1, .databases = text(
	    "shop = host=127.0.0.1 port=%d\n", port),
	    .settings = "server_tls_sslmode = require\n"
	    "server_login_retry = 0.2\n");
	PGconn *console = connect_console(pooler);
	char first;

	client = fake_client_begin(pooler->port, "app", "shop");
	server = take_request(listener);
	ck_query_ok(console, "RELOAD");
	ck_assert_int_eq(send(server, "S", 1, MSG_NOSIGNAL), 1);
	ck_assert_int_eq(recv(server, &first, 1, 0), 1);
	ck_assert_int_eq(first, 0x16);
	ck_query_ok(console, "SHOW POOLS");
	close(server);
	/* Without TLS by now, it is not spoken to. */
	server = take_request(listener);
	ck_query_ok(console, "SET server_tls_sslmode = disable");
	ck_assert_int_eq(send(server, "S", 1, MSG_NOSIGNAL), 1);
	ck_assert(recv(server, &first, 1, 0) <= 0 || first == 'X');
	ck_query_ok(console, "SHOW POOLS");
	close(server);
	close(listener);
	close(client);
}
END_TEST

/* --- cancel requests -------------------------------------------------------- */

START_TEST(a_cancel_request_is_encrypted_as_its_connection_is)
{
	int port = world_port();
	struct go_between *between = go_between_start(port, NULL);
	struct pooler *pooler = pooler_start(.workers = 2, .databases = text(
	    "shop = host=127.0.0.1 port=%d dbname=postgres pool_size=1\n",
	    port), .settings = mode("verify-full", ""));
	PGconn *client = connect_client(pooler), *direct = world_direct();
	PGcancel *cancel = PQgetCancel(client);
	PGresult *result;
	char problem[256];

	ck_query_value(client, is_encrypted, "t");
	ck_assert_uint_eq(go_between_asked_for_tls(between), 1);
	ck_assert_int_eq(PQsendQuery(client, "select pg_sleep(600)"), 1);
	wait_until(query_number(direct, "select count(*) from "
	    "pg_stat_activity where wait_event = 'PgSleep'") == 1);
	ck_assert_msg(PQcancel(cancel, problem, sizeof(problem)) == 1, "%s",
	    problem);
	result = PQgetResult(client);
	ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE),
	    "57014");
	PQclear(result);
	ck_assert_uint_eq(go_between_asked_for_tls(between), 2);
	ck_assert_uint_eq(go_between_in_the_clear(between), 0);
	PQfreeCancel(cancel);
}
END_TEST

/* --- all workers ------------------------------------------------------------- */

static struct pooler *
start_many(unsigned pool_size, const char *more)
{
	return pooler_start_for("many", &(struct recipe){
	    .workers = WORKERS, .databases = shop("127.0.0.1",
	    text("pool_size=%u", pool_size)),
	    .settings = mode("verify-full", more) });
}

/* Clients are in all workers, so most use what another one owns. */
static void
ck_spread(PGconn *console, unsigned clients)
{
	for (unsigned i = 0; i < WORKERS; i++)
		ck_assert_int_lt(show_number(console, "WORKERS", "slot",
		    text("%u", i), "clients"), (long long)clients);
}

START_TEST(two_connections_serve_four_workers_and_nobody_starves)
{
	struct pooler *pooler = start_many(2, "");
	struct crowd_plan plan = { .clients = 24, .statements = 2,
	    .extended = _i == 1 };
	struct sampler all, clear;
	struct crowd_result result;
	struct crowd *crowd;

	sampler_start(&all, "usename = 'app'");
	sampler_start(&clear, "usename = 'app' and pid in (select pid from "
	    "pg_stat_ssl where not ssl)");
	crowd = crowd_start(pooler, &plan);
	crowd_await_progress(crowd, 5);
	ck_spread(connect_console(pooler), plan.clients);
	crowd_mark(crowd);
	crowd_await_progress(crowd, 40);
	result = crowd_stop(crowd);
	sampler_stop(&all);
	sampler_stop(&clear);
	ck_crowd_well(&result);
	ck_assert_uint_ge(result.least, 40);
	ck_assert_int_eq(atomic_load(&all.most), 2);
	ck_assert_int_eq(atomic_load(&clear.most), 0);
}
END_TEST

#define LINE "0123456789012345678901234567890123456789012345678901234567890\n"
#define LINES 20000

static void
copy_in(PGconn *client, const char *table)
{
	PGresult *result = PQexec(client, text("copy %s from stdin", table));

	ck_assert_int_eq(PQresultStatus(result), PGRES_COPY_IN);
	PQclear(result);
	for (int i = 0; i < LINES; i++)
		ck_assert_int_eq(PQputCopyData(client, LINE,
		    (int)strlen(LINE)), 1);
	ck_assert_int_eq(PQputCopyEnd(client, NULL), 1);
	ck_finish_ok(client);
}

static void
copy_out(PGconn *client, const char *table)
{
	PGresult *result = PQexec(client, text("copy %s to stdout", table));
	unsigned lines = 0;
	char *line;
	int length;

	ck_assert_int_eq(PQresultStatus(result), PGRES_COPY_OUT);
	PQclear(result);
	while ((length = PQgetCopyData(client, &line, 0)) > 0) {
		ck_assert_str_eq(line, LINE);
		PQfreemem(line);
		lines++;
	}
	ck_assert_int_eq(length, -1);
	ck_assert_uint_eq(lines, LINES);
	ck_finish_ok(client);
}

/* One connection and clients in every worker: most of them have a bridge. */
START_TEST(a_copy_crosses_the_bridge_both_ways)
{
	struct pooler *pooler = start_many(1, "");
	PGconn *clients[2 * WORKERS];

	for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++)
		clients[i] = connect_client(pooler);
	ck_spread(connect_console(pooler), ARRAY_LENGTH(clients));
	ck_query_ok(clients[0], "create table if not exists lines (line "
	    "text); truncate lines");
	for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++) {
		copy_in(clients[i], "lines");
		copy_out(clients[(i + 1) % ARRAY_LENGTH(clients)], "lines");
		ck_query_ok(clients[i], "truncate lines");
	}
	ck_query_ok(clients[0], "drop table lines");
}
END_TEST

/* Half of a COPY is left behind, and more is said after its error. */
START_TEST(what_follows_a_failed_copy_does_not_reach_the_next_client)
{
	struct pooler *pooler = start_many(1, "");
	PGconn *clients[2 * WORKERS];

	for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++)
		clients[i] = connect_client(pooler);
	ck_query_ok(clients[0], "create table if not exists numbers (n int)");
	for (unsigned i = 0; i < ARRAY_LENGTH(clients); i++) {
		PGresult *result = PQexec(clients[i],
		    "copy numbers from stdin");

		ck_assert_int_eq(PQresultStatus(result), PGRES_COPY_IN);
		PQclear(result);
		for (int j = 0; j < 2000; j++)
			ck_assert_int_eq(PQputCopyData(clients[i],
			    "no number\n", 10), 1);
		ck_assert_int_eq(PQputCopyEnd(clients[i], NULL), 1);
		while ((result = PQgetResult(clients[i])) != NULL) {
			ck_assert_str_eq(PQresultErrorField(result,
			    PG_DIAG_SQLSTATE), "22P02");
			PQclear(result);
		}
		ck_query_value(clients[(i + 3) % ARRAY_LENGTH(clients)],
		    "select 'mine'", "mine");
	}
	ck_query_ok(clients[0], "drop table numbers");
}
END_TEST

/* Whoever owns the connections is among them. */
START_TEST(owners_that_are_killed_cost_no_wrong_answer)
{
	struct pooler *pooler = start_many(2, "");
	struct crowd_plan plan = { .clients = 16, .comes_back = true };
	struct sampler all;
	struct crowd_result result;
	struct crowd *crowd = crowd_start(pooler, &plan);

	crowd_await_progress(crowd, 3);
	sampler_start(&all, "usename = 'app'");
	for (int round = 0; round < 2 * WORKERS; round++) {
		pid_t pids[WORKERS];

		wait_until(pooler_children(pooler, pids, WORKERS) ==
		    WORKERS);
		kill(pids[round % WORKERS], SIGKILL);
		crowd_await_progress(crowd, 5);
	}
	result = crowd_stop(crowd);
	sampler_stop(&all);
	ck_assert_msg(result.wrong == 0, "%s", result.why);
	ck_assert_int_le(atomic_load(&all.most), 2);
	ck_query_value(connect_client(pooler), is_encrypted, "t");
}
END_TEST

START_TEST(idle_connections_die_with_their_owner_and_new_ones_are_opened)
{
	struct pooler *pooler = start_many(WORKERS, "");
	PGconn *clients[WORKERS], *direct = world_direct();
	pid_t pids[WORKERS];

	for (int i = 0; i < WORKERS; i++) {
		clients[i] = connect_client(pooler);
		ck_query_ok(clients[i], "begin");
	}
	for (int i = 0; i < WORKERS; i++) {
		ck_query_ok(clients[i], "commit");
		disconnect(clients[i]);
	}
	ck_assert_uint_eq(pooler_children(pooler, pids, WORKERS), WORKERS);
	for (int i = 0; i < WORKERS; i++)
		kill(pids[i], SIGKILL);
	wait_until(query_number(direct, "select count(*) from "
	    "pg_stat_activity where usename = 'app'") == 0);
	for (int i = 0; i < WORKERS; i++)
		pooler_await_log(pooler, text("(process %d) was killed",
		    (int)pids[i]));
	ck_query_value(connect_client(pooler), is_encrypted, "t");
}
END_TEST

/* They own connections that clients of others use all the time. */
START_TEST(workers_that_retire_close_what_they_own_and_nobody_notices)
{
	struct pooler *pooler = start_many(WORKERS, "");
	struct crowd_plan plan = { .clients = 3 * WORKERS };
	struct crowd *crowd = crowd_start(pooler, &plan);
	struct crowd_result result;
	pid_t pids[WORKERS];

	crowd_await_progress(crowd, 10);
	pooler_rewrite(pooler, &(struct recipe){ .workers = 1,
	    .databases = shop("127.0.0.1", text("pool_size=%u", WORKERS)),
	    .settings = mode("verify-full", "") });
	ck_query_ok(connect_console(pooler), "RELOAD");
	crowd_await_progress(crowd, 50);
	result = crowd_stop(crowd);
	ck_crowd_well(&result);
	disconnect_all();
	wait_until(pooler_children(pooler, pids, WORKERS) == 1);
	ck_query_value(connect_client(pooler), is_encrypted, "t");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_servers");
	TCase *tests = world_case(suite, "modes", 60);
	TCase *many = world_case(suite, "workers", 120);

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, a_mode_does_what_it_says, 0,
	    ARRAY_LENGTH(servers));
	tcase_add_test(tests,
	    what_is_wished_and_turned_away_goes_in_the_clear);
	tcase_add_test(tests, what_is_required_and_turned_away_fails);
	tcase_add_test(tests, it_is_shown_and_logged_how_they_speak);
	tcase_add_test(tests,
	    connections_are_renewed_when_a_setting_changes);
	tcase_add_test(tests, a_certificate_of_ours_logs_us_in);
	tcase_add_test(tests,
	    without_a_certificate_of_ours_we_are_turned_away);
	tcase_add_test(tests, scram_is_bound_to_the_certificate);
	tcase_add_test(tests,
	    who_stands_between_with_another_certificate_is_found_out);
	tcase_add_test(tests,
	    a_reload_before_the_servers_answer_hurts_nobody);
	tcase_add_test(tests,
	    a_cancel_request_is_encrypted_as_its_connection_is);
	tcase_add_checked_fixture(many, begin, end);
	tcase_add_loop_test(many,
	    two_connections_serve_four_workers_and_nobody_starves, 0, 2);
	tcase_add_test(many, a_copy_crosses_the_bridge_both_ways);
	tcase_add_test(many,
	    what_follows_a_failed_copy_does_not_reach_the_next_client);
	tcase_add_test(many, owners_that_are_killed_cost_no_wrong_answer);
	tcase_add_test(many,
	    idle_connections_die_with_their_owner_and_new_ones_are_opened);
	tcase_add_test(many,
	    workers_that_retire_close_what_they_own_and_nobody_notices);
	return world_run(suite);
}
