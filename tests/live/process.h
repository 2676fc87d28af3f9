/*
 * Processes that a test starts, and patience.
 *
 * Nothing started here outlives the test: a child is killed when the process
 * that started it ends, however it ends.
 */
#ifndef LIVE_PROCESS_H
#define LIVE_PROCESS_H

#include <sys/types.h>

#include "base/base.h"

struct spawn {
	const char *const	*argv;	/* ends with NULL */
	const char		*output; /* file it appends to */
	uid_t			 uid;	/* 0: as we are */
	gid_t			 gid;
	int			 death_signal;	/* when we die */
	const int		*passed;	/* become 3, 4, …; ends with -1 */
};

/* The pid, or -1. Call it from the main thread of a process. */
pid_t process_start(const struct spawn *spawn);

/*
 * The wait status of a child; false when it still runs after our patience.
 */
bool process_wait(pid_t pid, int *status_out) MUST_CHECK;

/* It exists and is not a zombie. */
bool process_alive(pid_t pid);

/*
 * SIGSTOP, and it has come to a stop when this returns: kill() alone only says
 * that it will.  Of a process that has ended nothing is waited for.
 */
void process_stop(pid_t pid);

/* Moment of its start in clock ticks since boot, 0 when there is none. */
unsigned long long process_birth(pid_t pid);

/* Pids of the children of a process; says how many, at most `most`. */
unsigned process_children(pid_t parent, pid_t *pids_out, unsigned most);

/* How many descriptors a process has open. */
unsigned process_descriptors(pid_t pid);

/* Milliseconds of the monotonic clock. */
long long now_ms(void);

/* How long to wait for what must happen, milliseconds (LIVE_PATIENCE). */
long long patience_ms(void);

/* What is left until then, for poll(): 0 when it has passed. */
int ms_until(long long end);

/* A few milliseconds: the turn of a loop that looks again. */
void nap(void);

/*
 * Looks again and again until the claim holds; fails the test when it does
 * not come true.  For what only shows from outside and cannot be waited for.
 */
#define wait_until(claim) do {						\
	long long wait_end_ = now_ms() + patience_ms();			\
	while (!(claim)) {						\
		if (now_ms() > wait_end_)				\
			ck_abort_msg("never came true: %s", #claim);	\
		nap();							\
	}								\
} while (0)

/*
 * printf into memory that lives as long as the test (some megabytes of it).
 */
const char *text(const char *format, ...) PRINTF_LIKE(1, 2);

/* The whole file with a NUL at its end, or "" when there is none. Yours. */
char *file_read(const char *path);

/* Makes the file hold exactly this. False: could not. */
bool file_write(const char *path, const char *content);

#endif
