#include "session/drain.h"

#include "session/relay.h"
#include "session/server.h"

/* What PostgreSQL says when it is shut down: drivers know both. */
#define SQLSTATE "57P01"
#define FAREWELL "terminating connection due to administrator command"

static bool
is_shutting_down(const struct sessions *sessions)
{
	return atomic_load(&sessions->segment->state->shutdown) !=
	    SHUTDOWN_NONE;
}

/* When the pooler began to shut down, or this worker to retire. */
static usec_t
began_at(const struct sessions *sessions)
{
	const struct segment *segment = sessions->segment;

	if (is_shutting_down(sessions))
		return atomic_load(&segment->state->shutdown_at);
	return atomic_load(&segment->roster[sessions->worker].retired_at);
}

static bool
is_time(const struct sessions *sessions)
{
	usec_t limit = sessions->config->drain_timeout;
	usec_t began = began_at(sessions);

	return limit > 0 && began != 0 &&
	    loop_now(sessions->loop) - began >= limit;
}

/* Has it taken all that it was told? A result must not be cut off either. */
static bool
has_read_all(const struct client *client)
{
	return !client_is_behind(client);
}

static bool
may_go(const struct client *client)
{
	const struct sessions *sessions = client->sessions;

	switch (client_phase(client)) {
	case CLIENT_AUTH:
	case CLIENT_WELCOME:
		return is_shutting_down(sessions);
	case CLIENT_IDLE:
		return has_read_all(client);
	case CLIENT_WAITING:
		/* RESUME is refused by now: it would wait for ever. */
		return is_shutting_down(sessions) &&
		    atomic_load(&sessions->segment->state->paused) != 0;
	case CLIENT_LINKED:
		return client->server != NULL && has_read_all(client) &&
		    client->header_length == 0 &&
		    relay_is_at_rest(client->server);
	case CLIENT_CONSOLE:
		/* A shutdown leaves the console open to its end. */
		return !is_shutting_down(sessions) && has_read_all(client) &&
		    !client->console_waits;
	default:
		return false;
	}
}

void
drain_look_at(struct client *client)
{
	if (client->sessions->sends_home && may_go(client))
		client_fail(client, SQLSTATE, FAREWELL);
}

void
drain_tick(struct sessions *sessions)
{
	uint32_t used = atomic_load(&sessions->segment->state->clients_used);

	sessions->sends_home = is_time(sessions);
	if (!sessions->sends_home)
		return;
	for (uint32_t row = 0; row < used; row++)
		if (sessions->clients[row] != NULL)
			drain_look_at(sessions->clients[row]);
}
