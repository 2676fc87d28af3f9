/*
 * Logins that a directory decides: a real OpenLDAP server of our own, asked
 * by bind and by search and bind, in the clear, by StartTLS and by ldaps.
 */
#include "build.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake/authority.h"
#include "fake/fake_client.h"
#include "fake/fake_server.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/world.h"

#define SLAPD "/usr/sbin/slapd"
#define SCHEMAS "/etc/ldap/schema"
#define MODULES "/usr/lib/ldap"
#define NO_LDAP "LDAP authentication failed"
#define PEOPLE "ou=people,dc=example,dc=org"

/* The name that has to be escaped is one that an application may well have. */
static const char entries[] =
	"dn: dc=example,dc=org\n"
	"objectClass: dcObject\n"
	"objectClass: organization\n"
	"o: Example\n"
	"dc: example\n"
	"\n"
	"dn: " PEOPLE "\n"
	"objectClass: organizationalUnit\n"
	"ou: people\n"
	"\n"
	"dn: uid=anna," PEOPLE "\n"
	"objectClass: inetOrgPerson\n"
	"uid: anna\n"
	"cn: Anna\n"
	"sn: A\n"
	"mail: anna@example.org\n"
	"userPassword: anna_secret\n"
	"\n"
	"dn: uid=bert," PEOPLE "\n"
	"objectClass: inetOrgPerson\n"
	"uid: bert\n"
	"cn: Bert\n"
	"sn: B\n"
	"title: driver\n"
	"userPassword: bert_secret\n"
	"\n"
	"dn: uid=carl," PEOPLE "\n"
	"objectClass: inetOrgPerson\n"
	"uid: carl\n"
	"cn: Carl\n"
	"sn: C\n"
	"title: driver\n"
	"userPassword: carl_secret\n"
	"\n"
	"dn: uid=o\\2Cneil," PEOPLE "\n"
	"objectClass: inetOrgPerson\n"
	"uid: o,neil\n"
	"cn: O\n"
	"sn: N\n"
	"userPassword: neil_secret\n"
	"\n"
	"dn: cn=searcher,dc=example,dc=org\n"
	"objectClass: organizationalRole\n"
	"objectClass: simpleSecurityObject\n"
	"cn: searcher\n"
	"userPassword: search_secret\n";

static int port, tls_port;
static char place[160];

static const char *
file_at(const char *name)
{
	return text("%s/%s", place, name);
}

static void
put_file(const char *name, const char *content)
{
	ck_assert(file_write(file_at(name), content));
}

static void
make_papers(void)
{
	struct authority *authority = authority_create("Directory");
	struct paper *paper = authority_issue(authority, &(struct paper_wish){
	    .name = "localhost", .others = "DNS:localhost,IP:127.0.0.1",
	    .key = PAPER_RSA });

	put_file("root.crt", authority_certificate(authority));
	put_file("server.crt", paper->certificate);
	put_file("server.key", paper->key);
	paper_free(paper);
	authority_free(authority);
}

static void
write_configuration(void)
{
	put_file("slapd.conf", text(
	    "include " SCHEMAS "/core.schema\n"
	    "include " SCHEMAS "/cosine.schema\n"
	    "include " SCHEMAS "/inetorgperson.schema\n"
	    "modulepath " MODULES "\n"
	    "moduleload back_mdb\n"
	    "TLSCertificateFile %s/server.crt\n"
	    "TLSCertificateKeyFile %s/server.key\n"
	    "database mdb\n"
	    "maxsize 16777216\n"
	    "suffix dc=example,dc=org\n"
	    "directory %s/db\n"
	    "access to attrs=userPassword by anonymous auth by * none\n"
	    "access to * by dn.exact=cn=searcher,dc=example,dc=org read "
	    "by anonymous search by * none\n", place, place, place));
	put_file("entries.ldif", entries);
	ck_assert_int_eq(mkdir(file_at("db"), 0700), 0);
}

static void
fill(void)
{
	const char *argv[] = { SLAPD, "-T", "add", "-f", file_at("slapd.conf"),
	    "-l", file_at("entries.ldif"), NULL };
	int status;
	pid_t pid = process_start(&(struct spawn){ .argv = argv,
	    .output = file_at("slapadd.log") });

	ck_assert(pid > 0 && process_wait(pid, &status));
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s",
	    file_read(file_at("slapadd.log")));
}

static bool
is_open(int at)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)at),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool open = connect(fd, (struct sockaddr *)&address,
	    sizeof(address)) == 0;

	close(fd);
	return open;
}

/* One for each test, which ends with it. */
static void
start_directory(void)
{
	const char *argv[] = { SLAPD, "-d", "0", "-f", NULL, "-h", NULL,
	    NULL };

	snprintf(place, sizeof(place), "%s", world_make_directory("ldap"));
	port = world_port();
	tls_port = world_port();
	make_papers();
	write_configuration();
	fill();
	argv[4] = file_at("slapd.conf");
	argv[6] = text("ldap://127.0.0.1:%d ldaps://127.0.0.1:%d", port,
	    tls_port);
	ck_assert_int_gt(process_start(&(struct spawn){ .argv = argv,
	    .output = file_at("slapd.log"), .death_signal = SIGKILL }), 0);
	wait_until(is_open(port) && is_open(tls_port));
}

static struct pooler *
start_pooler(const char *settings)
{
	setenv("LDAPTLS_CACERT", file_at("root.crt"), 1);
	setenv("LDAPTLS_REQCERT", "demand", 1);
	return pooler_start(.workers = 4, .settings = settings,
	    .databases = text("shop = %s user=app", world_place()));
}

/* A directory, and a pooler that asks it for everybody, with these options. */
static struct pooler *
start(const char *options)
{
	start_directory();
	return start_pooler(text("auth_type = ldap\nauth_ldap_options = "
	    "ldapserver=127.0.0.1 ldapport=%d %s\n", port, options));
}

static void
ck_in(struct pooler *pooler, const char *user, const char *password)
{
	ck_login_ok(pooler, text("user='%s' password='%s' dbname=shop", user,
	    password));
}

static void
ck_out(struct pooler *pooler, const char *user, const char *password)
{
	ck_login_fails(pooler, text("user='%s' password='%s' dbname=shop",
	    user, password), "08P01", NO_LDAP);
}

/* --- bind ---------------------------------------------------------------- */

#define BIND "ldapprefix=\"uid=\" ldapsuffix=\"," PEOPLE "\""

START_TEST(whom_the_directory_knows_comes_in)
{
	struct pooler *pooler = start(BIND);

	for (int i = 0; i < 4; i++) {
		ck_in(pooler, "anna", "anna_secret");
		ck_out(pooler, "anna", "bert_secret");
	}
	ck_out(pooler, "nobody", "anna_secret");
	ck_assert(!pooler_logged(pooler, "anna_secret"));
	ck_assert(!pooler_logged(pooler, "bert_secret"));
}
END_TEST

/* Whatever a client calls itself, it is one value of the name. */
START_TEST(a_name_is_escaped)
{
	struct pooler *pooler = start(BIND);

	ck_in(pooler, "o,neil", "neil_secret");
	ck_out(pooler, "anna," PEOPLE, "anna_secret");
	ck_out(pooler, "anna+cn=Anna", "anna_secret");
}
END_TEST

START_TEST(an_empty_password_is_refused_as_such)
{
	struct pooler *pooler = start(BIND);
	int client = fake_client_begin(pooler->port, "anna", "shop");
	struct buffer bytes = { 0 };

	fake_client_expect(client, 'R', NULL);
	put_message(&bytes, 'p', "s", "");
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect_error(client, "FATAL", "08P01",
	    "empty password returned by client");
	close(client);
}
END_TEST

/* --- search and bind ----------------------------------------------------- */

#define SEARCH "ldapbasedn=\"" PEOPLE "\" " \
    "ldapbinddn=\"cn=searcher,dc=example,dc=org\" " \
    "ldapbindpasswd=search_secret "

static const struct {
	const char	*options, *user;
} searches[] = {
	{ "", "anna" },
	{ "ldapsearchattribute=mail", "anna@example.org" },
	{ "ldapsearchfilter=\"(|(uid=$username)(mail=$username))\"", "anna" },
	{ "ldapsearchfilter=\"(|(uid=$username)(mail=$username))\"",
	    "anna@example.org" },
};

START_TEST(who_is_found_comes_in)
{
	struct pooler *pooler = start(text(SEARCH "%s",
	    searches[_i].options));

	ck_in(pooler, searches[_i].user, "anna_secret");
	ck_out(pooler, searches[_i].user, "search_secret");
	ck_out(pooler, "nobody", "anna_secret");
	ck_assert(!pooler_logged(pooler, "search_secret"));
}
END_TEST

/* Nor does a name find more than itself. */
START_TEST(a_name_is_no_filter)
{
	struct pooler *pooler = start(SEARCH);

	ck_out(pooler, "*", "anna_secret");
	ck_out(pooler, "ann*", "anna_secret");
	ck_out(pooler, "x)(uid=anna", "anna_secret");
	ck_in(pooler, "o,neil", "neil_secret");
}
END_TEST

START_TEST(two_entries_are_nobody)
{
	struct pooler *pooler = start(SEARCH "ldapsearchattribute=title");

	ck_out(pooler, "driver", "bert_secret");
	ck_out(pooler, "driver", "carl_secret");
}
END_TEST

START_TEST(a_searcher_that_is_refused_is_no_answer)
{
	struct pooler *pooler = start("ldapbasedn=\"" PEOPLE "\" "
	    "ldapbinddn=\"cn=searcher,dc=example,dc=org\" "
	    "ldapbindpasswd=wrong");

	ck_login_fails(pooler, "user=anna password=anna_secret dbname=shop",
	    "57P03", NO_LDAP ": no answer");
	ck_assert(!pooler_logged(pooler, "wrong"));
}
END_TEST

START_TEST(a_url_says_it_all)
{
	struct pooler *pooler;

	start_directory();
	pooler = start_pooler(text("auth_type = ldap\nauth_ldap_options = "
	    "ldapurl=\"ldap://127.0.0.1:%d/" PEOPLE "?uid?sub\" "
	    "ldapbinddn=\"cn=searcher,dc=example,dc=org\" "
	    "ldapbindpasswd=search_secret\n", port));
	ck_in(pooler, "anna", "anna_secret");
	ck_out(pooler, "anna", "wrong");
}
END_TEST

/* --- TLS ----------------------------------------------------------------- */

static const char *const forms[] = { "plain", "StartTLS", "ldaps" };

static const char *
rule_of(int form, const char *user)
{
	return text("host all %s all ldap ldapserver=127.0.0.1 ldapport=%d "
	    "%s " BIND "\n", user, form == 2 ? tls_port : port, form == 0 ?
	    "" : form == 1 ? "ldaptls=1" : "ldapscheme=ldaps");
}

static struct pooler *
start_with_rules(const char *rules)
{
	put_file("hba.conf", rules);
	return start_pooler(text("auth_type = hba\nauth_hba_file = %s\n",
	    file_at("hba.conf")));
}

START_TEST(the_same_in_the_clear_and_over_tls)
{
	struct pooler *pooler;

	start_directory();
	pooler = start_with_rules(rule_of(_i, "all"));
	ck_in(pooler, "anna", "anna_secret");
	ck_out(pooler, "anna", "wrong");
	ck_assert_msg(!pooler_logged(pooler, "anna_secret"), "%s", forms[_i]);
}
END_TEST

/* Signed by somebody whom we do not know: it hears no password. */
START_TEST(a_strange_directory_is_not_asked)
{
	struct authority *stranger = authority_create("Strangers");
	struct pooler *pooler;

	start_directory();
	put_file("root.crt", authority_certificate(stranger));
	pooler = start_with_rules(rule_of(1 + _i, "all"));
	ck_login_fails(pooler, "user=anna password=anna_secret dbname=shop",
	    "57P03", NO_LDAP ": no answer");
	authority_free(stranger);
}
END_TEST

/* --- trouble ------------------------------------------------------------- */

static int
begin_login(struct pooler *pooler, const char *user)
{
	int client = fake_client_begin(pooler->port, user, "shop");
	struct buffer bytes = { 0 };

	fake_client_expect(client, 'R', NULL);
	put_message(&bytes, 'p', "s", "anna_secret");
	ck_assert(fake_client_send(client, &bytes));
	return client;
}

START_TEST(one_that_hangs_holds_up_its_own_clients_only)
{
	/* It takes connections and says nothing. */
	int deaf = world_port(), fd = fake_server_listen(deaf), hanging[6];
	struct pooler *pooler;
	long long began;

	start_directory();
	pooler = start_with_rules(text("host all anna all ldap "
	    "ldapserver=127.0.0.1 ldapport=%d " BIND "\n%s", deaf,
	    rule_of(0, "all")));
	began = now_ms();
	for (int i = 0; i < 6; i++)
		hanging[i] = begin_login(pooler, "anna");
	for (int i = 0; i < 6; i++)
		ck_in(pooler, "bert", "bert_secret");
	for (int i = 0; i < 6; i++) {
		/* Ten seconds are the most that it is waited for. */
		ck_assert(fake_client_silent(hanging[i]) ||
		    now_ms() - began > 9000);
		close(hanging[i]);
	}
	close(fd);
}
END_TEST

START_TEST(the_next_server_is_asked_if_one_is_down)
{
	struct pooler *pooler;

	start_directory();
	pooler = start_with_rules(text("host all all all ldap ldapserver="
	    "\"127.0.0.2 127.0.0.1\" ldapport=%d " BIND "\n", port));
	ck_in(pooler, "anna", "anna_secret");
	ck_out(pooler, "anna", "wrong");
}
END_TEST

START_TEST(a_directory_that_is_down_is_no_answer)
{
	struct pooler *pooler;

	start_directory();
	pooler = start_with_rules(text("host all all all ldap ldapserver="
	    "127.0.0.1 ldapport=%d " BIND "\n", world_port()));
	ck_login_fails(pooler, "user=anna password=anna_secret dbname=shop",
	    "57P03", NO_LDAP ": no answer");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ldap");
	TCase *tests = world_case(suite, "ldap", 60);

#ifndef HAVE_LDAP
	printf("built without LDAP\n");
	return 77;
#endif
	if (access(SLAPD, X_OK) != 0) {
		printf("no slapd here\n");
		return 77;
	}
	tcase_add_test(tests, whom_the_directory_knows_comes_in);
	tcase_add_test(tests, a_name_is_escaped);
	tcase_add_test(tests, an_empty_password_is_refused_as_such);
	tcase_add_loop_test(tests, who_is_found_comes_in, 0,
	    (int)ARRAY_LENGTH(searches));
	tcase_add_test(tests, a_name_is_no_filter);
	tcase_add_test(tests, two_entries_are_nobody);
	tcase_add_test(tests, a_searcher_that_is_refused_is_no_answer);
	tcase_add_test(tests, a_url_says_it_all);
	tcase_add_loop_test(tests, the_same_in_the_clear_and_over_tls, 0,
	    (int)ARRAY_LENGTH(forms));
	tcase_add_loop_test(tests, a_strange_directory_is_not_asked, 0, 2);
	tcase_add_test(tests, one_that_hangs_holds_up_its_own_clients_only);
	tcase_add_test(tests, the_next_server_is_asked_if_one_is_down);
	tcase_add_test(tests, a_directory_that_is_down_is_no_answer);
	return world_run(suite);
}
