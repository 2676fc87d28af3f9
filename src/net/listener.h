/*
 * Listening sockets: opened once, before the first fork, by the supervisor.
 *
 *   listen_addr   one SO_REUSEPORT group for each address, one socket of it
 *                 for each worker slot; the kernel spreads connections
 *   Unix socket   one, which all workers watch
 *
 * What listen_addr may hold, separated by commas:
 *
 *   *             every address, IPv4 and IPv6
 *   10.0.0.1 ::1  that address
 *   10.0.0.0/8    each address that this host has in that network
 *   name          what the name stands for right now
 *
 * Nobody of the same user may share our port by accident: unless it is
 * allowed explicitly, an address that anybody listens on already is refused,
 * although SO_REUSEPORT alone would let us in.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <sys/types.h>

#include "base/base.h"
#include "base/error.h"

#define LISTENER_SLOTS 64

struct listener {
	char	 text[160];	/* "127.0.0.1:6432", "unix:/tmp/.s.PG…" */
	bool	 is_unix;
	bool	 is_shared;	/* all slots accept on the same socket */
	unsigned fd_count;	/* shared: one; else none beyond is open */
	int	 fds[LISTENER_SLOTS];	/* by slot; -1: none */
	/* Slots in the order that the kernel's group has them in. */
	unsigned group[LISTENER_SLOTS], group_count;
	/* Unix: what to remove in the end; "" is an abstract name. */
	char	 path[108];
	dev_t	 device;
	ino_t	 inode;
};

struct listener_options {
	uint16_t port;
	unsigned slots;
	int	 backlog;
	int	 defer_accept_sec;	/* TCP; 0: not deferred */
	bool	 port_may_be_shared;	/* with other processes */
};

/*
 * Opens all that the list names and logs where it listens.  What cannot be
 * opened is logged as a warning and left out; what the list names twice is
 * opened once.  Returns how many there are, at most `most`.
 */
unsigned listener_open_list(const char *list,
    const struct listener_options *options, struct listener *listeners_out,
    unsigned most);

struct listener_unix {
	const char	*directory;	/* "@…": an abstract name */
	uint16_t	 port;
	mode_t		 mode;
	const char	*group;		/* "" or NULL: as it comes */
	uid_t		 owner;		/* (uid_t)-1: as it comes */
	int		 backlog;
};

/*
 * Whether somebody else is there: false with PgBouncer's texts, `unix port
 * <n> is in use` for PostgreSQL's lock file, `unix socket is in use, cannot
 * continue` for a socket that answers.
 */
bool listener_check_unix(const struct listener_unix *unix_socket,
    struct error *error) MUST_CHECK;

/* Whether there is such a group; NULL and "" are none, and fine. */
bool listener_check_group(const char *group, struct error *error) MUST_CHECK;

/* Checks as above, removes what a dead process left behind, and listens. */
bool listener_open_unix(const struct listener_unix *unix_socket,
    struct listener *listener_out, struct error *error) MUST_CHECK;

/*
 * Takes over a socket that the service manager has opened and keeps: TCP or
 * Unix, listening; all slots share it.  Its name is never removed.  False:
 * it is something else; the descriptor is still the caller's.
 */
bool listener_adopt(int fd, struct listener *listener_out,
    struct error *error) MUST_CHECK;

/*
 * One more socket of the group, for a slot that has none; or one less: the
 * last one that has it open closes it.
 */
bool listener_open_slot(struct listener *listener, unsigned slot,
    const struct listener_options *options, struct error *error) MUST_CHECK;
void listener_close_slot(struct listener *listener, unsigned slot);

/*
 * From now on the kernel gives connections to the first so many slots alone,
 * so that the sockets of the others can be closed without a reset.  Does
 * nothing, and is not needed, where the sockets are shared.
 */
bool listener_steer(const struct listener *listener, unsigned slots,
    struct error *error) MUST_CHECK;

/* Applies to all of its sockets from the next connection on. */
void listener_defer_accept(const struct listener *listener, int seconds);

/* Closes what is open here; a Unix socket stays in the file system. */
void listener_close(struct listener *listener);

/* Takes a Unix socket's name away, if it still is this socket's. */
void listener_remove(const struct listener *listener);

#endif
