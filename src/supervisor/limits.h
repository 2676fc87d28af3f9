/*
 * How many descriptors a worker may need, and whether it may have them.
 *
 * Any worker may come to serve all clients, and each holds a descriptor of
 * every server connection, so what one needs all need.
 */
#ifndef SUPERVISOR_LIMITS_H
#define SUPERVISOR_LIMITS_H

#include "base/base.h"
#include "config/config.h"

/* Descriptors that one process needs at most with this configuration. */
uint64_t limits_expected_fds(const struct config *config, unsigned workers,
    unsigned listeners);

/*
 * Raises RLIMIT_NOFILE as far as allowed: to the hard limit, and as root to
 * what is needed.  Returns the limit that holds now and the hard one.
 */
uint64_t limits_raise(uint64_t needed, uint64_t *hard_out);

#endif
