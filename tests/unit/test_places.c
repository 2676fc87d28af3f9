#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "config/places.h"

static const struct {
	const char	*story, *text;
	const char	*places;	/* as they are understood; NULL: refused */
} texts[] = {
	{ "nothing", "", "" },
	{ "blanks", "  ", "" },
	{ "a port is the loopback's", "9127", "127.0.0.1:9127 " },
	{ "a host", "10.1.2.3:9127", "10.1.2.3:9127 " },
	{ "localhost", "localhost:9127", "127.0.0.1:9127 " },
	{ "everywhere", "*:9127", "*[::]:9127 " },
	{ "IPv6", "[::1]:9127", "[::1]:9127 " },
	{ "several", "9127, [::1]:9128 ,*:1", "127.0.0.1:9127 [::1]:9128 "
	    "*[::]:1 " },
	{ "IPv6 without brackets", "::1:9127", NULL },
	{ "brackets around IPv4", "[10.1.2.3]:9127", NULL },
	{ "no port", "10.1.2.3:", NULL },
	{ "no port at all", "10.1.2.3", NULL },
	{ "a port with a sign", "+9127", NULL },
	{ "port 0", "0", NULL },
	{ "a port too high", "65536", NULL },
	{ "letters behind it", "9127x", NULL },
	{ "a name", "example.com:9127", NULL },
	{ "half a bracket", "[::1:9127", NULL },
	{ "only brackets", "[]:9127", NULL },
	{ "an empty entry", "9127,,9128", NULL },
	{ "too many", "1,2,3,4,5,6,7,8,9", NULL },
	{ "far too long", "1111111111111111111111111111111111111111111111111"
	    "11111111111111111111111111111111111111111111111111", NULL },
};

START_TEST(a_list_of_places_is_understood)
{
	struct places places;
	struct error error;
	char got[512] = "";

	if (!places_parse(texts[_i].text, &places, &error)) {
		ck_assert_msg(texts[_i].places == NULL, "%s: %s",
		    texts[_i].story, error.text);
		return;
	}
	for (unsigned i = 0; i < places.count; i++) {
		char text[ADDRESS_TEXT_BYTES];

		address_format(&places.list[i].address, 0, text,
		    sizeof(text));
		if (places.list[i].everywhere)
			strcat(got, "*");
		strcat(got, text);
		strcat(got, " ");
	}
	ck_assert_msg(texts[_i].places != NULL, "%s: '%s' was accepted",
	    texts[_i].story, got);
	ck_assert_str_eq(got, texts[_i].places);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("places");
	TCase *tests = tcase_create("places");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, a_list_of_places_is_understood, 0,
	    (int)ARRAY_LENGTH(texts));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
