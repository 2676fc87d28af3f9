#include "exporter/password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/digest.h"
#include "base/memory.h"

#define CREDENTIALS_MOST 512
#define DIGEST_BYTES 32		/* SHA-256 */

/* --- Base64 -------------------------------------------------------------- */

/* False: it is none, or longer than the room. A NUL is added. */
static bool
decode(const char *text, size_t length, char *out, size_t room,
    size_t *length_out)
{
	size_t padding = 0;
	int decoded;

	if (length == 0 || length % 4 != 0 || length / 4 * 3 >= room)
		return false;
	while (padding < 2 && text[length - 1 - padding] == '=')
		padding++;
	decoded = EVP_DecodeBlock((unsigned char *)out,
	    (const unsigned char *)text, (int)length);
	if (decoded < (int)padding)
		return false;
	*length_out = (size_t)decoded - padding;
	out[*length_out] = '\0';
	return true;
}

/* --- secrets ------------------------------------------------------------- */

static bool
same(const void *one, const void *other, size_t length)
{
	return CRYPTO_memcmp(one, other, length) == 0;
}

static bool
is_plain(const char *secret, const char *password)
{
	size_t length = strlen(secret);

	return length == strlen(password) && length > 0 &&
	    same(secret, password, length);
}

/* "md5" and the digest of password and user, in hexadecimal. */
static bool
is_md5(const char *secret, const char *user, const char *password)
{
	char both[2 * CREDENTIALS_MOST], hex[2 * EVP_MAX_MD_SIZE + 1];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	int used = snprintf(both, sizeof(both), "%s%s", password, user);
	bool good = EVP_Digest(both, (size_t)used, digest, &length, EVP_md5(),
	    NULL) == 1;

	for (unsigned i = 0; i < length; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	memory_wipe(both, sizeof(both));
	return good && strlen(secret) == 35 && same(secret + 3, hex, 32);
}

struct scram_secret {
	int	iterations;
	char	salt[256], stored_key[64];
	size_t	salt_length, stored_length;
};

/* SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key> */
static bool
parse_scram(const char *secret, struct scram_secret *scram_out)
{
	const char *salt, *stored;
	char *end;

	scram_out->iterations = (int)strtol(secret + 14, &end, 10);
	if (*end != ':' || scram_out->iterations < 1)
		return false;
	salt = end + 1;
	stored = strchr(salt, '$');
	if (stored == NULL || strchr(stored, ':') == NULL)
		return false;
	return decode(salt, (size_t)(stored - salt), scram_out->salt,
	    sizeof(scram_out->salt), &scram_out->salt_length) &&
	    decode(stored + 1, strcspn(stored + 1, ":"),
	    scram_out->stored_key, sizeof(scram_out->stored_key),
	    &scram_out->stored_length) &&
	    scram_out->stored_length == DIGEST_BYTES;
}

/* RFC 5802, section 3: what the server keeps is H(ClientKey). */
static bool
is_scram(const char *secret, const char *password)
{
	unsigned char salted[DIGEST_BYTES], key[DIGEST_BYTES];
	unsigned char stored[DIGEST_BYTES];
	struct scram_secret scram;
	bool good;

	if (!parse_scram(secret, &scram))
		return false;
	good = PKCS5_PBKDF2_HMAC(password, (int)strlen(password),
	    (unsigned char *)scram.salt, (int)scram.salt_length,
	    scram.iterations, digest_sha256(), DIGEST_BYTES, salted) == 1 &&
	    digest_keyed(salted, DIGEST_BYTES, "Client Key", 10, key);
	if (good)
		digest_of(key, DIGEST_BYTES, stored);
	memory_wipe(salted, sizeof(salted));
	memory_wipe(key, sizeof(key));
	return good && same(stored, scram.stored_key, DIGEST_BYTES);
}

static bool
is_md5_secret(const char *secret)
{
	return strlen(secret) == 35 && strncmp(secret, "md5", 3) == 0 &&
	    strspn(secret + 3, "0123456789abcdef") == 32;
}

static bool
fits(const char *secret, const char *user, const char *password)
{
	if (strncmp(secret, "SCRAM-SHA-256$", 14) == 0)
		return is_scram(secret, password);
	return is_md5_secret(secret) ? is_md5(secret, user, password) :
	    is_plain(secret, password);
}

/* --- the header ---------------------------------------------------------- */

bool
password_is_good(const struct config *config, const char *header)
{
	char credentials[CREDENTIALS_MOST], *colon;
	const char *secret;
	size_t length;
	bool good = false;

	if (config->metrics_users == NULL || config->metrics_users[0] == '\0')
		return true;
	if (header == NULL || strncasecmp(header, "Basic ", 6) != 0)
		return false;
	header += 6 + strspn(header + 6, " ");
	if (!decode(header, strlen(header), credentials, sizeof(credentials),
	    &length) || strlen(credentials) != length)
		return false;
	colon = strchr(credentials, ':');
	if (colon != NULL) {
		*colon = '\0';
		secret = config_find_secret(config, credentials);
		good = secret != NULL && secret[0] != '\0' &&
		    config_list_has(config->metrics_users, credentials) &&
		    fits(secret, credentials, colon + 1);
	}
	memory_wipe(credentials, sizeof(credentials));
	return good;
}
