#ifndef FAKE_PORT_H
#define FAKE_PORT_H

/*
 * A port of 127.0.0.1 that no other test program uses while this process
 * lives, or one that it has forked; outside of the range that the kernel
 * gives out by itself.
 */
int port_claim(void);

#endif
