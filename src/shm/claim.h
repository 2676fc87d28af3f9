/*
 * Taking a row of a table that all workers share, without a lock.
 *
 * The word that says that a row is taken says by whom, so that a claimer
 * which dies before it has filled the row in, or while it clears it, loses
 * none: see clients_free_half_done() and servers_free_half_done().
 */
#ifndef SHM_CLAIM_H
#define SHM_CLAIM_H

#include <stdatomic.h>

#include "base/base.h"

/*
 * True: this row is this worker's now. `used`, the number of rows that
 * anybody looks at, is raised first, so that what is half done is found.
 */
bool claim_row(_Atomic uint32_t *claimed_by, uint32_t worker, uint32_t row,
    _Atomic uint32_t *used) MUST_CHECK;

#endif
