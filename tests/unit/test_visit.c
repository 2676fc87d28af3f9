/*
 * The extended protocol on the console: what is prepared, bound, described,
 * run in portions, closed, and what errors skip.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "admin/visit.h"
#include "base/log.h"
#include "console_world.h"
#include "wire/messages.h"

#define INI \
	"[databases]\n" \
	"app = host=127.0.0.1 pool_size=7\n" \
	"[pgbouncer]\n" \
	"listen_addr = 127.0.0.1\n" \
	"auth_type = trust\n"

static struct world world;
static uint8_t memory[4096];
static struct writer message;

static void
start(void)
{
	log_configure(&(struct log_settings){ .file_fd = -1 });
	world_start(&world, INI, "");
}

static void
stop(void)
{
	world_stop(&world);
}

static void
begin(uint8_t type)
{
	message = writer_of(memory, sizeof(memory));
	writer_begin(&message, type);
}

static void
add_text(const char *text)
{
	writer_bytes(&message, text, strlen(text) + 1);
}

static void
send_it(void)
{
	struct console_message sent;

	writer_end(&message);
	ck_assert(!message.failed);
	sent = (struct console_message){ memory[0], memory + 5,
	    message.used - 5 };
	world.outcome = console_message(&world.env, &sent, &world.reply,
	    &world.order);
}

static void
parse(const char *name, const char *text)
{
	begin(MESSAGE_PARSE);
	add_text(name);
	add_text(text);
	writer_u16(&message, 0);
	send_it();
}

/* One parameter in text format or none, all results in this format. */
static void
bind_as(const char *portal, const char *statement, const char *value,
    uint16_t format)
{
	begin(MESSAGE_BIND);
	add_text(portal);
	add_text(statement);
	writer_u16(&message, 0);
	writer_u16(&message, value != NULL);
	if (value != NULL) {
		writer_u32(&message, (uint32_t)strlen(value));
		writer_bytes(&message, value, strlen(value));
	}
	writer_u16(&message, 1);
	writer_u16(&message, format);
	send_it();
}

static void
about(uint8_t type, char what, const char *name)
{
	begin(type);
	writer_u8(&message, (uint8_t)what);
	add_text(name);
	send_it();
}

static void
execute(const char *portal, uint32_t rows)
{
	begin(MESSAGE_EXECUTE);
	add_text(portal);
	writer_u32(&message, rows);
	send_it();
}

static void
bare(uint8_t type)
{
	begin(type);
	send_it();
}

static void
ck_kinds(const char *kinds)
{
	world_read(&world);
	ck_assert_msg(strcmp(world.kinds, kinds) == 0, "%s: %s", world.kinds,
	    world.message == NULL ? "" : world.message);
}

START_TEST(a_query_with_a_parameter_runs)
{
	parse("", "SELECT name, pool_size FROM databases WHERE name = $1");
	bind_as("", "", "app", 0);
	about(MESSAGE_DESCRIBE, 'P', "");
	execute("", 0);
	bare(MESSAGE_SYNC);
	ck_kinds("12TDCZ");
	ck_assert_str_eq(world_cell(&world, 0, "pool_size"), "7");
	ck_assert_str_eq(world.tag, "SELECT 1");
}
END_TEST

START_TEST(results_come_binary_where_that_is_wanted)
{
	parse("s", "SELECT pool_size, count(*), 2.5, 'x', NULL FROM databases"
	    " WHERE name = $1");
	about(MESSAGE_DESCRIBE, 'S', "s");
	ck_kinds("1tT");
	ck_assert_uint_eq(world.oids[0], 23);
	ck_assert_uint_eq(world.oids[1], 20);
	ck_assert_uint_eq(world.oids[2], 701);
	ck_assert_uint_eq(world.oids[3], 25);
	bind_as("p", "s", "app", 1);
	execute("p", 0);
	bare(MESSAGE_SYNC);
	{
		const uint8_t *at = buffer_front(&world.reply);
		static const uint8_t cells[] = { 0, 0, 0, 4, 0, 0, 0, 7,
		    0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1,
		    0, 0, 0, 8, 0x40, 4, 0, 0, 0, 0, 0, 0,
		    0, 0, 0, 1, 'x', 255, 255, 255, 255 };

		ck_assert_uint_eq(at[0], MESSAGE_BIND_COMPLETE);
		ck_assert_uint_eq(at[5], MESSAGE_DATA_ROW);
		ck_assert(memcmp(at + 12, cells, sizeof(cells)) == 0);
	}
	buffer_clear(&world.reply);
}
END_TEST

START_TEST(a_show_is_described_and_run)
{
	parse("s", "SHOW STATE;");
	about(MESSAGE_DESCRIBE, 'S', "s");
	bind_as("", "s", NULL, 0);
	execute("", 0);
	bare(MESSAGE_SYNC);
	ck_kinds("1tT2DCZ");
	ck_assert_str_eq(world.tag, "SHOW");
}
END_TEST

/* Connection pools of Java ask this of each new connection. */
START_TEST(the_isolation_level_is_described_and_run)
{
	parse("s", "SHOW TRANSACTION ISOLATION LEVEL");
	about(MESSAGE_DESCRIBE, 'S', "s");
	bind_as("", "s", NULL, 0);
	about(MESSAGE_DESCRIBE, 'P', "");
	execute("", 0);
	bare(MESSAGE_SYNC);
	ck_kinds("1tT2TDCZ");
	ck_assert_str_eq(world.tag, "SHOW");
}
END_TEST

START_TEST(a_command_has_no_rows_and_waits_as_ever)
{
	world_add_server(&world, "app", "joe", SERVER_IDLE);
	parse("", "PAUSE");
	bind_as("", "", NULL, 0);
	about(MESSAGE_DESCRIBE, 'P', "");
	ck_kinds("12n");
	execute("", 0);
	ck_assert_int_eq(world.outcome, CONSOLE_WAIT);
	ck_kinds("");
	ck_assert_int_eq(console_continue(&world.env, &(struct console_done){
	    .tag = "PAUSE" }, &world.reply, &world.order), CONSOLE_DONE);
	bare(MESSAGE_SYNC);
	ck_kinds("CZ");
}
END_TEST

START_TEST(a_wait_that_fails_skips_to_sync)
{
	world_add_server(&world, "app", "joe", SERVER_IDLE);
	parse("", "PAUSE");
	bind_as("", "", NULL, 0);
	execute("", 0);
	ck_kinds("12");
	ck_assert(console_fail(&world.env, SQLSTATE_CANCELED,
	    CONSOLE_CANCELED, NULL, &world.reply));
	parse("", "SHOW STATE");
	bare(MESSAGE_SYNC);
	ck_kinds("EZ");
}
END_TEST

START_TEST(rows_come_in_portions)
{
	parse("", "VALUES (1), (2), (3)");
	bind_as("p", "", NULL, 0);
	execute("p", 2);
	ck_kinds("12Ds");
	execute("p", 2);
	ck_kinds("DC");
	execute("p", 2);
	ck_kinds("C");
	ck_assert_str_eq(world.tag, "SELECT 0");
	bare(MESSAGE_SYNC);
	execute("p", 0);	/* gone with the transaction */
	bare(MESSAGE_SYNC);
	ck_kinds("ZEZ");
	ck_assert_str_eq(world.sqlstate, "34000");
}
END_TEST

START_TEST(portals_live_as_long_as_the_transaction)
{
	world_query(&world, "BEGIN");
	parse("s", "VALUES (1), (2)");
	bind_as("p", "s", NULL, 0);
	execute("p", 1);
	bare(MESSAGE_SYNC);
	ck_kinds("12DsZ");
	ck_assert_int_eq(world.status, 'T');
	execute("p", 0);
	ck_kinds("DC");
}
END_TEST

START_TEST(an_error_skips_everything_up_to_sync)
{
	parse("", "SELECT * FROM nope");
	bind_as("", "", NULL, 0);
	execute("", 0);
	begin(MESSAGE_QUERY);
	add_text("SHOW STATE");
	send_it();
	bare(MESSAGE_SYNC);
	ck_kinds("EZ");
	ck_assert_str_eq(world.sqlstate, "42P01");
}
END_TEST

START_TEST(statements_have_names_until_they_are_closed)
{
	parse("s", "SELECT 1");
	parse("s", "SELECT 2");
	bare(MESSAGE_SYNC);
	ck_kinds("1EZ");
	ck_assert_str_eq(world.sqlstate, "42P05");
	about(MESSAGE_CLOSE, 'S', "s");
	about(MESSAGE_CLOSE, 'S', "never");
	parse("s", "SELECT 2");
	bare(MESSAGE_SYNC);
	ck_kinds("331Z");
	world_query(&world, "DEALLOCATE \"s\"");
	bind_as("", "s", NULL, 0);
	bare(MESSAGE_SYNC);
	ck_kinds("EZ");
	ck_assert_str_eq(world.sqlstate, "26000");
}
END_TEST

static const struct {
	const char	*query, *name;
	bool		 stays;
} deallocations[] = {
	{ "DEALLOCATE foo", "foo", false },
	{ "DEALLOCATE Foo", "foo", false },
	{ "DEALLOCATE PREPARE FOO_1", "foo_1", false },
	{ "DEALLOCATE Foo", "Foo", true },
	{ "DEALLOCATE \"Foo\"", "Foo", false },
	{ "DEALLOCATE \"Foo\"", "foo", true },
	{ "DEALLOCATE \"all\"", "foo", true },
	{ "DEALLOCATE \"a\"\"b\"", "a\"b", false },
	{ "DEALLOCATE PREPARE \"\"\"\"", "\"", false },
	{ "DEALLOCATE \"a\"\"b\"", "a", true },
	{ "DEALLOCATE \"a\"\"b\"", "a\"\"b", true },
	{ "DEALLOCATE \"foo", "fo", true },
	{ "DEALLOCATE \"foo\"\"", "foo\"", true },
	{ "DEALLOCATE PREPARE ALL", "foo", false },
};

START_TEST(a_name_without_quotes_has_no_capitals)
{
	parse(deallocations[_i].name, "SELECT 1");
	bare(MESSAGE_SYNC);
	ck_kinds("1Z");
	world_query(&world, deallocations[_i].query);
	about(MESSAGE_DESCRIBE, 'S', deallocations[_i].name);
	bare(MESSAGE_SYNC);
	ck_kinds(deallocations[_i].stays ? "tTZ" : "EZ");
}
END_TEST

START_TEST(a_statement_may_take_itself_away)
{
	parse("s", "DISCARD ALL");
	bind_as("p", "s", NULL, 0);
	execute("p", 0);
	bare(MESSAGE_SYNC);
	ck_kinds("12CZ");
	about(MESSAGE_DESCRIBE, 'S', "s");
	ck_kinds("E");
}
END_TEST

START_TEST(nothing_is_answered_with_nothing)
{
	parse("", "  -- nothing");
	bind_as("", "", NULL, 0);
	about(MESSAGE_DESCRIBE, 'P', "");
	execute("", 0);
	bare(MESSAGE_SYNC);
	ck_kinds("12nIZ");
}
END_TEST

START_TEST(one_statement_is_prepared_and_not_two)
{
	parse("", "SELECT 1; SELECT 2");
	bare(MESSAGE_SYNC);
	ck_kinds("EZ");
	ck_assert_str_eq(world.sqlstate, "42601");
	parse("", "SELECT 1; ; -- two");
	ck_kinds("1");
}
END_TEST

START_TEST(a_type_that_turns_out_otherwise_is_an_error)
{
	parse("s", "SELECT CASE WHEN $1 = 'a' THEN 'text' ELSE 1 END");
	about(MESSAGE_DESCRIBE, 'S', "s");
	ck_kinds("1tT");
	ck_assert_uint_eq(world.oids[0], 20);
	bind_as("", "s", "a", 1);
	execute("", 0);
	bare(MESSAGE_SYNC);
	ck_kinds("2EZ");
	ck_assert_str_eq(world.sqlstate, "42804");
}
END_TEST

START_TEST(what_is_not_whole_is_refused)
{
	static const uint8_t types[] = { MESSAGE_PARSE, MESSAGE_BIND,
	    MESSAGE_DESCRIBE, MESSAGE_EXECUTE, MESSAGE_CLOSE };

	parse("", "SELECT $1");
	ck_kinds("1");
	for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
		bare(types[i]);
		bare(MESSAGE_SYNC);
		ck_kinds("EZ");
	}
	bind_as("", "", NULL, 0);	/* a value is missing */
	bare(MESSAGE_SYNC);
	ck_kinds("EZ");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("visit");
	TCase *tests = tcase_create("visit");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, start, stop);
	tcase_add_test(tests, a_query_with_a_parameter_runs);
	tcase_add_test(tests, results_come_binary_where_that_is_wanted);
	tcase_add_test(tests, a_show_is_described_and_run);
	tcase_add_test(tests, the_isolation_level_is_described_and_run);
	tcase_add_test(tests, a_command_has_no_rows_and_waits_as_ever);
	tcase_add_test(tests, a_wait_that_fails_skips_to_sync);
	tcase_add_test(tests, rows_come_in_portions);
	tcase_add_test(tests, portals_live_as_long_as_the_transaction);
	tcase_add_test(tests, an_error_skips_everything_up_to_sync);
	tcase_add_test(tests, statements_have_names_until_they_are_closed);
	tcase_add_loop_test(tests, a_name_without_quotes_has_no_capitals, 0,
	    ARRAY_LENGTH(deallocations));
	tcase_add_test(tests, a_statement_may_take_itself_away);
	tcase_add_test(tests, nothing_is_answered_with_nothing);
	tcase_add_test(tests, one_statement_is_prepared_and_not_two);
	tcase_add_test(tests, a_type_that_turns_out_otherwise_is_an_error);
	tcase_add_test(tests, what_is_not_whole_is_refused);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
