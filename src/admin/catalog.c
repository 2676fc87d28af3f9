#include "admin/catalog.h"

#include <stdio.h>
#include <string.h>

/* What pg_type says of the types that reports have, and of bool. */
static const struct {
	uint32_t	 oid;
	const char	*name, *long_name;
	int16_t		 size;
	uint32_t	 array;
} types[] = {
	{ 16, "bool", "boolean", 1, 1000 },
	{ 17, "bytea", "bytea", -1, 1001 },
	{ 20, "int8", "bigint", 8, 1016 },
	{ 23, "int4", "integer", 4, 1007 },
	{ 25, "text", "text", -1, 1009 },
	{ 701, "float8", "double precision", 8, 1022 },
	{ 1700, "numeric", "numeric", -1, 1231 },
};

#define PG_CATALOG_OID 11

const char *
catalog_type_name(char report_type)
{
	uint32_t oid = report_oid((enum report_type)report_type);

	for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
		if (types[i].oid == oid)
			return types[i].long_name;
	return "text";
}

static const struct report_column type_columns[] = {
	{ "oid", REPORT_INT64 },
	{ "typname", REPORT_TEXT },
	{ "typnamespace", REPORT_INT64 },
	{ "typlen", REPORT_INT },
	{ "typtype", REPORT_TEXT },
	{ "typelem", REPORT_INT64 },
	{ "typarray", REPORT_INT64 },
	{ "typbasetype", REPORT_INT64 },
	{ "typrelid", REPORT_INT64 },
	{ "typdelim", REPORT_TEXT },
};

static bool
fill_types(const struct console_env *env, struct report *report)
{
	for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
		report_int64(report, types[i].oid);
		report_text(report, types[i].name);
		report_int64(report, PG_CATALOG_OID);
		report_int(report, types[i].size);
		report_text(report, "b");
		report_int64(report, 0);
		report_int64(report, types[i].array);
		report_int64(report, 0);
		report_int64(report, 0);
		report_text(report, ",");
		report_end_row(report);
	}
	return true;
}

/* --- what there is ------------------------------------------------------- */

/* Names are in small letters where SQL shows them. */
static const char *
lower(const char *name, char *copy, size_t size)
{
	snprintf(copy, size, "%s", name);
	for (char *at = copy; *at != '\0'; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	return copy;
}

static bool
is_visible(const struct console_env *env, const struct show_entry *entry)
{
	return entry->show->notice == NULL &&
	    (env->is_admin || !entry->admins_only);
}

typedef void add_table(struct report *report, const char *schema,
    const char *name, const struct show *show);

static bool
fill_each(const struct console_env *env, struct report *report,
    add_table *add)
{
	size_t shows, others;
	const struct show_entry *entries = show_entries(&shows);
	const struct catalog_table *tables = catalog_tables(&others);
	char name[64];

	for (size_t i = 0; i < shows; i++)
		if (is_visible(env, &entries[i]))
			add(report, CONSOLE_DATABASE, lower(entries[i].name,
			    name, sizeof(name)), entries[i].show);
	for (size_t i = 0; i < others; i++)
		add(report, tables[i].schema, tables[i].name,
		    &tables[i].show);
	return true;
}

static const struct report_column reports_columns[] = {
	{ "report", REPORT_TEXT },
	{ "position", REPORT_INT },
	{ "name", REPORT_TEXT },
	{ "type", REPORT_TEXT },
};

static void
add_report(struct report *report, const char *schema, const char *name,
    const struct show *show)
{
	if (strcmp(schema, CONSOLE_DATABASE) != 0)
		return;
	for (unsigned i = 0; i < show->width; i++) {
		report_text(report, name);
		report_int(report, (int32_t)i + 1);
		report_text(report, show->columns[i].name);
		report_text(report, catalog_type_name(show->columns[i].type));
		report_end_row(report);
	}
}

static bool
fill_reports(const struct console_env *env, struct report *report)
{
	return fill_each(env, report, add_report);
}

static const struct report_column tables_columns[] = {
	{ "table_catalog", REPORT_TEXT },
	{ "table_schema", REPORT_TEXT },
	{ "table_name", REPORT_TEXT },
	{ "table_type", REPORT_TEXT },
};

static void
add_one_table(struct report *report, const char *schema, const char *name,
    const struct show *show)
{
	report_text(report, CONSOLE_DATABASE);
	report_text(report, schema);
	report_text(report, name);
	report_text(report, "VIEW");
	report_end_row(report);
}

static bool
fill_tables(const struct console_env *env, struct report *report)
{
	return fill_each(env, report, add_one_table);
}

static const struct report_column columns_columns[] = {
	{ "table_catalog", REPORT_TEXT },
	{ "table_schema", REPORT_TEXT },
	{ "table_name", REPORT_TEXT },
	{ "column_name", REPORT_TEXT },
	{ "ordinal_position", REPORT_INT },
	{ "is_nullable", REPORT_TEXT },
	{ "data_type", REPORT_TEXT },
};

static void
add_columns(struct report *report, const char *schema, const char *name,
    const struct show *show)
{
	for (unsigned i = 0; i < show->width; i++) {
		report_text(report, CONSOLE_DATABASE);
		report_text(report, schema);
		report_text(report, name);
		report_text(report, show->columns[i].name);
		report_int(report, (int32_t)i + 1);
		report_text(report, "YES");
		report_text(report, catalog_type_name(show->columns[i].type));
		report_end_row(report);
	}
}

static bool
fill_columns(const struct console_env *env, struct report *report)
{
	return fill_each(env, report, add_columns);
}

static const struct catalog_table tables[] = {
	{ CONSOLE_DATABASE, "reports", { reports_columns,
	    ARRAY_LENGTH(reports_columns), fill_reports, NULL } },
	{ "information_schema", "tables", { tables_columns,
	    ARRAY_LENGTH(tables_columns), fill_tables, NULL } },
	{ "information_schema", "columns", { columns_columns,
	    ARRAY_LENGTH(columns_columns), fill_columns, NULL } },
	{ "pg_catalog", "pg_type", { type_columns,
	    ARRAY_LENGTH(type_columns), fill_types, NULL } },
};

const struct catalog_table *
catalog_tables(size_t *count_out)
{
	*count_out = ARRAY_LENGTH(tables);
	return tables;
}
