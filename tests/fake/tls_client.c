#include "fake/tls_client.h"

#include <sys/socket.h>
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include <openssl/err.h>

#include "fake/packet.h"
#include "live/process.h"

#define SSL_REQUEST 80877103u

static void
be_patient(int fd)
{
	struct timeval wait = { .tv_sec = patience_ms() / 1000 };

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait,
	    sizeof(wait)), 0);
}

static void
ask_for_tls(int fd)
{
	struct buffer bytes = { 0 };
	char answer;

	put_u32(&bytes, 8);
	put_u32(&bytes, SSL_REQUEST);
	ck_assert(fake_client_send(fd, &bytes));
	ck_assert_int_eq(recv(fd, &answer, 1, 0), 1);
	ck_assert_int_eq(answer, 'S');
}

static void
note_problem(struct tls_client *client)
{
	unsigned long fault = ERR_peek_last_error();

	client->refused = true;
	snprintf(client->problem, sizeof(client->problem), "%s", fault == 0 ?
	    "closed" : ERR_reason_error_string(fault));
	ERR_clear_error();
}

struct tls_client *
tls_client_begin(int fd, const struct tls_wish *wish)
{
	struct tls_client *client = calloc(1, sizeof(*client));
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	ck_assert_ptr_nonnull(client);
	client->fd = fd;
	be_patient(fd);
	if (!wish->direct)
		ask_for_tls(fd);
	client->ssl = SSL_new(context);
	SSL_CTX_free(context);
	if (wish->version != 0)
		SSL_set_max_proto_version(client->ssl, wish->version);
	if (wish->alpn != NULL)
		ck_assert_int_eq(SSL_set_alpn_protos(client->ssl,
		    (const unsigned char *)wish->alpn,
		    (unsigned)strlen(wish->alpn)), 0);
	if (wish->session != NULL)
		ck_assert_int_eq(SSL_set_session(client->ssl, wish->session),
		    1);
	ck_assert_int_eq(SSL_set_fd(client->ssl, fd), 1);
	if (SSL_connect(client->ssl) != 1)
		note_problem(client);
	return client;
}

struct tls_client *
tls_client_connect(int port, const struct tls_wish *wish)
{
	return tls_client_begin(fake_client_connect(port), wish);
}

bool
tls_client_send(struct tls_client *client, struct buffer *bytes)
{
	size_t written;
	bool sent = SSL_write_ex(client->ssl, buffer_front(bytes),
	    buffer_length(bytes), &written) == 1;

	buffer_clear(bytes);
	return sent;
}

static bool
receive(struct tls_client *client, void *memory, size_t length)
{
	uint8_t *at = memory;
	size_t part;

	while (length > 0) {
		if (SSL_read_ex(client->ssl, at, length, &part) != 1) {
			int reason = SSL_get_error(client->ssl, 0);

			ck_assert_msg(reason != SSL_ERROR_WANT_READ,
			    "the pooler neither answers nor closes");
			note_problem(client);
			return false;
		}
		at += part;
		length -= part;
	}
	return true;
}

bool
tls_client_read(struct tls_client *client, struct message *message_out)
{
	uint8_t header[5];
	uint32_t length;

	if (!receive(client, header, sizeof(header)))
		return false;
	memcpy(&length, header + 1, 4);
	message_out->type = (char)header[0];
	message_out->length = ntohl(length) - 4;
	ck_assert_uint_lt(message_out->length, sizeof(message_out->body));
	message_out->body[message_out->length] = '\0';
	return receive(client, message_out->body, message_out->length);
}

void
tls_client_expect(struct tls_client *client, char type,
    struct message *message_out)
{
	static struct message spare;

	if (message_out == NULL)
		message_out = &spare;
	do
		ck_assert_msg(tls_client_read(client, message_out),
		    "the connection closed (%s), wanted message '%c'",
		    client->problem, type);
	while (message_out->type != type && message_out->type != 'E');
	ck_assert_msg(message_out->type == type,
	    "an error came instead of '%c': %s", type,
	    error_field(message_out, 'M'));
}

void
tls_client_login(struct tls_client *client, const char *user,
    const char *database)
{
	const char *pairs[] = { "user", user, "database", database, NULL };
	struct buffer bytes = { 0 };

	put_startup(&bytes, PROTOCOL_3_0, pairs);
	ck_assert(tls_client_send(client, &bytes));
	tls_client_expect(client, 'Z', NULL);
}

void
tls_client_expect_close(struct tls_client *client)
{
	char byte;
	size_t length;

	ck_assert_int_eq(SSL_read_ex(client->ssl, &byte, 1, &length), 0);
	ck_assert_int_eq(SSL_get_error(client->ssl, 0),
	    SSL_ERROR_ZERO_RETURN);
}

void
tls_client_close(struct tls_client *client)
{
	if (client == NULL)
		return;
	if (!client->refused)
		SSL_shutdown(client->ssl);
	SSL_free(client->ssl);
	ERR_clear_error();
	close(client->fd);
	free(client);
}
