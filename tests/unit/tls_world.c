#include "tls_world.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct tls_world tls_world;

static uint8_t memory[STREAM_RECEIVE_LEAST];

void
tls_world_begin(void)
{
	struct paper_wish wish = { .name = "pooler",
	    .others = "DNS:localhost,IP:127.0.0.1" };

	tls_world = (struct tls_world){ .here.fd = -1, .there.fd = -1 };
	tls_world.engine = tls_engine_create();
	ck_assert_ptr_nonnull(tls_world.engine);
	tls_world.authority = authority_create("Seats authority");
	tls_world.stranger = authority_create("Somebody else");
	tls_world.server = authority_issue(tls_world.authority, &wish);
}

void
tls_world_end(void)
{
	stream_close(&tls_world.here);
	stream_close(&tls_world.there);
	paper_free(tls_world.server);
	authority_free(tls_world.authority);
	authority_free(tls_world.stranger);
	tls_engine_destroy(tls_world.engine);
}

struct tls_pem
pem_of(const char *path, const char *text)
{
	return (struct tls_pem){ path, text, strlen(text) };
}

struct tls_settings
server_settings(void)
{
	return (struct tls_settings){
		.prefix = "client_tls",
		.certificate = pem_of("server.crt",
		    tls_world.server->certificate),
		.key = pem_of("server.key", tls_world.server->key),
		.protocols = "secure",
		.ciphers = "default",
		.curve = "auto",
		.dh = TLS_DH_AUTO,
	};
}

struct tls_settings
client_settings(void)
{
	return (struct tls_settings){
		.prefix = "server_tls",
		.authorities = pem_of("root.crt",
		    authority_certificate(tls_world.authority)),
		.protocols = "secure",
		.ciphers = "default",
		.proof = TLS_PROOF_NAME,
	};
}

struct tls_context *
server_context(const struct tls_settings *settings)
{
	struct error error = { "", "" };
	struct tls_context *context = tls_context_for_clients(
	    tls_world.engine, settings, NULL, &error);

	ck_assert_msg(context != NULL, "%s", error.text);
	return context;
}

struct tls_context *
client_context(const struct tls_settings *settings)
{
	struct error error = { "", "" };
	struct tls_context *context = tls_context_for_servers(
	    tls_world.engine, settings, &error);

	ck_assert_msg(context != NULL, "%s", error.text);
	return context;
}

/* TCP, because its ends behave as those of clients do. */
void
link_ends(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int little = 16 * 1024;	/* soon full */

	stream_close(&tls_world.here);
	stream_close(&tls_world.there);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length),
	    0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address,
	    &length), 0);
	tls_world.there.fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(tls_world.there.fd, SOL_SOCKET, SO_RCVBUF, &little,
	    sizeof(little));
	ck_assert_int_eq(connect(tls_world.there.fd,
	    (struct sockaddr *)&address, length), 0);
	tls_world.here.fd = accept(listener, NULL, NULL);
	ck_assert_int_ne(tls_world.here.fd, -1);
	setsockopt(tls_world.here.fd, SOL_SOCKET, SO_SNDBUF, &little,
	    sizeof(little));
	close(listener);
}

void
begin_tls(struct tls_context *server, struct tls_context *client,
    const char *host)
{
	struct error error = { "", "" };

	link_ends();
	ck_assert(stream_accept_tls(&tls_world.here, server, NULL, 0));
	ck_assert_msg(stream_connect_tls(&tls_world.there, client, host,
	    &error), "%s", error.text);
	tls_context_release(server);
	tls_context_release(client);
}

static bool
step(struct stream *stream)
{
	struct pollfd news = { stream->fd, POLLIN, 0 };
	ssize_t got;

	if (poll(&news, 1, 10) == 0)
		return true;
	got = stream_receive(stream, memory, sizeof(memory));
	ck_assert_int_le(got, 0);
	return got == -1 && errno == EAGAIN;
}

/* Either end may be done before the other one has accepted it. */
static bool
look_once_more(struct stream *stream)
{
	struct pollfd news = { stream->fd, POLLIN, 0 };

	return poll(&news, 1, 20) == 0 || step(stream);
}

bool
shake_hands(void)
{
	struct stream *here = &tls_world.here, *there = &tls_world.there;

	for (unsigned i = 0; !stream_is_established(here) ||
	    !stream_is_established(there); i++) {
		ck_assert_uint_lt(i, 1000);
		if (!step(here) || !step(there))
			return false;
	}
	return look_once_more(there);
}

void
link_with_tls(void)
{
	struct tls_settings server = server_settings();
	struct tls_settings client = client_settings();

	begin_tls(server_context(&server), client_context(&client),
	    "localhost");
	ck_assert(shake_hands());
}

/* Whole records of this type that are there to be read. */
static unsigned
count_records(int fd, uint8_t type)
{
	uint8_t bytes[4096];
	ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
	size_t length = got > 0 ? (size_t)got : 0, at = 0;
	unsigned count = 0;

	while (at + 5 <= length) {
		size_t next = at + 5 + (((size_t)bytes[at + 3] << 8) |
		    bytes[at + 4]);

		if (next <= length)
			count += bytes[at] == type;
		at = next;
	}
	return count;
}

void
await_records(const struct stream *stream, uint8_t type, unsigned count)
{
	while (count_records(stream->fd, type) < count)
		usleep(1000);
}

ssize_t
receive(struct stream *stream, void *memory_out)
{
	struct pollfd news = { stream->fd, POLLIN, 0 };
	ssize_t got;

	do {
		ck_assert_int_eq(poll(&news, 1, 10000), 1);
		got = stream_receive(stream, memory_out,
		    STREAM_RECEIVE_LEAST);
	} while (got == -1 && errno == EAGAIN);
	return got;
}

SSL *
raw_client(SSL_CTX *context)
{
	SSL *raw;

	ck_assert_ptr_nonnull(context);
	raw = SSL_new(context);
	ck_assert_ptr_nonnull(raw);
	SSL_CTX_free(context);
	fcntl(tls_world.there.fd, F_SETFL, O_NONBLOCK);
	ck_assert_int_eq(SSL_set_fd(raw, tls_world.there.fd), 1);
	SSL_set_connect_state(raw);
	return raw;
}

bool
shake_hands_with(SSL *raw)
{
	for (unsigned i = 0; !SSL_is_init_finished(raw) ||
	    !stream_is_established(&tls_world.here); i++) {
		int result = SSL_do_handshake(raw);

		ck_assert_uint_lt(i, 1000);
		if (result != 1 &&
		    SSL_get_error(raw, result) != SSL_ERROR_WANT_READ)
			return false;
		if (!step(&tls_world.here))
			return false;
	}
	return true;
}
