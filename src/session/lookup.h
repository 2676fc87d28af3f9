/*
 * Host names: sees to it that those in use are looked up, once for all
 * workers, and acts on the answers.  The table is shm/hosts.h, the look-ups
 * are the helper's.
 */
#ifndef SESSION_LOOKUP_H
#define SESSION_LOOKUP_H

#include "session/sessions.h"

/* This name is needed now; asks unless somebody has asked already. */
void lookup_ask(struct sessions *sessions, uint32_t host);

/* By the clock: asks for those names in use whose answers are too old. */
void lookup_tick(struct sessions *sessions);

/* This worker has servers that wait for this name: they look again. */
void lookup_wake(struct sessions *sessions, uint32_t host);

#endif
