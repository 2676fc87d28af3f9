/*
 * A private PostgreSQL server, and the keeper that cleans up behind a test.
 *
 * The keeper is a process of its own, between the test program and what it
 * starts:
 *
 *     test program --- socket ---> keeper --- child of it ---> postgres
 *          `-- forked tests                 knows pids of the poolers
 *
 * When the last end of the socket closes, because the test program is done,
 * has failed or was killed, the keeper ends the processes that it knows,
 * stops PostgreSQL without ceremony and removes the directory.  So nothing is
 * left behind that had to run in the program that died.
 */
#ifndef LIVE_CLUSTER_H
#define LIVE_CLUSTER_H

#include <sys/types.h>

#include "base/base.h"

struct cluster {
	int	port;			/* on 127.0.0.1 */
	char	directory[80];		/* holds data, socket and log */
	int	keeper;			/* socket to it */
	pid_t	keeper_pid;
};

/* Directory of postgres and initdb, NULL when it is not installed here. */
const char *cluster_programs(void);

/* PostgreSQL never runs as root: who it runs as, 0 when we are not root. */
bool cluster_account(uid_t *uid_out, gid_t *gid_out) MUST_CHECK;

/*
 * Makes a cluster in an empty directory of ours, starts it, and returns when
 * it takes connections.  The directory belongs to the keeper from now on.
 * LIVE_TEMPLATE in the environment, a directory that all may write to: initdb
 * runs once in it, for all tests, and what it made is copied.
 */
bool cluster_create(struct cluster *cluster, const char *directory, int port)
    MUST_CHECK;

/* All is stopped and removed when this returns. */
void cluster_destroy(struct cluster *cluster);

/* Stops PostgreSQL at once; its connections are closed. */
bool cluster_stop(struct cluster *cluster) MUST_CHECK;

/* Starts it when it does not run; returns when it takes connections. */
bool cluster_start(struct cluster *cluster) MUST_CHECK;

/* The keeper ends this process should we not be able to any more. */
void cluster_adopt(struct cluster *cluster, pid_t pid);

/* It has ended. */
void cluster_forget(struct cluster *cluster, pid_t pid);

#endif
