/*
 * Console sessions of this worker: takes what they say to the console
 * (admin/console.h), and keeps those whose answer has to wait.
 */
#ifndef WORKER_DESK_H
#define WORKER_DESK_H

#include "contract/orders.h"
#include "net/loop.h"
#include "session/client.h"

struct desk;

/* Sends an order to the supervisor. */
typedef bool desk_ask(void *context, const struct order *order);

struct desk *desk_create(struct segment *segment, uint32_t worker,
    struct loop *loop, desk_ask *ask, void *context);

/* The configuration that holds from now on. */
void desk_configure(struct desk *desk, const struct config *config);

bool desk_may_enter(const struct desk *desk, const char *user);

/* A whole message of a console client. */
void desk_take(struct desk *desk, struct client *client, uint8_t type,
    const uint8_t *body, size_t length);

/* The client is closed. */
void desk_forget(struct desk *desk, const struct client *client);

/* Looks whether what is waited for has come about; once a turn. */
void desk_check(struct desk *desk);

/* Looks whether who gave SUSPEND is still there; a worker may have died. */
void desk_tick(struct desk *desk);

/* A cancel request came for this console client. */
void desk_cancel(struct desk *desk, struct client *client);

/* The supervisor's answer to RELOAD or SET. */
void desk_answer(struct desk *desk, const struct order *answer);

#endif
