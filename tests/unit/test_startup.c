#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "wire/startup.h"

#define MOST 2147483647u
#define BODY(literal) literal, sizeof(literal) - 1

static const struct {
	const char		*story;
	const char		*bytes;
	size_t			 length;
	enum startup_kind	 kind;
	const char		*reason;	/* BAD */
} cases[] = {
	{ "nothing yet", BODY(""), STARTUP_MORE, NULL },
	{ "half a header", BODY("\0\0\0\10\4\322\26"), STARTUP_MORE, NULL },
	{ "SSLRequest", BODY("\0\0\0\10\4\322\26\57"), STARTUP_SSL, NULL },
	{ "GSSENCRequest", BODY("\0\0\0\10\4\322\26\60"), STARTUP_GSSENC,
	  NULL },
	{ "SSLRequest with more behind it belongs to the caller",
	  BODY("\0\0\0\10\4\322\26\57x"), STARTUP_SSL, NULL },
	{ "SSLRequest of another length", BODY("\0\0\0\11\4\322\26\57x"),
	  STARTUP_BAD, "bad packet header: '0000000904d2162f'" },
	{ "CancelRequest",
	  BODY("\0\0\0\20\4\322\26\56\0\0\0\1\0\0\0\2"), STARTUP_CANCEL,
	  NULL },
	{ "half a CancelRequest", BODY("\0\0\0\20\4\322\26\56\0\0\0\1"),
	  STARTUP_MORE, NULL },
	{ "CancelRequest with a long key",
	  BODY("\0\0\0\21\4\322\26\56\0\0\0\1\0\0\0\2\0"),
	  STARTUP_CANCEL, NULL },
	{ "CancelRequest with too long a key",
	  BODY("\0\0\1\15\4\322\26\56\0\0\0\1\0\0\0\2\0"), STARTUP_BAD,
	  "bad cancel request" },
	{ "CancelRequest without a key", BODY("\0\0\0\10\4\322\26\56"),
	  STARTUP_BAD, "bad cancel request" },
	{ "a good start", BODY("\0\0\0\20\0\3\0\0user\0u\0\0"), STARTUP_V3,
	  NULL },
	{ "no parameters at all", BODY("\0\0\0\11\0\3\0\0\0"), STARTUP_V3,
	  NULL },
	{ "a start still under way", BODY("\0\0\0\20\0\3\0\0user\0u\0"),
	  STARTUP_MORE, NULL },
	{ "no terminator", BODY("\0\0\0\17\0\3\0\0user\0u\0"), STARTUP_BAD,
	  "invalid startup packet layout: expected terminator as last byte" },
	{ "no body", BODY("\0\0\0\10\0\3\0\0"), STARTUP_BAD,
	  "bad packet header: '0000000800030000'" },
	{ "a name without a value", BODY("\0\0\0\16\0\3\0\0user\0\0"),
	  STARTUP_BAD,
	  "invalid startup packet layout: expected terminator as last byte" },
	{ "a value without its NUL", BODY("\0\0\0\17\0\3\0\0user\0uu"),
	  STARTUP_BAD,
	  "invalid startup packet layout: expected terminator as last byte" },
	{ "a terminator before the end",
	  BODY("\0\0\0\21\0\3\0\0user\0u\0\0\0"), STARTUP_BAD,
	  "invalid startup packet layout: expected terminator as last byte" },
	{ "version 2", BODY("\0\0\1\50\0\2\0\0"), STARTUP_BAD,
	  "old V2 protocol not supported" },
	{ "version 4", BODY("\0\0\0\20\0\4\0\0user\0u\0\0"), STARTUP_BAD,
	  "bad packet header: '0000001000040000'" },
	{ "version 1", BODY("\0\0\0\10\0\1\0\0"), STARTUP_BAD,
	  "bad packet header: '0000000800010000'" },
	{ "an unknown code", BODY("\0\0\0\10\4\322\26\61"), STARTUP_BAD,
	  "bad packet header: '0000000804d21631'" },
	{ "a length that cannot be", BODY("\0\0\0\7\0\3\0\0"), STARTUP_BAD,
	  "bad packet header: '0000000700030000'" },
	{ "a third byte of length", BODY("\0\1\0\0\0\3\0\0"), STARTUP_BAD,
	  "bad packet header: '0001000000030000'" },
	{ "HTTP", BODY("GET / HTTP/1.1\r\n"), STARTUP_BAD,
	  "bad packet header: '474554202f204854'" },
	{ "HTTP is known by its first byte", BODY("G"), STARTUP_BAD,
	  "bad packet header: '47'" },
	{ "TLS where there is none", BODY("\26\3\1"), STARTUP_BAD,
	  "bad packet header: '160301'" },
	{ "a password before all else", BODY("p\0\0\0\5\0"), STARTUP_BAD,
	  "client password pkt before startup packet" },
};

START_TEST(first_packets)
{
	struct startup startup;

	ck_assert_msg(startup_read((const uint8_t *)cases[_i].bytes,
	    cases[_i].length, MOST, &startup) == cases[_i].kind, "%s: %d",
	    cases[_i].story, startup.kind);
	ck_assert_int_eq(startup.kind, cases[_i].kind);
	if (cases[_i].reason != NULL)
		ck_assert_str_eq(startup.reason, cases[_i].reason);
}
END_TEST

START_TEST(every_beginning_of_a_good_packet_waits_for_more)
{
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct startup startup;

		if (cases[i].kind == STARTUP_BAD ||
		    cases[i].kind == STARTUP_MORE)
			continue;
		startup_read((const uint8_t *)cases[i].bytes,
		    cases[i].length, MOST, &startup);
		for (size_t length = 0; length < startup.length; length++) {
			struct startup part;

			ck_assert_int_eq(startup_read(
			    (const uint8_t *)cases[i].bytes, length, MOST,
			    &part), STARTUP_MORE);
		}
	}
}
END_TEST

START_TEST(the_key_of_a_cancel_request)
{
	struct startup startup;

	startup_read((const uint8_t *)
	    "\0\0\0\20\4\322\26\56\0\0\0\1\377\0\0\2", 16, MOST, &startup);
	ck_assert_int_eq(startup.kind, STARTUP_CANCEL);
	ck_assert_uint_eq(startup.length, 16);
	ck_assert_uint_eq(startup.key.pid, 1);
	ck_assert_uint_eq(startup.key.secret, 0xff000002);
}
END_TEST

START_TEST(max_packet_size_holds_before_login_as_well)
{
	static const uint8_t packet[] = "\0\0\0\20\0\3\0\0user\0u\0";
	struct startup startup;

	ck_assert_int_eq(startup_read(packet, 16, 16, &startup), STARTUP_V3);
	ck_assert_int_eq(startup_read(packet, 16, 15, &startup), STARTUP_BAD);
}
END_TEST

START_TEST(parameters_come_in_order)
{
	static const uint8_t packet[] = "\0\0\0\36\0\3\0\0user\0u\0"
	    "database\0\0b\0c\0";
	struct startup_parameter parameter;
	struct startup startup;
	struct reader at;

	ck_assert_int_eq(startup_read(packet, 30, MOST, &startup),
	    STARTUP_V3);
	ck_assert(!startup.negotiate);
	at = startup.parameters;
	ck_assert(startup_next(&at, &parameter));
	ck_assert_str_eq(parameter.name, "user");
	ck_assert_str_eq(parameter.value, "u");
	ck_assert(startup_next(&at, &parameter));
	ck_assert_str_eq(parameter.name, "database");
	ck_assert_str_eq(parameter.value, "");
	ck_assert(startup_next(&at, &parameter));
	ck_assert_str_eq(parameter.value, "c");
	ck_assert(!startup_next(&at, &parameter));
	ck_assert(!startup_next(&at, &parameter));
}
END_TEST

static const struct {
	const char	*story;
	const char	*bytes;
	size_t		 length;
	bool		 negotiate;
	const char	*reply;
	size_t		 reply_length;
} negotiations[] = {
	{ "plain 3.0", BODY("\0\0\0\20\0\3\0\0user\0u\0\0"), false,
	  NULL, 0 },
	{ "3.2", BODY("\0\0\0\20\0\3\0\2user\0u\0\0"), false,
	  NULL, 0 },
	{ "3.3", BODY("\0\0\0\20\0\3\0\3user\0u\0\0"), true,
	  BODY("v\0\0\0\14\0\3\0\2\0\0\0\0") },
	{ "3.9999 and two extensions", BODY("\0\0\0\32\0\3\47\17"
	  "_pq_.a\0\0_pq_.b\0x\0\0"), true,
	  BODY("v\0\0\0\32\0\3\0\2\0\0\0\2_pq_.a\0_pq_.b\0") },
	{ "an extension of 3.0",
	  BODY("\0\0\0\22\0\3\0\0_pq_.a\0x\0\0"), true,
	  BODY("v\0\0\0\23\0\3\0\0\0\0\0\1_pq_.a\0") },
};

START_TEST(talking_down_what_we_do_not_know)
{
	uint8_t memory[64];
	struct writer writer = writer_of(memory, sizeof(memory));
	struct startup startup;

	ck_assert_int_eq(startup_read((const uint8_t *)negotiations[_i].bytes,
	    negotiations[_i].length, MOST, &startup), STARTUP_V3);
	ck_assert_msg(startup.negotiate == negotiations[_i].negotiate, "%s",
	    negotiations[_i].story);
	if (!startup.negotiate)
		return;
	startup_write_negotiation(&startup, &writer);
	ck_assert(!writer.failed);
	ck_assert_uint_eq(writer.used, negotiations[_i].reply_length);
	ck_assert_mem_eq(memory, negotiations[_i].reply, writer.used);
}
END_TEST

static const struct {
	const char	*story;
	const char	*options;
	const char	*settings;	/* "name=value;" each; '!' at the end:
					   OPTION_BAD */
} options[] = {
	{ "none", "", "" },
	{ "only blanks", " \t\n ", "" },
	{ "-c k=v", "-c geqo=off", "geqo=off;" },
	{ "-ck=v", "-cgeqo=off", "geqo=off;" },
	{ "--k=v", "--geqo=off", "geqo=off;" },
	{ "several", " -c  a=1 --b=2\t-cd=3 ", "a=1;b=2;d=3;" },
	{ "an escaped blank", "-c search_path=a,\\ b", "search_path=a, b;" },
	{ "an escaped backslash", "-c a=\\\\", "a=\\;" },
	{ "a backslash at the end", "-c a=b\\", "a=b;" },
	{ "a value with =", "-c a=b=c", "a=b=c;" },
	{ "an empty value", "-c a=", "a=;" },
	{ "a dash in a name", "--search-path=x-y", "search_path=x-y;" },
	{ "an empty name", "-c =v", "!" },
	{ "an empty name, attached", "-c=v", "!" },
	{ "an empty long name", "--=v", "!" },
	{ "no =", "-c a", "!" },
	{ "-c alone", "-c", "!" },
	{ "-c and blanks", "-c   ", "!" },
	{ "another switch", "-d 5", "!" },
	{ "a lone dash", "-", "!" },
	{ "two dashes", "--", "!" },
	{ "no switch", "a=b", "!" },
	{ "good, then bad", "-c a=b -x", "a=b;!" },
	{ "bad ends the walk", "-x -c a=b", "!" },
};

START_TEST(splitting_options)
{
	const char *at = options[_i].options;
	char scratch[64], got[128] = "";
	struct startup_parameter option;
	enum option_verdict verdict;

	while ((verdict = startup_next_option(&at, scratch, sizeof(scratch),
	    &option)) == OPTION_FOUND) {
		strcat(got, option.name);
		strcat(got, "=");
		strcat(got, option.value);
		strcat(got, ";");
	}
	if (verdict == OPTION_BAD) {
		strcat(got, "!");
		ck_assert_int_eq(startup_next_option(&at, scratch,
		    sizeof(scratch), &option), OPTION_NONE);
	}
	ck_assert_msg(strcmp(got, options[_i].settings) == 0, "%s: %s",
	    options[_i].story, got);
}
END_TEST

START_TEST(an_option_longer_than_the_scratch_is_refused)
{
	const char *at = "--a=bcdef";
	char scratch[9];
	struct startup_parameter option;

	ck_assert_int_eq(startup_next_option(&at, scratch, sizeof(scratch),
	    &option), OPTION_BAD);
	at = "--a=bcde";
	ck_assert_int_eq(startup_next_option(&at, scratch, sizeof(scratch),
	    &option), OPTION_FOUND);
	ck_assert_str_eq(option.value, "bcde");
	at = "--a=b";
	ck_assert_int_eq(startup_next_option(&at, scratch, 0, &option),
	    OPTION_BAD);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("startup");
	TCase *tests = tcase_create("startup");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, first_packets, 0, (int)ARRAY_LENGTH(cases));
	tcase_add_test(tests,
	    every_beginning_of_a_good_packet_waits_for_more);
	tcase_add_test(tests, the_key_of_a_cancel_request);
	tcase_add_test(tests, max_packet_size_holds_before_login_as_well);
	tcase_add_test(tests, parameters_come_in_order);
	tcase_add_loop_test(tests, talking_down_what_we_do_not_know, 0,
	    (int)ARRAY_LENGTH(negotiations));
	tcase_add_loop_test(tests, splitting_options, 0,
	    (int)ARRAY_LENGTH(options));
	tcase_add_test(tests, an_option_longer_than_the_scratch_is_refused);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
