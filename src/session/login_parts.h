/*
 * What the files of a login share among themselves: login_startup.c (what a
 * client asks for), login.c (who it is), login_welcome.c (what it is told when
 * it is let in).  Nobody else includes this.
 */
#ifndef SESSION_LOGIN_PARTS_H
#define SESSION_LOGIN_PARTS_H

#include "auth/auth.h"
#include "session/auth_query.h"
#include "session/login.h"
#include "session/method.h"
#include "session/outside.h"

#define CONSOLE_DATABASE "pgbouncer"

#define DATABASE_FULL \
	"client connections exceeded (max_db_client_connections)"
#define USER_FULL \
	"client connections exceeded (max_user_client_connections)"

/* AuthenticationSASLFinal has 55 bytes. */
#define AUTH_LAST_MOST 64

struct login {
	char			 database[DATABASE_NAME_BYTES];
	char			 user[USER_NAME_BYTES];
	struct method		 method;
	struct outside		 outside;	/* others are asked */
	struct auth		*auth;
	struct auth_query	*query;		/* NULL: nobody was asked */
	struct parameter_values	 given;		/* tracked, by the client */
	struct parameter_set	*held;		/* keeps texts of those */
	struct parameters	*parameters;
	uint32_t		 config_epoch;	/* its secret is of this one */
	uint8_t			 last[AUTH_LAST_MOST];	/* the method's word */
	uint32_t		 last_length;
	bool			 database_too_long;
	bool			 for_console;
};

static inline void
login_fail(struct client *client, const char *text)
{
	client_fail(client, SQLSTATE_OF_POOLER, text);
}

/* A limit of the configuration as the segment has it: 0 is none. */
static inline uint32_t
login_limit(int limit)
{
	return limit > 0 ? (uint32_t)limit : 0;
}

/* --- login_startup.c ------------------------------------------------------ */

/* Phase STARTUP. True: there may be more in the input. */
bool login_take_first_packet(struct client *client) MUST_CHECK;

/* --- login.c -------------------------------------------------------------- */

/* How it has to prove who it is.  False: there is no way, it was refused. */
bool login_choose_method(struct client *client) MUST_CHECK;
void login_begin_auth(struct client *client);

/* The pooler's own Unix user on the console needs no password. */
bool login_is_own_console(struct client *client) MUST_CHECK;

/* --- login_welcome.c ------------------------------------------------------ */

/* It has proved who it is, and has a pool. */
void login_ask_for_welcome(struct client *client);
/* It has proved who it is, and wants the console. */
void login_enter_console(struct client *client);

#endif
