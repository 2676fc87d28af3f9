/*
 * News for a worker from other processes: a ring for each worker, guarded by
 * its own lock.
 *
 * Nothing depends on a letter arriving: each is a hint to look at a row, and
 * the rows are the truth.  A full ring, or a poster that died half-way, sets
 * the roster's `recheck`, and the worker looks at all of its rows.
 */
#ifndef SHM_MAILBOX_H
#define SHM_MAILBOX_H

#include "base/base.h"
#include "shm/lock.h"

enum mail_kind {
	MAIL_GIVEN = 1,		/* a server is yours for this client */
	MAIL_ADOPT,		/* see to it that this server gets closed */
	MAIL_CANCEL,		/* this client's waiting is cancelled */
	MAIL_POOL,		/* something about this pool is known now */
	MAIL_HOST		/* this host name has been looked up */
};

struct mail {
	uint32_t kind;
	uint32_t row;		/* client, server, pool or host */
	uint32_t generation;
};

#define MAILBOX_LETTERS 8192

struct mailbox {
	struct lock	 lock;
	_Atomic uint32_t head;	/* next to read */
	_Atomic uint32_t tail;	/* next to write */
	struct mail	 letters[MAILBOX_LETTERS];
};

struct segment;

/*
 * Leaves a letter. True: the worker sleeps and the caller must wake it
 * (segment_wake); false: it will look by itself.
 */
bool mailbox_post(struct segment *segment, uint32_t worker,
    const struct mail *mail) MUST_CHECK;

/* Takes up to `most` letters; 0: empty. Only the worker itself. */
unsigned mailbox_collect(struct segment *segment, uint32_t worker,
    struct mail *letters, unsigned most);

/* True: there is mail or a recheck to do; cheap, takes no lock. */
bool mailbox_has_mail(struct segment *segment, uint32_t worker);

#endif
