#include "build.h"

#include "supervisor/channels.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/invariant.h"
#include "net/fdpass.h"

static void
close_end(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static bool
open_inbox(struct channels *channels, unsigned i, struct error *error)
{
	int pair[2];

	if (!fdpass_pair(pair, error))
		return false;
	channels->inboxes[i] = pair[0];
	channels->outboxes[i] = pair[1];
	return true;
}

bool
channels_open(struct channels *channels, unsigned slots, struct error *error)
{
	INVARIANT(slots <= ROSTER_SLOTS);
	channels->slots = slots;
	channels->lifeline[0] = channels->lifeline[1] = -1;
	channels->questions[0] = channels->questions[1] = -1;
	for (unsigned i = 0; i <= ROSTER_SLOTS; i++)
		channels->inboxes[i] = channels->outboxes[i] = -1;
	for (unsigned i = 0; i < slots; i++)
		if (!open_inbox(channels, i, error))
			goto undo;
	if (!open_inbox(channels, CHANNELS_SUPERVISOR, error) ||
	    !fdpass_pair(channels->questions, error))
		goto undo;
	if (pipe2(channels->lifeline, O_CLOEXEC | O_NONBLOCK) == 0)
		return true;
	error_system(error, "could not create a pipe");
undo:
	channels_close(channels);
	return false;
}

void
channels_close(struct channels *channels)
{
	for (unsigned i = 0; i <= ROSTER_SLOTS; i++) {
		close_end(&channels->inboxes[i]);
		close_end(&channels->outboxes[i]);
	}
	close_end(&channels->questions[0]);
	close_end(&channels->questions[1]);
	close_end(&channels->lifeline[0]);
	close_end(&channels->lifeline[1]);
}

void
channels_leave(struct channels *channels, unsigned slot)
{
	for (unsigned i = 0; i <= ROSTER_SLOTS; i++)
		if (i != slot)
			close_end(&channels->inboxes[i]);
	close_end(&channels->questions[0]);
	close_end(&channels->lifeline[1]);
}

void
channels_leave_for_helper(struct channels *channels)
{
	for (unsigned i = 0; i <= ROSTER_SLOTS; i++)
		close_end(&channels->inboxes[i]);
	close_end(&channels->questions[1]);
	close_end(&channels->lifeline[1]);
}

void
channels_leave_for_exporter(struct channels *channels)
{
	for (unsigned i = 0; i <= ROSTER_SLOTS; i++)
		close_end(&channels->outboxes[i]);
	close_end(&channels->questions[0]);
	channels_leave_for_helper(channels);
}
