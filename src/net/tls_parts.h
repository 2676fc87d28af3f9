/*
 * What the files of TLS share among themselves: tls.c (contexts), stream.c
 * (connections), tls_peer.c (what is known of them).  Nobody outside net/
 * includes this.
 */
#ifndef NET_TLS_PARTS_H
#define NET_TLS_PARTS_H

#include <openssl/ssl.h>

#include "base/buffer.h"
#include "net/stream.h"
#include "net/tls.h"

/*
 * What is received at one time, so that all that it holds fits into
 * STREAM_RECEIVE_LEAST together with half a record of the last time: a record
 * has at most 18 KiB.
 */
#define TLS_IN_BYTES ((size_t)44 * 1024)
/* What is encrypted at one time, and its records with all around them. */
#define TLS_SEND_MOST ((size_t)64 * 1024)
#define TLS_OUT_BYTES ((size_t)96 * 1024)

struct tls_engine {
	BIO_METHOD	*method;
	/* Records on their way in: empty again when a call is over. */
	size_t		 in_from, in_to;
	/* … and out: sent, or kept by the connection, when it is over. */
	size_t		 out_length;
	char		 problem[256];
	uint8_t		 in[TLS_IN_BYTES];
	uint8_t		 out[TLS_OUT_BYTES];
};

struct tls_context {
	unsigned		 references;
	SSL_CTX			*ssl;
	struct tls_engine	*engine;
	struct tls_tickets	 tickets;
	enum tls_proof		 proof;
	bool			 for_clients;
};

struct tls {
	SSL			*ssl;
	struct tls_context	*context;
	struct buffer		 unsent;	/* records */
	struct buffer		 early;		/* read before it began */
	unsigned long		 fault;		/* OpenSSL's; 0: none */
	int			 broken;	/* errno of the socket */
	bool			 established;
	bool			 ended;		/* nothing more will be read */
	bool			 failed;	/* … because of a fault */
};

#endif
