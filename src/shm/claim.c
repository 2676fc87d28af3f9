#include "shm/claim.h"

bool
claim_row(_Atomic uint32_t *claimed_by, uint32_t worker, uint32_t row,
    _Atomic uint32_t *used)
{
	uint32_t now = atomic_load(used), nobody = 0;

	if (atomic_load_explicit(claimed_by, memory_order_relaxed) != 0)
		return false;
	while (now < row + 1 && !atomic_compare_exchange_weak(used, &now,
	    row + 1))
		continue;
	return atomic_compare_exchange_strong(claimed_by, &nobody, worker + 1);
}
