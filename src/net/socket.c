#include "net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

static void
set(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

void
socket_tune(int fd, const struct socket_options *options)
{
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (options->buffer_bytes > 0) {
		set(fd, SOL_SOCKET, SO_SNDBUF, options->buffer_bytes);
		set(fd, SOL_SOCKET, SO_RCVBUF, options->buffer_bytes);
	}
	if (options->user_timeout_msec > 0)
		set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
		    options->user_timeout_msec);
	if (!options->keepalive)
		return;
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (options->keepcnt > 0)
		set(fd, IPPROTO_TCP, TCP_KEEPCNT, options->keepcnt);
	if (options->keepidle > 0)
		set(fd, IPPROTO_TCP, TCP_KEEPIDLE, options->keepidle);
	if (options->keepintvl > 0)
		set(fd, IPPROTO_TCP, TCP_KEEPINTVL, options->keepintvl);
}

bool
socket_connect(const struct sockaddr *address, socklen_t length,
    const struct socket_options *options, int *fd_out, struct error *error)
{
	int fd = socket(address->sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return error_system(error, "could not create a socket");
	if (address->sa_family != AF_UNIX)
		socket_tune(fd, options);
	if (connect(fd, address, length) == -1 && errno != EINPROGRESS) {
		int saved = errno;

		error_system(error, "connect");
		close(fd);
		errno = saved;
		return false;
	}
	*fd_out = fd;
	return true;
}

int
socket_outcome(int fd)
{
	int outcome = 0;
	socklen_t length = sizeof(outcome);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &outcome, &length) == -1)
		return errno;
	return outcome;
}

ssize_t
socket_receive(int fd, void *memory, size_t size)
{
	ssize_t got;

	do
		got = recv(fd, memory, size, MSG_DONTWAIT);
	while (got == -1 && errno == EINTR);
	return got;
}

ssize_t
socket_send(int fd, const void *bytes, size_t length)
{
	ssize_t sent;

	do
		sent = send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent == -1 && errno == EINTR);
	return sent;
}

ssize_t
socket_send_parts(int fd, const struct iovec *parts, int count)
{
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)parts,
	    .msg_iovlen = (size_t)count };
	ssize_t sent;

	do
		sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent == -1 && errno == EINTR);
	return sent;
}

enum socket_news
socket_peek(int fd)
{
	char byte;
	ssize_t got;

	do
		got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	while (got == -1 && errno == EINTR);
	if (got > 0)
		return SOCKET_BYTES;
	if (got == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return SOCKET_QUIET;
	return SOCKET_GONE;
}
