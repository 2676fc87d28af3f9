/*
 * The commands change words of the segment and proclaim them; what must be
 * done about it each worker does for itself.  Two consoles may give the same
 * command at once: whoever changes the word is the one that did it.
 */
#include "admin/commands.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "wire/messages.h"

/* Not an error of ours by PgBouncer's lights: "feature not supported". */
#define NOT_SUPPORTED "0A000"

enum argument {
	ARGUMENT_NONE,
	ARGUMENT_MAY,		/* a database, or all of them */
	ARGUMENT_MUST,		/* a database */
	ARGUMENT_OTHER
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

/*
 * The row of a database that exists: in the file, or made from the template.
 * NO_ROW: there is none, or no room for one.
 */
static uint32_t
find_database(const struct console_env *env, const char *name)
{
	if (config_find_database(env->config, name) != NULL)
		return databases_make(env->segment, name);
	if (env->config->autodb != NULL)
		return databases_find(env->segment, name);
	return NO_ROW;
}

/* The same, but the template may make it now. */
static uint32_t
make_database(const struct console_env *env, const char *name)
{
	if (env->config->autodb != NULL)
		return databases_make(env->segment, name);
	return find_database(env, name);
}

/* False: the command was refused. `verb` is for the console's own name. */
static bool
pick_database(struct run *run, const char *verb, uint32_t *row_out)
{
	const char *name = run->statement.argument;

	if (is_console(name)) {
		run_refuse(run, "cannot %s admin db: %s", verb, name);
		return false;
	}
	*row_out = make_database(run->env, name);
	if (*row_out == NO_ROW) {
		run_refuse(run, "no such database: %s", name);
		return false;
	}
	return true;
}

/* --- PAUSE, RESUME ------------------------------------------------------- */

/* True: the word was not so before. */
static bool
change(_Atomic uint32_t *word, uint32_t value)
{
	return atomic_exchange(word, value) != value;
}

/*
 * Watches before it counts: who closes the last server afterwards is bound to
 * see that somebody wants to know.
 */
static enum console_outcome
wait_for_pause(struct run *run, uint32_t database)
{
	const struct console_env *env = run->env;

	segment_proclaim(env->segment);
	atomic_fetch_or(&env->segment->state->watchers,
	    UINT64_C(1) << env->worker);
	run->order->database = database;
	if (console_pause_done(env, database))
		return run_done(run, "PAUSE");
	return CONSOLE_WAIT_PAUSE;
}

static enum console_outcome
run_pause(struct run *run)
{
	struct segment *segment = run->env->segment;
	uint32_t database;

	if (run->statement.argument[0] == '\0') {
		if (!change(&segment->state->paused, 1))
			return run_refuse(run, "already suspended/paused");
		return wait_for_pause(run, NO_ROW);
	}
	if (!pick_database(run, "pause", &database))
		return CONSOLE_DONE;
	if (atomic_load(&segment->state->paused))
		return run_refuse(run, "already suspended/paused");
	atomic_store(&segment->databases[database].paused, 1);
	return wait_for_pause(run, database);
}

static enum console_outcome
resume_all(struct run *run)
{
	struct state *state = run->env->segment->state;

	if (atomic_load(&state->shutdown) != SHUTDOWN_NONE)
		return run_refuse(run, "pooler is shutting down");
	if (!change(&state->paused, 0))
		return run_refuse(run, "pooler is not paused/suspended");
	segment_proclaim(run->env->segment);
	return run_done(run, "RESUME");
}

static enum console_outcome
run_resume(struct run *run)
{
	struct segment *segment = run->env->segment;
	const char *name = run->statement.argument;
	uint32_t database;

	if (name[0] == '\0')
		return resume_all(run);
	database = find_database(run->env, name);
	if (database == NO_ROW && !is_console(name))
		return run_refuse(run, "no such database: %s", name);
	if (database == NO_ROW ||
	    !change(&segment->databases[database].paused, 0))
		return run_refuse(run, "database %s is not paused", name);
	segment_proclaim(segment);
	return run_done(run, "RESUME");
}

/* --- DISABLE, ENABLE: read at each login, nobody needs to be told -------- */

static enum console_outcome
run_disable(struct run *run)
{
	uint32_t database;

	if (!pick_database(run, "disable", &database))
		return CONSOLE_DONE;
	atomic_store(&run->env->segment->databases[database].disabled, 1);
	return run_done(run, "DISABLE");
}

static enum console_outcome
run_enable(struct run *run)
{
	const char *name = run->statement.argument;
	uint32_t database = find_database(run->env, name);

	if (is_console(name))
		return run_refuse(run, "cannot enable admin db: %s", name);
	if (database == NO_ROW)
		return run_refuse(run, "no such database: %s", name);
	atomic_store(&run->env->segment->databases[database].disabled, 0);
	return run_done(run, "ENABLE");
}

/* --- what the supervisor does -------------------------------------------- */

static enum console_outcome
run_reload(struct run *run)
{
	return CONSOLE_ASK_RELOAD;
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

static enum console_outcome
run_later(struct run *run)
{
	char name[STATEMENT_COMMAND_BYTES];
	size_t i = 0;

	for (; run->statement.command[i] != '\0'; i++) {
		char c = run->statement.command[i];

		name[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
	}
	name[i] = '\0';
	return run_refuse_with(run, NOT_SUPPORTED,
	    "%s is not supported by this release yet", name);
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
	if (command->run == run_later)
		return run_later(run);
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

		if (usage == NULL || used + strlen(usage) >= size)
			continue;
		strcpy(text + used, usage);
		used += strlen(usage);
	}
}
