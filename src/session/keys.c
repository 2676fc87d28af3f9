#include "session/keys.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/digest.h"
#include "base/invariant.h"
#include "base/memory.h"

_Static_assert(sizeof(struct scram_secret) <=
    sizeof(((struct user_row *)0)->derived), "derived secrets fit");
_Static_assert(sizeof(struct scram_keys) <=
    sizeof(((struct user_row *)0)->keys), "keys fit");

/* A writer that died half-way has left nothing that can be trusted. */
static struct user_row *
lock_user(struct segment *segment, uint32_t row)
{
	struct user_row *user = &segment->users[row];

	if (!lock_take(&user->lock))
		user->has_derived = user->has_keys = 0;
	return user;
}

bool
keys_recall_derived(struct segment *segment, const char *name,
    const char *secret, struct scram_secret *derived_out)
{
	uint32_t row = users_find(segment, name);
	struct user_row *user;
	uint8_t digest[32];
	bool known;

	/* Mostly there is none, and no need to sum up a secret. */
	if (row == NO_ROW || secret == NULL ||
	    atomic_load_explicit(&segment->users[row].has_derived,
	    memory_order_relaxed) == 0)
		return false;
	digest_of(secret, strlen(secret), digest);
	user = lock_user(segment, row);
	known = user->has_derived &&
	    CRYPTO_memcmp(user->derived_from, digest, sizeof(digest)) == 0;
	if (known)
		memcpy(derived_out, user->derived, sizeof(*derived_out));
	lock_release(&user->lock);
	return known;
}

void
keys_keep_derived(struct segment *segment, const char *name,
    const char *secret, const struct scram_secret *derived)
{
	uint32_t row = users_make(segment, name);
	struct user_row *user;
	uint8_t digest[32];

	if (row == NO_ROW || secret == NULL)
		return;
	digest_of(secret, strlen(secret), digest);
	user = lock_user(segment, row);
	memcpy(user->derived_from, digest, sizeof(digest));
	memcpy(user->derived, derived, sizeof(*derived));
	user->has_derived = 1;
	lock_release(&user->lock);
}

bool
keys_recall(struct segment *segment, const char *name, const char *secret,
    struct scram_keys *keys_out)
{
	uint32_t row = users_find(segment, name);
	struct user_row *user;
	uint8_t digest[32];
	bool known;

	memset(keys_out, 0, sizeof(*keys_out));
	if (row == NO_ROW || secret == NULL)
		return false;
	digest_of(secret, strlen(secret), digest);
	user = lock_user(segment, row);
	known = user->has_keys &&
	    CRYPTO_memcmp(user->keys_from, digest, sizeof(digest)) == 0;
	if (known)
		memcpy(keys_out, user->keys, sizeof(*keys_out));
	lock_release(&user->lock);
	return known;
}

void
keys_keep(struct segment *segment, const char *name, const char *secret,
    const struct scram_keys *keys)
{
	uint32_t row = users_make(segment, name);
	struct user_row *user;
	uint8_t digest[32];

	if (row == NO_ROW || secret == NULL)
		return;
	digest_of(secret, strlen(secret), digest);
	user = lock_user(segment, row);
	memcpy(user->keys_from, digest, sizeof(digest));
	memcpy(user->keys, keys, sizeof(*keys));
	user->has_keys = 1;
	lock_release(&user->lock);
}
