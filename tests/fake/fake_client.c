#include "fake/fake_client.h"

#include <sys/socket.h>
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live/pooler.h"
#include "live/process.h"
#include "fake/packet.h"

int
fake_client_connect(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	ck_assert_int_ne(fd, -1);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address,
	    sizeof(address)), 0);
	return fd;
}

int
fake_client_begin(int port, const char *user, const char *database)
{
	const char *pairs[] = { "user", user, "database", database, NULL };
	struct buffer bytes = { 0 };
	int fd = fake_client_connect(port);

	put_startup(&bytes, PROTOCOL_3_0, pairs);
	ck_assert(fake_client_send(fd, &bytes));
	return fd;
}

int
fake_client_login(int port, const char *user, const char *database)
{
	int fd = fake_client_begin(port, user, database);

	fake_client_expect(fd, 'Z', NULL);
	return fd;
}

bool
fake_client_send(int fd, struct buffer *bytes)
{
	const uint8_t *at = buffer_front(bytes);
	size_t length = buffer_length(bytes);
	bool whole = true;

	while (length > 0) {
		ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);

		if (sent == -1 && errno == EINTR)
			continue;
		if (sent <= 0) {
			whole = false;
			break;
		}
		at += sent;
		length -= (size_t)sent;
	}
	buffer_clear(bytes);
	return whole;
}

void
fake_client_send_last(int fd, struct buffer *bytes)
{
	(void)fake_client_send(fd, bytes);
	shutdown(fd, SHUT_WR);
}

void
fake_client_finish(int fd, struct buffer *bytes)
{
	fake_client_send_last(fd, bytes);
	fake_client_drain(fd);
	close(fd);
}

void
fake_client_query(int fd, const char *sql)
{
	struct buffer bytes = { 0 };

	put_message(&bytes, 'Q', "s", sql);
	ck_assert(fake_client_send(fd, &bytes));
}

/* 1: all of it, 0: the end, before or in the middle of it. */
static int
receive(int fd, void *bytes, size_t length)
{
	uint8_t *at = bytes;
	long long end = now_ms() + patience_ms();

	while (length > 0) {
		struct pollfd poller = { .fd = fd, .events = POLLIN };
		ssize_t got;

		ck_assert_msg(poll(&poller, 1, ms_until(end)) == 1,
		    "the pooler neither answers nor closes");
		got = recv(fd, at, length, 0);
		if (got <= 0)
			return 0;
		at += got;
		length -= (size_t)got;
	}
	return 1;
}

bool
fake_client_read(int fd, struct message *message_out)
{
	uint8_t header[5];
	uint32_t length;

	if (!receive(fd, header, 5))
		return false;
	memcpy(&length, header + 1, 4);
	message_out->type = (char)header[0];
	message_out->length = ntohl(length) - 4;
	ck_assert_msg(message_out->length < sizeof(message_out->body),
	    "a message '%c' of %u bytes came", message_out->type,
	    message_out->length);
	message_out->body[message_out->length] = '\0';
	return receive(fd, message_out->body, message_out->length);
}

void
fake_client_expect(int fd, char type, struct message *message_out)
{
	static _Thread_local struct message spare;

	if (message_out == NULL)
		message_out = &spare;
	do
		ck_assert_msg(fake_client_read(fd, message_out),
		    "the connection closed, wanted message '%c'", type);
	while (message_out->type != type && message_out->type != 'E');
	ck_assert_msg(message_out->type == type,
	    "wanted message '%c', got error %s", type,
	    error_field(message_out, 'M'));
}

const char *
error_field(const struct message *message, char field)
{
	const char *at = (const char *)message->body;
	const char *end = at + message->length;

	while (at < end && *at != '\0') {
		if (*at == field)
			return at + 1;
		at += strlen(at) + 1;
	}
	return NULL;
}

void
fake_client_expect_error(int fd, const char *severity, const char *sqlstate,
    const char *wanted)
{
	static _Thread_local struct message message;
	unsigned fields = 0;
	const char *at;

	ck_assert_msg(fake_client_read(fd, &message),
	    "the connection closed, wanted: %s", wanted);
	ck_assert_int_eq(message.type, 'E');
	ck_assert_str_eq(error_field(&message, 'M'), wanted);
	ck_assert_str_eq(error_field(&message, 'S'), severity);
	if (strcmp(severity, "FATAL") == 0)
		sqlstate = pooler_sqlstate(sqlstate, wanted);
	ck_assert_str_eq(error_field(&message, 'C'), sqlstate);
	for (at = (const char *)message.body; *at != '\0';
	    at += strlen(at) + 1)
		fields++;
	if (!pooler_is_pgusher()) {
		ck_assert_uint_eq(fields, 3);
		return;
	}
	ck_assert_str_eq(error_field(&message, 'V'), severity);
	ck_assert_msg(fields == 4u + (error_field(&message, 'H') != NULL),
	    "the error has %u fields", fields);
}

void
fake_client_expect_close(int fd)
{
	static _Thread_local struct message message;

	ck_assert_msg(!fake_client_read(fd, &message),
	    "wanted the end, got message '%c'", message.type);
}

void
fake_client_drain(int fd)
{
	long long end = now_ms() + patience_ms();
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	uint8_t waste[65536];

	do
		ck_assert_msg(poll(&poller, 1, ms_until(end)) == 1,
		    "the pooler does not close");
	while (recv(fd, waste, sizeof(waste), 0) > 0);
}

bool
fake_client_silent(int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	return poll(&poller, 1, 0) == 0;
}
