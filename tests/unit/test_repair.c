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
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "pool/repair.h"
#include "pool_world.h"

#define DEAD 2

static struct pool_world world;
static char story[128];

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
	{ "closes while others wait", many_wait, close_server },
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

			if (slot == DEAD)
				continue;
			caller.now += world.policy.login_retry;
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
		ck_assert_msg(client->worker != DEAD &&
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
		ck_assert_msg(at->phase == SERVER_IDLE && at->worker != DEAD
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

	caller.now += world.policy.login_retry;
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
	while (servers_claim(world.segment, 1) != NO_ROW)
		rows++;
	ck_assert_msg(rows == WORLD_SERVERS, "%s: %u servers are lost",
	    story, WORLD_SERVERS - rows);
}

static void
check_all(void)
{
	const struct roster_row *roster = &world.segment->roster[DEAD];

	check_clients();
	check_servers();
	check_locks();
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
	    differs(segment->pool_index, 12 * sizeof(uint32_t)))
		return true;
	for (uint32_t i = 0; i < 5; i++)
		if (differs(&segment->servers[i], offsetof(struct server_row,
		    parameters)))
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

int
main(void)
{
	Suite *suite = suite_create("repair");
	TCase *tests = tcase_create("repair");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, killed_at_every_state_of_a_call, 0,
	    ARRAY_LENGTH(scenes));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
