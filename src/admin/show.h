/*
 * SHOW: one table of reports, each a set of columns and who fills the rows.
 *
 * Columns, their order and types are PgBouncer's: there are readers that go
 * by position.  New columns never, new reports yes.
 */
#ifndef ADMIN_SHOW_H
#define ADMIN_SHOW_H

#include "admin/console.h"
#include "wire/report.h"

struct show {
	const struct report_column	*columns;
	unsigned			 width;
	/* Adds whole rows. False: no memory. */
	bool (*fill)(const struct console_env *env, struct report *report);
	/* In the place of rows, for SHOW HELP. False: no memory. */
	bool (*notice)(struct buffer *reply);
};

#define REPORT(name, line, who) extern const struct show show_##name;
#include "admin/reports.def"
#undef REPORT

struct show_entry {
	const char		*name;	/* in capitals */
	const struct show	*show;
	bool			 admins_only;
};

const struct show_entry *show_entries(size_t *count_out);

enum show_verdict {
	SHOW_DONE = 0,		/* rows and CommandComplete are appended */
	SHOW_UNKNOWN,		/* nothing was appended */
	SHOW_REFUSED,		/* nothing was appended: not for this user */
	SHOW_NO_MEMORY		/* at most a notice was */
};

/* Case of the name does not matter. */
enum show_verdict show_run(const struct console_env *env, const char *name,
    struct buffer *reply) MUST_CHECK;

/* True: show_run() knows it, whoever may see it. */
bool show_knows(const char *name);

/* Appends the RowDescription alone, if there is one.  False: no memory. */
bool show_describe(const struct console_env *env, const char *name,
    struct buffer *out) MUST_CHECK;

/*
 * Parameters that every driver asks for or sets, faked so that it can
 * connect.  NULL: not one of them.
 */
const char *show_faked_parameter(const char *name);

#endif
