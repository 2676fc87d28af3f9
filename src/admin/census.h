/*
 * Who is where: all pools in the order of reports, and how many clients and
 * servers in which state each of them has.
 *
 * Made anew for each report by one walk over the rows.  The console's own
 * pool (pgbouncer, pgbouncer) is always there; it has no row.
 */
#ifndef ADMIN_CENSUS_H
#define ADMIN_CENSUS_H

#include "admin/console.h"
#include "admin/rows.h"

struct census_pool {
	const char	*database, *user;
	uint32_t	 row;		/* NO_ROW: the console's */
	uint32_t	 database_row, user_row;
	uint32_t	 clients[CLIENT_STATES];
	uint32_t	 servers[SERVER_STATES];
	usec_t		 longest_wait;	/* of those who wait now */
};

struct census {
	struct census_pool	*pools;		/* by database, then user */
	uint32_t		 count;
	/* Sockets of no pool yet count here only. */
	uint32_t		 clients[CLIENT_STATES];
	uint32_t		 all_clients, all_servers; /* rows in use */
	uint32_t		*places;	/* pool row -> place in pools */
	uint32_t		 place_count;
	uint32_t		 console_place;
};

#define CENSUS_NOWHERE UINT32_MAX

/*
 * Lists the pools and counts nobody.  False: no memory, nothing to free.
 * What is listed is freed by census_free.
 */
bool census_list(const struct console_env *env, struct census *census_out)
    MUST_CHECK;

/* Lists and counts. */
bool census_take(const struct console_env *env, struct census *census_out)
    MUST_CHECK;

void census_free(struct census *census);

/* Where a client or server belongs in census->pools, or CENSUS_NOWHERE. */
uint32_t census_place_of_client(const struct census *census,
    const struct client_row *client);
uint32_t census_place_of_server(const struct census *census,
    const struct server_row *server);

/* The pools of one database: from *first_out on, so many. */
uint32_t census_pools_of(const struct census *census, const char *database,
    uint32_t *first_out);

/* Over an array of a pool's states, from one state to another. */
uint32_t census_sum(const uint32_t *states, unsigned from, unsigned to);

#endif
