/*
 * Queries of the console that take longer than the loop can spare: each goes
 * on in a child of the worker, which has its memory as it was, and no
 * descriptor but the pipe for the answer.
 *
 * The child runs when nobody else wants the processor, may use so much of it
 * and no more, and dies with the worker.
 */
#ifndef WORKER_LONG_QUERY_H
#define WORKER_LONG_QUERY_H

#include "admin/console.h"
#include "net/loop.h"
#include "session/client.h"

#define LONG_QUERIES_MOST 2	/* of a worker, at a time */

struct long_queries;

/* The answer of the query of this client; of 0 bytes: its process died. */
typedef void on_long_query(void *context, struct client *client,
    const uint8_t *bytes, size_t length);

struct long_queries *long_queries_create(struct loop *loop,
    on_long_query *callback, void *context);

/* For console_env; see there. */
const struct console_detach *long_queries_detach(
    struct long_queries *queries);

/* The query that has just been split off is this client's. */
void long_queries_assign(struct long_queries *queries,
    struct client *client);

/* Ends the query of this client, if there is one; no answer will come. */
void long_queries_end(struct long_queries *queries,
    const struct client *client);

/* Once in a while: buries the dead. */
void long_queries_tick(struct long_queries *queries);

#endif
