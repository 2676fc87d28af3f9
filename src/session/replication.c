#include "session/replication.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/invariant.h"
#include "session/login.h"
#include "session/login_at_server.h"
#include "session/server.h"

/*
 * While the client is in phase WELCOME; afterwards `server` is NULL and
 * client->server says it.
 */
struct replication {
	char		*value;		/* as the client wrote it */
	char		*options;	/* NULL: none */
	struct server	*server;	/* being opened for it */
};

enum replication_kind
replication_kind_of(const char *value)
{
	static const char *const yes[] = { "true", "on", "yes", "1" };

	if (strcasecmp(value, "database") == 0)
		return REPLICATION_LOGICAL;
	for (size_t i = 0; i < ARRAY_LENGTH(yes); i++)
		if (strcasecmp(value, yes[i]) == 0)
			return REPLICATION_PHYSICAL;
	return REPLICATION_NONE;
}

bool
replication_request(struct client *client, const char *value)
{
	struct replication *replication = calloc(1, sizeof(*replication));

	if (replication == NULL)
		return false;
	INVARIANT(client->replication == NULL);
	client->replication = replication;
	client_row(client)->replicated = replication_kind_of(value);
	replication->value = strdup(value);
	return replication->value != NULL;
}

bool
replication_keep_options(struct client *client, const char *options)
{
	struct replication *replication = client->replication;

	free(replication->options);
	replication->options = strdup(options);
	return replication->options != NULL;
}

/* --- a server of its own ------------------------------------------------- */

static void
open_server(struct client *client)
{
	struct sessions *sessions = client->sessions;
	struct pool_caller caller = sessions_caller(sessions);
	struct pool_view *view = client->view;
	uint32_t row;
	bool full;

	if (view->database == NULL)
		return;
	row = pool_open_own(&caller, view->pool, &view->policy, &full);
	if (row != NO_ROW) {
		/* Tells the client if it fails, at once or later. */
		(void)!login_at_server_begin(sessions, view, row, client);
		return;
	}
	if (full)
		row = pool_close_longest_idle(&caller, view->pool);
	if (row != NO_ROW)
		server_leave(sessions, row, "evicted");
}

void
replication_begin(struct client *client)
{
	client_enter(client, CLIENT_WELCOME);
	client_row(client)->wait_since = loop_now(client->sessions->loop);
	open_server(client);
}

void
replication_tick(struct client *client)
{
	if (client->replication->server == NULL)
		open_server(client);
}

void
replication_own(struct client *client, struct server *server)
{
	client->replication->server = server;
}

void
replication_write_startup(const struct client *client, struct writer *writer)
{
	const struct replication *replication = client->replication;

	write_startup_parameter(writer, "replication", replication->value);
	if (replication->options != NULL)
		write_startup_parameter(writer, "options",
		    replication->options);
	login_write_given(client, writer);
}

void
replication_ready(struct server *server, const uint8_t *welcome,
    uint32_t length)
{
	struct client *client = server->replicates;
	struct pool_caller caller = sessions_caller(server->sessions);

	INVARIANT(client_phase(client) == CLIENT_WELCOME &&
	    client->replication->server == server);
	client->replication->server = NULL;
	server_row(server)->replicated = client_row(client)->replicated;
	pool_keep_opened(&caller, server->row, client->row);
	server_keep_for_session(server, client);
	login_let_in(client, welcome, length);
}

void
replication_lose_server(struct server *server)
{
	struct client *client = server->replicates;

	server->replicates = NULL;
	if (client != NULL && client->replication != NULL &&
	    client->replication->server == server)
		client->replication->server = NULL;
}

void
replication_end(struct client *client)
{
	struct replication *replication = client->replication;
	struct server *server;

	if (replication == NULL)
		return;
	server = replication->server;
	if (server != NULL) {
		replication_lose_server(server);
		server_close(server, "replication client was closed");
	}
	client->replication = NULL;
	free(replication->value);
	free(replication->options);
	free(replication);
}
