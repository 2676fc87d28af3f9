/*
 * What this program calls itself.
 *
 * Exporters and scripts parse the release of PgBouncer out of SHOW VERSION
 * and --version, so that comes first; which pgusher it is follows.
 */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#include "base/base.h"

/* "PgBouncer 1.25.2 (pgusher 0.1.0)" */
const char *version_text(void);

#endif
