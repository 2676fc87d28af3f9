#include "live/process.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Only what is safe between fork and exec of a program with threads. */
static NORETURN void
become(const struct spawn *spawn, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY);
	int output = open(spawn->output, O_WRONLY | O_CREAT | O_APPEND, 0644);
	sigset_t none;

	if (null == -1 || output == -1 || dup2(null, 0) == -1 ||
	    dup2(output, 1) == -1 || dup2(output, 2) == -1)
		_exit(126);
	if (spawn->uid != 0 && (setgroups(0, NULL) == -1 ||
	    setgid(spawn->gid) == -1 || setuid(spawn->uid) == -1))
		_exit(126);
	for (int i = 0; spawn->passed != NULL && spawn->passed[i] != -1; i++)
		if (dup2(spawn->passed[i], 3 + i) == -1)
			_exit(126);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* After setuid(), which forgets it. */
	prctl(PR_SET_PDEATHSIG, spawn->death_signal);
	if (getppid() != parent)
		_exit(126);
	execvp(spawn->argv[0], (char *const *)spawn->argv);
	_exit(127);
}

pid_t
process_start(const struct spawn *spawn)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0)
		become(spawn, parent);
	return pid;
}

bool
process_wait(pid_t pid, int *status_out)
{
	long long end = now_ms() + patience_ms();

	for (;;) {
		pid_t got = waitpid(pid, status_out, WNOHANG);

		if (got == pid)
			return true;
		if (got == -1 && errno != EINTR)
			return false;
		if (now_ms() > end)
			return false;
		nap();
	}
}

/* What follows the name in /proc/PID/stat, so from the third field on. */
static bool
read_stat(pid_t pid, char *line, size_t size, char **rest_out)
{
	char path[64];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	length = read(fd, line, size - 1);
	close(fd);
	if (length <= 0)
		return false;
	line[length] = '\0';
	*rest_out = strrchr(line, ')');
	if (*rest_out == NULL)
		return false;
	*rest_out += 2;
	return true;
}

bool
process_alive(pid_t pid)
{
	char line[1024], *rest;

	return read_stat(pid, line, sizeof(line), &rest) && rest[0] != 'Z' &&
	    rest[0] != 'X';
}

void
process_stop(pid_t pid)
{
	char line[1024], *rest;
	long long end = now_ms() + patience_ms();

	kill(pid, SIGSTOP);
	while (read_stat(pid, line, sizeof(line), &rest) &&
	    strchr("TZX", rest[0]) == NULL && now_ms() < end)
		nap();
}

unsigned long long
process_birth(pid_t pid)
{
	char line[1024], *rest;
	unsigned field;

	if (!read_stat(pid, line, sizeof(line), &rest))
		return 0;
	for (field = 3; field < 22; field++) {
		rest = strchr(rest, ' ');
		if (rest == NULL)
			return 0;
		rest++;
	}
	return strtoull(rest, NULL, 10);
}

unsigned
process_children(pid_t parent, pid_t *pids_out, unsigned most)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	unsigned count = 0;

	if (directory == NULL)
		return 0;
	while ((entry = readdir(directory)) != NULL && count < most) {
		char line[1024], *rest, state;
		pid_t pid = (pid_t)atoi(entry->d_name);
		int above;

		if (pid <= 0 || !read_stat(pid, line, sizeof(line), &rest))
			continue;
		if (sscanf(rest, "%c %d", &state, &above) == 2 &&
		    above == parent && state != 'Z')
			pids_out[count++] = pid;
	}
	closedir(directory);
	return count;
}

unsigned
process_descriptors(pid_t pid)
{
	char path[64];
	DIR *directory;
	unsigned count = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	directory = opendir(path);
	if (directory == NULL)
		return 0;
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count - 2;	/* . and .. */
}

long long
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

long long
patience_ms(void)
{
	const char *given = getenv("LIVE_PATIENCE");

	return given != NULL ? atoll(given) * 1000 : 15000;
}

int
ms_until(long long end)
{
	long long left = end - now_ms();

	/* poll() takes less than nothing for ever. */
	return left < 0 ? 0 : (int)left;
}

void
nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
}

const char *
text(const char *format, ...)
{
	static _Thread_local char memory[1 << 20];
	static _Thread_local size_t used;
	va_list values;
	char *at;
	int length;

	if (used > sizeof(memory) / 2)
		used = 0;	/* old enough to be forgotten */
	at = memory + used;
	va_start(values, format);
	length = vsnprintf(at, sizeof(memory) - used, format, values);
	va_end(values);
	if (length < 0 || (size_t)length >= sizeof(memory) - used)
		abort();
	used += (size_t)length + 1;
	return at;
}

char *
file_read(const char *path)
{
	FILE *file = fopen(path, "re");
	size_t size = 0, used = 0;
	char *content = NULL;

	for (;;) {
		if (used + 4096 + 1 > size) {
			size = size * 2 + 8192;
			content = realloc(content, size);
			if (content == NULL)
				abort();
		}
		if (file == NULL)
			break;
		size_t got = fread(content + used, 1, 4096, file);

		if (got == 0)
			break;
		used += got;
	}
	content[used] = '\0';
	if (file != NULL)
		fclose(file);
	return content;
}

bool
file_write(const char *path, const char *content)
{
	FILE *file = fopen(path, "we");
	bool written;

	if (file == NULL)
		return false;
	written = fputs(content, file) != EOF;
	return fclose(file) == 0 && written && chmod(path, 0644) == 0;
}
