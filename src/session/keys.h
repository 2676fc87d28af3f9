/*
 * What is learnt about a user's secret at one login and saves work at the
 * next, in whichever worker: kept in the user's row.
 *
 * Each is bound to the secret that it came from (by digest), so that a
 * changed auth file makes it void.
 */
#ifndef SESSION_KEYS_H
#define SESSION_KEYS_H

#include "auth/scram.h"
#include "shm/segment.h"

/* The SCRAM secret derived before from this plain-text secret. */
bool keys_recall_derived(struct segment *segment, const char *user,
    const char *secret, struct scram_secret *derived_out) MUST_CHECK;
void keys_keep_derived(struct segment *segment, const char *user,
    const char *secret, const struct scram_secret *derived);

/* What opens PostgreSQL for this user, learnt when a client logged in. */
bool keys_recall(struct segment *segment, const char *user,
    const char *secret, struct scram_keys *keys_out) MUST_CHECK;
void keys_keep(struct segment *segment, const char *user, const char *secret,
    const struct scram_keys *keys);

#endif
