/*
 * Decides whether a client is who it says it is.  Does no I/O: takes the
 * client's messages, writes ours.
 *
 *	auth_begin --+--> GRANTED / REFUSED		(trust, any)
 *	             +--> MORE --> auth_answer --+--> GRANTED / REFUSED
 *	             |     ^                     |
 *	             |     +------- MORE --------+	(SCRAM takes two)
 *	             |                           |
 *	             +--> OUTSIDE <--------------+	(peer; PAM, LDAP)
 *	                     |
 *	                auth_told --> GRANTED / REFUSED
 *
 * Users that do not exist, and users whose secret cannot work, go through
 * the same exchange and fail at its end.  AuthenticationOk is the caller's
 * to send, with the rest of the login reply; all the rest is written here.
 *
 * One thing can still be told from outside: the first SCRAM login of a user
 * with a plain-text secret after a start or a reload takes the milliseconds
 * of deriving, which nobody spends on a user that does not exist.
 *
 * A struct auth exists only during a login, holds copies of all it needs,
 * and is wiped when it ends.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "auth/scram.h"
#include "config/config.h"

/* A password that a client sends may not be longer; nor may a secret. */
#define AUTH_PASSWORD_MOST 65530

/* For one that others check, with the NUL. */
#define AUTH_OUTSIDE_PASSWORD_BYTES 2048

/* Room in a reply that is always enough. */
#define AUTH_REPLY_MOST 2048

enum auth_verdict {
	AUTH_MORE = 0,		/* send the reply, wait for a 'p' message */
	AUTH_OUTSIDE,		/* somebody else knows: ask, then auth_told */
	AUTH_GRANTED,		/* send the reply (may be empty), go on */
	AUTH_REFUSED		/* send auth_reason() as FATAL, close */
};

struct auth_request {
	enum auth_type	 type;
	const char	*user;
	const char	*secret;	/* NULL: nobody knows this user; "" has
					   a user but no password will do */
	int		 scram_iterations; /* for plain-text secrets */
	const uint8_t	*mock_nonce;	/* 32 bytes, the same in all workers */
	/*
	 * What auth_derived() gave for this very secret before, or NULL.
	 * One that does not fit the iterations is not used.
	 */
	const struct scram_secret *derived;
	bool		 certified;	/* cert: a name in it is the user's */
	/*
	 * tls-server-end-point of this connection: SCRAM may be bound to it.
	 * Length 0: nothing to bind to.
	 */
	const uint8_t	*end_point;
	size_t		 end_point_length;
};

/* What those have said who were asked. */
enum auth_outcome {
	AUTH_TOLD_YES = 0,
	AUTH_TOLD_NO,
	AUTH_TOLD_NOTHING	/* nobody could tell */
};

struct auth;

/*
 * NULL: no memory, *verdict_out is AUTH_REFUSED.  Otherwise the caller owns
 * it until auth_end.
 */
struct auth *auth_begin(const struct auth_request *request,
    struct writer *reply, enum auth_verdict *verdict_out) MUST_CHECK;

/*
 * Takes the body of a 'p' message (without type and length).  Only while the
 * last verdict was AUTH_MORE.
 */
enum auth_verdict auth_answer(struct auth *auth, const uint8_t *payload,
    size_t length, struct writer *reply) MUST_CHECK;

/* After AUTH_OUTSIDE, to the end: the password; none is "". */
const char *auth_password(const struct auth *auth);

/*
 * After AUTH_OUTSIDE: what came of it.  The detail is for our log; it is
 * copied.
 */
enum auth_verdict auth_told(struct auth *auth, enum auth_outcome outcome,
    const char *detail) MUST_CHECK;

/* After AUTH_REFUSED: what the client is told, and why the connection ends. */
const char *auth_reason(const struct auth *auth);
const char *auth_sqlstate(const struct auth *auth);
/* More for our log only; NULL: nothing to add. */
const char *auth_detail(const struct auth *auth);

/*
 * After AUTH_GRANTED: keys that open PostgreSQL for this user, learnt because
 * the stored secret is a SCRAM secret and the client proved the password
 * (by SCRAM, or in clear text with auth_type=plain).  Otherwise NULL.
 */
const struct scram_keys *auth_learnt_keys(const struct auth *auth);

/*
 * The SCRAM secret that had to be derived from a plain-text secret in this
 * login, whatever its verdict; NULL: none.  For auth_request.derived.
 */
const struct scram_secret *auth_derived(const struct auth *auth);

/* Wipes and frees. NULL is allowed. */
void auth_end(struct auth *auth);

#endif
