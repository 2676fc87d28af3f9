#include "exporter/processes.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* All that is read is short, but for one line of netstat. */
#define FILE_BYTES 8192

static bool
read_file(const char *path, char text[FILE_BYTES])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd == -1)
		return false;
	length = read(fd, text, FILE_BYTES - 1);
	close(fd);
	if (length <= 0)
		return false;
	text[length] = '\0';
	return true;
}

/* Seconds since 1970 when the machine started. */
static double
boot_time(void)
{
	struct timespec now, since;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &since);
	return (double)(now.tv_sec - since.tv_sec) +
	    (double)(now.tv_nsec - since.tv_nsec) / 1e9;
}

/* proc(5): utime, stime and starttime are fields 14, 15 and 22. */
static void
read_stat(pid_t pid, struct process_figures *figures)
{
	char path[64], text[FILE_BYTES], *at;
	uint64_t user, system, start;
	uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (!read_file(path, text))
		return;
	at = strrchr(text, ')');	/* the name may hold anything */
	if (at == NULL || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u "
	    "%*u %*u %*u %" SCNu64 " %" SCNu64 " %*d %*d %*d %*d %*d %*d %"
	    SCNu64, &user, &system, &start) != 3)
		return;
	figures->is_there = true;
	figures->cpu_usec = (user + system) * (USEC_PER_SEC / ticks);
	figures->started_at = (uint64_t)(boot_time() +
	    (double)start / (double)ticks);
}

static void
read_memory(pid_t pid, struct process_figures *figures)
{
	char path[64], text[FILE_BYTES];
	uint64_t size, resident, shared;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	if (!read_file(path, text) || sscanf(text, "%" SCNu64 " %" SCNu64
	    " %" SCNu64, &size, &resident, &shared) != 3)
		return;
	figures->virtual_bytes = size * page;
	figures->resident_bytes = resident * page;
	figures->private_bytes = (resident - shared) * page;
}

struct process_figures
process_look(pid_t pid)
{
	struct process_figures figures = { .is_there = false };
	char path[64];
	struct stat stat_of;

	if (pid <= 0)
		return figures;
	read_stat(pid, &figures);
	read_memory(pid, &figures);
	/* Linux 6.2 and later: the size of the directory is their number. */
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	if (stat(path, &stat_of) == 0)
		figures.open_fds = (uint64_t)stat_of.st_size;
	return figures;
}

static uint64_t
limit_in(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	if (at == NULL)
		return UINT64_MAX;
	at += strlen(name);
	at += strspn(at, " ");
	return *at < '0' || *at > '9' ? UINT64_MAX : strtoull(at, NULL, 10);
}

void
process_limits(pid_t pid, uint64_t *fds_out, uint64_t *memory_out)
{
	char path[64], text[FILE_BYTES] = "";

	snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
	(void)!read_file(path, text);
	*fds_out = limit_in(text, "Max open files");
	*memory_out = limit_in(text, "Max address space");
}

/* The number of the column with this name: names and numbers take turns. */
static uint64_t
column(const char *names, const char *numbers, const char *name)
{
	size_t length = strlen(name);

	while (*names != '\0' && *names != '\n') {
		size_t word = strcspn(names, " \n");

		if (word == length && strncmp(names, name, length) == 0)
			return strtoull(numbers, NULL, 10);
		names += word;
		names += strspn(names, " ");
		numbers += strcspn(numbers, " \n");
		numbers += strspn(numbers, " ");
	}
	return 0;
}

void
process_network(uint64_t *received_out, uint64_t *sent_out)
{
	char text[FILE_BYTES] = "";
	const char *names, *numbers;

	*received_out = *sent_out = 0;
	(void)!read_file("/proc/self/net/netstat", text);
	names = strstr(text, "IpExt:");
	numbers = names == NULL ? NULL : strstr(names + 1, "IpExt:");
	if (numbers == NULL)
		return;
	*received_out = column(names, numbers, "InOctets");
	*sent_out = column(names, numbers, "OutOctets");
}
