/*
 * A login whose secret PostgreSQL knows: auth_query.
 *
 * The client itself waits for a server of the pool (auth_dbname, auth_user)
 * as it would for a query, in the same queue and under the same limits; its
 * row says so.  What it wants there is one question of ours, with the name as
 * a bound parameter; nothing that it said is ever set on that connection.
 *
 *   AUTH -> IDLE -> WAITING, GIVEN -> LINKED -> IDLE -> AUTH
 *
 * client->asking is set from the first step to the last but one.  Whatever
 * goes wrong meanwhile is told to the log alone; the client is told "bouncer
 * config error", for it has not proved who it is.
 *
 * A client that leaves while PostgreSQL answers leaves the server to finish;
 * a server that dies is replaced; a worker that dies takes both with it.
 */
#ifndef SESSION_AUTH_QUERY_H
#define SESSION_AUTH_QUERY_H

#include "auth/scram.h"
#include "session/client.h"
#include "session/server.h"

struct auth_query;

/* Whose secret, for which database; both are copied. */
struct auth_question {
	const char	*database, *user;
	bool		 for_console;
};

enum auth_query_verdict {
	AUTH_QUERY_NONE = 0,	/* nobody is to be asked */
	AUTH_QUERY_KNOWN,	/* found for another login just now */
	AUTH_QUERY_ASKS,	/* login_go_on() will be called, or the client
				   is closed; perhaps it is already */
	AUTH_QUERY_REFUSED	/* the client is closed */
};

/*
 * For a client in phase AUTH.  *query_out is the caller's until
 * auth_query_free(), NULL with AUTH_QUERY_NONE and AUTH_QUERY_REFUSED.
 */
enum auth_query_verdict auth_query_begin(struct client *client,
    const struct auth_question *question, struct auth_query **query_out)
    MUST_CHECK;

/* When it has been answered: NULL: there is no such user. */
const char *auth_query_secret(const struct auth_query *query);
/* … and the name that he is to have. */
const char *auth_query_name(const struct auth_query *query);

/*
 * The login is granted and the client is in its pool: its secret opens new
 * server connections of it.  `keys` were learnt at this login, or NULL.
 */
void auth_query_keep(const struct client *client,
    const struct auth_query *query, const struct scram_keys *keys);

/* Wipes and frees. NULL is allowed. */
void auth_query_free(struct auth_query *query);

/* --- for the client's and the server's steps ----------------------------- */

/* client->asking is about to take a server: as pool_take(). */
enum pool_answer auth_query_take(struct client *client, uint32_t *server_out)
    MUST_CHECK;

/*
 * What earlier clients of the pool have set on the server is to be as it was
 * when it logged in.  False: no memory.
 */
bool auth_query_prepare(struct server *server) MUST_CHECK;

/* The server is ready to be asked. */
void auth_query_send(struct server *server);

/* A whole message of a server in step ASKING; all that it said is taken. */
void auth_query_message(struct server *server, uint8_t type,
    const uint8_t *body, size_t length);
void auth_query_done(struct server *server);

/* The pool has no server for it, or its server is gone: for the log. */
void auth_query_failed(struct client *client, const char *text);

/* The client leaves, its server in step ASKING finishes alone. */
void auth_query_abandon(struct server *server);

/* Time-outs. */
void auth_query_tick(struct client *client);

/* Secrets of pools that nobody is in any more are wiped. */
void auth_query_expire(struct sessions *sessions);

#endif
