#include "session/cancel_key.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/digest.h"
#include "base/invariant.h"

#define REST_BYTES 28

static void
sign(const struct segment *segment, uint64_t key, uint8_t rest[REST_BYTES])
{
	uint8_t text[8], code[SHA256_BYTES];

	for (int i = 0; i < 8; i++)
		text[i] = (uint8_t)(key >> (56 - 8 * i));
	INVARIANT(digest_keyed(segment->state->cancel_nonce,
	    STATE_NONCE_BYTES, text, sizeof(text), code));
	memcpy(rest, code, REST_BYTES);
}

struct backend_key
cancel_key_give(const struct segment *segment, uint64_t key,
    uint32_t protocol)
{
	struct backend_key given = { .pid = (uint32_t)(key >> 32),
	    .secret = (uint32_t)key };

	if (protocol >= PROTOCOL_3_2) {
		sign(segment, key, given.rest);
		given.rest_length = REST_BYTES;
	}
	return given;
}

/*
 * A row that has changed hands since the search has another key, which who
 * cancels looks at again.
 */
bool
cancel_key_fits(const struct segment *segment, uint32_t row,
    const struct backend_key *brought)
{
	uint64_t key = atomic_load(&segment->cancel_keys[row]);
	uint8_t rest[REST_BYTES];

	if (segment->clients[row].protocol < PROTOCOL_3_2)
		return brought->rest_length == 0;
	sign(segment, key, rest);
	return brought->rest_length == REST_BYTES &&
	    CRYPTO_memcmp(brought->rest, rest, REST_BYTES) == 0;
}
