/*
 * Keys that encrypt the tickets of TLS sessions, the same for all workers and
 * for those that come later, so that a client resumes its session wherever
 * its next connection arrives.
 *
 * Two are good at any time: the one for new tickets, and the one before, for
 * tickets that are still under way.  The supervisor alone writes; what was
 * replaced is nowhere any more, so that old tickets cannot be read even by
 * who takes over the machine.
 */
#ifndef SHM_TICKETS_H
#define SHM_TICKETS_H

#include <stdatomic.h>

#include "base/base.h"

/* A session that is older begins anew (OpenSSL's default, too). */
#define TICKETS_PERIOD (2 * 3600 * USEC_PER_SEC)

struct ticket_key {
	uint8_t	name[16];
	uint8_t	cipher[32];
	uint8_t	mac[32];
};

#define TICKET_KEYS 2		/* [0]: new tickets */
#define TICKET_WORDS (TICKET_KEYS * sizeof(struct ticket_key) / 8)

struct tickets {
	_Atomic uint32_t sequence;	/* odd: they are being written */
	_Atomic int64_t	 changed_at;
	_Atomic uint64_t words[TICKET_WORDS];
};

/* Fresh keys; before the first fork. */
void tickets_create(struct tickets *tickets, usec_t now);

/* Makes a new key if the present one has had its time. For one process. */
void tickets_rotate(struct tickets *tickets, usec_t now);

/* The caller wipes its copy. */
void tickets_copy(struct tickets *tickets,
    struct ticket_key keys_out[TICKET_KEYS]);

#endif
