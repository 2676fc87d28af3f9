#include "shm/mailbox.h"

#include "base/invariant.h"
#include "shm/segment.h"

static struct mailbox *
mailbox_of(struct segment *segment, uint32_t worker)
{
	INVARIANT(worker < segment_slots(segment));
	return &segment->mailboxes[worker];
}

/* A poster that died under the lock may have lost its letter. */
static void
take(struct segment *segment, uint32_t worker)
{
	if (!lock_take(&mailbox_of(segment, worker)->lock))
		atomic_store(&segment->roster[worker].recheck, 1);
}

/*
 * The worker says that it sleeps before it looks for mail a last time, and a
 * poster leaves its letter before it asks whether the worker sleeps; both in
 * one order for all (seq_cst), so that one of the two sees the other.
 */
bool
mailbox_post(struct segment *segment, uint32_t worker, const struct mail *mail)
{
	struct mailbox *box = mailbox_of(segment, worker);
	uint32_t tail;

	take(segment, worker);
	tail = atomic_load_explicit(&box->tail, memory_order_relaxed);
	if (tail - atomic_load(&box->head) >= MAILBOX_LETTERS) {
		atomic_store(&segment->roster[worker].recheck, 1);
	} else {
		box->letters[tail % MAILBOX_LETTERS] = *mail;
		atomic_store(&box->tail, tail + 1);
	}
	lock_release(&box->lock);
	return atomic_exchange(&segment->roster[worker].sleeping, 0) == 1;
}

unsigned
mailbox_collect(struct segment *segment, uint32_t worker,
    struct mail *letters, unsigned most)
{
	struct mailbox *box = mailbox_of(segment, worker);
	uint32_t head, tail;
	unsigned count = 0;

	if (atomic_load(&box->head) == atomic_load(&box->tail))
		return 0;
	take(segment, worker);
	head = atomic_load(&box->head);
	tail = atomic_load(&box->tail);
	while (count < most && head != tail)
		letters[count++] = box->letters[head++ % MAILBOX_LETTERS];
	atomic_store(&box->head, head);
	lock_release(&box->lock);
	return count;
}

bool
mailbox_has_mail(struct segment *segment, uint32_t worker)
{
	struct mailbox *box = mailbox_of(segment, worker);

	return atomic_load(&box->head) != atomic_load(&box->tail) ||
	    atomic_load(&segment->roster[worker].recheck) != 0;
}
