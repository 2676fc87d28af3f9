#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "session/query_texts.h"

static struct query_texts *texts;

static void
begin(void)
{
	texts = query_texts_create();
}

static void
end(void)
{
	query_texts_destroy(texts);
}

static struct query_text *
share(const char *bytes, size_t length)
{
	struct query_text *text = query_texts_share(texts,
	    (const uint8_t *)bytes, length);

	ck_assert_ptr_nonnull(text);
	ck_assert_uint_eq(query_text_length(text), length);
	ck_assert_mem_eq(query_text_bytes(text), bytes, length);
	return text;
}

START_TEST(the_same_is_kept_once)
{
	struct query_text *one = share("select 1\0\0", 11);
	struct query_text *same = share("select 1\0\0", 11);
	struct query_text *other = share("select 1\0\1", 11);

	ck_assert_ptr_eq(one, same);
	ck_assert_ptr_ne(one, other);
	ck_assert_uint_eq(query_texts_count(texts), 2);
	query_text_release(one);
	ck_assert_uint_eq(query_texts_count(texts), 2);
	query_text_keep(same);
	query_text_release(same);
	query_text_release(same);
	ck_assert_uint_eq(query_texts_count(texts), 1);
	query_text_release(other);
	query_text_release(NULL);
	ck_assert_uint_eq(query_texts_count(texts), 0);
}
END_TEST

/* SHA-256 of "abc", its first half: FIPS 180-2, appendix B.1. */
START_TEST(the_digest_is_that_of_the_bytes)
{
	static const uint8_t wanted[STATEMENT_DIGEST_BYTES] = { 0xba, 0x78,
	    0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d,
	    0xae, 0x22, 0x23 };
	struct query_text *text = share("abc", 3);

	ck_assert_mem_eq(query_text_digest(text), wanted, sizeof(wanted));
	ck_assert_ptr_eq(query_text_digest(text), query_text_digest(text));
	ck_assert(query_text_is(text, (const uint8_t *)"abc", 3));
	ck_assert(!query_text_is(text, (const uint8_t *)"abd", 3));
	ck_assert(!query_text_is(text, (const uint8_t *)"abc", 2));
	query_text_release(text);
}
END_TEST

START_TEST(many_are_found_again)
{
	struct query_text *all[2000];

	for (int i = 0; i < 2000; i++)
		all[i] = share((const char *)&i, sizeof(i));
	ck_assert_uint_eq(query_texts_count(texts), 2000);
	for (int i = 0; i < 2000; i++) {
		ck_assert_ptr_eq(share((const char *)&i, sizeof(i)), all[i]);
		query_text_release(all[i]);
		query_text_release(all[i]);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("query_texts");
	TCase *tests = tcase_create("query_texts");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, begin, end);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, the_same_is_kept_once);
	tcase_add_test(tests, the_digest_is_that_of_the_bytes);
	tcase_add_test(tests, many_are_found_again);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
