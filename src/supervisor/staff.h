/*
 * How many workers there are, and how that changes in a reload.
 *
 *   more    the slots get sockets, then workers; one that was about to retire
 *           stays
 *   fewer   the kernel gives connections to the others only; the surplus
 *           workers retire: they keep their clients, pass on whoever still
 *           comes, and end without any.  Then the slot is vacant.
 */
#ifndef SUPERVISOR_STAFF_H
#define SUPERVISOR_STAFF_H

#include "supervisor/parts.h"

/* Opens what so many workers need; on failure nothing has changed. */
bool staff_make_room(struct supervisor *supervisor, unsigned wanted,
    struct error *error) MUST_CHECK;

/* From now on so many; there is room for them. */
void staff_resize(struct supervisor *supervisor, unsigned wanted);

/* True: this death was the end of a retired worker, and all of it. */
bool staff_bury(struct supervisor *supervisor, const struct death *death);

/* By the clock: closes what vacant slots need no more. */
void staff_tidy(struct supervisor *supervisor, usec_t now);

bool staff_has_sockets(const struct supervisor *supervisor, unsigned slot);

#endif
