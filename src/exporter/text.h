/*
 * A text that grows.  Having no memory sticks: ask once, at the end.
 */
#ifndef EXPORTER_TEXT_H
#define EXPORTER_TEXT_H

#include "base/buffer.h"

struct text {			/* zeroed: empty */
	struct buffer	buffer;
	bool		failed;
};

void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const void *bytes, size_t length);
/* At most 511 characters at a time. */
void text_format(struct text *text, const char *format, ...)
    PRINTF_LIKE(2, 3);
void text_clear(struct text *text);

/* A string of JSON, quoted; what is not UTF-8 becomes U+FFFD. */
void text_add_json(struct text *text, const char *string);

/* Microseconds as seconds: "1.5", "0.000064". */
void text_add_seconds(struct text *text, uint64_t usec);

#endif
