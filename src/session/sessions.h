/*
 * All clients and servers of one worker, and what they share.
 *
 * The worker feeds this with accepted sockets, descriptors, mail and ticks;
 * it calls up through struct sessions_owner only.
 */
#ifndef SESSION_SESSIONS_H
#define SESSION_SESSIONS_H

#include "base/buffer.h"
#include "base/slab.h"
#include "config/config.h"
#include "net/loop.h"
#include "net/socket.h"
#include "net/tls.h"
#include "pool/pool.h"
#include "session/edit.h"
#include "session/parameters.h"
#include "shm/segment.h"

struct cancel;
struct forward;
struct client;
struct pool_view;
struct server;
struct tls_context;
struct tls_engine;

enum login_question_kind {
	LOGIN_QUESTION_PEER,
	LOGIN_QUESTION_PAM,
	LOGIN_QUESTION_LDAP
};

/* What only the helper can find out about a client that logs in. */
struct login_question {
	enum login_question_kind kind;
	uint32_t	 row;		/* the client's … */
	uint64_t	 ticket;	/* … and outside_ticket() */
	uint32_t	 uid;		/* PEER */
	const char	*user, *password, *host, *options;	/* PAM, LDAP */
};

enum login_verdict {
	LOGIN_YES,		/* PEER: the text is the name */
	LOGIN_NO,
	LOGIN_UNKNOWN		/* nobody could tell */
};

struct login_answer {
	uint32_t	 row;
	uint64_t	 ticket;
	enum login_verdict verdict;
	const char	*text;		/* else: why, for the log */
};

/* What a session may ask of the worker that it lives in. */
struct sessions_owner {
	void	 *context;
	/*
	 * A server connection has logged in: every other process gets its
	 * descriptor, and has_fd of the row says who did.
	 */
	void	(*publish_server)(void *context, uint32_t row, int fd);
	/* Hands over descriptors that are on their way to this worker. */
	void	(*collect_descriptors)(void *context);
	/* May this user enter the console? */
	bool	(*may_enter_console)(void *context, const char *user);
	/* The console's share of the login reply. */
	void	(*greet_console)(void *context, struct buffer *reply);
	/* A whole message of a console client. */
	void	(*on_console)(void *context, struct client *client,
		    uint8_t type, const uint8_t *body, size_t length);
	void	(*on_console_gone)(void *context, struct client *client);
	/*
	 * Asks the helper for the addresses of a host name, a row of the
	 * segment; the answer comes by sessions_take_host.  False: not now.
	 */
	bool	(*ask_host)(void *context, uint32_t host, const char *name);
	/* The same about a login: sessions_take_login. */
	bool	(*ask_login)(void *context,
		    const struct login_question *question);
	/* A cancel request came for a console client, by whatever worker. */
	void	(*on_console_cancel)(void *context, struct client *client);
};

/*
 * For what we say ourselves: PgBouncer's one for all, or the one that
 * wire/pooler_errors.def has for the text.
 */
#define SQLSTATE_OF_POOLER "08P01"

/* Room in front of what is read, for what is left of the last time. */
#define SESSIONS_HEADROOM (32 * 1024)
#define SESSIONS_READ_BYTES (64 * 1024)
/* What is kept for a peer that does not read, until its source is paused. */
#define SESSIONS_BACKLOG (64 * 1024)

struct sessions {
	struct segment			*segment;
	const struct config		*config;
	struct loop			*loop;
	uint32_t			 worker;
	const struct sessions_owner	*owner;
	struct parameters		*parameters;
	struct query_texts		*query_texts;	/* prepared */
	struct scratch			 scratch;	/* for one edit */
	struct socket_options		 socket_options;
	struct tls_engine		*tls_engine;
	struct tls_context		*server_tls;	/* NULL: disable */
	struct tls_context		*client_tls;	/* NULL: disabled */
	struct slab			*client_slab;
	struct client			**clients;	/* by row */
	struct server			**servers;	/* by row; NULL: none */
	struct pool_view		**views;	/* by pool */
	struct slab			*server_slab;
	struct client			*closed_clients; /* freed at the end */
	struct server			*closed_servers; /* of this turn */
	struct cancel			*cancels;	/* under way */
	struct cancel			*closed_cancels;
	struct forward			*forwards;	/* to peers */
	struct forward			*closed_forwards;
	unsigned			 declining;	/* depth: client.c */
	uint32_t			 servers_epoch;	/* last swept */
	uint32_t			 config_epoch;	/* how many so far */
	uint32_t			 suspended;	/* SUSPEND: its number */
	usec_t				 suspended_at;
	bool				 sends_home;	/* drain_timeout is over */
	bool				 made_standing_pools;
	int				 descriptors;	/* that we may have */
	uint8_t				*memory;
	uint8_t				*input;		/* read to here */
};

struct sessions *sessions_create(struct segment *segment,
    const struct config *config, struct loop *loop, uint32_t worker,
    const struct sessions_owner *owner);

/* A new configuration is in force; the old one is not needed any more. */
void sessions_configure(struct sessions *sessions,
    const struct config *config);

/* An accepted socket; nothing was read from it.  `peer` NULL: not known. */
void sessions_accept(struct sessions *sessions, int fd, bool is_unix,
    const struct sockaddr_storage *peer);

/* A descriptor of a server connection, from another process; taken over. */
void sessions_receive_server(struct sessions *sessions, uint32_t row,
    uint32_t generation, int fd);

void sessions_take_mail(struct sessions *sessions, const struct mail *mail);

/* The helper's answer about a host name, perhaps to an earlier worker. */
void sessions_take_host(struct sessions *sessions, uint32_t host,
    const struct host_answer *answer);

/* … and about a login, perhaps of a client that is gone. */
void sessions_take_login(struct sessions *sessions,
    const struct login_answer *answer);

/* Mail was lost: look at all rows of this worker. */
void sessions_recheck(struct sessions *sessions);

/* The segment's epoch moved: paused, suspended, resumed, shutting down. */
void sessions_on_order(struct sessions *sessions);

/*
 * No clients, nothing under way on any server: this worker may end, and who
 * repairs after it gives its servers at rest to others.
 */
bool sessions_are_over(struct sessions *sessions);

/* False: it is about to end, and others are to open connections. */
bool sessions_may_open(const struct sessions *sessions);

/* Three times a second. */
void sessions_tick(struct sessions *sessions);

/* Closed sessions are freed, descriptors of freed rows closed. */
void sessions_end_of_turn(struct sessions *sessions);

/* Who calls the pool, and when. */
struct pool_caller sessions_caller(const struct sessions *sessions);

#endif
