/*
 * Clients that share servers: whatever a client says, it is answered as
 * PostgreSQL answers it directly.
 *
 * Many clients play random scripts (live/script.h) over several workers.
 * Each script goes by both ways, and what comes back is compared message by
 * message.  Now and then a player leaves at any byte and comes again.  Beside
 * them others only break off, or cancel what they ask.
 *
 * A game is what its seed makes of it; a failure names it.  To play on:
 *
 *	LIVE_RANDOM_SECONDS=600 tests/live/test_random
 *	LIVE_RANDOM_SECONDS=60 LIVE_RANDOM_SEED=12345 tests/live/test_random
 *
 * The seconds are shared out among the games.  Without a seed each such run
 * is another one.
 */
#include <sys/socket.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/script.h"
#include "live/world.h"

/* ---- by both ways ---- */

static bool
send_in_pieces(int fd, const struct buffer *bytes, size_t length,
    struct script *chance)
{
	const uint8_t *at = buffer_front(bytes);

	while (length > 0) {
		size_t piece = script_choose(chance, 3) == 0 ?
		    1 + script_choose(chance, 40) : length;
		ssize_t sent;

		if (piece > length)
			piece = length;
		sent = send(fd, at, piece, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		at += sent;
		length -= (size_t)sent;
		if (script_choose(chance, 4) == 0)
			usleep(200);
	}
	return true;
}

/*
 * What a message says.  Of an error: severity, SQLSTATE and text; where in
 * PostgreSQL's source it was raised is nobody's business.
 */
static void
put_line(struct buffer *out, const struct message *message)
{
	if (message->type == 'E' || message->type == 'N') {
		put_string(out, text("%c %s %s %s", message->type,
		    error_field(message, 'S'), error_field(message, 'C'),
		    error_field(message, 'M')));
		return;
	}
	put_header(out, message->type, message->length + 4);
	put_bytes(out, message->body, message->length);
}

static void
put_type(struct buffer *types, const struct message *message)
{
	char type = message->type;

	put_bytes(types, &type, 1);
	if (type == 'Z')
		put_bytes(types, message->body, 1);
	if (type == 'E') {
		const char *said = text("(%s %s)", error_field(message, 'C'),
		    error_field(message, 'M'));

		put_bytes(types, said, strlen(said));
	}
	/* The first value of a short row, where it is text. */
	if (type == 'D' && message->length > 6 && message->length < 40) {
		const char *said = text("(%.*s)", (int)message->length - 6,
		    (const char *)message->body + 6);

		put_bytes(types, said, strlen(said));
	}
}

struct heard {
	struct buffer	lines, types;
	struct buffer	ends;		/* of each line; size_t */
};

/* All messages up to the end of the batch. False: the connection closed. */
static bool
receive_batch(int fd, const char *end, struct heard *heard)
{
	static _Thread_local struct message message;
	bool ending = false;
	size_t length;

	do {
		if (!fake_client_read(fd, &message))
			return false;
		if (message.type == 'S')
			continue;
		put_line(&heard->lines, &message);
		length = buffer_length(&heard->lines);
		put_bytes(&heard->ends, &length, sizeof(length));
		put_type(&heard->types, &message);
		if (message.type == 'N' && script_is_end(
		    error_field(&message, 'M'), end))
			ending = true;
	} while (!ending || message.type != 'Z');
	return true;
}

struct player {
	struct pooler	*pooler;
	pthread_t	 thread;
	unsigned	 number, batches;	/* at least */
	uint32_t	 seed;
	long long	 until;			/* and at least so long */
};

static size_t
lines_of(const struct heard *heard)
{
	return buffer_length(&heard->ends) / sizeof(size_t);
}

/* Not aligned, as it comes. */
static size_t
end_of(const struct heard *heard, size_t line)
{
	size_t end;

	memcpy(&end, buffer_front(&heard->ends) + line * sizeof(end),
	    sizeof(end));
	return end;
}

static const char *
line_of(const struct heard *heard, size_t line, size_t *length_out)
{
	size_t start = line == 0 ? 0 : end_of(heard, line - 1);

	*length_out = end_of(heard, line) - start;
	return (const char *)buffer_front(&heard->lines) + start;
}

/* How many lines are the same, and the state of the transaction there. */
static size_t
common_lines(const struct heard *wanted, const struct heard *got,
    char *status)
{
	size_t line, most = lines_of(wanted), length, other;

	if (lines_of(got) < most)
		most = lines_of(got);
	for (line = 0; line < most; line++) {
		const char *one = line_of(wanted, line, &length);
		const char *two = line_of(got, line, &other);

		if (length != other || memcmp(one, two, length) != 0)
			break;
		if (*one == 'Z')
			*status = one[length - 1];
	}
	return line;
}

/*
 * What a mode with shared servers cannot do: in a failed transaction a
 * statement cannot be prepared on another server.  PostgreSQL says so in
 * place of what it would have said, and passes over the rest.
 */
static bool
is_refused(const struct heard *got, size_t line, char status)
{
	static const char refusal[] = "E ERROR 25P02 ";
	size_t length;

	return status == 'E' && line < lines_of(got) && strncmp(line_of(got,
	    line, &length), refusal, sizeof(refusal) - 1) == 0;
}

static void
forget(struct heard *heard)
{
	buffer_clear(&heard->lines);
	buffer_clear(&heard->types);
	buffer_clear(&heard->ends);
}

static void
fail_game(const struct player *player, unsigned batch,
    const struct buffer *script, struct heard *wanted, struct heard *got)
{
	static char said[16000];

	script_describe(script, said, sizeof(said));
	put_bytes(&wanted->types, "", 1);
	put_bytes(&got->types, "", 1);
	ck_abort_msg("seed %u, client %u, batch %u:\nsaid   %s\nwanted %s\n"
	    "got    %s", player->seed, player->number, batch, said,
	    (const char *)buffer_front(&wanted->types),
	    (const char *)buffer_front(&got->types));
}

static struct script
script_of(const struct player *player)
{
	return script_begin(player->seed + player->number * 977u);
}

/* What is said in a batch does not depend on what was answered before. */
static void
turn_to(struct script *script, const struct player *player, unsigned batch)
{
	script->state = script_begin(player->seed + player->number * 977u +
	    (batch + 1) * 104729u).state;
}

static void
come(const struct player *player, int fds[2])
{
	fds[0] = fake_client_login(player->pooler->port, "app", "shop");
	fds[1] = fake_client_login(world.cluster.port, "app", "postgres");
}

static void
go(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

/* False: from here on the two are not in the same state. */
static bool
play_batch(const struct player *player, unsigned batch,
    struct script *script, char *status, const int fds[2])
{
	const char *end = text("end of %u-%u", player->number, batch);
	struct script chance = script_begin(script_choose(script, ~0u));
	struct buffer bytes = { 0 }, said = { 0 };
	struct heard wanted = { 0 }, got = { 0 };
	bool alive, refused = false;
	size_t same;

	script_put_batch(script, &bytes, end);
	put_bytes(&said, buffer_front(&bytes), buffer_length(&bytes));
	alive = send_in_pieces(fds[0], &bytes, buffer_length(&bytes),
	    &chance);
	ck_assert(fake_client_send(fds[1], &bytes));
	if (!receive_batch(fds[1], end, &wanted))
		fail_game(player, batch, &said, &wanted, &got);
	alive = alive && receive_batch(fds[0], end, &got);
	same = common_lines(&wanted, &got, status);
	if (!alive || same < lines_of(&wanted) || same < lines_of(&got)) {
		refused = is_refused(&got, same, *status);
		if (!alive || !refused)
			fail_game(player, batch, &said, &wanted, &got);
	}
	buffer_clear(&said);
	forget(&wanted);
	forget(&got);
	return !refused;
}

/* Says a part of something, and never hears the answer. */
static void
break_off_at_once(struct script *script, int fd)
{
	struct buffer bytes = { 0 };

	for (int i = 0; i < 3; i++)
		script_put_batch(script, &bytes, "nothing");
	(void)send_in_pieces(fd, &bytes, script_choose(script,
	    (unsigned)buffer_length(&bytes)), script);
	if (script_choose(script, 2) == 0)
		usleep(script_choose(script, 5000));
	buffer_clear(&bytes);
}

static void *
play(void *context)
{
	struct player *player = context;
	struct script script = script_of(player);
	char status = 'I';
	int fds[2];

	come(player, fds);
	for (unsigned i = 0; i < player->batches || now_ms() < player->until;
	    i++) {
		bool same;

		turn_to(&script, player, i);
		same = play_batch(player, i, &script, &status, fds);
		if (same && script_choose(&script, 40) > 0)
			continue;
		break_off_at_once(&script, fds[0]);
		go(fds);
		come(player, fds);
		script = script_begin(script.state);
		status = 'I';
	}
	go(fds);
	return NULL;
}

static atomic_bool over;

/* Goes at any byte, whatever is under way, and comes again. */
static void *
break_off(void *context)
{
	struct player *player = context;
	struct script script = script_of(player);

	while (!atomic_load(&over)) {
		int fd = fake_client_login(player->pooler->port, "app",
		    "shop");

		break_off_at_once(&script, fd);
		close(fd);
	}
	return NULL;
}

/* Cancels what it asks, at no particular moment. */
static void *
cancel_own(void *context)
{
	struct player *player = context;
	struct script script = script_of(player);
	PGconn *conn = PQconnectdb(login_string(player->pooler,
	    "user=app dbname=shop"));
	char why[256];

	ck_assert_int_eq(PQstatus(conn), CONNECTION_OK);
	PQclear(PQprepare(conn, "sleeps", "select pg_sleep($1::float8)", 0,
	    NULL));
	while (!atomic_load(&over)) {
		const char *values[] = { "0.02" };
		PGcancel *cancel = PQgetCancel(conn);
		PGresult *result;

		ck_assert(PQsendQueryPrepared(conn, "sleeps", 1, values, NULL,
		    NULL, 0));
		usleep(script_choose(&script, 30000));
		ck_assert_msg(PQcancel(cancel, why, sizeof(why)), "%s", why);
		PQfreeCancel(cancel);
		while ((result = PQgetResult(conn)) != NULL) {
			const char *state_of_it = PQresultErrorField(result,
			    PG_DIAG_SQLSTATE);

			ck_assert_msg(state_of_it == NULL ||
			    strcmp(state_of_it, "57014") == 0, "%s",
			    PQresultErrorMessage(result));
			PQclear(result);
		}
	}
	PQfinish(conn);
	return NULL;
}

static const struct {
	unsigned	workers, pool, clients, batches, others;
	const char	*settings;
} games[] = {
	{ 1, 1, 4, 60, 0, "" },
	{ 4, 3, 8, 80, 0, "" },
	{ 3, 2, 6, 60, 0, "max_prepared_statements = 2\n" },
	{ 2, 2, 6, 60, 0, "max_prepared_statements = 1\n" },
	{ 4, 4, 12, 40, 2, "" },
	{ 2, 4, 4, 40, 0, "pool_mode = session\n" },
	{ 2, 2, 4, 40, 0, "server_reset_query_always = 1\n" },
	{ 4, 3, 6, 40, 0, "server_check_delay = 0\n"
	    "server_check_query = select 1\nserver_lifetime = 1\n" },
};

static uint32_t
number_from(const char *name, uint32_t otherwise)
{
	const char *value = getenv(name);

	return value == NULL ? otherwise : (uint32_t)strtoul(value, NULL, 10);
}

static long long
milliseconds_of_a_game(void)
{
	return number_from("LIVE_RANDOM_SECONDS", 0) * 1000LL /
	    (long long)ARRAY_LENGTH(games);
}

static uint32_t
seed_of_this_run(void)
{
	return number_from("LIVE_RANDOM_SEED", milliseconds_of_a_game() == 0 ?
	    2463534242u : (uint32_t)time(NULL));
}

static void
start(struct player *player, struct pooler *pooler, unsigned number,
    unsigned batches, void *(*life)(void *))
{
	*player = (struct player){ .pooler = pooler, .number = number,
	    .batches = batches, .until = now_ms() + milliseconds_of_a_game(),
	    .seed = seed_of_this_run() };
	ck_assert_int_eq(pthread_create(&player->thread, NULL, life, player),
	    0);
}

START_TEST(random_scripts_are_answered_as_by_postgres)
{
	struct pooler *pooler = pooler_start(.workers = games[_i].workers,
	    .settings = text("default_pool_size = %u\n%s",
	    games[_i].pool, games[_i].settings));
	struct player players[20], others[4];
	unsigned beside = 2 * games[_i].others;
	PGconn *direct = world_direct();

	ck_query_ok(direct, script_tables);
	for (unsigned i = 0; i < games[_i].clients; i++)
		start(&players[i], pooler, i, games[_i].batches, play);
	for (unsigned i = 0; i < beside; i++)
		start(&others[i], pooler, 100 + i, 0,
		    i % 2 == 0 ? break_off : cancel_own);
	for (unsigned i = 0; i < games[_i].clients; i++)
		pthread_join(players[i].thread, NULL);
	atomic_store(&over, true);
	for (unsigned i = 0; i < beside; i++)
		pthread_join(others[i].thread, NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("random");
	TCase *tests = world_case(suite, "scripts",
	    120 + (int)(milliseconds_of_a_game() / 1000));

	if (pooler_is_pgusher())
		tcase_add_loop_test(tests,
		    random_scripts_are_answered_as_by_postgres, 0,
		    (int)ARRAY_LENGTH(games));
	return world_run(suite);
}
