/*
 * Rows of the segment as reports see them: copied whole, while other
 * processes write them, and given PgBouncer's names.
 *
 * Nothing is locked.  A row that is freed and taken anew meanwhile is left
 * out; each number of a report is true of some instant during its making.
 * Every index comes from another process and is checked before use.
 */
#ifndef ADMIN_ROWS_H
#define ADMIN_ROWS_H

#include "config/config.h"
#include "shm/segment.h"

/* In the order in which SHOW CLIENTS lists them. */
enum client_state {
	CLIENT_STATE_ACTIVE = 0,
	CLIENT_STATE_IDLE,
	CLIENT_STATE_WAITING,
	CLIENT_STATE_ACTIVE_CANCEL,
	CLIENT_STATE_WAITING_CANCEL,
	CLIENT_STATE_LOGIN,	/* not of a pool yet, and not listed */
	CLIENT_STATES,
	CLIENT_STATE_NONE = CLIENT_STATES	/* going away */
};

/* In the order in which SHOW SERVERS lists them. */
enum server_state {
	SERVER_STATE_ACTIVE = 0,
	SERVER_STATE_IDLE,
	SERVER_STATE_USED,	/* idle for so long that it is to be checked */
	SERVER_STATE_TESTED,
	SERVER_STATE_NEW,
	SERVER_STATE_ACTIVE_CANCEL,
	SERVER_STATE_BEING_CANCELED,
	SERVER_STATE_CLOSING,	/* in no column, and not listed */
	SERVER_STATES,
	SERVER_STATE_NONE = SERVER_STATES
};

/* False: nobody has this row, or it changes hands right now. */
bool client_copy(struct segment *segment, uint32_t row,
    struct client_row *copy_out) MUST_CHECK;
/* The parameters are not copied: they are most of a row. */
bool server_copy(struct segment *segment, uint32_t row,
    struct server_row *copy_out) MUST_CHECK;

enum client_state client_state_of(const struct client_row *client);
enum server_state server_state_of(const struct server_row *server,
    const struct config *config, usec_t now);

/* True: the phase belongs to somebody who sits in front of the console. */
bool client_is_console(const struct client_row *client);

/*
 * The handle (what reports show as ptr) of the partner, 0: none.  `copy` is
 * the caller's copy of a row; a partner that has gone meanwhile is none.
 */
uint64_t client_partner(struct segment *segment,
    const struct client_row *copy);
uint64_t server_partner(struct segment *segment,
    const struct server_row *copy);

/* NULL: no such row, as for NO_ROW. Lives as long as the segment. */
const char *row_database_name(struct segment *segment, uint32_t row);
const char *row_user_name(struct segment *segment, uint32_t row);

#endif
