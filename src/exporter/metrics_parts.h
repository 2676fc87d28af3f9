/*
 * What metrics are made of; private to metrics_*.c.
 */
#ifndef EXPORTER_METRICS_PARTS_H
#define EXPORTER_METRICS_PARTS_H

#include "exporter/metrics.h"

/* Reports, under the names that others gave them. False: no memory. */
bool metrics_write_reports(const struct console_env *env,
    struct prometheus *out) MUST_CHECK;

/* What only pgusher has. False: no memory. */
bool metrics_write_own(const struct console_env *env, struct prometheus *out)
    MUST_CHECK;

/* Of the kernel, about our processes. */
void metrics_write_processes(const struct console_env *env,
    struct prometheus *out);

#endif
