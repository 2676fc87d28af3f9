/*
 * Clients behind a load balancer that speaks the PROXY protocol: who they are
 * for rules, reports and the log, whatever comes in pieces, and what is not
 * believed.
 *
 * The load balancer is 127.0.0.2; whoever is 127.0.0.1 is an ordinary client.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#include "live/world.h"

#define PROXY "127.0.0.2"
#define OURS "\012postgresql"
#define CLIENT "192.0.2.7"
#define MANY 24

static const uint8_t signature[] = "\r\n\r\n\0\r\nQUIT\n";

enum command { LOCAL = 0x20, RELAYED = 0x21 };

/* --- the load balancer --------------------------------------------------- */

static void
put_proxy_header(struct buffer *out, enum command command, const char *address,
    unsigned port)
{
	uint8_t fixed[2] = { (uint8_t)command, 0x11 };
	struct in_addr source, here = { htonl(INADDR_LOOPBACK) };

	ck_assert_int_eq(inet_pton(AF_INET, address, &source), 1);
	put_bytes(out, signature, sizeof(signature) - 1);
	put_bytes(out, fixed, sizeof(fixed));
	put_u16(out, 12);
	put_bytes(out, &source, 4);
	put_bytes(out, &here, 4);
	put_u16(out, port);
	put_u16(out, 6432);
}

static void
put_login(struct buffer *out, const char *user)
{
	const char *pairs[] = { "user", user, "database", "shop", NULL };

	put_startup(out, PROTOCOL_3_0, pairs);
}

/* A connection from this address of ours. */
static int
connect_from(const char *address, int port)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, to = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(inet_pton(AF_INET, address, &from.sin_addr), 1);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* A client of this address and port begins to log in. */
static int
begin(struct pooler *pooler, const char *address, unsigned port,
    const char *user)
{
	struct buffer bytes = { 0 };
	int fd = connect_from(PROXY, pooler->port);

	put_proxy_header(&bytes, RELAYED, address, port);
	put_login(&bytes, user);
	ck_assert(fake_client_send(fd, &bytes));
	return fd;
}

static struct pooler *
start(unsigned workers, const char *others)
{
	return pooler_start(.workers = workers, .settings = text(
	    "proxy_protocol = 1\nproxy_protocol_trusted = " PROXY ", fd00::/8"
	    "\nverbose = 1\n%s", others));
}

/* SHOW CLIENTS has so many clients of this address and port. */
static unsigned
count_clients(PGconn *console, const char *address, unsigned port)
{
	PGresult *clients = show(console, "clients");
	int addr = PQfnumber(clients, "addr"), at = PQfnumber(clients, "port");
	unsigned count = 0;

	ck_assert(addr != -1 && at != -1);
	for (int i = 0; i < PQntuples(clients); i++)
		if (strcmp(PQgetvalue(clients, i, addr), address) == 0 &&
		    (port == 0 || strtoul(PQgetvalue(clients, i, at), NULL,
		    10) == port))
			count++;
	PQclear(clients);
	return count;
}

/* --- who it is ----------------------------------------------------------- */

START_TEST(reports_and_the_log_have_the_clients_address)
{
	struct pooler *pooler = start(2, "application_name_add_host = 1\n");
	PGconn *console = connect_console(pooler);
	int fd = begin(pooler, CLIENT, 51000, "app");

	fake_client_expect(fd, 'Z', NULL);
	ck_assert_uint_eq(count_clients(console, CLIENT, 51000), 1);
	ck_assert_uint_eq(count_clients(console, PROXY, 0), 0);
	ck_assert_str_eq(show_value(console, "clients", "addr", CLIENT,
	    "application_name"), "app - " CLIENT ":51000");
	pooler_await_log(pooler, "(nodb)/(nouser)@" PROXY ":");
	pooler_await_log(pooler, "PROXY protocol: it is " CLIENT ":51000");
	pooler_await_log(pooler, "@" CLIENT ":51000 login attempt: db=shop");
	close(fd);
}
END_TEST

START_TEST(every_worker_knows_it)
{
	struct pooler *pooler = start(4, "max_client_conn = 200\n");
	PGconn *console = connect_console(pooler);
	int fds[MANY];

	/* At once, so that some sockets are passed on to other workers. */
	for (unsigned i = 0; i < MANY; i++)
		fds[i] = begin(pooler, CLIENT, 40000 + i, "app");
	for (unsigned i = 0; i < MANY; i++)
		fake_client_expect(fds[i], 'Z', NULL);
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_uint_eq(count_clients(console, CLIENT, 40000 + i),
		    1);
	for (unsigned i = 0; i < MANY; i++)
		close(fds[i]);
}
END_TEST

START_TEST(rules_go_by_the_clients_address)
{
	const char *path = text("%s/hba-%d", world.directory, (int)getpid());
	struct pooler *pooler;
	int fd;

	ck_assert(file_write(path, "host all all 192.0.2.0/24 trust\n"
	    "host all all 198.51.100.0/24 reject\n"
	    "host all all 127.0.0.1/32 trust\n"));
	pooler = start(2, text("auth_type = hba\nauth_hba_file = %s\n",
	    path));
	fd = begin(pooler, CLIENT, 51000, "app");
	fake_client_expect(fd, 'Z', NULL);
	close(fd);
	fd = begin(pooler, "198.51.100.7", 51000, "app");
	fake_client_expect_error(fd, "FATAL", "28000", "login rejected");
	close(fd);
	fd = begin(pooler, "203.0.113.7", 51000, "app");
	fake_client_expect_error(fd, "FATAL", "28000",
	    "no authentication method is found");
	close(fd);
}
END_TEST

START_TEST(who_is_no_load_balancer_needs_none)
{
	struct pooler *pooler = start(2, "");
	struct buffer bytes = { 0 };
	int fd;

	ck_login_ok(pooler, "user=app dbname=shop");
	/* And is not believed. */
	fd = connect_from("127.0.0.3", pooler->port);
	put_proxy_header(&bytes, RELAYED, CLIENT, 51000);
	put_login(&bytes, "app");
	ck_assert(fake_client_send(fd, &bytes));
	fake_client_expect_error(fd, "FATAL", "08P01",
	    "bad packet header: '0d0a0d0a000d0a51'");
	fake_client_drain(fd);
	ck_assert(!pooler_logged(pooler, "@" CLIENT));
	close(fd);
}
END_TEST

START_TEST(a_connection_of_its_own_has_its_own_address)
{
	struct pooler *pooler = start(2, "");
	PGconn *console = connect_console(pooler);
	struct buffer bytes = { 0 };
	int fd = connect_from(PROXY, pooler->port);

	put_proxy_header(&bytes, LOCAL, CLIENT, 51000);
	put_login(&bytes, "app");
	ck_assert(fake_client_send(fd, &bytes));
	fake_client_expect(fd, 'Z', NULL);
	ck_assert_uint_eq(count_clients(console, PROXY, 0), 1);
	ck_assert_uint_eq(count_clients(console, CLIENT, 0), 0);
	close(fd);
	/* A health check is not worth a line. */
	fd = connect_from(PROXY, pooler->port);
	put_proxy_header(&bytes, LOCAL, CLIENT, 51000);
	ck_assert(fake_client_send(fd, &bytes));
	close(fd);
	ck_login_ok(pooler, "user=app dbname=shop");
	ck_assert(!pooler_logged(pooler, "(nodb)/(nouser)@"));
}
END_TEST

START_TEST(the_unix_socket_is_as_ever)
{
	struct pooler *pooler = start(2, "");

	disconnect(connect_to(text("host=%s port=%d user=app dbname=shop",
	    pooler->directory, pooler->port)));
}
END_TEST

/* --- what comes in pieces, or broken ------------------------------------- */

/* The pooler has read all that was sent on this connection. */
static bool
is_read(int fd, int port)
{
	struct sockaddr_in here;
	socklen_t length = sizeof(here);
	unsigned local, remote, queued;
	bool found = false;
	char line[256], wanted[32];
	FILE *table = fopen("/proc/net/tcp", "r");

	ck_assert_ptr_nonnull(table);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&here, &length),
	    0);
	snprintf(wanted, sizeof(wanted), "%08X:%04X", here.sin_addr.s_addr,
	    ntohs(here.sin_port));
	while (!found && fgets(line, sizeof(line), table) != NULL)
		found = strstr(line, wanted) != NULL && sscanf(line,
		    " %*u: %*x:%x %*x:%x %*x %*x:%x", &local, &remote,
		    &queued) == 3 && local == (unsigned)port &&
		    remote == ntohs(here.sin_port) && queued == 0;
	fclose(table);
	return found;
}

START_TEST(it_may_be_cut_anywhere)
{
	struct pooler *pooler = start(2, "");
	struct buffer whole = { 0 };
	size_t length;

	put_proxy_header(&whole, RELAYED, CLIENT, 51000);
	put_login(&whole, "app");
	length = buffer_length(&whole);
	for (size_t cut = 1; cut < length; cut++) {
		struct buffer part = { 0 };
		int fd = connect_from(PROXY, pooler->port);

		put_bytes(&part, buffer_front(&whole), cut);
		ck_assert(fake_client_send(fd, &part));
		wait_until(is_read(fd, pooler->port));
		put_bytes(&part, buffer_front(&whole) + cut, length - cut);
		ck_assert(fake_client_send(fd, &part));
		fake_client_expect(fd, 'Z', NULL);
		close(fd);
	}
	buffer_clear(&whole);
}
END_TEST

static const struct {
	const char	*bytes;
	size_t		 length;
	const char	*reason;
} broken[] = {
#define BYTES(literal) literal, sizeof(literal) - 1
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
	{ BYTES("\0\0\0\10\4\322\26\57"), "there is none" },
	{ BYTES("\26\3\1"), "there is none" },
	{ BYTES("PROXY TCP4 192.0.2.7 10.0.0.1 51000 6432\r\n"),
	    "it is version 1, and version 2 is expected" },
	{ BYTES(SIGNATURE "\x31\x11\0\0"), "its version is not 2" },
	{ BYTES(SIGNATURE "\x2f\x11\0\0"),
	    "its command is neither LOCAL nor PROXY" },
	{ BYTES(SIGNATURE "\x21\x11\xff\xff"), "it is too long" },
	{ BYTES(SIGNATURE "\x21\x11\0\4\300\0\2\7"),
	    "it is too short for its addresses" },
	{ BYTES(SIGNATURE "\x21\x11\0\17\300\0\2\7\12\0\0\1\1\2\3\4"
	    "\1\377\377"), "a TLV in it is longer than what is left" },
};

START_TEST(a_broken_header_is_the_end)
{
	struct pooler *pooler = start(2, "");
	struct buffer bytes = { 0 };
	int fd = connect_from(PROXY, pooler->port);

	put_bytes(&bytes, broken[_i].bytes, broken[_i].length);
	ck_assert(fake_client_send(fd, &bytes));
	fake_client_expect_close(fd);
	close(fd);
	pooler_await_log(pooler, text("bad PROXY protocol header: %s",
	    broken[_i].reason));
	pooler_await_log(pooler, "closing because: bad PROXY protocol header");
	ck_login_ok(pooler, "user=app dbname=shop");
}
END_TEST

START_TEST(half_a_header_has_its_time)
{
	struct pooler *pooler = start(2, "client_login_timeout = 1\n");
	struct buffer bytes = { 0 };
	int fd = connect_from(PROXY, pooler->port);

	put_bytes(&bytes, signature, 5);
	ck_assert(fake_client_send(fd, &bytes));
	fake_client_drain(fd);
	pooler_await_log(pooler, "closing because: client_login_timeout");
	close(fd);
}
END_TEST

/* --- what comes behind it ------------------------------------------------ */

static const char *
tls_settings(void)
{
	struct paper_wish wish = { .name = "pooler",
	    .others = "IP:127.0.0.1" };
	struct authority *authority = authority_create("Seats");
	struct paper *paper = authority_issue(authority, &wish);
	const char *base = text("%s/proxied-%d", world.directory,
	    (int)getpid());

	ck_assert(file_write(text("%s.crt", base), paper->certificate));
	ck_assert(file_write(text("%s.key", base), paper->key));
	ck_assert_int_eq(chmod(text("%s.key", base), 0600), 0);
	paper_free(paper);
	authority_free(authority);
	return text("client_tls_sslmode = require\nclient_tls_key_file = "
	    "%s.key\nclient_tls_cert_file = %s.crt\n", base, base);
}

START_TEST(tls_begins_behind_it)
{
	struct tls_wish wish = { .direct = _i == 1, .alpn = OURS };
	struct pooler *pooler = start(2, tls_settings());
	PGconn *console = connect_to(text("host=%s port=%d user=admin "
	    "dbname=pgbouncer", pooler->directory, pooler->port));
	struct buffer bytes = { 0 };
	int fd = connect_from(PROXY, pooler->port);
	struct tls_client *client;

	put_proxy_header(&bytes, RELAYED, CLIENT, 51000);
	ck_assert(fake_client_send(fd, &bytes));
	client = tls_client_begin(fd, &wish);
	ck_assert_msg(!client->refused, "%s", client->problem);
	tls_client_login(client, "app", "shop");
	ck_assert_uint_eq(count_clients(console, CLIENT, 51000), 1);
	tls_client_close(client);
	/* Inside of TLS it is too late for one. */
	fd = begin(pooler, CLIENT, 51000, "app");
	fake_client_expect_error(fd, "FATAL", "08P01", "SSL required");
	close(fd);
}
END_TEST

START_TEST(a_query_is_cancelled_behind_it)
{
	struct pooler *pooler = start(2, "");
	PGconn *console = connect_console(pooler), *direct = world_direct();
	int fd = begin(pooler, CLIENT, 51000, "app"), other;
	struct buffer bytes = { 0 };
	struct message message;
	uint8_t key[8];

	fake_client_expect(fd, 'K', &message);
	memcpy(key, message.body, sizeof(key));
	fake_client_expect(fd, 'Z', NULL);
	fake_client_query(fd, "select pg_sleep(60)");
	wait_until(strcmp(show_value(console, "pools", "database", "shop",
	    "cl_active"), "1") == 0 && query_number(direct,
	    "select count(*) from pg_stat_activity where state = 'active' "
	    "and query = 'select pg_sleep(60)'") == 1);
	other = connect_from(PROXY, pooler->port);
	put_proxy_header(&bytes, RELAYED, "198.51.100.1", 1);
	put_u32(&bytes, 16);
	put_u32(&bytes, 80877102);
	put_bytes(&bytes, key, sizeof(key));
	ck_assert(fake_client_send(other, &bytes));
	fake_client_expect_close(other);
	fake_client_expect(fd, 'E', &message);
	ck_assert_str_eq(error_field(&message, 'C'), "57014");
	close(other);
	close(fd);
}
END_TEST

/* --- the configuration --------------------------------------------------- */

START_TEST(somebody_has_to_be_trusted)
{
	struct pooler *pooler = pooler_prepare(
	    .settings = "proxy_protocol = 1\n");
	const char *arguments[] = { "-t", pooler->ini, NULL };

	ck_assert_int_ne(pooler_run(pooler, arguments), 0);
	pooler_await_log(pooler,
	    "proxy_protocol needs proxy_protocol_trusted");
}
END_TEST

START_TEST(a_reload_counts_for_new_connections)
{
	struct pooler *pooler = start(2, "");
	PGconn *console = connect_console(pooler);
	struct buffer bytes = { 0 };
	int old = begin(pooler, CLIENT, 51000, "app"), fd;

	fake_client_expect(old, 'Z', NULL);
	ck_query_ok(console, "set proxy_protocol = 0");
	fd = connect_from(PROXY, pooler->port);
	put_login(&bytes, "app");
	ck_assert(fake_client_send(fd, &bytes));
	fake_client_expect(fd, 'Z', NULL);
	ck_assert_uint_eq(count_clients(console, CLIENT, 51000), 1);
	ck_assert_uint_eq(count_clients(console, PROXY, 0), 1);
	close(fd);
	close(old);
}
END_TEST

/* --- a real one ---------------------------------------------------------- */

static const char *
find_haproxy(void)
{
	static const char *const paths[] = { "/usr/sbin/haproxy",
	    "/usr/local/sbin/haproxy" };

	for (unsigned i = 0; i < ARRAY_LENGTH(paths); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

START_TEST(haproxy_is_understood)
{
	const char *program = find_haproxy();
	const char *path = text("%s/haproxy-%d", world.directory,
	    (int)getpid());
	int port = world_port();
	struct pooler *pooler;
	PGconn *client, *console;
	pid_t pid;

	if (program == NULL)
		return;
	pooler = start(2, "");
	console = connect_console(pooler);
	ck_assert(file_write(path, text("defaults\n mode tcp\n"
	    " timeout connect 10s\n timeout client 60s\n timeout server 60s\n"
	    "listen pooler\n bind 127.0.0.1:%d\n"
	    " source " PROXY "\n server one 127.0.0.1:%d send-proxy-v2 "
	    "proxy-v2-options crc32c,unique-id check inter 100ms "
	    "check-send-proxy\n", port, pooler->port)));
	const char *arguments[] = { program, "-db", "-f", path, NULL };
	pid = process_start(&(struct spawn){ .argv = arguments,
	    .output = text("%s.log", path), .death_signal = 9 });
	ck_assert_int_ne(pid, -1);
	wait_until((client = PQconnectdb(text("host=127.0.0.1 port=%d "
	    "user=app dbname=shop", port)), PQstatus(client) ==
	    CONNECTION_OK) || (PQfinish(client), false));
	ck_query_value(client, "select 'through'", "through");
	ck_assert_uint_ge(count_clients(console, "127.0.0.1", 0), 2);
	ck_assert_uint_eq(count_clients(console, PROXY, 0), 0);
	ck_assert(!pooler_logged(pooler, "bad PROXY"));
	PQfinish(client);
}
END_TEST

static void
add_cases(Suite *suite)
{
	TCase *who = world_case(suite, "who", 30);
	TCase *pieces = world_case(suite, "pieces", 60);
	TCase *behind = world_case(suite, "behind", 30);
	TCase *settings = world_case(suite, "settings", 30);

	tcase_add_test(who, reports_and_the_log_have_the_clients_address);
	tcase_add_test(who, every_worker_knows_it);
	tcase_add_test(who, rules_go_by_the_clients_address);
	tcase_add_test(who, who_is_no_load_balancer_needs_none);
	tcase_add_test(who, a_connection_of_its_own_has_its_own_address);
	tcase_add_test(who, the_unix_socket_is_as_ever);
	tcase_add_test(pieces, it_may_be_cut_anywhere);
	tcase_add_loop_test(pieces, a_broken_header_is_the_end, 0,
	    ARRAY_LENGTH(broken));
	tcase_add_test(pieces, half_a_header_has_its_time);
	tcase_add_loop_test(behind, tls_begins_behind_it, 0, 2);
	tcase_add_test(behind, a_query_is_cancelled_behind_it);
	tcase_add_test(behind, haproxy_is_understood);
	tcase_add_test(settings, somebody_has_to_be_trusted);
	tcase_add_test(settings, a_reload_counts_for_new_connections);
}

int
main(void)
{
	Suite *suite = suite_create("proxied");

	if (!pooler_is_pgusher())
		return 77;
	add_cases(suite);
	return world_run(suite);
}
