#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "auth/rules.h"

static struct files *files;
static struct arena *arena;
static struct ident ident;
static struct hba hba;
static struct error error;

static void
setup(void)
{
	files = files_memory();
	arena = arena_create();
}

static void
teardown(void)
{
	arena_destroy(arena);
	files_free(files);
}

static const struct file *
put(const char *path, const char *text)
{
	files_put(files, path, text, strlen(text));
	return files_read(files, path);
}

/* Each guest is u at d from 10.1.2.3 unless it says something else. */
static const struct {
	const char	*story, *rules, *database, *user, *address;
	bool		 is_unix, has_tls, is_replication;
	unsigned	 line;		/* of the rule; 0: none fits */
} guests[] = {
	{ .story = "no rules", .rules = "", .line = 0 },
	{ .story = "the first that fits counts",
	    .rules = "host x all all md5\nhost all all all trust\n"
	    "host all all all reject", .line = 2 },
	{ .story = "local is not for TCP",
	    .rules = "local all all trust", .line = 0 },
	{ .story = "host is not for Unix sockets",
	    .rules = "host all all all trust", .is_unix = true, .line = 0 },
	{ .story = "local is for Unix sockets",
	    .rules = "host all all all md5\nlocal all all trust",
	    .is_unix = true, .line = 2 },
	{ .story = "hostssl needs TLS",
	    .rules = "hostssl all all all md5\nhostnossl all all all md5",
	    .line = 2 },
	{ .story = "hostnossl needs that there is none",
	    .rules = "hostnossl all all all md5\nhostssl all all all md5",
	    .has_tls = true, .line = 2 },
	{ .story = "host is for both", .rules = "host all all all md5",
	    .has_tls = true, .line = 1 },
	{ .story = "a network", .rules = "host all all 10.1.3.0/24 md5\n"
	    "host all all 10.1.2.0/24 md5", .line = 2 },
	{ .story = "the last address of a network",
	    .rules = "host all all 10.1.2.0/30 md5", .line = 1 },
	{ .story = "right behind a network",
	    .rules = "host all all 10.1.2.0/31 md5", .line = 0 },
	{ .story = "all bits count", .rules = "host all all 10.1.2.2/32 md5\n"
	    "host all all 10.1.2.3/32 md5", .line = 2 },
	{ .story = "no bits count", .rules = "host all all 0.0.0.0/0 md5",
	    .line = 1 },
	{ .story = "IPv4 is not IPv6", .rules = "host all all ::/0 md5",
	    .line = 0 },
	{ .story = "IPv6 is not IPv4", .rules = "host all all 0.0.0.0/0 md5",
	    .address = "fe80::1", .line = 0 },
	{ .story = "IPv6", .rules = "host all all fe80::/10 md5",
	    .address = "fe80::1", .line = 1 },
	{ .story = "IPv4 in IPv6 is IPv4",
	    .rules = "host all all 10.0.0.0/8 md5",
	    .address = "::ffff:10.1.2.3", .line = 1 },
	{ .story = "but only from the right net",
	    .rules = "host all all 10.0.0.0/8 md5",
	    .address = "::ffff:11.1.2.3", .line = 0 },
	{ .story = "sameuser", .rules = "host sameuser all all md5",
	    .line = 0 },
	{ .story = "sameuser is the same", .rules = "host sameuser all all md5",
	    .database = "u", .line = 1 },
	{ .story = "names in a list", .rules = "host a,d,e x,u all md5",
	    .line = 1 },
	{ .story = "case counts", .rules = "host D all all md5\n"
	    "host all U all md5", .line = 0 },
	{ .story = "a quoted all is a name", .rules = "host \"all\" all all "
	    "md5\nhost all \"all\" all md5", .line = 0 },
	{ .story = "replication is for physical replication only",
	    .rules = "host replication all all md5", .line = 0 },
	{ .story = "all is not for physical replication",
	    .rules = "host all all all md5\nhost replication all all md5",
	    .is_replication = true, .line = 2 },
	{ .story = "a quoted replication is a name",
	    .rules = "host \"replication\" all all md5",
	    .database = "replication", .line = 1 },
};

START_TEST(finding)
{
	struct address address = { .family = ADDRESS_UNIX };
	struct rules_guest guest = {
		.database = guests[_i].database ? guests[_i].database : "d",
		.user = guests[_i].user ? guests[_i].user : "u",
		.address = &address, .is_unix = guests[_i].is_unix,
		.has_tls = guests[_i].has_tls,
		.is_replication = guests[_i].is_replication,
	};
	const struct hba_rule *rule;

	put("hba", guests[_i].rules);
	ck_assert_msg(hba_read(files, "hba", &ident, arena, &hba, &error),
	    "%s: %s", guests[_i].story, error.text);
	if (!guests[_i].is_unix)
		ck_assert(address_parse_host(guests[_i].address ?
		    guests[_i].address : "10.1.2.3", &address));
	rule = rules_find(&hba, &guest);
	ck_assert_msg((rule == NULL ? 0 : rule->line) == guests[_i].line,
	    "%s: line %u", guests[_i].story, rule == NULL ? 0 : rule->line);
}
END_TEST

static const struct {
	const char	*story, *map, *system_name, *user;
	bool		 allowed;
} names[] = {
	{ "the same name", NULL, "anna", "anna", true },
	{ "another name", NULL, "anna", "bert", false },
	{ "case counts", NULL, "Anna", "anna", false },
	{ "nobody is nobody", NULL, "", "", false },
	{ "a line of the map", "m", "anna", "admin", true },
	{ "another line", "m", "anna", "boss", true },
	{ "the same name is not in the map", "m", "anna", "anna", false },
	{ "somebody else's line", "m", "bert", "admin", false },
	{ "another map", "n", "anna", "admin", false },
	{ "no such map", "x", "anna", "admin", false },
	{ "anybody", "m", "root", "whoever", true },
	{ "but not as anybody", "m", "whoever", "root", false },
	{ "a part of the name", "p", "carl@firm", "carl", true },
	{ "another one's part", "p", "carl@firm", "dora", false },
	{ "a part and more", "p", "carl@firm", "carl2", false },
	{ "less than the part", "p", "carl@firm", "car", false },
	{ "it must fit", "p", "carl@farm", "carl", false },
	{ "text around the part", "q", "carl", "x-carl-y", true },
	{ "not the text alone", "q", "carl", "x-carl", false },
	{ "an empty part", "p", "@firm", "", true },
	{ "a part that is not there", "r", "b", "u", true },
	{ "a fixed user for a pattern", "s", "guest17", "guest", true },
	{ "nobody becomes nobody", "m", "", "whoever", false },
};

START_TEST(mapping)
{
	static const char maps[] = "m anna admin\nm anna boss\nm root all\n"
	    "n bert admin\np \"/^(.*)@firm$\" \\1\nq /^(.*)$ x-\\1-y\n"
	    "r /^(a)?b$ u\\1\ns /^guest[0-9]+$ guest\n";

	ck_assert(ident_read(put("ident", maps), arena, &ident, &error));
	ck_assert_msg(rules_may_be(&ident, names[_i].map,
	    names[_i].system_name, names[_i].user) == names[_i].allowed,
	    "%s", names[_i].story);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("rules");
	TCase *tcase = tcase_create("rules");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, finding, 0, ARRAY_LENGTH(guests));
	tcase_add_loop_test(tcase, mapping, 0, ARRAY_LENGTH(names));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
