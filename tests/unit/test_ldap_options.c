#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/ldap_options.h"

static struct arena *arena;
static struct ldap_options options;
static struct error error;

static void
setup(void)
{
	arena = arena_create();
}

static void
teardown(void)
{
	arena_destroy(arena);
}

static bool
read_text(const char *text)
{
	return ldap_options_read(text, arena, &options, &error);
}

START_TEST(a_simple_bind)
{
	ck_assert_msg(read_text("ldapserver=a.firm ldapprefix=\"uid=\" "
	    "ldapsuffix=\", ou=x, dc=firm\" ldaptls=1"), "%s", error.text);
	ck_assert_str_eq(options.server, "a.firm");
	ck_assert_int_eq(options.port, 389);
	ck_assert(options.start_tls && !options.is_ldaps);
	ck_assert_str_eq(options.prefix, "uid=");
	ck_assert_str_eq(options.suffix, ", ou=x, dc=firm");
	ck_assert_ptr_null(options.base_dn);
}
END_TEST

START_TEST(a_search)
{
	ck_assert_msg(read_text("ldapserver=\"a b:1636\" ldapscheme=ldaps "
	    "ldapbasedn=\"dc=firm\" ldapbinddn=\"cn=reader\" "
	    "ldapbindpasswd=\"a # b\" "
	    "ldapsearchfilter=\"(|(uid=$username)(mail=$username))\""),
	    "%s", error.text);
	ck_assert_str_eq(options.server, "a b:1636");
	ck_assert_int_eq(options.port, 636);
	ck_assert(options.is_ldaps);
	ck_assert_str_eq(options.bind_password, "a # b");
	ck_assert_str_eq(options.search_filter,
	    "(|(uid=$username)(mail=$username))");
	ck_assert_ptr_null(options.search_attribute);
	ck_assert_int_eq(options.scope, LDAP_SCOPE_OF_SUB);
}
END_TEST

START_TEST(the_attribute_is_uid_by_default)
{
	ck_assert(read_text("ldapserver=a ldapbasedn=dc=firm"));
	ck_assert_str_eq(options.search_attribute, "uid");
	ck_assert_str_eq(options.bind_dn, "");
}
END_TEST

static const struct {
	const char	*url, *server, *base, *attribute, *filter;
	int		 port;
	enum ldap_scope	 scope;
	bool		 is_ldaps;
} urls[] = {
	{ "ldap://a.firm/dc=firm?cn?sub", "a.firm", "dc=firm", "cn", NULL,
	    389, LDAP_SCOPE_OF_SUB, false },
	{ "ldaps://a.firm:1636/dc=a%20b,dc=c", "a.firm", "dc=a b,dc=c", "uid",
	    NULL, 1636, LDAP_SCOPE_OF_BASE, true },
	{ "LDAP://[::1]:390/dc=firm??one?(x=$username)", "[::1]", "dc=firm",
	    NULL, "(x=$username)", 390, LDAP_SCOPE_OF_ONE, false },
	{ "ldap://127.0.0.1", "127.0.0.1", "", "uid", NULL, 389,
	    LDAP_SCOPE_OF_BASE, false },
};

START_TEST(a_url_says_it_all)
{
	char text[200];

	snprintf(text, sizeof(text), "ldapurl=\"%s\"", urls[_i].url);
	ck_assert_msg(read_text(text), "%s", error.text);
	ck_assert_str_eq(options.server, urls[_i].server);
	ck_assert_str_eq(options.base_dn, urls[_i].base);
	ck_assert_pstr_eq(options.search_attribute, urls[_i].attribute);
	ck_assert_pstr_eq(options.search_filter, urls[_i].filter);
	ck_assert_int_eq(options.port, urls[_i].port);
	ck_assert_int_eq(options.scope, urls[_i].scope);
	ck_assert_int_eq(options.is_ldaps, urls[_i].is_ldaps);
}
END_TEST

static const struct {
	const char	*text, *reason;
} broken[] = {
	{ "", "ldapserver is missing" },
	{ "ldapserver=a", "one of ldapbasedn, ldapprefix, ldapsuffix and "
	    "ldapurl is needed" },
	{ "ldapserver=a ldapprefix=x ldapbasedn=y", "ldapprefix and "
	    "ldapsuffix do not go with what is for a search" },
	{ "ldapserver=a ldapbasedn=y ldapsearchattribute=u "
	    "ldapsearchfilter=(u=1)", "ldapsearchattribute and "
	    "ldapsearchfilter do not go together" },
	{ "ldapserver=a ldapbasedn=y ldaptls=1 ldapscheme=ldaps",
	    "ldaptls does not go with ldaps" },
	{ "ldapserver=a ldapport=0", "invalid LDAP port number" },
	{ "ldapserver=a ldapport=65536", "invalid LDAP port number" },
	{ "ldapserver=a ldapport=389x", "invalid LDAP port number" },
	{ "ldaptls=yes", "ldaptls is 0 or 1" },
	{ "ldapscheme=http", "ldapscheme is ldap or ldaps" },
	{ "ldapsearchattribute=u)(x", "invalid LDAP search attribute" },
	{ "ldapsearchattribute=", "invalid LDAP search attribute" },
	{ "ldaphost=a", "unknown LDAP option: ldaphost" },
	{ "ldapbasedn=dc=a,dc=b", "unknown LDAP option: dc" },
	{ "secret", "LDAP options have the form name=value" },
	{ "ldapserver=\"a", "a quote is not closed" },
	{ "ldapurl=http://a/b", "invalid LDAP URL" },
	{ "ldapurl=ldap://a/b%2", "invalid LDAP URL" },
	{ "ldapurl=ldap://a/b%00", "invalid LDAP URL" },
	{ "ldapurl=ldap://a/b?u?all", "invalid LDAP URL" },
	{ "ldapurl=ldap://a/b?u?sub?f?x", "invalid LDAP URL" },
	{ "ldapurl=ldap://[::1/b", "invalid LDAP URL" },
	{ "ldapurl=ldap://a:b/c", "invalid LDAP port number" },
};

START_TEST(what_makes_no_sense_is_refused)
{
	ck_assert(!read_text(broken[_i].text));
	ck_assert_str_eq(error.text, broken[_i].reason);
}
END_TEST

START_TEST(they_may_not_be_too_long)
{
	char text[LDAP_OPTIONS_MOST + 2];

	memset(text, ' ', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	ck_assert(!read_text(text));
	ck_assert_str_eq(error.text,
	    "LDAP options are longer than 1023 bytes");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ldap_options");
	TCase *tcase = tcase_create("ldap_options");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_simple_bind);
	tcase_add_test(tcase, a_search);
	tcase_add_test(tcase, the_attribute_is_uid_by_default);
	tcase_add_loop_test(tcase, a_url_says_it_all, 0, ARRAY_LENGTH(urls));
	tcase_add_loop_test(tcase, what_makes_no_sense_is_refused, 0,
	    ARRAY_LENGTH(broken));
	tcase_add_test(tcase, they_may_not_be_too_long);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
