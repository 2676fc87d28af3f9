/*
 * One lock guards names, answers and what is known of addresses: they are
 * touched when a connection is opened, not when it is used.  A row says while
 * it is half written; whoever finds that its writer died forgets its answer,
 * which is then looked up anew.
 */
#include "shm/hosts.h"

#include <string.h>

#include "base/invariant.h"
#include "shm/segment.h"

void
hosts_create(struct segment *segment)
{
	lock_create(&segment->hosts_head->lock);
}

static uint32_t
rows_used(struct segment *segment)
{
	uint32_t used = atomic_load(&segment->hosts_head->used);

	INVARIANT(used <= segment->size.hosts);
	return used;
}

struct host_row *
hosts_row(struct segment *segment, uint32_t row)
{
	if (row == NO_ROW)
		return NULL;
	INVARIANT(row < segment->size.hosts);
	return &segment->hosts[row];
}

static void
forget_answer(struct host_row *host)
{
	host->state = HOST_UNKNOWN;
	host->addresses.count = 0;
	memset(host->failed_at, 0, sizeof(host->failed_at));
	atomic_store(&host->expires_at, 0);
	atomic_store(&host->asked_at, 0);
}

/* Names are whole before `used` says so: only answers can be half there. */
static void
repair(struct segment *segment)
{
	for (uint32_t row = 0; row < rows_used(segment); row++) {
		struct host_row *host = &segment->hosts[row];

		if (!host->writing)
			continue;
		forget_answer(host);
		host->writing = 0;
	}
}

static void
take_lock(struct segment *segment)
{
	if (!lock_take(&segment->hosts_head->lock))
		repair(segment);
}

static void
release_lock(struct segment *segment)
{
	lock_release(&segment->hosts_head->lock);
}

/* --- names --------------------------------------------------------------- */

static bool
is_named(const struct host_row *host, const char *name)
{
	return atomic_load(&host->used) && strcmp(host->name, name) == 0;
}

static uint32_t
find(struct segment *segment, const char *name)
{
	for (uint32_t row = 0; row < rows_used(segment); row++)
		if (is_named(&segment->hosts[row], name))
			return row;
	return NO_ROW;
}

static bool
is_forgotten(const struct host_row *host, usec_t now)
{
	return !atomic_load(&host->used) ||
	    now - atomic_load(&host->wanted_at) > HOSTS_FORGOTTEN;
}

/* A new row, else one whose name nobody wanted for long. */
static uint32_t
choose_row(struct segment *segment, usec_t now)
{
	uint32_t used = rows_used(segment);

	if (used < segment->size.hosts)
		return used;
	for (uint32_t row = 0; row < used; row++)
		if (is_forgotten(&segment->hosts[row], now))
			return row;
	return NO_ROW;
}

static void
name_row(struct segment *segment, uint32_t row, const char *name)
{
	struct host_row *host = &segment->hosts[row];

	atomic_store(&host->used, 0);
	forget_answer(host);
	host->result = 0;
	atomic_store(&host->waiting, 0);
	strcpy(host->name, name);
	atomic_store(&host->used, 1);
	if (row >= rows_used(segment))
		atomic_store(&segment->hosts_head->used, row + 1);
}

uint32_t
hosts_find(struct segment *segment, const char *name, usec_t now)
{
	uint32_t row, guess;

	if (strlen(name) >= HOST_NAME_BYTES)
		return NO_ROW;
	/* A glance, so that the lock is not held for a walk over all names. */
	guess = find(segment, name);
	take_lock(segment);
	row = guess != NO_ROW && is_named(&segment->hosts[guess], name) ?
	    guess : find(segment, name);
	if (row == NO_ROW && (row = choose_row(segment, now)) != NO_ROW)
		name_row(segment, row, name);
	if (row != NO_ROW)
		atomic_store(&segment->hosts[row].wanted_at, now);
	release_lock(segment);
	return row;
}

void
hosts_note_use(struct segment *segment, uint32_t row, usec_t now)
{
	struct host_row *host = hosts_row(segment, row);

	/* Often enough, and the line is not passed round for nothing. */
	if (host != NULL && now - atomic_load_explicit(&host->wanted_at,
	    memory_order_relaxed) > HOSTS_IN_USE / 8)
		atomic_store(&host->wanted_at, now);
}

/* --- questions ----------------------------------------------------------- */

static bool
is_due(const struct host_row *host, usec_t now)
{
	return atomic_load(&host->used) &&
	    now >= atomic_load(&host->expires_at) &&
	    now - atomic_load(&host->wanted_at) < HOSTS_IN_USE;
}

bool
hosts_claim_question(struct segment *segment, uint32_t row, usec_t now)
{
	struct host_row *host = hosts_row(segment, row);
	uint32_t life = atomic_load(&segment->hosts_head->helper_life);
	int64_t asked_at;

	INVARIANT(host != NULL);
	asked_at = atomic_load(&host->asked_at);
	if (!is_due(host, now))
		return false;
	if (asked_at != 0 && now - asked_at < HOSTS_PATIENCE &&
	    atomic_load(&host->asked_life) == life)
		return false;
	if (!atomic_compare_exchange_strong(&host->asked_at, &asked_at, now))
		return false;
	atomic_store(&host->asked_life, life);
	return true;
}

void
hosts_drop_question(struct segment *segment, uint32_t row)
{
	atomic_store(&hosts_row(segment, row)->asked_at, 0);
}

void
hosts_expire(struct segment *segment, usec_t now)
{
	for (uint32_t row = 0; row < rows_used(segment); row++) {
		struct host_row *host = &segment->hosts[row];
		int64_t expires_at = atomic_load(&host->expires_at);

		/* An answer that comes meanwhile is fresh: it stays. */
		if (expires_at > now)
			(void)!atomic_compare_exchange_strong(
			    &host->expires_at, &expires_at, now);
	}
}

/* --- answers ------------------------------------------------------------- */

/* What is known to fail of an address stays known if it stays. */
static void
take_addresses(struct host_row *host, const struct address_list *addresses)
{
	struct address_list before = host->addresses;
	usec_t failed_at[ADDRESSES_MOST];
	uint32_t count = addresses->count < ADDRESSES_MOST ?
	    addresses->count : ADDRESSES_MOST;

	memcpy(failed_at, host->failed_at, sizeof(failed_at));
	memset(host->failed_at, 0, sizeof(host->failed_at));
	host->addresses = *addresses;
	host->addresses.count = count;
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t j = 0; j < before.count; j++)
			if (address_same_host(&addresses->address[i],
			    &before.address[j]))
				host->failed_at[i] = failed_at[j];
}

static void
store_locked(struct host_row *host, const struct host_answer *answer,
    const struct host_ttls *ttls, usec_t now)
{
	bool found = answer->result == 0 && answer->addresses->count > 0;
	usec_t ttl = found ? ttls->known : ttls->missing;

	host->writing = 1;
	atomic_signal_fence(memory_order_seq_cst);
	host->result = answer->result;
	if (found) {
		take_addresses(host, answer->addresses);
		host->state = HOST_KNOWN;
	} else if (answer->is_missing || host->state != HOST_KNOWN) {
		forget_answer(host);
		host->state = HOST_MISSING;
	}
	atomic_store(&host->expires_at, now +
	    (ttl > HOSTS_LEAST_TTL ? ttl : HOSTS_LEAST_TTL));
	atomic_store(&host->asked_at, 0);
	atomic_signal_fence(memory_order_seq_cst);
	host->writing = 0;
}

bool
hosts_store(struct segment *segment, uint32_t row,
    const struct host_answer *answer, const struct host_ttls *ttls,
    usec_t now, uint64_t *waiting_out)
{
	struct host_row *host = row < segment->size.hosts ?
	    &segment->hosts[row] : NULL;
	bool is_its;

	*waiting_out = 0;
	if (host == NULL)
		return false;
	take_lock(segment);
	is_its = is_named(host, answer->name);
	if (is_its)
		store_locked(host, answer, ttls, now);
	release_lock(segment);
	if (is_its)
		*waiting_out = atomic_exchange(&host->waiting, 0);
	return is_its;
}

/* --- choosing ------------------------------------------------------------ */

static bool
is_usable(const struct host_row *host, usec_t now)
{
	usec_t expires_at = atomic_load(&host->expires_at);

	if (host->state == HOST_KNOWN)
		return now < expires_at + HOSTS_GRACE;
	return host->state == HOST_MISSING && now < expires_at;
}

static bool
has_failed(const struct host_row *host, uint32_t i,
    const struct host_wish *wish)
{
	return host->failed_at[i] != 0 &&
	    wish->now - host->failed_at[i] < wish->retry;
}

static bool
choose_locked(const struct host_row *host, const struct host_wish *wish,
    uint32_t turn, struct address *address_out)
{
	const struct address_list *list = &host->addresses;
	bool found = false;

	for (uint32_t i = 0; i < list->count; i++) {
		uint32_t at = (turn + i) % list->count;

		if (wish->tried != NULL &&
		    address_list_has(wish->tried, &list->address[at]))
			continue;
		if (found && has_failed(host, at, wish))
			continue;
		*address_out = list->address[at];
		found = true;
		if (!has_failed(host, at, wish))
			break;
	}
	return found;
}

/*
 * Who waits says so under the lock, and who stores looks afterwards who
 * waits: either the answer is seen or the one who waits for it.
 */
enum host_choice
hosts_choose(struct segment *segment, const struct host_wish *wish,
    struct address *address_out)
{
	struct host_row *host = hosts_row(segment, wish->row);
	enum host_choice choice = HOST_WAIT;

	INVARIANT(host != NULL);
	take_lock(segment);
	if (is_usable(host, wish->now))
		choice = choose_locked(host, wish,
		    atomic_fetch_add(&host->turn, 1), address_out) ?
		    HOST_CHOSEN : HOST_NONE;
	else
		atomic_fetch_or(&host->waiting, UINT64_C(1) << wish->worker);
	release_lock(segment);
	atomic_store(&host->wanted_at, wish->now);
	return choice;
}

void
hosts_note_outcome(struct segment *segment, uint32_t row,
    const struct address *address, usec_t failed_at)
{
	struct host_row *host = hosts_row(segment, row);

	if (host == NULL)
		return;
	take_lock(segment);
	for (uint32_t i = 0; i < host->addresses.count; i++)
		if (address_same_host(&host->addresses.address[i], address))
			host->failed_at[i] = failed_at;
	release_lock(segment);
}

bool
hosts_has(struct segment *segment, uint32_t row,
    const struct address *address)
{
	struct host_row *host = hosts_row(segment, row);
	bool has;

	if (host == NULL)
		return true;
	take_lock(segment);
	has = host->state != HOST_KNOWN ||
	    address_list_has(&host->addresses, address);
	release_lock(segment);
	return has;
}

/* --- reports ------------------------------------------------------------- */

bool
hosts_copy(struct segment *segment, uint32_t row, struct host_copy *copy_out)
{
	struct host_row *host = hosts_row(segment, row);
	bool used;

	if (host == NULL || row >= rows_used(segment))
		return false;
	take_lock(segment);
	used = atomic_load(&host->used) != 0;
	memcpy(copy_out->name, host->name, sizeof(copy_out->name));
	copy_out->state = (enum host_state)host->state;
	copy_out->expires_at = atomic_load(&host->expires_at);
	copy_out->addresses = host->addresses;
	release_lock(segment);
	return used;
}

uint32_t
hosts_count(struct segment *segment)
{
	uint32_t count = 0;

	for (uint32_t row = 0; row < rows_used(segment); row++)
		count += atomic_load(&segment->hosts[row].used) != 0;
	return count;
}

uint32_t
hosts_count_questions(struct segment *segment)
{
	uint32_t count = 0;

	for (uint32_t row = 0; row < rows_used(segment); row++)
		count += atomic_load(&segment->hosts[row].used) != 0 &&
		    atomic_load(&segment->hosts[row].asked_at) != 0;
	return count;
}
