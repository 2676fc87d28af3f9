/*
 * Logins that PAM decides: a real libpam with a service file of our own and
 * pam_exec, whose program knows what is right.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake/fake_client.h"
#include "fake/packet.h"
#include "live/ask.h"
#include "live/world.h"

#define NO_PAM "PAM authentication failed"
#define CONSOLE "user=admin password=right dbname=pgbouncer"

/*
 * The password says what happens: right, wrong, hang, or a crash of the
 * program. It is read from standard input.
 */
static const char program[] =
	"#!/bin/sh\n"
	"read -r password || :\n"
	"case $password in\n"
	"right) [ \"$PAM_USER\" != stranger ] ;;\n"
	"scram_user_secret) ;;\n"
	"from) [ \"$PAM_RHOST\" = 127.0.0.1 ] ;;\n"
	"hang) exec sleep 20 ;;\n"
	"*) exit 1 ;;\n"
	"esac\n";

static const char *
write_file(const char *name, const char *content)
{
	const char *path = text("%s/%s", world.directory, name);

	ck_assert(file_write(path, content));
	return path;
}

/* Services `pgbouncer`, `other` and `nobody` in a directory of ours. */
static void
provide_services(void)
{
	const char *path = write_file("pam-program", program);
	const char *service = text("auth required pam_exec.so quiet "
	    "expose_authtok %s\naccount required pam_permit.so\n", path);

	ck_assert_int_eq(chmod(path, 0755), 0);
	(void)mkdir(text("%s/pam.d", world.directory), 0755);
	write_file("pam.d/pgbouncer", service);
	write_file("pam.d/other", "auth required pam_deny.so\n"
	    "account required pam_deny.so\n");
	write_file("pam.d/lazy", "auth required pam_permit.so\n"
	    "account required pam_deny.so\n");
	setenv("PGUSHER_PAM_DIRECTORY", text("%s/pam.d", world.directory), 1);
}

static struct pooler *
start(const char *settings, unsigned workers)
{
	struct pooler *pooler;

	provide_services();
	pooler = pooler_start(.workers = workers, .settings = settings,
	    .databases = text("shop = %s user=app", world_place()));
	return pooler;
}

static const char *
with_rules(const char *rules)
{
	return text("auth_type = hba\nauth_hba_file = %s\n",
	    write_file(text("hba-%d", (int)getpid()), rules));
}

START_TEST(whom_pam_knows_comes_in)
{
	struct pooler *pooler = start("auth_type = pam\n", 4);

	for (unsigned i = 0; i < 8; i++) {
		ck_login_ok(pooler, "user=anna password=right dbname=shop");
		ck_login_fails(pooler, "user=anna password=no dbname=shop",
		    "08P01", NO_PAM);
	}
	ck_login_fails(pooler, "user=stranger password=right dbname=shop",
	    "08P01", NO_PAM);
	pooler_await_log(pooler, "PAM service pgbouncer: ");
	ck_assert(!pooler_logged(pooler, "password=right"));
}
END_TEST

/* The password of scram_user at PostgreSQL is the right one here as well. */
START_TEST(the_password_opens_postgres_too)
{
	struct pooler *pooler;
	PGconn *clients[6];

	provide_services();
	pooler = pooler_start(.workers = 4, .userlist = "",
	    .settings = "auth_type = pam\n");
	for (unsigned i = 0; i < 6; i++) {
		clients[i] = connect_as(pooler, "user=scram_user "
		    "password=scram_user_secret dbname=shop");
		ck_query_ok(clients[i], "begin");
		ck_query_value(clients[i], "select current_user",
		    "scram_user");
	}
}
END_TEST

START_TEST(pam_hears_where_the_client_is)
{
	struct pooler *pooler = start("auth_type = pam\n", 2);

	ck_login_ok(pooler, "user=anna password=from dbname=shop");
}
END_TEST

START_TEST(a_rule_names_the_service)
{
	struct pooler *pooler = start(with_rules(
	    "host all anna all pam\n"
	    "host all bert all pam pamservice=other\n"
	    "host all carl all pam pamservice=lazy\n"), 2);

	ck_login_ok(pooler, "user=anna password=right dbname=shop");
	ck_login_fails(pooler, "user=bert password=right dbname=shop",
	    "08P01", NO_PAM);
	/* Known, but not allowed in. */
	ck_login_fails(pooler, "user=carl password=right dbname=shop",
	    "08P01", NO_PAM);
}
END_TEST

START_TEST(an_empty_password_is_refused_as_such)
{
	struct pooler *pooler = start("auth_type = pam\n", 2);
	int client = fake_client_begin(pooler->port, "anna", "shop");
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

/* A client whose password makes the program hang. */
static int
hang(struct pooler *pooler)
{
	int client = fake_client_begin(pooler->port, "anna", "shop");
	struct buffer bytes = { 0 };
	struct message message;

	fake_client_expect(client, 'R', &message);
	put_message(&bytes, 'p', "s", "hang");
	ck_assert(fake_client_send(client, &bytes));
	return client;
}

START_TEST(one_that_hangs_holds_up_no_other)
{
	struct pooler *pooler = start("auth_type = pam\n", 2);
	PGconn *console;
	int hanging[6];

	for (unsigned i = 0; i < 6; i++)
		hanging[i] = hang(pooler);
	for (unsigned i = 0; i < 6; i++)
		ck_login_ok(pooler, "user=anna password=right dbname=shop");
	for (unsigned i = 0; i < 6; i++)
		close(hanging[i]);
	/* Nobody waits for those who have left. */
	console = connect_as(pooler, CONSOLE);
	wait_until(show_number(console, "LISTS", "list", "login_clients",
	    "items") == 0);
}
END_TEST

START_TEST(a_login_may_not_take_longer_than_any_other)
{
	struct pooler *pooler = start("auth_type = pam\n", 2);
	PGconn *console = connect_as(pooler, CONSOLE);
	int client = hang(pooler);

	ck_query_ok(console, "SET client_login_timeout = 1");
	fake_client_expect_error(client, "FATAL", "08P01",
	    "client_login_timeout");
	fake_client_expect_close(client);
	close(client);
}
END_TEST

START_TEST(a_helper_that_dies_is_asked_again)
{
	struct pooler *pooler = start("auth_type = pam\n", 2);
	pid_t helper = pooler_helper(pooler);
	int client = hang(pooler);
	unsigned count = 0;
	pid_t errands[8];

	wait_until((count = process_children(helper, errands, 8)) > 0);
	ck_assert_int_eq(kill(helper, SIGKILL), 0);
	wait_until(pooler_helper(pooler) != 0 &&
	    pooler_helper(pooler) != helper);
	helper = pooler_helper(pooler);
	/* The same question, to the new one. */
	wait_until((count = process_children(helper, errands, 8)) > 0);
	ck_login_ok(pooler, "user=anna password=right dbname=shop");
	close(client);
}
END_TEST

START_TEST(an_errand_that_dies_is_no_answer)
{
	struct pooler *pooler = start("auth_type = pam\n", 2);
	int client = hang(pooler);
	pid_t errands[8];

	wait_until(process_children(pooler_helper(pooler), errands, 8) > 0);
	ck_assert_int_eq(kill(errands[0], SIGKILL), 0);
	fake_client_expect_error(client, "FATAL", "08P01",
	    "PAM authentication failed: no answer");
	close(client);
	ck_login_ok(pooler, "user=anna password=right dbname=shop");
}
END_TEST

START_TEST(a_worker_that_dies_takes_its_question_along)
{
	struct pooler *pooler = start("auth_type = pam\n", 1);
	int client = hang(pooler);
	pid_t errands[8], workers[4], worker;

	wait_until(process_children(pooler_helper(pooler), errands, 8) > 0);
	ck_assert_uint_eq(pooler_children(pooler, workers, 4), 1);
	worker = workers[0];
	ck_assert_int_eq(kill(worker, SIGKILL), 0);
	fake_client_expect_close(client);
	close(client);
	wait_until(pooler_children(pooler, workers, 4) == 1 &&
	    workers[0] != worker);
	/* Its answer, a failure, comes to whoever has its row now. */
	client = hang(pooler);
	ck_assert_int_eq(kill(errands[0], SIGKILL), 0);
	ck_login_ok(pooler, "user=anna password=right dbname=shop");
	wait_until(process_children(pooler_helper(pooler), errands, 8) == 1);
	close(client);
}
END_TEST

START_TEST(what_a_client_says_meanwhile_is_for_later)
{
	struct pooler *pooler = start("auth_type = pam\n", 2);
	int client = fake_client_begin(pooler->port, "anna", "shop");
	struct buffer bytes = { 0 };
	struct message message;

	fake_client_expect(client, 'R', &message);
	put_message(&bytes, 'p', "s", "right");
	put_message(&bytes, 'Q', "s", "select 'early'");
	ck_assert(fake_client_send(client, &bytes));
	fake_client_expect(client, 'Z', NULL);
	fake_client_expect(client, 'D', &message);
	fake_client_expect(client, 'Z', NULL);
	close(client);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pam");
	TCase *tests = world_case(suite, "pam", 30);

	tcase_add_test(tests, whom_pam_knows_comes_in);
	tcase_add_test(tests, the_password_opens_postgres_too);
	tcase_add_test(tests, pam_hears_where_the_client_is);
	tcase_add_test(tests, a_rule_names_the_service);
	tcase_add_test(tests, an_empty_password_is_refused_as_such);
	tcase_add_test(tests, one_that_hangs_holds_up_no_other);
	tcase_add_test(tests, a_login_may_not_take_longer_than_any_other);
	tcase_add_test(tests, a_helper_that_dies_is_asked_again);
	tcase_add_test(tests, an_errand_that_dies_is_no_answer);
	tcase_add_test(tests, a_worker_that_dies_takes_its_question_along);
	tcase_add_test(tests, what_a_client_says_meanwhile_is_for_later);
	return world_run(suite);
}
