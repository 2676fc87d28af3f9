#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/fdpass.h"
#include "session/bridge.h"
#include "tls_world.h"

/*
 * The owner is a process of its own; the test is PostgreSQL and the user:
 *
 *	test: server <==> owner: stream, pump, near <--> far :test
 */
#define PATIENCE_MSEC 20000

struct shared {
	_Atomic uint32_t hung_up;
	_Atomic uint32_t turns;
	_Atomic uint32_t refused;	/* asked whether it is lent: no */
	_Atomic uint32_t rest;		/* bytes that were left */
};

static struct shared *shared;
static struct stream server;		/* PostgreSQL's end */
static int far, orders;
static pid_t owner;

struct pump {
	struct loop	*loop;
	struct stream	 stream;
	struct watch	 outer, orders;
	struct bridge	*bridge;
	bool		 lent;
	struct buffer	 rest;
};

static uint8_t memory[STREAM_RECEIVE_LEAST];

/* --- the owner ----------------------------------------------------------- */

static int
before_sleep(void *context)
{
	return -1;
}

static void
after_wake(void *context)
{
	atomic_fetch_add(&shared->turns, 1);
}

static void
end_of_turn(void *context)
{
}

static void
on_outer(void *context, uint32_t events)
{
	struct pump *pump = context;

	bridge_on_stream(pump->bridge, events);
}

static void
listen_outer(void *context, uint32_t events)
{
	struct pump *pump = context;

	if (events == 0)
		loop_remove(pump->loop, &pump->outer);
	else if (pump->outer.callback != NULL)
		loop_change(pump->loop, &pump->outer, events);
	else if (!loop_add(pump->loop, &pump->outer, pump->stream.fd, events,
	    on_outer, pump))
		_exit(1);
}

static bool
is_lent(void *context)
{
	struct pump *pump = context;

	atomic_fetch_add(&shared->refused, !pump->lent);
	return pump->lent;
}

static void
take_back(struct pump *pump)
{
	uint8_t news = (uint8_t)bridge_take_back(pump->bridge, &pump->rest);

	atomic_store(&shared->rest, (uint32_t)buffer_length(&pump->rest));
	if (write(pump->orders.fd, &news, 1) != 1)
		_exit(1);
}

static void
on_order(void *context, uint32_t events)
{
	struct pump *pump = context;
	char order;

	if (read(pump->orders.fd, &order, 1) != 1)
		_exit(0);
	if (order == 't') {
		take_back(pump);
		return;
	}
	if (order == 'o')
		pump->lent = false;
	if (write(pump->orders.fd, &order, 1) != 1)
		_exit(1);
}

NORETURN static void
run_owner(struct stream stream, int own_orders)
{
	const struct loop_hooks hooks = { NULL, before_sleep, after_wake,
	    end_of_turn };
	struct pump pump = { .stream = stream, .lent = true };
	struct bridge_place place = { .stream = &pump.stream,
	    .memory = memory, .hung_up = &shared->hung_up, .context = &pump,
	    .listen = listen_outer, .is_lent = is_lent };
	struct error error;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pump.loop = place.loop = loop_create(&hooks, &error);
	pump.bridge = bridge_create(&place, &error);
	listen_outer(&pump, EPOLLIN);
	if (!loop_add(pump.loop, &pump.orders, own_orders, EPOLLIN, on_order,
	    &pump) || !fdpass_send(own_orders, "f", 1,
	    bridge_far_end(pump.bridge)))
		_exit(1);
	loop_run(pump.loop);
	_exit(0);
}

/* --- the test's side ----------------------------------------------------- */

static void
await(int fd, short events)
{
	struct pollfd news = { fd, events, 0 };

	ck_assert_int_eq(poll(&news, 1, PATIENCE_MSEC), 1);
}

/* Narrow: the kernel keeps little on the way to PostgreSQL. */
static void
start(struct stream stream, struct stream there)
{
	int ends[2], bytes = 64 * 1024;
	char letter;

	setsockopt(stream.fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	setsockopt(there.fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	memset(shared, 0, sizeof(*shared));
	fflush(NULL);
	owner = fork();
	ck_assert_int_ne(owner, -1);
	if (owner == 0) {
		close(ends[0]);
		close(there.fd);
		run_owner(stream, ends[1]);
	}
	close(ends[1]);
	close(stream.fd);
	orders = ends[0];
	server = there;
	await(orders, POLLIN);
	ck_assert_uint_eq(fdpass_receive(orders, &letter, 1, &far), 1);
	ck_assert_int_ne(far, -1);
}

static void
start_plain(void)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    ends), 0);
	start((struct stream){ ends[0], NULL }, (struct stream){ ends[1],
	    NULL });
}

static void
start_tls(void)
{
	link_with_tls();
	start(tls_world.there, tls_world.here);
	/* The owner's now. */
	tls_world.there.fd = -1;
}

static void
stop(void)
{
	int status;

	kill(owner, SIGKILL);
	ck_assert_int_eq(waitpid(owner, &status, 0), owner);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	    "the owner has ended by itself: %d", status);
	if (far != -1)
		close(far);
	close(orders);
	if (server.tls == NULL && server.fd != -1)
		close(server.fd);
}

static uint8_t
order(char letter)
{
	uint8_t answer;

	ck_assert_int_eq(write(orders, &letter, 1), 1);
	await(orders, POLLIN);
	ck_assert_int_eq(read(orders, &answer, 1), 1);
	return answer;
}

static void
user_says(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	while (length > 0) {
		ssize_t sent = socket_send(far, at, length);

		if (sent == -1) {
			ck_assert_int_eq(errno, EAGAIN);
			await(far, POLLOUT);
			continue;
		}
		at += sent;
		length -= (size_t)sent;
	}
}

static void
server_says(const void *bytes, size_t length)
{
	ck_assert_int_eq(stream_send(&server, bytes, length),
	    (ssize_t)length);
}

static uint8_t got[STREAM_RECEIVE_LEAST];

/* What comes next at an end: bytes, or 0 for its end. */
static ssize_t
hear(struct stream *stream)
{
	ssize_t length;

	do {
		await(stream->fd, POLLIN);
		length = stream_receive(stream, got, sizeof(got));
	} while (length == -1 && errno == EAGAIN);
	return length;
}

static void
expect(struct stream *stream, const void *bytes, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t part = hear(stream);

		ck_assert_int_gt(part, 0);
		ck_assert_uint_le(done + (size_t)part, length);
		ck_assert_int_eq(memcmp(got, (const uint8_t *)bytes + done,
		    (size_t)part), 0);
		done += (size_t)part;
	}
}

static void
server_hears(const void *bytes, size_t length)
{
	expect(&server, bytes, length);
}

static void
user_hears(const void *bytes, size_t length)
{
	struct stream user = { far, NULL };

	expect(&user, bytes, length);
}

static void
expect_user_end(void)
{
	struct stream user = { far, NULL };

	ck_assert_int_le(hear(&user), 0);
}

/* Nothing is under way: who runs in circles finds no rest nevertheless. */
static void
expect_rest(void)
{
	uint32_t turns;
	int looks = 0;

	do {
		ck_assert_int_lt(looks++, PATIENCE_MSEC / 50);
		turns = atomic_load(&shared->turns);
		usleep(50000);
	} while (atomic_load(&shared->turns) >= turns + 20);
}

/* --- tests --------------------------------------------------------------- */

static void (*const kinds[])(void) = { start_plain, start_tls };

START_TEST(it_passes_on_both_ways)
{
	kinds[_i]();
	user_says("query", 5);
	server_hears("query", 5);
	server_says("answer", 6);
	user_hears("answer", 6);
	user_says("more", 4);
	server_hears("more", 4);
	expect_rest();
	stop();
}
END_TEST

#define MUCH ((size_t)3 * 1024 * 1024)

static uint8_t *
make_much(void)
{
	uint8_t *much = memory_get(MUCH);

	for (size_t i = 0; i < MUCH; i++)
		much[i] = (uint8_t)(i * 31 + i / 251);
	return much;
}

/* Sends as much as is taken while nobody reads on the other side. */
static size_t
fill(struct stream *stream, const uint8_t *much, size_t from)
{
	struct pollfd news = { stream->fd, POLLOUT, 0 };
	bool was_awake = false;
	size_t done = from;

	while (done < MUCH) {
		ssize_t sent = 0;

		if (poll(&news, 1, 200) == 0) {
			if (was_awake)
				break;
			/* It may just not have come to it. */
			ck_assert_uint_eq(order('a'), 'a');
			was_awake = true;
			continue;
		}
		was_awake = false;
		ck_assert(stream_flush(stream));
		if (!stream_has_unsent(stream))
			sent = stream_send(stream, much + done, MUCH - done);
		if (sent > 0)
			done += (size_t)sent;
	}
	return done;
}

static void
pass_much(struct stream *from, struct stream *to)
{
	uint8_t *much = make_much();
	size_t done, heard = 0;

	done = fill(from, much, 0);
	/* Socket buffers and what one call reads, but by far not all. */
	ck_assert_uint_lt(done, MUCH);
	expect_rest();
	while (heard < MUCH) {
		ssize_t part = hear(to);

		ck_assert_int_gt(part, 0);
		ck_assert_int_eq(memcmp(got, much + heard, (size_t)part), 0);
		heard += (size_t)part;
		while (done < MUCH) {
			ssize_t sent = stream_flush(from) &&
			    !stream_has_unsent(from) ? stream_send(from,
			    much + done, MUCH - done) : -1;

			if (sent <= 0)
				break;
			done += (size_t)sent;
		}
		ck_assert(stream_flush(from));
	}
	ck_assert_uint_eq(heard, MUCH);
	expect_rest();
	memory_free(much);
}

START_TEST(what_the_server_does_not_take_waits_and_no_more_is_read)
{
	struct stream user;

	kinds[_i]();
	user = (struct stream){ far, NULL };
	pass_much(&user, &server);
	server_says("answer", 6);
	user_hears("answer", 6);
	stop();
}
END_TEST

START_TEST(what_the_user_does_not_take_waits_and_no_more_is_read)
{
	struct stream user;

	kinds[_i]();
	user = (struct stream){ far, NULL };
	pass_much(&server, &user);
	user_says("query", 5);
	server_hears("query", 5);
	stop();
}
END_TEST

static const uint8_t words[] = "0123456789abcdef";

START_TEST(a_user_that_ends_after_any_byte_is_an_end_for_the_server)
{
	kinds[_i % 2]();
	user_says(words, (size_t)_i / 2);
	shutdown(far, SHUT_WR);
	server_hears(words, (size_t)_i / 2);
	ck_assert_int_eq(hear(&server), 0);
	/* Then the server ends, too. */
	server_says("bye", 3);
	shutdown(server.fd, SHUT_WR);
	user_hears("bye", 3);
	expect_user_end();
	if (_i < 2)
		expect_rest();
	stop();
}
END_TEST

START_TEST(a_server_that_ends_after_any_byte_is_an_end_for_the_user)
{
	kinds[_i % 2]();
	if (_i / 2 > 0)
		server_says(words, (size_t)_i / 2);
	stream_finish(&server, NULL, 0);
	shutdown(server.fd, SHUT_RDWR);
	user_hears(words, (size_t)_i / 2);
	expect_user_end();
	ck_assert_uint_eq(atomic_load(&shared->hung_up), 1);
	if (_i < 2)
		expect_rest();
	shutdown(far, SHUT_RDWR);
	if (_i < 2)
		expect_rest();
	stop();
}
END_TEST

START_TEST(an_owner_that_dies_after_any_byte_has_not_seen_the_server_end)
{
	kinds[_i % 2]();
	if (_i / 2 > 0)
		server_says(words, (size_t)_i / 2);
	user_hears(words, (size_t)_i / 2);
	user_says(words, (size_t)_i / 2);
	kill(owner, SIGKILL);
	expect_user_end();
	ck_assert_uint_eq(atomic_load(&shared->hung_up), 0);
	stop();
}
END_TEST

START_TEST(a_user_that_is_gone_altogether_does_not_keep_it_busy)
{
	uint8_t *much = make_much();

	kinds[_i]();
	user_says("query", 5);
	server_hears("query", 5);
	fill(&server, much, 0);
	shutdown(far, SHUT_RDWR);
	expect_rest();
	memory_free(much);
	stop();
}
END_TEST

START_TEST(it_is_quiet_when_all_was_answered)
{
	kinds[_i]();
	ck_assert_uint_eq(order('t'), BRIDGE_QUIET);
	user_says("query", 5);
	server_hears("query", 5);
	server_says("answer", 6);
	user_hears("answer", 6);
	ck_assert_uint_eq(order('t'), BRIDGE_QUIET);
	ck_assert_uint_eq(atomic_load(&shared->rest), 0);
	/* And goes on to be lent. */
	user_says("again", 5);
	server_hears("again", 5);
	stop();
}
END_TEST

START_TEST(what_nobody_waited_for_goes_first_when_it_is_taken_back)
{
	kinds[_i]();
	/* The owner sees the words of the user not before the order. */
	kill(owner, SIGSTOP);
	ck_assert_int_eq(waitpid(owner, NULL, WUNTRACED), owner);
	user_says("flush", 5);
	ck_assert_int_eq(write(orders, "t", 1), 1);
	kill(owner, SIGCONT);
	await(orders, POLLIN);
	ck_assert_int_eq(read(orders, got, 1), 1);
	ck_assert_uint_eq(got[0], BRIDGE_QUIET);
	server_hears("flush", 5);
	stop();
}
END_TEST

START_TEST(what_the_server_does_not_take_is_left_to_the_owner)
{
	struct stream user;
	uint8_t *much = make_much();
	size_t done, heard = 0;

	kinds[_i]();
	user = (struct stream){ far, NULL };
	done = fill(&user, much, 0);
	ck_assert_uint_eq(order('t'), BRIDGE_QUIET);
	ck_assert_uint_gt(atomic_load(&shared->rest), 0);
	/* All but the rest comes, in order, with nothing of it lost. */
	while (heard < done - atomic_load(&shared->rest)) {
		ssize_t part = hear(&server);

		ck_assert_int_gt(part, 0);
		ck_assert_int_eq(memcmp(got, much + heard, (size_t)part), 0);
		heard += (size_t)part;
	}
	ck_assert_uint_eq(heard, done - atomic_load(&shared->rest));
	memory_free(much);
	stop();
}
END_TEST

START_TEST(words_that_the_last_user_did_not_read_are_noticed)
{
	kinds[_i]();
	server_says("notice", 6);
	await(far, POLLIN);
	ck_assert_uint_eq(order('t'), BRIDGE_BYTES);
	stop();
}
END_TEST

START_TEST(an_end_is_noticed_when_it_is_taken_back)
{
	kinds[_i]();
	stream_finish(&server, NULL, 0);
	shutdown(server.fd, SHUT_RDWR);
	expect_user_end();
	ck_assert_uint_eq(order('t'), BRIDGE_GONE);
	stop();
}
END_TEST

START_TEST(who_speaks_while_it_is_not_lent_is_not_heard)
{
	kinds[_i]();
	ck_assert_uint_eq(order('o'), 'o');
	user_says("intruder", 8);
	while (atomic_load(&shared->refused) == 0)
		usleep(1000);
	expect_rest();
	ck_assert_int_eq(stream_receive(&server, got, sizeof(got)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	stop();
}
END_TEST

static void
begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	tls_world_begin();
}

int
main(void)
{
	Suite *suite = suite_create("bridge");
	TCase *tests = tcase_create("bridge");
	SRunner *runner;
	int failed, bytes = 2 * (int)sizeof(words);

	tcase_add_checked_fixture(tests, begin, tls_world_end);
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, it_passes_on_both_ways, 0, 2);
	tcase_add_loop_test(tests,
	    what_the_server_does_not_take_waits_and_no_more_is_read, 0, 2);
	tcase_add_loop_test(tests,
	    what_the_user_does_not_take_waits_and_no_more_is_read, 0, 2);
	tcase_add_loop_test(tests,
	    a_user_that_ends_after_any_byte_is_an_end_for_the_server, 0,
	    bytes);
	tcase_add_loop_test(tests,
	    a_server_that_ends_after_any_byte_is_an_end_for_the_user, 0,
	    bytes);
	tcase_add_loop_test(tests,
	    an_owner_that_dies_after_any_byte_has_not_seen_the_server_end, 0,
	    bytes);
	tcase_add_loop_test(tests,
	    a_user_that_is_gone_altogether_does_not_keep_it_busy, 0, 2);
	tcase_add_loop_test(tests, it_is_quiet_when_all_was_answered, 0, 2);
	tcase_add_loop_test(tests,
	    what_nobody_waited_for_goes_first_when_it_is_taken_back, 0, 2);
	tcase_add_loop_test(tests,
	    what_the_server_does_not_take_is_left_to_the_owner, 0, 2);
	tcase_add_loop_test(tests,
	    words_that_the_last_user_did_not_read_are_noticed, 0, 2);
	tcase_add_loop_test(tests, an_end_is_noticed_when_it_is_taken_back, 0,
	    2);
	tcase_add_loop_test(tests,
	    who_speaks_while_it_is_not_lent_is_not_heard, 0, 2);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
