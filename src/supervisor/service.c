#include "build.h"

#include "supervisor/service.h"

#ifdef HAVE_SYSTEMD

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"

_Static_assert(SERVICE_FIRST_FD == SD_LISTEN_FDS_START, "as systemd has it");

void
service_find(struct service *service)
{
	uint64_t period;
	int passed = sd_listen_fds(1);

	memset(service, 0, sizeof(*service));
	if (passed < 0)
		log_warning("could not take what the service manager passes: "
		    "%s", strerror(-passed));
	else
		service->passed_fds = (unsigned)passed;
	if (sd_watchdog_enabled(0, &period) > 0)
		service->watchdog = (usec_t)period;
}

/* A manager that is gone is no reason to stop working. */
static void
tell(const char *news)
{
	int rc = sd_notify(0, news);

	if (rc < 0)
		log_debug("could not notify the service manager: %s",
		    strerror(-rc));
}

void
service_ready(struct service *service)
{
	service->is_ready = true;
	if (!service->is_stopping)
		tell("READY=1");
}

void
service_reloading(struct service *service, usec_t now)
{
	char news[64];

	if (!service->is_ready || service->is_stopping)
		return;
	snprintf(news, sizeof(news), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
	    now);
	tell(news);
	service->is_reloading = true;
}

void
service_reloaded(struct service *service)
{
	if (service->is_reloading && !service->is_stopping)
		tell("READY=1");
	service->is_reloading = false;
}

void
service_stopping(struct service *service)
{
	if (!service->is_stopping)
		tell("STOPPING=1");
	service->is_stopping = true;
}

void
service_status(const char *text)
{
	char news[1024];

	snprintf(news, sizeof(news), "STATUS=%s", text);
	tell(news);
}

/* Twice as often as it wants, or one slow turn would be the end. */
usec_t
service_watchdog_due(const struct service *service)
{
	if (service->watchdog == 0)
		return INT64_MAX;
	return service->patted_at + service->watchdog / 2;
}

void
service_pat_watchdog(struct service *service, usec_t now)
{
	if (now < service_watchdog_due(service))
		return;
	service->patted_at = now;
	tell("WATCHDOG=1");
}

const char *
service_support(void)
{
	return "yes";
}

#else /* !HAVE_SYSTEMD */

void
service_find(struct service *service)
{
	*service = (struct service){ 0 };
}

void
service_ready(struct service *service)
{
	service->is_ready = true;
}

void
service_reloading(struct service *service, usec_t now)
{
}

void
service_reloaded(struct service *service)
{
}

void
service_stopping(struct service *service)
{
	service->is_stopping = true;
}

void
service_status(const char *text)
{
}

usec_t
service_watchdog_due(const struct service *service)
{
	return INT64_MAX;
}

void
service_pat_watchdog(struct service *service, usec_t now)
{
}

const char *
service_support(void)
{
	return "no";
}

#endif
