#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "config/kinds.h"

static struct arena *arena;

static void
setup(void)
{
	arena = arena_create();
}

static void
teardown(void)
{
	arena_destroy(arena);
}

/* What is printed of a text that was read; NULL expected: it is refused. */
static const struct {
	const char		*story;
	const struct kind	*kind;
	const char		*text;
	struct bounds		 bounds;
	const char		*printed;
} cases[] = {
	{ "a decimal number", &kind_COUNT, "6432", { 0, 65535 }, "6432" },
	{ "the least", &kind_COUNT, "1", { 1, 9 }, "1" },
	{ "the most", &kind_COUNT, "9", { 1, 9 }, "9" },
	{ "below the least", &kind_COUNT, "0", { 1, 9 }, NULL },
	{ "above the most", &kind_COUNT, "10", { 1, 9 }, NULL },
	{ "hexadecimal", &kind_COUNT, "0x1F", { 0, 99 }, "31" },
	{ "octal, as ever", &kind_COUNT, "010", { 0, 99 }, "8" },
	{ "negative where allowed", &kind_COUNT, "-1", { -1, 9 }, "-1" },
	{ "the largest int", &kind_COUNT, "2147483647", { 0, 2147483647 },
	    "2147483647" },
	{ "more than a long", &kind_COUNT, "99999999999999999999",
	    { 0, 1e30 }, NULL },
	{ "more than an int", &kind_COUNT, "4294967296", { 0, 1e30 }, NULL },
	{ "junk behind", &kind_COUNT, "5x", { 0, 9 }, NULL },
	{ "a unit", &kind_COUNT, "5 MB", { 0, 9 }, NULL },
	{ "nothing", &kind_COUNT, "", { 0, 9 }, NULL },
	{ "a word", &kind_COUNT, "many", { 0, 9 }, NULL },

	{ "on", &kind_SWITCH, "1", { 0, 1 }, "1" },
	{ "off", &kind_SWITCH, "0", { 0, 1 }, "0" },
	{ "switches are numbers", &kind_SWITCH, "yes", { 0, 1 }, NULL },

	{ "seconds", &kind_DURATION, "15", { 0, 1e9 }, "15" },
	{ "half a second", &kind_DURATION, "0.5", { 0, 1e9 }, "0.5" },
	{ "half a second, short", &kind_DURATION, ".5", { 0, 1e9 }, "0.5" },
	{ "a point at the end", &kind_DURATION, "7.", { 0, 1e9 }, "7" },
	{ "a microsecond", &kind_DURATION, "0.000001", { 0, 1e9 }, "1e-06" },
	{ "less than that", &kind_DURATION, "0.0000001", { 0, 1e9 }, "0" },
	{ "as %g", &kind_DURATION, "1234567.5", { 0, 1e9 }, "1.23457e+06" },
	{ "leading zeros", &kind_DURATION, "007", { 0, 1e9 }, "7" },
	{ "only a point", &kind_DURATION, ".", { 0, 1e9 }, NULL },
	{ "negative", &kind_DURATION, "-1", { 0, 1e9 }, NULL },
	{ "an exponent", &kind_DURATION, "1e3", { 0, 1e9 }, NULL },
	{ "infinity", &kind_DURATION, "inf", { 0, 1e9 }, NULL },
	{ "a unit", &kind_DURATION, "30s", { 0, 1e9 }, NULL },
	{ "no time at all", &kind_DURATION, "", { 0, 1e9 }, NULL },
	{ "too long", &kind_DURATION, "1000000001", { 0, 1e9 }, NULL },
	{ "far too long", &kind_DURATION, "99999999999999999999999",
	    { 0, 1e9 }, NULL },

	{ "a text", &kind_TEXT, "a b", { 0, 0 }, "a b" },
	{ "an empty text", &kind_TEXT, "", { 0, 0 }, "" },
	{ "a database", &kind_DATABASE, "pgbouncer2", { 0, 0 },
	    "pgbouncer2" },
	{ "the console", &kind_DATABASE, "pgbouncer", { 0, 0 }, NULL },
	{ "permissions are shown in decimal", &kind_FILE_MODE, "0777",
	    { 0, 0777 }, "511" },
	{ "a facility", &kind_FACILITY, "local7", { 0, 0 }, "local7" },
	{ "no facility", &kind_FACILITY, "local8", { 0, 0 }, NULL },

	{ "one worker per CPU", &kind_WORKERS, "auto", { 1, 64 }, "auto" },
	{ "so many workers", &kind_WORKERS, "16", { 1, 64 }, "16" },
	{ "no workers", &kind_WORKERS, "0", { 1, 64 }, NULL },
	{ "too many workers", &kind_WORKERS, "65", { 1, 64 }, NULL },

	{ "a word", &kind_POOL_MODE, "transaction", { 0, 0 },
	    "transaction" },
	{ "in any case", &kind_POOL_MODE, "Statement", { 0, 0 },
	    "statement" },
	{ "the beginning of a word", &kind_POOL_MODE, "trans", { 0, 0 },
	    NULL },
	{ "no word", &kind_POOL_MODE, "", { 0, 0 }, NULL },
	{ "an auth type", &kind_AUTH_TYPE, "SCRAM-SHA-256", { 0, 0 },
	    "scram-sha-256" },
	{ "another one's", &kind_AUTH_TYPE, "peer", { 0, 0 }, NULL },
	{ "an sslmode", &kind_SSLMODE, "verify-full", { 0, 0 },
	    "verify-full" },
	{ "DH parameters", &kind_DHEPARAMS, "legacy", { 0, 0 }, "legacy" },
	{ "a choice of hosts", &kind_LOAD_BALANCE, "disable", { 0, 0 },
	    "disable" },

	{ "a form of the log", &kind_LOG_FORMAT, "JSON", { 0, 0 }, "json" },
	{ "another one", &kind_LOG_FORMAT, "xml", { 0, 0 }, NULL },

	{ "TLS versions", &kind_TLS_PROTOCOLS, "tlsv1.2,tlsv1.3", { 0, 0 },
	    "tlsv1.2,tlsv1.3" },
	{ "all but one", &kind_TLS_PROTOCOLS, "all:!tlsv1.0", { 0, 0 },
	    "all:!tlsv1.0" },
	{ "with blanks", &kind_TLS_PROTOCOLS, " tlsv1.2, TLSv1.3 ", { 0, 0 },
	    " tlsv1.2, TLSv1.3 " },
	{ "another protocol", &kind_TLS_PROTOCOLS, "sslv3", { 0, 0 }, NULL },
	{ "not quite one", &kind_TLS_PROTOCOLS, "tlsv1.4", { 0, 0 }, NULL },
};

START_TEST(reading_and_printing)
{
	union {
		int		 number;
		usec_t		 span;
		const char	*text;
	} value = { .span = -77 };
	struct error error = { .text = "" };
	char room[KIND_TEXT_ROOM];

	if (kind_parse(cases[_i].kind, cases[_i].text, &cases[_i].bounds,
	    arena, &value, &error)) {
		ck_assert_msg(cases[_i].printed != NULL, "%s: accepted",
		    cases[_i].story);
		ck_assert_str_eq(kind_print(cases[_i].kind, &value, room),
		    cases[_i].printed);
	} else {
		ck_assert_msg(cases[_i].printed == NULL, "%s: %s",
		    cases[_i].story, error.text);
		ck_assert_msg(strstr(error.text, "expected") != NULL ||
		    strstr(error.text, "reserved") != NULL, "%s: %s",
		    cases[_i].story, error.text);
		ck_assert_int_eq(value.span, -77);
	}
}
END_TEST

START_TEST(a_duration_is_kept_in_microseconds)
{
	struct bounds bounds = { 0, 1e9 };
	struct error error;
	usec_t span;

	ck_assert(kind_parse(&kind_DURATION, "2.25", &bounds, arena, &span,
	    &error));
	ck_assert_int_eq(span, 2250000);
}
END_TEST

START_TEST(a_text_that_was_never_given_is_null)
{
	char room[KIND_TEXT_ROOM];
	const char *text = NULL;

	ck_assert_ptr_null(kind_print(&kind_TEXT, &text, room));
}
END_TEST

START_TEST(an_error_names_the_words)
{
	struct bounds bounds = { 0, 0 };
	struct error error;
	int mode;

	ck_assert(!kind_parse(&kind_POOL_MODE, "x", &bounds, arena, &mode,
	    &error));
	ck_assert_str_eq(error.text,
	    "one of session, transaction, statement is expected");
}
END_TEST

START_TEST(words_of_enums)
{
	ck_assert_str_eq(pool_mode_word(POOL_MODE_STATEMENT), "statement");
	ck_assert_str_eq(auth_type_word(AUTH_TYPE_HBA), "hba");
	ck_assert_str_eq(load_balance_word(LOAD_BALANCE_ROUND_ROBIN),
	    "round-robin");
}
END_TEST

START_TEST(the_word_of_no_mode_aborts)		/* expects SIGABRT */
{
	pool_mode_word((enum pool_mode)3);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("kinds");
	TCase *tcase = tcase_create("kinds");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, reading_and_printing, 0,
	    (int)ARRAY_LENGTH(cases));
	tcase_add_test(tcase, a_duration_is_kept_in_microseconds);
	tcase_add_test(tcase, a_text_that_was_never_given_is_null);
	tcase_add_test(tcase, an_error_names_the_words);
	tcase_add_test(tcase, words_of_enums);
	tcase_add_test_raise_signal(tcase, the_word_of_no_mode_aborts,
	    SIGABRT);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
