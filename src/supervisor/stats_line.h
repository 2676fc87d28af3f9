/*
 * The line of statistics that goes to the log once each stats_period.
 */
#ifndef SUPERVISOR_STATS_LINE_H
#define SUPERVISOR_STATS_LINE_H

#include "base/base.h"
#include "shm/segment.h"

/* All pools and workers together. */
void stats_line_sum(struct segment *segment, struct stats_totals *sum_out);

/* What happened between two sums, in PgBouncer's words. */
void stats_line_format(const struct stats_totals *before,
    const struct stats_totals *after, usec_t elapsed, char *text,
    size_t size);

/* The same for systemctl status, where it says "μs". */
void stats_line_for_status(const char *line, char *text, size_t size);

#endif
