/*
 * SHA-256, MD5 and HMAC as OpenSSL computes them.  OpenSSL 3 looks an
 * algorithm up for each call that names it, which takes longer than to hash
 * what a login has to hash; here each is looked up once for the process.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <openssl/evp.h>

#include "base/base.h"

#define SHA256_BYTES 32

/* For OpenSSL's calls. NULL: OpenSSL has none (MD5, where it is forbidden). */
const EVP_MD *digest_sha256(void);
const EVP_MD *digest_md5(void);

/* Memory apart it cannot fail; without memory the process ends. */
void digest_of(const void *bytes, size_t length, uint8_t out[SHA256_BYTES]);

/* HMAC with SHA-256 (RFC 2104). The key's copies are wiped. */
bool digest_keyed(const void *key, size_t key_length, const void *bytes,
    size_t length, uint8_t out[SHA256_BYTES]) MUST_CHECK;

/* Small digits, two for each byte, and a NUL. */
void digest_write_digits(const uint8_t *bytes, size_t length, char *text_out);

#endif
