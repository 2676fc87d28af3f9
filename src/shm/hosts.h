/*
 * Host names that server connections are opened by, and where they lead:
 * one row for each name, shared by all workers, so that each name is looked
 * up once for all of them.
 *
 *   UNKNOWN -> KNOWN <-> MISSING        as answers come in
 *
 * Nobody waits in here.  Who finds that a row is due asks the helper process
 * (hosts_claim_question says who does), and whoever gets the answer stores
 * it.  A question that got lost, because the helper died or a socket was
 * full, is due again.
 *
 * An answer that is too old is used while a new one is on its way, but not
 * for ever: for HOSTS_GRACE.  A look-up that fails does not take away what is
 * known, unless it says that there is no such name.
 *
 *   dns_max_ttl after an answer   the row is due, if its name is in use
 *   HOSTS_GRACE after that        the answer is not used any more
 *
 * A name is in use while a server connection was opened by it, or one wanted
 * to be in the last HOSTS_IN_USE.
 */
#ifndef SHM_HOSTS_H
#define SHM_HOSTS_H

#include <stdatomic.h>

#include "base/address.h"
#include "base/base.h"
#include "shm/lock.h"

#define HOST_NAME_BYTES 256
#define HOSTS_IN_USE (60 * USEC_PER_SEC)
#define HOSTS_GRACE (60 * USEC_PER_SEC)
/* A question that was not answered for so long is asked again. */
#define HOSTS_PATIENCE (30 * USEC_PER_SEC)
/* Not asked more often than this, whatever the configuration says. */
#define HOSTS_LEAST_TTL (USEC_PER_SEC)
/* A name that nobody wanted for so long may lose its row to another one. */
#define HOSTS_FORGOTTEN (600 * USEC_PER_SEC)

enum host_state {
	HOST_UNKNOWN = 0,
	HOST_KNOWN,
	HOST_MISSING,		/* no such name, or it could not be asked */
	HOST_STATES
};

struct host_row {
	_Alignas(CACHE_LINE)
	_Atomic uint32_t used;
	_Atomic int64_t	 wanted_at;	/* last sign that it is in use */
	_Atomic int64_t	 asked_at;	/* 0: no question is under way */
	_Atomic uint32_t asked_life;	/* of the helper */
	_Atomic uint64_t waiting;	/* workers with servers that wait */
	_Atomic int64_t	 expires_at;	/* of the answer; 0: there is none */
	_Atomic uint32_t turn;		/* counts connections */
	/* Under the table's lock. */
	char		 name[HOST_NAME_BYTES];
	uint32_t	 state;		/* enum host_state */
	uint32_t	 writing;	/* an answer is half written */
	int32_t		 result;	/* of the last look-up: EAI_…, 0 */
	struct address_list addresses;
	/* When a connection to it failed last; 0: not since. */
	usec_t		 failed_at[ADDRESSES_MOST];
};

/* In the segment, before the rows. */
struct hosts_head {
	struct lock	 lock;
	_Atomic uint32_t used;		/* highest row ever used plus one */
	_Atomic uint32_t helper_life;	/* how many helpers there have been */
};

struct segment;

void hosts_create(struct segment *segment);

/* NULL for NO_ROW; an index that another process wrote is checked. */
struct host_row *hosts_row(struct segment *segment, uint32_t row);

/*
 * The row of a name, made if it is a new one, and in use from now on.
 * NO_ROW: the name is too long, or all rows are names in use.
 */
uint32_t hosts_find(struct segment *segment, const char *name, usec_t now);

/* A connection that was opened by this name lives. */
void hosts_note_use(struct segment *segment, uint32_t row, usec_t now);

/*
 * Is this row to be looked up now, and by me?  True for one caller alone,
 * who asks the helper and, if that cannot be, calls hosts_drop_question.
 */
bool hosts_claim_question(struct segment *segment, uint32_t row, usec_t now)
    MUST_CHECK;
void hosts_drop_question(struct segment *segment, uint32_t row);

/* All that is known is due now, and is used until the answer is there. */
void hosts_expire(struct segment *segment, usec_t now);

/* What the helper said. */
struct host_answer {
	const char			*name;
	int32_t				 result;	/* 0, or EAI_… */
	bool				 is_missing;	/* no such name */
	const struct address_list	*addresses;
};

/* How long answers hold: dns_max_ttl and dns_nxdomain_ttl. */
struct host_ttls {
	usec_t	known, missing;
};

/*
 * Stores an answer.  *waiting_out are the workers that are to be told.
 * False: the row is another name's by now; nothing was done.
 */
bool hosts_store(struct segment *segment, uint32_t row,
    const struct host_answer *answer, const struct host_ttls *ttls,
    usec_t now, uint64_t *waiting_out);

enum host_choice {
	HOST_CHOSEN = 0,
	HOST_WAIT,		/* not known (any more); mail will come */
	HOST_NONE		/* there is no such host, or none is left */
};

/* Who wants to connect to a name. */
struct host_wish {
	uint32_t	row;
	uint32_t	worker;
	usec_t		now;
	usec_t		retry;		/* avoid what failed so long ago */
	/* Addresses that this attempt has tried already. */
	const struct address_list *tried;
};

/*
 * An address of the name, in turn over all workers, those that failed lately
 * last.  HOST_WAIT: this worker is told by mail when the answer is there.
 */
enum host_choice hosts_choose(struct segment *segment,
    const struct host_wish *wish, struct address *address_out) MUST_CHECK;

/* A connection to this address failed, or did not. */
void hosts_note_outcome(struct segment *segment, uint32_t row,
    const struct address *address, usec_t failed_at);

/* Is this address (still) one of the name?  True also if nobody knows. */
bool hosts_has(struct segment *segment, uint32_t row,
    const struct address *address) MUST_CHECK;

/* For reports: a copy. False: nobody has this row. */
struct host_copy {
	char			name[HOST_NAME_BYTES];
	enum host_state		state;
	usec_t			expires_at;
	struct address_list	addresses;
};
bool hosts_copy(struct segment *segment, uint32_t row,
    struct host_copy *copy_out) MUST_CHECK;

/* Questions under way. */
uint32_t hosts_count_questions(struct segment *segment);
/* Names. */
uint32_t hosts_count(struct segment *segment);

#endif
