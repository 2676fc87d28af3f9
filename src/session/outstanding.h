/*
 * What a client has asked a server and the server has not answered yet.
 *
 * A server may go to somebody else only when nothing is outstanding, so each
 * request is noted as it is sent and struck out as it is answered (PostgreSQL
 * manual, "Message Flow"):
 *
 *	Parse -> 1   Bind -> 2   Close -> 3   Describe -> T or n
 *	Execute -> C, I or s     Query, FunctionCall, Sync -> Z
 *
 * After an error in an extended query the server skips everything up to Sync,
 * and so does this.  While it copies in it ignores Sync; CopyDone and
 * CopyFail have no answer of their own.
 */
#ifndef SESSION_OUTSTANDING_H
#define SESSION_OUTSTANDING_H

#include "base/base.h"

struct outstanding {
	uint8_t		*ring;		/* message types; NULL while unused */
	uint32_t	 size;		/* a power of two */
	uint32_t	 head, count;
	bool		 skipping;	/* no Sync sent since an error */
	bool		 copying_in;
	/* The two sides may disagree about what is to come: do not reuse. */
	bool		 doubtful;
};

/* A message of this type goes to the server. False: no memory. */
bool outstanding_ask(struct outstanding *outstanding, uint8_t type)
    MUST_CHECK;

/* A message of this type came from the server. */
void outstanding_answer(struct outstanding *outstanding, uint8_t type);

static inline bool
outstanding_none(const struct outstanding *outstanding)
{
	return outstanding->count == 0 && !outstanding->skipping;
}

/* For the next client; keeps the memory. */
void outstanding_reset(struct outstanding *outstanding);
void outstanding_free(struct outstanding *outstanding);

#endif
