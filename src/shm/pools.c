/*
 * Names to rows: finding takes no lock, making and giving back take the
 * naming lock.  A row that was found stays what it is as long as somebody is
 * counted in it, or holds the lock.
 *
 *   index [hash of the name] -> row + 1, open addressing; GONE: not the end
 */
#include "shm/pools.h"

#include <string.h>

#include "base/invariant.h"
#include "base/memory.h"
#include "shm/segment.h"

#define GONE UINT32_MAX

struct table {
	_Atomic uint32_t	*index;
	uint32_t		 slots;
	uint32_t		 rows;
	_Atomic uint32_t	*used;	/* rows ever in use */
	/* Was given back; NULL: that never happens. */
	bool (*is_free)(struct segment *, uint32_t row);
};

/* Is this row the one that is sought? */
typedef bool row_matches(struct segment *, uint32_t row, const void *sought);

static uint32_t
hash_bytes(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint32_t hash = 2166136261u;	/* FNV-1a */

	while (length-- > 0)
		hash = (hash ^ *at++) * 16777619u;
	return hash;
}

static uint32_t
find(struct segment *segment, const struct table *table, uint32_t hash,
    row_matches *matches, const void *sought)
{
	for (uint32_t i = 0; i < table->slots; i++) {
		uint32_t row = atomic_load_explicit(
		    &table->index[(hash + i) % table->slots],
		    memory_order_acquire);

		if (row == 0)
			return NO_ROW;
		if (row == GONE)
			continue;
		INVARIANT(row <= table->rows);
		if (matches(segment, row - 1, sought))
			return row - 1;
	}
	return NO_ROW;
}

/* A row that is in no index: nobody else sees it. */
static uint32_t
next_row(struct segment *segment, const struct table *table)
{
	uint32_t used = atomic_load(table->used);

	for (uint32_t row = 0; table->is_free != NULL && row < used; row++)
		if (table->is_free(segment, row))
			return row;
	return used < table->rows ? used : NO_ROW;
}

static void
publish(const struct table *table, uint32_t hash, uint32_t row)
{
	if (atomic_load(table->used) < row + 1)
		atomic_store(table->used, row + 1);
	for (uint32_t i = 0; i < table->slots; i++) {
		_Atomic uint32_t *at =
		    &table->index[(hash + i) % table->slots];
		uint32_t there = atomic_load(at);

		if (there != 0 && there != GONE)
			continue;
		atomic_store_explicit(at, row + 1, memory_order_release);
		return;
	}
	INVARIANT(!"an index has more slots than rows");
}

/*
 * What a look-up passes over is taken away where it is the end anyway.  A row
 * whose maker died is in no index.
 */
static void
withdraw(const struct table *table, uint32_t hash, uint32_t row)
{
	for (uint32_t i = 0; i < table->slots; i++) {
		uint32_t slot = (hash + i) % table->slots;
		uint32_t there = atomic_load(&table->index[slot]);

		if (there == 0)
			return;
		if (there != row + 1)
			continue;
		atomic_store(&table->index[slot], GONE);
		if (atomic_load(&table->index[(slot + 1) % table->slots]) != 0)
			return;
		while (atomic_load(&table->index[slot]) == GONE) {
			atomic_store(&table->index[slot], 0);
			slot = (slot + table->slots - 1) % table->slots;
		}
		return;
	}
}

/*
 * A maker that died half-way has at most wasted a row that is counted as
 * used and in no index; nothing needs to be rebuilt.
 */
void
naming_take(struct segment *segment)
{
	if (!lock_take(&segment->state->naming))
		return;
}

void
naming_release(struct segment *segment)
{
	lock_release(&segment->state->naming);
}

static bool
database_is_free(struct segment *segment, uint32_t row)
{
	return !atomic_load(&segment->databases[row].used);
}

static bool
pool_is_free(struct segment *segment, uint32_t row)
{
	return !atomic_load(&segment->pools[row].used);
}

static struct table
databases_table(struct segment *segment)
{
	return (struct table){ segment->database_index,
	    segment->size.databases * 2, segment->size.databases,
	    &segment->state->databases_used, database_is_free };
}

static struct table
users_table(struct segment *segment)
{
	return (struct table){ segment->user_index, segment->size.users * 2,
	    segment->size.users, &segment->state->users_used, NULL };
}

static struct table
pools_table(struct segment *segment)
{
	return (struct table){ segment->pool_index, segment->size.pools * 2,
	    segment->size.pools, &segment->state->pools_used, pool_is_free };
}

static bool
database_matches(struct segment *segment, uint32_t row, const void *name)
{
	return strcmp(segment->databases[row].name, name) == 0;
}

static bool
user_matches(struct segment *segment, uint32_t row, const void *name)
{
	return strcmp(segment->users[row].name, name) == 0;
}

struct pool_key {
	uint32_t database, user;
};

static bool
pool_matches(struct segment *segment, uint32_t row, const void *sought)
{
	const struct pool_key *key = sought;

	return segment->pools[row].database == key->database &&
	    segment->pools[row].user == key->user;
}

uint32_t
databases_find(struct segment *segment, const char *name)
{
	struct table table = databases_table(segment);

	return find(segment, &table, hash_bytes(name, strlen(name)),
	    database_matches, name);
}

static uint32_t
make_database(struct segment *segment, const char *name)
{
	struct table table = databases_table(segment);
	uint32_t row = databases_find(segment, name);

	if (row != NO_ROW || strlen(name) >= DATABASE_NAME_BYTES)
		return row;
	if ((row = next_row(segment, &table)) != NO_ROW) {
		struct database_row *database = &segment->databases[row];

		memset(database, 0, sizeof(*database));
		strcpy(database->name, name);
		atomic_store(&database->used, 1);
		publish(&table, hash_bytes(name, strlen(name)), row);
	}
	return row;
}

uint32_t
databases_make(struct segment *segment, const char *name)
{
	uint32_t row = databases_find(segment, name);

	if (row != NO_ROW)
		return row;
	naming_take(segment);
	row = make_database(segment, name);
	naming_release(segment);
	return row;
}

static _Atomic uint32_t *
stop_word(struct segment *segment, uint32_t row, enum database_stop stop)
{
	struct database_row *database = &segment->databases[row];

	return stop == DATABASE_PAUSED ? &database->paused :
	    &database->disabled;
}

uint32_t
databases_stop(struct segment *segment, const char *name,
    enum database_stop stop)
{
	uint32_t row;

	naming_take(segment);
	row = make_database(segment, name);
	if (row != NO_ROW)
		atomic_store(stop_word(segment, row, stop), 1);
	naming_release(segment);
	return row;
}

bool
databases_release(struct segment *segment, const char *name,
    enum database_stop stop)
{
	bool was = false;
	uint32_t row;

	naming_take(segment);
	row = databases_find(segment, name);
	if (row != NO_ROW)
		was = atomic_exchange(stop_word(segment, row, stop), 0) != 0;
	naming_release(segment);
	return was;
}

void
databases_stop_all(struct segment *segment, enum database_stop stop)
{
	naming_take(segment);
	for (uint32_t row = 0; row < atomic_load(
	    &segment->state->databases_used); row++)
		if (!database_is_free(segment, row))
			atomic_store(stop_word(segment, row, stop), 1);
	naming_release(segment);
}

uint32_t
users_find(struct segment *segment, const char *name)
{
	struct table table = users_table(segment);

	return find(segment, &table, hash_bytes(name, strlen(name)),
	    user_matches, name);
}

static uint32_t
make_user(struct segment *segment, const char *name)
{
	struct table table = users_table(segment);
	uint32_t row = users_find(segment, name);

	if (row != NO_ROW || strlen(name) >= USER_NAME_BYTES)
		return row;
	if ((row = next_row(segment, &table)) != NO_ROW) {
		struct user_row *user = &segment->users[row];

		memset(user, 0, sizeof(*user));
		lock_create(&user->lock);
		strcpy(user->name, name);
		atomic_store(&user->used, 1);
		publish(&table, hash_bytes(name, strlen(name)), row);
	}
	return row;
}

uint32_t
users_make(struct segment *segment, const char *name)
{
	uint32_t row = users_find(segment, name);

	if (row != NO_ROW)
		return row;
	naming_take(segment);
	row = make_user(segment, name);
	naming_release(segment);
	return row;
}

uint32_t
pools_find(struct segment *segment, const char *database, const char *user)
{
	struct table table = pools_table(segment);
	struct pool_key key = { databases_find(segment, database),
	    users_find(segment, user) };

	if (key.database == NO_ROW || key.user == NO_ROW)
		return NO_ROW;
	return find(segment, &table, hash_bytes(&key, sizeof(key)),
	    pool_matches, &key);
}

static void
fill_in_pool(struct segment *segment, uint32_t row,
    const struct pool_key *key, bool forced_user)
{
	struct pool_row *pool = &segment->pools[row];
	struct pool_tally *tally = &segment->tallies[row];

	memset(tally, 0, sizeof(*tally));
	atomic_store(&tally->database, key->database);
	atomic_store(&tally->user, key->user);
	/* Somebody may be about to look at what the row was before. */
	if (!pool->has_lock)
		lock_create(&pool->lock);
	pool->has_lock = 1;
	(void)!lock_take(&pool->lock);
	memset(&pool->idle_head, 0, offsetof(struct pool_row, welcome) -
	    offsetof(struct pool_row, idle_head));
	atomic_store(&pool->empty_since, 0);
	pool->database = key->database;
	pool->user = key->user;
	pool->forced_user = forced_user;
	pool->idle_head = pool->idle_tail = NO_ROW;
	pool->wait_head = pool->wait_tail = NO_ROW;
	atomic_store(&pool->used, 1);
	lock_release(&pool->lock);
}

static uint32_t
make_pool(struct segment *segment, const struct pool_key *key,
    bool forced_user)
{
	struct table table = pools_table(segment);
	uint32_t hash = hash_bytes(key, sizeof(*key));
	uint32_t row = find(segment, &table, hash, pool_matches, key);

	if (row == NO_ROW && (row = next_row(segment, &table)) != NO_ROW) {
		fill_in_pool(segment, row, key, forced_user);
		publish(&table, hash, row);
	}
	return row;
}

uint32_t
pools_make(struct segment *segment, const char *database, const char *user,
    bool forced_user)
{
	uint32_t row = pools_find(segment, database, user);
	struct pool_key key;

	if (row != NO_ROW)
		return row;
	naming_take(segment);
	key = (struct pool_key){ make_database(segment, database),
	    make_user(segment, user) };
	if (key.database != NO_ROW && key.user != NO_ROW)
		row = make_pool(segment, &key, forced_user);
	naming_release(segment);
	return row;
}

/* --- who is in ----------------------------------------------------------- */

static _Atomic uint32_t *
cell(_Atomic uint32_t *cells, uint32_t row, uint32_t worker)
{
	INVARIANT(worker < ROSTER_SLOTS);
	return &cells[(size_t)row * ROSTER_SLOTS + worker];
}

static uint32_t
count_cells(const struct segment *segment, _Atomic uint32_t *cells,
    uint32_t row)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < segment_slots(segment); i++)
		sum += atomic_load(cell(cells, row, i));
	return sum;
}

uint32_t
pools_clients(struct segment *segment, uint32_t pool)
{
	return count_cells(segment, segment->pool_clients, pool);
}

uint32_t
databases_clients(struct segment *segment, uint32_t database)
{
	return count_cells(segment, segment->database_clients, database);
}

uint32_t
users_clients(struct segment *segment, uint32_t user)
{
	return count_cells(segment, segment->user_clients, user);
}

static bool
is_full(uint32_t clients, uint32_t limit)
{
	return limit > 0 && clients >= limit;
}

static enum pools_verdict
find_place(struct segment *segment, const struct pools_entry *entry,
    struct pools_place *place)
{
	uint32_t known = databases_find(segment, entry->database);
	struct pool_key key = { make_database(segment, entry->database),
	    make_user(segment, entry->user) };

	place->new_database = known == NO_ROW;
	place->pool = NO_ROW;
	place->user = make_user(segment, entry->login);
	if (key.database == NO_ROW || key.user == NO_ROW ||
	    place->user == NO_ROW)
		return POOLS_NO_ROOM;
	if (is_full(databases_clients(segment, key.database),
	    entry->database_limit))
		return POOLS_DATABASE_FULL;
	if (is_full(users_clients(segment, place->user), entry->user_limit))
		return POOLS_USER_FULL;
	place->pool = make_pool(segment, &key, entry->forced_user);
	return place->pool == NO_ROW ? POOLS_NO_ROOM : POOLS_ENTERED;
}

enum pools_verdict
pools_enter(struct segment *segment, uint32_t worker,
    const struct pools_entry *entry, struct pools_place *place_out)
{
	enum pools_verdict verdict;

	naming_take(segment);
	verdict = find_place(segment, entry, place_out);
	if (verdict == POOLS_ENTERED) {
		uint32_t database = segment->pools[place_out->pool].database;

		atomic_fetch_add(cell(segment->pool_clients, place_out->pool,
		    worker), 1);
		atomic_fetch_add(cell(segment->database_clients, database,
		    worker), 1);
		atomic_fetch_add(cell(segment->user_clients, place_out->user,
		    worker), 1);
		atomic_store(&segment->pools[place_out->pool].empty_since, 0);
		atomic_store(&segment->databases[database].empty_since, 0);
	}
	naming_release(segment);
	return verdict;
}

static void
uncount(_Atomic uint32_t *cells, uint32_t row, uint32_t worker)
{
	INVARIANT(atomic_fetch_sub(cell(cells, row, worker), 1) > 0);
}

void
pools_leave(struct segment *segment, uint32_t worker, uint32_t pool,
    uint32_t user)
{
	uncount(segment->database_clients, segment_pool(segment,
	    pool)->database, worker);
	uncount(segment->user_clients, user, worker);
	uncount(segment->pool_clients, pool, worker);
}

static void
forget(_Atomic uint32_t *cells, uint32_t rows, uint32_t worker)
{
	for (uint32_t row = 0; row < rows; row++)
		if (atomic_load(cell(cells, row, worker)) != 0)
			atomic_store(cell(cells, row, worker), 0);
}

void
pools_forget_clients(struct segment *segment, uint32_t worker)
{
	const struct state *state = segment->state;

	forget(segment->database_clients,
	    atomic_load(&state->databases_used), worker);
	forget(segment->user_clients, atomic_load(&state->users_used),
	    worker);
	forget(segment->pool_clients, atomic_load(&state->pools_used),
	    worker);
}

/* --- given back ---------------------------------------------------------- */

void
pools_free(struct segment *segment, uint32_t row)
{
	struct table table = pools_table(segment);
	struct pool_row *pool = segment_pool(segment, row);
	struct pool_key key = { pool->database, pool->user };

	INVARIANT(pools_clients(segment, row) == 0 &&
	    pool->server_count == 0 && pool->wait_count == 0);
	withdraw(&table, hash_bytes(&key, sizeof(key)), row);
	stats_retire(segment, row);
	atomic_store(&segment->tallies[row].starving_since, 0);
	pool->failed_at = 0;
	atomic_store(&pool->speaks_3_2, 0);
	atomic_store(&segment->found[row].known, 0);
	memory_wipe(&segment->found[row], sizeof(segment->found[row]));
	atomic_store(&pool->welcome_known, 0);
	atomic_fetch_add(&pool->generation, 1);
	atomic_store(&pool->used, 0);
}

void
databases_free(struct segment *segment, uint32_t row)
{
	struct table table = databases_table(segment);
	struct database_row *database = &segment->databases[row];

	INVARIANT(databases_clients(segment, row) == 0);
	withdraw(&table, hash_bytes(database->name, strlen(database->name)),
	    row);
	atomic_store(&database->used, 0);
}
