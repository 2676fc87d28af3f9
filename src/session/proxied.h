/*
 * Clients that come through a load balancer: who they are says a header in
 * front of their first packet (wire/proxy_header.h), and from then on their
 * row has their own address.
 *
 *   accept -> header -> TLS or startup packet and all the rest
 *
 * Only who is in proxy_protocol_trusted may say so, and has to: whoever else
 * connects is a client of its own, and the header no packet that it may send.
 * A client whose header has not come is in phase STARTUP and under its
 * time-out.
 */
#ifndef SESSION_PROXIED_H
#define SESSION_PROXIED_H

#include "session/client.h"

/* Begins with a header, as it has come from this address. */
bool proxied_is_expected(const struct client *client);

/*
 * Reads the header that this client waits for.  True: it is over, and there
 * may be more in the input.  False: more has to come, or it is closed.
 */
bool proxied_take(struct client *client) MUST_CHECK;

#endif
