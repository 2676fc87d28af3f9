/*
 * Many clients at once, each in a thread, each checking its own answers.
 */
#ifndef LIVE_CROWD_H
#define LIVE_CROWD_H

#include "base/base.h"
#include "live/pooler.h"

#define CROWD_MOST_LOST 4096

struct crowd_plan {
	const char	*login;		/* else "user=app dbname=shop" */
	unsigned	 clients;
	unsigned	 transactions;	/* each; 0: until crowd_stop() */
	unsigned	 statements;	/* > 1: in a block of so many */
	unsigned	 hold_ms;	/* each transaction takes at least */
	bool		 extended;
	unsigned	 prepared;	/* > 0: by so many names (32 at most) */
	bool		 comes_back;	/* logs in again when it is thrown out */
};

struct crowd_result {
	unsigned long long	 transactions;	/* answered rightly */
	unsigned		 wrong;		/* another one's answer */
	unsigned		 errors;	/* an ErrorResponse came */
	unsigned		 refused;	/* nobody listened, or FATAL */
	unsigned		 cut_off;	/* broken while logging in */
	unsigned		 lost;		/* connections that broke */
	/* How many others did at most while one waited for its own. */
	unsigned long long	 longest_turns;
	unsigned long long	 least, most;	/* of one client */
	char			 why[256];	/* the last thing that failed */
};

struct crowd;

struct crowd *crowd_start(struct pooler *pooler,
    const struct crowd_plan *plan);

/* Transactions done up to now, of all. */
unsigned long long crowd_progress(struct crowd *crowd);

/* From now on for what is the longest, the least and the most. */
void crowd_mark(struct crowd *crowd);

/* While it goes on: how they fare since the mark, and nothing else. */
struct crowd_result crowd_compare(struct crowd *crowd);

/* Returns when every client has done so many more than now, or fails. */
void crowd_await_progress(struct crowd *crowd, unsigned transactions);

/*
 * Local ports of the connections that broke after their login, in the order
 * in which it was noticed. Says how many.
 */
unsigned crowd_lost_ports(struct crowd *crowd, const uint16_t **ports_out);

/* No new transactions; waits, adds up and frees. */
struct crowd_result crowd_stop(struct crowd *crowd);

/* The same, when all have done what was planned. */
struct crowd_result crowd_join(struct crowd *crowd);

/* Nothing wrong, nothing failed. */
void ck_crowd_well(const struct crowd_result *result);

#endif
