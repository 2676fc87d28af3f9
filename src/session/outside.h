/*
 * Logins that others decide: the names of Unix users, PAM and LDAP, which
 * block, so that the helper asks them.
 *
 * The client stays in phase AUTH.  A question may be lost with a helper, and
 * is asked again by the clock then; its answer may come when the client is
 * gone, and is for nobody then.
 */
#ifndef SESSION_OUTSIDE_H
#define SESSION_OUTSIDE_H

#include "config/kinds.h"
#include "session/client.h"

/* A question on its way; zeroed: there is none. */
struct outside {
	usec_t		 since;		/* 0: there is none */
	uint32_t	 life;		/* of the helper that has it */
	unsigned	 times;		/* it was asked */
};

struct outside_matter {
	enum auth_type	 type;		/* peer, pam, ldap */
	const char	*user, *password;
	const char	*options;	/* NULL: none */
};

/* Asks, now or as soon as it can. */
void outside_ask(struct client *client, struct outside *outside,
    const struct outside_matter *matter);

/* By the clock. False: there will be no answer. */
bool outside_tick(struct client *client, struct outside *outside,
    const struct outside_matter *matter) MUST_CHECK;

/* What tells this client from all others, also those in its row before. */
uint64_t outside_ticket(const struct client *client);

#endif
