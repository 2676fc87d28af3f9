#include "worker/worker.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin/console.h"
#include "auth/auth.h"
#include "base/clock.h"
#include "base/invariant.h"
#include "base/log.h"
#include "base/memory.h"
#include "config/carry_over.h"
#include "config/files.h"
#include "contract/orders.h"
#include "contract/questions.h"
#include "net/fdpass.h"
#include "session/sessions.h"
#include "worker/desk.h"
#include "worker/gate.h"

/* PgBouncer's, too: all time-outs are as exact as this. */
#define TICK (333 * USEC_PER_MSEC)

#define LETTERS_AT_ONCE 64

struct worker {
	const struct inheritance *inheritance;
	struct segment		*segment;
	struct roster_row	*roster;	/* this slot's */
	struct config		*config;
	struct loop		*loop;
	struct sessions		*sessions;
	struct gate		*gate;
	struct desk		*desk;
	struct watch		 orders, inbox, wake, lifeline;
	uint32_t		 epoch;		/* last order obeyed */
	usec_t			 next_tick;
	struct unread		*unread, **unread_end;	/* answers */
};

/* An answer that came while something else was under way. */
struct unread {
	struct unread	*next;
	struct answer	 answer;
};

/* --- what other processes send ------------------------------------------- */

static void
take_parcel(struct worker *worker, const struct inbox_message *message, int fd)
{
	if (message->kind == INBOX_SERVER &&
	    message->row < worker->segment->size.servers)
		sessions_receive_server(worker->sessions, message->row,
		    message->generation, fd);
	else if (message->kind == INBOX_CLIENT)
		sessions_accept(worker->sessions, fd, message->is_unix != 0,
		    NULL);
	else
		close(fd);
}

/* Descriptors may be collected in the middle of anything: act on it later. */
static void
keep_answer(struct worker *worker, const struct answer *answer)
{
	struct unread *unread = memory_get(sizeof(*unread));

	unread->answer = *answer;
	*worker->unread_end = unread;
	worker->unread_end = &unread->next;
}

union parcel {
	struct inbox_message	message;
	struct answer		answer;
};

static void
open_parcel(struct worker *worker, const union parcel *parcel, size_t length,
    int fd)
{
	if (length == sizeof(parcel->answer) &&
	    parcel->answer.kind == INBOX_ANSWER)
		keep_answer(worker, &parcel->answer);
	else if (fd == -1)
		return;			/* the kernel had no room for it */
	else if (length == sizeof(parcel->message))
		take_parcel(worker, &parcel->message, fd);
	else
		close(fd);
}

static void
collect_parcels(void *context)
{
	struct worker *worker = context;
	union parcel parcel;
	size_t length;
	int fd;

	while ((length = fdpass_receive(worker->inheritance->inbox_fd,
	    &parcel, sizeof(parcel), &fd)) > 0)
		open_parcel(worker, &parcel, length, fd);
	/* What passers counted, or died before they sent, is here or lost. */
	atomic_store(&worker->roster->coming, 0);
}

/* The helper is as trusted as the segment: what it says is checked. */
static void
take_answer(struct worker *worker, struct answer *answer)
{
	const struct host_answer host = {
		.name = answer->text,
		.result = answer->result,
		.is_missing = answer->verdict == ANSWER_NO,
		.addresses = &answer->addresses,
	};

	answer->text[sizeof(answer->text) - 1] = '\0';
	if (answer->addresses.count > ADDRESSES_MOST)
		log_warning("an answer to what nobody asked: %u",
		    answer->question);
	else
		sessions_take_host(worker->sessions, answer->id, &host);
}

/* The helper counts to three as the sessions do. */
static void
take_login_answer(struct worker *worker, struct answer *answer)
{
	static const enum login_verdict verdicts[] = {
		[ANSWER_YES] = LOGIN_YES, [ANSWER_NO] = LOGIN_NO,
		[ANSWER_FAILED] = LOGIN_UNKNOWN,
	};
	const struct login_answer login = {
		.row = answer->id,
		.ticket = answer->ticket,
		.verdict = verdicts[answer->verdict <= ANSWER_FAILED ?
		    answer->verdict : ANSWER_FAILED],
		.text = answer->text,
	};

	answer->text[sizeof(answer->text) - 1] = '\0';
	sessions_take_login(worker->sessions, &login);
}

static void
take_answers(struct worker *worker)
{
	struct unread *unread;

	while ((unread = worker->unread) != NULL) {
		worker->unread = unread->next;
		if (worker->unread == NULL)
			worker->unread_end = &worker->unread;
		if (unread->answer.question == QUESTION_HOST)
			take_answer(worker, &unread->answer);
		else
			take_login_answer(worker, &unread->answer);
		memory_free(unread);
	}
}

static bool
ask_host(void *context, uint32_t host, const char *name)
{
	struct worker *worker = context;
	struct question question = { .kind = QUESTION_HOST,
	    .slot = worker->inheritance->slot, .id = host };

	snprintf(question.text, sizeof(question.text), "%s", name);
	return fdpass_send(worker->inheritance->helper_fd, &question,
	    question_length(&question), -1);
}

_Static_assert(AUTH_OUTSIDE_PASSWORD_BYTES ==
    sizeof(((struct login_matter *)0)->password), "a password fits");

/* What is too long to ask is cut, and is nobody's then: auth/ bounds it. */
static bool
ask_login(void *context, const struct login_question *wanted)
{
	static const enum question_kind kinds[] = {
		[LOGIN_QUESTION_PEER] = QUESTION_PEER,
		[LOGIN_QUESTION_PAM] = QUESTION_PAM,
		[LOGIN_QUESTION_LDAP] = QUESTION_LDAP,
	};
	struct worker *worker = context;
	struct question question = { .kind = kinds[wanted->kind],
	    .slot = worker->inheritance->slot, .id = wanted->row,
	    .ticket = wanted->ticket };
	struct login_matter *login = &question.login;
	bool sent;

	snprintf(question.text, sizeof(question.text), "%u", wanted->uid);
	snprintf(login->user, sizeof(login->user), "%s", wanted->user);
	snprintf(login->host, sizeof(login->host), "%s", wanted->host);
	snprintf(login->options, sizeof(login->options), "%s",
	    wanted->options);
	snprintf(login->password, sizeof(login->password), "%s",
	    wanted->password);
	sent = fdpass_send(worker->inheritance->helper_fd, &question,
	    question_length(&question), -1);
	memory_wipe(&question, sizeof(question));
	return sent;
}

static void
on_inbox(void *context, uint32_t events)
{
	collect_parcels(context);
}

static void
collect_mail(struct worker *worker)
{
	struct mail letters[LETTERS_AT_ONCE];
	unsigned count;

	while ((count = mailbox_collect(worker->segment,
	    worker->inheritance->slot, letters, LETTERS_AT_ONCE)) > 0)
		for (unsigned i = 0; i < count; i++)
			sessions_take_mail(worker->sessions, &letters[i]);
	if (UNLIKELY(atomic_exchange(&worker->roster->recheck, 0) != 0))
		sessions_recheck(worker->sessions);
}

/* The supervisor keeps one, for workers that come later; it goes first. */
static void
publish_server(void *context, uint32_t row, int fd)
{
	struct worker *worker = context;
	struct server_row *server = segment_server(worker->segment, row);
	struct inbox_message message = { .kind = INBOX_SERVER, .row = row,
	    .generation = atomic_load(&server->generation) };
	const int *outbox = worker->inheritance->outbox_fds;

	if (!fdpass_send(outbox[ROSTER_SLOTS], &message, sizeof(message), fd))
		log_warning("the supervisor's inbox is full");
	for (unsigned i = 0; i < segment_slots(worker->segment); i++) {
		/* Nobody reads a vacant one's; who moves in inherits. */
		if (i == worker->inheritance->slot || atomic_load(
		    &worker->segment->roster[i].phase) == ROSTER_VACANT)
			continue;
		if (fdpass_send(outbox[i], &message, sizeof(message), fd))
			atomic_fetch_or(&server->has_fd, UINT64_C(1) << i);
		else
			log_debug("the inbox of worker %u is full", i);
	}
}

/* --- orders -------------------------------------------------------------- */

static bool
send_order(void *context, const struct order *order)
{
	struct worker *worker = context;

	return fdpass_send(worker->inheritance->orders_fd, order,
	    sizeof(*order), -1);
}

/* A descriptor was sent with it, and there was no room for one more. */
static bool
is_lost(int fd, const char *what)
{
	if (fd == -1)
		log_error("%s from the supervisor: no descriptor is free, "
		    "keeping the old one", what);
	return fd == -1;
}

/* The supervisor has parsed the same bytes: this cannot fail. */
static void
adopt_config(struct worker *worker, const struct order *order, int fd)
{
	struct order done = { .kind = ORDER_DONE, .id = order->id };
	struct config *old = worker->config, *config;
	struct files *files;
	struct error error;

	files = files_unpack(fd, &error);
	close(fd);
	if (files == NULL) {
		log_error("configuration from the supervisor: %s", error.text);
		exit(1);
	}
	config = config_load(files, files_known(files, FILES_MAIN)->content,
	    &error);
	files_free(files);
	if (config == NULL) {
		log_error("configuration from the supervisor: %s", error.text);
		exit(1);
	}
	config_carry_over(old, config, false);
	worker->config = config;
	log_adjust(&(struct log_settings){ .verbose = (int)order->mode,
	    .format = config->log_format, .to_syslog = config->syslog != 0,
	    .syslog_ident = config->syslog_ident,
	    .syslog_facility = config->syslog_facility });
	desk_configure(worker->desk, config);
	sessions_configure(worker->sessions, config);
	config_free(old);
	if (!send_order(worker, &done))
		log_error("the supervisor does not listen");
}

static void
say_that_it_serves(struct worker *worker)
{
	struct order ready = { .kind = ORDER_READY };

	if (!send_order(worker, &ready))
		log_error("the supervisor does not listen");
}

static void
obey(struct worker *worker, const struct order *order, int fd)
{
	switch ((enum order_kind)order->kind) {
	case ORDER_CONFIG:
		if (!is_lost(fd, "configuration"))
			adopt_config(worker, order, fd);
		return;
	case ORDER_LOG_FILE:
		if (!order->ok || !is_lost(fd, "log file"))
			log_set_file(fd);
		return;
	case ORDER_CLOSE_LISTENERS:
		gate_close_tcp(worker->gate);
		return;
	case ORDER_RETIRE:
		gate_retire(worker->gate, order->mode != 0);
		if (order->mode == 0)
			say_that_it_serves(worker);
		return;
	case ORDER_ANSWER:
		desk_answer(worker->desk, order);
		return;
	default:
		log_warning("unknown order %u", order->kind);
		return;
	}
}

static void
on_orders(void *context, uint32_t events)
{
	struct worker *worker = context;
	struct order order;
	int fd;

	while (fdpass_receive(worker->inheritance->orders_fd, &order,
	    sizeof(order), &fd) == sizeof(order))
		obey(worker, &order, fd);
	if (events & (EPOLLHUP | EPOLLERR))
		exit(1);
}

static void
on_lifeline(void *context, uint32_t events)
{
	exit(1);	/* the supervisor is gone; init will start afresh */
}

/* Edge-triggered: each write is one event, and nobody needs to read it. */
static void
on_wake(void *context, uint32_t events)
{
}

/* --- a turn of the loop -------------------------------------------------- */

/*
 * The supervisor's SIGTERM is the end, but not in the middle of a turn: what
 * a client is being told, such as that SHUTDOWN is under way, goes out first.
 *
 * An init may send SIGTERM to all processes of a service at once.  Then the
 * supervisor waits for clients, and who serves them has to stay.
 */
static volatile sig_atomic_t was_told_to_end;

static void
note_the_end(int number)
{
	was_told_to_end = 1;
}

static void
expect_the_end(void)
{
	struct sigaction action = { .sa_handler = note_the_end };

	sigemptyset(&action.sa_mask);
	INVARIANT(sigaction(SIGTERM, &action, NULL) == 0);
}

/*
 * The note is taken away before the look: the supervisor writes first, then
 * sends, so that the signal it sends is either this one or still to come.
 */
static void
end_if_supervisor_says_so(const struct worker *worker)
{
	was_told_to_end = 0;
	if (atomic_load(&worker->segment->state->shutdown) == SHUTDOWN_NOW)
		_exit(0);
	log_debug("SIGTERM is not from the supervisor, going on");
}

/*
 * First says that it sleeps, then looks for mail a last time: see
 * mailbox_post().
 */
static int
before_sleep(void *context)
{
	struct worker *worker = context;
	usec_t left = worker->next_tick - loop_now(worker->loop);

	if (left <= 0 || was_told_to_end)
		return 0;
	atomic_store(&worker->roster->sleeping, 1);
	if (mailbox_has_mail(worker->segment, worker->inheritance->slot) ||
	    atomic_load(&worker->segment->state->epoch) != worker->epoch)
		return 0;
	return (int)(left / USEC_PER_MSEC) + 1;
}

/* The supervisor sees to what is left: servers at rest. */
static void
end_if_retired(struct worker *worker)
{
	if (atomic_load(&worker->roster->phase) != ROSTER_RETIRING)
		return;
	collect_parcels(worker);
	if (sessions_are_over(worker->sessions))
		exit(0);
}

static void
tick(struct worker *worker)
{
	usec_t now = loop_now(worker->loop);
	struct rusage used;

	worker->next_tick = now + TICK;
	atomic_store(&worker->roster->heartbeat, now);
	getrusage(RUSAGE_SELF, &used);
	atomic_store(&worker->roster->cpu, (uint64_t)(used.ru_utime.tv_sec +
	    used.ru_stime.tv_sec) * USEC_PER_SEC +
	    (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec));
	sessions_tick(worker->sessions);
	gate_tick(worker->gate);
	desk_tick(worker->desk);
	end_if_retired(worker);
}

/* The words of the segment hold for this worker from now on. */
static void
obey_segment(struct worker *worker)
{
	gate_suspend(worker->gate,
	    atomic_load(&worker->segment->state->suspended) != 0);
	sessions_on_order(worker->sessions);
}

static void
after_wake(void *context)
{
	struct worker *worker = context;
	uint32_t epoch = atomic_load(&worker->segment->state->epoch);

	if (UNLIKELY(was_told_to_end))
		end_if_supervisor_says_so(worker);
	atomic_store_explicit(&worker->roster->sleeping, 0,
	    memory_order_relaxed);
	if (UNLIKELY(epoch != worker->epoch)) {
		worker->epoch = epoch;
		obey_segment(worker);
	}
	collect_mail(worker);
	if (UNLIKELY(loop_now(worker->loop) >= worker->next_tick))
		tick(worker);
}

static void
end_of_turn(void *context)
{
	struct worker *worker = context;

	desk_check(worker->desk);
	if (UNLIKELY(worker->unread != NULL))
		take_answers(worker);
	sessions_end_of_turn(worker->sessions);
}

/* --- the beginning ------------------------------------------------------- */

static bool
may_enter_console(void *context, const char *user)
{
	const struct worker *worker = context;

	return desk_may_enter(worker->desk, user);
}

static void
greet_console(void *context, struct buffer *reply)
{
	if (!console_login_messages(reply))
		log_error("out of memory");
}

static void
on_console(void *context, struct client *client, uint8_t type,
    const uint8_t *body, size_t length)
{
	struct worker *worker = context;

	desk_take(worker->desk, client, type, body, length);
}

static void
on_console_gone(void *context, struct client *client)
{
	struct worker *worker = context;

	desk_forget(worker->desk, client);
}

static void
on_console_cancel(void *context, struct client *client)
{
	struct worker *worker = context;

	desk_cancel(worker->desk, client);
}

static struct sessions_owner owner = {
	.publish_server = publish_server,
	.collect_descriptors = collect_parcels,
	.may_enter_console = may_enter_console,
	.greet_console = greet_console,
	.on_console = on_console,
	.on_console_gone = on_console_gone,
	.ask_host = ask_host,
	.ask_login = ask_login,
	.on_console_cancel = on_console_cancel,
};

/*
 * What the slot's last worker held by the supervisor's copy; what is newer
 * comes by the inbox.
 */
static void
take_over_servers(struct worker *worker)
{
	const struct inheritance *in = worker->inheritance;
	uint32_t used = atomic_load(&worker->segment->state->servers_used);
	uint64_t bit = UINT64_C(1) << in->slot;

	for (uint32_t row = 0; row < used; row++) {
		struct server_row *server = &worker->segment->servers[row];

		atomic_fetch_and(&server->has_fd, ~bit);
		if (in->server_fds[row] != -1)
			sessions_receive_server(worker->sessions, row,
			    in->server_generations[row], in->server_fds[row]);
	}
	collect_parcels(worker);
	sessions_recheck(worker->sessions);
}

static bool
watch(struct worker *worker, struct watch *watch, int fd, uint32_t events,
    on_event *callback, struct error *error)
{
	if (loop_add(worker->loop, watch, fd, events, callback, worker))
		return true;
	return error_system(error, "could not watch a descriptor");
}

static bool
begin(struct worker *worker, struct error *error)
{
	const struct inheritance *in = worker->inheritance;
	struct loop_hooks hooks = { worker, before_sleep, after_wake,
	    end_of_turn };

	worker->loop = loop_create(&hooks, error);
	if (worker->loop == NULL)
		return false;
	owner.context = worker;
	worker->sessions = sessions_create(worker->segment, worker->config,
	    worker->loop, in->slot, &owner);
	worker->desk = desk_create(worker->segment, in->slot, worker->loop,
	    send_order, worker);
	desk_configure(worker->desk, worker->config);
	worker->gate = gate_open(in, worker->loop, worker->sessions, error);
	return worker->gate != NULL &&
	    watch(worker, &worker->orders, in->orders_fd, EPOLLIN, on_orders,
	    error) &&
	    watch(worker, &worker->inbox, in->inbox_fd, EPOLLIN, on_inbox,
	    error) &&
	    watch(worker, &worker->lifeline, in->lifeline_fd, EPOLLIN,
	    on_lifeline, error) &&
	    watch(worker, &worker->wake, worker->segment->wake_fds[in->slot],
	    EPOLLIN | EPOLLET, on_wake, error);
}

/*
 * A worker that wakes up does not push aside what runs: where processors are
 * scarce it finds more events each time it runs, and there are fewer switches
 * between processes.  Where a processor is free nothing changes.
 */
static void
be_patient(void)
{
	struct sched_param param = { 0 };

	if (sched_setscheduler(0, SCHED_BATCH, &param) == -1)
		log_debug("could not become a batch process: %s",
		    strerror(errno));
}

int
worker_run(const struct inheritance *inheritance)
{
	struct worker *worker = memory_get(sizeof(*worker));
	uint32_t phase = ROSTER_STARTING;
	struct error error;

	worker->inheritance = inheritance;
	worker->segment = inheritance->segment;
	worker->roster = &worker->segment->roster[inheritance->slot];
	worker->config = inheritance->config;
	worker->unread_end = &worker->unread;
	log_set_worker(inheritance->slot);
	be_patient();
	expect_the_end();
	if (!begin(worker, &error)) {
		log_error("worker %u: %s", inheritance->slot, error.text);
		return 1;
	}
	worker->epoch = atomic_load(&worker->segment->state->epoch);
	take_over_servers(worker);
	obey_segment(worker);
	/* It may have to retire before it has begun. */
	atomic_compare_exchange_strong(&worker->roster->phase, &phase,
	    ROSTER_SERVING);
	say_that_it_serves(worker);
	loop_run(worker->loop);
	return 0;
}
