/*
 * Why something in the world failed: peer, kernel, file.
 *
 * The function that fails fills one of these and returns false; whoever
 * gives up logs it, once.  Messages: lower case, no full stop; what to do
 * about it goes into the hint.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/base.h"

struct error {
	char	text[512];
	char	hint[192];
};

/* Both always return false, so that `return error_set(...)` reads well. */
bool error_set(struct error *error, const char *format, ...)
    PRINTF_LIKE(2, 3);
/* Appends ": " and the text of errno. */
bool error_system(struct error *error, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* Adds what the reader could do about it. Returns false as well. */
bool error_hint(struct error *error, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* Puts "<context>: " before the text, the usual way to add file and line. */
bool error_prefix(struct error *error, const char *format, ...)
    PRINTF_LIKE(2, 3);

#endif
