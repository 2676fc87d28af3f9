/*
 * Console commands that may take their time (PAUSE, SHUTDOWN ...): sends one,
 * tells once a second what it still waits for, and ends with its answer.
 *
 * Ctrl-C takes the command back where the console can do that, as it does
 * for psql.
 */
#ifndef CTL_ORDERS_H
#define CTL_ORDERS_H

#include <libpq-fe.h>
#include <stdio.h>

#include "ctl/console_link.h"

/* The exit status of whoever was interrupted. */
#define ORDERS_INTERRUPTED 130

/*
 * A command and the name of a database, or NULL, as one statement: names are
 * quoted.  False: it does not fit.
 */
bool orders_statement(const char *command, const char *database, char *out,
    size_t size) MUST_CHECK;

/*
 * Returns the exit status: 0, 1 (refused or failed) or as above.  To the end:
 * of the pooler, after a SHUTDOWN.
 */
int orders_run(const struct console_place *place, const char *statement,
    bool to_the_end, FILE *progress);

#endif
