/*
 * One line of the log as a record for programs, in JSON or logfmt.
 *
 *     {"time":"2026-07-10T12:34:56.789Z","level":"LOG","pid":123,"worker":0,
 *      "side":"client","pointer":"0xc00001000007","database":"shop",
 *      "user":"joe","address":"10.0.0.5:4242","message":"login attempt: …"}
 *     time=2026-07-10T12:34:56.789Z level=LOG pid=123 message="…"
 *
 * Whatever a text holds, the record stays one line that a parser takes, in
 * UTF-8, and short enough for a pipe to take it in one piece: what is too
 * long is cut.
 */
#ifndef BASE_LOG_RECORD_H
#define BASE_LOG_RECORD_H

#include <time.h>

#include "base/log.h"

#define LOG_RECORD_BYTES 4096	/* PIPE_BUF */

struct log_record {
	struct timespec		 time;
	const char		*level;
	int			 pid;
	int			 worker;	/* -1: it is none */
	const struct log_subject *subject;	/* NULL: nobody */
	const char		*message;
};

/* Writes it with a line feed at its end and returns its length. Not TEXT. */
size_t log_record_write(enum log_format format,
    const struct log_record *record, char line[LOG_RECORD_BYTES]);

#endif
