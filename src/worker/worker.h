/*
 * One worker's life: an event loop over clients, servers and the console.
 *
 *   inheritance -> take over what the slot left -> SERVING -> until killed,
 *   or the supervisor is gone
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include "contract/inheritance.h"

/* A worker_run_function. Returns the exit status of the process. */
int worker_run(const struct inheritance *inheritance);

#endif
