/*
 * The map file: which name of the system may be which user.
 *
 *     # map    system name     user
 *     staff    anna            admin
 *     staff    /^(.*)@firm$    \1
 *     staff    root            all
 *
 * A system name that begins with a slash is a regular expression (POSIX,
 * extended), and \1 in the user is what its first part in brackets matched,
 * as in PostgreSQL's pg_ident.conf.  `all`, not quoted, is any user.
 */
#ifndef CONFIG_IDENT_H
#define CONFIG_IDENT_H

#include "base/base.h"
#include "base/error.h"
#include "base/memory.h"
#include "config/files.h"

struct ident_line {
	const char	*map;
	const char	*system_name;	/* a pattern: without the slash */
	const char	*user;		/* NULL: any */
	bool		 is_pattern;
};

struct ident {
	const struct ident_line	*lines;		/* as they are in the file */
	size_t			 count;
};

/* All or nothing: false, and the error names the line, if one is broken. */
bool ident_read(const struct file *file, struct arena *arena,
    struct ident *ident_out, struct error *error) MUST_CHECK;

/* There is a line of this map. */
bool ident_has_map(const struct ident *ident, const char *map) MUST_CHECK;

#endif
