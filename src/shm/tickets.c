#include "shm/tickets.h"

#include <string.h>

#include "base/invariant.h"
#include "base/memory.h"
#include "base/random.h"

_Static_assert(sizeof(struct ticket_key) == 80 && TICKET_WORDS == 20,
    "keys are whole words");

/*
 * Who reads meanwhile sees the sequence odd, or changed, and reads again
 * (a sequence lock).  If the writer dies in between, so do its children.
 */
static void
write_keys(struct tickets *tickets, const struct ticket_key *keys)
{
	uint64_t words[TICKET_WORDS] = { 0 };

	memcpy(words, keys, sizeof(words));
	atomic_fetch_add(&tickets->sequence, 1);
	for (size_t i = 0; i < TICKET_WORDS; i++)
		atomic_store(&tickets->words[i], words[i]);
	atomic_fetch_add(&tickets->sequence, 1);
	memory_wipe(words, sizeof(words));
}

void
tickets_copy(struct tickets *tickets, struct ticket_key keys_out[TICKET_KEYS])
{
	uint64_t words[TICKET_WORDS] = { 0 };
	uint32_t before;

	do {
		before = atomic_load(&tickets->sequence);
		for (size_t i = 0; i < TICKET_WORDS; i++)
			words[i] = atomic_load(&tickets->words[i]);
	} while ((before & 1) != 0 ||
	    before != atomic_load(&tickets->sequence));
	memcpy(keys_out, words, sizeof(words));
	memory_wipe(words, sizeof(words));
}

void
tickets_create(struct tickets *tickets, usec_t now)
{
	struct ticket_key keys[TICKET_KEYS];

	random_fill(&keys[0], sizeof(keys[0]));
	random_fill(&keys[1], sizeof(keys[1]));
	write_keys(tickets, keys);
	atomic_store(&tickets->changed_at, now);
	memory_wipe(keys, sizeof(keys));
}

void
tickets_rotate(struct tickets *tickets, usec_t now)
{
	struct ticket_key keys[TICKET_KEYS];

	if (now - atomic_load(&tickets->changed_at) < TICKETS_PERIOD)
		return;
	tickets_copy(tickets, keys);
	keys[1] = keys[0];
	random_fill(&keys[0], sizeof(keys[0]));
	write_keys(tickets, keys);
	atomic_store(&tickets->changed_at, now);
	memory_wipe(keys, sizeof(keys));
}
