/*
 * SHOW STATE, SHOW VERSION, SHOW HELP, and the reports that have no rows.
 */
#include <stdio.h>
#include <string.h>

#include "admin/commands.h"
#include "admin/reply.h"
#include "admin/show.h"
#include "base/version.h"

static const struct report_column state_columns[] = {
	{ "key", REPORT_TEXT },
	{ "value", REPORT_TEXT },
};

static void
show_state(struct report *report, const char *key, bool value)
{
	report_text(report, key);
	report_text(report, value ? "yes" : "no");
	report_end_row(report);
}

static bool
fill_state(const struct console_env *env, struct report *report)
{
	const struct state *state = env->segment->state;
	bool paused = atomic_load(&state->paused) != 0;
	bool suspended = atomic_load(&state->suspended) != 0;

	show_state(report, "active", !paused && !suspended);
	show_state(report, "paused", paused);
	show_state(report, "suspended", suspended);
	return true;
}

const struct show show_STATE = {
	state_columns, ARRAY_LENGTH(state_columns), fill_state, NULL
};

static const struct report_column version_columns[] = {
	{ "version", REPORT_TEXT },
};

static bool
fill_version(const struct console_env *env, struct report *report)
{
	report_text(report, version_text());
	report_end_row(report);
	return true;
}

const struct show show_VERSION = {
	version_columns, ARRAY_LENGTH(version_columns), fill_version, NULL
};

/* --- SHOW HELP ----------------------------------------------------------- */

static const struct {
	const char	*name;
	int		 line;
} reports[] = {
#define REPORT(name, line, who) { #name, line },
#include "admin/reports.def"
#undef REPORT
};

/* "\n\tSHOW HELP|CONFIG|…\n\tSHOW PEERS|…\n": a line for each group. */
static size_t
list_reports(char *text, size_t size)
{
	size_t used = 0;
	int line = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(reports); i++) {
		used += (size_t)snprintf(text + used, size - used, "%s%s",
		    reports[i].line == line ? "|" : "\n\tSHOW ",
		    reports[i].name);
		if (used >= size)
			return size - 1;
		line = reports[i].line;
	}
	return used;
}

static bool
notice_help(struct buffer *reply)
{
	char text[REPLY_TEXT_BYTES];
	size_t used = list_reports(text, sizeof(text) - 1);

	text[used++] = '\n';
	used += (size_t)snprintf(text + used, sizeof(text) - used,
	    "\tSELECT ... FROM <report>, see SELECT * FROM reports\n");
	commands_usage(text + used, sizeof(text) - used);
	return reply_notice(reply, "Console usage", text);
}

const struct show show_HELP = { NULL, 0, NULL, notice_help };

/* --- what there is none of yet ------------------------------------------- */

static bool
fill_nothing(const struct console_env *env, struct report *report)
{
	return true;
}

static const struct report_column peer_pools_columns[] = {
	{ "peer_id", REPORT_INT },
	{ "cl_active_cancel_req", REPORT_INT },
	{ "cl_waiting_cancel_req", REPORT_INT },
	{ "sv_active_cancel", REPORT_INT },
	{ "sv_login", REPORT_INT },
};

static const struct report_column dns_zones_columns[] = {
	{ "zonename", REPORT_TEXT },
	{ "serial", REPORT_INT64 },
	{ "count", REPORT_INT },
};

static bool
fill_peer_pools(const struct console_env *env, struct report *report)
{
	for (size_t i = 0; i < env->config->peer_count; i++) {
		int id = env->config->peers[i].id;
		struct peer_counts counts = peers_count(env->segment,
		    (uint32_t)id);

		report_int(report, id);
		report_int(report, (int32_t)counts.active);
		report_int(report, (int32_t)counts.waiting);
		report_int(report, (int32_t)counts.active);
		report_int(report, 0);
		report_end_row(report);
	}
	return true;
}

const struct show show_PEER_POOLS = {
	peer_pools_columns, ARRAY_LENGTH(peer_pools_columns), fill_peer_pools,
	NULL
};
const struct show show_DNS_ZONES = {
	dns_zones_columns, ARRAY_LENGTH(dns_zones_columns), fill_nothing, NULL
};
