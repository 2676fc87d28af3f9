#include "auth/md5.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/digest.h"
#include "base/memory.h"

#define DIGEST 16

bool
md5_is_secret(const char *text)
{
	return strlen(text) == MD5_SECRET_SIZE - 1 &&
	    strncmp(text, "md5", 3) == 0 &&
	    strspn(text + 3, "0123456789abcdef") == 2 * DIGEST;
}

/* "md5" and the digits of the digest of two pieces, one after the other. */
static bool
digest_two(const void *first, size_t first_length, const void *second,
    size_t second_length, char out[MD5_SECRET_SIZE])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t digest[DIGEST];
	bool done;

	done = context != NULL &&
	    EVP_DigestInit_ex(context, digest_md5(), NULL) == 1 &&
	    EVP_DigestUpdate(context, first, first_length) == 1 &&
	    EVP_DigestUpdate(context, second, second_length) == 1 &&
	    EVP_DigestFinal_ex(context, digest, NULL) == 1;
	EVP_MD_CTX_free(context);
	if (!done)
		return false;
	memcpy(out, "md5", 4);
	digest_write_digits(digest, DIGEST, out + 3);
	memory_wipe(digest, sizeof(digest));
	return true;
}

bool
md5_secret(const char *password, const char *user,
    char secret_out[MD5_SECRET_SIZE])
{
	return digest_two(password, strlen(password), user, strlen(user),
	    secret_out);
}

bool
md5_answer(const char *secret, const uint8_t salt[MD5_SALT],
    char answer_out[MD5_SECRET_SIZE])
{
	if (!md5_is_secret(secret))
		return false;
	return digest_two(secret + 3, 2 * DIGEST, salt, MD5_SALT, answer_out);
}
