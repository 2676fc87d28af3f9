#include "pool/limits.h"

#include "base/invariant.h"
#include "pool/lists.h"

/* Who starves says so three times a second; older news are none. */
#define FRESH USEC_PER_SEC

/* Who starves for so long gets what another pool needs less. */
#define PATIENCE (100 * USEC_PER_MSEC)

/* By what a pool belongs together with others. */
enum kin {
	OF_DATABASE,
	OF_USER,
	KINDS
};

static uint32_t
pools_used(const struct segment *segment)
{
	return atomic_load(&segment->state->pools_used);
}

static uint32_t
key_of(const struct pool_tally *tally, enum kin kin)
{
	return atomic_load_explicit(kin == OF_DATABASE ? &tally->database :
	    &tally->user, memory_order_relaxed);
}

static uint32_t
limit_of(const struct pool_policy *policy, enum kin kin)
{
	return kin == OF_DATABASE ? policy->database_limit :
	    policy->user_limit;
}

static bool
is_kin(struct segment *segment, uint32_t pool, uint32_t other, enum kin kin)
{
	return atomic_load(&segment->pools[other].used) &&
	    key_of(&segment->tallies[other], kin) ==
	    key_of(&segment->tallies[pool], kin);
}

/* A glance without its lock: the number may be old by the time it is used. */
static uint32_t
waiting_of(const struct segment *segment, uint32_t pool)
{
	return __atomic_load_n(&segment->pools[pool].wait_count,
	    __ATOMIC_RELAXED);
}

/* 0: it does not starve. */
static usec_t
starves_since(const struct segment *segment, uint32_t pool, usec_t now)
{
	const struct pool_tally *tally = &segment->tallies[pool];
	usec_t since = atomic_load(&tally->starving_since);

	if (since == 0 || now - atomic_load(&tally->starving_at) > FRESH)
		return 0;
	/* Meanwhile what there is may have served all who waited. */
	if (waiting_of(segment, pool) == 0 && !atomic_load(&tally->for_login))
		return 0;
	return since;
}

void
limits_note_counts(struct segment *segment, uint32_t pool)
{
	const struct pool_row *row = &segment->pools[pool];
	struct pool_tally *tally = &segment->tallies[pool];

	atomic_store(&tally->servers, row->server_count);
	atomic_store(&tally->closing, row->closing_count);
}

struct sums {
	uint32_t	servers, closing;
	uint32_t	starve_longer;	/* pools, before a given moment */
};

static struct sums
sum(struct segment *segment, uint32_t pool, enum kin kin, usec_t before,
    usec_t now)
{
	struct sums sums = { 0, 0, 0 };

	for (uint32_t other = 0; other < pools_used(segment); other++) {
		const struct pool_tally *tally = &segment->tallies[other];
		usec_t since;

		if (!is_kin(segment, pool, other, kin))
			continue;
		sums.servers += atomic_load(&tally->servers);
		sums.closing += atomic_load(&tally->closing);
		since = starves_since(segment, other, now);
		sums.starve_longer += other != pool && since != 0 &&
		    since < before;
	}
	return sums;
}

/* Since when the pool's client waits. */
static usec_t
wait_of(const struct pool_caller *caller, uint32_t pool)
{
	const struct pool_row *row = &caller->segment->pools[pool];
	usec_t since = starves_since(caller->segment, pool, caller->now);
	const struct client_row *head = segment_client(caller->segment,
	    row->wait_head);

	if (head != NULL)
		return head->wait_since;
	/* A first login waits in no queue. */
	return since != 0 ? since : caller->now;
}

bool
limits_allow(const struct pool_caller *caller, uint32_t pool,
    const struct pool_policy *policy, bool waits)
{
	struct segment *segment = caller->segment;
	struct pool_tally *tally = &segment->tallies[pool];
	bool allowed = true;
	usec_t since;

	if (LIKELY(policy->database_limit == 0 && policy->user_limit == 0))
		return true;
	since = wait_of(caller, pool);
	for (enum kin kin = OF_DATABASE; kin < KINDS && allowed; kin++) {
		uint32_t limit = limit_of(policy, kin);
		struct sums sums;

		if (limit == 0)
			continue;
		sums = sum(segment, pool, kin, since, caller->now);
		allowed = sums.servers + sums.starve_longer <= limit;
	}
	if (!waits)
		return allowed;
	atomic_store(&tally->for_login, segment->pools[pool].wait_count == 0);
	atomic_store(&tally->starving_at, caller->now);
	atomic_store(&tally->starving_since, allowed ? 0 : since);
	if (!allowed)
		atomic_store(&segment->state->starving_at, caller->now);
	return allowed;
}

bool
limits_must_yield(const struct pool_caller *caller, uint32_t pool,
    const struct pool_policy *policy)
{
	struct segment *segment = caller->segment;
	usec_t before = caller->now - PATIENCE;
	const struct client_row *head;

	if (LIKELY(policy->database_limit == 0 && policy->user_limit == 0))
		return false;
	/* Once per transaction: one word that is hardly ever written. */
	if (LIKELY(caller->now - atomic_load_explicit(
	    &segment->state->starving_at, memory_order_relaxed) > FRESH))
		return false;
	head = segment_client(segment, segment->pools[pool].wait_head);
	if (head != NULL && head->wait_since < before)
		before = head->wait_since;
	for (enum kin kin = OF_DATABASE; kin < KINDS; kin++) {
		struct sums sums;

		if (limit_of(policy, kin) == 0)
			continue;
		sums = sum(segment, pool, kin, before, caller->now);
		if (sums.starve_longer > 0 && sums.closing == 0 &&
		    sums.servers >= limit_of(policy, kin))
			return true;
	}
	return false;
}

/* The pool of the same kin whose idle connection has rested longest. */
static uint32_t
longest_at_rest(const struct pool_caller *caller, uint32_t pool, enum kin kin)
{
	struct segment *segment = caller->segment;
	uint32_t chosen = NO_ROW;
	usec_t least = caller->now;

	for (uint32_t other = 0; other < pools_used(segment); other++) {
		const struct server_row *server;
		uint32_t tail;

		if (other == pool || !is_kin(segment, pool, other, kin) ||
		    atomic_load(&segment->tallies[other].servers) == 0)
			continue;
		tail = __atomic_load_n(&segment->pools[other].idle_tail,
		    __ATOMIC_RELAXED);
		server = segment_server(segment, tail);
		if (server == NULL || server->idle_since > least)
			continue;
		least = server->idle_since;
		chosen = other;
	}
	return chosen;
}

static bool
is_needed(const struct pool_caller *caller, uint32_t pool,
    const struct pool_policy *policy, enum kin kin)
{
	struct segment *segment = caller->segment;
	uint32_t waiting = waiting_of(segment, pool), limit;
	struct sums sums;

	limit = limit_of(policy, kin);
	if (limit == 0)
		return false;
	sums = sum(segment, pool, kin, 0, caller->now);
	/* Those that are closing will make room as well. */
	if (waiting < 1)
		waiting = 1;
	if (waiting > policy->opening_most)
		waiting = policy->opening_most;
	return sums.servers >= limit && sums.closing < waiting;
}

uint32_t
limits_evict(const struct pool_caller *caller, uint32_t pool,
    const struct pool_policy *policy)
{
	uint32_t victim, row = NO_ROW;

	if (LIKELY(starves_since(caller->segment, pool, caller->now) == 0))
		return NO_ROW;
	for (enum kin kin = OF_DATABASE; kin < KINDS && row == NO_ROW;
	    kin++) {
		if (!is_needed(caller, pool, policy, kin))
			continue;
		victim = longest_at_rest(caller, pool, kin);
		if (victim != NO_ROW)
			row = pool_close_longest_idle(caller, victim);
	}
	return row;
}

uint32_t
limits_next(const struct pool_caller *caller, uint32_t pool)
{
	struct segment *segment = caller->segment;
	uint32_t chosen = NO_ROW;
	usec_t longest = INT64_MAX;

	for (uint32_t other = 0; other < pools_used(segment); other++) {
		usec_t since;

		if (!is_kin(segment, pool, other, OF_DATABASE) &&
		    !is_kin(segment, pool, other, OF_USER))
			continue;
		since = starves_since(segment, other, caller->now);
		if (since == 0 || since >= longest)
			continue;
		longest = since;
		chosen = other;
	}
	return chosen;
}
