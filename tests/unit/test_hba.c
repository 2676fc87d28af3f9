#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/hba.h"

static struct files *files;
static struct arena *arena;
static struct ident ident;
static struct hba hba;
static struct error error;

static void
put(const char *path, const char *text)
{
	files_put(files, path, text, strlen(text));
}

static void
setup(void)
{
	files = files_memory();
	arena = arena_create();
	memset(&error, 0, sizeof(error));
	put("etc/friends", "anna, bert\n# nobody else\n\"all\" carl\n");
	put("etc/lists", "@friends @/abs/more\n");
	put("/abs/more", "dora");
	put("etc/round", "@round\n");
	put("maps", "staff a b\n");
	ck_assert(ident_read(files_read(files, "maps"), arena, &ident,
	    &error));
}

static void
teardown(void)
{
	arena_destroy(arena);
	files_free(files);
}

static bool
read_text(const char *text)
{
	put("etc/hba", text);
	return hba_read(files, "etc/hba", &ident, arena, &hba, &error);
}

static void
print_names(const struct hba_names *names, char *to, size_t size)
{
	static const char *const words[] = { "", "<all>", "<sameuser>",
	    "<replication>" };

	for (size_t i = 0; i < names->count; i++)
		snprintf(to + strlen(to), size - strlen(to), "%s%s",
		    i == 0 ? "" : ",", names->names[i].word == HBA_NAME ?
		    names->names[i].text : words[names->names[i].word]);
}

/* As "host a,b u 10.0.0.0/255.0.0.0 md5 map=staff". */
static const char *
print(const struct hba_rule *rule)
{
	static const char *const types[] = { "local", "host", "hostssl",
	    "hostnossl" };
	static char line[512];
	struct address address = { .family = rule->range.family };
	char host[64], mask[64];

	snprintf(line, sizeof(line), "%s ", types[rule->connection]);
	print_names(&rule->databases, line, sizeof(line));
	strcat(line, " ");
	print_names(&rule->users, line, sizeof(line));
	memcpy(address.bytes, rule->range.bytes, 16);
	address_format_host(&address, host, sizeof(host));
	memcpy(address.bytes, rule->range.mask, 16);
	address_format_host(&address, mask, sizeof(mask));
	if (rule->connection != HBA_LOCAL)
		snprintf(line + strlen(line), sizeof(line) - strlen(line),
		    rule->range.family == ADDRESS_UNIX ? " all" : " %s/%s",
		    host, mask);
	snprintf(line + strlen(line), sizeof(line) - strlen(line), " %s%s%s%s",
	    auth_type_word(rule->method), rule->map ? " map=" : "",
	    rule->map ? rule->map : "", rule->by_subject ? " DN" : "");
	return line;
}

static const struct {
	const char	*story, *text, *rule;
} rows[] = {
	{ "the Unix socket", "local all all trust",
	    "local <all> <all> trust" },
	{ "an address of its own", "host a b 10.0.0.1/32 md5",
	    "host a b 10.0.0.1/255.255.255.255 md5" },
	{ "a network", "host a b 10.0.0.0/8 scram-sha-256",
	    "host a b 10.0.0.0/255.0.0.0 scram-sha-256" },
	{ "bits in the middle of a byte", "host a b 10.16.0.0/12 md5",
	    "host a b 10.16.0.0/255.240.0.0 md5" },
	{ "every IPv4 address", "host a b 0.0.0.0/0 reject",
	    "host a b 0.0.0.0/0.0.0.0 reject" },
	{ "a mask of its own", "host a b 10.0.0.0 255.0.0.0 md5",
	    "host a b 10.0.0.0/255.0.0.0 md5" },
	{ "IPv6", "hostssl a b fe80::/10 md5",
	    "hostssl a b fe80::/ffc0:: md5" },
	{ "IPv6 with a mask", "hostnossl a b ::1 "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff password",
	    "hostnossl a b ::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff plain" },
	{ "any address", "host all all all trust",
	    "host <all> <all> all trust" },
	{ "lists", "local a, b,c all trust", "local a,b,c <all> trust" },
	{ "words for databases", "local sameuser,replication all trust",
	    "local <sameuser>,<replication> <all> trust" },
	{ "they are just names for users", "local all sameuser trust",
	    "local <all> sameuser trust" },
	{ "quoted they are just names",
	    "local \"all\",\"sameuser\" \"all\" trust",
	    "local all,sameuser all trust" },
	{ "quotes keep blanks and marks", "local \"a b,#\"\"c\" all trust",
	    "local a b,#\"c <all> trust" },
	{ "quotes may begin in a word", "local a\" \"b all trust",
	    "local a b <all> trust" },
	{ "names from a file", "local all @friends,eve trust",
	    "local <all> anna,bert,all,carl,eve trust" },
	{ "from a file that names others", "local @lists all trust",
	    "local anna,bert,all,carl,dora <all> trust" },
	{ "a quoted @ is part of a name", "local all \"@friends\" trust",
	    "local <all> @friends trust" },
	{ "a map", "local all all peer map=staff",
	    "local <all> <all> peer map=staff" },
	{ "the whole subject", "hostssl all all all cert clientname=DN",
	    "hostssl <all> <all> all cert DN" },
	{ "comments and empty lines", "# x\n\n  local all all trust # y\r\n",
	    "local <all> <all> trust" },
};

START_TEST(reading)
{
	ck_assert_msg(read_text(rows[_i].text), "%s: %s", rows[_i].story,
	    error.text);
	ck_assert_uint_eq(hba.count, 1);
	ck_assert_msg(strcmp(print(&hba.rules[0]), rows[_i].rule) == 0,
	    "%s: %s", rows[_i].story, print(&hba.rules[0]));
}
END_TEST

static const struct {
	const char	*story, *text, *reason;
} broken[] = {
	{ "a type", "hots all all all md5", "etc/hba:1: unknown type: hots" },
	{ "a quoted type", "\"local\" all all md5",
	    "etc/hba:1: unknown type: local" },
	{ "the line is named", "local all all trust\n\nlocal all all\n",
	    "etc/hba:3: the method is missing" },
	{ "no user", "local all", "etc/hba:1: the user is missing" },
	{ "a method", "local all all gss",
	    "etc/hba:1: unsupported method: gss" },
	{ "a host name", "host all all db.example.com md5",
	    "etc/hba:1: host names are not supported: db.example.com" },
	{ "half a domain", "host all all .example.com md5",
	    "etc/hba:1: host names are not supported: .example.com" },
	{ "a host name with a mask", "host all all a.b/32 md5",
	    "etc/hba:1: host names are not supported: a.b/32" },
	{ "samenet", "host all all samenet md5",
	    "etc/hba:1: samenet is not supported" },
	{ "samehost", "host all all samehost md5",
	    "etc/hba:1: samehost is not supported" },
	{ "samerole", "host samerole all all md5",
	    "etc/hba:1: samerole is not supported" },
	{ "samegroup", "host samegroup all all md5",
	    "etc/hba:1: samegroup is not supported" },
	{ "a group", "host all +staff all md5",
	    "etc/hba:1: groups are not supported: +staff" },
	{ "a pattern", "host /^a all all md5",
	    "etc/hba:1: regular expressions are not supported: /^a" },
	{ "an address without a mask", "host all all 10.0.0.1 md5",
	    "etc/hba:1: the mask is missing: 10.0.0.1" },
	{ "an address that is none", "host all all 10.0.0.256/8 md5",
	    "etc/hba:1: invalid address: 10.0.0.256/8" },
	{ "an address with a zone", "host all all fe80::1%eth0/64 md5",
	    "etc/hba:1: invalid address: fe80::1%eth0/64" },
	{ "too many bits", "host all all 10.0.0.0/33 md5",
	    "etc/hba:1: invalid mask: /33" },
	{ "bits that are none", "host all all 10.0.0.0/-1 md5",
	    "etc/hba:1: invalid mask: /-1" },
	{ "no bits", "host all all 10.0.0.0/ md5",
	    "etc/hba:1: invalid mask: /" },
	{ "a mask with a hole", "host all all 10.0.0.0 255.0.255.0 md5",
	    "etc/hba:1: invalid mask" },
	{ "a mask of the other kind", "host all all ::1 255.0.0.0 md5",
	    "etc/hba:1: invalid mask" },
	{ "bits beside the mask", "host all all 10.1.0.0/8 md5",
	    "etc/hba:1: address does not match mask: 10.1.0.0/8" },
	{ "a list of addresses", "host all all 10.0.0.1/32,::1/128 md5",
	    "etc/hba:1: the address cannot be a list" },
	{ "a quote that is not closed", "local \"all all trust",
	    "etc/hba:1: a quote is not closed" },
	{ "a comma at the end", "local all all, # x",
	    "etc/hba:1: a word is missing beside a comma" },
	{ "an unknown map", "local all all peer map=others",
	    "etc/hba:1: ident map others is not found in auth_ident_file" },
	{ "a map where no names count", "local all all md5 map=staff",
	    "etc/hba:1: unsupported parameter: map" },
	{ "an option without a value is not shown whole",
	    "local all all md5 secret=x", "etc/hba:1: unsupported parameter: "
	    "secret" },
	{ "peer over TCP", "host all all all peer",
	    "etc/hba:1: peer is for local only" },
	{ "cert without TLS", "host all all all cert",
	    "etc/hba:1: cert is for hostssl only" },
	{ "a file that is not there", "local all @none trust",
	    "etc/hba:1: could not open etc/none: No such file or directory" },
	{ "a file that names itself", "local all @round trust",
	    "etc/hba:1: etc/round:1: " },
};

START_TEST(a_broken_line_refuses_the_file)
{
	ck_assert_msg(!read_text(broken[_i].text), "%s", broken[_i].story);
	ck_assert_msg(strncmp(error.text, broken[_i].reason,
	    strlen(broken[_i].reason)) == 0, "%s: %s", broken[_i].story,
	    error.text);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error)
{
	ck_assert(!hba_read(files, "nowhere", &ident, arena, &hba, &error));
	ck_assert_str_eq(error.text, "could not open hba config file "
	    "nowhere: No such file or directory");
}
END_TEST

START_TEST(rules_keep_their_order_and_place)
{
	ck_assert(read_text("local a all trust\n\nlocal b all trust\n"));
	ck_assert_uint_eq(hba.count, 2);
	ck_assert_str_eq(hba.rules[1].databases.names[0].text, "b");
	ck_assert_uint_eq(hba.rules[1].line, 3);
	ck_assert_str_eq(hba.rules[1].file, "etc/hba");
}
END_TEST

START_TEST(a_hint_says_which_network_was_meant)
{
	ck_assert(!read_text("host all all 10.1.2.3/8 md5"));
	ck_assert_str_eq(error.hint, "the network is 10.0.0.0");
}
END_TEST

START_TEST(a_nul_byte_is_no_part_of_a_name)
{
	files_put(files, "etc/hba", "local a\0b all trust", 19);
	ck_assert(!hba_read(files, "etc/hba", &ident, arena, &hba, &error));
	ck_assert_str_eq(error.text, "etc/hba:1: a NUL byte");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hba");
	TCase *tcase = tcase_create("hba");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, reading, 0, ARRAY_LENGTH(rows));
	tcase_add_loop_test(tcase, a_broken_line_refuses_the_file, 0,
	    ARRAY_LENGTH(broken));
	tcase_add_test(tcase, a_file_that_cannot_be_read_is_an_error);
	tcase_add_test(tcase, rules_keep_their_order_and_place);
	tcase_add_test(tcase, a_hint_says_which_network_was_meant);
	tcase_add_test(tcase, a_nul_byte_is_no_part_of_a_name);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
