/*
 * SHOW CLIENTS, SHOW SERVERS, SHOW SOCKETS, SHOW ACTIVE_SOCKETS, SHOW FDS:
 * one line for each connection.
 *
 * All but the last have the same first 21 columns and are made in the same way:
 * rows become lines, lines are sorted by pool and state, lines are shown.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/census.h"
#include "admin/show.h"
#include "base/clock.h"

static const struct report_column columns[] = {
	{ "type", REPORT_TEXT },
	{ "user", REPORT_TEXT },
	{ "database", REPORT_TEXT },
	{ "replication", REPORT_TEXT },
	{ "state", REPORT_TEXT },
	{ "addr", REPORT_TEXT },
	{ "port", REPORT_INT },
	{ "local_addr", REPORT_TEXT },
	{ "local_port", REPORT_INT },
	{ "connect_time", REPORT_TIME },
	{ "request_time", REPORT_TIME },
	{ "wait", REPORT_INT },
	{ "wait_us", REPORT_INT },
	{ "close_needed", REPORT_INT },
	{ "ptr", REPORT_TEXT },
	{ "link", REPORT_TEXT },
	{ "remote_pid", REPORT_INT },
	{ "tls", REPORT_TEXT },
	{ "application_name", REPORT_TEXT },
	{ "prepared_statements", REPORT_INT },
	{ "id", REPORT_INT },
	/* SHOW SOCKETS only */
	{ "recv_pos", REPORT_INT },
	{ "pkt_pos", REPORT_INT },
	{ "pkt_remain", REPORT_INT },
	{ "send_pos", REPORT_INT },
	{ "send_remain", REPORT_INT },
	{ "pkt_avail", REPORT_INT },
	{ "send_avail", REPORT_INT },
};
#define CONNECTION_COLUMNS 21
#define SOCKET_COLUMNS ARRAY_LENGTH(columns)

/* What each state is called, and in SHOW SOCKETS; NULL: not listed there. */
struct state_names {
	const char	*name, *socket_name;
};

static const struct state_names client_states[CLIENT_STATES] = {
	[CLIENT_STATE_ACTIVE] = { "active", "cl_active" },
	[CLIENT_STATE_IDLE] = { "idle", "cl_active" },
	[CLIENT_STATE_WAITING] = { "waiting", "cl_waiting" },
	[CLIENT_STATE_ACTIVE_CANCEL] = { "active_cancel_req", NULL },
	[CLIENT_STATE_WAITING_CANCEL] = { "waiting_cancel_req", NULL },
	[CLIENT_STATE_LOGIN] = { NULL, "cl_login" },
};

static const struct state_names server_states[SERVER_STATES] = {
	[SERVER_STATE_ACTIVE] = { "active", "sv_active" },
	[SERVER_STATE_IDLE] = { "idle", "sv_idle" },
	[SERVER_STATE_USED] = { "used", "sv_used" },
	[SERVER_STATE_TESTED] = { "tested", "sv_tested" },
	[SERVER_STATE_NEW] = { "new", "sv_login" },
	[SERVER_STATE_ACTIVE_CANCEL] = { "active_cancel", NULL },
	[SERVER_STATE_BEING_CANCELED] = { "being_canceled", NULL },
	[SERVER_STATE_CLOSING] = { NULL, NULL },
};

struct line {
	uint32_t	 place, state, row;	/* the order of lines */
	const char	*type, *user, *database, *state_name;
	struct address	 remote, local;
	usec_t		 connect_at, request_at, query_at;
	uint32_t	 close_needed, remote_pid, id, prepared,
			 replication;
	uint64_t	 pointer, link;		/* link 0: none */
	char		 application_name[64];
	char		 tls[96];
};

struct lines {
	struct line	*list;
	size_t		 count;
	bool		 of_sockets;
	struct census	 census;	/* lists the pools, counts nobody */
};

/* --- rows to lines ------------------------------------------------------- */

static const char *
state_name(const struct lines *lines, const struct state_names *names)
{
	return lines->of_sockets ? names->socket_name : names->name;
}

static const char *
user_of_client(struct segment *segment, const struct lines *lines,
    const struct client_row *client, uint32_t place)
{
	const char *user = row_user_name(segment, client->user);

	if (user == NULL && place != CENSUS_NOWHERE)
		user = lines->census.pools[place].user;
	return user == NULL ? "(nouser)" : user;
}

static void
add_client(struct lines *lines, struct segment *segment, uint32_t row,
    const struct client_row *client)
{
	enum client_state state = client_state_of(client);
	uint32_t place = census_place_of_client(&lines->census, client);
	const char *name = state == CLIENT_STATE_NONE ? NULL :
	    state_name(lines, &client_states[state]);
	struct line *line = &lines->list[lines->count];

	if (name == NULL ||
	    (place == CENSUS_NOWHERE && state != CLIENT_STATE_LOGIN))
		return;
	*line = (struct line){ .place = place, .state = state, .row = row,
	    .type = "C", .state_name = name,
	    .user = user_of_client(segment, lines, client, place),
	    .database = place == CENSUS_NOWHERE ? "(nodb)" :
		lines->census.pools[place].database,
	    .remote = client->remote, .local = client->local,
	    .connect_at = client->connect_at,
	    .request_at = client->request_at, .query_at = client->query_at,
	    .close_needed = client->close_needed,
	    .prepared = client->prepared,
	    .replication = client->replicated,
	    .remote_pid = client->remote_pid, .id = client->id,
	    .pointer = clients_handle(segment, row),
	    .link = client_partner(segment, client) };
	memcpy(line->application_name, client->application_name,
	    sizeof(line->application_name));
	memcpy(line->tls, client->tls, sizeof(line->tls));
	lines->count++;
}

static void
add_server(struct lines *lines, const struct console_env *env, uint32_t row,
    const struct server_row *server)
{
	enum server_state state = server_state_of(server, env->config,
	    env->now);
	uint32_t place = census_place_of_server(&lines->census, server);
	const char *name = state == SERVER_STATE_NONE ? NULL :
	    state_name(lines, &server_states[state]);
	struct line *line;

	if (name == NULL || place == CENSUS_NOWHERE)
		return;
	line = &lines->list[lines->count++];
	*line = (struct line){ .place = place,
	    .state = state, .row = row, .type = "S", .state_name = name,
	    .user = lines->census.pools[place].user,
	    .database = lines->census.pools[place].database,
	    .remote = server->remote, .local = server->local,
	    .connect_at = server->connected_at,
	    .request_at = server->request_at,
	    .close_needed = server->close_needed,
	    .prepared = env->segment->statements[row].count,
	    .replication = server->replicated,
	    .remote_pid = server->backend_pid, .id = server->id,
	    .pointer = servers_handle(env->segment, row),
	    .link = server_partner(env->segment, server) };
	memcpy(line->application_name, server->application_name,
	    sizeof(line->application_name));
	memcpy(line->tls, server->tls, sizeof(line->tls));
}

static int
compare_words(uint32_t left, uint32_t right)
{
	return (left > right) - (left < right);
}

/* By pool, then state, then row; who has no pool yet comes last. */
static int
compare_lines(const void *left, const void *right)
{
	const struct line *a = left, *b = right;
	int order = compare_words(a->place, b->place);

	if (order == 0)
		order = compare_words(a->state, b->state);
	return order != 0 ? order : compare_words(a->row, b->row);
}

static bool
lines_begin(struct lines *lines, const struct console_env *env,
    bool of_sockets, size_t most)
{
	lines->count = 0;
	lines->of_sockets = of_sockets;
	if (!census_list(env, &lines->census))
		return false;
	lines->list = calloc(most + 1, sizeof(*lines->list));
	if (lines->list == NULL) {
		census_free(&lines->census);
		return false;
	}
	return true;
}

static void
lines_free(struct lines *lines)
{
	free(lines->list);
	census_free(&lines->census);
}

static void
collect_clients(struct lines *lines, const struct console_env *env,
    uint32_t used)
{
	struct client_row client;

	for (uint32_t row = 0; row < used; row++)
		if (client_copy(env->segment, row, &client))
			add_client(lines, env->segment, row, &client);
	qsort(lines->list, lines->count, sizeof(*lines->list),
	    compare_lines);
}

static void
collect_servers(struct lines *lines, const struct console_env *env,
    uint32_t used)
{
	struct server_row server;

	for (uint32_t row = 0; row < used; row++)
		if (server_copy(env->segment, row, &server))
			add_server(lines, env, row, &server);
	qsort(lines->list, lines->count, sizeof(*lines->list),
	    compare_lines);
}

/* --- lines to cells ------------------------------------------------------ */

static void
show_address(struct report *report, const struct address *address)
{
	char text[ADDRESS_TEXT_BYTES];

	address_format_host(address, text, sizeof(text));
	report_text(report, text);
	report_int(report, address->port);
}

static void
show_moment(struct report *report, usec_t moment)
{
	char text[64];

	clock_format(moment, text, sizeof(text));
	report_text(report, text);
}

static void
show_pointer(struct report *report, uint64_t pointer)
{
	char text[24] = "";

	if (pointer != 0)
		snprintf(text, sizeof(text), "0x%" PRIx64, pointer);
	report_text(report, text);
}

static void
show_times(struct report *report, const struct line *line, usec_t now)
{
	usec_t wait = line->query_at == 0 || now < line->query_at ? 0 :
	    now - line->query_at;

	show_moment(report, line->connect_at);
	show_moment(report, line->request_at == 0 ? line->connect_at :
	    line->request_at);
	report_int(report, (int32_t)(wait / USEC_PER_SEC));
	report_int(report, (int32_t)(wait % USEC_PER_SEC));
}

static void
show_line(struct report *report, const struct line *line, usec_t now)
{
	static const char *const kinds[] = { "none", "logical", "physical" };

	report_text(report, line->type);
	report_text(report, line->user);
	report_text(report, line->database);
	report_text(report, kinds[line->replication <= REPLICATION_PHYSICAL ?
	    line->replication : REPLICATION_NONE]);
	report_text(report, line->state_name);
	show_address(report, &line->remote);
	show_address(report, &line->local);
	show_times(report, line, now);
	report_int(report, line->close_needed != 0);
	show_pointer(report, line->pointer);
	show_pointer(report, line->link);
	report_int(report, (int32_t)line->remote_pid);
	report_text(report, line->tls);
	report_text(report, line->application_name);
	report_int(report, line->prepared);
	report_int(report, (int32_t)line->id);
}

static void
show_lines(struct report *report, const struct lines *lines, usec_t now)
{
	for (size_t i = 0; i < lines->count; i++) {
		show_line(report, &lines->list[i], now);
		/* Bytes under way are their worker's; none are kept here. */
		for (unsigned j = CONNECTION_COLUMNS; j < report->width; j++)
			report_int(report, 0);
		report_end_row(report);
	}
}

/* --- the reports --------------------------------------------------------- */

static bool
fill_lines_of_clients(const struct console_env *env, struct report *report,
    bool of_sockets)
{
	uint32_t used = atomic_load(&env->segment->state->clients_used);
	struct lines lines;

	if (!lines_begin(&lines, env, of_sockets, used))
		return false;
	collect_clients(&lines, env, used);
	show_lines(report, &lines, env->now);
	lines_free(&lines);
	return true;
}

static bool
fill_lines_of_servers(const struct console_env *env, struct report *report,
    bool of_sockets)
{
	uint32_t used = atomic_load(&env->segment->state->servers_used);
	struct lines lines;

	if (!lines_begin(&lines, env, of_sockets, used))
		return false;
	collect_servers(&lines, env, used);
	show_lines(report, &lines, env->now);
	lines_free(&lines);
	return true;
}

static bool
fill_clients(const struct console_env *env, struct report *report)
{
	return fill_lines_of_clients(env, report, false);
}

static bool
fill_servers(const struct console_env *env, struct report *report)
{
	return fill_lines_of_servers(env, report, false);
}

static bool
fill_sockets(const struct console_env *env, struct report *report)
{
	return fill_lines_of_clients(env, report, true) &&
	    fill_lines_of_servers(env, report, true);
}

const struct show show_CLIENTS = {
	columns, CONNECTION_COLUMNS, fill_clients, NULL
};
const struct show show_SERVERS = {
	columns, CONNECTION_COLUMNS, fill_servers, NULL
};
const struct show show_SOCKETS = {
	columns, SOCKET_COLUMNS, fill_sockets, NULL
};

/* Bytes under way are their worker's: for all we know here there are none. */
static bool
fill_active_sockets(const struct console_env *env, struct report *report)
{
	return true;
}

const struct show show_ACTIVE_SOCKETS = {
	columns, SOCKET_COLUMNS, fill_active_sockets, NULL
};

/* --- SHOW FDS ------------------------------------------------------------ */

static const struct report_column fds_columns[] = {
	{ "fd", REPORT_INT },
	{ "task", REPORT_TEXT },
	{ "user", REPORT_TEXT },
	{ "database", REPORT_TEXT },
	{ "addr", REPORT_TEXT },
	{ "port", REPORT_INT },
	{ "cancel", REPORT_INT64 },
	{ "link", REPORT_INT },
	{ "client_encoding", REPORT_TEXT },
	{ "std_strings", REPORT_TEXT },
	{ "datestyle", REPORT_TEXT },
	{ "timezone", REPORT_TEXT },
	{ "password", REPORT_TEXT },
	{ "scram_client_key", REPORT_BYTES },
	{ "scram_server_key", REPORT_BYTES },
};
#define FDS_TOLD 6		/* columns up to the port */

/*
 * Descriptors are each worker's own numbers, and whoever needs the rest for
 * anything would have to be told secrets: null.
 */
static void
show_fds_of(struct report *report, const struct lines *lines,
    const char *task)
{
	for (size_t i = 0; i < lines->count; i++) {
		const struct line *line = &lines->list[i];

		report_null(report);
		report_text(report, task);
		report_text(report, line->user);
		report_text(report, line->database);
		show_address(report, &line->remote);
		for (unsigned j = FDS_TOLD; j < report->width; j++)
			report_null(report);
		report_end_row(report);
	}
}

static bool
fill_fds(const struct console_env *env, struct report *report)
{
	const struct state *state = env->segment->state;
	uint32_t clients = atomic_load(&state->clients_used);
	uint32_t servers = atomic_load(&state->servers_used);
	struct lines lines;

	if (!lines_begin(&lines, env, false, clients))
		return false;
	collect_clients(&lines, env, clients);
	show_fds_of(report, &lines, "client");
	lines_free(&lines);
	if (!lines_begin(&lines, env, false, servers))
		return false;
	collect_servers(&lines, env, servers);
	show_fds_of(report, &lines, "server");
	lines_free(&lines);
	return true;
}

const struct show show_FDS = {
	fds_columns, ARRAY_LENGTH(fds_columns), fill_fds, NULL
};
