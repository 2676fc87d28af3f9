#include "worker/desk.h"

#include <stdio.h>
#include <string.h>

#include "admin/console.h"
#include "admin/sql.h"
#include "admin/visit.h"
#include "base/clock.h"
#include "base/memory.h"
#include "session/login.h"
#include "worker/long_query.h"

enum waits_for {
	WAITS_FOR_WORKERS,	/* console_look() tells */
	WAITS_FOR_CHILD,	/* a query that takes long */
	WAITS_FOR_RELOAD,	/* the supervisor tells, as of SET */
	WAITS_FOR_SET
};

struct waiting {
	struct waiting	*next;
	struct client	*client;
	enum waits_for	 what;
	struct console_wait wait;	/* WORKERS */
	uint32_t	 id;		/* else: of the question */
	char		 tag[CONSOLE_TAG_BYTES];
	size_t		 rest_length;	/* statements behind this one */
	char		 rest[];
};

/* What a session has prepared. */
struct guest {
	struct guest		*next;
	const struct client	*client;
	struct visit		*visit;
};

struct desk {
	struct segment		*segment;
	const struct config	*config;
	uint32_t		 worker;
	desk_ask		*ask;
	void			*context;
	struct waiting		*waiting;
	uint32_t		 next_id;
	struct guest		*guests;
	struct sql		*sql;		/* made when first wanted */
	struct long_queries	*long_queries;
};

static on_long_query on_result;

struct desk *
desk_create(struct segment *segment, uint32_t worker, struct loop *loop,
    desk_ask *ask, void *context)
{
	struct desk *desk = memory_get(sizeof(*desk));

	desk->segment = segment;
	desk->worker = worker;
	desk->ask = ask;
	desk->context = context;
	desk->long_queries = long_queries_create(loop, on_result, desk);
	return desk;
}

void
desk_configure(struct desk *desk, const struct config *config)
{
	desk->config = config;
}

bool
desk_may_enter(const struct desk *desk, const char *user)
{
	return console_access(desk->config, user) != CONSOLE_NONE;
}

static struct visit *
visit_of(const struct desk *desk, const struct client *client)
{
	const struct guest *guest = desk->guests;

	while (guest != NULL && guest->client != client)
		guest = guest->next;
	return guest == NULL ? NULL : guest->visit;
}

static struct console_env
environment(const struct desk *desk, const struct client *client)
{
	enum console_access access = client->own_uid_console ? CONSOLE_ADMIN :
	    console_access(desk->config, login_user(client));

	return (struct console_env){
		.segment = desk->segment,
		.config = desk->config,
		.worker = desk->worker,
		.client_row = client->row,
		.is_admin = access == CONSOLE_ADMIN,
		.is_stats = access == CONSOLE_STATS,
		.now = clock_now(),
		.listen_port = desk->config->listen_port,
		.user = login_user(client),
		.sql = desk->sql,
		.detach = long_queries_detach(desk->long_queries),
		.visit = visit_of(desk, client),
	};
}

static bool
send_reply(struct client *client, struct buffer *reply)
{
	bool sent = client_send(client, buffer_front(reply),
	    buffer_length(reply));

	buffer_clear(reply);
	return sent;
}

/* A session that waits has one row of this; it is not read meanwhile. */
static struct waiting *
let_wait(struct desk *desk, struct client *client, enum waits_for what,
    const struct console_order *order)
{
	struct waiting *waiting = memory_get(sizeof(*waiting) +
	    order->rest_length);

	waiting->client = client;
	waiting->what = what;
	waiting->wait = order->wait;
	waiting->id = ++desk->next_id;
	memcpy(waiting->tag, order->tag, sizeof(waiting->tag));
	waiting->rest_length = order->rest_length;
	if (order->rest_length > 0)
		memcpy(waiting->rest, order->rest, order->rest_length);
	waiting->next = desk->waiting;
	desk->waiting = waiting;
	client->console_waits = true;
	client_pause_reading(client);
	return waiting;
}

static void
ask(struct desk *desk, struct client *client, const struct order *order)
{
	if (!desk->ask(desk->context, order))
		client_close(client, "supervisor does not answer");
}

static void
ask_reload(struct desk *desk, struct client *client,
    const struct console_order *wanted)
{
	struct order order = { .kind = ORDER_ASK_RELOAD,
	    .id = let_wait(desk, client, WAITS_FOR_RELOAD, wanted)->id };

	ask(desk, client, &order);
}

static enum set_mode
set_mode_of(enum console_setting_mode mode)
{
	switch (mode) {
	case CONSOLE_SET_DEFAULT:
		return SET_DEFAULT;
	case CONSOLE_SET_ALL_DEFAULT:
		return SET_ALL_DEFAULT;
	default:
		return SET_VALUE;
	}
}

_Static_assert(CONSOLE_KEY_BYTES + CONSOLE_VALUE_BYTES <=
    sizeof(((struct order *)0)->text), "a setting fits an order");

static void
ask_set(struct desk *desk, struct client *client,
    const struct console_order *wanted)
{
	struct order order = { .kind = ORDER_ASK_SET,
	    .mode = set_mode_of(wanted->setting),
	    .id = let_wait(desk, client, WAITS_FOR_SET, wanted)->id };

	strcpy(order.text, wanted->key);
	strcpy(order.text + strlen(wanted->key) + 1, wanted->value);
	ask(desk, client, &order);
}

static void
ask_shutdown(struct desk *desk, const struct console_order *wanted)
{
	struct order order = { .kind = ORDER_ASK_SHUTDOWN,
	    .mode = wanted->mode };

	if (!desk->ask(desk->context, &order))
		log_error("the supervisor did not take SHUTDOWN");
}

/* True: the session goes on with what is behind the statement. */
static bool
act(struct desk *desk, struct client *client, enum console_outcome outcome,
    const struct console_order *order)
{
	switch (outcome) {
	case CONSOLE_DONE:
		return false;
	case CONSOLE_WAIT:
		let_wait(desk, client, WAITS_FOR_WORKERS, order);
		return false;
	case CONSOLE_RUNS:
		let_wait(desk, client, WAITS_FOR_CHILD, order);
		long_queries_assign(desk->long_queries, client);
		client_watch_for_end(client);
		return false;
	case CONSOLE_ASK_RELOAD:
		ask_reload(desk, client, order);
		return false;
	case CONSOLE_ASK_SET:
		ask_set(desk, client, order);
		return false;
	case CONSOLE_ASK_SHUTDOWN:
		return order->mode != SHUTDOWN_NOW;
	case CONSOLE_CLOSE:
		client_close(client, "client close request");
		return false;
	}
	return false;
}

/* The text that the order points into lives until this returns. */
static void
deal_with(struct desk *desk, struct client *client,
    enum console_outcome outcome, struct console_order *order,
    struct buffer *reply)
{
	for (;;) {
		struct console_done done = { .tag = NULL };
		struct console_env env;

		/* What is answered has been ordered, even if we die now. */
		if (outcome == CONSOLE_ASK_SHUTDOWN)
			ask_shutdown(desk, order);
		if (buffer_length(reply) > 0 && !send_reply(client, reply)) {
			if (outcome == CONSOLE_RUNS)
				long_queries_end(desk->long_queries, NULL);
			return;
		}
		if (!act(desk, client, outcome, order))
			return;
		env = environment(desk, client);
		done.rest = order->rest;
		done.rest_length = order->rest_length;
		outcome = console_continue(&env, &done, reply, order);
	}
}

/* Most who ever come want it; who has no memory for it gets no SELECT. */
static void
receive(struct desk *desk, const struct client *client)
{
	struct guest *guest;

	if (desk->sql == NULL)
		desk->sql = sql_create();
	if (visit_of(desk, client) != NULL)
		return;
	guest = memory_get(sizeof(*guest));
	guest->client = client;
	guest->visit = visit_create();
	guest->next = desk->guests;
	desk->guests = guest;
}

static void
dismiss(struct desk *desk, const struct client *client)
{
	struct guest **at = &desk->guests;

	while (*at != NULL && (*at)->client != client)
		at = &(*at)->next;
	if (*at != NULL) {
		struct guest *guest = *at;

		*at = guest->next;
		visit_destroy(guest->visit);
		memory_free(guest);
	}
}

void
desk_take(struct desk *desk, struct client *client, uint8_t type,
    const uint8_t *body, size_t length)
{
	struct console_message message = { type, body, length };
	struct console_order order;
	struct buffer reply = { 0 };
	enum console_outcome outcome;
	struct console_env env;

	receive(desk, client);
	env = environment(desk, client);
	outcome = console_message(&env, &message, &reply, &order);
	deal_with(desk, client, outcome, &order, &reply);
}

/* NULL: it does not wait. Whoever takes it frees it. */
static struct waiting *
take_waiting(struct desk *desk, const struct client *client)
{
	struct waiting **at = &desk->waiting, *found;

	while (*at != NULL && (*at)->client != client)
		at = &(*at)->next;
	found = *at;
	if (found != NULL)
		*at = found->next;
	return found;
}

void
desk_forget(struct desk *desk, const struct client *client)
{
	struct console_env env = environment(desk, client);

	long_queries_end(desk->long_queries, client);
	dismiss(desk, client);
	memory_free(take_waiting(desk, client));
	console_look_for_suspender(&env, client_row(client)->id);
}

void
desk_tick(struct desk *desk)
{
	struct console_env env = { .segment = desk->segment,
	    .config = desk->config, .worker = desk->worker,
	    .client_row = NO_ROW };

	long_queries_tick(desk->long_queries);
	if (UNLIKELY(atomic_load(&desk->segment->state->suspended) != 0))
		console_look_for_suspender(&env, 0);
}

/*
 * What it waited for is done: its tag or result, then what is behind it,
 * which may have to wait as well; then what else it has sent meanwhile.
 */
static void
go_on(struct desk *desk, struct client *client, struct console_done *done)
{
	struct console_env env = environment(desk, client);
	struct waiting *waiting = take_waiting(desk, client);
	struct console_order order;
	struct buffer reply = { 0 };
	enum console_outcome outcome;

	done->tag = done->has_result ? NULL : waiting->tag;
	done->rest = waiting->rest;
	done->rest_length = waiting->rest_length;
	outcome = console_continue(&env, done, &reply, &order);
	client->console_waits = false;
	deal_with(desk, client, outcome, &order, &reply);
	memory_free(waiting);
	if (client_phase(client) == CLIENT_CONSOLE && !client->console_waits)
		client_console_continue(client);
}

static void
end_wait(struct desk *desk, struct client *client, const char *notice)
{
	struct console_done done = { .notice = notice };

	go_on(desk, client, &done);
}

static void
on_result(void *context, struct client *client, const uint8_t *bytes,
    size_t length)
{
	struct console_done done = { .has_result = true, .result = bytes,
	    .result_length = length };

	go_on(context, client, &done);
}

/* It failed, and what is behind it is not run. */
static void
fail_wait(struct desk *desk, struct client *client, const char *sqlstate,
    const char *text, const char *detail)
{
	struct console_env env = environment(desk, client);
	struct buffer reply = { 0 };

	memory_free(take_waiting(desk, client));
	if (!console_fail(&env, sqlstate, text, detail, &reply)) {
		client_close(client, "out of memory");
		return;
	}
	client->console_waits = false;
	if (send_reply(client, &reply))
		client_console_continue(client);
}

/* True: it is answered, and the list may be another one now. */
static bool
check(struct desk *desk, const struct waiting *waiting)
{
	struct console_env env = environment(desk, waiting->client);

	switch (console_look(&env, &waiting->wait)) {
	case CONSOLE_FULFILLED:
		end_wait(desk, waiting->client, NULL);
		return true;
	case CONSOLE_LIFTED:
		fail_wait(desk, waiting->client, SQLSTATE_OF_POOLER,
		    CONSOLE_PAUSE_LIFTED, NULL);
		return true;
	default:
		return false;
	}
}

/* True: somebody was answered; *left_out: others wait on. */
static bool
check_one(struct desk *desk, bool *left_out)
{
	struct waiting *waiting;

	*left_out = false;
	for (waiting = desk->waiting; waiting != NULL;
	    waiting = waiting->next) {
		if (waiting->what != WAITS_FOR_WORKERS)
			continue;
		if (check(desk, waiting))
			return true;
		*left_out = true;
	}
	return false;
}

void
desk_check(struct desk *desk)
{
	_Atomic uint64_t *watchers = &desk->segment->state->watchers;
	bool left = false;

	if (LIKELY(desk->waiting == NULL &&
	    !(atomic_load(watchers) >> desk->worker & 1)))
		return;
	while (check_one(desk, &left))
		continue;
	if (!left)
		atomic_fetch_and(watchers, ~(UINT64_C(1) << desk->worker));
}

void
desk_cancel(struct desk *desk, struct client *client)
{
	struct console_env env = environment(desk, client);
	struct waiting *waiting = desk->waiting;

	while (waiting != NULL && waiting->client != client)
		waiting = waiting->next;
	if (waiting != NULL && waiting->what == WAITS_FOR_CHILD) {
		long_queries_end(desk->long_queries, client);
		fail_wait(desk, client, SQLSTATE_CANCELED, CONSOLE_CANCELED,
		    NULL);
		return;
	}
	/* What the supervisor was asked for cannot be called back. */
	if (waiting != NULL && waiting->what != WAITS_FOR_WORKERS)
		return;
	if (console_cancel(&env, waiting == NULL ? NULL : &waiting->wait))
		fail_wait(desk, client, SQLSTATE_CANCELED, CONSOLE_CANCELED,
		    NULL);
}

void
desk_answer(struct desk *desk, const struct order *answer)
{
	struct waiting *waiting = desk->waiting;
	char text[sizeof(answer->text)];

	while (waiting != NULL && (waiting->what == WAITS_FOR_WORKERS ||
	    waiting->what == WAITS_FOR_CHILD || waiting->id != answer->id))
		waiting = waiting->next;
	if (waiting == NULL)
		return;			/* it did not wait for the answer */
	snprintf(text, sizeof(text), "%.*s", (int)sizeof(text) - 1,
	    answer->text);
	if (answer->ok)
		end_wait(desk, waiting->client, text);
	else if (waiting->what == WAITS_FOR_RELOAD)
		fail_wait(desk, waiting->client, "F0000",
		    CONSOLE_RELOAD_FAILED, text);
	else
		fail_wait(desk, waiting->client, SQLSTATE_OF_POOLER,
		    CONSOLE_SET_FAILED, text);
}
