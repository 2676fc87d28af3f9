/*
 * A pool's two lists, linked through the rows by index; under its lock.
 *
 *   idle:     head is the server used most recently
 *   waiting:  head is the client that has waited longest
 */
#ifndef POOL_LISTS_H
#define POOL_LISTS_H

#include "shm/segment.h"

void lists_push_idle(struct segment *segment, struct pool_row *pool,
    uint32_t server);
void lists_remove_idle(struct segment *segment, struct pool_row *pool,
    uint32_t server);
/* In its place by idle_since; for a rebuild. */
void lists_insert_idle(struct segment *segment, struct pool_row *pool,
    uint32_t server);

void lists_push_waiting(struct segment *segment, struct pool_row *pool,
    uint32_t client);
void lists_remove_waiting(struct segment *segment, struct pool_row *pool,
    uint32_t client);
/* In its place by wait_since; for a rebuild. */
void lists_insert_waiting(struct segment *segment, struct pool_row *pool,
    uint32_t client);

#endif
