#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/prometheus.h"

static struct prometheus out;

static const char *
written(void)
{
	static char text[4096];

	ck_assert(!out.text.failed);
	ck_assert_uint_lt(buffer_length(&out.text.buffer), sizeof(text));
	memcpy(text, buffer_front(&out.text.buffer),
	    buffer_length(&out.text.buffer));
	text[buffer_length(&out.text.buffer)] = '\0';
	text_clear(&out.text);
	return text;
}

static void
begin(void)
{
	memset(&out, 0, sizeof(out));
}

static void
end(void)
{
	text_clear(&out.text);
}

START_TEST(a_family_says_what_it_is_before_its_samples)
{
	prometheus_family(&out, "a_total", PROMETHEUS_COUNTER, "What it is");
	prometheus_begin(&out, "");
	prometheus_label(&out, "database", "shop");
	prometheus_label(&out, "user", NULL);
	prometheus_uint(&out, 42);
	prometheus_begin(&out, "");
	prometheus_seconds(&out, 1500000);
	prometheus_end(&out);
	ck_assert_str_eq(written(), "# HELP a_total What it is\n"
	    "# TYPE a_total counter\n"
	    "a_total{database=\"shop\",user=\"\"} 42\n"
	    "a_total 1.5\n");
}
END_TEST

START_TEST(openmetrics_has_counters_without_total_and_an_end)
{
	out.format = PROMETHEUS_OPENMETRICS;
	prometheus_family(&out, "a_total", PROMETHEUS_COUNTER, "Help");
	prometheus_begin(&out, "");
	prometheus_uint(&out, 1);
	prometheus_family(&out, "a_count", PROMETHEUS_COUNTER, "Help");
	prometheus_begin(&out, "");
	prometheus_text(&out, NULL);
	prometheus_end(&out);
	ck_assert_str_eq(written(), "# HELP a Help\n# TYPE a counter\n"
	    "a_total 1\n# HELP a_count Help\n# TYPE a_count unknown\n"
	    "a_count NaN\n# EOF\n");
}
END_TEST

static const struct {
	const char	*story, *value, *written;
} values[] = {
	{ "plain", "shop", "shop" },
	{ "quote, backslash, line break", "a\"b\\c\nd", "a\\\"b\\\\c\\nd" },
	{ "UTF-8", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98",
	    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98" },
	{ "half of a character", "a\xc3", "<invalid>" },
	{ "a byte that begins none", "\xff", "<invalid>" },
	{ "an overlong form", "\xc0\xaf", "<invalid>" },
	{ "a long overlong form", "\xe0\x80\xaf", "<invalid>" },
	{ "a surrogate", "\xed\xa0\x80", "<invalid>" },
	{ "beyond Unicode", "\xf4\x90\x80\x80", "<invalid>" },
	{ "a label of its own", "x\"} 1\nevil{y=\"", "x\\\"} 1\\nevil{y=\\\"" },
};

START_TEST(a_label_can_hold_anything)
{
	char expected[128];

	prometheus_family(&out, "a", PROMETHEUS_GAUGE, "h");
	text_clear(&out.text);
	prometheus_begin(&out, "");
	prometheus_label(&out, "l", values[_i].value);
	prometheus_uint(&out, 1);
	snprintf(expected, sizeof(expected), "a{l=\"%s\"} 1\n",
	    values[_i].written);
	ck_assert_str_eq(written(), expected);
}
END_TEST

static const struct {
	const char	*string, *json;
} strings[] = {
	{ "shop", "\"shop\"" },
	{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
	{ "<img onerror>&", "\"\\u003cimg onerror\\u003e\\u0026\"" },
	{ "tab\tbell\a", "\"tab\\u0009bell\\u0007\"" },
	{ "\xff", "\"\xef\xbf\xbd\"" },
};

START_TEST(json_strings_hold_anything)
{
	text_add_json(&out.text, strings[_i].string);
	ck_assert_str_eq(written(), strings[_i].json);
}
END_TEST

static const struct {
	uint64_t	 usec;
	const char	*seconds;
} spans[] = {
	{ 0, "0" }, { 1, "0.000001" }, { 64, "0.000064" }, { 10, "0.00001" },
	{ 1000000, "1" }, { 10000000, "10" }, { 67108864, "67.108864" },
};

START_TEST(seconds_are_exact_and_short)
{
	text_add_seconds(&out.text, spans[_i].usec);
	ck_assert_str_eq(written(), spans[_i].seconds);
}
END_TEST

static const struct {
	const char		*accept;
	enum prometheus_format	 format;
} accepts[] = {
	{ NULL, PROMETHEUS_TEXT },
	{ "", PROMETHEUS_TEXT },
	{ "*/*", PROMETHEUS_TEXT },
	{ "text/plain", PROMETHEUS_TEXT },
	{ "application/openmetrics-text; version=1.0.0",
	    PROMETHEUS_OPENMETRICS },
	{ "application/openmetrics-text;version=1.0.0,application/"
	    "openmetrics-text;version=0.0.1;q=0.75,text/plain;"
	    "version=0.0.4;q=0.5,*/*;q=0.1", PROMETHEUS_OPENMETRICS },
	{ "text/plain, application/openmetrics-text;q=0.5", PROMETHEUS_TEXT },
	{ "application/openmetrics-text;q=0", PROMETHEUS_TEXT },
	{ ",,, ,;q=,", PROMETHEUS_TEXT },
};

START_TEST(the_reader_chooses_the_format)
{
	ck_assert_int_eq(prometheus_choose(accepts[_i].accept),
	    accepts[_i].format);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("prometheus");
	TCase *tests = tcase_create("prometheus");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_family_says_what_it_is_before_its_samples);
	tcase_add_test(tests,
	    openmetrics_has_counters_without_total_and_an_end);
	tcase_add_loop_test(tests, a_label_can_hold_anything, 0,
	    (int)ARRAY_LENGTH(values));
	tcase_add_loop_test(tests, json_strings_hold_anything, 0,
	    (int)ARRAY_LENGTH(strings));
	tcase_add_loop_test(tests, seconds_are_exact_and_short, 0,
	    (int)ARRAY_LENGTH(spans));
	tcase_add_loop_test(tests, the_reader_chooses_the_format, 0,
	    (int)ARRAY_LENGTH(accepts));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
