#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/log_record.h"

#define LINE_BYTES 2048

#define MARK_BYTES sizeof("<7>")

static const struct {
	const char	*name;
	int		 priority;	/* syslog's; -1: does not go there */
} levels[] = {
	[LOG_LEVEL_FATAL]   = { "FATAL", LOG_CRIT },
	[LOG_LEVEL_ERROR]   = { "ERROR", LOG_ERR },
	[LOG_LEVEL_WARNING] = { "WARNING", LOG_WARNING },
	[LOG_LEVEL_LOG]     = { "LOG", LOG_INFO },
	[LOG_LEVEL_DEBUG]   = { "DEBUG", -1 },
	[LOG_LEVEL_NOISE]   = { "NOISE", -1 },
};

static const struct {
	const char	*name;
	int		 code;
} facilities[] = {
	{ "auth", LOG_AUTH }, { "authpriv", LOG_AUTHPRIV },
	{ "daemon", LOG_DAEMON }, { "user", LOG_USER },
	{ "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 },
	{ "local2", LOG_LOCAL2 }, { "local3", LOG_LOCAL3 },
	{ "local4", LOG_LOCAL4 }, { "local5", LOG_LOCAL5 },
	{ "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 },
};

/* The log is the one thing that every function may reach without a handle. */
static struct {
	int	verbose;
	enum log_format format;
	int	worker;			/* -1: none */
	bool	to_stderr;
	bool	stderr_is_journal;
	int	file_fd;
	bool	to_syslog;
	char	ident[64];
} current = { .worker = -1, .to_stderr = true, .file_fd = -1 };

static int
facility_code(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(facilities); i++)
		if (strcasecmp(facilities[i].name, name) == 0)
			return facilities[i].code;
	return -1;
}

bool
log_facility_known(const char *name)
{
	return facility_code(name) != -1;
}

int
log_verbose(void)
{
	return current.verbose;
}

void
log_set_file(int fd)
{
	if (current.file_fd != -1 && current.file_fd != fd)
		close(current.file_fd);
	current.file_fd = fd;
}

void
log_set_worker(unsigned slot)
{
	current.worker = (int)slot;
}

void
log_adjust(const struct log_settings *settings)
{
	const char *facility = settings->syslog_facility;
	const char *ident = settings->syslog_ident;
	int code = facility != NULL ? facility_code(facility) : -1;

	current.verbose = settings->verbose;
	current.format = settings->format;
	if (current.to_syslog)
		closelog();
	current.to_syslog = settings->to_syslog;
	if (!settings->to_syslog)
		return;
	snprintf(current.ident, sizeof(current.ident), "%s",
	    ident != NULL ? ident : "pgbouncer");
	openlog(current.ident, LOG_PID, code == -1 ? LOG_DAEMON : code);
}

/* systemd names the file that it has connected: dev:ino. */
static bool
is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char name[48];
	struct stat status;

	if (stream == NULL || fstat(fd, &status) == -1)
		return false;
	snprintf(name, sizeof(name), "%" PRIu64 ":%" PRIu64,
	    (uint64_t)status.st_dev, (uint64_t)status.st_ino);
	return strcmp(stream, name) == 0;
}

void
log_configure(const struct log_settings *settings)
{
	current.to_stderr = settings->to_stderr;
	current.stderr_is_journal = settings->to_stderr &&
	    is_journal(STDERR_FILENO);
	log_set_file(settings->file_fd);
	log_adjust(settings);
}

bool
log_open_file(const char *path, int *fd_out, struct error *error)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd == -1)
		return error_system(error, "could not open log file \"%s\"",
		    path);
	*fd_out = fd;
	return true;
}

/* "2026-07-10 12:34:56.789 UTC [12345] " */
static size_t
write_stamp(char *line, size_t size)
{
	struct timespec now;
	struct tm local;
	char day[32], zone[16];

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &local);
	strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &local);
	strftime(zone, sizeof(zone), "%Z", &local);
	return (size_t)snprintf(line, size, "%s.%03ld %s [%d] ", day,
	    now.tv_nsec / 1000000, zone, (int)getpid());
}

/*
 * A message of several lines stays one record for who reads by line; `mark`
 * is what each of its lines begins with.
 */
static size_t
append_indented(char *line, size_t length, size_t size, const char *mark,
    const char *text)
{
	for (; *text != '\0' && length + MARK_BYTES + 2 < size; text++) {
		line[length++] = *text;
		if (*text == '\n')
			length += (size_t)snprintf(line + length,
			    size - length, "%s\t", mark);
	}
	return length;
}

static void
write_all(int fd, const char *line, size_t length)
{
	ssize_t done;

	do
		done = write(fd, line, length);
	while (done == -1 && errno == EINTR);
}

/* The journal wants to be told the priority of each line. */
static int
journal_priority(enum log_level level)
{
	int priority = levels[level].priority;

	return priority == -1 ? LOG_DEBUG : priority;
}

/* It knows the time and the process. */
static void
write_to_journal(enum log_level level, const char *message)
{
	char mark[MARK_BYTES], line[LINE_BYTES + 128];
	size_t length;

	snprintf(mark, sizeof(mark), "<%d>", journal_priority(level));
	length = (size_t)snprintf(line, sizeof(line), "%s", mark);
	length = append_indented(line, length, sizeof(line) - 1, mark,
	    message);
	line[length++] = '\n';
	write_all(STDERR_FILENO, line, length);
}

static void
emit_text(enum log_level level, const char *message)
{
	char line[LINE_BYTES + 128];
	size_t length;

	length = write_stamp(line, sizeof(line));
	length += (size_t)snprintf(line + length, sizeof(line) - length, "%s ",
	    levels[level].name);
	length = append_indented(line, length, sizeof(line) - 1, "", message);
	line[length++] = '\n';

	if (current.stderr_is_journal)
		write_to_journal(level, message);
	else if (current.to_stderr)
		write_all(STDERR_FILENO, line, length);
	if (current.file_fd != -1)
		write_all(current.file_fd, line, length);
	if (current.to_syslog && levels[level].priority != -1)
		syslog(levels[level].priority, "%s", message);
}

static void
emit_record(enum log_level level, const struct log_subject *subject,
    const char *message)
{
	struct log_record record = { .level = levels[level].name,
	    .pid = (int)getpid(), .worker = current.worker,
	    .subject = subject, .message = message };
	char room[MARK_BYTES - 1 + LOG_RECORD_BYTES], *line;
	size_t length;

	clock_gettime(CLOCK_REALTIME, &record.time);
	line = room + MARK_BYTES - 1;
	length = log_record_write(current.format, &record, line);

	if (current.stderr_is_journal) {
		room[0] = '<';
		room[1] = (char)('0' + journal_priority(level));
		room[2] = '>';
		write_all(STDERR_FILENO, room, length + MARK_BYTES - 1);
	} else if (current.to_stderr)
		write_all(STDERR_FILENO, line, length);
	if (current.file_fd != -1)
		write_all(current.file_fd, line, length);
	if (current.to_syslog && levels[level].priority != -1)
		syslog(levels[level].priority, "%.*s", (int)length - 1, line);
}

static void
emit(enum log_level level, const struct log_subject *subject,
    const char *message)
{
	int saved_errno = errno;

	if (current.format == LOG_FORMAT_TEXT)
		emit_text(level, message);
	else
		emit_record(level, subject, message);
	errno = saved_errno;
}

static bool
is_wanted(enum log_level level)
{
	return (int)level <= (int)LOG_LEVEL_LOG + current.verbose;
}

void
log_write(enum log_level level, const char *format, ...)
{
	char message[LINE_BYTES];
	va_list arguments;

	if (!is_wanted(level))
		return;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	emit(level, NULL, message);
}

/* "C-0xc00001000007: shop/joe@10.0.0.5:4242 "; nothing in a record. */
static size_t
write_subject(const struct log_subject *subject, char *message, size_t size)
{
	int length;

	message[0] = '\0';
	if (current.format != LOG_FORMAT_TEXT ||
	    subject->side == LOG_SIDE_NONE)
		return 0;
	length = snprintf(message, size, "%c-0x%" PRIx64 ": %s/%s@%s ",
	    subject->side == LOG_SIDE_CLIENT ? 'C' : 'S', subject->pointer,
	    subject->database, subject->user, subject->address);
	return (size_t)length < size ? (size_t)length : size - 1;
}

void
log_write_about(enum log_level level, const struct log_subject *subject,
    const char *format, ...)
{
	char message[LINE_BYTES];
	va_list arguments;
	size_t length;

	if (!is_wanted(level))
		return;
	length = write_subject(subject, message, sizeof(message));
	va_start(arguments, format);
	vsnprintf(message + length, sizeof(message) - length, format,
	    arguments);
	va_end(arguments);
	emit(level, subject, message);
}
