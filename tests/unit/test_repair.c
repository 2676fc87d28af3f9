/*
 * What a dead worker left half done, in three ways: killed at every state
 * that the segment passes through in a call (by single steps), rows written
 * by hand, and a storm of kills among processes that work as fast as they
 * can.
 *
 * Slot 2 is the one that dies.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "pool/limits.h"
#include "pool/repair.h"
#include "pool/retire.h"
#include "pool_world.h"

#define DEAD 2

static struct pool_world world;
static char story[128];

/* The slot without a worker; NO_ROW: none. */
static uint32_t vacant = DEAD;

static struct pool_caller
worker(uint32_t slot)
{
	return pool_world_caller(&world, slot, WORLD_NOW);
}

static struct client_row *
client_at(uint32_t row)
{
	return &world.segment->clients[row];
}

static struct server_row *
server_at(uint32_t row)
{
	return &world.segment->servers[row];
}

/* --- what a worker does, without a word to the test framework ------------ */

/* Its client lets a server go; the server's row still names it. */
static void
part(uint32_t server)
{
	uint32_t client = server_at(server)->client;

	if (server_at(server)->phase != SERVER_ACTIVE || client == NO_ROW)
		return;
	client_at(client)->server = NO_ROW;
	atomic_store(&client_at(client)->phase, CLIENT_IDLE);
}

static void
give_back(const struct pool_caller *caller, uint32_t server)
{
	const char *reason;
	uint32_t client;

	part(server);
	if (pool_give_back(caller, server, &world.policy, &client, &reason) ==
	    POOL_CLOSE)
		pool_end_close(caller, server);
}

static void
adopt(const struct pool_caller *caller, uint32_t server)
{
	switch (pool_adopt(caller, server)) {
	case POOL_LEGACY_NONE:
	case POOL_LEGACY_WATCH:
		return;
	case POOL_LEGACY_CLOSE:
		pool_end_close(caller, server);
		return;
	case POOL_LEGACY_GIVE_BACK:
		give_back(caller, server);
		return;
	}
}

static void
recheck(const struct pool_caller *caller)
{
	uint32_t server;

	for (uint32_t row = 0; row < WORLD_CLIENTS; row++)
		if (client_at(row)->phase == CLIENT_GIVEN)
			(void)!pool_accept(caller, row, &server);
	for (uint32_t row = 0; row < WORLD_SERVERS; row++)
		if (server_at(row)->phase == SERVER_CANCELING ||
		    (server_at(row)->worker == caller->worker &&
		    server_at(row)->phase != SERVER_FREE))
			adopt(caller, row);
}

/* Mail, and all rows if some was lost. False: nothing new. */
static bool
drain(const struct pool_caller *caller)
{
	struct mail letters[16];
	bool news = false;
	uint32_t server;
	unsigned count;

	while ((count = mailbox_collect(world.segment, caller->worker,
	    letters, ARRAY_LENGTH(letters))) > 0) {
		news = true;
		for (unsigned i = 0; i < count; i++) {
			if (letters[i].kind == MAIL_ADOPT)
				adopt(caller, letters[i].row);
			else if (client_at(letters[i].row)->generation ==
			    letters[i].generation)
				(void)!pool_accept(caller, letters[i].row,
				    &server);
		}
	}
	if (atomic_exchange(&world.segment->roster[caller->worker].recheck,
	    0) != 0) {
		news = true;
		recheck(caller);
	}
	return news;
}

/* Opens one if the pool may have it, with success. */
static bool
open_one(const struct pool_caller *caller, bool wanted)
{
	uint32_t row = pool_open(caller, world.pool, &world.policy, wanted);

	if (row == NO_ROW)
		return false;
	atomic_store(&server_at(row)->has_fd,
	    (UINT64_C(1) << WORLD_WORKERS) - 1);
	give_back(caller, row);
	return true;
}

/* --- a scene: what there is before, and what the victim does ------------- */

static uint32_t mine, ours, theirs, server, link_row;

static uint32_t
linked_to(uint32_t client)
{
	pool_world_add_server(&world, client_at(client)->worker);
	return pool_world_take(&world, client, WORLD_NOW);
}

static void
my_client_is_linked(void)
{
	mine = pool_world_add_client(&world, DEAD);
	server = linked_to(mine);
}

static void
no_server_is_free(void)
{
	for (int i = 0; i < 3; i++)
		linked_to(pool_world_add_client(&world, 1));
	mine = pool_world_add_client(&world, DEAD);
}

static void
an_idle_server_elsewhere(void)
{
	server = pool_world_add_server(&world, 0);
	mine = pool_world_add_client(&world, DEAD);
}

static void
one_of_ours_waits(void)
{
	my_client_is_linked();
	ours = pool_world_add_client(&world, DEAD);
	pool_world_take(&world, ours, WORLD_NOW);
}

static void
one_of_theirs_waits(void)
{
	my_client_is_linked();
	theirs = pool_world_add_client(&world, 1);
	pool_world_take(&world, theirs, WORLD_NOW);
	atomic_store(&world.segment->roster[1].sleeping, 1);
}

static void
many_wait(void)
{
	one_of_theirs_waits();
	for (uint32_t slot = 0; slot < WORLD_WORKERS; slot++)
		pool_world_take(&world, pool_world_add_client(&world, slot),
		    WORLD_NOW + slot);
}

static void
i_was_given_one(void)
{
	theirs = pool_world_add_client(&world, 1);
	server = linked_to(theirs);
	mine = pool_world_add_client(&world, DEAD);
	pool_world_take(&world, mine, WORLD_NOW);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &ours), POOL_GIVEN);
	pool_world_take(&world, theirs, WORLD_NOW);
}

static void
i_wait(void)
{
	no_server_is_free();
	theirs = pool_world_add_client(&world, 0);
	pool_world_take(&world, mine, WORLD_NOW);
	pool_world_take(&world, theirs, WORLD_NOW);
}

static void
they_wait_for_a_first_server(void)
{
	theirs = pool_world_add_client(&world, 1);
	pool_world_take(&world, theirs, WORLD_NOW);
}

static void
i_am_opening(void)
{
	struct pool_caller me = worker(DEAD);

	they_wait_for_a_first_server();
	server = pool_open(&me, world.pool, &world.policy, false);
	atomic_store(&server_at(server)->has_fd, 15);
}

static void
idle_servers_of_mine(void)
{
	pool_world_add_server(&world, DEAD);
	server = pool_world_add_server(&world, DEAD);
	theirs = pool_world_add_client(&world, 1);
}

static void
they_are_linked(void)
{
	theirs = pool_world_add_client(&world, 1);
	server = linked_to(theirs);
}

static void
i_cancel_their_query(void)
{
	struct pool_caller me = worker(DEAD);
	uint32_t target;

	they_are_linked();
	link_row = pool_begin_cancel(&me, theirs,
	    world.segment->cancel_keys[theirs], &target);
	ck_assert_uint_ne(link_row, NO_ROW);
}

static void
a_server_waits_for_my_cancel(void)
{
	i_cancel_their_query();
	ours = pool_world_add_client(&world, 0);
	pool_world_take(&world, ours, WORLD_NOW);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &mine), POOL_HELD);
}

/* One more process has died with the lock in its hands. */
static void
the_lock_is_left_behind(void)
{
	many_wait();
	if (fork() == 0) {
		(void)!lock_take(&pool_world_row(&world)->lock);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_ne(wait(NULL), -1);
}

static void
another_worker_died(void)
{
	pool_world_add_server(&world, 1);
	linked_to(pool_world_add_client(&world, 1));
	linked_to(pool_world_add_client(&world, 1));
	theirs = pool_world_add_client(&world, 0);
	pool_world_take(&world, theirs, WORLD_NOW);
	atomic_store(&world.segment->roster[1].phase, ROSTER_DEAD);
	repair_after_death(world.segment, 1, WORLD_NOW);
	atomic_store(&world.segment->roster[1].phase, ROSTER_SERVING);
}

static void
i_have_mail(void)
{
	struct mail letter = { MAIL_POOL, 0, 0 };

	for (int i = 0; i < 5; i++)
		(void)!mailbox_post(world.segment, DEAD, &letter);
}

static void
my_client_is_idle(void)
{
	mine = pool_world_add_client(&world, DEAD);
	ck_assert(segment_count_client(world.segment, DEAD, 10));
}

static void
nothing_yet(void)
{
}

static void
a_limit_leaves_one_place(void)
{
	they_wait_for_a_first_server();
	world.policy.database_limit = world.policy.size;
}

static uint32_t
sibling(void)
{
	return pools_find(world.segment, "db", "sibling");
}

/* Its one server is idle, and keeps ours from opening a third. */
static void
a_sibling_is_in_the_way(void)
{
	struct pool_caller other = worker(1);
	const char *reason;
	uint32_t client;

	(void)pools_make(world.segment, "db", "sibling", false);
	server = pool_open(&other, sibling(), &world.policy, true);
	ck_assert_uint_ne(server, NO_ROW);
	atomic_store(&server_at(server)->has_fd, 15);
	ck_assert_int_eq(pool_give_back(&other, server, &world.policy,
	    &client, &reason), POOL_RELEASED);
	linked_to(pool_world_add_client(&world, 1));
	linked_to(pool_world_add_client(&world, 1));
	theirs = pool_world_add_client(&world, 0);
	pool_world_take(&world, theirs, WORLD_NOW);
	world.policy.database_limit = world.policy.size;
}

/* An empty pool of another database. */
static void
a_pool_is_empty(void)
{
	(void)pools_make(world.segment, "other", "user2", false);
}

static void
my_client_is_in(void)
{
	struct pools_entry entry = { "other", "user2", false, "me", 1, 1 };
	struct pools_place place;

	ck_assert_int_eq(pools_enter(world.segment, DEAD, &entry, &place),
	    POOLS_ENTERED);
}

/* --- what the victim does; killed somewhere in it ------------------------ */

static void
take(const struct pool_caller *me)
{
	(void)!pool_take(me, world.pool, mine, &world.policy, &server);
}

static void
give(const struct pool_caller *me)
{
	give_back(me, server);
}

static void
accept_gift(const struct pool_caller *me)
{
	(void)!pool_accept(me, mine, &server);
}

static void
leave(const struct pool_caller *me)
{
	pool_leave(me, mine, &server);
	if (server != NO_ROW)
		give_back(me, server);
}

static void
open_server(const struct pool_caller *me)
{
	(void)!open_one(me, false);
}

static void
fail_to_open(const struct pool_caller *me)
{
	pool_open_failed(me, server, "no", "28000");
	if (pool_begin_close(me, server))
		pool_end_close(me, server);
}

static void
close_server(const struct pool_caller *me)
{
	part(server);
	if (pool_begin_close(me, server))
		pool_end_close(me, server);
}

static void
pick_stale(const struct pool_caller *me)
{
	struct pool_policy policy = world.policy;
	const char *reason;
	uint32_t row;

	policy.lifetime = 0;
	while ((row = pool_pick_stale(me, world.pool, &policy, &reason)) !=
	    NO_ROW)
		pool_end_close(me, row);
}

static void
begin_cancel(const struct pool_caller *me)
{
	uint32_t target;

	(void)!pool_begin_cancel(me, theirs,
	    world.segment->cancel_keys[theirs], &target);
}

static void
end_cancel(const struct pool_caller *me)
{
	uint32_t target;

	if (pool_end_cancel(me, link_row, &target))
		give_back(me, target);
}

static void
look_at_idle(const struct pool_caller *me)
{
	if (pool_claim_idle(me, server))
		give_back(me, server);
}

static void
reset(const struct pool_caller *me)
{
	part(server);
	pool_begin_test(me, server);
	give_back(me, server);
}

static void
see_to_the_legacy(const struct pool_caller *me)
{
	(void)drain(me);
}

static void
come(const struct pool_caller *me)
{
	uint32_t row = clients_claim(me->segment, me->worker);

	(void)!segment_count_client(me->segment, me->worker, 10);
	atomic_store(&client_at(row)->pool, world.pool);
	atomic_store(&client_at(row)->phase, CLIENT_IDLE);
}

static void
go(const struct pool_caller *me)
{
	segment_uncount_client(me->segment, me->worker);
	clients_free(me->segment, mine);
}

static void
make_pool(const struct pool_caller *me)
{
	(void)pools_make(me->segment, "other", "user2", false);
}

static void
evict(const struct pool_caller *me)
{
	uint32_t row;

	(void)!pool_open(me, world.pool, &world.policy, false);
	row = limits_evict(me, world.pool, &world.policy);
	if (row != NO_ROW)
		pool_end_close(me, row);
}

static void
enter_pool(const struct pool_caller *me)
{
	struct pools_entry entry = { "other", "user2", false, "me", 1, 1 };
	struct pools_place place;

	(void)!pools_enter(me->segment, me->worker, &entry, &place);
}

static void
leave_pool(const struct pool_caller *me)
{
	pools_leave(me->segment, me->worker, pools_find(me->segment, "other",
	    "user2"), users_find(me->segment, "me"));
}

static void
retire_one_pool(const struct pool_caller *me)
{
	usec_t age;

	(void)!retire_pool(me, pools_find(me->segment, "other", "user2"), 0,
	    &age);
}

static void
retire_one_database(const struct pool_caller *me)
{
	(void)!retire_database(me, databases_find(me->segment, "other"), 0);
}

static const struct {
	const char	*story;
	void		(*prepare)(void);
	void		(*act)(const struct pool_caller *);
} scenes[] = {
	{ "takes an idle server", an_idle_server_elsewhere, take },
	{ "queues up", no_server_is_free, take },
	{ "gives back to rest", my_client_is_linked, give },
	{ "gives to its own next client", one_of_ours_waits, give },
	{ "gives to another worker's client", one_of_theirs_waits, give },
	{ "gives to one of many", many_wait, give },
	{ "accepts what it was given", i_was_given_one, accept_gift },
	{ "leaves the queue", i_wait, leave },
	{ "leaves with a gift", i_was_given_one, leave },
	{ "opens a server", they_wait_for_a_first_server, open_server },
	{ "has opened a server", i_am_opening, give },
	{ "fails to open", i_am_opening, fail_to_open },
	{ "closes a server", my_client_is_linked, close_server },
	{ "closes stale servers", idle_servers_of_mine, pick_stale },
	{ "begins a cancel", they_are_linked, begin_cancel },
	{ "ends a cancel", i_cancel_their_query, end_cancel },
	{ "ends a cancel that was waited for", a_server_waits_for_my_cancel,
	    end_cancel },
	{ "looks at an idle server", idle_servers_of_mine, look_at_idle },
	{ "resets a server", one_of_theirs_waits, reset },
	{ "repairs what another one left", the_lock_is_left_behind, give },
	{ "sees to a dead worker's legacy", another_worker_died,
	    see_to_the_legacy },
	{ "reads its mail", i_have_mail, see_to_the_legacy },
	{ "lets a client in", nothing_yet, come },
	{ "lets a client go", my_client_is_idle, go },
	{ "makes a pool", nothing_yet, make_pool },
	{ "opens a server under a limit", a_limit_leaves_one_place,
	    open_server },
	{ "evicts another pool's server", a_sibling_is_in_the_way, evict },
	{ "lets a client into a pool", nothing_yet, enter_pool },
	{ "lets a client out of a pool", my_client_is_in, leave_pool },
	{ "gives a pool's row back", a_pool_is_empty, retire_one_pool },
	{ "gives a database's row back", a_pool_is_empty,
	    retire_one_database },
};

/* --- afterwards ---------------------------------------------------------- */

/* Survivors go on until nobody has anything to do. */
static void
settle(void)
{
	bool busy = true;

	for (int round = 0; busy && round < 100; round++) {
		busy = false;
		for (uint32_t slot = 0; slot < WORLD_WORKERS; slot++) {
			struct pool_caller caller = worker(slot);

			if (slot == vacant)
				continue;
			caller.now += POOL_RETRY_MOST(world.policy.login_retry);
			busy |= drain(&caller);
			busy |= open_one(&caller, false);
		}
		for (uint32_t row = 0; row < WORLD_CLIENTS; row++) {
			struct pool_caller caller = worker(
			    client_at(row)->worker);

			if (client_at(row)->phase != CLIENT_LINKED)
				continue;
			busy = true;
			give_back(&caller, client_at(row)->server);
		}
	}
	ck_assert_msg(!busy, "%s: it never ends", story);
}

static void
check_clients(void)
{
	for (uint32_t row = 0; row < WORLD_CLIENTS; row++) {
		const struct client_row *client = client_at(row);

		if (client->phase == CLIENT_FREE)
			continue;
		ck_assert_msg(client->worker != vacant &&
		    client->worker != NO_ROW, "%s: client %u of phase %u and "
		    "worker %d is left over", story, row, client->phase,
		    (int)client->worker);
		ck_assert_msg(client->phase == CLIENT_IDLE,
		    "%s: client %u of phase %u was not served", story, row,
		    client->phase);
	}
}

static void
check_servers(void)
{
	for (uint32_t row = 0; row < WORLD_SERVERS; row++) {
		const struct server_row *at = server_at(row);

		if (at->phase == SERVER_FREE)
			continue;
		ck_assert_msg(at->phase == SERVER_IDLE && at->worker != vacant
		    && at->worker < WORLD_WORKERS && at->pool == world.pool,
		    "%s: server %u of phase %u and worker %d, pool %d is "
		    "left over", story, row, at->phase, (int)at->worker,
		    (int)at->pool);
	}
}

static void
check_locks(void)
{
	struct segment *segment = world.segment;

	ck_assert_msg(lock_is_free(&segment->state->naming),
	    "%s: the naming lock is held", story);
	for (uint32_t slot = 0; slot < WORLD_WORKERS; slot++)
		ck_assert_msg(lock_is_free(&segment->mailboxes[slot].lock),
		    "%s: the lock of mailbox %u is held", story, slot);
}

/* The counts are not only consistent, they also leave room for a full pool. */
static void
check_size(void)
{
	struct pool_caller caller = worker(1);
	uint32_t rows = 0;

	caller.now += POOL_RETRY_MOST(world.policy.login_retry);
	while (open_one(&caller, true))
		continue;
	for (uint32_t row = 0; row < WORLD_SERVERS; row++)
		rows += server_at(row)->phase != SERVER_FREE;
	ck_assert_msg(pool_world_row(&world)->server_count ==
	    world.policy.size && rows == world.policy.size,
	    "%s: a full pool has %u servers, and %u rows are in use", story,
	    pool_world_row(&world)->server_count, rows);
}

/* Every row is in use or can be claimed. */
static void
check_rows(void)
{
	uint32_t rows = 0;

	for (uint32_t row = 0; row < WORLD_CLIENTS; row++)
		rows += client_at(row)->phase != CLIENT_FREE;
	while (clients_claim(world.segment, 1) != NO_ROW)
		rows++;
	ck_assert_msg(rows == WORLD_CLIENTS, "%s: %u clients are lost",
	    story, WORLD_CLIENTS - rows);
	rows = 0;
	for (uint32_t row = 0; row < WORLD_SERVERS; row++)
		rows += server_at(row)->phase != SERVER_FREE;
	while (servers_claim(world.segment, 1, world.pool, SERVER_OPENING) !=
	    NO_ROW)
		rows++;
	ck_assert_msg(rows == WORLD_SERVERS, "%s: %u servers are lost",
	    story, WORLD_SERVERS - rows);
}

/* What a sibling still has is in nobody's way any more. */
static void
close_the_siblings(void)
{
	struct pool_policy policy = world.policy;
	uint32_t pool = sibling(), row;
	const char *reason;

	policy.lifetime = 0;
	for (uint32_t slot = 0; pool != NO_ROW && slot < WORLD_WORKERS;
	    slot++) {
		struct pool_caller caller = worker(slot);

		while ((row = pool_pick_stale(&caller, pool, &policy,
		    &reason)) != NO_ROW)
			pool_end_close(&caller, row);
	}
}

/* The sums that limits go by are those of the rows. */
static void
check_tallies(void)
{
	struct segment *segment = world.segment;

	for (uint32_t pool = 0; pool < segment->state->pools_used; pool++)
		ck_assert_msg(segment->tallies[pool].servers ==
		    segment->pools[pool].server_count &&
		    segment->tallies[pool].closing ==
		    segment->pools[pool].closing_count,
		    "%s: the tally of pool %u says %u and %u", story, pool,
		    segment->tallies[pool].servers,
		    segment->tallies[pool].closing);
}

/* The dead is in no pool, and where one may be in, one gets in. */
static void
check_entries(void)
{
	struct pools_entry entry = { "other", "user2", false, "me", 1, 1 };
	struct pools_place place;

	ck_assert_msg(pools_enter(world.segment, 1, &entry, &place) ==
	    POOLS_ENTERED, "%s: nobody gets in", story);
	ck_assert_uint_eq(pools_find(world.segment, "other", "user2"),
	    place.pool);
	ck_assert_uint_eq(pools_clients(world.segment, place.pool), 1);
	pools_leave(world.segment, 1, place.pool, place.user);
}

static void
check_all(void)
{
	const struct roster_row *roster = &world.segment->roster[DEAD];

	close_the_siblings();
	check_clients();
	check_servers();
	check_tallies();
	check_locks();
	check_entries();
	ck_assert_msg(roster->counted == 0 && roster->clients == 0,
	    "%s: the roster remembers the dead", story);
	pool_world_check(&world, story);
	check_size();
	check_rows();
	ck_assert_msg(pools_make(world.segment, "other", "user2", false) !=
	    NO_ROW, "%s: no more pools", story);
}

static void
repair(void)
{
	atomic_store(&world.segment->roster[DEAD].phase, ROSTER_DEAD);
	repair_after_death(world.segment, DEAD, WORLD_NOW);
	ck_assert_msg(pool_world_row(&world)->server_count <=
	    world.policy.size, "%s: %u servers are counted", story,
	    pool_world_row(&world)->server_count);
}

/* Somebody else may come to the lock before the supervisor does. */
static void
survivor_comes_first(void)
{
	struct pool_caller caller = worker(0);
	uint32_t client = clients_claim(world.segment, 0), taken;

	atomic_store(&client_at(client)->pool, world.pool);
	atomic_store(&client_at(client)->phase, CLIENT_IDLE);
	(void)!pool_take(&caller, world.pool, client, &world.policy, &taken);
	ck_assert_msg(pool_world_row(&world)->server_count <=
	    world.policy.size, "%s: %u servers are counted", story,
	    pool_world_row(&world)->server_count);
}

/* --- killed at every state of a call ------------------------------------- */

/*
 * A child acts and is stopped after each instruction.  Whenever the segment
 * has changed, this process plays what would follow if the child were killed
 * now, puts the segment back as it was, and lets the child go on.  A death is
 * played, too: the kernel would mark the locks of the dead like this.
 */
#define FUTEX_TID_BITS 0x3fffffff
#define FUTEX_DIED_BIT 0x40000000

#define LETTERS_KEPT 64

struct range {
	void	*at;
	size_t	 bytes;
};

/* All that a call can change. */
static struct range ranges[WORLD_WORKERS + 1];
static uint8_t *before, *kept;

static void
begin_watching(void)
{
	struct segment *segment = world.segment;
	size_t all = 0;

	ranges[0] = (struct range){ segment->memory,
	    (size_t)((char *)segment->stats - (char *)segment->memory) };
	for (uint32_t i = 0; i < WORLD_WORKERS; i++)
		ranges[1 + i] = (struct range){ &segment->mailboxes[i],
		    offsetof(struct mailbox, letters) + LETTERS_KEPT *
		    sizeof(struct mail) };
	for (unsigned i = 0; i < ARRAY_LENGTH(ranges); i++)
		all += ranges[i].bytes;
	free(before);
	free(kept);
	before = malloc(all);
	kept = malloc(all);
	ck_assert(before != NULL && kept != NULL);
}

static void
keep(uint8_t *to)
{
	for (unsigned i = 0; i < ARRAY_LENGTH(ranges); i++) {
		memcpy(to, ranges[i].at, ranges[i].bytes);
		to += ranges[i].bytes;
	}
}

static void
put_back(const uint8_t *from)
{
	for (unsigned i = 0; i < ARRAY_LENGTH(ranges); i++) {
		memcpy(ranges[i].at, from, ranges[i].bytes);
		from += ranges[i].bytes;
	}
}

/* What calls write all the time lies at the front of a row. */
static bool
differs(const void *row, size_t bytes)
{
	size_t at = (size_t)((const char *)row -
	    (const char *)world.segment->memory);

	return memcmp(before + at, row, bytes) != 0;
}

static bool
cells_differ(const _Atomic uint32_t *cells)
{
	return differs((const void *)(cells), 4 * ROSTER_SLOTS *
	    sizeof(uint32_t));
}

/* Looks at little, because it looks after each instruction. */
static bool
has_changed(void)
{
	const struct segment *segment = world.segment;
	size_t at = ranges[0].bytes;

	if (differs(segment->state, sizeof(struct state)) ||
	    differs(segment->roster, WORLD_WORKERS *
	    sizeof(struct roster_row)) ||
	    differs(segment->clients, 8 * sizeof(struct client_row)) ||
	    differs(segment->databases, 3 * sizeof(struct database_row)) ||
	    differs(segment->users, 3 * offsetof(struct user_row, derived)) ||
	    differs(segment->pool_index, 12 * sizeof(uint32_t)) ||
	    differs(segment->tallies, 4 * sizeof(struct pool_tally)) ||
	    cells_differ(segment->pool_clients) ||
	    cells_differ(segment->database_clients) ||
	    cells_differ(segment->user_clients))
		return true;
	for (uint32_t i = 0; i < 5; i++)
		if (differs(&segment->servers[i], offsetof(struct server_row,
		    remote)))
			return true;
	for (uint32_t i = 0; i < 3; i++)
		if (differs(&segment->pools[i], offsetof(struct pool_row,
		    welcome)))
			return true;
	for (unsigned i = 1; i < ARRAY_LENGTH(ranges); i++) {
		if (memcmp(before + at, ranges[i].at, ranges[i].bytes) != 0)
			return true;
		at += ranges[i].bytes;
	}
	return false;
}

#ifdef __GLIBC__
static void
lose(struct lock *lock, pid_t dead)
{
	int *word = &lock->mutex.__data.__lock;

	if ((*word & FUTEX_TID_BITS) == dead)
		*word = FUTEX_DIED_BIT;
}
#else
#define lose(lock, dead) /* how a lock is stored is known of glibc only */
#endif

static void
play_death(pid_t pid)
{
	struct segment *segment = world.segment;

	lose(&segment->state->naming, pid);
	for (uint32_t i = 0; i < 3; i++) {
		lose(&segment->pools[i].lock, pid);
		lose(&segment->users[i].lock, pid);
	}
	for (uint32_t i = 0; i < WORLD_WORKERS; i++)
		lose(&segment->mailboxes[i].lock, pid);
}

static void
play_what_follows(pid_t pid, const char *what, unsigned changes)
{
	keep(kept);
	for (int survivor_first = 0; survivor_first < 2; survivor_first++) {
		snprintf(story, sizeof(story), "%s, killed after %u changes, "
		    "%s first", what, changes, survivor_first ? "survivor" :
		    "supervisor");
		play_death(pid);
		if (survivor_first)
			survivor_comes_first();
		repair();
		settle();
		check_all();
		put_back(kept);
	}
}

static void
act_and_tell(void (*act)(const struct pool_caller *))
{
	struct pool_caller me = worker(DEAD);

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1)
		_exit(1);
	raise(SIGSTOP);
	act(&me);
	raise(SIGSTOP);
	_exit(0);
}

/* False: it has come to its end. */
static bool
step(pid_t pid)
{
	int status;

	ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFSTOPPED(status) && (WSTOPSIG(status) == SIGTRAP ||
	    WSTOPSIG(status) == SIGSTOP), "%s: status %x", story,
	    (unsigned)status);
	return WSTOPSIG(status) == SIGTRAP;
}

/* So that all symbols are bound, and to see that it works at all. */
static void
act_undisturbed(int scene)
{
	struct pool_caller me;

	pool_world_start(&world);
	scenes[scene].prepare();
	me = worker(DEAD);
	scenes[scene].act(&me);
	pool_world_check(&world, scenes[scene].story);
	pool_world_stop(&world);
}

/* Where a process may not trace another one, this says nothing. */
START_TEST(killed_at_every_state_of_a_call)
{
	unsigned changes = 0;
	pid_t pid;
	int status;

	act_undisturbed(_i);
	pool_world_start(&world);
	scenes[_i].prepare();
	begin_watching();
	pid = fork();
	if (pid == 0)
		act_and_tell(scenes[_i].act);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (!WIFSTOPPED(status) || ptrace(PTRACE_SETOPTIONS, pid, NULL,
	    (void *)PTRACE_O_EXITKILL) == -1)
		return;
	keep(before);
	play_what_follows(pid, scenes[_i].story, changes);
	while (step(pid)) {
		if (!has_changed())
			continue;
		keep(before);
		play_what_follows(pid, scenes[_i].story, ++changes);
	}
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_uint_gt(changes, 0);
	pool_world_stop(&world);
}
END_TEST

/* --- rows written by hand ------------------------------------------------ */

/* What the dead one left: a server that names a client, or does not. */
static const struct {
	const char		*story;
	enum server_phase	 server;
	bool			 names_client, old_generation;
	enum client_phase	 client;
	/* After a repair of the pool: */
	enum server_phase	 server_then;
	enum client_phase	 client_then;
	uint32_t		 idle, waiting;
} halves[] = {
	{ "released, the next client chosen, nothing else written",
	    SERVER_ACTIVE, true, false, CLIENT_WAITING,
	    SERVER_GIVEN, CLIENT_GIVEN, 0, 0 },
	{ "an idle server about to be given",
	    SERVER_IDLE, true, false, CLIENT_WAITING,
	    SERVER_GIVEN, CLIENT_GIVEN, 0, 0 },
	{ "given, and the client does not know",
	    SERVER_GIVEN, true, false, CLIENT_WAITING,
	    SERVER_GIVEN, CLIENT_GIVEN, 0, 0 },
	{ "tested, and then given",
	    SERVER_TESTING, true, false, CLIENT_WAITING,
	    SERVER_GIVEN, CLIENT_GIVEN, 0, 0 },
	{ "given, and both know",
	    SERVER_GIVEN, true, false, CLIENT_GIVEN,
	    SERVER_GIVEN, CLIENT_GIVEN, 0, 0 },
	{ "linked, and both know",
	    SERVER_ACTIVE, true, false, CLIENT_LINKED,
	    SERVER_ACTIVE, CLIENT_LINKED, 0, 0 },
	{ "its client has let it go",
	    SERVER_ACTIVE, true, false, CLIENT_IDLE,
	    SERVER_ACTIVE, CLIENT_IDLE, 0, 0 },
	{ "it names a client that has gone; another one waits in its row",
	    SERVER_ACTIVE, true, true, CLIENT_WAITING,
	    SERVER_ACTIVE, CLIENT_WAITING, 0, 1 },
	{ "closing: nobody gets it",
	    SERVER_CLOSING, true, false, CLIENT_WAITING,
	    SERVER_CLOSING, CLIENT_WAITING, 0, 1 },
	{ "idle, and a client of another server waits",
	    SERVER_IDLE, false, false, CLIENT_WAITING,
	    SERVER_IDLE, CLIENT_WAITING, 1, 1 },
	{ "being opened while a client waits",
	    SERVER_OPENING, false, false, CLIENT_WAITING,
	    SERVER_OPENING, CLIENT_WAITING, 0, 1 },
};

static void
garble(struct pool_row *pool)
{
	pool->idle_head = pool->wait_tail = 3;
	pool->idle_tail = pool->wait_head = NO_ROW;
	pool->idle_count = pool->wait_count = 77;
	pool->server_count = pool->opening_count = pool->closing_count = 99;
}

static void
begin(void)
{
	pool_world_start(&world);
}

static void
end(void)
{
	pool_world_stop(&world);
}

START_TEST(a_hand_over_that_was_begun_is_finished)
{
	struct pool_caller survivor = worker(1);
	struct pool_row *pool = pool_world_row(&world);
	uint32_t client = pool_world_add_client(&world, 1);
	uint32_t row = pool_world_add_server(&world, DEAD);
	struct server_row *at = server_at(row);
	const char *what;

	snprintf(story, sizeof(story), "%s", halves[_i].story);
	atomic_store(&client_at(client)->phase, halves[_i].client);
	if (halves[_i].client == CLIENT_LINKED ||
	    halves[_i].client == CLIENT_GIVEN)
		client_at(client)->server = row;
	if (halves[_i].names_client)
		at->client = client;
	at->client_generation = client_at(client)->generation -
	    halves[_i].old_generation;
	atomic_store(&at->phase, halves[_i].server);
	garble(pool);

	pool_unlock(pool_lock(&survivor, world.pool));
	repair_pool_locked(world.segment, world.pool);
	ck_assert_msg(at->phase == halves[_i].server_then, "%s: server in "
	    "phase %u", story, at->phase);
	ck_assert_msg(client_at(client)->phase == halves[_i].client_then,
	    "%s: client in phase %u", story, client_at(client)->phase);
	ck_assert_msg(pool->idle_count == halves[_i].idle &&
	    pool->wait_count == halves[_i].waiting, "%s: %u idle, %u waiting",
	    story, pool->idle_count, pool->wait_count);
	ck_assert_uint_eq(pool->server_count, 1);
	if (halves[_i].client == CLIENT_WAITING &&
	    halves[_i].client_then == CLIENT_GIVEN) {
		ck_assert_uint_eq(at->worker, 1);
		ck_assert_uint_eq(client_at(client)->server, row);
		ck_assert_uint_eq(world.segment->roster[1].recheck, 1);
	}
	/* The rest is for a pool at rest. */
	if ((pool->idle_count == 0 || pool->wait_count == 0) &&
	    (at->phase != SERVER_ACTIVE ||
	    client_at(client)->phase == CLIENT_LINKED))
		ck_assert_msg(repair_check_pool(world.segment, world.pool,
		    &what), "%s: %s", story, what);
}
END_TEST

START_TEST(lists_are_rebuilt_in_the_order_of_their_times)
{
	struct pool_row *pool = pool_world_row(&world);
	uint32_t servers[3], clients[5];

	for (int i = 0; i < 3; i++)
		servers[i] = pool_world_add_server_at(&world, 0, WORLD_NOW +
		    (i * 2) % 3);
	for (int i = 0; i < 5; i++) {
		clients[i] = pool_world_add_client(&world, 0);
		client_at(clients[i])->wait_since = WORLD_NOW + (i * 2) % 5;
		atomic_store(&client_at(clients[i])->phase, CLIENT_WAITING);
	}
	garble(pool);
	repair_pool_locked(world.segment, world.pool);
	/* Idle since 0, 2, 1: the one used last is the head. */
	ck_assert_uint_eq(pool->idle_head, servers[1]);
	ck_assert_uint_eq(server_at(servers[1])->next, servers[2]);
	ck_assert_uint_eq(pool->idle_tail, servers[0]);
	/* Wait since 0, 2, 4, 1, 3: who has waited longest is the head. */
	ck_assert_uint_eq(pool->wait_head, clients[0]);
	ck_assert_uint_eq(client_at(clients[0])->next, clients[3]);
	ck_assert_uint_eq(client_at(clients[3])->next, clients[1]);
	ck_assert_uint_eq(client_at(clients[1])->next, clients[4]);
	ck_assert_uint_eq(pool->wait_tail, clients[2]);
}
END_TEST

START_TEST(cancels_are_counted_from_their_links)
{
	struct pool_caller canceler = worker(1);
	uint32_t client = pool_world_add_client(&world, 0), target, held;

	held = linked_to(client);
	for (int i = 0; i < 2; i++)
		ck_assert_uint_ne(pool_begin_cancel(&canceler, client,
		    world.segment->cancel_keys[client], &target), NO_ROW);
	server_at(held)->cancels = 77;
	repair_pool_locked(world.segment, world.pool);
	ck_assert_uint_eq(server_at(held)->cancels, 2);
	ck_assert_uint_eq(pool_world_row(&world)->server_count, 1);
}
END_TEST

/* --- burying ------------------------------------------------------------- */

START_TEST(idle_servers_stay_and_a_living_worker_watches_them)
{
	uint32_t row = pool_world_add_server(&world, DEAD);
	struct pool_caller heir = worker(3);
	struct mail letter;

	repair();
	ck_assert_uint_eq(server_at(row)->phase, SERVER_IDLE);
	ck_assert_uint_eq(server_at(row)->worker, 3);
	ck_assert_uint_eq(mailbox_collect(world.segment, 3, &letter, 1), 1);
	ck_assert_uint_eq(letter.kind, MAIL_ADOPT);
	ck_assert_uint_eq(letter.row, row);
	ck_assert_int_eq(pool_adopt(&heir, row), POOL_LEGACY_WATCH);
	check_all();
}
END_TEST

START_TEST(with_nobody_alive_the_slots_next_worker_is_the_heir)
{
	uint32_t idle = pool_world_add_server(&world, DEAD);
	uint32_t held = linked_to(pool_world_add_client(&world, DEAD));
	struct pool_caller next = worker(DEAD);

	for (uint32_t slot = 0; slot < WORLD_WORKERS; slot++)
		atomic_store(&world.segment->roster[slot].phase, ROSTER_DEAD);
	repair();
	ck_assert_uint_eq(server_at(idle)->worker, DEAD);
	ck_assert_uint_eq(server_at(held)->worker, DEAD);
	ck_assert(drain(&next));
	ck_assert_uint_eq(pool_world_row(&world)->server_count, 1);
}
END_TEST

START_TEST(what_the_dead_used_is_closed_by_the_heir)
{
	uint32_t held = linked_to(pool_world_add_client(&world, DEAD));
	struct pool_caller heir = worker(3);

	repair();
	ck_assert_uint_eq(server_at(held)->phase, SERVER_CLOSING);
	ck_assert_uint_eq(server_at(held)->worker, 3);
	ck_assert_int_eq(pool_adopt(&heir, held), POOL_LEGACY_CLOSE);
	ck_assert_uint_eq(pool_world_row(&world)->server_count, 1);
	pool_end_close(&heir, held);
	check_all();
}
END_TEST

static uint32_t
add_tls_server(uint32_t watcher, uint32_t owner)
{
	uint32_t row = pool_world_add_server(&world, watcher);

	server_at(row)->tls_owner = owner + 1;
	return row;
}

/* Nobody can use it any more, whoever watches it. */
START_TEST(idle_servers_whose_tls_died_are_closed)
{
	uint32_t own = add_tls_server(DEAD, DEAD);
	uint32_t lent = add_tls_server(1, DEAD);
	uint32_t other = add_tls_server(DEAD, 1);
	struct pool_caller heir = worker(3), watcher = worker(1);

	repair();
	ck_assert_uint_eq(server_at(own)->phase, SERVER_CLOSING);
	ck_assert_uint_eq(server_at(own)->worker, 3);
	ck_assert_uint_eq(server_at(lent)->phase, SERVER_CLOSING);
	ck_assert_uint_eq(server_at(lent)->worker, 1);
	ck_assert_uint_eq(server_at(own)->orphaned, 1);
	ck_assert_uint_eq(server_at(lent)->orphaned, 1);
	/* Its owner lives. */
	ck_assert_uint_eq(server_at(other)->phase, SERVER_IDLE);
	ck_assert_uint_eq(server_at(other)->orphaned, 0);
	ck_assert_uint_eq(pool_world_row(&world)->closing_count, 2);
	ck_assert_int_eq(pool_adopt(&heir, own), POOL_LEGACY_CLOSE);
	ck_assert_int_eq(pool_adopt(&watcher, lent), POOL_LEGACY_CLOSE);
	pool_end_close(&heir, own);
	pool_end_close(&watcher, lent);
	ck_assert_uint_eq(pool_world_row(&world)->server_count, 1);
	check_all();
}
END_TEST

START_TEST(a_letter_says_that_an_idle_server_lost_its_tls)
{
	uint32_t lent = add_tls_server(1, DEAD);
	struct mail letter;

	repair();
	ck_assert_uint_eq(mailbox_collect(world.segment, 1, &letter, 1), 1);
	ck_assert_uint_eq(letter.kind, MAIL_ADOPT);
	ck_assert_uint_eq(letter.row, lent);
}
END_TEST

/* Its worker sees the end of it; it goes to nobody else. */
START_TEST(a_server_in_use_whose_tls_died_is_closed_after_it)
{
	uint32_t lent = add_tls_server(1, DEAD), next;
	uint32_t client = pool_world_add_client(&world, 1);

	ck_assert_uint_eq(pool_world_take(&world, client, WORLD_NOW), lent);
	repair();
	ck_assert_uint_eq(server_at(lent)->phase, SERVER_ACTIVE);
	ck_assert_uint_eq(server_at(lent)->orphaned, 1);
	part(lent);
	ck_assert_int_eq(pool_world_give_back(&world, lent, WORLD_NOW,
	    &next), POOL_CLOSE);
}
END_TEST

START_TEST(what_was_promised_to_the_dead_is_closed_if_its_tls_died)
{
	i_was_given_one();
	server_at(server)->tls_owner = DEAD + 1;
	repair();
	ck_assert_uint_eq(server_at(server)->phase, SERVER_CLOSING);
	ck_assert_uint_eq(client_at(theirs)->phase, CLIENT_WAITING);
}
END_TEST

/* Nothing was sent on it yet, so it can go to the next. */
START_TEST(what_was_promised_to_the_dead_goes_to_the_next_in_the_queue)
{
	uint32_t next;

	i_was_given_one();
	ck_assert_uint_eq(client_at(mine)->phase, CLIENT_GIVEN);
	ck_assert_uint_eq(client_at(theirs)->phase, CLIENT_WAITING);
	repair();
	ck_assert_uint_eq(client_at(theirs)->phase, CLIENT_GIVEN);
	ck_assert_uint_eq(server_at(server)->phase, SERVER_GIVEN);
	ck_assert_uint_eq(server_at(server)->worker, 1);
	for (uint32_t slot = 0; slot < WORLD_WORKERS; slot++)
		ck_assert_uint_eq(world.segment->roster[slot].recheck, 1);
	ck_assert(pool_accept(&(struct pool_caller){ world.segment, 1,
	    WORLD_NOW }, theirs, &next));
	ck_assert_uint_eq(next, server);
}
END_TEST

START_TEST(the_dead_wait_no_more)
{
	i_wait();
	ck_assert_uint_eq(pool_world_row(&world)->wait_count, 2);
	repair();
	ck_assert_uint_eq(pool_world_row(&world)->wait_count, 1);
	ck_assert_uint_eq(pool_world_row(&world)->wait_head, theirs);
	ck_assert_uint_eq(client_at(mine)->phase, CLIENT_FREE);
}
END_TEST

START_TEST(a_server_that_waited_for_the_cancel_of_the_dead_is_free_to_go)
{
	a_server_waits_for_my_cancel();
	ck_assert_uint_eq(server_at(server)->phase, SERVER_CANCELING);
	repair();
	settle();
	check_all();
}
END_TEST

START_TEST(other_pools_and_other_workers_are_left_alone)
{
	uint32_t other = pools_make(world.segment, "other", "user", false);
	uint32_t client = pool_world_add_client(&world, 1), held;

	held = linked_to(client);
	atomic_store(&world.segment->clients[clients_claim(world.segment,
	    DEAD)].pool, other);
	repair();
	ck_assert_uint_eq(server_at(held)->phase, SERVER_ACTIVE);
	ck_assert_uint_eq(server_at(held)->worker, 1);
	ck_assert_uint_eq(client_at(client)->phase, CLIENT_LINKED);
}
END_TEST

START_TEST(a_dead_worker_counts_no_clients_and_watches_nothing)
{
	struct roster_row *roster = &world.segment->roster[DEAD];

	atomic_store(&roster->clients, 5);
	atomic_store(&roster->sleeping, 1);
	ck_assert(segment_count_client(world.segment, DEAD, 10));
	atomic_store(&world.segment->state->watchers, 15);
	repair();
	ck_assert_uint_eq(roster->clients, 0);
	ck_assert_uint_eq(roster->sleeping, 0);
	ck_assert_uint_eq(segment_clients_counted(world.segment), 0);
	ck_assert_uint_eq(world.segment->state->watchers, 15 - (1 << DEAD));
}
END_TEST

/* --- the check itself ---------------------------------------------------- */

static void
break_idle_list(struct pool_row *pool)
{
	atomic_store(&server_at(pool->idle_head)->phase, SERVER_TESTING);
}

static void
break_queue(struct pool_row *pool)
{
	atomic_store(&client_at(pool->wait_head)->phase, CLIENT_IDLE);
}

static void
break_idle_count(struct pool_row *pool)
{
	pool->idle_count++;
}

static void
break_wait_count(struct pool_row *pool)
{
	pool->wait_count--;
}

static void
break_server_count(struct pool_row *pool)
{
	pool->server_count++;
}

static void
break_opening_count(struct pool_row *pool)
{
	pool->opening_count++;
}

static void
let_a_client_wait(struct pool_row *pool)
{
	atomic_store(&world.segment->state->paused, 0);
}

static const struct {
	const char	*what;
	void		(*harm)(struct pool_row *);
} harms[] = {
	{ "a server in the idle list is not idle", break_idle_list },
	{ "a client in the waiting list does not wait", break_queue },
	{ "a list is not as long as its count", break_idle_count },
	{ "a list is not as long as its count", break_wait_count },
	{ "a count differs from the rows", break_server_count },
	{ "a count differs from the rows", break_opening_count },
	{ "a client waits while a server is idle", let_a_client_wait },
};

START_TEST(the_check_finds_what_is_wrong)
{
	struct pool_row *pool = pool_world_row(&world);
	const char *what = "";

	pool_world_add_server(&world, 0);
	atomic_store(&world.segment->state->paused, 1);
	pool_world_take(&world, pool_world_add_client(&world, 0), WORLD_NOW);
	pool_world_check(&world, harms[_i].what);
	harms[_i].harm(pool);
	ck_assert(!repair_check_pool(world.segment, world.pool, &what));
	ck_assert_str_eq(what, harms[_i].what);
}
END_TEST

/* --- a storm of kills ---------------------------------------------------- */

/*
 * Processes do anything that workers do, as fast as they can, while one after
 * the other is killed and replaced.  One more process looks all the time.
 */
#define CLIENTS_EACH 4
#define PATIENCE (20 * USEC_PER_SEC)
/* On a busy machine a storm is over after this time. */
#define STORM_MOST (400 * USEC_PER_MSEC)

static struct storm {
	_Atomic bool	 over, burying;
	_Atomic uint64_t served;
	char		 fault[128];	/* what the watcher saw */
} *storm;

struct dice {
	uint64_t	state;
};

/* xorshift: the same throws for the same seed. */
static uint32_t
throw(struct dice *dice, uint32_t below)
{
	dice->state ^= dice->state << 13;
	dice->state ^= dice->state >> 7;
	dice->state ^= dice->state << 17;
	return (uint32_t)(dice->state >> 33) % below;
}

static void
open_or_fail(const struct pool_caller *me, struct dice *dice)
{
	uint32_t row = pool_open(me, world.pool, &world.policy, false);

	if (row == NO_ROW)
		return;
	if (throw(dice, 10) == 0) {
		pool_open_failed(me, row, "no", "");
		if (pool_begin_close(me, row))
			pool_end_close(me, row);
		return;
	}
	atomic_store(&server_at(row)->has_fd,
	    (UINT64_C(1) << WORLD_WORKERS) - 1);
	give_back(me, row);
}

static void
storm_close(const struct pool_caller *me, uint32_t row)
{
	part(row);
	if (pool_begin_close(me, row))
		pool_end_close(me, row);
}

static void
storm_leave(const struct pool_caller *me, uint32_t client)
{
	uint32_t given;

	pool_leave(me, client, &given);
	if (given != NO_ROW)
		give_back(me, given);
}

static void
go_on(const struct pool_caller *me, uint32_t row, struct dice *dice)
{
	struct client_row *client = client_at(row);
	uint32_t taken;

	switch ((enum client_phase)client->phase) {
	case CLIENT_IDLE:
		if (throw(dice, 20) == 0)
			clients_free(me->segment, row);
		else
			(void)!pool_take(me, world.pool, row, &world.policy,
			    &taken);
		return;
	case CLIENT_WAITING:
	case CLIENT_GIVEN:
		if (throw(dice, 30) == 0)
			storm_leave(me, row);
		return;
	case CLIENT_LINKED:
		atomic_fetch_add(&storm->served, 1);
		if (throw(dice, 30) == 0)
			storm_close(me, client->server);
		else
			give_back(me, client->server);
		return;
	default:
		return;
	}
}

static void
act_on_client(const struct pool_caller *me, uint32_t row, struct dice *dice,
    uint32_t *link)
{
	struct client_row *client = client_at(row);
	uint32_t target;

	if (client->phase == CLIENT_FREE) {
		uint32_t mine_now = 0;

		for (uint32_t i = 0; i < WORLD_CLIENTS; i++)
			mine_now += client_at(i)->phase != CLIENT_FREE &&
			    client_at(i)->worker == me->worker;
		if (mine_now < CLIENTS_EACH)
			come(me);
	} else if (client->worker == me->worker) {
		go_on(me, row, dice);
	} else if (client->phase == CLIENT_LINKED && *link == NO_ROW &&
	    throw(dice, 20) == 0) {
		*link = pool_begin_cancel(me, row,
		    me->segment->cancel_keys[row], &target);
	}
}

static void
end_own_cancel(const struct pool_caller *me, uint32_t *link)
{
	uint32_t target;

	if (*link == NO_ROW)
		return;
	if (pool_end_cancel(me, *link, &target))
		give_back(me, target);
	*link = NO_ROW;
}

static void
close_what_is_old(const struct pool_caller *me)
{
	struct pool_policy policy = world.policy;
	const char *reason;
	uint32_t row;

	policy.lifetime = 3 * USEC_PER_MSEC;
	while ((row = pool_pick_stale(me, world.pool, &policy, &reason)) !=
	    NO_ROW)
		pool_end_close(me, row);
}

/* False: some of its clients still wait or are linked. */
static bool
come_to_rest(const struct pool_caller *me, struct dice *dice)
{
	bool at_rest = true;

	for (uint32_t row = 0; row < WORLD_CLIENTS; row++) {
		struct client_row *client = client_at(row);

		if (client->phase == CLIENT_FREE ||
		    client->worker != me->worker)
			continue;
		if (client->phase == CLIENT_LINKED)
			give_back(me, client->server);
		at_rest &= client->phase == CLIENT_IDLE;
	}
	open_or_fail(me, dice);
	return at_rest;
}

NORETURN static void
storm_worker(uint32_t slot, uint64_t seed)
{
	struct dice dice = { seed * 2654435761u + slot + 1 };
	usec_t deadline = 0;
	uint32_t link = NO_ROW;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		struct pool_caller me = pool_world_caller(&world, slot,
		    clock_now());

		(void)drain(&me);
		if (atomic_load(&storm->over)) {
			if (deadline == 0)
				deadline = me.now + PATIENCE;
			end_own_cancel(&me, &link);
			if (come_to_rest(&me, &dice))
				_exit(0);
			if (me.now > deadline)
				_exit(3);	/* a client waits for ever */
			usleep(50);
			continue;
		}
		act_on_client(&me, throw(&dice, WORLD_CLIENTS), &dice, &link);
		if (throw(&dice, 3) == 0)
			end_own_cancel(&me, &link);
		if (throw(&dice, 3) == 0)
			open_or_fail(&me, &dice);
		if (throw(&dice, 50) == 0)
			close_what_is_old(&me);
	}
}

static void
note_fault(const struct pool_row *pool, uint32_t rows)
{
	if (rows == pool->server_count && rows <= world.policy.size &&
	    (pool->idle_count == 0 || pool->wait_count == 0 ||
	    atomic_load(&storm->burying)))
		return;
	if (storm->fault[0] == '\0')
		snprintf(storm->fault, sizeof(storm->fault), "%u rows, %u "
		    "counted, %u idle, %u waiting", rows, pool->server_count,
		    pool->idle_count, pool->wait_count);
}

/* Under the lock nothing of the pool moves. */
NORETURN static void
storm_watcher(void)
{
	struct pool_caller me = worker(0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!atomic_load(&storm->over)) {
		struct pool_row *pool = pool_lock(&me, world.pool);
		uint32_t rows = 0;

		for (uint32_t row = 0; row < WORLD_SERVERS; row++)
			rows += server_at(row)->phase != SERVER_FREE &&
			    server_at(row)->phase != SERVER_CANCEL_LINK &&
			    server_at(row)->pool == world.pool;
		note_fault(pool, rows);
		pool_unlock(pool);
		usleep(20);
	}
	_exit(0);
}

static pid_t
start(uint32_t slot, uint64_t seed)
{
	pid_t pid = fork();

	ck_assert_int_ne(pid, -1);
	if (pid == 0)
		storm_worker(slot, seed);
	atomic_store(&world.segment->roster[slot].phase, ROSTER_SERVING);
	return pid;
}

static void
kill_one(uint32_t slot, pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	    "worker %u ended by itself: status %x", slot, (unsigned)status);
	atomic_store(&world.segment->roster[slot].phase, ROSTER_DEAD);
	atomic_store(&storm->burying, true);
	repair_after_death(world.segment, slot, clock_now());
	atomic_store(&storm->burying, false);
}

static void
end_storm(const pid_t pids[WORLD_WORKERS], pid_t watcher)
{
	int status;

	atomic_store(&storm->over, true);
	for (uint32_t slot = 0; slot < WORLD_WORKERS; slot++) {
		ck_assert_int_eq(waitpid(pids[slot], &status, 0), pids[slot]);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		    "%s: worker %u: %s, status %x", story, slot,
		    WIFEXITED(status) && WEXITSTATUS(status) == 3 ?
		    "a client waits for ever" : "it ended", (unsigned)status);
	}
	ck_assert_int_eq(waitpid(watcher, &status, 0), watcher);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "%s: the watcher ended: status %x", story, (unsigned)status);
	ck_assert_msg(storm->fault[0] == '\0', "%s: %s", story,
	    storm->fault);
}

#define STORMS 2

START_TEST(a_storm_of_kills_loses_nothing)
{
	enum { KILLS = 60 };
	struct dice dice = { (uint64_t)_i + 1 };
	usec_t until;
	pid_t pids[WORLD_WORKERS], watcher;

	snprintf(story, sizeof(story), "storm %d", _i);
	vacant = NO_ROW;
	world.policy.login_retry = 0;
	storm = mmap(NULL, sizeof(*storm), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(storm, MAP_FAILED);
	for (uint32_t slot = 0; slot < WORLD_WORKERS; slot++)
		pids[slot] = start(slot, (uint64_t)_i + 1);
	watcher = fork();
	if (watcher == 0)
		storm_watcher();
	/* However long it takes until they come to it. */
	while (atomic_load(&storm->served) == 0)
		usleep(100);
	until = clock_now() + STORM_MOST;
	for (int i = 0; i < KILLS && clock_now() < until; i++) {
		uint32_t slot = throw(&dice, WORLD_WORKERS);

		usleep(throw(&dice, 7000));
		kill_one(slot, pids[slot]);
		pids[slot] = start(slot, (uint64_t)i + 100);
	}
	end_storm(pids, watcher);
	for (uint32_t slot = 0; slot < WORLD_WORKERS; slot++)
		atomic_store(&world.segment->roster[slot].counted, 0);
	/* A last attempt that failed was by the real clock, not WORLD_NOW. */
	pool_world_row(&world)->failed_at = 0;
	settle();
	check_all();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("repair");
	TCase *steps = tcase_create("every state");
	TCase *tests = tcase_create("repair");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(steps, killed_at_every_state_of_a_call, 0,
	    ARRAY_LENGTH(scenes));
	tcase_set_timeout(steps, 60);
	tcase_set_timeout(tests, 60);
	suite_add_tcase(suite, steps);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, a_hand_over_that_was_begun_is_finished, 0,
	    ARRAY_LENGTH(halves));
	tcase_add_test(tests, lists_are_rebuilt_in_the_order_of_their_times);
	tcase_add_test(tests, cancels_are_counted_from_their_links);
	tcase_add_test(tests,
	    idle_servers_stay_and_a_living_worker_watches_them);
	tcase_add_test(tests,
	    with_nobody_alive_the_slots_next_worker_is_the_heir);
	tcase_add_test(tests, what_the_dead_used_is_closed_by_the_heir);
	tcase_add_test(tests,
	    what_was_promised_to_the_dead_goes_to_the_next_in_the_queue);
	tcase_add_test(tests, idle_servers_whose_tls_died_are_closed);
	tcase_add_test(tests, a_letter_says_that_an_idle_server_lost_its_tls);
	tcase_add_test(tests,
	    a_server_in_use_whose_tls_died_is_closed_after_it);
	tcase_add_test(tests,
	    what_was_promised_to_the_dead_is_closed_if_its_tls_died);
	tcase_add_test(tests, the_dead_wait_no_more);
	tcase_add_test(tests,
	    a_server_that_waited_for_the_cancel_of_the_dead_is_free_to_go);
	tcase_add_test(tests, other_pools_and_other_workers_are_left_alone);
	tcase_add_test(tests,
	    a_dead_worker_counts_no_clients_and_watches_nothing);
	tcase_add_loop_test(tests, the_check_finds_what_is_wrong, 0,
	    ARRAY_LENGTH(harms));
	tcase_add_loop_test(tests, a_storm_of_kills_loses_nothing, 0, STORMS);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
