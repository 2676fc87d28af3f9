/*
 * Two ends of a connection in one process, each a stream of ours, with
 * papers that a test authority has signed.
 */
#ifndef TESTS_UNIT_TLS_WORLD_H
#define TESTS_UNIT_TLS_WORLD_H

#include <openssl/ssl.h>

#include "fake/authority.h"
#include "net/stream.h"
#include "net/tls.h"
#include "net/tls_peer.h"

/* Valid until tls_world_end(). */
struct tls_world {
	struct tls_engine	*engine;
	struct authority	*authority, *stranger;
	struct paper		*server;	/* "pooler", DNS:localhost,
						   IP:127.0.0.1 */
	struct stream		 here, there;	/* a server's, a client's */
};

extern struct tls_world tls_world;

void tls_world_begin(void);
void tls_world_end(void);

/* PEM of this text, as if it were in a file of this name. */
struct tls_pem pem_of(const char *path, const char *text);

/* A server with its certificate, all else as by default. */
struct tls_settings server_settings(void);
/* A client that trusts the authority and wants its name. */
struct tls_settings client_settings(void);

/* What fails here fails the test. */
struct tls_context *server_context(const struct tls_settings *settings);
struct tls_context *client_context(const struct tls_settings *settings);

/* Connected in the clear. */
void link_ends(void);
/* And then TLS is begun with these; the contexts are released. */
void begin_tls(struct tls_context *server, struct tls_context *client,
    const char *host);
/* Reads on both sides until both are established. False: one has failed. */
bool shake_hands(void);
/* All of the above as by default. */
void link_with_tls(void);

/*
 * So many whole records of this type have come, and nobody has read them: TCP
 * may bring each by itself.  TLS_DATA is all that is encrypted in TLS 1.3.
 */
#define TLS_DATA 23
void await_records(const struct stream *stream, uint8_t type, unsigned count);

/* Reads what has come, waiting for it; the stream's result, errno too. */
ssize_t receive(struct stream *stream, void *memory);

/* A client of plain OpenSSL on the other end of `here`; context is freed. */
SSL *raw_client(SSL_CTX *context);
/* As shake_hands(). */
bool shake_hands_with(SSL *raw);

#endif
