/*
 * A worker's sessions in a process of their own, between clients and a
 * PostgreSQL that are played by the test.
 *
 *	test: client  <--socket-->  sessions in a child  <--TCP-->  test: server
 *
 * The segment is shared, so that the test can look at rows.  Everything the
 * test waits for has a time limit; nothing sleeps for luck: session_settle()
 * returns when the child has dealt with all that was sent before.  The
 * child's time stands still, however long the test or the machine takes, and
 * goes on by session_pass(): what ends by the clock ends then and only then.
 *
 * Messages are written as text: a letter for each, "(...)" for its body, if
 * it matters; the pooler does not look into most of them.  Z is ready and
 * idle, Z(T) ready in a transaction, S(name=value) a ParameterStatus, S alone
 * is Sync, E(code=text) an ERROR, F(code=text) a FATAL one.
 */
#ifndef SESSION_WORLD_H
#define SESSION_WORLD_H

#include <sys/types.h>

#include "config/config.h"
#include "shm/segment.h"

#define SESSION_WORKERS 2

struct session_world {
	struct segment		*segment;
	struct files		*files;
	struct config		*config;
	struct session_shared	*shared;
	int			 listen_fd;	/* PostgreSQL's */
	uint16_t		 port;
	int			 doors[SESSION_WORKERS][2];
	int			 inboxes[SESSION_WORKERS][2];
	int			 questions[2];	/* names to be looked up */
	pid_t			 pids[SESSION_WORKERS];
	bool			 suspended[SESSION_WORKERS];
};

/* The backend key that the played PostgreSQL gives. */
#define SESSION_BACKEND_PID 4711
#define SESSION_BACKEND_SECRET 0xfeedbeef

/*
 * One worker, or more.  The configuration is database db at the played
 * PostgreSQL, user u, auth_type trust, transaction mode; the lines of
 * `settings` follow and count; PORT in them is the played PostgreSQL's.
 */
void session_start(struct session_world *world, const char *settings);
void session_start_workers(struct session_world *world, unsigned workers,
    const char *settings);
/* Checks that no child has ended by itself and that the pool is in order. */
void session_stop(struct session_world *world);

/* All that was sent before is dealt with, by all that are not suspended. */
void session_settle(struct session_world *world);

/* After all that was sent before so much time goes by, and all notice. */
void session_pass(struct session_world *world, usec_t span);

/* It stands still when this returns, and has no lock in its hands. */
void session_suspend(struct session_world *world, unsigned worker);
void session_resume(struct session_world *world, unsigned worker);

/* An order to all workers, as the console gives it. */
void session_order(struct session_world *world);

/* A socket of a new client, served by this worker. */
int session_connect(struct session_world *world, unsigned worker);
/* The same by TCP, with small buffers of the kernel. */
int session_connect_narrow(struct session_world *world, unsigned worker);

/*
 * The test is the helper: somebody asks for this name, and it is answered to
 * that worker, NULL: there is no such name.  Else it is the address.
 */
uint32_t session_question(struct session_world *world, const char *name);
void session_answer(struct session_world *world, unsigned worker,
    uint32_t host, const char *name, const char *address);
/* Nobody has asked for a name. */
void session_asks_nothing(struct session_world *world);

/* The worker's next connection to PostgreSQL. */
int session_accept(struct session_world *world);
/* There is none. */
void session_accepts_nothing(struct session_world *world);

/* --- what is sent and what must come ------------------------------------- */

struct talk {
	uint8_t	bytes[4096];
	size_t	length;
};

/* The bytes of messages written as text. */
struct talk talk_of(const char *text);

void send_bytes(int fd, const void *bytes, size_t length);
void send_talk(int fd, const char *text);
void expect_bytes(int fd, const void *bytes, size_t length,
    const char *story);
void expect_talk(int fd, const char *text);
/* Nothing has come; to be called after session_settle(). */
void expect_silence(int fd);
void expect_end(int fd);
/* The end, with Terminate before it or without. */
void expect_goodbye(int fd);
/* FATAL with this text and what belongs to it, then the end. */
void expect_fatal(int fd, const char *text);
/* A whole message of any kind; returns its type. */
uint8_t receive_message(int fd, uint8_t *body, size_t size,
    size_t *length_out);

/* --- both sides of a login ----------------------------------------------- */

void send_startup(int fd, const char *user, const char *database);
/* Parameters: name, value, ..., NULL. */
void send_startup_with(int fd, const char *const *parameters);
/* Reads PostgreSQL's side of a StartupMessage. */
void expect_startup(int fd);
/* AuthenticationOk to ReadyForQuery, with TimeZone UTC and a few more. */
void let_in(int fd);
/* What a client is told in return. */
void expect_welcome(int fd);

/* All of it: a client in, with a new server if the pool has none. */
int session_login(struct session_world *world, unsigned worker);
/* The first: the pool's first server comes along. */
int session_login_first(struct session_world *world, unsigned worker,
    int *server_out);

/* A query from this client that this server answers. */
void session_query(int client, int server);

/* --- rows ---------------------------------------------------------------- */

/* The only pool. */
struct pool_row *session_pool(struct session_world *world);
/* How many clients, servers are in this phase? */
unsigned session_clients(struct session_world *world,
    enum client_phase phase);
unsigned session_servers(struct session_world *world,
    enum server_phase phase);
/* Waits until that many are, and all that goes along with it is done. */
void await_clients(struct session_world *world, enum client_phase phase,
    unsigned count);
void await_servers(struct session_world *world, enum server_phase phase,
    unsigned count);

uint64_t session_count(struct session_world *world,
    enum stat_counter counter);

#endif
