/*
 * The commands change words of the segment and proclaim them; what must be
 * done about it each worker does for itself.  Two consoles may give the same
 * command at once: whoever changes the word is the one that did it.
 */
#include "admin/commands.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/invariant.h"
#include "base/log.h"
#include "pool/pool.h"
#include "shm/hosts.h"
#include "wire/messages.h"

enum argument {
	ARGUMENT_NONE,
	ARGUMENT_MAY,		/* a database, or all of them */
	ARGUMENT_MUST,		/* a database */
	ARGUMENT_OTHER,
	ARGUMENT_SETTING	/* is not logged */
};

typedef enum console_outcome command_function(struct run *run);

#define COMMAND(name, argument, run, usage) static command_function run;
#include "admin/commands.def"
#undef COMMAND

static const struct command {
	const char		*name;
	enum argument		 argument;
	command_function	*run;
	const char		*usage;
} commands[] = {
#define COMMAND(name, argument, run, usage) \
	{ #name, ARGUMENT_##argument, run, usage },
#include "admin/commands.def"
#undef COMMAND
};

/* --- names of databases -------------------------------------------------- */

static bool
is_console(const char *database)
{
	return strcmp(database, CONSOLE_DATABASE) == 0;
}

/* In the file, or made from the template by somebody. */
static bool
is_there(const struct console_env *env, const char *name)
{
	return config_find_database(env->config, name) != NULL ||
	    (env->config->autodb != NULL &&
	    databases_find(env->segment, name) != NO_ROW);
}

/*
 * The argument names a database that is there or that the template would
 * make.  False: the command was refused; `verb` is for the console's own.
 */
static bool
check_database(struct run *run, const char *verb)
{
	const char *name = run->statement.argument;

	if (is_console(name))
		run_refuse(run, "cannot %s admin db: %s", verb, name);
	else if (config_find_database(run->env->config, name) == NULL &&
	    run->env->config->autodb == NULL)
		run_refuse(run, "no such database: %s", name);
	else
		return true;
	return false;
}

/* False: the command was refused. */
static bool
stop_database(struct run *run, enum database_stop stop, uint32_t *row_out)
{
	const char *name = run->statement.argument;

	*row_out = databases_stop(run->env->segment, name, stop);
	if (*row_out == NO_ROW)
		run_refuse(run, "no such database: %s", name);
	return *row_out != NO_ROW;
}

/* --- what takes until all workers have done their part ------------------- */

/* True: the word was not so before. */
static bool
change(_Atomic uint32_t *word, uint32_t value)
{
	return atomic_exchange(word, value) != value;
}

/*
 * Watches before it looks: who closes the last server or client afterwards
 * is bound to see that somebody wants to know.
 */
static enum console_outcome
wait_for(struct run *run, const char *tag, const struct console_wait *wait)
{
	const struct console_env *env = run->env;

	segment_proclaim(env->segment);
	atomic_fetch_or(&env->segment->state->watchers,
	    UINT64_C(1) << env->worker);
	if (console_look(env, wait) == CONSOLE_FULFILLED)
		return run_done(run, tag);
	run->order->wait = *wait;
	snprintf(run->order->tag, sizeof(run->order->tag), "%s", tag);
	return CONSOLE_WAIT;
}

static bool
is_stopped(const struct state *state)
{
	return atomic_load(&state->paused) != 0 ||
	    atomic_load(&state->suspended) != 0;
}

/* --- PAUSE, SUSPEND, RESUME ---------------------------------------------- */

static enum console_outcome
run_pause(struct run *run)
{
	struct segment *segment = run->env->segment;
	struct console_wait wait = { CONSOLE_WAIT_PAUSE, NO_ROW, NO_ROW, 0 };

	if (run->statement.argument[0] == '\0') {
		if (is_stopped(segment->state) ||
		    !change(&segment->state->paused, 1))
			return run_refuse(run, "already suspended/paused");
		return wait_for(run, "PAUSE", &wait);
	}
	if (!check_database(run, "pause"))
		return CONSOLE_DONE;
	if (is_stopped(segment->state))
		return run_refuse(run, "already suspended/paused");
	if (!stop_database(run, DATABASE_PAUSED, &wait.database))
		return CONSOLE_DONE;
	return wait_for(run, "PAUSE", &wait);
}

static bool
has_paused_databases(struct segment *segment)
{
	uint32_t used = atomic_load(&segment->state->databases_used);

	for (uint32_t row = 0; row < used; row++)
		if (atomic_load(&segment->databases[row].paused))
			return true;
	return false;
}

/* A number that no suspension had before: workers report theirs as done. */
static enum console_outcome
run_suspend(struct run *run)
{
	struct segment *segment = run->env->segment;
	struct state *state = segment->state;
	struct console_wait wait = { CONSOLE_WAIT_SUSPEND, NO_ROW, NO_ROW, 0 };
	const struct client_row *client = segment_client(segment,
	    run->env->client_row);
	uint32_t nobody = 0, number;

	if (is_stopped(state))
		return run_refuse(run, "already suspended/paused");
	if (has_paused_databases(segment))
		return run_refuse(run, "cannot suspend with paused databases");
	do
		number = atomic_fetch_add(&state->suspensions, 1) + 1;
	while (number == 0);
	if (!atomic_compare_exchange_strong(&state->suspended, &nobody,
	    number))
		return run_refuse(run, "already suspended/paused");
	if (client != NULL)
		atomic_store(&state->suspender,
		    state_suspender(number, client->id));
	return wait_for(run, "SUSPEND", &wait);
}

static enum console_outcome
resume_all(struct run *run)
{
	struct state *state = run->env->segment->state;

	if (atomic_load(&state->shutdown) != SHUTDOWN_NONE)
		return run_refuse(run, "pooler is shutting down");
	if (!change(&state->paused, 0) && !change(&state->suspended, 0))
		return run_refuse(run, "pooler is not paused/suspended");
	segment_proclaim(run->env->segment);
	return run_done(run, "RESUME");
}

static enum console_outcome
run_resume(struct run *run)
{
	struct segment *segment = run->env->segment;
	const char *name = run->statement.argument;

	if (name[0] == '\0')
		return resume_all(run);
	if (!is_there(run->env, name) && !is_console(name))
		return run_refuse(run, "no such database: %s", name);
	if (!databases_release(segment, name, DATABASE_PAUSED))
		return run_refuse(run, "database %s is not paused", name);
	segment_proclaim(segment);
	return run_done(run, "RESUME");
}

/* --- RECONNECT, WAIT_CLOSE, KILL ----------------------------------------- */

typedef void pool_marker(const struct pool_caller *caller, uint32_t pool);

/* Of a database, whose row stays its own meanwhile; NO_ROW: of all. */
static void
mark_servers(const struct console_env *env, uint32_t database,
    pool_marker *mark)
{
	struct pool_caller caller = { env->segment, env->worker, env->now };
	uint32_t used = atomic_load(&env->segment->state->pools_used);

	for (uint32_t row = 0; row < used; row++) {
		const struct pool_row *pool = &env->segment->pools[row];

		if (atomic_load(&pool->used) && (database == NO_ROW ||
		    pool->database == database))
			mark(&caller, row);
	}
}

/* One that has no row has no server either. */
static void
reconnect_one(const struct console_env *env, const char *name)
{
	uint32_t row;

	naming_take(env->segment);
	row = databases_find(env->segment, name);
	if (row != NO_ROW)
		mark_servers(env, row, pool_mark_all);
	naming_release(env->segment);
}

static bool
means_all(const struct run *run)
{
	return run->statement.argument[0] == '\0';
}

static enum console_outcome
run_reconnect(struct run *run)
{
	if (means_all(run))
		mark_servers(run->env, NO_ROW, pool_mark_all);
	else if (check_database(run, "reconnect"))
		reconnect_one(run->env, run->statement.argument);
	else
		return CONSOLE_DONE;
	/* It is said when a name leads elsewhere, be the answer fresh. */
	hosts_expire(run->env->segment, run->env->now);
	segment_proclaim(run->env->segment);
	return run_done(run, "RECONNECT");
}

static enum console_outcome
run_wait_close(struct run *run)
{
	struct console_wait wait = { CONSOLE_WAIT_CLOSE, NO_ROW, NO_ROW, 0 };

	if (means_all(run))
		return wait_for(run, "WAIT_CLOSE", &wait);
	if (!check_database(run, "wait in"))
		return CONSOLE_DONE;
	wait.database = databases_find(run->env->segment,
	    run->statement.argument);
	if (wait.database == NO_ROW)	/* it has no servers */
		return run_done(run, "WAIT_CLOSE");
	return wait_for(run, "WAIT_CLOSE", &wait);
}

/* Those of a pool.  A login that is under way comes after the command. */
static bool
is_logged_in(uint32_t phase)
{
	return phase == CLIENT_WELCOME || phase == CLIENT_IDLE ||
	    phase == CLIENT_WAITING || phase == CLIENT_GIVEN ||
	    phase == CLIENT_LINKED;
}

/*
 * The same generation before and after means that what was read in between is
 * about one client; whoever has the row later is not meant by the order.
 */
static void
remove_clients(struct segment *segment, uint32_t database)
{
	uint32_t used = atomic_load(&segment->state->clients_used);

	for (uint32_t row = 0; row < used; row++) {
		struct client_row *client = &segment->clients[row];
		uint32_t generation = __atomic_load_n(&client->generation,
		    __ATOMIC_ACQUIRE);
		uint32_t phase = atomic_load(&client->phase);
		uint32_t pool = atomic_load(&client->pool);

		if (is_logged_in(phase) && pool < segment->size.pools &&
		    (database == NO_ROW ||
		    segment->pools[pool].database == database))
			clients_order(segment, row, generation,
			    CLIENT_ORDER_REMOVE);
	}
}

static void
pause_each(const struct console_env *env)
{
	for (size_t i = 0; i < env->config->database_count; i++)
		if (databases_stop(env->segment,
		    env->config->databases[i].name, DATABASE_PAUSED) ==
		    NO_ROW)
			log_warning("no room for database %s",
			    env->config->databases[i].name);
	databases_stop_all(env->segment, DATABASE_PAUSED);
}

static enum console_outcome
run_kill(struct run *run)
{
	struct segment *segment = run->env->segment;
	struct console_wait wait = { CONSOLE_WAIT_KILL, NO_ROW, NO_ROW, 0 };

	if (is_stopped(segment->state))
		return run_refuse(run, "already suspended/paused");
	/* Paused first, so that nobody opens what is to be closed. */
	if (means_all(run))
		pause_each(run->env);
	else if (!check_database(run, "kill") ||
	    !stop_database(run, DATABASE_PAUSED, &wait.database))
		return CONSOLE_DONE;
	mark_servers(run->env, wait.database, pool_doom_all);
	remove_clients(segment, wait.database);
	return wait_for(run, "KILL", &wait);
}

/* False: it is not a number. */
static bool
read_id(const char *text, uint64_t *id_out)
{
	uint64_t id = 0;

	if (*text == '\0' || strlen(text) > 19)
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		id = id * 10 + (uint64_t)(*text - '0');
	}
	*id_out = id;
	return true;
}

/* Who is still logging in is not listed and not found. */
static bool
find_client(struct segment *segment, uint64_t id, struct console_wait *out)
{
	uint32_t used = atomic_load(&segment->state->clients_used);

	for (uint32_t row = 0; row < used; row++) {
		struct client_row *client = &segment->clients[row];
		uint32_t phase;

		out->generation = __atomic_load_n(&client->generation,
		    __ATOMIC_ACQUIRE);
		phase = atomic_load(&client->phase);
		out->client = row;
		if ((is_logged_in(phase) || phase == CLIENT_CONSOLE ||
		    phase == CLIENT_CANCEL) && __atomic_load_n(&client->id,
		    __ATOMIC_ACQUIRE) == id)
			return true;
	}
	return false;
}

static enum console_outcome
run_kill_client(struct run *run)
{
	struct segment *segment = run->env->segment;
	struct console_wait wait = { CONSOLE_WAIT_CLIENT, NO_ROW, NO_ROW, 0 };
	uint64_t id;

	if (!read_id(run->statement.argument, &id))
		return run_refuse(run, "invalid client pointer supplied");
	if (!find_client(segment, id, &wait))
		return run_refuse(run, "client not found");
	clients_order(segment, wait.client, wait.generation,
	    CLIENT_ORDER_DISCONNECT);
	return wait_for(run, "KILL_CLIENT", &wait);
}

/* --- DISABLE, ENABLE: read at each login, nobody needs to be told -------- */

static enum console_outcome
run_disable(struct run *run)
{
	uint32_t database;

	if (!check_database(run, "disable") ||
	    !stop_database(run, DATABASE_DISABLED, &database))
		return CONSOLE_DONE;
	return run_done(run, "DISABLE");
}

static enum console_outcome
run_enable(struct run *run)
{
	const char *name = run->statement.argument;

	if (is_console(name))
		return run_refuse(run, "cannot enable admin db: %s", name);
	if (!is_there(run->env, name))
		return run_refuse(run, "no such database: %s", name);
	(void)databases_release(run->env->segment, name, DATABASE_DISABLED);
	return run_done(run, "ENABLE");
}

/* --- what the supervisor does -------------------------------------------- */

static void
note_tag(struct run *run, const char *tag)
{
	snprintf(run->order->tag, sizeof(run->order->tag), "%s", tag);
}

static enum console_outcome
run_reload(struct run *run)
{
	note_tag(run, "RELOAD");
	return CONSOLE_ASK_RELOAD;
}

_Static_assert(STATEMENT_ARGUMENT_BYTES == CONSOLE_KEY_BYTES &&
    STATEMENT_VALUE_BYTES == CONSOLE_VALUE_BYTES, "a setting fits its order");

static enum console_outcome
run_set(struct run *run)
{
	const struct statement *statement = &run->statement;
	struct console_order *order = run->order;

	order->setting = statement->to_default ? CONSOLE_SET_DEFAULT :
	    CONSOLE_SET_VALUE;
	strcpy(order->key, statement->argument);
	strcpy(order->value, statement->value);
	snprintf(order->tag, sizeof(order->tag), "SET %s=%s", order->key,
	    order->value);
	return CONSOLE_ASK_SET;
}

static enum console_outcome
run_reset(struct run *run)
{
	struct console_order *order = run->order;

	if (run->statement.argument[0] == '\0')
		return run_refuse_invalid(run);
	order->setting = strcasecmp(run->statement.argument, "ALL") == 0 ?
	    CONSOLE_SET_ALL_DEFAULT : CONSOLE_SET_DEFAULT;
	strcpy(order->key, run->statement.argument);
	order->value[0] = '\0';
	note_tag(run, "RESET");
	return CONSOLE_ASK_SET;
}

static const struct {
	const char		*word;
	enum shutdown_mode	 mode;
} shutdown_modes[] = {
	{ "", SHUTDOWN_WAIT_FOR_CLIENTS },
	{ "WAIT_FOR_CLIENTS", SHUTDOWN_WAIT_FOR_CLIENTS },
	{ "WAIT_FOR_SERVERS", SHUTDOWN_WAIT_FOR_SERVERS },
	{ "IMMEDIATE", SHUTDOWN_NOW },
};

/* Nobody hears of an immediate one: the connection just closes. */
static enum console_outcome
run_shutdown(struct run *run)
{
	for (size_t i = 0; i < ARRAY_LENGTH(shutdown_modes); i++) {
		if (strcasecmp(run->statement.argument,
		    shutdown_modes[i].word) != 0)
			continue;
		run->order->mode = shutdown_modes[i].mode;
		if (run->order->mode != SHUTDOWN_NOW)
			run_done(run, "SHUTDOWN");
		return CONSOLE_ASK_SHUTDOWN;
	}
	return run_refuse_invalid(run);
}

/* --- the table ----------------------------------------------------------- */

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(commands); i++)
		if (strcasecmp(name, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

static void
log_command(const struct command *command, const char *argument)
{
	if (argument[0] == '\0')
		log_info("%s command issued", command->name);
	else
		log_info("%s '%s' command issued", command->name, argument);
}

enum console_outcome
commands_run(struct run *run)
{
	const struct statement *statement = &run->statement;
	const struct command *command = find_command(statement->command);
	bool is_set = strcasecmp(statement->command, "SET") == 0;

	/* Only SET assigns, and it does nothing else. */
	if (command == NULL || is_set != statement->assigns)
		return run_refuse_invalid(run);
	if (!run->env->is_admin)
		return run_refuse(run, "admin access needed");
	if (command->argument == ARGUMENT_NONE &&
	    statement->argument[0] != '\0')
		return run_refuse_invalid(run);
	if (command->argument != ARGUMENT_SETTING)
		log_command(command, statement->argument);
	if (command->argument == ARGUMENT_MUST &&
	    statement->argument[0] == '\0')
		return run_refuse(run, "a database is required");
	return command->run(run);
}

void
commands_usage(char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
		const char *usage = commands[i].usage;

		INVARIANT(used + strlen(usage) < size);
		strcpy(text + used, usage);
		used += strlen(usage);
	}
}
