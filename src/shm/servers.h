/*
 * One row for each server connection, written under its pool's lock.
 *
 *   FREE -> OPENING -> IDLE -> ACTIVE -> IDLE           a client of my own
 *                                |
 *                                +-> GIVEN -> ACTIVE    handed to another
 *                                +-> TESTING -> IDLE    reset query
 *                                +-> CANCELING -> TESTING -> IDLE
 *                                                       a cancel is under way
 *   every phase -> CLOSING -> FREE
 *
 *   FREE -> CANCEL_LINK -> FREE    carries a cancel request to PostgreSQL
 *
 * One with TLS has an owner besides, the worker that opened it: the state of
 * TLS is in its memory, and others use the connection by way of it
 * (session/bridge.h).  It dies with its owner.
 *
 * `worker` is who acts on it: opener, holder, or last holder while it is
 * idle (it watches the socket), or who sees to it that it is closed.
 * `generation` moves when the row is freed: a descriptor of an older
 * generation is to be closed by whoever holds it.
 */
#ifndef SHM_SERVERS_H
#define SHM_SERVERS_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/address.h"
#include "shm/replication_kind.h"

enum server_phase {
	SERVER_FREE = 0,
	SERVER_OPENING,		/* connecting and logging in */
	SERVER_IDLE,		/* in its pool's idle list */
	SERVER_GIVEN,		/* promised to a client of another worker */
	SERVER_ACTIVE,		/* linked */
	SERVER_TESTING,		/* running a reset query, no client */
	SERVER_CANCELING,	/* released; waits for a cancel to be done */
	SERVER_CANCEL_LINK,
	SERVER_CLOSING,		/* waits for PostgreSQL to be gone, too */
	SERVER_PHASES
};

enum close_need {
	CLOSE_NOT_NEEDED = 0,
	CLOSE_NEEDED,		/* RECONNECT, or the file names another place */
	CLOSE_OBSOLETE,		/* its host name leads to another address */
	CLOSE_AT_ONCE		/* KILL: whatever is under way */
};

/* What a server connection was told last, by tracked parameter. */
#define PARAMETERS_MOST 16
#define PARAMETER_VALUE_BYTES 128	/* with the final NUL */
#define PARAMETER_APPLICATION_NAME 4	/* its place; reports show it */

/* A cancel key has 256 bytes at most, 4 of them are backend_secret. */
#define BACKEND_REST_BYTES 252

struct parameter_values {
	uint8_t	digest[16];		/* of all values; equal means equal */
	uint8_t	meaning[16];		/* of those that a query's text may
					   depend on: all but application_name */
	uint32_t reported;		/* bits: the server tells of a change */
	/* A long one's digest, and then the last byte is 1: see
	   session/parameter_texts.h. */
	char	values[PARAMETERS_MOST][PARAMETER_VALUE_BYTES];
};

#define SERVER_TLS_BYTES 96

struct server_row {
	_Alignas(CACHE_LINE)
	_Atomic uint32_t phase;		/* enum server_phase */
	_Atomic uint32_t generation;
	_Atomic uint32_t claimed_by;	/* slot + 1 of who claimed or freed
					   it last; 0: it may be claimed */
	_Atomic uint32_t pool;		/* void while it is FREE */
	_Atomic uint32_t worker;	/* void while it is FREE */
	uint32_t	 client;	/* GIVEN, ACTIVE: row */
	uint32_t	 client_generation;
	uint32_t	 next, prev;	/* the pool's idle list */
	uint32_t	 close_needed;	/* close when next released: enum
					   close_need */
	uint32_t	 cancels;	/* cancel links under way to it */
	uint32_t	 tls_owner;	/* slot + 1 of who has the state of its
					   TLS; 0: it is in the clear */
	uint32_t	 target;	/* CANCEL_LINK: about whom, … */
	uint32_t	 target_generation;	/* … of this generation */
	_Atomic uint64_t has_fd;	/* slots that have a descriptor */
	_Alignas(CACHE_LINE)
	_Atomic uint32_t lent;		/* how often others than its owner have
					   begun to use it */
	_Atomic uint32_t hung_up;	/* its owner has seen PostgreSQL's end */
	uint32_t	 orphaned;	/* its owner is dead */
	uint32_t	 from_reserve;	/* opened beyond pool_size; for the log */
	usec_t		 connected_at;
	usec_t		 idle_since;
	usec_t		 request_at;
	uint32_t	 backend_pid, backend_secret;
	uint32_t	 id;
	uint32_t	 replicated;	/* enum replication_kind */
	struct address	 remote, local;	/* Unix: which of the hosts of the
					   database, in bytes[0] */
	_Atomic uint32_t host;		/* the name it was found by, a row of
					   hosts.h; NO_ROW: an address */
	/* Protocol 3.2: what follows the first 4 bytes of its key. */
	uint32_t	 backend_rest_length;
	uint8_t		 backend_rest[BACKEND_REST_BYTES];
	uint8_t		 digest[16];	/* of its parameter values */
	char		 application_name[64];	/* of those; for reports */
	char		 tls[SERVER_TLS_BYTES];	/* "TLSv1.3/…"; "": none */
};

struct segment;
/*
 * Claims a free row for this worker and pool; NO_ROW: all are in use.  It is
 * in phase OPENING or CANCEL_LINK then.  The caller holds the pool's lock.
 */
uint32_t servers_claim(struct segment *segment, uint32_t worker,
    uint32_t pool, enum server_phase phase);
/* Moves the generation, so that all holders close their descriptors. */
void servers_free(struct segment *segment, uint32_t row);
/* This worker is dead: what it was claiming or freeing is free. */
void servers_free_half_done(struct segment *segment, uint32_t worker);

/* What reports show as `ptr`: unique among live clients and servers. */
uint64_t servers_handle(struct segment *segment, uint32_t row);

#endif
