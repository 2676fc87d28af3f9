/*
 * A list of networks: "10.0.0.0/8, 192.0.2.7, fd00::/8", separated by commas
 * or blanks.  An address alone is that host.
 */
#ifndef CONFIG_NETWORKS_H
#define CONFIG_NETWORKS_H

#include "base/address.h"
#include "base/error.h"

#define NETWORKS_MOST 64

struct network {
	struct address	address;	/* no bit beyond the prefix */
	uint8_t		prefix;		/* bits */
};

struct networks {
	struct network	list[NETWORKS_MOST];
	unsigned	count;
};

/* An empty text, or NULL, is no network at all. */
bool networks_parse(const char *text, struct networks *networks_out,
    struct error *error) MUST_CHECK;

/* An IPv4 address that IPv6 carries (::ffff:10.0.0.1) counts as IPv4. */
bool networks_have(const struct networks *networks,
    const struct address *address);

#endif
