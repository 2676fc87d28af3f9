#include "auth/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/memory.h"
#include "base/random.h"

/* Text of 32 bytes in base64, with its NUL. */
#define KEY_TEXT 45
#define SALT_TEXT ((SCRAM_SALT_MOST + 2) / 3 * 4 + 1)

/*
 * RFC 5802 section 3:
 * AuthMessage := client-first-message-bare + "," + server-first-message +
 *     "," + client-final-message-without-proof
 */
#define AUTH_MESSAGE_MOST (3 * SCRAM_MESSAGE_MOST + 512)

/* --- pieces ------------------------------------------------------------- */

static bool
hmac(const uint8_t key[SCRAM_KEY], const void *data, size_t length,
    uint8_t out[SCRAM_KEY])
{
	return digest_keyed(key, SCRAM_KEY, data, length, out);
}

/* A NUL-terminated text of 4 bytes for each 3 begun. */
static void
encode(const uint8_t *bytes, size_t length, char *text)
{
	text[0] = '\0';
	EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
}

/*
 * Strict base64 (RFC 4648 section 3.2 to 3.5): OpenSSL alone would take
 * blanks and stray bits, so what it read is written again and compared.
 */
static bool
decode(const char *text, size_t length, uint8_t *out, size_t size,
    size_t *length_out)
{
	uint8_t raw[SCRAM_MESSAGE_MOST];
	char again[SCRAM_MESSAGE_MOST + 8];
	size_t count;

	if (length == 0 || length % 4 != 0 || length > SCRAM_MESSAGE_MOST)
		return false;
	if (EVP_DecodeBlock(raw, (const unsigned char *)text,
	    (int)length) == -1)
		return false;
	count = length / 4 * 3;
	if (text[length - 1] == '=')
		count -= text[length - 2] == '=' ? 2 : 1;
	encode(raw, count, again);
	if (strlen(again) != length || memcmp(again, text, length) != 0)
		return false;
	if (count > size)
		return false;
	memcpy(out, raw, count);
	*length_out = count;
	return true;
}

static bool
decode_key(const char *text, size_t length, uint8_t out[SCRAM_KEY])
{
	size_t got;

	return decode(text, length, out, SCRAM_KEY, &got) && got == SCRAM_KEY;
}

/* Decimal, positive, no sign, no leading zero, at most `most`. */
static bool
read_count(const char *text, size_t length, uint32_t most, uint32_t *out)
{
	uint64_t value = 0;

	if (length == 0 || length > 10 || text[0] == '0')
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = 10 * value + (uint64_t)(text[i] - '0');
	}
	*out = (uint32_t)value;
	return value <= most;
}

/* RFC 5802 section 7: printable = %x21-2B / %x2D-7E */
static bool
is_nonce(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] < 0x21 || text[i] > 0x7e || text[i] == ',')
			return false;
	return length > 0;
}

/* A list of attributes, "a=value,b=value", taken from the left. */
struct attributes {
	const char	*at, *end;
	bool		 more;	/* one has to follow */
};

struct value {
	const char	*text;
	size_t		 length;
};

/* The next one, if it has this letter; 0 takes any letter. */
static bool
take(struct attributes *list, char letter, struct value *out)
{
	size_t left = (size_t)(list->end - list->at);
	const char *comma;
	char found;

	if (!list->more || left < 2 || list->at[1] != '=')
		return false;
	found = list->at[0];
	if (letter != 0 ? found != letter : !((found >= 'a' && found <= 'z') ||
	    (found >= 'A' && found <= 'Z')))
		return false;
	comma = memchr(list->at, ',', left);
	out->text = list->at + 2;
	out->length = (size_t)((comma != NULL ? comma : list->end) -
	    out->text);
	list->more = comma != NULL;
	list->at = comma != NULL ? comma + 1 : list->end;
	return true;
}

/* Optional extensions, which we know none of, to the end. */
static bool
skip_extensions(struct attributes *list)
{
	struct value value;

	while (list->more)
		if (!take(list, 0, &value))
			return false;
	return true;
}

/* RFC 5802 section 5.1: "m" has to make an exchange fail. */
static bool
is_mandatory_extension(const struct attributes *list)
{
	return list->end - list->at >= 2 && list->at[0] == 'm' &&
	    list->at[1] == '=';
}

/* A message at all: not empty, not too long, no NUL. */
static bool
is_message(const void *message, size_t length)
{
	return length > 0 && length <= SCRAM_MESSAGE_MOST &&
	    memchr(message, '\0', length) == NULL;
}

static bool
equals(const struct value *value, const char *text, size_t length)
{
	return value->length == length &&
	    memcmp(value->text, text, length) == 0;
}

/* --- secrets ------------------------------------------------------------ */

bool
scram_secret_parse(const char *text, struct scram_secret *secret_out)
{
	static const char prefix[] = "SCRAM-SHA-256$";
	const char *count, *salt, *stored, *server;
	size_t salt_length;

	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		return false;
	count = text + sizeof(prefix) - 1;
	if ((salt = strchr(count, ':')) == NULL ||
	    (stored = strchr(salt, '$')) == NULL ||
	    (server = strchr(stored, ':')) == NULL)
		return false;
	memset(secret_out, 0, sizeof(*secret_out));
	/* It costs us nothing; whoever logs in does the work. */
	if (!read_count(count, (size_t)(salt - count), INT32_MAX,
	    &secret_out->iterations))
		return false;
	salt++;
	if (!decode(salt, (size_t)(stored - salt), secret_out->salt,
	    SCRAM_SALT_MOST, &salt_length))
		return false;
	secret_out->salt_length = (uint32_t)salt_length;
	stored++;
	server++;
	return decode_key(stored, (size_t)(server - stored - 1),
	    secret_out->stored_key) &&
	    decode_key(server, strlen(server), secret_out->server_key);
}

/*
 * RFC 5802 section 3:
 * SaltedPassword := Hi(Normalize(password), salt, i)
 * ClientKey := HMAC(SaltedPassword, "Client Key")
 * ServerKey := HMAC(SaltedPassword, "Server Key")
 */
static bool
derive_keys(const char *password, const uint8_t *salt, size_t salt_length,
    uint32_t iterations, struct scram_keys *keys_out)
{
	uint8_t salted[SCRAM_KEY];
	bool done;

	if (iterations < 1 || iterations > SCRAM_ITERATIONS_MOST ||
	    strlen(password) > INT32_MAX)
		return false;
	done = PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt,
	    (int)salt_length, (int)iterations, digest_sha256(), SCRAM_KEY,
	    salted) == 1 &&
	    hmac(salted, "Client Key", 10, keys_out->client_key) &&
	    hmac(salted, "Server Key", 10, keys_out->server_key);
	memory_wipe(salted, sizeof(salted));
	return done;
}

bool
scram_secret_derive(const char *password, const uint8_t *salt,
    size_t salt_length, uint32_t iterations, struct scram_secret *secret_out,
    struct scram_keys *keys_out)
{
	struct scram_keys keys;
	bool done;

	if (salt_length == 0 || salt_length > SCRAM_SALT_MOST)
		return false;
	memset(secret_out, 0, sizeof(*secret_out));
	secret_out->iterations = iterations;
	secret_out->salt_length = (uint32_t)salt_length;
	memcpy(secret_out->salt, salt, salt_length);
	done = derive_keys(password, salt, salt_length, iterations, &keys);
	if (done)
		digest_of(keys.client_key, SCRAM_KEY, secret_out->stored_key);
	memcpy(secret_out->server_key, keys.server_key, SCRAM_KEY);
	if (done && keys_out != NULL)
		*keys_out = keys;
	memory_wipe(&keys, sizeof(keys));
	return done;
}

bool
scram_mock_salt(const uint8_t nonce[SCRAM_KEY], const char *user,
    uint8_t salt_out[SCRAM_MOCK_SALT])
{
	uint8_t digest[SCRAM_KEY];

	if (!hmac(nonce, user, strlen(user), digest))
		return false;
	memcpy(salt_out, digest, SCRAM_MOCK_SALT);
	return true;
}

bool
scram_make_nonce(char nonce_out[SCRAM_NONCE_SIZE])
{
	uint8_t random[18];

	random_fill(random, sizeof(random));
	encode(random, sizeof(random), nonce_out);
	return true;
}

/* --- channel binding ---------------------------------------------------- */

/*
 * The header that goes with it (gs2-header), and what has to be sent as c=:
 * the header again and the data, in base64 (RFC 5802 sections 5.1 and 7).
 * NULL: the data is too long.
 */
static const char *
bind_to(const struct scram_binding *binding, char text_out[SCRAM_BINDING_TEXT])
{
	static const char *const headers[] = {
		[SCRAM_UNBOUND] = "n,,",
		[SCRAM_BINDABLE] = "y,,",
		[SCRAM_BOUND] = "p=tls-server-end-point,,",
	};
	enum scram_binding_kind kind = binding == NULL ? SCRAM_UNBOUND :
	    binding->kind;
	size_t length = strlen(headers[kind]);
	uint8_t input[32 + SCRAM_BINDING_MOST];

	memcpy(input, headers[kind], length);
	if (kind == SCRAM_BOUND) {
		if (binding->length == 0 ||
		    binding->length > SCRAM_BINDING_MOST)
			return NULL;
		memcpy(input + length, binding->data, binding->length);
		length += binding->length;
	}
	encode(input, length, text_out);
	return headers[kind];
}

/* --- the server's side -------------------------------------------------- */

static bool
server_fails(struct scram_server *server, const char *problem)
{
	server->problem = problem;
	return false;
}

/*
 * gs2-header = gs2-cbind-flag "," [ authzid ] ","
 * n: the client cannot bind to the channel.  y: it could, and thinks that we
 * cannot; where we said that we can, somebody has taken that out.  p: it
 * binds, and we have to have been asked for that.
 */
static const char *
check_flag(const char *message, size_t length, enum scram_binding_kind kind)
{
	if (length < 3)
		return "malformed SCRAM message";
	if (message[0] == 'p' && message[1] == '=')
		return kind == SCRAM_BOUND ? NULL :
		    "client requires channel binding";
	if (message[1] != ',')
		return message[0] == 'n' || message[0] == 'y' ?
		    "malformed SCRAM message" :
		    "unexpected channel binding flag";
	if (message[0] != 'n' && message[0] != 'y')
		return "unexpected channel binding flag";
	if (kind == SCRAM_BOUND)
		return "client chose channel binding but does not bind";
	if (kind == SCRAM_BINDABLE && message[0] == 'y')
		return "client did not see that channel binding was offered";
	return NULL;
}

/* Says how long it is. */
static const char *
check_gs2_header(const char *message, size_t length,
    const struct scram_binding *binding, struct scram_server *server,
    size_t *length_out)
{
	enum scram_binding_kind kind = binding == NULL ? SCRAM_UNBOUND :
	    binding->kind;
	const char *problem = check_flag(message, length, kind), *header;
	struct scram_binding said = { SCRAM_UNBOUND, NULL, 0 };

	if (problem != NULL)
		return problem;
	if (kind == SCRAM_BOUND)
		said = *binding;
	else if (message[0] == 'y')
		said.kind = SCRAM_BINDABLE;
	header = bind_to(&said, server->binding);
	if (header == NULL)
		return "SCRAM channel binding is not possible";
	*length_out = strlen(header);
	if (length >= *length_out &&
	    memcmp(message, header, *length_out) == 0)
		return NULL;
	/* All but its last comma: something stands before that. */
	if (length >= *length_out &&
	    memcmp(message, header, *length_out - 1) == 0)
		return "client uses an authorization identity";
	return kind == SCRAM_BOUND ? "unsupported SCRAM channel binding" :
	    "malformed SCRAM message";
}

/* client-first-message-bare: n=user,r=nonce,extensions */
static const char *
read_client_first(struct attributes list, struct value *nonce_out)
{
	struct value ignored;

	if (is_mandatory_extension(&list))
		return "client requires an unsupported extension";
	if (!take(&list, 'n', &ignored) || !take(&list, 'r', nonce_out) ||
	    !skip_extensions(&list))
		return "malformed SCRAM message";
	if (!is_nonce(nonce_out->text, nonce_out->length))
		return "non-printable characters in SCRAM nonce";
	return NULL;
}

bool
scram_server_first(struct scram_server *server, const void *message,
    size_t length, const struct scram_secret *secret, const char *nonce,
    const struct scram_binding *binding, struct writer *reply)
{
	const char *text = message, *problem;
	struct attributes list;
	struct value client_nonce;
	size_t header;
	char salt[SALT_TEXT];
	int count;

	memset(server, 0, sizeof(*server));
	if (!is_message(message, length))
		return server_fails(server, "malformed SCRAM message");
	problem = check_gs2_header(text, length, binding, server, &header);
	if (problem != NULL)
		return server_fails(server, problem);
	list = (struct attributes){ text + header, text + length, true };
	if ((problem = read_client_first(list, &client_nonce)) != NULL)
		return server_fails(server, problem);

	server->first_length = (uint32_t)(length - header);
	memcpy(server->first, text + header, server->first_length);
	encode(secret->salt, secret->salt_length, salt);
	count = snprintf(server->reply, sizeof(server->reply),
	    "r=%.*s%s,s=%s,i=%u", (int)client_nonce.length, client_nonce.text,
	    nonce, salt, secret->iterations);
	if (count < 0 || (size_t)count >= sizeof(server->reply))
		return server_fails(server, "SCRAM nonce is too long");
	server->reply_length = (uint32_t)count;
	server->nonce_length = (uint32_t)(client_nonce.length +
	    strlen(nonce));
	writer_bytes(reply, server->reply, server->reply_length);
	return !reply->failed;
}

struct client_final {
	size_t	without_proof;	/* length of what comes before ",p=" */
	uint8_t	proof[SCRAM_KEY];
};

/* c=binding,r=nonce,extensions,p=proof; the proof comes last. */
static const char *
read_client_final(const struct scram_server *server, const char *message,
    size_t length, struct client_final *out)
{
	struct attributes list = { message, message + length, true };
	struct value value;

	if (!take(&list, 'c', &value))
		return "malformed SCRAM message";
	if (!equals(&value, server->binding, strlen(server->binding)))
		return "unexpected SCRAM channel binding";
	if (!take(&list, 'r', &value))
		return "malformed SCRAM message";
	if (!equals(&value, server->reply + 2, server->nonce_length))
		return "SCRAM nonce does not match";
	for (;;) {
		const char *start = list.at;

		if (take(&list, 'p', &value)) {
			out->without_proof = (size_t)(start - message) - 1;
			break;
		}
		if (!take(&list, 0, &value))
			return "malformed SCRAM message";
	}
	if (list.more || !decode_key(value.text, value.length, out->proof))
		return "malformed SCRAM proof";
	return NULL;
}

struct auth_message {
	size_t	length;
	char	text[AUTH_MESSAGE_MOST];
};

static bool
build_auth_message(struct auth_message *out, struct value client_first,
    struct value server_first, struct value without_proof)
{
	struct writer writer = writer_of(out->text, sizeof(out->text));

	writer_bytes(&writer, client_first.text, client_first.length);
	writer_u8(&writer, ',');
	writer_bytes(&writer, server_first.text, server_first.length);
	writer_u8(&writer, ',');
	writer_bytes(&writer, without_proof.text, without_proof.length);
	out->length = writer.used;
	return !writer.failed;
}

static void
add_keys(uint8_t key[SCRAM_KEY], const uint8_t other[SCRAM_KEY])
{
	for (size_t i = 0; i < SCRAM_KEY; i++)
		key[i] ^= other[i];
}

/*
 * RFC 5802 section 3:
 * ClientSignature := HMAC(StoredKey, AuthMessage)
 * ClientProof := ClientKey XOR ClientSignature
 * so the proof gives the key, and its hash has to be StoredKey.
 */
static bool
proof_is_right(const struct scram_secret *secret,
    const struct auth_message *auth_message, const uint8_t proof[SCRAM_KEY],
    uint8_t client_key_out[SCRAM_KEY])
{
	uint8_t hash[SCRAM_KEY];

	if (!hmac(secret->stored_key, auth_message->text,
	    auth_message->length, client_key_out))
		return false;
	add_keys(client_key_out, proof);
	digest_of(client_key_out, SCRAM_KEY, hash);
	return CRYPTO_memcmp(hash, secret->stored_key, SCRAM_KEY) == 0;
}

bool
scram_server_final(struct scram_server *server, const void *message,
    size_t length, const struct scram_secret *secret,
    struct scram_keys *keys_out, struct writer *reply)
{
	struct auth_message auth_message;
	struct client_final final;
	uint8_t signature[SCRAM_KEY];
	char text[KEY_TEXT];
	const char *problem;

	if (!is_message(message, length))
		return server_fails(server, "malformed SCRAM message");
	problem = read_client_final(server, message, length, &final);
	if (problem != NULL)
		return server_fails(server, problem);
	if (!build_auth_message(&auth_message,
	    (struct value){ server->first, server->first_length },
	    (struct value){ server->reply, server->reply_length },
	    (struct value){ message, final.without_proof }))
		return server_fails(server, "SCRAM message is too long");
	if (!proof_is_right(secret, &auth_message, final.proof,
	    keys_out->client_key)) {
		memory_wipe(keys_out, sizeof(*keys_out));
		return server_fails(server, "wrong password");
	}
	memcpy(keys_out->server_key, secret->server_key, SCRAM_KEY);
	if (!hmac(secret->server_key, auth_message.text, auth_message.length,
	    signature))
		return server_fails(server, "could not sign");
	encode(signature, sizeof(signature), text);
	writer_text(reply, "v=");
	writer_text(reply, text);
	return !reply->failed;
}

/* --- the client's side -------------------------------------------------- */

static bool
client_fails(struct scram_client *client, const char *problem)
{
	client->problem = problem;
	return false;
}

bool
scram_client_first(struct scram_client *client, const char *nonce,
    const struct scram_binding *binding, struct writer *message)
{
	const char *header;
	int length;

	memset(client, 0, sizeof(*client));
	header = bind_to(binding, client->binding);
	if (header == NULL)
		return client_fails(client, "SCRAM channel binding is not "
		    "possible");
	length = snprintf(client->first, sizeof(client->first), "n=,r=%s",
	    nonce);
	if (length < 0 || (size_t)length >= sizeof(client->first))
		return client_fails(client, "SCRAM nonce is too long");
	client->first_length = (uint32_t)length;
	client->nonce_length = (uint32_t)strlen(nonce);
	writer_text(message, header);
	writer_text(message, client->first);
	return !message->failed;
}

struct server_first {
	struct value	nonce;
	uint8_t		salt[SCRAM_SALT_MOST];
	size_t		salt_length;
	uint32_t	iterations;
};

/*
 * r=nonces,s=salt,i=count,extensions.  "The client MUST verify that the
 * initial part of the nonce used in subsequent messages is the same as the
 * nonce it initially specified" (RFC 5802 section 5.1).
 */
static const char *
read_server_first(const struct scram_client *client, const char *message,
    size_t length, struct server_first *out)
{
	struct attributes list = { message, message + length, true };
	/* Nothing follows the nonce in what we sent. */
	const char *ours = client->first + client->first_length -
	    client->nonce_length;
	struct value value;

	if (is_mandatory_extension(&list))
		return "server requires an unsupported SCRAM extension";
	if (!take(&list, 'r', &out->nonce))
		return "malformed SCRAM message from server";
	if (out->nonce.length <= client->nonce_length ||
	    memcmp(out->nonce.text, ours, client->nonce_length) != 0 ||
	    !is_nonce(out->nonce.text, out->nonce.length))
		return "invalid SCRAM nonce from server";
	if (!take(&list, 's', &value) || !decode(value.text, value.length,
	    out->salt, sizeof(out->salt), &out->salt_length))
		return "invalid SCRAM salt from server";
	if (!take(&list, 'i', &value) || !read_count(value.text, value.length,
	    SCRAM_ITERATIONS_MOST, &out->iterations))
		return "invalid SCRAM iteration count from server";
	if (!skip_extensions(&list))
		return "malformed SCRAM message from server";
	return NULL;
}

static bool
prove(struct scram_client *client, const struct auth_message *auth_message,
    const struct scram_keys *keys, uint8_t proof_out[SCRAM_KEY])
{
	uint8_t stored_key[SCRAM_KEY];

	digest_of(keys->client_key, SCRAM_KEY, stored_key);
	if (!hmac(stored_key, auth_message->text, auth_message->length,
	    proof_out) ||
	    !hmac(keys->server_key, auth_message->text, auth_message->length,
	    client->signature))
		return false;
	add_keys(proof_out, keys->client_key);
	return true;
}

bool
scram_client_final(struct scram_client *client, const void *server_first,
    size_t length, const char *password, const struct scram_keys *keys,
    struct writer *message)
{
	char text[SCRAM_MESSAGE_MOST + 160], proof_text[KEY_TEXT];
	struct auth_message auth_message;
	struct server_first first;
	struct scram_keys derived;
	uint8_t proof[SCRAM_KEY];
	const char *problem;
	int count;
	bool proved;

	if (!is_message(server_first, length))
		return client_fails(client,
		    "malformed SCRAM message from server");
	problem = read_server_first(client, server_first, length, &first);
	if (problem != NULL)
		return client_fails(client, problem);
	if (keys == NULL) {
		if (!derive_keys(password, first.salt, first.salt_length,
		    first.iterations, &derived))
			return client_fails(client,
			    "could not derive SCRAM keys");
		keys = &derived;
	}
	/* The server's nonce is bounded by the length of its message. */
	count = snprintf(text, sizeof(text), "c=%s,r=%.*s",
	    client->binding, (int)first.nonce.length, first.nonce.text);
	proved = count > 0 && (size_t)count < sizeof(text) &&
	    build_auth_message(&auth_message,
	    (struct value){ client->first, client->first_length },
	    (struct value){ server_first, length },
	    (struct value){ text, (size_t)count }) &&
	    prove(client, &auth_message, keys, proof);
	memory_wipe(&derived, sizeof(derived));
	if (!proved)
		return client_fails(client, "could not compute SCRAM proof");
	encode(proof, sizeof(proof), proof_text);
	writer_bytes(message, text, (size_t)count);
	writer_text(message, ",p=");
	writer_text(message, proof_text);
	return !message->failed;
}

/* v=signature,extensions or e=error */
enum scram_verdict
scram_client_verify(const struct scram_client *client,
    const void *server_final, size_t length)
{
	const char *text = server_final;
	struct attributes list;
	struct value value;
	uint8_t signature[SCRAM_KEY];

	if (!is_message(server_final, length))
		return SCRAM_BROKEN;
	list = (struct attributes){ text, text + length, true };
	if (!take(&list, 'v', &value) || !skip_extensions(&list) ||
	    !decode_key(value.text, value.length, signature))
		return SCRAM_BROKEN;
	return CRYPTO_memcmp(signature, client->signature,
	    sizeof(signature)) == 0 ? SCRAM_GENUINE : SCRAM_FALSE;
}
