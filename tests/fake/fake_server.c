#include "fake/fake_server.h"

#include <sys/socket.h>
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "live/process.h"
#include "fake/packet.h"

#define MOST_CONNECTIONS 8192
#define MOST_ANSWERS 64
#define LONGEST_MESSAGE 65536
#define CODE_CANCEL 80877102u
#define CODE_SSL 80877103u
#define CODE_GSS 80877104u

struct fake_connection {
	struct fake_server	*server;
	pthread_t		 thread;
	unsigned		 number;
	int			 fd;		/* -1: closed */
	uint8_t			 startup[2048];
	size_t			 startup_length;
};

struct fake_answer {
	char		query[256];
	struct buffer	bytes;
	bool		scripted;	/* else the default answer */
	enum fake_then	then;
	unsigned	seen;
	int		where;
	bool		held;
};

struct fake_server {
	pthread_mutex_t		 lock;
	pthread_cond_t		 changed;
	pthread_t		 listener;
	int			 port;
	in_addr_t		 host;
	int			 fd;		/* -1: the port is closed */
	bool			 listening;	/* there is a thread */
	bool			 stopping;
	struct fake_connection	*sockets[MOST_CONNECTIONS];
	unsigned		 socket_count;	/* ever accepted */
	struct fake_connection	*connections[MOST_CONNECTIONS];
	unsigned		 count;		/* with a startup packet */
	unsigned		 open;
	unsigned		 threads;	/* that serve a socket */
	struct fake_answer	 answers[MOST_ANSWERS];
	unsigned		 answer_count;
	struct buffer		 greeting;
	bool			 greets_badly;
	enum fake_then		 after_greeting;
	bool			 dribbles;
	bool			 holds_cancels;
	unsigned		 cancels;
	uint32_t		 cancelled_pid, cancelled_key;
};

static struct timespec
end_of_patience(void)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += patience_ms() / 1000;
	return end;
}

/* Waits with the lock held until the claim holds. */
#define await(server, claim, what) do {					\
	struct timespec end_ = end_of_patience();			\
	while (!(claim))						\
		if (pthread_cond_timedwait(&(server)->changed,		\
		    &(server)->lock, &end_) != 0)			\
			ck_abort_msg("the fake server waited in vain "	\
			    "for %s", (what));				\
} while (0)

static void
send_all(int fd, const uint8_t *bytes, size_t length, bool dribbles)
{
	while (length > 0) {
		ssize_t sent = send(fd, bytes, dribbles ? 1 : length,
		    MSG_NOSIGNAL);

		if (sent == -1 && errno == EINTR)
			continue;
		if (sent <= 0)
			return;
		bytes += sent;
		length -= (size_t)sent;
		if (dribbles)
			nanosleep(&(struct timespec){ .tv_nsec = 50000 },
			    NULL);
	}
}

static bool
receive_all(int fd, void *bytes, size_t length)
{
	uint8_t *at = bytes;

	while (length > 0) {
		ssize_t got = recv(fd, at, length, 0);

		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		length -= (size_t)got;
	}
	return true;
}

static uint32_t
read_u32(const uint8_t *bytes)
{
	uint32_t wire;

	memcpy(&wire, bytes, sizeof(wire));
	return ntohl(wire);
}

/* Sends a copy, so that the lock is not held while the peer is slow. */
static void
say(struct fake_connection *connection, const struct buffer *bytes)
{
	send_all(connection->fd, buffer_front(bytes), buffer_length(bytes),
	    connection->server->dribbles);
}

static void
copy_buffer(struct buffer *to, const struct buffer *from)
{
	if (buffer_length(from) > 0)
		put_bytes(to, buffer_front(from), buffer_length(from));
}

void
put_greeting(struct buffer *out, uint32_t pid, uint32_t key)
{
	put_auth_ok(out);
	put_parameter(out, "server_version", "15.4");
	put_parameter(out, "server_encoding", "UTF8");
	put_parameter(out, "client_encoding", "UTF8");
	put_parameter(out, "DateStyle", "ISO, MDY");
	put_parameter(out, "TimeZone", "UTC");
	put_parameter(out, "IntervalStyle", "postgres");
	put_parameter(out, "standard_conforming_strings", "on");
	put_parameter(out, "integer_datetimes", "on");
	put_parameter(out, "application_name", "");
	put_message(out, 'K', "ii", pid, key);
	put_ready(out, 'I');
}

static void
stall(struct fake_connection *connection)
{
	uint8_t waste[4096];

	while (recv(connection->fd, waste, sizeof(waste), 0) > 0)
		;
}

/* False: this connection is done. */
static bool
go_on(struct fake_connection *connection, enum fake_then then)
{
	if (then == THEN_STALL)
		stall(connection);
	return then == THEN_GO_ON;
}

static void
take_cancel(struct fake_server *server, const uint8_t *body)
{
	pthread_mutex_lock(&server->lock);
	server->cancels++;
	server->cancelled_pid = read_u32(body + 4);
	server->cancelled_key = read_u32(body + 8);
	pthread_cond_broadcast(&server->changed);
	while (server->holds_cancels && !server->stopping)
		pthread_cond_wait(&server->changed, &server->lock);
	pthread_mutex_unlock(&server->lock);
}

/* The body of a startup packet, 0 for the end. Answers requests for TLS. */
static size_t
read_startup(struct fake_connection *connection, uint8_t *body, size_t size)
{
	uint8_t header[4];

	for (;;) {
		size_t length;

		if (!receive_all(connection->fd, header, 4))
			return 0;
		length = read_u32(header);
		if (length < 8 || length - 4 > size ||
		    !receive_all(connection->fd, body, length - 4))
			return 0;
		if (read_u32(body) != CODE_SSL && read_u32(body) != CODE_GSS)
			return length - 4;
		send_all(connection->fd, (const uint8_t *)"N", 1, false);
	}
}

static bool
greet(struct fake_connection *connection)
{
	struct fake_server *server = connection->server;
	struct buffer bytes = { 0 };
	enum fake_then then;

	pthread_mutex_lock(&server->lock);
	connection->number = server->count;
	server->connections[server->count++] = connection;
	server->open++;
	if (server->greets_badly)
		copy_buffer(&bytes, &server->greeting);
	else
		put_greeting(&bytes, 1000 + connection->number,
		    0x5ec4e700 + connection->number);
	then = server->greets_badly ? server->after_greeting : THEN_GO_ON;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
	say(connection, &bytes);
	buffer_clear(&bytes);
	return go_on(connection, then);
}

/* The entry for this text, made if need be. Call with the lock. */
static struct fake_answer *
answer_for(struct fake_server *server, const char *query)
{
	struct fake_answer *answer;

	for (unsigned i = 0; i < server->answer_count; i++)
		if (strcmp(server->answers[i].query, query) == 0)
			return &server->answers[i];
	ck_assert_uint_lt(server->answer_count, MOST_ANSWERS);
	answer = &server->answers[server->answer_count++];
	strncpy(answer->query, query, sizeof(answer->query) - 1);
	answer->where = -1;
	return answer;
}

static bool
on_query(struct fake_connection *connection, const char *query)
{
	struct fake_server *server = connection->server;
	struct fake_answer *answer;
	struct buffer bytes = { 0 };
	enum fake_then then = THEN_GO_ON;

	pthread_mutex_lock(&server->lock);
	answer = answer_for(server, query);
	answer->seen++;
	answer->where = (int)connection->number;
	pthread_cond_broadcast(&server->changed);
	while (answer->held && !server->stopping)
		pthread_cond_wait(&server->changed, &server->lock);
	if (answer->scripted) {
		copy_buffer(&bytes, &answer->bytes);
		then = answer->then;
	} else {
		put_answer(&bytes, "fake");
	}
	pthread_mutex_unlock(&server->lock);
	say(connection, &bytes);
	buffer_clear(&bytes);
	return go_on(connection, then);
}

/* Extended protocol: each message has its standard answer. */
static void
on_other(struct fake_connection *connection, char type)
{
	struct buffer bytes = { 0 };

	switch (type) {
	case 'P':
		put_message(&bytes, '1', "");
		break;
	case 'B':
		put_message(&bytes, '2', "");
		break;
	case 'D':
		put_message(&bytes, 'n', "");
		break;
	case 'C':
		put_message(&bytes, '3', "");
		break;
	case 'E':
		put_complete(&bytes, "SELECT 0");
		break;
	case 'S':
		put_ready(&bytes, 'I');
		break;
	}
	say(connection, &bytes);
	buffer_clear(&bytes);
}

static void
converse(struct fake_connection *connection, uint8_t *body)
{
	uint8_t header[5];

	while (receive_all(connection->fd, header, 5)) {
		size_t length = read_u32(header + 1) - 4;

		if (length >= LONGEST_MESSAGE ||
		    !receive_all(connection->fd, body, length))
			return;
		body[length] = '\0';
		if (header[0] == 'X')
			return;
		if (header[0] != 'Q')
			on_other(connection, (char)header[0]);
		else if (!on_query(connection, (const char *)body))
			return;
	}
}

static void
hang_up(struct fake_connection *connection)
{
	struct fake_server *server = connection->server;

	pthread_mutex_lock(&server->lock);
	if (connection->fd != -1)
		close(connection->fd);
	connection->fd = -1;
	if (connection->startup_length > 0)
		server->open--;
	server->threads--;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

static void *
serve(void *context)
{
	struct fake_connection *connection = context;
	uint8_t *body = malloc(LONGEST_MESSAGE);
	size_t length;

	if (body == NULL)
		abort();
	length = read_startup(connection, body, LONGEST_MESSAGE);
	if (length == 12 && read_u32(body) == CODE_CANCEL) {
		take_cancel(connection->server, body);
	} else if (length > 0 && length <= sizeof(connection->startup)) {
		memcpy(connection->startup, body, length);
		connection->startup_length = length;
		if (greet(connection))
			converse(connection, body);
	}
	free(body);
	hang_up(connection);
	return NULL;
}

static void *
listen_for(void *context)
{
	struct fake_server *server = context;
	int one = 1;

	for (;;) {
		struct fake_connection *connection;
		int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd == -1)
			return NULL;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		connection = calloc(1, sizeof(*connection));
		if (connection == NULL)
			abort();
		connection->server = server;
		connection->fd = fd;
		pthread_mutex_lock(&server->lock);
		if (server->socket_count == MOST_CONNECTIONS)
			abort();
		server->sockets[server->socket_count++] = connection;
		server->threads++;
		pthread_mutex_unlock(&server->lock);
		pthread_create(&connection->thread, NULL, serve, connection);
		pthread_detach(connection->thread);
	}
}

static int
listen_at(in_addr_t host, int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = host,
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	ck_assert_int_ne(fd, -1);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address,
	    sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 128), 0);
	return fd;
}

int
fake_server_listen(int port)
{
	return listen_at(htonl(INADDR_LOOPBACK), port);
}

void
fake_server_open_port(struct fake_server *server)
{
	server->fd = listen_at(server->host, server->port);
	ck_assert_int_eq(pthread_create(&server->listener, NULL, listen_for,
	    server), 0);
}

void
fake_server_close_port(struct fake_server *server)
{
	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->listener, NULL);
	close(server->fd);
	server->fd = -1;
}

struct fake_server *
fake_server_start(int port)
{
	return fake_server_start_at("127.0.0.1", port);
}

struct fake_server *
fake_server_start_at(const char *host, int port)
{
	struct fake_server *server = calloc(1, sizeof(*server));

	ck_assert_ptr_nonnull(server);
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->changed, NULL);
	server->port = port;
	server->host = inet_addr(host);
	fake_server_open_port(server);
	return server;
}

void
fake_server_stop(struct fake_server *server)
{
	if (server->fd != -1)
		fake_server_close_port(server);
	pthread_mutex_lock(&server->lock);
	server->stopping = true;
	pthread_cond_broadcast(&server->changed);
	for (unsigned i = 0; i < server->socket_count; i++)
		if (server->sockets[i]->fd != -1)
			shutdown(server->sockets[i]->fd, SHUT_RDWR);
	await(server, server->threads == 0, "its threads to end");
	pthread_mutex_unlock(&server->lock);
	for (unsigned i = 0; i < server->socket_count; i++)
		free(server->sockets[i]);
	for (unsigned i = 0; i < server->answer_count; i++)
		buffer_clear(&server->answers[i].bytes);
	buffer_clear(&server->greeting);
	free(server);
}

void
fake_server_greet(struct fake_server *server, struct buffer *bytes,
    enum fake_then then)
{
	pthread_mutex_lock(&server->lock);
	buffer_clear(&server->greeting);
	copy_buffer(&server->greeting, bytes);
	server->greets_badly = true;
	server->after_greeting = then;
	pthread_mutex_unlock(&server->lock);
	buffer_clear(bytes);
}

void
fake_server_greet_well(struct fake_server *server)
{
	pthread_mutex_lock(&server->lock);
	server->greets_badly = false;
	pthread_mutex_unlock(&server->lock);
}

void
fake_server_answer(struct fake_server *server, const char *query,
    struct buffer *bytes, enum fake_then then)
{
	struct fake_answer *answer;

	pthread_mutex_lock(&server->lock);
	answer = answer_for(server, query);
	buffer_clear(&answer->bytes);
	copy_buffer(&answer->bytes, bytes);
	answer->scripted = true;
	answer->then = then;
	pthread_mutex_unlock(&server->lock);
	buffer_clear(bytes);
}

void
fake_server_dribble(struct fake_server *server, bool dribbles)
{
	server->dribbles = dribbles;
}

void
fake_server_send(struct fake_server *server, unsigned number,
    struct buffer *bytes)
{
	pthread_mutex_lock(&server->lock);
	ck_assert_uint_lt(number, server->count);
	send_all(server->connections[number]->fd, buffer_front(bytes),
	    buffer_length(bytes), false);
	pthread_mutex_unlock(&server->lock);
	buffer_clear(bytes);
}

void
fake_server_hang_up(struct fake_server *server, unsigned number)
{
	pthread_mutex_lock(&server->lock);
	ck_assert_uint_lt(number, server->count);
	if (server->connections[number]->fd != -1)
		shutdown(server->connections[number]->fd, SHUT_RDWR);
	pthread_mutex_unlock(&server->lock);
}

void
fake_server_hold(struct fake_server *server, const char *query)
{
	pthread_mutex_lock(&server->lock);
	answer_for(server, query)->held = true;
	pthread_mutex_unlock(&server->lock);
}

void
fake_server_release(struct fake_server *server)
{
	pthread_mutex_lock(&server->lock);
	for (unsigned i = 0; i < server->answer_count; i++)
		server->answers[i].held = false;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

void
fake_server_hold_cancels(struct fake_server *server)
{
	pthread_mutex_lock(&server->lock);
	server->holds_cancels = true;
	pthread_mutex_unlock(&server->lock);
}

void
fake_server_release_cancels(struct fake_server *server)
{
	pthread_mutex_lock(&server->lock);
	server->holds_cancels = false;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

unsigned
fake_server_connections(struct fake_server *server)
{
	unsigned count;

	pthread_mutex_lock(&server->lock);
	count = server->count;
	pthread_mutex_unlock(&server->lock);
	return count;
}

unsigned
fake_server_open(struct fake_server *server)
{
	unsigned count;

	pthread_mutex_lock(&server->lock);
	count = server->open;
	pthread_mutex_unlock(&server->lock);
	return count;
}

void
await_connections(struct fake_server *server, unsigned count)
{
	pthread_mutex_lock(&server->lock);
	await(server, server->count >= count, "connections");
	pthread_mutex_unlock(&server->lock);
}

void
await_open(struct fake_server *server, unsigned count)
{
	pthread_mutex_lock(&server->lock);
	await(server, server->open == count, "a number of connections");
	pthread_mutex_unlock(&server->lock);
}

unsigned
fake_server_queries(struct fake_server *server, const char *query)
{
	unsigned seen;

	pthread_mutex_lock(&server->lock);
	seen = answer_for(server, query)->seen;
	pthread_mutex_unlock(&server->lock);
	return seen;
}

void
await_query(struct fake_server *server, const char *query, unsigned count)
{
	pthread_mutex_lock(&server->lock);
	await(server, answer_for(server, query)->seen >= count, query);
	pthread_mutex_unlock(&server->lock);
}

int
fake_server_where(struct fake_server *server, const char *query)
{
	int where;

	pthread_mutex_lock(&server->lock);
	where = answer_for(server, query)->where;
	pthread_mutex_unlock(&server->lock);
	return where;
}

unsigned
fake_server_cancels(struct fake_server *server)
{
	unsigned count;

	pthread_mutex_lock(&server->lock);
	count = server->cancels;
	pthread_mutex_unlock(&server->lock);
	return count;
}

void
await_cancels(struct fake_server *server, unsigned count)
{
	pthread_mutex_lock(&server->lock);
	await(server, server->cancels >= count, "a cancel request");
	pthread_mutex_unlock(&server->lock);
}

uint32_t
fake_server_cancelled_pid(struct fake_server *server)
{
	return server->cancelled_pid;
}

uint32_t
fake_server_cancelled_key(struct fake_server *server)
{
	return server->cancelled_key;
}

const char *
fake_server_startup(struct fake_server *server, unsigned number,
    const char *name)
{
	const struct fake_connection *connection;
	const char *at, *end;

	ck_assert_uint_lt(number, fake_server_connections(server));
	connection = server->connections[number];
	at = (const char *)connection->startup + 4;
	end = (const char *)connection->startup + connection->startup_length;
	while (at < end && *at != '\0') {
		const char *value = at + strlen(at) + 1;

		if (strcmp(at, name) == 0)
			return value;
		at = value + strlen(value) + 1;
	}
	return NULL;
}
