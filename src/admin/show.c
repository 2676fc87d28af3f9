#include "admin/show.h"

#include <string.h>
#include <strings.h>

#include "admin/reply.h"

enum who {
	WHO_ALL,
	WHO_ADMINS
};

static const struct {
	const char		*name;
	const struct show	*show;
	enum who		 who;
} reports[] = {
#define REPORT(name, line, who) { #name, &show_##name, WHO_##who },
#include "admin/reports.def"
#undef REPORT
};

static const struct faked_parameter {
	const char *name, *value;
} faked[] = {
	{ "client_encoding", "UTF-8" },
	{ "default_transaction_isolation", "read committed" },
	{ "standard_conforming_strings", "on" },
	{ "datestyle", "ISO" },
	{ "timezone", "GMT" },
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

enum show_verdict
show_run(const struct console_env *env, const char *name,
    struct buffer *reply)
{
	const struct faked_parameter *parameter = find_faked(name);

	for (size_t i = 0; i < ARRAY_LENGTH(reports); i++) {
		if (strcasecmp(name, reports[i].name) != 0)
			continue;
		if (reports[i].who == WHO_ADMINS && !env->is_admin)
			return SHOW_REFUSED;
		if (reports[i].show->notice != NULL)
			return show_notice(reports[i].show, reply);
		return show_rows(env, reports[i].show, reply);
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
