/*
 * Which prepared statements a server connection has: digests, in a table
 * beside its row.
 *
 * Who may act on the server's row may write its table, and nobody else; so
 * whoever takes the server over finds exactly what is on it.  A digest is
 * noted when its Parse is sent, and taken back when that fails; a server with
 * something under way belongs to one worker, and is closed if that one dies.
 *
 *	slots, by digest, collisions in the next one (open addressing):
 *	[ digest | used 17 | there ] [ free ] [ digest | used 3 | stale ] ...
 *
 * `used` is the table's clock when it was used last: the smallest is the one
 * to go.  A stale one is on the server, but must not be used as it is: its
 * result has changed, or it was made under other settings.  One whose Parse
 * has not been answered yet is awaited, under that request's number: it comes
 * to be behind whatever is answered before it.
 */
#ifndef SHM_STATEMENTS_H
#define SHM_STATEMENTS_H

#include "base/base.h"

/* Kept per server connection at most, whatever is configured. */
#define STATEMENTS_MOST 2048
/* At most half of them are in use, so that looking one up is short. */
#define STATEMENTS_SLOTS (2 * STATEMENTS_MOST)
#define STATEMENT_DIGEST_BYTES 16
/* So much of a request's number tells it from all that are outstanding. */
#define STATEMENT_NUMBER_BITS 29

enum statement_state {
	STATEMENT_ABSENT = 0,
	STATEMENT_THERE,
	STATEMENT_STALE
};

struct statement_slot {
	uint8_t		 digest[STATEMENT_DIGEST_BYTES];
	uint32_t	 used;
	uint32_t	 state : 2;	/* enum statement_state */
	uint32_t	 is_awaited : 1;
	uint32_t	 number : STATEMENT_NUMBER_BITS;
};

struct server_statements {
	_Alignas(CACHE_LINE)
	uint32_t	 count;		/* stale ones included */
	uint32_t	 slots;		/* a power of two; 0: none laid out */
	uint32_t	 clock;
	uint32_t	 epoch;		/* the pool's, when last looked at */
	uint32_t	 awaited;	/* so many of them */
	_Alignas(CACHE_LINE)
	struct statement_slot slot[STATEMENTS_SLOTS];
};

/* Is it there, and good? */
enum statement_state statements_find(const struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES]);

/* It is used now; it must be there. */
void statements_touch(struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES]);

/*
 * It is there, used now and good.  `limit` is how many are expected; more
 * fit, up to STATEMENTS_MOST.  False: no room.
 */
bool statements_add(struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES], uint32_t limit) MUST_CHECK;

/* It is gone; nothing happens if it was not there. */
void statements_remove(struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES]);

/* The one used longest ago. False: there is none. */
bool statements_oldest(const struct server_statements *statements,
    uint8_t digest_out[STATEMENT_DIGEST_BYTES]) MUST_CHECK;

/* It is there, but to be made anew when it is used next. */
void statements_doubt(struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES]);

/* All that are there are to be made anew when they are used next. */
void statements_make_stale(struct server_statements *statements);

/* It is there, and its Parse is the request of this number. */
void statements_await(struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES], uint64_t number);

/*
 * Has its Parse not been answered yet?  Its number is the last one before
 * `next` that fits.
 */
bool statements_is_awaited(const struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES], uint64_t next,
    uint64_t *number_out);

/* That Parse was answered; it may have been taken off again since. */
void statements_settle(struct server_statements *statements,
    const uint8_t digest[STATEMENT_DIGEST_BYTES], uint64_t number);

/* Those that are not awaited are gone. */
void statements_clear_settled(struct server_statements *statements);

/* There is none. Costs nothing; the slots are laid out when one comes. */
void statements_clear(struct server_statements *statements);

#endif
