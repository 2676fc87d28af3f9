#include "admin/settings.h"

#include <string.h>

#include "admin/console.h"

const struct config_database *
settings_of_database(const struct config *config, const char *name)
{
	const struct config_database *database =
	    config_find_database(config, name);

	return database != NULL ? database : config->autodb;
}

const char *
settings_pool_mode(const struct config *config, const char *database,
    const char *user)
{
	if (strcmp(database, CONSOLE_DATABASE) == 0)
		return pool_mode_word(POOL_MODE_STATEMENT);
	return pool_mode_word(config_pool_mode(config,
	    settings_of_database(config, database),
	    config_find_user(config, user)));
}

const char *
settings_load_balance_hosts(const struct config_database *database)
{
	if (database == NULL || database->host == NULL ||
	    strchr(database->host, ',') == NULL)
		return NULL;
	return database->load_balance_hosts == LOAD_BALANCE_DISABLE ?
	    "disable" : "round-robin";
}
