/*
 * The pooler under test as a process: written configuration, start, stop,
 * log, workers.
 *
 * Which program is tested says the environment variable PGUSHER, else it is
 * ./pgusher of the build directory.  Most tests also pass with PgBouncer in
 * its place; those of what only pgusher has ask pooler_is_pgusher().
 */
#ifndef LIVE_POOLER_H
#define LIVE_POOLER_H

#include <sys/types.h>

#include "base/base.h"

struct pooler {
	pid_t	pid;
	int	port;
	char	directory[120];		/* ini, userlist, Unix socket */
	char	ini[140];
	char	log[180];		/* what it wrote to stderr */
	unsigned workers;
	bool	running;
	/* Set between prepare and launch; see struct spawn. */
	const int *passed;
};

/*
 * PgBouncer's SQLSTATE for what it says itself is always 08P01: in a test that
 * stands for the one that the manual lists for this text.
 */
const char *pooler_sqlstate(const char *wanted, const char *message);

/* What a configuration is cooked from. All may be left out. */
struct recipe {
	/* Lines of [databases]; else `shop`, which is the cluster's. */
	const char	*databases;
	/* Lines of [pgbouncer], in place of the fixture's where they name
	 * the same parameter. */
	const char	*settings;
	const char	*users;		/* lines of [users] */
	/* Lines of the auth file; else the users of the cluster, with
	 * passwords, and `admin` and `watcher` of the console. */
	const char	*userlist;
	unsigned	 workers;	/* else 3 */
};

/* The program, and whether it is ours. */
const char *pooler_program(void);
bool pooler_is_pgusher(void);

/*
 * Starts a pooler and returns when it takes connections. Fails the test if
 * it does not; it is stopped when the test ends.
 */
#define pooler_start(...) \
	pooler_start_for(__func__, &(struct recipe){ __VA_ARGS__ })
struct pooler *pooler_start_for(const char *test,
    const struct recipe *recipe);

/*
 * Files as for pooler_start(), but nothing runs yet: for what is done with
 * the command line. Then pooler_run() with any arguments before the ini.
 */
#define pooler_prepare(...) \
	pooler_prepare_for(__func__, &(struct recipe){ __VA_ARGS__ })
struct pooler *pooler_prepare_for(const char *test,
    const struct recipe *recipe);

/* Runs it until it takes connections. */
void pooler_launch(struct pooler *pooler);

/*
 * Runs the program with these arguments (NULL ends them) to its end and
 * returns its exit status; what it wrote is in the log.
 */
int pooler_run(struct pooler *pooler, const char *const *arguments);

/* Writes the configuration anew, for a RELOAD. */
void pooler_rewrite(struct pooler *pooler, const struct recipe *recipe);

/* SIGQUIT: it must end with status 0 and leave no child. */
void pooler_stop(struct pooler *pooler);

/* It must end by itself; returns its exit status. */
int pooler_await_end(struct pooler *pooler);

/* All of this test, for the fixture; also looks for sanitizers' reports. */
void poolers_stop(void);

/* Its workers; that they are sorted by slot is not promised. */
unsigned pooler_children(struct pooler *pooler, pid_t *pids_out,
    unsigned most);

/* Its helper process; 0: there is none right now. */
pid_t pooler_helper(struct pooler *pooler);

/* The last 20 000 bytes of the log. Good until text() has come round. */
const char *pooler_log(struct pooler *pooler);
bool pooler_logged(struct pooler *pooler, const char *words);

/*
 * This parameter is accepted but does nothing yet, says the log; a test of
 * what it does begins to run with the release that has it.
 */
bool pooler_lacks(struct pooler *pooler, const char *parameter);

/* Waits until the log has these words. */
void pooler_await_log(struct pooler *pooler, const char *words);

#endif
