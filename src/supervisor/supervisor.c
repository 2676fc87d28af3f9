#include "build.h"

#include "supervisor/supervisor.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/invariant.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/version.h"
#include "supervisor/boot.h"
#include "supervisor/daemon.h"
#include "supervisor/parts.h"
#include "supervisor/reload.h"
#include "supervisor/sandbox.h"
#include "supervisor/staff.h"
#include "supervisor/stats_line.h"
#include "supervisor/vacancies.h"

/* What a worker that hangs has to end by itself, once told. */
#define ABORT_PATIENCE (2 * USEC_PER_SEC)
#define SWEEP_PERIOD USEC_PER_SEC
#define DRAIN_PERIOD (USEC_PER_SEC / 10)
#define LAST_WAIT USEC_PER_SEC

static const struct {
	const char	*name;
	unsigned	 may_follow;
} phases[] = {
#define TO(phase) (1u << SUPERVISOR_##phase)
	[SUPERVISOR_SERVING]  = { "serving", TO(DRAINING) | TO(STOPPING) },
	[SUPERVISOR_DRAINING] = { "draining", TO(STOPPING) },
	[SUPERVISOR_STOPPING] = { "stopping", 0 },
#undef TO
};

/* The only place where the phase changes. */
static void
enter(struct supervisor *supervisor, enum supervisor_phase next)
{
	if (next == supervisor->phase)
		return;
	INVARIANT(phases[supervisor->phase].may_follow & (1u << next));
	log_debug("supervisor: %s -> %s", phases[supervisor->phase].name,
	    phases[next].name);
	supervisor->phase = next;
}

/*
 * Births
 */

static void
hand_down(const struct supervisor *supervisor, unsigned slot,
    struct inheritance *inheritance)
{
	inheritance->segment = supervisor->segment;
	inheritance->config = supervisor->config;
	inheritance->slot = slot;
	inheritance->inbox_fd = supervisor->channels.inboxes[slot];
	memcpy(inheritance->outbox_fds, supervisor->channels.outboxes,
	    sizeof(inheritance->outbox_fds));
	inheritance->helper_fd = supervisor->channels.questions[1];
	inheritance->lifeline_fd = supervisor->channels.lifeline[0];
	inheritance->server_fds = supervisor->server_fds.fds;
	inheritance->server_generations = supervisor->server_fds.generations;
}

/* Keeps its own socket of each group and closes those of the others. */
static void
hand_down_listeners(struct supervisor *supervisor, unsigned slot,
    struct inheritance *inheritance)
{
	for (unsigned i = 0; i < supervisor->listener_count; i++) {
		const struct listener *listener = &supervisor->listeners[i];
		unsigned own = listener->is_shared ? 0 : slot;

		for (unsigned j = 0; j < listener->fd_count; j++)
			if (j != own && listener->fds[j] != -1)
				close(listener->fds[j]);
		inheritance->listeners[i] = (struct inherited_listener){
		    listener->fds[own], listener->is_unix,
		    listener->is_shared };
	}
	inheritance->listener_count = supervisor->listener_count;
}

static NORETURN void
live(struct supervisor *supervisor, unsigned slot, int orders_fd,
    pid_t parent)
{
	static struct inheritance inheritance;
	char name[16];
	struct error error;

	snprintf(name, sizeof(name), "pgusher/%u", slot);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	signals_leave(&supervisor->signals);
	pidfile_leave(&supervisor->pidfile);
	channels_leave(&supervisor->channels, slot);
	http_sockets_close(&supervisor->http_sockets);
	if (supervisor->ready_fd != -1)
		close(supervisor->ready_fd);
	if (!privileges_drop(&supervisor->identity, &error)) {
		log_error("worker %u: %s", slot, error.text);
		_exit(1);
	}
	if (!privileges_seal(parent))
		_exit(1);
	sandbox_enter_if(supervisor->config->sandbox != 0, SANDBOX_WORKER,
	    name);
	hand_down(supervisor, slot, &inheritance);
	hand_down_listeners(supervisor, slot, &inheritance);
	inheritance.orders_fd = orders_fd;
	_exit(supervisor->lives->worker_run(&inheritance));
}

static void
enrol(struct supervisor *supervisor, unsigned slot, pid_t pid, usec_t now)
{
	struct roster_row *row = &supervisor->segment->roster[slot];

	atomic_store(&row->pid, pid);
	atomic_store(&row->started_at, now);
}

static void
give_birth(struct supervisor *supervisor, unsigned slot, usec_t now)
{
	struct roster_row *row = &supervisor->segment->roster[slot];
	pid_t parent = getpid(), pid;
	struct error error;
	int orders_fd = -1;

	/*
	 * From now on others send to it what they publish; what they sent
	 * only to us before it inherits, all of it.
	 */
	atomic_store(&row->retired_at, 0);
	atomic_store(&row->phase, ROSTER_STARTING);
	server_fds_collect(&supervisor->server_fds,
	    supervisor->channels.inboxes[CHANNELS_SUPERVISOR]);
	server_fds_sweep(&supervisor->server_fds);
	/* Before the fork: the worker itself moves it on from here. */
	atomic_store(&row->heartbeat, now);
	pid = children_fork(&supervisor->children, slot, now, &orders_fd,
	    &error);
	if (pid == 0) {
		enrol(supervisor, slot, getpid(), now);
		live(supervisor, slot, orders_fd, parent);
	}
	if (pid == -1) {
		log_error("worker %u: %s", slot, error.text);
		atomic_store(&row->phase, ROSTER_DEAD);
		respawn_put_off(&supervisor->respawn[slot], now);
		return;
	}
	enrol(supervisor, slot, pid, now);
	log_debug("worker %u: process %d", slot, (int)pid);
}

static void
fill_vacancies(struct supervisor *supervisor)
{
	usec_t now = clock_now();

	companion_fill(supervisor, now);
	for (unsigned i = 0; i < supervisor->wanted; i++)
		if (supervisor->children.row[i].pid == 0 &&
		    respawn_due(&supervisor->respawn[i]) <= now)
			give_birth(supervisor, i, now);
}

/*
 * Deaths
 */

static void
strike_off(struct supervisor *supervisor, const struct death *death)
{
	struct roster_row *row = &supervisor->segment->roster[death->slot];

	atomic_store(&row->phase, ROSTER_DEAD);	/* or staff_bury() */
	atomic_store(&row->pid, 0);
	atomic_fetch_add(&row->restarts, 1);
	atomic_fetch_add(&row->cpu_before, death->cpu);
	atomic_store(&row->cpu, 0);
	atomic_store(&row->sleeping, 0);
	atomic_store(&row->clients, 0);
	atomic_store(&row->counted, 0);
}

static void
log_death(const struct supervisor *supervisor, const struct death *death,
    usec_t now)
{
	usec_t due = respawn_due(&supervisor->respawn[death->slot]);
	char how[96], when[64];

	children_describe(death->status, how, sizeof(how));
	if (due <= now)
		snprintf(when, sizeof(when), "replacing it");
	else
		snprintf(when, sizeof(when), "replacing it in %.1f s, because "
		    "it fails early", (double)(due - now) / USEC_PER_SEC);
	log_warning("worker %u (process %d) %s after %.1f s, %s", death->slot,
	    (int)death->pid, how, (double)death->lived / USEC_PER_SEC, when);
}

static void listen_to(struct supervisor *supervisor, unsigned slot);

static void
bury_the_dead(struct supervisor *supervisor)
{
	usec_t now = clock_now();
	struct death death;

	while (children_reap(&supervisor->children, now, &death)) {
		if (death.slot == CHILDREN_STRANGER) {
			companion_bury(supervisor, &death, now);
			continue;
		}
		strike_off(supervisor, &death);
		supervisor->lives->repair_after_death(supervisor->segment,
		    death.slot, now);
		server_fds_collect(&supervisor->server_fds,
		    supervisor->channels.inboxes[CHANNELS_SUPERVISOR]);
		server_fds_hang_up(&supervisor->server_fds);
		if (!staff_bury(supervisor, &death)) {
			respawn_note(&supervisor->respawn[death.slot],
			    death.status, death.lived, now);
			log_death(supervisor, &death, now);
		}
		/* A SHUTDOWN that its console has answered counts. */
		listen_to(supervisor, death.slot);
		reload_forget(supervisor, death.slot);
	}
}

/*
 * Shutting down
 */

static void
close_tcp_listeners(struct supervisor *supervisor)
{
	struct order order = { .kind = ORDER_CLOSE_LISTENERS };
	unsigned kept = 0;

	/* Who is in the queue of a dead worker's socket is not reset. */
	vacancies_serve(supervisor);
	for (unsigned i = 0; i < supervisor->listener_count; i++) {
		struct listener *listener = &supervisor->listeners[i];

		if (listener->is_unix)
			supervisor->listeners[kept++] = *listener;
		else
			listener_close(listener);
	}
	supervisor->listener_count = kept;
	for (unsigned i = 0; i < supervisor->workers; i++)
		if (!children_order(&supervisor->children, i, &order, -1) &&
		    supervisor->children.row[i].pid != 0)
			log_warning("worker %u did not take the order to "
			    "close its listeners", i);
}

/* A later order may only be a stricter one. */
static void
begin_drain(struct supervisor *supervisor, enum shutdown_mode mode)
{
	struct state *state = supervisor->segment->state;

	if (supervisor->phase == SUPERVISOR_STOPPING ||
	    mode <= (enum shutdown_mode)atomic_load(&state->shutdown))
		return;
	if (mode == SHUTDOWN_WAIT_FOR_SERVERS)
		atomic_store(&state->paused, 1);
	if (supervisor->phase == SUPERVISOR_SERVING)
		atomic_store(&state->shutdown_at, clock_now());
	service_stopping(&supervisor->service);
	atomic_store(&state->suspended, 0);	/* or nobody could leave */
	atomic_store(&state->shutdown, mode);
	if (mode == SHUTDOWN_NOW) {
		enter(supervisor, SUPERVISOR_STOPPING);
		return;
	}
	close_tcp_listeners(supervisor);
	segment_proclaim(supervisor->segment);
	enter(supervisor, SUPERVISOR_DRAINING);
}

static void
look_at_drain(struct supervisor *supervisor)
{
	struct segment *segment = supervisor->segment;
	uint32_t mode = atomic_load(&segment->state->shutdown);

	if (mode == SHUTDOWN_WAIT_FOR_CLIENTS &&
	    segment_clients_counted(segment) == 0)
		log_info("client connections dropped, exiting");
	else if (mode == SHUTDOWN_WAIT_FOR_SERVERS &&
	    segment_servers_open(segment, NO_ROW) == 0)
		log_info("server connections dropped, exiting");
	else
		return;
	enter(supervisor, SUPERVISOR_STOPPING);
}

static void
wait_for_the_last(struct supervisor *supervisor)
{
	usec_t until = clock_now() + LAST_WAIT;
	struct death death;

	for (;;) {
		usec_t now = clock_now();
		struct pollfd news = { supervisor->signals.fd, POLLIN, 0 };

		while (children_reap(&supervisor->children, now, &death))
			continue;
		if (children_alive(&supervisor->children) == 0 ||
		    now >= until)
			return;
		poll(&news, 1, (int)((until - now) / USEC_PER_MSEC) + 1);
		signals_read(&supervisor->signals);
	}
}

static void
end_all_lives(struct supervisor *supervisor)
{
	companion_end(supervisor);
	/* Without this a worker takes the signal for somebody else's. */
	atomic_store(&supervisor->segment->state->shutdown, SHUTDOWN_NOW);
	children_signal(&supervisor->children, SIGTERM);
	wait_for_the_last(supervisor);
	if (children_alive(&supervisor->children) == 0)
		return;
	log_warning("%u workers do not end, killing them",
	    children_alive(&supervisor->children));
	children_signal(&supervisor->children, SIGKILL);
	wait_for_the_last(supervisor);
}

/*
 * Signals: compat texts
 */

static void
on_terminal_signal(struct supervisor *supervisor, const char *name,
    const char *waiting_for, enum shutdown_mode mode)
{
	if (supervisor->phase != SUPERVISOR_SERVING) {
		log_info("got %s while shutting down, fast exit", name);
		begin_drain(supervisor, SHUTDOWN_NOW);
		return;
	}
	if (atomic_load(&supervisor->segment->state->suspended)) {
		log_fatal("suspend was in progress, going down immediately");
		supervisor->failed = true;
		begin_drain(supervisor, SHUTDOWN_NOW);
		return;
	}
	log_info("got %s, shutting down, waiting for all %s", name,
	    waiting_for);
	begin_drain(supervisor, mode);
}

static void
pause_all(struct supervisor *supervisor)
{
	struct state *state = supervisor->segment->state;

	if (atomic_load(&state->paused) || atomic_load(&state->suspended)) {
		log_info("got SIGUSR1, but already paused/suspended");
		return;
	}
	log_info("got SIGUSR1, pausing all activity");
	atomic_store(&state->paused, 1);
	segment_proclaim(supervisor->segment);
}

static void
resume_all(struct supervisor *supervisor)
{
	struct state *state = supervisor->segment->state;

	if (supervisor->phase != SUPERVISOR_SERVING) {
		log_info("got SIGUSR2 while shutting down, ignoring");
		return;
	}
	if (atomic_exchange(&state->paused, 0) != 0) {
		log_info("got SIGUSR2, continuing from PAUSE");
	} else if (atomic_exchange(&state->suspended, 0) != 0) {
		log_info("got SIGUSR2, continuing from SUSPEND");
	} else {
		log_info("got SIGUSR2, but not paused/suspended");
		return;
	}
	segment_proclaim(supervisor->segment);
}

static void
act_on_signals(struct supervisor *supervisor)
{
	struct signals *signals = &supervisor->signals;

	signals_read(signals);
	if (signals_take(signals, SIGCHLD))
		bury_the_dead(supervisor);
	if (signals_take(signals, SIGHUP)) {
		log_info("got SIGHUP, re-reading config");
		reload_begin(supervisor);
	}
	if (signals_take(signals, SIGUSR1))
		pause_all(supervisor);
	if (signals_take(signals, SIGUSR2))
		resume_all(supervisor);
	if (signals_take(signals, SIGINT))
		on_terminal_signal(supervisor, "SIGINT",
		    "servers connections to be released",
		    SHUTDOWN_WAIT_FOR_SERVERS);
	if (signals_take(signals, SIGTERM))
		on_terminal_signal(supervisor, "SIGTERM",
		    "clients disconnect", SHUTDOWN_WAIT_FOR_CLIENTS);
	if (signals_take(signals, SIGQUIT)) {
		log_info("got SIGQUIT, fast exit");
		begin_drain(supervisor, SHUTDOWN_NOW);
	}
}

/*
 * What workers say
 */

static void
act_on_order(struct supervisor *supervisor, unsigned slot,
    const struct order *order)
{
	switch (order->kind) {
	case ORDER_READY:
		log_debug("worker %u serves", slot);
		reload_note_ready(supervisor, slot);
		break;
	case ORDER_DONE:
		reload_note_done(supervisor, slot, order->id);
		break;
	case ORDER_ASK_RELOAD:
	case ORDER_ASK_SET:
		reload_ask(supervisor, slot, order);
		break;
	case ORDER_ASK_SHUTDOWN:
		begin_drain(supervisor, (enum shutdown_mode)order->mode);
		break;
	default:
		log_warning("worker %u sent an unknown order: %u", slot,
		    order->kind);
	}
}

static void
say_when_ready(struct supervisor *supervisor)
{
	const struct roster_row *roster = supervisor->segment->roster;

	if (supervisor->service.is_ready)
		return;
	for (unsigned i = 0; i < supervisor->wanted; i++)
		if (atomic_load(&roster[i].phase) != ROSTER_SERVING)
			return;
	service_ready(&supervisor->service);
}

static void
listen_to(struct supervisor *supervisor, unsigned slot)
{
	struct order order;

	while (children_hear(&supervisor->children, slot, &order))
		act_on_order(supervisor, slot, &order);
}

static void
listen_to_workers(struct supervisor *supervisor)
{
	for (unsigned i = 0; i < supervisor->workers; i++)
		listen_to(supervisor, i);
	say_when_ready(supervisor);
}

/*
 * By the clock
 */

static usec_t
stats_due(const struct supervisor *supervisor)
{
	return supervisor->stats_at +
	    supervisor->config->stats_period * USEC_PER_SEC;
}

static void
take_stats(struct supervisor *supervisor, usec_t now)
{
	struct stats_totals totals;
	char line[512], status[600];

	stats_line_sum(supervisor->segment, &totals);
	stats_line_format(&supervisor->stats_before, &totals,
	    now - supervisor->stats_at, line, sizeof(line));
	if (supervisor->config->log_stats)
		log_info("%s", line);
	stats_line_for_status(line, status, sizeof(status));
	service_status(status);
	supervisor->stats_before = totals;
	supervisor->stats_at = now;
	stats_take_snapshot(supervisor->segment, now);
}

/* SIGABRT so that a core may tell why; one that is stopped needs SIGKILL. */
static void
end_if_hung(struct supervisor *supervisor, unsigned slot, usec_t now)
{
	struct child *child = &supervisor->children.row[slot];
	usec_t silent = now - atomic_load(
	    &supervisor->segment->roster[slot].heartbeat);

	if (child->pid == 0 ||
	    silent <= supervisor->config->worker_hang_timeout)
		return;
	if (child->aborted_at == 0) {
		log_error("worker %u (process %d) has not moved for %.1f s, "
		    "ending it", slot, (int)child->pid,
		    (double)silent / USEC_PER_SEC);
		child->aborted_at = now;
		kill(child->pid, SIGABRT);
	} else if (now - child->aborted_at > ABORT_PATIENCE) {
		kill(child->pid, SIGKILL);
	}
}

/* If this process did not get to run either, nobody is to blame. */
static void
look_for_the_hung(struct supervisor *supervisor, usec_t now)
{
	usec_t limit = supervisor->config->worker_hang_timeout;

	if (limit == 0 || now - supervisor->swept_at > SWEEP_PERIOD + limit / 2)
		return;
	for (unsigned i = 0; i < supervisor->workers; i++)
		end_if_hung(supervisor, i, now);
}

static void
look_at_the_clock(struct supervisor *supervisor)
{
	usec_t now = clock_now();

	if (now - supervisor->swept_at >= SWEEP_PERIOD) {
		look_for_the_hung(supervisor, now);
		supervisor->swept_at = now;
		server_fds_sweep(&supervisor->server_fds);
		reload_look_at_files(supervisor);
		tickets_rotate(supervisor->segment->tickets, now);
	}
	if (now >= stats_due(supervisor))
		take_stats(supervisor, now);
	reload_check(supervisor, now);
	service_pat_watchdog(&supervisor->service, now);
}

static int
next_look(const struct supervisor *supervisor)
{
	usec_t now = clock_now();
	usec_t until = now + SWEEP_PERIOD;

	if (supervisor->phase == SUPERVISOR_DRAINING)
		until = now + DRAIN_PERIOD;
	else if (vacancies_exist(supervisor))
		until = now + VACANCIES_PERIOD;
	if (stats_due(supervisor) < until)
		until = stats_due(supervisor);
	if (service_watchdog_due(&supervisor->service) < until)
		until = service_watchdog_due(&supervisor->service);
	if (companion_due(supervisor) < until)
		until = companion_due(supervisor);
	for (unsigned i = 0; i < supervisor->wanted; i++)
		if (supervisor->children.row[i].pid == 0 &&
		    respawn_due(&supervisor->respawn[i]) < until)
			until = respawn_due(&supervisor->respawn[i]);
	return until <= now ? 0 : (int)((until - now) / USEC_PER_MSEC) + 1;
}

/*
 * The loop
 */

static void
drain_wake(const struct supervisor *supervisor)
{
	int fd = supervisor->segment->wake_fds[SEGMENT_SUPERVISOR];
	uint64_t count;

	if (read(fd, &count, sizeof(count)) == -1)
		INVARIANT(errno == EAGAIN || errno == EINTR);
}

/* Until somebody says something or the clock wants a look. */
static void
sleep_until_news(struct supervisor *supervisor)
{
	struct pollfd news[ROSTER_SLOTS + 3] = {
		{ supervisor->signals.fd, POLLIN, 0 },
		{ supervisor->segment->wake_fds[SEGMENT_SUPERVISOR], POLLIN,
		    0 },
		{ supervisor->channels.inboxes[CHANNELS_SUPERVISOR], POLLIN,
		    0 },
	};
	nfds_t count = 3;

	for (unsigned i = 0; i < supervisor->workers; i++)
		news[count++] = (struct pollfd){
		    supervisor->children.row[i].orders_fd, POLLIN, 0 };
	if (poll(news, count, next_look(supervisor)) == -1)
		INVARIANT(errno == EINTR);
}

static void
supervise(struct supervisor *supervisor)
{
	fill_vacancies(supervisor);
	daemon_is_ready(&supervisor->ready_fd);
	for (;;) {
		sleep_until_news(supervisor);
		drain_wake(supervisor);
		server_fds_collect(&supervisor->server_fds,
		    supervisor->channels.inboxes[CHANNELS_SUPERVISOR]);
		listen_to_workers(supervisor);
		act_on_signals(supervisor);
		look_at_the_clock(supervisor);
		if (supervisor->phase == SUPERVISOR_DRAINING)
			look_at_drain(supervisor);
		if (supervisor->phase == SUPERVISOR_STOPPING)
			break;
		fill_vacancies(supervisor);
		vacancies_serve(supervisor);
		staff_tidy(supervisor, clock_now());
	}
	end_all_lives(supervisor);
}

int
supervisor_run(const struct supervisor_options *options,
    const struct supervisor_lives *lives)
{
	struct supervisor *supervisor = memory_get(sizeof(*supervisor));
	struct error error;
	int status = 0;

	supervisor->options = options;
	supervisor->lives = lives;
	privileges_hide();
	if (boot(supervisor, &error)) {
		log_info("process up: %s, %u worker%s, tls: %s",
		    version_text(), supervisor->workers,
		    supervisor->workers == 1 ? "" : "s",
		    OpenSSL_version(OPENSSL_VERSION));
		supervise(supervisor);
		status = supervisor->failed ? 1 : 0;
	} else {
		log_fatal("%s", error.text);
		if (error.hint[0] != '\0')
			log_info("hint: %s", error.hint);
		status = 1;
	}
	boot_undo(supervisor);
	memory_free(supervisor);
	return status;
}
