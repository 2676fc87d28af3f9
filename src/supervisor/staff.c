#include "build.h"

#include "supervisor/staff.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/fdpass.h"
#include "supervisor/boot.h"
#include "supervisor/vacancies.h"

/*
 * How long a connection may take from the first packet until it is in the
 * queue of the socket that was chosen for it: tcp_defer_accept is part of it.
 */
#define LINGER (3 * USEC_PER_SEC)

bool
staff_has_sockets(const struct supervisor *supervisor, unsigned slot)
{
	for (unsigned i = 0; i < supervisor->listener_count; i++) {
		const struct listener *listener = &supervisor->listeners[i];

		if (!listener->is_shared && slot < listener->fd_count &&
		    listener->fds[slot] != -1)
			return true;
	}
	return false;
}

static void
close_sockets(struct supervisor *supervisor, unsigned slot)
{
	for (unsigned i = 0; i < supervisor->listener_count; i++)
		listener_close_slot(&supervisor->listeners[i], slot);
}

/*
 * Growing
 */

static bool
open_sockets(struct supervisor *supervisor, unsigned slot,
    const struct listener_options *options, struct error *error)
{
	for (unsigned i = 0; i < supervisor->listener_count; i++) {
		struct listener *listener = &supervisor->listeners[i];

		if (!listener->is_shared && !listener_open_slot(listener,
		    slot, options, error))
			return false;
	}
	return true;
}

bool
staff_make_room(struct supervisor *supervisor, unsigned wanted,
    struct error *error)
{
	struct listener_options options = boot_listener_options(supervisor);
	struct error reason;

	if (supervisor->phase != SUPERVISOR_SERVING)
		return true;
	for (unsigned slot = supervisor->wanted; slot < wanted; slot++) {
		if (open_sockets(supervisor, slot, &options, &reason))
			continue;
		for (unsigned i = supervisor->wanted; i <= slot; i++)
			if (supervisor->children.row[i].pid == 0)
				close_sockets(supervisor, i);
		return error_set(error, "workers = %u: no sockets for worker "
		    "%u: %s", wanted, slot, reason.text);
	}
	return true;
}

static void
tell_to_retire(struct supervisor *supervisor, unsigned slot, bool retires)
{
	struct order order = { .kind = ORDER_RETIRE, .mode = retires };

	if (!children_order(&supervisor->children, slot, &order, -1))
		log_warning("worker %u did not take the order to %s", slot,
		    retires ? "retire" : "stay");
}

/*
 * The worker itself goes on only from STARTING to SERVING.  One that was about
 * to end may do so nevertheless, and is replaced: it says that it serves, or
 * the one that follows it does.
 */
static void
keep(struct supervisor *supervisor, unsigned slot)
{
	struct roster_row *row = &supervisor->segment->roster[slot];

	supervisor->reload.births |= UINT64_C(1) << slot;
	if (supervisor->children.row[slot].pid == 0)
		return;
	atomic_store(&row->retired_at, 0);
	atomic_store(&row->phase, ROSTER_SERVING);
	tell_to_retire(supervisor, slot, false);
}

/*
 * Shrinking
 */

static void
retire(struct supervisor *supervisor, unsigned slot)
{
	struct roster_row *row = &supervisor->segment->roster[slot];

	atomic_store(&row->retired_at, clock_now());
	if (supervisor->children.row[slot].pid == 0) {
		atomic_store(&row->phase, ROSTER_VACANT);
		return;
	}
	atomic_store(&row->phase, ROSTER_RETIRING);
	tell_to_retire(supervisor, slot, true);
}

/* Where the port is shared with others, their sockets are in the group. */
static void
steer(struct supervisor *supervisor)
{
	struct error error;

	if (supervisor->config->so_reuseport)
		return;
	for (unsigned i = 0; i < supervisor->listener_count; i++)
		if (!listener_steer(&supervisor->listeners[i],
		    supervisor->wanted, &error))
			log_warning("%s", error.text);
}

void
staff_resize(struct supervisor *supervisor, unsigned wanted)
{
	unsigned before = supervisor->wanted;

	if (wanted == before || supervisor->phase != SUPERVISOR_SERVING)
		return;
	log_info("workers: %u, were %u", wanted, before);
	supervisor->wanted = wanted;
	if (wanted > supervisor->workers) {
		supervisor->workers = wanted;
		atomic_store(&supervisor->segment->state->slots, wanted);
	}
	steer(supervisor);
	for (unsigned slot = before; slot < wanted; slot++)
		keep(supervisor, slot);
	for (unsigned slot = wanted; slot < before; slot++)
		retire(supervisor, slot);
	boot_check_fd_limit(supervisor);
}

/*
 * What they leave
 */

static void
empty_inbox(struct supervisor *supervisor, unsigned slot)
{
	int inbox = supervisor->channels.inboxes[slot];
	struct inbox_message message;
	size_t length;
	int fd;

	while ((length = fdpass_receive(inbox, &message, sizeof(message),
	    &fd)) > 0) {
		if (fd == -1)
			continue;
		if (length == sizeof(message) && message.kind == INBOX_CLIENT)
			vacancies_forward(supervisor, &message, fd);
		else
			close(fd);
	}
}

bool
staff_bury(struct supervisor *supervisor, const struct death *death)
{
	struct roster_row *row = &supervisor->segment->roster[death->slot];

	if (death->slot < supervisor->wanted)
		return false;
	atomic_store(&row->phase, ROSTER_VACANT);
	atomic_store(&row->coming, 0);
	if (death->status == 0)
		log_info("worker %u (process %d) has retired", death->slot,
		    (int)death->pid);
	else
		log_warning("worker %u (process %d) died while it retired",
		    death->slot, (int)death->pid);
	return true;
}

/* A letter may be on its way to a slot that has just become vacant. */
void
staff_tidy(struct supervisor *supervisor, usec_t now)
{
	for (unsigned slot = supervisor->wanted; slot < supervisor->workers;
	    slot++) {
		const struct roster_row *row =
		    &supervisor->segment->roster[slot];

		if (supervisor->children.row[slot].pid != 0)
			continue;
		empty_inbox(supervisor, slot);
		if (now - atomic_load(&row->retired_at) > LINGER)
			close_sockets(supervisor, slot);
	}
}
