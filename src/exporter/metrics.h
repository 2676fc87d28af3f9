/*
 * All metrics: the names of the usual exporter, PgBouncer's own columns as
 * other exporters call them, and what only pgusher has (pgusher_…).
 */
#ifndef EXPORTER_METRICS_H
#define EXPORTER_METRICS_H

#include "admin/console.h"
#include "exporter/prometheus.h"

/* False: no memory; the text is of no use. */
bool metrics_write(const struct console_env *env, struct prometheus *out)
    MUST_CHECK;

#endif
