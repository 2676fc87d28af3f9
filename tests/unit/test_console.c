#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/show.h"
#include "base/log.h"
#include "console_world.h"

#define INI \
	"[databases]\n" \
	"app = host=db.example\n" \
	"my-db = host=db.example\n" \
	"[pgbouncer]\n" \
	"listen_addr = 127.0.0.1\n" \
	"auth_file = users\n" \
	"admin_users = root, boss\n" \
	"stats_users = monitor\n"
#define INI_WITH_TEMPLATE \
	"[databases]\n" \
	"app = host=db.example\n" \
	"* = host=other.example\n" \
	"[pgbouncer]\n" \
	"listen_addr = 127.0.0.1\n" \
	"auth_type = any\n" \
	"admin_users = root\n"
#define USERS "\"root\" \"x\"\n\"monitor\" \"x\"\n"

static struct world world;

static void
start(void)
{
	log_configure(&(struct log_settings){ .file_fd = -1 });
	world_start(&world, INI, USERS);
}

static void
stop(void)
{
	world_stop(&world);
}

static void
start_with(const char *ini)
{
	stop();
	world_start(&world, ini, USERS);
}

static uint32_t
paused(void)
{
	return atomic_load(&world.segment->state->paused);
}

static uint32_t
paused_database(const char *name)
{
	uint32_t row = databases_find(world.segment, name);

	return row == NO_ROW ? 0 :
	    atomic_load(&world.segment->databases[row].paused);
}

static void
ck_done(const char *text, const char *tag)
{
	world_query(&world, text);
	ck_assert_int_eq(world.outcome, CONSOLE_DONE);
	ck_assert_str_eq(world.kinds, "CZ");
	ck_assert_str_eq(world.tag, tag);
}

static void
ck_refused(const char *text, const char *message)
{
	world_query(&world, text);
	ck_assert_int_eq(world.outcome, CONSOLE_DONE);
	ck_assert_str_eq(world.kinds, "EZ");
	ck_assert_str_eq(world.severity, "ERROR");
	ck_assert_str_eq(world.sqlstate, "08P01");
	ck_assert_str_eq(world.message, message);
	ck_assert_ptr_null(world.detail);
}

/* What was open is over: as the worker's desk does it. */
static void
go_on(void)
{
	struct console_done done = { .rest = world.order.rest,
	    .rest_length = world.order.rest_length };
	char tag[CONSOLE_TAG_BYTES];

	strcpy(tag, world.order.tag);
	done.tag = tag;
	world.outcome = console_continue(&world.env, &done, &world.reply,
	    &world.order);
	world_read(&world);
}

static void
ck_looks(enum console_progress progress)
{
	ck_assert_int_eq(console_look(&world.env, &world.order.wait),
	    progress);
}

/* --- who may ------------------------------------------------------------- */

START_TEST(lists_say_who_may_enter)
{
	ck_assert_int_eq(console_access(world.config, "boss"), CONSOLE_ADMIN);
	ck_assert_int_eq(console_access(world.config, "monitor"),
	    CONSOLE_STATS);
	ck_assert_int_eq(console_access(world.config, "joe"), CONSOLE_NONE);
	ck_assert_int_eq(console_access(world.config, ""), CONSOLE_NONE);
}
END_TEST

START_TEST(with_auth_type_any_everybody_may_look)
{
	start_with(INI_WITH_TEMPLATE);
	ck_assert_int_eq(console_access(world.config, "root"), CONSOLE_ADMIN);
	ck_assert_int_eq(console_access(world.config, "joe"), CONSOLE_STATS);
}
END_TEST

START_TEST(who_may_only_look_changes_nothing)
{
	static const char *const commands[] = {
		"PAUSE", "RESUME", "DISABLE app", "ENABLE app", "RELOAD",
		"SHUTDOWN", "KILL", "SUSPEND", "SET a = 'b'", "RECONNECT",
		"RESET a", "KILL app", "KILL_CLIENT 1", "WAIT_CLOSE",
	};

	world.env.is_admin = false;
	for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
		ck_refused(commands[i], "admin access needed");
	ck_assert_uint_eq(paused(), 0);
	world_query(&world, "SHOW POOLS");
	ck_assert_str_eq(world.kinds, "TDCZ");
}
END_TEST

/* --- what is not understood ---------------------------------------------- */

static const struct {
	const char *text, *message;
} invalid[] = {
	{ "", "invalid command '', use SHOW HELP;" },
	{ "SHOW", "invalid command 'SHOW', use SHOW HELP;" },
	{ "SHOW nonsense", "invalid command 'SHOW nonsense', use SHOW HELP;" },
	{ "hello \"w", "invalid command 'hello \"w', use SHOW HELP;" },
	{ "RELOAD x;", "invalid command 'RELOAD x;', use SHOW HELP;" },
	{ "SUSPEND x", "invalid command 'SUSPEND x', use SHOW HELP;" },
	{ "SHUTDOWN x", "invalid command 'SHUTDOWN x', use SHOW HELP;" },
	{ "SET x", "invalid command 'SET x', use SHOW HELP;" },
	{ "RESET", "invalid command 'RESET', use SHOW HELP;" },
	{ "RECONNECT nowhere", "no such database: nowhere" },
	{ "RECONNECT pgbouncer", "cannot reconnect admin db: pgbouncer" },
	{ "KILL nowhere", "no such database: nowhere" },
	{ "KILL pgbouncer", "cannot kill admin db: pgbouncer" },
	{ "WAIT_CLOSE nowhere", "no such database: nowhere" },
	{ "WAIT_CLOSE pgbouncer", "cannot wait in admin db: pgbouncer" },
	{ "KILL_CLIENT", "invalid client pointer supplied" },
	{ "KILL_CLIENT x1", "invalid client pointer supplied" },
	{ "KILL_CLIENT 12x", "invalid client pointer supplied" },
	{ "KILL_CLIENT 99999999999999999999",
	    "invalid client pointer supplied" },
	{ "KILL_CLIENT 4711", "client not found" },
	{ "SHOW abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij"
	    "abcd", "bad arguments" },
	{ "PAUSE nowhere", "no such database: nowhere" },
	{ "PAUSE pgbouncer", "cannot pause admin db: pgbouncer" },
	{ "RESUME", "pooler is not paused/suspended" },
	{ "RESUME nowhere", "no such database: nowhere" },
	{ "RESUME app", "database app is not paused" },
	{ "RESUME pgbouncer", "database pgbouncer is not paused" },
	{ "DISABLE", "a database is required" },
	{ "DISABLE nowhere", "no such database: nowhere" },
	{ "DISABLE pgbouncer", "cannot disable admin db: pgbouncer" },
	{ "ENABLE", "a database is required" },
	{ "ENABLE nowhere", "no such database: nowhere" },
	{ "ENABLE pgbouncer", "cannot enable admin db: pgbouncer" },
};

START_TEST(refusing)			/* for each of invalid */
{
	ck_refused(invalid[_i].text, invalid[_i].message);
}
END_TEST

START_TEST(a_very_long_text_is_cut_in_the_answer)
{
	size_t length = 1000000;
	char *text = malloc(length);

	memset(text, '+', length);
	world_query_bytes(&world, text, length);
	ck_assert_str_eq(world.kinds, "EZ");
	ck_assert_uint_eq(strlen(world.message), 1023);
	text[0] = '"';				/* never closed */
	world_query_bytes(&world, text, length);
	ck_assert_str_eq(world.kinds, "EZ");
	ck_assert_uint_eq(strlen(world.message), 1023);
	free(text);
}
END_TEST

/* --- PAUSE, RESUME ------------------------------------------------------- */

START_TEST(a_pause_without_servers_is_done_at_once)
{
	uint32_t epoch = atomic_load(&world.segment->state->epoch);

	ck_done("pause;", "PAUSE");
	ck_assert_uint_eq(paused(), 1);
	ck_assert_uint_eq(atomic_load(&world.segment->state->epoch),
	    epoch + 1);
	ck_refused("PAUSE", "already suspended/paused");
	ck_refused("PAUSE app", "already suspended/paused");
	ck_done("RESUME", "RESUME");
	ck_assert_uint_eq(paused(), 0);
	ck_assert_uint_eq(atomic_load(&world.segment->state->epoch),
	    epoch + 2);
}
END_TEST

START_TEST(a_pause_waits_for_the_last_server)
{
	uint32_t server = world_add_server(&world, "app", "joe",
	    SERVER_ACTIVE);
	struct pool_row *pool = segment_pool(world.segment,
	    pools_find(world.segment, "app", "joe"));

	world_query(&world, "PAUSE");
	ck_assert_int_eq(world.outcome, CONSOLE_WAIT);
	ck_assert_str_eq(world.kinds, "");
	ck_assert_uint_eq(world.order.wait.database, NO_ROW);
	ck_assert_uint_eq(atomic_load(&world.segment->state->watchers), 2);
	ck_looks(CONSOLE_STILL_WAITS);

	pool->server_count--;
	servers_free(world.segment, server);
	ck_looks(CONSOLE_FULFILLED);
	go_on();
	ck_assert_str_eq(world.kinds, "CZ");
	ck_assert_str_eq(world.tag, "PAUSE");
}
END_TEST

START_TEST(a_pause_of_one_database_leaves_the_others_alone)
{
	struct console_wait wait;

	world_add_server(&world, "app", "joe", SERVER_IDLE);

	ck_done("PAUSE \"my-db\"", "PAUSE");
	ck_assert_uint_eq(paused_database("my-db"), 1);
	ck_assert_uint_eq(paused_database("app"), 0);
	ck_assert_uint_eq(paused(), 0);

	world_query(&world, "PAUSE app");
	ck_assert_int_eq(world.outcome, CONSOLE_WAIT);
	ck_assert_uint_eq(world.order.wait.database,
	    databases_find(world.segment, "app"));
	ck_looks(CONSOLE_STILL_WAITS);
	wait = world.order.wait;

	ck_refused("RESUME", "pooler is not paused/suspended");
	ck_done("RESUME app", "RESUME");
	ck_assert_int_eq(console_look(&world.env, &wait), CONSOLE_LIFTED);
	ck_assert_uint_eq(paused_database("my-db"), 1);
}
END_TEST

START_TEST(nobody_resumes_a_pooler_that_shuts_down)
{
	ck_done("PAUSE", "PAUSE");
	atomic_store(&world.segment->state->shutdown,
	    SHUTDOWN_WAIT_FOR_SERVERS);
	ck_refused("RESUME", "pooler is shutting down");
	ck_assert_uint_eq(paused(), 1);
}
END_TEST

START_TEST(the_template_makes_a_database_for_pause_but_not_for_resume)
{
	start_with(INI_WITH_TEMPLATE);
	ck_refused("RESUME new", "no such database: new");
	ck_refused("ENABLE new", "no such database: new");
	ck_assert_uint_eq(databases_find(world.segment, "new"), NO_ROW);
	ck_done("PAUSE new", "PAUSE");
	ck_assert_uint_eq(paused_database("new"), 1);
	ck_done("RESUME new", "RESUME");
}
END_TEST

START_TEST(a_database_is_disabled_and_enabled)
{
	uint32_t row;

	ck_done("DISABLE app", "DISABLE");
	row = databases_find(world.segment, "app");
	ck_assert_uint_eq(
	    atomic_load(&world.segment->databases[row].disabled), 1);
	ck_done("ENABLE app;", "ENABLE");
	ck_assert_uint_eq(
	    atomic_load(&world.segment->databases[row].disabled), 0);
}
END_TEST

/* --- what the supervisor does -------------------------------------------- */

START_TEST(a_reload_is_asked_for_and_answered_later)
{
	world_query(&world, "reload;");
	ck_assert_int_eq(world.outcome, CONSOLE_ASK_RELOAD);
	ck_assert_str_eq(world.kinds, "");

	ck_assert(console_fail(&world.env, "F0000", CONSOLE_RELOAD_FAILED,
	    "pgusher.ini:3: unknown parameter", &world.reply));
	world_read(&world);
	ck_assert_str_eq(world.kinds, "EZ");
	ck_assert_str_eq(world.severity, "ERROR");
	ck_assert_str_eq(world.sqlstate, "F0000");
	ck_assert_str_eq(world.message,
	    "RELOAD failed, see logs for additional details");
	ck_assert_str_eq(world.detail, "pgusher.ini:3: unknown parameter");
}
END_TEST

static const struct {
	const char		*text;
	enum shutdown_mode	 mode;
	const char		*kinds;
} shutdowns[] = {
	{ "SHUTDOWN;", SHUTDOWN_WAIT_FOR_CLIENTS, "C" },
	{ "SHUTDOWN;;", SHUTDOWN_WAIT_FOR_CLIENTS, "C" },
	{ "shutdown wait_for_clients", SHUTDOWN_WAIT_FOR_CLIENTS, "C" },
	{ "SHUTDOWN WAIT_FOR_SERVERS", SHUTDOWN_WAIT_FOR_SERVERS, "C" },
	{ "SHUTDOWN IMMEDIATE", SHUTDOWN_NOW, "" },
};

START_TEST(shutting_down)		/* for each of shutdowns */
{
	world_query(&world, shutdowns[_i].text);
	ck_assert_int_eq(world.outcome, CONSOLE_ASK_SHUTDOWN);
	ck_assert_int_eq(world.order.mode, shutdowns[_i].mode);
	ck_assert_str_eq(world.kinds, shutdowns[_i].kinds);
}
END_TEST

/* --- RECONNECT, WAIT_CLOSE, KILL ----------------------------------------- */

static struct server_row *
server_at(uint32_t row)
{
	return segment_server(world.segment, row);
}

START_TEST(reconnect_marks_and_wait_close_waits_for_the_marked)
{
	uint32_t mine = world_add_server(&world, "app", "joe", SERVER_ACTIVE);
	uint32_t other = world_add_server(&world, "my-db", "joe",
	    SERVER_ACTIVE);

	ck_done("WAIT_CLOSE", "WAIT_CLOSE");
	ck_done("RECONNECT app", "RECONNECT");
	ck_assert_uint_eq(server_at(mine)->close_needed, CLOSE_NEEDED);
	ck_assert_uint_eq(server_at(other)->close_needed, CLOSE_NOT_NEEDED);
	ck_done("WAIT_CLOSE \"my-db\"", "WAIT_CLOSE");

	world_query(&world, "WAIT_CLOSE app");
	ck_assert_int_eq(world.outcome, CONSOLE_WAIT);
	ck_looks(CONSOLE_STILL_WAITS);
	servers_free(world.segment, mine);
	ck_looks(CONSOLE_FULFILLED);
	go_on();
	ck_assert_str_eq(world.kinds, "CZ");
	ck_assert_str_eq(world.tag, "WAIT_CLOSE");

	ck_done("RECONNECT", "RECONNECT");
	ck_assert_uint_eq(server_at(other)->close_needed,
	    CLOSE_NEEDED);
}
END_TEST

START_TEST(kill_orders_clients_out_dooms_servers_and_pauses)
{
	uint32_t client = world_add_client(&world, "app", "joe",
	    CLIENT_LINKED);
	uint32_t neighbour = world_add_client(&world, "my-db", "joe",
	    CLIENT_IDLE);
	uint32_t newcomer = world_add_client(&world, "app", "joe",
	    CLIENT_AUTH);
	uint32_t server = world_add_server(&world, "app", "joe",
	    SERVER_ACTIVE);

	world_query(&world, "KILL app");
	ck_assert_int_eq(world.outcome, CONSOLE_WAIT);
	ck_assert_int_eq(clients_ordered(world.segment, client),
	    CLIENT_ORDER_REMOVE);
	ck_assert_int_eq(clients_ordered(world.segment, neighbour),
	    CLIENT_ORDER_NONE);
	ck_assert_int_eq(clients_ordered(world.segment, newcomer),
	    CLIENT_ORDER_NONE);
	ck_assert_uint_eq(server_at(server)->close_needed, CLOSE_AT_ONCE);
	ck_assert_uint_eq(paused_database("app"), 1);
	ck_assert_uint_eq(paused_database("my-db"), 0);

	servers_free(world.segment, server);
	ck_looks(CONSOLE_STILL_WAITS);
	clients_free(world.segment, client);
	ck_looks(CONSOLE_FULFILLED);
	go_on();
	ck_assert_str_eq(world.tag, "KILL");
}
END_TEST

START_TEST(an_order_is_void_for_who_has_the_row_later)
{
	uint32_t row = world_add_client(&world, "app", "joe", CLIENT_IDLE);
	uint32_t generation = world.segment->clients[row].generation;

	clients_free(world.segment, row);
	ck_assert_uint_eq(world_add_client(&world, "app", "ann", CLIENT_IDLE),
	    row);
	clients_order(world.segment, row, generation,
	    CLIENT_ORDER_DISCONNECT);
	ck_assert_int_eq(clients_ordered(world.segment, row),
	    CLIENT_ORDER_NONE);
	clients_order(world.segment, row, generation + 1,
	    CLIENT_ORDER_REMOVE);
	clients_order(world.segment, row, generation + 1,
	    CLIENT_ORDER_CANCEL);
	ck_assert_int_eq(clients_ordered(world.segment, row),
	    CLIENT_ORDER_REMOVE);
}
END_TEST

START_TEST(a_global_kill_pauses_every_database_of_the_file)
{
	ck_done("KILL", "KILL");
	ck_assert_uint_eq(paused_database("app"), 1);
	ck_assert_uint_eq(paused_database("my-db"), 1);
	ck_assert_uint_eq(paused(), 0);
	ck_done("RESUME app", "RESUME");
	ck_done("PAUSE", "PAUSE");
	ck_refused("KILL app", "already suspended/paused");
}
END_TEST

START_TEST(kill_client_finds_by_id_who_is_logged_in)
{
	uint32_t row = world_add_client(&world, "app", "joe", CLIENT_IDLE);
	uint32_t newcomer = world_add_client(&world, NULL, NULL,
	    CLIENT_STARTUP);
	char text[40];

	snprintf(text, sizeof(text), "KILL_CLIENT %u",
	    world.segment->clients[newcomer].id);
	ck_refused(text, "client not found");
	snprintf(text, sizeof(text), "KILL_CLIENT %u",
	    world.segment->clients[row].id);
	world_query(&world, text);
	ck_assert_int_eq(world.outcome, CONSOLE_WAIT);
	ck_assert_int_eq(clients_ordered(world.segment, row),
	    CLIENT_ORDER_DISCONNECT);
	ck_looks(CONSOLE_STILL_WAITS);
	clients_free(world.segment, row);
	ck_looks(CONSOLE_FULFILLED);
	ck_assert_str_eq(world.order.tag, "KILL_CLIENT");
}
END_TEST

/* --- SUSPEND ------------------------------------------------------------- */

static uint32_t
suspended(void)
{
	return atomic_load(&world.segment->state->suspended);
}

START_TEST(a_suspend_waits_until_every_worker_has_flushed)
{
	struct roster_row *roster = world.segment->roster;

	atomic_store(&roster[0].phase, ROSTER_SERVING);
	atomic_store(&roster[1].phase, ROSTER_SERVING);
	world_query(&world, "SUSPEND");
	ck_assert_int_eq(world.outcome, CONSOLE_WAIT);
	ck_assert_uint_ne(suspended(), 0);
	atomic_store(&roster[0].flushed, suspended());
	ck_looks(CONSOLE_STILL_WAITS);
	atomic_store(&roster[1].flushed, suspended());
	ck_looks(CONSOLE_FULFILLED);
	go_on();
	ck_assert_str_eq(world.tag, "SUSPEND");
	ck_refused("SUSPEND", "already suspended/paused");
	ck_refused("PAUSE", "already suspended/paused");
	ck_refused("KILL", "already suspended/paused");
	ck_done("RESUME", "RESUME");
	ck_assert_uint_eq(suspended(), 0);
}
END_TEST

START_TEST(paused_databases_are_not_suspended)
{
	ck_done("PAUSE app", "PAUSE");
	ck_refused("SUSPEND", "cannot suspend with paused databases");
	ck_done("PAUSE", "PAUSE");
	ck_refused("SUSPEND", "already suspended/paused");
}
END_TEST

START_TEST(a_suspension_ends_with_the_session_that_gave_it)
{
	uint32_t row = world_add_client(&world, NULL, "root", CLIENT_CONSOLE);
	uint32_t id = world.segment->clients[row].id;

	world.env.client_row = row;
	ck_done("SUSPEND", "SUSPEND");
	console_look_for_suspender(&world.env, 0);
	ck_assert_uint_ne(suspended(), 0);
	console_look_for_suspender(&world.env, id + 1);
	ck_assert_uint_ne(suspended(), 0);
	console_look_for_suspender(&world.env, id);
	ck_assert_uint_eq(suspended(), 0);

	ck_done("SUSPEND", "SUSPEND");
	clients_free(world.segment, row);
	console_look_for_suspender(&world.env, 0);
	ck_assert_uint_eq(suspended(), 0);
}
END_TEST

/* --- Ctrl-C -------------------------------------------------------------- */

START_TEST(a_cancel_request_ends_the_pause_that_is_waited_for)
{
	struct console_wait wait;

	world_add_server(&world, "app", "joe", SERVER_ACTIVE);
	world_query(&world, "PAUSE");
	wait = world.order.wait;
	ck_assert(console_cancel(&world.env, &wait));
	ck_assert_uint_eq(paused(), 0);

	world_query(&world, "PAUSE app");
	wait = world.order.wait;
	ck_assert(console_cancel(&world.env, &wait));
	ck_assert_uint_eq(paused_database("app"), 0);
}
END_TEST

START_TEST(a_cancel_request_of_who_does_not_wait_ends_a_pause_of_all)
{
	ck_done("PAUSE", "PAUSE");
	ck_assert(!console_cancel(&world.env, NULL));
	ck_assert_uint_eq(paused(), 0);

	ck_done("PAUSE", "PAUSE");
	atomic_store(&world.segment->state->shutdown,
	    SHUTDOWN_WAIT_FOR_SERVERS);
	ck_assert(!console_cancel(&world.env, NULL));
	ck_assert_uint_eq(paused(), 1);
}
END_TEST

/* --- several statements -------------------------------------------------- */

static const struct {
	const char *story, *text, *kinds;
} several[] = {
	{ "two reports", "SHOW STATE; SHOW STATE", "TDCTDCZ" },
	{ "empty ones behind", "SHOW STATE;;\n ; ", "TDCZ" },
	{ "the first error ends them", "RESUME; SHOW STATE", "EZ" },
	{ "what was good before it stays", "PAUSE app; nonsense; SHOW STATE",
	    "CEZ" },
	{ "faked ones", "SET timezone = 'x'; SHOW timezone;", "NCTDCZ" },
};

START_TEST(several_statements)		/* for each of several */
{
	world_query(&world, several[_i].text);
	ck_assert_int_eq(world.outcome, CONSOLE_DONE);
	ck_assert_msg(strcmp(world.kinds, several[_i].kinds) == 0,
	    "%s: %s", several[_i].story, world.kinds);
}
END_TEST

/* No message to the console is longer than 64 KiB. */
START_TEST(a_text_that_asks_for_very_much_is_not_answered_to_its_end)
{
	enum { TIMES = 64 * 1024 / 12 };
	static const char question[] = "SHOW CONFIG;", state[] = "C54000";
	char *text = malloc(TIMES * 12 + 1);
	struct buffer reply = { 0 };
	struct console_order order;
	size_t length;

	for (int i = 0; i < TIMES; i++)
		strcpy(text + i * 12, question);
	ck_assert_int_eq(console_query(&world.env, text, TIMES * 12, &reply,
	    &order), CONSOLE_DONE);
	length = buffer_length(&reply);
	ck_assert_uint_gt(length, 16 << 20);
	ck_assert_uint_lt(length, 17 << 20);
	ck_assert_ptr_nonnull(memmem(buffer_front(&reply) + length - 128, 128,
	    state, sizeof(state)));
	ck_assert_int_eq(buffer_front(&reply)[length - 6], 'Z');
	buffer_clear(&reply);
	free(text);
}
END_TEST

START_TEST(what_is_behind_a_command_that_waits_runs_afterwards)
{
	uint32_t server = world_add_server(&world, "app", "joe",
	    SERVER_ACTIVE);

	world_query(&world, "PAUSE app; RELOAD; SHOW STATE");
	ck_assert_int_eq(world.outcome, CONSOLE_WAIT);
	segment_pool(world.segment, pools_find(world.segment, "app",
	    "joe"))->server_count--;
	servers_free(world.segment, server);
	ck_looks(CONSOLE_FULFILLED);
	go_on();
	ck_assert_int_eq(world.outcome, CONSOLE_ASK_RELOAD);
	ck_assert_str_eq(world.kinds, "C");
	go_on();
	ck_assert_int_eq(world.outcome, CONSOLE_DONE);
	ck_assert_str_eq(world.kinds, "CTDCZ");
}
END_TEST

/* --- SET, RESET ---------------------------------------------------------- */

static const struct {
	const char			*text;
	enum console_setting_mode	 mode;
	const char			*key, *value, *tag;
} settings[] = {
	{ "SET default_pool_size = 50;", CONSOLE_SET_VALUE,
	    "default_pool_size", "50", "SET default_pool_size=50" },
	{ "set query_timeout to '4.5'", CONSOLE_SET_VALUE, "query_timeout",
	    "4.5", "SET query_timeout=4.5" },
	{ "SET query_timeout = DEFAULT", CONSOLE_SET_DEFAULT,
	    "query_timeout", "DEFAULT", "SET query_timeout=DEFAULT" },
	{ "SET logfile = 'DEFAULT'", CONSOLE_SET_VALUE, "logfile", "DEFAULT",
	    "SET logfile=DEFAULT" },
	{ "RESET query_timeout", CONSOLE_SET_DEFAULT, "query_timeout", "",
	    "RESET" },
	{ "RESET all;", CONSOLE_SET_ALL_DEFAULT, "all", "", "RESET" },
};

START_TEST(a_setting_is_asked_for)	/* for each of settings */
{
	world_query(&world, settings[_i].text);
	ck_assert_int_eq(world.outcome, CONSOLE_ASK_SET);
	ck_assert_str_eq(world.kinds, "");
	ck_assert_int_eq(world.order.setting, settings[_i].mode);
	ck_assert_str_eq(world.order.key, settings[_i].key);
	ck_assert_str_eq(world.order.value, settings[_i].value);
	ck_assert_str_eq(world.order.tag, settings[_i].tag);
	go_on();
	ck_assert_str_eq(world.kinds, "CZ");
}
END_TEST

/* --- what drivers do ----------------------------------------------------- */

START_TEST(faked_parameters_are_shown_to_everybody)
{
	static const char *const faked[][2] = {
		{ "client_encoding", "UTF-8" },
		{ "default_transaction_isolation", "read committed" },
		{ "standard_conforming_strings", "on" },
		{ "datestyle", "ISO" },
		{ "timezone", "GMT" },
	};
	char text[80];

	world.env.is_admin = false;
	for (size_t i = 0; i < ARRAY_LENGTH(faked); i++) {
		snprintf(text, sizeof(text), "SHOW %s", faked[i][0]);
		world_query(&world, text);
		ck_assert_str_eq(world.kinds, "TDCZ");
		ck_assert_str_eq(world.tag, "SHOW");
		ck_assert_str_eq(world_cell(&world, 0, faked[i][0]),
		    faked[i][1]);
	}
	world_query(&world, "show TimeZone");
	ck_assert_str_eq(world_cell(&world, 0, "timezone"), "GMT");
}
END_TEST

START_TEST(setting_a_faked_parameter_is_ignored)
{
	world.env.is_admin = false;
	world_query(&world, "SET DateStyle = 'ISO';");
	ck_assert_str_eq(world.kinds, "NCZ");
	ck_assert_str_eq(world.severity, "NOTICE");
	ck_assert_str_eq(world.sqlstate, "00000");
	ck_assert_str_eq(world.message, "SET ignored");
	ck_assert_str_eq(world.tag, "SET");
}
END_TEST

START_TEST(the_login_tells_what_drivers_want)
{
	static const char first[] = "server_version\0001.25.2/bouncer";

	ck_assert(console_login_messages(&world.reply));
	ck_assert_mem_eq(buffer_front(&world.reply) + 5, first,
	    sizeof(first));
	world_read(&world);
	ck_assert_str_eq(world.kinds, "SSSSSSS");
}
END_TEST

/* --- messages ------------------------------------------------------------ */

static void
send_message(uint8_t type, const void *body, size_t length)
{
	struct console_message message = { type, body, length };

	world.outcome = console_message(&world.env, &message, &world.reply,
	    &world.order);
	world_read(&world);
}

START_TEST(a_query_message_is_run)
{
	send_message('Q', "SHOW STATE", sizeof("SHOW STATE"));
	ck_assert_int_eq(world.outcome, CONSOLE_DONE);
	ck_assert_str_eq(world.kinds, "TDCZ");
}
END_TEST

START_TEST(terminate_closes_without_a_word)
{
	send_message('X', NULL, 0);
	ck_assert_int_eq(world.outcome, CONSOLE_CLOSE);
	ck_assert_str_eq(world.kinds, "");
}
END_TEST

START_TEST(a_query_without_its_nul_is_a_bad_packet)
{
	send_message('Q', "SHOW STATE", 10);
	ck_assert_int_eq(world.outcome, CONSOLE_CLOSE);
	ck_assert_str_eq(world.kinds, "E");
	ck_assert_str_eq(world.severity, "FATAL");
	ck_assert_str_eq(world.message, "bad packet");
}
END_TEST

START_TEST(other_messages_end_the_session)
{
	static const char types[] = "Ffdcp\1\377";

	for (const char *type = types; *type != '\0'; type++) {
		send_message((uint8_t)*type, "\0\0", 2);
		ck_assert_int_eq(world.outcome, CONSOLE_CLOSE);
		ck_assert_str_eq(world.kinds, "EZE");
		ck_assert_str_eq(world.severity, "FATAL");
		ck_assert_str_eq(world.message, "bad packet");
	}
}
END_TEST

/* --- help ---------------------------------------------------------------- */

START_TEST(help_names_all_there_is)
{
	static const char *const names[] = {
#define REPORT(name, line, who) #name,
#include "admin/reports.def"
#undef REPORT
#define COMMAND(name, argument, run, usage) usage,
#include "admin/commands.def"
#undef COMMAND
	};

	world_query(&world, "SHOW HELP");
	ck_assert_str_eq(world.kinds, "NCZ");
	ck_assert_str_eq(world.severity, "NOTICE");
	ck_assert_str_eq(world.message, "Console usage");
	ck_assert_str_eq(world.tag, "SHOW");
	ck_assert_int_eq(strncmp(world.detail, "\n\tSHOW HELP|CONFIG|", 18),
	    0);
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
		ck_assert(names[i] == NULL ||
		    strstr(world.detail, names[i]) != NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("console");
	TCase *tests = tcase_create("console");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, start, stop);
	tcase_add_test(tests, lists_say_who_may_enter);
	tcase_add_test(tests, with_auth_type_any_everybody_may_look);
	tcase_add_test(tests, who_may_only_look_changes_nothing);
	tcase_add_loop_test(tests, refusing, 0, ARRAY_LENGTH(invalid));
	tcase_add_test(tests, a_very_long_text_is_cut_in_the_answer);
	tcase_add_test(tests, a_pause_without_servers_is_done_at_once);
	tcase_add_test(tests, a_pause_waits_for_the_last_server);
	tcase_add_test(tests, a_pause_of_one_database_leaves_the_others_alone);
	tcase_add_test(tests, nobody_resumes_a_pooler_that_shuts_down);
	tcase_add_test(tests,
	    the_template_makes_a_database_for_pause_but_not_for_resume);
	tcase_add_test(tests, a_database_is_disabled_and_enabled);
	tcase_add_test(tests, a_reload_is_asked_for_and_answered_later);
	tcase_add_loop_test(tests, shutting_down, 0, ARRAY_LENGTH(shutdowns));
	tcase_add_test(tests,
	    reconnect_marks_and_wait_close_waits_for_the_marked);
	tcase_add_test(tests,
	    kill_orders_clients_out_dooms_servers_and_pauses);
	tcase_add_test(tests, an_order_is_void_for_who_has_the_row_later);
	tcase_add_test(tests, a_global_kill_pauses_every_database_of_the_file);
	tcase_add_test(tests, kill_client_finds_by_id_who_is_logged_in);
	tcase_add_test(tests, a_suspend_waits_until_every_worker_has_flushed);
	tcase_add_test(tests, paused_databases_are_not_suspended);
	tcase_add_test(tests, a_suspension_ends_with_the_session_that_gave_it);
	tcase_add_test(tests,
	    a_cancel_request_ends_the_pause_that_is_waited_for);
	tcase_add_test(tests,
	    a_cancel_request_of_who_does_not_wait_ends_a_pause_of_all);
	tcase_add_loop_test(tests, several_statements, 0,
	    ARRAY_LENGTH(several));
	tcase_add_test(tests,
	    a_text_that_asks_for_very_much_is_not_answered_to_its_end);
	tcase_add_test(tests,
	    what_is_behind_a_command_that_waits_runs_afterwards);
	tcase_add_loop_test(tests, a_setting_is_asked_for, 0,
	    ARRAY_LENGTH(settings));
	tcase_add_test(tests, faked_parameters_are_shown_to_everybody);
	tcase_add_test(tests, setting_a_faked_parameter_is_ignored);
	tcase_add_test(tests, the_login_tells_what_drivers_want);
	tcase_add_test(tests, a_query_message_is_run);
	tcase_add_test(tests, terminate_closes_without_a_word);
	tcase_add_test(tests, a_query_without_its_nul_is_a_bad_packet);
	tcase_add_test(tests, other_messages_end_the_session);
	tcase_add_test(tests, help_names_all_there_is);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
