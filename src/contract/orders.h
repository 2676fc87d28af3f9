/*
 * What processes tell each other besides the segment.
 *
 * Orders go between the supervisor and one worker over a SOCK_SEQPACKET pair
 * that lives as long as the worker.  Inbox messages go from any process to a
 * slot (or to the supervisor) and survive the worker: fdpass.h carries them.
 */
#ifndef CONTRACT_ORDERS_H
#define CONTRACT_ORDERS_H

#include "base/base.h"

enum order_kind {
	/* supervisor -> worker */
	ORDER_CONFIG = 1,	/* fd: a bundle (config/files.h); answer DONE */
	ORDER_LOG_FILE,		/* fd: the log file from now on, if there is
				   one (ok) */
	ORDER_CLOSE_LISTENERS,	/* stop accepting on TCP; Unix stays */
	ORDER_RETIRE,		/* take no more clients, end when you have
				   none; mode 0: serve again */
	ORDER_ANSWER,		/* to ASK_RELOAD, ASK_SET: ok, with a notice
				   or none in text; or text says why not */

	/* worker -> supervisor */
	ORDER_READY,		/* this worker serves now */
	ORDER_DONE,		/* the bundle `id` is in force here */
	ORDER_ASK_RELOAD,	/* the console's RELOAD; wants an ANSWER */
	ORDER_ASK_SHUTDOWN,	/* the console's SHUTDOWN; mode */
	ORDER_ASK_SET		/* the console's SET, RESET: mode, and in text
				   key and value, a NUL behind each; wants an
				   ANSWER */
};

/* ASK_SET: what to do with the key. */
enum set_mode {
	SET_VALUE = 0,
	SET_DEFAULT,		/* as the file says */
	SET_ALL_DEFAULT		/* all of them; no key */
};

struct order {
	uint32_t kind;
	uint32_t id;		/* ASK_RELOAD, ASK_SET, ANSWER: the asker's;
				   CONFIG/DONE: the generation of the
				   configuration */
	uint32_t ok;		/* ANSWER; LOG_FILE: there is one */
	uint32_t mode;		/* ASK_SHUTDOWN: enum shutdown_mode;
				   ASK_SET: enum set_mode;
				   CONFIG: how verbose the log is */
	char	 text[512];	/* ANSWER: what is wrong, with file and line;
				   ASK_SET: key and value */
};

enum inbox_kind {
	INBOX_SERVER = 1,	/* fd: the server connection of this row */
	INBOX_CLIENT,		/* fd: an accepted client, nothing read yet */
	INBOX_ANSWER		/* from the helper: see questions.h */
};

struct inbox_message {
	uint32_t kind;
	uint32_t row;		/* SERVER */
	uint32_t generation;	/* SERVER: of the row */
	uint32_t is_unix;	/* CLIENT: came over the Unix socket */
};

#endif
