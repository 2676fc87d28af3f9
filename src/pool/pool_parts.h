/*
 * What the files of a pool share among themselves: pool.c (who gets a server,
 * who waits), pool_servers.c (connections that come and go), pool_cancel.c
 * (cancel requests).  Nobody else includes this.  All but the looks at a
 * row's own fields is for who holds the pool's lock.
 */
#ifndef POOL_POOL_PARTS_H
#define POOL_POOL_PARTS_H

#include "pool/pool.h"

static inline void
pool_set_server_phase(struct server_row *server, enum server_phase phase)
{
	atomic_store_explicit(&server->phase, phase, memory_order_release);
}

static inline void
pool_set_client_phase(struct client_row *client, enum client_phase phase)
{
	atomic_store_explicit(&client->phase, phase, memory_order_release);
}

static inline bool
pool_has_descriptor(const struct server_row *server, uint32_t worker)
{
	return atomic_load_explicit(&server->has_fd, memory_order_acquire) >>
	    worker & 1;
}

static inline bool
pool_is_mine(const struct pool_caller *caller, const struct server_row *server)
{
	return atomic_load_explicit(&server->worker, memory_order_relaxed) ==
	    caller->worker;
}

static inline bool
pool_has_its_tls(const struct pool_caller *caller,
    const struct server_row *server)
{
	return server->tls_owner == caller->worker + 1;
}

/* Both rows say so: the server's is the one that decides (repair.c). */
void pool_link_rows(struct segment *segment, uint32_t server_row,
    uint32_t client_row, enum server_phase server_phase,
    enum client_phase client_phase);

/* How long after a failure it tries again: the same for all workers. */
usec_t pool_retry_after(const struct pool_row *pool,
    const struct pool_policy *policy) MUST_CHECK;

/* Why a server is not to be used again; NULL: it is. */
const char *pool_why_close(const struct pool_caller *caller,
    struct pool_row *pool, uint32_t pool_index,
    const struct server_row *server, const struct pool_policy *policy)
    MUST_CHECK;

/* It is CLOSING and counts until PostgreSQL has hung up. */
void pool_begin_closing(const struct pool_caller *caller,
    struct pool_row *pool, struct server_row *server);

#endif
