#include "session/login_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "session/cancel.h"
#include "session/encryption.h"
#include "session/proxied.h"
#include "session/replication.h"
#include "wire/messages.h"
#include "wire/startup.h"

static bool
refuse_parameter(struct client *client, const char *where, const char *name,
    const char *value)
{
	char text[128];

	client_log(LOG_LEVEL_WARNING, client,
	    "unsupported startup parameter%s: %s=%s", where, name, value);
	snprintf(text, sizeof(text), "unsupported startup parameter%s: %s",
	    where, name);
	login_fail(client, text);
	return false;
}

static bool
is_ignored(const struct client *client, const char *name)
{
	return config_list_has(
	    client->sessions->config->ignore_startup_parameters, name);
}

static bool
take_setting(struct client *client, const char *where, const char *name,
    const char *value, bool drop_unknown)
{
	struct parameters *parameters = client->sessions->parameters;
	int index = parameters_index(parameters, name);

	if (index != -1)
		parameters_put(parameters, &client->login->given, index,
		    value);
	else if (!drop_unknown && !is_ignored(client, name))
		return refuse_parameter(client, where, name, value);
	return true;
}

static bool
take_options(struct client *client, const char *options)
{
	bool drop_unknown = is_ignored(client, "options");
	size_t size = strlen(options) + 1;
	char *scratch = memory_get(size);
	enum option_verdict verdict;
	struct startup_parameter option;
	bool good = true;

	while (good && (verdict = startup_next_option(&options, scratch, size,
	    &option)) == OPTION_FOUND)
		good = take_setting(client, " in options", option.name,
		    option.value, drop_unknown);
	if (good && verdict == OPTION_BAD && !drop_unknown) {
		login_fail(client, STARTUP_BAD_OPTION);
		good = false;
	}
	memory_free(scratch);
	return good;
}

static bool
take_user(struct client *client, const char *name)
{
	if (strlen(name) >= USER_NAME_BYTES) {
		login_fail(client, "username too long");
		return false;
	}
	strcpy(client->login->user, name);
	return true;
}

static void
take_database(struct login *login, const char *name)
{
	size_t length = strnlen(name, DATABASE_NAME_BYTES);

	login->database_too_long = length == DATABASE_NAME_BYTES;
	length -= login->database_too_long;
	memcpy(login->database, name, length);
	login->database[length] = '\0';
}

/* False: the client was refused. */
static bool
take_parameter(struct client *client, const struct startup_parameter *given)
{
	if (strcmp(given->name, "user") == 0)
		return take_user(client, given->value);
	if (strcmp(given->name, "database") == 0) {
		take_database(client->login, given->value);
		return true;
	}
	if (strcmp(given->name, "options") == 0 &&
	    client->replication == NULL)
		return take_options(client, given->value);
	if (strcmp(given->name, "options") == 0) {
		if (replication_keep_options(client, given->value))
			return true;
		login_fail(client, "out of memory");
		return false;
	}
	if (startup_is_extension(given->name))
		return true;
	if (strcmp(given->name, "replication") == 0)
		return true;
	return take_setting(client, "", given->name, given->value, false);
}

/* First of all: what `options` means depends on it. */
static bool
take_replication(struct client *client, const struct startup *startup)
{
	struct reader parameters = startup->parameters;
	struct startup_parameter given;
	const char *value = "";

	while (startup_next(&parameters, &given))
		if (strcmp(given.name, "replication") == 0)
			value = given.value;
	if (replication_kind_of(value) == REPLICATION_NONE ||
	    replication_request(client, value))
		return true;
	login_fail(client, "out of memory");
	return false;
}

static bool
take_parameters(struct client *client, const struct startup *startup)
{
	struct login *login = client->login;
	struct reader parameters = startup->parameters;
	struct startup_parameter given;

	if (!take_replication(client, startup))
		return false;
	while (startup_next(&parameters, &given))
		if (!take_parameter(client, &given))
			return false;
	if (login->user[0] == '\0') {
		login_fail(client, "no username supplied");
		return false;
	}
	if (login->database[0] == '\0')
		take_database(login, login->user);
	login->for_console = strcmp(login->database, CONSOLE_DATABASE) == 0;
	return true;
}

/*
 * Who cannot be let in is told before it proves who it is.  It is counted
 * only after that (enter()): nobody else can use up the places.
 */
static const char *
why_full(const struct client *client)
{
	struct segment *segment = client->sessions->segment;
	const struct config *config = client->sessions->config;
	const struct login *login = client->login;
	const struct config_database *database = pool_view_database(config,
	    login->database);
	uint32_t of_database = databases_find(segment, login->database);
	uint32_t of_user = users_find(segment, login->user);
	uint32_t limit;

	limit = database == NULL ? 0 : login_limit(
	    config_max_db_client_connections(config, database));
	if (limit > 0 && of_database != NO_ROW &&
	    databases_clients(segment, of_database) >= limit)
		return DATABASE_FULL;
	limit = login_limit(config_max_user_client_connections(config,
	    config_find_user(config, login->user)));
	if (limit > 0 && of_user != NO_ROW &&
	    users_clients(segment, of_user) >= limit)
		return USER_FULL;
	return NULL;
}

static bool
count(struct client *client)
{
	struct sessions *sessions = client->sessions;
	const char *full;

	if (client->login->for_console)
		return true;
	client->counted = !client->only_console && segment_count_client(
	    sessions->segment, sessions->worker,
	    (uint32_t)sessions->config->max_client_conn);
	if (!client->counted) {
		login_fail(client, CLIENT_NO_ROOM);
		return false;
	}
	full = why_full(client);
	if (full != NULL)
		login_fail(client, full);
	return full == NULL;
}

static bool
negotiate(struct client *client, const struct startup *startup)
{
	uint8_t memory[4096];
	struct writer writer = writer_of(memory, sizeof(memory));

	if (!startup->negotiate)
		return true;
	startup_write_negotiation(startup, &writer);
	if (writer.failed) {
		login_fail(client, "out of memory");
		return false;
	}
	return client_send(client, writer.bytes, writer.used);
}

/* The name is cut where that is needed to show the address. */
static void
add_host(struct client *client)
{
	const struct client_row *row = client_row(client);
	struct parameters *parameters = client->sessions->parameters;
	int index = parameters_index(parameters, "application_name");
	const char *name = parameters_text(parameters, &client->login->given,
	    index);
	char address[ADDRESS_TEXT_BYTES], value[PARAMETER_VALUE_BYTES];

	address_format(&row->remote, row->remote_pid, address,
	    sizeof(address));
	snprintf(value, sizeof(value), "%.*s - %s", (int)(sizeof(value) -
	    strlen(" - ") - strlen(address) - 1),
	    name != NULL && name[0] != '\0' ? name : "app", address);
	parameters_put(parameters, &client->login->given, index, value);
}

/*
 * In PostgreSQL's spelling, where it is known already.  Authentication may
 * take long, so the texts of long values are kept for it.
 */
static bool
hold_given(struct client *client)
{
	struct login *login = client->login;

	parameters_respell(login->parameters, &login->given);
	if (!parameters_has_long(login->parameters, &login->given))
		return true;
	parameters_seal(&login->given);
	login->held = parameters_share(login->parameters, &login->given);
	if (login->held == NULL) {
		login_fail(client, "out of memory");
		return false;
	}
	login->given = login->held->values;
	return true;
}

static void
on_startup(struct client *client, const struct startup *startup)
{
	static const char *const asked[] = { "no", "database", "yes" };
	struct login *login = client->login;
	const char *tls = client_row(client)->tls;

	if (encryption_is_missing(client)) {
		login_fail(client, "SSL required");
		return;
	}
	client_row(client)->protocol = startup_version(startup);
	if (!take_parameters(client, startup) || !count(client) ||
	    !negotiate(client, startup))
		return;
	if (client->sessions->config->application_name_add_host)
		add_host(client);
	if (!hold_given(client))
		return;
	if (client->sessions->config->log_connections)
		client_log(LOG_LEVEL_LOG, client, "login attempt: db=%s "
		    "user=%s tls=%s replication=%s", login->database,
		    login->user, tls[0] == '\0' ? "no" : tls,
		    asked[client_row(client)->replicated]);
	client_enter(client, CLIENT_AUTH);
	if (login_is_own_console(client))
		login_enter_console(client);
	else if (login_choose_method(client))
		login_begin_auth(client);
}

/*
 * What is behind the request was sent in the clear and may be anybody's: it
 * must not count once the connection is encrypted (CVE-2021-3935).
 */
static bool
answer_request(struct client *client, const struct startup *startup)
{
	if (buffer_length(&client->input) > startup->length) {
		login_fail(client, startup->kind == STARTUP_SSL ?
		    "received unencrypted data after SSL request" :
		    "received unencrypted data after GSSAPI encryption "
		    "request");
		return false;
	}
	buffer_consume(&client->input, startup->length);
	client->said_something = true;
	return startup->kind == STARTUP_SSL ? encryption_answer(client) :
	    client_send(client, (const uint8_t *)"N", 1);
}

/* True: there may be more in the input. */
bool
login_take_first_packet(struct client *client)
{
	struct startup startup;

	if (UNLIKELY(client->awaits_header))
		return proxied_take(client);
	if (encryption_begins(client))
		return false;
	switch (startup_read(buffer_front(&client->input),
	    buffer_length(&client->input),
	    (uint32_t)client->sessions->config->max_packet_size, &startup)) {
	case STARTUP_MORE:
		return false;
	case STARTUP_BAD:
		login_fail(client, startup.reason);
		return false;
	case STARTUP_SSL:
	case STARTUP_GSSENC:
		return answer_request(client, &startup);
	case STARTUP_CANCEL:
		cancel_begin(client, &startup.key);
		return false;
	case STARTUP_V3: {
		/* What it points to may be let go of on the way. */
		struct buffer packet = client->input;

		memset(&client->input, 0, sizeof(client->input));
		on_startup(client, &startup);
		if (client_phase(client) != CLIENT_CLOSED &&
		    buffer_length(&packet) > startup.length)
			login_take(client, buffer_front(&packet) +
			    startup.length, buffer_length(&packet) -
			    startup.length);
		buffer_clear(&packet);
		return false;
	}
	}
	return false;
}
