#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log_record.h"
#include "base/utf8.h"

#define FFFD "\xef\xbf\xbd"

static char line[LOG_RECORD_BYTES + 1];

static const char *
written(enum log_format format, int worker,
    const struct log_subject *subject, const char *message)
{
	struct log_record record = { .time = { 1783687496, 7654321 },
	    .level = "LOG", .pid = 42, .worker = worker,
	    .subject = subject, .message = message };
	size_t length;

	memset(line, '~', sizeof(line));
	length = log_record_write(format, &record, line);
	ck_assert_uint_le(length, LOG_RECORD_BYTES);
	ck_assert_int_eq(line[LOG_RECORD_BYTES], '~');
	line[length] = '\0';
	ck_assert_uint_eq(strlen(line), length);
	ck_assert_ptr_eq(strchr(line, '\n'), line + length - 1);
	ck_assert(utf8_is_valid(line));
	return line;
}

static const struct {
	const char	*story;
	const char	*message;
	const char	*json, *logfmt;
} cases[] = {
	{ "a word", "hello", "\"hello\"", "hello" },
	{ "nothing", "", "\"\"", "\"\"" },
	{ "a blank", "a b", "\"a b\"", "\"a b\"" },
	{ "a quote", "a\"b", "\"a\\\"b\"", "\"a\\\"b\"" },
	{ "a backslash", "a\\b", "\"a\\\\b\"", "\"a\\\\b\"" },
	{ "a key of logfmt", "a=b", "\"a=b\"", "\"a=b\"" },
	{ "a record inside", "x\" level=FATAL y=\"",
	    "\"x\\\" level=FATAL y=\\\"\"", "\"x\\\" level=FATAL y=\\\"\"" },
	{ "line ends", "a\nb\r\tc", "\"a\\nb\\r\\tc\"",
	    "\"a\\nb\\r\\tc\"" },
	{ "control bytes", "\x01\x1b[31m\x7f", "\"\\u0001\\u001b[31m\\u007f\"",
	    "\"\\u0001\\u001b[31m\\u007f\"" },
	{ "UTF-8", "caf\xc3\xa9", "\"caf\xc3\xa9\"", "caf\xc3\xa9" },
	{ "Latin-1", "caf\xe9", "\"caf" FFFD "\"", "\"caf" FFFD "\"" },
	{ "a surrogate", "\xed\xa0\x80", "\"" FFFD FFFD FFFD "\"",
	    "\"" FFFD FFFD FFFD "\"" },
	{ "cut in a character", "x\xe2\x82", "\"x" FFFD FFFD "\"",
	    "\"x" FFFD FFFD "\"" },
	{ "braces", "},{", "\"},{\"", "},{" },
};

START_TEST(hostile_bytes)
{
	char wanted[512];

	snprintf(wanted, sizeof(wanted), "{\"time\":"
	    "\"2026-07-10T12:44:56.007Z\",\"level\":\"LOG\",\"pid\":42,"
	    "\"message\":%s}\n", cases[_i].json);
	ck_assert_str_eq(written(LOG_FORMAT_JSON, -1, NULL,
	    cases[_i].message), wanted);
	snprintf(wanted, sizeof(wanted), "time=2026-07-10T12:44:56.007Z "
	    "level=LOG pid=42 message=%s\n", cases[_i].logfmt);
	ck_assert_str_eq(written(LOG_FORMAT_LOGFMT, -1, NULL,
	    cases[_i].message), wanted);
}
END_TEST

START_TEST(who_it_is_about)
{
	struct log_subject subject = { LOG_SIDE_CLIENT, 0xc00001000007,
	    "shop", "joe \"x\"", "10.0.0.5:4242" };

	ck_assert_str_eq(written(LOG_FORMAT_JSON, 3, &subject, "hello"),
	    "{\"time\":\"2026-07-10T12:44:56.007Z\",\"level\":\"LOG\","
	    "\"pid\":42,\"worker\":3,\"side\":\"client\","
	    "\"pointer\":\"0xc00001000007\",\"database\":\"shop\","
	    "\"user\":\"joe \\\"x\\\"\",\"address\":\"10.0.0.5:4242\","
	    "\"message\":\"hello\"}\n");
	subject.side = LOG_SIDE_SERVER;
	ck_assert_str_eq(written(LOG_FORMAT_LOGFMT, 0, &subject, "hello"),
	    "time=2026-07-10T12:44:56.007Z level=LOG pid=42 worker=0 "
	    "side=server pointer=0xc00001000007 database=shop "
	    "user=\"joe \\\"x\\\"\" address=10.0.0.5:4242 message=hello\n");
}
END_TEST

START_TEST(what_is_not_known_is_left_out)
{
	struct log_subject subject = { .database = "shop" };

	ck_assert_str_eq(written(LOG_FORMAT_LOGFMT, -1, &subject, "hello"),
	    "time=2026-07-10T12:44:56.007Z level=LOG pid=42 database=shop "
	    "message=hello\n");
}
END_TEST

/* What every byte of a name or message may be. */
static const char *const floods[] = {
	"x", "\x01", "\"", "\xff", "\xe2\x82\xac", "\xf0\x9f\x98\x80", " ",
};

START_TEST(however_long_it_stays_one_record)
{
	static char much[8192];
	struct log_subject subject = { LOG_SIDE_CLIENT, UINT64_MAX, much, much,
	    much };
	size_t step = strlen(floods[_i]);

	for (size_t at = 0; at + step < sizeof(much); at += step)
		memcpy(much + at, floods[_i], step + 1);
	written(LOG_FORMAT_JSON, 63, &subject, much);
	ck_assert_uint_gt(strlen(line), LOG_RECORD_BYTES - 16);
	ck_assert_str_eq(line + strlen(line) - 3, "\"}\n");
	ck_assert_ptr_nonnull(strstr(line, "\",\"message\":\""));
	written(LOG_FORMAT_LOGFMT, 63, &subject, much);
	ck_assert_uint_gt(strlen(line), LOG_RECORD_BYTES - 16);
	ck_assert_str_eq(line + strlen(line) - 2, "\"\n");
	ck_assert_ptr_nonnull(strstr(line, "\" message=\""));
}
END_TEST

/* A message of the log's own length is all there, beside long names. */
START_TEST(a_usual_message_is_not_cut)
{
	char message[2048], name[128];
	struct log_subject subject = { LOG_SIDE_CLIENT, UINT64_MAX, name, name,
	    "[1234:1234:1234:1234:1234:1234:1234:1234]:12345" };

	memset(message, 'm', sizeof(message) - 1);
	message[sizeof(message) - 1] = '\0';
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_ptr_nonnull(strstr(written(LOG_FORMAT_JSON, 63, &subject,
	    message), message));
	ck_assert_ptr_nonnull(strstr(written(LOG_FORMAT_LOGFMT, 63, &subject,
	    message), message));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log_record");
	TCase *tests = tcase_create("log_record");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, hostile_bytes, 0, ARRAY_LENGTH(cases));
	tcase_add_test(tests, who_it_is_about);
	tcase_add_test(tests, what_is_not_known_is_left_out);
	tcase_add_loop_test(tests, however_long_it_stays_one_record, 0,
	    ARRAY_LENGTH(floods));
	tcase_add_test(tests, a_usual_message_is_not_cut);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
