/*
 * Logs in at PostgreSQL: answers its Authentication messages.  No I/O.
 *
 * Every 'R' message of a server that logs in goes to server_login_answer.
 * In SCRAM the server has to prove that it knows the secret as well; an
 * AuthenticationOk before that is refused (RFC 5802 section 3).
 *
 *	START --+-- ok ----------------------------------------> DONE
 *	        +-- cleartext, md5 --> ANSWERED -- ok ---------> DONE
 *	        +-- sasl --> FIRST -- continue --> FINAL
 *	                     -- final, genuine --> ANSWERED -- ok --> DONE
 */
#ifndef AUTH_SERVER_LOGIN_H
#define AUTH_SERVER_LOGIN_H

#include "auth/scram.h"

/* Room for an answer that is always enough: a long password in clear. */
#define SERVER_LOGIN_ANSWER_MOST 65600

enum server_login_verdict {
	SERVER_LOGIN_MORE = 0,	/* send the answer (may be empty), go on */
	SERVER_LOGIN_OK,	/* the server let us in */
	SERVER_LOGIN_FAILED	/* close with the reason */
};

struct server_credentials {
	const char		*user;
	const char		*secret;  /* plain, md5 or SCRAM; NULL as "" */
	const struct scram_keys	*keys;	  /* learnt at a client's login; NULL */
};

struct server_login;

/* Copies the credentials. NULL: no memory. */
struct server_login *server_login_begin(
    const struct server_credentials *credentials) MUST_CHECK;

/*
 * The connection has TLS, with this digest of the server's certificate
 * (tls-server-end-point): SCRAM is bound to it if the server offers that.
 * Length 0: it has none.  Before the first request.
 */
void server_login_bind(struct server_login *login, const uint8_t *digest,
    size_t length);

/*
 * Takes the body of an 'R' message (without type and length).  Must not be
 * called again after OK or FAILED.
 */
enum server_login_verdict server_login_answer(struct server_login *login,
    const uint8_t *payload, size_t length, struct writer *answer) MUST_CHECK;

/* After FAILED: why the connection is closed ("failed to answer authreq"). */
const char *server_login_close_reason(const struct server_login *login);

/*
 * After FAILED: what clients that wait for this pool are told, without
 * "server login failed: " in front, such as "wrong password type"; NULL:
 * they are told nothing and go on waiting.
 */
const char *server_login_client_text(const struct server_login *login);

/* After FAILED: one more line for our log; NULL: none. */
const char *server_login_log_text(const struct server_login *login);

/* Wipes and frees. NULL is allowed. */
void server_login_end(struct server_login *login);

#endif
