/*
 * What holds for the whole pooler: paused or not, shutting down or not, what
 * all workers must know alike.
 *
 * Orders to everybody are words here plus a new epoch; workers look at the
 * epoch once a turn, and whoever changes it wakes those that sleep.
 */
#ifndef SHM_STATE_H
#define SHM_STATE_H

#include <stdatomic.h>

#include "base/base.h"
#include "shm/lock.h"

enum shutdown_mode {
	SHUTDOWN_NONE = 0,
	SHUTDOWN_WAIT_FOR_CLIENTS,
	SHUTDOWN_WAIT_FOR_SERVERS,
	SHUTDOWN_NOW
};

#define STATE_NONCE_BYTES 32

/* The word of who gave SUSPEND: void for any other number. */
static inline uint64_t
state_suspender(uint32_t number, uint32_t client_id)
{
	return (uint64_t)number << 32 | client_id;
}

struct state {
	struct lock	 naming;	/* making databases, users, pools */
	_Atomic uint32_t paused;	/* PAUSE without a database */
	_Atomic uint32_t suspended;	/* SUSPEND: its number; 0: none */
	_Atomic uint32_t suspensions;	/* so many there were */
	_Atomic uint64_t suspender;	/* who gave it: the number, id */
	_Atomic uint32_t shutdown;	/* enum shutdown_mode; only grows */
	_Atomic int64_t	 shutdown_at;	/* when it began; monotonic */
	_Atomic uint32_t epoch;		/* moves with each order */
	_Atomic uint32_t servers_epoch;	/* moves when a server row is freed */
	_Atomic uint32_t config_generation; /* moves with each RELOAD */
	_Atomic int64_t	 starving_at;	/* when a pool was found last that a
					   limit keeps from opening */
	_Atomic uint32_t slots;		/* of workers, ever in use; only grows */
	_Atomic uint32_t next_id;	/* SHOW CLIENTS.id */
	_Atomic uint64_t watchers;	/* workers that wait for closing */
	usec_t		 started_at;
	/* Same salt for the same unknown name in all workers, and later on. */
	uint8_t		 mock_nonce[STATE_NONCE_BYTES];
	/* What long cancel keys are made with. */
	uint8_t		 cancel_nonce[STATE_NONCE_BYTES];
	/* Highest row ever used plus one: reports need not look further. */
	_Atomic uint32_t clients_hint;	/* few rows before it are free */
	_Atomic uint32_t clients_used, servers_used, pools_used;
	_Atomic uint32_t databases_used, users_used;
};

#endif
