/*
 * Bytes that nobody should send, from clients at each stage and from
 * servers: an error or a close, never a crash, and nobody else suffers.
 */
#include "build.h"

#include <sys/socket.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/fake_server.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/world.h"

struct crew {			/* who must live through it */
	struct pooler	*pooler;
	pid_t		 workers[16];
	unsigned	 count;
	PGconn		*witness;
};

static void
muster(struct crew *crew, struct pooler *pooler)
{
	crew->pooler = pooler;
	crew->count = pooler_children(pooler, crew->workers, 16);
	crew->witness = connect_client(pooler);
	ck_query_value(crew->witness, "select 1", "1");
}

static void
ck_crew_unharmed(struct crew *crew)
{
	ck_assert(process_alive(crew->pooler->pid));
	for (unsigned i = 0; i < crew->count; i++)
		ck_assert_msg(process_alive(crew->workers[i]),
		    "worker %d has died", (int)crew->workers[i]);
	ck_query_value(crew->witness, "select 1", "1");
	ck_login_ok(crew->pooler, "user=app dbname=shop");
}

/* With the NULs inside and without the one at the end. */
#define BYTES(string) (string), sizeof(string) - 1

/* ---- before the login ---- */

static const struct {
	const char	*story;
	const char	*bytes;
	size_t		 length;
	const char	*message;	/* NULL: just closed, or any error */
} greetings[] = {
	{ "length 0", BYTES("\0\0\0\0\0\3\0\0"), NULL },
	{ "length 4", BYTES("\0\0\0\4"), NULL },
	{ "length 7", BYTES("\0\0\0\7\0\3\0"), NULL },
	{ "length 2^32 - 1", BYTES("\377\377\377\377\0\3\0\0"), NULL },
	{ "length 2^31", BYTES("\200\0\0\0\0\3\0\0"), NULL },
	{ "length 2^31 - 1", BYTES("\177\377\377\377\0\3\0\0"), NULL },
	{ "protocol 2", BYTES("\0\0\0\10\0\2\0\0"),
	    "old V2 protocol not supported" },
	{ "protocol 4", BYTES("\0\0\0\10\0\4\0\0"), NULL },
	{ "protocol 1", BYTES("\0\0\0\10\0\1\0\0"), NULL },
	{ "no parameters at all", BYTES("\0\0\0\10\0\3\0\0"), NULL },
	{ "only the terminator", BYTES("\0\0\0\11\0\3\0\0\0"),
	    "no username supplied" },
	{ "a name without value", BYTES("\0\0\0\17\0\3\0\0user\0\0\0"), NULL },
	{ "no terminator", BYTES("\0\0\0\20\0\3\0\0user\0app"), NULL },
	{ "bytes behind the terminator",
	    BYTES("\0\0\0\25\0\3\0\0user\0app\0\0xyz"),
	    "invalid startup packet layout: expected terminator as last "
	    "byte" },
	{ "a cancel request that is too short",
	    BYTES("\0\0\0\14\4\322\26\56\0\0\0\1"), NULL },
	{ "a cancel request that is too long",
	    BYTES("\0\0\0\24\4\322\26\56\0\0\0\1\0\0\0\1\0\0\0\1"), NULL },
	{ "a cancel request for nobody",
	    BYTES("\0\0\0\20\4\322\26\56\0\0\0\1\0\0\0\1"), NULL },
	{ "TLS asked for in TLS",
	    BYTES("\0\0\0\10\4\322\26\57\0\0\0\10\4\322\26\57"), NULL },
	{ "HTTP", BYTES("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), NULL },
	{ "TLS at once", BYTES("\26\3\1\2\0\1\0\1\374\3\3"), NULL },
	{ "SSH", BYTES("SSH-2.0-OpenSSH_9.2\r\n"), NULL },
	{ "nothing", BYTES(""), NULL },
	{ "one byte", BYTES("\0"), NULL },
	{ "seven bytes", BYTES("\0\0\0\50\0\3\0"), NULL },
	{ "an empty option name (CVE-2026-107349)",
	    BYTES("\0\0\0\40\0\3\0\0user\0app\0options\0-c =1\0\0"), NULL },
};

/* Says it, says no more, and reads to the end. */
static void
greet_and_listen(int port, const char *bytes, size_t length,
    const char *message)
{
	struct buffer out = { 0 };
	int client = fake_client_connect(port);

	put_bytes(&out, bytes, length);
	fake_client_send_last(client, &out);
	if (message != NULL)
		fake_client_expect_error(client, "FATAL", "08P01", message);
	fake_client_drain(client);
	close(client);
}

START_TEST(wrong_greetings_harm_nobody)
{
	struct crew crew;

	muster(&crew, pooler_start(.workers = 2, .settings =
	    "ignore_startup_parameters = extra_float_digits\n"));
	for (unsigned i = 0; i < ARRAY_LENGTH(greetings); i++)
		greet_and_listen(crew.pooler->port, greetings[i].bytes,
		    greetings[i].length, greetings[i].message);
	ck_crew_unharmed(&crew);
}
END_TEST

START_TEST(a_header_that_is_wrong_is_quoted)
{
	struct pooler *pooler = pooler_start(.workers = 1);

	greet_and_listen(pooler->port, BYTES("GET / HTTP/1.1\r\n\r\n"),
	    "bad packet header: '474554202f204854'");
}
END_TEST

START_TEST(names_may_be_long_but_not_too_long)
{
	struct crew crew;
	char name[300];
	static const unsigned lengths[] = { 63, 64, 127, 128, 255 };

	muster(&crew, pooler_start(.workers = 2,
	    .databases = text("* = host=127.0.0.1 port=%d\nshop = %s",
	    world.cluster.port, world_place())));
	for (unsigned i = 0; i < ARRAY_LENGTH(lengths); i++) {
		int client;

		memset(name, 'n', lengths[i]);
		name[lengths[i]] = '\0';
		/* CVE-2012-4575: it ended the process. */
		client = fake_client_begin(crew.pooler->port, "app", name);
		fake_client_drain(client);
		close(client);
		client = fake_client_begin(crew.pooler->port, name, "shop");
		fake_client_drain(client);
		close(client);
	}
	ck_crew_unharmed(&crew);
}
END_TEST

START_TEST(a_startup_packet_of_many_parameters_is_taken_or_refused)
{
	struct crew crew;
	static const char *pairs[20003];
	struct buffer bytes = { 0 };
	int client;

	muster(&crew, pooler_start(.workers = 2, .settings =
	    "ignore_startup_parameters = p\n"));
	for (unsigned i = 0; i < 20000; i++)
		pairs[i] = i % 2 == 0 ? "p" : "v";
	pairs[20000] = "user";
	pairs[20001] = "app";
	put_startup(&bytes, PROTOCOL_3_0, pairs);
	client = fake_client_connect(crew.pooler->port);
	fake_client_finish(client, &bytes);
	ck_crew_unharmed(&crew);
}
END_TEST

START_TEST(a_startup_packet_may_come_byte_by_byte)
{
	const char *pairs[] = { "user", "app", "database", "shop", NULL };
	struct pooler *pooler = pooler_start(.workers = 2);
	struct buffer whole = { 0 }, piece = { 0 };
	int client = fake_client_connect(pooler->port);

	put_startup(&whole, PROTOCOL_3_0, pairs);
	while (buffer_length(&whole) > 0) {
		put_bytes(&piece, buffer_front(&whole), 1);
		buffer_consume(&whole, 1);
		ck_assert(fake_client_send(client, &piece));
		usleep(200);
	}
	fake_client_expect(client, 'Z', NULL);
	put_message(&whole, 'Q', "s", "select 1");
	while (buffer_length(&whole) > 0) {
		put_bytes(&piece, buffer_front(&whole), 1);
		buffer_consume(&whole, 1);
		ck_assert(fake_client_send(client, &piece));
		usleep(200);
	}
	fake_client_expect(client, 'Z', NULL);
	close(client);
}
END_TEST

/* ---- at the password ---- */

static const struct {
	const char	*story;
	const char	*method;
	const char	*bytes;
	size_t		 length;
} answers[] = {
	{ "a query", "md5", BYTES("Q\0\0\0\15select 1\0") },
	{ "no terminator", "md5", BYTES("p\0\0\0\7abc") },
	{ "length 0", "md5", BYTES("p\0\0\0\0") },
	{ "length 3", "md5", BYTES("p\0\0\0\3") },
	{ "length 4", "md5", BYTES("p\0\0\0\4") },
	{ "length 2^32 - 1", "md5", BYTES("p\377\377\377\377abc") },
	{ "length 2^31 - 1", "md5", BYTES("p\177\377\377\377abc") },
	{ "too long a password", "plain", BYTES("p\0\1\0\0abc") },
	{ "a startup packet", "md5", BYTES("\0\0\0\10\0\3\0\0") },
	{ "the end", "md5", BYTES("X\0\0\0\4") },
	{ "nothing", "md5", BYTES("") },
	{ "SASL: no mechanism", "scram-sha-256", BYTES("p\0\0\0\5\0") },
	{ "SASL: another mechanism", "scram-sha-256",
	    BYTES("p\0\0\0\17PLAIN\0\0\0\0\1n") },
	{ "SASL: length beyond the message", "scram-sha-256",
	    BYTES("p\0\0\0\31SCRAM-SHA-256\0\177\377\377\377n,,") },
	{ "SASL: length -1", "scram-sha-256",
	    BYTES("p\0\0\0\26SCRAM-SHA-256\0\377\377\377\377") },
	{ "SASL: nothing in it", "scram-sha-256",
	    BYTES("p\0\0\0\26SCRAM-SHA-256\0\0\0\0\0") },
	{ "SASL: nonsense in it", "scram-sha-256",
	    BYTES("p\0\0\0\34SCRAM-SHA-256\0\0\0\0\6=,=,=,") },
	{ "SASL: no nonce", "scram-sha-256",
	    BYTES("p\0\0\0\36SCRAM-SHA-256\0\0\0\0\10n,,n=,r=") },
	{ "SASL: channel binding", "scram-sha-256",
	    BYTES("p\0\0\0\55SCRAM-SHA-256\0\0\0\0\27p=tls-unique,,n=,r=abcd") },
};

START_TEST(wrong_answers_to_a_login_harm_nobody)
{
	static const char *const methods[] = { "md5", "plain",
	    "scram-sha-256" };
	struct crew crew = {
		.pooler = pooler_start(.workers = 2, .settings = text(
		    "auth_type = %s\n", methods[_i])),
	};

	crew.count = pooler_children(crew.pooler, crew.workers, 16);
	crew.witness = connect_as(crew.pooler,
	    "user=app password=app_secret dbname=shop");
	for (unsigned i = 0; i < ARRAY_LENGTH(answers); i++) {
		struct buffer bytes = { 0 };
		struct message message;
		int client;

		if (strcmp(answers[i].method, methods[_i]) != 0)
			continue;
		client = fake_client_begin(crew.pooler->port, "app", "shop");
		fake_client_expect(client, 'R', &message);
		put_bytes(&bytes, answers[i].bytes, answers[i].length);
		fake_client_send_last(client, &bytes);
		while (fake_client_read(client, &message))
			ck_assert_msg(message.type == 'E', "%s: got '%c'",
			    answers[i].story, message.type);
		close(client);
	}
	for (unsigned i = 0; i < crew.count; i++)
		ck_assert(process_alive(crew.workers[i]));
	ck_query_value(crew.witness, "select 1", "1");
}
END_TEST

/* CVE-2026-19888 and its kind: a final message without what must be there. */
START_TEST(a_wrong_end_of_sasl_harms_nobody)
{
	static const char *const finals[] = { "", "c=biws", "r=x", "p=x",
	    "c=biws,r=", "c=biws,p=AAAA", "r=x,p=AAAA", ",,,,", "c=,r=,p=",
	    "c=biws,r=x,p=", "c=biws,r=x,p=====", "=", "c",
	    "c=biws,r=x,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" };
	struct pooler *pooler = pooler_start(.workers = 2,
	    .settings = "auth_type = scram-sha-256\n");
	pid_t workers[2];

	ck_assert_uint_eq(pooler_children(pooler, workers, 2), 2);
	for (unsigned i = 0; i < ARRAY_LENGTH(finals); i++) {
		struct buffer bytes = { 0 };
		struct message message;
		int client = fake_client_begin(pooler->port, "app", "shop");

		fake_client_expect(client, 'R', &message);
		put_message(&bytes, 'p', "six", "SCRAM-SHA-256", 16u,
		    "n,,n=,r=abcdefgh", 16);
		ck_assert(fake_client_send(client, &bytes));
		fake_client_expect(client, 'R', &message);
		put_message(&bytes, 'p', "x", finals[i],
		    (int)strlen(finals[i]));
		ck_assert(fake_client_send(client, &bytes));
		while (fake_client_read(client, &message))
			ck_assert_int_eq(message.type, 'E');
		close(client);
	}
	for (unsigned i = 0; i < 2; i++)
		ck_assert(process_alive(workers[i]));
	ck_query_value(connect_as(pooler,
	    "user=app password=app_secret dbname=shop"), "select 1", "1");
}
END_TEST

/* ---- logged in ---- */

static const struct {
	const char	*story;
	const char	*bytes;
	size_t		 length;
} requests[] = {
	{ "an unknown type", BYTES("@\0\0\0\4") },
	{ "type zero", BYTES("\0\0\0\0\4") },
	{ "length 0", BYTES("Q\0\0\0\0") },
	{ "length 3", BYTES("Q\0\0\0\3") },
	{ "length 2^32 - 1", BYTES("Q\377\377\377\377select") },
	{ "length 2^31", BYTES("Q\200\0\0\0select") },
	{ "length 2^31 - 1 and no more", BYTES("Q\177\377\377\377select") },
	{ "half a header", BYTES("Q\0\0") },
	{ "half a query", BYTES("Q\0\0\0\100select") },
	{ "a query without end", BYTES("Q\0\0\0\14select 1") },
	{ "an empty Parse", BYTES("P\0\0\0\4") },
	{ "a Parse of one name", BYTES("P\0\0\0\6a\0") },
	{ "a Parse without end", BYTES("P\0\0\0\10abcd") },
	{ "an empty Bind", BYTES("B\0\0\0\4") },
	{ "a Bind without end", BYTES("B\0\0\0\10abcd") },
	{ "an empty Describe", BYTES("D\0\0\0\4") },
	{ "a Describe of nothing", BYTES("D\0\0\0\6?\0") },
	{ "an empty Close", BYTES("C\0\0\0\4") },
	{ "an empty Execute", BYTES("E\0\0\0\4") },
	{ "an empty FunctionCall", BYTES("F\0\0\0\4S\0\0\0\4") },
	{ "CopyData for no COPY", BYTES("d\0\0\0\10abcd") },
	{ "CopyDone for no COPY", BYTES("c\0\0\0\4") },
	{ "CopyFail for no COPY", BYTES("f\0\0\0\6no") },
	{ "a password", BYTES("p\0\0\0\10abc\0") },
	{ "a startup packet", BYTES("\0\0\0\10\0\3\0\0") },
	{ "only Sync", BYTES("S\0\0\0\4") },
	{ "only Flush", BYTES("H\0\0\0\4") },
	{ "Sync with a body", BYTES("S\0\0\0\10abcd") },
	{ "Terminate with a body", BYTES("X\0\0\0\10abcd") },
	{ "what a server says", BYTES("Z\0\0\0\5I") },
	{ "a row", BYTES("T\0\0\0\6\0\0") },
};

/* Idle, in a transaction, with a query on the way. */
START_TEST(wrong_requests_harm_nobody)
{
	static const char *const before[] = { NULL, "begin",
	    "select pg_sleep(0.02)" };
	struct crew crew;

	muster(&crew, pooler_start(.workers = 2,
	    .settings = "default_pool_size = 2\n"));
	for (unsigned i = 0; i < ARRAY_LENGTH(requests); i++) {
		struct buffer bytes = { 0 };
		int client = fake_client_login(crew.pooler->port, "app",
		    "shop");

		if (before[_i] != NULL)
			fake_client_query(client, before[_i]);
		if (_i == 1)
			fake_client_expect(client, 'Z', NULL);
		put_bytes(&bytes, requests[i].bytes,
		    requests[i].length);
		fake_client_finish(client, &bytes);
	}
	ck_crew_unharmed(&crew);
}
END_TEST

/* The console parses by itself. */
START_TEST(wrong_requests_to_the_console_harm_nobody)
{
	struct crew crew;

	muster(&crew, pooler_start(.workers = 2));
	for (unsigned i = 0; i < ARRAY_LENGTH(requests); i++) {
		struct buffer bytes = { 0 };
		int client = fake_client_login(crew.pooler->port, "admin",
		    "pgbouncer");

		put_bytes(&bytes, requests[i].bytes,
		    requests[i].length);
		fake_client_finish(client, &bytes);
	}
	ck_crew_unharmed(&crew);
}
END_TEST

START_TEST(long_commands_to_the_console_harm_nobody)
{
	struct crew crew;
	static char sql[200000];
	static const unsigned lengths[] = { 15, 16, 63, 64, 127, 255, 256,
	    1023, 1024, 4095, 65535, 199000 };
	PGconn *console;

	muster(&crew, pooler_start(.workers = 2));
	for (unsigned i = 0; i < ARRAY_LENGTH(lengths); i++) {
		console = connect_console(crew.pooler);
		memset(sql, 'x', lengths[i]);
		sql[lengths[i]] = '\0';
		PQclear(PQexec(console, sql));
		memcpy(sql, "SHOW \"", 6);
		PQclear(PQexec(console, sql));
		memcpy(sql, "PAUSE ", 6);
		PQclear(PQexec(console, sql));
		memcpy(sql, "SET k = '", 9);
		PQclear(PQexec(console, sql));
		disconnect(console);
	}
	ck_crew_unharmed(&crew);
}
END_TEST

/* Kilobytes that the only worker has for itself. */
static long
memory_of(struct crew *crew)
{
	char *status = file_read(text("/proc/%d/status",
	    (int)crew->workers[0]));
	char *at = strstr(status, "RssAnon:");
	long memory = at != NULL ? atol(at + 8) : 0;

	free(status);
	return memory;
}

#ifdef WITH_SANITIZERS		/* they keep what was given back */
#define LITTLE (200 * 1024)
#else
#define LITTLE (12 * 1024)
#endif

/* What it asks for is much more than what it says. */
START_TEST(a_console_that_is_not_read_takes_little_memory)
{
	enum { QUESTIONS = 4000 };
	struct crew crew;
	struct buffer bytes = { 0 };
	int console;
	long before;

	muster(&crew, pooler_start(.workers = 1));
	console = fake_client_login(crew.pooler->port, "admin", "pgbouncer");
	before = memory_of(&crew);
	for (int i = 0; i < QUESTIONS; i++)
		put_message(&bytes, 'Q', "s", "SHOW CONFIG");
	ck_assert(fake_client_send(console, &bytes));
	for (int i = 0; i < 50; i++)
		ck_query_value(crew.witness, "select 1", "1");
	ck_assert_int_lt(memory_of(&crew) - before, LITTLE);
	for (int i = 0; i < QUESTIONS; i++)
		fake_client_expect(console, 'Z', NULL);
	fake_client_query(console, "SHOW VERSION");
	fake_client_expect(console, 'Z', NULL);
	close(console);
	ck_crew_unharmed(&crew);
}
END_TEST

static const char seven_megabytes[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION "
    "ALL SELECT i + 1 FROM n WHERE i < 900) SELECT replace(replace("
    "'aaaaaaaaaaaaaaaa', 'a', 'bbbbbbbbbbbbbbbb'), 'b', "
    "'cccccccccccccccccccccccccccccccc') FROM n";

/* One row of each: the rest waits for who never asks for it. */
START_TEST(portals_of_the_console_keep_little_memory)
{
	struct crew crew;
	struct buffer bytes = { 0 };
	struct message message = { .type = 0 };
	unsigned portals;
	int console;

	muster(&crew, pooler_start(.workers = 1));
	console = fake_client_login(crew.pooler->port, "admin", "pgbouncer");
	fake_client_query(console, "BEGIN");
	fake_client_expect(console, 'Z', NULL);
	put_message(&bytes, 'P', "ssh", "big", seven_megabytes, 0);
	for (portals = 0; portals < 10 && message.type != 'E'; portals++) {
		put_message(&bytes, 'B', "sshhh", text("p%u", portals),
		    "big", 0, 0, 0);
		put_message(&bytes, 'E', "si", text("p%u", portals), 1);
		ck_assert(fake_client_send(console, &bytes));
		do
			ck_assert(fake_client_read(console, &message));
		while (message.type != 's' && message.type != 'E');
	}
	ck_assert_int_eq(message.type, 'E');
	ck_assert_str_eq(error_field(&message, 'C'), "54000");
	ck_assert_uint_eq(portals, 4);
	close(console);
	ck_crew_unharmed(&crew);
}
END_TEST

START_TEST(packets_larger_than_allowed_are_refused)
{
	struct crew crew;
	struct buffer bytes = { 0 };
	char *sql = malloc(70000);
	int client;

	muster(&crew, pooler_start(.workers = 2,
	    .settings = "max_packet_size = 65536\n"));
	ck_assert_ptr_nonnull(sql);
	memset(sql, ' ', 69999);
	sql[69999] = '\0';
	client = fake_client_login(crew.pooler->port, "app", "shop");
	put_message(&bytes, 'Q', "s", sql);
	(void)fake_client_send(client, &bytes);
	fake_client_drain(client);
	close(client);
	free(sql);
	ck_crew_unharmed(&crew);
}
END_TEST

START_TEST(a_client_that_vanishes_at_each_stage_harms_nobody)
{
	struct crew crew;
	const struct linger at_once = { .l_onoff = 1 };

	muster(&crew, pooler_start(.workers = 3,
	    .settings = "default_pool_size = 3\n"));
	for (unsigned i = 0; i < 60; i++) {
		int client;

		switch (i % 6) {
		case 0:
			client = fake_client_connect(crew.pooler->port);
			break;
		case 1:
			client = fake_client_begin(crew.pooler->port, "app",
			    "shop");
			break;
		case 2:
			client = fake_client_login(crew.pooler->port, "app",
			    "shop");
			break;
		case 3:
			client = fake_client_login(crew.pooler->port, "app",
			    "shop");
			fake_client_query(client, "select pg_sleep(0.01)");
			break;
		case 4:
			client = fake_client_login(crew.pooler->port, "app",
			    "shop");
			fake_client_query(client, "select repeat('x', 1000)"
			    " from generate_series(1, 20000)");
			fake_client_expect(client, 'D', NULL);
			break;
		default:
			client = fake_client_login(crew.pooler->port, "app",
			    "shop");
			fake_client_query(client, "begin");
			fake_client_expect(client, 'Z', NULL);
			break;
		}
		/* A reset in place of an end. */
		setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once,
		    sizeof(at_once));
		close(client);
	}
	ck_crew_unharmed(&crew);
}
END_TEST

/* ---- noise ---- */

static uint32_t
next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Bytes, or messages with right headers and noise inside. */
static void
put_noise(struct buffer *out, uint32_t *state)
{
	static const char types[] = "QPBEDCSHXFdcfpZRTK1";
	unsigned pieces = 1 + next_random(state) % 5;

	while (pieces-- > 0) {
		unsigned length = next_random(state) % 80;
		char noise[80];

		for (unsigned i = 0; i < length; i++)
			noise[i] = (char)(next_random(state) % 3 == 0 ? 0 :
			    next_random(state));
		if (next_random(state) % 4 > 0)
			put_header(out, types[next_random(state) %
			    (sizeof(types) - 1)], next_random(state) % 8 ==
			    0 ? next_random(state) : length + 4);
		put_bytes(out, noise, length);
	}
}

START_TEST(noise_harms_nobody)
{
	struct crew crew;
	uint32_t state = 0x9e3779b9u + (uint32_t)_i;

	muster(&crew, pooler_start(.workers = 2,
	    .settings = "default_pool_size = 4\nlog_connections = 0\n"
	    "log_disconnections = 0\nlog_pooler_errors = 0\n"));
	for (unsigned i = 0; i < 400; i++) {
		struct buffer bytes = { 0 };
		int client;

		if (_i == 0)
			client = fake_client_connect(crew.pooler->port);
		else
			client = fake_client_login(crew.pooler->port,
			    _i == 1 ? "app" : "admin",
			    _i == 1 ? "shop" : "pgbouncer");
		put_noise(&bytes, &state);
		fake_client_finish(client, &bytes);
	}
	ck_crew_unharmed(&crew);
}
END_TEST

/* ---- servers ---- */

static struct pooler *
pooler_of(const char *test, int port, const char *settings)
{
	return pooler_start_for(test, &(struct recipe){ .workers = 2,
	    .databases = text("fake = host=127.0.0.1 port=%d pool_size=2\n"
	    "shop = %s", port, world_place()),
	    .settings = settings });
}

/*
 * What a server may say instead of a greeting. The message, if any, is what
 * the client is told; in most cases it waits for a better server.
 */
static const struct {
	const char	*story;
	const char	*bytes;
	size_t		 length;
} bad_greetings[] = {
	{ "nothing", BYTES("") },
	{ "one byte", BYTES("R") },
	{ "HTTP", BYTES("HTTP/1.1 400 Bad Request\r\n\r\n") },
	{ "length 0", BYTES("R\0\0\0\0\0\0\0\0") },
	{ "length 2^32 - 1", BYTES("R\377\377\377\377\0\0\0\0") },
	{ "length 2^31 - 1", BYTES("R\177\377\377\377\0\0\0\0") },
	{ "an empty authentication request", BYTES("R\0\0\0\4") },
	{ "an unknown one", BYTES("R\0\0\0\10\0\0\0\143") },
	{ "MD5 without salt", BYTES("R\0\0\0\10\0\0\0\5") },
	{ "SASL without a mechanism", BYTES("R\0\0\0\11\0\0\0\12\0") },
	{ "SASL without an end", BYTES("R\0\0\0\14\0\0\0\12SCRA") },
	{ "SASL of another kind", BYTES("R\0\0\0\16\0\0\0\12OTHER\0\0") },
	{ "SASL going on before it began", BYTES("R\0\0\0\14\0\0\0\13r=ab") },
	{ "SASL that has ended before it began",
	    BYTES("R\0\0\0\14\0\0\0\14v=ab") },
	{ "an error without an end", BYTES("E\0\0\0\10SERR") },
	{ "an empty error", BYTES("E\0\0\0\4") },
	{ "an error of no fields", BYTES("E\0\0\0\5\0") },
	{ "an error without SQLSTATE (CVE-2026-6666)",
	    BYTES("E\0\0\0\23SFATAL\0Mhello\0\0") },
	{ "a key that is too short",
	    BYTES("R\0\0\0\10\0\0\0\0K\0\0\0\10\0\0\0\1Z\0\0\0\5I") },
	{ "a parameter without value",
	    BYTES("R\0\0\0\10\0\0\0\0S\0\0\0\7ab\0") },
	{ "ready in an unknown state",
	    BYTES("R\0\0\0\10\0\0\0\0Z\0\0\0\5?") },
	{ "ready in a transaction",
	    BYTES("R\0\0\0\10\0\0\0\0Z\0\0\0\5T") },
	{ "a row at the login", BYTES("R\0\0\0\10\0\0\0\0D\0\0\0\6\0\0") },
	{ "a request for a password behind the welcome",
	    BYTES("R\0\0\0\10\0\0\0\0R\0\0\0\10\0\0\0\3") },
	{ "COPY", BYTES("R\0\0\0\10\0\0\0\0G\0\0\0\7\0\0\0") },
};

START_TEST(a_server_that_greets_badly_harms_nobody)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct crew crew;

	muster(&crew, pooler_of(__func__, port, "server_login_retry = 0\n"
	    "client_login_timeout = 60\nserver_connect_timeout = 1\n"
	    "server_tls_sslmode = disable\n"));
	for (unsigned i = 0; i < ARRAY_LENGTH(bad_greetings); i++) {
		struct buffer bytes = { 0 };
		unsigned before;
		int client;

		put_bytes(&bytes, bad_greetings[i].bytes,
		    bad_greetings[i].length);
		fake_server_greet(server, &bytes, THEN_HANG_UP);
		before = fake_server_connections(server);
		client = fake_client_begin(crew.pooler->port, "app", "fake");
		/* Told or waiting, it does not matter; it leaves. */
		wait_until(fake_server_connections(server) > before ||
		    !fake_client_silent(client));
		close(client);
	}
	ck_crew_unharmed(&crew);
	fake_server_greet_well(server);
	wait_until(PQping(login_string(crew.pooler,
	    "user=app dbname=fake")) == PQPING_OK);
	ck_query_value(connect_as(crew.pooler, "user=app dbname=fake"),
	    "select 1", "fake");
	fake_server_stop(server);
}
END_TEST

START_TEST(an_error_without_sqlstate_reaches_the_client)
{
	int port = world_port(), client;
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = pooler_of(__func__, port, NULL);
	struct buffer bytes = { 0 };
	struct message message;

	put_error(&bytes, "FATAL", NULL, "go away");
	fake_server_greet(server, &bytes, THEN_HANG_UP);
	client = fake_client_begin(pooler->port, "app", "fake");
	ck_assert(fake_client_read(client, &message));
	ck_assert_int_eq(message.type, 'E');
	ck_assert_str_eq(error_field(&message, 'M'), "go away");
	ck_assert_ptr_nonnull(error_field(&message, 'C'));
	fake_client_expect_close(client);
	close(client);
	fake_server_stop(server);
}
END_TEST

/* Answers to a query; the client gets something or is closed. */
static const struct {
	const char	*story;
	const char	*bytes;
	size_t		 length;
} bad_answers[] = {
	{ "an unknown type", BYTES("@\0\0\0\4") },
	{ "length 0", BYTES("C\0\0\0\0") },
	{ "length 3", BYTES("C\0\0\0\3") },
	{ "length 2^32 - 1", BYTES("D\377\377\377\377") },
	{ "length 2^31", BYTES("D\200\0\0\0") },
	{ "length 2^31 - 1 and the end", BYTES("D\177\377\377\377abc") },
	{ "half a header", BYTES("C\0\0") },
	{ "half a message", BYTES("C\0\0\0\15SEL") },
	{ "ready without a body", BYTES("Z\0\0\0\4") },
	{ "ready in an unknown state", BYTES("Z\0\0\0\5?") },
	{ "ready with too much", BYTES("Z\0\0\0\6II") },
	{ "a parameter without value", BYTES("S\0\0\0\7ab\0") },
	{ "a parameter without end", BYTES("S\0\0\0\10abcd") },
	{ "an empty parameter", BYTES("S\0\0\0\4") },
	{ "an error without an end", BYTES("E\0\0\0\10SERR") },
	{ "a request for a password", BYTES("R\0\0\0\10\0\0\0\3") },
	{ "ParseComplete for nobody", BYTES("1\0\0\0\4") },
	{ "another key", BYTES("K\0\0\0\14\0\0\0\1\0\0\0\1") },
	{ "CopyBothResponse", BYTES("W\0\0\0\7\0\0\0") },
};

START_TEST(a_server_that_answers_badly_harms_nobody)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct crew crew;

	muster(&crew, pooler_of(__func__, port, "server_login_retry = 0\n"
	    "log_disconnections = 0\n"));
	for (unsigned i = 0; i < ARRAY_LENGTH(bad_answers); i++) {
		struct buffer bytes = { 0 };
		int client;

		put_bytes(&bytes, bad_answers[i].bytes,
		    bad_answers[i].length);
		fake_server_answer(server, text("bad %u", i), &bytes,
		    THEN_HANG_UP);
		client = fake_client_login(crew.pooler->port, "app", "fake");
		fake_client_query(client, text("bad %u", i));
		fake_client_drain(client);
		close(client);
		/* The next one has a good server. */
		client = fake_client_login(crew.pooler->port, "app", "fake");
		fake_client_query(client, "good");
		fake_client_expect(client, 'Z', NULL);
		close(client);
	}
	ck_crew_unharmed(&crew);
	fake_server_stop(server);
}
END_TEST

/* To nobody: no client is linked. */
START_TEST(a_server_that_speaks_unasked_is_not_used_again)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct crew crew;
	PGconn *client;
	unsigned connections;

	muster(&crew, pooler_of(__func__, port, "server_login_retry = 0\n"));
	client = connect_as(crew.pooler, "user=app dbname=fake");
	ck_query_value(client, "select 1", "fake");
	for (unsigned i = 0; i < 4; i++) {
		struct buffer bytes = { 0 };

		connections = fake_server_connections(server);
		if (i == 0)
			put_ready(&bytes, 'I');
		else if (i == 1)
			put_answer(&bytes, "unasked");
		else if (i == 2)
			put_error(&bytes, "FATAL", "57P01", "good bye");
		else
			put_bytes(&bytes, "garbage", 7);
		fake_server_send(server, connections - 1, &bytes);
		/* Never the answer to a question that came later. */
		ck_query_value(client, "select 1", "fake");
	}
	ck_crew_unharmed(&crew);
	fake_server_stop(server);
}
END_TEST

START_TEST(a_parameter_told_unasked_is_no_crime)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct pooler *pooler = pooler_of(__func__, port, NULL);
	PGconn *client = connect_as(pooler, "user=app dbname=fake");
	struct buffer bytes = { 0 };

	ck_query_value(client, "select 1", "fake");
	put_parameter(&bytes, "in_hot_standby", "off");
	fake_server_send(server, 0, &bytes);
	for (unsigned i = 0; i < 10; i++)
		ck_query_value(client, "select 1", "fake");
	fake_server_stop(server);
}
END_TEST

START_TEST(two_answers_to_one_question_do_not_shift_the_next)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct crew crew;
	struct buffer bytes = { 0 };
	int first;
	PGconn *second;

	muster(&crew, pooler_of(__func__, port, "server_login_retry = 0\n"));
	put_answer(&bytes, "one");
	put_answer(&bytes, "secret of the first");
	fake_server_answer(server, "greedy", &bytes, THEN_GO_ON);
	first = fake_client_login(crew.pooler->port, "app", "fake");
	second = connect_as(crew.pooler, "user=app dbname=fake");
	fake_client_query(first, "greedy");
	fake_client_expect(first, 'Z', NULL);
	ck_query_value(second, "select 1", "fake");
	ck_query_value(second, "select 2", "fake");
	close(first);
	ck_crew_unharmed(&crew);
	fake_server_stop(server);
}
END_TEST

START_TEST(a_server_of_noise_harms_nobody)
{
	int port = world_port();
	struct fake_server *server = fake_server_start(port);
	struct crew crew;
	uint32_t state = 12345;

	muster(&crew, pooler_of(__func__, port, "server_login_retry = 0\n"
	    "log_disconnections = 0\nlog_connections = 0\n"
	    "log_pooler_errors = 0\n"));
	for (unsigned i = 0; i < 200; i++) {
		struct buffer bytes = { 0 };
		int client;

		put_noise(&bytes, &state);
		fake_server_answer(server, "noise", &bytes, THEN_HANG_UP);
		client = fake_client_login(crew.pooler->port, "app", "fake");
		fake_client_query(client, "noise");
		shutdown(client, SHUT_WR);
		fake_client_drain(client);
		close(client);
	}
	ck_crew_unharmed(&crew);
	fake_server_stop(server);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hostile");
	TCase *tests;

	tests = world_case(suite, "login", 20);
	tcase_add_test(tests, wrong_greetings_harm_nobody);
	tcase_add_test(tests, a_header_that_is_wrong_is_quoted);
	tcase_add_test(tests, names_may_be_long_but_not_too_long);
	tcase_add_test(tests,
	    a_startup_packet_of_many_parameters_is_taken_or_refused);
	tcase_add_test(tests, a_startup_packet_may_come_byte_by_byte);
	tcase_add_loop_test(tests, wrong_answers_to_a_login_harm_nobody, 0,
	    3);
	tcase_add_test(tests, a_wrong_end_of_sasl_harms_nobody);

	tests = world_case(suite, "requests", 20);
	tcase_add_loop_test(tests, wrong_requests_harm_nobody, 0, 3);
	tcase_add_test(tests, wrong_requests_to_the_console_harm_nobody);
	tcase_add_test(tests, long_commands_to_the_console_harm_nobody);
	tcase_add_test(tests, a_console_that_is_not_read_takes_little_memory);
	tcase_add_test(tests, portals_of_the_console_keep_little_memory);
	tcase_add_test(tests, packets_larger_than_allowed_are_refused);
	tcase_add_test(tests,
	    a_client_that_vanishes_at_each_stage_harms_nobody);

	tests = world_case(suite, "noise", 20);
	tcase_add_loop_test(tests, noise_harms_nobody, 0, 3);

	tests = world_case(suite, "servers", 20);
	tcase_add_test(tests, a_server_that_greets_badly_harms_nobody);
	tcase_add_test(tests, an_error_without_sqlstate_reaches_the_client);
	tcase_add_test(tests, a_server_that_answers_badly_harms_nobody);
	tcase_add_test(tests, a_server_that_speaks_unasked_is_not_used_again);
	tcase_add_test(tests, a_parameter_told_unasked_is_no_crime);
	tcase_add_test(tests,
	    two_answers_to_one_question_do_not_shift_the_next);
	tcase_add_test(tests, a_server_of_noise_harms_nobody);
	return world_run(suite);
}
