/*
 * Tables that are no reports: what there is, for who looks for it first.
 * Drivers and dashboards know the names from PostgreSQL.
 */
#ifndef ADMIN_CATALOG_H
#define ADMIN_CATALOG_H

#include "admin/show.h"

struct catalog_table {
	const char	*schema, *name;
	struct show	 show;
};

const struct catalog_table *catalog_tables(size_t *count_out);

/* PostgreSQL's name of a column's type. */
const char *catalog_type_name(char report_type);

#endif
