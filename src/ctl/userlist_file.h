/*
 * pgusherctl userlist: the pooler's auth file from what PostgreSQL knows.
 *
 * Each user that may log in and has a password becomes a line
 *
 *	"name" "SCRAM-SHA-256$4096:..."
 *
 * The file is written beside the old one, with mode 0600, and takes its place
 * at once and as a whole, or not at all.
 */
#ifndef CTL_USERLIST_FILE_H
#define CTL_USERLIST_FILE_H

#include <libpq-fe.h>
#include <stdio.h>

#include "base/error.h"

/* One line; quotation marks are doubled (pgusher.ini(5), AUTH FILE). */
void userlist_line(FILE *file, const char *name, const char *secret);

/* Rows of (rolname, rolpassword) to this file. False: nothing has changed. */
bool userlist_write(const char *path, const PGresult *users,
    struct error *error) MUST_CHECK;

/*
 * All of it: reads from PostgreSQL (a connection string), for these names or,
 * if there are none, for all; tells how it goes.  Returns the exit status.
 */
int userlist_run(const char *conninfo, bool no_password, const char *path,
    const char *const *names, FILE *progress);

#endif
