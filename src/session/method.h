/*
 * How a client is to prove who it is: as auth_type says, or the first rule of
 * the HBA file that fits.
 *
 * A copy: the configuration may be another one when the proof comes.
 */
#ifndef SESSION_METHOD_H
#define SESSION_METHOD_H

#include "session/client.h"

struct method {
	enum auth_type	 type;		/* never hba */
	bool		 by_subject;	/* cert: the whole subject counts */
	char		*map;		/* cert, peer: of names; NULL: none */
	char		*options;	/* ldap, pam; else NULL */
};

/* False: no rule fits this client. */
bool method_choose(const struct client *client, const char *database,
    const char *user, struct method *method_out) MUST_CHECK;

/* A secret that we know decides; else nobody needs to look for one. */
bool method_needs_secret(const struct method *method) MUST_CHECK;

/*
 * cert: the client has shown a certificate in which one of the names that
 * count is this user's, or may be by the map.
 */
bool method_certifies(const struct method *method,
    const struct client *client, const char *user) MUST_CHECK;

/* Wipes as well: options may have a password. */
void method_free(struct method *method);

#endif
