/*
 * A regular expression (POSIX, extended) of a file, before the library of C
 * compiles it.
 *
 * That takes time and memory that are exponential in repetitions that stand
 * in each other: `((a{1,200}){1,200}){1,200}` has eight million states, and
 * `(.*)+++++` with its loops in loops never ends.  So what a pattern comes to
 * when its repetitions are written out is bounded first.  A pattern that
 * passes compiles in a fraction of a second and in some tens of MiB; whether
 * it is right, says the library.
 *
 * Names are chosen by clients, in certificates for instance.  References back
 * to what was found, `(a+)\1\1`, with which they could make the library look
 * for seconds, are refused.
 */
#ifndef CONFIG_PATTERN_H
#define CONFIG_PATTERN_H

#include "base/base.h"
#include "base/error.h"

/* Also compiles it, and tells how many parts in brackets it has. */
bool pattern_check(const char *pattern, size_t *groups_out,
    struct error *error) MUST_CHECK;

#endif
