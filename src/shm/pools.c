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
static void
take_naming(struct segment *segment)
{
	if (!lock_take(&segment->state->naming))
		return;
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

uint32_t
databases_make(struct segment *segment, const char *name)
{
	struct table table = databases_table(segment);
	uint32_t row = databases_find(segment, name);

	if (row != NO_ROW || strlen(name) >= DATABASE_NAME_BYTES)
		return row;
	take_naming(segment);
	row = databases_find(segment, name);
	if (row == NO_ROW && (row = next_row(&table)) != NO_ROW) {
		struct database_row *database = &segment->databases[row];

		memset(database, 0, sizeof(*database));
		strcpy(database->name, name);
		atomic_store(&database->used, 1);
		publish(&table, hash_bytes(name, strlen(name)), row);
	}
	lock_release(&segment->state->naming);
	return row;
}

uint32_t
users_find(struct segment *segment, const char *name)
{
	struct table table = users_table(segment);

	return find(segment, &table, hash_bytes(name, strlen(name)),
	    user_matches, name);
}

uint32_t
users_make(struct segment *segment, const char *name)
{
	struct table table = users_table(segment);
	uint32_t row = users_find(segment, name);

	if (row != NO_ROW || strlen(name) >= USER_NAME_BYTES)
		return row;
	take_naming(segment);
	row = users_find(segment, name);
	if (row == NO_ROW && (row = next_row(&table)) != NO_ROW) {
		struct user_row *user = &segment->users[row];

		memset(user, 0, sizeof(*user));
		lock_create(&user->lock);
		strcpy(user->name, name);
		atomic_store(&user->used, 1);
		publish(&table, hash_bytes(name, strlen(name)), row);
	}
	lock_release(&segment->state->naming);
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
fill_in_pool(struct pool_row *pool, const struct pool_key *key,
    bool forced_user)
{
	memset(pool, 0, sizeof(*pool));
	lock_create(&pool->lock);
	pool->database = key->database;
	pool->user = key->user;
	pool->forced_user = forced_user;
	pool->idle_head = pool->idle_tail = NO_ROW;
	pool->wait_head = pool->wait_tail = NO_ROW;
	atomic_store(&pool->used, 1);
}

uint32_t
pools_make(struct segment *segment, const char *database, const char *user,
    bool forced_user)
{
	struct table table = pools_table(segment);
	struct pool_key key = { databases_make(segment, database),
	    users_make(segment, user) };
	uint32_t row;

	if (key.database == NO_ROW || key.user == NO_ROW)
		return NO_ROW;
	row = find(segment, &table, hash_bytes(&key, sizeof(key)),
	    pool_matches, &key);
	if (row != NO_ROW)
		return row;
	take_naming(segment);
	row = find(segment, &table, hash_bytes(&key, sizeof(key)),
	    pool_matches, &key);
	if (row == NO_ROW && (row = next_row(&table)) != NO_ROW) {
		fill_in_pool(&segment->pools[row], &key, forced_user);
		publish(&table, hash_bytes(&key, sizeof(key)), row);
	}
	lock_release(&segment->state->naming);
	return row;
}
