/*
 * SCRAM-SHA-256, both sides, as pure functions of the messages: no I/O, no
 * allocation, randomness is handed in.
 *
 * RFC 5802 (SCRAM) and RFC 7677 (with SHA-256) rule; PostgreSQL's manual,
 * "SASL Authentication", says how it is used there: the user name inside the
 * messages is empty or ignored, the one of the startup packet counts.
 * Channel binding is by tls-server-end-point alone (RFC 5929).
 *
 *	client                                     server
 *	n,,n=,r=<cnonce>               ->
 *	                               <-  r=<cnonce><snonce>,s=<salt>,i=<n>
 *	c=biws,r=<nonces>,p=<proof>    ->
 *	                               <-  v=<signature>
 *
 * Passwords are taken as they are.  SASLprep (RFC 4013) changes nothing in
 * ASCII, and PostgreSQL falls back to the raw bytes where it does not apply;
 * a plain-text password with letters that SASLprep would fold (ligatures,
 * full-width forms, soft hyphens) has to be stored as a SCRAM secret.
 */
#ifndef AUTH_SCRAM_H
#define AUTH_SCRAM_H

#include "wire/writer.h"

#define SCRAM_KEY 32		/* bytes of SHA-256 */
#define SCRAM_SALT_MOST 128	/* PostgreSQL makes 16 */
#define SCRAM_MOCK_SALT 16
#define SCRAM_NONCE_SIZE 32	/* text of a nonce we make, with its NUL */
#define SCRAM_MESSAGE_MOST 1024	/* a longer message is refused */

/*
 * More than this is neither stored nor done for a server that asks for it:
 * it is half a second of a worker's time, and PBKDF2 cannot be interrupted
 * (CVE-2026-6669).  PostgreSQL's default is 4,096.
 */
#define SCRAM_ITERATIONS_MOST 1000000

/*
 * What a server keeps instead of a password.  Fixed width throughout: it may
 * be put in shared memory.
 */
struct scram_secret {
	uint32_t	iterations;
	uint32_t	salt_length;
	uint8_t		salt[SCRAM_SALT_MOST];
	uint8_t		stored_key[SCRAM_KEY];
	uint8_t		server_key[SCRAM_KEY];
};

/*
 * Enough to log in as a client without the password, to a server that has
 * the very same secret (pass-through).  A secret like a password.
 */
struct scram_keys {
	uint8_t		client_key[SCRAM_KEY];
	uint8_t		server_key[SCRAM_KEY];
};

/*
 * "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>", the form of
 * pg_authid.rolpassword.  False: it is not one (then it is a plain password).
 */
bool scram_secret_parse(const char *text, struct scram_secret *secret_out)
    MUST_CHECK;

/*
 * From a plain password.  False: iterations not in
 * 1 .. SCRAM_ITERATIONS_MOST, or OpenSSL refuses.  Costs about 0.3 us per
 * iteration.  keys_out may be NULL.
 */
bool scram_secret_derive(const char *password, const uint8_t *salt,
    size_t salt_length, uint32_t iterations, struct scram_secret *secret_out,
    struct scram_keys *keys_out) MUST_CHECK;

/*
 * The salt for a user who has no secret of his own: nobody knows him, or his
 * password is stored in plain text.  The first 16 bytes of
 * HMAC-SHA-256(nonce, user): the same at every login and in every worker, so
 * that salts do not tell who exists.
 */
bool scram_mock_salt(const uint8_t nonce[SCRAM_KEY], const char *user,
    uint8_t salt_out[SCRAM_MOCK_SALT]) MUST_CHECK;

/* Fresh printable nonce, from the kernel's randomness by way of OpenSSL. */
bool scram_make_nonce(char nonce_out[SCRAM_NONCE_SIZE]) MUST_CHECK;

/* --- channel binding ---------------------------------------------------- */

/*
 * What both sides know of the connection below: whoever stands between has
 * another certificate.
 */
enum scram_binding_kind {
	SCRAM_UNBOUND = 0,	/* we could not bind: no TLS */
	SCRAM_BINDABLE,		/* we could, but the other side did not offer
				   it or did not choose it: if somebody took
				   it out on its way, that is found out */
	SCRAM_BOUND		/* SCRAM-SHA-256-PLUS */
};

#define SCRAM_BINDING_MOST 64	/* the longest digest */
#define SCRAM_BINDING_TEXT 128	/* the longest c= */

struct scram_binding {
	enum scram_binding_kind	 kind;
	const uint8_t		*data;	/* BOUND: tls-server-end-point */
	size_t			 length;
};

/* --- the server's side: a client logs in ------------------------------- */

struct scram_server {
	const char	*problem;	/* why it failed, for the log */
	uint32_t	 first_length;	/* of client-first-message-bare */
	uint32_t	 reply_length;	/* of server-first-message */
	uint32_t	 nonce_length;	/* both nonces; in reply behind "r=" */
	char		 binding[SCRAM_BINDING_TEXT]; /* what c= has to be */
	char		 first[SCRAM_MESSAGE_MOST];
	char		 reply[SCRAM_MESSAGE_MOST + 256];
};

/*
 * Takes the client's first message, writes ours (raw, without framing).
 * `nonce` is our share of it.  `binding` NULL: unbound; BINDABLE says that
 * the client was offered to bind and chose not to.  False: the exchange is
 * over; see problem.
 */
bool scram_server_first(struct scram_server *server, const void *message,
    size_t length, const struct scram_secret *secret, const char *nonce,
    const struct scram_binding *binding, struct writer *reply) MUST_CHECK;

/*
 * Takes the client's last message, writes ours (raw).  False: refused.  The
 * secret needs the salt and iterations shown before; only now are its keys
 * looked at, so deriving them can wait until here.  keys_out is filled in on
 * success.
 */
bool scram_server_final(struct scram_server *server, const void *message,
    size_t length, const struct scram_secret *secret,
    struct scram_keys *keys_out, struct writer *reply) MUST_CHECK;

/* --- the client's side: we log in at a server --------------------------- */

struct scram_client {
	const char	*problem;	/* why it failed, for the log */
	char		 binding[SCRAM_BINDING_TEXT]; /* what we send as c= */
	uint32_t	 first_length;	/* of client-first-message-bare */
	uint32_t	 nonce_length;	/* of our nonce, at the end of it */
	char		 first[128];
	uint8_t		 signature[SCRAM_KEY];	/* what the server must send */
};

/* Writes our first message (raw). `binding` NULL: unbound. */
bool scram_client_first(struct scram_client *client, const char *nonce,
    const struct scram_binding *binding, struct writer *message) MUST_CHECK;

/*
 * Takes the server's first message, writes our last (raw).  Runs from a
 * plain password, or from keys if they are given.
 */
bool scram_client_final(struct scram_client *client, const void *server_first,
    size_t length, const char *password, const struct scram_keys *keys,
    struct writer *message) MUST_CHECK;

enum scram_verdict {
	SCRAM_GENUINE = 0,	/* the server knows the secret, too */
	SCRAM_FALSE,		/* the wrong signature */
	SCRAM_BROKEN		/* no signature at all */
};

/* Takes the server's last message. */
enum scram_verdict scram_client_verify(const struct scram_client *client,
    const void *server_final, size_t length) MUST_CHECK;

#endif
