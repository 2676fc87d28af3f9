#include "build.h"

#include "supervisor/children.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/invariant.h"
#include "net/fdpass.h"

void
children_create(struct children *children, unsigned slots)
{
	INVARIANT(slots <= ROSTER_SLOTS);
	memset(children, 0, sizeof(*children));
	children->slots = slots;
	for (unsigned i = 0; i < ROSTER_SLOTS; i++)
		children->row[i].orders_fd = -1;
}

static void
hang_up(struct child *child)
{
	if (child->orders_fd != -1)
		close(child->orders_fd);
	child->orders_fd = -1;
}

/* A child that held an end of its siblings' orders would hide their death. */
void
children_leave(struct children *children)
{
	for (unsigned i = 0; i < children->slots; i++)
		hang_up(&children->row[i]);
}

pid_t
children_fork(struct children *children, unsigned slot, usec_t now,
    int *orders_fd_out, struct error *error)
{
	struct child *child = &children->row[slot];
	int pair[2];
	pid_t pid;

	INVARIANT(slot < children->slots && child->pid == 0);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0, pair) == -1) {
		error_system(error, "could not create a socket pair");
		return -1;
	}
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		children_leave(children);
		*orders_fd_out = pair[1];
		return 0;
	}
	close(pair[1]);
	if (pid == -1) {
		error_system(error, "could not fork");
		close(pair[0]);
		return -1;
	}
	hang_up(child);
	*child = (struct child){ .pid = pid, .orders_fd = pair[0],
	    .born_at = now };
	return pid;
}

static uint64_t
usec_of(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * USEC_PER_SEC + (uint64_t)time->tv_usec;
}

static bool
bury(struct children *children, pid_t pid, usec_t now,
    struct death *death_out)
{
	for (unsigned i = 0; i < children->slots; i++) {
		struct child *child = &children->row[i];

		if (child->pid != pid)
			continue;
		death_out->slot = i;
		death_out->pid = pid;
		death_out->lived = now - child->born_at;
		child->pid = 0;
		return true;
	}
	return false;
}

bool
children_reap(struct children *children, usec_t now, struct death *death_out)
{
	struct rusage used;
	int status;
	pid_t pid;

	/* As process 1 of a container we inherit strangers: reap them too. */
	if ((pid = wait4(-1, &status, WNOHANG, &used)) > 0) {
		if (!bury(children, pid, now, death_out))
			*death_out = (struct death){
			    .slot = CHILDREN_STRANGER, .pid = pid };
		death_out->status = status;
		death_out->cpu = usec_of(&used.ru_utime) +
		    usec_of(&used.ru_stime);
		return true;
	}
	return false;
}

bool
children_order(struct children *children, unsigned slot,
    const struct order *order, int fd)
{
	struct child *child = &children->row[slot];

	return child->pid != 0 && child->orders_fd != -1 &&
	    fdpass_send(child->orders_fd, order, sizeof(*order), fd);
}

static bool
has_hung_up(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

bool
children_hear(struct children *children, unsigned slot,
    struct order *order_out)
{
	struct child *child = &children->row[slot];
	size_t length;
	int fd;

	while (child->orders_fd != -1) {
		length = fdpass_receive(child->orders_fd, order_out,
		    sizeof(*order_out), &fd);
		if (fd != -1)
			close(fd);
		if (length == sizeof(*order_out))
			return true;
		if (length > 0)
			continue;
		if (has_hung_up(child->orders_fd))
			hang_up(child);
		return false;
	}
	return false;
}

void
children_signal(const struct children *children, int number)
{
	for (unsigned i = 0; i < children->slots; i++)
		if (children->row[i].pid != 0)
			kill(children->row[i].pid, number);
}

unsigned
children_alive(const struct children *children)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < children->slots; i++)
		alive += children->row[i].pid != 0;
	return alive;
}

void
children_describe(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "was killed by signal %d (%s)%s",
		    WTERMSIG(status), strsignal(WTERMSIG(status)),
		    WCOREDUMP(status) ? ", core dumped" : "");
	else
		snprintf(text, size, "exited with status %d",
		    WEXITSTATUS(status));
}
