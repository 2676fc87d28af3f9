/*
 * What is at which path.  Pure functions: no socket, no library of HTTP.
 *
 *   /             the status page         needs a password, if one is set
 *   /status.json  what it draws                "
 *   /metrics      for Prometheus               "
 *   /healthz      200: the pooler lives   needs none: for load balancers
 *   /readyz       200: it takes clients        "
 */
#ifndef EXPORTER_PAGES_H
#define EXPORTER_PAGES_H

#include "admin/console.h"
#include "exporter/text.h"

struct request {
	const char	*method, *path;
	const char	*accept, *authorization;	/* headers or NULL */
};

struct response {
	unsigned	 status;
	const char	*type;
	const char	*security;	/* Content-Security-Policy */
	const char	*challenge;	/* WWW-Authenticate, or NULL */
	const char	*allow;		/* Allow, or NULL */
	struct text	 body;		/* to be cleared */
};

/* Once, before the first request: looks at the page that is built in. */
void pages_prepare(void);

/* Fills in a response, whatever the request. */
void pages_answer(const struct console_env *env,
    const struct request *request, struct response *response_out);

#endif
