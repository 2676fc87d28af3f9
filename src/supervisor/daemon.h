/*
 * Into the background: double fork, a session of its own, no terminal.
 *
 * The process that was started stays until the daemon serves or has failed,
 * so that its exit status tells which.
 */
#ifndef SUPERVISOR_DAEMON_H
#define SUPERVISOR_DAEMON_H

#include "base/base.h"
#include "base/error.h"

/*
 * Returns in the daemon, with what tells the first process that all is well.
 * The log must not need stderr any more.
 */
bool daemon_detach(int *ready_fd_out, struct error *error) MUST_CHECK;

/* The first process exits with 0. Does nothing with -1. */
void daemon_is_ready(int *ready_fd);

#endif
