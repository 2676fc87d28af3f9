#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/address.h"

#define UNIX_PORT 6432

static struct address
address_of(const char *host, uint16_t port)
{
	struct sockaddr_storage storage;
	struct sockaddr_in *in = (void *)&storage;
	struct sockaddr_in6 *in6 = (void *)&storage;
	struct address address;

	memset(&storage, 0, sizeof(storage));
	memset(&address, 0xff, sizeof(address));
	if (host == NULL) {
		storage.ss_family = AF_UNIX;
	} else if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
	} else {
		ck_assert_int_eq(inet_pton(AF_INET6, host, &in6->sin6_addr),
		    1);
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
	}
	address_from((struct sockaddr *)&storage, UNIX_PORT, &address);
	return address;
}

static const struct {
	const char	*story;
	const char	*host;		/* NULL: a Unix socket */
	uint16_t	 port;
	uint32_t	 pid;
	const char	*host_text, *text;
} cases[] = {
	{ "IPv4", "10.0.0.1", 5432, 0, "10.0.0.1", "10.0.0.1:5432" },
	{ "a pid is nothing to IPv4", "10.0.0.1", 5432, 7, "10.0.0.1",
	    "10.0.0.1:5432" },
	{ "IPv6 has brackets", "::1", 5432, 0, "::1", "[::1]:5432" },
	{ "the longest IPv6",
	    "1111:2222:3333:4444:5555:6666:7777:8888", 65535, 0,
	    "1111:2222:3333:4444:5555:6666:7777:8888",
	    "[1111:2222:3333:4444:5555:6666:7777:8888]:65535" },
	{ "Unix has the configured port", NULL, 0, 0, "unix", "unix:6432" },
	{ "Unix with the peer's pid", NULL, 0, 4711, "unix",
	    "unix(4711):6432" },
	{ "port 0", "127.0.0.1", 0, 0, "127.0.0.1", "127.0.0.1:0" },
};

START_TEST(an_address_reads_like_this)
{
	struct address address = address_of(cases[_i].host, cases[_i].port);
	char text[ADDRESS_TEXT_BYTES];

	address_format_host(&address, text, sizeof(text));
	ck_assert_msg(strcmp(text, cases[_i].host_text) == 0, "%s: %s",
	    cases[_i].story, text);
	address_format(&address, cases[_i].pid, text, sizeof(text));
	ck_assert_msg(strcmp(text, cases[_i].text) == 0, "%s: %s",
	    cases[_i].story, text);
}
END_TEST

START_TEST(equal_addresses_are_equal_bytes)
{
	struct address one = address_of("10.1.2.3", 1);
	struct address other = address_of("10.1.2.3", 1);

	ck_assert_uint_eq(one.family, ADDRESS_IPV4);
	ck_assert_mem_eq(one.bytes, other.bytes, sizeof(one.bytes));
	ck_assert_uint_eq(one.port, other.port);
}
END_TEST

START_TEST(short_memory_cuts_the_text)
{
	struct address address = address_of("10.0.0.1", 5432);
	char text[8];

	address_format(&address, 0, text, sizeof(text));
	ck_assert_str_eq(text, "10.0.0.");
}
END_TEST

static const struct {
	const char	*story, *text;
	bool		 is_address;
} hosts[] = {
	{ "IPv4", "10.0.0.1", true },
	{ "IPv6", "fe80::1", true },
	{ "a name", "db.example.org", false },
	{ "a number is a name", "10", false },
	{ "nothing", "", false },
	{ "brackets", "[::1]", false },
};

START_TEST(addresses_are_told_from_names)
{
	struct address address;

	ck_assert_msg(address_parse_host(hosts[_i].text, &address) ==
	    hosts[_i].is_address, "%s", hosts[_i].story);
	if (!hosts[_i].is_address)
		return;
	ck_assert_uint_eq(address.port, 0);
	address.port = 5432;
	ck_assert(address_same_host(&address,
	    &(struct address){ 0 }) == false);
}
END_TEST

START_TEST(an_address_is_itself_in_the_kernels_form)
{
	struct address address, again;
	struct sockaddr_storage storage;
	socklen_t length;

	ck_assert(address_parse_host(_i == 0 ? "10.1.2.3" : "fe80::2",
	    &address));
	address.port = 4711;
	address_to(&address, &storage, &length);
	ck_assert_uint_eq(length, _i == 0 ? sizeof(struct sockaddr_in) :
	    sizeof(struct sockaddr_in6));
	address_from((struct sockaddr *)&storage, 0, &again);
	ck_assert_mem_eq(&address.bytes, &again.bytes, 16);
	ck_assert_uint_eq(again.port, 4711);
}
END_TEST

START_TEST(a_list_has_each_host_once_and_an_end)
{
	struct address_list list = { 0 };
	struct address one, other;

	ck_assert(address_parse_host("10.0.0.1", &one));
	other = one;
	other.port = 7;
	address_list_add(&list, &one);
	address_list_add(&list, &other);
	ck_assert_uint_eq(list.count, 1);
	ck_assert(address_list_has(&list, &other));
	for (int i = 0; i < 2 * ADDRESSES_MOST; i++) {
		other.bytes[3] = (uint8_t)(10 + i);
		address_list_add(&list, &other);
	}
	ck_assert_uint_eq(list.count, ADDRESSES_MOST);
	ck_assert(!address_list_has(&list, &other));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("address");
	TCase *tests = tcase_create("address");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, an_address_reads_like_this, 0,
	    ARRAY_LENGTH(cases));
	tcase_add_test(tests, equal_addresses_are_equal_bytes);
	tcase_add_test(tests, short_memory_cuts_the_text);
	tcase_add_loop_test(tests, addresses_are_told_from_names, 0,
	    ARRAY_LENGTH(hosts));
	tcase_add_loop_test(tests, an_address_is_itself_in_the_kernels_form,
	    0, 2);
	tcase_add_test(tests, a_list_has_each_host_once_and_an_end);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
