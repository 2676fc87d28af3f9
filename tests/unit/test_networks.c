#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/networks.h"

static const struct {
	const char	*story, *text;
	const char	*networks;	/* as they are understood; NULL: not */
} texts[] = {
	{ "nothing", "", "" },
	{ "blanks and commas", " , ,", "" },
	{ "a host", "10.1.2.3", "10.1.2.3/32 " },
	{ "a host of IPv6", "::1", "::1/128 " },
	{ "a network", "10.1.0.0/16", "10.1.0.0/16 " },
	{ "all of IPv4", "0.0.0.0/0", "0.0.0.0/0 " },
	{ "several", "10.0.0.0/8,fd00::/8 192.0.2.7", "10.0.0.0/8 fd00::/8 "
	    "192.0.2.7/32 " },
	{ "a bit within a byte", "10.128.0.0/9", "10.128.0.0/9 " },
	{ "bits beyond the mask", "10.1.2.3/8", NULL },
	{ "one bit beyond the mask", "10.128.0.0/8", NULL },
	{ "too many bits", "10.0.0.0/33", NULL },
	{ "too many bits of IPv6", "::/129", NULL },
	{ "far too many bits", "::/18446744073709551617", NULL },
	{ "no bits", "10.0.0.0/", NULL },
	{ "a sign", "10.0.0.0/+8", NULL },
	{ "letters behind it", "10.0.0.0/8x", NULL },
	{ "two masks", "10.0.0.0/8/8", NULL },
	{ "a name", "proxy.example.com", NULL },
	{ "a short address", "10.1", NULL },
	{ "far too long", "11111111111111111111111111111111111111111111111111"
	    "11111111111111111111111111111111111111111111111111", NULL },
};

START_TEST(a_list_of_networks_is_understood)
{
	struct networks networks;
	struct error error;
	char got[512] = "";

	if (!networks_parse(texts[_i].text, &networks, &error)) {
		ck_assert_msg(texts[_i].networks == NULL, "%s: %s",
		    texts[_i].story, error.text);
		return;
	}
	for (unsigned i = 0; i < networks.count; i++) {
		char host[ADDRESS_TEXT_BYTES];
		size_t length = strlen(got);

		address_format_host(&networks.list[i].address, host,
		    sizeof(host));
		snprintf(got + length, sizeof(got) - length, "%s/%u ", host,
		    networks.list[i].prefix);
	}
	ck_assert_msg(texts[_i].networks != NULL, "%s: '%s' was accepted",
	    texts[_i].story, got);
	ck_assert_str_eq(got, texts[_i].networks);
}
END_TEST

static const struct {
	const char	*story, *networks, *address;
	bool		 has;
} members[] = {
	{ "no network", "", "10.0.0.1", false },
	{ "the host", "10.0.0.1", "10.0.0.1", true },
	{ "its neighbour", "10.0.0.1", "10.0.0.0", false },
	{ "of the network", "10.0.0.0/8", "10.255.0.1", true },
	{ "beside the network", "10.0.0.0/8", "11.0.0.1", false },
	{ "of half a byte", "10.128.0.0/9", "10.128.0.1", true },
	{ "of the other half", "10.128.0.0/9", "10.127.0.1", false },
	{ "the second one", "10.0.0.1,192.0.2.0/24", "192.0.2.9", true },
	{ "IPv4 that IPv6 carries", "10.0.0.0/8", "::ffff:10.0.0.1", true },
	{ "IPv4 is no IPv6", "::/0", "10.0.0.1", false },
	{ "IPv6 is no IPv4", "0.0.0.0/0", "fd00::1", false },
	{ "IPv6", "fd00::/8", "fdff::1", true },
	{ "all of it counts", "fd00::1", "fd00::2", false },
};

START_TEST(a_network_has_its_addresses)
{
	struct networks networks;
	struct address address;
	struct error error;

	ck_assert(networks_parse(members[_i].networks, &networks, &error));
	ck_assert(address_parse_host(members[_i].address, &address));
	ck_assert_msg(networks_have(&networks, &address) == members[_i].has,
	    "%s", members[_i].story);
}
END_TEST

START_TEST(a_unix_socket_is_of_no_network)
{
	struct address address = { .family = ADDRESS_UNIX };
	struct networks networks;
	struct error error;

	ck_assert(networks_parse("0.0.0.0/0,::/0", &networks, &error));
	ck_assert(!networks_have(&networks, &address));
}
END_TEST

START_TEST(there_is_a_most)
{
	char text[NETWORKS_MOST * 10 + 10] = "";
	struct networks networks;
	struct error error;

	for (unsigned i = 0; i < NETWORKS_MOST; i++)
		strcat(text, "10.0.0.1 ");
	ck_assert(networks_parse(text, &networks, &error));
	strcat(text, "10.0.0.1");
	ck_assert(!networks_parse(text, &networks, &error));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("networks");
	TCase *tests = tcase_create("networks");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, a_list_of_networks_is_understood, 0,
	    (int)ARRAY_LENGTH(texts));
	tcase_add_loop_test(tests, a_network_has_its_addresses, 0,
	    (int)ARRAY_LENGTH(members));
	tcase_add_test(tests, a_unix_socket_is_of_no_network);
	tcase_add_test(tests, there_is_a_most);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
