/*
 * The log, in PgBouncer's format:
 *
 *     2026-07-10 12:34:56.789 UTC [12345] LOG message
 *
 * to stderr, a file and syslog, each on its own switch.  Where stderr is the
 * journal (JOURNAL_STREAM) it gets "<6>message" instead.  One line is one
 * write(2) on an O_APPEND file, so lines of several processes never mix.
 * A line break inside a message is followed by a tab.  State is per process
 * and inherited by fork; the file descriptor may be replaced at any time,
 * which is how rotation reaches workers that may not open the file.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base.h"
#include "base/error.h"

enum log_level {
	LOG_LEVEL_FATAL = 0,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_LOG,
	LOG_LEVEL_DEBUG,	/* verbose = 1 */
	LOG_LEVEL_NOISE		/* verbose = 2 */
};

enum log_format {
	LOG_FORMAT_TEXT = 0,	/* PgBouncer's lines */
	LOG_FORMAT_JSON,
	LOG_FORMAT_LOGFMT
};

struct log_settings {
	int		 verbose;	/* 0, 1 = DEBUG, 2 = NOISE */
	enum log_format	 format;
	bool		 to_stderr;
	int		 file_fd;	/* -1: none; owned by the log */
	bool		 to_syslog;
	const char	*syslog_ident;	/* copied */
	const char	*syslog_facility; /* "daemon", "local0" …; checked */
};

/* Replaces all settings; closes the former file if it is another one. */
void log_configure(const struct log_settings *settings);

/* As a reload changes it: stderr and the file stay as they are. */
void log_adjust(const struct log_settings *settings);

/* What this process writes is from this worker; records say so. */
void log_set_worker(unsigned slot);

/* Replaces only the file. -1 means none. Takes the descriptor over. */
void log_set_file(int fd);

/* Opens a log file for appending; the caller hands it to the log. */
bool log_open_file(const char *path, int *fd_out, struct error *error)
    MUST_CHECK;

/* True: syslog knows a facility of this name. */
bool log_facility_known(const char *name);

/* How much is logged now: 0, 1 or 2. */
int log_verbose(void);

void log_write(enum log_level level, const char *format, ...)
    PRINTF_LIKE(2, 3);

enum log_side {
	LOG_SIDE_NONE = 0,
	LOG_SIDE_CLIENT,
	LOG_SIDE_SERVER
};

/* Whom or what a line is about. Texts may be NULL: unknown. */
struct log_subject {
	enum log_side	 side;
	uint64_t	 pointer;	/* the ptr of SHOW CLIENTS, SERVERS */
	const char	*database, *user, *address;
};

/*
 * As a text, a line about a client or server begins with the subject, as in
 * "C-0xc00001000007: shop/joe@10.0.0.5:4242 "; a record has fields of it.
 */
void log_write_about(enum log_level level, const struct log_subject *subject,
    const char *format, ...) PRINTF_LIKE(3, 4);

#define log_fatal(...) log_write(LOG_LEVEL_FATAL, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_LOG, __VA_ARGS__)

/* These format nothing unless wanted. */
#define log_debug(...) do {						\
	if (UNLIKELY(log_verbose() >= 1))				\
		log_write(LOG_LEVEL_DEBUG, __VA_ARGS__);		\
} while (0)
#define log_noise(...) do {						\
	if (UNLIKELY(log_verbose() >= 2))				\
		log_write(LOG_LEVEL_NOISE, __VA_ARGS__);		\
} while (0)

#endif
