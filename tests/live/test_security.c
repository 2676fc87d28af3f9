/*
 * What other poolers had to fix must not be in this one.  Each known fault
 * has a test that fails on it; for faults in what both sides may send there
 * is one in each direction.
 *
 *	fault			here, or in
 *	CVE-2012-4575		cve_2012_4575, test_hostile (lengths)
 *	1.5.5 (no CVE)		a_password_before_a_startup_packet
 *	CVE-2015-6817		cve_2015_6817, unit/test_auth_query
 *	CVE-2021-3935		cve_2021_3935_*, test_tls_clients,
 *				unit/test_negotiation
 *	CVE-2025-2291		test_auth_query (expired password)
 *	CVE-2025-12819		test_auth_query (search_path),
 *				unit/test_auth_query
 *	CVE-2026-6664		cve_2026_6664_*, test_hostile
 *	CVE-2026-6665		cve_2026_6665_and_6669
 *	CVE-2026-6666		test_hostile (error without SQLSTATE)
 *	CVE-2026-6667		cve_2026_6667, test_rights (all commands)
 *	CVE-2026-6668		cve_2026_6668
 *	CVE-2026-6669		cve_2026_6665_and_6669, unit/test_scram
 *	CVE-2026-19888		test_hostile (end of SASL), unit/test_scram
 *	CVE-2026-107348		cve_2026_107348
 *	CVE-2026-107349		cve_2026_107349, fuzz_startup
 *	CVE-2026-107350		cve_2026_107350, test_login
 *
 * One worker serves everybody, so that one that hangs is noticed as well as
 * one that dies.
 */
#include <sys/socket.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/fake_server.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/world.h"

#define SSL_REQUEST 80877103u
#define GSSENC_REQUEST 80877104u

static pid_t the_worker;

static struct pooler *
start(const char *test, const struct recipe *recipe)
{
	struct recipe alone = *recipe;
	struct pooler *pooler;

	alone.workers = 1;
	pooler = pooler_start_for(test, &alone);
	ck_assert_uint_eq(pooler_children(pooler, &the_worker, 1), 1);
	return pooler;
}

#define START(...) start(__func__, &(struct recipe){ __VA_ARGS__ })

/* It is the same process, and it has time for others. */
static void
ck_unharmed(struct pooler *pooler)
{
	ck_assert(process_alive(pooler->pid));
	ck_assert_msg(process_alive(the_worker), "the worker has died");
	ck_query_value(connect_as(pooler, "user=app password=app_secret "
	    "dbname=shop"), "select 'well'", "well");
}

/* Sends, says that there is no more, and wants an end without a welcome. */
static void
ck_refused(int client, struct buffer *bytes)
{
	static struct message message;

	fake_client_send_last(client, bytes);
	while (fake_client_read(client, &message))
		ck_assert_msg(message.type == 'E', "got '%c'", message.type);
	close(client);
}

/* Around everything that arithmetic on 16, 31 and 32 bits turns over at. */
static const uint32_t edges[] = {
	0, 3, 4, 5, 9, 0xffff, 0x10000, 0x7ffffffa, 0x7ffffffb, 0x7ffffffe,
	0x7fffffff, 0x80000000, 0x80000004, 0xfffffffa, 0xfffffffb,
	0xffffffff
};

/* ---- names ---- */

START_TEST(cve_2012_4575)
{
	static const unsigned lengths[] = { 64, 128, 1000, 8000, 60000 };
	static char name[60001];
	struct pooler *pooler = START(.databases = text(
	    "* = host=127.0.0.1 port=%d\nshop = %s", world.cluster.port,
	    world_place()));

	for (unsigned i = 0; i < ARRAY_LENGTH(lengths); i++) {
		struct buffer none = { 0 };

		memset(name, 'n', lengths[i]);
		name[lengths[i]] = '\0';
		ck_refused(fake_client_begin(pooler->port, "app", name),
		    &none);
		ck_refused(fake_client_begin(pooler->port, name, "shop"),
		    &none);
		ck_refused(fake_client_begin(pooler->port, name, name),
		    &none);
	}
	ck_unharmed(pooler);
}
END_TEST

/* ---- out of order ---- */

START_TEST(a_password_before_a_startup_packet)
{
	struct pooler *pooler = START(.settings = "auth_type = md5\n");
	struct buffer bytes = { 0 };

	put_message(&bytes, 'p', "s", "app_secret");
	ck_refused(fake_client_connect(pooler->port), &bytes);
	put_message(&bytes, 'p', "six", "SCRAM-SHA-256", 16u,
	    "n,,n=,r=abcdefgh", 16);
	ck_refused(fake_client_connect(pooler->port), &bytes);
	put_message(&bytes, 'Q', "s", "select 1");
	ck_refused(fake_client_connect(pooler->port), &bytes);
	ck_unharmed(pooler);
}
END_TEST

/* What each method asks, and an answer to be sent before the packet. */
static const struct {
	const char	*method, *database;
	bool		 half_way;	/* SASL has begun */
} moments[] = {
	{ "plain", "shop", false },
	{ "plain", "nowhere", false },
	{ "md5", "shop", false },
	{ "md5", "nowhere", false },
	{ "scram-sha-256", "shop", false },
	{ "scram-sha-256", "nowhere", false },
	{ "scram-sha-256", "shop", true },
	{ "scram-sha-256", "nowhere", true },
};

/* As `other`, whose password the client has not said, nobody comes in. */
START_TEST(cve_2026_107350)
{
	static const char *const pairs[] = { "user", "other", "database",
	    "shop", NULL };
	struct pooler *pooler = START(.settings = text("auth_type = %s\n",
	    moments[_i].method));
	int client = fake_client_begin(pooler->port, "app",
	    moments[_i].database);
	struct buffer bytes = { 0 };

	fake_client_expect(client, 'R', NULL);
	if (moments[_i].half_way) {
		put_message(&bytes, 'p', "six", "SCRAM-SHA-256", 16u,
		    "n,,n=,r=abcdefgh", 16);
		ck_assert(fake_client_send(client, &bytes));
		fake_client_expect(client, 'R', NULL);
	}
	put_startup(&bytes, PROTOCOL_3_0, pairs);
	ck_refused(client, &bytes);
	ck_unharmed(pooler);
}
END_TEST

START_TEST(cve_2026_107349)
{
	static const char *const options[] = { "-c =1", "-c =", "-c  =1",
	    "-c", "-c ", "--=1", "--", "-", "-c -c =1", "-c a=1 -c =1",
	    "--a=1 --=1", "-c =1 -c a=1", "\\", "-c \\", "-c a\\", "=",
	    "-c \\ =1", "   ", "-c a=\\ -c =" };
	static const char *const ignored[] = { "extra_float_digits",
	    "options", "extra_float_digits, options" };
	struct pooler *pooler = START(.settings = text(
	    "ignore_startup_parameters = %s\n", ignored[_i]));

	for (unsigned i = 0; i < ARRAY_LENGTH(options); i++) {
		const char *pairs[] = { "user", "app", "database", "shop",
		    "options", options[i], NULL };
		struct buffer bytes = { 0 };

		put_startup(&bytes, PROTOCOL_3_0, pairs);
		fake_client_finish(fake_client_connect(pooler->port), &bytes);
	}
	ck_unharmed(pooler);
}
END_TEST

/* ---- who ---- */

START_TEST(cve_2015_6817)
{
	static const char *const methods[] = { "plain", "md5",
	    "scram-sha-256" };
	PGconn *direct = world_direct();
	struct pooler *pooler;

	ck_query_ok(direct, "drop role if exists asker; create role asker "
	    "superuser login password 'asker_secret'");
	pooler = START(.userlist = "\"asker\" \"asker_secret\"\n"
	    "\"app\" \"app_secret\"\n", .settings = text(
	    "auth_type = %s\nauth_user = asker\n", methods[_i]));
	ck_login_ok(pooler, "user=asker password=asker_secret dbname=shop");
	ck_login_fails(pooler, "user=ghost password=asker_secret "
	    "dbname=shop", "08P01", strcmp(methods[_i], "scram-sha-256") == 0
	    ? "SASL authentication failed" :
	    "password authentication failed");
	ck_unharmed(pooler);
}
END_TEST

START_TEST(cve_2026_6667)
{
	struct pooler *pooler = START(.workers = 1);
	PGconn *client = connect_client(pooler);
	PGconn *watcher = connect_watcher(pooler);
	const char *kill = text("KILL_CLIENT %lld", show_number(watcher,
	    "clients", "user", "app", "id"));

	ck_query_fails(watcher, kill, "08P01", "admin access needed");
	ck_query_value(client, "select 'lives'", "lives");
	ck_query_tag(connect_console(pooler), kill, "KILL_CLIENT");
	ck_connection_lost(client);
}
END_TEST

/* ---- lengths, from clients ---- */

START_TEST(cve_2026_6664_at_the_login)
{
	static const uint32_t codes[] = { PROTOCOL_3_0, SSL_REQUEST,
	    GSSENC_REQUEST, 80877102u };
	static const char types[] = "pQX";
	struct pooler *pooler = START(.settings = "auth_type = md5\n");

	for (unsigned i = 0; i < ARRAY_LENGTH(edges); i++) {
		struct buffer bytes = { 0 };

		for (unsigned j = 0; j < ARRAY_LENGTH(codes); j++) {
			put_u32(&bytes, edges[i]);
			put_u32(&bytes, codes[j]);
			put_bytes(&bytes, "user\0app\0", 10);
			fake_client_finish(fake_client_connect(pooler->port),
			    &bytes);
		}
		for (unsigned j = 0; types[j] != '\0'; j++) {
			int client = fake_client_begin(pooler->port, "app",
			    "shop");

			fake_client_expect(client, 'R', NULL);
			put_header(&bytes, types[j], edges[i]);
			put_bytes(&bytes, "md5abc\0", 7);
			ck_refused(client, &bytes);
		}
	}
	ck_unharmed(pooler);
}
END_TEST

START_TEST(cve_2026_6664_inside_of_sasl)
{
	struct pooler *pooler = START(.settings =
	    "auth_type = scram-sha-256\n");

	for (unsigned i = 0; i < ARRAY_LENGTH(edges); i++) {
		struct buffer bytes = { 0 };
		int client;

		/* As much as that, says the inner length; it is not so. */
		if (edges[i] == 16)
			continue;
		client = fake_client_begin(pooler->port, "app", "shop");
		fake_client_expect(client, 'R', NULL);
		put_message(&bytes, 'p', "six", "SCRAM-SHA-256", edges[i],
		    "n,,n=,r=abcdefgh", 16);
		ck_refused(client, &bytes);
	}
	ck_unharmed(pooler);
}
END_TEST

START_TEST(cve_2026_6664_in_requests)
{
	static const char types[] = "QPBEDCSHFdcfX";
	struct pooler *pooler = START(.settings = "default_pool_size = 4\n"
	    "server_login_retry = 0\n");

	for (unsigned i = 0; i < ARRAY_LENGTH(edges); i++) {
		for (unsigned j = 0; types[j] != '\0'; j++) {
			struct buffer bytes = { 0 };

			put_header(&bytes, types[j], edges[i]);
			put_bytes(&bytes, "Sa\0bc\0\0\1\0\1\0\1", 12);
			fake_client_finish(fake_client_login(pooler->port,
			    "app", "shop"), &bytes);
		}
	}
	ck_unharmed(pooler);
}
END_TEST

/* Counts and lengths inside of a Bind, of a Parse. */
START_TEST(cve_2026_6664_inside_of_messages)
{
	struct pooler *pooler = START(.settings = "default_pool_size = 4\n");

	for (unsigned i = 0; i < ARRAY_LENGTH(edges); i++) {
		struct buffer bytes = { 0 };

		put_message(&bytes, 'P', "ssh", "a", "select $1", edges[i]);
		put_message(&bytes, 'B', "sshhi", "", "a", edges[i],
		    edges[i], edges[i]);
		put_message(&bytes, 'S', "");
		fake_client_finish(fake_client_login(pooler->port, "app",
		    "shop"), &bytes);
	}
	ck_unharmed(pooler);
}
END_TEST

/*
 * A message that has to be kept whole, of the largest size that there is,
 * and no end in sight.  It is neither waited for with all the memory that
 * it will want, nor for ever.
 */
START_TEST(cve_2026_6668)
{
	static const char types[] = "PBDC";
	static char filler[200000];
	struct pooler *pooler = START(.settings = text(
	    "max_packet_size = %s\n", _i == 0 ? "2147483647" :
	    "1073741825"));
	int clients[4];

	memset(filler, 'x', sizeof(filler));
	for (unsigned i = 0; types[i] != '\0'; i++) {
		struct buffer bytes = { 0 };

		clients[i] = fake_client_login(pooler->port, "app", "shop");
		put_header(&bytes, types[i], _i == 0 ? 0x7fffffff :
		    0x40000001);
		put_bytes(&bytes, filler, sizeof(filler));
		(void)fake_client_send(clients[i], &bytes);
		ck_unharmed(pooler);
	}
	for (unsigned i = 0; types[i] != '\0'; i++)
		close(clients[i]);
	ck_unharmed(pooler);
}
END_TEST

START_TEST(cve_2026_107348)
{
	static const char *const sizes[] = { "2147483648", "2147483649",
	    "4294967295", "4294967296", "18446744073709551616", "-1" };

	for (unsigned i = 0; i < ARRAY_LENGTH(sizes); i++) {
		struct pooler *pooler = pooler_prepare(.workers = 1,
		    .settings = text("max_packet_size = %s\n", sizes[i]));
		const char *const arguments[] = { pooler->ini, NULL };

		ck_assert_int_ne(pooler_run(pooler, arguments), 0);
		ck_assert(pooler_logged(pooler, "max_packet_size"));
	}
}
END_TEST

/* ---- nonces, from clients ---- */

START_TEST(long_nonces_of_clients)
{
	static const int lengths[] = { 100, 900, 1000, 1010, 1024, 1100,
	    2000, 5000, 30000, 60000 };
	static char first[60100], nonce[60001];
	struct pooler *pooler = START(.settings =
	    "auth_type = scram-sha-256\n");

	for (unsigned i = 0; i < ARRAY_LENGTH(lengths); i++) {
		struct buffer bytes = { 0 };
		static struct message message;
		int client = fake_client_begin(pooler->port, "app", "shop");
		int length;

		memset(nonce, 'n', (size_t)lengths[i]);
		nonce[lengths[i]] = '\0';
		length = snprintf(first, sizeof(first), "n,,n=,r=%s", nonce);
		fake_client_expect(client, 'R', NULL);
		put_message(&bytes, 'p', "six", "SCRAM-SHA-256",
		    (unsigned)length, first, length);
		ck_assert(fake_client_send(client, &bytes));
		ck_assert(fake_client_read(client, &message));
		if (message.type == 'E') {
			close(client);
			continue;
		}
		length = snprintf(first, sizeof(first), "c=biws,r=%s,p=%s",
		    nonce, nonce);
		put_message(&bytes, 'p', "x", first, length > 60000 ? 60000 :
		    length);
		ck_refused(client, &bytes);
	}
	ck_unharmed(pooler);
}
END_TEST

/* ---- before TLS ---- */

START_TEST(cve_2021_3935_from_clients)
{
	static const char *const pairs[] = { "user", "app", "database",
	    "shop", NULL };
	static const struct {
		uint32_t	 code;
		const char	*refusal;
	} requests[] = {
		{ SSL_REQUEST, "received unencrypted data after SSL request" },
		{ GSSENC_REQUEST, "received unencrypted data after GSSAPI "
		    "encryption request" },
	};
	struct pooler *pooler = START(.workers = 1);

	for (unsigned i = 0; i < ARRAY_LENGTH(requests); i++) {
		struct buffer bytes = { 0 };
		int client = fake_client_connect(pooler->port);

		put_u32(&bytes, 8);
		put_u32(&bytes, requests[i].code);
		put_startup(&bytes, PROTOCOL_3_0, pairs);
		ck_assert(fake_client_send(client, &bytes));
		fake_client_expect_error(client, "FATAL", "08P01",
		    requests[i].refusal);
		fake_client_expect_close(client);
		close(client);
		/* A single byte is too much as well. */
		client = fake_client_connect(pooler->port);
		put_u32(&bytes, 8);
		put_u32(&bytes, requests[i].code);
		put_bytes(&bytes, "\0", 1);
		ck_refused(client, &bytes);
	}
	ck_unharmed(pooler);
}
END_TEST

/* ---- a server that is played by the test itself ---- */

/* The pooler comes, and says this code first. */
static int
await_entrance(int stage, uint32_t code)
{
	long long end = now_ms() + patience_ms();

	for (;;) {
		struct pollfd poller = { .fd = stage, .events = POLLIN };
		uint8_t packet[2048];
		uint32_t word;
		int fd;

		ck_assert_msg(poll(&poller, 1, ms_until(end)) == 1,
		    "the pooler does not come");
		fd = accept4(stage, NULL, NULL, SOCK_CLOEXEC);
		ck_assert_int_ne(fd, -1);
		/* One that has been given up is no matter. */
		if (recv(fd, packet, 4, MSG_WAITALL) != 4) {
			close(fd);
			continue;
		}
		memcpy(&word, packet, 4);
		word = ntohl(word);
		ck_assert_uint_ge(word, 8);
		ck_assert_uint_le(word, sizeof(packet));
		if (recv(fd, packet, word - 4, MSG_WAITALL) !=
		    (ssize_t)word - 4) {
			close(fd);
			continue;
		}
		memcpy(&word, packet, 4);
		ck_assert_uint_eq(ntohl(word), code);
		return fd;
	}
}

static struct pooler *
start_with_stage(const char *test, int port, const char *mode)
{
	return start(test, &(struct recipe){ .settings = text(
	    "server_login_retry = 0\nserver_tls_sslmode = %s\n", mode),
	    .databases = text("stage = host=127.0.0.1 port=%d\nshop = %s",
	    port, world_place()) });
}

/* Nothing but the end, or a refusal, and no query. */
static void
ck_given_up(int server)
{
	static struct message message;

	while (fake_client_read(server, &message))
		ck_assert_msg(message.type == 'X', "the pooler said '%c'",
		    message.type);
	close(server);
}

static void
ck_not_let_in(int client)
{
	static struct message message;

	if (!fake_client_silent(client) && fake_client_read(client, &message))
		ck_assert_int_eq(message.type, 'E');
	close(client);
}

/* A welcome in the clear behind the S is nobody's word. */
START_TEST(cve_2021_3935_from_servers)
{
	static const char *const modes[] = { "prefer", "require" };
	int port = world_port(), stage = fake_server_listen(port);
	struct pooler *pooler = start_with_stage(__func__, port, modes[_i]);
	int client = fake_client_begin(pooler->port, "app", "stage");
	int server = await_entrance(stage, SSL_REQUEST);
	struct buffer bytes = { 0 };
	uint8_t waste[64];
	ssize_t length;

	put_bytes(&bytes, "S", 1);
	put_greeting(&bytes, 1, 2);
	ck_assert(fake_client_send(server, &bytes));
	/* Neither a handshake nor a startup packet, only good-bye. */
	length = recv(server, waste, sizeof(waste), MSG_WAITALL);
	ck_assert(length <= 0 || (length == 5 && waste[0] == 'X'));
	close(server);
	close(stage);
	ck_not_let_in(client);
	/* Everybody's PostgreSQL must have TLS then; the console need not. */
	ck_assert(process_alive(the_worker));
	ck_query_ok(connect_console(pooler), "SHOW VERSION");
}
END_TEST

/* %s is the pooler's nonce; '~' stands for a great many letters. */
static const char *const firsts[] = {
	/* CVE-2026-6665 */
	"r=%s~,s=AAAAAAAAAAAAAAAAAAAAAA==,i=4096",
	"r=%sx,s=~,i=4096",
	"r=%sx,s=AAAAAAAAAAAAAAAAAAAAAA==,i=~",
	"~",
	/* CVE-2026-6669 */
	"r=%sx,s=AAAAAAAAAAAAAAAAAAAAAA==,i=2147483647",
	"r=%sx,s=AAAAAAAAAAAAAAAAAAAAAA==,i=4294967295",
	"r=%sx,s=AAAAAAAAAAAAAAAAAAAAAA==,i=4294967297",
	"r=%sx,s=AAAAAAAAAAAAAAAAAAAAAA==,i=99999999999999999999999",
	"r=%sx,s=AAAAAAAAAAAAAAAAAAAAAA==,i=1000001",
	"r=%sx,s=AAAAAAAAAAAAAAAAAAAAAA==,i=0",
	"r=%sx,s=AAAAAAAAAAAAAAAAAAAAAA==,i=-1",
	"r=%sx,s=AAAAAAAAAAAAAAAAAAAAAA==,i=",
	"r=%sx,s=AAAAAAAAAAAAAAAAAAAAAA==,i=4096x",
	/* CVE-2026-19888 the other way */
	"", "r", "r=", ",", ",,,", "=,=,=", "r=%sx", "r=%sx,s=",
	"r=%sx,i=4096", "s=AAAAAAAAAAAAAAAAAAAAAA==,i=4096",
	"r=%sx,s=AAAAAAAAAAAAAAAAAAAAAA==", "r=%sx,s=!,i=4096",
	"r=%sx,s=,i=4096", "i=4096,s=AAAA,r=%sx",
	/* Nonces that are not ours, or not longer. */
	"r=x,s=AAAAAAAAAAAAAAAAAAAAAA==,i=4096",
	"r=%s,s=AAAAAAAAAAAAAAAAAAAAAA==,i=4096",
	"r=x%s,s=AAAAAAAAAAAAAAAAAAAAAA==,i=4096",
	"m=x,r=%sx,s=AAAAAAAAAAAAAAAAAAAAAA==,i=4096",
	"e=other-error",
};

static int
put_first(char *out, size_t size, const char *pattern, const char *nonce)
{
	int length = 0;

	for (const char *at = pattern; *at != '\0'; at++) {
		if (*at == '~') {
			memset(out + length, 'A', 40000);
			length += 40000;
		} else if (*at == '%' && at[1] == 's') {
			length += snprintf(out + length, size -
			    (size_t)length, "%s", nonce);
			at++;
		} else {
			out[length++] = *at;
		}
	}
	return length;
}

/* The pooler has come and has said its nonce. */
static int
begin_sasl(int stage, char nonce_out[128])
{
	static struct message message;
	int server = await_entrance(stage, PROTOCOL_3_0);
	struct buffer bytes = { 0 };
	const char *nonce = NULL;

	put_message(&bytes, 'R', "isb", 10u, "SCRAM-SHA-256", 0);
	ck_assert(fake_client_send(server, &bytes));
	ck_assert(fake_client_read(server, &message));
	ck_assert_int_eq(message.type, 'p');
	for (uint32_t i = 0; i + 2 < message.length; i++)
		if (memcmp(message.body + i, ",r=", 3) == 0)
			nonce = (const char *)message.body + i + 3;
	ck_assert_ptr_nonnull(nonce);
	snprintf(nonce_out, 128, "%s", nonce);
	return server;
}

START_TEST(cve_2026_6665_and_6669)
{
	static char first[50000];
	int port = world_port(), stage = fake_server_listen(port);
	struct pooler *pooler = start_with_stage(__func__, port, "disable");

	for (unsigned i = 0; i < ARRAY_LENGTH(firsts); i++) {
		int client = fake_client_begin(pooler->port, "app", "stage");
		struct buffer bytes = { 0 };
		char nonce[128];
		int server = begin_sasl(stage, nonce), length;

		length = put_first(first, sizeof(first), firsts[i], nonce);
		put_message(&bytes, 'R', "ix", 11u, first, length);
		ck_assert(fake_client_send(server, &bytes));
		ck_given_up(server);
		ck_not_let_in(client);
	}
	ck_unharmed(pooler);
	close(stage);
}
END_TEST

/* %s is the right beginning; who does not know the password stays out. */
static const char *const finals[] = {
	"", "v", "v=", "v=A", "v=!", "e=", "e=other-error", "x=AAAA", ",v=",
	"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,x=y",
	NULL,			/* ok, without a proof */
};

START_TEST(a_server_that_proves_nothing)
{
	static struct message message;
	int port = world_port(), stage = fake_server_listen(port);
	struct pooler *pooler = start_with_stage(__func__, port, "disable");

	for (unsigned i = 0; i < ARRAY_LENGTH(finals); i++) {
		int client = fake_client_begin(pooler->port, "app", "stage");
		struct buffer bytes = { 0 };
		char nonce[128], first[256];
		int server = begin_sasl(stage, nonce), length;

		length = put_first(first, sizeof(first),
		    "r=%sx,s=AAAAAAAAAAAAAAAAAAAAAA==,i=4096", nonce);
		put_message(&bytes, 'R', "ix", 11u, first, length);
		ck_assert(fake_client_send(server, &bytes));
		ck_assert(fake_client_read(server, &message));
		ck_assert_int_eq(message.type, 'p');
		if (finals[i] != NULL)
			put_message(&bytes, 'R', "ix", 12u, finals[i],
			    (int)strlen(finals[i]));
		put_greeting(&bytes, 1, 2);
		ck_assert(fake_client_send(server, &bytes));
		ck_given_up(server);
		ck_not_let_in(client);
	}
	ck_unharmed(pooler);
	close(stage);
}
END_TEST

/* ---- lengths, from servers ---- */

static struct pooler *
start_with_fake(const char *test, int port)
{
	return start(test, &(struct recipe){ .settings =
	    "server_login_retry = 0\nserver_tls_sslmode = disable\n"
	    "log_disconnections = 0\nlog_connections = 0\n",
	    .databases = text("fake = host=127.0.0.1 port=%d\nshop = %s",
	    port, world_place()) });
}

START_TEST(cve_2026_6664_from_servers_at_the_login)
{
	static const char types[] = "RSKEN";
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = start_with_fake(__func__, port);

	for (unsigned i = 0; i < ARRAY_LENGTH(edges); i++) {
		for (unsigned j = 0; types[j] != '\0'; j++) {
			struct buffer bytes = { 0 };
			unsigned before;
			int client;

			put_header(&bytes, types[j], edges[i]);
			put_bytes(&bytes, "\0\0\0\12\0\0a\0b\0", 10);
			fake_server_greet(server, &bytes, THEN_HANG_UP);
			before = fake_server_connections(server);
			client = fake_client_begin(pooler->port, "app",
			    "fake");
			wait_until(fake_server_connections(server) > before
			    || !fake_client_silent(client));
			ck_not_let_in(client);
		}
	}
	ck_unharmed(pooler);
	fake_server_stop(server);
}
END_TEST

START_TEST(cve_2026_6664_from_servers_in_answers)
{
	static const char types[] = "TDCSZENG12tnAv";
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = start_with_fake(__func__, port);

	for (unsigned i = 0; i < ARRAY_LENGTH(edges); i++) {
		for (unsigned j = 0; types[j] != '\0'; j++) {
			struct buffer bytes = { 0 };
			int client;

			put_header(&bytes, types[j], edges[i]);
			put_bytes(&bytes, "\0\1\377\377\377\377a\0b\0", 10);
			fake_server_answer(server, "edge", &bytes,
			    THEN_HANG_UP);
			client = fake_client_login(pooler->port, "app",
			    "fake");
			fake_client_query(client, "edge");
			shutdown(client, SHUT_WR);
			fake_client_drain(client);
			close(client);
		}
	}
	ck_unharmed(pooler);
	fake_server_stop(server);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("security");
	TCase *tests = world_case(suite, "clients", 30);

	tcase_add_test(tests, cve_2012_4575);
	tcase_add_test(tests, a_password_before_a_startup_packet);
	tcase_add_loop_test(tests, cve_2026_107350, 0,
	    (int)ARRAY_LENGTH(moments));
	tcase_add_loop_test(tests, cve_2026_107349, 0, 3);
	tcase_add_loop_test(tests, cve_2015_6817, 0, 3);
	tcase_add_test(tests, cve_2026_6667);
	tcase_add_test(tests, cve_2026_6664_at_the_login);
	tcase_add_test(tests, cve_2026_6664_inside_of_sasl);
	tcase_add_test(tests, cve_2026_6664_in_requests);
	tcase_add_test(tests, cve_2026_6664_inside_of_messages);
	tcase_add_loop_test(tests, cve_2026_6668, 0, 2);
	tcase_add_test(tests, cve_2026_107348);
	tcase_add_test(tests, long_nonces_of_clients);
	if (pooler_is_pgusher())
		tcase_add_test(tests, cve_2021_3935_from_clients);

	tests = world_case(suite, "servers", 30);
	tcase_add_loop_test(tests, cve_2021_3935_from_servers, 0, 2);
	tcase_add_test(tests, cve_2026_6665_and_6669);
	tcase_add_test(tests, a_server_that_proves_nothing);
	tcase_add_test(tests, cve_2026_6664_from_servers_at_the_login);
	tcase_add_test(tests, cve_2026_6664_from_servers_in_answers);
	return world_run(suite);
}
