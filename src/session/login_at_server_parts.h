/*
 * What the files of a login at PostgreSQL share among themselves:
 * login_at_server.c (what is said there, and the end of it),
 * login_at_server_connect.c (the way there: places, sockets, TLS).  Nobody
 * else includes this.
 */
#ifndef SESSION_LOGIN_AT_SERVER_PARTS_H
#define SESSION_LOGIN_AT_SERVER_PARTS_H

#include "session/login_at_server.h"
#include "session/negotiation.h"
#include "session/route.h"

/*
 *   NAME <-> nothing (connecting, logging in) <-> ROOM
 */
enum login_at_server_awaited {
	LOGIN_AWAITS_NOTHING = 0,
	LOGIN_AWAITS_NAME,		/* the address of a host name */
	LOGIN_AWAITS_ROOM		/* in the queue of a Unix socket */
};

struct login_at_server {
	struct route		 route;
	struct place		 place;		/* where it connects to */
	enum login_at_server_awaited awaits;
	uint32_t		 host;		/* LOGIN_AWAITS_NAME: its row */
	struct server_login	*auth;
	struct buffer		 welcome;	/* ParameterStatus messages */
	uint32_t		 protocol;	/* what we may speak with it */
	struct negotiation	 negotiation;
	bool			 in_the_clear;	/* TLS was a wish, and failed */
	bool			 was_refused;	/* with TLS: again without */
	bool			 connected;
	bool			 speaks;	/* PostgreSQL's protocol */
	bool			 was_asked;	/* to authenticate */
	bool			 let_in;
	bool			 in_connect_query;
};

/* --- login_at_server.c ---------------------------------------------------- */

/* There is no connection yet to say goodbye to: the row is free at once. */
void login_at_server_drop(struct server *server, const char *reason);

/* It may be spoken to.  False: it is closed. */
bool login_at_server_send_startup(struct server *server) MUST_CHECK;

/* --- login_at_server_connect.c -------------------------------------------- */

/* It is nowhere yet. */
void login_at_server_forget_place(struct server *server);

/* To the next place.  False: there is nowhere to go, and the row is free. */
bool login_at_server_connect(struct server *server) MUST_CHECK;

/* Again, to the same place, without TLS. */
void login_at_server_try_in_the_clear(struct server *server);

#endif
