#include "session/outstanding.h"

#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "wire/messages.h"

#define SMALLEST 16
/* A longer ring is not kept for a pipeline that may never come again. */
#define KEPT 4096

static struct request *
at(const struct outstanding *outstanding, uint32_t behind)
{
	return &outstanding->ring[(outstanding->head + behind) &
	    (outstanding->size - 1)];
}

struct request *
outstanding_head(const struct outstanding *outstanding)
{
	return outstanding->count == 0 ? NULL : at(outstanding, 0);
}

static bool
grow(struct outstanding *outstanding)
{
	uint32_t size = outstanding->size == 0 ? SMALLEST :
	    outstanding->size * 2;
	struct request *ring = malloc(size * sizeof(*ring));

	if (ring == NULL)
		return false;
	for (uint32_t i = 0; i < outstanding->count; i++)
		ring[i] = *at(outstanding, i);
	free(outstanding->ring);
	outstanding->ring = ring;
	outstanding->size = size;
	outstanding->head = 0;
	return true;
}

static bool
ends_with_ready(uint8_t type)
{
	return type == MESSAGE_QUERY || type == MESSAGE_FUNCTION_CALL ||
	    type == MESSAGE_SYNC;
}

/* --- what is changed by those on their way ------------------------------- */

static bool
changes_kind(const struct request *request, enum change_kind kind)
{
	unsigned unnamed = CHANGES_UNNAMED | CHANGES_UNNAMED_KNOWN;

	return kind == CHANGE_OF_UNNAMED ? request->changes & unnamed :
	    request->changes & ~unnamed;
}

static void
count_in(struct outstanding *outstanding, const struct request *request)
{
	if (LIKELY(request->changes == 0 && !ends_with_ready(request->type)))
		return;
	for (int kind = 0; kind < CHANGE_KINDS; kind++) {
		outstanding->changes[kind].open += changes_kind(request,
		    (enum change_kind)kind);
		if (!ends_with_ready(request->type))
			continue;
		outstanding->changes[kind].closed +=
		    outstanding->changes[kind].open;
		outstanding->changes[kind].open = 0;
	}
	outstanding->batches += ends_with_ready(request->type);
}

/*
 * What is counted is what there is.  To look costs a step for each: only for
 * a few of them.
 */
static bool
counts_agree(const struct outstanding *outstanding)
{
	struct outstanding again = { 0 };

	if (outstanding->count > SMALLEST)
		return true;
	for (uint32_t i = 0; i < outstanding->count; i++)
		count_in(&again, at(outstanding, i));
	return again.batches == outstanding->batches &&
	    memcmp(again.changes, outstanding->changes,
	    sizeof(again.changes)) == 0;
}

static void
count_out(struct outstanding *outstanding, const struct request *request)
{
	if (LIKELY(request->changes == 0 && !ends_with_ready(request->type)))
		return;
	for (int kind = 0; kind < CHANGE_KINDS; kind++) {
		if (!changes_kind(request, (enum change_kind)kind))
			continue;
		if (outstanding->changes[kind].closed > 0)
			outstanding->changes[kind].closed--;
		else
			outstanding->changes[kind].open--;
	}
	outstanding->batches -= ends_with_ready(request->type);
}

static void
tell_end(struct outstanding *outstanding, struct request *request,
    enum request_end end)
{
	if (UNLIKELY(request->changes != 0 || request->named != NULL ||
	    request->text != NULL))
		outstanding->on_end(outstanding->context, request, end);
}

/* --- in and out ---------------------------------------------------------- */

static bool
push_request(struct outstanding *outstanding, const struct request *request)
{
	if (outstanding->count == outstanding->size && !grow(outstanding))
		return false;
	*at(outstanding, outstanding->count++) = *request;
	outstanding->asked++;
	count_in(outstanding, request);
	return true;
}

static bool
push(struct outstanding *outstanding, uint8_t type)
{
	return push_request(outstanding, &(struct request){ .type = type });
}

/* The type of the oldest request; 0: none. */
static uint8_t
head(const struct outstanding *outstanding)
{
	return outstanding->count == 0 ? 0 : at(outstanding, 0)->type;
}

static void
pop(struct outstanding *outstanding, enum request_end end)
{
	struct request request = *at(outstanding, 0);

	outstanding->head = (outstanding->head + 1) & (outstanding->size - 1);
	outstanding->count--;
	count_out(outstanding, &request);
	tell_end(outstanding, &request, end);
	if (UNLIKELY(outstanding->count == 0 && outstanding->size > KEPT)) {
		free(outstanding->ring);
		outstanding->ring = NULL;
		outstanding->size = outstanding->head = 0;
	}
}

static void
pop_copy_ends(struct outstanding *outstanding)
{
	while (head(outstanding) == MESSAGE_COPY_DONE)
		pop(outstanding, REQUEST_DONE);
}

static void
pop_if(struct outstanding *outstanding, uint8_t type)
{
	if (head(outstanding) == type) {
		pop(outstanding, REQUEST_DONE);
		pop_copy_ends(outstanding);
	}
}

bool
outstanding_add(struct outstanding *outstanding,
    const struct request *request)
{
	INVARIANT(!outstanding->skipping && !outstanding->copying_in);
	return push_request(outstanding, request);
}

bool
outstanding_is_open(const struct outstanding *outstanding)
{
	return outstanding->count > 0 && !ends_with_ready(at(outstanding,
	    outstanding->count - 1)->type);
}

uint32_t
outstanding_ours(const struct outstanding *outstanding)
{
	uint32_t ours = 0;

	while (ours < outstanding->count &&
	    at(outstanding, ours)->flags & REQUEST_ANSWERED)
		ours++;
	return ours;
}

void
outstanding_answer_ourselves(struct outstanding *outstanding)
{
	INVARIANT(outstanding->count > 0 &&
	    at(outstanding, 0)->flags & REQUEST_ANSWERED);
	pop(outstanding, REQUEST_DONE);
	pop_copy_ends(outstanding);
}

/*
 * A mark, for later, of a client that did not wait to be asked for data.  The
 * server may ignore it without a word, so any number of them takes no more
 * memory than one.
 */
static bool
push_copy_end(struct outstanding *outstanding)
{
	struct request *last = at(outstanding, outstanding->count - 1);

	if (last->type != MESSAGE_COPY_DONE)
		return push(outstanding, MESSAGE_COPY_DONE);
	if (last->repeats < UINT32_MAX)
		last->repeats++;
	return true;
}

bool
outstanding_ask(struct outstanding *outstanding, uint8_t type)
{
	switch (type) {
	case MESSAGE_SYNC:
		if (outstanding->copying_in) {
			/*
			 * Ignored, unless the server has given up copying
			 * and we have not heard of it yet.
			 */
			outstanding->doubtful = true;
			return true;
		}
		outstanding->skipping = false;
		return push(outstanding, type);
	case MESSAGE_COPY_DONE:
	case MESSAGE_COPY_FAIL:
		if (!outstanding->copying_in && outstanding->count > 0)
			return push_copy_end(outstanding);
		outstanding->copying_in = false;
		return true;
	case MESSAGE_FLUSH:
	case MESSAGE_COPY_DATA:
		return true;
	default:
		if (outstanding->skipping)
			return true;
		return push(outstanding, type);
	}
}

struct request *
outstanding_beyond(struct outstanding *outstanding, uint8_t changes)
{
	while (outstanding->beyond < outstanding->count &&
	    !(at(outstanding, outstanding->beyond)->changes & changes))
		outstanding->beyond++;
	return outstanding->beyond < outstanding->count ? at(outstanding,
	    outstanding->beyond) : NULL;
}

/*
 * A query that fails is still to be followed by ReadyForQuery, but what it
 * would have changed did not come to be.
 */
static void
fail_query(struct outstanding *outstanding)
{
	struct request *request = at(outstanding, 0);

	count_out(outstanding, request);
	outstanding->batches++;
	outstanding->beyond = 1;
	tell_end(outstanding, request, REQUEST_FAILED);
	*request = (struct request){ .type = request->type,
	    .flags = request->flags };
}

/* All up to the next Sync: undone from the last to the first. */
static void
skip_to_sync(struct outstanding *outstanding)
{
	uint32_t skipped = 0;

	while (skipped < outstanding->count &&
	    at(outstanding, skipped)->type != MESSAGE_SYNC)
		skipped++;
	for (uint32_t i = 0; i < skipped; i++)
		count_out(outstanding, at(outstanding, i));
	outstanding->beyond = skipped;
	for (uint32_t i = skipped; i-- > 0;)
		tell_end(outstanding, at(outstanding, i),
		    i == 0 ? REQUEST_FAILED : REQUEST_SKIPPED);
	outstanding->head = (outstanding->head + skipped) &
	    (outstanding->size - 1);
	outstanding->count -= skipped;
	outstanding->skipping = outstanding->count == 0;
}

static void
on_error(struct outstanding *outstanding)
{
	outstanding->copying_in = false;
	pop_copy_ends(outstanding);
	if (outstanding->count == 0)
		return;
	if (!ends_with_ready(head(outstanding)))
		skip_to_sync(outstanding);
	else if (at(outstanding, 0)->changes != 0)
		fail_query(outstanding);
}

/* No batch has its end any more: what they change is in the one still open. */
static void
reopen(struct outstanding *outstanding)
{
	for (int kind = 0; kind < CHANGE_KINDS; kind++) {
		outstanding->changes[kind].open +=
		    outstanding->changes[kind].closed;
		outstanding->changes[kind].closed = 0;
	}
}

/*
 * Takes out so many behind the head, which moves up instead of all that is
 * behind them.  They change nothing; but what the head changes may have had
 * its end among them.
 */
static void
drop_behind_head(struct outstanding *outstanding, uint32_t dropped)
{
	if (dropped == 0)
		return;
	for (uint32_t i = 1; i <= dropped; i++)
		count_out(outstanding, at(outstanding, i));
	*at(outstanding, dropped) = *at(outstanding, 0);
	outstanding->head = (outstanding->head + dropped) &
	    (outstanding->size - 1);
	outstanding->count -= dropped;
	if (outstanding->batches == 0)
		reopen(outstanding);
	INVARIANT(counts_agree(outstanding));
}

/*
 * A client that did not know that a COPY would begin has sent Sync already;
 * the server reads it while it copies, and ignores it.  One that did know
 * may have sent everything already, the end of the data, too.
 */
static void
on_copy_in(struct outstanding *outstanding)
{
	uint32_t behind = 1;
	struct request *end;

	while (behind < outstanding->count &&
	    at(outstanding, behind)->type == MESSAGE_SYNC)
		behind++;
	end = behind < outstanding->count ? at(outstanding, behind) : NULL;
	outstanding->copying_in = end == NULL ||
	    end->type != MESSAGE_COPY_DONE;
	if (outstanding->copying_in)
		behind--;
	else if (end->repeats > 0) {
		end->repeats--;
		behind--;
	}
	drop_behind_head(outstanding, behind);
}

static void
on_ready(struct outstanding *outstanding)
{
	outstanding->copying_in = outstanding->skipping = false;
	pop_copy_ends(outstanding);
	while (outstanding->count > 0 && !ends_with_ready(head(outstanding))) {
		outstanding->doubtful = true;
		pop(outstanding, REQUEST_DONE);
	}
	if (outstanding->count > 0)
		pop(outstanding, REQUEST_DONE);
	else
		outstanding->doubtful = true;
	pop_copy_ends(outstanding);
}

bool
outstanding_expects(const struct outstanding *outstanding, uint8_t type)
{
	uint8_t asked = head(outstanding);

	switch (type) {
	case MESSAGE_PARSE_COMPLETE:
		return asked == MESSAGE_PARSE;
	case MESSAGE_BIND_COMPLETE:
		return asked == MESSAGE_BIND;
	case MESSAGE_CLOSE_COMPLETE:
		return asked == MESSAGE_CLOSE;
	case MESSAGE_PARAMETER_DESCRIPTION:
	case MESSAGE_NO_DATA:
		return asked == MESSAGE_DESCRIBE;
	case MESSAGE_PORTAL_SUSPENDED:
		return asked == MESSAGE_EXECUTE;
	case MESSAGE_ROW_DESCRIPTION:
		return asked == MESSAGE_DESCRIBE || asked == MESSAGE_QUERY;
	case MESSAGE_DATA_ROW:
	case MESSAGE_COMMAND_COMPLETE:
	case MESSAGE_EMPTY_QUERY_RESPONSE:
	case MESSAGE_COPY_IN_RESPONSE:
	case MESSAGE_COPY_OUT_RESPONSE:
	case MESSAGE_COPY_BOTH_RESPONSE:
		return asked == MESSAGE_EXECUTE || asked == MESSAGE_QUERY;
	case MESSAGE_READY_FOR_QUERY:
		return ends_with_ready(asked);
	default:
		return true;
	}
}

void
outstanding_answer(struct outstanding *outstanding, uint8_t type)
{
	switch (type) {
	case MESSAGE_DATA_ROW:
		return;
	case MESSAGE_READY_FOR_QUERY:
		on_ready(outstanding);
		return;
	case MESSAGE_ERROR_RESPONSE:
		on_error(outstanding);
		return;
	case MESSAGE_COMMAND_COMPLETE:
		outstanding->copying_in = false;
		pop_if(outstanding, MESSAGE_EXECUTE);
		return;
	case MESSAGE_EMPTY_QUERY_RESPONSE:
	case MESSAGE_PORTAL_SUSPENDED:
		pop_if(outstanding, MESSAGE_EXECUTE);
		return;
	case MESSAGE_ROW_DESCRIPTION:
	case MESSAGE_NO_DATA:
		pop_if(outstanding, MESSAGE_DESCRIBE);
		return;
	case MESSAGE_PARSE_COMPLETE:
		pop_if(outstanding, MESSAGE_PARSE);
		return;
	case MESSAGE_BIND_COMPLETE:
		pop_if(outstanding, MESSAGE_BIND);
		return;
	case MESSAGE_CLOSE_COMPLETE:
		pop_if(outstanding, MESSAGE_CLOSE);
		return;
	case MESSAGE_COPY_IN_RESPONSE:
	case MESSAGE_COPY_BOTH_RESPONSE:
		on_copy_in(outstanding);
		return;
	default:
		return;
	}
}

void
outstanding_reset(struct outstanding *outstanding)
{
	for (uint32_t i = outstanding->count; i-- > 0;)
		tell_end(outstanding, at(outstanding, i), REQUEST_LOST);
	outstanding->head = outstanding->count = outstanding->batches = 0;
	memset(outstanding->changes, 0, sizeof(outstanding->changes));
	outstanding->skipping = outstanding->copying_in = false;
	outstanding->doubtful = false;
}

void
outstanding_free(struct outstanding *outstanding)
{
	outstanding_reset(outstanding);
	free(outstanding->ring);
	*outstanding = (struct outstanding){ 0 };
}
