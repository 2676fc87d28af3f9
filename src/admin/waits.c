/*
 * What a command of the console waits for, and what ends its waiting.
 *
 * Everything is read from the segment: rows that are marked, servers that are
 * open.  So any worker sees when it is over, whoever did it, and a worker
 * that dies on the way takes nothing along.
 */
#include <stdio.h>

#include "admin/console.h"
#include "base/log.h"
#include "pool/pool.h"

static bool
is_paused(struct segment *segment, uint32_t database)
{
	if (database == NO_ROW || database >= segment->size.databases)
		return atomic_load(&segment->state->paused) != 0;
	return atomic_load(&segment->databases[database].paused) != 0;
}

static enum console_progress
look_at_pause(const struct console_env *env, uint32_t database)
{
	struct pool_caller caller = { env->segment, env->worker, env->now };

	if (pool_count_open(&caller, database) == 0)
		return CONSOLE_FULFILLED;
	if (atomic_load(&env->segment->state->shutdown) == SHUTDOWN_NONE &&
	    !is_paused(env->segment, database))
		return CONSOLE_LIFTED;
	return CONSOLE_STILL_WAITS;
}

/* A client of this database that KILL has seen is still there. */
static bool
is_being_removed(struct segment *segment, uint32_t row, uint32_t database)
{
	uint32_t pool = atomic_load(&segment->clients[row].pool);

	return clients_ordered(segment, row) == CLIENT_ORDER_REMOVE &&
	    (database == NO_ROW || (pool < segment->size.pools &&
	    segment->pools[pool].database == database));
}

static enum console_progress
look_at_kill(struct segment *segment, uint32_t database)
{
	uint32_t used = atomic_load(&segment->state->clients_used);

	for (uint32_t row = 0; row < used; row++)
		if (is_being_removed(segment, row, database))
			return CONSOLE_STILL_WAITS;
	return pool_count_marked(segment, database, CLOSE_AT_ONCE) == 0 ?
	    CONSOLE_FULFILLED : CONSOLE_STILL_WAITS;
}

static enum console_progress
look_at_client(struct segment *segment, const struct console_wait *wait)
{
	const struct client_row *client = segment_client(segment,
	    wait->client);

	return __atomic_load_n(&client->generation, __ATOMIC_ACQUIRE) ==
	    wait->generation ? CONSOLE_STILL_WAITS : CONSOLE_FULFILLED;
}

static bool
has_traffic(const struct roster_row *worker)
{
	uint32_t phase = atomic_load(&worker->phase);

	return phase == ROSTER_SERVING || phase == ROSTER_STARTING ||
	    phase == ROSTER_RETIRING;
}

static enum console_progress
look_at_suspend(struct segment *segment)
{
	uint32_t suspended = atomic_load(&segment->state->suspended);

	if (suspended == 0)
		return CONSOLE_LIFTED;
	for (uint32_t i = 0; i < segment_slots(segment); i++) {
		const struct roster_row *row = &segment->roster[i];

		if (has_traffic(row) &&
		    atomic_load(&row->flushed) != suspended)
			return CONSOLE_STILL_WAITS;
	}
	return CONSOLE_FULFILLED;
}

enum console_progress
console_look(const struct console_env *env, const struct console_wait *wait)
{
	switch (wait->kind) {
	case CONSOLE_WAIT_PAUSE:
		return look_at_pause(env, wait->database);
	case CONSOLE_WAIT_KILL:
		return look_at_kill(env->segment, wait->database);
	case CONSOLE_WAIT_CLIENT:
		return look_at_client(env->segment, wait);
	case CONSOLE_WAIT_CLOSE:
		return pool_count_marked(env->segment, wait->database,
		    CLOSE_NEEDED) == 0 ? CONSOLE_FULFILLED :
		    CONSOLE_STILL_WAITS;
	case CONSOLE_WAIT_SUSPEND:
		return look_at_suspend(env->segment);
	}
	return CONSOLE_FULFILLED;
}

/* --- what ends a wait ---------------------------------------------------- */

/*
 * As in PgBouncer, a cancel request for any console session ends a PAUSE or
 * SUSPEND of everything, but not while it shuts down.
 */
static void
end_global_pause(struct segment *segment)
{
	if (atomic_load(&segment->state->shutdown) != SHUTDOWN_NONE)
		return;
	if (atomic_exchange(&segment->state->paused, 0) != 0 ||
	    atomic_exchange(&segment->state->suspended, 0) != 0)
		segment_proclaim(segment);
}

bool
console_cancel(const struct console_env *env, const struct console_wait *wait)
{
	struct segment *segment = env->segment;

	if (wait == NULL)
		log_warning("admin cancel request for non-waiting client?");
	/* Its row is its own as long as it is paused. */
	if (wait != NULL && wait->kind == CONSOLE_WAIT_PAUSE &&
	    wait->database != NO_ROW &&
	    atomic_exchange(&segment->databases[wait->database].paused, 0))
		segment_proclaim(segment);
	end_global_pause(segment);
	return wait != NULL;
}

static bool
is_there(struct segment *segment, uint32_t id)
{
	uint32_t used = atomic_load(&segment->state->clients_used);

	for (uint32_t row = 0; row < used; row++)
		if (atomic_load(&segment->clients[row].phase) ==
		    CLIENT_CONSOLE && segment->clients[row].id == id)
			return true;
	return false;
}

void
console_look_for_suspender(const struct console_env *env, uint32_t leaver)
{
	struct state *state = env->segment->state;
	uint32_t number = atomic_load(&state->suspended);
	uint64_t suspender = atomic_load(&state->suspender);
	uint32_t id = (uint32_t)suspender;

	if (number == 0 || suspender >> 32 != number ||
	    (id != leaver && is_there(env->segment, id)) ||
	    !atomic_compare_exchange_strong(&state->suspended, &number, 0))
		return;
	log_info("admin disappeared when suspended, doing RESUME");
	segment_proclaim(env->segment);
}
