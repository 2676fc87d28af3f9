/*
 * A segment with a pool and a few workers, for tests of src/pool: rows are
 * made the way that workers make them.
 */
#ifndef POOL_WORLD_H
#define POOL_WORLD_H

#include "pool/pool.h"

#define WORLD_WORKERS 4
#define WORLD_CLIENTS 24
#define WORLD_SERVERS 12

/* Moments of these tests: any large number. */
#define WORLD_NOW ((usec_t)1000 * USEC_PER_SEC)

struct pool_world {
	struct segment		*segment;
	uint32_t		 pool;
	struct pool_policy	 policy;	/* size 3, no time limits */
};

void pool_world_start(struct pool_world *world);
void pool_world_stop(struct pool_world *world);

struct pool_caller pool_world_caller(const struct pool_world *world,
    uint32_t worker, usec_t now);

struct pool_row *pool_world_row(const struct pool_world *world);
struct client_row *pool_world_client(const struct pool_world *world,
    uint32_t row);
struct server_row *pool_world_server(const struct pool_world *world,
    uint32_t row);

/* A client of this worker, logged in: IDLE. */
uint32_t pool_world_add_client(struct pool_world *world, uint32_t worker);

/* A connection that this worker has opened, all have its descriptor: IDLE. */
uint32_t pool_world_add_server(struct pool_world *world, uint32_t worker);
/* The same for a given moment. */
uint32_t pool_world_add_server_at(struct pool_world *world, uint32_t worker,
    usec_t now);

/* Takes for this client of this worker; NO_ROW: it waits. */
uint32_t pool_world_take(struct pool_world *world, uint32_t client,
    usec_t now);

/* Gives back what is linked to this client, as its worker does. */
enum pool_release pool_world_give_back(struct pool_world *world,
    uint32_t server, usec_t now, uint32_t *client_out);

/* All that must hold in a pool at rest does; says who asks if not. */
void pool_world_check(struct pool_world *world, const char *story);

#endif
