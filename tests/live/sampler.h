/*
 * Counts connections as PostgreSQL has them, all the time, in a thread.
 */
#ifndef LIVE_SAMPLER_H
#define LIVE_SAMPLER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/base.h"

struct sampler {
	pthread_t	thread;
	const char	*condition;
	atomic_bool	stopping;
	atomic_llong	most;		/* seen at one time */
	atomic_uint	samples;
};

/* Of pg_stat_activity; the text must live until the end. */
void sampler_start(struct sampler *sampler, const char *condition);

/* Fails the test unless it has looked often. */
void sampler_stop(struct sampler *sampler);

#endif
