/*
 * Accepting clients, evenly: the kernel spreads connections by hash, badly
 * when they are few, so a worker that has clearly more than the one with the
 * fewest passes an accepted socket on, before it has read a byte.
 */
#ifndef WORKER_GATE_H
#define WORKER_GATE_H

#include "contract/inheritance.h"
#include "net/loop.h"
#include "session/sessions.h"

struct gate;

/* Watches the slot's listening sockets. */
struct gate *gate_open(const struct inheritance *inheritance,
    struct loop *loop, struct sessions *sessions, struct error *error);

/* No more TCP clients; the Unix socket stays, for the console. */
void gate_close_tcp(struct gate *gate);

/* SUSPEND: nobody is accepted meanwhile. */
void gate_suspend(struct gate *gate, bool suspended);

/* Accepts again after the system had no descriptor left. */
void gate_tick(struct gate *gate);

/*
 * Retires: what is accepted goes to others, if there are any, and the sockets
 * that all share are left to them.  Or takes that back.
 */
void gate_retire(struct gate *gate, bool retires);

#endif
