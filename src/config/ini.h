/*
 * The entries of an ini file and its includes, as iniparser finds them.
 *
 *     dialect   reads lines: includes, quotes, comments, files and lines
 *        |
 *        |      a canonical ini text, each byte that iniparser would not
 *        v      keep as it is written as %xx
 *     iniparser
 *        |
 *        v      looked up and decoded
 *     entries
 *
 * The last of several entries with one name in one section counts.
 */
#ifndef CONFIG_INI_H
#define CONFIG_INI_H

#include "base/base.h"
#include "base/error.h"
#include "config/dialect.h"
#include "config/files.h"

struct ini;

struct ini_entry {
	const char	*section;
	const char	*name;
	const char	*value;
	struct place	 place;
	/* Its section began again behind it (PgBouncer forgets it then). */
	bool		 stale;
};

/*
 * Sections other than these, NULL at the end, are an error.  NULL: the error
 * names file and line.
 */
struct ini *ini_read(struct files *files, const char *path,
    const char *const *sections, struct error *error) MUST_CHECK;

/* True: the section is there, maybe empty. */
bool ini_has_section(const struct ini *ini, const char *section);

/* All entries, in the order they are written in. */
const struct ini_entry *ini_entries(const struct ini *ini, size_t *count_out);

/* Entries and their texts go with it, wiped. NULL is allowed. */
void ini_free(struct ini *ini);

#endif
