/*
 * Sockets of clients and servers: never blocking, never a signal.
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "base/base.h"
#include "base/error.h"

struct socket_options {
	bool	keepalive;
	int	keepcnt, keepidle, keepintvl;	/* 0: the system's */
	int	user_timeout_msec;		/* 0: the system's */
	int	buffer_bytes;			/* 0: the system's */
};

/* Tunes a TCP socket; what the kernel refuses is left as it was. */
void socket_tune(int fd, const struct socket_options *options);

/*
 * Begins to connect. False: it failed at once, errno says why.  EAGAIN of a
 * Unix socket: too many are waiting to be accepted there, try again soon.
 */
bool socket_connect(const struct sockaddr *address, socklen_t length,
    const struct socket_options *options, int *fd_out, struct error *error)
    MUST_CHECK;

/* The outcome of a connect, once writable: 0 or errno. */
int socket_outcome(int fd);

/*
 * Bytes, 0 at the end of the stream, -1 with errno (EAGAIN: later).
 * Interrupted calls are repeated.
 */
ssize_t socket_receive(int fd, void *memory, size_t size);
ssize_t socket_send(int fd, const void *bytes, size_t length);
ssize_t socket_send_parts(int fd, const struct iovec *parts, int count);

/* What an idle connection has to say, without taking it. */
enum socket_news {
	SOCKET_QUIET,		/* nothing, as it should be */
	SOCKET_BYTES,
	SOCKET_GONE
};
enum socket_news socket_peek(int fd);

#endif
