/*
 * Changing the configuration, for all processes at once.
 *
 *   HUP, RELOAD ------+
 *   SET, RESET -------+-> load -> bundle to each worker -> all DONE -> answer
 *   a new auth file --+    |
 *                          +-> wrong: nothing changes, the answer says why
 *
 * A worker that dies meanwhile is not waited for: its replacement is born
 * with the new configuration.
 */
#ifndef SUPERVISOR_RELOAD_H
#define SUPERVISOR_RELOAD_H

#include "supervisor/parts.h"

/* Reads now, or right after the reload that is under way. */
void reload_begin(struct supervisor *supervisor);

/* RELOAD or SET from a console, which gets an answer. */
void reload_ask(struct supervisor *supervisor, unsigned slot,
    const struct order *order);

/* Has the auth file changed? At most once a second. */
void reload_look_at_files(struct supervisor *supervisor);

/* The worker of this slot works with that generation now. */
void reload_note_done(struct supervisor *supervisor, unsigned slot,
    uint32_t generation);

/* The worker of this slot serves: a reload may have asked for it. */
void reload_note_ready(struct supervisor *supervisor, unsigned slot);

/* The worker is dead: nobody waits for it, and it needs no answer. */
void reload_forget(struct supervisor *supervisor, unsigned slot);

/* Gives up waiting for workers that do not answer. */
void reload_check(struct supervisor *supervisor, usec_t now);

/* Frees what it keeps. */
void reload_end(struct supervisor *supervisor);

#endif
