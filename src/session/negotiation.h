/*
 * From a connected socket to one on which PostgreSQL can be spoken to, in the
 * clear or with TLS (PostgreSQL manual, "SSL Session Encryption").
 *
 *   begin --+-- disable ------------------------------> CLEAR
 *           +-- SSLRequest -- N, and TLS is a wish ----> CLEAR
 *           |        +------- S --+
 *           +-- direct -----------+-- handshake -------> SECURE
 *
 * Where TLS is a wish (allow, prefer) and fails, a new connection in the
 * clear may do: AGAIN.  Nothing that came before the end of the handshake is
 * ever taken for a word of PostgreSQL (CVE-2021-23222).
 */
#ifndef SESSION_NEGOTIATION_H
#define SESSION_NEGOTIATION_H

#include "config/kinds.h"
#include "net/stream.h"

struct negotiation_wish {
	enum sslmode		 mode;
	bool			 is_direct;	/* without SSLRequest */
	/*
	 * Where the context is: it may be another one, or NULL, when the
	 * server answers.  NULL there: as disable.
	 */
	struct tls_context	*const *context;
	const char		*host;		/* as it was named; it stays */
};

enum negotiation_phase {
	NEGOTIATION_ASKED = 0,
	NEGOTIATION_HANDSHAKE
};

struct negotiation {
	struct negotiation_wish	 wish;
	enum negotiation_phase	 phase;
	const char		*reason;	/* AGAIN, FAILED: to close */
	char			 problem[256];	/* for the log; "": none */
};

enum negotiation_verdict {
	NEGOTIATION_MORE = 0,	/* go on when the other side says something,
				   and if stream_has_unsent() when it takes
				   something */
	NEGOTIATION_CLEAR,	/* there is none, and that is all right */
	NEGOTIATION_SECURE,	/* TLS, and its certificate is as wished */
	NEGOTIATION_AGAIN,	/* connect anew, then with SSLMODE_DISABLE */
	NEGOTIATION_FAILED
};

/* The socket is connected. */
enum negotiation_verdict negotiation_begin(struct negotiation *negotiation,
    const struct negotiation_wish *wish, struct stream *stream) MUST_CHECK;

/* It has an event. `memory` has STREAM_RECEIVE_LEAST bytes. */
enum negotiation_verdict negotiation_go_on(struct negotiation *negotiation,
    struct stream *stream, uint8_t *memory) MUST_CHECK;

#endif
