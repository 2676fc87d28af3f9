/*
 * A client of HTTP that does what it is told, also what no browser would.
 */
#ifndef LIVE_HTTP_H
#define LIVE_HTTP_H

#include "base/base.h"

struct http_answer {
	int		 status;	/* 0: no answer came */
	const char	*headers;	/* as they came */
	const char	*body;
};

/* A connection to 127.0.0.1, or -1. */
int http_connect(int port);

/* Sends exactly these bytes and reads until the other side closes. */
struct http_answer http_say(int port, const char *bytes, size_t length);

/* GET with "Connection: close" and these headers ("Accept: …\r\n" or ""). */
struct http_answer http_get(int port, const char *path,
    const char *headers);

/* The value of this sample; NaN: there is none. */
double metric_value(const char *metrics, const char *sample);

/* Waits until the port answers /healthz. */
void http_await(int port);

#endif
