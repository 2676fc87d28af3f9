/*
 * A pool as this worker sees it: its names, what the configuration says
 * about it now, and who waits to be welcomed.
 */
#ifndef SESSION_POOL_VIEW_H
#define SESSION_POOL_VIEW_H

#include "session/sessions.h"

struct pool_view {
	uint32_t			 pool, generation; /* of the row */
	const char			*database_name;	/* in the segment */
	const char			*user_name;
	const struct config_database	*database;	/* NULL: removed */
	const struct config_user	*user;		/* NULL: no entry */
	enum pool_mode			 mode;
	struct pool_policy		 policy;
	usec_t				 query_wait_timeout;
	usec_t				 query_timeout;
	usec_t				 idle_transaction_timeout;
	usec_t				 transaction_timeout;
	usec_t				 client_idle_timeout;
	struct client			*to_welcome;	/* list */
	struct stats_row		*stats;		/* this worker's own */
	uint8_t				 place[32];	/* a digest */
	bool				 is_placed;
};

/* The view of a pool row, made when first asked for. */
struct pool_view *pool_view_get(struct sessions *sessions, uint32_t pool);

/* After a change of configuration. */
void pool_view_refresh(struct sessions *sessions, struct pool_view *view);

/* The entry for a database name: its own or `*`; NULL: none. */
const struct config_database *pool_view_database(const struct config *config,
    const char *name);

#endif
