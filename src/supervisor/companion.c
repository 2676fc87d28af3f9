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
#include "supervisor/sandbox.h"

/*
 * They would keep open what others close: connections to PostgreSQL would not
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

static void
hand_down(struct supervisor *supervisor, struct inheritance *inheritance)
{
	struct http_sockets *http = &supervisor->http_sockets;

	*inheritance = (struct inheritance){
		.segment = supervisor->segment,
		.config = supervisor->config,
		.orders_fd = -1,
		.inbox_fd = -1,
		.helper_fd = supervisor->channels.questions[0],
		.lifeline_fd = supervisor->channels.lifeline[0],
		.http_count = http->places.count,
	};
	memcpy(inheritance->http_fds, http->fds, sizeof(http->fds));
	memcpy(inheritance->outbox_fds, supervisor->channels.outboxes,
	    sizeof(inheritance->outbox_fds));
}

static bool
helper_is_wanted(const struct supervisor *supervisor)
{
	return supervisor->lives->helper_run != NULL;
}

static int
be_helper(struct supervisor *supervisor, struct inheritance *inheritance)
{
	http_sockets_close(&supervisor->http_sockets);
	channels_leave_for_helper(&supervisor->channels);
	hand_down(supervisor, inheritance);
	return supervisor->lives->helper_run(inheritance);
}

/* What a helper had read and not answered is asked again. */
static void
before_helper(struct supervisor *supervisor)
{
	atomic_fetch_add(&supervisor->segment->hosts_head->helper_life, 1);
}

static bool
exporter_is_wanted(const struct supervisor *supervisor)
{
	return supervisor->lives->exporter_run != NULL &&
	    supervisor->http_sockets.places.count > 0;
}

static int
be_exporter(struct supervisor *supervisor, struct inheritance *inheritance)
{
	channels_leave_for_exporter(&supervisor->channels);
	hand_down(supervisor, inheritance);
	return supervisor->lives->exporter_run(inheritance);
}

static const struct {
	const char	*name, *title;
	enum sandbox_role role;
	bool		(*is_wanted)(const struct supervisor *supervisor);
	void		(*before)(struct supervisor *supervisor);
	int		(*be)(struct supervisor *supervisor,
			    struct inheritance *inheritance);
} kinds[COMPANIONS] = {
	[COMPANION_HELPER] = { "helper", "pgusher/helper",
	    SANDBOX_HELPER, helper_is_wanted,
	    before_helper, be_helper },
	[COMPANION_EXPORTER] = { "exporter", "pgusher/export",
	    SANDBOX_EXPORTER, exporter_is_wanted, NULL, be_exporter },
};

static NORETURN void
live(struct supervisor *supervisor, enum companion_kind kind, pid_t parent)
{
	static struct inheritance inheritance;
	struct error error;

	prctl(PR_SET_NAME, kinds[kind].title, 0, 0, 0);
	signals_leave(&supervisor->signals);
	pidfile_leave(&supervisor->pidfile);
	let_go_of_sockets(supervisor);
	if (!privileges_drop(&supervisor->identity, &error)) {
		log_error("%s: %s", kinds[kind].name, error.text);
		_exit(1);
	}
	if (!privileges_seal(parent))
		_exit(1);
	sandbox_enter_if(supervisor->config->sandbox != 0, kinds[kind].role,
	    kinds[kind].name);
	_exit(kinds[kind].be(supervisor, &inheritance));
}

static void
fill(struct supervisor *supervisor, enum companion_kind kind, usec_t now)
{
	struct companion *companion = &supervisor->companions[kind];
	pid_t parent = getpid(), pid;

	if (kinds[kind].before != NULL)
		kinds[kind].before(supervisor);
	pid = fork();
	if (pid == 0)
		live(supervisor, kind, parent);
	if (pid == -1) {
		log_error("%s: could not fork: %s", kinds[kind].name,
		    strerror(errno));
		respawn_put_off(&companion->respawn, now);
		return;
	}
	companion->pid = pid;
	companion->born_at = now;
	log_debug("%s: process %d", kinds[kind].name, (int)pid);
}

static usec_t
due(const struct supervisor *supervisor, enum companion_kind kind)
{
	const struct companion *companion = &supervisor->companions[kind];

	if (companion->pid != 0 || !kinds[kind].is_wanted(supervisor))
		return INT64_MAX;
	return respawn_due(&companion->respawn);
}

void
companion_fill(struct supervisor *supervisor, usec_t now)
{
	for (unsigned kind = 0; kind < COMPANIONS; kind++)
		if (due(supervisor, kind) <= now)
			fill(supervisor, kind, now);
}

usec_t
companion_due(const struct supervisor *supervisor)
{
	usec_t first = INT64_MAX;

	for (unsigned kind = 0; kind < COMPANIONS; kind++)
		if (due(supervisor, kind) < first)
			first = due(supervisor, kind);
	return first;
}

static void
bury(struct supervisor *supervisor, enum companion_kind kind,
    const struct death *death, usec_t now)
{
	struct companion *companion = &supervisor->companions[kind];
	bool renewed = companion->renewed;
	char how[96];

	companion->pid = 0;
	companion->renewed = false;
	if (renewed)
		return;
	children_describe(death->status, how, sizeof(how));
	log_warning("%s (process %d) %s, replacing it", kinds[kind].name,
	    (int)death->pid, how);
	respawn_note(&companion->respawn, death->status,
	    now - companion->born_at, now);
}

void
companion_bury(struct supervisor *supervisor, const struct death *death,
    usec_t now)
{
	for (unsigned kind = 0; kind < COMPANIONS; kind++)
		if (death->pid == supervisor->companions[kind].pid)
			bury(supervisor, kind, death, now);
}

void
companion_renew(struct supervisor *supervisor, enum companion_kind kind)
{
	struct companion *companion = &supervisor->companions[kind];

	if (companion->pid == 0)
		return;
	companion->renewed = true;
	kill(companion->pid, SIGTERM);
}

void
companion_end(struct supervisor *supervisor)
{
	for (unsigned kind = 0; kind < COMPANIONS; kind++) {
		struct companion *companion = &supervisor->companions[kind];

		if (companion->pid == 0)
			continue;
		kill(companion->pid, SIGKILL);
		while (waitpid(companion->pid, NULL, 0) == -1 &&
		    errno == EINTR)
			continue;
		companion->pid = 0;
	}
}
