#include "session/outstanding.h"

#include <stdlib.h>

#include "wire/messages.h"

#define SMALLEST 16

static bool
grow(struct outstanding *outstanding)
{
	uint32_t size = outstanding->size == 0 ? SMALLEST :
	    outstanding->size * 2;
	uint8_t *ring = malloc(size);

	if (ring == NULL)
		return false;
	for (uint32_t i = 0; i < outstanding->count; i++)
		ring[i] = outstanding->ring[(outstanding->head + i) &
		    (outstanding->size - 1)];
	free(outstanding->ring);
	outstanding->ring = ring;
	outstanding->size = size;
	outstanding->head = 0;
	return true;
}

static bool
push(struct outstanding *outstanding, uint8_t type)
{
	if (outstanding->count == outstanding->size && !grow(outstanding))
		return false;
	outstanding->ring[(outstanding->head + outstanding->count++) &
	    (outstanding->size - 1)] = type;
	return true;
}

/* The oldest request; 0: none. */
static uint8_t
head(const struct outstanding *outstanding)
{
	return outstanding->count == 0 ? 0 :
	    outstanding->ring[outstanding->head];
}

static void
pop(struct outstanding *outstanding)
{
	outstanding->head = (outstanding->head + 1) & (outstanding->size - 1);
	outstanding->count--;
}

static void
pop_copy_ends(struct outstanding *outstanding)
{
	while (head(outstanding) == MESSAGE_COPY_DONE)
		pop(outstanding);
}

static void
pop_if(struct outstanding *outstanding, uint8_t type)
{
	if (head(outstanding) == type) {
		pop(outstanding);
		pop_copy_ends(outstanding);
	}
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
		/* A client that did not wait to be asked: a mark, for later. */
		if (!outstanding->copying_in && outstanding->count > 0)
			return push(outstanding, MESSAGE_COPY_DONE);
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

static bool
ends_with_ready(uint8_t type)
{
	return type == MESSAGE_QUERY || type == MESSAGE_FUNCTION_CALL ||
	    type == MESSAGE_SYNC;
}

static void
on_error(struct outstanding *outstanding)
{
	outstanding->copying_in = false;
	pop_copy_ends(outstanding);
	if (outstanding->count == 0 || ends_with_ready(head(outstanding)))
		return;
	while (outstanding->count > 0 && head(outstanding) != MESSAGE_SYNC)
		pop(outstanding);
	outstanding->skipping = outstanding->count == 0;
}

/* Takes out the request behind the head. */
static void
drop_second(struct outstanding *outstanding)
{
	uint32_t mask = outstanding->size - 1;

	for (uint32_t i = 1; i + 1 < outstanding->count; i++)
		outstanding->ring[(outstanding->head + i) & mask] =
		    outstanding->ring[(outstanding->head + i + 1) & mask];
	outstanding->count--;
}

static uint8_t
second(const struct outstanding *outstanding)
{
	return outstanding->count < 2 ? 0 : outstanding->ring[
	    (outstanding->head + 1) & (outstanding->size - 1)];
}

/*
 * A client that did not know that a COPY would begin has sent Sync already;
 * the server reads it while it copies, and ignores it.  One that did know
 * may have sent everything already, the end of the data, too.
 */
static void
on_copy_in(struct outstanding *outstanding)
{
	while (second(outstanding) == MESSAGE_SYNC)
		drop_second(outstanding);
	outstanding->copying_in = second(outstanding) != MESSAGE_COPY_DONE;
	if (!outstanding->copying_in)
		drop_second(outstanding);
}

static void
on_ready(struct outstanding *outstanding)
{
	outstanding->copying_in = outstanding->skipping = false;
	pop_copy_ends(outstanding);
	while (outstanding->count > 0 && !ends_with_ready(head(outstanding))) {
		outstanding->doubtful = true;
		pop(outstanding);
	}
	if (outstanding->count > 0)
		pop(outstanding);
	else
		outstanding->doubtful = true;
	pop_copy_ends(outstanding);
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
	outstanding->head = outstanding->count = 0;
	outstanding->skipping = outstanding->copying_in = false;
	outstanding->doubtful = false;
}

void
outstanding_free(struct outstanding *outstanding)
{
	free(outstanding->ring);
	*outstanding = (struct outstanding){ 0 };
}
