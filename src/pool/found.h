/*
 * Secrets that auth_query has found, by pool: see struct found_secret.
 *
 * A pool's user logs in at PostgreSQL with what was found for his last login,
 * whichever worker asked and whichever opens the connection.  `generation` is
 * that of the pool's row: another pool in the same row gets nothing of it.
 */
#ifndef POOL_FOUND_H
#define POOL_FOUND_H

#include "pool/pool.h"

struct found_news {
	const char	*secret;
	const uint8_t	*keys;		/* FOUND_KEYS_BYTES; NULL: none learnt */
	usec_t		 found_at;
};

/*
 * A login with this secret was granted.  Keys that were learnt with another
 * secret go; one that was found later stays.  A secret that is too long is
 * not kept.
 */
void found_keep(const struct pool_caller *caller, uint32_t pool,
    uint32_t generation, const struct found_news *news);

/* A copy, to be wiped by the caller; false: none is known. */
bool found_recall(const struct pool_caller *caller, uint32_t pool,
    uint32_t generation, struct found_secret *found_out) MUST_CHECK;

/* Wipes what was found so long ago, if the pool has no client any more. */
void found_expire(const struct pool_caller *caller, uint32_t pool,
    usec_t after);

#endif
