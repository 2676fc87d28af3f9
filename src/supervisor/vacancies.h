/*
 * Connections of a slot that has no worker for a while.
 *
 * The kernel spreads connections over all sockets of a port, whether or not
 * somebody accepts from them.  While the replacement of a worker that fails
 * again and again is put off, its slot's connections are accepted here and
 * handed to the other workers, unread.
 */
#ifndef SUPERVISOR_VACANCIES_H
#define SUPERVISOR_VACANCIES_H

#include "supervisor/parts.h"

/* How often to look, while there are vacancies. */
#define VACANCIES_PERIOD (USEC_PER_SEC / 10)

bool vacancies_exist(const struct supervisor *supervisor);

/* Hands on what waits now. Without a worker that serves it keeps waiting. */
void vacancies_serve(struct supervisor *supervisor);

/* A connection that somebody who has left did not take; closes ours. */
void vacancies_forward(struct supervisor *supervisor,
    const struct inbox_message *message, int fd);

#endif
