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

/* The addresses of a host name; what is behind them is left out. */
#define ADDRESSES_MOST 16

struct address_list {
	uint32_t	count;
	struct address	address[ADDRESSES_MOST];
};

/* Of the kernel's form; a Unix socket gets `unix_port`. */
void address_from(const struct sockaddr *from, uint16_t unix_port,
    struct address *address_out);

/* In the kernel's form. Not for Unix sockets, whose path is not kept here. */
void address_to(const struct address *address,
    struct sockaddr_storage *to_out, socklen_t *length_out);

/* True: the text is an IP address, not a name. The port is 0. */
bool address_parse_host(const char *text, struct address *address_out)
    MUST_CHECK;

/* The same host, whatever the ports are. */
bool address_same_host(const struct address *one,
    const struct address *other);

/* Is this host in the list? */
bool address_list_has(const struct address_list *list,
    const struct address *address);

/* Adds a host unless it is in there or there is no room left. */
void address_list_add(struct address_list *list,
    const struct address *address);

/* "10.0.0.1", "::1", "unix". */
void address_format_host(const struct address *address, char *text,
    size_t size);

/* "10.0.0.1:5432", "[::1]:5432", "unix:5432", "unix(pid):5432". */
void address_format(const struct address *address, uint32_t pid, char *text,
    size_t size);

#endif
