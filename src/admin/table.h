/*
 * A report as rows of texts, for who speaks no protocol.
 */
#ifndef ADMIN_TABLE_H
#define ADMIN_TABLE_H

#include "admin/console.h"

struct table {
	unsigned	  width, rows;
	const char	**names;	/* [width] */
	const char	**cells;	/* [rows][width]; NULL: SQL NULL */
	struct arena	 *arena;	/* holds all this */
};

/*
 * Makes the table of what SHOW <report> tells an admin.  False: no memory, or
 * there is no such report; nothing is to be freed.
 */
bool table_make(const struct console_env *env, const char *report,
    struct table *table_out) MUST_CHECK;
void table_free(struct table *table);

/* By the name of a column; NULL: a NULL, or there is no such column. */
const char *table_cell(const struct table *table, unsigned row,
    const char *column);

#endif
