#include "build.h"

#include "supervisor/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* The first process: reports what became of the daemon. */
static NORETURN void
wait_for_daemon(int fd)
{
	static const char failure[] =
	    "the daemon could not start; its log says why\n";
	char byte;
	ssize_t got;

	do
		got = read(fd, &byte, 1);
	while (got == -1 && errno == EINTR);
	if (got == 1)
		_exit(0);
	if (write(STDERR_FILENO, failure, sizeof(failure) - 1) == -1)
		_exit(2);
	_exit(1);
}

static bool
close_stdio(struct error *error)
{
	int fd = open("/dev/null", O_RDWR);

	if (fd == -1)
		return error_system(error, "could not open /dev/null");
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	return true;
}

bool
daemon_detach(int *ready_fd_out, struct error *error)
{
	int ready[2];
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) == -1)
		return error_system(error, "could not create a pipe");
	pid = fork();
	if (pid == -1)
		return error_system(error, "could not fork");
	if (pid > 0) {
		close(ready[1]);
		wait_for_daemon(ready[0]);
	}
	close(ready[0]);
	if (setsid() == -1)
		return error_system(error, "could not start a session");
	/* Not the leader of the session: never gets a terminal again. */
	pid = fork();
	if (pid == -1)
		return error_system(error, "could not fork");
	if (pid > 0)
		_exit(0);
	*ready_fd_out = ready[1];
	return close_stdio(error);
}

void
daemon_is_ready(int *ready_fd)
{
	/* It may have been killed; then nobody waits for this. */
	ssize_t told UNUSED;

	if (*ready_fd == -1)
		return;
	told = write(*ready_fd, "", 1);
	close(*ready_fd);
	*ready_fd = -1;
}
