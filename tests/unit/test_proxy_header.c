#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "wire/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define IPV4 "\300\0\2\7\12\0\0\1\307\70\31\40"
#define IPV6 "\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\7" \
    "\375\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\307\70\31\40"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\377\377\300\0\2\7" \
    "\0\0\0\0\0\0\0\0\0\0\377\377\12\0\0\1\307\70\31\40"
#define BYTES(literal) SIGNATURE literal, sizeof(SIGNATURE literal) - 1

static const struct {
	const char		*story;
	const char		*bytes;
	size_t			 length;
	enum proxy_header_kind	 kind;
	/* SOURCE: the address; BAD: part of the reason */
	const char		*says;
} cases[] = {
	{ "a client of IPv4", BYTES("\x21\x11\0\14" IPV4),
	  PROXY_HEADER_SOURCE, "192.0.2.7:51000" },
	{ "what is behind it is the client's", BYTES("\x21\x11\0\14" IPV4
	  "\0\0\0\10\4\322\26\57"), PROXY_HEADER_SOURCE, "192.0.2.7:51000" },
	{ "a client of IPv6", BYTES("\x21\x21\0\44" IPV6),
	  PROXY_HEADER_SOURCE, "[2001:db8::7]:51000" },
	{ "IPv4 that IPv6 carries", BYTES("\x21\x21\0\44" MAPPED),
	  PROXY_HEADER_SOURCE, "192.0.2.7:51000" },
	{ "with TLVs, one of them empty", BYTES("\x21\x11\0\24" IPV4
	  "\1\0\2h2\4\0\0"), PROXY_HEADER_SOURCE, "192.0.2.7:51000" },
	{ "no addresses", BYTES("\x21\0\0\0"), PROXY_HEADER_NONE, NULL },
	{ "no addresses, but something", BYTES("\x21\0\0\3abc"),
	  PROXY_HEADER_NONE, NULL },
	{ "LOCAL", BYTES("\x20\0\0\0"), PROXY_HEADER_NONE, NULL },
	{ "LOCAL with what does not count", BYTES("\x20\x11\0\14" IPV4),
	  PROXY_HEADER_NONE, NULL },
	{ "LOCAL of an unknown family", BYTES("\x20\xff\0\1x"),
	  PROXY_HEADER_NONE, NULL },
	{ "half of it", BYTES("\x21\x11\0\14\300\0\2"), PROXY_HEADER_MORE,
	  NULL },
	{ "its length is missing", BYTES("\x21\x11\0"), PROXY_HEADER_MORE,
	  NULL },
	{ "a TLV that is too long", BYTES("\x21\x11\0\21" IPV4 "\1\0\3ab"),
	  PROXY_HEADER_BAD, "a TLV" },
	{ "a TLV whose length is too long for anything",
	  BYTES("\x21\x11\0\17" IPV4 "\1\377\377"), PROXY_HEADER_BAD,
	  "a TLV" },
	{ "half of a TLV's length", BYTES("\x21\x11\0\16" IPV4 "\1\0"),
	  PROXY_HEADER_BAD, "a TLV" },
	{ "half of the addresses", BYTES("\x21\x11\0\4\300\0\2\7"),
	  PROXY_HEADER_BAD, "too short" },
	{ "IPv4 where IPv6 is said", BYTES("\x21\x21\0\14" IPV4),
	  PROXY_HEADER_BAD, "too short" },
	{ "a family without its paths", BYTES("\x21\x31\0\1x"),
	  PROXY_HEADER_BAD, "too short" },
	{ "UDP", BYTES("\x21\x12\0\14" IPV4), PROXY_HEADER_BAD, "family" },
	{ "no family, but a transport", BYTES("\x21\x01\0\0"),
	  PROXY_HEADER_BAD, "family" },
	{ "an unknown family", BYTES("\x21\x41\0\0"), PROXY_HEADER_BAD,
	  "family" },
	{ "another version", BYTES("\x11\x11\0\14"), PROXY_HEADER_BAD,
	  "version" },
	{ "another command", BYTES("\x22\x11\0\14"), PROXY_HEADER_BAD,
	  "command" },
	{ "the longest that there may be", BYTES("\x21\x11\x3f\xf0"),
	  PROXY_HEADER_MORE, NULL },
	{ "one byte more", BYTES("\x21\x11\x3f\xf1"), PROXY_HEADER_BAD,
	  "too long" },
	{ "the longest that can be said", BYTES("\x21\x11\xff\xff"),
	  PROXY_HEADER_BAD, "too long" },
};

static const char *
said(const struct proxy_header *header)
{
	static char text[ADDRESS_TEXT_BYTES];

	if (header->kind == PROXY_HEADER_BAD)
		return header->reason;
	address_format(&header->source, 0, text, sizeof(text));
	return text;
}

START_TEST(headers)
{
	struct proxy_header header;
	enum proxy_header_kind kind = proxy_header_read(
	    (const uint8_t *)cases[_i].bytes, cases[_i].length, &header);

	ck_assert_msg(kind == cases[_i].kind && header.kind == kind,
	    "%s: %d %s", cases[_i].story, kind, said(&header));
	if (cases[_i].says != NULL)
		ck_assert_msg(strstr(said(&header), cases[_i].says) != NULL,
		    "%s: %s", cases[_i].story, said(&header));
}
END_TEST

START_TEST(every_beginning_of_a_good_header_waits_for_more)
{
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct proxy_header header;
		size_t length;

		if (cases[i].kind != PROXY_HEADER_NONE &&
		    cases[i].kind != PROXY_HEADER_SOURCE)
			continue;
		proxy_header_read((const uint8_t *)cases[i].bytes,
		    cases[i].length, &header);
		length = header.length;
		for (size_t part = 0; part < length; part++)
			ck_assert_msg(proxy_header_read((const uint8_t *)
			    cases[i].bytes, part, &header) ==
			    PROXY_HEADER_MORE, "%s: %zu", cases[i].story,
			    part);
	}
}
END_TEST

START_TEST(a_client_behind_a_unix_socket_has_no_address)
{
	uint8_t bytes[16 + 2 * 108] = SIGNATURE "\x21\x31\0\330";
	struct proxy_header header;

	ck_assert_int_eq(proxy_header_read(bytes, sizeof(bytes), &header),
	    PROXY_HEADER_NONE);
	ck_assert_uint_eq(header.length, sizeof(bytes));
}
END_TEST

START_TEST(what_is_no_header_is_known_at_once)
{
	static const struct {
		const char	*bytes, *reason;
	} others[] = {
		{ "PROXY TCP4 192.0.2.7 10.0.0.1 51000 6432\r\n",
		  "version 1" },
		{ "P", "version 1" },
		{ "PR", "version 1" },
		{ "GET / HTTP/1.1\r\n", "there is none" },
		{ "\r\n\r\nX", "there is none" },
		{ "\026\003\001", "there is none" },
	};
	struct proxy_header header;

	for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
		ck_assert_int_eq(proxy_header_read((const uint8_t *)
		    others[i].bytes, strlen(others[i].bytes), &header),
		    PROXY_HEADER_BAD);
		ck_assert_msg(strstr(header.reason, others[i].reason) != NULL,
		    "%s: %s", others[i].bytes, header.reason);
	}
	/* An SSLRequest. */
	ck_assert_int_eq(proxy_header_read((const uint8_t *)"\0", 1,
	    &header), PROXY_HEADER_BAD);
	ck_assert_int_eq(proxy_header_read(NULL, 0, &header),
	    PROXY_HEADER_MORE);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("proxy_header");
	TCase *tests = tcase_create("proxy_header");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, headers, 0, (int)ARRAY_LENGTH(cases));
	tcase_add_test(tests, every_beginning_of_a_good_header_waits_for_more);
	tcase_add_test(tests, a_client_behind_a_unix_socket_has_no_address);
	tcase_add_test(tests, what_is_no_header_is_known_at_once);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
