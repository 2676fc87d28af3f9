/*
 * The console: what is typed into the database `pgbouncer`, and the answer.
 *
 * Pure functions over the segment and the configuration.  Nothing here owns a
 * socket: replies are messages in a buffer which the session sends, and what
 * takes time or another process is given back as an outcome:
 *
 *	console_message --+-- DONE           the reply is complete
 *	                  +-- CLOSE          send the reply, then close
 *	                  +-- WAIT_PAUSE --- console_pause_done() at last
 *	                  |                      +-- console_finish("PAUSE")
 *	                  +-- ASK_RELOAD --- the supervisor's answer
 *	                  |                      +-- console_finish("RELOAD")
 *	                  |                      +-- console_fail(F0000 …)
 *	                  +-- ASK_SHUTDOWN - the order goes to the supervisor
 *
 * Any worker gives the same answer: all that is told is in the segment.
 */
#ifndef ADMIN_CONSOLE_H
#define ADMIN_CONSOLE_H

#include "base/base.h"
#include "base/buffer.h"
#include "config/config.h"
#include "shm/segment.h"

#define CONSOLE_DATABASE "pgbouncer"
#define CONSOLE_USER "pgbouncer"

enum console_access {
	CONSOLE_NONE = 0,	/* refuse with "not allowed" */
	CONSOLE_STATS,		/* SHOW only */
	CONSOLE_ADMIN
};

/*
 * What an authenticated user may do here.  With auth_type = any everybody may
 * look.  The pooler's own user over the Unix socket is the session's matter.
 */
enum console_access console_access(const struct config *config,
    const char *user);

/* What a command may look at, and who gives it. */
struct console_env {
	struct segment		*segment;
	const struct config	*config;
	uint32_t		 worker;	/* which answers */
	uint32_t		 client_row;	/* of the console session */
	bool			 is_admin, is_stats;
	usec_t			 now;
	int			 listen_port;
};

enum console_outcome {
	CONSOLE_DONE = 0,	/* reply complete, with ReadyForQuery */
	CONSOLE_WAIT_PAUSE,	/* no reply yet; order: the database */
	CONSOLE_ASK_RELOAD,	/* no reply yet */
	CONSOLE_ASK_SHUTDOWN,	/* reply complete (SHUTDOWN_NOW: none);
				   order: the mode */
	CONSOLE_CLOSE		/* send the reply if there is one and close */
};

struct console_order {
	enum shutdown_mode	 mode;		/* ASK_SHUTDOWN */
	uint32_t		 database;	/* WAIT_PAUSE; NO_ROW: all */
};

/*
 * Appends the ParameterStatus messages of the login.  AuthenticationOk, what
 * the client's own parameters add, key and ReadyForQuery are the session's.
 * False: no memory.
 */
bool console_login_messages(struct buffer *reply) MUST_CHECK;

/* One whole message: the body is what follows type and length word. */
struct console_message {
	uint8_t		 type;
	const void	*body;
	size_t		 length;
};

/*
 * Takes a message of a session that is logged in.  Query and Terminate are
 * what the console knows; anything else ends the session with an error.
 */
enum console_outcome console_message(const struct console_env *env,
    const struct console_message *message, struct buffer *reply,
    struct console_order *order_out) MUST_CHECK;

/*
 * Runs a query text; a NUL ends it, but it need not have one.  The reply is
 * appended.  Out of memory for even an error: CONSOLE_CLOSE.
 *
 * With CONSOLE_WAIT_PAUSE this worker is already among state->watchers, since
 * before the servers were counted, so no wake-up is lost; it takes itself out
 * when none of its sessions waits any more.
 */
enum console_outcome console_query(const struct console_env *env,
    const char *text, size_t length, struct buffer *reply,
    struct console_order *order_out) MUST_CHECK;

/* True: no server of this database (NO_ROW: of any) is open any more. */
bool console_pause_done(const struct console_env *env, uint32_t database);

/*
 * True: somebody has ended the pause that is waited for.  The session then
 * answers console_fail(…, "pause was ended by RESUME", …), or it would wait
 * for ever.
 */
bool console_pause_lifted(const struct console_env *env, uint32_t database);

/* Appends CommandComplete and ReadyForQuery. False: no memory; close. */
bool console_finish(const char *tag, struct buffer *reply) MUST_CHECK;

/*
 * Appends an ErrorResponse (detail: NULL or the D field) and ReadyForQuery,
 * and logs it as the console does.  False: no memory; close.
 */
bool console_fail(const struct console_env *env, const char *sqlstate,
    const char *text, const char *detail, struct buffer *reply) MUST_CHECK;

/* What RELOAD says when the supervisor refuses; the reason is the detail. */
#define CONSOLE_RELOAD_FAILED \
	"RELOAD failed, see logs for additional details"

#endif
