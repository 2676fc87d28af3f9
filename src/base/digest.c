#include "base/digest.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "base/invariant.h"

const EVP_MD *
digest_sha256(void)
{
	static EVP_MD *found;

	if (UNLIKELY(found == NULL))
		found = EVP_MD_fetch(NULL, "SHA256", NULL);
	return found;
}

const EVP_MD *
digest_md5(void)
{
	static EVP_MD *found;

	if (UNLIKELY(found == NULL))
		found = EVP_MD_fetch(NULL, "MD5", NULL);
	return found;
}

void
digest_of(const void *bytes, size_t length, uint8_t out[SHA256_BYTES])
{
	INVARIANT(EVP_Digest(bytes, length, out, NULL, digest_sha256(),
	    NULL) == 1);
}

/* Knows its hash and no key: what is looked up is all in there. */
static EVP_MAC_CTX *
make_pattern(void)
{
	EVP_MAC *method = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *pattern = method == NULL ? NULL : EVP_MAC_CTX_new(method);
	char name[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name,
		    0),
		OSSL_PARAM_construct_end()
	};

	EVP_MAC_free(method);		/* the context holds it */
	if (pattern != NULL && EVP_MAC_CTX_set_params(pattern, params) == 1)
		return pattern;
	EVP_MAC_CTX_free(pattern);
	return NULL;
}

bool
digest_keyed(const void *key, size_t key_length, const void *bytes,
    size_t length, uint8_t out[SHA256_BYTES])
{
	static EVP_MAC_CTX *pattern;
	EVP_MAC_CTX *context;
	size_t written = 0;
	bool done;

	if (UNLIKELY(pattern == NULL))
		pattern = make_pattern();
	if (pattern == NULL)
		return false;
	context = EVP_MAC_CTX_dup(pattern);
	done = context != NULL &&
	    EVP_MAC_init(context, key, key_length, NULL) == 1 &&
	    EVP_MAC_update(context, bytes, length) == 1 &&
	    EVP_MAC_final(context, out, &written, SHA256_BYTES) == 1 &&
	    written == SHA256_BYTES;
	EVP_MAC_CTX_free(context);
	return done;
}

void
digest_write_digits(const uint8_t *bytes, size_t length, char *text_out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		*text_out++ = digits[bytes[i] >> 4];
		*text_out++ = digits[bytes[i] & 0xf];
	}
	*text_out = '\0';
}
