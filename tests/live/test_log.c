/*
 * The log as records: what a program that reads it finds, whatever clients
 * send, and how the form changes without a restart.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live/ask.h"
#include "live/world.h"

/*
 * Reads each line from the offset on, in JSON or logfmt, and complains about
 * the first one that is no record of this kind.
 */
static const char reader[] =
"import json, re, sys\n"
"form, path, start = sys.argv[1], sys.argv[2], int(sys.argv[3])\n"
"def no_twins(pairs):\n"
"    assert len(dict(pairs)) == len(pairs), pairs\n"
"    return dict(pairs)\n"
"def logfmt(line):\n"
"    word = r'([a-z]+)=(\"(?:[^\"\\\\\\x00-\\x1f]|\\\\.)*\"|[^\\s\"=\\\\]+)'\n"
"    assert re.fullmatch('%s( %s)*' % (word, word), line), line\n"
"    pairs = re.findall(word, line)\n"
"    return no_twins([(k, json.loads(v) if v[0] == '\"' else\n"
"        int(v) if k in ('pid', 'worker') else v) for k, v in pairs])\n"
"content = open(path, 'rb').read()[start:].decode('utf-8')\n"
"assert content.endswith('\\n')\n"
"about = plain = 0\n"
"for line in content[:-1].split('\\n'):\n"
"    record = json.loads(line, object_pairs_hook=no_twins) \\\n"
"        if form == 'json' else logfmt(line)\n"
"    keys = list(record)\n"
"    assert keys[:3] == ['time', 'level', 'pid'], line\n"
"    assert keys[-1] == 'message', line\n"
"    assert re.fullmatch(r'\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z',\n"
"        record['time']), line\n"
"    assert isinstance(record['pid'], int), line\n"
"    if 'side' not in record:\n"
"        plain += 1\n"
"        continue\n"
"    about += 1\n"
"    assert record['side'] in ('client', 'server'), line\n"
"    assert int(record['pointer'], 16) > 0, line\n"
"    assert 0 <= record['worker'] < 2, line\n"
"    assert record['database'] and record['user'], line\n"
"    assert ':' in record['address'], line\n"
"assert about > 0 and plain > 0, (about, plain)\n"
"print('records of both kinds')\n";

static size_t
length_of_log(struct pooler *pooler)
{
	char *content = file_read(pooler->log);
	size_t length = strlen(content);

	free(content);
	return length;
}

static bool
has_behind(struct pooler *pooler, size_t offset, const char *words)
{
	char *content = file_read(pooler->log);
	bool has = strstr(content + offset, words) != NULL;

	free(content);
	return has;
}

static bool
has_python(void)
{
	return system("command -v python3 >/dev/null 2>&1") == 0;
}

/* All that came behind the offset are records. */
static void
ck_records(struct pooler *pooler, const char *form, size_t offset)
{
	const char *output = text("%s/read-%d-%u", world.directory,
	    (int)getpid(), ++world.logs);
	const char *const argv[] = { "python3", "-c", reader, form,
	    pooler->log, text("%zu", offset), NULL };
	pid_t pid = process_start(&(struct spawn){ .argv = argv,
	    .output = output, .death_signal = SIGKILL });
	int status;
	char *said;

	ck_assert(process_wait(pid, &status));
	said = file_read(output);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s",
	    said);
	free(said);
}

/* Each name ends a record, begins one, or is no text at all. */
static const char *const names[] = {
	"\"}\n{\"level\":\"FATAL\"", "x\" level=FATAL y=\"", "\x01\x1b[31m",
	"caf\xe9 \xed\xa0\x80 \xff", "back\\slash\\", "\t", "a=b",
	"caf\xc3\xa9", "\\u0000",
};

static void
knock(struct pooler *pooler, const char *database, const char *user)
{
	const char *keys[] = { "host", "port", "dbname", "user",
	    "sslmode", NULL };
	const char *values[] = { "127.0.0.1", text("%d", pooler->port),
	    database, user, "disable", NULL };
	PGconn *conn = PQconnectdbParams(keys, values, 0);

	ck_assert_int_eq(PQstatus(conn), CONNECTION_BAD);
	PQfinish(conn);
}

static void
live_through_something(struct pooler *pooler)
{
	PGconn *client = connect_client(pooler);

	ck_query_value(client, "select 1", "1");
	disconnect(client);
	for (unsigned i = 0; i < ARRAY_LENGTH(names); i++) {
		knock(pooler, names[i], "app");
		knock(pooler, "shop", names[i]);
	}
}

START_TEST(whatever_comes_the_log_is_json)
{
	struct pooler *pooler = pooler_start(.settings = "log_format = json\n"
	    "verbose = 2\n", .workers = 2);

	if (!has_python())
		return;
	live_through_something(pooler);
	pooler_stop(pooler);
	ck_records(pooler, "json", 0);
	pooler_await_log(pooler, "\"database\":\"shop\",\"user\":"
	    "\"app\",\"address\":\"127.0.0.1:");
	pooler_await_log(pooler,
	    "\"message\":\"login attempt: db=shop user=app");
}
END_TEST

START_TEST(whatever_comes_the_log_is_logfmt)
{
	struct pooler *pooler = pooler_start(.settings =
	    "log_format = logfmt\nverbose = 2\n", .workers = 2);

	if (!has_python())
		return;
	live_through_something(pooler);
	pooler_stop(pooler);
	ck_records(pooler, "logfmt", 0);
	pooler_await_log(pooler,
	    " database=shop user=app address=127.0.0.1:");
}
END_TEST

static void
change(struct pooler *pooler, const char *command)
{
	PGconn *console = connect_console(pooler);

	ck_query_ok(console, command);
	disconnect(console);
}

static void
rewrite(struct pooler *pooler, const char *settings)
{
	pooler_rewrite(pooler, &(struct recipe){ .settings = settings,
	    .workers = 2 });
}

START_TEST(a_reload_changes_the_form)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	size_t before;

	ck_query_value(connect_client(pooler), "select 1", "1");
	pooler_await_log(pooler, " LOG C-0x");
	rewrite(pooler, "log_format = json\n");
	change(pooler, "reload");
	before = length_of_log(pooler);
	live_through_something(pooler);
	wait_until(has_behind(pooler, before, "\"side\":\"client\""));
	ck_assert(!has_behind(pooler, before, " LOG "));
	rewrite(pooler, "");
	change(pooler, "reload");
	before = length_of_log(pooler);
	ck_query_value(connect_client(pooler), "select 1", "1");
	wait_until(has_behind(pooler, before, " LOG C-0x"));
	ck_assert(!has_behind(pooler, before, "\"side\""));
}
END_TEST

START_TEST(so_does_set)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	size_t before;

	change(pooler, "set log_format = 'logfmt'");
	before = length_of_log(pooler);
	ck_query_value(connect_client(pooler), "select 1", "1");
	/* The supervisor's, which says so on every reload. */
	change(pooler, "reload");
	pooler_await_log(pooler, "message=\"still as SET, not as the file "
	    "says: log_format");
	wait_until(has_behind(pooler, before, "side=client"));
	ck_assert(!has_behind(pooler, before, " LOG C-0x"));
}
END_TEST

START_TEST(another_form_is_refused)
{
	struct pooler *pooler = pooler_start(.workers = 2);
	PGconn *console = connect_console(pooler);

	rewrite(pooler, "log_format = xml\n");
	ck_query_fails(console, "reload", "F0000", NULL);
	pooler_await_log(pooler, "one of text, json, logfmt is "
	    "expected");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log");
	TCase *tests = world_case(suite, "log", 60);

	tcase_add_test(tests, whatever_comes_the_log_is_json);
	tcase_add_test(tests, whatever_comes_the_log_is_logfmt);
	tcase_add_test(tests, a_reload_changes_the_form);
	tcase_add_test(tests, so_does_set);
	tcase_add_test(tests, another_form_is_refused);
	return world_run(suite);
}
