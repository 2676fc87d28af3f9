/*
 * The name of a Unix user, from wherever the system has its users; some of
 * these places are far away, and it blocks for as long as they do.
 */
#ifndef HELPER_PEER_H
#define HELPER_PEER_H

#include "helper/errand.h"

/* QUESTION_PEER. */
extern const struct errand_kind peer_kind;

#endif
