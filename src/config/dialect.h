/*
 * The dialect of ini that pgbouncer.ini is written in, line by line.
 *
 *     ; comment                      # comment
 *     %include FILE                  relative to the working directory
 *     [section]
 *     key = value                    bare keys: A-Z a-z 0-9 _ . - *
 *     'any key' = value              "any key" = value
 *
 * A `;` or `#` after a blank, outside quotes, begins a comment, so that
 * `server_lifetime = 1800  # half an hour` is 1800; PgBouncer knows comments
 * on lines of their own only.  A quote that is not closed on its line is an
 * ordinary character.
 *
 * Includes may nest 10 deep.  A section goes on after an include, and one
 * begun in an included file goes on behind it.
 */
#ifndef CONFIG_DIALECT_H
#define CONFIG_DIALECT_H

#include "base/base.h"
#include "base/error.h"
#include "config/files.h"

/* Where something is written. */
struct place {
	const char	*file;		/* as long as the struct files */
	unsigned	 line;
};

struct dialect_item {
	const char	*section;
	const char	*name;		/* NULL: the section begins here */
	const char	*value;
	struct place	 place;
};

/* Texts are gone when it returns. False: stop, the error is filled. */
typedef bool dialect_visitor(const struct dialect_item *item, void *context,
    struct error *error);

/* False: the visitor said so, or the error names file and line. */
bool dialect_read(struct files *files, const char *path,
    dialect_visitor *visit, void *context, struct error *error) MUST_CHECK;

#endif
