/*
 * Who gets in, who does not, and in which words; then the pooler's own login
 * at PostgreSQL by each method.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/world.h"

#define NO_PASSWORD "password authentication failed"
#define NO_SASL "SASL authentication failed"
#define NO_TRUST "\"trust\" authentication failed"

/*
 * Users of the pooler: plain, hashed, scrammed have the password
 * "right" in three forms, and hollow has an empty one.
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
	    "\"scrammed\" \"%s\"\n\"hollow\" \"\"\n", md5, scram);
}

/* Everybody becomes `app` at PostgreSQL, so only our own door matters. */
static const char *
house(void)
{
	return text("shop = %s user=app", world_place());
}

static const struct {
	const char	*method, *user, *password;
	const char	*refusal;	/* NULL: comes in */
} doors[] = {
	{ "trust", "plain", NULL, NULL },
	{ "trust", "hashed", "wrong", NULL },
	{ "trust", "scrammed", "wrong", NULL },
	{ "trust", "hollow", NULL, NULL },
	{ "trust", "nobody", NULL, NO_TRUST },

	{ "any", "plain", "wrong", NULL },
	{ "any", "nobody", NULL, NULL },

	{ "plain", "plain", "right", NULL },
	{ "plain", "hashed", "right", NULL },
	{ "plain", "scrammed", "right", NULL },
	{ "plain", "plain", "wrong", NO_PASSWORD },
	{ "plain", "hashed", "wrong", NO_PASSWORD },
	{ "plain", "scrammed", "wrong", NO_PASSWORD },
	{ "plain", "hollow", "right", NO_PASSWORD },
	{ "plain", "nobody", "right", NO_PASSWORD },

	{ "md5", "plain", "right", NULL },
	{ "md5", "hashed", "right", NULL },
	{ "md5", "scrammed", "right", NULL },
	{ "md5", "plain", "wrong", NO_PASSWORD },
	{ "md5", "hashed", "wrong", NO_PASSWORD },
	{ "md5", "scrammed", "wrong", NO_SASL },
	{ "md5", "hollow", "right", NO_PASSWORD },
	{ "md5", "nobody", "right", NO_PASSWORD },

	{ "scram-sha-256", "plain", "right", NULL },
	{ "scram-sha-256", "scrammed", "right", NULL },
	{ "scram-sha-256", "hashed", "right", NO_SASL },
	{ "scram-sha-256", "plain", "wrong", NO_SASL },
	{ "scram-sha-256", "scrammed", "wrong", NO_SASL },
	{ "scram-sha-256", "hollow", "right", NO_SASL },
	{ "scram-sha-256", "nobody", "right", NO_SASL },
};

static const char *const methods[] = {
	"trust", "any", "plain", "md5", "scram-sha-256",
};

START_TEST(each_method_lets_in_whom_it_should)
{
	const char *method = methods[_i];
	struct pooler *pooler = pooler_start(.databases = house(),
	    .userlist = guests(), .settings = text("auth_type = %s\n",
	    method));

	for (unsigned i = 0; i < ARRAY_LENGTH(doors); i++) {
		const char *login = text("user=%s dbname=shop %s%s",
		    doors[i].user, doors[i].password ? "password=" : "",
		    doors[i].password ? doors[i].password : "");

		if (strcmp(doors[i].method, method) != 0)
			continue;
		if (doors[i].refusal == NULL)
			ck_login_ok(pooler, login);
		else
			ck_login_fails(pooler, login, "08P01",
			    doors[i].refusal);
	}
}
END_TEST

/* libpq itself refuses to send an empty password. */
START_TEST(an_empty_password_is_refused_as_such)
{
	static const char *const asking[] = { "plain", "md5" };
	struct pooler *pooler = pooler_start(.databases = house(),
	    .userlist = guests(),
	    .settings = text("auth_type = %s\n", asking[_i]));
	int client = fake_client_begin(pooler->port, "plain", "shop");
	struct buffer bytes = { 0 };
	struct message message;

	fake_client_expect(client, 'R', &message);
	put_message(&bytes, 'p', "s", "");
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect_error(client, "FATAL", "08P01",
	    "empty password returned by client");
	fake_client_expect_close(client);
	close(client);
}
END_TEST

START_TEST(an_unknown_database_is_told_after_the_password)
{
	struct pooler *pooler = pooler_start(.databases = house(),
	    .userlist = guests(), .settings = "auth_type = plain\n");

	ck_login_fails(pooler, "user=plain password=right dbname=nowhere",
	    "08P01", "no such database: nowhere");
	ck_login_fails(pooler, "user=plain password=wrong dbname=nowhere",
	    "08P01", NO_PASSWORD);
}
END_TEST

START_TEST(an_unknown_database_is_told_to_the_trusted)
{
	struct pooler *pooler = pooler_start(.workers = 1);

	ck_login_fails(pooler, "user=app dbname=nowhere", "08P01",
	    "no such database: nowhere");
	pooler_await_log(pooler, "no such database: nowhere");
}
END_TEST

START_TEST(any_needs_a_forced_user)
{
	struct pooler *pooler = pooler_start(
	    .settings = "auth_type = any\n");

	ck_login_fails(pooler, "user=app dbname=shop", "08P01",
	    "bouncer config error");
}
END_TEST

START_TEST(a_database_without_a_name_has_the_name_of_the_user)
{
	const char *pairs[] = { "user", "app", NULL };
	struct pooler *pooler = pooler_start(
	    .databases = text("app = %s", world_place()));
	struct buffer bytes = { 0 };
	int client = fake_client_connect(pooler->port);

	put_startup(&bytes, PROTOCOL_3_0, pairs);
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect(client, 'Z', NULL);
	close(client);
}
END_TEST

START_TEST(a_star_takes_any_database)
{
	struct pooler *pooler = pooler_start(.databases = text(
	    "* = host=127.0.0.1 port=%d", world.cluster.port));
	PGconn *client = connect_as(pooler, "user=app dbname=postgres");

	ck_query_value(client, "select current_database()", "postgres");
	client = connect_as(pooler, "user=app dbname=template1");
	ck_query_value(client, "select current_database()", "template1");
	ck_login_fails(pooler, "user=app dbname=nowhere", "3D000",
	    "database \"nowhere\" does not exist");
}
END_TEST

START_TEST(a_forced_user_is_what_postgres_sees)
{
	struct pooler *pooler = pooler_start(.databases = text(
	    "shop = %s user=other", world_place()));
	PGconn *client = connect_client(pooler);

	ck_query_value(client, "select current_user", "other");
}
END_TEST

/* ---- towards PostgreSQL ---- */

static const struct {
	const char	*user, *method;
} inner_doors[] = {
	{ "app", "trust" },
	{ "clear_user", "trust" },
	{ "md5_user", "trust" },
	{ "scram_user", "trust" },
	{ "clear_user", "scram-sha-256" },
	{ "md5_user", "md5" },
	{ "scram_user", "md5" },
};

START_TEST(the_pooler_logs_in_by_each_method_of_postgres)
{
	const char *user = inner_doors[_i].user;
	struct pooler *pooler = pooler_start(.settings = text(
	    "auth_type = %s\n", inner_doors[_i].method));
	PGconn *client = connect_as(pooler, text(
	    "user=%s password=%s_secret dbname=shop", user, user));

	ck_query_value(client, "select current_user", user);
}
END_TEST

START_TEST(an_md5_secret_is_enough_for_md5)
{
	struct pooler *pooler = pooler_start(.userlist = text(
	    "\"md5_user\" \"%s\"\n", world_secret("md5_user")));
	PGconn *client = connect_as(pooler, "user=md5_user dbname=shop");

	ck_query_value(client, "select current_user", "md5_user");
}
END_TEST

START_TEST(a_scram_secret_passes_through)
{
	struct pooler *pooler = pooler_start(
	    .settings = "auth_type = scram-sha-256\n",
	    .userlist = text("\"scram_user\" \"%s\"\n",
	    world_secret("scram_user")));
	PGconn *clients[6];

	/* Whichever worker has the login, each can open servers. */
	for (unsigned i = 0; i < 6; i++) {
		clients[i] = connect_as(pooler, "user=scram_user "
		    "password=scram_user_secret dbname=shop");
		ck_query_ok(clients[i], "begin");
		ck_query_value(clients[i], "select current_user",
		    "scram_user");
	}
}
END_TEST

START_TEST(a_scram_secret_without_a_scram_login_opens_nothing)
{
	struct pooler *pooler = pooler_start(.userlist = text(
	    "\"scram_user\" \"%s\"\n", world_secret("scram_user")));

	ck_login_fails(pooler, "user=scram_user dbname=shop", "08P01",
	    "server login failed: wrong password type");
	pooler_await_log(pooler, "cannot do SCRAM authentication: "
	    "password is SCRAM secret but client authentication did not "
	    "provide SCRAM keys");
}
END_TEST

static const struct {
	const char	*user, *sqlstate, *message;
} refusals[] = {
	{ "clear_user", "28P01",
	    "password authentication failed for user \"clear_user\"" },
	{ "md5_user", "28P01",
	    "password authentication failed for user \"md5_user\"" },
	{ "scram_user", "28P01",
	    "password authentication failed for user \"scram_user\"" },
	{ "stranger", "28000", "role \"stranger\" does not exist" },
};

START_TEST(what_postgres_says_to_a_wrong_password_reaches_the_client)
{
	struct pooler *pooler = pooler_start(.userlist =
	    "\"clear_user\" \"wrong\"\n\"md5_user\" \"wrong\"\n"
	    "\"scram_user\" \"wrong\"\n\"stranger\" \"\"\n");

	ck_login_fails(pooler, text("user=%s dbname=shop",
	    refusals[_i].user), refusals[_i].sqlstate, refusals[_i].message);
	pooler_await_log(pooler, "server login failed: FATAL");
}
END_TEST

START_TEST(a_database_that_postgres_does_not_have_is_its_word)
{
	struct pooler *pooler = pooler_start(.databases = text(
	    "shop = host=127.0.0.1 port=%d dbname=nowhere",
	    world.cluster.port));

	ck_login_fails(pooler, "user=app dbname=shop", "3D000",
	    "database \"nowhere\" does not exist");
}
END_TEST

START_TEST(the_password_of_a_forced_user_is_in_the_connect_string)
{
	struct pooler *pooler = pooler_start(.databases = text(
	    "shop = %s user=scram_user password=scram_user_secret\n",
	    world_place()), .userlist = "\"app\" \"\"\n");
	PGconn *client = connect_client(pooler);

	ck_query_value(client, "select current_user", "scram_user");
}
END_TEST

START_TEST(the_password_of_a_forced_user_may_be_in_the_auth_file)
{
	struct pooler *pooler = pooler_start(.databases = text(
	    "shop = %s user=md5_user", world_place()));
	PGconn *client = connect_client(pooler);

	ck_query_value(client, "select current_user", "md5_user");
}
END_TEST

/* ---- the startup packet ---- */

static void
refuse_startup(struct pooler *pooler, const char *const *pairs,
    const char *message)
{
	struct buffer bytes = { 0 };
	int client = fake_client_connect(pooler->port);

	put_startup(&bytes, PROTOCOL_3_0, pairs);
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect_error(client, "FATAL", "08P01", message);
	fake_client_expect_close(client);
	close(client);
}

START_TEST(unknown_startup_parameters_are_refused_by_name)
{
	struct pooler *pooler = pooler_start(.workers = 2);

	refuse_startup(pooler, (const char *const[]){ "user", "app",
	    "database", "shop", "colour", "blue", NULL },
	    "unsupported startup parameter: colour");
	refuse_startup(pooler, (const char *const[]){ "database", "shop",
	    NULL }, "no username supplied");
}
END_TEST

START_TEST(startup_parameters_can_be_ignored)
{
	struct pooler *pooler = pooler_start(.settings =
	    "ignore_startup_parameters = extra_float_digits, colour\n");
	const char *pairs[] = { "user", "app", "database", "shop", "colour",
	    "blue", "extra_float_digits", "3", NULL };
	struct buffer bytes = { 0 };
	int client = fake_client_connect(pooler->port);

	put_startup(&bytes, PROTOCOL_3_0, pairs);
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect(client, 'Z', NULL);
	close(client);
}
END_TEST

START_TEST(tls_is_declined_and_the_login_goes_on)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	PGconn *client = connect_to(text("host=127.0.0.1 port=%d user=app "
	    "dbname=shop sslmode=prefer", pooler->port));

	ck_query_value(client, "select 1", "1");
}
END_TEST

START_TEST(bytes_behind_a_request_for_tls_are_refused)
{
	static const char *const pairs[] = { "user", "app", "database",
	    "shop", NULL };
	struct pooler *pooler = pooler_start(.workers = 1);
	struct buffer bytes = { 0 };
	struct message message;
	int client = fake_client_connect(pooler->port);

	put_u32(&bytes, 8);
	put_u32(&bytes, 80877103u);
	put_startup(&bytes, PROTOCOL_3_0, pairs);
	ck_assert(fake_client_send(client, &bytes));
	/* The N may or may not come before it. */
	ck_assert(fake_client_read(client, &message) || true);
	fake_client_drain(client);
	close(client);
}
END_TEST

START_TEST(the_unix_socket_serves_as_well)
{
	struct pooler *pooler = pooler_start(.workers = 3);
	PGconn *clients[12];

	for (unsigned i = 0; i < 12; i++) {
		clients[i] = connect_to(text(
		    "host=%s port=%d user=app dbname=shop",
		    pooler->directory, pooler->port));
		ck_query_value(clients[i], "select 1", "1");
	}
}
END_TEST

START_TEST(a_newer_protocol_is_negotiated_down)
{
	static const char *const pairs[] = { "user", "app", "database",
	    "shop", "_pq_.dance", "yes", NULL };
	struct pooler *pooler = pooler_start(.workers = 1);
	struct buffer bytes = { 0 };
	struct message message;
	int client = fake_client_connect(pooler->port);

	put_startup(&bytes, 0x0003270fu, pairs);
	ck_assert(fake_client_send(client, &bytes));
	ck_assert(fake_client_read(client, &message));
	ck_assert_int_eq(message.type, 'v');
	ck_assert_uint_eq(message.length, 4 + 4 + sizeof("_pq_.dance"));
	ck_assert_mem_eq(message.body, "\0\3\0\2\0\0\0\1_pq_.dance", 19);
	fake_client_expect(client, 'K', &message);
	ck_assert_uint_eq(message.length, 4 + 32);
	/* The sign bit of the "pid" is clear. */
	ck_assert_uint_lt(message.body[0], 0x80);
	fake_client_expect(client, 'Z', NULL);
	close(client);
}
END_TEST

START_TEST(each_login_is_logged)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	PGconn *client = connect_client(pooler);

	ck_query_ok(client, "select 1");
	pooler_await_log(pooler, ": shop/app@127.0.0.1:");
	pooler_await_log(pooler,
	    "login attempt: db=shop user=app tls=no");
	pooler_await_log(pooler, "new connection to server (from 127.0.0.1:");
	disconnect(client);
	pooler_await_log(pooler, "closing because: client close request "
	    "(age=");
}
END_TEST

START_TEST(a_password_before_a_startup_packet_is_refused)
{
	struct pooler *pooler = pooler_start(.workers = 1);
	struct buffer bytes = { 0 };
	int client = fake_client_connect(pooler->port);

	put_message(&bytes, 'p', "s", "secret");
	ck_assert(fake_client_send(client, &bytes));
	fake_client_drain(client);
	close(client);
	ck_login_ok(pooler, "user=app dbname=shop");
}
END_TEST

/* CVE-2026-107350: it would log in as somebody else. */
START_TEST(a_second_startup_packet_during_sasl_is_refused)
{
	static const char *const pairs[] = { "user", "scrammed", "database",
	    "shop", NULL };
	struct pooler *pooler = pooler_start(.databases = house(),
	    .userlist = guests(),
	    .settings = "auth_type = scram-sha-256\n");
	struct buffer bytes = { 0 };
	struct message message;
	int client = fake_client_begin(pooler->port, "plain", "nowhere");

	fake_client_expect(client, 'R', &message);
	put_startup(&bytes, PROTOCOL_3_0, pairs);
	ck_assert(fake_client_send(client, &bytes));
	while (fake_client_read(client, &message))
		ck_assert_int_eq(message.type, 'E');
	close(client);
}
END_TEST

START_TEST(a_notice_may_come_with_the_login)
{
	struct pooler *pooler = pooler_start(.settings =
	    "login_notify_message = Caf\303\251 closes at 5\n");
	static struct message message;
	bool noticed = false;
	int client;

	/* One that waits for the first server, and one that does not. */
	for (unsigned i = 0; i < 2; i++) {
		client = fake_client_begin(pooler->port, "app", "shop");
		fake_client_expect(client, 'K', NULL);
		fake_client_expect(client, 'N', &message);
		ck_assert_str_eq(error_field(&message, 'S'), "NOTICE");
		ck_assert_str_eq(error_field(&message, 'C'), "00000");
		ck_assert_str_eq(error_field(&message, 'M'),
		    "Caf\303\251 closes at 5");
		ck_assert(fake_client_read(client, &message));
		ck_assert_int_eq(message.type, 'Z');
		close(client);
	}
	client = fake_client_begin(pooler->port, "admin", "pgbouncer");
	do {
		ck_assert(fake_client_read(client, &message));
		noticed |= message.type == 'N';
	} while (message.type != 'Z');
	ck_assert(!noticed);
	close(client);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("login");
	TCase *tests = world_case(suite, "clients", 10);

	tcase_add_loop_test(tests, each_method_lets_in_whom_it_should, 0,
	    (int)ARRAY_LENGTH(methods));
	tcase_add_loop_test(tests, an_empty_password_is_refused_as_such, 0,
	    2);
	tcase_add_test(tests, an_unknown_database_is_told_after_the_password);
	tcase_add_test(tests, an_unknown_database_is_told_to_the_trusted);
	tcase_add_test(tests, any_needs_a_forced_user);
	tcase_add_test(tests,
	    a_database_without_a_name_has_the_name_of_the_user);
	tcase_add_test(tests, a_star_takes_any_database);
	tcase_add_test(tests, a_forced_user_is_what_postgres_sees);

	tests = world_case(suite, "servers", 10);
	tcase_add_loop_test(tests,
	    the_pooler_logs_in_by_each_method_of_postgres, 0,
	    (int)ARRAY_LENGTH(inner_doors));
	tcase_add_test(tests, an_md5_secret_is_enough_for_md5);
	tcase_add_test(tests, a_scram_secret_passes_through);
	tcase_add_test(tests,
	    a_scram_secret_without_a_scram_login_opens_nothing);
	tcase_add_loop_test(tests,
	    what_postgres_says_to_a_wrong_password_reaches_the_client, 0,
	    (int)ARRAY_LENGTH(refusals));
	tcase_add_test(tests,
	    a_database_that_postgres_does_not_have_is_its_word);
	tcase_add_test(tests,
	    the_password_of_a_forced_user_is_in_the_connect_string);
	tcase_add_test(tests,
	    the_password_of_a_forced_user_may_be_in_the_auth_file);

	tests = world_case(suite, "startup", 10);
	tcase_add_test(tests, unknown_startup_parameters_are_refused_by_name);
	tcase_add_test(tests, startup_parameters_can_be_ignored);
	tcase_add_test(tests, tls_is_declined_and_the_login_goes_on);
	tcase_add_test(tests, bytes_behind_a_request_for_tls_are_refused);
	tcase_add_test(tests, the_unix_socket_serves_as_well);
	if (pooler_is_pgusher()) {
		tcase_add_test(tests, a_notice_may_come_with_the_login);
		tcase_add_test(tests, a_newer_protocol_is_negotiated_down);
		tcase_add_test(tests,
		    a_second_startup_packet_during_sasl_is_refused);
	}
	tcase_add_test(tests, each_login_is_logged);
	tcase_add_test(tests, a_password_before_a_startup_packet_is_refused);
	return world_run(suite);
}
