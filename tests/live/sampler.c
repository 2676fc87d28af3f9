#include "live/sampler.h"

#include <stdio.h>

#include "live/ask.h"
#include "live/world.h"

static void *
sample(void *context)
{
	struct sampler *sampler = context;
	PGconn *direct = world_direct();
	char sql[256];

	snprintf(sql, sizeof(sql), "select count(*) from pg_stat_activity "
	    "where %s", sampler->condition);
	while (!sampler->stopping) {
		long long count = query_number(direct, sql);

		if (count > sampler->most)
			sampler->most = count;
		sampler->samples++;
	}
	disconnect(direct);
	return NULL;
}

void
sampler_start(struct sampler *sampler, const char *condition)
{
	*sampler = (struct sampler){ .condition = condition };
	ck_assert_int_eq(pthread_create(&sampler->thread, NULL, sample,
	    sampler), 0);
}

void
sampler_stop(struct sampler *sampler)
{
	wait_until(sampler->samples > 10);
	sampler->stopping = true;
	pthread_join(sampler->thread, NULL);
}
