/*
 * Somebody on the way to PostgreSQL: who only looks how each connection
 * begins, or who opens what is encrypted with papers of his own.
 */
#ifndef LIVE_GO_BETWEEN_H
#define LIVE_GO_BETWEEN_H

#include <openssl/ssl.h>

#include "base/base.h"

struct go_between;

/*
 * Listens on `port` and passes on to PostgreSQL of the world.  With a context
 * it shows that certificate to who connects, and has a TLS connection of its
 * own to PostgreSQL.  It lives as long as the test.
 */
struct go_between *go_between_start(int port, SSL_CTX *opens);

/* Connections that began with SSLRequest, and others. */
unsigned go_between_asked_for_tls(const struct go_between *between);
unsigned go_between_in_the_clear(const struct go_between *between);

#endif
