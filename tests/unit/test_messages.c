/* Writer and messages: what is built is read back, byte for byte. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "wire/messages.h"

static uint8_t memory[256];
static struct writer writer;

static void
begin(void)
{
	memset(memory, 0xee, sizeof(memory));
	writer = writer_of(memory, sizeof(memory));
}

#define ck_written(literal) do {					\
	ck_assert(!writer.failed);					\
	ck_assert_uint_eq(writer.used, sizeof(literal) - 1);		\
	ck_assert_mem_eq(memory, literal, sizeof(literal) - 1);		\
} while (0)

START_TEST(the_length_is_filled_in_and_does_not_count_the_type)
{
	writer_begin(&writer, 'Q');
	writer_string(&writer, "x");
	writer_end(&writer);
	ck_written("Q\0\0\0\6x\0");
}
END_TEST

START_TEST(what_does_not_fit_fails_and_writes_nothing_more)
{
	writer = writer_of(memory, 6);
	write_query(&writer, "xy");
	ck_assert(writer.failed);
	ck_assert_uint_eq(memory[5], 0xee);
	write_sync(&writer);
	ck_assert(writer.failed);
	ck_assert_uint_le(writer.used, 6);
}
END_TEST

START_TEST(no_memory_at_all_fails)
{
	writer = writer_of(NULL, 0);
	write_terminate(&writer);
	ck_assert(writer.failed);
}
END_TEST

START_TEST(messages_do_not_nest)		/* expects SIGABRT */
{
	writer_begin(&writer, 'Q');
	writer_begin(&writer, 'Q');
}
END_TEST

START_TEST(an_end_needs_a_beginning)		/* expects SIGABRT */
{
	writer_end(&writer);
}
END_TEST

START_TEST(a_fatal_has_severity_code_and_text)
{
	write_fatal(&writer, "no");
	ck_written("E\0\0\0\36SFATAL\0VFATAL\0C08P01\0Mno\0\0");
}
END_TEST

START_TEST(a_notice_may_have_a_detail)
{
	write_notice_response(&writer, &(struct notice){ "NOTICE",
	    SQLSTATE_SUCCESSFUL_COMPLETION, "m", "d", NULL });
	ck_written("N\0\0\0\42SNOTICE\0VNOTICE\0C00000\0Mm\0Dd\0\0");
}
END_TEST

START_TEST(authentication_requests)
{
	write_authentication_ok(&writer);
	write_authentication_cleartext(&writer);
	write_authentication_md5(&writer, (const uint8_t *)"salt");
	write_authentication_sasl(&writer, false);
	write_authentication_sasl(&writer, true);
	write_authentication_sasl_continue(&writer, "a", 1);
	write_authentication_sasl_final(&writer, "b", 1);
	ck_written("R\0\0\0\10\0\0\0\0" "R\0\0\0\10\0\0\0\3"
	    "R\0\0\0\14\0\0\0\5salt"
	    "R\0\0\0\27\0\0\0\12SCRAM-SHA-256\0\0"
	    "R\0\0\0\52\0\0\0\12SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"
	    "R\0\0\0\11\0\0\0\13a" "R\0\0\0\11\0\0\0\14b");
}
END_TEST

START_TEST(the_rest_of_a_login_reply)
{
	write_parameter_status(&writer, "a", "b");
	write_backend_key_data(&writer, &(struct backend_key){ .pid = 1,
	    .secret = 0xfffefdfc });
	write_ready_for_query(&writer, TRANSACTION_NONE);
	write_command_complete(&writer, "SHOW");
	ck_written("S\0\0\0\10a\0b\0" "K\0\0\0\14\0\0\0\1\377\376\375\374"
	    "Z\0\0\0\5I" "C\0\0\0\11SHOW\0");
}
END_TEST

START_TEST(what_goes_to_servers)
{
	write_ssl_request(&writer);
	write_startup_begin(&writer, PROTOCOL_3_0);
	write_startup_parameter(&writer, "user", "u");
	write_startup_end(&writer);
	write_cancel_request(&writer, &(struct backend_key){ .pid = 2,
	    .secret = 3 });
	write_password(&writer, "pw");
	write_sasl_initial_response(&writer, SASL_MECHANISM, "xy", 2);
	write_sasl_response(&writer, "z", 1);
	write_sync(&writer);
	write_terminate(&writer);
	ck_written("\0\0\0\10\4\322\26\57"
	    "\0\0\0\20\0\3\0\0user\0u\0\0"
	    "\0\0\0\20\4\322\26\56\0\0\0\2\0\0\0\3"
	    "p\0\0\0\7pw\0" "p\0\0\0\30SCRAM-SHA-256\0\0\0\0\2xy"
	    "p\0\0\0\5z" "S\0\0\0\4" "X\0\0\0\4");
}
END_TEST

static const struct {
	const char	*story;
	const char	*body;
	size_t		 length;
	bool		 whole;
	const char	*severity, *sqlstate, *text;
} errors[] = {
#define BODY(literal) literal, sizeof(literal) - 1
	{ "all three", BODY("SFATAL\0C28P01\0Mno\0\0"), true,
	  "FATAL", "28P01", "no" },
	{ "unknown fields are ignored",
	  BODY("SERROR\0VERROR\0C1\0Mm\0Hh\0P7\0\0"), true, "ERROR", "1", "m" },
	{ "no SQLSTATE", BODY("SFATAL\0Mno\0\0"), true,
	  "FATAL", "XX000", "no" },
	{ "an empty SQLSTATE", BODY("SFATAL\0C\0Mno\0\0"), true,
	  "FATAL", "XX000", "no" },
	{ "nothing but the end", BODY("\0"), true, "ERROR", "XX000", "" },
	{ "no end", BODY("SFATAL\0C57P03\0"), false,
	  "FATAL", "57P03", "" },
	{ "cut off in a field", BODY("SFATAL\0C57P"), false,
	  "FATAL", "XX000", "" },
	{ "something behind the end", BODY("Mx\0\0y"), false,
	  "ERROR", "XX000", "x" },
	{ "empty", "", 0, false, "ERROR", "XX000", "" },
};

START_TEST(reading_errors)
{
	struct notice notice;

	ck_assert_msg(read_error_response(reader_of(errors[_i].body,
	    errors[_i].length), &notice) == errors[_i].whole, "%s",
	    errors[_i].story);
	ck_assert_str_eq(notice.severity, errors[_i].severity);
	ck_assert_str_eq(notice.sqlstate, errors[_i].sqlstate);
	ck_assert_str_eq(notice.text, errors[_i].text);
	ck_assert_ptr_null(notice.detail);
}
END_TEST

START_TEST(reading_a_key)
{
	uint8_t bytes[4 + 257] = "\0\0\0\1\0\0\0\2x";
	struct backend_key key;

	for (size_t length = 0; length <= sizeof(bytes); length++) {
		struct reader reader = reader_of(bytes, length);

		ck_assert(read_backend_key(&reader, &key) ==
		    (length >= 8 && length <= 4 + 256));
		if (length >= 8 && length <= 4 + 256)
			ck_assert_uint_eq(key.rest_length, length - 8);
	}
	ck_assert_uint_eq(key.pid, 1);
	ck_assert_uint_eq(key.secret, 2);
}
END_TEST

START_TEST(reading_what_is_spoken_instead)
{
	uint32_t version;

	ck_assert(read_negotiation(reader_of("\0\3\0\2\0\0\0\0", 8),
	    &version));
	ck_assert_uint_eq(version, PROTOCOL_3_2);
	ck_assert(!read_negotiation(reader_of("\0\3\0", 3), &version));
}
END_TEST

START_TEST(reading_a_parameter)
{
	const char *name, *value;

	ck_assert(read_parameter_status(reader_of("a\0b", 4), &name, &value));
	ck_assert_str_eq(name, "a");
	ck_assert_str_eq(value, "b");
	ck_assert(!read_parameter_status(reader_of("a\0b", 3), &name, &value));
	ck_assert_str_eq(value, "");
	ck_assert(!read_parameter_status(reader_of("a", 2), &name, &value));
}
END_TEST

START_TEST(reading_several_parameters)
{
	static const char two[] = "S\0\0\0\010a\0b\0S\0\0\0\011cc\0d\0";
	struct reader messages = reader_of(two, sizeof(two) - 1);
	const char *name, *value;

	ck_assert(read_next_parameter_status(&messages, &name, &value));
	ck_assert_str_eq(name, "a");
	ck_assert_str_eq(value, "b");
	ck_assert(read_next_parameter_status(&messages, &name, &value));
	ck_assert_str_eq(name, "cc");
	ck_assert_str_eq(value, "d");
	ck_assert(!read_next_parameter_status(&messages, &name, &value));
	ck_assert(reader_done(&messages));
	/* Cut anywhere, what is whole is read, and the rest is not done. */
	for (size_t cut = 1; cut < sizeof(two) - 1; cut++) {
		unsigned count = 0;

		messages = reader_of(two, cut);
		while (read_next_parameter_status(&messages, &name, &value))
			count++;
		ck_assert_uint_eq(count, cut >= 9 ? 1 : 0);
		ck_assert(reader_done(&messages) == (cut == 9));
	}
	messages = reader_of("Z\0\0\0\5I", 6);
	ck_assert(!read_next_parameter_status(&messages, &name, &value));
	ck_assert(!reader_done(&messages));
}
END_TEST

START_TEST(only_some_messages_ask)
{
	static const char asks[] = "QPBDECSF";

	for (unsigned type = 0; type < 256; type++)
		ck_assert(message_asks((uint8_t)type) == (type != 0 &&
		    strchr(asks, (int)type) != NULL));
}
END_TEST

START_TEST(reading_the_state_of_a_transaction)
{
	enum transaction_status status;

	ck_assert(read_ready_for_query(reader_of("T", 1), &status));
	ck_assert_int_eq(status, TRANSACTION_OPEN);
	ck_assert(!read_ready_for_query(reader_of("X", 1), &status));
	ck_assert(!read_ready_for_query(reader_of("", 0), &status));
	ck_assert(!read_ready_for_query(reader_of("II", 2), &status));
}
END_TEST

START_TEST(reading_an_authentication_request)
{
	struct authentication request;

	ck_assert(read_authentication(reader_of("\0\0\0\5salt", 8), &request));
	ck_assert_uint_eq(request.code, AUTHENTICATION_MD5);
	ck_assert_mem_eq(reader_take(&request.data, 4), "salt", 4);
	ck_assert(!read_authentication(reader_of("\0\0\0", 3), &request));
}
END_TEST

static const struct {
	const char	*story;
	const char	*body;
	size_t		 length;
	bool		 good;
	size_t		 data;
} initials[] = {
	{ "with data", BODY("SCRAM-SHA-256\0\0\0\0\2xy"), true, 2 },
	{ "-1 is none", BODY("SCRAM-SHA-256\0\377\377\377\377"), true, 0 },
	{ "empty data", BODY("SCRAM-SHA-256\0\0\0\0\0"), true, 0 },
	{ "less than it says", BODY("M\0\0\0\0\3xy"), false, 0 },
	{ "more than it says", BODY("M\0\0\0\0\1xy"), false, 0 },
	{ "-1 and data", BODY("M\0\377\377\377\377x"), false, 0 },
	{ "another negative length", BODY("M\0\200\0\0\0x"), false, 0 },
	{ "no length", BODY("M\0"), false, 0 },
	{ "no NUL", BODY("SCRAM"), false, 0 },
	{ "nothing", "", 0, false, 0 },
};

START_TEST(reading_the_first_sasl_response)
{
	struct sasl_initial initial;

	ck_assert_msg(read_sasl_initial_response(reader_of(initials[_i].body,
	    initials[_i].length), &initial) == initials[_i].good, "%s",
	    initials[_i].story);
	if (initials[_i].good)
		ck_assert_uint_eq(reader_left(&initial.data),
		    initials[_i].data);
}
END_TEST

START_TEST(names_know_the_direction)
{
	ck_assert_str_eq(message_name_from_client('D'), "Describe");
	ck_assert_str_eq(message_name_from_server('D'), "DataRow");
	ck_assert_str_eq(message_name_from_client('d'), "CopyData");
	ck_assert_str_eq(message_name_from_server('d'), "CopyData");
	ck_assert_ptr_null(message_name_from_client('Z'));
	ck_assert_ptr_null(message_name_from_server(0));
	ck_assert_ptr_null(message_name_from_client(255));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("messages");
	TCase *tests = tcase_create("messages");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, NULL);
	tcase_add_test(tests,
	    the_length_is_filled_in_and_does_not_count_the_type);
	tcase_add_test(tests, what_does_not_fit_fails_and_writes_nothing_more);
	tcase_add_test(tests, no_memory_at_all_fails);
	tcase_add_test_raise_signal(tests, messages_do_not_nest, SIGABRT);
	tcase_add_test_raise_signal(tests, an_end_needs_a_beginning, SIGABRT);
	tcase_add_test(tests, a_fatal_has_severity_code_and_text);
	tcase_add_test(tests, a_notice_may_have_a_detail);
	tcase_add_test(tests, authentication_requests);
	tcase_add_test(tests, the_rest_of_a_login_reply);
	tcase_add_test(tests, what_goes_to_servers);
	tcase_add_loop_test(tests, reading_errors, 0,
	    (int)(sizeof(errors) / sizeof(errors[0])));
	tcase_add_test(tests, reading_a_key);
	tcase_add_test(tests, reading_what_is_spoken_instead);
	tcase_add_test(tests, reading_a_parameter);
	tcase_add_test(tests, reading_several_parameters);
	tcase_add_test(tests, only_some_messages_ask);
	tcase_add_test(tests, reading_the_state_of_a_transaction);
	tcase_add_test(tests, reading_an_authentication_request);
	tcase_add_loop_test(tests, reading_the_first_sasl_response, 0,
	    (int)(sizeof(initials) / sizeof(initials[0])));
	tcase_add_test(tests, names_know_the_direction);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
