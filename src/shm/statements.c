#include "shm/statements.h"

#include <string.h>

#include "base/invariant.h"

#define SLOTS_LEAST 64

/* Digests are as good as random: some of their bits say where to look. */
static uint32_t
home_of(const struct server_statements *statements, const uint8_t *digest)
{
	uint32_t bits;

	memcpy(&bits, digest, sizeof(bits));
	return bits & (statements->slots - 1);
}

static bool
is_laid_out(const struct server_statements *statements)
{
	uint32_t slots = statements->slots;

	/* Another process wrote it. */
	INVARIANT(slots <= STATEMENTS_SLOTS && (slots & (slots - 1)) == 0);
	INVARIANT(statements->count <= slots / 2 &&
	    statements->awaited <= statements->count);
	return slots != 0;
}

/* Where it is, or the free slot where it would be. */
static uint32_t
look_up(const struct server_statements *statements, const uint8_t *digest)
{
	uint32_t at = home_of(statements, digest);

	while (statements->slot[at].state != STATEMENT_ABSENT &&
	    memcmp(statements->slot[at].digest, digest,
	    STATEMENT_DIGEST_BYTES) != 0)
		at = (at + 1) & (statements->slots - 1);
	return at;
}

enum statement_state
statements_find(const struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES])
{
	if (!is_laid_out(statements))
		return STATEMENT_ABSENT;
	return (enum statement_state)statements->slot[look_up(statements,
	    digest)].state;
}

void
statements_touch(struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES])
{
	struct statement_slot *slot;

	INVARIANT(is_laid_out(statements));
	slot = &statements->slot[look_up(statements, digest)];
	INVARIANT(slot->state != STATEMENT_ABSENT);
	/* The one used last is used again: nothing to write. */
	if (slot->used != statements->clock)
		slot->used = ++statements->clock;
}

static void
lay_out(struct server_statements *statements, uint32_t limit)
{
	uint32_t slots = SLOTS_LEAST;

	while (slots < STATEMENTS_SLOTS && slots / 2 < limit)
		slots *= 2;
	memset(statements->slot, 0, slots * sizeof(statements->slot[0]));
	statements->slots = slots;
	statements->count = statements->clock = statements->awaited = 0;
}

/* Into another number of slots, in place: out with all and in again. */
static bool
widen(struct server_statements *statements)
{
	uint32_t old = statements->slots, count = 0;
	struct statement_slot kept[STATEMENTS_SLOTS / 4];

	if (old == STATEMENTS_SLOTS)
		return false;
	for (uint32_t i = 0; i < old; i++)
		if (statements->slot[i].state != STATEMENT_ABSENT)
			kept[count++] = statements->slot[i];
	memset(statements->slot, 0, 2 * old * sizeof(statements->slot[0]));
	statements->slots = 2 * old;
	for (uint32_t i = 0; i < count; i++)
		statements->slot[look_up(statements, kept[i].digest)] =
		    kept[i];
	return true;
}

bool
statements_add(struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES], uint32_t limit)
{
	struct statement_slot *slot;

	if (!is_laid_out(statements))
		lay_out(statements, limit);
	slot = &statements->slot[look_up(statements, digest)];
	if (slot->state == STATEMENT_ABSENT) {
		if (statements->count == statements->slots / 2) {
			if (!widen(statements))
				return false;
			slot = &statements->slot[look_up(statements, digest)];
		}
		memcpy(slot->digest, digest, STATEMENT_DIGEST_BYTES);
		statements->count++;
	}
	slot->state = STATEMENT_THERE;
	slot->used = ++statements->clock;
	return true;
}

/*
 * What lies behind a freed slot may have been put there because it was taken:
 * it moves up, so that it is found again.
 */
static void
close_gap(struct server_statements *statements, uint32_t gap)
{
	uint32_t mask = statements->slots - 1, at = gap;

	for (;;) {
		uint32_t home;

		at = (at + 1) & mask;
		if (statements->slot[at].state == STATEMENT_ABSENT)
			break;
		home = home_of(statements, statements->slot[at].digest);
		if (((at - home) & mask) < ((at - gap) & mask))
			continue;	/* its home is behind the gap */
		statements->slot[gap] = statements->slot[at];
		gap = at;
	}
	memset(&statements->slot[gap], 0, sizeof(statements->slot[gap]));
}

void
statements_remove(struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES])
{
	uint32_t at;

	if (!is_laid_out(statements))
		return;
	at = look_up(statements, digest);
	if (statements->slot[at].state == STATEMENT_ABSENT)
		return;
	statements->awaited -= statements->slot[at].is_awaited;
	close_gap(statements, at);
	statements->count--;
}

bool
statements_oldest(const struct server_statements *statements,
    uint8_t digest_out[STATEMENT_DIGEST_BYTES])
{
	const struct statement_slot *oldest = NULL;

	if (!is_laid_out(statements))
		return false;
	for (uint32_t i = 0; i < statements->slots; i++) {
		const struct statement_slot *slot = &statements->slot[i];

		if (slot->state == STATEMENT_ABSENT)
			continue;
		/* The clock may have come round: by age, not by value. */
		if (oldest == NULL || statements->clock - slot->used >
		    statements->clock - oldest->used)
			oldest = slot;
	}
	if (oldest == NULL)
		return false;
	memcpy(digest_out, oldest->digest, STATEMENT_DIGEST_BYTES);
	return true;
}

void
statements_doubt(struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES])
{
	INVARIANT(statements_find(statements, digest) != STATEMENT_ABSENT);
	statements->slot[look_up(statements, digest)].state = STATEMENT_STALE;
}

void
statements_make_stale(struct server_statements *statements)
{
	if (!is_laid_out(statements))
		return;
	for (uint32_t i = 0; i < statements->slots; i++)
		if (statements->slot[i].state != STATEMENT_ABSENT)
			statements->slot[i].state = STATEMENT_STALE;
}

/* --- those whose Parse is outstanding ------------------------------------ */

#define NUMBER_MASK ((1u << STATEMENT_NUMBER_BITS) - 1)

void
statements_await(struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES], uint64_t number)
{
	struct statement_slot *slot;

	INVARIANT(is_laid_out(statements));
	slot = &statements->slot[look_up(statements, digest)];
	INVARIANT(slot->state != STATEMENT_ABSENT);
	statements->awaited += !slot->is_awaited;
	slot->is_awaited = 1;
	slot->number = number & NUMBER_MASK;
}

bool
statements_is_awaited(const struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES], uint64_t next,
    uint64_t *number_out)
{
	const struct statement_slot *slot;

	if (!is_laid_out(statements))
		return false;
	slot = &statements->slot[look_up(statements, digest)];
	if (slot->state == STATEMENT_ABSENT || !slot->is_awaited)
		return false;
	*number_out = next - ((next - slot->number) & NUMBER_MASK);
	return true;
}

void
statements_settle(struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES], uint64_t number)
{
	struct statement_slot *slot;

	if (!is_laid_out(statements))
		return;
	slot = &statements->slot[look_up(statements, digest)];
	if (slot->state == STATEMENT_ABSENT || !slot->is_awaited ||
	    slot->number != (number & NUMBER_MASK))
		return;
	slot->is_awaited = 0;
	statements->awaited--;
}

void
statements_clear_settled(struct server_statements *statements)
{
	if (statements->awaited == 0) {
		statements_clear(statements);
		return;
	}
	/* Into a gap comes what lies behind it, so that is looked at again. */
	for (uint32_t i = 0; i < statements->slots &&
	    statements->count > statements->awaited;) {
		if (statements->slot[i].state == STATEMENT_ABSENT ||
		    statements->slot[i].is_awaited) {
			i++;
			continue;
		}
		close_gap(statements, i);
		statements->count--;
	}
}

void
statements_clear(struct server_statements *statements)
{
	statements->count = statements->slots = statements->clock = 0;
	statements->awaited = 0;
}
