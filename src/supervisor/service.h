/*
 * The service manager (systemd): what it passes to us and what it is told.
 *
 *   READY=1                     all workers serve
 *   RELOADING=1 … READY=1       a reload, whether it went well or not
 *   STATUS=stats: …             each stats_period
 *   STOPPING=1                  a shutdown has begun
 *   WATCHDOG=1                  the supervisor's loop turns
 *
 * The only file that knows libsystemd; built without it, or started by
 * somebody else, all of this does nothing.
 */
#ifndef SUPERVISOR_SERVICE_H
#define SUPERVISOR_SERVICE_H

#include "base/base.h"

/* Sockets it passes begin at this descriptor. */
#define SERVICE_FIRST_FD 3

struct service {
	unsigned passed_fds;	/* sockets, from SERVICE_FIRST_FD on */
	usec_t	 watchdog;	/* wants to hear of us so often; 0: does not */
	usec_t	 patted_at;
	bool	 is_ready, is_reloading, is_stopping;
};

/* Before this process becomes another one: the manager means this one. */
void service_find(struct service *service);

void service_ready(struct service *service);
void service_reloading(struct service *service, usec_t now);
/* Nothing is said if no reload was under way. */
void service_reloaded(struct service *service);
void service_stopping(struct service *service);
void service_status(const char *text);

/* When the watchdog wants to be patted next; INT64_MAX: never. */
usec_t service_watchdog_due(const struct service *service);
void service_pat_watchdog(struct service *service, usec_t now);

/* What it says in --version. */
const char *service_support(void);

#endif
