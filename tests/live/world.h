/*
 * What every live test stands on: one private PostgreSQL for the program,
 * ports and files of its own, and the cases of a Check suite in which each
 * test cleans up after itself.
 *
 * Programs may run alone or beside each other.  Users of the cluster:
 *
 *     postgres      superuser, trusted
 *     app, other    trusted
 *     clear_user    must send its password in clear
 *     md5_user      has an MD5 secret
 *     scram_user    has a SCRAM secret
 *     refused_user  is turned away by pg_hba.conf
 *
 * Each password is the user's name followed by "_secret".
 */
#ifndef LIVE_WORLD_H
#define LIVE_WORLD_H

#include <check.h>
#include <libpq-fe.h>

#include "live/cluster.h"
#include "live/process.h"

struct world {
	struct cluster	cluster;
	char		directory[80];
	unsigned	logs;		/* counts, for names */
};

/* Tests have no argument, so this one is global. */
extern struct world world;

/* port_claim() of fake/port.h. */
int world_port(void);

/*
 * A new directory in the program's own, under a name that begins like this.
 * Not by the number of the test's process: on a busy machine a later one has
 * that again.
 */
const char *world_make_directory(const char *name);

/* What PostgreSQL has stored for this user ("md5..." or "SCRAM-..."). */
const char *world_secret(const char *user);

/* "host=127.0.0.1 port=N dbname=postgres" of the cluster. */
const char *world_place(void);

/* A connection that does not go through the pooler, as superuser. */
PGconn *world_direct(void);

/* A case of the suite whose tests clean up; `seconds` is for each test. */
TCase *world_case(Suite *suite, const char *name, int seconds);

/*
 * Runs the suite, shows the logs of what failed, removes everything. The
 * value for exit(); 77 when there is no PostgreSQL or no pooler to test.
 */
int world_run(Suite *suite);

#endif
