/*
 * All names that a report is about: sorted, each once.
 *
 * The names belong to the configuration and the segment; the list is freed.
 */
#ifndef ADMIN_NAMES_H
#define ADMIN_NAMES_H

#include "admin/console.h"

struct names {
	const char	**list;
	size_t		 count;
};

/*
 * Databases of the file, those that exist by its `*` entry, and `pgbouncer`.
 * False: no memory, nothing to free.
 */
bool names_of_databases(const struct console_env *env,
    struct names *names_out) MUST_CHECK;

/* Users of the auth file and of [users], forced users, and `pgbouncer`. */
bool names_of_users(const struct console_env *env, struct names *names_out)
    MUST_CHECK;

void names_free(struct names *names);

#endif
