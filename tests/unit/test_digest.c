#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"

static const char *
hex(const uint8_t digest[SHA256_BYTES])
{
	static char text[2 * SHA256_BYTES + 1];

	digest_write_digits(digest, SHA256_BYTES, text);
	return text;
}

/* FIPS 180-2, appendix B. */
START_TEST(of_known_texts)
{
	uint8_t digest[SHA256_BYTES];

	digest_of("abc", 3, digest);
	ck_assert_str_eq(hex(digest), "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
	digest_of("", 0, digest);
	ck_assert_str_eq(hex(digest), "e3b0c44298fc1c149afbf4c8996fb924"
	    "27ae41e4649b934ca495991b7852b855");
}
END_TEST

/* RFC 4231, cases 1, 2 and 6. */
static const struct {
	const char	*key;
	size_t		 key_length;	/* the key again and again */
	const char	*text, *code;
} codes[] = {
	{ "\x0b", 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b"
	    "881dc200c9833da726e9376c2e32cff7" },
	{ "Jefe", 4, "what do ya want for nothing?",
	    "5bdcc146bf60754e6a042426089575c7"
	    "5a003f089d2739839dec58b964ec3843" },
	{ "\xaa", 131, "Test Using Larger Than Block-Size Key - Hash Key First",
	    "60e431591ee0b67f0d8a26aacbf5b77f"
	    "8e0bc6213728c5140546040f0ee37f54" },
};

START_TEST(keyed)
{
	uint8_t key[131], digest[SHA256_BYTES];

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)codes[_i].key[i % strlen(codes[_i].key)];
	/* The second time it works from what the first one left. */
	for (int times = 0; times < 2; times++) {
		ck_assert(digest_keyed(key, codes[_i].key_length,
		    codes[_i].text, strlen(codes[_i].text), digest));
		ck_assert_str_eq(hex(digest), codes[_i].code);
	}
}
END_TEST

START_TEST(one_key_leaves_nothing_to_the_next)
{
	uint8_t first[SHA256_BYTES], second[SHA256_BYTES];

	ck_assert(digest_keyed("one", 3, "text", 4, first));
	ck_assert(digest_keyed("other", 5, "text", 4, second));
	ck_assert_mem_ne(first, second, sizeof(first));
	ck_assert(digest_keyed("one", 3, "text", 4, second));
	ck_assert_mem_eq(first, second, sizeof(first));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("digest");
	TCase *tests = tcase_create("digest");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, of_known_texts);
	tcase_add_loop_test(tests, keyed, 0, (int)ARRAY_LENGTH(codes));
	tcase_add_test(tests, one_key_leaves_nothing_to_the_next);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
