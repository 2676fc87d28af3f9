/*
 * A descriptor of every server connection, so that later workers inherit it.
 *
 * Workers send them; nothing else is done with them here.  Each belongs to a
 * generation of its row; when the row has moved on the descriptor is closed.
 */
#ifndef SUPERVISOR_SERVER_FDS_H
#define SUPERVISOR_SERVER_FDS_H

#include "base/base.h"
#include "shm/segment.h"

struct server_fds {
	struct segment	*segment;
	int		*fds;		/* by row; -1: none */
	uint32_t	*generations;
	uint32_t	 rows;		/* none beyond this is in use */
	uint32_t	 swept_at;	/* servers_epoch of the last sweep */
};

void server_fds_create(struct server_fds *kept, struct segment *segment);
/* Closes all. */
void server_fds_destroy(struct server_fds *kept);

/* Takes the descriptor over, or closes it when it comes too late. */
void server_fds_keep(struct server_fds *kept, uint32_t row,
    uint32_t generation, int fd);

/* Takes in all that waits in the supervisor's inbox. */
void server_fds_collect(struct server_fds *kept, int inbox);

/* Closes what belongs to rows that have moved on, if any has. */
void server_fds_sweep(struct server_fds *kept);

/*
 * After a death: connections that are being closed are half closed here,
 * too, because the dead may have sent theirs to nobody else.
 */
void server_fds_hang_up(struct server_fds *kept);

#endif
