/*
 * Is it UTF-8?  RFC 3629, section 4: no overlong forms, no surrogates.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/base.h"

/* Bytes of the character that begins here; 0: it is none. */
unsigned utf8_length(const char *at);

bool utf8_is_valid(const char *string);

#endif
