/*
 * Server connections whose host name leads elsewhere by now: they are closed
 * when they are next released.
 */
#ifndef POOL_OBSOLETE_H
#define POOL_OBSOLETE_H

#include "pool/pool.h"

/*
 * A host name has been looked up anew: marks what was opened by it and is
 * connected to an address that is not one of these.
 */
void pool_mark_obsolete(const struct pool_caller *caller, uint32_t host,
    const struct address_list *addresses);

/*
 * This server of mine has just logged in; its name may have got another
 * address meanwhile, unseen by pool_mark_obsolete.
 */
void pool_check_obsolete(const struct pool_caller *caller, uint32_t server);

#endif
