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
 *
 * A request may carry what it changes in the tables of prepared statements
 * (session/prepared.h).  Whoever put that there hears what became of it:
 * answered, failed, skipped or lost.  Those that an error costs are told of
 * from the last to the first, so that each can be undone on its own.
 *
 *	   <- answered                                      asked ->
 *	P  B  E  S | P  B  E  S | B  E
 *	             ^ `changes` count apart what lies in batches that have
 *	               their Sync already, and what is in the one still open
 */
#ifndef SESSION_OUTSTANDING_H
#define SESSION_OUTSTANDING_H

#include "base/base.h"
#include "shm/statements.h"

struct named;
struct query_text;

/* What is special about a request. */
enum request_flags {
	REQUEST_SWALLOWED = 1,	/* ours: its answer is not for the client */
	REQUEST_ANSWERED = 2,	/* the server was not asked: we answer it */
	REQUEST_MUST_FAIL = 4,	/* the server cannot but refuse it */
	REQUEST_CANNOT_FAIL = 8	/* if it does, nothing makes sense any more */
};

/* What it changes; undone when it fails or is skipped. */
enum request_changes {
	CHANGES_NAME_ADDED = 1,		/* the client has the name now */
	CHANGES_NAME_REMOVED = 2,	/* … has no longer */
	CHANGES_SERVER_ADDED = 4,	/* the server has the digest now */
	CHANGES_SERVER_REMOVED = 8,
	CHANGES_UNNAMED = 16,		/* `text` was the client's unnamed one
					   before */
	CHANGES_UNNAMED_KNOWN = 32,	/* the server's unnamed one is the
					   client's since */
	CHANGES_ALL_NAMES = 64		/* DEALLOCATE ALL: all are gone once it
					   is answered so */
};

struct request {
	uint8_t			 type;
	uint8_t			 flags;
	uint8_t			 changes;
	uint32_t		 repeats;	/* CopyDone: so many more of
						   them right behind it */
	struct named		*named;		/* a reference, or NULL */
	struct query_text	*text;		/* likewise */
	uint64_t		 since;		/* see prepared.h, I1 */
	uint8_t			 digest[STATEMENT_DIGEST_BYTES];
};

enum request_end {
	REQUEST_DONE = 0,	/* answered */
	REQUEST_FAILED,		/* by an error of its own */
	REQUEST_SKIPPED,	/* by an error before it */
	REQUEST_LOST		/* the connection is given up */
};

/* A request with changes or references is over; they are the callee's. */
typedef void on_request_end(void *context, struct request *request,
    enum request_end end);

enum change_kind {
	CHANGE_OF_NAMED = 0,
	CHANGE_OF_UNNAMED,
	CHANGE_KINDS
};

struct outstanding {
	struct request	*ring;		/* NULL while unused, and when a long
					   one is empty */
	uint32_t	 size;		/* a power of two */
	uint32_t	 head, count;
	uint64_t	 asked;		/* all requests there ever were */
	uint32_t	 batches;	/* that have their end: Sync, Query … */
	struct {
		uint32_t	closed, open;
	}		 changes[CHANGE_KINDS];
	uint32_t	 beyond;	/* what an error costs: search from here */
	on_request_end	*on_end;
	void		*context;
	bool		 skipping;	/* no Sync sent since an error */
	bool		 copying_in;
	/* The two sides may disagree about what is to come: do not reuse. */
	bool		 doubtful;
};

/* A message of this type goes to the server. False: no memory. */
bool outstanding_ask(struct outstanding *outstanding, uint8_t type)
    MUST_CHECK;

/*
 * A request with all that is special about it; not while it is skipping or
 * copying in.  False: no memory, nothing was taken over.
 */
bool outstanding_add(struct outstanding *outstanding,
    const struct request *request) MUST_CHECK;

/*
 * Requests have numbers in the order in which they are asked: the one that
 * the next will have, and one that none that is outstanding is below.
 */
static inline uint64_t
outstanding_next_number(const struct outstanding *outstanding)
{
	return outstanding->asked + 1;
}

static inline uint64_t
outstanding_oldest_number(const struct outstanding *outstanding)
{
	return outstanding->asked + 1 - outstanding->count;
}

/* Could the server say this now? Notices and the like it always may. */
bool outstanding_expects(const struct outstanding *outstanding,
    uint8_t type);

/* A message of this type came from the server. */
void outstanding_answer(struct outstanding *outstanding, uint8_t type);

/* The oldest request; NULL: none. */
struct request *outstanding_head(const struct outstanding *outstanding);

/*
 * While on_end tells of requests that an error costs: the first behind all of
 * those that makes these changes, the same ones each time.  NULL: none.
 */
struct request *outstanding_beyond(struct outstanding *outstanding,
    uint8_t changes);

/* Its head is one that we answer: it is over. */
void outstanding_answer_ourselves(struct outstanding *outstanding);

/* How many that we answer come before the first that the server answers. */
uint32_t outstanding_ours(const struct outstanding *outstanding);

/* The last batch has no Sync yet. */
bool outstanding_is_open(const struct outstanding *outstanding);

static inline bool
outstanding_none(const struct outstanding *outstanding)
{
	return outstanding->count == 0 && !outstanding->skipping;
}

/* For the next client; keeps the memory. */
void outstanding_reset(struct outstanding *outstanding);
void outstanding_free(struct outstanding *outstanding);

#endif
