/*
 * The exporter: a process that tells over HTTP how the pooler is.
 *
 * It reads the segment and writes nothing, takes no lock, and serves one
 * request after the other, so that however often it is asked it takes no
 * more than its share of one processor.  Its configuration is that of its
 * birth: the supervisor renews it when there is another one.
 *
 *   SERVING -- SIGTERM --> what is being answered -- done, or late --> end
 */
#ifndef EXPORTER_EXPORTER_H
#define EXPORTER_EXPORTER_H

#include "contract/inheritance.h"

/* A life of the exporter, for the supervisor: see contract/inheritance.h. */
int exporter_run(const struct inheritance *inheritance);

/* Which library serves it, or "no". */
const char *exporter_support(void);

#endif
