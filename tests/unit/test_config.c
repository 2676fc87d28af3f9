#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"

static struct files *files;
static struct config *config;
static struct error error;

static void
setup(void)
{
	files = files_memory();
	files_put(files, "users", "\"u\" \"secret\"\n\"v\" \"\"\n", 19);
}

static void
teardown(void)
{
	config_free(config);
	files_free(files);
}

static void
load(const char *text)
{
	files_put(files, "x.ini", text, strlen(text));
	config = config_load(files, "x.ini", &error);
}

static void
load_good(const char *text)
{
	load(text);
	ck_assert_msg(config != NULL, "%s", error.text);
}

START_TEST(an_empty_main_section_gives_the_defaults)
{
	load_good("[pgbouncer]\n");
	ck_assert_int_eq(config->listen_port, 6432);
	ck_assert_str_eq(config->listen_addr, "");
	ck_assert_str_eq(config->unix_socket_dir, "/tmp");
	ck_assert_int_eq(config->unix_socket_mode, 0777);
	ck_assert_int_eq(config->auth_type, AUTH_TYPE_MD5);
	ck_assert_ptr_null(config->auth_file);
	ck_assert_int_eq(config->pool_mode, POOL_MODE_SESSION);
	ck_assert_int_eq(config->default_pool_size, 20);
	ck_assert_int_eq(config->max_client_conn, 100);
	ck_assert_int_eq(config->server_lifetime, 3600 * USEC_PER_SEC);
	ck_assert_str_eq(config->server_reset_query, "DISCARD ALL");
	ck_assert_str_eq(config->server_check_query, "<empty>");
	ck_assert_int_eq(config->workers, 0);
	ck_assert_int_eq(config->verbose, 0);
	ck_assert_ptr_null(config->user);
	ck_assert_str_eq(config->conffile, "x.ini");
	ck_assert_str_eq(config->path, "x.ini");
	ck_assert_uint_eq(config->database_count, 0);
	ck_assert_ptr_null(config->autodb);
}
END_TEST

/* The operations guide's file, comments behind values and all. */
START_TEST(a_file_from_production)
{
	const struct config_database *database;

	load_good("[databases]\n"
	    "perseus_dev = host=postgres port=5432 pool_size=10\n"
	    "* = host=other\n"
	    "[pgbouncer]\n"
	    "listen_addr = 0.0.0.0\n"
	    "auth_type = scram-sha-256\n"
	    "auth_file = users\n"
	    "pool_mode = transaction\n"
	    "default_pool_size = 25\n"
	    "server_lifetime = 1800       # 30 minutes (CN-073)\n"
	    "verbose = 1  # 0=quiet, 1=normal, 2=verbose\n"
	    "[users]\n"
	    "u = pool_mode=session\n");
	database = config_find_database(config, "perseus_dev");
	ck_assert_ptr_nonnull(database);
	ck_assert_str_eq(database->host, "postgres");
	ck_assert_ptr_null(config_find_database(config, "*"));
	ck_assert_ptr_null(config_find_database(config, "none"));
	ck_assert_str_eq(config->autodb->host, "other");
	ck_assert_int_eq(config->server_lifetime, 1800 * USEC_PER_SEC);
	ck_assert_int_eq(config->verbose, 1);
	ck_assert_int_eq(config->auth_type, AUTH_TYPE_SCRAM_SHA_256);
	ck_assert_ptr_nonnull(config_find_user(config, "u"));
	ck_assert_ptr_null(config_find_user(config, "v"));
	ck_assert_str_eq(config_find_secret(config, "u"), "secret");
	ck_assert_str_eq(config_find_secret(config, "v"), "");
	ck_assert_ptr_null(config_find_secret(config, "w"));
	ck_assert_uint_eq(config->secret_count, 2);
}
END_TEST

static const struct {
	const char	*story;
	const char	*text;
	const char	*error;
	const char	*hint;
} mistakes[] = {
	{ "no main section", "[databases]\na =\n",
	    "main section missing from config file x.ini", "" },
	{ "a value that is none", "[pgbouncer]\nlisten_port = http\n",
	    "invalid value \"http\" for parameter listen_port in "
	    "configuration (x.ini:2)",
	    "a whole number from 0 to 65535 is expected" },
	{ "a value out of bounds", "[pgbouncer]\n\nworkers = 65\n",
	    "invalid value \"65\" for parameter workers in configuration "
	    "(x.ini:3)",
	    "auto or a whole number from 1 to 64 is expected" },
	{ "a word that is none", "[pgbouncer]\npool_mode = query\n",
	    "invalid value \"query\" for parameter pool_mode in "
	    "configuration (x.ini:2)",
	    "one of session, transaction, statement is expected" },
	{ "a typing error", "[pgbouncer]\ndefault_poolsize = 20\n",
	    "unknown parameter: pgbouncer/default_poolsize (x.ini:2)",
	    "did you mean default_pool_size?" },
	{ "in capitals", "[pgbouncer]\nListen_Port = 20\n",
	    "unknown parameter: pgbouncer/Listen_Port (x.ini:2)",
	    "did you mean listen_port?" },
	{ "something quite unknown", "[pgbouncer]\nfoo = 20\n",
	    "unknown parameter: pgbouncer/foo (x.ini:2)", "" },
	{ "a value forgotten by a new beginning is checked",
	    "[pgbouncer]\nlisten_port = x\n[pgbouncer]\n",
	    "invalid value \"x\" for parameter listen_port in configuration "
	    "(x.ini:2)", "a whole number from 0 to 65535 is expected" },
	{ "the reserved database", "[pgbouncer]\nauth_dbname = pgbouncer\n",
	    "invalid value \"pgbouncer\" for parameter auth_dbname in "
	    "configuration (x.ini:2)",
	    "cannot use the reserved \"pgbouncer\" database as an "
	    "auth_dbname" },
	{ "a bad database", "[pgbouncer]\n[databases]\nd = port=0\n",
	    "database \"d\" (x.ini:3): invalid port: 0",
	    "a whole number from 1 to 65535 is expected" },
	{ "no auth file", "[pgbouncer]\nauth_file = none\n",
	    "x.ini:2: could not open auth_file none: No such file or "
	    "directory", "" },
	{ "a broken auth file", "[pgbouncer]\nauth_file = broken\n",
	    "broken:2: broken auth file",
	    "\"user\" \"secret\" is expected, on one line" },
	{ "no file", "%include none\n",
	    "error processing include file in configuration (x.ini:1): could "
	    "not load file \"none\": No such file or directory", "" },
};

START_TEST(refusing)
{
	files_put(files, "broken", "\"a\" \"b\"\n\"c\"\n", 12);
	load(mistakes[_i].text);
	ck_assert_msg(config == NULL, "%s", mistakes[_i].story);
	ck_assert_msg(strcmp(error.text, mistakes[_i].error) == 0, "%s: %s",
	    mistakes[_i].story, error.text);
	ck_assert_msg(strcmp(error.hint, mistakes[_i].hint) == 0, "%s: %s",
	    mistakes[_i].story, error.hint);
}
END_TEST

START_TEST(the_main_section_begun_again_begins_afresh)
{
	load_good("[pgbouncer]\nlisten_port = 1\npool_mode = statement\n"
	    "[databases]\na =\n[pgbouncer]\nlisten_port = 2\n"
	    "[databases]\nb =\n");
	ck_assert_int_eq(config->listen_port, 2);
	ck_assert_int_eq(config->pool_mode, POOL_MODE_SESSION);
	ck_assert_uint_eq(config->database_count, 2);
}
END_TEST

START_TEST(no_auth_file_is_read_for_auth_type_any)
{
	load_good("[pgbouncer]\nauth_type = any\nauth_file = none\n");
	ck_assert_uint_eq(config->secret_count, 0);
}
END_TEST

START_TEST(an_empty_value_leaves_unset_what_is_unset)
{
	load_good("[pgbouncer]\nuser =\nauth_file =\nlisten_addr =\n");
	ck_assert_ptr_null(config->user);
	ck_assert_ptr_null(config->auth_file);
	ck_assert_str_eq(config->listen_addr, "");
}
END_TEST

START_TEST(everything_is_sorted)
{
	load_good("[pgbouncer]\n[databases]\nb =\nc =\na =\nB =\n"
	    "[users]\ny =\nx =\n[peers]\n10 = host=a\n9 = host=b\n");
	ck_assert_uint_eq(config->database_count, 4);
	ck_assert_str_eq(config->databases[0].name, "B");
	ck_assert_str_eq(config->databases[3].name, "c");
	ck_assert_str_eq(config->users[0].name, "x");
	ck_assert_int_eq(config->peers[0].id, 9);
	ck_assert_str_eq(config_find_peer(config, 10)->host, "a");
	ck_assert_ptr_null(config_find_peer(config, 11));
}
END_TEST

/* Section 4.2 of what PgBouncer does: user, then database, then global. */
static const struct {
	const char	*story;
	const char	*database, *user;	/* their settings */
	int		 pool_size;
	enum pool_mode	 pool_mode;
	usec_t		 query_wait_timeout;	/* seconds */
} effective[] = {
	{ "nothing but the global values", "", "", 7, POOL_MODE_TRANSACTION,
	    50 },
	{ "the database's", "pool_size=3 pool_mode=session "
	    "query_wait_timeout=5", "", 3, POOL_MODE_SESSION, 5 },
	{ "the user's", "", "pool_size=2 pool_mode=statement "
	    "query_wait_timeout=4", 2, POOL_MODE_STATEMENT, 4 },
	{ "the user's before the database's", "pool_size=3 pool_mode=session "
	    "query_wait_timeout=5", "pool_size=2 pool_mode=statement "
	    "query_wait_timeout=4", 2, POOL_MODE_STATEMENT, 4 },
	{ "no limit for this user", "pool_size=3", "pool_size=0", 0,
	    POOL_MODE_TRANSACTION, 50 },
	{ "inherited in so many words", "pool_size=3", "pool_size=-1", 3,
	    POOL_MODE_TRANSACTION, 50 },
};

START_TEST(what_counts_for_a_pool)
{
	const struct config_database *database;
	const struct config_user *user;
	char text[512];

	snprintf(text, sizeof(text), "[pgbouncer]\ndefault_pool_size = 7\n"
	    "pool_mode = transaction\nquery_wait_timeout = 50\n"
	    "[databases]\nd = %s\n[users]\nu = %s\n", effective[_i].database,
	    effective[_i].user);
	load_good(text);
	database = config_find_database(config, "d");
	user = config_find_user(config, "u");
	ck_assert_int_eq(config_pool_size(config, database, user),
	    effective[_i].pool_size);
	ck_assert_int_eq(config_pool_mode(config, database, user),
	    effective[_i].pool_mode);
	ck_assert_int_eq(config_query_wait_timeout(config, database, user),
	    effective[_i].query_wait_timeout * USEC_PER_SEC);
}
END_TEST

START_TEST(what_counts_without_entries)
{
	load_good("[pgbouncer]\nquery_timeout = 1\ntransaction_timeout = 2\n"
	    "idle_transaction_timeout = 3\nclient_idle_timeout = 4\n"
	    "max_user_connections = 5\nmax_user_client_connections = 6\n"
	    "max_db_connections = 7\nmax_db_client_connections = 8\n"
	    "min_pool_size = 9\nreserve_pool_size = 10\n"
	    "server_lifetime = 11\n");
	ck_assert_int_eq(config_query_timeout(config, NULL), 1000000);
	ck_assert_int_eq(config_transaction_timeout(config, NULL), 2000000);
	ck_assert_int_eq(config_idle_transaction_timeout(config, NULL),
	    3000000);
	ck_assert_int_eq(config_client_idle_timeout(config, NULL), 4000000);
	ck_assert_int_eq(config_max_user_connections(config, NULL), 5);
	ck_assert_int_eq(config_max_user_client_connections(config, NULL), 6);
	ck_assert_int_eq(config_max_db_connections(config, NULL), 7);
	ck_assert_int_eq(config_max_db_client_connections(config, NULL), 8);
	ck_assert_int_eq(config_min_pool_size(config, NULL), 9);
	ck_assert_int_eq(config_reserve_pool_size(config, NULL, NULL), 10);
	ck_assert_int_eq(config_server_lifetime(config, NULL), 11000000);
	ck_assert_int_eq(config_pool_size(config, NULL, NULL), 20);
}
END_TEST

START_TEST(what_counts_with_entries)
{
	const struct config_database *database;
	const struct config_user *user;

	load_good("[pgbouncer]\nmax_db_connections = 7\n[databases]\n"
	    "d = server_lifetime=1 min_pool_size=2 max_db_connections=3 "
	    "max_db_client_connections=4 reserve_pool_size=5\n"
	    "e = max_db_connections=0\n"
	    "[users]\nu = query_timeout=1 transaction_timeout=2 "
	    "idle_transaction_timeout=3 client_idle_timeout=4 "
	    "max_user_connections=5 max_user_client_connections=6\n");
	database = config_find_database(config, "d");
	user = config_find_user(config, "u");
	ck_assert_int_eq(config_server_lifetime(config, database), 1000000);
	ck_assert_int_eq(config_min_pool_size(config, database), 2);
	ck_assert_int_eq(config_max_db_connections(config, database), 3);
	ck_assert_int_eq(config_max_db_client_connections(config, database),
	    4);
	ck_assert_int_eq(config_reserve_pool_size(config, database, user), 5);
	ck_assert_int_eq(config_query_timeout(config, user), 1000000);
	ck_assert_int_eq(config_transaction_timeout(config, user), 2000000);
	ck_assert_int_eq(config_idle_transaction_timeout(config, user),
	    3000000);
	ck_assert_int_eq(config_client_idle_timeout(config, user), 4000000);
	ck_assert_int_eq(config_max_user_connections(config, user), 5);
	ck_assert_int_eq(config_max_user_client_connections(config, user), 6);
	/* As in PgBouncer: 0 inherits. */
	ck_assert_int_eq(config_max_db_connections(config,
	    config_find_database(config, "e")), 7);
}
END_TEST

static const struct {
	const char	*list, *word;
	bool		 has;
} lists[] = {
	{ "", "a", false },
	{ "", "", false },
	{ "a", "a", true },
	{ "a", "A", false },
	{ "ab", "a", false },
	{ "a", "ab", false },
	{ "a,b", "b", true },
	{ " a , b ", "a", true },
	{ " a , b ", "b", true },
	{ "a,,b,", "b", true },
	{ "a,,b,", "", false },
	{ " , ", "", false },
	{ "a b, c", "a b", true },
	{ "a b, c", "a", false },
};

START_TEST(words_of_a_list)
{
	ck_assert_msg(config_list_has(lists[_i].list, lists[_i].word) ==
	    lists[_i].has, "\"%s\" in \"%s\"", lists[_i].word,
	    lists[_i].list);
}
END_TEST

START_TEST(who_is_admin)
{
	load_good("[pgbouncer]\nadmin_users = a, b\nstats_users = c\n");
	ck_assert(config_is_admin(config, "b"));
	ck_assert(!config_is_admin(config, "c"));
	ck_assert(config_is_stats(config, "c"));
	ck_assert(!config_is_stats(config, "a"));
}
END_TEST

struct sought {
	const char	*name;
	bool		 found;
	char		 row[128];
	unsigned	 rows;
};

static bool
seek_row(const struct config_row *row, void *context)
{
	struct sought *sought = context;

	sought->rows++;
	if (strcmp(row->name, sought->name) != 0)
		return true;
	sought->found = true;
	snprintf(sought->row, sizeof(sought->row), "%s|%s|%s",
	    row->value == NULL ? "NULL" : row->value,
	    row->default_value == NULL ? "NULL" : row->default_value,
	    row->changeable ? "yes" : "no");
	return false;
}

static const struct {
	const char	*name;
	const char	*row;
} rows[] = {
	{ "default_pool_size", "7|20|yes" },
	{ "listen_port", "6432|6432|no" },
	{ "server_idle_timeout", "0.5|600|yes" },
	{ "unix_socket_mode", "511|0777|no" },
	{ "auth_user", "NULL|NULL|yes" },
	{ "verbose", "0|NULL|yes" },
	{ "conffile", "x.ini|NULL|yes" },
	{ "workers", "auto|auto|yes" },
	{ "auth_type", "plain|md5|yes" },
	{ "admin_users", "||yes" },
};

START_TEST(rows_of_show_config)
{
	struct sought sought = { .name = rows[_i].name };

	load_good("[pgbouncer]\ndefault_pool_size = 7\nauth_type = PLAIN\n"
	    "server_idle_timeout = .5\n");
	ck_assert(!config_each_param(config, seek_row, &sought));
	ck_assert(sought.found);
	ck_assert_str_eq(sought.row, rows[_i].row);
}
END_TEST

START_TEST(what_linux_has_no_use_for_has_no_row)
{
	struct sought sought = { .name = "service_name" };

	load_good("[pgbouncer]\nservice_name = x\n");
	ck_assert(config_each_param(config, seek_row, &sought));
	ck_assert(!sought.found);
	ck_assert_uint_gt(sought.rows, 90);
}
END_TEST

/* Runs config_warn_of_no_effect() and returns what it logs. */
static const char *
warnings(void)
{
	static char text[1024];
	struct log_settings settings = { .file_fd = -1 };
	int ends[2];
	ssize_t length;

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	settings.file_fd = ends[1];
	log_configure(&settings);
	config_warn_of_no_effect(config);
	length = read(ends[0], text, sizeof(text) - 1);
	text[length < 0 ? 0 : length] = '\0';
	close(ends[0]);
	return text;
}

START_TEST(nothing_to_warn_of)
{
	load_good("[pgbouncer]\npool_mode = transaction\n"
	    "reserve_pool_size = 0\nclient_tls_sslmode = disable\n"
	    "auth_hba_file =\nauth_user =\n");
	ck_assert_str_eq(warnings(), "");
}
END_TEST

START_TEST(warning_once_of_what_has_no_effect_yet)
{
	const char *log;

	load_good("[pgbouncer]\nservice_name = pooler\n"
	    "[databases]\na = auth_query=x\nb = auth_query=x\n"
	    "[peers]\n1 = host=a\n2 = host=b\n");
	log = warnings();
	ck_assert_ptr_nonnull(strstr(log,
	    "WARNING service_name has no effect yet\n"));
	ck_assert_uint_eq(config->without_effect_count, 1);
}
END_TEST

static void
put(const char *path, const char *text)
{
	files_put(files, path, text, strlen(text));
}

START_TEST(rules_are_read_with_auth_type_hba_only)
{
	put("hba", "local all all peer map=m\n");
	put("maps", "m a b\n");
	load_good("[pgbouncer]\nauth_hba_file = hba\n"
	    "auth_ident_file = none\n");
	ck_assert_uint_eq(config->hba.count, 0);
	config_free(config);
	load_good("[pgbouncer]\nauth_type = hba\nauth_hba_file = hba\n"
	    "auth_ident_file = maps\n");
	ck_assert_uint_eq(config->hba.count, 1);
	ck_assert_uint_eq(config->ident.count, 1);
}
END_TEST

static const struct {
	const char	*settings, *reason;
} no_rules[] = {
	{ "", "x.ini:2: auth_type = hba needs auth_hba_file" },
	{ "auth_hba_file = none\n", "x.ini:3: could not open hba config file "
	    "none: No such file or directory" },
	{ "auth_hba_file = good\nauth_hba_file = none\n", "x.ini:4: could not "
	    "open hba config file none: No such file or directory" },
	{ "auth_hba_file = hba\n", "hba:2: unknown type: hosts" },
	{ "auth_hba_file = good\nauth_ident_file = none\n",
	    "x.ini:4: could not open auth_ident_file none: No such file or "
	    "directory" },
	{ "auth_hba_file = good\nauth_ident_file = hba\n",
	    "hba:1: broken ident map" },
	{ "auth_hba_file = certs\n", "certs:1: cert needs "
	    "client_tls_sslmode and client_tls_ca_file" },
};

START_TEST(broken_rules_refuse_the_configuration)
{
	char text[200];

	put("hba", "local all all trust\nhosts all all all trust\n");
	put("good", "local all all trust\n");
	put("certs", "hostssl all all all cert\n");
	snprintf(text, sizeof(text), "[pgbouncer]\nauth_type = hba\n%s",
	    no_rules[_i].settings);
	load(text);
	ck_assert_ptr_null(config);
	ck_assert_str_eq(error.text, no_rules[_i].reason);
}
END_TEST

START_TEST(a_packed_load_gives_the_same)
{
	struct files *unpacked;
	struct config *same;
	int fd;

	files_put(files, "inc", "[databases]\nd = host=h\n", 23);
	load_good("[pgbouncer]\nauth_file = users\n%include inc\n");
	ck_assert(files_pack(files, &fd, &error));
	unpacked = files_unpack(fd, &error);
	close(fd);
	same = config_load(unpacked, "x.ini", &error);
	files_free(unpacked);		/* a configuration keeps its own */
	ck_assert_msg(same != NULL, "%s", error.text);
	ck_assert_str_eq(config_find_database(same, "d")->host, "h");
	ck_assert_str_eq(config_find_secret(same, "u"), "secret");
	config_free(same);
}
END_TEST

START_TEST(a_large_auth_file)
{
	char *text = malloc(20000 * 40), *at = text, user[16];

	for (int i = 0; i < 20000; i++)
		at += sprintf(at, "\"user%d\" \"secret%d\"\n", i, i);
	files_put(files, "many", text, (size_t)(at - text));
	free(text);
	load_good("[pgbouncer]\nauth_file = many\n");
	ck_assert_uint_eq(config->secret_count, 20000);
	for (int i = 0; i < 20000; i += 777) {
		snprintf(user, sizeof(user), "user%d", i);
		ck_assert_int_eq(atoi(config_find_secret(config, user) + 6),
		    i);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("config");
	TCase *tcase = tcase_create("config");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, an_empty_main_section_gives_the_defaults);
	tcase_add_test(tcase, a_file_from_production);
	tcase_add_loop_test(tcase, refusing, 0, (int)ARRAY_LENGTH(mistakes));
	tcase_add_test(tcase, the_main_section_begun_again_begins_afresh);
	tcase_add_test(tcase, no_auth_file_is_read_for_auth_type_any);
	tcase_add_test(tcase, an_empty_value_leaves_unset_what_is_unset);
	tcase_add_test(tcase, everything_is_sorted);
	tcase_add_loop_test(tcase, what_counts_for_a_pool, 0,
	    (int)ARRAY_LENGTH(effective));
	tcase_add_test(tcase, what_counts_without_entries);
	tcase_add_test(tcase, what_counts_with_entries);
	tcase_add_loop_test(tcase, words_of_a_list, 0,
	    (int)ARRAY_LENGTH(lists));
	tcase_add_test(tcase, who_is_admin);
	tcase_add_loop_test(tcase, rows_of_show_config, 0,
	    (int)ARRAY_LENGTH(rows));
	tcase_add_test(tcase, what_linux_has_no_use_for_has_no_row);
	tcase_add_test(tcase, nothing_to_warn_of);
	tcase_add_test(tcase, warning_once_of_what_has_no_effect_yet);
	tcase_add_test(tcase, rules_are_read_with_auth_type_hba_only);
	tcase_add_loop_test(tcase, broken_rules_refuse_the_configuration, 0,
	    ARRAY_LENGTH(no_rules));
	tcase_add_test(tcase, a_packed_load_gives_the_same);
	tcase_add_test(tcase, a_large_auth_file);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
