/*
 * The sockets of metrics_listen: the supervisor opens them, so that a port in
 * use refuses a configuration, and an exporter that dies loses no connection.
 */
#ifndef SUPERVISOR_HTTP_SOCKETS_H
#define SUPERVISOR_HTTP_SOCKETS_H

#include "config/places.h"

struct http_sockets {		/* zeroed: there is none */
	struct places	places;
	int		fds[PLACES_MOST];
	/* Opened for a configuration that is not in force yet. */
	struct places	next_places;
	int		next_fds[PLACES_MOST];
	bool		is_prepared;
};

/*
 * Opens what the text names and is not open yet.  False: something could not
 * be opened, and all is as it was.
 */
bool http_sockets_prepare(struct http_sockets *sockets, const char *text,
    struct error *error) MUST_CHECK;

/* The configuration comes to nothing: what it alone names is closed. */
void http_sockets_discard(struct http_sockets *sockets);

/* The configuration is in force: what it does not name is closed. */
void http_sockets_adopt(struct http_sockets *sockets);

/* Closes all that is open, in whatever process. */
void http_sockets_close(struct http_sockets *sockets);

#endif
