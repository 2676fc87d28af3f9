/* Numbers that nobody can guess, from the kernel (getrandom(2)). */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include "base/base.h"

/* At most 256 bytes at a time. A kernel that has none ends the process. */
void random_fill(void *bytes, size_t length);

#endif
