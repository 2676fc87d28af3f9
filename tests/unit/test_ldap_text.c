#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "helper/ldap_text.h"

static char out[256];

static const struct {
	const char	*server, *uris;
	int		 port;
	bool		 is_ldaps;
} servers[] = {
	{ "a.firm", "ldap://a.firm:389", 389, false },
	{ " a  b:1 ", "ldap://a:390 ldap://b:1", 390, false },
	{ "[::1] [::2]:7", "ldaps://[::1]:636 ldaps://[::2]:7", 636, true },
};

START_TEST(where_it_goes)
{
	struct ldap_options options = { .server = servers[_i].server,
	    .port = servers[_i].port, .is_ldaps = servers[_i].is_ldaps };

	ck_assert(ldap_text_uris(&options, out, sizeof(out)));
	ck_assert_str_eq(out, servers[_i].uris);
}
END_TEST

static const struct {
	const char	*story, *prefix, *user, *suffix, *name;
} names[] = {
	{ "an ordinary one", "uid=", "anna", ",dc=firm", "uid=anna,dc=firm" },
	{ "another entry is not reached", "uid=", "root,ou=admins", ",dc=firm",
	    "uid=root\\,ou\\=admins,dc=firm" },
	{ "a second value is none", "uid=", "a+cn=root", ",dc=firm",
	    "uid=a\\+cn\\=root,dc=firm" },
	{ "marks", "uid=", "\"<>;\\", ",dc=firm",
	    "uid=\\\"\\<\\>\\;\\\\,dc=firm" },
	{ "blanks at both ends", "uid=", " a b ", ",dc=firm",
	    "uid=\\ a b\\ ,dc=firm" },
	{ "one blank", "uid=", " ", "", "uid=\\ " },
	{ "a hash in front only", "uid=", "#a#", "", "uid=\\#a#" },
	{ "control characters", "uid=", "a\nb\x7f", "", "uid=a\\0ab\\7f" },
	{ "other languages", "uid=", "\xc3\xa4", "", "uid=\xc3\xa4" },
	{ "a domain in front", "FIRM\\", "anna", "", "FIRM\\anna" },
	{ "a domain behind", "", "anna+x", "@firm", "anna+x@firm" },
	{ "control characters in no DN", "", "a\nb", "@firm", NULL },
};

START_TEST(whom_it_binds_as)
{
	struct ldap_options options = { .prefix = names[_i].prefix,
	    .suffix = names[_i].suffix };
	bool made = ldap_text_bind_name(&options, names[_i].user, out,
	    sizeof(out));

	ck_assert_msg(made == (names[_i].name != NULL), "%s",
	    names[_i].story);
	if (made)
		ck_assert_str_eq(out, names[_i].name);
}
END_TEST

static const struct {
	const char	*story, *attribute, *filter, *user, *made;
} filters[] = {
	{ "an attribute", "uid", NULL, "anna", "(uid=anna)" },
	{ "everybody is nobody", "uid", NULL, "*", "(uid=\\2a)" },
	{ "another condition is none", "uid", NULL, "a)(|(uid=*",
	    "(uid=a\\29\\28|\\28uid=\\2a)" },
	{ "a backslash", "uid", NULL, "a\\2a", "(uid=a\\5c2a)" },
	{ "a filter", NULL, "(|(uid=$username)(mail=$username))", "a(b",
	    "(|(uid=a\\28b)(mail=a\\28b))" },
	{ "a name that is the mark", NULL, "(uid=$username)", "$username",
	    "(uid=$username)" },
	{ "a filter without it", NULL, "(uid=x)", "anna", "(uid=x)" },
};

START_TEST(what_is_searched_for)
{
	struct ldap_options options = {
	    .search_attribute = filters[_i].attribute,
	    .search_filter = filters[_i].filter };

	ck_assert(ldap_text_filter(&options, filters[_i].user, out,
	    sizeof(out)));
	ck_assert_msg(strcmp(out, filters[_i].made) == 0, "%s: %s",
	    filters[_i].story, out);
}
END_TEST

START_TEST(what_does_not_fit_is_nothing)
{
	struct ldap_options options = { .server = "a.firm", .prefix = "uid=",
	    .suffix = "", .search_attribute = "uid", .port = 389 };

	ck_assert(!ldap_text_uris(&options, out, 10));
	ck_assert(!ldap_text_bind_name(&options, "anna,", out, 10));
	ck_assert(ldap_text_bind_name(&options, "anna,", out, 11));
	ck_assert(!ldap_text_filter(&options, "anna", out, 10));
	ck_assert(ldap_text_filter(&options, "anna", out, 11));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ldap_text");
	TCase *tcase = tcase_create("ldap_text");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, where_it_goes, 0, ARRAY_LENGTH(servers));
	tcase_add_loop_test(tcase, whom_it_binds_as, 0, ARRAY_LENGTH(names));
	tcase_add_loop_test(tcase, what_is_searched_for, 0,
	    ARRAY_LENGTH(filters));
	tcase_add_test(tcase, what_does_not_fit_is_nothing);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
