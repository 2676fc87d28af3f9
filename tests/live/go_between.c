#include "live/go_between.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/fake_server.h"
#include "live/world.h"

struct go_between {
	int		 fd;
	SSL_CTX		*opens;
	atomic_uint	 asked, clear;
};

struct passage {
	struct go_between	*between;
	int			 fd;
};

static const unsigned char request[8] = { 0, 0, 0, 8, 4, 210, 22, 47 };

static int
connect_to_postgres(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)world.cluster.port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

/* One of the two has something, and it goes to the other one. */
static bool
pass_bytes(int from, int to)
{
	char bytes[16384];
	ssize_t got = recv(from, bytes, sizeof(bytes), 0), done = 0, sent;

	while (done < got) {
		sent = send(to, bytes + done, (size_t)(got - done),
		    MSG_NOSIGNAL);
		if (sent == -1)
			return false;
		done += sent;
	}
	return got > 0;
}

static void
pass_on(int client, int server)
{
	struct pollfd news[2] = { { client, POLLIN, 0 },
	    { server, POLLIN, 0 } };

	while (poll(news, 2, -1) > 0) {
		if (news[0].revents != 0 && !pass_bytes(client, server))
			return;
		if (news[1].revents != 0 && !pass_bytes(server, client))
			return;
	}
}

static bool
pass_opened(SSL *from, SSL *to)
{
	char bytes[16384];
	int got;

	do {
		got = SSL_read(from, bytes, sizeof(bytes));
		if (got <= 0 || SSL_write(to, bytes, got) != got)
			return false;
	} while (SSL_pending(from) > 0);
	return true;
}

static void
pass_on_opened(SSL *client, SSL *server)
{
	struct pollfd news[2] = { { SSL_get_fd(client), POLLIN, 0 },
	    { SSL_get_fd(server), POLLIN, 0 } };

	while (poll(news, 2, -1) > 0) {
		if (news[0].revents != 0 && !pass_opened(client, server))
			return;
		if (news[1].revents != 0 && !pass_opened(server, client))
			return;
	}
}

static void
open_and_pass_on(struct go_between *between, int client, int server)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ours = SSL_new(between->opens), *theirs;
	char answer = 0;

	/* Tickets would come at a moment when nobody expects them. */
	SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
	theirs = SSL_new(context);
	SSL_set_fd(ours, client);
	SSL_set_fd(theirs, server);
	if (send(server, request, 8, MSG_NOSIGNAL) == 8 &&
	    recv(server, &answer, 1, 0) == 1 && answer == 'S' &&
	    send(client, "S", 1, MSG_NOSIGNAL) == 1 &&
	    SSL_connect(theirs) == 1 && SSL_accept(ours) == 1)
		pass_on_opened(ours, theirs);
	SSL_free(ours);
	SSL_free(theirs);
	SSL_CTX_free(context);
}

static void *
go(void *context)
{
	struct passage *passage = context;
	struct go_between *between = passage->between;
	int client = passage->fd, server = connect_to_postgres();
	unsigned char first[8];
	bool asks;

	free(passage);
	if (server != -1 && recv(client, first, 8, MSG_WAITALL) == 8) {
		asks = memcmp(first, request, 8) == 0;
		atomic_fetch_add(asks ? &between->asked : &between->clear, 1);
		if (asks && between->opens != NULL)
			open_and_pass_on(between, client, server);
		else if (send(server, first, 8, MSG_NOSIGNAL) == 8)
			pass_on(client, server);
	}
	close(client);
	if (server != -1)
		close(server);
	return NULL;
}

static void *
accept_all(void *context)
{
	struct go_between *between = context;

	for (;;) {
		struct passage *passage = malloc(sizeof(*passage));
		pthread_t thread;

		if (passage == NULL)
			abort();
		passage->between = between;
		passage->fd = accept(between->fd, NULL, NULL);
		if (passage->fd == -1 || pthread_create(&thread, NULL, go,
		    passage) != 0)
			abort();
		pthread_detach(thread);
	}
	return NULL;
}

struct go_between *
go_between_start(int port, SSL_CTX *opens)
{
	struct go_between *between = calloc(1, sizeof(*between));
	pthread_t thread;

	ck_assert_ptr_nonnull(between);
	between->opens = opens;
	between->fd = fake_server_listen(port);
	ck_assert_int_eq(pthread_create(&thread, NULL, accept_all, between),
	    0);
	pthread_detach(thread);
	return between;
}

unsigned
go_between_asked_for_tls(const struct go_between *between)
{
	return atomic_load(&between->asked);
}

unsigned
go_between_in_the_clear(const struct go_between *between)
{
	return atomic_load(&between->clear);
}
