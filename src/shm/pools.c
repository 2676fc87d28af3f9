/*
 * Names to rows.  Rows are never given back, so a row that was found stays
 * what it is: finding takes no lock, making takes the naming lock.
 *
 *   index [hash of the name] -> row + 1, open addressing
 */
#include "shm/pools.h"

#include <string.h>

#include "base/invariant.h"
#include "shm/segment.h"

struct table {
	_Atomic uint32_t	*index;
	uint32_t		 slots;
	uint32_t		 rows;
	_Atomic uint32_t	*used;	/* rows in use */
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
		INVARIANT(row <= table->rows);
		if (matches(segment, row - 1, sought))
			return row - 1;
	}
	return NO_ROW;
}

/* A row that is filled in, but in no index yet: nobody else sees it. */
static uint32_t
next_row(const struct table *table)
{
	uint32_t row = atomic_load(table->used);

	return row < table->rows ? row : NO_ROW;
}

static void
publish(const struct table *table, uint32_t hash, uint32_t row)
{
	atomic_store(table->used, row + 1);
	for (uint32_t i = 0; i < table->slots; i++) {
		_Atomic uint32_t *at =
		    &table->index[(hash + i) % table->slots];

		if (atomic_load(at) != 0)
			continue;
		atomic_store_explicit(at, row + 1, memory_order_release);
		return;
	}
	INVARIANT(!"an index has more slots than rows");
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

static struct table
databases_table(struct segment *segment)
{
	return (struct table){ segment->database_index,
	    segment->size.databases * 2, segment->size.databases,
	    &segment->state->databases_used };
}

static struct table
users_table(struct segment *segment)
{
	return (struct table){ segment->user_index, segment->size.users * 2,
	    segment->size.users, &segment->state->users_used };
}

static struct table
pools_table(struct segment *segment)
{
	return (struct table){ segment->pool_index, segment->size.pools * 2,
	    segment->size.pools, &segment->state->pools_used };
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
	if ((row = next_row(&table)) != NO_ROW) {
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
	if ((row = next_row(&table)) != NO_ROW) {
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
	memset(pool, 0, sizeof(*pool));
	lock_create(&pool->lock);
	pool->database = key->database;
	pool->user = key->user;
	pool->forced_user = forced_user;
	pool->idle_head = pool->idle_tail = NO_ROW;
	pool->wait_head = pool->wait_tail = NO_ROW;
	atomic_store(&pool->used, 1);
}

static uint32_t
make_pool(struct segment *segment, const struct pool_key *key,
    bool forced_user)
{
	struct table table = pools_table(segment);
	uint32_t hash = hash_bytes(key, sizeof(*key));
	uint32_t row = find(segment, &table, hash, pool_matches, key);

	if (row == NO_ROW && (row = next_row(&table)) != NO_ROW) {
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

	for (uint32_t i = 0; i < segment->size.workers; i++)
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

enum pools_verdict
pools_enter(struct segment *segment, uint32_t worker,
    const struct pools_entry *entry, uint32_t *pool_out, uint32_t *user_out)
{
	enum pools_verdict verdict = POOLS_ENTERED;
	struct pool_key key;

	naming_take(segment);
	key = (struct pool_key){ make_database(segment, entry->database),
	    make_user(segment, entry->user) };
	*pool_out = NO_ROW;
	*user_out = make_user(segment, entry->login);
	if (key.database == NO_ROW || key.user == NO_ROW ||
	    *user_out == NO_ROW)
		verdict = POOLS_NO_ROOM;
	else if (is_full(databases_clients(segment, key.database),
	    entry->database_limit))
		verdict = POOLS_DATABASE_FULL;
	else if (is_full(users_clients(segment, *user_out),
	    entry->user_limit))
		verdict = POOLS_USER_FULL;
	else if ((*pool_out = make_pool(segment, &key, entry->forced_user)) ==
	    NO_ROW)
		verdict = POOLS_NO_ROOM;
	if (verdict == POOLS_ENTERED) {
		atomic_fetch_add(cell(segment->pool_clients, *pool_out,
		    worker), 1);
		atomic_fetch_add(cell(segment->database_clients, key.database,
		    worker), 1);
		atomic_fetch_add(cell(segment->user_clients, *user_out,
		    worker), 1);
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
