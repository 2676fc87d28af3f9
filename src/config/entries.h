/*
 * The entries of [databases], [users] and [peers]: a name and a line of
 * settings each (connstr.h), read into the structs of config.h.
 *
 * All three: false if something is wrong; the error names file and line and
 * never shows the line itself, because there may be a password in it.
 */
#ifndef CONFIG_ENTRIES_H
#define CONFIG_ENTRIES_H

#include "base/base.h"
#include "base/error.h"
#include "base/memory.h"
#include "config/ini.h"

struct config_database;
struct config_peer;
struct config_user;

/* Told of each setting that has no effect yet, as "pool_size of users". */
typedef void entries_listener(const char *what, void *context);

struct entries_reading {
	struct arena		*arena;		/* texts go here */
	entries_listener	*on_no_effect;
	void			*context;
};

bool entries_read_database(const struct entries_reading *reading,
    const struct ini_entry *entry, struct config_database *database_out,
    struct error *error) MUST_CHECK;
bool entries_read_user(const struct entries_reading *reading,
    const struct ini_entry *entry, struct config_user *user_out,
    struct error *error) MUST_CHECK;
bool entries_read_peer(const struct entries_reading *reading,
    const struct ini_entry *entry, struct config_peer *peer_out,
    struct error *error) MUST_CHECK;

#endif
