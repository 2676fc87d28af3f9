/*
 * A server whose client has left it in the middle of something.
 *
 * It is cancelled, heard to the end, rolled back and used again, if that is
 * safe and does not take long; if not it is closed, as before.
 *
 *	RELAYING -> CLEARING      the client is gone; nobody can take the
 *	               |          server: its row is TESTING
 *	               |    1. a batch without Sync is ended, by a ROLLBACK and
 *	               |       not by Sync alone, which would commit it
 *	               |    2. if anything is under way: a cancel request; not
 *	               |       if the client has said goodbye, because then
 *	               |       PostgreSQL, too, runs it to its end; one that
 *	               |       nothing follows is sent again
 *	               |    3. all answers are read and dropped
 *	               |    4. no cancel is on its way any more
 *	               +--> idle: done
 *	               v
 *	          ROLLING_BACK    it was in a transaction
 *	               +--> done: the reset query, or the next client
 *
 * The order of 3, 4 and ROLLBACK matters: a cancel that comes late would hit
 * the ROLLBACK, or the next client's query.
 */
#ifndef SESSION_CLEARING_H
#define SESSION_CLEARING_H

#include "session/server.h"

/* No longer than this, all steps together; then it is closed. */
#define CLEARING_TIMEOUT (2 * USEC_PER_SEC)
/* So long behind a cancel that PostgreSQL seems not to have heard, one more. */
#define CANCEL_AGAIN (500 * USEC_PER_MSEC)

/* Why it is closed, in PgBouncer's words. */
#define CLEARING_FAILED "client disconnect while server was not ready"

/*
 * This server, RELAYING and ours, has lost its client and is not clean.  It
 * may be closed when this returns, with this reason or a better one, or be
 * somebody else's already.
 */
void clearing_begin(struct server *server, bool said_goodbye,
    const char *reason);

/* CLEARING: something was heard, or has ended. */
void clearing_go_on(struct server *server);

/* Our cancel request has reached PostgreSQL, or nobody knows that it has. */
void clearing_cancelled(struct server *server, bool delivered);

/* By the clock, in any step. */
void clearing_tick(struct server *server);

#endif
