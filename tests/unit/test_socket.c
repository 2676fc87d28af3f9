#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/socket.h"

static const struct socket_options plain;
static int listener, here, there;
static struct sockaddr_in address;

static void
begin(void)
{
	socklen_t length = sizeof(address);

	here = there = -1;
	address = (struct sockaddr_in){ .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	listener = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length),
	    0);
	ck_assert_int_eq(listen(listener, 5), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address,
	    &length), 0);
}

static void
end(void)
{
	close(listener);
	if (here != -1)
		close(here);
	if (there != -1)
		close(there);
}

static bool
try_to_connect(const struct socket_options *options)
{
	struct error error;

	return socket_connect((struct sockaddr *)&address, sizeof(address),
	    options, &here, &error);
}

static void
await(int fd, short events)
{
	struct pollfd news = { fd, events, 0 };

	ck_assert_int_eq(poll(&news, 1, 5000), 1);
}

static void
link_both(void)
{
	ck_assert(try_to_connect(&plain));
	there = accept(listener, NULL, NULL);
	ck_assert_int_ne(there, -1);
	await(here, POLLOUT);
}

START_TEST(connecting_has_an_outcome)
{
	link_both();
	ck_assert_int_eq(socket_outcome(here), 0);
}
END_TEST

START_TEST(nobody_there_is_an_outcome_as_well)
{
	socklen_t length = sizeof(address);

	/* Bound and not listening: nobody else is there either. */
	close(listener);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_port = 0;
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length),
	    0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address,
	    &length), 0);
	if (!try_to_connect(&plain))
		return;
	await(here, POLLOUT);
	ck_assert_int_eq(socket_outcome(here), ECONNREFUSED);
}
END_TEST

START_TEST(options_reach_the_kernel)
{
	static const struct socket_options options = { .keepalive = true,
	    .keepidle = 77, .user_timeout_msec = 1234 };
	socklen_t length = sizeof(int);
	int value;

	ck_assert(try_to_connect(&options));
	ck_assert_int_eq(getsockopt(here, IPPROTO_TCP, TCP_NODELAY, &value,
	    &length), 0);
	ck_assert_int_eq(value, 1);
	ck_assert_int_eq(getsockopt(here, IPPROTO_TCP, TCP_KEEPIDLE, &value,
	    &length), 0);
	ck_assert_int_eq(value, 77);
	ck_assert_int_eq(getsockopt(here, IPPROTO_TCP, TCP_USER_TIMEOUT,
	    &value, &length), 0);
	ck_assert_int_eq(value, 1234);
}
END_TEST

START_TEST(bytes_arrive_in_parts_and_the_end_is_zero)
{
	struct iovec parts[] = { { (void *)"ab", 2 }, { (void *)"cd", 3 } };
	char text[8];

	link_both();
	ck_assert_int_eq(socket_receive(here, text, sizeof(text)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(socket_send_parts(there, parts, 2), 5);
	await(here, POLLIN);
	ck_assert_int_eq(socket_receive(here, text, sizeof(text)), 5);
	ck_assert_str_eq(text, "abcd");
	close(there);
	there = -1;
	await(here, POLLIN);
	ck_assert_int_eq(socket_receive(here, text, sizeof(text)), 0);
}
END_TEST

START_TEST(a_full_socket_says_later)
{
	static char bytes[1 << 16];
	ssize_t sent;

	link_both();
	do
		sent = socket_send(here, bytes, sizeof(bytes));
	while (sent > 0);
	ck_assert_int_eq(sent, -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(sending_to_who_has_left_raises_no_signal)
{
	ssize_t sent;

	link_both();
	close(there);
	there = -1;
	do
		sent = socket_send(here, "x", 1);
	while (sent == 1);
	ck_assert_int_eq(sent, -1);
}
END_TEST

START_TEST(peeking_takes_nothing)
{
	char text[8];

	link_both();
	ck_assert_int_eq(socket_peek(here), SOCKET_QUIET);
	ck_assert_int_eq(socket_send(there, "abc", 4), 4);
	await(here, POLLIN);
	ck_assert_int_eq(socket_peek(here), SOCKET_BYTES);
	ck_assert_int_eq(socket_receive(here, text, sizeof(text)), 4);
	close(there);
	there = -1;
	await(here, POLLIN);
	ck_assert_int_eq(socket_peek(here), SOCKET_GONE);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("socket");
	TCase *tests = tcase_create("socket");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, connecting_has_an_outcome);
	tcase_add_test(tests, nobody_there_is_an_outcome_as_well);
	tcase_add_test(tests, options_reach_the_kernel);
	tcase_add_test(tests, bytes_arrive_in_parts_and_the_end_is_zero);
	tcase_add_test(tests, a_full_socket_says_later);
	tcase_add_test(tests, sending_to_who_has_left_raises_no_signal);
	tcase_add_test(tests, peeking_takes_nothing);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
