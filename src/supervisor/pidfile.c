#include "supervisor/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static bool
is_another_instance(const char *path, struct error *error)
{
	return error_set(error,
	    "pidfile '%s' exists, another instance running?", path);
}

/* 0: there is no process id in it. */
static pid_t
read_pid(int fd)
{
	char text[32];
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);
	char *end;
	long pid;

	if (got <= 0)
		return 0;
	text[got] = '\0';
	pid = strtol(text, &end, 10);
	if (end == text || (*end != '\0' && *end != '\n') || pid <= 0 ||
	    pid > INT32_MAX)
		return 0;
	return (pid_t)pid;
}

/*
 * It has ended and only its parent has not asked how.  In a container the
 * first process may be one that never does.
 */
static bool
is_zombie(pid_t pid)
{
	char path[32], text[512], *state;
	FILE *file;
	size_t length;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';
	/* Behind its name, in which anything may be. */
	state = strrchr(text, ')');
	return state != NULL && strncmp(state, ") Z", 3) == 0;
}

static bool
is_alive(pid_t pid)
{
	return (kill(pid, 0) == 0 || errno == EPERM) && !is_zombie(pid);
}

static bool
is_same_file(int fd, const char *path)
{
	struct stat open_file, named;

	return fstat(fd, &open_file) == 0 && lstat(path, &named) == 0 &&
	    open_file.st_dev == named.st_dev &&
	    open_file.st_ino == named.st_ino;
}

/*
 * With the lock in hand nobody else removes or replaces the file.  An empty
 * one may be that of a start under way, or of a disk that was full: nobody
 * knows, so it counts as taken.
 */
static bool
remove_stale(int fd, const char *path, struct error *error)
{
	pid_t pid = read_pid(fd);

	if (pid == 0 || (pid != getpid() && is_alive(pid)))
		return is_another_instance(path, error);
	log_info("stale pidfile, removing");
	if (unlink(path) == -1)
		return error_system(error, "could not remove pidfile '%s'",
		    path);
	return true;
}

bool
pidfile_check(const char *path, struct error *error)
{
	bool may_start;
	int fd;

	if (path == NULL || path[0] == '\0')
		return true;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1 && errno == ENOENT)
		return true;
	if (fd == -1)
		return error_system(error, "could not open pidfile '%s'",
		    path);
	if (flock(fd, LOCK_EX | LOCK_NB) == -1 || !is_same_file(fd, path))
		may_start = is_another_instance(path, error);
	else
		may_start = remove_stale(fd, path, error);
	close(fd);
	return may_start;
}

static bool
fill_in(int fd, const char *path, struct error *error)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (flock(fd, LOCK_EX | LOCK_NB) == -1)
		return is_another_instance(path, error);
	if (fchmod(fd, 0644) == -1 || write(fd, text, (size_t)length) !=
	    length)
		return error_system(error, "could not write pidfile '%s'",
		    path);
	return true;
}

bool
pidfile_write(struct pidfile *pidfile, const char *path, struct error *error)
{
	pidfile->path[0] = '\0';
	pidfile->fd = -1;
	if (path == NULL || path[0] == '\0')
		return true;
	pidfile->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0644);
	if (pidfile->fd == -1 && errno == EEXIST)
		return is_another_instance(path, error);
	if (pidfile->fd == -1)
		return error_system(error, "could not create pidfile '%s'",
		    path);
	snprintf(pidfile->path, sizeof(pidfile->path), "%s", path);
	if (fill_in(pidfile->fd, path, error))
		return true;
	pidfile_remove(pidfile);
	return false;
}

void
pidfile_leave(struct pidfile *pidfile)
{
	if (pidfile->fd != -1)
		close(pidfile->fd);
	pidfile->fd = -1;
	pidfile->path[0] = '\0';
}

void
pidfile_remove(struct pidfile *pidfile)
{
	if (pidfile->fd != -1 && is_same_file(pidfile->fd, pidfile->path))
		unlink(pidfile->path);
	pidfile_leave(pidfile);
}
