#include "build.h"

#include "supervisor/companion.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "supervisor/parts.h"

/*
 * It would keep open what others close: connections to PostgreSQL would not
 * end, ports not be free.
 */
static void
let_go_of_sockets(struct supervisor *supervisor)
{
	children_leave(&supervisor->children);
	server_fds_destroy(&supervisor->server_fds);
	for (unsigned i = 0; i < supervisor->listener_count; i++)
		for (unsigned j = 0; j < supervisor->listeners[i].fd_count;
		    j++)
			close(supervisor->listeners[i].fds[j]);
	if (supervisor->ready_fd != -1)
		close(supervisor->ready_fd);
}

static NORETURN void
live(struct supervisor *supervisor, pid_t parent)
{
	static struct inheritance inheritance;
	struct error error;

	prctl(PR_SET_NAME, "pgusher/helper", 0, 0, 0);
	signals_leave(&supervisor->signals);
	pidfile_leave(&supervisor->pidfile);
	let_go_of_sockets(supervisor);
	channels_leave_for_helper(&supervisor->channels);
	if (!privileges_drop(&supervisor->identity, &error)) {
		log_error("helper: %s", error.text);
		_exit(1);
	}
	if (!privileges_seal(parent))
		_exit(1);
	inheritance = (struct inheritance){
		.segment = supervisor->segment,
		.config = supervisor->config,
		.orders_fd = -1,
		.inbox_fd = -1,
		.helper_fd = supervisor->channels.questions[0],
		.lifeline_fd = supervisor->channels.lifeline[0],
	};
	memcpy(inheritance.outbox_fds, supervisor->channels.outboxes,
	    sizeof(inheritance.outbox_fds));
	_exit(supervisor->lives->helper_run(&inheritance));
}

void
companion_fill(struct supervisor *supervisor, usec_t now)
{
	struct companion *helper = &supervisor->helper;
	pid_t parent = getpid(), pid;

	if (companion_due(supervisor) > now)
		return;
	/* What the last one had read and not answered is asked again. */
	atomic_fetch_add(&supervisor->segment->hosts_head->helper_life, 1);
	pid = fork();
	if (pid == 0)
		live(supervisor, parent);
	if (pid == -1) {
		log_error("helper: could not fork: %s", strerror(errno));
		respawn_put_off(&helper->respawn, now);
		return;
	}
	helper->pid = pid;
	helper->born_at = now;
	log_debug("helper: process %d", (int)pid);
}

usec_t
companion_due(const struct supervisor *supervisor)
{
	const struct companion *helper = &supervisor->helper;

	if (helper->pid != 0 || supervisor->lives->helper_run == NULL)
		return INT64_MAX;
	return respawn_due(&helper->respawn);
}

void
companion_bury(struct supervisor *supervisor, const struct death *death,
    usec_t now)
{
	struct companion *helper = &supervisor->helper;
	char how[96];

	if (death->pid != helper->pid)
		return;
	children_describe(death->status, how, sizeof(how));
	if (!helper->renewed)
		log_warning("helper (process %d) %s, replacing it",
		    (int)death->pid, how);
	helper->pid = 0;
	helper->renewed = false;
	respawn_note(&helper->respawn, death->status, now - helper->born_at,
	    now);
}

void
companion_renew(struct supervisor *supervisor)
{
	struct companion *helper = &supervisor->helper;

	if (helper->pid == 0)
		return;
	helper->renewed = true;
	kill(helper->pid, SIGTERM);
}

void
companion_end(struct supervisor *supervisor)
{
	struct companion *helper = &supervisor->helper;

	if (helper->pid == 0)
		return;
	kill(helper->pid, SIGKILL);
	while (waitpid(helper->pid, NULL, 0) == -1 && errno == EINTR)
		continue;
	helper->pid = 0;
}
