/*
 * All that happens before the first worker, in PgBouncer's order, and its
 * undoing.
 */
#ifndef SUPERVISOR_BOOT_H
#define SUPERVISOR_BOOT_H

#include "supervisor/parts.h"

/*
 * What makes it not start, as far as that does not depend on who starts it
 * and on what else runs and is there at that time.
 */
bool boot_check(const struct config *config,
    const struct supervisor_options *options, struct error *error)
    MUST_CHECK;

/*
 * False: the error says why there is nothing to supervise.  boot_undo() is
 * due in any case.
 */
bool boot(struct supervisor *supervisor, struct error *error) MUST_CHECK;

/* Removes the Unix socket and the pidfile, closes and frees everything. */
void boot_undo(struct supervisor *supervisor);

/* The log as configured, to this file from now on; -1: to none. */
void boot_configure_log(struct supervisor *supervisor, int file_fd);

/* Logs how many descriptors are needed, and warns if there are less. */
void boot_check_fd_limit(struct supervisor *supervisor);

/* How many workers a configuration asks for. */
unsigned boot_count_workers(const struct config *config);

/* What listening sockets are opened with. */
struct listener_options boot_listener_options(
    const struct supervisor *supervisor);

#endif
