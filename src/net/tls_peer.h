/*
 * What is known of a connection with TLS: for reports, logs, and for those
 * who decide by certificates.  Nothing is known of one in the clear.
 */
#ifndef NET_TLS_PEER_H
#define NET_TLS_PEER_H

#include "net/stream.h"

/* "TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=X25519"; "" without TLS. */
#define TLS_INFO_BYTES 96
void tls_peer_info(const struct stream *stream, char info_out[TLS_INFO_BYTES]);

/* Both sides have said "postgresql" (ALPN). */
bool tls_peer_chose_protocol(const struct stream *stream);

/* The session was resumed by a ticket. */
bool tls_peer_resumed(const struct stream *stream);

/*
 * The other side has shown a certificate.  It is a good one then: the
 * handshake would have failed otherwise, unless nothing was asked of it.
 */
bool tls_peer_has_certificate(const struct stream *stream);

/*
 * Calls with the common name of its subject (the last one, as PostgreSQL),
 * then with each DNS name of subjectAltName, until one call returns true, and
 * returns that.  A name with a NUL byte inside is passed over.
 */
typedef bool tls_name_visitor(const char *name, void *context);
bool tls_peer_any_name(const struct stream *stream, tls_name_visitor *visit,
    void *context);

/*
 * Its subject as in RFC 2253 ("CN=alice,OU=sales,O=firm"), for clientname=DN
 * of pg_hba.conf.  False: there is none, or it does not fit.
 */
bool tls_peer_subject(const struct stream *stream, char *text_out, size_t size)
    MUST_CHECK;

/*
 * The digest of the server's certificate, ours towards clients and the
 * other's towards servers: channel binding tls-server-end-point (RFC 5929,
 * 4.1).  Its length; 0: there is none for this kind of certificate.
 */
#define TLS_END_POINT_MOST 64
size_t tls_peer_end_point(const struct stream *stream,
    uint8_t digest_out[TLS_END_POINT_MOST]);

#endif
