#include "exporter/password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "auth/md5.h"
#include "auth/scram.h"
#include "base/memory.h"

#define CREDENTIALS_MOST 512

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

static bool
is_md5(const char *secret, const char *user, const char *password)
{
	char made[MD5_SECRET_SIZE];
	bool good = md5_secret(password, user, made) &&
	    same(made, secret, sizeof(made));

	memory_wipe(made, sizeof(made));
	return good;
}

/* As at a login, one with too many iterations fits nobody. */
static bool
is_scram(const struct scram_secret *secret, const char *password)
{
	struct scram_secret made;
	bool good = scram_secret_derive(password, secret->salt,
	    secret->salt_length, secret->iterations, &made, NULL) &&
	    same(made.stored_key, secret->stored_key, SCRAM_KEY) &&
	    same(made.server_key, secret->server_key, SCRAM_KEY);

	memory_wipe(&made, sizeof(made));
	return good;
}

static bool
fits(const char *secret, const char *user, const char *password)
{
	struct scram_secret scram;

	if (md5_is_secret(secret))
		return is_md5(secret, user, password);
	return scram_secret_parse(secret, &scram) ?
	    is_scram(&scram, password) : is_plain(secret, password);
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
