/*
 * Whatever a client puts on its way at once, the answers through the pooler
 * are those that PostgreSQL gives it directly, and none of another's.
 *
 * Batches of random messages, right ones and failing ones, cut at random
 * places, go by both ways at the same time; what comes back is compared
 * message by message.  A batch leaves nothing behind: it ends outside of a
 * transaction, and uses the unnamed statement and portal only.
 */
#include <sys/socket.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/world.h"

static uint32_t
next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static unsigned
choose(uint32_t *state, unsigned count)
{
	return next_random(state) % count;
}

/* ---- what a batch is made of ---- */

static const char *
some_query(uint32_t *state)
{
	static const char *const queries[] = { "select 1/0", "",
	    "select generate_series(1, 30)", "selekt",
	    "update counted set n = n + 1 where id = 0",
	    "select repeat('x', 20000)", "select 1; select 2",
	    "begin; select 3; commit", "select 4; select 1/0; select 5",
	    "insert into sink values ('q')", "set local work_mem = '1MB'" };
	unsigned chosen = choose(state, ARRAY_LENGTH(queries) + 4);

	return chosen < ARRAY_LENGTH(queries) ? queries[chosen] :
	    text("select %u", next_random(state));
}

static void
put_query(struct buffer *out, uint32_t *state)
{
	put_message(out, 'Q', "s", some_query(state));
}

static void
put_parse(struct buffer *out, const char *sql)
{
	put_message(out, 'P', "ssh", "", sql, 0u);
}

static void
put_bind(struct buffer *out)
{
	put_message(out, 'B', "sshhh", "", "", 0u, 0u, 0u);
}

static void
put_execute(struct buffer *out, uint32_t rows)
{
	put_message(out, 'E', "si", "", rows);
}

static void
put_extended(struct buffer *out, uint32_t *state)
{
	static const char *const wrong[] = { "select 1/0", "selekt",
	    "select 1; select 2" };

	put_parse(out, choose(state, 5) == 0 ? wrong[choose(state, 3)] :
	    choose(state, 4) == 0 ? "select generate_series(1, 20)" :
	    text("select %u", next_random(state)));
	if (choose(state, 3) == 0)
		put_message(out, 'D', "bs", 'S', "");
	if (choose(state, 6) == 0)
		put_message(out, 'H', "");
	put_bind(out);
	if (choose(state, 3) == 0)
		put_message(out, 'D', "bs", 'P', "");
	put_execute(out, choose(state, 3) == 0 ? 7 : 0);
	if (choose(state, 4) == 0)
		put_execute(out, 0);
	if (choose(state, 5) == 0)
		put_message(out, 'C', "bs", 'P', "");
	if (choose(state, 5) == 0)
		put_message(out, 'H', "");
	if (choose(state, 4) > 0)
		put_message(out, 'S', "");
}

/* Sync is ignored while PostgreSQL copies, so drivers may send one early. */
static void
put_copy(struct buffer *out, uint32_t *state)
{
	bool extended = choose(state, 2) == 0;
	const char *sql = choose(state, 4) == 0 ? "copy no_such from stdin" :
	    choose(state, 4) == 0 ? "copy counted from stdin" :
	    "copy sink from stdin";
	unsigned lines = choose(state, 4);

	if (extended) {
		/* Nothing of a batch before may be waiting for its Sync. */
		put_message(out, 'S', "");
		put_parse(out, sql);
		put_bind(out);
		put_execute(out, 0);
		if (choose(state, 2) == 0)
			put_message(out, 'S', "");
	} else {
		put_message(out, 'S', "");
		put_message(out, 'Q', "s", sql);
	}
	while (lines-- > 0)
		put_message(out, 'd', "x", "copied\n", 7);
	if (choose(state, 4) == 0)
		put_message(out, 'f', "s", "changed my mind");
	else
		put_message(out, 'c', "");
	if (extended)
		put_message(out, 'S', "");
}

static void
put_block(struct buffer *out, uint32_t *state)
{
	put_message(out, 'S', "");
	put_message(out, 'Q', "s", "begin");
	for (unsigned i = choose(state, 3); i > 0; i--)
		put_query(out, state);
	if (choose(state, 2) == 0)
		put_extended(out, state);
	put_message(out, 'S', "");
	put_message(out, 'Q', "s", choose(state, 3) > 0 ? "commit" :
	    "rollback");
}

static void
put_call(struct buffer *out)
{
	put_message(out, 'S', "");
	put_message(out, 'F', "ihhixh", 1397u, 0u, 1u, 2u, "-7", 2, 0u);
}

static void
put_batch(struct buffer *out, uint32_t *state, const char *end)
{
	for (unsigned i = 1 + choose(state, 5); i > 0; i--) {
		switch (choose(state, 8)) {
		case 0:
			put_copy(out, state);
			break;
		case 1:
			put_block(out, state);
			break;
		case 2:
			put_call(out);
			break;
		case 3:
		case 4:
			put_query(out, state);
			break;
		default:
			put_extended(out, state);
			break;
		}
	}
	put_message(out, 'S', "");
	put_message(out, 'Q', "s", "rollback");
	put_message(out, 'Q', "s", text("select '%s'", end));
}

/* ---- by both ways ---- */

/* In pieces, with a rest now and then. */
static void
send_in_pieces(int fd, const struct buffer *bytes, uint32_t seed)
{
	const uint8_t *at = buffer_front(bytes);
	size_t left = buffer_length(bytes);

	while (left > 0) {
		size_t piece = choose(&seed, 3) == 0 ? 1 + choose(&seed,
		    30) : left;
		ssize_t sent;

		if (piece > left)
			piece = left;
		sent = send(fd, at, piece, MSG_NOSIGNAL);
		ck_assert_msg(sent > 0, "the connection is gone");
		at += sent;
		left -= (size_t)sent;
		if (choose(&seed, 4) == 0)
			usleep(300);
	}
}

/* All messages up to the end of the batch, one behind the other. */
static void
receive_batch(int fd, const char *end, struct buffer *out)
{
	static _Thread_local struct message message;
	bool ending = false;

	do {
		ck_assert_msg(fake_client_read(fd, &message),
		    "the connection closed");
		/* May come at any time. */
		if (message.type == 'S')
			continue;
		put_header(out, message.type, message.length + 4);
		put_bytes(out, message.body, message.length);
		if (message.type == 'D' && message.length == 6 +
		    strlen(end) && memcmp(message.body + 6, end,
		    strlen(end)) == 0)
			ending = true;
	} while (!ending || message.type != 'Z');
}

/* Types of the messages, for people. */
static const char *
types_of(const struct buffer *messages)
{
	static _Thread_local char types[2000];
	const uint8_t *at = buffer_front(messages);
	size_t left = buffer_length(messages), count = 0;

	while (left >= 5 && count < sizeof(types) - 1) {
		size_t length = 1 + ((size_t)at[1] << 24 | at[2] << 16 |
		    at[3] << 8 | at[4]);

		types[count++] = (char)*at;
		at += length;
		left -= length;
	}
	types[count] = '\0';
	return types;
}

struct player {
	struct pooler	*pooler;
	pthread_t	 thread;
	unsigned	 number, batches;
};

static void *
play(void *context)
{
	struct player *player = context;
	uint32_t state = 2463534242u + player->number * 977;
	int through = fake_client_login(player->pooler->port, "app", "shop");
	int direct = fake_client_login(world.cluster.port, "app",
	    "postgres");

	for (unsigned i = 0; i < player->batches; i++) {
		const char *end = text("end of %u-%u", player->number, i);
		uint32_t seed = next_random(&state), before = state;
		struct buffer bytes = { 0 }, wanted = { 0 }, got = { 0 };

		put_batch(&bytes, &state, end);
		send_in_pieces(through, &bytes, seed);
		ck_assert(fake_client_send(direct, &bytes));
		receive_batch(direct, end, &wanted);
		receive_batch(through, end, &got);
		if (buffer_length(&wanted) != buffer_length(&got) ||
		    memcmp(buffer_front(&wanted), buffer_front(&got),
		    buffer_length(&got)) != 0)
			ck_abort_msg("client %u, batch %u (state %u):\n"
			    "wanted %s\ngot    %s", player->number, i,
			    before, text("%s", types_of(&wanted)),
			    types_of(&got));
		buffer_clear(&wanted);
		buffer_clear(&got);
	}
	close(through);
	close(direct);
	return NULL;
}

static const struct {
	unsigned	workers, pool, clients, batches;
	const char	*mode;
} games[] = {
	{ 1, 1, 4, 100, "transaction" },
	{ 3, 3, 10, 150, "transaction" },
	{ 2, 4, 4, 60, "session" },
};

START_TEST(random_pipelines_are_answered_as_by_postgres)
{
	struct pooler *pooler = pooler_start(.workers = games[_i].workers,
	    .settings = text("default_pool_size = %u\npool_mode = %s\n",
	    games[_i].pool, games[_i].mode));
	struct player players[16] = { 0 };
	PGconn *direct = world_direct();

	ck_query_ok(direct, "create table if not exists sink (t text);"
	    "create table if not exists counted (id int, n int);"
	    "grant all on sink, counted to app");
	for (unsigned i = 0; i < games[_i].clients; i++) {
		players[i] = (struct player){ .pooler = pooler,
		    .number = i, .batches = games[_i].batches };
		ck_assert_int_eq(pthread_create(&players[i].thread, NULL,
		    play, &players[i]), 0);
	}
	for (unsigned i = 0; i < games[_i].clients; i++)
		pthread_join(players[i].thread, NULL);
}
END_TEST

/* ---- what random play has found, by itself ---- */

#define pooler_of_one() pooler_start(.workers = 2, \
	.settings = "default_pool_size = 1\n")

START_TEST(a_copy_that_is_sent_whole_does_not_hide_the_next_sync)
{
	struct pooler *pooler = pooler_of_one();
	PGconn *other = connect_client(pooler);
	int client = fake_client_login(pooler->port, "app", "shop");
	struct message message;

	ck_query_ok(other, "create table whole (t text)");
	for (unsigned i = 0; i < 20; i++) {
		struct buffer bytes = { 0 };

		put_message(&bytes, 'Q', "s", "copy whole from stdin");
		put_message(&bytes, 'd', "x", "copied\n", 7);
		put_message(&bytes, 'c', "");
		put_parse(&bytes, "select 1");
		put_bind(&bytes);
		put_execute(&bytes, 0);
		put_message(&bytes, 'S', "");
		ck_assert(fake_client_send(client, &bytes));
		fake_client_expect(client, 'Z', &message);
		fake_client_expect(client, 'D', &message);
		fake_client_expect(client, 'Z', &message);
		ck_query_value(other, "select 2", "2");
	}
	ck_query_value(other, "select count(*) from whole", "20");
	ck_query_ok(other, "drop table whole");
	close(client);
}
END_TEST

/* A Parse behind a query opens what only its Sync will end. */
START_TEST(a_server_in_an_unfinished_pipeline_goes_to_nobody)
{
	struct pooler *pooler = pooler_of_one();
	PGconn *other = connect_client(pooler), *direct = world_direct();
	int client = fake_client_login(pooler->port, "app", "shop");
	struct buffer bytes = { 0 };
	struct message message;

	ck_query_ok(direct, "drop table if exists once;"
	    "create table once (n int);"
	    "insert into once values (0); grant all on once to app");
	put_message(&bytes, 'Q', "s", "select 1");
	put_parse(&bytes, "update once set n = 1");
	put_bind(&bytes);
	put_execute(&bytes, 0);
	put_message(&bytes, 'H', "");
	ck_assert(fake_client_send(client, &bytes));
	do
		ck_assert(fake_client_read(client, &message));
	while (message.type != 'C' ||
	    strcmp((char *)message.body, "UPDATE 1") != 0);
	/* Done, but not committed: nobody may go on in it. */
	ck_assert(PQsendQuery(other, "select 2"));
	usleep(50000);
	ck_assert(still_waits(other));
	ck_query_value(direct, "select n from once", "0");
	if (_i == 0) {
		put_message(&bytes, 'S', "");
		ck_assert(fake_client_send(client, &bytes));
		fake_client_expect(client, 'Z', &message);
		ck_query_value(direct, "select n from once", "1");
	}
	close(client);
	ck_finish_ok(other);
	ck_query_value(direct, "select n from once", _i == 0 ? "1" : "0");
	ck_query_ok(direct, "drop table once");
}
END_TEST

/* PostgreSQL answers it with an error and skips, but nothing asks for that. */
START_TEST(a_flush_with_a_body_is_refused)
{
	struct pooler *pooler = pooler_of_one();
	PGconn *other = connect_client(pooler);
	int client = fake_client_login(pooler->port, "app", "shop");
	struct buffer bytes = { 0 };

	put_message(&bytes, 'S', "");
	put_message(&bytes, 'H', "s", "now");
	put_message(&bytes, 'Q', "s", "select 1");
	put_message(&bytes, 'P', "ssh", "held", "select 2", 0);
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect_error(client, "FATAL", "08P01",
	    "broken Flush packet");
	fake_client_expect_close(client);
	close(client);
	ck_query_value(other, "select 3", "3");
}
END_TEST

/*
 * A Parse waits for the answer to the query before it, which the server skips
 * after an error: no answer will come, and nothing else before Sync.
 */
START_TEST(what_waits_for_an_answer_that_is_skipped_goes_on)
{
	struct pooler *pooler = pooler_of_one();
	PGconn *other = connect_client(pooler);
	int client = fake_client_login(pooler->port, "app", "shop");
	struct buffer bytes = { 0 };
	struct message message;

	put_message(&bytes, 'B', "sshhh", "", "nothing", 0, 0, 0);
	put_message(&bytes, 'Q', "s", "select 1");
	put_message(&bytes, 'P', "ssh", "held", "select 2", 0);
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect(client, 'E', &message);
	ck_assert_str_eq(error_field(&message, 'C'), "26000");
	if (_i == 0) {
		put_message(&bytes, 'S', "");
		ck_assert(fake_client_send(client, &bytes));
		ck_assert(fake_client_read(client, &message));
		ck_assert_int_eq(message.type, 'Z');
		ck_query_value(other, "select 3", "3");
	}
	/* Nor is it overlooked that it has gone. */
	close(client);
	ck_query_value(other, "select 3", "3");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pipelines");
	TCase *tests = world_case(suite, "found", 10);

	if (pooler_is_pgusher()) {
		tcase_add_test(tests,
		    a_copy_that_is_sent_whole_does_not_hide_the_next_sync);
		tcase_add_loop_test(tests,
		    a_server_in_an_unfinished_pipeline_goes_to_nobody, 0, 2);
		tcase_add_test(tests, a_flush_with_a_body_is_refused);
		tcase_add_loop_test(tests,
		    what_waits_for_an_answer_that_is_skipped_goes_on, 0, 2);
	}
	tests = world_case(suite, "random", 20);
	if (pooler_is_pgusher())
		tcase_add_loop_test(tests,
		    random_pipelines_are_answered_as_by_postgres, 0,
		    (int)ARRAY_LENGTH(games));
	return world_run(suite);
}
