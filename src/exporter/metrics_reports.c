/*
 * Reports of the console as metrics: by the names of the usual exporter
 * (metrics.def), and each column by its own name as others have it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/rows.h"
#include "admin/table.h"
#include "base/version.h"
#include "exporter/metrics_parts.h"

struct metric {
	const char		*column, *name;
	enum prometheus_type	 type;
	bool			 seconds;
	const char		*help;
};

#define NONE { NULL, NULL, PROMETHEUS_GAUGE, false, NULL }
#define METRIC_OF(column, name, type, seconds, help) \
	{ column, name, PROMETHEUS_##type, seconds, help },

/* One array for each report: the others' lines vanish. */
#define METRIC(report, ...) METRIC_IN_##report(__VA_ARGS__)
#define METRIC_IN_STATS_TOTALS(...) METRIC_OF(__VA_ARGS__)
#define METRIC_IN_POOLS(...)
#define METRIC_IN_DATABASES(...)
static const struct metric of_stats[] = {
#include "exporter/metrics.def"
	NONE
};
#undef METRIC_IN_STATS_TOTALS
#undef METRIC_IN_POOLS
#define METRIC_IN_STATS_TOTALS(...)
#define METRIC_IN_POOLS(...) METRIC_OF(__VA_ARGS__)
static const struct metric of_pools[] = {
#include "exporter/metrics.def"
	NONE
};
#undef METRIC_IN_POOLS
#undef METRIC_IN_DATABASES
#define METRIC_IN_POOLS(...)
#define METRIC_IN_DATABASES(...) METRIC_OF(__VA_ARGS__)
static const struct metric of_databases[] = {
#include "exporter/metrics.def"
	NONE
};

static const char *const database_labels[] = { "database", NULL };
static const char *const pool_labels[] = { "database", "user", NULL };
static const char *const raw_pool_labels[] = { "database", "user",
    "pool_mode", NULL };
static const char *const database_entry_labels[] = { "name", "host", "port",
    "database", "force_user", "pool_mode", NULL };

static void
write_rows(struct prometheus *out, const struct table *table,
    const struct metric *metric, const char *const *labels)
{
	for (unsigned row = 0; row < table->rows; row++) {
		const char *value = table_cell(table, row, metric->column);

		prometheus_begin(out, "");
		for (unsigned i = 0; labels[i] != NULL; i++)
			prometheus_label(out, labels[i], table_cell(table,
			    row, labels[i]));
		if (metric->seconds && value != NULL)
			prometheus_seconds(out, strtoull(value, NULL, 10));
		else
			prometheus_text(out, value);
	}
}

static void
write_metrics(struct prometheus *out, const struct table *table,
    const char *prefix, const struct metric *metrics,
    const char *const *labels)
{
	char name[128];

	for (; metrics->name != NULL; metrics++) {
		snprintf(name, sizeof(name), "%s%s", prefix, metrics->name);
		prometheus_family(out, name, metrics->type, metrics->help);
		write_rows(out, table, metrics, labels);
	}
}

static bool
is_one_of(const char *name, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(name, *list) == 0)
			return true;
	return false;
}

/* Each column by its own name, but for what is no number or there already. */
static void
write_columns(struct prometheus *out, const struct table *table,
    const char *prefix, const char *const *left_out,
    const char *const *labels)
{
	char name[128], help[160];

	for (unsigned i = 0; i < table->width; i++) {
		const struct metric metric = { .column = table->names[i] };
		bool is_total = strncmp(metric.column, "total_", 6) == 0;

		if (is_one_of(metric.column, left_out) ||
		    is_one_of(metric.column, labels))
			continue;
		snprintf(name, sizeof(name), "%s%s", prefix, metric.column);
		snprintf(help, sizeof(help), "Column %s as the console shows "
		    "it", metric.column);
		prometheus_family(out, name, is_total ? PROMETHEUS_COUNTER :
		    PROMETHEUS_GAUGE, help);
		write_rows(out, table, &metric, labels);
	}
}

static bool
write_stats(const struct console_env *env, struct prometheus *out)
{
	static const char *const nothing[] = { NULL };
	struct table table;

	if (!table_make(env, "STATS_TOTALS", &table))
		return false;
	write_metrics(out, &table, "pgbouncer_stats_totals_", of_stats,
	    database_labels);
	write_metrics(out, &table, "pgbouncer_stats_", of_stats,
	    database_labels);
	table_free(&table);
	if (!table_make(env, "STATS", &table))
		return false;
	write_columns(out, &table, "pgbouncer_stats_", nothing,
	    database_labels);
	table_free(&table);
	return true;
}

static bool
write_pools(const struct console_env *env, struct prometheus *out)
{
	static const char *const left_out[] = { "load_balance_hosts", NULL };
	struct table table;

	if (!table_make(env, "POOLS", &table))
		return false;
	write_metrics(out, &table, "pgbouncer_pools_", of_pools, pool_labels);
	write_columns(out, &table, "pgbouncer_pools_", left_out,
	    raw_pool_labels);
	table_free(&table);
	return true;
}

static bool
write_databases(const struct console_env *env, struct prometheus *out)
{
	static const char *const left_out[] = { "pool_size",
	    "max_connections", "current_connections", "paused", "disabled",
	    "load_balance_hosts", NULL };
	struct table table;

	if (!table_make(env, "DATABASES", &table))
		return false;
	write_metrics(out, &table, "pgbouncer_databases_", of_databases,
	    database_entry_labels);
	write_columns(out, &table, "pgbouncer_databases_", left_out,
	    database_entry_labels);
	table_free(&table);
	return true;
}

static void
write_alone(struct prometheus *out, const char *name, const char *help,
    const char *value)
{
	prometheus_family(out, name, PROMETHEUS_GAUGE, help);
	prometheus_begin(out, "");
	prometheus_text(out, value);
}

static const struct {
	const char	*list, *name, *help;
} lists[] = {
	{ "databases", "databases", "Databases" },
	{ "users", "users", "Users" },
	{ "pools", "pools", "Pools" },
	{ "free_clients", "free_clients", "Rows of clients not in use" },
	{ "used_clients", "used_clients", "Clients" },
	{ "login_clients", "login_clients", "Clients that log in" },
	{ "free_servers", "free_servers", "Rows of servers not in use" },
	{ "used_servers", "used_servers", "Server connections" },
	{ "dns_names", "cached_dns_names", "Host names that are known" },
	{ "dns_zones", "cached_dns_zones", "DNS zones that are known" },
	{ "dns_queries", "in_flight_dns_queries", "Host names looked up now" },
};

static bool
write_lists(const struct console_env *env, struct prometheus *out)
{
	struct table table;
	char name[128];

	if (!table_make(env, "LISTS", &table))
		return false;
	for (unsigned row = 0; row < table.rows; row++) {
		const char *list = table_cell(&table, row, "list");
		const char *items = table_cell(&table, row, "items");

		for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
			if (strcmp(lists[i].list, list) != 0)
				continue;
			snprintf(name, sizeof(name), "pgbouncer_%s",
			    lists[i].name);
			write_alone(out, name, lists[i].help, items);
		}
		snprintf(name, sizeof(name), "pgbouncer_lists_%s", list);
		write_alone(out, name, "Line of SHOW LISTS", items);
	}
	table_free(&table);
	return true;
}

static bool
is_number(const char *text)
{
	return text != NULL && text[0] != '\0' &&
	    text[strspn(text, "0123456789.")] == '\0' &&
	    strchr(text, '.') == strrchr(text, '.');
}

static bool
write_config(const struct console_env *env, struct prometheus *out)
{
	struct table table;
	char name[128];

	if (!table_make(env, "CONFIG", &table))
		return false;
	for (unsigned row = 0; row < table.rows; row++) {
		const char *key = table_cell(&table, row, "key");
		const char *value = table_cell(&table, row, "value");

		if (strcmp(key, "max_client_conn") == 0)
			write_alone(out,
			    "pgbouncer_config_max_client_connections",
			    "Parameter max_client_conn", value);
		if (!is_number(value))
			continue;
		snprintf(name, sizeof(name), "pgbouncer_config_%s", key);
		write_alone(out, name, "Parameter of the same name", value);
	}
	table_free(&table);
	return true;
}

/* --- SHOW CLIENTS, counted ----------------------------------------------- */

#define GROUPED 4

/* By what is told of them: two samples with the same labels are an error. */
struct group {
	const char	*key[GROUPED];	/* database, user, program, state */
};

static int
compare(const void *one, const void *other)
{
	const struct group *a = one, *b = other;

	for (unsigned i = 0; i < GROUPED; i++) {
		int order = strcmp(a->key[i], b->key[i]);

		if (order != 0)
			return order;
	}
	return 0;
}

static void
write_groups(struct prometheus *out, const struct group *groups,
    size_t count)
{
	static const char *const labels[GROUPED] = { "database", "user",
	    "application_name", "state" };

	for (size_t i = 0, next; i < count; i = next) {
		for (next = i + 1; next < count &&
		    compare(&groups[i], &groups[next]) == 0; next++)
			continue;
		prometheus_begin(out, "");
		for (unsigned k = 0; k < GROUPED; k++)
			prometheus_label(out, labels[k], groups[i].key[k]);
		prometheus_uint(out, next - i);
	}
}

static bool
write_clients(const struct console_env *env, struct prometheus *out)
{
	static const char *const columns[GROUPED] = { "database", "user",
	    "application_name", "state" };
	struct table table;
	struct group *groups;

	if (!table_make(env, "CLIENTS", &table))
		return false;
	groups = calloc(table.rows + 1, sizeof(*groups));
	for (unsigned row = 0; groups != NULL && row < table.rows; row++)
		for (unsigned k = 0; k < GROUPED; k++)
			groups[row].key[k] = prometheus_label_text(
			    table_cell(&table, row, columns[k]));
	prometheus_family(out, "pgbouncer_client_connections",
	    PROMETHEUS_GAUGE, "Clients by program and state");
	if (groups != NULL) {
		qsort(groups, table.rows, sizeof(*groups), compare);
		write_groups(out, groups, table.rows);
	}
	free(groups);
	table_free(&table);
	return groups != NULL;
}

static void
write_version(struct prometheus *out)
{
	prometheus_family(out, "pgbouncer_version_info", PROMETHEUS_GAUGE,
	    "Always 1; the label is what SHOW VERSION says");
	prometheus_begin(out, "");
	prometheus_label(out, "version", version_text());
	prometheus_uint(out, 1);
	write_alone(out, "pgbouncer_up", "1: the pooler is up", "1");
}

bool
metrics_write_reports(const struct console_env *env, struct prometheus *out)
{
	write_version(out);
	return write_stats(env, out) && write_pools(env, out) &&
	    write_databases(env, out) && write_lists(env, out) &&
	    write_config(env, out) && write_clients(env, out);
}
