/*
 * The channels between processes that outlive each single worker.
 *
 * An inbox belongs to a slot: what is in it when a worker dies is read by its
 * replacement, and so it is with questions to the helper.  The lifeline has one write end, here: its other ends see the
 * end of file when the supervisor is gone, however it went.
 */
#ifndef SUPERVISOR_CHANNELS_H
#define SUPERVISOR_CHANNELS_H

#include "base/base.h"
#include "base/error.h"
#include "shm/roster.h"

#define CHANNELS_SUPERVISOR ROSTER_SLOTS	/* its place in the arrays */

struct channels {
	unsigned slots;
	int	 inboxes[ROSTER_SLOTS + 1];	/* read ends; -1: unused */
	int	 outboxes[ROSTER_SLOTS + 1];	/* write ends */
	int	 questions[2];			/* to the helper: [0] is its */
	int	 lifeline[2];
};

bool channels_open(struct channels *channels, unsigned slots,
    struct error *error) MUST_CHECK;
void channels_close(struct channels *channels);

/* In the child of this slot: only its own inbox, no hold on the lifeline. */
void channels_leave(struct channels *channels, unsigned slot);
/* In the exporter: nothing but the end of the lifeline. */
void channels_leave_for_exporter(struct channels *channels);
/* In the helper: only the questions. */
void channels_leave_for_helper(struct channels *channels);

#endif
