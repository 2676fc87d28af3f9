#include "exporter/exporter.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "base/log.h"
#include "exporter/http.h"

/* Workers come first where processors are scarce. */
#define NICENESS 5
/* What is being answered when it is told to end has that long. */
#define PATIENCE (USEC_PER_SEC / 2)

struct exporter {
	const struct inheritance	*inheritance;
	struct http			*http;
};

static volatile sig_atomic_t is_told_to_end;

static void
on_signal(int signal)
{
	is_told_to_end = 1;
}

static void
handle(void *context, const struct request *request,
    struct response *response_out)
{
	const struct exporter *exporter = context;
	const struct inheritance *inheritance = exporter->inheritance;
	const struct console_env env = {
		.segment = inheritance->segment,
		.config = inheritance->config,
		.client_row = NO_ROW,
		.is_admin = true,
		.is_stats = true,
		.now = clock_now(),
		.listen_port = inheritance->config->listen_port,
	};

	pages_answer(&env, request, response_out);
}

/* SIGTERM comes only while it sleeps, so that none is missed. */
static void
watch_signals(sigset_t *asleep_out)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	INVARIANT(sigprocmask(SIG_BLOCK, &term, asleep_out) == 0);
	sigdelset(asleep_out, SIGTERM);
	INVARIANT(sigaction(SIGTERM, &action, NULL) == 0);
	INVARIANT(sigaction(SIGPIPE, &ignore, NULL) == 0);
}

/* False: the supervisor is gone. */
static bool
turn(struct exporter *exporter, const sigset_t *asleep, int longest)
{
	struct pollfd news[PLACES_MOST + 1];
	unsigned count = http_poll_fds(exporter->http, news);
	int timeout = http_timeout(exporter->http);
	struct timespec until;

	news[count++] = (struct pollfd){
	    exporter->inheritance->lifeline_fd, POLLIN, 0 };
	if (longest >= 0 && (timeout == -1 || timeout > longest))
		timeout = longest;
	until.tv_sec = timeout / 1000;
	until.tv_nsec = timeout % 1000 * 1000000L;
	if (ppoll(news, count, timeout == -1 ? NULL : &until, asleep) == -1) {
		INVARIANT(errno == EINTR);
		return true;
	}
	if (news[count - 1].revents != 0)
		return false;
	http_run(exporter->http);
	return true;
}

static int
serve(struct exporter *exporter)
{
	sigset_t asleep;
	usec_t until;

	watch_signals(&asleep);
	while (!is_told_to_end)
		if (!turn(exporter, &asleep, -1))
			return 1;
	http_quiesce(exporter->http);
	until = clock_now() + PATIENCE;
	while (http_under_way(exporter->http) > 0 && clock_now() < until)
		if (!turn(exporter, &asleep, 50))
			return 1;
	return 0;
}

int
exporter_run(const struct inheritance *inheritance)
{
	struct exporter exporter = { .inheritance = inheritance };
	const struct http_plan plan = {
		.fds = inheritance->http_fds,
		.count = inheritance->http_count,
		.tls = &inheritance->config->metrics_tls,
		.handle = handle,
		.context = &exporter,
	};
	struct error error;
	int status;

	(void)setpriority(PRIO_PROCESS, 0, NICENESS);
	pages_prepare();
	exporter.http = http_start(&plan, &error);
	if (exporter.http == NULL) {
		log_error("exporter: %s", error.text);
		return 1;
	}
	status = serve(&exporter);
	http_stop(exporter.http);
	return status;
}

const char *
exporter_support(void)
{
	return http_support();
}
