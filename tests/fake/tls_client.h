/*
 * A client that speaks TLS as it is told: directly or after an SSLRequest,
 * with any ALPN, with a session to resume.
 */
#ifndef FAKE_TLS_CLIENT_H
#define FAKE_TLS_CLIENT_H

#include <openssl/ssl.h>

#include "base/buffer.h"
#include "fake/fake_client.h"

struct tls_wish {
	bool		 direct;	/* no SSLRequest */
	const char	*alpn;		/* as on the wire; NULL: none */
	int		 version;	/* at most this; 0: any */
	SSL_SESSION	*session;	/* to be resumed; stays the caller's */
};

struct tls_client {
	int	 fd;
	SSL	*ssl;
	bool	 refused;		/* the handshake failed */
	char	 problem[200];		/* and why */
};

/* Always a client, even if it is refused. */
struct tls_client *tls_client_connect(int port, const struct tls_wish *wish);

/* The same on a connection that is there already. */
struct tls_client *tls_client_begin(int fd, const struct tls_wish *wish);

/* Sends and clears. False: the peer has gone. */
bool tls_client_send(struct tls_client *client, struct buffer *bytes);

/* False: the end. Fails the test when nothing comes. */
bool tls_client_read(struct tls_client *client, struct message *message_out);

/* Reads on to a message of this type, which must come. */
void tls_client_expect(struct tls_client *client, char type,
    struct message *message_out);

/* Logs in under auth_type=trust: ready for a query. */
void tls_client_login(struct tls_client *client, const char *user,
    const char *database);

/* The end comes, and is said to be one (close_notify). */
void tls_client_expect_close(struct tls_client *client);

/* Says that it goes, and goes. NULL is allowed. */
void tls_client_close(struct tls_client *client);

#endif
