#include "session/clearing.h"

#include "base/invariant.h"
#include "session/cancel.h"
#include "session/prepared.h"
#include "session/server_parts.h"
#include "wire/messages.h"

/*
 * Both sides agree about what was sent and what is to come.  While it copies
 * in it would wait for data, and not even look for a cancel.
 */
static bool
can_be_cleared(const struct server *server)
{
	const struct outstanding *outstanding = &server->outstanding;

	return server->step == SERVER_RELAYING && !server->asks &&
	    !outstanding->doubtful && !outstanding->copying_in &&
	    !server_has_backlog(server) &&
	    server_row(server)->close_needed == CLOSE_NOT_NEEDED;
}

/* Answers that would be ours to give: nobody wants them. */
static void
drop_our_answers(struct server *server)
{
	struct scratch *scratch = &server->sessions->scratch;
	struct edit edit = edit_begin(scratch, NULL);

	if (LIKELY(outstanding_ours(&server->outstanding) == 0))
		return;
	prepared_answer(server, &edit);
	scratch_trim(scratch);
}

/* Something was asked since it was ready last, without a Sync at the end. */
static bool
has_open_batch(const struct server *server)
{
	const struct outstanding *outstanding = &server->outstanding;

	return outstanding_is_open(outstanding) || outstanding->skipping ||
	    (outstanding->count == 0 && server->status == 0);
}

/*
 * PostgreSQL rolls back what has no Sync when a client goes, so it must not
 * be given one alone.  After an error it skips the ROLLBACK, which then is
 * not needed.  False: the server is closed.
 */
static bool
end_batch(struct server *server)
{
	uint8_t memory[64];
	struct writer writer = writer_of(memory, sizeof(memory));

	if (!has_open_batch(server))
		return true;
	if (!outstanding_ask(&server->outstanding, MESSAGE_QUERY) ||
	    !outstanding_ask(&server->outstanding, MESSAGE_SYNC)) {
		server_close(server, "out of memory");
		return false;
	}
	write_query(&writer, "ROLLBACK");
	writer_begin(&writer, MESSAGE_SYNC);
	writer_end(&writer);
	INVARIANT(!writer.failed);
	return server_send(server, writer.bytes, writer.used);
}

void
clearing_begin(struct server *server, bool said_goodbye, const char *reason)
{
	struct pool_caller caller = sessions_caller(server->sessions);
	bool is_busy;

	if (!can_be_cleared(server)) {
		server_close(server, server_has_backlog(server) ?
		    "client disconnect before everything was sent to the "
		    "server" : reason);
		return;
	}
	pool_begin_test(&caller, server->row);
	server_enter(server, SERVER_CLEARING);
	server->deadline = caller.now + CLEARING_TIMEOUT;
	server->cancelled_at = 0;
	drop_our_answers(server);
	is_busy = server->outstanding.count > 0;
	if (!end_batch(server))
		return;
	if (is_busy && !said_goodbye && !cancel_begin_own(server))
		server_close(server, reason);
	else
		clearing_go_on(server);
}

void
clearing_go_on(struct server *server)
{
	if (server->step != SERVER_CLEARING)
		return;			/* closed by what was heard */
	drop_our_answers(server);
	if (server->unfit || server->outstanding.doubtful ||
	    server->outstanding.copying_in) {
		server_close(server, CLEARING_FAILED);
		return;
	}
	/* Without a lock: of one that has no client they only get fewer. */
	if (!server_has_answered(server) || __atomic_load_n(
	    &server_row(server)->cancels, __ATOMIC_ACQUIRE) > 0)
		return;
	if (server->status == TRANSACTION_NONE) {
		server_reset_or_release(server);
		return;
	}
	server_enter(server, SERVER_ROLLING_BACK);
	(void)!server_send_query(server, "ROLLBACK");
}

void
clearing_cancelled(struct server *server, bool delivered)
{
	if (server->step != SERVER_CLEARING)
		return;
	server->cancelled_at = loop_now(server->sessions->loop);
	if (delivered)
		clearing_go_on(server);
	else
		server_close(server, CLEARING_FAILED);
}

/*
 * PostgreSQL forgets a cancel that comes before it has read the query.  Who
 * has said something since was at work, and has heard it.
 */
static bool
has_not_heard(const struct server *server, usec_t now)
{
	return server->step == SERVER_CLEARING && server->cancelled_at != 0 &&
	    server->answered_at < server->cancelled_at &&
	    now - server->cancelled_at >= CANCEL_AGAIN &&
	    !server_has_answered(server) && __atomic_load_n(
	    &server_row(server)->cancels, __ATOMIC_ACQUIRE) == 0;
}

void
clearing_tick(struct server *server)
{
	usec_t now = loop_now(server->sessions->loop);

	if (server->step != SERVER_CLEARING &&
	    server->step != SERVER_ROLLING_BACK)
		return;
	if (now >= server->deadline)
		server_close(server, CLEARING_FAILED);
	else if (has_not_heard(server, now))
		(void)!cancel_begin_own(server);
	else	/* what other workers had under way may have ended */
		clearing_go_on(server);
}
