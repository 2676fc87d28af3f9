/*
 * Where the exporter listens: "9127", "127.0.0.1:9127", "[::1]:9127",
 * "*:9127", several separated by commas.  A port alone is the loopback's.
 */
#ifndef CONFIG_PLACES_H
#define CONFIG_PLACES_H

#include "base/address.h"
#include "base/error.h"

#define PLACES_MOST 8

struct listen_place {
	struct address	address;
	bool		everywhere;	/* IPv6 and IPv4; the address is :: */
};

struct places {
	struct listen_place	list[PLACES_MOST];
	unsigned	count;
};

/* An empty text, or NULL, is no place at all. */
bool places_parse(const char *text, struct places *places_out,
    struct error *error) MUST_CHECK;

#endif
