/*
 * Small messages that may carry a descriptor, between processes of this
 * pooler, over connected pairs of datagram or sequenced-packet sockets.
 */
#ifndef NET_FDPASS_H
#define NET_FDPASS_H

#include "base/base.h"
#include "base/error.h"

/* A pair: [0] is read, [1] is written, by any number of processes. */
bool fdpass_pair(int fds_out[2], struct error *error) MUST_CHECK;

/*
 * Sends without blocking. False: the reader's queue is full or it is gone;
 * nothing was sent. fd -1: no descriptor goes along.
 */
bool fdpass_send(int socket, const void *message, size_t length, int fd)
    MUST_CHECK;

/*
 * The next message, without blocking: its length, 0 when there is none (or
 * the other side is gone). *fd_out is -1 or now belongs to the caller.
 */
size_t fdpass_receive(int socket, void *message, size_t size, int *fd_out);

#endif
