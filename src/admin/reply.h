/*
 * The small messages of a reply; results are built by wire/report.h.
 *
 * Each call appends one whole message or, if there is no memory, nothing and
 * returns false.
 */
#ifndef ADMIN_REPLY_H
#define ADMIN_REPLY_H

#include "base/base.h"
#include "base/buffer.h"

#define REPLY_TEXT_BYTES 1024	/* longer texts are cut, with the final NUL */

/* An ErrorResponse of severity ERROR. detail: NULL for none. */
bool reply_error(struct buffer *reply, const char *sqlstate,
    const char *text, const char *detail) MUST_CHECK;
/* The last word before a close, severity FATAL, if there is memory for it. */
void reply_fatal(struct buffer *reply, const char *text);
bool reply_notice(struct buffer *reply, const char *text,
    const char *detail) MUST_CHECK;
bool reply_complete(struct buffer *reply, const char *tag) MUST_CHECK;
/* `status` is enum transaction_status. */
bool reply_ready(struct buffer *reply, char status) MUST_CHECK;
/* The answer to a query that says nothing. */
bool reply_empty(struct buffer *reply) MUST_CHECK;
bool reply_parameter(struct buffer *reply, const char *name,
    const char *value) MUST_CHECK;

#endif
