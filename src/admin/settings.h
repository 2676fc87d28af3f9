/*
 * What the configuration says about a name that a report is about.
 */
#ifndef ADMIN_SETTINGS_H
#define ADMIN_SETTINGS_H

#include "config/config.h"

/* The entry of this database, or else `*`, or else NULL. */
const struct config_database *settings_of_database(
    const struct config *config, const char *name);

/* The pool's effective mode, "statement" for the console's. */
const char *settings_pool_mode(const struct config *config,
    const char *database, const char *user);

/* NULL unless its host is a list; the database may be NULL. */
const char *settings_load_balance_hosts(
    const struct config_database *database);

#endif
