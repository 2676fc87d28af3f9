/*
 * Who gets in by the HBA file: each method, with each kind of secret, over
 * each kind of connection, at the first login and at later ones, by whichever
 * worker.
 */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live/ask.h"
#include "live/world.h"

#define WORKERS 4
/* Logins of each kind: with so many each worker has had some. */
#define LOGINS 12

#define NO_PASSWORD "password authentication failed"
#define NO_SASL "SASL authentication failed"
#define NO_TRUST "\"trust\" authentication failed"
#define NO_RULE "no authentication method is found"

/*
 * Users of the pooler: plain, hashed, scrammed have the password "right" in
 * three forms, and hollow has an empty one.
 */
static const char *
guests(void)
{
	PGconn *direct = world_direct();
	const char *md5, *scram;

	ck_query_ok(direct, "set password_encryption = 'md5';"
	    "create role hashed password 'right';"
	    "set password_encryption = 'scram-sha-256';"
	    "create role scrammed password 'right'");
	md5 = world_secret("hashed");
	scram = world_secret("scrammed");
	ck_query_ok(direct, "drop role hashed; drop role scrammed");
	return text("\"plain\" \"right\"\n\"hashed\" \"%s\"\n"
	    "\"scrammed\" \"%s\"\n\"hollow\" \"\"\n\"admin\" \"\"\n"
	    "\"postgres\" \"\"\n", md5, scram);
}

/* Everybody becomes `app` at PostgreSQL, so only our own door matters. */
static const char *
house(void)
{
	return text("shop = %s user=app\nplain = %s user=app\n",
	    world_place(), world_place());
}

static const char *
write_file(const char *name, const char *content)
{
	const char *path = text("%s/%s-%d", world.directory, name,
	    (int)getpid());

	ck_assert(file_write(path, content));
	return path;
}

static const char *
settings_with(const char *rules, const char *maps)
{
	const char *path = write_file("hba", rules);

	if (maps == NULL)
		return text("auth_type = hba\nauth_hba_file = %s\n", path);
	return text("auth_type = hba\nauth_hba_file = %s\n"
	    "auth_ident_file = %s\n", path, write_file("maps", maps));
}

#define start_with(rules, maps, count) pooler_start(.databases = house(), \
    .userlist = guests(), .workers = (count), \
    .settings = settings_with((rules), (maps)))

/* --- the matrix ---------------------------------------------------------- */

/* A method, and whom it lets in with the right password; NULL: comes in. */
static const struct {
	const char	*method;
	const char	*right[4], *wrong[4];	/* plain hashed scrammed
						   hollow */
	const char	*nobody;
} methods[] = {
	{ "trust", { NULL, NULL, NULL, NULL }, { NULL, NULL, NULL, NULL },
	    NO_TRUST },
	{ "reject", { "login rejected", "login rejected", "login rejected",
	    "login rejected" }, { "login rejected", "login rejected",
	    "login rejected", "login rejected" }, "login rejected" },
	{ "password", { NULL, NULL, NULL, NO_PASSWORD },
	    { NO_PASSWORD, NO_PASSWORD, NO_PASSWORD, NO_PASSWORD },
	    NO_PASSWORD },
	{ "md5", { NULL, NULL, NULL, NO_PASSWORD },
	    { NO_PASSWORD, NO_PASSWORD, NO_SASL, NO_PASSWORD }, NO_PASSWORD },
	{ "scram-sha-256", { NULL, NO_SASL, NULL, NO_SASL },
	    { NO_SASL, NO_SASL, NO_SASL, NO_SASL }, NO_SASL },
};

static const char *const secret_kinds[] = { "plain", "hashed", "scrammed",
    "hollow" };

/* How a client gets to the pooler. */
static const char *
way(const struct pooler *pooler, bool by_unix)
{
	return by_unix ? text("host=%s port=%d", pooler->directory,
	    pooler->port) : text("host=127.0.0.1 port=%d", pooler->port);
}

static void
try(struct pooler *pooler, bool by_unix, const char *login,
    const char *refusal)
{
	PGconn *client = PQconnectdb(text("%s dbname=shop "
	    "application_name=matrix %s", way(pooler, by_unix), login));

	if (refusal == NULL) {
		ck_assert_msg(PQstatus(client) == CONNECTION_OK, "%s: %s",
		    login, PQerrorMessage(client));
		ck_query_value(client, "select current_user", "app");
	} else {
		ck_assert_msg(PQstatus(client) != CONNECTION_OK &&
		    strstr(PQerrorMessage(client), refusal) != NULL,
		    "%s: %s", login, PQerrorMessage(client));
	}
	PQfinish(client);
}

/* Each round begins with a first login after a start. */
START_TEST(each_method_with_each_secret_over_each_way)
{
	const char *method = methods[_i / 2].method;
	bool by_unix = _i % 2 == 1;
	struct pooler *pooler = start_with(text("local all all %s\n"
	    "host all all 127.0.0.0/8 %s\n", by_unix ? method : "reject",
	    by_unix ? "reject" : method), NULL, WORKERS);

	for (unsigned k = 0; k < ARRAY_LENGTH(secret_kinds); k++) {
		for (unsigned i = 0; i < LOGINS; i++) {
			try(pooler, by_unix, text("user=%s password=right",
			    secret_kinds[k]), methods[_i / 2].right[k]);
			try(pooler, by_unix, text("user=%s password=wrong",
			    secret_kinds[k]), methods[_i / 2].wrong[k]);
		}
	}
	for (unsigned i = 0; i < LOGINS; i++)
		try(pooler, by_unix, "user=nobody password=right",
		    methods[_i / 2].nobody);
	/* The other way in is another rule. */
	try(pooler, !by_unix, "user=plain password=right", "login rejected");
}
END_TEST

/* --- rules --------------------------------------------------------------- */

START_TEST(who_fits_no_rule_is_told_so)
{
	struct pooler *pooler = start_with(
	    "host shop plain 127.0.0.1/32 trust\n", NULL, 2);

	ck_login_ok(pooler, "user=plain dbname=shop");
	ck_login_fails(pooler, "user=hashed dbname=shop", "08P01", NO_RULE);
	ck_login_fails(pooler, "user=plain dbname=plain", "08P01", NO_RULE);
	try(pooler, true, "user=plain", NO_RULE);
}
END_TEST

START_TEST(the_first_rule_that_fits_counts)
{
	struct pooler *pooler = start_with(
	    "host all hashed all reject\n"
	    "host sameuser all all trust\n"
	    "host all plain,scrammed 127.0.0.0/30 password\n"
	    "host all all all trust\n", NULL, 2);

	ck_login_fails(pooler, "user=hashed dbname=shop", "08P01",
	    "login rejected");
	ck_login_ok(pooler, "user=plain dbname=plain");
	ck_login_fails(pooler, "user=plain password=x dbname=shop", "08P01",
	    NO_PASSWORD);
	ck_login_ok(pooler, "user=scrammed password=right dbname=shop");
	ck_login_ok(pooler, "user=hollow dbname=shop");
}
END_TEST

START_TEST(the_console_has_its_rules_too)
{
	struct pooler *pooler = start_with(
	    "host pgbouncer admin all trust\nhost shop all all trust\n",
	    NULL, 2);

	ck_query_ok(connect_console(pooler), "show version");
	ck_login_fails(pooler, "user=plain dbname=pgbouncer", "08P01",
	    NO_RULE);
}
END_TEST

/* --- peer ---------------------------------------------------------------- */

/* The user of this very process, as PostgreSQL would see it. */
static const char *
myself(void)
{
	struct passwd *user = getpwuid(geteuid());

	return user == NULL ? "nobody" : user->pw_name;
}

START_TEST(a_unix_user_is_himself)
{
	const char *me = myself();
	struct pooler *pooler = pooler_start(.databases = house(),
	    .userlist = text("\"%s\" \"\"\n\"x\" \"\"\n", me),
	    .workers = WORKERS, .settings = settings_with(
	    "local all all peer\nhost all all all reject\n", NULL));

	for (unsigned i = 0; i < LOGINS; i++) {
		try(pooler, true, text("user=%s", me), NULL);
		try(pooler, true, "user=x", "unix socket login rejected");
	}
	pooler_await_log(pooler, text("Unix user \"%s\"", me));
}
END_TEST

START_TEST(a_unix_user_is_what_the_map_says)
{
	const char *me = myself();
	struct pooler *pooler = start_with("local all all peer map=m\n",
	    text("m %s plain\nm \"/^(.*)$\" x-\\1\nother %s hashed\n", me,
	    me), WORKERS);

	for (unsigned i = 0; i < LOGINS; i++)
		try(pooler, true, "user=plain", NULL);
	try(pooler, true, "user=hashed", "unix socket login rejected");
	/* The map says yes, but nobody knows this user. */
	try(pooler, true, text("user=x-%s", me),
	    "unix socket login rejected");
}
END_TEST

/* --- reload -------------------------------------------------------------- */

START_TEST(a_reload_takes_new_rules_on_all_workers)
{
	const char *before = "host all all all trust\n";
	struct pooler *pooler = start_with(before, NULL, WORKERS);
	PGconn *console = connect_console(pooler);

	ck_login_ok(pooler, "user=plain dbname=shop");
	write_file("hba", "host all admin all trust\n"
	    "host all all all reject\n");
	/* Nothing is read before. */
	ck_login_ok(pooler, "user=plain dbname=shop");
	ck_query_ok(console, "reload");
	for (unsigned i = 0; i < LOGINS; i++)
		ck_login_fails(pooler, "user=plain dbname=shop", "08P01",
		    "login rejected");
}
END_TEST

START_TEST(a_broken_rule_changes_nothing_and_is_named)
{
	struct pooler *pooler = start_with("host all all all trust\n", NULL,
	    2);
	PGconn *console = connect_console(pooler);
	const char *path = write_file("hba",
	    "host all all all reject\nhost all all db.firm trust\n");

	ck_query_fails(console, "reload", "F0000", NULL);
	pooler_await_log(pooler, text("%s:2: host names are not supported: "
	    "db.firm", path));
	ck_login_ok(pooler, "user=plain dbname=shop");
}
END_TEST

START_TEST(a_broken_rule_refuses_the_start)
{
	struct pooler *pooler = pooler_prepare(.settings = settings_with(
	    "host all all 10.0.0.1 md5\n", NULL));
	const char *arguments[] = { "-t", pooler->ini, NULL };

	ck_assert_int_ne(pooler_run(pooler, arguments), 0);
	pooler_await_log(pooler, ":1: the mask is missing: 10.0.0.1");
}
END_TEST

static void
add_cases(Suite *suite)
{
	TCase *matrix = world_case(suite, "matrix", 60);
	TCase *rules = world_case(suite, "rules", 30);

	tcase_add_loop_test(matrix, each_method_with_each_secret_over_each_way,
	    0, 2 * ARRAY_LENGTH(methods));
	tcase_add_test(rules, who_fits_no_rule_is_told_so);
	tcase_add_test(rules, the_first_rule_that_fits_counts);
	tcase_add_test(rules, the_console_has_its_rules_too);
	tcase_add_test(rules, a_unix_user_is_himself);
	tcase_add_test(rules, a_unix_user_is_what_the_map_says);
	tcase_add_test(rules, a_reload_takes_new_rules_on_all_workers);
	tcase_add_test(rules, a_broken_rule_changes_nothing_and_is_named);
	tcase_add_test(rules, a_broken_rule_refuses_the_start);
}

int
main(void)
{
	Suite *suite = suite_create("hba");

	add_cases(suite);
	return world_run(suite);
}
