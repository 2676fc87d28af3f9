/*
 * HTTP, spoken by libmicrohttpd; nobody else knows that library.
 *
 * One thread, one loop: http_poll_fds() says what to wait for, http_run()
 * does what is to be done.  Everything is bounded: connections, the bytes of
 * a request, how long one may be silent.
 */
#ifndef EXPORTER_HTTP_H
#define EXPORTER_HTTP_H

#include <poll.h>

#include "config/config.h"
#include "config/places.h"
#include "exporter/pages.h"

struct http;

typedef void http_handler(void *context, const struct request *request,
    struct response *response_out);

struct http_plan {
	const int			*fds;		/* they listen */
	unsigned			 count;
	const struct tls_settings	*tls;	/* no certificate: none */
	http_handler			*handle;
	void				*context;
};

/* NULL: the error says why. The descriptors stay the caller's. */
struct http *http_start(const struct http_plan *plan, struct error *error)
    MUST_CHECK;

/* Takes no more connections. */
void http_quiesce(struct http *http);

/* Requests that are being answered. */
unsigned http_under_way(const struct http *http);

/* Fills in what to wait for; says how many. There is room for count. */
unsigned http_poll_fds(struct http *http, struct pollfd *fds_out);

/* Milliseconds until http_run() has to be called; -1: only for news. */
int http_timeout(struct http *http);
void http_run(struct http *http);

void http_stop(struct http *http);

/* "libmicrohttpd 0.9.75, with TLS", or "no". */
const char *http_support(void);

#endif
