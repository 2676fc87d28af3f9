#include "shm/segment.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "base/memory.h"
#include "base/random.h"

/* Room that a later RELOAD may grow into; untouched pages cost nothing. */
#define CLIENTS_LEAST 16384
#define SERVERS_MOST 16384
#define POOLS_MOST 4096
#define DATABASES_MOST 4096
#define USERS_MOST 65536
#define HOSTS_MOST 4096
/* Sockets that max_client_conn does not count: console, refused, cancels. */
#define CLIENTS_BESIDE 1024

struct segment_size
segment_size_for(uint32_t workers, uint32_t clients)
{
	struct segment_size size = {
		.workers = workers,
		.clients = clients * 2 + CLIENTS_BESIDE,
		.servers = SERVERS_MOST,
		.pools = POOLS_MOST,
		.databases = DATABASES_MOST,
		.users = USERS_MOST,
		.hosts = HOSTS_MOST,
	};

	if (size.clients < CLIENTS_LEAST)
		size.clients = CLIENTS_LEAST;
	return size;
}

/* Hands out places one after the other; with no memory it only measures. */
struct layout {
	char	*memory;
	size_t	 used;
};

static void *
place(struct layout *layout, size_t size, size_t count)
{
	size_t at = (layout->used + 4095) / 4096 * 4096;

	layout->used = at + size * count;
	return layout->memory == NULL ? NULL : layout->memory + at;
}

static void
lay_out(struct segment *segment, struct layout *layout)
{
	const struct segment_size *size = &segment->size;

	segment->state = place(layout, sizeof(*segment->state), 1);
	segment->roster = place(layout, sizeof(*segment->roster),
	    ROSTER_SLOTS);
	segment->clients = place(layout, sizeof(*segment->clients),
	    size->clients);
	segment->cancel_keys = place(layout, sizeof(*segment->cancel_keys),
	    size->clients);
	segment->servers = place(layout, sizeof(*segment->servers),
	    size->servers);
	segment->values = place(layout, sizeof(*segment->values),
	    size->servers);
	segment->statements = place(layout, sizeof(*segment->statements),
	    size->servers);
	segment->pools = place(layout, sizeof(*segment->pools), size->pools);
	segment->tallies = place(layout, sizeof(*segment->tallies),
	    size->pools);
	segment->found = place(layout, sizeof(*segment->found), size->pools);
	segment->databases = place(layout, sizeof(*segment->databases),
	    size->databases);
	segment->users = place(layout, sizeof(*segment->users), size->users);
	segment->database_index = place(layout, sizeof(uint32_t),
	    2 * (size_t)size->databases);
	segment->user_index = place(layout, sizeof(uint32_t),
	    2 * (size_t)size->users);
	segment->pool_index = place(layout, sizeof(uint32_t),
	    2 * (size_t)size->pools);
	segment->pool_clients = place(layout, sizeof(uint32_t),
	    ROSTER_SLOTS * (size_t)size->pools);
	segment->database_clients = place(layout, sizeof(uint32_t),
	    ROSTER_SLOTS * (size_t)size->databases);
	segment->user_clients = place(layout, sizeof(uint32_t),
	    ROSTER_SLOTS * (size_t)size->users);
	segment->stats = place(layout, sizeof(*segment->stats),
	    (size_t)ROSTER_SLOTS * size->pools);
	segment->retired_stats = place(layout,
	    sizeof(*segment->retired_stats), ROSTER_SLOTS);
	segment->events = place(layout, sizeof(*segment->events),
	    ROSTER_SLOTS);
	segment->history = place(layout, sizeof(*segment->history), 1);
	segment->snapshots = place(layout, sizeof(*segment->snapshots),
	    2 * (size_t)size->pools);
	segment->peers = place(layout, sizeof(*segment->peers), PEERS_MOST);
	segment->mailboxes = place(layout, sizeof(*segment->mailboxes),
	    ROSTER_SLOTS);
	segment->hosts_head = place(layout, sizeof(*segment->hosts_head), 1);
	segment->hosts = place(layout, sizeof(*segment->hosts), size->hosts);
	segment->tickets = place(layout, sizeof(*segment->tickets), 1);
}

static bool
open_wake_fds(struct segment *segment, struct error *error)
{
	for (unsigned i = 0; i <= ROSTER_SLOTS; i++)
		segment->wake_fds[i] = -1;
	for (unsigned i = 0; i <= ROSTER_SLOTS; i++) {
		segment->wake_fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (segment->wake_fds[i] == -1)
			return error_system(error,
			    "could not create an eventfd");
	}
	return true;
}

/* Locks of pools and users are made with their rows. */
static void
fill_in(struct segment *segment)
{
	lock_create(&segment->state->naming);
	segment->state->started_at = clock_now();
	segment->history->taken_at[0] = segment->state->started_at;
	segment->history->taken_at[1] = segment->state->started_at;
	random_fill(segment->state->mock_nonce, STATE_NONCE_BYTES);
	random_fill(segment->state->cancel_nonce, STATE_NONCE_BYTES);
	atomic_store(&segment->state->slots, segment->size.workers);
	for (unsigned i = 0; i < ROSTER_SLOTS; i++)
		lock_create(&segment->mailboxes[i].lock);
	hosts_create(segment);
	tickets_create(segment->tickets, segment->state->started_at);
}

struct segment *
segment_create(const struct segment_size *size, struct error *error)
{
	struct segment *segment = memory_get(sizeof(*segment));
	struct layout layout = { NULL, 0 };

	INVARIANT(size->workers >= 1 && size->workers <= ROSTER_SLOTS);
	segment->size = *size;
	lay_out(segment, &layout);
	segment->bytes = layout.used;
	segment->memory = mmap(NULL, segment->bytes, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (segment->memory == MAP_FAILED) {
		error_system(error, "could not map %zu bytes of shared memory",
		    segment->bytes);
		memory_free(segment);
		return NULL;
	}
	/* Keys and secrets are in here: never in a core. */
	madvise(segment->memory, segment->bytes, MADV_DONTDUMP);
	layout = (struct layout){ segment->memory, 0 };
	lay_out(segment, &layout);
	fill_in(segment);
	if (!open_wake_fds(segment, error)) {
		segment_destroy(segment);
		return NULL;
	}
	return segment;
}

void
segment_destroy(struct segment *segment)
{
	for (unsigned i = 0; i <= ROSTER_SLOTS; i++)
		if (segment->wake_fds[i] != -1)
			close(segment->wake_fds[i]);
	munmap(segment->memory, segment->bytes);
	memory_wipe(segment, sizeof(*segment));
	memory_free(segment);
}

struct client_row *
segment_client(struct segment *segment, uint32_t row)
{
	if (row == NO_ROW)
		return NULL;
	INVARIANT(row < segment->size.clients);
	return &segment->clients[row];
}

struct server_row *
segment_server(struct segment *segment, uint32_t row)
{
	if (row == NO_ROW)
		return NULL;
	INVARIANT(row < segment->size.servers);
	return &segment->servers[row];
}

struct pool_row *
segment_pool(struct segment *segment, uint32_t row)
{
	if (row == NO_ROW)
		return NULL;
	INVARIANT(row < segment->size.pools);
	return &segment->pools[row];
}

void
segment_wake(struct segment *segment, uint32_t worker)
{
	uint64_t one = 1;
	ssize_t done;

	INVARIANT(worker <= ROSTER_SLOTS);
	if (segment->wake_fds[worker] == -1)
		return;
	do
		done = write(segment->wake_fds[worker], &one, sizeof(one));
	while (done == -1 && errno == EINTR);
}

void
segment_proclaim(struct segment *segment)
{
	atomic_fetch_add(&segment->state->epoch, 1);
	for (unsigned i = 0; i < segment_slots(segment); i++)
		segment_wake(segment, i);
	segment_wake(segment, SEGMENT_SUPERVISOR);
}

void
segment_tell_watchers(struct segment *segment)
{
	uint64_t watchers = atomic_load(&segment->state->watchers);

	for (unsigned i = 0; watchers != 0; i++, watchers >>= 1)
		if (watchers & 1)
			segment_wake(segment, i);
	if (atomic_load(&segment->state->shutdown) != SHUTDOWN_NONE)
		segment_wake(segment, SEGMENT_SUPERVISOR);
}

uint32_t
segment_find_cancel_key(struct segment *segment, uint64_t key)
{
	uint32_t used = atomic_load(&segment->state->clients_used);

	for (uint32_t row = 0; row < used; row++)
		if (atomic_load_explicit(&segment->cancel_keys[row],
		    memory_order_relaxed) == key)
			return row;
	return NO_ROW;
}

uint32_t
segment_servers_open(struct segment *segment, uint32_t database)
{
	uint32_t used = atomic_load(&segment->state->pools_used);
	uint32_t open = 0;

	for (uint32_t row = 0; row < used; row++) {
		struct pool_row *pool = &segment->pools[row];

		if (!atomic_load(&pool->used))
			continue;
		if (database == NO_ROW || pool->database == database)
			open += __atomic_load_n(&pool->server_count,
			    __ATOMIC_ACQUIRE);
	}
	return open;
}

uint32_t
segment_clients_counted(struct segment *segment)
{
	uint32_t counted = 0;

	for (unsigned i = 0; i < segment_slots(segment); i++)
		counted += atomic_load(&segment->roster[i].counted);
	return counted;
}

bool
segment_count_client(struct segment *segment, uint32_t worker, uint32_t limit)
{
	bool granted;

	/* A dead holder leaves nothing half done: one word is written. */
	if (!lock_take(&segment->state->naming))
		segment_clients_counted(segment);
	granted = segment_clients_counted(segment) < limit;
	if (granted)
		atomic_fetch_add(&segment->roster[worker].counted, 1);
	lock_release(&segment->state->naming);
	return granted;
}

void
segment_uncount_client(struct segment *segment, uint32_t worker)
{
	INVARIANT(atomic_fetch_sub(&segment->roster[worker].counted, 1) > 0);
}
