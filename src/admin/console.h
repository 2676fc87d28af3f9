/*
 * The console: what is typed into the database `pgbouncer`, and the answer.
 *
 * Pure functions over the segment and the configuration.  Nothing here owns a
 * socket: replies are messages in a buffer which the session sends, and what
 * takes time or another process is given back as an outcome:
 *
 *	console_message --+-- DONE           the reply is complete
 *	                  +-- CLOSE          send the reply, then close
 *	                  +-- WAIT --------- until console_look() says so
 *	                  +-- RUNS --------- in a child; its result comes
 *	                  +-- ASK_RELOAD --- the supervisor's answer
 *	                  +-- ASK_SET ------ the supervisor's answer
 *	                  +-- ASK_SHUTDOWN - the order goes to the supervisor
 *
 * What is open is ended by console_fail(), or by console_continue(), which
 * goes on with the statements behind the one that waited.
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

/*
 * How a query that takes long leaves the worker's loop: split() forks, and
 * deliver(), which does not return, ends the child with what it has found.
 */
enum console_side {
	CONSOLE_SPLIT_FAILED = 0,
	CONSOLE_PARENT,
	CONSOLE_CHILD
};

struct console_detach {
	enum console_side (*split)(void *context);
	void	(*deliver)(void *context, const void *bytes, size_t length);
	void	*context;
};

struct sql;
struct visit;

/* What a command may look at, and who gives it. */
struct console_env {
	struct segment		*segment;
	const struct config	*config;
	uint32_t		 worker;	/* which answers */
	uint32_t		 client_row;	/* of the console session */
	bool			 is_admin, is_stats;
	usec_t			 now;
	int			 listen_port;
	const char		*user;		/* of the session, or NULL */
	struct sql		*sql;		/* NULL: no SELECT */
	const struct console_detach *detach;	/* NULL: cannot */
	struct visit		*visit;		/* NULL: simple queries only */
};

enum console_outcome {
	CONSOLE_DONE = 0,	/* reply complete, with ReadyForQuery */
	CONSOLE_WAIT,		/* no reply yet; order: what is waited for */
	CONSOLE_ASK_RELOAD,	/* no reply yet */
	CONSOLE_ASK_SET,	/* no reply yet; order: the setting */
	CONSOLE_ASK_SHUTDOWN,	/* order: the mode; goes on at once, but for
				   SHUTDOWN_NOW, which has no reply */
	CONSOLE_RUNS,		/* no reply yet; a child gives the result,
				   detach->split() was told */
	CONSOLE_CLOSE		/* send the reply if there is one and close */
};

/* What takes until all workers have done their part. */
enum console_wait_kind {
	CONSOLE_WAIT_PAUSE = 0,	/* no server of it is open */
	CONSOLE_WAIT_KILL,	/* what was there is gone */
	CONSOLE_WAIT_CLIENT,	/* this client is gone */
	CONSOLE_WAIT_CLOSE,	/* nothing is to be closed any more */
	CONSOLE_WAIT_SUSPEND	/* all buffers are empty */
};

struct console_wait {
	enum console_wait_kind	 kind;
	uint32_t		 database;	/* NO_ROW: all */
	uint32_t		 client, generation;	/* WAIT_CLIENT */
};

enum console_setting_mode {
	CONSOLE_SET_VALUE = 0,
	CONSOLE_SET_DEFAULT,
	CONSOLE_SET_ALL_DEFAULT	/* no key */
};

#define CONSOLE_KEY_BYTES 64	/* with the final NUL */
#define CONSOLE_VALUE_BYTES 256
#define CONSOLE_TAG_BYTES 336	/* "SET key=value" */

struct console_order {
	enum shutdown_mode	 mode;		/* ASK_SHUTDOWN */
	struct console_wait	 wait;		/* WAIT */
	enum console_setting_mode setting;	/* ASK_SET */
	char			 key[CONSOLE_KEY_BYTES];
	char			 value[CONSOLE_VALUE_BYTES];
	char			 tag[CONSOLE_TAG_BYTES]; /* when it is done */
	/* Statements behind this one; part of the text that was given. */
	const char		*rest;
	size_t			 rest_length;
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
 * Takes a message of a session that is logged in.  Query, Terminate and, with
 * env->visit, those of the extended protocol are what the console knows;
 * anything else ends the session with an error.
 */
enum console_outcome console_message(const struct console_env *env,
    const struct console_message *message, struct buffer *reply,
    struct console_order *order_out) MUST_CHECK;

/*
 * Runs a query text; a NUL ends it, but it need not have one.  The reply is
 * appended.  Out of memory for even an error: CONSOLE_CLOSE.
 *
 * Several statements run one after the other, each with a tag of its own, up
 * to the first that fails or whose outcome is open; one ReadyForQuery ends
 * them.
 *
 * With CONSOLE_WAIT this worker is already among state->watchers, since
 * before anything was counted, so no wake-up is lost; it takes itself out
 * when none of its sessions waits any more.
 */
enum console_outcome console_query(const struct console_env *env,
    const char *text, size_t length, struct buffer *reply,
    struct console_order *order_out) MUST_CHECK;

enum console_progress {
	CONSOLE_STILL_WAITS = 0,
	CONSOLE_FULFILLED,	/* go on by console_continue() */
	CONSOLE_LIFTED		/* somebody has ended the pause: fail with
				   CONSOLE_PAUSE_LIFTED, or it would wait for
				   ever */
};

enum console_progress console_look(const struct console_env *env,
    const struct console_wait *wait);

#define CONSOLE_PAUSE_LIFTED "pause was ended by RESUME"

/*
 * What was open is done: its tag (NULL: it was told already) and notice (NULL
 * or "": none) are appended, then the rest of the text runs as in
 * console_query().  `rest` may be NULL.
 */
struct console_done {
	const char	*tag, *notice;
	/* CONSOLE_RUNS: what the child gave; of 0 bytes: it has died. */
	const void	*result;
	size_t		 result_length;
	bool		 has_result;
	const char	*rest;
	size_t		 rest_length;
};
enum console_outcome console_continue(const struct console_env *env,
    const struct console_done *done, struct buffer *reply,
    struct console_order *order_out) MUST_CHECK;

/*
 * A cancel request for a console session: ends the global pause, and what it
 * waits for (NULL: for nothing).  True: the session is to be answered with
 * CONSOLE_CANCELED.
 */
bool console_cancel(const struct console_env *env,
    const struct console_wait *wait);

#define SQLSTATE_CANCELED "57014"
#define CONSOLE_CANCELED "canceling statement due to user request"

/*
 * If the admin who suspended all is gone, or is the client of this id, who is
 * leaving, the suspension ends: nobody else might say RESUME.
 */
void console_look_for_suspender(const struct console_env *env,
    uint32_t leaver);

/*
 * Appends an ErrorResponse (detail: NULL or the D field) and ReadyForQuery,
 * and logs it as the console does.  False: no memory; close.
 */
bool console_fail(const struct console_env *env, const char *sqlstate,
    const char *text, const char *detail, struct buffer *reply) MUST_CHECK;

/* What RELOAD says when the supervisor refuses; the reason is the detail. */
#define CONSOLE_RELOAD_FAILED \
	"RELOAD failed, see logs for additional details"
#define CONSOLE_SET_FAILED "SET failed"

#endif
