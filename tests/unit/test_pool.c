/*
 * The pool's decisions, one call after the other; what happens when somebody
 * dies in the middle of one is in test_repair.c.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/pool.h"
#include "pool_world.h"

static struct pool_world world;

static void
begin(void)
{
	pool_world_start(&world);
}

static void
end(void)
{
	pool_world_check(&world, "at the end");
	pool_world_stop(&world);
}

static struct pool_caller
worker(uint32_t slot)
{
	return pool_world_caller(&world, slot, WORLD_NOW);
}

static enum client_phase
client_phase(uint32_t row)
{
	return (enum client_phase)pool_world_client(&world, row)->phase;
}

static enum server_phase
server_phase(uint32_t row)
{
	return (enum server_phase)pool_world_server(&world, row)->phase;
}

/* Fills the pool: all its servers are linked to clients of worker 0. */
static void
use_all(uint32_t servers[3])
{
	for (int i = 0; i < 3; i++) {
		pool_world_add_server(&world, 0);
		servers[i] = pool_world_take(&world,
		    pool_world_add_client(&world, 0), WORLD_NOW);
		ck_assert_uint_ne(servers[i], NO_ROW);
	}
}

/* The letters in a worker's box. */
static unsigned
mail_of(uint32_t slot, struct mail *letters, unsigned most)
{
	return mailbox_collect(world.segment, slot, letters, most);
}

/* --- taking -------------------------------------------------------------- */

START_TEST(an_idle_server_is_taken_at_once)
{
	uint32_t server = pool_world_add_server(&world, 1);
	uint32_t client = pool_world_add_client(&world, 2);

	ck_assert_uint_eq(pool_world_row(&world)->idle_count, 1);
	ck_assert_uint_eq(pool_world_take(&world, client, WORLD_NOW), server);
	ck_assert_int_eq(client_phase(client), CLIENT_LINKED);
	ck_assert_int_eq(server_phase(server), SERVER_ACTIVE);
	ck_assert_uint_eq(pool_world_server(&world, server)->worker, 2);
	ck_assert_uint_eq(pool_world_server(&world, server)->client, client);
	ck_assert_uint_eq(pool_world_client(&world, client)->server, server);
	ck_assert_uint_eq(pool_world_row(&world)->idle_count, 0);
}
END_TEST

START_TEST(without_a_server_a_client_waits)
{
	uint32_t client = pool_world_add_client(&world, 2);

	ck_assert_uint_eq(pool_world_take(&world, client, WORLD_NOW), NO_ROW);
	ck_assert_int_eq(client_phase(client), CLIENT_WAITING);
	ck_assert_int_eq(pool_world_client(&world, client)->wait_since,
	    WORLD_NOW);
	ck_assert_uint_eq(pool_world_row(&world)->wait_count, 1);
}
END_TEST

START_TEST(the_server_that_this_worker_used_last_comes_first)
{
	uint32_t mine = pool_world_add_server(&world, 1);

	pool_world_add_server(&world, 2);
	pool_world_add_server(&world, 3);
	ck_assert_uint_eq(pool_world_take(&world,
	    pool_world_add_client(&world, 1), WORLD_NOW), mine);
}
END_TEST

START_TEST(a_server_whose_tls_is_here_comes_before_all_others)
{
	uint32_t rows[3], client = pool_world_add_client(&world, 1);

	for (uint32_t i = 0; i < 3; i++) {
		rows[i] = pool_world_add_server(&world, i);
		pool_world_server(&world, rows[i])->tls_owner = i + 1;
	}
	/* Worker 2 used ours last, and we have used that of worker 0. */
	atomic_store(&pool_world_server(&world, rows[1])->worker, 2);
	atomic_store(&pool_world_server(&world, rows[0])->worker, 1);
	ck_assert_uint_eq(pool_world_take(&world, client, WORLD_NOW),
	    rows[1]);
	/* Then what we watch already, then the most recent one. */
	client = pool_world_add_client(&world, 1);
	ck_assert_uint_eq(pool_world_take(&world, client, WORLD_NOW),
	    rows[0]);
	client = pool_world_add_client(&world, 1);
	ck_assert_uint_eq(pool_world_take(&world, client, WORLD_NOW),
	    rows[2]);
}
END_TEST

START_TEST(its_owner_closes_an_idle_server_whoever_watches_it)
{
	uint32_t row = pool_world_add_server(&world, 0);
	struct pool_caller owner = worker(1), other = worker(2);

	pool_world_server(&world, row)->tls_owner = 2;
	ck_assert(!pool_close_idle(&other, row));
	ck_assert(pool_close_idle(&owner, row));
	ck_assert_int_eq(server_phase(row), SERVER_CLOSING);
	ck_assert_uint_eq(pool_world_server(&world, row)->worker, 1);
	ck_assert(!pool_close_idle(&owner, row));
	pool_end_close(&owner, row);
	/* One that is used it leaves alone. */
	row = pool_world_add_server(&world, 0);
	pool_world_server(&world, row)->tls_owner = 2;
	ck_assert_uint_eq(pool_world_take(&world,
	    pool_world_add_client(&world, 0), WORLD_NOW), row);
	ck_assert(!pool_close_idle(&owner, row));
}
END_TEST

START_TEST(then_the_server_used_most_recently)
{
	uint32_t last;

	pool_world_add_server(&world, 1);
	pool_world_add_server(&world, 2);
	last = pool_world_add_server(&world, 3);
	ck_assert_uint_eq(pool_world_take(&world,
	    pool_world_add_client(&world, 0), WORLD_NOW), last);
}
END_TEST

START_TEST(round_robin_takes_the_one_that_is_idle_longest)
{
	uint32_t first = pool_world_add_server(&world, 1), second, client;

	second = pool_world_add_server(&world, 2);
	pool_world_add_server(&world, 0);
	world.policy.round_robin = true;
	client = pool_world_add_client(&world, 0);
	ck_assert_uint_eq(pool_world_take(&world, client, WORLD_NOW), first);
	ck_assert_int_eq(pool_world_give_back(&world, first, WORLD_NOW,
	    &client), POOL_RELEASED);
	client = pool_world_add_client(&world, 0);
	ck_assert_uint_eq(pool_world_take(&world, client, WORLD_NOW), second);
}
END_TEST

START_TEST(a_server_whose_descriptor_this_worker_lacks_is_skipped)
{
	uint32_t have = pool_world_add_server(&world, 1), lack, client;

	lack = pool_world_add_server(&world, 1);
	atomic_store(&pool_world_server(&world, lack)->has_fd, 1u << 1);
	client = pool_world_add_client(&world, 2);
	ck_assert_uint_eq(pool_world_take(&world, client, WORLD_NOW), have);
	world.policy.round_robin = true;
	ck_assert_uint_eq(pool_world_take(&world,
	    pool_world_add_client(&world, 1), WORLD_NOW), lack);
}
END_TEST

/* Who died has left it, and what it sent has not come yet. */
START_TEST(a_server_that_was_inherited_without_its_descriptor_is_skipped)
{
	uint32_t have = pool_world_add_server(&world, 1);
	uint32_t lack = pool_world_add_server(&world, 2);

	atomic_store(&pool_world_server(&world, lack)->has_fd, 1u << 1);
	ck_assert_uint_eq(pool_world_take(&world,
	    pool_world_add_client(&world, 2), WORLD_NOW), have);
}
END_TEST

START_TEST(a_client_that_is_not_idle_cannot_take)
{
	uint32_t client = pool_world_add_client(&world, 0);

	ck_assert_uint_eq(pool_world_take(&world, client, WORLD_NOW), NO_ROW);
	pool_world_take(&world, client, WORLD_NOW);
}
END_TEST

/* --- giving back --------------------------------------------------------- */

START_TEST(a_server_that_nobody_waits_for_is_idle)
{
	uint32_t server = pool_world_add_server(&world, 1);
	uint32_t client = pool_world_add_client(&world, 2), next;

	pool_world_take(&world, client, WORLD_NOW);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW + 5,
	    &next), POOL_RELEASED);
	ck_assert_int_eq(server_phase(server), SERVER_IDLE);
	ck_assert_int_eq(pool_world_server(&world, server)->idle_since,
	    WORLD_NOW + 5);
	ck_assert_uint_eq(pool_world_server(&world, server)->worker, 2);
	ck_assert_uint_eq(pool_world_server(&world, server)->client, NO_ROW);
}
END_TEST

START_TEST(a_waiter_of_the_same_worker_has_it_at_once)
{
	uint32_t server = pool_world_add_server(&world, 1);
	uint32_t first = pool_world_add_client(&world, 1);
	uint32_t second = pool_world_add_client(&world, 1), next;

	pool_world_take(&world, first, WORLD_NOW);
	pool_world_take(&world, second, WORLD_NOW);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_OURS);
	ck_assert_uint_eq(next, second);
	ck_assert_int_eq(client_phase(second), CLIENT_LINKED);
	ck_assert_int_eq(server_phase(server), SERVER_ACTIVE);
	ck_assert_uint_eq(pool_world_client(&world, second)->server, server);
}
END_TEST

START_TEST(a_waiter_of_another_worker_gets_mail)
{
	uint32_t server = pool_world_add_server(&world, 1);
	uint32_t first = pool_world_add_client(&world, 1);
	uint32_t second = pool_world_add_client(&world, 3), next, accepted;
	struct pool_caller other = worker(3);
	struct mail letter;
	uint64_t count;

	pool_world_take(&world, first, WORLD_NOW);
	pool_world_take(&world, second, WORLD_NOW);
	atomic_store(&world.segment->roster[3].sleeping, 1);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_GIVEN);
	ck_assert_int_eq(client_phase(second), CLIENT_GIVEN);
	ck_assert_int_eq(server_phase(server), SERVER_GIVEN);
	ck_assert_uint_eq(pool_world_server(&world, server)->worker, 3);
	ck_assert_int_eq(read(world.segment->wake_fds[3], &count,
	    sizeof(count)), sizeof(count));
	ck_assert_uint_eq(mail_of(3, &letter, 1), 1);
	ck_assert_uint_eq(letter.kind, MAIL_GIVEN);
	ck_assert_uint_eq(letter.row, second);
	ck_assert_uint_eq(letter.generation,
	    pool_world_client(&world, second)->generation);
	ck_assert(pool_accept(&other, second, &accepted));
	ck_assert_uint_eq(accepted, server);
	ck_assert_int_eq(client_phase(second), CLIENT_LINKED);
	ck_assert_int_eq(server_phase(server), SERVER_ACTIVE);
	ck_assert(!pool_accept(&other, second, &accepted));
}
END_TEST

START_TEST(a_worker_that_is_awake_is_not_woken)
{
	uint32_t server = pool_world_add_server(&world, 1), next;
	uint64_t count;

	pool_world_take(&world, pool_world_add_client(&world, 1), WORLD_NOW);
	pool_world_take(&world, pool_world_add_client(&world, 3), WORLD_NOW);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_GIVEN);
	ck_assert_int_eq(read(world.segment->wake_fds[3], &count,
	    sizeof(count)), -1);
}
END_TEST

START_TEST(mail_that_is_out_of_date_gives_nothing)
{
	uint32_t idle = pool_world_add_client(&world, 3), server;
	uint32_t waiting = pool_world_add_client(&world, 3);
	struct pool_caller owner = worker(3), other = worker(1);

	pool_world_take(&world, waiting, WORLD_NOW);
	ck_assert(!pool_accept(&owner, idle, &server));
	ck_assert(!pool_accept(&owner, waiting, &server));
	ck_assert(!pool_accept(&other, waiting, &server));
}
END_TEST

START_TEST(only_the_worker_of_the_client_accepts)
{
	uint32_t server = pool_world_add_server(&world, 1);
	uint32_t second = pool_world_add_client(&world, 3), next;
	struct pool_caller other = worker(2), owner = worker(3);

	pool_world_take(&world, pool_world_add_client(&world, 1), WORLD_NOW);
	pool_world_take(&world, second, WORLD_NOW);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_GIVEN);
	ck_assert(!pool_accept(&other, second, &next));
	ck_assert(pool_accept(&owner, second, &next));
}
END_TEST

START_TEST(giving_back_what_is_somebody_elses_aborts)
{
	uint32_t server = pool_world_add_server(&world, 1), client;
	struct pool_caller other = worker(2);
	const char *reason;

	pool_world_take(&world, pool_world_add_client(&world, 1), WORLD_NOW);
	(void)!pool_give_back(&other, server, &world.policy, &client,
	    &reason);
}
END_TEST

START_TEST(giving_back_what_is_idle_aborts)
{
	uint32_t server = pool_world_add_server(&world, 1), client;

	(void)pool_world_give_back(&world, server, WORLD_NOW, &client);
}
END_TEST

/* --- the queue ----------------------------------------------------------- */

/* Who gets the server that worker 0 gives back. */
static const struct {
	const char	*story;
	struct {
		uint32_t	worker;
		usec_t		later;	/* than the first */
	} waiters[4];
	int		 count, served;
} queues[] = {
	{ "the first of three others", { { 1, 0 }, { 2, 1 }, { 3, 2 } }, 3,
	    0 },
	{ "one of ours hardly later goes first",
	    { { 1, 0 }, { 0, POOL_LOCALITY } }, 2, 1 },
	{ "one of ours a little too late does not",
	    { { 1, 0 }, { 0, POOL_LOCALITY + 1 } }, 2, 0 },
	{ "the first of ours within the tolerance",
	    { { 1, 0 }, { 2, 10 }, { 0, 20 }, { 0, 30 } }, 4, 2 },
	{ "ours is the first anyway", { { 0, 0 }, { 1, 0 } }, 2, 0 },
	{ "the tolerance counts from the first of all",
	    { { 1, 0 }, { 2, POOL_LOCALITY }, { 0, 2 * POOL_LOCALITY } }, 3,
	    0 },
	{ "the same moment", { { 1, 0 }, { 0, 0 } }, 2, 1 },
	{ "one waiter alone, of another worker", { { 3, 0 } }, 1, 0 },
};

START_TEST(first_come_first_served_with_one_tolerance)
{
	uint32_t server = pool_world_add_server(&world, 0), next;
	uint32_t clients[4], served = NO_ROW;

	pool_world_take(&world, pool_world_add_client(&world, 0), WORLD_NOW);
	for (int i = 0; i < queues[_i].count; i++) {
		clients[i] = pool_world_add_client(&world,
		    queues[_i].waiters[i].worker);
		ck_assert_uint_eq(pool_world_take(&world, clients[i],
		    WORLD_NOW + queues[_i].waiters[i].later), NO_ROW);
	}
	(void)pool_world_give_back(&world, server, WORLD_NOW +
	    10 * POOL_LOCALITY, &next);
	for (int i = 0; i < queues[_i].count; i++)
		if (client_phase(clients[i]) != CLIENT_WAITING)
			served = (uint32_t)i;
	ck_assert_msg(served == (uint32_t)queues[_i].served,
	    "%s: client %u was served", queues[_i].story, served);
	ck_assert_uint_eq(pool_world_row(&world)->wait_count,
	    (uint32_t)queues[_i].count - 1);
}
END_TEST

/* Over all workers nobody is served more than the tolerance after another. */
START_TEST(nobody_starves_behind_clients_of_a_busy_worker)
{
	uint32_t server = pool_world_add_server(&world, 0), next;
	uint32_t other = pool_world_add_client(&world, 1);
	uint32_t ours[2] = { pool_world_add_client(&world, 0),
	    pool_world_add_client(&world, 0) };
	usec_t now = WORLD_NOW;
	int turns = 0;

	ck_assert_uint_eq(pool_world_take(&world, ours[0], now), server);
	ck_assert_uint_eq(pool_world_take(&world, other, now), NO_ROW);
	while (client_phase(other) == CLIENT_WAITING && turns < 100) {
		ck_assert_uint_eq(pool_world_take(&world,
		    ours[(turns + 1) % 2], now), NO_ROW);
		now += POOL_LOCALITY / 4;
		(void)pool_world_give_back(&world, server, now, &next);
		turns++;
	}
	ck_assert_int_le(turns, 6);
}
END_TEST

START_TEST(a_waiter_without_the_descriptor_is_passed_over)
{
	uint32_t server = pool_world_add_server(&world, 0), next;
	uint32_t lacking, having;

	pool_world_take(&world, pool_world_add_client(&world, 0), WORLD_NOW);
	atomic_store(&pool_world_server(&world, server)->has_fd, 1u << 0 |
	    1u << 2);
	lacking = pool_world_add_client(&world, 1);
	having = pool_world_add_client(&world, 2);
	pool_world_take(&world, lacking, WORLD_NOW);
	pool_world_take(&world, having, WORLD_NOW);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_GIVEN);
	ck_assert_int_eq(client_phase(lacking), CLIENT_WAITING);
	ck_assert_int_eq(client_phase(having), CLIENT_GIVEN);
}
END_TEST

START_TEST(who_leaves_the_queue_is_idle_and_the_others_wait_on)
{
	uint32_t server = pool_world_add_server(&world, 0), next, given;
	uint32_t first, second;
	struct pool_caller caller = worker(1);

	pool_world_take(&world, pool_world_add_client(&world, 0), WORLD_NOW);
	first = pool_world_add_client(&world, 1);
	second = pool_world_add_client(&world, 1);
	pool_world_take(&world, first, WORLD_NOW);
	pool_world_take(&world, second, WORLD_NOW);
	pool_leave(&caller, first, &given);
	ck_assert_uint_eq(given, NO_ROW);
	ck_assert_int_eq(client_phase(first), CLIENT_IDLE);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_GIVEN);
	ck_assert_int_eq(client_phase(second), CLIENT_GIVEN);
}
END_TEST

START_TEST(who_leaves_with_a_server_in_the_mail_must_give_it_back)
{
	uint32_t server = pool_world_add_server(&world, 0), next, given;
	uint32_t waiter;
	struct pool_caller caller = worker(1);

	pool_world_take(&world, pool_world_add_client(&world, 0), WORLD_NOW);
	waiter = pool_world_add_client(&world, 1);
	pool_world_take(&world, waiter, WORLD_NOW);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_GIVEN);
	pool_leave(&caller, waiter, &given);
	ck_assert_uint_eq(given, server);
	ck_assert_int_eq(client_phase(waiter), CLIENT_IDLE);
	ck_assert_int_eq(server_phase(server), SERVER_ACTIVE);
	ck_assert_uint_eq(pool_world_server(&world, server)->client, NO_ROW);
	ck_assert(!pool_accept(&caller, waiter, &next));
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_RELEASED);
}
END_TEST

START_TEST(leaving_without_waiting_aborts)
{
	uint32_t client = pool_world_add_client(&world, 1), given;
	struct pool_caller caller = worker(1);

	pool_leave(&caller, client, &given);
}
END_TEST

/* --- limits -------------------------------------------------------------- */

START_TEST(a_pool_opens_as_many_as_its_size_and_no_more)
{
	struct pool_caller caller = worker(0);
	uint32_t servers[3];

	use_all(servers);
	ck_assert_uint_eq(pool_open(&caller, world.pool, &world.policy, true),
	    NO_ROW);
	pool_world_take(&world, pool_world_add_client(&world, 0), WORLD_NOW);
	ck_assert_uint_eq(pool_open(&caller, world.pool, &world.policy,
	    false), NO_ROW);
	ck_assert_uint_eq(pool_world_row(&world)->server_count, 3);
}
END_TEST

START_TEST(size_0_is_no_limit)
{
	struct pool_caller caller = worker(0);

	world.policy.size = 0;
	world.policy.opening_most = 100;
	for (int i = 0; i < 10; i++) {
		pool_world_take(&world, pool_world_add_client(&world, 0),
		    WORLD_NOW);
		ck_assert_uint_ne(pool_open(&caller, world.pool,
		    &world.policy, false), NO_ROW);
	}
}
END_TEST

START_TEST(what_is_closing_still_counts)
{
	struct pool_caller caller = worker(0);
	uint32_t servers[3];

	use_all(servers);
	pool_world_take(&world, pool_world_add_client(&world, 0), WORLD_NOW);
	pool_world_client(&world, 0)->server = NO_ROW;
	atomic_store(&pool_world_client(&world, 0)->phase, CLIENT_IDLE);
	ck_assert(pool_begin_close(&caller, servers[0]));
	ck_assert_int_eq(server_phase(servers[0]), SERVER_CLOSING);
	ck_assert_uint_eq(pool_open(&caller, world.pool, &world.policy,
	    false), NO_ROW);
	pool_end_close(&caller, servers[0]);
	ck_assert_int_eq(server_phase(servers[0]), SERVER_FREE);
	ck_assert_uint_ne(pool_open(&caller, world.pool, &world.policy,
	    false), NO_ROW);
}
END_TEST

START_TEST(as_many_are_opened_as_clients_wait)
{
	struct pool_caller caller = worker(0);

	ck_assert_uint_eq(pool_open(&caller, world.pool, &world.policy,
	    false), NO_ROW);
	pool_world_take(&world, pool_world_add_client(&world, 0), WORLD_NOW);
	pool_world_take(&world, pool_world_add_client(&world, 1), WORLD_NOW);
	ck_assert_uint_ne(pool_open(&caller, world.pool, &world.policy,
	    false), NO_ROW);
	ck_assert_uint_ne(pool_open(&caller, world.pool, &world.policy,
	    false), NO_ROW);
	ck_assert_uint_eq(pool_open(&caller, world.pool, &world.policy,
	    false), NO_ROW);
}
END_TEST

START_TEST(only_so_many_are_opened_at_one_time)
{
	struct pool_caller caller = worker(0);

	world.policy.size = 20;
	world.policy.opening_most = 2;
	for (int i = 0; i < 10; i++)
		pool_world_take(&world, pool_world_add_client(&world, 0),
		    WORLD_NOW);
	ck_assert_uint_ne(pool_open(&caller, world.pool, &world.policy,
	    false), NO_ROW);
	ck_assert_uint_ne(pool_open(&caller, world.pool, &world.policy, true),
	    NO_ROW);
	ck_assert_uint_eq(pool_open(&caller, world.pool, &world.policy,
	    false), NO_ROW);
	ck_assert_uint_eq(pool_open(&caller, world.pool, &world.policy, true),
	    NO_ROW);
}
END_TEST

START_TEST(a_first_login_may_want_one_although_nobody_waits)
{
	struct pool_caller caller = worker(0);

	ck_assert_uint_ne(pool_open(&caller, world.pool, &world.policy, true),
	    NO_ROW);
	ck_assert_uint_eq(pool_open(&caller, world.pool, &world.policy, true),
	    NO_ROW);
}
END_TEST

/* Processes open and close as fast as they can: never one too many. */
START_TEST(the_size_is_exact_over_all_workers)
{
	for (uint32_t slot = 0; slot < WORLD_WORKERS; slot++) {
		struct pool_caller caller = worker(slot);

		if (fork() != 0)
			continue;
		for (int i = 0; i < 5000; i++) {
			uint32_t row = pool_open(&caller, world.pool,
			    &world.policy, true);

			if (__atomic_load_n(&pool_world_row(&world)->
			    server_count, __ATOMIC_ACQUIRE) >
			    world.policy.size)
				_exit(1);
			if (row == NO_ROW)
				continue;
			if (!pool_begin_close(&caller, row))
				_exit(2);
			pool_end_close(&caller, row);
		}
		_exit(0);
	}
	for (uint32_t slot = 0; slot < WORLD_WORKERS; slot++) {
		int status;

		ck_assert_int_ne(wait(&status), -1);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	ck_assert_uint_eq(pool_world_row(&world)->server_count, 0);
}
END_TEST

/* --- failing ------------------------------------------------------------- */

static void
fail_once(usec_t now)
{
	struct pool_caller caller = pool_world_caller(&world, 0, now);
	uint32_t row = pool_open(&caller, world.pool, &world.policy, true);

	ck_assert_uint_ne(row, NO_ROW);
	pool_open_failed(&caller, row, "no such role", "28000");
	ck_assert(pool_begin_close(&caller, row));
	pool_end_close(&caller, row);
}

static enum pool_answer
take_at(usec_t now, uint32_t *client_out)
{
	struct pool_caller caller = pool_world_caller(&world, 0, now);
	uint32_t server;

	*client_out = pool_world_add_client(&world, 0);
	return pool_take(&caller, world.pool, *client_out, &world.policy,
	    &server);
}

START_TEST(while_a_pool_fails_clients_are_told_so)
{
	uint32_t client;

	fail_once(WORLD_NOW);
	ck_assert_int_eq(take_at(WORLD_NOW + 1, &client), POOL_FAILING);
	ck_assert_int_eq(client_phase(client), CLIENT_IDLE);
	ck_assert_int_eq(take_at(WORLD_NOW +
	    POOL_RETRY_MOST(world.policy.login_retry),
	    &client), POOL_QUEUED);
}
END_TEST

START_TEST(what_failed_is_remembered_until_an_attempt_succeeds)
{
	struct pool_caller caller = worker(0);
	char text[FAILURE_BYTES], state[6];
	usec_t age;

	ck_assert(!pool_failure(&caller, world.pool, text, state, &age));
	fail_once(WORLD_NOW);
	ck_assert(pool_failure(&caller, world.pool, text, state, &age));
	ck_assert_str_eq(text, "no such role");
	ck_assert_str_eq(state, "28000");
	ck_assert_int_eq(age, 0);
	caller.now += 5;
	ck_assert(pool_failure(&caller, world.pool, text, state, &age));
	ck_assert_int_eq(age, 5);
	pool_world_add_server_at(&world, 0, WORLD_NOW +
	    POOL_RETRY_MOST(world.policy.login_retry));
	ck_assert(!pool_failure(&caller, world.pool, text, state, &age));
}
END_TEST

START_TEST(a_long_failure_is_cut)
{
	struct pool_caller caller = worker(0);
	char text[FAILURE_BYTES], state[6], much[500];
	usec_t age;
	uint32_t row = pool_open(&caller, world.pool, &world.policy, true);

	memset(much, 'x', sizeof(much) - 1);
	much[sizeof(much) - 1] = '\0';
	pool_open_failed(&caller, row, much, "28000x");
	ck_assert(pool_failure(&caller, world.pool, text, state, &age));
	ck_assert_uint_eq(strlen(text), FAILURE_BYTES - 1);
	ck_assert_str_eq(state, "28000");
}
END_TEST

START_TEST(a_new_attempt_waits_for_the_retry_and_goes_alone)
{
	usec_t later = WORLD_NOW + POOL_RETRY_MOST(world.policy.login_retry);
	struct pool_caller early = pool_world_caller(&world, 0, WORLD_NOW +
	    world.policy.login_retry - 1);
	struct pool_caller late = pool_world_caller(&world, 0, later);
	uint32_t client;

	fail_once(WORLD_NOW);
	ck_assert_uint_eq(pool_open(&early, world.pool, &world.policy, true),
	    NO_ROW);
	ck_assert_int_eq(take_at(later, &client), POOL_QUEUED);
	ck_assert_int_eq(take_at(later, &client), POOL_QUEUED);
	ck_assert_uint_ne(pool_open(&late, world.pool, &world.policy, false),
	    NO_ROW);
	ck_assert_uint_eq(pool_open(&late, world.pool, &world.policy, false),
	    NO_ROW);
}
END_TEST

START_TEST(a_pool_with_a_living_server_is_not_failing)
{
	uint32_t server = pool_world_add_server(&world, 0), client;

	fail_once(WORLD_NOW);
	ck_assert_int_eq(take_at(WORLD_NOW, &client), POOL_TAKEN);
	ck_assert_int_eq(take_at(WORLD_NOW, &client), POOL_QUEUED);
	ck_assert_int_eq(server_phase(server), SERVER_ACTIVE);
}
END_TEST

/* --- pause --------------------------------------------------------------- */

START_TEST(a_paused_pool_gives_and_opens_nothing)
{
	struct pool_caller caller = worker(0);
	uint32_t client = pool_world_add_client(&world, 0);

	pool_world_add_server(&world, 0);
	atomic_store(&world.segment->state->paused, 1);
	ck_assert(pool_paused(world.segment, world.pool));
	ck_assert_uint_eq(pool_world_take(&world, client, WORLD_NOW), NO_ROW);
	ck_assert_int_eq(client_phase(client), CLIENT_WAITING);
	ck_assert_uint_eq(pool_open(&caller, world.pool, &world.policy, true),
	    NO_ROW);
}
END_TEST

START_TEST(a_database_is_paused_by_itself)
{
	uint32_t other = pools_make(world.segment, "other", "user", false);
	uint32_t database = databases_find(world.segment, "other");

	atomic_store(&world.segment->databases[database].paused, 1);
	ck_assert(!pool_paused(world.segment, world.pool));
	ck_assert(pool_paused(world.segment, other));
}
END_TEST

START_TEST(a_server_that_comes_back_into_a_pause_is_closed)
{
	struct pool_caller caller = worker(0);
	uint32_t server = pool_world_add_server(&world, 0), client;
	const char *reason;

	client = pool_world_add_client(&world, 0);
	pool_world_take(&world, client, WORLD_NOW);
	atomic_store(&world.segment->state->paused, 1);
	pool_world_client(&world, client)->server = NO_ROW;
	atomic_store(&pool_world_client(&world, client)->phase, CLIENT_IDLE);
	ck_assert_int_eq(pool_give_back(&caller, server, &world.policy,
	    &client, &reason), POOL_CLOSE);
	ck_assert_str_eq(reason, "pause mode");
	ck_assert_uint_eq(pool_count_open(&caller, NO_ROW), 1);
	pool_end_close(&caller, server);
	ck_assert_uint_eq(pool_count_open(&caller, NO_ROW), 0);
}
END_TEST

START_TEST(open_servers_are_counted_by_database)
{
	struct pool_caller caller = worker(0);
	uint32_t other = pools_make(world.segment, "other", "user", false);

	pool_world_add_server(&world, 0);
	pool_world_add_server(&world, 0);
	ck_assert_uint_ne(pool_open(&caller, other, &world.policy, true),
	    NO_ROW);
	ck_assert_uint_eq(pool_count_open(&caller, NO_ROW), 3);
	ck_assert_uint_eq(pool_count_open(&caller, databases_find(
	    world.segment, "db")), 2);
	ck_assert_uint_eq(pool_count_open(&caller, databases_find(
	    world.segment, "other")), 1);
}
END_TEST

/* --- closing ------------------------------------------------------------- */

static const struct {
	const char	*story;
	bool		 paused;
	uint32_t	 close_needed, size;
	usec_t		 lifetime, idle_timeout;
	const char	*reason;	/* NULL: stays */
} stale[] = {
	{ "nothing is wrong", false, 0, 3, INT64_MAX, 0, NULL },
	{ "paused", true, 0, 3, INT64_MAX, 0, "pause mode" },
	{ "marked by RECONNECT", false, 1, 3, INT64_MAX, 0, "close_needed" },
	{ "the pool has become smaller", false, 0, 1, INT64_MAX, 0,
	    "too many servers in the pool" },
	{ "too old", false, 0, 3, 10 * USEC_PER_SEC, 0,
	    "server lifetime over" },
	{ "a lifetime of 0 is over at once", false, 0, 3, 0, 0,
	    "server lifetime over" },
	{ "not old enough", false, 0, 3, 10 * USEC_PER_SEC + 1, 0, NULL },
	{ "idle for too long", false, 0, 3, INT64_MAX, 10 * USEC_PER_SEC - 1,
	    "server idle timeout" },
	{ "not idle long enough", false, 0, 3, INT64_MAX, 10 * USEC_PER_SEC,
	    NULL },
};

START_TEST(stale_servers_are_picked_with_a_reason)
{
	struct pool_caller caller = pool_world_caller(&world, 0, WORLD_NOW +
	    10 * USEC_PER_SEC);
	uint32_t server = pool_world_add_server(&world, 0), picked;
	const char *reason = NULL;

	pool_world_add_server(&world, 1);	/* another one watches this */
	atomic_store(&world.segment->state->paused, stale[_i].paused);
	pool_world_server(&world, server)->close_needed =
	    stale[_i].close_needed;
	world.policy.size = stale[_i].size;
	world.policy.lifetime = stale[_i].lifetime;
	world.policy.idle_timeout = stale[_i].idle_timeout;
	picked = pool_pick_stale(&caller, world.pool, &world.policy, &reason);
	if (stale[_i].reason == NULL) {
		ck_assert_msg(picked == NO_ROW, "%s", stale[_i].story);
		return;
	}
	ck_assert_msg(picked == server, "%s", stale[_i].story);
	ck_assert_str_eq(reason, stale[_i].reason);
	ck_assert_int_eq(server_phase(server), SERVER_CLOSING);
	ck_assert_uint_eq(pool_pick_stale(&caller, world.pool, &world.policy,
	    &reason), NO_ROW);
	pool_end_close(&caller, server);
}
END_TEST

START_TEST(what_is_too_much_goes_and_no_more)
{
	struct pool_caller caller = worker(0);
	const char *reason;
	uint32_t oldest = pool_world_add_server(&world, 0);

	pool_world_add_server(&world, 0);
	pool_world_add_server(&world, 0);
	world.policy.size = 2;
	ck_assert_uint_eq(pool_pick_stale(&caller, world.pool, &world.policy,
	    &reason), oldest);
	ck_assert_uint_eq(pool_pick_stale(&caller, world.pool, &world.policy,
	    &reason), NO_ROW);
	pool_end_close(&caller, oldest);
}
END_TEST

START_TEST(the_old_go_one_by_one_a_part_of_the_lifetime_apart)
{
	usec_t lifetime = 9 * USEC_PER_SEC, old = WORLD_NOW + 2 * lifetime;
	struct pool_caller caller = pool_world_caller(&world, 0, old);
	uint32_t rows[3], picked;
	const char *reason;

	for (int i = 0; i < 3; i++)
		rows[i] = pool_world_add_server(&world, 0);
	world.policy.lifetime = lifetime;	/* and a size of 3 */
	for (int i = 0; i < 3; i++) {
		caller.now = old + i * lifetime / 3;
		picked = pool_pick_stale(&caller, world.pool, &world.policy,
		    &reason);
		ck_assert_uint_eq(picked, rows[i]);
		ck_assert_str_eq(reason, "server lifetime over");
		pool_end_close(&caller, picked);
		caller.now += lifetime / 3 - 1;
		ck_assert_uint_eq(pool_pick_stale(&caller, world.pool,
		    &world.policy, &reason), NO_ROW);
	}
}
END_TEST

START_TEST(a_fresh_server_may_serve_once_even_with_lifetime_0)
{
	uint32_t client;

	world.policy.lifetime = 0;
	pool_world_add_server(&world, 0);
	client = pool_world_add_client(&world, 0);
	ck_assert_uint_ne(pool_world_take(&world, client, WORLD_NOW), NO_ROW);
}
END_TEST

START_TEST(closing_waits_for_nobody_but_the_holder)
{
	uint32_t server = pool_world_add_server(&world, 1), client, given;
	struct pool_caller other = worker(2), holder = worker(1);

	ck_assert(!pool_begin_close(&other, server));
	ck_assert(pool_begin_close(&holder, server));
	ck_assert(!pool_begin_close(&holder, server));
	pool_end_close(&holder, server);
	ck_assert(!pool_begin_close(&holder, server));
	/* What is promised to a client cannot be closed by whose it was. */
	server = pool_world_add_server(&world, 1);
	pool_world_take(&world, pool_world_add_client(&world, 1), WORLD_NOW);
	client = pool_world_add_client(&world, 2);
	pool_world_take(&world, client, WORLD_NOW);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &given), POOL_GIVEN);
	ck_assert(!pool_begin_close(&holder, server));
	ck_assert(!pool_begin_close(&other, server));
}
END_TEST

START_TEST(an_idle_server_that_speaks_is_claimed_by_its_watcher_only)
{
	uint32_t server = pool_world_add_server(&world, 1), client;
	struct pool_caller other = worker(2), watcher = worker(1);

	ck_assert(!pool_claim_idle(&other, server));
	ck_assert(pool_claim_idle(&watcher, server));
	ck_assert_int_eq(server_phase(server), SERVER_TESTING);
	ck_assert(!pool_claim_idle(&watcher, server));
	client = pool_world_add_client(&world, 2);
	ck_assert_uint_eq(pool_world_take(&world, client, WORLD_NOW), NO_ROW);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &client), POOL_GIVEN);
}
END_TEST

START_TEST(a_reset_server_is_nobodys_until_it_is_given_back)
{
	uint32_t server = pool_world_add_server(&world, 1), client;
	struct pool_caller caller = worker(1);

	client = pool_world_add_client(&world, 1);
	pool_world_take(&world, client, WORLD_NOW);
	pool_world_client(&world, client)->server = NO_ROW;
	atomic_store(&pool_world_client(&world, client)->phase, CLIENT_IDLE);
	pool_begin_test(&caller, server);
	ck_assert_int_eq(server_phase(server), SERVER_TESTING);
	ck_assert_uint_eq(pool_world_server(&world, server)->client, NO_ROW);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &client), POOL_RELEASED);
}
END_TEST

START_TEST(a_freed_row_wakes_who_waits_for_that)
{
	uint32_t server = pool_world_add_server(&world, 0);
	struct pool_caller caller = worker(0);
	uint64_t count;

	atomic_store(&world.segment->state->watchers, 1u << 2);
	ck_assert(pool_begin_close(&caller, server));
	pool_end_close(&caller, server);
	ck_assert_int_eq(read(world.segment->wake_fds[2], &count,
	    sizeof(count)), sizeof(count));
}
END_TEST

START_TEST(ending_what_was_not_begun_aborts)
{
	uint32_t server = pool_world_add_server(&world, 0);
	struct pool_caller caller = worker(0);

	pool_end_close(&caller, server);
}
END_TEST

/* --- cancels ------------------------------------------------------------- */

static uint32_t
begin_cancel(uint32_t slot, uint32_t client, uint32_t *target_out)
{
	struct pool_caller caller = worker(slot);

	return pool_begin_cancel(&caller, client,
	    world.segment->cancel_keys[client], target_out);
}

START_TEST(a_server_is_held_while_a_cancel_is_under_way)
{
	uint32_t server = pool_world_add_server(&world, 1), next, target;
	uint32_t client = pool_world_add_client(&world, 1), link, waiter;
	struct pool_caller canceler = worker(2);

	pool_world_take(&world, client, WORLD_NOW);
	link = begin_cancel(2, client, &target);
	ck_assert_uint_ne(link, NO_ROW);
	ck_assert_uint_eq(target, server);
	ck_assert_int_eq(server_phase(link), SERVER_CANCEL_LINK);
	ck_assert_uint_eq(pool_world_row(&world)->server_count, 1);
	waiter = pool_world_add_client(&world, 1);
	pool_world_take(&world, waiter, WORLD_NOW);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_HELD);
	ck_assert_int_eq(server_phase(server), SERVER_CANCELING);
	ck_assert_int_eq(client_phase(waiter), CLIENT_WAITING);
	ck_assert(pool_end_cancel(&canceler, link, &target));
	ck_assert_uint_eq(target, server);
	ck_assert_int_eq(server_phase(link), SERVER_FREE);
	ck_assert_uint_eq(pool_world_server(&world, server)->worker, 2);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_GIVEN);
	ck_assert_int_eq(client_phase(waiter), CLIENT_GIVEN);
}
END_TEST

START_TEST(all_cancels_are_waited_for)
{
	uint32_t server = pool_world_add_server(&world, 1), next, target;
	uint32_t client = pool_world_add_client(&world, 1), links[2];
	struct pool_caller two = worker(2), three = worker(3);

	pool_world_take(&world, client, WORLD_NOW);
	links[0] = begin_cancel(2, client, &target);
	links[1] = begin_cancel(3, client, &target);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_HELD);
	ck_assert(!pool_end_cancel(&three, links[1], &target));
	ck_assert_int_eq(server_phase(server), SERVER_CANCELING);
	ck_assert(pool_end_cancel(&two, links[0], &target));
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_RELEASED);
}
END_TEST

START_TEST(a_cancel_that_is_over_first_changes_nothing)
{
	uint32_t server = pool_world_add_server(&world, 1), next, target;
	uint32_t client = pool_world_add_client(&world, 1), link;
	struct pool_caller canceler = worker(2);

	pool_world_take(&world, client, WORLD_NOW);
	link = begin_cancel(2, client, &target);
	ck_assert(!pool_end_cancel(&canceler, link, &target));
	ck_assert_int_eq(server_phase(server), SERVER_ACTIVE);
	ck_assert_uint_eq(pool_world_server(&world, server)->worker, 1);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_RELEASED);
}
END_TEST

START_TEST(there_is_nothing_to_cancel_for_who_holds_no_server)
{
	uint32_t idle = pool_world_add_client(&world, 1), target;
	uint32_t waiting = pool_world_add_client(&world, 1);

	ck_assert_uint_eq(begin_cancel(2, idle, &target), NO_ROW);
	pool_world_take(&world, waiting, WORLD_NOW);
	ck_assert_uint_eq(begin_cancel(2, waiting, &target), NO_ROW);
}
END_TEST

START_TEST(a_cancel_for_a_client_that_has_gone_finds_nobody)
{
	struct pool_caller caller = worker(2);
	uint32_t client = pool_world_add_client(&world, 1), target;
	uint64_t key = world.segment->cancel_keys[client];

	pool_world_add_server(&world, 1);
	clients_free(world.segment, client);
	ck_assert_uint_eq(pool_world_add_client(&world, 1), client);
	atomic_store(&world.segment->cancel_keys[client], key + 1);
	pool_world_take(&world, client, WORLD_NOW);
	ck_assert_uint_eq(pool_begin_cancel(&caller, client, key, &target),
	    NO_ROW);
}
END_TEST

START_TEST(a_target_that_was_closed_meanwhile_is_left_alone)
{
	uint32_t server = pool_world_add_server(&world, 1), target;
	uint32_t client = pool_world_add_client(&world, 1), link;
	struct pool_caller canceler = worker(2), holder = worker(1);

	pool_world_take(&world, client, WORLD_NOW);
	link = begin_cancel(2, client, &target);
	atomic_store(&pool_world_client(&world, client)->phase, CLIENT_IDLE);
	ck_assert(pool_begin_close(&holder, server));
	pool_end_close(&holder, server);
	ck_assert(!pool_end_cancel(&canceler, link, &target));
	ck_assert_int_eq(server_phase(link), SERVER_FREE);
}
END_TEST

/* The row of the target is another connection by now, with its own cancel. */
START_TEST(a_late_end_of_a_cancel_does_not_count_for_another_connection)
{
	uint32_t server = pool_world_add_server(&world, 1), target, next;
	uint32_t client = pool_world_add_client(&world, 1), link, newer;
	struct pool_caller canceler = worker(2), holder = worker(1);

	pool_world_take(&world, client, WORLD_NOW);
	link = begin_cancel(2, client, &target);
	atomic_store(&pool_world_client(&world, client)->phase, CLIENT_IDLE);
	ck_assert(pool_begin_close(&holder, server));
	pool_end_close(&holder, server);
	ck_assert_uint_eq(pool_world_add_server(&world, 1), server);
	ck_assert_uint_eq(pool_world_take(&world, client, WORLD_NOW), server);
	newer = begin_cancel(3, client, &target);
	ck_assert_uint_eq(target, server);
	(void)!pool_end_cancel(&canceler, link, &target);
	/* The newer one is still under way: the server is held. */
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_HELD);
	canceler = worker(3);
	ck_assert(pool_end_cancel(&canceler, newer, &target));
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_RELEASED);
}
END_TEST

START_TEST(a_held_server_is_closed_if_it_must_be)
{
	uint32_t server = pool_world_add_server(&world, 1), next, target;
	uint32_t client = pool_world_add_client(&world, 1), link;
	struct pool_caller canceler = worker(2);

	pool_world_take(&world, client, WORLD_NOW);
	link = begin_cancel(2, client, &target);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_HELD);
	pool_world_server(&world, server)->close_needed = 1;
	ck_assert(pool_end_cancel(&canceler, link, &target));
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_CLOSE);
	pool_end_close(&canceler, server);
}
END_TEST

START_TEST(a_canceler_without_the_descriptor_leaves_it_to_the_holder)
{
	uint32_t server = pool_world_add_server(&world, 1), next, target;
	uint32_t client = pool_world_add_client(&world, 1), link;
	struct pool_caller canceler = worker(2), holder = worker(1);
	struct mail letter;

	pool_world_take(&world, client, WORLD_NOW);
	atomic_store(&pool_world_server(&world, server)->has_fd, 1u << 1);
	link = begin_cancel(2, client, &target);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_HELD);
	ck_assert(!pool_end_cancel(&canceler, link, &target));
	ck_assert_uint_eq(mail_of(1, &letter, 1), 1);
	ck_assert_uint_eq(letter.kind, MAIL_ADOPT);
	ck_assert_uint_eq(letter.row, server);
	ck_assert_int_eq(pool_adopt(&holder, server), POOL_LEGACY_GIVE_BACK);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_RELEASED);
}
END_TEST

START_TEST(a_canceled_server_is_adopted_by_one_worker_only)
{
	uint32_t server = pool_world_add_server(&world, 1), next, target;
	uint32_t client = pool_world_add_client(&world, 1), link;
	struct pool_caller canceler = worker(2), other = worker(3);

	pool_world_take(&world, client, WORLD_NOW);
	link = begin_cancel(2, client, &target);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_HELD);
	ck_assert_int_eq(pool_adopt(&other, server), POOL_LEGACY_NONE);
	ck_assert(pool_end_cancel(&canceler, link, &target));
	ck_assert_int_eq(pool_adopt(&other, server), POOL_LEGACY_NONE);
	ck_assert_int_eq(pool_world_give_back(&world, server, WORLD_NOW,
	    &next), POOL_RELEASED);
}
END_TEST

/* --- the rest ------------------------------------------------------------ */

START_TEST(the_first_welcome_wins)
{
	struct pool_caller caller = worker(0);
	struct pool_row *pool = pool_world_row(&world);
	uint32_t server = servers_claim(world.segment, 0, world.pool,
	    SERVER_CANCEL_LINK);

	world.segment->servers[server].close_needed = 1;
	pool_set_welcome(&caller, server, (const uint8_t *)"obsolete", 8);
	world.segment->servers[server].close_needed = 0;
	pool_set_welcome(&caller, server, (const uint8_t *)"one", 3);
	pool_set_welcome(&caller, server, (const uint8_t *)"other", 5);
	ck_assert_uint_eq(pool->welcome_length, 3);
	ck_assert_mem_eq(pool->welcome, "one", 3);
}
END_TEST

START_TEST(a_welcome_that_does_not_fit_is_left_out)
{
	static uint8_t much[WELCOME_BYTES + 1];
	struct pool_caller caller = worker(0);
	uint32_t server = servers_claim(world.segment, 0, world.pool,
	    SERVER_CANCEL_LINK);

	pool_set_welcome(&caller, server, much, sizeof(much));
	ck_assert_uint_eq(pool_world_row(&world)->welcome_length, 0);
	pool_set_welcome(&caller, server, much, WELCOME_BYTES);
	ck_assert_uint_eq(pool_world_row(&world)->welcome_length,
	    WELCOME_BYTES);
}
END_TEST

START_TEST(what_a_dead_worker_leaves_is_adopted_by_kind)
{
	struct pool_caller heir = worker(1), other = worker(2);
	uint32_t idle = pool_world_add_server(&world, 1);
	uint32_t closing = pool_world_add_server(&world, 1);

	ck_assert_int_eq(pool_adopt(&heir, idle), POOL_LEGACY_WATCH);
	ck_assert_int_eq(pool_adopt(&other, idle), POOL_LEGACY_NONE);
	ck_assert(pool_begin_close(&heir, closing));
	ck_assert_int_eq(pool_adopt(&heir, closing), POOL_LEGACY_CLOSE);
	ck_assert_int_eq(pool_adopt(&other, closing), POOL_LEGACY_NONE);
	pool_end_close(&heir, closing);
	ck_assert_int_eq(pool_adopt(&heir, closing), POOL_LEGACY_NONE);
}
END_TEST

START_TEST(a_pool_that_was_never_made_aborts)
{
	struct pool_caller caller = worker(0);

	pool_unlock(pool_lock(&caller, world.pool + 1));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pool");
	TCase *tests = tcase_create("pool");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, an_idle_server_is_taken_at_once);
	tcase_add_test(tests, without_a_server_a_client_waits);
	tcase_add_test(tests,
	    the_server_that_this_worker_used_last_comes_first);
	tcase_add_test(tests,
	    a_server_whose_tls_is_here_comes_before_all_others);
	tcase_add_test(tests,
	    its_owner_closes_an_idle_server_whoever_watches_it);
	tcase_add_test(tests, then_the_server_used_most_recently);
	tcase_add_test(tests, round_robin_takes_the_one_that_is_idle_longest);
	tcase_add_test(tests,
	    a_server_whose_descriptor_this_worker_lacks_is_skipped);
	tcase_add_test(tests,
	    a_server_that_was_inherited_without_its_descriptor_is_skipped);
	tcase_add_test_raise_signal(tests,
	    a_client_that_is_not_idle_cannot_take, SIGABRT);
	tcase_add_test(tests, a_server_that_nobody_waits_for_is_idle);
	tcase_add_test(tests, a_waiter_of_the_same_worker_has_it_at_once);
	tcase_add_test(tests, a_waiter_of_another_worker_gets_mail);
	tcase_add_test(tests, a_worker_that_is_awake_is_not_woken);
	tcase_add_test(tests, mail_that_is_out_of_date_gives_nothing);
	tcase_add_test(tests, only_the_worker_of_the_client_accepts);
	tcase_add_test_raise_signal(tests,
	    giving_back_what_is_somebody_elses_aborts, SIGABRT);
	tcase_add_test_raise_signal(tests,
	    giving_back_what_is_idle_aborts, SIGABRT);
	tcase_add_loop_test(tests,
	    first_come_first_served_with_one_tolerance, 0,
	    ARRAY_LENGTH(queues));
	tcase_add_test(tests, nobody_starves_behind_clients_of_a_busy_worker);
	tcase_add_test(tests, a_waiter_without_the_descriptor_is_passed_over);
	tcase_add_test(tests,
	    who_leaves_the_queue_is_idle_and_the_others_wait_on);
	tcase_add_test(tests,
	    who_leaves_with_a_server_in_the_mail_must_give_it_back);
	tcase_add_test_raise_signal(tests,
	    leaving_without_waiting_aborts, SIGABRT);
	tcase_add_test(tests, a_pool_opens_as_many_as_its_size_and_no_more);
	tcase_add_test(tests, size_0_is_no_limit);
	tcase_add_test(tests, what_is_closing_still_counts);
	tcase_add_test(tests, as_many_are_opened_as_clients_wait);
	tcase_add_test(tests, only_so_many_are_opened_at_one_time);
	tcase_add_test(tests, a_first_login_may_want_one_although_nobody_waits);
	tcase_add_test(tests, the_size_is_exact_over_all_workers);
	tcase_add_test(tests, while_a_pool_fails_clients_are_told_so);
	tcase_add_test(tests,
	    what_failed_is_remembered_until_an_attempt_succeeds);
	tcase_add_test(tests, a_long_failure_is_cut);
	tcase_add_test(tests, a_new_attempt_waits_for_the_retry_and_goes_alone);
	tcase_add_test(tests, a_pool_with_a_living_server_is_not_failing);
	tcase_add_test(tests, a_paused_pool_gives_and_opens_nothing);
	tcase_add_test(tests, a_database_is_paused_by_itself);
	tcase_add_test(tests, a_server_that_comes_back_into_a_pause_is_closed);
	tcase_add_test(tests, open_servers_are_counted_by_database);
	tcase_add_loop_test(tests, stale_servers_are_picked_with_a_reason, 0,
	    ARRAY_LENGTH(stale));
	tcase_add_test(tests, what_is_too_much_goes_and_no_more);
	tcase_add_test(tests,
	    the_old_go_one_by_one_a_part_of_the_lifetime_apart);
	tcase_add_test(tests,
	    a_fresh_server_may_serve_once_even_with_lifetime_0);
	tcase_add_test(tests, closing_waits_for_nobody_but_the_holder);
	tcase_add_test(tests,
	    an_idle_server_that_speaks_is_claimed_by_its_watcher_only);
	tcase_add_test(tests, a_reset_server_is_nobodys_until_it_is_given_back);
	tcase_add_test(tests, a_freed_row_wakes_who_waits_for_that);
	tcase_add_test_raise_signal(tests,
	    ending_what_was_not_begun_aborts, SIGABRT);
	tcase_add_test(tests, a_server_is_held_while_a_cancel_is_under_way);
	tcase_add_test(tests, all_cancels_are_waited_for);
	tcase_add_test(tests, a_cancel_that_is_over_first_changes_nothing);
	tcase_add_test(tests,
	    there_is_nothing_to_cancel_for_who_holds_no_server);
	tcase_add_test(tests, a_cancel_for_a_client_that_has_gone_finds_nobody);
	tcase_add_test(tests, a_target_that_was_closed_meanwhile_is_left_alone);
	tcase_add_test(tests,
	    a_late_end_of_a_cancel_does_not_count_for_another_connection);
	tcase_add_test(tests, a_held_server_is_closed_if_it_must_be);
	tcase_add_test(tests,
	    a_canceler_without_the_descriptor_leaves_it_to_the_holder);
	tcase_add_test(tests, a_canceled_server_is_adopted_by_one_worker_only);
	tcase_add_test(tests, the_first_welcome_wins);
	tcase_add_test(tests, a_welcome_that_does_not_fit_is_left_out);
	tcase_add_test(tests, what_a_dead_worker_leaves_is_adopted_by_kind);
	tcase_add_test_raise_signal(tests,
	    a_pool_that_was_never_made_aborts, SIGABRT);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
