/*
 * pgusherctl health: is the pooler well? For monitoring systems.
 *
 *	OK: 3 pools, 12 clients, none waits
 *	WARNING: 7 clients of shop/app wait for a connection
 *
 * The first line is the worst finding; each further one has a line of its
 * own.  The exit status is that of the plugins of Nagios and its kin.
 */
#ifndef CTL_HEALTH_H
#define CTL_HEALTH_H

#include <libpq-fe.h>
#include <stdio.h>

#include "ctl/console_link.h"

enum health {
	HEALTH_OK = 0,
	HEALTH_WARNING = 1,
	HEALTH_CRITICAL = 2,
	HEALTH_UNKNOWN = 3	/* it could not be looked at */
};

/* Above the first it warns, above the second it is critical. */
struct health_limits {
	double	waiting[2];	/* cl_waiting of a pool */
	double	maxwait[2];	/* seconds */
	double	xact_time[2];	/* avg_xact_time, seconds */
	double	usage[2];	/* sv_active / pool_size */
};

/* The thresholds of the operations guide. */
extern const struct health_limits health_limits_default;

/* "5,20" to two numbers, the second not below the first. */
bool health_read_limit(const char *text, double limit_out[2]) MUST_CHECK;

/*
 * What was found, worst first.
 */
#define HEALTH_FINDINGS_MOST 32

struct health_findings {
	enum health	worst;
	unsigned	count;		/* all of them, even untold ones:
					   of those that are less bad */
	unsigned	pools, clients;
	struct {
		enum health	health;
		char		text[300];	/* one line */
	}		finding[HEALTH_FINDINGS_MOST];
};

/* From the reports of these names. */
void health_judge(const struct health_limits *limits, const PGresult *pools,
    const PGresult *databases, const PGresult *stats,
    struct health_findings *out);
/* PAUSE and SUSPEND of all: SHOW DATABASES does not tell. */
void health_judge_state(const PGresult *state, struct health_findings *out);
/* One more finding. */
void health_add(struct health_findings *findings, enum health health,
    const char *format, ...) PRINTF_LIKE(3, 4);
void health_print(FILE *file, const struct health_findings *findings);

/*
 * All of it; `database`, if not NULL, is to answer a query as well.  What has
 * not answered by place->deadline is critical.
 */
enum health health_run(const struct console_place *place,
    const struct health_limits *limits, const char *database, FILE *file);

#endif
