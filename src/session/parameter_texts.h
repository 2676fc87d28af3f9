/*
 * Values of settings that are too long for a row of the segment.
 *
 * In their place stands what they are known by: a digest.  The texts are in
 * the memory of each worker that has a client that wants them, once for all
 * of its clients; a server's row says with the digest alone whether the
 * server has what is wanted.
 *
 *	place in a row   "UTC\0..."                      short: the value
 *	                 "9f86d081884c7d659a2f...\0..1"  long: the digest, and
 *	                                                 1 in the last byte
 *
 * A text is kept as long as somebody has kept it, and what came last is kept
 * for a while without that, so that it can be.
 */
#ifndef SESSION_PARAMETER_TEXTS_H
#define SESSION_PARAMETER_TEXTS_H

#include "shm/servers.h"

/* That many last ones are there although nobody keeps them. */
#define PARAMETER_TEXTS_RECENT 32

struct parameter_texts;

struct parameter_texts *parameter_texts_create(void);
void parameter_texts_destroy(struct parameter_texts *texts);

/* Does a digest stand in this place? */
static inline bool
parameter_is_long(const char place[PARAMETER_VALUE_BYTES])
{
	return place[PARAMETER_VALUE_BYTES - 1] != '\0';
}

/* Its digest into this place, which is zeroed. False: no memory. */
bool parameter_texts_put(struct parameter_texts *texts, const char *value,
    char place[PARAMETER_VALUE_BYTES]) MUST_CHECK;

/* NULL: it is not here (another worker has put it there). */
const char *parameter_texts_find(const struct parameter_texts *texts,
    const char place[PARAMETER_VALUE_BYTES]);

/* False: it is not here. */
bool parameter_texts_keep(struct parameter_texts *texts,
    const char place[PARAMETER_VALUE_BYTES]) MUST_CHECK;
/* Of one that was kept. */
void parameter_texts_release(struct parameter_texts *texts,
    const char place[PARAMETER_VALUE_BYTES]);

#endif
