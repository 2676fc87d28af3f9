#include "net/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Descriptors of thousands of server connections may queue up at once. */
#define QUEUE_BYTES (4 * 1024 * 1024)

bool
fdpass_pair(int fds_out[2], struct error *error)
{
	int size = QUEUE_BYTES;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    fds_out) == -1)
		return error_system(error, "could not create a socket pair");
	/* Above the system's limit only root gets it; less also works. */
	if (setsockopt(fds_out[1], SOL_SOCKET, SO_SNDBUFFORCE, &size,
	    sizeof(size)) == -1)
		setsockopt(fds_out[1], SOL_SOCKET, SO_SNDBUF, &size,
		    sizeof(size));
	return true;
}

union control {
	struct cmsghdr	header;		/* for its alignment */
	char		bytes[CMSG_SPACE(sizeof(int))];
};

static void
attach(struct msghdr *header, union control *control, int fd)
{
	struct cmsghdr *cmsg;

	memset(control, 0, sizeof(*control));
	header->msg_control = control->bytes;
	header->msg_controllen = sizeof(control->bytes);
	cmsg = CMSG_FIRSTHDR(header);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
}

bool
fdpass_send(int socket, const void *message, size_t length, int fd)
{
	struct iovec part = { (void *)(uintptr_t)message, length };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	union control control;
	ssize_t done;

	if (fd != -1)
		attach(&header, &control, fd);
	do
		done = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (done == -1 && errno == EINTR);
	return done == (ssize_t)length;
}

size_t
fdpass_receive(int socket, void *message, size_t size, int *fd_out)
{
	struct iovec part = { message, size };
	union control control;
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *cmsg;
	ssize_t done;

	*fd_out = -1;
	do
		done = recvmsg(socket, &header,
		    MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (done == -1 && errno == EINTR);
	if (done <= 0)
		return 0;
	for (cmsg = CMSG_FIRSTHDR(&header); cmsg != NULL;
	    cmsg = CMSG_NXTHDR(&header, cmsg))
		if (cmsg->cmsg_level == SOL_SOCKET &&
		    cmsg->cmsg_type == SCM_RIGHTS)
			memcpy(fd_out, CMSG_DATA(cmsg), sizeof(*fd_out));
	return (size_t)done;
}
