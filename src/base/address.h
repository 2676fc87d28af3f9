/*
 * An address as rows keep it: small, fixed, without pointers.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <sys/socket.h>

#include "base/base.h"

#define ADDRESS_UNIX 0
#define ADDRESS_IPV4 4
#define ADDRESS_IPV6 6

struct address {
	uint8_t		family;		/* ADDRESS_… */
	uint8_t		bytes[16];	/* network order; IPv4: the first 4 */
	uint16_t	port;		/* host order; Unix: configured port */
};

#define ADDRESS_TEXT_BYTES 64

/* Of the kernel's form; a Unix socket gets `unix_port`. */
void address_from(const struct sockaddr *from, uint16_t unix_port,
    struct address *address_out);

/* "10.0.0.1", "::1", "unix". */
void address_format_host(const struct address *address, char *text,
    size_t size);

/* "10.0.0.1:5432", "[::1]:5432", "unix:5432", "unix(pid):5432". */
void address_format(const struct address *address, uint32_t pid, char *text,
    size_t size);

#endif
