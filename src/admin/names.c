#include "admin/names.h"

#include <stdlib.h>
#include <string.h>

static int
compare_names(const void *left, const void *right)
{
	const char *const *a = left, *const *b = right;

	return strcmp(*a, *b);
}

static bool
names_begin(struct names *names, size_t most)
{
	*names = (struct names){ calloc(most, sizeof(*names->list)), 0 };
	return names->list != NULL;
}

static void
add(struct names *names, const char *name)
{
	if (name != NULL)
		names->list[names->count++] = name;
}

static void
sort_and_drop_doubles(struct names *names)
{
	size_t kept = 0;

	qsort(names->list, names->count, sizeof(*names->list),
	    compare_names);
	for (size_t i = 0; i < names->count; i++)
		if (kept == 0 ||
		    strcmp(names->list[i], names->list[kept - 1]) != 0)
			names->list[kept++] = names->list[i];
	names->count = kept;
}

bool
names_of_databases(const struct console_env *env, struct names *names_out)
{
	const struct config *config = env->config;
	struct segment *segment = env->segment;
	uint32_t used = config->autodb == NULL ? 0 :
	    atomic_load(&segment->state->databases_used);

	if (!names_begin(names_out, config->database_count + used + 1))
		return false;
	for (size_t i = 0; i < config->database_count; i++)
		add(names_out, config->databases[i].name);
	for (uint32_t row = 0; row < used; row++)
		if (atomic_load(&segment->databases[row].used))
			add(names_out, segment->databases[row].name);
	add(names_out, CONSOLE_DATABASE);
	sort_and_drop_doubles(names_out);
	return true;
}

bool
names_of_users(const struct console_env *env, struct names *names_out)
{
	const struct config *config = env->config;

	if (!names_begin(names_out, config->secret_count +
	    config->user_count + config->database_count + 2))
		return false;
	for (size_t i = 0; i < config->secret_count; i++)
		add(names_out, config->secrets[i].user);
	for (size_t i = 0; i < config->user_count; i++)
		add(names_out, config->users[i].name);
	for (size_t i = 0; i < config->database_count; i++)
		add(names_out, config->databases[i].user);
	if (config->autodb != NULL)
		add(names_out, config->autodb->user);
	add(names_out, CONSOLE_USER);
	sort_and_drop_doubles(names_out);
	return true;
}

void
names_free(struct names *names)
{
	free(names->list);
	*names = (struct names){ NULL, 0 };
}
