#include "worker/desk.h"

#include "admin/console.h"
#include "base/clock.h"
#include "base/memory.h"
#include "session/login.h"

enum waits_for {
	WAITS_FOR_PAUSE,
	WAITS_FOR_RELOAD
};

struct waiting {
	struct waiting	*next;
	struct client	*client;
	enum waits_for	 what;
	uint32_t	 database;	/* PAUSE; NO_ROW: all */
	uint32_t	 id;		/* RELOAD: of the question */
};

struct desk {
	struct segment		*segment;
	const struct config	*config;
	uint32_t		 worker;
	desk_ask		*ask;
	void			*context;
	struct waiting		*waiting;
	uint32_t		 next_id;
};

struct desk *
desk_create(struct segment *segment, uint32_t worker, desk_ask *ask,
    void *context)
{
	struct desk *desk = memory_get(sizeof(*desk));

	desk->segment = segment;
	desk->worker = worker;
	desk->ask = ask;
	desk->context = context;
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

static struct waiting *
let_wait(struct desk *desk, struct client *client, enum waits_for what)
{
	struct waiting *waiting = memory_get(sizeof(*waiting));

	waiting->client = client;
	waiting->what = what;
	waiting->id = ++desk->next_id;
	waiting->next = desk->waiting;
	desk->waiting = waiting;
	client->console_waits = true;
	client_pause_reading(client);
	return waiting;
}

static void
ask_reload(struct desk *desk, struct client *client)
{
	struct waiting *waiting = let_wait(desk, client, WAITS_FOR_RELOAD);
	struct order order = { .kind = ORDER_ASK_RELOAD, .id = waiting->id };

	if (!desk->ask(desk->context, &order))
		client_close(client, "supervisor does not answer");
}

static void
ask_shutdown(struct desk *desk, const struct console_order *wanted)
{
	struct order order = { .kind = ORDER_ASK_SHUTDOWN,
	    .mode = wanted->mode };

	if (!desk->ask(desk->context, &order))
		log_error("the supervisor did not take SHUTDOWN");
}

void
desk_take(struct desk *desk, struct client *client, uint8_t type,
    const uint8_t *body, size_t length)
{
	struct console_env env = environment(desk, client);
	struct console_message message = { type, body, length };
	struct console_order order = { .database = NO_ROW };
	struct buffer reply = { 0 };
	enum console_outcome outcome = console_message(&env, &message, &reply,
	    &order);

	/* What is answered has been ordered, even if this worker dies now. */
	if (outcome == CONSOLE_ASK_SHUTDOWN)
		ask_shutdown(desk, &order);
	if (buffer_length(&reply) > 0 && !send_reply(client, &reply))
		return;
	switch (outcome) {
	case CONSOLE_DONE:
	case CONSOLE_ASK_SHUTDOWN:
		return;
	case CONSOLE_WAIT_PAUSE:
		let_wait(desk, client, WAITS_FOR_PAUSE)->database =
		    order.database;
		return;
	case CONSOLE_ASK_RELOAD:
		ask_reload(desk, client);
		return;
	case CONSOLE_CLOSE:
		client_close(client, "client close request");
		return;
	}
}

void
desk_forget(struct desk *desk, const struct client *client)
{
	struct waiting **at = &desk->waiting, *gone;

	while (*at != NULL) {
		if ((*at)->client == client) {
			gone = *at;
			*at = gone->next;
			memory_free(gone);
		} else {
			at = &(*at)->next;
		}
	}
}

/* The session is answered and goes on with what it sent meanwhile. */
static void
end_wait(struct desk *desk, struct client *client, struct buffer *reply)
{
	desk_forget(desk, client);
	if (send_reply(client, reply))
		client_console_continue(client);
}

static bool
check_pause(struct desk *desk, const struct waiting *waiting)
{
	struct console_env env = environment(desk, waiting->client);
	struct buffer reply = { 0 };
	bool made;

	if (console_pause_done(&env, waiting->database))
		made = console_finish("PAUSE", &reply);
	else if (console_pause_lifted(&env, waiting->database))
		made = console_fail(&env, SQLSTATE_OF_POOLER,
		    "pause was ended by RESUME", NULL, &reply);
	else
		return false;
	if (made)
		end_wait(desk, waiting->client, &reply);
	else
		client_close(waiting->client, "out of memory");
	return true;
}

void
desk_check(struct desk *desk)
{
	struct waiting *waiting, *next;
	bool pauses = false;

	if (LIKELY(desk->waiting == NULL &&
	    !(atomic_load(&desk->segment->state->watchers) >> desk->worker &
	    1)))
		return;
	for (waiting = desk->waiting; waiting != NULL; waiting = next) {
		next = waiting->next;
		if (waiting->what != WAITS_FOR_PAUSE)
			continue;
		if (check_pause(desk, waiting))
			return;		/* the list may be another one now */
		pauses = true;
	}
	if (!pauses)
		atomic_fetch_and(&desk->segment->state->watchers,
		    ~(UINT64_C(1) << desk->worker));
}

void
desk_answer(struct desk *desk, const struct order *answer)
{
	struct waiting *waiting = desk->waiting;
	struct console_env env;
	struct buffer reply = { 0 };
	bool made;

	while (waiting != NULL && (waiting->what != WAITS_FOR_RELOAD ||
	    waiting->id != answer->id))
		waiting = waiting->next;
	if (waiting == NULL)
		return;			/* it did not wait for the answer */
	env = environment(desk, waiting->client);
	if (answer->ok)
		made = console_finish("RELOAD", &reply);
	else
		made = console_fail(&env, "F0000", CONSOLE_RELOAD_FAILED,
		    answer->text, &reply);
	if (made)
		end_wait(desk, waiting->client, &reply);
	else
		client_close(waiting->client, "out of memory");
}
