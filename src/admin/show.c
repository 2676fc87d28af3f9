#include "admin/show.h"

#include <string.h>
#include <strings.h>

#include "build.h"

#include "admin/reply.h"

#define WHO_ALL false
#define WHO_ADMINS true

static const struct show_entry reports[] = {
#define REPORT(name, line, who) { #name, &show_##name, WHO_##who },
#include "admin/reports.def"
#undef REPORT
};

const struct show_entry *
show_entries(size_t *count_out)
{
	*count_out = ARRAY_LENGTH(reports);
	return reports;
}

static const struct faked_parameter {
	const char *name, *value;
} faked[] = {
	{ "client_encoding", "UTF-8" },
	{ "default_transaction_isolation", "read committed" },
	{ "standard_conforming_strings", "on" },
	{ "datestyle", "ISO" },
	{ "timezone", "GMT" },
	{ "transaction_isolation", "read committed" },
	{ "transaction_read_only", "on" },
	{ "server_encoding", "UTF8" },
	{ "server_version", PGBOUNCER_VERSION "/bouncer" },
	{ "search_path", "pgbouncer, pg_catalog" },
	{ "integer_datetimes", "on" },
	{ "max_identifier_length", "63" },
};

static enum show_verdict
show_rows(const struct console_env *env, const struct show *show,
    struct buffer *reply)
{
	struct report report;

	report_begin(&report, reply, show->columns, show->width);
	if (!show->fill(env, &report))
		report.failed = true;
	return report_complete(&report, "SHOW") ? SHOW_DONE : SHOW_NO_MEMORY;
}

static enum show_verdict
show_notice(const struct show *show, struct buffer *reply)
{
	return show->notice(reply) && reply_complete(reply, "SHOW") ?
	    SHOW_DONE : SHOW_NO_MEMORY;
}

static const struct faked_parameter *
find_faked(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(faked); i++)
		if (strcasecmp(name, faked[i].name) == 0)
			return &faked[i];
	return NULL;
}

static enum show_verdict
show_faked(const struct faked_parameter *parameter, struct buffer *reply)
{
	struct report_column column = { parameter->name, REPORT_TEXT };
	struct report report;

	report_begin(&report, reply, &column, 1);
	report_text(&report, parameter->value);
	report_end_row(&report);
	return report_complete(&report, "SHOW") ? SHOW_DONE : SHOW_NO_MEMORY;
}

static const struct show_entry *
find_report(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(reports); i++)
		if (strcasecmp(name, reports[i].name) == 0)
			return &reports[i];
	return NULL;
}

bool
show_knows(const char *name)
{
	return find_report(name) != NULL || find_faked(name) != NULL;
}

/* Who may not see it hears so when it is run. */
bool
show_describe(const struct console_env *env, const char *name,
    struct buffer *out)
{
	const struct show_entry *entry = find_report(name);
	const struct faked_parameter *parameter = find_faked(name);
	struct report_column column = { name, REPORT_TEXT };
	struct report report = { .failed = false };

	if (entry != NULL && entry->show->notice == NULL)
		report_begin(&report, out, entry->show->columns,
		    entry->show->width);
	else if (entry == NULL && parameter != NULL) {
		column.name = parameter->name;
		report_begin(&report, out, &column, 1);
	}
	return !report.failed;
}

enum show_verdict
show_run(const struct console_env *env, const char *name,
    struct buffer *reply)
{
	const struct faked_parameter *parameter = find_faked(name);
	const struct show_entry *entry = find_report(name);

	if (entry != NULL) {
		if (entry->admins_only && !env->is_admin)
			return SHOW_REFUSED;
		if (entry->show->notice != NULL)
			return show_notice(entry->show, reply);
		return show_rows(env, entry->show, reply);
	}
	return parameter == NULL ? SHOW_UNKNOWN :
	    show_faked(parameter, reply);
}

const char *
show_faked_parameter(const char *name)
{
	const struct faked_parameter *parameter = find_faked(name);

	return parameter == NULL ? NULL : parameter->value;
}
