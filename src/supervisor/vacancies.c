#include "build.h"

#include "supervisor/vacancies.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/fdpass.h"
#include "supervisor/staff.h"

#define ACCEPTS_PER_LOOK 64

static bool
serves(const struct supervisor *supervisor, unsigned slot)
{
	return supervisor->children.row[slot].pid != 0 &&
	    atomic_load(&supervisor->segment->roster[slot].phase) ==
	    ROSTER_SERVING;
}

/* One after the other; false if there is none at all. */
static bool
choose_worker(struct supervisor *supervisor, unsigned *slot_out)
{
	for (unsigned i = 1; i <= supervisor->workers; i++) {
		unsigned slot = (supervisor->last_host + i) %
		    supervisor->workers;

		if (!serves(supervisor, slot))
			continue;
		supervisor->last_host = *slot_out = slot;
		return true;
	}
	return false;
}

void
vacancies_forward(struct supervisor *supervisor,
    const struct inbox_message *message, int fd)
{
	unsigned host;

	if (!choose_worker(supervisor, &host) ||
	    !fdpass_send(supervisor->channels.outboxes[host], message,
	    sizeof(*message), fd))
		log_warning("no worker took a connection");
	close(fd);
}

static void
serve_listener(struct supervisor *supervisor, int listener)
{
	struct inbox_message message = { .kind = INBOX_CLIENT };
	unsigned host;

	for (int i = 0; i < ACCEPTS_PER_LOOK; i++) {
		int fd;

		if (!choose_worker(supervisor, &host))
			return;
		fd = accept4(listener, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1)
			return;
		if (!fdpass_send(supervisor->channels.outboxes[host],
		    &message, sizeof(message), fd))
			log_warning("worker %u did not take a connection",
			    host);
		close(fd);
	}
}

bool
vacancies_exist(const struct supervisor *supervisor)
{
	for (unsigned slot = 0; slot < supervisor->workers; slot++)
		if ((slot < supervisor->wanted ||
		    staff_has_sockets(supervisor, slot)) &&
		    supervisor->children.row[slot].pid == 0)
			return true;
	return false;
}

void
vacancies_serve(struct supervisor *supervisor)
{
	for (unsigned slot = 0; slot < supervisor->workers; slot++) {
		if (supervisor->children.row[slot].pid != 0)
			continue;
		for (unsigned i = 0; i < supervisor->listener_count; i++) {
			const struct listener *listener =
			    &supervisor->listeners[i];

			if (!listener->is_shared && slot <
			    listener->fd_count && listener->fds[slot] != -1)
				serve_listener(supervisor,
				    listener->fds[slot]);
		}
	}
}
