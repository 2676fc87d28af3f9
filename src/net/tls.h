/*
 * TLS contexts: what all connections of one direction have in common, made
 * from settings and never changed.  A reload makes a new one; connections
 * keep the one that they began with.
 *
 *   struct tls_engine    one for each process: memory to work in
 *     struct tls_context   one for each direction and load, counted
 *       struct stream        one for each connection (net/stream.h)
 *
 * No renegotiation, no compression, no early data, no session cache; tickets
 * only towards clients and only with keys from outside.  ALPN: towards
 * servers "postgresql" is offered; a client that offers protocols has to
 * offer this one, or the handshake fails.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/error.h"
#include "base/tls_settings.h"

struct tls_engine;
struct tls_context;

/* NULL: no memory. Contexts and streams must be gone before destroy. */
struct tls_engine *tls_engine_create(void) MUST_CHECK;
void tls_engine_destroy(struct tls_engine *engine);

/*
 * A key that encrypts the tickets of sessions.  Who has the same keys takes
 * the tickets: other workers, and those that come after them.
 */
#define TLS_TICKET_NAME 16
#define TLS_TICKET_SECRET 32

struct tls_ticket_key {
	uint8_t	name[TLS_TICKET_NAME];
	uint8_t	cipher[TLS_TICKET_SECRET];	/* AES-256-CBC */
	uint8_t	mac[TLS_TICKET_SECRET];		/* HMAC-SHA-256 */
};

enum tls_ticket_verdict {
	TLS_TICKET_UNKNOWN = 0,	/* too old, or somebody else's */
	TLS_TICKET_CURRENT,
	TLS_TICKET_OLD		/* good, but the client gets a new one */
};

struct tls_tickets {
	void	*context;
	/* The key with this name; NULL asks for the one for new tickets. */
	enum tls_ticket_verdict (*find)(void *context, const uint8_t *name,
	    struct tls_ticket_key *key_out);
};

/*
 * For connections that clients open to us.  `tickets` NULL: there are none.
 * False results name the parameter and the file, "invalid client_tls_key_file:
 * /etc/key.pem: …"; nothing of a key is ever in them.  Whoever gets the
 * context releases it.
 */
struct tls_context *tls_context_for_clients(struct tls_engine *engine,
    const struct tls_settings *settings, const struct tls_tickets *tickets,
    struct error *error) MUST_CHECK;

/* For connections that we open to servers. Certificate and key may lack. */
struct tls_context *tls_context_for_servers(struct tls_engine *engine,
    const struct tls_settings *settings, struct error *error) MUST_CHECK;

/* NULL is allowed. */
void tls_context_release(struct tls_context *context);

/*
 * Which versions a list of words means: all, secure, default, legacy, tlsv1,
 * tlsv1.0 to tlsv1.3, "!" before a word takes it out.  Bit 0 is 1.0, bit 3 is
 * 1.3.  False: a word that is none, or nothing is left.
 */
bool tls_protocols_parse(const char *list, unsigned *versions_out) MUST_CHECK;

#endif
