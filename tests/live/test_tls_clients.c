/*
 * TLS between clients and the pooler: every mode of both sides, certificates
 * good and bad, direct TLS, tickets, reloads, and what goes wrong.
 */
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake/authority.h"
#include "fake/fake_client.h"
#include "fake/packet.h"
#include "fake/tls_client.h"
#include "live/ask.h"
#include "live/crowd.h"
#include "live/world.h"

/* --- papers -------------------------------------------------------------- */

static struct authority *authority, *stranger;
static char place[160];			/* where this test's files are */

static const char *
file_at(const char *name)
{
	return text("%s/%s", place, name);
}

/* Keys are nobody's but the owner's: libpq wants that, and so do we. */
static void
put_paper(const char *name, const struct paper *paper)
{
	ck_assert(file_write(file_at(text("%s.crt", name)),
	    paper->certificate));
	ck_assert(file_write(file_at(text("%s.key", name)), paper->key));
	ck_assert_int_eq(chmod(file_at(text("%s.key", name)), 0600), 0);
}

static void
issue(const char *name, struct authority *by, const struct paper_wish *wish)
{
	struct paper *paper = authority_issue(by, wish);

	put_paper(name, paper);
	paper_free(paper);
}

static void
make_papers(void)
{
	struct paper_wish server = { .name = "pooler",
	    .others = "DNS:localhost,IP:127.0.0.1" };
	struct paper_wish app = { .name = "app" };
	struct paper_wish late = { .name = "app", .from_days = -9,
	    .to_days = -1 };

	snprintf(place, sizeof(place), "%s", world_make_directory("papers"));
	authority = authority_create("Seats");
	stranger = authority_create("Strangers");
	ck_assert(file_write(file_at("root.crt"),
	    authority_certificate(authority)));
	ck_assert(file_write(file_at("strange.crt"),
	    authority_certificate(stranger)));
	issue("server", authority, &server);
	issue("app", authority, &app);
	issue("late", authority, &late);
	issue("strange", stranger, &app);
}

static void
drop_papers(void)
{
	authority_free(authority);
	authority_free(stranger);
}

/* Lines of [pgbouncer] for TLS of this mode, and others. */
static const char *
settings(const char *mode, const char *others)
{
	return text("client_tls_sslmode = %s\nclient_tls_key_file = %s\n"
	    "client_tls_cert_file = %s\nclient_tls_ca_file = %s\n%s", mode,
	    file_at("server.key"), file_at("server.crt"),
	    file_at("root.crt"), others);
}

/* What libpq is told of its side; paper NULL: no certificate. */
static const char *
login_with(const char *mode, const char *paper)
{
	if (paper == NULL)
		return text("user=app dbname=shop sslmode=%s sslrootcert=%s "
		    "sslcert=/nowhere/x.crt", mode, file_at("root.crt"));
	return text("user=app dbname=shop sslmode=%s sslrootcert=%s "
	    "sslcert=%s sslkey=%s", mode, file_at("root.crt"),
	    file_at(text("%s.crt", paper)), file_at(text("%s.key", paper)));
}

/* --- the modes ----------------------------------------------------------- */

enum outcome { CLEAR, ENCRYPTED, REFUSED };

static const char *const modes[] = {
	"disable", "allow", "prefer", "require", "verify-ca", "verify-full"
};
enum { DISABLE, ALLOW, PREFER, REQUIRE, VERIFY_CA, VERIFY_FULL, MODES };

static enum outcome
expected(int ours, int theirs, const char *paper)
{
	bool offered = ours != DISABLE, required = ours >= REQUIRE;
	bool good = paper != NULL && strcmp(paper, "app") == 0;
	bool works = offered && (good || (paper == NULL &&
	    ours < VERIFY_CA));

	if (theirs == DISABLE || (theirs == ALLOW && !required))
		return required ? REFUSED : CLEAR;
	if (works)
		return ENCRYPTED;
	return theirs == PREFER && !required ? CLEAR : REFUSED;
}

static enum outcome
try(struct pooler *pooler, const char *conninfo)
{
	PGconn *conn = PQconnectdb(login_string(pooler, conninfo));
	enum outcome outcome = REFUSED;

	if (PQstatus(conn) == CONNECTION_OK) {
		ck_query_value(conn, "select 'in'", "in");
		outcome = PQsslInUse(conn) ? ENCRYPTED : CLEAR;
	}
	PQfinish(conn);
	return outcome;
}

START_TEST(both_modes_decide)
{
	static const char *const papers[] = { NULL, "app", "strange",
	    "late" };
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = settings(modes[_i], ""));

	for (int theirs = 0; theirs < MODES; theirs++)
		for (size_t i = 0; i < ARRAY_LENGTH(papers); i++) {
			/* libpq tries again or not, by where it hears it. */
			if (i >= 2 && theirs < REQUIRE)
				continue;
			enum outcome outcome = try(pooler,
			    login_with(modes[theirs], papers[i]));

			ck_assert_msg(outcome == expected(_i, theirs,
			    papers[i]), "%s and %s, %s: %d", modes[_i],
			    modes[theirs], papers[i], outcome);
		}
}
END_TEST

START_TEST(who_must_use_tls_is_told_so)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = settings("require", ""));
	PGconn *conn;

	ck_login_fails(pooler, "user=app dbname=shop", "28000",
	    "SSL required");
	/* Nobody listens in on a Unix socket. */
	conn = connect_as(pooler, text("user=app dbname=shop host=%s "
	    "sslmode=prefer", pooler->directory));
	ck_query_value(conn, "select 'in'", "in");
	ck_assert(!PQsslInUse(conn));
}
END_TEST

START_TEST(a_bad_certificate_is_named_in_the_log)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = settings("verify-full", ""));

	ck_assert_int_eq(try(pooler, login_with("require", "late")),
	    REFUSED);
	pooler_await_log(pooler, "TLS handshake error: certificate verify "
	    "failed: certificate has expired");
	ck_assert_int_eq(try(pooler, login_with("require", "strange")),
	    REFUSED);
	pooler_await_log(pooler, "TLS handshake error: certificate verify "
	    "failed: unable to get local issuer certificate");
	ck_assert_int_eq(try(pooler, login_with("require", NULL)), REFUSED);
	pooler_await_log(pooler, "TLS handshake error: peer did not return a "
	    "certificate");
}
END_TEST

/* Another worker may have the next one before this one's has heard. */
static void
await_departure(PGconn *console)
{
	wait_until(show_count(console, "CLIENTS", "database", "shop") == 0);
}

START_TEST(versions_and_ciphers_are_as_set)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = settings("require", "client_tls_protocols = tlsv1.2\n"
	    "client_tls_ciphers = ECDHE-ECDSA-AES128-GCM-SHA256\n"
	    "client_tls_ecdhcurve = P-384\n"));
	const char *old = "TLSv1.2/ECDHE-ECDSA-AES128-GCM-SHA256/"
	    "ECDH=secp384r1";
	PGconn *console, *conn;

	ck_assert_int_eq(try(pooler, text("%s ssl_min_protocol_version="
	    "TLSv1.3", login_with("require", NULL))), REFUSED);
	conn = connect_as(pooler, login_with("verify-full", NULL));
	console = connect_as(pooler, "user=admin dbname=pgbouncer "
	    "sslmode=require");
	ck_assert_str_eq(show_value(console, "CLIENTS", "database", "shop",
	    "tls"), old);
	ck_assert_str_eq(show_value(console, "CLIENTS", "database",
	    "pgbouncer", "tls"), old);
	pooler_await_log(pooler, text("login attempt: db=shop user=app "
	    "tls=%s replication=no", old));
	disconnect(conn);
	/* The row is used again, by somebody else's connection. */
	pooler_rewrite(pooler, &(struct recipe){ .workers = 2,
	    .settings = settings("allow", "client_tls13_ciphers = "
	    "TLS_CHACHA20_POLY1305_SHA256\n") });
	ck_query_tag(console, "RELOAD", "RELOAD");
	await_departure(console);
	conn = connect_client(pooler);
	ck_assert_str_eq(show_value(console, "CLIENTS", "database", "shop",
	    "tls"), "");
	disconnect(conn);
	await_departure(console);
	conn = connect_as(pooler, login_with("verify-full", NULL));
	ck_assert_str_eq(show_value(console, "CLIENTS", "database", "shop",
	    "tls"), "TLSv1.3/TLS_CHACHA20_POLY1305_SHA256/ECDH=X25519");
}
END_TEST

START_TEST(rules_know_who_has_tls)
{
	struct pooler *pooler;

	ck_assert(file_write(file_at("hba.conf"),
	    "hostssl all app all trust\nhostnossl all other all trust\n"));
	pooler = pooler_start(.workers = 2, .settings = settings("allow",
	    text("auth_type = hba\nauth_hba_file = %s\n",
	    file_at("hba.conf"))));
	ck_assert_int_eq(try(pooler, login_with("require", NULL)),
	    ENCRYPTED);
	ck_assert_int_eq(try(pooler, login_with("disable", NULL)), REFUSED);
	ck_assert_int_eq(try(pooler, "user=other dbname=shop"), CLEAR);
	ck_assert_int_eq(try(pooler, "user=other dbname=shop "
	    "sslmode=require"), REFUSED);
}
END_TEST

START_TEST(a_name_in_a_certificate_lets_its_user_in)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = settings("verify-full", "auth_type = cert\n"));

	ck_assert_int_eq(try(pooler, login_with("require", "app")),
	    ENCRYPTED);
	ck_assert_int_eq(try(pooler, login_with("require", "strange")),
	    REFUSED);
	ck_login_fails(pooler, text("user=other dbname=shop sslmode=require "
	    "sslrootcert=%s sslcert=%s sslkey=%s", file_at("root.crt"),
	    file_at("app.crt"), file_at("app.key")), "28000",
	    "certificate authentication failed");
	ck_login_fails(pooler, text("user=nobody dbname=shop sslmode=require "
	    "sslrootcert=%s sslcert=%s sslkey=%s", file_at("root.crt"),
	    file_at("app.crt"), file_at("app.key")), "28000",
	    "certificate authentication failed");
}
END_TEST

START_TEST(a_rule_may_map_the_names_of_certificates)
{
	struct pooler *pooler;

	ck_assert(file_write(file_at("hba.conf"),
	    "hostssl all other all cert map=people\n"
	    "hostssl all app all cert clientname=DN\n"));
	ck_assert(file_write(file_at("ident.conf"), "people app other\n"));
	pooler = pooler_start(.workers = 2, .settings = settings("allow",
	    text("auth_type = hba\nauth_hba_file = %s\n"
	    "auth_ident_file = %s\n", file_at("hba.conf"),
	    file_at("ident.conf"))));
	ck_assert_int_eq(try(pooler, text("user=other dbname=shop "
	    "sslmode=require sslrootcert=%s sslcert=%s sslkey=%s",
	    file_at("root.crt"), file_at("app.crt"), file_at("app.key"))),
	    ENCRYPTED);
	/* No certificate, and a subject that is not the whole name. */
	ck_assert_int_eq(try(pooler, "user=other dbname=shop sslmode=require "
	    "sslcert=/nowhere/x.crt"), REFUSED);
	ck_assert_int_eq(try(pooler, login_with("require", "app")), REFUSED);
}
END_TEST

/* --- the first bytes ----------------------------------------------------- */

static void
put_ssl_request(struct buffer *bytes)
{
	put_u32(bytes, 8);
	put_u32(bytes, 80877103);
}

/* CVE-2021-3935 */
START_TEST(what_is_behind_the_request_in_the_clear_is_refused)
{
	const char *pairs[] = { "user", "app", "database", "shop", NULL };
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = settings("allow", ""));
	struct buffer bytes = { 0 };
	int fd = fake_client_connect(pooler->port);

	put_ssl_request(&bytes);
	put_startup(&bytes, PROTOCOL_3_0, pairs);
	ck_assert(fake_client_send(fd, &bytes));
	fake_client_expect_error(fd, "FATAL", "08P01",
	    "received unencrypted data after SSL request");
	fake_client_expect_close(fd);
	close(fd);
}
END_TEST

START_TEST(in_the_clear_nothing_goes_on_after_the_answer)
{
	const char *pairs[] = { "user", "app", "database", "shop", NULL };
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = settings("allow", ""));
	struct buffer bytes = { 0 };
	int fd = fake_client_connect(pooler->port);
	char answer;

	put_ssl_request(&bytes);
	ck_assert(fake_client_send(fd, &bytes));
	ck_assert_int_eq(recv(fd, &answer, 1, 0), 1);
	ck_assert_int_eq(answer, 'S');
	put_startup(&bytes, PROTOCOL_3_0, pairs);
	ck_assert(fake_client_send(fd, &bytes));
	fake_client_drain(fd);
	pooler_await_log(pooler, "TLS handshake error: ");
	pooler_await_log(pooler, "closing because: TLS handshake error");
	ck_assert(!pooler_logged(pooler, "login attempt"));
	close(fd);
}
END_TEST

START_TEST(a_request_inside_of_tls_is_the_end)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = settings("allow", ""));
	struct tls_client *client = tls_client_connect(pooler->port,
	    &(struct tls_wish){ .direct = false });
	struct buffer bytes = { 0 };

	ck_assert(!client->refused);
	put_ssl_request(&bytes);
	ck_assert(tls_client_send(client, &bytes));
	tls_client_expect_close(client);
	pooler_await_log(pooler, "closing because: SSL req inside SSL");
	tls_client_close(client);
}
END_TEST

#define OURS "\012postgresql"

static void
talk(struct tls_client *client)
{
	struct message message;
	struct buffer bytes = { 0 };

	ck_assert_msg(!client->refused, "%s", client->problem);
	tls_client_login(client, "app", "shop");
	put_message(&bytes, 'Q', "s", "select 'hello'");
	ck_assert(tls_client_send(client, &bytes));
	tls_client_expect(client, 'D', &message);
	ck_assert_str_eq((char *)message.body + 6, "hello");
	tls_client_expect(client, 'Z', NULL);
	put_message(&bytes, 'X', "");
	ck_assert(tls_client_send(client, &bytes));
	tls_client_expect_close(client);
}

START_TEST(tls_may_begin_at_once)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = settings("require", ""));

	for (size_t i = 0; i < 2; i++) {
		struct tls_client *client = tls_client_connect(pooler->port,
		    &(struct tls_wish){ .direct = true, .alpn = OURS,
		    .version = versions[i] });

		talk(client);
		tls_client_close(client);
	}
}
END_TEST

START_TEST(who_begins_at_once_says_which_protocol)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = settings("require", ""));
	struct tls_client *client = tls_client_connect(pooler->port,
	    &(struct tls_wish){ .direct = true });
	struct message message;

	ck_assert(!client->refused);
	ck_assert(tls_client_read(client, &message));
	ck_assert_int_eq(message.type, 'E');
	ck_assert_str_eq(error_field(&message, 'M'), "received direct SSL "
	    "connection request without ALPN protocol negotiation extension");
	tls_client_expect_close(client);
	tls_client_close(client);
	client = tls_client_connect(pooler->port, &(struct tls_wish){
	    .direct = true, .alpn = "\010http/1.1" });
	ck_assert(client->refused);
	ck_assert_ptr_nonnull(strstr(client->problem,
	    "no application protocol"));
	tls_client_close(client);
	/* Who asks first need not. */
	client = tls_client_connect(pooler->port, &(struct tls_wish){
	    .direct = false });
	talk(client);
	tls_client_close(client);
}
END_TEST

START_TEST(without_tls_its_first_bytes_are_no_packet)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	struct tls_client *client = tls_client_connect(pooler->port,
	    &(struct tls_wish){ .direct = true, .alpn = OURS });

	ck_assert(client->refused);
	pooler_await_log(pooler, "bad packet header: '160301");
	tls_client_close(client);
}
END_TEST

START_TEST(a_handshake_has_its_time)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = settings("require", ""));
	PGconn *console = connect_as(pooler, "user=admin dbname=pgbouncer "
	    "sslmode=require");
	struct buffer bytes = { 0 };
	int fd = fake_client_connect(pooler->port);
	char answer;

	put_ssl_request(&bytes);
	ck_assert(fake_client_send(fd, &bytes));
	ck_assert_int_eq(recv(fd, &answer, 1, 0), 1);
	ck_query_ok(console, "SET client_login_timeout = 1");
	fake_client_expect_close(fd);
	pooler_await_log(pooler, "closing because: client_login_timeout");
	close(fd);
}
END_TEST

START_TEST(a_query_is_cancelled_through_tls)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = settings("require", ""));
	PGconn *conn = connect_as(pooler, login_with("require", NULL));
	PGconn *direct = world_direct();
	struct message message;
	struct buffer bytes = { 0 };
	struct tls_client *asker, *other;

	/* libpq sends them in the clear; that works as well. */
	ck_assert_int_eq(PQsendQuery(conn, "select pg_sleep(60)"), 1);
	await_sleepers(direct, 1);
	PGcancel *cancel = PQgetCancel(conn);
	char problem[256];
	ck_assert_int_eq(PQcancel(cancel, problem, sizeof(problem)), 1);
	PQfreeCancel(cancel);
	PGresult *result = PQgetResult(conn);
	ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE),
	    "57014");
	PQclear(result);
	ck_assert_ptr_null(PQgetResult(conn));

	asker = tls_client_connect(pooler->port, &(struct tls_wish){
	    .direct = true, .alpn = OURS });
	const char *pairs[] = { "user", "app", "database", "shop", NULL };
	put_startup(&bytes, PROTOCOL_3_0, pairs);
	ck_assert(tls_client_send(asker, &bytes));
	tls_client_expect(asker, 'K', &message);
	uint8_t key[8];
	memcpy(key, message.body, 8);
	tls_client_expect(asker, 'Z', NULL);
	put_message(&bytes, 'Q', "s", "select pg_sleep(60)");
	ck_assert(tls_client_send(asker, &bytes));
	await_sleepers(direct, 1);
	other = tls_client_connect(pooler->port, &(struct tls_wish){
	    .direct = false });
	put_u32(&bytes, 16);
	put_u32(&bytes, 80877102);
	put_bytes(&bytes, key, 8);
	ck_assert(tls_client_send(other, &bytes));
	tls_client_expect_close(other);
	do
		ck_assert(tls_client_read(asker, &message));
	while (message.type != 'E');
	ck_assert_str_eq(error_field(&message, 'C'), "57014");
	tls_client_expect(asker, 'Z', NULL);
	tls_client_close(other);
	tls_client_close(asker);
}
END_TEST

/* --- bytes --------------------------------------------------------------- */

#define ROWS "200000"

START_TEST(large_answers_and_copies_come_whole)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = settings("require", ""));
	PGconn *conn = connect_as(pooler, login_with("verify-full", NULL));
	char *line = malloc(100 * 1000);
	PGresult *result;

	ck_query_value(conn, "select md5(repeat('x', 30000000))",
	    query_value(world_direct(), "select md5(repeat('x', 30000000))"));
	result = PQexec(conn, "select repeat('x', 30000000)");
	ck_assert_int_eq(PQgetlength(result, 0, 0), 30000000);
	PQclear(result);
	ck_query_ok(conn, "create table if not exists copied (t text);"
	    "truncate copied");
	ck_assert_int_eq(PQresultStatus(result = PQexec(conn,
	    "copy copied from stdin")), PGRES_COPY_IN);
	PQclear(result);
	memset(line, 'y', 100 * 1000);
	line[100 * 1000 - 1] = '\n';
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(PQputCopyData(conn, line, 100 * 1000), 1);
	ck_assert_int_eq(PQputCopyEnd(conn, NULL), 1);
	ck_finish_ok(conn);
	ck_query_value(conn, "select sum(length(t)) from copied", "19999800");
	ck_query_ok(conn, "drop table copied");
	free(line);
}
END_TEST

/* Kilobytes that its workers have in memory of their own, together. */
static long
memory_of(struct pooler *pooler)
{
	pid_t pids[16];
	unsigned count = pooler_children(pooler, pids, 16);
	long sum = 0;

	for (unsigned i = 0; i < count; i++) {
		char *status = file_read(text("/proc/%d/status",
		    (int)pids[i]));
		const char *at = strstr(status, "RssAnon:");

		if (at != NULL)
			sum += atol(at + strlen("RssAnon:"));
		free(status);
	}
	return sum;
}

START_TEST(who_does_not_read_fills_no_memory)
{
	struct pooler *pooler = pooler_start(.workers = 1,
	    .settings = settings("require", ""));
	struct tls_client *client = tls_client_connect(pooler->port,
	    &(struct tls_wish){ .direct = true, .alpn = OURS });
	PGconn *other = connect_as(pooler, login_with("require", NULL));
	struct buffer bytes = { 0 };
	struct message message;
	unsigned rows = 0;
	long before;

	tls_client_login(client, "app", "shop");
	ck_query_value(other, "select 1", "1");
	before = memory_of(pooler);
	put_message(&bytes, 'Q', "s", "select repeat('x', 60000) from "
	    "generate_series(1, 1500)");
	ck_assert(tls_client_send(client, &bytes));
	/* 90 MB wait at PostgreSQL; others are served. */
	for (int i = 0; i < 50; i++)
		ck_query_value(other, "select 1", "1");
	if (getenv("ASAN_OPTIONS") == NULL)
		ck_assert_int_lt(memory_of(pooler) - before, 4 * 1024);
	for (;;) {
		ck_assert(tls_client_read(client, &message));
		if (message.type == 'C')
			break;
		rows += message.type == 'D';
	}
	ck_assert_uint_eq(rows, 1500);
	tls_client_expect(client, 'Z', NULL);
	tls_client_close(client);
}
END_TEST

START_TEST(who_breaks_off_breaks_nothing_else)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = settings("require", "default_pool_size = 1\n"));
	struct tls_client *client;
	struct buffer bytes = { 0 };
	PGconn *other;

	/* In the middle of a query, without a word. */
	client = tls_client_connect(pooler->port, &(struct tls_wish){
	    .direct = true, .alpn = OURS });
	tls_client_login(client, "app", "shop");
	put_message(&bytes, 'Q', "s", "select pg_sleep(60)");
	ck_assert(tls_client_send(client, &bytes));
	await_sleepers(world_direct(), 1);
	client->refused = true;
	tls_client_close(client);
	other = connect_as(pooler, login_with("require", NULL));
	ck_query_value(other, "select 'next'", "next");
	/* In the middle of a handshake. */
	for (int i = 0; i < 20; i++) {
		int fd = fake_client_connect(pooler->port);

		put_ssl_request(&bytes);
		put_bytes(&bytes, "", 0);
		ck_assert(fake_client_send(fd, &bytes));
		if (i % 2 == 0)
			(void)!send(fd, "\x16\x03\x01\x02\x00\x01", 6,
			    MSG_NOSIGNAL);
		close(fd);
	}
	ck_query_value(other, "select 'still'", "still");
}
END_TEST

START_TEST(many_talk_through_tls_at_once)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = settings("verify-full", "default_pool_size = 5\n"));
	struct crowd_plan plan = { .login = login_with("verify-full", "app"),
	    .clients = 40, .transactions = 50, .statements = 3 };
	struct crowd_result result = crowd_join(crowd_start(pooler, &plan));

	ck_assert_msg(result.errors + result.refused + result.lost +
	    result.wrong == 0, "%s", result.why);
	ck_assert_uint_eq(result.transactions, 40 * 50);
}
END_TEST

/* --- reloads ------------------------------------------------------------- */

/* Whose certificate a new connection sees. */
static const char *
name_of_pooler(struct pooler *pooler)
{
	struct tls_client *client = tls_client_connect(pooler->port,
	    &(struct tls_wish){ .direct = true, .alpn = OURS });
	X509 *certificate;
	char name[64];

	ck_assert_msg(!client->refused, "%s", client->problem);
	certificate = SSL_get0_peer_certificate(client->ssl);
	X509_NAME_get_text_by_NID(X509_get_subject_name(certificate),
	    NID_commonName, name, sizeof(name));
	tls_client_close(client);
	return text("%s", name);
}

START_TEST(a_reload_changes_the_certificate_and_disturbs_nobody)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = settings("require", ""));
	PGconn *console = connect_as(pooler, "user=admin dbname=pgbouncer "
	    "sslmode=require");
	PGconn *old = connect_as(pooler, login_with("verify-full", NULL));
	struct crowd_plan plan = { .login = login_with("verify-full", NULL),
	    .clients = 8, .transactions = 0 };
	struct crowd *crowd = crowd_start(pooler, &plan);
	struct crowd_result result;

	ck_assert_str_eq(name_of_pooler(pooler), "pooler");
	for (int i = 0; i < 5; i++) {
		struct paper_wish wish = { .name = text("pooler-%d", i),
		    .others = "DNS:localhost,IP:127.0.0.1" };

		issue("server", authority, &wish);
		crowd_await_progress(crowd, 5);
		ck_query_tag(console, "RELOAD", "RELOAD");
		for (int k = 0; k < 6; k++)	/* at whatever worker */
			ck_assert_str_eq(name_of_pooler(pooler), wish.name);
		ck_query_value(old, "select 'as before'", "as before");
	}
	result = crowd_stop(crowd);
	ck_assert_msg(result.errors + result.refused + result.lost +
	    result.wrong == 0, "%s", result.why);
}
END_TEST

START_TEST(broken_files_refuse_the_whole_reload)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = settings("require", "default_pool_size = 7\n"));
	PGconn *console = connect_as(pooler, "user=admin dbname=pgbouncer "
	    "sslmode=require");
	struct paper_wish wish = { .name = "other" };
	char *key = file_read(file_at("server.key"));

	pooler_rewrite(pooler, &(struct recipe){ .workers = 3,
	    .settings = settings("require", "default_pool_size = 8\n") });
	ck_assert(file_write(file_at("server.key"), "nothing\n"));
	ck_query_fails(console, "RELOAD", "F0000", NULL);
	pooler_await_log(pooler, text("invalid client_tls_key_file: %s: ",
	    file_at("server.key")));
	issue("other", authority, &wish);
	ck_assert_int_eq(rename(file_at("other.key"), file_at("server.key")),
	    0);
	ck_query_fails(console, "RELOAD", "F0000", NULL);
	pooler_await_log(pooler, text("invalid client_tls_key_file: %s: does "
	    "not belong to the certificate", file_at("server.key")));
	ck_assert_int_eq(unlink(file_at("server.key")), 0);
	ck_query_fails(console, "RELOAD", "F0000", NULL);
	pooler_await_log(pooler, text("invalid client_tls_key_file: %s: "
	    "No such file or directory", file_at("server.key")));
	ck_assert_str_eq(show_value(console, "CONFIG", "key",
	    "default_pool_size", "value"), "7");
	ck_assert_str_eq(name_of_pooler(pooler), "pooler");
	ck_assert(file_write(file_at("server.key"), key));
	ck_query_tag(console, "RELOAD", "RELOAD");
	ck_assert_str_eq(show_value(console, "CONFIG", "key",
	    "default_pool_size", "value"), "8");
	free(key);
}
END_TEST

START_TEST(tls_is_turned_on_and_off_by_set)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = settings("disable", ""));
	PGconn *console = connect_console(pooler);

	ck_assert_int_eq(try(pooler, login_with("prefer", NULL)), CLEAR);
	ck_query_tag(console, "SET client_tls_sslmode = 'require'",
	    "SET client_tls_sslmode=require");
	ck_assert_int_eq(try(pooler, login_with("prefer", NULL)), ENCRYPTED);
	ck_assert_int_eq(try(pooler, login_with("disable", NULL)), REFUSED);
	ck_query_value(console, "SHOW VERSION", query_value(console,
	    "SHOW VERSION"));
	ck_query_tag(console, "SET client_tls_sslmode = 'disable'",
	    "SET client_tls_sslmode=disable");
	ck_assert_int_eq(try(pooler, login_with("prefer", NULL)), CLEAR);
}
END_TEST

/* --- tickets ------------------------------------------------------------- */

/* Connects, is logged in, and goes; its session for the next time. */
static SSL_SESSION *
visit(struct pooler *pooler, int version, SSL_SESSION *session,
    bool *resumed_out)
{
	struct tls_client *client = tls_client_connect(pooler->port,
	    &(struct tls_wish){ .direct = true, .alpn = OURS,
	    .version = version, .session = session });

	ck_assert_msg(!client->refused, "%s", client->problem);
	tls_client_login(client, "app", "shop");
	*resumed_out = SSL_session_reused(client->ssl) == 1;
	SSL_SESSION_free(session);
	session = SSL_get1_session(client->ssl);
	tls_client_close(client);
	return session;
}

static void
visit_all(struct pooler *pooler, int version)
{
	pid_t before[8], after[8];
	SSL_SESSION *session;
	bool resumed;

	session = visit(pooler, version, NULL, &resumed);
	ck_assert(!resumed);
	for (int i = 0; i < 16; i++) {
		session = visit(pooler, version, session, &resumed);
		ck_assert(resumed);
	}
	/* Those who come after them have the keys as well. */
	ck_assert_uint_eq(pooler_children(pooler, before, 8), 4);
	for (unsigned i = 0; i < 4; i++)
		kill(before[i], SIGKILL);
	for (unsigned i = 0; i < 4; i++)
		wait_until(!process_alive(before[i]));
	wait_until(pooler_children(pooler, after, 8) == 4);
	session = visit(pooler, version, session, &resumed);
	ck_assert(resumed);
	SSL_SESSION_free(session);
}

START_TEST(a_session_is_resumed_at_whatever_worker)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = settings("require", ""));

	visit_all(pooler, _i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
}
END_TEST

START_TEST(after_a_change_of_whom_we_trust_sessions_begin_anew)
{
	struct pooler *pooler = pooler_start(.workers = 4,
	    .settings = settings("require", ""));
	PGconn *console = connect_as(pooler, "user=admin dbname=pgbouncer "
	    "sslmode=require");
	SSL_SESSION *session;
	bool resumed;

	session = visit(pooler, 0, NULL, &resumed);
	session = visit(pooler, 0, session, &resumed);
	ck_assert(resumed);
	ck_query_tag(console, "RELOAD", "RELOAD");
	session = visit(pooler, 0, session, &resumed);
	ck_assert(resumed);
	ck_assert(file_write(file_at("root.crt"), text("%s%s",
	    authority_certificate(authority),
	    authority_certificate(stranger))));
	ck_query_tag(console, "RELOAD", "RELOAD");
	session = visit(pooler, 0, session, &resumed);
	ck_assert(!resumed);
	SSL_SESSION_free(session);
}
END_TEST

/* --- at start ------------------------------------------------------------ */

START_TEST(what_is_wrong_stops_the_start)
{
	struct pooler *pooler = pooler_prepare(.workers = 2,
	    .settings = settings("require", ""));
	const char *test[] = { "-t", pooler->ini, NULL };
	const char *run[] = { pooler->ini, NULL };

	ck_assert_int_eq(pooler_run(pooler, test), 0);
	ck_assert(file_write(file_at("server.crt"), "nothing\n"));
	ck_assert_int_eq(pooler_run(pooler, test), 1);
	ck_assert(pooler_logged(pooler, text("invalid client_tls_cert_file: "
	    "%s: ", file_at("server.crt"))));
	ck_assert_int_eq(pooler_run(pooler, run), 1);
	ck_assert(pooler_logged(pooler, "cannot load config file"));
}
END_TEST

/* --- channel binding ------------------------------------------------------ */

/*
 * Logs in by SCRAM, secret and all; `extra` is libpq's channel_binding.  The
 * server's PostgreSQL asks for SCRAM as well, so keys learnt here open it.
 */
static const char *
bound_login(const char *extra)
{
	return text("user=scram_user password=scram_user_secret dbname=shop "
	    "sslmode=require %s", extra);
}

static const struct {
	const char	*story, *settings;
	bool		 by_rule, stored;
} scrams[] = {
	{ "a secret that passes through", "auth_type = scram-sha-256\n",
	  false, true },
	{ "a plain secret", "auth_type = scram-sha-256\n", false, false },
	{ "md5 that is better", "auth_type = md5\n", false, true },
	{ "a rule", "auth_type = hba\n", true, true },
};

START_TEST(a_login_is_bound_to_the_certificate)
{
	static const char *const versions[] = { "TLSv1.2", "TLSv1.3" };
	const char *others = scrams[_i].settings;
	struct pooler *pooler;

	if (scrams[_i].by_rule) {
		ck_assert(file_write(file_at("hba"),
		    "hostssl all all 127.0.0.1/32 scram-sha-256\n"));
		others = text("%sauth_hba_file = %s\n", others,
		    file_at("hba"));
	}
	pooler = pooler_start(.workers = 3, .settings =
	    settings("prefer", others), .userlist = text(
	    "\"scram_user\" \"%s\"\n", scrams[_i].stored ?
	    world_secret("scram_user") : "scram_user_secret"));
	for (unsigned i = 0; i < ARRAY_LENGTH(versions); i++) {
		ck_login_ok(pooler, bound_login(text("channel_binding="
		    "require ssl_max_protocol_version=%s", versions[i])));
		ck_login_ok(pooler, bound_login("channel_binding=prefer"));
		ck_login_ok(pooler, bound_login("channel_binding=disable"));
	}
	ck_login_fails(pooler, "user=scram_user password=wrong dbname=shop "
	    "sslmode=require channel_binding=require", "08P01",
	    "SASL authentication failed");
	/* As if it were there. */
	if (strstr(others, "md5") == NULL)
		ck_login_fails(pooler, "user=nobody password=wrong "
		    "dbname=shop sslmode=require channel_binding=require",
		    "08P01", "SASL authentication failed");
	if (!scrams[_i].by_rule)
		ck_login_ok(pooler, "user=scram_user sslmode=disable "
		    "password=scram_user_secret dbname=shop");
}
END_TEST

/* RSA, and one whose signature has no digest: there it is not offered. */
START_TEST(what_is_offered_depends_on_the_certificate)
{
	static const enum paper_key keys[] = { PAPER_EC, PAPER_RSA,
	    PAPER_ED25519 };
	struct paper_wish wish = { .name = "pooler", .key = keys[_i],
	    .others = "DNS:localhost,IP:127.0.0.1" };
	struct paper *paper = authority_self_signed(&wish);
	struct pooler *pooler;

	put_paper("server", paper);
	paper_free(paper);
	pooler = pooler_start(.workers = 2, .settings = settings("prefer",
	    "auth_type = scram-sha-256\n"));
	ck_login_ok(pooler, bound_login("channel_binding=prefer"));
	if (keys[_i] != PAPER_ED25519)
		ck_login_ok(pooler, bound_login("channel_binding=require"));
}
END_TEST

/* Those that were begun before the reload are bound to what they saw. */
START_TEST(each_login_is_bound_to_the_certificate_that_it_saw)
{
	struct pooler *pooler = pooler_start(.workers = 3,
	    .settings = settings("prefer", "auth_type = scram-sha-256\n"));
	PGconn *console = connect_as(pooler, "user=admin dbname=pgbouncer "
	    "password=admin_secret");

	for (int i = 0; i < 4; i++) {
		struct paper_wish wish = { .name = text("pooler-%d", i),
		    .others = "DNS:localhost,IP:127.0.0.1",
		    .key = i % 2 == 0 ? PAPER_RSA : PAPER_EC };
		PGconn *begun = PQconnectStart(login_string(pooler,
		    bound_login("channel_binding=require")));
		PostgresPollingStatusType status = PGRES_POLLING_WRITING;

		/* As far as the end of the handshake, no farther. */
		while (PQsslInUse(begun) == 0) {
			struct pollfd poller = { .fd = PQsocket(begun),
			    .events = status == PGRES_POLLING_READING ?
			    POLLIN : POLLOUT };

			ck_assert_int_eq(poll(&poller, 1,
			    (int)patience_ms()), 1);
			status = PQconnectPoll(begun);
			ck_assert_int_ne(status, PGRES_POLLING_FAILED);
		}
		issue("server", authority, &wish);
		ck_query_tag(console, "RELOAD", "RELOAD");
		while (status != PGRES_POLLING_OK) {
			struct pollfd poller = { .fd = PQsocket(begun),
			    .events = status == PGRES_POLLING_READING ?
			    POLLIN : POLLOUT };

			ck_assert_int_eq(poll(&poller, 1,
			    (int)patience_ms()), 1);
			status = PQconnectPoll(begun);
			ck_assert_msg(status != PGRES_POLLING_FAILED, "%s",
			    PQerrorMessage(begun));
		}
		PQfinish(begun);
		ck_login_ok(pooler, bound_login("channel_binding=require"));
	}
}
END_TEST

/* c= of each is its header and, perhaps, a digest that is not ours. */
static const struct {
	const char	*story, *mechanism, *first, *final;
	const char	*detail;	/* in the log */
} false_bindings[] = {
	{ "somebody has taken the offer out", "SCRAM-SHA-256", "y,,", NULL,
	  "client did not see that channel binding was offered" },
	{ "bound without being asked", "SCRAM-SHA-256",
	  "p=tls-server-end-point,,", NULL,
	  "client requires channel binding" },
	{ "not bound though chosen", "SCRAM-SHA-256-PLUS", "n,,", NULL,
	  "client chose channel binding but does not bind" },
	{ "another kind", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", NULL,
	  "unsupported SCRAM channel binding" },
	{ "another certificate", "SCRAM-SHA-256-PLUS",
	  "p=tls-server-end-point,,",
	  "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsZGlnZXN0",
	  "unexpected SCRAM channel binding" },
	{ "no certificate", "SCRAM-SHA-256-PLUS",
	  "p=tls-server-end-point,,",
	  "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCws",
	  "unexpected SCRAM channel binding" },
	{ "as if not bound", "SCRAM-SHA-256-PLUS",
	  "p=tls-server-end-point,,", "c=biws",
	  "unexpected SCRAM channel binding" },
};

START_TEST(a_false_binding_is_found_out)
{
	const char *pairs[] = { "user", "scram_user", "database", "shop",
	    NULL };
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = settings("prefer", "auth_type = scram-sha-256\n"));
	struct tls_client *client = tls_client_connect(pooler->port,
	    &(struct tls_wish){ .direct = false });
	const char *first = text("%sn=,r=abcdefgh", false_bindings[_i].first);
	struct buffer bytes = { 0 };
	static struct message message;
	const char *final;

	put_startup(&bytes, PROTOCOL_3_0, pairs);
	ck_assert(tls_client_send(client, &bytes));
	tls_client_expect(client, 'R', &message);
	/* Both, the better one first. */
	ck_assert_mem_eq(message.body,
	    "\0\0\0\12SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0", 38);
	put_message(&bytes, 'p', "six", false_bindings[_i].mechanism,
	    (unsigned)strlen(first), first, (int)strlen(first));
	ck_assert(tls_client_send(client, &bytes));
	if (false_bindings[_i].final != NULL) {
		tls_client_expect(client, 'R', &message);
		final = text("%s,%.*s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		    "AAAAAAA=", false_bindings[_i].final,
		    (int)strcspn((char *)message.body + 4, ","),
		    (char *)message.body + 4);
		put_message(&bytes, 'p', "x", final, (int)strlen(final));
		ck_assert(tls_client_send(client, &bytes));
	}
	ck_assert(tls_client_read(client, &message));
	ck_assert_int_eq(message.type, 'E');
	ck_assert_str_eq(error_field(&message, 'M'),
	    "SASL authentication failed");
	pooler_await_log(pooler, false_bindings[_i].detail);
	tls_client_close(client);
}
END_TEST

/* In the clear there is nothing to bind to. */
START_TEST(in_the_clear_no_binding_is_offered)
{
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = settings("prefer", "auth_type = scram-sha-256\n"));
	int client = fake_client_begin(pooler->port, "scram_user", "shop");
	static struct message message;
	struct buffer bytes = { 0 };

	fake_client_expect(client, 'R', &message);
	ck_assert_uint_eq(message.length, 19);
	ck_assert_mem_eq(message.body, "\0\0\0\12SCRAM-SHA-256\0\0", 19);
	put_message(&bytes, 'p', "six", "SCRAM-SHA-256-PLUS", 39u,
	    "p=tls-server-end-point,,n=,r=abcdefghij", 39);
	ck_assert(fake_client_send(client, &bytes));
	ck_assert(fake_client_read(client, &message));
	ck_assert_int_eq(message.type, 'E');
	close(client);
	ck_login_ok(pooler, "user=scram_user password=scram_user_secret "
	    "dbname=shop sslmode=disable");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_clients");
	TCase *tcase = world_case(suite, "core", 60);

	tcase_add_checked_fixture(tcase, make_papers, drop_papers);
	tcase_add_loop_test(tcase, both_modes_decide, 0, MODES);
	tcase_add_test(tcase, who_must_use_tls_is_told_so);
	tcase_add_test(tcase, a_bad_certificate_is_named_in_the_log);
	tcase_add_test(tcase, versions_and_ciphers_are_as_set);
	tcase_add_test(tcase, rules_know_who_has_tls);
	tcase_add_test(tcase, a_name_in_a_certificate_lets_its_user_in);
	tcase_add_test(tcase, a_rule_may_map_the_names_of_certificates);
	tcase_add_test(tcase,
	    what_is_behind_the_request_in_the_clear_is_refused);
	tcase_add_test(tcase, in_the_clear_nothing_goes_on_after_the_answer);
	tcase_add_test(tcase, a_request_inside_of_tls_is_the_end);
	tcase_add_test(tcase, tls_may_begin_at_once);
	tcase_add_test(tcase, who_begins_at_once_says_which_protocol);
	tcase_add_test(tcase, without_tls_its_first_bytes_are_no_packet);
	tcase_add_test(tcase, a_handshake_has_its_time);
	tcase_add_test(tcase, a_query_is_cancelled_through_tls);
	tcase_add_test(tcase, large_answers_and_copies_come_whole);
	tcase_add_test(tcase, who_does_not_read_fills_no_memory);
	tcase_add_test(tcase, who_breaks_off_breaks_nothing_else);
	tcase_add_test(tcase, many_talk_through_tls_at_once);
	tcase_add_test(tcase,
	    a_reload_changes_the_certificate_and_disturbs_nobody);
	tcase_add_test(tcase, broken_files_refuse_the_whole_reload);
	tcase_add_test(tcase, tls_is_turned_on_and_off_by_set);
	tcase_add_loop_test(tcase, a_session_is_resumed_at_whatever_worker,
	    0, 2);
	tcase_add_test(tcase,
	    after_a_change_of_whom_we_trust_sessions_begin_anew);
	tcase_add_test(tcase, what_is_wrong_stops_the_start);

	tcase = world_case(suite, "binding", 60);
	tcase_add_checked_fixture(tcase, make_papers, drop_papers);
	tcase_add_loop_test(tcase, a_login_is_bound_to_the_certificate, 0,
	    (int)ARRAY_LENGTH(scrams));
	tcase_add_loop_test(tcase,
	    what_is_offered_depends_on_the_certificate, 0, 3);
	tcase_add_test(tcase,
	    each_login_is_bound_to_the_certificate_that_it_saw);
	tcase_add_loop_test(tcase, a_false_binding_is_found_out, 0,
	    (int)ARRAY_LENGTH(false_bindings));
	tcase_add_test(tcase, in_the_clear_no_binding_is_offered);
	return world_run(suite);
}
