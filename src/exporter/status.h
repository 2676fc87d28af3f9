/*
 * What the status page draws: /status.json.
 */
#ifndef EXPORTER_STATUS_H
#define EXPORTER_STATUS_H

#include "admin/console.h"
#include "exporter/text.h"

/* False: no memory. */
bool status_write(const struct console_env *env, struct text *out)
    MUST_CHECK;

#endif
