/*
 * One attempt's way to a server: through the hosts of a database, and through
 * the addresses of each.
 *
 *   host=a,b,c     round-robin: each connection begins with the next host,
 *                  over all workers; disable: with the one that worked last
 *   a host name    its addresses in turn, over all workers, those that
 *                  failed lately last
 *
 * What cannot be connected to is followed by the next address, then by the
 * next host, each once, all within one attempt.
 */
#ifndef SESSION_ROUTE_H
#define SESSION_ROUTE_H

#include "session/pool_view.h"

struct route {			/* zeroed: at its beginning */
	bool			 begun;
	uint32_t		 first;		/* turn of the first host */
	uint32_t		 done;		/* hosts that are given up */
	struct address_list	 tried;		/* of the present host */
	bool			 was_tried;	/* one that is no name */
	bool			 connected;	/* somewhere, or tried to */
};

/* Where to connect. */
struct place {
	struct sockaddr_storage	address;
	socklen_t		length;
	struct address		remote;		/* the same, for the row */
	uint32_t		host;		/* row of its name; or NO_ROW */
	char			name[HOST_NAME_BYTES]; /* as it is written; "":
						   a Unix socket */
};

enum route_step {
	ROUTE_PLACE = 0,	/* go there */
	ROUTE_WAIT,		/* for the look-up of this name */
	ROUTE_END		/* nothing is left */
};

/*
 * The next place.  *host_out is the row of the name to wait for.  The view
 * has a database.
 */
enum route_step route_next(struct sessions *sessions, struct pool_view *view,
    struct route *route, struct place *place_out, uint32_t *host_out)
    MUST_CHECK;

/* The attempt failed at the present host: who sticks to one moves on. */
void route_give_up(struct sessions *sessions, const struct pool_view *view,
    const struct route *route);

/*
 * The Unix socket of a port in a directory, or with a leading @ in no
 * directory.  False: the path is too long, and that is logged.
 */
bool route_unix_in(const char *directory, int port,
    struct sockaddr_storage *address_out, socklen_t *length_out) MUST_CHECK;

/*
 * The Unix socket of the host at this place in the list, as a row's `remote`
 * has it.  False: there is none (any more).
 */
bool route_unix(struct sessions *sessions, const struct pool_view *view,
    const struct address *remote, struct sockaddr_storage *address_out,
    socklen_t *length_out) MUST_CHECK;

#endif
