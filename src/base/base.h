/*
 * What every file may take for granted: attributes, units, small macros.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define PRINTF_LIKE(at, first) \
	__attribute__((__format__(__printf__, at, first)))
#define UNUSED __attribute__((unused))

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The object that holds this member. */
#define container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))

#define LIKELY(claim) __builtin_expect(!!(claim), 1)
#define UNLIKELY(claim) __builtin_expect(!!(claim), 0)

#define CACHE_LINE 64

/* Microseconds: a moment of the monotonic clock, or a span. */
typedef int64_t usec_t;

#define USEC_PER_MSEC ((usec_t)1000)
#define USEC_PER_SEC ((usec_t)1000000)

#endif
