#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "fake/port.h"
#include "net/listener.h"

#define MOST 8
#define SLOTS 3

static struct listener listeners[MOST];
static unsigned count;
static char directory[] = "/tmp/pgusher-test-XXXXXX";
static char path[128];
static uint16_t port;
static int log_pipe[2];

static void
begin(void)
{
	struct log_settings settings = { 0 };

	memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	count = 0;
	port = (uint16_t)port_claim();
	snprintf(path, sizeof(path), "%s/.s.PGSQL.%u", directory, port);
	ck_assert_int_eq(pipe(log_pipe), 0);
	settings.file_fd = log_pipe[1];
	log_configure(&settings);
}

static void
end(void)
{
	char command[128];

	for (unsigned i = 0; i < count; i++)
		listener_close(&listeners[i]);
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	ck_assert_int_eq(system(command), 0);
	log_set_file(-1);
	close(log_pipe[0]);
}

/* Whether one of the lines logged so far has this in it. */
static bool
was_logged(const char *what)
{
	static char text[16384];
	struct pollfd news = { log_pipe[0], POLLIN, 0 };
	ssize_t got;

	text[0] = '\0';
	if (poll(&news, 1, 0) == 1) {
		got = read(log_pipe[0], text, sizeof(text) - 1);
		ck_assert_int_ge(got, 0);
		text[got] = '\0';
	}
	return strstr(text, what) != NULL;
}

static unsigned
open_list(const char *list, bool shared)
{
	struct listener_options options = { .port = port, .slots = SLOTS,
	    .backlog = 128, .port_may_be_shared = shared };

	count = listener_open_list(list, &options, listeners, MOST);
	return count;
}

static struct listener_unix
unix_socket(void)
{
	return (struct listener_unix){ .directory = directory, .port = port,
	    .mode = 0700, .owner = (uid_t)-1, .backlog = 16 };
}

static bool
open_unix(const struct listener_unix *options, struct error *error)
{
	bool opened = listener_open_unix(options, &listeners[count], error);

	count += opened;
	return opened;
}

static const struct {
	const char	*story, *list;
	unsigned	 count;
	const char	*first;		/* without the port; NULL: any */
	const char	*logged;	/* NULL: nothing in particular */
} lists[] = {
	{ "an address", "127.0.0.1", 1, "127.0.0.1", "listening on" },
	{ "two addresses", "127.0.0.2,127.0.0.3", 2, "127.0.0.2", NULL },
	{ "blanks do not count", " 127.0.0.2 ,\t127.0.0.3 ", 2, "127.0.0.2",
	    NULL },
	{ "empty entries do not count", ",127.0.0.1,,", 1, "127.0.0.1",
	    NULL },
	{ "the same twice is once", "127.0.0.1,127.0.0.1", 1, "127.0.0.1",
	    NULL },
	{ "nothing", "", 0, NULL, NULL },
	{ "a name", "localhost", 1, NULL, NULL },
	{ "own addresses in a network", "127.0.0.0/8", 1, "127.0.0.1", NULL },
	{ "a network of one", "127.0.0.1/32", 1, "127.0.0.1", NULL },
	{ "a network where we are not", "203.0.113.0/24", 0, NULL,
	    "cannot listen on 203.0.113.0/24: this host has no address" },
	{ "no network", "127.0.0.0/33", 0, NULL, "not a network" },
	{ "no network either", "127.0.0.0/", 0, NULL, "not a network" },
	{ "nor this", "a/b/8", 0, NULL, "not a network" },
	{ "an address of somebody else", "203.0.113.1", 0, NULL,
	    "bind(): Cannot assign requested address" },
	{ "no address", "no.such.host.invalid", 0, NULL,
	    "cannot listen on no.such.host.invalid: getaddrinfo():" },
	{ "a bad one does not hide a good one", "203.0.113.1,127.0.0.1", 1,
	    "127.0.0.1", "cannot listen on 203.0.113.1:" },
};

START_TEST(what_a_list_opens)
{
	char text[64];

	open_list(lists[_i].list, false);
	/* A name may stand for an IPv6 address as well. */
	ck_assert_msg(count == lists[_i].count ||
	    (lists[_i].first == NULL && lists[_i].count > 0 &&
	    count >= lists[_i].count), "%s: %u", lists[_i].story, count);
	if (lists[_i].first != NULL) {
		snprintf(text, sizeof(text), "%s:%u", lists[_i].first, port);
		ck_assert_msg(strcmp(listeners[0].text, text) == 0, "%s: %s",
		    lists[_i].story, listeners[0].text);
	}
	if (lists[_i].logged != NULL)
		ck_assert_msg(was_logged(lists[_i].logged), "%s",
		    lists[_i].story);
}
END_TEST

START_TEST(a_star_is_every_address)
{
	char text[64];

	ck_assert_uint_ge(open_list("*", false), 1);
	snprintf(text, sizeof(text), "0.0.0.0:%u", port);
	ck_assert_str_eq(listeners[0].text, text);
	if (count == 1)
		return;
	snprintf(text, sizeof(text), "[::]:%u", port);
	ck_assert_str_eq(listeners[1].text, text);
}
END_TEST

static int
call(uint32_t host)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
	    .sin_port = htons(port), .sin_addr.s_addr = htonl(host) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

/* How many of the slots' sockets have a connection waiting. */
static unsigned
slots_called(void)
{
	unsigned called = 0;

	for (unsigned i = 0; i < SLOTS; i++) {
		struct pollfd news = { listeners[0].fds[i], POLLIN, 0 };

		called += poll(&news, 1, 0) == 1;
	}
	return called;
}

START_TEST(every_slot_has_its_own_socket_and_its_share)
{
	int fds[60];

	ck_assert_uint_eq(open_list("127.0.0.1", false), 1);
	ck_assert_uint_eq(listeners[0].fd_count, SLOTS);
	for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
		fds[i] = call(INADDR_LOOPBACK);
	ck_assert_uint_eq(slots_called(), SLOTS);
	for (size_t i = 0; i < ARRAY_LENGTH(fds); i++)
		close(fds[i]);
}
END_TEST

START_TEST(a_port_in_use_is_refused_even_if_it_could_be_shared)
{
	struct listener_options options = { .port = port, .slots = 1,
	    .backlog = 16 };
	struct listener another;

	ck_assert_uint_eq(open_list("127.0.0.1", false), 1);
	ck_assert_uint_eq(listener_open_list("127.0.0.1", &options, &another,
	    1), 0);
	ck_assert(was_logged("bind(): Address already in use"));
}
END_TEST

START_TEST(a_port_in_use_is_shared_if_that_is_wanted)
{
	struct listener_options options = { .port = port, .slots = 1,
	    .backlog = 16, .port_may_be_shared = true };

	ck_assert_uint_eq(open_list("127.0.0.1", true), 1);
	ck_assert_uint_eq(listener_open_list("127.0.0.1", &options,
	    &listeners[1], 1), 1);
	count = 2;
}
END_TEST

START_TEST(more_addresses_than_there_is_room_for_are_left_out)
{
	struct listener_options options = { .port = port, .slots = 1,
	    .backlog = 16 };

	count = listener_open_list("127.0.0.1,127.0.0.2", &options,
	    listeners, 1);
	ck_assert_uint_eq(count, 1);
	ck_assert(was_logged("more than 1 addresses"));
}
END_TEST

START_TEST(the_unix_socket_has_its_mode_from_the_start)
{
	struct listener_unix options = unix_socket();
	struct stat status;
	struct error error;

	options.mode = 0751;
	ck_assert_msg(open_unix(&options, &error), "%s", error.text);
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert(S_ISSOCK(status.st_mode));
	ck_assert_int_eq(status.st_mode & 0777, 0751);
	ck_assert(strstr(listeners[0].text, "unix:/tmp/") != NULL);
	listener_remove(&listeners[0]);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(a_unix_socket_that_answers_is_in_use)
{
	struct listener_unix options = unix_socket();
	struct error error;

	ck_assert(listener_check_unix(&options, &error));
	ck_assert(open_unix(&options, &error));
	ck_assert(!listener_check_unix(&options, &error));
	ck_assert_str_eq(error.text,
	    "unix socket is in use, cannot continue");
	ck_assert(!open_unix(&options, &error));
}
END_TEST

START_TEST(a_stale_unix_socket_is_replaced)
{
	struct listener_unix options = unix_socket();
	struct error error;

	ck_assert(open_unix(&options, &error));
	listener_close(&listeners[0]);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_msg(open_unix(&options, &error), "%s", error.text);
}
END_TEST

START_TEST(the_lock_file_of_postgresql_means_in_use)
{
	struct listener_unix options = unix_socket();
	struct error error;
	char lock[160], text[64];
	FILE *file;

	snprintf(lock, sizeof(lock), "%s.lock", path);
	file = fopen(lock, "w");
	fclose(file);
	ck_assert(!open_unix(&options, &error));
	snprintf(text, sizeof(text), "unix port %u is in use", port);
	ck_assert_str_eq(error.text, text);
}
END_TEST

START_TEST(a_file_in_its_place_is_left_alone)
{
	struct listener_unix options = unix_socket();
	struct error error;

	fclose(fopen(path, "w"));
	ck_assert(!open_unix(&options, &error));
	ck_assert(strstr(error.text, "failed to create unix socket") != NULL);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(only_our_own_unix_socket_is_removed)
{
	struct listener_unix options = unix_socket();
	struct error error;

	ck_assert(open_unix(&options, &error));
	/* Somebody else has taken the name over. */
	ck_assert_int_eq(unlink(path), 0);
	fclose(fopen(path, "w"));
	listener_remove(&listeners[0]);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(an_unknown_group_leaves_nothing_behind)
{
	struct listener_unix options = unix_socket();
	struct error error;

	options.group = "no such group";
	ck_assert(!open_unix(&options, &error));
	ck_assert(strstr(error.text, "no such group") != NULL);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(an_abstract_socket_has_no_file)
{
	struct listener_unix options = unix_socket();
	struct error error;
	char name[64], text[128];

	snprintf(name, sizeof(name), "@pgusher-test-%d", (int)getpid());
	options.directory = name;
	ck_assert_msg(open_unix(&options, &error), "%s", error.text);
	snprintf(text, sizeof(text), "unix:%s/.s.PGSQL.%u", name, port);
	ck_assert_str_eq(listeners[0].text, text);
	ck_assert(!listener_check_unix(&options, &error));
	listener_remove(&listeners[0]);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_refused)
{
	struct listener_unix options = unix_socket();
	struct error error;
	char name[200];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	options.directory = name;
	ck_assert(!listener_check_unix(&options, &error));
	ck_assert(strstr(error.text, "too long") != NULL);
}
END_TEST

START_TEST(no_slots_abort)
{
	struct listener_options options = { .port = 1, .slots = 0 };

	listener_open_list("127.0.0.1", &options, listeners, MOST);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("listener");
	TCase *tests = tcase_create("listener");
	TCase *broken = tcase_create("broken invariants");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);	/* a resolver that nobody answers */
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, what_a_list_opens, 0,
	    (int)ARRAY_LENGTH(lists));
	tcase_add_test(tests, a_star_is_every_address);
	tcase_add_test(tests, every_slot_has_its_own_socket_and_its_share);
	tcase_add_test(tests,
	    a_port_in_use_is_refused_even_if_it_could_be_shared);
	tcase_add_test(tests, a_port_in_use_is_shared_if_that_is_wanted);
	tcase_add_test(tests,
	    more_addresses_than_there_is_room_for_are_left_out);
	tcase_add_test(tests, the_unix_socket_has_its_mode_from_the_start);
	tcase_add_test(tests, a_unix_socket_that_answers_is_in_use);
	tcase_add_test(tests, a_stale_unix_socket_is_replaced);
	tcase_add_test(tests, the_lock_file_of_postgresql_means_in_use);
	tcase_add_test(tests, a_file_in_its_place_is_left_alone);
	tcase_add_test(tests, only_our_own_unix_socket_is_removed);
	tcase_add_test(tests, an_unknown_group_leaves_nothing_behind);
	tcase_add_test(tests, an_abstract_socket_has_no_file);
	tcase_add_test(tests, a_path_that_is_too_long_is_refused);
	/* Without the fixture, which would not be cleaned up after. */
	tcase_add_test_raise_signal(broken, no_slots_abort, SIGABRT);
	suite_add_tcase(suite, tests);
	suite_add_tcase(suite, broken);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
