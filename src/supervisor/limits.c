#include "supervisor/limits.h"

#include <stdio.h>
#include <sys/resource.h>

#include "shm/roster.h"

/* Log, standard streams, epoll sets, the odd file, sockets in passing. */
#define BESIDE 64

static uint64_t
pools_of(const struct config *config, const struct config_database *database)
{
	if (database->user != NULL || config->secret_count == 0)
		return 1;
	return config->secret_count;
}

static uint64_t
servers_of(const struct config *config,
    const struct config_database *database)
{
	int size = config_pool_size(config, database, NULL);
	int reserve = config_reserve_pool_size(config, database, NULL);
	int most = config_max_db_connections(config, database);
	uint64_t servers = 0;

	if (size > 0)
		servers += (uint64_t)size;
	if (reserve > 0)
		servers += (uint64_t)reserve;
	servers *= pools_of(config, database);
	return most > 0 && servers > (uint64_t)most ? (uint64_t)most :
	    servers;
}

uint64_t
limits_expected_fds(const struct config *config, unsigned workers,
    unsigned listeners)
{
	/*
	 * Three for each slot, in use or not: eventfd and both ends of its
	 * inbox.
	 */
	uint64_t needed = (uint64_t)config->max_client_conn + BESIDE +
	    3 * (ROSTER_SLOTS + 1) + (uint64_t)listeners * workers;

	for (size_t i = 0; i < config->database_count; i++)
		needed += servers_of(config, &config->databases[i]);
	if (config->autodb != NULL)
		needed += servers_of(config, config->autodb);
	return needed;
}

/* What not even root may exceed. */
static uint64_t
most_fds_of_system(void)
{
	FILE *file = fopen("/proc/sys/fs/nr_open", "re");
	unsigned long long most = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%llu", &most) != 1)
		most = 0;
	fclose(file);
	return most;
}

uint64_t
limits_raise(uint64_t needed, uint64_t *hard_out)
{
	struct rlimit limit, wanted;
	uint64_t most = most_fds_of_system();

	*hard_out = 0;
	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return 0;
	wanted = limit;
	if (wanted.rlim_max < needed)
		wanted.rlim_max = needed < most ? needed : most;
	if (wanted.rlim_max < limit.rlim_max)
		wanted.rlim_max = limit.rlim_max;
	wanted.rlim_cur = wanted.rlim_max;
	/* Only root may raise the hard limit; the soft one anybody may. */
	if (setrlimit(RLIMIT_NOFILE, &wanted) == -1) {
		wanted.rlim_cur = wanted.rlim_max = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &wanted) == -1)
			wanted = limit;
	}
	*hard_out = wanted.rlim_max;
	return wanted.rlim_cur;
}
