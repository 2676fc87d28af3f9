#include "admin/rows.h"

#include <string.h>

/* A row that changes more often than this while it is copied: take it so. */
#define TRIES 8

static uint32_t
read_word(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/*
 * The generation moves before a row is freed, so the same generation before
 * and after means the same owner all the time.
 */
bool
client_copy(struct segment *segment, uint32_t row,
    struct client_row *copy_out)
{
	struct client_row *client = &segment->clients[row];

	for (int i = 0; i < TRIES; i++) {
		uint32_t generation = read_word(&client->generation);
		uint32_t phase = atomic_load(&client->phase);

		if (phase == CLIENT_FREE)
			return false;
		memcpy(copy_out, client, sizeof(*copy_out));
		atomic_thread_fence(memory_order_acquire);
		copy_out->application_name[
		    sizeof(copy_out->application_name) - 1] = '\0';
		copy_out->tls[sizeof(copy_out->tls) - 1] = '\0';
		atomic_store(&copy_out->phase, phase);
		if (read_word(&client->generation) != generation)
			return false;
		if (atomic_load(&client->phase) == phase)
			break;
	}
	return true;
}

bool
server_copy(struct segment *segment, uint32_t row,
    struct server_row *copy_out)
{
	struct server_row *server = &segment->servers[row];

	for (int i = 0; i < TRIES; i++) {
		uint32_t generation = atomic_load(&server->generation);
		uint32_t phase = atomic_load(&server->phase);

		if (phase == SERVER_FREE)
			return false;
		memcpy(copy_out, server, sizeof(*copy_out));
		atomic_thread_fence(memory_order_acquire);
		copy_out->application_name[
		    sizeof(copy_out->application_name) - 1] = '\0';
		copy_out->tls[sizeof(copy_out->tls) - 1] = '\0';
		atomic_store(&copy_out->phase, phase);
		if (atomic_load(&server->generation) != generation)
			return false;
		if (atomic_load(&server->phase) == phase)
			break;
	}
	return true;
}

bool
client_is_console(const struct client_row *client)
{
	return client->phase == CLIENT_CONSOLE;
}

enum client_state
client_state_of(const struct client_row *client)
{
	switch ((enum client_phase)client->phase) {
	case CLIENT_STARTUP:
	case CLIENT_AUTH:
		return CLIENT_STATE_LOGIN;
	case CLIENT_WELCOME:
	case CLIENT_WAITING:
		return CLIENT_STATE_WAITING;
	case CLIENT_IDLE:
	case CLIENT_CONSOLE:
		return CLIENT_STATE_IDLE;
	case CLIENT_GIVEN:
	case CLIENT_LINKED:
		return CLIENT_STATE_ACTIVE;
	case CLIENT_CANCEL:
		return client->server == NO_ROW ?
		    CLIENT_STATE_WAITING_CANCEL : CLIENT_STATE_ACTIVE_CANCEL;
	default:
		return CLIENT_STATE_NONE;
	}
}

/* Idle for longer than this it is checked before its next use. */
static bool
wants_a_check(const struct server_row *server, const struct config *config,
    usec_t now)
{
	return config->server_check_query != NULL &&
	    config->server_check_query[0] != '\0' &&
	    now - server->idle_since > config->server_check_delay;
}

enum server_state
server_state_of(const struct server_row *server, const struct config *config,
    usec_t now)
{
	switch ((enum server_phase)server->phase) {
	case SERVER_OPENING:
		return SERVER_STATE_NEW;
	case SERVER_IDLE:
		return wants_a_check(server, config, now) ?
		    SERVER_STATE_USED : SERVER_STATE_IDLE;
	case SERVER_GIVEN:
	case SERVER_ACTIVE:
		return SERVER_STATE_ACTIVE;
	case SERVER_TESTING:	/* its client has left it, or a reset query */
		return server->cancels > 0 ? SERVER_STATE_BEING_CANCELED :
		    SERVER_STATE_TESTED;
	case SERVER_CANCELING:
		return SERVER_STATE_BEING_CANCELED;
	case SERVER_CANCEL_LINK:
		return SERVER_STATE_ACTIVE_CANCEL;
	case SERVER_CLOSING:
		return SERVER_STATE_CLOSING;
	default:
		return SERVER_STATE_NONE;
	}
}

uint64_t
client_partner(struct segment *segment, const struct client_row *copy)
{
	if (copy->phase != CLIENT_GIVEN && copy->phase != CLIENT_LINKED &&
	    copy->phase != CLIENT_CANCEL)
		return 0;
	if (copy->server >= segment->size.servers || atomic_load(
	    &segment->servers[copy->server].phase) == SERVER_FREE)
		return 0;
	return servers_handle(segment, copy->server);
}

uint64_t
server_partner(struct segment *segment, const struct server_row *copy)
{
	if (copy->phase != SERVER_GIVEN && copy->phase != SERVER_ACTIVE)
		return 0;
	if (copy->client >= segment->size.clients ||
	    read_word(&segment->clients[copy->client].generation) !=
	    copy->client_generation)
		return 0;
	return clients_handle(segment, copy->client);
}

const char *
row_database_name(struct segment *segment, uint32_t row)
{
	if (row >= atomic_load(&segment->state->databases_used) ||
	    row >= segment->size.databases)
		return NULL;
	return segment->databases[row].name;
}

const char *
row_user_name(struct segment *segment, uint32_t row)
{
	if (row >= atomic_load(&segment->state->users_used) ||
	    row >= segment->size.users)
		return NULL;
	return segment->users[row].name;
}
